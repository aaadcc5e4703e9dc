"""In no race is another pod ended, or one pod asked for twice; and the record says what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.staging import TooMuch
from tests.races.race import HAPPENS, Told, play, seeded
from tests.races.script import WATCHED


def right(told: Told) -> None:
    assert told.wrong == "", (told.story, told.record.outcome, told.record.decision.reasons)


def test_undisturbed_every_call_that_is_counted_is_one_that_is_watched(tmp_path: Path) -> None:
    told = play(tmp_path, {})
    right(told)
    assert told.record.outcome.kind == "deleted"
    assert set(told.calls) <= WATCHED
    assert {"actions.send", "remover.delete", "actions.settle", "records.save"} <= set(told.calls)


@pytest.mark.parametrize("what", HAPPENS)
@pytest.mark.parametrize("place", ["actions.intend", "actions.send", "remover.delete", "actions.settle"])
def test_what_happens_around_the_delete_ends_one_pod_at_most(tmp_path: Path, place: str, what: str) -> None:
    (tmp_path / "quiet").mkdir()
    (tmp_path / "race").mkdir()
    number = play(tmp_path / "quiet", {}).calls.index(place)
    right(play(tmp_path / "race", {number: what}))


@pytest.mark.parametrize("seed", [*range(16), 832])
def test_seeded_races_end_one_pod_at_most(tmp_path: Path, seed: int) -> None:
    try:
        right(seeded(tmp_path, seed))
    except TooMuch as lacks:
        pytest.skip(str(lacks))
