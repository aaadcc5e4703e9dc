"""What the pipeline calls, at its least: a gathering of two questions and a record of the parts that are judged.

The order of things is the pipeline's own; only what it calls in between costs a hundredth. The full gathering and the
full record are played too, in fewer schedules. Touches nothing but the ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from types import ModuleType
from typing import Any, Final

from responder.burst import Burst, Worth
from responder.compose import Material
from responder.errors import Unanswered
from responder.evidence import (
    LATER,
    NOT_ASKED,
    Cluster,
    Evidence,
    Found,
    LogExtract,
    Missing,
    Pod,
    Proof,
    SccFinding,
    Window,
)
from responder.finding import Finding, Target
from responder.gather import Ask, Gathered
from responder.ports import Access, Around, LogCaps, World
from responder.record import Record, RecordedFinding, Traits
from responder.settings import Settings
from tests.builders import EVENT_TIME, a_finding, a_record
from tests.doubles import Calls, FakeClusters, FakeKubernetes

FIRST: Final = a_finding()
OTHER: Final = a_finding(key="1750894040330370653/1b2c3d4e", event_time=EVENT_TIME.replace(second=12))
LATE: Final = a_finding(key="1750894040330370653/2c3d4e5f", event_time=EVENT_TIME.replace(second=20))
MUTED: Final = replace(FIRST, mute="MUTED")
AGAIN: Final = replace(FIRST, event_time=EVENT_TIME.replace(second=30))
_WINDOW: Final = Window(EVENT_TIME.replace(hour=8), EVENT_TIME.replace(hour=10))
ACCESS: Final = Access(kind="dns", host="gke.example", ca_pem="", cluster=FIRST.cluster)  # type: ignore[arg-type] # it has one
TEMPLATE: Final = a_record(capture=None, actions=(), artifacts=())
_TRAITS: Final = Traits(owner="project/place/cluster/shop/Deployment/checkout", image_digest="sha256:" + "ab" * 32)
_CLUSTER: Final = Found[Cluster](
    value=FakeClusters(Calls()).cluster(ACCESS.cluster, event_time=EVENT_TIME)[0], source="the Container API"
)
_NOT_IT: Final = Missing(why="not_found", detail="the name is another pod's")
_NO_POD: Final = Missing(why="not_found", detail="there is no pod of that name")
_SILENT: Final = Missing(why="unavailable", detail="SCC did not answer")
_UNKNOWN: Final = Missing(why="not_found", detail="SCC has no such finding")
_WAITS: Final = Missing(why="unverified", detail="SCC did not confirm the finding")
_NO_QUOTA: Final = Missing(why="quota", detail="60 reads a minute")
_EXTRACT: Final = LogExtract(
    filter="", window_start=EVENT_TIME, window_end=EVENT_TIME, entries=(), read=0, truncated=False, pages=1
)
_LINES: Final = Found[LogExtract](value=_EXTRACT, source="Cloud Logging")


@cache
def pod(uid: str) -> Pod:
    """The pod that has the finding's name, as of that UID."""
    return FakeKubernetes(Calls(), FIRST).pod("shop", "checkout").model_copy(update={"uid": uid})


@cache
def _scc(key: str) -> Found[SccFinding]:
    confirmed = SccFinding(
        name=f"organizations/1/sources/1/findings/{key.rpartition('/')[2]}", canonical_name="", state="ACTIVE",
        mute="UNDEFINED", severity="LOW", event_time=EVENT_TIME, marks={},
    )  # fmt: skip
    return Found[SccFinding](value=confirmed, source="SCC")


@cache
def _pod(uid: str) -> Found[Pod]:
    return Found[Pod](value=pod(uid), source="the cluster")


@cache
def _proof(uid: str) -> Found[Proof] | Missing:
    """The pod that has the name first is the finding's; another came after the event."""
    proven = Proof(verdict="proven", uid=uid, checks=())
    return Found[Proof](value=proven, source="the checks") if uid == "first" else _NOT_IT


def gather(
    world: World, finding: Finding, target: Target, *, known: Evidence | None = None, ask: Ask = "everything", **_: Any
) -> Gathered:
    """SCC, then the pod and its log, as `responder.gather` has it.

    What is known stays, and so does a gap that is not asked about; for a refused finding nothing is asked.
    """
    around: Around | None
    scc: Found[SccFinding] | Missing
    try:
        around = world.scc.around(finding, _WINDOW)
        scc = _scc(finding.key) if any(one.key == finding.key for one in around.findings) else _UNKNOWN
    except Unanswered:
        around, scc = None, _SILENT
    keys = {one.key: one for one in around.findings} if around else {}
    refused = scc is _UNKNOWN
    before = known or _nothing()
    if ask == "verify":
        before = before.model_copy(update={"scc": NOT_ASKED, "pod": NOT_ASKED})
    asked = {"scc"} | (set() if refused else _open(before, "everything" if known is None else ask))
    there, lines, read = before.pod, before.pod_log, before.pod_log
    if isinstance(scc, Missing) and isinstance(before.scc, Found):
        scc = before.scc
    if "pod" in asked:
        there = _there(world, target) if isinstance(scc, Found) else _WAITS
    if "pod_log" in asked:
        read = _read(world)
        lines = lines if isinstance(read, Missing) and isinstance(lines, Found) else read
    answers = {"scc": bool(around) and not refused, "pod": isinstance(there, Found), "pod_log": isinstance(read, Found)}
    answered = tuple(name for name in sorted(asked) if answers.get(name))
    return Gathered(_evidence(scc, there, lines), finding, target, keys, tuple(sorted(asked)), answered, refused)


def _there(world: World, target: Target) -> Found[Pod] | Missing:
    try:
        return _pod(world.connect(ACCESS).pod(target.namespace, target.pod).uid)
    except Unanswered:
        return _NO_POD


def _open(known: Evidence, ask: Ask) -> set[str]:
    """The questions to ask beside SCC's own."""
    if ask == "scc":
        return set()
    asked = set() if isinstance(known.pod, Found) else {"pod"}
    if ask == "look" or (isinstance(known.pod_log, Missing) and ask != "verify"):
        asked |= LATER
    return asked


def _read(world: World) -> Found[LogExtract] | Missing:
    try:
        world.logs.entries("project", "the pod's log", LogCaps())
    except Unanswered:
        return _NO_QUOTA
    return _LINES


@cache
def _nothing() -> Evidence:
    return Evidence(cluster=_CLUSTER)


def _evidence(
    scc: Found[SccFinding] | Missing, there: Found[Pod] | Missing, lines: Found[LogExtract] | Missing
) -> Evidence:
    proof = _proof(there.value.uid) if isinstance(there, Found) else NOT_ASKED
    return _nothing().model_copy(update={"scc": scc, "pod": there, "proof": proof, "pod_log": lines})


def confirm(_world: World, _record_id: str, found: Burst, *_: Any, **__: Any) -> Burst:
    """What SCC lists is all that there is."""
    return found


def burst(pages: Iterable[tuple[RecordedFinding, ...]], _worth: Worth) -> Burst:
    """One group of all findings, read page by page: they are of one command line."""
    found = [one for page in pages for one in page]
    keys = tuple(one.key for one in found)
    seen = sum(len(one.occurrences) for one in found)
    groups = (replace(found[0], count=len(found), more=keys[1:]),) if found else ()
    return Burst(groups, seen, frozenset(keys))


_KEPT: Final = ("capture", "artifacts", "actions", "outcome", "decision")


def compose(made: ModuleType, material: Material, _settings: Settings, *_: Any, **__: Any) -> Record:
    """The material at stage `gathered`, and nothing that is derived from it but when its gaps are asked again."""
    told = {"stage": "gathered", "started": material.started, "finished": None, "rounds": material.rounds}
    told |= {"errors": material.errors, "read": material.read, "traits": _TRAITS, "act": "wanted", "act_due": None}
    kept = {name: getattr(material.old, name) for name in _KEPT} if material.old else {}
    evidence = material.evidence
    if any(isinstance(one, Missing) and one.passing for one in (evidence.scc, evidence.pod, evidence.pod_log)):
        evidence = made.settled(evidence, material.rounds, material.started, material.rounds[-1].at)
    provenance = TEMPLATE.provenance.model_copy(update=told)
    update = {"id": material.id, "findings": material.findings, "evidence": evidence, "provenance": provenance}
    return TEMPLATE.model_copy(update=update | kept)


def finish(made: ModuleType, record: Record, now: datetime, *_: Any, **__: Any) -> Record:
    """The record with its outcome, and when it is to be looked at again."""
    update = {"stage": "finished", "finished": now, "due": made.due(record)}
    provenance = record.provenance.model_copy(update=update)
    return record.model_copy(update={"provenance": provenance})


def noted(record: Record, read: int) -> Record:
    """The record with its findings' latest occurrences, as it was loaded."""
    return record.model_copy(update={"provenance": record.provenance.model_copy(update={"read": read})})


def parts(made: ModuleType) -> dict[str, Callable[..., Any]]:
    """What takes the place of what the pipeline imports; `made` is `responder.compose`, or a variant of it."""
    own = {"gather": gather, "burst": burst, "confirm": confirm, "noted": noted, "next_look": made.next_look}
    return own | {"compose": partial(compose, made), "finish": partial(finish, made)}
