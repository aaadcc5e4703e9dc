"""The order of things, and the only order: admit, claim, verify in SCC, gather, compose, save, release.

Facts are kept, choices are made again: saved evidence is not gathered again when a message is delivered again. Only the
holder of the claim writes the record. Whatever is raised here means: deliver the message again.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Final, NamedTuple

from responder.burst import Burst, burst, pages_of
from responder.compose import Material, compose, finish, next_look, noted, policy_of
from responder.confirming import confirm, doubts, leads, said
from responder.errors import PASSING, Busy, StaleClaim, StoreError, Unanswered, Why
from responder.evidence import Missing
from responder.finding import Finding, Target
from responder.gather import Ask, Gathered, gather
from responder.policy import Policy
from responder.ports import Admission, Claim, Delivery, Precedent, Published, RecordLine, World
from responder.record import Record, RecordedFinding, Round, RoundKind, Traits
from responder.triage import NONE, telling

_MARGIN: Final = timedelta(seconds=30)
"""How much longer than the gathering's deadline a claim runs: saving, and a slow store."""

_RECONCILE: Final = timedelta(hours=24)
_ARRIVAL: Final = timedelta(minutes=5)
"""A finding this young may still be on its way to us as a message."""
_BATCH: Final = 500
_SWEEP: Final = timedelta(minutes=4)
"""After this long a sweep begins nothing new. Half of it is for records that are due, a quarter for findings whose
message never came, an eighth for what is late in going out and one for what is late in being told: none of them takes
all of it. What it has begun may take the gathering's deadline and the margin."""

_LEADS: Final = 8
"""So many findings of one record are looked for in SCC until it has one; each costs one call."""


def respond(world: World, finding: Finding, delivery: Delivery) -> tuple[str, ...]:
    """Investigate a finding: the ids of its records, one for each container that it names.

    It joins all of them before any is worked on, and what one of them meets is raised once all others had their turn.
    A finding whose records are finished and that says nothing new is counted and left. Raises `Busy` where another
    instance works on this very message, and `StoreError` where nothing could be saved.
    """
    arrived = [(target, _admitted(world, finding, target, delivery)) for target in finding.targets()]
    apart = _Apart(whatever=True)
    for target, admission in arrived:
        with apart:
            _respond(world, target, admission, delivery)
    apart.raise_first()
    return tuple(admission.record_id for _, admission in arrived)


def _admitted(world: World, finding: Finding, target: Target, delivery: Delivery) -> Admission:
    admission = world.records.admit(finding, target, delivery)
    world.records.count(f"findings.{admission.kind}")
    return admission


def _respond(world: World, target: Target, admission: Admission, delivery: Delivery) -> None:
    if admission.kind == "duplicate" and admission.finished:
        return
    claim = world.records.claim(admission.record_id, _holder(delivery), _lease(world), world.now())
    if claim is None:
        # The finding is stored: whoever holds the claim looks for it before letting go.
        world.records.count("findings.left_to_holder")
        return
    if admission.kind == "duplicate":
        world.records.count("findings.resumed")
    _work(world, claim, target, admission)


def _holder(delivery: Delivery) -> str:
    """Who works on a message: its id, or what it says where it has none. A claim of no name would exclude nobody."""
    return delivery.message_id or f"unnamed {hashlib.sha256(delivery.data).hexdigest()}"


def again(world: World, record_id: str) -> Record | None:
    """Ask anew what a record is missing, and append: what is known is kept. None where there is no such record.

    Raises `Busy` where an instance is at work on it.
    """
    record = world.records.load(record_id)
    if record is None:
        return None
    subject = record.provenance.subject
    target = Target(namespace=subject.namespace, pod=subject.pod, container=subject.container)
    claim = world.records.claim(record_id, "again", _lease(world), world.now())
    if claim is None:
        raise StoreError("another instance is at work on this record; try again in a minute")
    with _held(world, claim):
        _investigate(world, claim, target, "missing", "again")
    return world.records.load(record_id)


class Swept(NamedTuple):
    """What one sweep did: records that were due, records sent out late, findings whose message never came.

    `scc` is why Security Command Center could not be asked for those; empty where it could. `cut` is whether its time
    ran out: the next sweep goes on. `told` are records of which something was left to tell, and nothing is now.
    """

    due: int
    published: int
    found: int
    scc: str = ""
    cut: bool = False
    told: int = 0


class Progress(NamedTuple):
    """How far a backfill is: findings that SCC listed, those of them that were unknown, the eventTime that it is at."""

    listed: int
    found: int
    at: datetime


def sweep(world: World) -> Swept:
    """Every minute: go on with what was left, ask the gaps whose time has come, look again, find what never came.

    One record that cannot be swept costs its own turn only: its error is raised once all others had theirs.
    `StoreError` at once where the store itself is down.
    """
    now = world.now()
    found_by, sent_by = now + _SWEEP * 3 / 4, now + _SWEEP * 7 / 8
    lines, apart, scc, found, due = world.records.due(now), _Apart(), "", 0, 0
    for line in lines:
        if world.now() >= now + _SWEEP / 2:
            break
        due += 1
        world.records.count("sweep.due")
        with apart:
            _drive(world, line, now)
    try:
        with apart:
            found = backfill(world, now - _RECONCILE, now - _ARRIVAL, holder="sweep", end=found_by)
    except Unanswered as error:
        world.records.count(f"sweep.scc_{error.why}")
        scc = error.why
    is_late = world.now() >= found_by
    sent = _sent(world, world.records.unpublished() if world.outbox else (), _publish, sent_by, apart)
    _sent(world, world.records.wanting(now) if world.summons else (), _summon, sent_by, apart)
    is_late = is_late or world.now() >= sent_by
    told = _tell_the_rest(world, now + _SWEEP, apart)
    apart.raise_first()
    cut = due < len(lines) or is_late or world.now() >= now + _SWEEP
    return Swept(due=due, published=sent, found=found, scc=scc, cut=cut, told=told)


class _Apart:
    """``with apart:`` - a bug that one record meets is kept for later, so that no other record waits for its end.

    What tells of the store or of SCC goes on at once, for it would meet the next one as well; and what is another's now
    is no error. Where `whatever` is to be kept, these are too.
    """

    def __init__(self, *, whatever: bool = False) -> None:
        self._whatever = whatever
        self._first: Exception | None = None

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not self._whatever:
            if isinstance(error, StaleClaim | Busy):
                return True  # it is another's now
            if isinstance(error, StoreError | Unanswered):
                return False
        if not isinstance(error, Exception):
            return False
        self._first = self._first or error
        return True

    def raise_first(self) -> None:
        """The first of them, where there was one."""
        if self._first is not None:
            raise self._first


def backfill(
    world: World,
    since: datetime,
    until: datetime,
    *,
    project: str = "",
    holder: str = "backfill",
    told: Callable[[Progress], object] = lambda _: None,
    end: datetime | None = None,
) -> int:
    """Investigate what SCC has and the store has not: how many findings. SCC never repeats what it once published.

    Safe to repeat, and to break off, as it does by itself at `end`: what is known is not asked about again. `told`
    hears of every finding, once it is recorded. One that cannot be recorded costs its own turn only, as in `sweep`.
    """
    found, listed, apart = 0, 0, _Apart()
    for batch in _batches(world.scc.published(since, until, project=project)):
        unknown = world.records.unknown([one.finding for one in batch])
        for one in batch:
            listed += 1
            if one.finding.key in unknown:
                if end is not None and world.now() >= end:
                    apart.raise_first()
                    return found
                found += 1
                world.records.count(f"{holder}.found")
                delivery = Delivery(data=one.data, message_id=f"{holder} {one.finding.key}", received=world.now())
                with apart:
                    respond(world, one.finding, delivery)
            told(Progress(listed, found, one.finding.event_time))
    apart.raise_first()
    return found


def _drive(world: World, line: RecordLine, now: datetime) -> None:
    target = Target(namespace=line.subject.namespace, pod=line.subject.pod, container=line.subject.container)
    try:
        claim = world.records.claim(line.id, "sweep", _lease(world), now)
    except Busy:
        return
    if claim is None:
        return
    with _held(world, claim):
        record = world.records.load(line.id)
        if record is None or record.provenance.stage != "finished":
            world.records.count("sweep.resumed")
            seen = _investigate(world, claim, target, "everything")
        elif (look := next_look(record)) is not None and look <= now:
            seen = _investigate(world, claim, target, "look", "look")
        elif record.provenance.due is not None and record.provenance.due <= now:
            seen = _investigate(world, claim, target, "gaps", "gaps")
        else:
            seen = record.provenance.read  # its holder died before it looked once more
        while world.records.release(claim, seen):
            seen = _investigate(world, claim, target, "scc", "joined")
    _publish(world, line.id)
    _summon_where_wanted(world, line.id)
    _tell(world, line.id)


def _sent(
    world: World, late: tuple[str, ...], send: Callable[[World, str], Why | None], end: datetime, apart: _Apart
) -> int:
    """Send what is late, and how many were. It ends at `end`, and where the next one would most likely fail as well."""
    sent = 0
    for record_id in late:
        if world.now() >= end:
            break
        why: Why | None = "broken"
        with apart:
            why = send(world, record_id)
        sent += why is None
        if why in PASSING:
            break
    return sent


def _batches(found: Iterator[Published]) -> Iterator[list[Published]]:
    while batch := list(islice(found, _BATCH)):
        yield batch


def _summon_where_wanted(world: World, record_id: str) -> None:
    record = world.records.load(record_id) if world.summons else None
    if record is not None and record.provenance.act == "wanted" and record.provenance.act_due is None:
        _summon(world, record_id)


def _summon(world: World, record_id: str) -> Why | None:
    """Ask `act` to look at a record, and why it could not be; what fails here is asked for by the next sweep."""
    if world.summons is None:
        return "not_asked"
    try:
        world.summons.summon(record_id)
    except Unanswered as error:
        world.records.count(f"summon.{error.why}")
        return error.why
    world.records.count("summoned")
    return None


def _tell(world: World, record_id: str) -> None:
    """Tell people and SCC of a finished record, where anybody is to be told; what fails here is told by the sweep."""
    if world.telling is not None:
        from responder import telling  # noqa: PLC0415 - only where somebody is told

        telling.tell(world, record_id)


def _tell_the_rest(world: World, end: datetime, apart: _Apart) -> int:
    if world.telling is None:
        return 0
    from responder import telling  # noqa: PLC0415 - only where somebody is told

    return telling.sweep(world, end, apart)


def _publish(world: World, record_id: str) -> Why | None:
    """Send a finished record out, and why it was not; what fails here is sent by the next sweep."""
    record = world.records.load(record_id) if world.outbox else None
    if world.outbox is None or record is None or record.provenance.stage != "finished":
        return "not_asked"
    try:
        world.outbox.publish(record)
    except Unanswered as error:
        world.records.count(f"publish.{error.why}")
        return error.why
    world.records.published(record_id, record.provenance.revision)
    return None


def _lease(world: World) -> timedelta:
    return world.settings.deadline + _MARGIN


@contextlib.contextmanager
def _held(world: World, claim: Claim) -> Iterator[None]:
    """Let go of the claim whatever happens, so that a redelivery need not wait for the lease to end."""
    try:
        yield
    finally:
        with contextlib.suppress(StoreError):
            world.records.release(claim, sys.maxsize)


def _work(world: World, claim: Claim, target: Target, admission: Admission) -> None:
    with _held(world, claim):
        if admission.kind == "update" and admission.finished:
            seen = _note(world, claim)
        else:
            kind: RoundKind = "joined" if admission.finished else "first"
            seen = _investigate(world, claim, target, "scc" if admission.finished else "everything", kind)
        while world.records.release(claim, seen):
            # Findings joined meanwhile: SCC is asked about them, the cluster's answers stand.
            seen = _investigate(world, claim, target, "scc", "joined")
    _publish(world, claim.record_id)
    _summon_where_wanted(world, claim.record_id)
    _tell(world, claim.record_id)


def _note(world: World, claim: Claim) -> int:
    """A mute or a state change: the occurrence is shown, nothing is investigated anew.

    Unless what the record has not read may be another's: a sweep may have read this one before it was claimed.
    """
    seen, findings, is_clear = 0, 0, True
    for one in chain.from_iterable(pages_of(world.records, claim.record_id)):
        seen, findings = seen + len(one.occurrences), findings + 1
        is_clear = is_clear and not _fired_again(one)
    record = world.records.load(claim.record_id)
    if record is None:
        return 0
    unread = seen - record.provenance.read
    is_clear = is_clear and findings == sum(one.count for one in record.findings)
    if unread > 1 or (unread == 1 and not is_clear):
        return 0  # a finding joined, or fired again, that SCC was not asked about: nothing counts as read
    world.records.save(noted(record, seen), claim)
    return seen


def _fired_again(one: RecordedFinding) -> bool:
    """Whether it was ACTIVE at another time than at first, or only then."""
    first, *later = ((seen.event_time, seen.state) for seen in one.occurrences)
    return any(seen != first and seen[1] == "ACTIVE" for seen in later)


def _investigate(world: World, claim: Claim, target: Target, ask: Ask, kind: RoundKind = "first") -> int:
    """One pass over the record: gather, save, finish, save. Returns how much of it was read."""
    found = grouped(world, claim.record_id)
    record = world.records.load(claim.record_id)
    if record is None or record.provenance.stage == "finished" or record.provenance.read < found.seen:
        record = _gather(world, claim, target, (ask, kind), found, record)
    # Else a crash came after the gathering: the evidence is kept.
    world.records.save(finish(record, world.now()), claim)
    return found.seen


def _gather(
    world: World,
    claim: Claim,
    target: Target,
    why: tuple[Ask, RoundKind],
    found: Burst,
    old: Record | None,
) -> Record:
    started = world.now()
    ask, kind = why
    if old is None:
        ask = "everything"
    elif ask == "everything":
        ask = "scc"  # what was gathered before a crash is kept
    if old is not None and isinstance(old.evidence.scc, Missing) and ask == "scc":
        ask = "missing"  # what waits for SCC's word is asked with it
    gathered = _gathered(world, target, ask, found, old, record_id=claim.record_id)
    found = confirm(world, claim.record_id, found, gathered, said(old), anew=ask != "scc")
    this = Round(kind=kind, at=started, asked=gathered.asked, answered=gathered.answered)
    material = Material(
        id=claim.record_id,
        findings=found.groups,
        finding=gathered.finding,
        target=gathered.target,
        evidence=gathered.evidence,
        started=old.provenance.started if old else started,
        rounds=_after(old.provenance.rounds if old else (), this),
        errors=(*doubts(found.groups), *_folded(found)),
        read=found.seen,
        previous=old.provenance.previous if old else world.records.previous(claim.record_id),
        old=old,
    )
    record = judged(world, material, policy_of(world))
    # A finished record stays finished while it is told anew: only its first gathering is saved on its own.
    return record if old else world.records.save(record, claim)


def _after(rounds: tuple[Round, ...], this: Round) -> tuple[Round, ...]:
    """Findings that join one after the other make one round with a count: hundreds of them would tell nothing more."""
    last = rounds[-1] if rounds else None
    if last and last.kind == this.kind == "joined" and (last.asked, last.answered) == (this.asked, this.answered):
        return (*rounds[:-1], this.model_copy(update={"count": last.count + 1}))
    return (*rounds, this)


def _folded(found: Burst) -> Iterator[str]:
    if found.folded:
        yield f"{found.folded} more kinds of commands, which say less than these, are counted in one of them"


def judged(world: World, material: Material, policy: Policy) -> Record:
    """The record of the material, beside what earlier records say."""
    start = min(one.event_time for one in material.findings)

    def precedents(traits: Traits) -> tuple[Precedent, ...]:
        return world.records.history(traits, before=start)

    return compose(material, world.settings, precedents, world.tuning() if world.tuning else NONE, policy)


def _gathered(world: World, target: Target, ask: Ask, found: Burst, old: Record | None, *, record_id: str) -> Gathered:
    """What was gathered for the first finding that SCC has: one that it has not must not speak for the others."""
    until = world.now() + world.settings.deadline / 2
    known, tried, lacks = old.evidence if old else None, set[str](), frozenset[str]()
    waiting = leads(world, record_id, found, known)
    for _ in range(_LEADS):
        tried.add(waiting[0].key)
        gathered = gather(world, waiting[0], target, known=known, ask=ask)
        lacks |= gathered.lacks
        if not gathered.refused or world.now() >= until:
            break
        # Behind a message that SCC does not have there may be one of a like process that it has.
        others = confirm(world, record_id, found, gathered, said(old), by_name=False).groups
        waiting = sorted((one for one in others if one.key not in tried), key=lambda one: one.key not in gathered.known)
        if not waiting:
            break
    return gathered._replace(lacks=lacks)


def grouped(world: World, record_id: str) -> Burst:
    """The record's findings in groups, read page by page."""
    return burst(pages_of(world.records, record_id), telling)
