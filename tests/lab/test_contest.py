"""The head to head: ours passes each case, and a responder that goes by names is seen to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.contest import CASES, contest, naive, ours

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_passes(case: object) -> None:
    (result,) = contest(ours, [one for one in CASES if one is case])
    assert result.wrong == ""


@pytest.mark.slow
def test_one_that_goes_by_names_does_not() -> None:
    told = {one.case.name: one.wrong for one in contest(naive)}
    assert told == {
        "the pod of the finding": "",
        "a replaced pod": "1 other pods were ended",
        "duplicate deliveries": "",
        "a dropped reply": "1 other pods were ended",
        "the wrong container": "commands ran in metrics",
    }


def test_the_document_has_every_case() -> None:
    text = (ROOT / "docs" / "head-to-head.md").read_text(encoding="utf-8")
    assert [case.name for case in CASES if f"| {case.name} |" not in text] == []
