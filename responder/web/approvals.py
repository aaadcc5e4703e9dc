"""Step 7: the question to a project's approvers, and who may answer it. Reads the second store and the policy."""

from __future__ import annotations

from responder.ports import Approval
from responder.record import Record
from responder.web.desk import Desk
from responder.web.people import Person


def question(desk: Desk, record: Record) -> Approval | None:
    """The approval that this very decision asks for, answered or not; None where it asks for none."""
    if desk.actions is None or not record.decision.binding:
        return None
    return desk.actions.approval(record.decision.binding)


def may_answer(desk: Desk, person: Person, record: Record) -> bool:
    """Whether the person has the role, and the policy in force names them for the record's project."""
    if desk.actions is None or desk.policy is None or not person.may("approver"):
        return False
    subject = record.provenance.subject
    project = desk.policy().of(subject.project_id, subject.project_number)
    return project is not None and person.name.lower() in {name.lower() for name in project.approvers}
