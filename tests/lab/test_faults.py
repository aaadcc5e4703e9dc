"""One fault at a time: each is met, and a run in which one was not met proves nothing and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import faults
from lab.stored import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(name="SQLite", place=str(tmp_path / "records.db"))


def test_each_call_fails_once_and_every_finding_is_recorded(store: Store) -> None:
    said: list[str] = []
    assert faults.faults(store, said.append, ways=("unavailable",)) == []
    assert "pairs of 12 calls and 1 ways to fail" in said[-1]


def test_a_fault_that_is_never_met_proves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(one: faults.One, call: str) -> None:
        one.seen.setdefault(call)

    monkeypatch.setattr(faults.One, "next", seen)
    found = faults.faults(store, lambda _: None, ways=("deny",))
    assert len(found) == 12
    assert all(problem.endswith("deny: never met, nothing is proven") for problem in found)


def test_a_fault_is_of_one_call_and_one_time() -> None:
    one = faults.One()
    one.arm("a", "deny")
    assert [one.next(call) for call in ("b", "a", "a")] == [None, "deny", None]
    assert list(one.seen) == ["b", "a"]
    assert not one.waits
