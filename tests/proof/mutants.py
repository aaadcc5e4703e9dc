# ruff: noqa: ARG002 - a mistake does not look at what it is handed
"""The unsafe variants that the proof must find: each is one mistake that a hurried hand could make.

Variants of the store are subclasses that change one small method. Variants of the pipeline are made from its own source
by a named replacement that must apply, so that a change of the source is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from responder import act, compose, pipeline, removing
from responder.errors import Busy, StaleClaim, StoreError
from responder.finding import Finding, Target
from responder.ports import Admission, Claim, Clock, Delivery, Records
from responder.record import Occurrence, Record
from tests.proof import light
from tests.proof.memory import MemoryRecords, Row
from tests.proof.play import Subject, Tally, explore, sequences
from tests.proof.schedule import Bounds, Event

SOURCES: Final = {
    module: Path(str(module.__file__)).read_text(encoding="utf-8") for module in (compose, pipeline, act, removing)
}
_LOOK: Final = "while world.records.release(claim, seen):"
_KNOWN: Final = 'if admission.kind == "duplicate" and admission.finished:'
_KEPT: Final = 'if record is None or record.provenance.stage == "finished"'
_FINISH: Final = "world.records.save(finish(record, world.now()), claim)"


_KINDS: Final[tuple[Event, ...]] = ("finding", "overtaken", "other finding", "mute", "fires again")
"""Enough to find each that two events can find."""


class Mutant(NamedTuple):
    """One mistake, and the orders of events that are played to find it.

    `unsafe` is False for one that costs work and breaks no rule: the judge must not cry wolf.
    """

    subject: Subject
    orders: tuple[tuple[Event, ...], ...] = ()
    unsafe: bool = True

    def tried(self) -> Tally:
        """What two events find, or the orders that are named."""
        return explore(self.subject, Bounds(), self.orders or sequences(2, _KINDS))


def variant(*edits: tuple[str, str]) -> ModuleType:
    """The pipeline with each old text, which must stand in it or in compose.py, replaced by the new one.

    What it calls in between is the least that there can be (`light`), but for when a record is looked at again.
    """
    for old, _ in edits:
        assert any(old in SOURCES[one] for one in (compose, pipeline)), f"the source has changed: it has no {old!r}"
    made, module = (edited(one, edits) for one in (compose, pipeline))
    for name, stand_in in light.parts(made).items():
        assert hasattr(module, name), f"pipeline.py has changed: it calls no {name}"
        setattr(module, name, stand_in)
    return module


def edited(module: ModuleType, edits: tuple[tuple[str, str], ...]) -> ModuleType:
    """The module made anew from its source, each old text that stands in it replaced."""
    source = SOURCES[module]
    for old, new in edits:
        source = source.replace(old, new)
    if source == SOURCES[module] and module is compose:
        return compose
    made = ModuleType(module.__name__)
    made.__file__ = str(module.__file__)
    exec(compile(source, made.__file__, "exec"), made.__dict__)  # noqa: S102 - our own source, a text or none replaced
    return made


# --- mistakes of a store ----------------------------------------------------------------------------------------------


class NoFence(MemoryRecords):
    """Whoever once had a claim may write."""

    def _holds(self, row: Row, claim: Claim, now: datetime) -> bool:
        return True


class FenceByHolder(MemoryRecords):
    """The fence looks at the holder's name, which a redelivery of the same message has as well."""

    def _holds(self, row: Row, claim: Claim, now: datetime) -> bool:
        return row.holder == claim.holder


class FenceWithoutExpiry(MemoryRecords):
    """A claim that has expired still writes."""

    def _holds(self, row: Row, claim: Claim, now: datetime) -> bool:
        return row.token == claim.token


class ClaimForEver(MemoryRecords):
    """A claim does not expire."""

    def _free(self, row: Row, now: datetime) -> bool:
        return not row.holder


class ClaimForAll(MemoryRecords):
    """A claim is given while another's runs."""

    def _free(self, row: Row, now: datetime) -> bool:
        return True


class SameToken(MemoryRecords):
    """Each claim has the same token."""

    def _token(self, row: Row) -> int:
        return 1


class ReleaseOfOthers(MemoryRecords):
    """Whoever once had a claim gives back that of another."""

    def _may_release(self, row: Row, claim: Claim) -> bool:
        return row.holder != ""


class BlindRelease(MemoryRecords):
    """A release does not look for what joined."""

    def _joined(self, row: Row, seen: int) -> bool:
        return False


class RecordForEach(MemoryRecords):
    """A finding opens a record though its container has one."""

    def _joinable(self, subject: str, moment: datetime) -> Row | None:
        return None


class KeptTwice(MemoryRecords):
    """A finding that is delivered again is kept again."""

    def _same(self, told: tuple[datetime, str, str], one: Occurrence) -> bool:
        return False


class MuteIsDuplicate(MemoryRecords):
    """State and mute do not tell one publication from another."""

    def _same(self, told: tuple[datetime, str, str], one: Occurrence) -> bool:
        return told[0] == one.event_time


class EventTimeIsDuplicate(MemoryRecords):
    """EventTime does not tell one publication from another."""

    def _same(self, told: tuple[datetime, str, str], one: Occurrence) -> bool:
        return told[1:] == (one.state, one.mute)


class FinishedForEver(MemoryRecords):
    """A record counts as finished though something joined that nobody has read."""

    def _unread(self, row: Row) -> bool:
        return False


class JoinsWithoutStoring(MemoryRecords):
    """A finding that comes while its record is held is left to the holder, who is not told."""

    def admit(self, finding: Finding, target: Target, delivery: Delivery) -> Admission:
        held = next((row for row in self._of(finding.subject(target)) if row.holder), None)
        if held is not None and finding.key not in held.findings:
            return Admission(kind="duplicate", record_id=held.id, finished=True)
        return super().admit(finding, target, delivery)


class SilentFence(MemoryRecords):
    """A save of a claim that is no longer held writes nothing and says nothing."""

    def save(self, record: Record, claim: Claim) -> Record:
        try:
            return super().save(record, claim)
        except StaleClaim:
            return record


_STORES: Final[tuple[type[MemoryRecords], ...]] = (
    NoFence, FenceByHolder, FenceWithoutExpiry, ClaimForEver, ClaimForAll, SameToken, ReleaseOfOthers, BlindRelease,
    RecordForEach, KeptTwice, MuteIsDuplicate, EventTimeIsDuplicate, FinishedForEver, JoinsWithoutStoring, SilentFence,
)  # fmt: skip
_NEEDS_THREE: Final[dict[type[MemoryRecords], tuple[tuple[Event, ...], ...]]] = {
    # One that was taken over, the one that took over, and one that gets what the first gave back.
    ReleaseOfOthers: (("finding", "overtaken", "new message"),),
}

# --- mistakes of the pipeline -----------------------------------------------------------------------------------------

_PIPELINES: Final[dict[str, tuple[str, str]]] = {
    "a duplicate is acknowledged though its record is not finished": (
        _KNOWN,
        'if admission.kind == "duplicate":',
    ),
    "nobody looks for joined findings before letting go": (
        _LOOK,
        "while world.records.release(claim, sys.maxsize):",
    ),
    "joined findings are seen at the release and not read": (
        _LOOK,
        "if world.records.release(claim, seen): world.records.release(claim, sys.maxsize)\n        while False:",
    ),
    "what joined is counted at the release, not when it was read": (
        _LOOK,
        "while world.records.release(claim, grouped(world, claim.record_id).seen):",
    ),
    "saved evidence is gathered again after a takeover": (
        _KEPT,
        'if record is not None and record.provenance.stage == "gathered":\n        record = None\n    if True',
    ),
    "the record is never finished": (_FINISH, "finish(record, world.now())"),
}
_LATER: Final[dict[str, tuple[tuple[str, str], tuple[Event, ...]]]] = {
    "there is never a second look": (
        ("(look := next_look(record)) is not None and look <= now", "False"),
        ("finding",),
    ),
    "whatever is asked after a look's time is taken for the look": (
        ("if _looked(one, record.evidence)", "if one.kind"),
        ("finding", "late finding"),
    ),
    "the look at the window's end is made at the second look": (
        ("(first + _SECOND_LOOK, record.provenance.window_end)", "(first + _SECOND_LOOK,)"),
        ("finding",),
    ),
    "a finding that joins puts off the gaps that nobody asks about": (
        ("if gap.passing and name in asked", "if gap.passing"),
        ("no quota", "finding", "other finding"),
    ),
}
"""Mistakes about what is asked for later, each with the events that show it."""
_HARMLESS: Final[dict[str, tuple[str, str]]] = {
    "a claim is not given back after a failure": (
        "with contextlib.suppress(StoreError):\n            world.records.release(claim, sys.maxsize)",
        "pass",
    ),
}


def _swallowing(kind: type[Exception], base: tuple[tuple[str, str], ...]) -> ModuleType:
    """A pipeline that returns, and so acknowledges, where the real one raises."""
    module = variant(*base)
    respond: Callable[..., tuple[str, ...]] = module.respond

    def swallows(*args: Any) -> tuple[str, ...]:
        try:
            return respond(*args)
        except kind:
            return ()

    module.respond = swallows  # type: ignore[attr-defined] # the variant's own, not the product's
    return module


def mutants(*base: tuple[str, str]) -> Iterator[Mutant]:
    """All of them; `base` are edits that every variant starts from."""
    sound = variant(*base)
    for store in _STORES:
        name = (store.__doc__ or "").rstrip(".")
        yield Mutant(Subject(name=name, pipeline=sound, store=_made(store)), _NEEDS_THREE.get(store, ()))
    for name, edit in _PIPELINES.items():
        yield Mutant(Subject(name=name, pipeline=variant(*base, edit)))
    for name, (edit, order) in _LATER.items():
        yield Mutant(Subject(name=name, pipeline=variant(*base, edit), swept=True), (order,))
    yield Mutant(Subject(name="acknowledged before it is stored", pipeline=sound, early=True))
    for name, kind in (("acknowledged while busy with it", Busy), ("acknowledged though the store failed", StoreError)):
        yield Mutant(Subject(name=name, pipeline=_swallowing(kind, base)))
    for name, edit in _HARMLESS.items():
        few: tuple[tuple[Event, ...], ...] = (("finding", "other finding"), ("finding", "overtaken"))
        yield Mutant(Subject(name=name, pipeline=variant(*base, edit)), few, unsafe=False)


def _made(store: type[MemoryRecords]) -> Callable[[Clock], Records]:
    return lambda now: store(now=now)
