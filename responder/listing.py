"""Records in a terminal, a line each: a table for a person, plain lines for a pipe, and both while they change.

Touches the console that it is handed. Each text goes through `report.visible` and is never parsed as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from responder import report
from responder.ports import RecordLine
from responder.terminal import VERDICTS

_STATES: Final = {"open": "bold", "acknowledged": "yellow", "closed": "dim"}
_SEVERITIES: Final = {"LOW": "dim", "MEDIUM": "", "HIGH": "red", "CRITICAL": "bold red"}
_WIDE: Final = 120
"""Columns from which on a table holds the ids whole."""


def print_lines(lines: Sequence[RecordLine], console: Console, *, now: datetime) -> None:
    """A table on a terminal; otherwise one line for each record, its id first, as long as it is."""
    if console.is_terminal:
        if lines:
            console.print(table(lines, console, now=now))
        return
    for line in lines:
        when = f"{line.window_start:%Y-%m-%d %H:%M}"
        gaps = f"{line.gaps} missing" if line.gaps else "complete"
        words = f"{line.id}  {when}  {line.state:12}  {line.findings:3}  {gaps:10}  {line.summary}"
        console.print(_text(words, console), soft_wrap=True)


def table(lines: Sequence[RecordLine], console: Console, *, now: datetime) -> RenderableType:
    """Verdict, age, review, counts, id and summary; ids in full, since they are what one copies."""
    if console.width < _WIDE:
        return Group(*(part for line in lines for part in _block(line, console, now)))
    grid = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for name in ("verdict", "severity", "age", "review"):
        grid.add_column(name, no_wrap=True)
    for name in ("findings", "missing"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("record and what ran", overflow="fold", ratio=1)
    for line in lines:
        verdict, state = _marks(line, console)
        what = Text.assemble(_text(line.id, console, "cyan"), "  ", _text(line.summary, console))
        missing = str(line.gaps) if line.gaps else ""
        grid.add_row(
            verdict, _severity(line, console), age(now - line.window_start), state, str(line.findings), missing, what
        )
    return grid


def _block(line: RecordLine, console: Console, now: datetime) -> tuple[Text, Text, Text]:
    """The same in three lines or more, for a screen on which a table would break the ids."""
    verdict, state = _marks(line, console)
    counts = f"  {line.findings} found" + (f", {line.gaps} missing" if line.gaps else "")
    head = Text.assemble(
        verdict, "  ", _severity(line, console), f"  {age(now - line.window_start)}  ", state, Text(counts, style="dim")
    )
    return head, _text(line.id, console, "cyan"), Text.assemble(_text(line.summary, console), "\n", overflow="fold")


def _marks(line: RecordLine, console: Console) -> tuple[Text, Text]:
    verdict = _text(line.verdict.replace("_", " "), console, VERDICTS.get(line.verdict, ""))
    return verdict, _text(line.state, console, _STATES[line.state])


def _severity(line: RecordLine, console: Console) -> Text:
    return _text(f"{line.severity.lower()} {line.score}", console, _SEVERITIES[line.severity])


def age(span: timedelta) -> str:
    """`40 s`, `12 m`, `5 h`, `3 d`: two figures are enough to know what to look at first."""
    seconds = max(round(span.total_seconds()), 0)
    for size, unit, until in ((1, "s", 100), (60, "m", 100 * 60), (3600, "h", 48 * 3600)):
        if seconds < until:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86400} d"


def watch_table(
    look: Callable[[], Sequence[RecordLine]],
    console: Console,
    *,
    now: Callable[[], datetime],
    pause: Callable[[], None],
) -> None:
    """The table, drawn anew after each pause, until `pause` raises."""
    with Live(console=console, auto_refresh=False, screen=False, vertical_overflow="crop") as live:
        while True:
            lines = look()
            live.update(table(lines, console, now=now()) if lines else Text("no records yet"), refresh=True)
            pause()


def watch_changes(
    look: Callable[[], Sequence[RecordLine]],
    write: Callable[[Sequence[RecordLine]], None],
    *,
    pause: Callable[[], None],
) -> None:
    """What is there, and after each pause what is new or has another revision, oldest first, until `pause` raises."""
    seen: dict[str, int] = {}
    while True:
        changed = [line for line in look() if seen.get(line.id) != line.revision]
        if changed:
            write(changed[::-1])
        seen |= {line.id: line.revision for line in changed}
        pause()


def _text(text: str, console: Console, style: str = "") -> Text:
    shown = report.visible(text)
    if console.options.ascii_only:
        shown = shown.encode("ascii", "backslashreplace").decode()
    return Text(shown, style=style)
