"""What the pipeline calls, at its least: a gathering of two questions and a record of the parts that are judged.

The order of things is the pipeline's own; only what it calls in between costs a hundredth. The full gathering and the
full record are played too, in fewer schedules. Touches nothing but the ports.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from responder.burst import Burst, Worth
from responder.compose import Material, due
from responder.errors import Unanswered
from responder.evidence import Evidence, Found, Missing, Pod, SccFinding, Window
from responder.finding import Finding, Target
from responder.gather import Ask, Gathered
from responder.ports import Access, Around, World
from responder.record import Record, RecordedFinding
from responder.settings import Settings
from tests.builders import EVENT_TIME, a_finding, a_record
from tests.doubles import Calls, FakeKubernetes

FIRST: Final = a_finding()
OTHER: Final = a_finding(key="1750894040330370653/1b2c3d4e", event_time=EVENT_TIME.replace(second=12))
MUTED: Final = replace(FIRST, mute="MUTED")
_WINDOW: Final = Window(EVENT_TIME.replace(hour=8), EVENT_TIME.replace(hour=10))
_ACCESS: Final = Access(kind="dns", host="gke.example", ca_pem="", cluster=FIRST.cluster)  # type: ignore[arg-type] # it has one
_RETRY: Final = timedelta(minutes=1)
_TRIES: Final = 3
_TEMPLATE: Final = a_record()
_SILENT: Final = Missing(why="unavailable", detail="SCC did not answer")
_UNKNOWN: Final = Missing(why="not_found", detail="SCC has no such finding")
_WAITS: Final = Missing(why="unverified", detail="SCC did not confirm the finding")


@cache
def pod(uid: str) -> Pod:
    """The pod that has the finding's name, as of that UID."""
    return FakeKubernetes(Calls(), FIRST).pod("shop", "checkout").model_copy(update={"uid": uid})


@cache
def _evidence(scc: str, uid: str) -> Evidence:
    """One value for each state of the two answers; `scc` is the finding's key, or `silent`, or `unknown`."""
    answers: dict[str, Missing] = {"silent": _SILENT, "unknown": _UNKNOWN}
    confirmed = SccFinding(
        name=f"organizations/1/sources/1/findings/{scc.rpartition('/')[2]}", canonical_name="", state="ACTIVE",
        mute="UNDEFINED", severity="LOW", event_time=EVENT_TIME, marks={},
    )  # fmt: skip
    return Evidence(
        scc=answers.get(scc) or Found[SccFinding](value=confirmed, source="SCC"),
        pod=Found[Pod](value=pod(uid), source="the cluster") if uid else _WAITS,
    )


def gather(
    world: World, finding: Finding, target: Target, *, known: Evidence | None = None, ask: Ask = "everything", **_: Any
) -> Gathered:
    """SCC, then the pod, as `responder.gather` has it: what is known stays, for a refused finding nothing is asked."""
    around: Around | None
    try:
        around = world.scc.around(finding, _WINDOW)
        scc = finding.key if any(one.key == finding.key for one in around.findings) else "unknown"
    except Unanswered:
        around, scc = None, "silent"
    keys = frozenset(one.key for one in around.findings) if around else frozenset[str]()
    uid, asked = _uid(known), ["scc"]
    if not uid and scc not in {"silent", "unknown"} and (ask != "scc" or known is None):
        uid = world.connect(_ACCESS).pod(target.namespace, target.pod).uid
        asked.append("pod")
    if scc in {"silent", "unknown"} and known is not None and isinstance(known.scc, Found):
        return Gathered(known, finding, target, keys, tuple(asked), refused=scc == "unknown")
    return Gathered(_evidence(scc, uid), finding, target, keys, tuple(asked), refused=scc == "unknown")


def burst(pages: Iterable[tuple[RecordedFinding, ...]], _worth: Worth) -> Burst:
    """One group of all findings, read page by page: they are of one command line."""
    found = [one for page in pages for one in page]
    keys = tuple(one.key for one in found)
    seen = sum(len(one.occurrences) for one in found)
    groups = (replace(found[0], count=len(found), more=keys[1:]),) if found else ()
    return Burst(groups, seen, frozenset(keys))


def _uid(known: Evidence | None) -> str:
    return known.pod.value.uid if known is not None and isinstance(known.pod, Found) else ""


def compose(material: Material, _settings: Settings, *_: Any, **__: Any) -> Record:
    """The material at stage `gathered`, and nothing that is derived from it."""
    told = {"stage": "gathered", "started": material.started, "finished": None, "rounds": material.rounds}
    told |= {"errors": material.errors, "read": material.read}
    provenance = _TEMPLATE.provenance.model_copy(update=told)
    update = {
        "id": material.id,
        "findings": material.findings,
        "evidence": _with_retries(material.evidence, material),
        "provenance": provenance,
    }
    return _TEMPLATE.model_copy(update=update)


def _with_retries(evidence: Evidence, material: Material) -> Evidence:
    """Each passing gap with the time to ask again, so many times at most."""
    tries = sum(one.kind == "gaps" for one in material.rounds)
    again = material.rounds[-1].at + _RETRY if tries < _TRIES else None
    gaps = {name: getattr(evidence, name) for name in ("scc", "pod")}
    changed = {
        name: gap.model_copy(update={"retry_at": again})
        for name, gap in gaps.items()
        if isinstance(gap, Missing) and gap.passing
    }
    return evidence.model_copy(update=changed) if changed else evidence


def finish(record: Record, now: datetime, *_: Any, **__: Any) -> Record:
    """The record with its outcome, and when it is to be looked at again."""
    update = {"stage": "finished", "finished": now, "due": due(record)}
    provenance = record.provenance.model_copy(update=update)
    return record.model_copy(update={"provenance": provenance})


def noted(record: Record, findings: tuple[RecordedFinding, ...], read: int, *_: Any, **__: Any) -> Record:
    """The record with its findings' latest occurrences."""
    provenance = record.provenance.model_copy(update={"read": read})
    return record.model_copy(update={"findings": findings, "provenance": provenance})
