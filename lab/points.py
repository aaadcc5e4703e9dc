"""Every step, the lab's side: `python -m lab points`. A worker dies at every named point, and everything is recorded.

For each point a finding of its own: the worker that takes it dies there, once in one case and twice in the other. Each
time Pub/Sub's part is played by posting the same message again; the clock leaps to the end of the dead worker's lease.
What no redelivery reaches (a claim that was not given back, of a record that is finished) is the sweep's, which dies
as well. It fails where a point was not reached, or where something is not recorded in the end.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from lab import stored
from lab.bench import ground
from lab.clock import Clock
from lab.crashing import POINTS, Fuses
from lab.environment import ROOT
from lab.judge import problems
from lab.pubsub import ACKNOWLEDGED
from lab.server import Running, serve
from lab.serving import Function, function, post, push_body
from lab.stored import Store
from lab.turmoil import Traffic, finding, key_of, scenario, updated

Say = Callable[[str], None]
FIRST_POD: Final = 80
"""The findings of pods before it are young enough for a sweep to find them by itself, and would be reached by it."""
_LEASE: Final = timedelta(seconds=float(stored.DEADLINE) + 31)
_SWEEPS: Final = 10
_ROUNDS: Final = 3
_TIMEOUT: Final = 120.0
_MALFORMED: Final = "records.reject."


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A point, how often a worker dies there, and the message that leads to it; `document` is None where unreadable."""

    point: str
    deaths: int
    data: bytes
    document: dict[str, Any] | None

    @property
    def later(self) -> bytes:
        """The same finding, seen again later: what reaches a point that is behind a finished record."""
        return json.dumps(updated(self.document or {}, 30)).encode()


def cases(deaths: Sequence[int], points: Sequence[str] = POINTS) -> list[Case]:
    """Those behind a finished record first: later the clock has leapt so far that a sweep looks at others as well."""
    made = []
    behind = sorted(points, key=lambda point: not point.startswith("records.release."))
    for number, (times, point) in enumerate((times, point) for point in behind for times in deaths):
        document = None if point.startswith(_MALFORMED) else finding(FIRST_POD + number, 0)
        data = json.dumps(document).encode() if document else f"not json {number}".encode()
        made.append(Case(point=point, deaths=times, data=data, document=document))
    return made


def day(planned: Sequence[Case]) -> Traffic:
    """What the judge must find in the end."""
    malformed = frozenset(case.data for case in planned if not case.document)
    return day_of([case.document for case in planned if case.document], malformed)


def day_of(documents: Sequence[dict[str, Any]], malformed: frozenset[bytes] = frozenset()) -> Traffic:
    """Findings of the pods from the first on that no sweep finds by itself, each published once."""
    return Traffic(
        messages=tuple(json.dumps(document).encode() for document in documents),
        findings=tuple(documents),
        keys=frozenset(key_of(document) for document in documents),
        pods=FIRST_POD + len(documents) + len(malformed),
        malformed=malformed,
        foreign=0,
    )


def points(store: Store, say: Say, *, deaths: Sequence[int] = (1, 2), named: Sequence[str] = POINTS) -> list[str]:
    """Run all of them on one store; what does not hold, in words."""
    planned = cases(deaths, named)
    traffic = day(planned)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="points-")))
        running = stack.enter_context(serve(scenario(traffic), ground.message(0)))
        drive = _drive(stack, folder, running, store)
        found: list[str] = []
        for case in planned:
            problem, told = drive.through(case)
            say(f"{store.name}: {case.point}, {'once' if case.deaths == 1 else 'twice'}: {told}")
            found += [f"{case.point}: {problem}"] if problem else []
        for _ in range(_SWEEPS):
            if stored.is_finished(running, store, len(traffic.keys)):
                break
            drive.leap()
            drive.sweep()
        found += problems(traffic, stored.kept(running, store), running.lab.journal)
    if not found:
        say(f"{store.name}: {len(planned)} cases of {len(named)} points, every finding and every message recorded")
    return [f"{store.name}: {problem}" for problem in found]


def _drive(stack: contextlib.ExitStack, folder: Path, running: Running, store: Store) -> Drive:
    fuses, clock = folder / "fuses", Clock(running, folder)
    hosts = {}
    for target in ("respond", "sweep"):
        own = folder / target
        for made in (own, fuses):
            made.mkdir(exist_ok=True)
        environ = {
            **store.environ,
            "LAB_CRASH": str(fuses),
            "RESPONDER_STORE": store.place,
            "RESPONDER_DEADLINE_SECONDS": stored.DEADLINE,
            "THREADS": "4",
        }
        hosts[target] = stack.enter_context(
            function(own, clock.endpoints(), store=Path(store.place), environ=environ, target=target,
                     source=ROOT / "lab" / "function.py")
        )  # fmt: skip
    return Drive(hosts["respond"], hosts["sweep"], Fuses(fuses), clock)


@dataclass(slots=True)
class Drive:
    """Pub/Sub, Cloud Scheduler and the clock, one step at a time."""

    respond: Function
    sweeping: Function
    fuses: Fuses
    clock: Clock
    _ids: int = 0
    _way: list[str] = field(default_factory=list)

    def through(self, case: Case) -> tuple[str, str]:
        """All that becomes of a case: what does not hold (empty where all does), and where the workers died."""
        started, before = time.monotonic(), len(self.fuses.died())
        self._way = []
        self.fuses.arm(case.point, case.deaths)
        problem = self._deliver(case.data, "delivery")
        for _ in range(_ROUNDS):
            if not self.fuses.armed():
                break
            self.leap()
            self.sweep()
            if self.fuses.armed() and case.document:
                problem = self._deliver(case.later, "a later eventTime") or problem
        left = len(self.fuses.armed())
        self.fuses.disarm()
        died = self.fuses.died()[before:]
        if left or died != [case.point] * case.deaths:
            problem = problem or f"reached {len(died)} times of {case.deaths}"
        told = f"died at {', then at '.join(self._way) or 'nothing'}; {time.monotonic() - started:.1f} s"
        return problem, told if not problem else f"{told}; FAILED: {problem}"

    def _deliver(self, data: bytes, what: str) -> str:
        """The same message until it is acknowledged; that it never was, in words."""
        self._ids += 1
        for attempt in range(1, 8):
            if self._posted(self.respond.url, push_body(data, str(self._ids), attempt), f"{what} {attempt}"):
                return ""
            self.leap()
        return f"{what} was not acknowledged"

    def sweep(self) -> None:
        """As Cloud Scheduler does, until one came to its end."""
        for attempt in range(1, 6):
            if self._posted(self.sweeping.url, {}, f"sweep {attempt}"):
                return
            self.leap()

    def leap(self) -> None:
        """To the end of any lease."""
        self.clock.advance(_LEASE)

    def _posted(self, url: str, body: object, what: str) -> bool:
        before = len(self.fuses.died())
        status = 0
        with contextlib.suppress(OSError, http.client.HTTPException):
            status = post(url, body, timeout=_TIMEOUT)
        self._way += [what] if len(self.fuses.died()) > before else []
        return status in ACKNOWLEDGED


def run(which: str, *, deaths: Sequence[int] = (1, 2)) -> int:
    """The command: 0 where every point was reached, and everything recorded after it."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"points {time.monotonic() - started:6.1f} s  {text}", flush=True)

    with stored.stores(which) as found:
        failed = [problem for store in found for problem in points(store.of("points"), say, deaths=deaths)]
    for problem in failed:
        say(f"FAILED: {problem}")
    return 1 if failed else 0
