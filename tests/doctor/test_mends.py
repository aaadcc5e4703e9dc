"""What the doctor says to type: the real gcloud takes each command, and none runs in a project that nobody named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.doctor.sick import Planted, examined
from tests.doctor.test_faults import ADVICE, FAULTS, UNASKED
from tests.gcloud import GCLOUD, parsed

PLACED = re.compile(
    r"--project=|--organization=|--folder=| (?:projects|organizations|folders)/| gs://|^gcloud projects "
)
"""A flag or a full name: without either it would be done in whatever project gcloud has at the moment."""


@pytest.fixture(scope="module")
def commands() -> list[str]:
    """Every command of gcloud's that the doctor gives as a mend, of all that is planted anywhere, each once."""
    planted: list[Planted] = [*(one[0] for one in (*FAULTS.values(), *ADVICE)), *(one[0] for one in UNASKED)]
    mends = {line.mend for one in planted for line in examined(one)}
    return sorted({mend[mend.index("gcloud ") :] for mend in mends if "gcloud " in mend})


@pytest.mark.slow
def test_each_command_names_where_it_is_to_be_done(commands: list[str]) -> None:
    assert len(commands) >= 60
    assert [one for one in commands if not PLACED.search(one)] == []


@pytest.mark.slow
@pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")
def test_gcloud_parses_each_command_that_the_doctor_gives_as_a_mend(commands: list[str], tmp_path: Path) -> None:
    *told, wrong = parsed([*commands, "gcloud run services update a-page --nope"], tmp_path)
    assert {one: error for one, error in zip(commands, told, strict=True) if error} == {}
    assert wrong == "UnrecognizedArgumentsError"
