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
    """Pod, audit and node log; of each the `MOST` lines that are nearest to the record's first event."""
    return tuple(
        _extract(title, getattr(record.evidence, name), record, record.links.get(link, ""))
        for name, title, link in _LOGS
    )


def _extract(
    title: str, answer: Found[LogExtract] | Found[AuditExtract] | Missing, record: Record, link: str
) -> Extract:
    if isinstance(answer, Missing):
        return Extract(title, f"missing: {answer.why}, {answer.detail}", (), link, missing=True)
    value, event = answer.value, record.provenance.window_start
    entries: tuple[LogEntry | AuditEntry, ...] = value.entries
    nearest = sorted(entries, key=lambda entry: abs(entry.time - event))[:MOST]
    lines = tuple((entry.time, _words(entry)) for entry in sorted(nearest, key=lambda entry: entry.time))
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
