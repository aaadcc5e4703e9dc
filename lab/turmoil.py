"""Every step, the lab's side: what a bad day delivers, and sources that fail now and then. Seeded, so that it recurs.

Findings in bursts on some pods, each delivered several times, some with a later eventTime; messages of others and
messages that nobody can read between them. The lab underneath answers, and fails each call in each of its ways in turn.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from lab.bench import ground
from lab.scenario import Scenario, ScenarioFault
from lab.state import HANG_SECONDS, FaultError, Lab

_FOREIGN: Final = 0.10
_MALFORMED: Final = 0.05
_COPIES: Final = 4
"""Deliveries of one finding, on average."""

_OFTEN: Final = (0.1, 10)
"""The share of the findings that are delivered so often at least."""

_UPDATES: Final = 0.20
_DROPPED: Final = 0.05
"""The share of the findings that no message tells of, though SCC has them: only a sweep can bring them."""

_SWEPT_PODS: Final = 60
"""The findings of later pods are older than a sweep looks back."""

_ON_A_POD: Final = (1, 1, 1, 1, 1, 1, 2, 5)
"""How many findings a pod has: mostly one, now and then a burst."""

KINDS: Final = (
    "unavailable", "quota", "reset", "latency", "deny", "not_found", "drop_reply", "lie", "empty_page", "hang",
)  # fmt: skip
_RARE: Final = frozenset({"hang"})
_LATENCY_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What will be published, in this order, and what must come of it.

    `keys` are the findings' keys, `pods` the number of records that they belong to, `malformed` what nobody can read;
    `dropped` are those of the keys that no message tells of.
    """

    messages: tuple[bytes, ...]
    findings: tuple[dict[str, Any], ...]
    keys: frozenset[str]
    pods: int
    malformed: frozenset[bytes]
    foreign: int
    dropped: frozenset[str] = frozenset()


def traffic(seed: int, count: int) -> Traffic:
    """`count` messages, shuffled."""
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    malformed = [_malformed(number) for number in range(max(4, round(count * _MALFORMED)))]
    foreign = [_foreign(number) for number in range(max(2, round(count * _FOREIGN)))]
    deliveries = max(1, count - len(malformed) - len(foreign))
    documents: list[dict[str, Any]] = []
    droppable: list[dict[str, Any]] = []
    pods = 0
    while len(documents) < max(1, deliveries // _COPIES):
        of_pod = [finding(pods, number) for number in range(chance.choice(_ON_A_POD))]
        documents += of_pod
        droppable += of_pod if pods < _SWEPT_PODS else []
        pods += 1
    dropped = {key_of(one) for one in chance.sample(droppable, round(len(droppable) * _DROPPED))}
    told = [document for document in documents if key_of(document) not in dropped]
    ours = [json.dumps(document).encode() for document in told]
    share, times = _OFTEN
    often = [one for one in chance.sample(told, round(len(told) * share)) for _ in range(times - 1)]
    while len(ours) < deliveries:
        document = often.pop() if often else chance.choice(told)
        later = chance.randrange(1, 600) if chance.random() < _UPDATES else 0
        ours.append(json.dumps(updated(document, later)).encode())
    messages = [*ours, *malformed, *foreign]
    chance.shuffle(messages)
    return Traffic(
        messages=tuple(messages),
        findings=tuple(documents),
        keys=frozenset(key_of(document) for document in documents),
        pods=pods,
        malformed=frozenset(malformed),
        foreign=len(foreign),
        dropped=frozenset(dropped),
    )


def finding(pod: int, number: int) -> dict[str, Any]:
    """The finding `number` of a pod, a few seconds after the one before it."""
    document = ground.message(pod)
    finding = document["finding"]
    identity = f"{pod:016x}{number:016x}"
    for name in ("name", "canonicalName"):
        finding[name] = finding[name].rpartition("/")[0] + "/" + identity
    finding["securityMarks"] = {"name": f"{finding['name']}/securityMarks"}
    return updated(document, 7 * number)


def updated(document: dict[str, Any], seconds: int) -> dict[str, Any]:
    """The same finding with a later eventTime."""
    moment = datetime.fromisoformat(document["finding"]["eventTime"]) + timedelta(seconds=seconds)
    return {**document, "finding": {**document["finding"], "eventTime": moment.isoformat()}}


def key_of(document: dict[str, Any]) -> str:
    """The source's and the finding's id, as `finding.Finding.key` has them."""
    parts = str(document["finding"]["name"]).split("/")
    return f"{parts[parts.index('sources') + 1]}/{parts[-1]}"


def _foreign(number: int) -> bytes:
    document = json.loads(ground.foreign(4000))
    document["finding"]["name"] += f"-{number}"
    return json.dumps(document).encode()


def _malformed(number: int) -> bytes:
    """Each of its own: nobody may take two of them for one."""
    whole = json.dumps(ground.message(0))
    kinds = (
        f"not json {number}".encode(),
        whole[: len(whole) // 2].encode() + b" %d" % number,
        b'{"finding": "\xff\xfe %d"}' % number,
        b"[" * 200 + b"%d" % number + b"]" * 200,
    )
    return kinds[number % len(kinds)]


# --- the lab underneath -----------------------------------------------------------------------------------------------


def scenario(plan: Traffic) -> Scenario:
    """A Google Cloud that has all findings of the plan, and whose pods and nodes are all there."""
    # A few lines a pod: this lab is for what goes wrong, not for how much there is to read.
    calm = ground.scenario(plan.pods, slow=False, lines=2)
    data = [{part: document[part] for part in ("finding", "resource")} for document in plan.findings]
    made = [calm.findings[0].model_copy(update={"data": one}) for one in data]
    return calm.model_copy(update={"title": "a bad day", "findings": tuple(made)})


_CALLS_OF_A_RECORD: Final = 10
"""Calls that an investigation makes of the lab, at least; about twice as many where all of them succeed."""

_RATE: Final = (0.03, 0.6)
"""The share of the calls that fail: never fewer, never more."""


@dataclass(slots=True)
class Turbulence:
    """Which calls fail: `wanted` of about `expected`; none before `begin` or after `calm`.

    Each call fails in each way in turn, so that all pairs have their share. `done` counts them by call and kind.
    """

    wanted: int
    expected: int
    seed: int
    on: bool = False
    calls: int = 0
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    _chance: random.Random = field(default_factory=random.Random)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def over(cls, plan: Traffic, *, wanted: int, seed: int) -> Turbulence:
        """So many faults over the calls that the traffic will cause."""
        return cls(wanted=wanted, expected=plan.pods * _CALLS_OF_A_RECORD, seed=seed)

    def begin(self) -> None:
        """From here on calls fail."""
        self._chance.seed(self.seed)
        self.on = True

    def calm(self) -> None:
        """No call fails any more."""
        self.on = False

    def next(self, call: str) -> str | None:
        """How this call must fail, or None where it may succeed."""
        with self._lock:
            if not self.on:
                return None
            self.calls += 1
            lacking = self.wanted - self.done.total()
            # Beyond what was expected there may be few calls left: what is lacking then comes as fast as it may.
            left = max(self.expected - self.calls, lacking, 1)
            least, most = _RATE
            share = min(max(lacking / left, least), most)
            # Where SCC fails nothing else is asked: there would be few calls left that could.
            if self._chance.random() > (share / 2 if call.startswith("scc.") else share):
                return None
            # What hangs costs a whole timeout: it has its share, a smaller one.
            kind = min(KINDS, key=lambda one: self.done[call, one] * (8 if one in _RARE else 1))
            self.done[call, kind] += 1
            return kind


class TurbulentLab(Lab):
    """A lab whose calls fail as a `Turbulence` says, beside the faults of its scenario."""

    __slots__ = ("_next",)

    def __init__(self, planned: Scenario, fails: Callable[[str], str | None]) -> None:
        # Without a notification a lab's SCC has none of the findings that are like it.
        super().__init__(planned, ground.message(0))
        self._next = fails

    async def fault(self, call: str, request: Mapping[str, Any] | str) -> None:
        """The scenario's own faults first."""
        await Lab.fault(self, call, request)
        kind = self._next(call)
        match kind:
            case None:
                return
            case "latency":
                await asyncio.sleep(_LATENCY_SECONDS)
            case "hang":
                await asyncio.sleep(HANG_SECONDS)
            case _:
                raise FaultError(ScenarioFault.model_validate({"call": call, "kind": kind}))
