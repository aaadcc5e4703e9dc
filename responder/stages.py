"""Every step: each stage of a record, told as it happens: a line in the log with how long it took, and counters.

Stands around the store, since every stage begins or ends there: the pipeline says nothing itself. Tells ids, kinds,
reasons and names of ours; nothing of a finding's text.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from responder import log
from responder.evidence import Found
from responder.tally import Tally

if TYPE_CHECKING:
    from responder.finding import Finding, Target
    from responder.ports import Admission, Claim, Delivery, Records
    from responder.record import Record


class Told:
    """`ports.Records` over another, which tells of what it does. `clock` gives seconds."""

    def __init__(self, records: Records, counts: Tally, clock: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._counts = counts
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[tuple[str, int], tuple[float, float]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def count(self, name: str, by: int = 1) -> None:
        """Kept with the others that wait for their minute: a write for each message would hold up the next one."""
        self._counts.add(*[name] * by)

    def admit(self, finding: Finding, target: Target, delivery: Delivery) -> Admission:
        """Told unless it says nothing new: of those there are many, and they are counted."""
        started = self._clock()
        admission = self._records.admit(finding, target, delivery)
        if admission.kind != "duplicate" or not admission.finished:
            self._tell("admitted", admission.record_id, self._clock() - started, kind=admission.kind)
        return admission

    def claim(self, *args: Any) -> Claim | None:
        """From here on the time of the stages runs."""
        claim = self._records.claim(*args)
        if claim is not None:
            now = self._clock()
            with self._lock:
                self._since[claim.record_id, claim.token] = (now, now)
        return claim

    def save(self, record: Record, claim: Claim) -> Record:
        """The stage that ends with this save."""
        saved = self._records.save(record, claim)
        seconds = self._lap(claim)
        if record.provenance.stage == "gathered":
            self._gathered(record, seconds)
        else:
            verdict, decision, outcome = record.triage.verdict, record.decision.kind, record.outcome.kind
            self._counts.add(f"verdicts.{verdict}", f"decisions.{decision}", f"outcomes.{outcome}")
            told = {"verdict": verdict, "decision": decision, "outcome": outcome}
            self._tell(record.provenance.stage, record.id, seconds, revision=saved.provenance.revision, **told)
        return saved

    def release(self, claim: Claim, seen: int) -> bool:
        """Let go of: how long all of it took. Not told where more is to be done."""
        goes_on = False
        try:
            goes_on = self._records.release(claim, seen)
            return goes_on
        finally:
            if not goes_on:
                with self._lock:
                    began = self._since.pop((claim.record_id, claim.token), None)
                if began:
                    self._tell("released", claim.record_id, self._clock() - began[0])

    def _gathered(self, record: Record, seconds: float) -> None:
        """The round's gaps by source and reason; those of earlier rounds were counted then.

        `unanswered` is what had no answer now and had one before: the record keeps that one.
        """
        this = record.provenance.rounds[-1]
        missing: dict[str, str] = {
            name: gap.why for name, gap in record.evidence.missing().items() if gap.why != "not_asked"
        }
        known = {name for name in this.asked if isinstance(getattr(record.evidence, name), Found)}
        missing |= dict.fromkeys(known - set(this.answered), "unanswered")
        gaps = [f"{name}.{missing[name]}" for name in this.asked if name in missing]
        self._counts.add(*(f"gaps.{gap}" for gap in gaps))
        self._tell("gathered", record.id, seconds, round=this.kind, asked=len(this.asked), gaps=",".join(gaps))

    def _lap(self, claim: Claim) -> float:
        key, now = (claim.record_id, claim.token), self._clock()
        with self._lock:
            began, last = self._since.get(key, (now, now))
            self._since[key] = (began, now)
        return now - last

    @staticmethod
    def _tell(stage: str, record_id: str, seconds: float, **fields: str | float) -> None:
        log.write("INFO", stage, record=record_id, stage=stage, seconds=round(seconds, 3), **fields)
