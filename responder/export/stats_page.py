"""The team's figures as HTML with small pictures: a part for another page, or a page of its own. Reads its templates.

The part brings no style and no script. Its classes are those of `templates/page.css`: `figures`, `wide`, `bar`, a
verdict's name, `agree`, `disagree`, `missed`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, get_args

from responder.export import html
from responder.record import Verdict
from responder.stats import Rule, Stats, took

_VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
WIDE: Final = 600
HIGH: Final = 90


class Bar(NamedTuple):
    """A box in a picture, in the picture's units; `words` are what it stands for."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    words: str


def as_html(stats: Stats) -> str:
    """The figures as one `<section>`, to be put into a page that has a style of its own."""
    return html.part("stats.html", **_values(stats))


def page(stats: Stats) -> str:
    """The figures as a page that needs nothing else."""
    return html.render("stats_page.html", **_values(stats))


def _values(stats: Stats) -> dict[str, Any]:
    return {
        "stats": stats,
        "spans": (
            ("to the record", stats.to_record),
            ("to a person's verdict", stats.to_verdict),
            ("to the outcome", stats.to_outcome),
        ),
        "took": took,
        "mix": mix(stats),
        "days": days(stats),
        "judged": judged,
        "wide": WIDE,
        "high": HIGH,
    }


def mix(stats: Stats) -> tuple[Bar, ...]:
    """The verdicts as parts of one bar, `WIDE` in all."""
    bars, x = [], 0.0
    for verdict in _VERDICTS:
        count = stats.verdicts.get(verdict, 0)
        if count:
            width = WIDE * count / stats.records
            share = f"{verdict.replace('_', ' ')}: {count} of {stats.records}"
            bars.append(Bar(round(x, 2), 0, round(width, 2), 18, verdict, share))
            x += width
    return tuple(bars)


def days(stats: Stats) -> tuple[Bar, ...]:
    """A column for each day that had records, parted by verdict; the highest is `HIGH`."""
    most = max((sum(day.verdicts.values()) for day in stats.days), default=0)
    step = WIDE / max(len(stats.days), 14)
    bars = []
    for n, day in enumerate(stats.days):
        y = float(HIGH)
        for verdict in _VERDICTS:
            count = day.verdicts.get(verdict, 0)
            if count:
                height = HIGH * count / most
                y -= height
                said = f"{day.day}: {count} {verdict.replace('_', ' ')}"
                bars.append(Bar(round(n * step, 2), round(y, 2), round(step * 0.8, 2), round(height, 2), verdict, said))
    return tuple(bars)


def judged(rule: Rule) -> tuple[Bar, ...]:
    """How analysts judged a rule's records: a bar of 120 in three parts, those that nobody decided left out."""
    decided = rule.agreed + rule.false_alarm + rule.missed
    bars, x = [], 0.0
    for kind, count in (("agree", rule.agreed), ("disagree", rule.false_alarm), ("missed", rule.missed)):
        if count:
            width = 120 * count / decided
            bars.append(Bar(round(x, 2), 0, round(width, 2), 12, kind, f"{count} {kind}"))
            x += width
    return tuple(bars)
