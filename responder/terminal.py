"""A record as an on-call analyst reads it in a terminal, most urgent first. Touches the console that it is handed.

Nearly every word is the attacker's: texts go through `report.visible` and are never parsed as markup. Commands and
links are printed unwrapped and unindented, so that what is copied is what was meant.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from responder import answers, report
from responder.evidence import Found, Related
from responder.extracts import extracts
from responder.record import Record, RecordedFinding, Step, StepStatus, judged_first

_MOST_FINDINGS: Final = 12
_MARKS: Final[dict[StepStatus, tuple[str, str, str]]] = {
    # a mark, the same in ASCII, its colour; the status is always written out beside it
    "done": ("✓", "+", "green"),
    "partly": ("◑", "~", "yellow"),
    "impossible": ("✗", "x", "red"),
    "human": ("→", ">", "cyan"),
}
VERDICTS: Final = {"malicious": "bold red", "suspicious": "bold yellow", "benign": "bold green"}


def standard_output() -> Console:
    """The console on standard output, in plain ASCII where the locale says `C`.

    Python itself takes such a locale for UTF-8 (PEP 540), and the terminal behind it then shows noise.
    """
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    if locale in {"C", "POSIX"} and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="ascii", errors="backslashreplace")
    return Console(highlight=False)


def print_record(record: Record, console: Console) -> None:
    """Print the whole record. Works without a terminal, without colours and in an encoding that is not UTF-8."""
    page = _Page(console)
    _headline(page, record)
    _what_ran(page, record)
    page.heading("Where")
    page.pairs(report.facts(record))
    _whose(page, record)
    _steps(page, record.steps)
    _plan(page, record)
    _related(page, record)
    _taken(page, record)
    _logs(page, record)
    _timeline(page, record)
    _missing(page, record)
    _commands(page, record)
    _ending(page, record)


class _Page:
    """The console, with the few ways in which a record is laid out."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.ascii = console.options.ascii_only

    def text(self, text: str, style: str = "") -> Text:
        """A text as it is: nothing in it is markup, nothing unseen, nothing that the encoding lacks."""
        shown = report.visible(text)
        if self.ascii:
            shown = shown.encode("ascii", "backslashreplace").decode()
        return Text(shown, style=style, overflow="fold")

    def line(self, *parts: Text) -> None:
        """Parts on one line, which wraps."""
        self.console.print(Text.assemble(*parts, overflow="fold"))

    def heading(self, title: str) -> None:
        """The start of a section."""
        self.console.print()
        self.console.print(self.text(title.upper(), "bold"))

    def unwrapped(self, text: str, style: str = "") -> None:
        """Lines to copy: as long as they are."""
        for part in text.split("\n"):
            self.console.print(self.text(part, style), soft_wrap=True)

    def indented(self, text: Text) -> None:
        """A text that belongs to the line above it."""
        self.console.print(Padding(text, (0, 0, 0, 4), expand=False))

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Labels and texts in two columns."""
        self.rows(((self.text(label, "dim"), self.text(value)) for label, value in pairs), fixed=1)

    def rows(self, rows: Iterable[tuple[Text, ...]], *, fixed: int) -> None:
        """Columns, of which the first `fixed` are as wide as what they hold and the others share the rest."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        for n, row in enumerate(rows):
            if n == 0:
                for place in range(len(row)):
                    grid.add_column(overflow="fold", no_wrap=place < fixed, ratio=None if place < fixed else 1)
            grid.add_row(*row)
        if grid.columns:
            self.console.print(grid)


def _headline(page: _Page, record: Record) -> None:
    verdict = record.triage.verdict
    page.line(page.text(verdict.replace("_", " ").upper(), VERDICTS.get(verdict, "bold magenta")))
    page.line(page.text(record.triage.summary, "bold"))
    triage = record.triage
    page.line(
        page.text(f"score {triage.score} of 100, severity {triage.severity} by {triage.rule or 'no rule'}", "dim")
    )
    for signal in sorted(triage.signals, key=lambda one: -abs(one.weight)):
        style = "red" if signal.weight > 0 else "green"
        page.line(page.text(f"{signal.weight:+4d}  ", style), page.text(f"{signal.title} [{signal.id}]"))
    for settling in triage.would_settle:
        page.line(page.text("   ?  ", "yellow"), page.text(f"would settle it: {settling}"))
    first = record.provenance.window_start
    count = sum(finding.count for finding in record.findings)
    page.line(
        page.text(f"{count} finding{'' if count == 1 else 's'} since {first:%Y-%m-%d %H:%M:%S} UTC, record {record.id}")
    )


def _what_ran(page: _Page, record: Record) -> None:
    page.heading("What ran")
    for finding in judged_first(record.findings)[:_MOST_FINDINGS]:
        page.line(page.text(f"{finding.event_time:%H:%M:%S}  ", "dim"), page.text(_program(finding)))
        page.unwrapped(f"$ {report.command_line(finding) or '(the finding names no process)'}", "bold")
        if standing := report.standing(finding):
            page.line(page.text(f"          {standing}", "yellow"))
        if finding.last_event_time:
            like = f"and {finding.count - 1} like it, the last at {finding.last_event_time:%H:%M:%S}"
            page.line(page.text(f"          {like}", "dim"))
    if len(record.findings) > _MOST_FINDINGS:
        page.line(page.text(f"and {len(record.findings) - _MOST_FINDINGS} more: responder export {record.id}", "dim"))


def _program(finding: RecordedFinding) -> str:
    process = next(iter(finding.processes), None)
    if process is None:
        return finding.category
    pid = f", pid {process.pid}" if process.pid is not None else ""
    parent = f", parent {process.parent_pid}" if process.parent_pid is not None else ""
    cut = ", arguments cut short" if process.args_truncated else ""
    return f"{process.binary or process.name}{pid}{parent}{cut}"


def _whose(page: _Page, record: Record) -> None:
    page.heading("Whose")
    page.rows(((page.text(c.value, "bold"), page.text(c.source)) for c in record.owner.contacts), fixed=0)
    if not record.owner.contacts:
        page.line(page.text("nobody is named", "yellow"))
    for text in record.owner.missing:
        page.line(page.text(f"not known: {text}", "dim"))


def _steps(page: _Page, steps: Iterable[Step]) -> None:
    page.heading("The runbook's seven steps")
    for step in steps:
        mark, plain, colour = _MARKS[step.status]
        page.line(
            Text(f"{plain if page.ascii else mark} ", style=colour),
            page.text(f"{step.n} {step.title}: ", "bold"),
            page.text(step.status, colour),
        )
        page.indented(page.text(step.detail))
        for labels, reason in _by_reason(text.partition(": ")[::2] for text in step.missing):
            page.indented(page.text(f"missing {labels}: {reason.partition('; to mend it:')[0]}", "yellow"))


def _by_reason(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """One grant that is lacking is behind many answers that are: (label, reason) pairs with their labels together."""
    labels: dict[str, list[str]] = {}
    for label, reason in pairs:
        labels.setdefault(reason, []).append(label)
    return [(", ".join(found), reason) for reason, found in labels.items()]


def _plan(page: _Page, record: Record) -> None:
    page.heading("What to do next")
    for n, action in enumerate(record.plan.actions, start=1):
        page.line(page.text(f"{n}. {action.title}", "bold"))
        page.indented(page.text(f"why: {action.why}"))
        page.indented(page.text(f"price: {action.impact}"))
        title = next((made.title for made in record.commands if made.text == action.command), "")
        if title:
            page.indented(page.text(f"with: {title} (below)", "dim"))
    for technique in record.plan.techniques:
        tactics = "; ".join(f"{name} ({layout})" for layout, name in technique.tactics.items())
        page.line(page.text(f"{technique.id} {technique.name}: {tactics}", "dim"))


def _related(page: _Page, record: Record) -> None:
    page.heading("Other findings at a similar time")
    related = record.evidence.related
    if not isinstance(related, Found):
        page.line(page.text(f"missing: {related.why}, {related.detail}", "yellow"))
        return
    value: Related = related.value
    page.rows(
        (
            (
                page.text(_offset(near.offset_seconds)),
                page.text(near.severity.lower(), "red" if near.severity in {"HIGH", "CRITICAL"} else ""),
                page.text(f"same {near.closeness}"),
                page.text(near.category, "bold"),
                page.text(near.adds),
            )
            for near in value.findings
        ),
        fixed=3,
    )
    if not value.findings:
        page.line(page.text("asked, and there are none"))
    if value.truncated:
        page.line(page.text("SCC has more than were read", "yellow"))


def _offset(seconds: float) -> str:
    minutes, rest = divmod(round(abs(seconds)), 60)
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{minutes} min {rest:02} s" if minutes else f"{sign}{rest} s"


def _taken(page: _Page, record: Record) -> None:
    if record.capture is None:
        return
    page.heading("What was taken out of the container")
    if record.capture.impossible:
        page.line(page.text(record.capture.impossible, "yellow"))
    page.rows(((page.text(role, "cyan"), page.text(text)) for role, text in answers.taken(record)), fixed=1)


def _logs(page: _Page, record: Record) -> None:
    page.heading("Logs")
    for log in extracts(record):
        page.line(page.text(log.title, "bold"), page.text(f": {log.note}", "yellow" if log.missing else "dim"))
        page.rows(((page.text(f"{time:%m-%d %H:%M:%S}", "dim"), page.text(text)) for time, text in log.lines), fixed=1)


def _timeline(page: _Page, record: Record) -> None:
    page.heading("Timeline (UTC)")
    days = {entry.time.date() for entry in record.timeline}
    form = "%H:%M:%S" if len(days) == 1 else "%m-%d %H:%M:%S"
    page.rows(
        (
            (page.text(entry.time.strftime(form), "dim"), page.text(entry.lane, "cyan"), page.text(entry.text))
            for entry in record.timeline
        ),
        fixed=2,
    )


def _missing(page: _Page, record: Record) -> None:
    page.heading("What is missing, and what mends it")
    gaps = record.provenance.gaps
    mends = {f"{gap.why}, {gap.detail}": gap.mend for gap in gaps}
    if not gaps:
        page.line(page.text("nothing", "green"))
    for labels, reason in _by_reason((gap.question, f"{gap.why}, {gap.detail}") for gap in gaps):
        page.line(page.text(labels, "yellow"), page.text(f": {reason}"))
        if mends[reason]:
            page.unwrapped(f"    {mends[reason]}")


def _commands(page: _Page, record: Record) -> None:
    page.heading("To paste")
    for command in record.commands:
        # As a comment, so that a block that is copied with its title still runs.
        page.unwrapped(f"# step {command.step}: {command.title}", "dim")
        page.unwrapped(command.text)
        page.console.print()
    page.console.print(page.text("TO OPEN", "bold"))
    width = max(map(len, record.links), default=0)
    for name, link in record.links.items():
        page.unwrapped(f"{name:{width}}  {link}")


def _ending(page: _Page, record: Record) -> None:
    provenance, review = record.provenance, record.review
    page.heading("Decision and review")
    verdict = f", {review.verdict}" if review.verdict else ""
    raw = ", ".join(f"{f.key} (sha256 {f.raw_sha256[:12]})" for f in record.findings[:_MOST_FINDINGS])
    page.pairs(
        (
            *answers.decided(record),
            ("review", f"{review.state}{verdict}"),
            *(
                (f"{e.at:%Y-%m-%d %H:%M}" if n == 0 else "", line)
                for e in review.history
                for n, line in enumerate(f"{e.by}: {e.state}, {e.verdict or 'no verdict'}. {e.note}".split("\n"))
            ),
            *report.notices(record),
            ("record", f"{record.id}, revision {provenance.revision}, {provenance.stage}"),
            *((("before it", f"{provenance.previous}, of the same container"),) if provenance.previous else ()),
            ("raw", f"kept in the store, apart: {raw}"),
            ("redacted", _redacted(record)),
            *(("error", text) for text in provenance.errors),
        )
    )
    if answers.next_command(record):
        page.unwrapped(answers.next_command(record))
    page.unwrapped(f"responder records review {record.id} --state closed --verdict VERDICT --note TEXT")


def _redacted(record: Record) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(record.redactions.classes.items()))
    count = record.redactions.count
    return f"secrets taken out in {count} place{'' if count == 1 else 's'}" + (f" ({kinds})" if kinds else "")
