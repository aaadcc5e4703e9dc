"""Stored records judged anew under other rules: which past verdicts would change. Pure.

Evidence and findings are taken as they were recorded; nothing is asked again. What was known of earlier records at the
time is not stored, so that a replay judges without it on both sides: a flip is the rules' doing alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responder.finding import Target
from responder.record import Record, Triage, Verdict
from responder.triage.case import Case
from responder.triage.judging import judge
from responder.triage.rules import BUILT_IN, Rules
from responder.triage.tuning import NONE, Tuning

if TYPE_CHECKING:
    from responder.ports import Precedent


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A record whose verdict is another one under the new rules. `recorded` is what stands in the record."""

    record_id: str
    recorded: Verdict
    before: Triage
    after: Triage
    reviewed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How many records were judged, and which of them flip."""

    records: int
    flips: tuple[Flip, ...]

    def said(self) -> str:
        """For people: one line a flip, and a last one with the count."""
        lines = [
            f"{one.record_id}  {one.before.verdict} ({one.before.score}) -> {one.after.verdict} ({one.after.score})"
            f"{f'  reviewed: {one.reviewed}' if one.reviewed else ''}  {one.after.rule}"
            for one in self.flips
        ]
        return "\n".join([*lines, f"{len(self.flips)} of {self.records} verdicts would change"])


def again(
    record: Record,
    rules: Rules = BUILT_IN,
    tuning: Tuning = NONE,
    history: tuple[Precedent, ...] | None = None,
) -> Triage:
    """The verdict on a stored record under these rules, at the time when it was made."""
    subject = record.provenance.subject
    target = Target(namespace=subject.namespace, pod=subject.pod, container=subject.container)
    now = record.provenance.finished or record.provenance.started
    return judge(Case.of_record(record.findings, target, record.evidence, history, now), rules, tuning)


def flips(records: Iterable[Record], new: Tuning, *, old: Tuning = NONE, rules: Rules = BUILT_IN) -> Replay:
    """Every record judged under the old tuning and the new one."""
    count = 0
    found: list[Flip] = []
    for record in records:
        count += 1
        before, after = again(record, rules, old), again(record, rules, new)
        if before.verdict != after.verdict:
            found.append(
                Flip(
                    record_id=record.id,
                    recorded=record.triage.verdict,
                    before=before,
                    after=after,
                    reviewed=record.review.verdict or "",
                ),
            )
    return Replay(records=count, flips=tuple(found))
