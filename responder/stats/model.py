"""What the figures are: frozen values, which go out as JSON as they are. Pure."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, Literal

from pydantic import Field

from responder.evidence import Model
from responder.record import ReviewState, ReviewVerdict, Verdict

Agreement = Literal["agreed", "false_alarm", "missed", "open"]

MOST: Final = 20
"""Rules, signals and workloads that are told; the JSON of a large store stays readable."""
HARMLESS: Final = frozenset({"benign_true_positive", "false_positive"})
_READ: Final = ((1, "{:.1f} s", 9.95), (1, "{:.0f} s", 99.5), (60, "{:.0f} min", 5970), (3600, "{:.1f} h", 172_800))
"""How a time is written, and up to how many seconds."""


class Span(Model):
    """Seconds between two moments over `count` records; None where there is no record to count. Nearest rank."""

    count: int = 0
    median: float | None = None
    p90: float | None = None
    longest: float | None = None


class Rule(Model):
    """How analysts judged what a rule of triage (or one of its signals) had a part in.

    `agreed`: machine and person both say attack, or both harmless. `false_alarm`: the machine said attack, the person
    harmless. `missed`: the reverse. `open`: nobody has said, or one of the two could not tell.
    """

    name: str
    records: int
    agreed: int = 0
    false_alarm: int = 0
    missed: int = 0
    open: int = 0
    agreement: float | None = Field(default=None, description="agreed, of those that both decided; None: there is none")


class Workload(Model):
    """A workload with more than one record, and what would make it quiet."""

    name: str = Field(description="project/location/cluster/namespace/Kind/name")
    records: int
    findings: int
    attack: int = Field(description="records that a person called an attack")
    harmless: int = Field(description="records that a person called harmless")
    unreviewed: int
    mend: str
    toml: str = Field(default="", description="lines for triage.toml, to be completed by who answers for them")


class Day(Model):
    """Records whose window began on that day, UTC, by the machine's verdict."""

    day: date
    verdicts: dict[Verdict, int]


class Stats(Model):
    """The figures. Verdicts are the machine's, reviews a person's."""

    first: datetime | None = None
    last: datetime | None = None
    records: int = 0
    findings: int = 0
    to_record: Span = Span()
    to_verdict: Span = Span()
    to_outcome: Span = Span()
    verdicts: dict[Verdict, int] = Field(default_factory=dict)
    states: dict[ReviewState, int] = Field(default_factory=dict)
    reviews: dict[ReviewVerdict, int] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    signals: tuple[Rule, ...] = ()
    workloads: tuple[Workload, ...] = ()
    days: tuple[Day, ...] = ()


def took(seconds: float | None) -> str:
    """A length of time as one reads it: `4.2 s`, `42 s`, `12 min`, `5.1 h`, `3.0 d`; `none` for None."""
    if seconds is None:
        return "none"
    for size, form, until in (
        (1, "{:.1f} s", 9.95),
        (1, "{:.0f} s", 99.5),
        (60, "{:.0f} min", 5970),
        (3600, "{:.1f} h", 172_800),
    ):
        if seconds < until:
            return form.format(seconds / size)
    return f"{seconds / 86_400:.1f} d"
