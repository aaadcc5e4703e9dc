"""What happened in which order, from all evidence of a record. Pure; takes redacted evidence only."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime
from heapq import nsmallest
from typing import Final

from responder.evidence import Evidence, Found, LogEntry
from responder.record import Action, Capture, Lane, RecordedFinding, TimelineEntry

_MOST: Final = 25
"""Entries that one source may put in, so that a chatty one does not bury the others."""
HAPPENED: Final = ("", "0", "OK", "101", "200", "201")
"""Statuses of an audit entry whose call took effect; an exec over WebSocket ends in 101."""
_LINES: Final = 8
_TEXT: Final = 160


def timeline(
    findings: tuple[RecordedFinding, ...], evidence: Evidence, started: datetime, finished: datetime | None
) -> tuple[TimelineEntry, ...]:
    """Oldest first; equal times keep the order of cause: cluster, pod, audit, log, finding, related, responder."""
    moment = findings[0].event_time if findings else None
    entries = [
        *_objects(evidence),
        *_audit(evidence, moment),
        *_lines(evidence, findings),
        *_findings(findings),
        *_related(evidence),
        _entry(started, "responder", "finding received", "/provenance/started"),
    ]
    told = tuple(sorted(entries, key=_time))
    return closed(told, finished) if finished else told


def closed(told: tuple[TimelineEntry, ...], finished: datetime) -> tuple[TimelineEntry, ...]:
    """The timeline of an open record with its end, in its place: nothing else changes when a record is finished."""
    last = _entry(finished, "responder", "record written", "/provenance/finished")
    return tuple(sorted((*told, last), key=_time))


def acts(actions: tuple[Action, ...], capture: Capture | None) -> tuple[TimelineEntry, ...]:
    """What the responder itself did in the cluster."""
    told = [_entry(capture.at, "action", "files were taken out of the container", "/capture")] if capture else []
    for index, one in enumerate(actions):
        told.append(
            _entry(one.at, "action", f"{one.kind} of pod {one.pod} ({one.uid}): {one.result}", f"/actions/{index}")
        )
    return tuple(told)


def _time(entry: TimelineEntry) -> datetime:
    return entry.time


def _entry(time: datetime, lane: Lane, text: str, ref: str) -> TimelineEntry:
    shown = text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
    return TimelineEntry(time=time, lane=lane, text=shown, ref=ref)


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
        warnings = [(i, e) for i, e in enumerate(evidence.pod_events.value) if e.last_seen and e.type != "Normal"]
        for index, event in warnings[-_MOST:]:
            if event.last_seen:
                text = f"{event.reason}: {event.message}"
                yield _entry(event.last_seen, "pod", text, f"/evidence/pod_events/value/{index}")


def _audit(evidence: Evidence, moment: datetime | None) -> Iterator[TimelineEntry]:
    if not isinstance(evidence.audit_log, Found):
        return
    gone = evidence.deletion.value if isinstance(evidence.deletion, Found) else None
    told = [
        (index, entry)
        for index, entry in enumerate(evidence.audit_log.value.entries)
        # The deletion has a line of its own.
        if gone is None or (entry.time, entry.method) != (gone.time, gone.method)
    ]
    # Nearest to the event: a session just before it must not be lost behind an hour of routine calls.
    told.sort(key=lambda pair: (pair[1].session is None, abs((pair[1].time - moment).total_seconds()) if moment else 0))
    for index, entry in told[:_MOST]:
        what = entry.session or ("eviction" if ".eviction." in entry.method else entry.method.rpartition(".")[2])
        origin = f" from {entry.caller_ip}" if entry.caller_ip else ""
        command = f": {shlex.join(entry.command)}" if entry.command else ""
        refused = "" if entry.status in HAPPENED else f" (refused: {entry.status})"
        text = f"{what} by {entry.principal}{origin}{refused}{command}"
        yield _entry(entry.time, "audit", text, f"/evidence/audit_log/value/entries/{index}")


def _lines(evidence: Evidence, findings: tuple[RecordedFinding, ...]) -> Iterator[TimelineEntry]:
    moment = findings[0].event_time if findings else None

    def nearest(pair: tuple[int, LogEntry]) -> float:
        return abs((pair[1].time - moment).total_seconds()) if moment else 0.0

    lanes: tuple[tuple[Lane, str], ...] = (("pod_log", "pod_log"), ("node", "node_log"))
    for lane, name in lanes:
        answer = getattr(evidence, name)
        if isinstance(answer, Found):
            numbered = nsmallest(_LINES, enumerate(answer.value.entries), key=nearest)
            for index, line in numbered:
                yield _entry(line.time, lane, line.text, f"/evidence/{name}/value/entries/{index}")


def _findings(findings: tuple[RecordedFinding, ...]) -> Iterator[TimelineEntry]:
    for index, finding in enumerate(findings[:_MOST]):
        mark = "not confirmed by SCC: " if finding.confirmed == "no" else ""
        for process in finding.processes[:1]:
            text = shlex.join(process.args) or process.binary or process.name
            yield _entry(finding.event_time, "finding", mark + text, f"/findings/{index}")
        if not finding.processes:
            yield _entry(finding.event_time, "finding", mark + finding.category, f"/findings/{index}")
        for seen in finding.occurrences[1:]:
            text = f"published again: {seen.state}, {seen.mute}"
            yield _entry(seen.received, "finding", text, f"/findings/{index}/occurrences")


def _related(evidence: Evidence) -> Iterator[TimelineEntry]:
    if not isinstance(evidence.related, Found):
        return
    for index, finding in enumerate(evidence.related.value.findings[:_MOST]):
        text = f"{finding.category} ({finding.severity}, same {finding.closeness})"
        yield _entry(finding.event_time, "related", text, f"/evidence/related/value/findings/{index}")
