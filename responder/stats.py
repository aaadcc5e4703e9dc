"""For the team: how fast records, words and outcomes come, where triage and analysts differ, what is noisy. Pure.

Everything is counted from the records themselves: an export gives the same figures as a store.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from math import ceil
from typing import Final, Literal

from pydantic import Field

from responder.evidence import Model
from responder.record import Record, ReviewState, ReviewVerdict, Verdict

Agreement = Literal["agreed", "false_alarm", "missed", "open"]

_ATTACK: Final = frozenset({"malicious", "suspicious"})
_HARMLESS: Final = frozenset({"benign_true_positive", "false_positive"})
_MOST: Final = 20
"""Rules, signals and workloads that are told; the JSON of a large store stays readable."""
_MOST_DAYS: Final = 60
_NOISY: Final = 2
_ENOUGH: Final = 3
"""Words of analysts that all say "harmless" before it is proposed to expect a workload to build."""
_READ: Final = ((1, "{:.1f} s", 9.95), (1, "{:.0f} s", 99.5), (60, "{:.0f} min", 5970), (3600, "{:.1f} h", 172_800))
"""How a time is written, and up to how many seconds."""
_TOML: Final = re.compile(r"[A-Za-z0-9._/:-]+")


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


def stats(records: Iterable[Record]) -> Stats:
    """The figures of the records, which are read once, one at a time."""
    told = _Told()
    for record in records:
        told.add(record)
    return Stats(
        first=min(told.starts, default=None),
        last=max(told.starts, default=None),
        records=len(told.starts),
        findings=told.findings,
        to_record=_span(told.spans["record"]),
        to_verdict=_span(told.spans["verdict"]),
        to_outcome=_span(told.spans["outcome"]),
        verdicts=dict(told.verdicts.most_common()),
        states=dict(told.states.most_common()),
        reviews=dict(told.reviews.most_common()),
        rules=_rules(told.rules),
        signals=_rules(told.signals),
        workloads=_workloads(told.workloads.values()),
        days=tuple(
            Day(day=day, verdicts=dict(told.days[day].most_common())) for day in sorted(told.days)[-_MOST_DAYS:]
        ),
    )


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


def agreement(record: Record) -> Agreement:
    """Whether the machine and the person who closed the record say the same."""
    word, verdict = record.review.verdict, record.triage.verdict
    if word is None or word == "undetermined" or verdict == "insufficient_data":
        return "open"
    alarmed, harmless = verdict in _ATTACK, word in _HARMLESS
    if alarmed is not harmless:
        return "agreed"
    return "false_alarm" if alarmed else "missed"


class _Kept:
    """What is counted of one workload."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records = 0
        self.findings = 0
        self.words: Counter[str] = Counter()


class _Told:
    """What is counted while the records pass."""

    def __init__(self) -> None:
        self.starts: list[datetime] = []
        self.findings = 0
        self.spans: dict[str, list[timedelta]] = defaultdict(list)
        self.verdicts: Counter[Verdict] = Counter()
        self.states: Counter[ReviewState] = Counter()
        self.reviews: Counter[ReviewVerdict] = Counter()
        self.rules: dict[str, Counter[Agreement]] = defaultdict(Counter)
        self.signals: dict[str, Counter[Agreement]] = defaultdict(Counter)
        self.workloads: dict[str, _Kept] = {}
        self.days: dict[date, Counter[Verdict]] = defaultdict(Counter)

    def add(self, record: Record) -> None:
        """One more."""
        start, verdict = record.provenance.window_start, record.triage.verdict
        count = sum(finding.count for finding in record.findings)
        self.starts.append(start)
        self.findings += count
        self.verdicts[verdict] += 1
        self.states[record.review.state] += 1
        self.days[start.date()][verdict] += 1
        if record.review.verdict:
            self.reviews[record.review.verdict] += 1
        for name, moment in (("record", written(record)), ("verdict", said(record)), ("outcome", happened(record))):
            if moment:
                # A clock that is wrong by a second must not make a time negative.
                self.spans[name].append(max(moment - start, timedelta()))
        how = agreement(record)
        self.rules[record.triage.rule or "no rule"][how] += 1
        for signal in {one.id for one in record.triage.signals}:
            self.signals[signal][how] += 1
        name = workload(record)
        kept = self.workloads.setdefault(name, _Kept(name))
        kept.records += 1
        kept.findings += count
        kept.words[record.review.verdict or "unreviewed"] += 1


def written(record: Record) -> datetime | None:
    """When there was a first record of it. One of before rounds told of their end has the start of its first one."""
    rounds = record.provenance.rounds
    done = next((one.done for one in rounds if one.done), None)
    return done or (rounds[0].at if len(rounds) > 1 else record.provenance.finished)


def said(record: Record) -> datetime | None:
    """When a person first gave a verdict."""
    return next((entry.at for entry in record.review.history if entry.verdict), None)


def happened(record: Record) -> datetime | None:
    """When it was known what became of the pod; None where it was left alone."""
    return record.outcome.at if record.outcome.kind != "held" else None


def workload(record: Record) -> str:
    """The top owner's full name; the pod's where no owner is known."""
    subject = record.provenance.subject
    project = subject.project_id or subject.project_number
    bare = (project, subject.location, subject.cluster, subject.namespace, "Pod", subject.pod)
    return record.provenance.traits.owner or "/".join(part or "?" for part in bare)


def _span(spans: Sequence[timedelta]) -> Span:
    seconds = sorted(span.total_seconds() for span in spans)
    if not seconds:
        return Span()

    def rank(share: float) -> float:
        return seconds[ceil(len(seconds) * share) - 1]

    return Span(count=len(seconds), median=rank(0.5), p90=rank(0.9), longest=seconds[-1])


def _rules(counted: dict[str, Counter[Agreement]]) -> tuple[Rule, ...]:
    made = []
    for name, how in counted.items():
        decided = how.total() - how["open"]
        made.append(
            Rule(
                name=name,
                records=how.total(),
                agreed=how["agreed"],
                false_alarm=how["false_alarm"],
                missed=how["missed"],
                open=how["open"],
                agreement=round(how["agreed"] / decided, 3) if decided else None,
            )
        )
    return tuple(sorted(made, key=lambda rule: (-rule.records, rule.name))[:_MOST])


def _workloads(counted: Iterable[_Kept]) -> tuple[Workload, ...]:
    noisy = sorted((one for one in counted if one.records >= _NOISY), key=lambda one: (-one.records, one.name))
    made = []
    for one in noisy[:_MOST]:
        attack, harmless = one.words["true_positive"], sum(one.words[word] for word in _HARMLESS)
        mend, toml = _mend(one, attack, harmless)
        made.append(
            Workload(
                name=one.name,
                records=one.records,
                findings=one.findings,
                attack=attack,
                harmless=harmless,
                unreviewed=one.words["unreviewed"],
                mend=mend,
                toml=toml,
            )
        )
    return tuple(made)


def _mend(one: _Kept, attack: int, harmless: int) -> tuple[str, str]:
    if attack:
        return "an analyst called it an attack: rebuild its image, and expect nothing of it", ""
    if harmless >= _ENOUGH:
        return "each that was reviewed was harmless: build in CI, or name it in triage.toml", _toml(one.name)
    if one.words["unreviewed"]:
        return "review some of its records: what analysts say is what the next ones are judged by", ""
    return "nothing yet: too few of its records were called harmless", ""


def _toml(name: str) -> str:
    """The entry for triage.toml, without who answers for it, why, and until when: a person has to say so."""
    project, _, _, namespace, kind, top = (name.split("/") + [""] * 6)[:6]
    if kind == "Pod" or not all(_TOML.fullmatch(part) for part in (project, namespace, kind, top)):
        return ""
    return f'[[expected_builders]]\nproject = "{project}"\nnamespace = "{namespace}"\nworkload = "{kind}/{top}"\n'
