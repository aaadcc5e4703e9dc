"""Step 1: many findings of one container as a few groups of like processes. Pure.

One `gcc a.c` is five executions, one `pip install` can be hundreds: a record shows each kind once, with how many
there were, and the store keeps them all. Read page by page, so that a record of any size fits into memory. Of more
kinds than a record shows, those that say the most are kept: a flood of harmless commands hides none that is not. What
SCC confirms and what it does not is never one group, and neither takes the other's room. Nor is a finding that a
guard of step 7 says no to ever of a group to which it says yes, however many kinds there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from responder import compiler
from responder.record import Confirmed, RecordedFinding
from responder.standing import Standing, standing

if TYPE_CHECKING:
    from responder.finding import Process
    from responder.ports import Records

MOST_GROUPS: Final = 100
_MORE_KEYS: Final = 20


class Kind(NamedTuple):
    """Equal for findings of one standing whose processes are alike; without processes `what` is the finding's own."""

    standing: Standing
    what: tuple[object, ...]


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

    Of more than `MOST_GROUPS` kinds, the one that says the least, and of those the latest, joins the next of which the
    guards would say the same: the last group of which one says no is kept.
    A finding of which SCC's word is not known joins those of its kind that SCC confirms: it tells no more than they do.
    """
    sorted_: dict[Confirmed, _Groups] = {word: _Groups(worth) for word in get_args(Confirmed)}
    keys: set[str] = set()
    seen = 0
    for page in pages:
        for one in page:
            seen += len(one.occurrences)
            keys.add(one.key)
            sorted_[one.confirmed].add(one)
    sorted_["yes"].take(sorted_["not_known"])
    groups = (one for each in sorted_.values() for one in each.groups.values())
    folded = sum(len(each.folded) for each in sorted_.values())
    return Burst(tuple(sorted(groups, key=_time)), seen, frozenset(keys), folded)


class _Groups:
    """The groups of findings about which SCC says the same."""

    def __init__(self, worth: Worth) -> None:
        self.groups: dict[Kind, RecordedFinding] = {}
        self.folded: dict[Kind, Kind] = {}
        self._worth = worth
        self._worths: dict[Kind, int] = {}

    def add(self, one: RecordedFinding) -> None:
        kind = kind_of(one)
        while kind in self.folded:
            kind = self.folded[kind]
        self.groups[kind] = _joined(self.groups[kind], one) if kind in self.groups else one
        if len(self.groups) > MOST_GROUPS:
            self._worths |= {kind: self._worth(self.groups[kind]) for kind in self.groups.keys() - self._worths}
            out, into = self._least()
            self.folded[out] = into
            self.groups[into] = _joined(self.groups[into], self.groups.pop(out))

    def _least(self) -> tuple[Kind, Kind]:
        """The kind that says the least, and the next one of which the guards would say the same.

        There are always two: the guards have fewer answers than there are groups.
        """
        waiting: dict[tuple[bool, ...], Kind] = {}
        # Sorting is stable: of those that say the same, the first that came are kept.
        for kind in sorted(self.groups, key=lambda kind: -self._worths[kind])[::-1]:
            answers = _answers(kind.standing)
            if answers in waiting:
                return waiting[answers], kind
            waiting[answers] = kind
        message = "no two groups are of the same answers"
        raise AssertionError(message)

    def take(self, others: _Groups) -> None:
        """The others' groups whose kind is here too."""
        for kind in [kind for kind in others.groups if kind in self.groups]:
            self.groups[kind] = _joined(self.groups[kind], others.groups.pop(kind))


def _time(one: RecordedFinding) -> datetime:
    return one.event_time


def _joined(first: RecordedFinding, one: RecordedFinding) -> RecordedFinding:
    more = (*first.more, one.key, *one.more)[:_MORE_KEYS]
    latest = max(first.last_event_time or first.event_time, one.last_event_time or one.event_time)
    # Of many kinds two that name one pod each, and not the same, may be one group: it names both.
    others = one.pods[:1] if len(standing(first).pods) == 1 and standing(first).pods != standing(one).pods else ()
    pods = (*first.pods, *others)
    return replace(first, count=first.count + one.count, last_event_time=latest, more=more, pods=pods)


def _answers(told: Standing) -> tuple[bool, ...]:
    """What the guards tell apart, in few values: which pods they are takes none of them."""
    return told.active, told.muted, told.test, len(told.pods) == 1


def like(process: Process) -> tuple[str, str]:
    """Equal for the same program with the same command line, but for temporary names and numbers."""
    return process.binary, compiler.parse(process.args, exe=process.binary).shape


def kind_of(one: RecordedFinding) -> Kind:
    """The kind of a finding."""
    shapes = tuple(map(like, one.processes))
    return Kind(standing(one), (one.category, one.state, shapes) if shapes else (one.key,))
