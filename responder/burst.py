"""Step 1: many findings of one container as a few groups of like processes. Pure.

One `gcc a.c` is five executions, one `pip install` can be hundreds: a record shows each kind once, with how many there
were, and the store keeps them all. Read page by page, so that a record of any size fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from responder import compiler
from responder.record import RecordedFinding

if TYPE_CHECKING:
    from responder.ports import Records

MOST_GROUPS: Final = 100
_MORE_KEYS: Final = 20


class Burst(NamedTuple):
    """The groups, by the eventTime of their first; how many occurrences were read; every finding's key."""

    groups: tuple[RecordedFinding, ...]
    seen: int
    keys: frozenset[str]


def pages_of(records: Records, record_id: str) -> Iterator[tuple[RecordedFinding, ...]]:
    """The findings of a record, page by page."""
    after = ""
    while page := records.findings_page(record_id, after=after):
        yield page
        after = page[-1].key


def burst(pages: Iterable[tuple[RecordedFinding, ...]]) -> Burst:
    """Findings in the order of their eventTime, grouped; what comes after the hundredth kind joins the last group."""
    groups: dict[tuple[object, ...], RecordedFinding] = {}
    keys: set[str] = set()
    seen = 0
    for page in pages:
        for one in page:
            seen += len(one.occurrences)
            keys.add(one.key)
            kind = _kind(one)
            if kind not in groups and len(groups) >= MOST_GROUPS:
                kind = next(reversed(groups))
            groups[kind] = _joined(groups[kind], one) if kind in groups else one
    return Burst(tuple(groups.values()), seen, frozenset(keys))


def _joined(first: RecordedFinding, one: RecordedFinding) -> RecordedFinding:
    more = (*first.more, one.key) if len(first.more) < _MORE_KEYS else first.more
    latest = max(first.last_event_time or first.event_time, one.event_time)
    return replace(first, count=first.count + 1, last_event_time=latest, more=more)


def _kind(one: RecordedFinding) -> tuple[object, ...]:
    """Equal for the same program with the same command line, but for temporary names and numbers."""
    shapes = tuple((p.binary, compiler.parse(p.args, exe=p.binary).shape) for p in one.processes)
    return (one.category, one.state, shapes) if shapes else (one.key,)
