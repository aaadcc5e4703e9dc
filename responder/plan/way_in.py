"""Steps 6 and 7: how somebody came in, as far as the logs tell, and where else they may be. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from responder.evidence import AuditEntry, Found, LogEntry, Missing
from responder.plan.case import TASKS, Case, clock, escapes, on_the_node, owner_words, pointers, said, word
from responder.plan.pages import (
    DEPLOY_CONTAINER,
    ESCAPE,
    EXEC_SESSION,
    INCIDENTS,
    PUBLIC_APPLICATION,
    WEB_SHELL,
)
from responder.record import PlannedAction
from responder.runbook.links import RUNBOOK

_REQUEST: Final = re.compile(r'"((?:GET|POST|PUT|PATCH|DELETE) /[^" ]{0,300})')
_BEFORE: Final = timedelta(minutes=15)


Seen = tuple[str, LogEntry, str]
"""Pointer, line, and the request in it, such as `POST /receipt.php`; ``""`` where it has none."""


def way_in(case: Case) -> PlannedAction:
    """The session, the request or the maker of the pod that the logs show; else how to find it."""
    sessions, makers = _sessions(case), _makers(case)
    requests = [seen for seen in _lines(case) if seen[2]]
    told = {pointer for signal in case.triage.signals if signal.weight > 0 for pointer in signal.evidence}
    suspect = [seen for seen in requests if seen[0] in told] or [seen for seen in _lines(case) if seen[0] in told]
    if sessions:
        pointer, entry = sessions[0]
        return _close_session(case, pointer, entry, len(sessions), suspect)
    if suspect:
        return _close_request(case, suspect)
    if makers:
        return _ask_maker(case, *makers[0])
    return _find_way_in(case, requests)


def _close_request(case: Case, suspect: list[Seen]) -> PlannedAction:
    _, line, request = suspect[-1]
    count = "a line" if len(suspect) == 1 else f"{len(suspect)} lines"
    return PlannedAction(
        title=f"Close the way in: {said(request, 80)}" if request else "Close the way in that the pod's log shows",
        why=f"The pod's log has {count} of that shortly before, the last at {clock(line.time)}: {said(line.text)}",
        impact="Whoever uses that path of the service is without it while it is blocked."
        if request
        else "None until it is known which part of the service it was; that part, while it is shut.",
        evidence=tuple(pointer for pointer, *_ in suspect[-3:]),
        command=case.command("The pod's log"),
        source=WEB_SHELL if "T1505.003" in case.triage.techniques else PUBLIC_APPLICATION,
    )


def _ask_maker(case: Case, pointer: str, entry: AuditEntry) -> PlannedAction:
    who = said(entry.principal)
    hard = case.triage.verdict == "malicious"
    return PlannedAction(
        title=f"{'Take the right to make pods from' if hard else 'Ask'} {who}, who made this one",
        why=f"No controller made it: {who} did, at {clock(entry.time)} from {said(entry.caller_ip)}.",
        impact=f"{who} can deploy nothing until that is clear." if hard else "None: a question.",
        evidence=(pointer,),
        command=case.command("The cluster's admin activity"),
        source=DEPLOY_CONTAINER,
    )


def _close_session(case: Case, pointer: str, entry: AuditEntry, count: int, suspect: list[Seen]) -> PlannedAction:
    who = said(entry.principal)
    ran = f", running {said(' '.join(entry.command))}" if entry.command else ""
    more = f" {count - 1} more in the audit log." if count > 1 else ""
    web = (
        f" The pod's log has {said(suspect[-1][2] or suspect[-1][1].text, 80)} as well: close that too."
        if suspect
        else ""
    )
    hard = case.triage.verdict == "malicious"
    return PlannedAction(
        title=f"{'Revoke the access of' if hard else 'Ask'} {who}, who opened a session into the pod",
        why=f"{word(entry.session or 'session')} at {clock(entry.time)} from {said(entry.caller_ip)} with "
        f"{said(entry.user_agent, 60)}{ran}.{more}{web}",
        impact=f"{who} cannot work in the cluster until that is clear." if hard else "None: a question.",
        evidence=(pointer, *(seen for seen, *_ in suspect[-2:])),
        command=case.command("The cluster's admin activity"),
        source=EXEC_SESSION,
    )


def _find_way_in(case: Case, requests: list[Seen]) -> PlannedAction:
    logs = {"audit_log": "the audit log", "pod_log": "the pod's log"}
    unread = [words for name, words in logs.items() if isinstance(getattr(case.evidence, name), Missing)]
    if requests:
        count = "one request" if len(requests) == 1 else f"{len(requests)} requests"
        known = f"No session; {count} in the pod's log shortly before, the last {said(requests[-1][2])}."
    elif unread:
        known = f"Not read: {', '.join(unread)}."
    else:
        known = "No session and no request stands in what was read."
    return PlannedAction(
        title="Find the way in: who or what started the compiler",
        why=f"{known} The process above the compiler tells a request, a session and a start-up script apart.",
        impact="None: logs are read.",
        evidence=tuple(seen for seen, *_ in requests[-3:]) or pointers("/evidence/audit_log", "/evidence/pod_log"),
        command=case.command("The pod's log"),
        source=RUNBOOK,
    )


def _sessions(case: Case) -> list[tuple[str, AuditEntry]]:
    """Sessions into the pod, the nearest before the compiler first; port forwards are none."""
    audit, moment = case.evidence.audit_log, case.names.finding.event_time
    entries = audit.value.entries if isinstance(audit, Found) else ()
    found = [
        (f"/evidence/audit_log/value/entries/{n}", entry)
        for n, entry in enumerate(entries)
        if entry.session in {"exec", "attach", "debug"} and _happened(entry)
    ]
    return sorted(found, key=lambda pair: (pair[1].time > moment, abs((pair[1].time - moment).total_seconds())))


def _happened(entry: AuditEntry) -> bool:
    """Whether the call was let through: a session that was opened may be logged with HTTP's 101 for its status."""
    return entry.status in {"", "OK", "101"}


def _makers(case: Case) -> list[tuple[str, AuditEntry]]:
    audit = case.evidence.audit_log
    entries = audit.value.entries if isinstance(audit, Found) else ()
    return [
        (f"/evidence/audit_log/value/entries/{n}", entry)
        for n, entry in enumerate(entries)
        if entry.method.endswith("pods.create") and not entry.principal.startswith("system:") and _happened(entry)
    ]


def _lines(case: Case) -> list[Seen]:
    """The pod's log in the quarter of an hour before the compiler, oldest first; the kubelet's probes not."""
    log, moment = case.evidence.pod_log, case.names.finding.event_time
    found: list[Seen] = []
    for n, line in enumerate(log.value.entries if isinstance(log, Found) else ()):
        if "kube-probe" not in line.text and moment - _BEFORE <= line.time <= moment:
            match = _REQUEST.search(line.text)
            found.append((f"/evidence/pod_log/value/entries/{n}", line, match[1] if match else ""))
    return found


def elsewhere_seen(case: Case) -> list[tuple[str, str]]:
    """Pointer and pod of each related finding of the same category that is of another pod."""
    related = case.evidence.related
    found = related.value.findings if isinstance(related, Found) else ()
    return [
        (f"/evidence/related/value/findings/{n}", other.pod)
        for n, other in enumerate(found)
        if other.category == case.names.finding.category and other.closeness not in {"container", "pod"} and other.pod
    ]


def siblings(case: Case) -> PlannedAction:
    """Who else has it; the whole node where the pod reaches its node."""
    seen = elsewhere_seen(case)
    pods = ", ".join(dict.fromkeys(said(pod, 80) for _, pod in seen[:3]))
    same = f"The same detection came from {pods}." if seen else "No other pod has the same detection in the window."
    reach, node = on_the_node(case), case.names.node
    if reach and node and case.triage.verdict in {"malicious", "suspicious"}:
        return _look_at_node(case, reach, node, same)
    links = case.evidence.owners.value.links if isinstance(case.evidence.owners, Found) else ()
    owned = bool(links) and links[-1].kind not in TASKS
    of = f"other pods of {owner_words(case)}, and of the same image" if owned else "other pods of the same image"
    why = {
        "benign": "An entry that expects this one covers no other workload: each needs its owner's word.",
    }.get(case.triage.verdict, "What found a way into one pod of an image finds it into the others.")
    return PlannedAction(
        title=f"Look at the siblings: {of}" + (f", and node {node}" if node else ""),
        why=f"{same} {why}",
        impact="None: findings and pods are read.",
        evidence=tuple(p for p, _ in seen[:5]) or pointers("/evidence/related", "/evidence/owners", "/evidence/node"),
        command=case.command("Other findings at a similar time"),
        source=INCIDENTS,
    )


def _look_at_node(case: Case, reach: str, node: str, same: str) -> PlannedAction:
    hard = case.triage.verdict == "malicious"
    return PlannedAction(
        title=f"Cordon node {node}, keep its disk, and look at every pod on it"
        if hard
        else f"Look at node {node}, and at every pod on it",
        why=f"What was compiled may have reached the node: {reach}. {same}",
        impact=f"Nothing new is scheduled on {node}; what runs there stays until it is drained."
        if hard
        else "None: pods and logs are read.",
        evidence=pointers(
            *escapes(case), "/evidence/pod/value/containers", "/evidence/pod/value/host_paths", "/evidence/node"
        ),
        command=case.command("The node"),
        source=ESCAPE,
    )
