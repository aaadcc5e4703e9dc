"""Step 7: what a project's guards and limits would have done, and how its reviewers judged those records. Pure.

A platform owner climbs off, shadow, approve, auto, and each rung rests on people's judgements of the one below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from responder.decision import BY_ACT
from responder.evidence import Model
from responder.policy import PerHour
from responder.record import of_capture

if TYPE_CHECKING:
    from datetime import datetime

    from responder.record import Decision, Mode, Record

_NO_ATTACK: Final = frozenset({"false_positive", "benign_true_positive"})
_ENOUGH: Final = {"shadow": 5, "approve": 20}
"""How many judged true positives, and none judged otherwise, before the next rung is advised. A choice of ours: with
none wrong in 20, the rate of wrong ones is below 14 % with 95 % confidence; below a person's yes, 5 must do."""
_NEXT: Final = {"shadow": "approve", "approve": "auto"}
_HOUR: Final = timedelta(hours=1)
NOT_REVIEWED: Final = "not_reviewed"


CaptureKind = Literal["whole", "in_part", "nothing", "not_entered"]


class No(Model):
    """A guard that said no, or could not be answered. `alone`: in so many records it was the only one."""

    guard: str
    records: int
    alone: int


class ShadowReport(Model):
    """`decided` of the `records` were put to the guards; `deleted`, `limited` and `held` count them by review verdict.

    `limited`: no guard held them, and a limit of the hour or an answer to an earlier record would have. `wrong` are ids
    of records that no guard held and that a reviewer judged to be no attack, `limited` ones among them.

    `captures` count the decided records by what was copied before the pod would have been gone: all but what a cap
    left out (`whole`), a part of it, nothing, or nobody entered the container.
    """

    project: str
    mode: Literal["off", "shadow", "approve", "auto"]
    records: int
    decided: int
    deleted: dict[str, int]
    limited: dict[str, int]
    held: dict[str, int]
    noes: tuple[No, ...]
    wrong: tuple[str, ...]
    outcomes: dict[str, int]
    captures: dict[CaptureKind, int]
    advice: str


def report(project: str, mode: Mode | None, records: Iterable[Record], per_hour: PerHour | None = None) -> ShadowReport:
    """The figures of a project's `records`, newest first; `mode` is the one in force (None: as the newest was decided).

    `per_hour` are the limits in force (None: the policy's defaults). A record without guards (nothing was decided yet,
    or by a version that had none) is counted and no more. What was done before the first of the records is not known.
    """
    total, wrong, passed = 0, list[str](), list[_Passed]()
    let_by, held, outcomes = Counter[str](), Counter[str](), Counter[str]()
    said_no, alone, captures = Counter[str](), Counter[str](), Counter[CaptureKind]()
    for record in records:
        total += 1
        outcomes[record.outcome.kind] += 1
        decision, judged = record.decision, record.review.verdict or NOT_REVIEWED
        if not decision.guards:
            continue
        mode = mode or decision.mode
        captures[_captured(record)] += 1
        if decision.would == "delete_pod":
            let_by[judged] += 1
            passed.append(_passed(record, judged))
            wrong += [record.id] * (judged in _NO_ATTACK)
            continue
        held[judged] += 1
        noes = _noes(decision)
        said_no.update(noes)
        alone.update(noes if len(noes) == 1 else ())
    deleted = _within(passed, per_hour or PerHour())
    named = mode or "off"
    rows = sorted(said_no.items(), key=lambda row: (-row[1], row[0]))
    return ShadowReport(
        project=project,
        mode=named,
        records=total,
        decided=let_by.total() + held.total(),
        deleted=dict(sorted(deleted.items())),
        limited=dict(sorted((let_by - deleted).items())),
        held=dict(sorted(held.items())),
        noes=tuple(No(guard=guard, records=count, alone=alone[guard]) for guard, count in rows),
        wrong=tuple(wrong),
        outcomes=dict(sorted(outcomes.items())),
        captures=dict(sorted(captures.items())),
        advice=_advice(named, total, let_by, held, rows[0][0] if rows else ""),
    )


@dataclass(frozen=True, slots=True)
class _Passed:
    """A record that no guard held, as far as the limits ask: it is read once, and there may be very many."""

    at: datetime
    uid: str
    namespace: str
    workload: str
    image_digest: str
    judged: str


def _passed(record: Record, judged: str) -> _Passed:
    it = record.provenance
    return _Passed(
        at=it.window_start,
        uid=record.decision.uid,
        namespace=it.subject.namespace,
        workload=it.traits.owner,
        image_digest=it.traits.image_digest,
        judged=judged,
    )


def _within(passed: Sequence[_Passed], per_hour: PerHour) -> Counter[str]:
    """Those that would have been deleted, by verdict: oldest first, as `act` asks the past and its limits."""
    deleted, hour = Counter[str](), list[_Passed]()
    uids, answered = set[str](), set[tuple[str, str]]()
    for one in sorted(passed, key=lambda each: each.at):
        hour = [each for each in hour if each.at > one.at - _HOUR]
        full = (
            len(hour) >= per_hour.project
            or sum(each.namespace == one.namespace for each in hour) >= per_hour.namespace
            or sum(each.workload == one.workload for each in hour) >= per_hour.workload
        )
        answer = (one.workload, one.image_digest)
        # A workload or an image that is not known cannot be told from one that was answered: that is a no too.
        if full or not all(answer) or answer in answered or one.uid in uids:
            continue
        deleted[one.judged] += 1
        hour.append(one)
        uids.add(one.uid)
        answered.add(answer)
    return deleted


def _captured(record: Record) -> CaptureKind:
    if record.capture is None:
        return "not_entered"
    wanted = [one for one in of_capture(record.artifacts) if one.status != "left_out"]
    came = [one for one in wanted if one.status == "captured" and not one.truncated]
    if not came:
        return "nothing"
    return "whole" if len(came) == len(wanted) else "in_part"


def _noes(decision: Decision) -> tuple[str, ...]:
    """The guards that held it. What only `act` can answer did not hold what `respond` decided."""
    return tuple(one.name for one in decision.guards if one.ok is not True and one.detail != BY_ACT)


def _advice(mode: Mode, total: int, let_by: Counter[str], held: Counter[str], first: str) -> str:
    wrong, count = sum(let_by[verdict] for verdict in _NO_ATTACK), let_by.total()
    if not total:
        return "there is no record to judge by: is it the project's id, and is --since far enough back?"
    if mode == "off":
        return 'set remediate = "shadow": nothing is deleted, and each record says what would have been done'
    if wrong and mode == "auto":
        return f'go back to remediate = "approve": {wrong} of {count} were judged to be no attack'
    if wrong:
        return f"stay: {wrong} of {count} were judged to be no attack; exempt what they share, or ask for more evidence"
    return _next_rung(mode, let_by, held, first)


def _next_rung(mode: Mode, let_by: Counter[str], held: Counter[str], first: str) -> str:
    """Where none was judged wrong: whether enough were judged right."""
    count, right = let_by.total(), let_by["true_positive"]
    if mode == "auto":
        return "stay: none was judged to be no attack"
    if not count:
        most = f"; {first} said no most often" if first else ""
        missed = f", among them {held['true_positive']} true positives" if held["true_positive"] else ""
        return f"stay: nothing would have been deleted, {held.total()} held{missed}{most}"
    if right < count:
        return f"review the {count - right} of {count} that nobody has settled: the next rung rests on judgements"
    if right < _ENOUGH[mode]:
        return f"stay: all {right} were true positives; {_ENOUGH[mode]} are wanted before the next rung"
    return f'remediate = "{_NEXT[mode]}" may be set: all {right} were true positives, and none was judged otherwise'
