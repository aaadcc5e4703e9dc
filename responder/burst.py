"""Step 1: many findings of one container as a few groups of like processes. Pure.

One `gcc a.c` is five executions, one `pip install` can be hundreds: a record shows each kind once, with how many there
were, and the store keeps them all. Read page by page, so that a record of any size fits into memory. Of more kinds than
a record shows, those that say the most are kept: a flood of harmless commands hides none that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from responder import compiler
from responder.record import RecordedFinding

if TYPE_CHECKING:
    from responder.ports import Records

MOST_GROUPS: Final = 100
_MORE_KEYS: Final = 20


Kind = tuple[object, ...]
Worth = Callable[[RecordedFinding], int]
"""How much a kind says: the higher, the worse it looks."""


class Burst(NamedTuple):
    """The groups, by the eventTime of their first; how many occurrences were read; every finding's key.

    `folded`: how many kinds have no group of their own, and are counted in another.
    """

    groups: tuple[RecordedFinding, ...]
    seen: int
    keys: frozenset[str]
    folded: int = 0


def pages_of(records: Records, record_id: str) -> Iterator[tuple[RecordedFinding, ...]]:
    """The findings of a record, page by page."""
    after = ""
    while page := records.findings_page(record_id, after=after):
        yield page
        after = page[-1].key


def burst(pages: Iterable[tuple[RecordedFinding, ...]], worth: Worth) -> Burst:
    """Findings in the order of their eventTime, grouped.

    Of more than `MOST_GROUPS` kinds, the one that says the least, and of those the latest, joins the next of its like.
    """
    groups: dict[Kind, RecordedFinding] = {}
    folded: dict[Kind, Kind] = {}
    worths: dict[Kind, int] = {}
    keys: set[str] = set()
    seen = 0
    for page in pages:
        for one in page:
            seen += len(one.occurrences)
            keys.add(one.key)
            kind = _kind(one)
            while kind in folded:
                kind = folded[kind]
            groups[kind] = _joined(groups[kind], one) if kind in groups else one
            if len(groups) > MOST_GROUPS:
                worths |= {kind: worth(groups[kind]) for kind in groups.keys() - worths}
                # Sorting is stable: of those that say the same, the first that came are kept.
                *_, into, out = sorted(groups, key=lambda kind: -worths[kind])
                folded[out] = into
                groups[into] = _joined(groups[into], groups.pop(out))
    return Burst(tuple(groups.values()), seen, frozenset(keys), len(folded))


def _joined(first: RecordedFinding, one: RecordedFinding) -> RecordedFinding:
    more = (*first.more, one.key, *one.more)[:_MORE_KEYS]
    latest = max(first.last_event_time or first.event_time, one.last_event_time or one.event_time)
    return replace(first, count=first.count + one.count, last_event_time=latest, more=more)


def _kind(one: RecordedFinding) -> Kind:
    """Equal for the same program with the same command line, but for temporary names and numbers."""
    shapes = tuple((p.binary, compiler.parse(p.args, exe=p.binary).shape) for p in one.processes)
    return (one.category, one.state, shapes) if shapes else (one.key,)
