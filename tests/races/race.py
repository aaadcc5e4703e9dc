"""One race: deliveries of one record's id to workers that are killed, doubled and interrupted, until all is quiet."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from lab.scenario import load
from responder import act
from responder.errors import ResponderError
from responder.ports import Brake
from responder.record import Record
from responder.removing import NOT_KNOWN
from tests.races.script import Killed, Worker, around
from tests.scene import AUTO, SCENARIOS, Scene, scene

ROUNDS: Final = 75
"""Minutes, more or less: what an hour holds is over by then."""
LEASE: Final = timedelta(minutes=9)
_ENDED: Final = ("deleted", "replaced", "terminating")
HAPPENS: Final = ("kill before", "kill after", "lost", "brake", "other worker", "other worker, then kill")


@dataclass
class Told:
    """What became of a race, and what was wrong with it."""

    record: Record
    uid: str
    deletes: list[str]
    requests: list[str]
    calls: list[str]
    story: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> str:
        """The first rule that is broken; empty where none is."""
        return next((why for is_broken, why in self._rules() if is_broken), "")

    def _rules(self) -> tuple[tuple[bool, str], ...]:
        outcome, ended = self.record.outcome.kind, self.deletes
        acted = [action.uid for action in self.record.actions]
        is_claimed = outcome == "deleted" and NOT_KNOWN not in self.record.outcome.detail
        by_us, decision = bool(ended) and bool(self.requests), self.record.decision
        is_open = self.record.provenance.act != "done" and outcome != "terminating"
        return (
            (any(uid != self.uid for uid in ended), f"another pod was ended: {ended}"),
            (any(not line.endswith(self.uid) for line in self.requests), f"another pod was asked for: {self.requests}"),
            (max(len(self.requests), len(ended)) > 1, f"asked {self.requests}, ended {ended}"),
            (bool(ended) and outcome not in _ENDED, f"the pod was ended, and the record says {outcome}"),
            (is_claimed and not ended, "the record says deleted by our request, and nothing was"),
            (is_open, f"it never came to an end: {self.record.provenance.act}, {outcome}"),
            (bool(ended) and acted != [self.uid], f"the pod was ended, and the record's actions are {acted}"),
            (by_us and (decision.kind, decision.made_by) != ("delete_pod", "act"), f"ended by: {decision.reasons}"),
        )


def play(
    folder: Path, plan: dict[int, str], *, changes: dict[str, Any] | None = None, policy: dict[str, str] = AUTO
) -> Told:
    """Deliver once with `plan` (call number -> one of HAPPENS), then again until it is quiet."""
    with scene(folder, policy, changes=changes) as here:
        requests: list[str] = []
        first = Worker()
        story: list[str] = []
        for number, what in plan.items():
            _planned(here, first, number, what, requests, story)
        _deliver(here, first, requests, story)
        for _ in range(ROUNDS):
            if here.record.provenance.act == "done":
                break
            here.lab.advance(LEASE if first.is_dead else timedelta(minutes=1))
            _deliver(here, Worker(), requests, story)
        # One more delivery after the end, as Pub/Sub may.
        _deliver(here, Worker(), requests, story)
        return Told(
            record=here.record, uid=here.uid, deletes=here.deletes(), requests=requests, calls=first.calls, story=story
        )


def _planned(here: Scene, worker: Worker, number: int, what: str, requests: list[str], story: list[str]) -> None:
    def brake() -> None:
        acting = here.world.act
        assert acting is not None
        acting.actions.set_brake(Brake(on=True, project="", why="race", by="x@acme.example", at=here.lab.now()))
        story.append(f"brake at {number}")

    def other() -> None:
        story.append(f"other worker at {number}")
        _deliver(here, Worker(), requests, story)

    def other_and_die() -> None:
        # The claim's time is over: another worker may take the record while this one still believes it has it.
        here.lab.advance(LEASE)
        other()
        worker.die()

    def late() -> None:
        here.lab.advance(LEASE)
        other()

    before: dict[str, Callable[[], None]] = {
        "kill before": worker.die,
        "brake": brake,
        "other worker": late,
        "other worker, then kill": other_and_die,
    }
    if what in before:
        worker.before[number] = before[what]
    elif what == "kill after":
        worker.after[number] = worker.die
    else:
        worker.lost |= {number}


def _deliver(here: Scene, worker: Worker, requests: list[str], story: list[str]) -> None:
    try:
        act.act(around(here.world, worker, requests), here.id)
        story.append("returned")
    except Killed:
        story.append("killed")
    except ResponderError as error:
        story.append(f"raised {type(error).__name__}")


# --- seeded -----------------------------------------------------------------------------------------------------------

WORLDS: Final[tuple[tuple[str, dict[str, Any], dict[str, Any]], ...]] = (
    ("as it is", {}, {}),
    ("replaced between rehearsal and delete", {"swap_after": 1}, {}),
    ("a finalizer", {"finalizer": "acme.example/hold", "finalized_after": 90}, {}),
    ("younger than the event", {"created": "+10s"}, {}),
    ("the reply is dropped", {}, {"call": "kubernetes.delete.pods", "kind": "drop_reply", "times": 1}),
    ("denied", {}, {"call": "kubernetes.delete.pods", "kind": "deny"}),
    ("denied for the delete alone", {}, {"call": "kubernetes.delete.pods", "kind": "deny", "after": 1}),
    ("unavailable at first", {}, {"call": "kubernetes.delete.pods", "kind": "unavailable", "times": 1}),
    ("unavailable for it", {}, {"call": "kubernetes.delete.pods", "kind": "unavailable", "after": 1, "times": 1}),
    ("the connection is reset", {}, {"call": "kubernetes.delete.pods", "kind": "reset", "after": 1, "times": 1}),
    ("reads fail", {}, {"call": "kubernetes.get.pods", "kind": "unavailable", "after": 2, "times": 3}),
    ("ended by a controller meanwhile", {"terminating": "+84s", "deleted": "+114s"}, {}),
    ("a disruption budget", {}, {}),
)  # fmt: skip


def seeded(folder: Path, seed: int) -> Told:
    """A race of that seed: a world, one to three happenings at random calls, deleted or evicted."""
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    name, pod, fault = chance.choice(WORLDS)
    plan = {chance.randrange(30): chance.choice(HAPPENS) for _ in range(chance.randint(1, 3))}
    (cluster,) = load(SCENARIOS / "attack-web-pod.yaml").model_dump()["clusters"]
    first, *others = cluster["pods"]
    cluster |= {"pods": [first | pod, *others]}
    is_gentle = chance.random() < 0.3 or name == "a disruption budget"
    if name == "a disruption budget":
        cluster |= {"budgets": [{"name": "checkout", "namespace": "shop", "min_available": 3}]}
    changes: dict[str, Any] = {"clusters": [cluster]}
    if fault:
        # An eviction is another call than a delete, and fails in the same ways.
        changes["faults"] = [fault, fault | {"call": "kubernetes.create.pods/eviction"}] if is_gentle else [fault]
    policy = AUTO | ({"gentle": "true"} if is_gentle else {})
    told = play(folder, plan, changes=changes, policy=policy)
    told.story.insert(0, f"seed {seed}: {name}, {plan}, {policy}")
    return told
