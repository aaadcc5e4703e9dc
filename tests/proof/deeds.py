"""What must hold of `act` in every schedule, watched from the cluster, whatever a record says. Pure but for its memory.

I2 at most one request for a pod, and none for a pod without an intent that was kept before; I3 none that the brake, or
evidence that is not kept yet, forbids; I4 an outcome that is final stays; I6 an outcome says only what happened.
"""

from __future__ import annotations

from responder.ports import Records
from responder.record import FINAL, Record
from tests.proof.actions import MemoryActions
from tests.proof.judge import Violation

OURS = "first"
"""UID of the pod that the finding is about."""


class Deeds:
    """Watches the cluster, and what is said of it."""

    def __init__(self, actions: MemoryActions) -> None:
        self._actions = actions
        self._braked: set[str] = set()
        self._forbidden: set[str] = set()
        self._outcomes: dict[str, str] = {}
        self.requests: list[str] = []
        self.ended: list[str] = []
        self.entered: set[str] = set()

    def rehearsed(self, worker: str) -> None:
        """A worker rehearsed its request. A brake that is on by now is seen before the request leaves."""
        if self._actions.pulled is not None:
            self._braked.add(worker)
        else:
            self._braked.discard(worker)

    def requested(self, worker: str, uid: str, records: Records, record_id: str) -> None:
        """A request to end a pod reached the API server."""
        kept = [one for one in self._actions.kept.values() if one.intent.uid == uid and one.state != "intended"]
        if not kept:
            raise Violation(f"I2 {uid} was asked to end, and no intent was kept as sent before")
        if uid in self.requests:
            raise Violation(f"I2 {uid} was asked to end twice")
        if worker in self._braked:
            raise Violation(f"I3 {uid} was asked to end, and the brake was on before")
        if worker in self._forbidden:
            raise Violation(f"I3 {uid} was asked to end, and the project was out of the policy before")
        record = records.load(record_id)
        if record is None or record.capture is None or record.capture.uid != uid:
            raise Violation(f"I3 {uid} was asked to end before what was taken from it was kept")
        self.requests.append(uid)

    def left(self, uid: str) -> None:
        """A request that may have reached the API server had no answer: there may be no other."""
        self.requests.append(uid)

    def forbidden(self, worker: str) -> None:
        """What a worker knows, or is about to ask, says that nothing is to be done."""
        self._forbidden.add(worker)

    def deleted(self, uid: str) -> None:
        """A pod ended by a request."""
        self.ended.append(uid)
        if uid != OURS:
            raise Violation(f"I2 the pod {uid} ended, which no finding is about")

    def saved(self, record: Record, uid: str) -> None:
        """The store accepted a save, while the pod with this UID (empty: none) has the name."""
        outcome = record.outcome.kind
        if record.capture is not None and record.capture.uid not in self.entered:
            raise Violation("I6 the record has a capture that nobody made")
        is_gone = uid != OURS
        # A record that was not told yet says that nothing was done; at the end none may.
        truth = {
            "deleted": is_gone and OURS in self.ended,
            "replaced": is_gone,
            "gone": is_gone and OURS not in self.ended,
            "failed": OURS not in self.ended,
        }
        if not truth.get(outcome, True):
            raise Violation(f"I6 the record says {outcome}; ended: {self.ended}; there is {uid or 'no pod'}")
        before = self._outcomes.get(record.id, "")
        if before in FINAL and outcome != before:
            raise Violation(f"I4 the outcome was {before} and is {outcome}")
        self._outcomes[record.id] = outcome

    def settled(self, records: Records, record_id: str, *, must: bool) -> None:
        """Nothing is left to do; `must`: nothing stood in the way of ending the pod."""
        record = records.load(record_id)
        if record is None or record.provenance.act != "done":
            raise Violation("I1 act never comes to its end")
        kept = (self._actions.intent(one.id) for one in record.actions)
        if any(one is not None and one.state == "intended" for one in kept):
            raise Violation(
                f"I6 the record tells of an action, and its request was refused or never left: {record.actions}"
            )
        if must and self.ended != [OURS]:
            raise Violation(f"I1 the pod was to end, and {self.ended or 'none'} did: {record.outcome}")
        if self.ended and record.outcome.kind not in {"deleted", "replaced"}:
            raise Violation(f"I6 the pod ended, and the record says {record.outcome.kind}")
