"""Every step, the lab's side: `python -m lab e2e`. The way of a message end to end, on the realest parts there are.

Pub/Sub pushes (topic, push subscription, retry policy, dead-letter topic) to functions-framework on the handler, which
asks the lab and writes to the store. Then a death at every point, services that never answer, each call failing in each
way, a short chaos, and the same chaos on the naive function, which must fail.
Emulators are used wherever they are installed: they cannot be skipped. Where they are not, that is said loudly.
"""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lab import chaos, emulators, faults, holes, points, silence, stored
from lab.bench import ground
from lab.chaos import Plan, Say
from lab.delivery import Topics, broker, topics
from lab.environment import ROOT
from lab.judge import problems
from lab.scenario import load
from lab.server import Running, serve
from lab.serving import Function, function
from lab.stored import Store
from lab.turmoil import Traffic, key_of

_SCENARIO: Final = ROOT / "lab" / "scenarios" / "attack-web-pod.yaml"
_WAIT: Final = 60.0
_BACKOFF: Final = (0.3, 1.0)
_OUTAGES: Final = {"SQLite": 20.0, "Firestore": 10.0}
"""Seconds for which a store is down: of SQLite longer than a writer waits for another."""
_PATH: Final = "projects/acme-sec/topics/findings"
"""The push endpoint's path names the topic, since the function host makes the event's source of it."""


def e2e(*, seconds: float = 60.0) -> int:
    """Run all of it: 0 where everything held."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"e2e {time.monotonic() - started:6.1f} s  {text}", flush=True)

    failed: list[str] = []
    seed = random.SystemRandom().randrange(10**6)
    with stored.stores() as stores:
        for store in stores:
            failed += delivered(store, say)
            failed += buried(store, say)
            # Twice at each point, which is once as well; once alone is for `python -m lab points`.
            failed += points.points(store.of("points"), say, deaths=(2,))
        failed += holes.holes(stores[0].of("holes"), say)
        failed += holes.unheard(stores[0].of("unheard"), say)
        failed += silence.untold(stores[0].of("untold"), say)
        failed += silence.unended(stores[0].of("unended"), say)
        failed += faults.faults(stores[0].of("faults"), say)
        for store in stores:
            plan = Plan(
                seconds=seconds, kills=12, faults=60, seed=seed, messages=300, store=store.of("chaos"),
                outage=_OUTAGES[store.name], act=True,
            )  # fmt: skip
            say(f"a short chaos on {store.name}, in which act deletes pods")
            failed += ["the short chaos failed"] if chaos.report(plan, chaos.chaos(plan, say), say) else []
    say("the naive function in the same chaos: the judge must refuse it")
    plan = Plan(seconds=seconds / 3, kills=4, faults=0, seed=seed, messages=150, naive=True)
    refused = [problem for problem in chaos.chaos(plan, say).problems if "nothing is proven" not in problem]
    for problem in refused:
        say(f"refused, as it must be: {problem}")
    failed += [] if refused else ["the judge let the naive function pass: it sees nothing"]
    for missing in filter(None, (emulators.missing("pubsub"), emulators.missing("firestore"))):
        say(f"NOT PROVEN HERE: {missing}")
    for problem in failed:
        say(f"FAILED: {problem}")
    say("failed" if failed else "passed")
    return 1 if failed else 0


# --- one message, all the way -----------------------------------------------------------------------------------------


def delivered(store: Store, say: Say) -> list[str]:
    """A finding, its duplicate, a message of others and an unreadable one, over push; what does not hold, in words."""
    with _pushed(store, "findings", say) as (made, running, _):
        notification = json.dumps(running.lab.notification).encode()
        messages = (notification, notification, ground.foreign(4000), b"not json")
        started = time.monotonic()
        for message in messages:
            made.publish(message, kind="scc")
        plan = Traffic(
            messages=messages,
            findings=(running.lab.notification,),
            keys=frozenset({key_of(running.lab.notification)}),
            pods=1,
            malformed=frozenset({b"not json"}),
            foreign=1,
        )
        found = [""]
        while found and time.monotonic() - started < _WAIT:
            time.sleep(0.1)
            found = problems(plan, stored.kept(running, store), running.lab.journal)
        seconds = time.monotonic() - started
        left = made.left(seconds=2.0)
        letters = made.dead_letters(seconds=2.0)
    found += [f"{len(left)} messages were not acknowledged"] if left else []
    found += [f"{len(letters)} messages became dead letters"] if letters else []
    if not found:
        say(f"{store.name}: a finding pushed, investigated, kept and acknowledged within {seconds:.1f} s of publishing")
    return [f"{store.name}: {one}" for one in found]


def buried(store: Store, say: Say) -> list[str]:
    """A function whose store cannot be reached: five attempts, then the message is a dead letter, whole."""
    nowhere = Store(name=store.name, place="/proc/nowhere/records.db")
    with _pushed(nowhere, "buried", say) as (made, running, _):
        notification = json.dumps(running.lab.notification).encode()
        made.publish(notification, kind="scc")
        until = time.monotonic() + _WAIT
        letters: list[Any] = []
        while not letters and time.monotonic() < until:
            letters = made.dead_letters(seconds=1.0)
        asked = len(running.lab.journal)
    found = []
    if len(letters) != 1 or letters[0].data != notification:
        found.append(f"{len(letters)} dead letters of one message that cannot be stored")
    elif letters[0].attributes["CloudPubSubDeadLetterSourceDeliveryCount"] != "5":
        found.append(f"a dead letter after {dict(letters[0].attributes)}")
    if asked:
        found.append(f"{asked} calls of sources for a finding that was not stored")
    if not found:
        say("a store that cannot be reached: delivered five times, then a dead letter, every byte there; nothing asked")
    return found


@contextlib.contextmanager
def _pushed(store: Store, name: str, say: Say) -> Iterator[tuple[Topics, Running, Function]]:
    scenario = load(_SCENARIO)
    notification = json.loads((_SCENARIO.parent / scenario.notification).read_bytes())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="e2e-")))
        host, what = stack.enter_context(broker())
        running = stack.enter_context(serve(scenario, notification))
        environ = {**store.environ, "RESPONDER_STORE": store.place}
        endpoints = running.endpoints.model_dump(mode="json")
        served = stack.enter_context(function(folder, endpoints, store=Path(store.place), environ=environ))
        say(f"{what} -> functions-framework -> lab -> {store.place.partition('/')[0] or store.name}")
        made = stack.enter_context(topics(host, name, push_to=served.url + _PATH, backoff=_BACKOFF))
        yield made, running, served
