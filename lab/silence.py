"""Steps 5 and 7, the lab's side: what goes out meets who accepts and never answers, or answers a byte a second.

A notice, its address, a mark in Security Command Center: the message is acknowledged in its time, the record is whole,
and what is left is told later under the same id. A command in a container, a delete: `act` ends in its time, and what
was asked for once is looked at, and not asked for again.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from lab import acting, stored
from lab.answering import of_act
from lab.clock import Clock
from lab.environment import ROOT
from lab.points import FIRST_POD, day_of
from lab.pubsub import ACKNOWLEDGED
from lab.scenario import Scenario, load
from lab.server import Running, serve_lab
from lab.serving import Function, function, post
from lab.stored import Store
from lab.turmoil import finding, key_of, scenario
from lab.waiting import SLACK, HoledLab, Say, back, posted, record_of, sent, settled

_PLACE: Final = "projects/acme-bench-0/secrets/hook"
_NOTICES: Final = f"""
write_back = true

[[channel]]
name = "security"
kind = "slack"
webhook = "secret:{_PLACE}/versions/latest"
"""
_TELLING: Final = 25.0
"""Seconds: an address, a message and a write-back have at most 20 each, and only one of them waits at a time."""
_ANSWERING: Final = 2 * float(stored.DEADLINE) + 60.0
"""Seconds for `act` where nothing is taken from a container (`responder.removing.lease`)."""
_CAPTURE: Final = 240.0
"""Seconds beyond that where something is to be taken (`responder.act.CAPTURE`)."""
_TOLD_LATER: Final = timedelta(minutes=2)
_LOOKED_LATER: Final = timedelta(minutes=25)
"""By then a request without an answer is not at work any more (`responder.looking.MAY_YET_SEND`)."""
_ATTACK: Final = ROOT / "lab" / "scenarios" / "attack-web-pod.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Calls that are never answered, and calls that are answered a byte a second; and what is waited for."""

    name: str
    hole: tuple[str, ...] = ()
    dripping: tuple[str, ...] = ()
    budget: float = _TELLING
    captures: bool = False

    def opened(self, lab: HoledLab) -> None:
        """From here on it is so."""
        lab.hole, lab.dripping = self.hole, self.dripping


# --- telling ----------------------------------------------------------------------------------------------------------


TOLD: Final = (
    Hole(name="the secret with a channel's address", hole=("secretmanager.*",)),
    Hole(name="the same, a byte a second,", dripping=("secretmanager.*",)),
    Hole(name="a channel", hole=("channel.*",)),
    Hole(name="a channel, a byte a second,", dripping=("channel.*",)),
    Hole(name="SCC's marks", hole=("scc.UpdateSecurityMarks",)),
    Hole(name="SCC's external systems", hole=("scc.UpdateExternalSystem",)),
)


def untold(store: Store, say: Say) -> list[str]:
    """Each of them in turn, and then one sweep; what does not hold, in words."""
    documents = [finding(FIRST_POD + number, 0) for number in range(2 + len(TOLD))]
    planned = scenario(day_of(documents)).model_copy(update={"secrets": {_PLACE: "/_lab/hooks/security"}})
    lab = HoledLab(planned)
    with _started(store, lab, {"RESPONDER_NOTICES": _NOTICES}) as here:
        host = here.host("respond")
        warm = [posted(host, documents[0])]
        lab.denied = ("channel.*",)  # the address is forgotten, and read anew
        warm.append(posted(host, documents[1]))
        lab.mend()
        found = [] if all(status in ACKNOWLEDGED for status, _ in warm) else [f"without any hole: {warm}"]
        least, before = settled(host), {}
        for hole, document in zip(TOLD, documents[2:], strict=True):
            hole.opened(lab)
            status, seconds = posted(host, document)
            lab.mend()
            left, after = back(host, least)
            before[key_of(document)] = record = here.record(document)
            problems = _late(hole, status, seconds) + _unwaited(record)
            problems += [f"{left} threads {after:.0f} s later, {least} before"] if left > least else []
            found += [f"{hole.name} never answers: {problem}" for problem in problems]
            say(f"{store.name}: {hole.name} never answers: answered in {seconds:.1f} s; {left} threads, {least} before")
        here.clock.advance(_TOLD_LATER)
        status = post(here.host("sweep").url, {})
        found += [] if status in ACKNOWLEDGED else [f"the sweep: status {status}"]
        for document in documents:
            found += _told(here, document, before.get(key_of(document)))
    say(f"{store.name}: what nobody answered is told by the next sweep, under its first id")
    return [f"{store.name}: {problem}" for problem in found]


def _late(hole: Hole, status: int, seconds: float) -> list[str]:
    budget = float(stored.DEADLINE) + hole.budget + SLACK
    found = [] if status in ACKNOWLEDGED else [f"status {status}"]
    return found + ([f"answered after {seconds:.1f} s, which is more than {budget:.0f}"] if seconds > budget else [])


def _unwaited(record: Any) -> list[str]:
    """What is wrong with a record of which something could not be told."""
    if record is None or record.provenance.stage != "finished":
        return ["the record is not finished"]
    gaps = {name: gap.why for name, gap in record.evidence.missing().items() if gap.why != "not_asked"}
    found = [f"its evidence is not whole: {gaps}"] if gaps else []
    unsent = [one for one in record.notices if not one.sent]
    waits = [gap for gap in record.provenance.gaps if gap.question == "write_back"]
    return found + ([] if unsent or waits else ["all of it was told: nothing is proven"])


def _told(here: _Here, document: dict[str, Any], before: Any) -> list[str]:
    """What is wrong with a record of which all must have been told by now."""
    record = here.record(document)
    name = record.provenance.subject.pod
    bodies = [post["body"] for post in here.running.lab.calls("channel.Post") if record.id in json.dumps(post["body"])]
    ids = [one.id for one in record.notices]
    found = [] if record.notices and all(one.sent for one in record.notices) else ["a notice is not sent"]
    found += (
        [] if len({json.dumps(body) for body in bodies}) == 1 else [f"{len(bodies)} messages that are not the same"]
    )
    found += [] if all(id_[:12] in json.dumps(bodies) for id_ in ids) else ["a message has not its id"]
    found += ["another id than at first"] if before is not None and [one.id for one in before.notices] != ids else []
    found += [f"a gap is left: {gap.question} {gap.why}" for gap in record.provenance.gaps if gap.why != "not_asked"]
    written = {call["call"] for call in here.running.lab.calls("scc.Update*") if record.id in json.dumps(call["body"])}
    found += [] if len(written) == 2 else [f"of SCC's two writes there were {sorted(written)}"]
    return [f"told later, {name}: {problem}" for problem in found]


# --- act --------------------------------------------------------------------------------------------------------------


ENDED: Final = (
    Hole(name="a delete", hole=("kubernetes.delete.pods",), budget=_ANSWERING),
    Hole(name="a delete, a byte a second,", dripping=("kubernetes.delete.pods",), budget=_ANSWERING),
    Hole(name="the way into a container", hole=("kubernetes.*.pods/exec",), budget=_ANSWERING, captures=True),
    Hole(name="a command in a container", hole=("cluster.exec",), budget=_ANSWERING + _CAPTURE, captures=True),
)


def unended(store: Store, say: Say) -> list[str]:
    """Each of them in turn on one warm `act`, and each once more when all answers; what does not hold, in words."""
    # One project for each; the first one's pod is ended without any hole.
    documents = [finding(number, 0) for number in range(1 + len(ENDED))]
    planned = _with_files(acting.of_their_own(scenario(day_of(documents))))
    lab = HoledLab(planned)
    with _started(store, lab, {"RESPONDER_POLICY": _policy(planned)}) as here:
        respond, host = here.host("respond"), here.host("act", of_act(here.folder))
        found = [
            f"without any hole: {told}" for one in documents if (told := posted(respond, one))[0] not in ACKNOWLEDGED
        ]
        found += here.acted(host, documents[0], ("deleted",))
        least = settled(host)
        for hole, document in zip(ENDED, documents[1:], strict=True):
            hole.opened(lab)
            status, seconds = here.act(host, document, timeout=hole.budget * 2)
            lab.mend()
            left, after = back(host, least)
            outcome = here.record(document).outcome
            problems = _late(hole, status, seconds) + here.ended(document, most=0 if hole.captures else 1)
            problems += [f"{left} threads {after:.0f} s later, {least} before"] if left > least else []
            here.clock.advance(_LOOKED_LATER)
            problems += here.acted(host, document, ("deleted",) if hole.captures or hole.dripping else ("failed",))
            problems += here.ended(document, most=1)
            found += [f"{hole.name} never answers: {problem}" for problem in problems]
            again = here.record(document).outcome
            say(
                f"{store.name}: {hole.name} never answers: act ended in {seconds:.1f} s, {outcome.kind}"
                f" ({outcome.detail}), later {again.kind}; {left} threads, {least} before"
            )
    return [f"{store.name}: {problem}" for problem in found]


def _with_files(planned: Scenario) -> Scenario:
    """What the findings tell of lies in every container, so that there is something to be taken."""
    files = load(_ATTACK).clusters[0].pods[0].containers[0].files
    made = planned.model_dump()
    for cluster in made["clusters"]:
        for pod in cluster["pods"]:
            pod["containers"] = [one | {"files": files} for one in pod["containers"]]
    return Scenario.model_validate(made)


def _policy(planned: Scenario) -> str:
    """Every project lets `act` delete; those of the last holes want the evidence first."""
    parts = acting.policy(planned).split("[[project]]")
    entered = {f'id = "acme-bench-{number}"' for number, hole in enumerate(ENDED, 1) if hole.captures}
    return "[[project]]".join(
        part.replace("remediate =", "capture = true\nremediate =") if any(one in part for one in entered) else part
        for part in parts
    )


# --- the functions ----------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Here:
    """A lab with a clock, and the functions on it."""

    store: Store
    running: Running
    clock: Clock
    folder: Path
    files: dict[str, str]
    stack: contextlib.ExitStack

    def host(self, target: str, more: dict[str, str] | None = None) -> Function:
        """A function, until the block ends."""
        folder = self.folder / target
        folder.mkdir()
        environ = {
            **self.store.environ,
            "RESPONDER_STORE": self.store.place,
            "RESPONDER_DEADLINE_SECONDS": stored.DEADLINE,
            "THREADS": "1",
            **self.files,
            **(more or {}),
        }
        place = Path(self.store.place)
        return self.stack.enter_context(
            function(folder, self.clock.endpoints(), store=place, environ=environ, target=target)
        )

    def record(self, document: dict[str, Any]) -> Any:
        """The finding's record as it is kept."""
        with stored.opened(self.running, self.store) as records:
            return record_of(records, key_of(document))

    def act(self, host: Function, document: dict[str, Any], *, timeout: float = 120.0) -> tuple[int, float]:
        """`act` on the finding's record: status and seconds."""
        record = self.record(document)
        return sent(host, record.id.encode(), record.id, timeout=timeout)

    def acted(self, host: Function, document: dict[str, Any], outcomes: Sequence[str]) -> list[str]:
        """The same, which must end so; what does not hold."""
        status, _ = self.act(host, document)
        outcome, decision = self.record(document).outcome, self.record(document).decision
        found = [] if status in ACKNOWLEDGED else [f"act: status {status}"]
        told = f"act ended with {outcome.kind} ({outcome.detail}): {decision.reasons}"
        return found + ([] if outcome.kind in outcomes else [told])

    def ended(self, document: dict[str, Any], *, most: int) -> list[str]:
        """What is wrong with the deletes of the finding's pod that were asked for."""
        pod = document["finding"]["kubernetes"]["pods"][0]["name"]
        calls = self.running.lab.calls("kubernetes.delete.pods")
        times = sum(one["name"] == pod and not (one["body"] or {}).get("dryRun") for one in calls)
        return [f"{pod} was asked to end {times} times"] if times > most else []


@contextlib.contextmanager
def _started(store: Store, lab: HoledLab, files: dict[str, str]) -> Iterator[_Here]:
    """`files` are settings that name a file, with what is in it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="silence-")))
        for name, text in files.items():
            (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        running = stack.enter_context(serve_lab(lab))
        yield _Here(
            store=store,
            running=running,
            clock=Clock(running, folder),
            folder=folder,
            files={name: str(folder / f"{name}.toml") for name in files},
            stack=stack,
        )
