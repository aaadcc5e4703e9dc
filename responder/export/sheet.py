"""Records as CSV (RFC 4180, every cell in quotes) for a spreadsheet that must not compute what an attacker wrote. Pure.

A cell that a spreadsheet would take for a formula gets a `'` before it, which Excel, LibreOffice and Google Sheets take
for "this is text" (owasp.org/www-community/attacks/CSV_Injection). The same after a `;` or a tab inside of a cell,
where a spreadsheet of another locale splits the line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

from responder import report
from responder.evidence import Found
from responder.record import Record

COLUMNS: Final = (
    "record",
    "since",
    "verdict",
    "score",
    "severity",
    "rule",
    "review",
    "reviewed_as",
    "project",
    "location",
    "cluster",
    "namespace",
    "pod",
    "container",
    "workload",
    "image_digest",
    "command",
    "findings",
    "missing",
    "decision",
    "outcome",
    "owner",
    "revision",
)
_FORMULA: Final = re.compile(r"""((?:^|[;\t\n\r])[\s"']*)(?=[=+\-@|%\uff1d\uff0b\uff0d\uff20])""")
"""Where a cell begins, and what follows begins a formula; the full-width signs are taken for the plain ones."""
_MOST: Final = 2000
"""Characters of one cell; a spreadsheet takes 32,767, and a person reads fewer."""


def cell(text: str) -> str:
    """`text` in one line, with nothing unseen, nothing that is computed, and cut where it is too long to read."""
    return _FORMULA.sub(r"\1'", report.shortened(report.visible(text), _MOST))


def row(record: Record) -> str:
    """The record as one line, its end included."""
    return _line(cell(text) for text in _texts(record))


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return out.getvalue()


HEADER: Final = _line(COLUMNS)


def _texts(record: Record) -> tuple[str, ...]:
    subject, triage, provenance = record.provenance.subject, record.triage, record.provenance
    owners = record.evidence.owners
    top = owners.value.links[-1] if isinstance(owners, Found) and owners.value.links else None
    return (
        record.id,
        f"{provenance.window_start:%Y-%m-%dT%H:%M:%SZ}",
        triage.verdict,
        str(triage.score),
        triage.severity,
        triage.rule,
        record.review.state,
        record.review.verdict or "",
        subject.project_id or subject.project_number,
        subject.location,
        subject.cluster,
        subject.namespace,
        subject.pod,
        subject.container,
        f"{top.kind}/{top.name}" if top else "",
        provenance.traits.image_digest,
        report.first_command(record),
        str(sum(finding.count for finding in record.findings)),
        str(len(provenance.gaps)),
        record.decision.kind,
        record.outcome.kind,
        "; ".join(contact.value for contact in record.owner.contacts),
        str(provenance.revision),
    )
