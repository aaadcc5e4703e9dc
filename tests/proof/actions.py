"""Brakes and intents between steps: what `act` asks of `ports.Actions` where nobody is asked for an approval.

Touches nothing outside. Every method is one atomic step; `tests/stores` has the contract of the stores that are real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from responder.errors import StoreError
from responder.ports import Brake, Intended, Intent, Limit
from responder.record import FINAL, Method


class MemoryActions:
    """`ports.Actions` in memory, without questions to approvers."""

    def __init__(self) -> None:
        self.pulled: Brake | None = None
        self.kept: dict[str, Intended] = {}

    def brake(self, project: str) -> Brake | None:
        """The brake that is on, or None."""
        assert project
        return self.pulled

    def set_brake(self, brake: Brake) -> None:
        """Pull or let go."""
        self.pulled = brake if brake.on else None

    def intend(self, intent: Intent, limits: Sequence[Limit]) -> Intended | str:
        """Keep the intent once; the one that is there is returned as it stands."""
        assert limits
        fresh = Intended(intent=intent, state="intended", outcome="", steps=("intended: ",), method=intent.method)
        return self.kept.setdefault(intent.key, fresh)

    def intent(self, key: str) -> Intended | None:
        """The intent of a pod, if there is one."""
        return self.kept.get(key)

    def send(self, key: str, now: datetime, method: Method, approval: str = "") -> bool:
        """`intended` becomes `sent`: True for the one caller that may send the request."""
        found = self._there(key)
        if not self._may_send(found):
            return False
        steps, at = (*found.steps, "sent: "), found.sent_at or now
        self.kept[key] = replace(found, state="sent", steps=steps, method=method, approval=approval, sent_at=at)
        return True

    def _may_send(self, found: Intended) -> bool:
        return found.state == "intended"

    def unsend(self, key: str, sent_at: datetime, why: str, now: datetime) -> bool:
        """What was sent at `sent_at` may be sent once more: False where it is another's, or settled."""
        found = self._there(key)
        if (found.state, found.sent_at) != ("sent", sent_at):
            return False
        told = (*found.steps, f"intended: {why} at {now}")
        meant = replace(found, method=found.intent.method, approval=found.intent.approval, sent_at=None)
        self.kept[key] = replace(meant, state="intended", outcome="held", steps=told)
        return True

    def settle(self, key: str, outcome: str, detail: str, now: datetime) -> None:
        """What was seen; settled where it does not change any more."""
        found = self._there(key)
        if found.state != "settled":
            state = "settled" if outcome in FINAL else found.state
            told = (*found.steps, f"{state}: {detail} at {now}")
            self.kept[key] = replace(found, state=state, outcome=outcome, steps=told)

    def _there(self, key: str) -> Intended:
        found = self.kept.get(key)
        if found is None:
            message = f"there is no intent {key}"
            raise StoreError(message)
        return found

    def answered(self, workload: str, image_digest: str) -> str:
        """Key of an intent that was sent for this workload with this image, empty where there is none."""
        sent = (one.intent for one in self.kept.values() if one.sent_at)
        return next((one.key for one in sent if (one.workload, one.image_digest) == (workload, image_digest)), "")

    def of_record(self, record_id: str) -> tuple[Intended, ...]:
        """Those of a record."""
        return tuple(one for one in self.kept.values() if one.intent.record_id == record_id)

    def approval(self, binding: str) -> None:
        """Nobody was asked."""
        assert binding

    def close(self) -> None:
        """Nothing is open."""
