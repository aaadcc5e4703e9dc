"""Records full of one text: each field that a finding, a cluster, a log or a person fills holds it."""

from __future__ import annotations

from datetime import timedelta

from responder.evidence import (
    AuditEntry,
    AuditExtract,
    Evidence,
    Found,
    LogEntry,
    LogExtract,
    OwnerChain,
    Workload,
)
from responder.finding import Process
from responder.record import (
    Action,
    Artifact,
    Decision,
    Guard,
    Outcome,
    Plan,
    PlannedAction,
    Record,
    Review,
    ReviewEntry,
    Signal,
    Technique,
    Triage,
)
from tests.builders import EVENT_TIME, a_finding, a_recorded
from tests.test_report import a_hostile_record

LATER = EVENT_TIME + timedelta(minutes=9)


def full_of(text: str, **changes: object) -> Record:
    """A record that has every part, and `text` wherever others may write; `changes` are fields of `Record`."""
    base = a_hostile_record(text)
    signal = Signal(id="shell-after", title=text, weight=30, source="process", evidence=("/findings/0",), outside=True)
    top = Workload(api_version="apps/v1", kind="Deployment", name=text, how_known="ownerReferences")
    owners: Found[OwnerChain] = Found(value=OwnerChain(links=(top,), complete=True), source=text)
    technique = Technique(
        id="T1027.004",
        name=text,
        url="https://attack.mitre.org/techniques/T1027/004",
        tactics={"v18": text},
        said_by="x",
    )
    file = Artifact(path=text, role="product", status="left_out", reason=text, sha256="ab" * 32)
    entry = ReviewEntry(state="closed", verdict="false_positive", note=text, by=text, at=LATER)
    values = {
        "findings": (
            a_recorded(a_finding(processes=(a_process(text),), told={}, category=text, description=text), count=3),
            a_recorded(a_finding(key="1/b", processes=(Process(args=(text,)),), told={})),
        ),
        "triage": Triage(
            verdict="suspicious", summary=text, reasons=(text,), signals=(signal,), would_settle=(text,), rule=text
        ),
        "evidence": Evidence(
            related=base.evidence.related,
            pod=base.evidence.pod,
            owners=owners,
            pod_log=log(text),
            audit_log=audit(text),
        ),
        "decision": Decision(reasons=(text,), guards=(Guard(name="brake", ok=None, detail=text),)),
        "outcome": Outcome(kind="failed", detail=text, at=LATER),
        "plan": Plan(techniques=(technique,), actions=(PlannedAction(title=text, why=text, impact=text, source=text),)),
        "artifacts": (file,),
        "actions": (
            Action(id="1", kind="delete", uid="u", namespace=text, pod=text, at=LATER, result=text, approved_by=text),
        ),
        "review": Review(state="closed", verdict="false_positive", history=(entry,)),
        "links": {"pod": "https://console.cloud.google.com/x", "bad": f"javascript:{text}"},
    }
    return base.model_copy(update=values | changes)


def log(*texts: str, truncated: bool = False) -> Found[LogExtract]:
    """A pod's log with these lines, a second apart, the first one at the event."""
    entries = tuple(
        LogEntry(
            time=EVENT_TIME + timedelta(seconds=n), severity="ERROR", log_name="stderr", insert_id=str(n), text=text
        )
        for n, text in enumerate(texts)
    )
    extract = LogExtract(
        filter="f",
        window_start=EVENT_TIME,
        window_end=LATER,
        entries=entries,
        read=len(texts),
        truncated=truncated,
        pages=1,
    )
    return Found(value=extract, source="Logging")


def audit(text: str) -> Found[AuditExtract]:
    """An exec into the pod of which every word is `text`."""
    entry = AuditEntry(
        time=EVENT_TIME,
        method="io.k8s.core.v1.pods.exec.create",
        resource_name=text,
        principal=text,
        caller_ip=text,
        user_agent=text,
        status=text,
        session="exec",
        command=("sh", "-c", text),
    )
    extract = AuditExtract(
        filter=text, window_start=EVENT_TIME, window_end=LATER, entries=(entry,), read=1, truncated=False, pages=1
    )
    return Found(value=extract, source="Logging")


def a_process(text: str) -> Process:
    """A process of which every word is `text`."""
    return Process(name=text, binary=f"/tmp/{text}", args=("gcc", text), pid=7, parent_pid=1, user_id=0, script=text)
