"""For the team: how fast records, words and outcomes come, where triage and analysts differ, what is noisy. Pure.

Everything is counted from the records themselves: an export gives the same figures as a store.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from math import ceil
from typing import Final

from responder.record import Record, ReviewState, ReviewVerdict, Verdict
from responder.stats.model import HARMLESS, MOST, Agreement, Day, Rule, Span, Stats
from responder.stats.noise import Kept, workloads

_ATTACK: Final = frozenset({"malicious", "suspicious"})
_MOST_DAYS: Final = 60


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
        workloads=workloads(told.workloads.values()),
        days=tuple(
            Day(day=day, verdicts=dict(told.days[day].most_common())) for day in sorted(told.days)[-_MOST_DAYS:]
        ),
    )


def agreement(record: Record) -> Agreement:
    """Whether the machine and the person who closed the record say the same."""
    word, verdict = record.review.verdict, record.triage.verdict
    if word is None or word == "undetermined" or verdict == "insufficient_data":
        return "open"
    alarmed, harmless = verdict in _ATTACK, word in HARMLESS
    if alarmed is not harmless:
        return "agreed"
    return "false_alarm" if alarmed else "missed"


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
        self.workloads: dict[str, Kept] = {}
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
        kept = self.workloads.setdefault(name, Kept(name))
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
    return tuple(sorted(made, key=lambda rule: (-rule.records, rule.name))[:MOST])
