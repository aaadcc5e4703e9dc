"""Step 7: a person's yes or no to one question of one record. Asks the second store, and decides nothing about the pod.

The answer is bound to record, pod UID, action and evidence by the question's `binding`; `act` asks every guard again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from responder.decision import binding
from responder.errors import Refused

if TYPE_CHECKING:
    from responder.policy import Policy
    from responder.ports import Actions, Approval
    from responder.record import Record


def question(record: Record, actions: Actions, now: datetime) -> Approval:
    """The question about this record: one that still waits goes first, else the one that its evidence is bound to.

    Refused where there is none, or what the store has is not about this record.
    """
    bound = tuple(dict.fromkeys(name for name in (record.decision.binding, binding(record)) if name))
    waiting = [one for one in actions.waiting(now, record.id) if now < one.until]
    # Of several, the one that `act` asked last: evidence that changed meanwhile has made the others void.
    waiting.sort(key=lambda one: (one.binding in bound, one.asked_at))
    found = waiting[-1] if waiting else next(filter(None, map(actions.approval, bound)), None)
    if found is None:
        raise Refused("not_found", "nobody is asked about this record: there is no question to answer")
    if (found.record_id, found.project) != (record.id, record.provenance.subject.project_id):
        raise Refused("invalid", "the question is not about this record and its project")
    return found


def only_approvers(record: Record, policy: Policy, by: str) -> None:
    """Refused unless `by` is an approver of the project, letter by letter, and the policy is in force."""
    if policy.problem:
        raise Refused("invalid", f"no policy is in force: {policy.problem}")
    subject = record.provenance.subject
    project = policy.of_subject(subject)
    if project is None:
        raise Refused("denied", f"policy.toml does not name the project {subject.project_id} with its number")
    if by not in project.approvers:
        raise Refused("denied", f"{by} is not one of the approvers of {subject.project_id}")


def answered(asked: Approval, actions: Actions, *, approve: bool, by: str, why: str, now: datetime) -> Approval:
    """The question with its answer; the one that stands where the same was given before, and a yes is not used yet.

    Refused where it was answered otherwise, was used, or its time is over.
    """
    if asked.state == "rejected" and not approve:
        return asked
    if asked.state == "approved" and approve and now < asked.until:
        return asked
    return actions.answer(asked.binding, approve=approve, by=by, why=why, now=now)
