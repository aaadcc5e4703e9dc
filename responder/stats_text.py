"""The team's figures in a terminal. Touches the console that it is handed; the workloads' names are hostile."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from responder import report
from responder.stats import Rule, Stats, took


def print_stats(stats: Stats, console: Console) -> None:
    """Print them all, most asked for first."""
    if not stats.records:
        console.print("no records in this time")
        return
    span = f"{stats.first:%Y-%m-%d} to {stats.last:%Y-%m-%d}"
    console.print(
        _text(console, f"{_many(stats.records, 'record')} of {_many(stats.findings, 'finding')}, {span} (UTC)", "bold")
    )
    spans = (
        ("to the record", stats.to_record),
        ("to a person's verdict", stats.to_verdict),
        ("to the outcome", stats.to_outcome),
    )
    told = ((name, str(one.count), took(one.median), took(one.p90), took(one.longest)) for name, one in spans)
    _table(console, "AFTER THE EVENT", ("", "records", "half within", "nine in ten", "longest"), told)
    _table(console, "VERDICTS OF THE MACHINE", ("", "records"), ((k, str(v)) for k, v in stats.verdicts.items()))
    _table(console, "VERDICTS OF PEOPLE", ("", "records"), ((k, str(v)) for k, v in stats.reviews.items()))
    _rules(console, "TRIAGE AND ANALYSTS, BY RULE", stats.rules)
    _rules(console, "THE SAME, BY SIGN", stats.signals)
    noisy = (
        (str(one.records), str(one.attack), str(one.harmless), str(one.unreviewed), f"{one.name}: {one.mend}")
        for one in stats.workloads
    )
    _table(console, "NOISY WORKLOADS", ("records", "attack", "harmless", "not reviewed", ""), noisy, words_last=True)
    for toml in filter(None, (one.toml for one in stats.workloads)):
        console.print()
        for line in toml.rstrip("\n").split("\n"):
            console.print(_text(console, line), soft_wrap=True)


def _many(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _rules(console: Console, title: str, rules: Iterable[Rule]) -> None:
    rows = (
        (
            *map(str, (rule.records, rule.agreed, rule.false_alarm, rule.missed, rule.open)),
            "" if rule.agreement is None else f"{rule.agreement:.0%}",
            rule.name,
        )
        for rule in rules
    )
    head = ("records", "agreed", "false alarms", "missed", "undecided", "agreement", "")
    _table(console, title, head, rows, words_last=True)


def _table(
    console: Console,
    title: str,
    head: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    *,
    words_last: bool = False,
) -> None:
    """Figures to the right; words in the first column, or in the last one where they are long."""
    grid = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    place = len(head) - 1 if words_last else 0
    for n, name in enumerate(head):
        grid.add_column(name, justify="left" if n == place else "right", overflow="fold")
    for row in rows:
        grid.add_row(*(_text(console, cell) for cell in row))
    console.print()
    console.print(_text(console, title, "bold"))
    console.print(grid if grid.row_count else _text(console, "none yet"))


def _text(console: Console, text: str, style: str = "") -> Text:
    shown = report.visible(text)
    if console.options.ascii_only:
        shown = shown.encode("ascii", "backslashreplace").decode()
    return Text(shown, style=style)
