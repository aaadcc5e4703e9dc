"""What a record says in one line, and in Markdown. Pure.

Nearly every word of a record is the attacker's: nothing of it may become markup, a link or a terminal's command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from responder import answers
from responder.evidence import Cluster, Found, Node, OwnerChain, Pod, Related
from responder.extracts import extracts
from responder.record import Record, RecordedFinding, ReviewEntry, judged_first

SUMMARY_LIMIT: Final = 140

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""What a reader does not see or what turns the text around: controls, bidirectional marks, zero widths, surrogates."""


def visible(text: str) -> str:
    r"""`text` with everything unseen written out (``\x1b``, ``\u202e``), line ends included: one line, as it is."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:  # noqa: PLR2004 - two digits hold it
        return {9: r"\t", 10: r"\n", 13: r"\r"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - four digits hold it


def shortened(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, with its end marked where it was cut."""
    return text if len(text) <= limit else text[: max(limit - 3, 0)] + "..."


def command_line(finding: RecordedFinding) -> str:
    """What ran, as its first process says; empty where the finding has none. To be read, never to be pasted."""
    for process in finding.processes:
        if process.args:
            return visible(" ".join(process.args))
        if process.binary or process.name:
            return visible(process.binary or process.name)
    return visible(str(finding.told.get("program_binary", "")))


def first_command(record: Record) -> str:
    """The command line of the first finding that has one; of one that SCC does not have where there is no other."""
    return next(filter(None, map(command_line, judged_first(record.findings))), "")


def standing(finding: RecordedFinding) -> str:
    """Whether a finding is SCC's, where that has to be said; empty where it is, and for records that do not tell."""
    if finding.confirmed == "no":
        return visible(f"not confirmed by Security Command Center, and not judged: {finding.doubt}")
    if finding.confirmed == "not_known" and finding.doubt:
        return visible(f"judged, and whether it is Security Command Center's is not known: {finding.doubt}")
    return ""


def place(record: Record) -> str:
    """Where it ran, from the narrowest name that is known to the widest."""
    subject = record.provenance.subject
    pod = f"{subject.namespace}/{subject.pod}" if subject.pod else "a pod that the finding does not name"
    cluster = subject.cluster or "a cluster that the finding does not name"
    return visible(f"{pod} ({cluster})")


def summary(record: Record) -> str:
    """Verdict, command and place in at most `SUMMARY_LIMIT` characters."""
    what = first_command(record) or "a compiler"
    lead, where = f"{record.triage.verdict}: ", f" in {place(record)}"
    # The place is what an analyst needs to act, so that a long command gives way first.
    room = max(SUMMARY_LIMIT - len(lead) - len(where), 20)
    return shortened(lead + shortened(what, room) + where, SUMMARY_LIMIT)


def facts(record: Record) -> tuple[tuple[str, str], ...]:
    """Where it ran, as (label, text) pairs; what is unknown is left out, since `record.provenance.gaps` has it."""
    subject, evidence = record.provenance.subject, record.evidence
    pairs = [
        (
            "project",
            " ".join(filter(None, (subject.project_id, subject.project_number and f"({subject.project_number})"))),
        ),
        ("cluster", " in ".join(filter(None, (subject.cluster, subject.location)))),
        ("namespace", subject.namespace),
        ("pod", _pod_words(record)),
        ("container", subject.container),
        (
            "image",
            next(
                (
                    str(f.told["Container_Image_Uri"])
                    for f in judged_first(record.findings)
                    if "Container_Image_Uri" in f.told
                ),
                "",
            ),
        ),
        ("digest", _digest(record)),
        ("workload", _chain_words(evidence.owners)),
        ("can reach", _reach_words(record)),
        ("node", _node_words(record)),
    ]
    if isinstance(evidence.cluster, Found):
        pairs.append(("control plane", _cluster_words(evidence.cluster.value)))
    return tuple((label, visible(text)) for label, text in pairs if text)


def _digest(record: Record) -> str:
    ids = (c.image_id for f in judged_first(record.findings) for c in f.containers)
    return next((image_id.rpartition("@")[2] for image_id in ids if image_id), "")


def _pod_words(record: Record) -> str:
    subject, pod = record.provenance.subject, record.evidence.pod
    if not subject.pod:
        return ""
    if not isinstance(pod, Found):
        return f"{subject.pod} (now: {pod.why}, {pod.detail})"
    value: Pod = pod.value
    proof = record.evidence.proof
    proven = f", {proof.value.verdict} to be the finding's" if isinstance(proof, Found) else ""
    leaving = ", terminating" if value.deletion_time else ""
    return f"{value.name} (now: {value.phase}{leaving}, uid {value.uid}{proven})"


def _reach_words(record: Record) -> str:
    """What whoever is in the container has in hand."""
    if not isinstance(record.evidence.pod, Found):
        return ""
    pod: Pod = record.evidence.pod.value
    ours = [c for c in pod.containers if c.name == record.provenance.subject.container]
    token = "its token is mounted" if pod.automount_token else "no token mounted"
    words = [f"service account {pod.service_account} ({token})" if pod.service_account else ""]
    words += ["privileged" for c in ours if c.privileged]
    words += ["root" for c in ours if c.run_as_root]
    words += [f"host {name}" for name, is_host in _host_namespaces(pod) if is_host]
    words += [f"host path {path}" for path in pod.host_paths]
    words += [f"secret {name}" for name in pod.secrets]
    return ", ".join(filter(None, words))


def _host_namespaces(pod: Pod) -> tuple[tuple[str, bool], ...]:
    return (("network", pod.host_network), ("PIDs", pod.host_pid), ("IPC", pod.host_ipc))


def _chain_words(owners: object) -> str:
    if not isinstance(owners, Found):
        return ""
    chain: OwnerChain = owners.value
    links = " <- ".join(f"{link.kind}/{link.name}" for link in chain.links) or "none: a bare pod"
    return links if chain.complete else f"{links} (incomplete: {chain.broken_by})"


def _node_words(record: Record) -> str:
    node = record.evidence.node
    if not isinstance(node, Found):
        return next((n.name for f in judged_first(record.findings) for n in f.nodes), "")
    value: Node = node.value
    again = ", re-created since the event" if value.recreated else ""
    instance = f", instance {value.instance_id}" if value.instance_id else ""
    return f"{value.name} (known by {value.known_by}{instance}{again})"


def _cluster_words(cluster: Cluster) -> str:
    newer = ", newer than the event: another cluster of the same name" if cluster.newer_than_event else ""
    kind = "Autopilot" if cluster.autopilot else "Standard"
    return f"{kind} {cluster.version}, {cluster.endpoint.kind} endpoint{newer}"


# --- Markdown ---------------------------------------------------------------------------------------------------------


def markdown(record: Record) -> str:
    """The record for a ticket: every foreign word is inside a code span or a fence that it cannot close."""
    parts = (
        [f"# {record.triage.verdict}: {_code(place(record))}", "", _plain(record.triage.summary), ""],
        _why(record),
        _what_ran(judged_first(record.findings)),
        ["## Where", "", *(f"- {label}: {_code(text)}" for label, text in facts(record)), ""],
        _whose(record),
        _steps(record),
        _plan(record),
        _related(record),
        _taken(record),
        _logs(record),
        _timeline(record),
        _commands(record),
        _gaps(record),
        _ending(record),
    )
    return "\n".join(line for part in parts for line in part)


def _what_ran(findings: Iterable[RecordedFinding]) -> list[str]:
    lines = ["## What ran", ""]
    for finding in findings:
        lines += [f"{finding.event_time:%Y-%m-%d %H:%M:%S} UTC, finding {_code(visible(finding.key))}", ""]
        lines += [f"**{_plain(standing(finding))}**", ""] if standing(finding) else []
        lines += [*_fence(command_line(finding) or "(the finding names no process)"), ""]
    return lines


def _whose(record: Record) -> list[str]:
    contacts = [f"- {_code(visible(c.value))} ({_plain(c.source)})" for c in record.owner.contacts]
    missing = [f"- not known: {_plain(text)}" for text in record.owner.missing]
    return ["## Whose", "", *(contacts or ["- nobody is named"]), *missing, ""]


def _steps(record: Record) -> list[str]:
    lines = ["## The runbook's seven steps", "", "| step | status | detail |", "|---|---|---|"]
    lines += [f"| {s.n}. {_plain(s.title)} | {s.status} | {_plain(s.detail)} |" for s in record.steps]
    return [*lines, ""]


def _plan(record: Record) -> list[str]:
    techniques = [
        f"- {_plain(t.id)} {_plain(t.name)} ({_plain('; '.join(t.tactics.values()))})" for t in record.plan.techniques
    ]
    actions = [
        f"1. **{_plain(action.title)}** {_plain(action.why)} Price: {_plain(action.impact)}"
        for action in record.plan.actions
    ]
    return ["## What to do next", "", *actions, "", *techniques, ""]


def _why(record: Record) -> list[str]:
    triage = record.triage
    lines = [f"Score {triage.score} of 100, severity {triage.severity}, rules {_code(triage.rules)}", ""]
    lines += [f"- {signal.weight:+d} {_plain(signal.title)} ({signal.id})" for signal in triage.signals]
    lines += [f"- would settle it: {_plain(text)}" for text in triage.would_settle]
    return ["## Why", "", *lines, ""]


def _related(record: Record) -> list[str]:
    related = record.evidence.related
    if not isinstance(related, Found):
        return ["## Related findings", "", f"Missing: {related.why}, {_plain(related.detail)}", ""]
    value: Related = related.value
    if not value.findings:
        return ["## Related findings", "", "Asked, and there are none.", ""]
    rows = [
        f"| {near.offset_seconds:+.0f} s | {_plain(near.category)} | {_plain(near.severity)} | {near.closeness} |"
        f" {_plain(near.adds)} |"
        for near in value.findings
    ]
    cut = ["", "SCC had more than were read."] if value.truncated else []
    head = ["| when | category | severity | same | adds |", "|---|---|---|---|---|"]
    return ["## Related findings", "", *head, *rows, *cut, ""]


def _timeline(record: Record) -> list[str]:
    lines = [f"- {e.time:%Y-%m-%d %H:%M:%S} {e.lane}: {_code(visible(e.text))}" for e in record.timeline]
    return ["## Timeline (UTC)", "", *(lines or ["- empty"]), ""]


def _taken(record: Record) -> list[str]:
    if record.capture is None:
        return []
    lines = [f"- {role}: {_plain(text)}" for role, text in answers.taken(record)]
    why = [_plain(record.capture.impossible)] if record.capture.impossible else []
    return ["## What was taken out of the container", "", *why, *lines, ""]


def _logs(record: Record) -> list[str]:
    lines = ["## Logs", ""]
    for log in extracts(record):
        lines += [f"{log.title}: {_plain(log.note)}", ""]
        if log.lines:
            lines += [*_fence("\n".join(f"{time:%m-%d %H:%M:%S} {visible(text)}" for time, text in log.lines)), ""]
    return lines


def _commands(record: Record) -> list[str]:
    lines = ["## Commands to paste", ""]
    for command in record.commands:
        lines += [f"Step {command.step}: {_plain(command.title)}", "", *_fence(command.text, "bash"), ""]
    return lines


def _gaps(record: Record) -> list[str]:
    gaps = record.provenance.gaps
    lines = [
        f"- {_plain(g.question)}: {g.why}, {_plain(g.detail)}"
        + (f"; to mend it: {_code(visible(g.mend))}" if g.mend else "")
        for g in gaps
    ]
    return ["## What is missing", "", *(lines or ["- nothing"]), ""]


def _ending(record: Record) -> list[str]:
    provenance = record.provenance
    return [
        "## Decision and review",
        "",
        *(f"- {label}: {_plain(text)}" for label, text in answers.decided(record)),
        f"- review: {record.review.state}" + (f", {record.review.verdict}" if record.review.verdict else ""),
        *(line for entry in record.review.history for line in _reviewed(entry)),
        *(f"- {label}: {_plain(text)}" for label, text in notices(record)),
        f"- record {record.id}, revision {provenance.revision}, {provenance.stage}",
        *([f"- before it, of the same container: record {provenance.previous}"] if provenance.previous else []),
        f"- places where secrets were taken out: {record.redactions.count}",
        "",
    ]


def notices(record: Record) -> tuple[tuple[str, str], ...]:
    """Who was told of the record and when, or why not, as (label, text) pairs."""
    return tuple(
        (
            f"told {notice.at:%Y-%m-%d %H:%M}" if notice.sent else "not told",
            f"{notice.audience} by {notice.channel}: {notice.verdict}, {notice.outcome}"
            + (f" ({notice.detail})" if notice.detail else ""),
        )
        for notice in record.notices
    )


def _reviewed(entry: ReviewEntry) -> list[str]:
    """An item of a list; the note in a block of its own, line by line."""
    item = f"- {entry.at:%Y-%m-%d %H:%M} {_code(visible(entry.by))}: {entry.state}"
    note = "\n".join(_fence(entry.note)).split("\n") if entry.note else []
    return [item, *(f"  {line}" if line else "" for line in note)]


def _code(text: str) -> str:
    """A code span that `text` cannot end: its fence is longer than any run of backticks inside."""
    if not text:
        return "(empty)"
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _fence(text: str, language: str = "") -> list[str]:
    safe = "\n".join(visible(line) for line in text.split("\n"))
    fence = "`" * max(3, _longest_run(safe) + 1)
    return [fence + language, safe, fence]


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _plain(text: str) -> str:
    """Words that are partly ours, with every character that Markdown or HTML gives a meaning made harmless."""
    escaped = re.sub(r"([\\`*_{}\[\]()#|~!^$])", r"\\\1", visible(text).lstrip())
    # At the start of a line these begin a list or, indented, a block of code.
    escaped = re.sub(r"^(\d*)([-+.])", r"\1\\\2", escaped)
    # Autolinks and HTML have no backslash escape; a bare address is defanged, so that nobody opens it by accident.
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
    return re.sub(r"(?i)\b(https?|ftp)(?=:)", lambda match: match[0][0] + "xx" + match[0][3:], escaped)
