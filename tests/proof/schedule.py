"""Every order of a few events, with faults, over the real pipeline: workers are threads, and one runs at a time.

A worker stops before each call of the store and of SCC. There it goes on, meets a fault, or another event comes first:
each possibility is one branch, and every branch is walked, depth first, by playing the schedule anew. Nothing waits
for a clock and nothing is random, so that a schedule is its list of choices.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from responder.errors import Refused, StoreError, Unanswered, Unconfirmed
from tests.proof.judge import Violation

Event = Literal[
    "finding",  # the first message of a finding
    "same message",  # the same message once more
    "new message",  # the same finding under another message id
    "other finding",  # another finding of the same container
    "mute",  # the finding, muted meanwhile
    "fires again",  # the finding with a later eventTime: the same command line ran once more
    "late finding",  # the second look's time passes, and then a third finding of the container comes
    "expire",  # the clock jumps over every lease
    "overtaken",  # the clock jumps over every lease, and the message is delivered again
    "scc silent",  # SCC does not answer until it is back
    "scc back",
    "no quota",  # Logging does not answer until the events are over
    "pod replaced",  # another pod has the name from now on
    "again",  # a person has the record's gaps asked again
    "sweep",  # what is due, and what SCC has and the store has not
    "act",  # the id of a record comes by the action topic, or comes again
    "act overtaken",  # the clock jumps over every lease, and then the same
    "brake",  # the brake is pulled, and stays on
    "policy off",  # the project is taken out of the policy
    "no message",  # another finding of the container, of which no message ever comes
]
Fault = Literal["crash", "error", "lost", "refused"]
"""The worker is gone before the call; the call fails and did nothing; it did its work and the reply is lost; or the
API server says no for now, as a disruption budget does."""

T = TypeVar("T")
_EFFECTS: Final = frozenset(
    {"admit", "claim", "renew", "save", "release", "count", "intend", "send", "unsend", "settle", "delete"}
)
_SCC: Final = frozenset({"scc", "listed", "summon", "capture"})
_REQUESTS: Final = frozenset({"rehearse", "delete"})
_NO_SWITCH: Final = frozenset({"count", "load", "listed", "unknown"})
"""Before these nothing of another worker can matter that does not matter before the next call as well."""


class Crashed(BaseException):
    """The worker is gone: from here on nothing that it does has an effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may go wrong in one schedule.

    `faults` at most, and so many `switches` back to a worker that waits in the middle of its work, and of both together
    `troubles`. Without `nested` an event comes only after the work on the one before has ended.
    """

    faults: int = 1
    switches: int = 1
    troubles: int = 1
    nested: bool = True


class Choices:
    """One path through the tree: the choices that are given, and the first possibility from there on."""

    def __init__(self, given: list[int]) -> None:
        self._given = given
        self.taken: list[int] = []
        self.widths: list[int] = []

    def pick(self, width: int) -> int:
        """The next choice out of so many."""
        position = len(self.taken)
        choice = self._given[position] if position < len(self._given) else 0
        self.taken.append(choice)
        self.widths.append(width)
        return choice

    def next(self) -> list[int] | None:
        """The path that follows this one, or None after the last."""
        taken, widths = self.taken, self.widths
        while taken and taken[-1] + 1 >= widths[-1]:
            taken.pop()
            widths.pop()
        if taken:
            taken[-1] += 1
        return taken or None


def paths() -> Iterator[Choices]:
    """Every path, one after the other; each must be walked before the next is asked for."""
    given: list[int] | None = []
    while given is not None:
        choices = Choices(given)
        yield choices
        given = choices.next()


def _error(name: str, what: str) -> Exception:
    if name in _REQUESTS:
        return Unconfirmed(f"planned: {what}")
    return Unanswered("unavailable", "planned") if name in _SCC else StoreError(f"planned: {what}")


@dataclass(eq=False, slots=True)
class Worker:
    """One run of the function: it has the baton, or waits for it."""

    name: str
    work: Callable[[Worker], None]
    dead: bool = False
    record_id: str = ""
    baton: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.baton.acquire()


class Crew:
    """Threads that are used again: to start one costs as much as to play a schedule."""

    def __init__(self) -> None:
        self._idle: list[_Thread] = []

    def start(self, job: Callable[[], None]) -> None:
        """Do the job in a thread of its own."""
        thread = self._idle.pop() if self._idle else _Thread(self._idle)
        thread.job = job
        thread.go.release()


class _Thread(threading.Thread):
    def __init__(self, idle: list[_Thread]) -> None:
        super().__init__(daemon=True)
        self.go = threading.Lock()
        self.go.acquire()
        self.job: Callable[[], None] = self.start
        self._idle = idle
        self.start()

    def run(self) -> None:
        while True:
            self.go.acquire()
            self.job()
            self._idle.append(self)


_Option = Worker | Fault | Literal["go", "next"]
CREW: Final = Crew()


class Schedule:
    """One schedule while it is played: who runs, who waits, what is still to come."""

    def __init__(self, events: tuple[Event, ...], bounds: Bounds, choices: Choices) -> None:
        self._to_come = list(reversed(events))
        self._bounds = bounds
        self._choices = choices
        self._waiting: list[Worker] = []
        self.faults = self.refused = self._switches = 0
        self._over = threading.Lock()
        self._over.acquire()
        self.broken: BaseException | None = None
        self.free = False
        self.journal: list[tuple[str, str, str]] = []

    def play(self, begin: Callable[[Event], Worker | None]) -> None:
        """All events, each begun by `begin`: the worker that it makes, or None where it is over at once."""
        self._begin = begin
        self._pass_on()
        self._over.acquire()
        self.free = True
        self.check()

    def check(self) -> None:
        """Raise what went wrong in whichever thread."""
        if self.broken is not None:
            raise self.broken

    def call(self, worker: Worker, name: str, effect: Callable[[], T]) -> T:
        """One call of a worker to the outside: it happens, or a fault does, or others come first."""
        fault = None if self.free else self._decide(worker, name)
        if worker.dead or self.broken is not None:
            raise Crashed
        if fault == "crash":
            worker.dead = True
            raise Crashed
        if fault == "refused":
            raise Refused("quota", "planned: not now", retry=True)
        if fault == "error":
            raise _error(name, "nothing was done")
        try:
            result = effect()
        except Violation as error:
            # Kept here as well: the gathering takes whatever is raised in it for an answer that is missing.
            self.broken = error
            raise
        if fault == "lost":
            raise _error(name, "it was done, and the reply is lost")
        return result

    def _decide(self, worker: Worker, name: str) -> Fault | None:
        while not worker.dead and self.broken is None:
            choice = self._pick(["go", *self._faults_at(name), *self._others_at(name)])
            if choice == "go":
                break
            self.journal.append((worker.name, name, choice if isinstance(choice, str) else f"-> {choice.name}"))
            if isinstance(choice, Worker):
                self._switches += 1
                self._waiting.remove(choice)
                self._waiting.append(worker)
                choice.baton.release()
                worker.baton.acquire()
            elif choice == "next":
                self._next(worker)
            else:
                self.faults += 1
                self.refused += choice == "refused"
                return choice
        return None

    def _faults_at(self, name: str) -> tuple[Fault, ...]:
        if not self._may(self.faults, self._bounds.faults):
            return ()
        if name == "ack":
            return ("crash",)
        faults: tuple[Fault, ...] = ("crash", "error", "lost") if name in _EFFECTS else ("crash", "error")
        return (*faults, "refused") if name in _REQUESTS else faults

    def _others_at(self, name: str) -> list[Worker | Literal["next"]]:
        if name in _NO_SWITCH:
            return []
        others = list(self._waiting) if self._may(self._switches, self._bounds.switches) else []
        return [*others, "next"] if self._to_come and self._bounds.nested else [*others]

    def _may(self, so_far: int, most: int) -> bool:
        return so_far < most and self.faults + self._switches < self._bounds.troubles

    def _pick(self, options: list[_Option]) -> _Option:
        return options[self._choices.pick(len(options))] if len(options) > 1 else options[0]

    def _next(self, worker: Worker | None) -> bool:
        """Begin the next event; whether it has a worker, which then runs, and who asked waits."""
        event = self._to_come.pop()
        new = self._begin(event)
        self.journal.append((event, "begins", new.name if new else "-"))
        if new is None:
            return False
        if worker is not None:
            self._waiting.append(worker)
        CREW.start(lambda: self._run(new))
        if worker is not None:
            worker.baton.acquire()
        return True

    def _run(self, worker: Worker) -> None:
        try:
            worker.work(worker)
        except Crashed:
            self.journal.append((worker.name, "is gone", ""))
        except BaseException as error:  # noqa: BLE001 - raised again where the schedule was started
            self.broken = self.broken or error
        self._pass_on()

    def _pass_on(self) -> None:
        """Who had the baton has ended: another worker goes on, or the next event comes, or all is over."""
        while True:
            to_come: list[_Option] = ["next"] if self._to_come and self.broken is None else []
            options: list[_Option] = [*self._waiting, *to_come]
            if not options:
                self._over.release()
                return
            choice = self._pick(options) if self.broken is None else options[0]
            if isinstance(choice, Worker):
                self._waiting.remove(choice)
                choice.baton.release()
                return
            if self._next(None):
                return
