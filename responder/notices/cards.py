"""After step 7: what a message says of a record, once for every channel. Pure.

Nearly every word of a record is the attacker's. What leaves here is one line each, with everything unseen written out,
no address that a client would make a link of, and an end; each channel escapes what its own markup gives a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from responder import report
from responder.evidence import Found
from responder.ports import RecordLine
from responder.record import Audience, Record, Verdict

TITLE: Final = 150
_LINE: Final = 300
_COMMAND: Final = 1200
_FIELD: Final = 240
_REASONS: Final = 5
_LISTED: Final = 15
_ID_SHOWN: Final = 12
_MOST_LINK: Final = 3000

_SIGNS: Final[dict[Verdict, str]] = {
    "malicious": "\U0001f534",
    "suspicious": "\U0001f7e0",
    "insufficient_data": "\u26aa",
    "benign": "\U0001f7e2",
}
WORDS: Final[dict[Verdict, str]] = {
    "malicious": "Malicious",
    "suspicious": "Suspicious",
    "insufficient_data": "Not enough data",
    "benign": "Benign",
}
_OUTCOMES: Final = {
    "held": "Nothing was done to the pod",
    "deleted": "The pod was deleted",
    "terminating": "The pod is being deleted, and still there",
    "gone": "The pod was gone before anything was done",
    "replaced": "The pod is gone; its name is another pod's",
    "failed": "Deleting the pod was refused; nothing happened",
    "unknown": "Deleting the pod was asked for; what became of it is not known yet",
}
_LINKS: Final = {
    "finding": "SCC finding",
    "logs_pod": "Pod log",
    "workload": "Workload",
    "pod": "Pod",
    "runbook": "Runbook",
}
_LINK: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:[/?][!#-;=?-\[\]_a-z~]*)?")
"""What we make: a host in small letters, and no quote, angle bracket, backslash, pipe, brace or space behind it."""
_SCHEME: Final = re.compile(r"(?i)[a-z][a-z0-9+.-]{0,19}:(?=//)")
_WWW: Final = re.compile(r"(?i)\bwww\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One message. All of it is text but `links`, whose addresses we made; `notice` holds no foreign word at all."""

    title: str
    notice: str
    lead: tuple[str, ...]
    command: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    reasons: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    footer: str = ""


def inert(text: str, limit: int) -> str:
    """One line of at most `limit` characters: unseen characters written out, no address that can be clicked."""
    seen = report.visible(text)
    seen = _SCHEME.sub(lambda match: f"{match[0][:-1]}[:]", seen)
    return report.shortened(_WWW.sub("www[.]", seen), limit)


def card(record: Record, audience: Audience, *, notice_id: str = "", again: str = "", page: str = "") -> Card:
    """The message about a record. `again`: why it is told once more, in our words; `page`: where it can be read.

    `notice_id` is shown, so that a reader can tell a repetition.
    """
    triage, subject = record.triage, record.provenance.subject
    where = subject.container or subject.pod or "a container"
    head = f"{_SIGNS[triage.verdict]} {WORDS[triage.verdict]} {triage.score}"
    command = report.first_command(record)
    ask = (_question(record),) if audience == "owner" else ()
    started = min(one.event_time for one in record.findings) if record.findings else record.provenance.window_start
    return Card(
        title=inert(f"{head}: compiler in {where}", TITLE),
        notice=f"{WORDS[triage.verdict]} ({triage.score} of 100): a compiler ran in a container. {answer(record)}.",
        lead=tuple(inert(text, _LINE) for text in (again, triage.summary, *ask, _approval(record, audience)) if text),
        command=inert(command, _COMMAND),
        fields=tuple((label, inert(text, _FIELD)) for label, text in _fields(record)),
        reasons=tuple(inert(text, _LINE) for text in triage.reasons[:_REASONS]),
        links=links(record, page),
        footer=inert(f"record {record.id}, {_moment(started)}, severity {triage.severity}{_told(notice_id)}", _LINE),
    )


def answer(record: Record) -> str:
    """What became of the pod, in our words alone."""
    if record.outcome.kind == "held" and record.decision.kind == "await_approval":
        return "Waits for an approver"
    if _is_under_way(record):
        return "To be deleted, and not seen gone yet"
    return _OUTCOMES[record.outcome.kind]


def _is_under_way(record: Record) -> bool:
    """Decided, and not seen: the request is about to leave, may have left, or is tried again."""
    return record.outcome.kind == "held" and record.decision.kind == "delete_pod"


def _question(record: Record) -> str:
    if record.outcome.kind in {"held", "failed"}:
        return "Did you expect this? Please leave the pod as it is: its files are evidence."
    return "Did you expect this? Please tell the security team."


def _approval(record: Record, audience: Audience) -> str:
    """What an approver has to do; empty where nothing is asked, and for owners: who approves stands in policy.toml."""
    if audience != "team" or record.decision.kind != "await_approval" or record.outcome.kind != "held":
        return ""
    until = record.decision.approve_by
    end = f", until {_moment(until)}" if until else ""
    return f"An approver of the project answers on the record's page or with: responder approve {record.id}{end}"


def _told(notice_id: str) -> str:
    return f", message {notice_id[:_ID_SHOWN]}" if notice_id else ""


def _fields(record: Record) -> tuple[tuple[str, str], ...]:
    """Project, pod, cluster, owner, the pod now, what was done: always six."""
    subject = record.provenance.subject
    is_held = record.outcome.kind == "held" and not _is_under_way(record)
    reason = "; ".join(record.decision.reasons[:2]) if is_held else record.outcome.detail
    owner = next((f"{contact.value} ({contact.source})" for contact in record.owner.contacts), "nobody is named")
    cluster = " in ".join(filter(None, (subject.cluster, subject.location)))
    return (
        ("Project", subject.project_id or subject.project_number or "not named"),
        ("Pod", f"{subject.namespace}/{subject.pod}" if subject.pod else "not named"),
        ("Cluster", cluster or "not named"),
        ("Owner", owner),
        ("Pod now", _pod_now(record)),
        ("Response", f"{answer(record)}: {reason}" if reason else answer(record)),
    )


def _pod_now(record: Record) -> str:
    outcome, pod = record.outcome, record.evidence.pod
    if outcome.replacement is not None:
        new = outcome.replacement
        return f"replaced by {new.name} ({new.phase})" + (", compiles again" if new.compiles_again else "")
    if outcome.kind in {"deleted", "gone"}:
        return "gone"
    if not isinstance(pod, Found):
        return "gone" if pod.why == "not_found" else f"not known: {pod.why}"
    leaving = ", terminating" if pod.value.deletion_time else ""
    proof = record.evidence.proof
    proven = f", {proof.value.verdict} to be the finding's" if isinstance(proof, Found) else ""
    return f"{pod.value.phase}{leaving}{proven}"


def links(record: Record, page: str) -> tuple[tuple[str, str], ...]:
    """The pages to look at, the record's own first; only addresses that have the form of ours."""
    made = [("Record", page), *((title, record.links.get(key, "")) for key, title in _LINKS.items())]
    return tuple((title, url) for title, url in made if len(url) <= _MOST_LINK and _LINK.fullmatch(url))


def digest(lines: Sequence[RecordLine], since: datetime, until: datetime, notice_id: str = "") -> Card:
    """The message about records that were too little for one of their own, the latest first."""
    counts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in WORDS}
    told = ", ".join(f"{count} {WORDS[verdict].lower()}" for verdict, count in counts.items() if count)
    title = f"{len(lines)} records of which nobody was told"
    listed = sorted(lines, key=lambda line: line.window_start, reverse=True)
    more = [f"and {len(listed) - _LISTED} more"] if len(listed) > _LISTED else []
    rows = [f"{line.window_start:%H:%M} {line.summary} (record {line.id})" for line in listed[:_LISTED]]
    return Card(
        title=title,
        notice=f"{title}: {told}",
        lead=(told,),
        reasons=tuple(inert(text, _LINE) for text in [*rows, *more]),
        footer=f"{_moment(since)} to {_moment(until)}{_told(notice_id)}",
    )


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
