"""What the long proof plays, in parts that a process each can take: a spawned one finds nothing in a `__main__`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from typing import Final

from tests.proof import mutants_act
from tests.proof.mutants import mutants, variant
from tests.proof.play import ACTED, FEW, SWEPT, Subject, Tally, after_a_record, explore, sequences
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


Job = tuple[Subject, str, Bounds, Iterable[tuple[Event, ...]]]


def jobs(events: int) -> tuple[Job, ...]:
    """What is played, each with its subject, its name and its bounds."""
    product = variant()
    alone = Subject(name="by Pub/Sub alone", pipeline=product)
    swept = Subject(name="with the sweep", pipeline=product, swept=True)
    acts = Subject(name="with act", pipeline=product, acting=mutants_act.acting(product), swept=True)
    answers: list[tuple[Event, ...]] = [("act", one) for one in ACTED]
    return (
        (swept, "3 events in each other, a fault", Bounds(switches=0), HARDEST),
        (alone, "2 events, a fault and a switch", Bounds(troubles=2), sequences(2, FEW[:5])),
        (swept, f"{events} events one by one, a fault", ONE_BY_ONE, sequences(events, FEW)),
        (acts, "an answer and an event, a fault or a switch", Bounds(), answers),
        (swept, "2 events, a fault or a switch", Bounds(), sequences(2, SWEPT)),
        (swept, f"{events} events in each other, no fault", NO_FAULT, sequences(events, CLOSEST)),
        (acts, "2 events one by one, a fault", ONE_BY_ONE, after_a_record(2)),
        (swept, "4 events one by one, a fault", ONE_BY_ONE, LATEST),
    )


def played(events: int, number: int) -> tuple[str, bool]:
    """One of the jobs: what is told of it, and whether no rule was broken."""
    subject, what, bounds, orders = jobs(events)[number]
    started = time.monotonic()
    tally = explore(subject, bounds, orders)
    text = f"{subject.name}, {what}: {_counts(tally)} in {time.monotonic() - started:.0f} s"
    return text + (f"\n  {tally.violation}\n  {tally.story}" if tally.violation else ""), not tally.violation


def _counts(tally: Tally) -> str:
    return f"{tally.schedules} schedules, {tally.faults} faults, {1 if tally.violation else 0} violations"


def mistakes() -> tuple[str, bool]:
    """The table of planted mistakes, and whether each was found that is unsafe, and no other."""
    right, lines = True, [f"{'planted mistake':66} {'schedules':>9}  found by"]
    for mutant in (*mutants(), *mutants_act.mutants()):
        tally = mutant.tried()
        right &= bool(tally.violation) is mutant.unsafe
        found = tally.violation or ("nothing: it breaks no rule" if not mutant.unsafe else "NOTHING")
        lines.append(f"{mutant.subject.name[:66]:66} {tally.schedules:9}  {found[:70]}")
    return "\n".join(lines), right
