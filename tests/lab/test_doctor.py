"""`python -m lab doctor`: what a person sees of the doctor, without a cloud."""

from __future__ import annotations

import json

import pytest

from lab.doctor import doctor


def test_the_healthy_deployment_is_shown_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("") == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) > 60
    assert {line.partition(" ")[0] for line in shown} == {"ok"}


def test_what_is_changed_by_hand_is_found_and_its_mend_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(json.dumps({"/storage/v1/b/acme-sec-evidence": {"retentionPolicy": None}})) == 1
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("ok")]
    assert [line.split()[0] for line in shown] == ["WRONG", "mend:"]
