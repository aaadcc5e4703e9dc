"""One record, in the order in which an analyst needs it. Reads the record store and the second store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from responder import compiler, report
from responder.compiler.build import Build
from responder.evidence import AuditExtract, Found, LogExtract, Missing
from responder.finding import Process
from responder.record import Record, RecordedFinding, judged_first
from responder.web import picture
from responder.web.approvals import question, why_not
from responder.web.desk import Desk
from responder.web.render import page

_ID: Final = re.compile("[0-9a-f]{1,64}")
_MOST_PROCESSES: Final = 12
_LOGS: Final = (
    ("pod_log", "Pod log", "logs_pod"),
    ("audit_log", "Admin activity on the pod", "logs_audit"),
    ("node_log", "Node and serial console", "logs_node"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A process of the record's `number`-th finding (from 0), and what its command line says."""

    number: int
    finding: RecordedFinding
    standing: str
    process: Process | None
    line: str
    build: Build | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One of the three extracts."""

    title: str
    answer: Found[LogExtract] | Found[AuditExtract] | Missing
    link: str


def show(request: Request, desk: Desk) -> Response:
    """`/records/ID`."""
    record = loaded(desk, request.path_params["record_id"])
    return page(
        request,
        "record.html",
        record=record,
        now=desk.now(),
        asked=question(desk, record),
        why_not=why_not(desk, request.state.person, record),
        **shown(record),
    )


def loaded(desk: Desk, record_id: str) -> Record:
    """The record; 404 where there is none yet, or the id cannot be one: no store is asked for it then."""
    record = desk.records.load(record_id) if _ID.fullmatch(record_id) else None
    if record is None:
        raise HTTPException(404, "There is no such record, or nobody has investigated it yet.")
    return record


def shown(record: Record) -> dict[str, Any]:
    """What the page makes of a record beside its own fields."""
    signals = sorted(record.triage.signals, key=lambda one: -abs(one.weight))
    dots = picture.marks(record.timeline, _sessions(record))
    return {
        "ran": tuple(_ran(judged_first(record.findings)[:_MOST_PROCESSES], record.findings)),
        "more_findings": max(len(record.findings) - _MOST_PROCESSES, 0),
        "total": sum(finding.count for finding in record.findings),
        "command": report.first_command(record),
        "speak_for": [one for one in signals if one.weight > 0],
        "speak_against": [one for one in signals if one.weight < 0],
        "facts": report.facts(record),
        "dots": dots,
        "strips": picture.strips(dots),
        "logs": tuple(
            Log(title=t, answer=getattr(record.evidence, n), link=record.links.get(k, "")) for n, t, k in _LOGS
        ),
        "pod_now": _pod_now(record),
    }


def _ran(findings: Iterable[RecordedFinding], all_: tuple[RecordedFinding, ...]) -> Iterable[Ran]:
    numbers = {one.key: number for number, one in enumerate(all_)}
    for finding in findings:
        for process in finding.processes or (None,):
            build = compiler.parse(process.args, exe=process.binary) if process and process.args else None
            line = " ".join(process.args) or process.binary or process.name if process else ""
            yield Ran(
                finding=finding,
                number=numbers[finding.key],
                standing=report.standing(finding),
                process=process,
                line=line,
                build=build,
            )


def _sessions(record: Record) -> frozenset[str]:
    audit = record.evidence.audit_log
    if not isinstance(audit, Found):
        return frozenset()
    entries = enumerate(audit.value.entries)
    return frozenset(f"/evidence/audit_log/value/entries/{n}" for n, entry in entries if entry.session)


def _pod_now(record: Record) -> str:
    pod = record.evidence.pod
    if record.outcome.kind in {"deleted", "terminating", "gone", "replaced"}:
        return record.outcome.kind
    if isinstance(pod, Missing):
        return "gone" if pod.why == "not_found" else "not known"
    return "terminating" if pod.value.deletion_time else pod.value.phase.lower()
