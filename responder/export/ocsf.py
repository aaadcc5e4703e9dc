"""A record as an OCSF Detection Finding (class 2004, schema 1.8.0). Pure.

Profiles cloud, container and incident. Times are milliseconds since 1970, UTC. What has no value is left out.
Numbers and captions are those of schema.ocsf.io/1.8.0/classes/detection_finding; the tests hold each event to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from responder import report
from responder.export import ocsf_parts as parts
from responder.record import Record

VERSION: Final = "1.8.0"
_CLASS: Final = 2004
_ACTIVITIES: Final = {1: "Create", 2: "Update", 3: "Close"}
_STATES: Final = {"open": (1, "New"), "acknowledged": (2, "In Progress"), "closed": (4, "Resolved")}
_SEVERITIES: Final = {"LOW": (2, "Low"), "MEDIUM": (3, "Medium"), "HIGH": (4, "High"), "CRITICAL": (5, "Critical")}
_RISKS: Final = {"LOW": (1, "Low"), "MEDIUM": (2, "Medium"), "HIGH": (3, "High"), "CRITICAL": (4, "Critical")}
_MACHINE: Final = {
    "malicious": (4, "Suspicious"),  # "True Positive" is a person's word
    "suspicious": (4, "Suspicious"),
    "benign": (5, "Benign"),
    "insufficient_data": (7, "Insufficient Data"),
}
_PERSON: Final = {
    "true_positive": (2, "True Positive"),
    "benign_true_positive": (5, "Benign"),
    "false_positive": (1, "False Positive"),
    "undetermined": (0, "Unknown"),
}


def line(record: Record) -> str:
    """The event as one line of ASCII JSON, with its line end."""
    return json.dumps(event(record), separators=(",", ":")) + "\n"


def event(record: Record) -> dict[str, Any]:
    """The event, of plain JSON values alone."""
    activity = _activity(record)
    severity_id, severity = _SEVERITIES[record.triage.severity]
    status_id, status = _STATES[record.review.state]
    verdict = record.review.verdict
    verdict_id, caption = _PERSON[verdict] if verdict else _MACHINE[record.triage.verdict]
    said = {
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Detection Finding",
        "activity_id": activity,
        "activity_name": _ACTIVITIES[activity],
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Detection Finding: {_ACTIVITIES[activity]}",
        "time": parts.millis(_changed(record)),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "verdict_id": verdict_id,
        "verdict": caption,
        "is_alert": record.triage.verdict in {"malicious", "suspicious"} and record.review.state != "closed",
        "message": report.summary(record),
        **_history(record),
        **_risk(record),
        "metadata": _metadata(record),
        "cloud": _cloud(record),
        "finding_info": parts.finding_info(record),
        "evidences": parts.evidences(record),
        "resources": parts.resources(record),
        "observables": parts.observables(record),
        "remediation": _remediation(record),
        "unmapped": _unmapped(record),
    }
    kept: dict[str, Any] = clean(said)
    return kept


def clean(value: Any) -> Any:
    """The value without what is empty, and without lone surrogates, which JSON readers refuse; 0 and False stay."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        pairs = ((key, clean(inner)) for key, inner in value.items())
        return {key: inner for key, inner in pairs if inner not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [inner for inner in map(clean, value) if inner not in (None, "", [], {})]
    return value


def _activity(record: Record) -> int:
    if record.review.state == "closed":
        return 3
    return 2 if record.review.history or len(record.provenance.rounds) > 1 else 1


def _changed(record: Record) -> datetime:
    """When what the event tells last changed: the last round's end, or the last word of a reviewer."""
    known = (record.provenance.finished or record.provenance.started, *(entry.at for entry in record.review.history))
    return max(known)


def _history(record: Record) -> dict[str, Any]:
    history = record.review.history
    last = history[-1] if history else None
    ends = [f.last_event_time or f.event_time for f in record.findings]
    return {
        "comment": last.note if last else "",
        "assignee": {"name": last.by} if last else {},
        "count": sum(finding.count for finding in record.findings),
        "start_time": parts.millis(record.provenance.window_start),
        "end_time": parts.millis(max(ends, default=None)),
        "src_url": record.links.get("finding", ""),
    }


def _risk(record: Record) -> dict[str, Any]:
    level_id, level = _RISKS[record.triage.severity]
    reasons = "; ".join(f"{one.weight:+d} {one.title} ({one.id})" for one in record.triage.signals)
    return {
        "risk_score": record.triage.score,
        "risk_level_id": level_id,
        "risk_level": level,
        "risk_details": reasons or "; ".join(record.triage.reasons),
    }


def _metadata(record: Record) -> dict[str, Any]:
    return {
        "version": VERSION,
        "uid": f"{record.id}.{record.provenance.revision}",
        "correlation_uid": record.id,
        "profiles": ["cloud", "container", "incident"],
        "product": {
            "name": "GKE compiler responder",
            "uid": "gke-compiler-responder",
            "version": record.provenance.responder,
            "feature": {"name": "triage", "version": record.triage.rules},
        },
        "original_time": f"{record.provenance.window_start:%Y-%m-%dT%H:%M:%SZ}",
        "processed_time": parts.millis(record.provenance.finished or record.provenance.started),
        "sequence": record.provenance.revision,
    }


def _cloud(record: Record) -> dict[str, Any]:
    subject = record.provenance.subject
    return {
        "provider": "GCP",
        "account": {
            "uid": subject.project_number or subject.project_id,
            "name": subject.project_id,
            "type_id": 11,
            "type": "GCP Project",
        },
        **parts.located(subject.location),
    }


def _remediation(record: Record) -> dict[str, Any]:
    actions = record.plan.actions
    words = "\n".join(f"{n}. {action.title}: {action.why}" for n, action in enumerate(actions, start=1))
    return {"desc": words, "references": list(dict.fromkeys(a.source for a in actions if a.source))} if words else {}


def _unmapped(record: Record) -> dict[str, Any]:
    """What the class has no place for; the names are those of the record."""
    return {
        "triage": {"verdict": record.triage.verdict, "would_settle": record.triage.would_settle},
        "review": {"verdict": record.review.verdict},
        "decision": {"kind": record.decision.kind, "reasons": record.decision.reasons},
        "outcome": {"kind": record.outcome.kind, "detail": record.outcome.detail},
        "missing": [f"{gap.question}: {gap.why}" for gap in record.provenance.gaps],
    }
