"""Step 7: the question to a project's approvers, and who may answer it. Reads the second store and the policy."""

from __future__ import annotations

from responder import approving
from responder.errors import Refused
from responder.policy import NONE
from responder.ports import Approval
from responder.record import Record
from responder.web.desk import Desk
from responder.web.people import Person


def question(desk: Desk, record: Record) -> Approval | None:
    """The approval that is asked for about this record, answered or not; None where none is."""
    if desk.actions is None:
        return None
    try:
        return approving.question(record, desk.actions, desk.now())
    except Refused:
        return None


def why_not(desk: Desk, person: Person, record: Record) -> str:
    """Why the person may not answer, in words; empty where they have the role and the policy in force names them."""
    if not person.may("approver"):
        return "this needs the role approver"
    try:
        approving.only_approvers(record, desk.policy() if desk.policy else NONE, person.name)
    except Refused as error:
        return error.detail
    return ""
