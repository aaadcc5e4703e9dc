"""What must hold in every schedule, watched from outside the pipeline and the store. Pure but for its own memory.

The names of the rules are those of the invariants:
I1 every delivered finding ends in exactly one finished record; I4 what is final stays, tokens only rise; I5 who does
not hold the claim writes nothing; I6 a record says only what happened; I7 what is acknowledged is not lost. L1 what
comes later is asked for at each look's time; L2 a gap is asked again at the time that it was saved with.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from responder.evidence import LATER, Found, Missing
from responder.finding import Finding
from responder.ports import Claim, RecordQuery, Records
from responder.record import Record, RecordedFinding, Round

Said = tuple[str, datetime, str, str]
"""One publication of a finding: its key, eventTime, state and mute."""
_LOOKS: Final = (timedelta(minutes=15), timedelta(minutes=60))
"""When what comes later is asked for, from the first eventTime on."""
_EVERYTHING = RecordQuery()


class Violation(Exception):  # noqa: N818 - a statement about the schedule
    """A rule was broken; the text opens with the rule's name."""


class Kept(NamedTuple):
    """What a saved record says, as far as the rules go."""

    findings: frozenset[str]
    pod: str
    rounds: tuple[Round, ...]
    finished: bool
    retries: dict[str, datetime | None]


class Judge:
    """Watches every effect on the store as it happens, and the end."""

    def __init__(self) -> None:
        self.delivered: dict[Said, Finding] = {}
        self.pods: set[str] = set()
        self.scc_asked = 0
        self.logs_asked = 0
        self._asked_about: set[str] = set()
        self._tokens: dict[str, int] = defaultdict(int)
        self._held: dict[str, Claim] = {}
        self._kept: dict[str, Kept] = {}

    # --- as it happens ------------------------------------------------------------------------------------------------

    def asked(self, records: Records) -> None:
        """SCC is asked: about everything that is stored by now."""
        self.scc_asked += 1
        self._asked_about |= {one.key for one in self.delivered.values() if not records.unknown((one,))}

    def claimed(self, claim: Claim | None, now: datetime) -> None:
        """A claim was granted, or none."""
        if claim is None:
            return
        if claim.token <= self._tokens[claim.record_id]:
            raise Violation(f"I4 token {claim.token} was given before")
        held = self._held.get(claim.record_id)
        if held is not None and held.expires > now:
            raise Violation(f"I5 {claim.holder} was given the claim while that of {held.holder} runs")
        self._tokens[claim.record_id] = claim.token
        self._held[claim.record_id] = claim

    def renewed(self, claim: Claim) -> None:
        """A claim was made longer."""
        self._held[claim.record_id] = claim

    def released(self, claim: Claim, *, kept: bool) -> None:
        """A claim was given back; only its own holder's counts."""
        held = self._held.get(claim.record_id)
        if held is not None and held.token == claim.token and not kept:
            del self._held[claim.record_id]

    def saved(self, record: Record, claim: Claim, now: datetime) -> None:
        """The store accepted a save."""
        held = self._held.get(claim.record_id)
        if held is None or held.token != claim.token or held.expires <= now:
            raise Violation(f"I5 token {claim.token} of {claim.holder} wrote and is stale")
        new = _kept(record)
        invented = new.findings - {key for key, *_ in self.delivered}
        if invented:
            raise Violation(f"I6 the record has a finding that never came: {sorted(invented)}")
        if new.pod and new.pod not in self.pods:
            raise Violation(f"I6 the record has a pod that nobody read: {new.pod}")
        if new.pod and not isinstance(record.evidence.scc, Found):
            raise Violation("I6 a cluster was asked before SCC confirmed the finding")
        if sum(one.count for one in new.rounds) > self.scc_asked:
            raise Violation("I6 the record has a round of questions that nobody asked")
        if sum("pod_log" in one.asked for one in new.rounds) > self.logs_asked:
            raise Violation("I6 the record has a round that asked for the logs, and nobody did")
        old = self._kept.get(record.id)
        if old is not None:
            self._grows(old, new)
        self._kept[record.id] = new

    def _grows(self, old: Kept, new: Kept) -> None:
        if old.finished and not new.finished:
            raise Violation("I4 the record was finished and is not any more")
        if not old.findings <= new.findings:
            raise Violation(f"I4 the record lost findings: {sorted(old.findings - new.findings)}")
        acted = any(one.kind == "act" for one in new.rounds[len(old.rounds) :])
        if old.pod and old.pod != new.pod and not acted:
            raise Violation(f"I6 the record spoke of pod {old.pod}, now of {new.pod or 'none'}")
        if not all(map(_goes_on, old.rounds, new.rounds)) or len(new.rounds) < len(old.rounds):
            raise Violation("I6 a round of questions that was saved is gone")
        before = {(one.at, one.kind) for one in old.rounds}
        asked = {name for one in new.rounds if (one.at, one.kind) not in before for name in one.asked}
        for name in (old.retries.keys() & new.retries.keys()) - asked:
            if old.retries[name] != new.retries[name]:
                raise Violation(f"L2 {name} was to be asked again at {old.retries[name]}, and was put off unasked")

    def acknowledged(self, finding: Finding, others: int, records: Records, *, swept: bool) -> None:
        """A message was acknowledged; `others` is how many unacknowledged ones of its container there are."""
        rows = [line.id for line in records.list(_EVERYTHING)]
        found = [(row, one) for row in rows for one in records.findings(row) if one.key == finding.key]
        if not found:
            raise Violation(f"I7 {finding.key} was acknowledged and is not stored")
        if all(_said(finding) not in _told(one) for _, one in found):
            raise Violation(f"I7 {_said(finding)} was acknowledged and is not stored")
        if swept or others:
            return
        for row, _ in found:
            record = records.load(row)
            if record is None or record.provenance.stage != "finished":
                raise Violation(f"I7 {finding.key} was acknowledged, is not finished, and nobody will come back to it")

    # --- at the end ---------------------------------------------------------------------------------------------------

    def settled(self, records: Records, unacknowledged: int) -> None:
        """Everything was delivered again until nothing was left."""
        if unacknowledged:
            raise Violation(f"I1 {unacknowledged} messages are never acknowledged")
        rows = [line.id for line in records.list(_EVERYTHING)]
        if len(rows) != (1 if self.delivered else 0):
            raise Violation(f"I1 one container and one window have {len(rows)} records")
        for row in rows:
            record = records.load(row)
            if record is None or record.provenance.stage != "finished":
                raise Violation("I1 a record is never finished")
            self._complete(record, records.findings(row))

    def looked(self, records: Records, now: datetime) -> None:
        """A sweep ran, and nothing is due: what comes later was asked for at or after each look's time."""
        first = min((one.event_time for one in self.delivered.values()), default=now)
        passed = [first + at for at in _LOOKS if first + at <= now]
        for line in records.list(_EVERYTHING) if passed else ():
            record = records.load(line.id)
            if record is None or not any("scc" in one.answered for one in record.provenance.rounds):
                continue
            asked = [one.at for one in record.provenance.rounds if set(one.asked) >= LATER]
            missed = [at for at in passed if not any(one >= at for one in asked)]
            if missed:
                raise Violation(f"L1 what came later was not asked for {missed[0] - first} after the event")

    def _complete(self, record: Record, kept: tuple[RecordedFinding, ...]) -> None:
        keys = [key for one in record.findings for key in (one.key, *one.more)]
        wanted = {key for key, *_ in self.delivered}
        if set(keys) != wanted or len(keys) != len(wanted):
            raise Violation(f"I1 the record is finished with {sorted(keys)}, and {sorted(wanted)} came")
        unasked = wanted - self._asked_about
        if unasked:
            raise Violation(f"I6 the record is finished, and SCC was never asked about {sorted(unasked)}")
        told = [said for one in kept for said in _told(one)]
        if set(told) != set(self.delivered) or len(told) != len(self.delivered):
            raise Violation(f"I1 the store tells of {sorted(told)}, and {sorted(self.delivered)} came")


def _goes_on(old: Round, new: Round) -> bool:
    """Whether it is the same round; its end may have come since, and never changes. One more may have joined it."""
    if new.count == old.count + 1:
        return (old.kind, new.kind, new.asked, new.answered) == ("joined", "joined", old.asked, old.answered)
    return new == old or (old.done is None and new.model_copy(update={"done": None}) == old)


def _kept(record: Record) -> Kept:
    pod = record.evidence.pod
    found = pod.value.uid if isinstance(pod, Found) else ""
    findings = frozenset(key for one in record.findings for key in (one.key, *one.more))
    gaps = {name: getattr(record.evidence, name) for name in ("scc", "pod", "pod_log")}
    retries = {name: gap.retry_at for name, gap in gaps.items() if isinstance(gap, Missing) and gap.passing}
    return Kept(findings, found, record.provenance.rounds, record.provenance.stage == "finished", retries)


def _said(finding: Finding) -> Said:
    return finding.key, finding.event_time, finding.state, finding.mute


def _told(one: RecordedFinding) -> list[Said]:
    return [(one.key, seen.event_time, seen.state, seen.mute) for seen in one.occurrences]
