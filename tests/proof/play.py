"""One schedule, played: Pub/Sub, the clock, SCC and the cluster around the pipeline, with the judge at the store.

Pub/Sub is what it promises: a message is delivered until one of its deliveries returned, also twice at once, also after
it was acknowledged. To return is to acknowledge; to raise, or to be gone, is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import ModuleType
from typing import Any, Final, NamedTuple, cast

from responder.errors import Busy, Refused, StoreError, Unanswered, Unconfirmed
from responder.evidence import Pod, Window
from responder.finding import Finding
from responder.policy import NONE, Policy
from responder.ports import (
    Access,
    Acting,
    Around,
    Brake,
    Clock,
    Delivery,
    Kubernetes,
    LogCaps,
    LogPages,
    Published,
    RecordQuery,
    Records,
    Remover,
    World,
)
from responder.record import Provenance
from tests.builders import EVENT_TIME
from tests.doubles import Calls, FakeKubernetes, FakeLogs
from tests.doubles import world as a_world
from tests.proof import light, light_act
from tests.proof.actions import MemoryActions
from tests.proof.deeds import Deeds
from tests.proof.judge import Judge, Violation
from tests.proof.memory import MemoryRecords
from tests.proof.schedule import Bounds, Choices, Crashed, Event, Schedule, Worker, paths

JUMP: Final = timedelta(minutes=5)
"""Longer than any lease but that of `act`, shorter than the window."""

LATE: Final = timedelta(minutes=16)
"""Longer than it takes until the second look."""
AGE: Final = timedelta(minutes=61)
_LONG: Final = 30.0
"""Seconds that any pause takes: what is waited for comes at once here, or with another event."""
_TICK: Final = timedelta(seconds=1)
"""Each event takes as long, so that what an earlier one was to be done by is seen to move."""
_ROUNDS: Final = 4
_MESSAGES: Final[dict[str, tuple[str, Finding]]] = {
    "finding": ("m-1", light.FIRST),
    "same message": ("m-1", light.FIRST),
    "overtaken": ("m-1", light.FIRST),
    "new message": ("m-2", light.FIRST),
    "other finding": ("m-3", light.OTHER),
    "mute": ("m-4", light.MUTED),
    "fires again": ("m-5", light.AGAIN),
    "late finding": ("m-6", light.LATE),
}
_TAKES: Final[dict[str, timedelta]] = {
    "expire": JUMP, "overtaken": JUMP, "late finding": LATE, "act overtaken": LATE,
}  # fmt: skip
_OPENING: Final = frozenset({"finding", "other finding", "mute", "fires again"})
"""The first message of a schedule is one of these: another order of the names is the same schedule."""
KINDS: Final[tuple[Event, ...]] = (
    "finding", "same message", "new message", "other finding", "mute", "fires again", "overtaken", "expire",
    "scc silent", "scc back", "pod replaced", "again",
)  # fmt: skip
SWEPT: Final[tuple[Event, ...]] = (*KINDS, "sweep", "no message", "late finding", "no quota")
ACTED: Final[tuple[Event, ...]] = (
    "act", "act overtaken", "other finding", "mute", "pod replaced", "brake", "scc silent", "sweep", "again",
    "policy off",
)  # fmt: skip
"""What may come once a record is finished that `act` is asked to look at."""
FEW: Final[tuple[Event, ...]] = (
    "finding", "other finding", "mute", "overtaken", "fires again", "late finding", "scc silent", "again", "sweep",
    "no message",
)  # fmt: skip
"""Those of them that differ most where there is a sweep."""


def in_memory(now: Clock) -> Records:
    """The store that is played against where no other is named."""
    return MemoryRecords(now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is proven: a pipeline and a store, or variants of them.

    `early` acknowledges before the work is done. `full` asks every question of the full fake world. `swept` has the
    sweep among the events and at the end; without it, what Pub/Sub delivers again must be enough. Where it is `acting`,
    the events come after the first finding's record is finished, and its id comes by the action topic.
    """

    name: str
    pipeline: ModuleType
    store: Callable[[Clock], Records] = in_memory
    early: bool = False
    full: bool = False
    swept: bool = False
    acting: ModuleType | None = None
    actions: Callable[[], MemoryActions] = MemoryActions
    remover: Callable[[Play, Worker], Remover] | None = None


@dataclass(slots=True)
class Message:
    """One message of a subscription; to `act` it has a record's id alone."""

    id: str
    finding: Finding | None
    acknowledged: bool = False


class Tally(NamedTuple):
    """What was played, and what was broken first, with the schedule that broke it."""

    schedules: int
    faults: int
    violation: str = ""
    story: str = ""


class Play:
    """One schedule of one subject."""

    def __init__(self, subject: Subject, events: tuple[Event, ...], bounds: Bounds, choices: Choices) -> None:
        self._subject = subject
        self.judge = Judge()
        self.schedule = Schedule(events, bounds, choices)
        self.time = EVENT_TIME + timedelta(minutes=1)
        self.store = subject.store(self.now)
        self.silent = self.poor = self.was_silent = self.is_off = False
        self.uid = "first"
        self._messages: dict[str, Message] = {}
        self._summoned: list[Message] = []
        self.actions = subject.actions()
        self.deeds = Deeds(self.actions)
        self._runs = itertools.count(1)

    def now(self) -> datetime:
        """The time now."""
        return self.time

    def play(self) -> None:
        """All events, then whatever Pub/Sub and the sweep still bring; Violation where a rule was broken."""
        try:
            if self._subject.acting:
                self._in_peace("finding")
            self.schedule.play(self.begin)
            self._settle()
        finally:
            self.store.close()

    def _in_peace(self, event: Event) -> None:
        self.schedule.free = True
        worker = self.begin(event)
        if worker is not None:
            self._alone(worker)
        self.schedule.free = False

    def _settle(self) -> None:
        self.silent = self.poor = False
        swept = False
        for _ in range(_ROUNDS):
            left = [one for one in self._messages.values() if not one.acknowledged]
            if not left and (swept or not self._subject.swept):
                break
            # The claim of `act` holds longer: what a dead worker has is not due before its end.
            self.time += LATE if self._subject.acting else JUMP
            for message in left:
                self._alone(self._delivered(message))
            swept = self._swept()
        self.judge.settled(self.store, sum(not one.acknowledged for one in self._messages.values()))
        if self._subject.swept:
            self.judge.looked(self.store, self.time)
            self._grow_old()

    def _grow_old(self) -> None:
        """The second look, the last look, and then nothing more: a record comes to its end."""
        for by in (LATE, *[AGE] * _ROUNDS):
            self.time += by
            is_over = self._swept()
            self.judge.looked(self.store, self.time)
            if is_over and by == AGE:
                break
        else:
            raise Violation("I1 a record never comes to its end")
        self.judge.settled(self.store, 0)
        if self._subject.acting:
            in_the_way = self.schedule.faults > self.schedule.refused
            stood = in_the_way or self.is_off or self.actions.pulled or self.uid == "second" or self.was_silent
            for line in self.store.list(RecordQuery()):
                self.deeds.settled(self.store, line.id, must=not stood)

    def _swept(self) -> bool:
        """Whether the sweep has left nothing that is due."""
        if self._subject.swept:
            self._alone(self._worker("sweep", self._sweep))
        for message in [one for one in self._summoned if not one.acknowledged]:
            self._alone(self._acted(message))
        left = self._subject.acting and any(line.act == "wanted" for line in self._lines())
        return not left and not self.store.due(self.time)

    def _lines(self) -> Iterator[Provenance]:
        found = (self.store.load(line.id) for line in self.store.list(RecordQuery()))
        return (one.provenance for one in found if one is not None)

    def _alone(self, worker: Worker) -> None:
        try:
            worker.work(worker)
        finally:
            self.schedule.check()

    # --- events -------------------------------------------------------------------------------------------------------

    def begin(self, event: Event) -> Worker | None:
        """What the event does, or the worker that it starts."""
        self.time += _TAKES.get(event, _TICK)
        if event in _MESSAGES:
            message_id, finding = _MESSAGES[event]
            message = self._messages.setdefault(message_id, Message(message_id, finding))
            self._published(finding)
            return self._delivered(message)
        if event in {"again", "sweep"}:
            return self._worker(event, self._ask_again if event == "again" else self._sweep)
        if event in {"act", "act overtaken"}:
            return self._acted(self._summoned[0]) if self._summoned else None
        if event == "no message":
            self._published(light.OTHER)
        elif event == "brake":
            self.actions.set_brake(Brake(on=True, project="", why="stop", by="lead@acme.example", at=self.time))
        if event in {"scc silent", "scc back"}:
            self.silent = event == "scc silent"
            self.was_silent |= self.silent
        elif event == "no quota":
            self.poor = True
        elif event == "policy off":
            self.is_off = True
        elif event == "pod replaced":
            self.uid = "second"
        return None

    def _published(self, finding: Finding) -> None:
        self.judge.delivered[finding.key, finding.event_time, finding.state, finding.mute] = finding

    def _worker(self, name: str, work: Callable[[Worker], None]) -> Worker:
        return Worker(f"{name}/{next(self._runs)}", work)

    def _delivered(self, message: Message) -> Worker:
        return self._worker(message.id, lambda worker: self._respond(worker, message))

    def _acted(self, message: Message) -> Worker:
        return self._worker("act", lambda worker: self._act(worker, message))

    def _act(self, worker: Worker, message: Message) -> None:
        assert self._subject.acting is not None
        world = replace(self._world(worker), act=self._acting(worker, message.id), summons=None)
        world = replace(world, policy=partial(self._policy, worker))
        if self._ended_well(partial(self._subject.acting.act, world, message.id)):
            self._acknowledge(worker, message)

    def _acting(self, worker: Worker, record_id: str) -> Acting:
        remover = (self._subject.remover or InCluster)(self, worker)
        worker.record_id = record_id
        actions = cast("Any", _Actions(self, worker))
        collector: Any = self.deeds.entered.add
        return Acting(
            actions=actions,
            evidence=cast("Any", None),
            collect=lambda _: self.schedule.call(worker, "capture", lambda: collector),
            remove=lambda _: remover,
            identity="act",
            sleep=self._slept,
        )

    def _policy(self, worker: Worker) -> Policy:
        if self.is_off:
            self.deeds.forbidden(worker.name)
        return NONE if self.is_off else light_act.POLICY

    def _slept(self, seconds: float) -> None:
        self.time += timedelta(seconds=max(seconds, _LONG))

    def _respond(self, worker: Worker, message: Message) -> None:
        if self._subject.early:
            self._acknowledge(worker, message)
        assert message.finding is not None
        delivery = Delivery(data=message.id.encode(), message_id=message.id, received=self.time)
        if self._ended_well(lambda: self._subject.pipeline.respond(self._world(worker), message.finding, delivery)):
            self._acknowledge(worker, message)

    def _ask_again(self, worker: Worker) -> None:
        for line in self.store.list(RecordQuery()):
            self._ended_well(partial(self._subject.pipeline.again, self._world(worker), line.id))

    def _sweep(self, worker: Worker) -> None:
        self._ended_well(partial(self._subject.pipeline.sweep, self._world(worker)))

    def _ended_well(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except (StoreError, Busy) as error:
            self.schedule.journal.append(("", "raises", f"{type(error).__name__}: {error}"))
            return False
        except (Crashed, Violation):
            raise
        except Exception as error:
            raise Violation(f"I1 a bug: {type(error).__name__}: {error}") from error
        return True

    def _acknowledge(self, worker: Worker, message: Message) -> None:
        def effect() -> None:
            message.acknowledged = True
            if message.finding is None:
                return
            others = sum(not one.acknowledged for one in self._messages.values())
            self.judge.acknowledged(message.finding, others, self.store, swept=self._subject.swept)

        self.schedule.call(worker, "ack", effect)

    # --- the world ----------------------------------------------------------------------------------------------------

    def _world(self, worker: Worker) -> World:
        whole, _ = _WORLD if not self._subject.full else a_world(light.FIRST)
        records = cast("Any", _Records(self, worker))
        logs = _Logs(self)
        summons = _Summons(self, worker) if self._subject.acting else None
        scc, cluster = _Scc(self, worker), _Cluster(self)
        return replace(whole, records=records, scc=scc, logs=logs, connect=cluster, now=self.now, summons=summons)

    def summoned(self, record_id: str) -> None:
        """The id of a record was sent to the action topic."""
        self._summoned.append(Message(record_id, None))

    def around(self) -> Around:
        """What SCC has: all findings, or no answer."""
        if self.silent:
            raise Unanswered("unavailable", "SCC is silent")
        return _AROUND

    def listed(self, since: datetime, until: datetime) -> tuple[Published, ...]:
        """What SCC lists of that span, each finding once."""
        if self.silent:
            raise Unanswered("unavailable", "SCC is silent")
        listed = {key: one for (key, *_), one in self.judge.delivered.items() if since <= one.event_time <= until}
        return tuple(Published(finding=one, data=b"listed") for one in listed.values())


_WORLD: Final = a_world(light.FIRST)
_AROUND: Final = Around(findings=(light.FIRST, light.OTHER, light.LATE), filter="the filter", truncated=False)


class _Scc:
    def __init__(self, play: Play, worker: Worker) -> None:
        self._play = play
        self._worker = worker

    def around(self, finding: Finding, window: Window) -> Around:
        assert window.start <= finding.event_time <= window.end
        self._play.judge.asked(self._play.store)
        return self._play.schedule.call(self._worker, "scc", self._play.around)

    def named(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        raise AssertionError(findings)  # all that there is, SCC lists

    def published(self, since: datetime, until: datetime, *, project: str = "") -> Iterator[Published]:
        assert not project
        return iter(self._play.schedule.call(self._worker, "listed", partial(self._play.listed, since, until)))


class _Logs(FakeLogs):
    """Cloud Logging: it has no lines, or no quota."""

    def __init__(self, play: Play) -> None:
        super().__init__(Calls())
        self._play = play

    def entries(self, project_id: str, filter_: str, caps: LogCaps) -> LogPages:
        self._play.judge.logs_asked += 1
        if self._play.poor:
            raise Unanswered("quota", "60 reads a minute")
        return super().entries(project_id, filter_, caps)


class _Cluster(FakeKubernetes):
    """Tells of the pod that has the name now."""

    def __init__(self, play: Play) -> None:
        super().__init__(Calls(), light.FIRST)
        self._play = play

    def __call__(self, access: Access) -> Kubernetes:  # type: ignore[override] # it is one
        assert access.host
        return self

    def pod(self, namespace: str, name: str) -> Pod:
        if not self._play.uid:
            raise Unanswered("not_found", "there is no pod of that name")
        self._play.judge.pods.add(self._play.uid)
        return light.pod(self._play.uid).model_copy(update={"namespace": namespace, "name": name})


class _Records:
    """The store as one worker has it: each call may not happen, and what happens is judged."""

    def __init__(self, play: Play, worker: Worker) -> None:
        self._play = play
        self._worker = worker

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._play.store, name)
        watch = getattr(self, f"watch_{name}", None) if name in {"claim", "renew", "save", "release"} else None

        def call(*args: Any, **kwargs: Any) -> Any:
            def effect() -> Any:
                result = method(*args, **kwargs)
                if watch is not None:
                    watch(result, *args)
                return result

            return self._play.schedule.call(self._worker, name, effect)

        return call

    def watch_claim(self, claim: Any, *_: Any) -> None:
        self._play.judge.claimed(claim, self._play.time)

    def watch_renew(self, claim: Any, *_: Any) -> None:
        self._play.judge.renewed(claim)

    def watch_save(self, _saved: Any, record: Any, claim: Any) -> None:
        self._play.judge.saved(record, claim, self._play.time)
        self._play.deeds.saved(record, self._play.uid)
        is_decided = record.decision.kind == "delete_pod"
        if self._play.is_off and record.provenance.act == "wanted" and not is_decided:
            # Saved in the middle of the work: the policy is to be read once more before anything is decided.
            self._play.deeds.forbidden(self._worker.name)

    def watch_release(self, kept: Any, claim: Any, _seen: Any) -> None:
        self._play.judge.released(claim, kept=kept)


class _Summons:
    def __init__(self, play: Play, worker: Worker) -> None:
        self._play = play
        self._worker = worker

    def summon(self, record_id: str) -> None:
        self._play.schedule.call(self._worker, "summon", lambda: self._play.summoned(record_id))


class _Actions:
    """The action store as one worker has it."""

    def __init__(self, play: Play, worker: Worker) -> None:
        self._play = play
        self._worker = worker

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._play.actions, name)
        if name not in {"brake", "intend", "send", "unsend", "settle"}:
            return method
        return lambda *args: self._play.schedule.call(self._worker, name, lambda: method(*args))


class InCluster:
    """The API server as one worker has it: it ends the pod that has the name, if it has the UID."""

    def __init__(self, play: Play, worker: Worker) -> None:
        self._play = play
        self._worker = worker

    def rehearse(self, _namespace: str, _name: str, *, uid: str, grace_seconds: int, method: str = "delete") -> None:
        """A dry run."""
        assert grace_seconds
        assert method == "delete"

        def effect() -> None:
            self._play.deeds.rehearsed(self._worker.name)
            self._is_there(uid)

        self._play.schedule.call(self._worker, "rehearse", effect)

    def delete(self, _namespace: str, _name: str, *, uid: str, grace_seconds: int) -> None:
        """The pod ends at once."""
        assert grace_seconds

        def effect() -> None:
            self._play.deeds.requested(self._worker.name, uid, self._play.store, self._worker.record_id)
            self._is_there(uid)
            ended, self._play.uid = self._play.uid, ""
            self._play.deeds.deleted(ended)

        try:
            self._play.schedule.call(self._worker, "delete", effect)
        except Unconfirmed:
            self._play.deeds.left(uid)
            raise

    def evict(self, *_: Any, **__: Any) -> None:
        """Never, by this policy."""
        raise Violation("I3 the policy deletes, and an eviction was asked for")

    def _is_there(self, uid: str) -> None:
        if uid != self._play.uid:
            raise Refused("not_found", "the pod of that name has another UID, or there is none")


# --- all of them ------------------------------------------------------------------------------------------------------


def sequences(events: int, kinds: tuple[Event, ...] = KINDS) -> Iterator[tuple[Event, ...]]:
    """Every sequence of at most so many events in which a message comes; the shorter ones first."""
    for length in range(1, events + 1):
        for sequence in itertools.product(kinds, repeat=length):
            first = next((event for event in sequence if event in _MESSAGES), None)
            if first in _OPENING:
                yield sequence


def after_a_record(events: int, kinds: tuple[Event, ...] = ACTED) -> Iterator[tuple[Event, ...]]:
    """Every sequence of at most so many events in which `act` is asked."""
    for length in range(1, events + 1):
        for sequence in itertools.product(kinds, repeat=length):
            if {"act", "act overtaken"} & set(sequence):
                yield sequence


def explore(subject: Subject, bounds: Bounds, orders: Iterable[tuple[Event, ...]]) -> Tally:
    """Play every schedule of those orders of events, until one breaks a rule."""
    schedules = faults = 0
    for sequence in orders:
        for choices in paths():
            play = Play(subject, sequence, bounds, choices)
            schedules += 1
            try:
                play.play()
            except Violation as error:
                story = [f"events: {', '.join(sequence)}", *(" ".join(step) for step in play.schedule.journal)]
                return Tally(schedules, faults + play.schedule.faults, str(error), "\n  ".join(story))
            faults += play.schedule.faults
    return Tally(schedules, faults)
