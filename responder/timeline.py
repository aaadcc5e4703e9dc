"""What happened in which order, from all evidence of a record. Pure; takes redacted evidence only."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from responder.evidence import Evidence, Found, LogEntry
from responder.record import RecordedFinding, TimelineEntry

_MOST: Final = 25
"""Entries that one source may put in, so that a chatty one does not bury the others."""
_LINES: Final = 8
_TEXT: Final = 160


def timeline(
    findings: tuple[RecordedFinding, ...], evidence: Evidence, started: datetime, finished: datetime | None
) -> tuple[TimelineEntry, ...]:
    """Oldest first; equal times keep the order of cause: cluster, pod, audit, log, finding, related, responder."""
    entries = [
        *_objects(evidence),
        *_audit(evidence),
        *_lines(evidence, findings),
        *_findings(findings),
        *_related(evidence),
        _entry(started, "responder", "finding received", "/provenance/started"),
    ]
    if finished:
        entries.append(_entry(finished, "responder", "record written", "/provenance/finished"))
    return tuple(sorted(entries, key=lambda e: e.time))


def _entry(time: datetime, lane: str, text: str, ref: str) -> TimelineEntry:
    shown = text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
    return TimelineEntry.model_validate({"time": time, "lane": lane, "text": shown, "ref": ref})


def _objects(evidence: Evidence) -> Iterator[TimelineEntry]:
    if isinstance(evidence.cluster, Found) and evidence.cluster.value.newer_than_event:
        created = evidence.cluster.value.create_time
        if created:
            yield _entry(created, "cluster", "the cluster of this name was created", "/evidence/cluster")
    if isinstance(evidence.node, Found) and evidence.node.value.recreated and evidence.node.value.create_time:
        yield _entry(evidence.node.value.create_time, "node", "the node of this name was created", "/evidence/node")
    yield from _pod(evidence)


def _pod(evidence: Evidence) -> Iterator[TimelineEntry]:
    if isinstance(evidence.pod, Found):
        pod = evidence.pod.value
        yield _entry(pod.create_time, "pod", f"pod {pod.name} ({pod.uid}) created", "/evidence/pod")
        for index, one in enumerate(pod.containers):
            if one.started_at:
                ref = f"/evidence/pod/value/containers/{index}"
                yield _entry(one.started_at, "pod", f"container {one.name} started", ref)
        if pod.deletion_time:
            yield _entry(pod.deletion_time, "pod", "pod marked for deletion", "/evidence/pod")
    if isinstance(evidence.deletion, Found):
        gone = evidence.deletion.value
        yield _entry(gone.time, "audit", f"pod deleted by {gone.principal}", "/evidence/deletion")
    if isinstance(evidence.pod_events, Found):
        for index, event in enumerate(evidence.pod_events.value[-_MOST:]):
            if event.last_seen and event.type != "Normal":
                text = f"{event.reason}: {event.message}"
                yield _entry(event.last_seen, "pod", text, f"/evidence/pod_events/value/{index}")


def _audit(evidence: Evidence) -> Iterator[TimelineEntry]:
    if not isinstance(evidence.audit_log, Found):
        return
    for index, entry in enumerate(evidence.audit_log.value.entries[:_MOST]):
        what = entry.session or entry.method.rpartition(".")[2]
        command = f": {shlex.join(entry.command)}" if entry.command else ""
        text = f"{what} by {entry.principal} from {entry.caller_ip}{command}"
        yield _entry(entry.time, "audit", text, f"/evidence/audit_log/value/entries/{index}")


def _lines(evidence: Evidence, findings: tuple[RecordedFinding, ...]) -> Iterator[TimelineEntry]:
    moment = findings[0].event_time if findings else None

    def nearest(pair: tuple[int, LogEntry]) -> float:
        return abs((pair[1].time - moment).total_seconds()) if moment else 0.0

    for lane, name in (("pod_log", "pod_log"), ("node", "node_log")):
        answer = getattr(evidence, name)
        if isinstance(answer, Found):
            numbered = sorted(enumerate(answer.value.entries), key=nearest)[:_LINES]
            for index, line in numbered:
                yield _entry(line.time, lane, line.text, f"/evidence/{name}/value/entries/{index}")


def _findings(findings: tuple[RecordedFinding, ...]) -> Iterator[TimelineEntry]:
    for index, finding in enumerate(findings[:_MOST]):
        for process in finding.processes[:1]:
            text = shlex.join(process.args) or process.binary or process.name
            yield _entry(finding.event_time, "finding", text, f"/findings/{index}")
        if not finding.processes:
            yield _entry(finding.event_time, "finding", finding.category, f"/findings/{index}")
        for seen in finding.occurrences[1:]:
            text = f"published again: {seen.state}, {seen.mute}"
            yield _entry(seen.received, "finding", text, f"/findings/{index}/occurrences")


def _related(evidence: Evidence) -> Iterator[TimelineEntry]:
    if not isinstance(evidence.related, Found):
        return
    for index, finding in enumerate(evidence.related.value.findings[:_MOST]):
        text = f"{finding.category} ({finding.severity}, same {finding.closeness})"
        yield _entry(finding.event_time, "related", text, f"/evidence/related/value/findings/{index}")
