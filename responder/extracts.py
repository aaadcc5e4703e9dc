"""Step 4: the three logs of a record in lines: one text for terminal, Markdown and page. Pure.

Lines of a log are the attacker's text: whoever prints them makes them harmless for its own medium.
"""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Final, NamedTuple

from responder.evidence import AuditEntry, AuditExtract, Found, LogEntry, LogExtract, Missing
from responder.record import Record

_LOGS: Final = (
    ("pod_log", "pod log", "logs_pod"),
    ("audit_log", "admin activity on the pod", "logs_audit"),
    ("node_log", "node and serial console", "logs_node"),
)
MOST: Final = 12
"""Lines of one log that are shown; the link and the JSON have the others."""


class Extract(NamedTuple):
    """One log. `note` says how much of it is shown, or why there is none; `link` is the Logs Explorer's, or empty."""

    title: str
    note: str
    lines: tuple[tuple[datetime, str], ...]
    link: str
    missing: bool


def extracts(record: Record) -> tuple[Extract, ...]:
    """Pod, audit and node log; of each `MOST` lines: what triage rests on, then what is nearest to the first event."""
    return tuple(_extract(name, title, record, record.links.get(link, "")) for name, title, link in _LOGS)


def _extract(name: str, title: str, record: Record, link: str) -> Extract:
    answer: Found[LogExtract] | Found[AuditExtract] | Missing = getattr(record.evidence, name)
    if isinstance(answer, Missing):
        return Extract(title, f"missing: {answer.why}, {answer.detail}", (), link, missing=True)
    value, event = answer.value, record.provenance.window_start
    entries: tuple[LogEntry | AuditEntry, ...] = value.entries
    cited = {pointer for sign in record.triage.signals for pointer in sign.evidence}
    uncited = [f"/evidence/{name}/value/entries/{n}" not in cited for n in range(len(entries))]
    shown = sorted(range(len(entries)), key=lambda n: (uncited[n], abs(entries[n].time - event)))[:MOST]
    lines = tuple((entries[n].time, _words(entries[n])) for n in sorted(shown, key=lambda n: (entries[n].time, n)))
    more = ", and there are more" if value.truncated else ""
    note = f"{len(lines)} of {value.read} that were read{more}" if value.read else "asked, and there is nothing"
    return Extract(title, note, lines, link, missing=False)


def _words(entry: LogEntry | AuditEntry) -> str:
    if isinstance(entry, LogEntry):
        return " ".join(filter(None, (entry.severity if entry.severity != "DEFAULT" else "", entry.text)))
    what = f"{entry.session or entry.method} by {entry.principal or 'nobody named'}"
    where = f" from {entry.caller_ip}" if entry.caller_ip else ""
    command = f": {shlex.join(entry.command)}" if entry.command else ""
    return f"{what}{where}{command} ({entry.status or 'no status'})"
