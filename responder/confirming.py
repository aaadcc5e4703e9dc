"""Step 1: which findings of a record are SCC's own, and what SCC says of each. Reads through ports, changes nothing.

Whoever may publish to the topic can write a message for a container that has a record, and it joins. What SCC has is
told in SCC's words; what it does not have stays in the record, marked, and counts for nothing. SCC lists a place and a
time in pages: a finding that is not listed is asked for by its name before it is said that SCC does not have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from itertools import chain, islice, zip_longest
from typing import Final, NamedTuple

from responder import proof
from responder.burst import Burst, Kind, burst, kind_of, pages_of
from responder.earlier import with_earlier
from responder.evidence import Evidence, Found, Missing
from responder.finding import Finding, Target
from responder.gather import Gathered, by_key, named
from responder.ports import World
from responder.record import Record, RecordedFinding
from responder.triage import telling

_SECONDS: Final = 20.0
"""For the question by name, so that a claim outlives it."""
_ASKED: Final = 200
"""Findings that are asked for by name in one round, the first of each kind before the others."""
_NAMED: Final = 20
_MORE: Final = "more findings that SCC does not confirm"
_LACKS: Final = "SCC has no such finding"
_NOT_ASKED: Final = "SCC was not asked about it"


class _Word(NamedTuple):
    """SCC's word: what it has, by key, the keys of what it lacks, and what it said `before`, which stands until asked.

    `why` is said of what is open; `anew`: what was said before is asked again.
    """

    has: Mapping[str, Finding]
    lacks: frozenset[str]
    why: str
    target: Target
    before: Mapping[str, RecordedFinding]
    anew: bool

    def is_open(self, one: RecordedFinding) -> bool:
        """Whether SCC is to be asked for it by name."""
        return one.key not in self.has and one.key not in self.lacks and (self.anew or one.key not in self.before)


def confirm(
    world: World,
    record_id: str,
    found: Burst,
    gathered: Gathered,
    before: Mapping[str, RecordedFinding],
    *,
    anew: bool = False,
    by_name: bool = True,
) -> Burst:
    """The record's findings in groups again, each with SCC's word on it; those of `found`, and no later ones.

    `before` has what SCC said in an earlier round, by key: it stands where SCC was silent now, and unless asked `anew`.
    A finding that fired since takes back nothing of it.
    """
    was_silent = not gathered.known and not gathered.lacks
    why = "SCC gave no answer" if was_silent else _NOT_ASKED
    word = _Word(gathered.known, gathered.lacks, why, gathered.target, before, anew)
    groups, open_ = _grouped(world, record_id, found, word)
    if was_silent or not by_name or not open_:
        return groups
    answer = named(world, open_, _SECONDS)
    if isinstance(answer, Missing):
        word = word._replace(why=f"SCC could not be asked: {answer.detail}")
    else:
        has = by_key(answer.value)
        lacks = frozenset(one.key for one in open_ if one.key not in has)
        word = word._replace(has={**word.has, **has}, lacks=word.lacks | lacks)
    return _grouped(world, record_id, found, word)[0]


def leads(world: World, record_id: str, found: Burst, known: Evidence | None) -> list[RecordedFinding]:
    """Whom to ask SCC about, in order: the finding that it confirmed before, then the first of each group."""
    scc = known.scc if known else None
    # Its name there ends in the finding's id, in every spelling.
    led = scc.value.name.rpartition("/")[2] if isinstance(scc, Found) else ""
    waiting = sorted(found.groups, key=lambda one: one.key.rpartition("/")[2] != led)
    if led and not any(one.key.rpartition("/")[2] == led for one in waiting[:1]):
        all_ = (one for page in pages_of(world.records, record_id) for one in page)
        waiting[:0] = [one for one in all_ if one.key.rpartition("/")[2] == led][:1]
    return waiting


def said(record: Record | None) -> dict[str, RecordedFinding]:
    """What SCC said of a record's findings when it was written, by key; of those that a group counts, its no alone."""
    groups = [one for one in record.findings if one.confirmed != "not_known"] if record else []
    like = {key: one for one in groups if one.confirmed == "no" for key in one.more}
    return like | {one.key: one for one in groups}


def denied(record: Record) -> dict[str, RecordedFinding]:
    """As `said`, but that no earlier yes stands where finding and pod are verified anew; SCC's no does."""
    return {
        key: one if one.confirmed == "no" else replace(one, confirmed="not_known") for key, one in said(record).items()
    }


def doubts(findings: tuple[RecordedFinding, ...]) -> tuple[str, ...]:
    """For the record's errors: findings that SCC does not have, and those of which it is not known, the first 20."""
    denied_ = [_line(key, one) for one in findings if one.confirmed == "no" for key in (one.key, *one.more)]
    open_ = [one for one in findings if one.confirmed == "not_known" and one.doubt]
    lines = [*denied_, *(f"whether finding {one.key} is SCC's is not known: {one.doubt}" for one in open_)]
    more = (f"{len(lines) - _NAMED} {_MORE}",) if len(lines) > _NAMED else ()
    return (*lines[:_NAMED], *more)


def others(errors: tuple[str, ...], findings: tuple[RecordedFinding, ...]) -> tuple[str, ...]:
    """A record's errors but for those of `doubts`: of these findings SCC's word is told anew."""
    keys = {key for one in findings for key in (one.key, *one.more)}
    return tuple(error for error in errors if not error.endswith(_MORE) and not any(key in error for key in keys))


def _line(key: str, one: RecordedFinding) -> str:
    return f"SCC does not have finding {key}" if one.doubt == _LACKS else f"finding {key} is not SCC's: {one.doubt}"


def _grouped(world: World, record_id: str, found: Burst, word: _Word) -> tuple[Burst, tuple[RecordedFinding, ...]]:
    """The groups, and the findings to ask for by name, at most `_ASKED`."""
    # Where each finding is a group of its own, all of them are here already.
    pages = iter((found.groups,)) if len(found.groups) == len(found.keys) else pages_of(world.records, record_id)
    open_: dict[Kind, list[RecordedFinding]] = {}

    def told() -> Iterator[tuple[RecordedFinding, ...]]:
        for page in pages:
            yield tuple(_told(one, word) for one in page if one.key in found.keys)
            for one in page:
                if one.key in found.keys and word.is_open(one):
                    likes = open_.setdefault(kind_of(one), [])
                    likes.extend([one][: _ASKED - len(likes)])

    groups = burst(told(), telling)._replace(seen=found.seen)
    settled = {kind_of(one) for one in groups.groups if one.confirmed == "yes"}
    # Of a kind that SCC confirms one more tells nothing new: these are asked for where there is room.
    urgent, others = (
        [likes for kind, likes in open_.items() if (kind in settled) is is_settled] for is_settled in (False, True)
    )
    turns = chain(zip_longest(*urgent), zip_longest(*others))
    asked = (one for turn in turns for one in turn if one is not None)
    return groups, tuple(islice(asked, _ASKED))


def _told(one: RecordedFinding, word: _Word) -> RecordedFinding:
    scc = word.has.get(one.key)
    if scc is None:
        return _unlisted(one, word)
    wrong = proof.contradiction(one, scc, word.target)
    if wrong:
        return replace(one, confirmed="no", doubt=wrong)
    only = proof.only_in_message(one, scc)
    if not scc.processes and "arguments" in one.told and "arguments" not in scc.told:
        only = (*only, "arguments")
    before = word.before.get(one.key)
    told_before = before if before and before.confirmed != "no" else None
    whole = with_earlier(_in_the_words_of(one, proof.confirmed(one, scc)), told_before)
    if only:
        return replace(whole, confirmed="not_known", doubt=f"SCC has it, and does not tell its {', '.join(only)}")
    return replace(whole, confirmed="yes", doubt="")


def _unlisted(one: RecordedFinding, word: _Word) -> RecordedFinding:
    if one.key in word.lacks:
        return replace(one, confirmed="no", doubt=_LACKS)
    before = word.before.get(one.key)
    if before is None or before.confirmed == "not_known":
        return replace(one, confirmed="not_known", doubt=word.why)
    if before.confirmed == "yes":
        one = _in_the_words_of(one, before)
    return replace(one, confirmed=before.confirmed, doubt=before.doubt)


def _in_the_words_of(one: RecordedFinding, other: Finding) -> RecordedFinding:
    return replace(one, **{field.name: getattr(other, field.name) for field in fields(Finding)})
