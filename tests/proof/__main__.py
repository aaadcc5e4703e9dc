# ruff: noqa: T201 - a command line prints
"""`python -m tests.proof --events 3`: the long proof, its counts and the table of mistakes; fails for any doubt."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterable
from typing import Final

from tests.proof.mutants import mutants, variant
from tests.proof.play import FEW, SWEPT, Subject, Tally, explore, sequences
from tests.proof.schedule import Bounds, Event

ONE_BY_ONE: Final = Bounds(switches=0, nested=False)
NO_FAULT: Final = Bounds(troubles=0)
CLOSEST: Final[tuple[Event, ...]] = ("finding", "other finding", "mute", "overtaken", "sweep")
HARDEST: Final[tuple[tuple[Event, ...], ...]] = (
    # A holder without a message that would come back, or whose message was acknowledged by another delivery of it.
    ("finding", "again", "other finding"),
    ("finding", "finding", "other finding"),
    # A finding that comes after the second look's time, and before the sweep.
    ("finding", "late finding", "sweep"),
    # A joined finding whose worker is gone, and then a message that reads the record for another reason.
    ("finding", "other finding", "mute"),
)

_BETWEEN: Final[tuple[Event, ...]] = ("other finding", "mute", "late finding", "sweep")
LATEST: Final[tuple[tuple[Event, ...], ...]] = tuple(
    ("no quota", "finding", *two) for two in itertools.product(_BETWEEN, repeat=2)
)
"""A gap that stays until the events are over."""


def main() -> int:
    """Play, print, and tell whether all is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--events", type=int, default=2, help="how many events a schedule has at most")
    events: int = parser.parse_args().events
    product = variant()
    alone = Subject(name="by Pub/Sub alone", pipeline=product)
    swept = Subject(name="with the sweep", pipeline=product, swept=True)
    told = [
        _played(alone, "2 events, a fault and a switch", Bounds(troubles=2), sequences(2, FEW[:5])),
        _played(swept, "2 events, a fault or a switch", Bounds(), sequences(2, SWEPT)),
        _played(swept, f"{events} events one by one, a fault", ONE_BY_ONE, sequences(events, FEW)),
        _played(swept, "4 events one by one, a fault", ONE_BY_ONE, LATEST),
        _played(swept, f"{events} events in each other, no fault", NO_FAULT, sequences(events, CLOSEST)),
        _played(swept, "3 events in each other, a fault", Bounds(switches=0), HARDEST),
    ]
    return 0 if all(told) and _mistakes() else 1


def _played(subject: Subject, what: str, bounds: Bounds, orders: Iterable[tuple[Event, ...]]) -> bool:
    started = time.monotonic()
    tally = explore(subject, bounds, orders)
    print(f"{subject.name}, {what}: {_counts(tally)} in {time.monotonic() - started:.0f} s", flush=True)
    if tally.violation:
        print(f"  {tally.violation}\n  {tally.story}")
    return not tally.violation


def _counts(tally: Tally) -> str:
    return f"{tally.schedules} schedules, {tally.faults} faults, {1 if tally.violation else 0} violations"


def _mistakes() -> bool:
    right = True
    print(f"{'planted mistake':66} {'schedules':>9}  found by")
    for mutant in mutants():
        tally = mutant.tried()
        right &= bool(tally.violation) is mutant.unsafe
        found = tally.violation or ("nothing: it breaks no rule" if not mutant.unsafe else "NOTHING")
        print(f"{mutant.subject.name[:66]:66} {tally.schedules:9}  {found[:70]}", flush=True)
    return right


if __name__ == "__main__":
    sys.exit(main())
