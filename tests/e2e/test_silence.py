"""What goes out meets who accepts and never answers: the judge of `lab.silence` sees it, and lets nothing else pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import silence
from lab.stored import Store


def quiet(_: str) -> None:
    """Say nothing."""


def named(holes: tuple[silence.Hole, ...], *names: str) -> tuple[silence.Hole, ...]:
    return tuple(hole for hole in holes if hole.name in names)


def test_a_channel_whose_answer_never_ends_costs_its_time_and_is_told_again_under_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = named(silence.TOLD, "a channel, a byte a second,")
    monkeypatch.setattr(silence, "TOLD", (*one, silence.Hole(name="none")))
    found = silence.untold(Store(name="SQLite", place=str(tmp_path / "records.db")), quiet)
    assert found == ["SQLite: none never answers: all of it was told: nothing is proven"]


def test_a_delete_whose_answer_never_ends_is_looked_at_and_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = named(silence.ENDED, "a delete, a byte a second,")
    monkeypatch.setattr(silence, "ENDED", (*one, silence.Hole(name="none", dripping=("nothing",), captures=True)))
    found = silence.unended(Store(name="SQLite", place=str(tmp_path / "records.db")), quiet)
    pod = "checkout-7d9f8c5b4-00002"
    assert found == [
        f"SQLite: none never answers: {pod} was asked to end 1 times",
    ]
