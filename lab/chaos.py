"""Every step, the lab's side: `python -m lab chaos`. Kills, faults and a bad day's traffic, and a judge at the end.

Two processes of the real function host on one store, fed by the bridge, and a third that sweeps from the middle on.
Workers are killed with SIGKILL at named points and at any moment; sources fail; the store is down for a while; messages
come several times, late, shuffled, unreadable or not meant for us. It fails where something was lost or done twice, and
also where fewer kills or faults happened than were planned.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import random
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from lab import acting, naive, stored
from lab.answering import NAME, of_act, of_all
from lab.bridge import Bridge, bridge
from lab.crashing import POINTS, Fuses
from lab.delivery import Topics, broker, topics
from lab.environment import ROOT
from lab.judge import Kept, problems
from lab.killing import Killer
from lab.pubsub import ACKNOWLEDGED
from lab.server import Running, serve_lab
from lab.serving import Function, function, post
from lab.stored import Store
from lab.turmoil import Traffic, Turbulence, TurbulentLab, key_of, scenario, traffic

PROCESSES: Final = 2
_THREADS: Final = "8"
_AT_ONCE: Final = 12
_BACKOFF: Final = (0.5, 4.0)
_QUIET: Final = 6.0
"""Seconds without a delivery after which nothing waits any more: longer than the longest backoff."""
_SETTLE: Final = 120.0
_CHAOS_SHARE: Final = 0.85
_OUTAGE_AT: Final = 0.3
_SWEEPS_FROM: Final = 0.5
"""Shares of the time. Swept earlier, what SCC has would be found before any message told of it."""
_SWEEPS_APART: Final = 15.0
_SWEEPS_FOR_DROPPED: Final = 2
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for. `naive` runs the naive function instead of the product's; `store` None is a file of its own.

    `act`: every project opted in, and a process of `act` deletes pods meanwhile.

    `outage` is for how many seconds the store is down.
    """

    seconds: float
    kills: int
    faults: int
    seed: int
    messages: int
    store: Store | None = None
    naive: bool = False
    act: bool = False
    outage: float = 0.0


@dataclass(slots=True, kw_only=True)
class Result:
    """What happened. `problems` is empty where everything held; `settled` is how many seconds it took to settle.

    `refused` counts the deliveries that were not acknowledged while the store was down, `sweeps` the sweeps meanwhile
    by their statuses, `for_dropped` how many sweeps after the chaos it took until all was there of which no message
    told.
    """

    kills_at_points: int = 0
    kills_at_random: int = 0
    kills_in_flight: int = 0
    points: int = 0
    faults: int = 0
    fault_pairs: int = 0
    calls: int = 0
    deliveries: int = 0
    refused: int = 0
    sweeps: Counter[int] = field(default_factory=Counter)
    for_dropped: int = 0
    settled: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """All of them."""
        return self.kills_at_points + self.kills_at_random


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that runs during a chaos."""

    plan: Plan
    day: Traffic
    store: Store
    running: Running
    made: Topics
    turbulence: Turbulence
    killer: Killer
    bridged: Bridge
    sweeping: Function | None
    answering: Bridge | None


def chaos(plan: Plan, say: Say) -> Result:
    """Run it. Every process that was started has ended when this returns, whatever happened."""
    bad_day = traffic(plan.seed, plan.messages)
    if plan.naive:  # it has no sweep: what no message told of is not its fault
        bad_day = replace(bad_day, keys=bad_day.keys - bad_day.dropped)
    say(
        f"seed {plan.seed}: {len(bad_day.messages)} messages in {plan.seconds:.0f} s; {len(bad_day.keys)} findings of"
        f" {bad_day.pods} pods ({len(bad_day.dropped)} of them dropped),"
        f" {len(bad_day.malformed)} unreadable, {bad_day.foreign} of others;"
        f" {plan.kills} kills and {plan.faults} faults planned, the store down for {plan.outage:.0f} s"
    )
    with contextlib.ExitStack() as stack:
        scene = _scene(stack, plan, bad_day, say)
        result = Result()
        _run(scene, result, say)
        statuses = dict(sorted(scene.bridged.statuses.items()))
        say(f"chaos is over after {scene.bridged.statuses.total()} deliveries: {statuses}")
        _count(scene, result)
        result.settled = _settle(scene, result)
        scene.bridged.stop()
        result.deliveries = scene.bridged.statuses.total()
        letters = scene.made.dead_letters()
        result.problems += [f"{len(letters)} messages became dead letters"] if letters else []
        result.problems += problems(bad_day, _kept(scene), scene.running.lab.journal, may_delete=plan.act)
        if plan.act:
            told = _answered(scene)
            result.problems += acting.problems(told, scene.running.lab.journal)
            say(acting.summary(told, scene.running.lab.journal))
        say(f"the store counted {_counters(scene)}")
    if result.settled >= _SETTLE:
        result.problems.append(f"not everything was finished {_SETTLE:.0f} s after the chaos")
    return result


def _scene(stack: contextlib.ExitStack, plan: Plan, bad_day: Traffic, say: Say) -> Scene:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
    store = plan.store or Store(name="SQLite", place=str(folder / "records.db"))
    turbulence = Turbulence.over(bad_day, wanted=plan.faults, seed=plan.seed)
    host, what = stack.enter_context(broker())
    say(f"delivered by {what}, over the bridge, to {store.name}")
    ground = acting.of_their_own(scenario(bad_day)) if plan.act else scenario(bad_day)
    running = stack.enter_context(serve_lab(TurbulentLab(ground, turbulence.next)))
    fuses = Fuses(_made(folder / "fuses"))
    extra = of_all(folder, acting.policy(ground)) if plan.act else {}
    host_of = functools.partial(_function, fuses_in=folder, running=running, store=store, naive=plan.naive, pubsub=host)
    started = [
        stack.enter_context(host_of(_made(folder / f"{target}-{number}"), target=target, extra=extra))
        for number, target in enumerate(("respond",) * PROCESSES + (() if plan.naive else ("sweep",)))
    ]
    functions, sweeping = started[:PROCESSES], None if plan.naive else started[-1]
    made = stack.enter_context(topics(host, "chaos", attempts=100, deadline=60, backoff=_BACKOFF))
    answering = None
    if plan.act:
        act = stack.enter_context(host_of(_made(folder / "act"), target="act", extra=extra | of_act(folder)))
        started.append(act)
        asked = stack.enter_context(topics(host, NAME, attempts=100, deadline=120, backoff=_BACKOFF))
        answering = stack.enter_context(bridge(asked.subscriber, asked.subscription, [act.url], at_once=_AT_ONCE))
    chance = random.Random(plan.seed)  # noqa: S311 - a schedule, no secret
    bridged = stack.enter_context(
        bridge(
            made.subscriber, made.subscription, [one.url for one in functions], at_once=_AT_ONCE,
            lose_ack=lambda: turbulence.on and chance.random() < 0.05,
        )
    )  # fmt: skip
    killer = Killer(
        fuses, started, lambda: bridged.in_flight, kills=plan.kills, seed=plan.seed + 1, fused=not plan.naive,
        points=(*POINTS, *acting.POINTS) if plan.act else POINTS,
    )  # fmt: skip
    return Scene(
        plan=plan, day=bad_day, store=store, running=running, made=made, turbulence=turbulence, killer=killer,
        bridged=bridged, sweeping=sweeping, answering=answering,
    )  # fmt: skip


def _function(  # noqa: PLR0913 - one of each
    folder: Path, *, fuses_in: Path, target: str, running: Running, store: Store, naive: bool, pubsub: str,
    extra: Mapping[str, str],
) -> contextlib.AbstractContextManager[Function]:  # fmt: skip
    environ = {
        **store.environ,
        "LAB_CRASH": str(fuses_in / "fuses"),
        "RESPONDER_STORE": store.place,
        "RESPONDER_DEADLINE_SECONDS": stored.DEADLINE,
        "THREADS": _THREADS,
        **extra,
    }
    source = ROOT / "lab" / ("naive.py" if naive else "function.py")
    endpoints = running.endpoints.model_dump(mode="json") | {"pubsub": pubsub}
    return function(folder, endpoints, store=Path(store.place), environ=environ, source=source, target=target)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# --- the bad day ------------------------------------------------------------------------------------------------------


def _run(scene: Scene, result: Result, say: Say) -> None:
    """The bad day itself, until its time is over."""
    plan, started, over = scene.plan, time.monotonic(), threading.Event()
    scene.turbulence.begin()
    until = started + plan.seconds
    beside = [threading.Thread(target=scene.killer.run, args=(plan.seconds * _CHAOS_SHARE, until), name="killer")]
    if plan.outage:
        beside.append(threading.Thread(target=_outage, args=(scene, result, say), name="outage"))
    if scene.sweeping is not None:
        beside.append(threading.Thread(target=_sweep, args=(scene, result, over), name="sweeper"))
    for thread in beside:
        thread.start()
    try:
        for number, message in enumerate(scene.day.messages):
            due = started + plan.seconds * _CHAOS_SHARE * number / len(scene.day.messages)
            time.sleep(max(0.0, due - time.monotonic()))
            scene.made.publish(message)
        time.sleep(max(0.0, until - time.monotonic()))
    finally:
        over.set()
        for thread in beside:
            thread.join()
        scene.turbulence.calm()


def _outage(scene: Scene, result: Result, say: Say) -> None:
    """The store is down for a while, under load."""
    time.sleep(scene.plan.seconds * _OUTAGE_AT)
    before = scene.bridged.statuses.copy()
    with scene.store.down():
        time.sleep(scene.plan.outage)
    since = scene.bridged.statuses - before
    result.refused = sum(count for status, count in since.items() if status not in ACKNOWLEDGED)
    say(f"the store was down for {scene.plan.outage:.0f} s; deliveries meanwhile: {dict(sorted(since.items()))}")


def _sweep(scene: Scene, result: Result, over: threading.Event) -> None:
    """As Cloud Scheduler does, only more often."""
    assert scene.sweeping is not None
    wait = scene.plan.seconds * _SWEEPS_FROM
    while not over.wait(wait):
        status = 0
        with contextlib.suppress(OSError, http.client.HTTPException):
            status = post(scene.sweeping.url, {}, timeout=60)
        result.sweeps[status] += 1
        wait = min(_SWEEPS_APART, scene.plan.seconds / 10)


def _count(scene: Scene, result: Result) -> None:
    """What was done; fewer kills or faults than planned are a problem of their own."""
    died, plan = scene.killer.fuses.died(), scene.plan
    result.kills_at_points, result.points = len(died), len(set(died))
    result.kills_at_random, result.kills_in_flight = scene.killer.at_random, scene.killer.in_flight
    result.faults, result.fault_pairs = scene.turbulence.done.total(), len(scene.turbulence.done)
    result.calls = scene.turbulence.calls
    for what, done, planned in (("kills", result.kills, plan.kills), ("faults", result.faults, plan.faults)):
        if done < planned:
            result.problems.append(f"only {done} of {planned} planned {what} happened: nothing is proven")


# --- afterwards -------------------------------------------------------------------------------------------------------


def _settle(scene: Scene, result: Result) -> float:
    """Wait until nothing is under way and every record is finished; seconds, or the most that it may take."""
    started = time.monotonic()
    sweeps = 0
    while time.monotonic() - started < _SETTLE:
        if _idle(scene) > _QUIET:
            if scene.plan.naive:
                return time.monotonic() - started
            sweeps += 1
            if _swept(scene, result, sweeps):
                return time.monotonic() - started
        time.sleep(2.0)
    return _SETTLE


def _idle(scene: Scene) -> float:
    """Seconds since anything was under way."""
    return min(one.idle() for one in (scene.bridged, scene.answering) if one is not None)


def _answered(scene: Scene) -> tuple[acting.Answered, ...]:
    with stored.opened(scene.running, scene.store) as records:
        return acting.answered(records)


def _is_answered(scene: Scene) -> bool:
    """Whether `act` is done, or has looked and looks again later; the sweep asks it where it is not."""
    if not scene.plan.act or scene.sweeping is None:
        return True
    with stored.opened(scene.running, scene.store) as records:
        return not records.wanting(scene.running.lab.now())


def _swept(scene: Scene, result: Result, number: int) -> bool:
    """One sweep, as the deployment has one every minute; then whether everything is there and finished."""
    try:
        if not scene.plan.act:
            stored.swept(scene.running, scene.store)
        elif scene.sweeping is not None:  # with its policy, which is not this process's
            post(scene.sweeping.url, {}, timeout=120)
        with stored.opened(scene.running, scene.store) as records:
            missing = records.unknown(_dropped(scene.day))
        if not missing and not result.for_dropped:
            result.for_dropped = number
        if missing and number == _SWEEPS_FOR_DROPPED:
            result.problems.append(f"{len(missing)} findings without a message are unknown after {number} sweeps")
        return stored.is_finished(scene.running, scene.store, len(scene.day.keys)) and _is_answered(scene)
    except Exception as error:  # noqa: BLE001 - a sweep that fails is a finding of this program's, not its end
        where = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"a sweep failed: {type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
        result.problems += [] if problem in result.problems else [problem]
        return False


def _dropped(day: Traffic) -> list[Any]:
    from responder.notification import finding_of  # noqa: PLC0415 - not for the naive function

    return [finding_of(one) for one in day.findings if key_of(one) in day.dropped]


def _kept(scene: Scene) -> Kept:
    if scene.plan.naive:
        return naive.kept_in(Path(scene.store.place))
    return stored.kept(scene.running, scene.store)


def _counters(scene: Scene) -> str:
    if scene.plan.naive:
        return "nothing"
    with stored.opened(scene.running, scene.store) as records:
        return ", ".join(f"{name} {count}" for name, count in records.counters().items())


# --- the command line -------------------------------------------------------------------------------------------------


def report(plan: Plan, result: Result, say: Say) -> int:
    """Say what happened; 0 where everything held."""
    say(
        f"kills {result.kills} of {plan.kills}: {result.kills_at_points} at {result.points} named points of"
        f" {len(POINTS)}, {result.kills_at_random} at any moment ({result.kills_in_flight} with a message in work)"
    )
    say(
        f"faults {result.faults} of {plan.faults} in {result.calls} calls:"
        f" {result.fault_pairs} pairs of a call and a kind"
    )
    say(
        f"{result.deliveries} deliveries, {result.refused} of them refused while the store was down;"
        f" sweeps meanwhile {dict(sorted(result.sweeps.items()))}; settled {result.settled:.0f} s after the chaos,"
        f" what no message told of was there after {result.for_dropped} sweeps"
    )
    for problem in result.problems:
        say(f"FAILED: {problem}")
    if not result.problems:
        cluster = "no other pod ended, and none twice" if plan.act else "nothing changed in a cluster"
        say(f"every finding in exactly one finished record, every unreadable message kept, {cluster}")
    return 1 if result.problems else 0


def run(arguments: argparse.Namespace) -> int:
    """The command: 0 where everything held and as much happened as was planned, on each store."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"chaos {time.monotonic() - started:6.1f} s  {text}", flush=True)

    plan = Plan(
        seconds=arguments.seconds,
        kills=arguments.kills,
        faults=arguments.faults,
        seed=random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed,
        messages=arguments.messages,
        naive=arguments.naive,
        outage=0.0 if arguments.naive else arguments.outage,
        act=arguments.act,
    )
    if plan.naive:
        return report(plan, chaos(plan, say), say)
    with stored.stores(arguments.store) as found:
        failed = 0
        for store in found:
            of_it = replace(plan, store=store.of("chaos"))
            failed |= report(of_it, chaos(of_it, say), say)
    return failed
