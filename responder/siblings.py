"""The other records of the same pod: what their containers hold is lost with it. Reads records, and changes none.

A pod has one record for each container that a finding names. Each one's capture comes before its own decision, so that
no two of them wait for each other; how long one is waited for, the age of the finding ends.
"""

from __future__ import annotations

from datetime import timedelta

from responder.capture import seizing
from responder.decision import OTHERS_CAPTURED
from responder.evidence import Found
from responder.policy import ProjectPolicy
from responder.ports import World
from responder.record import WINDOW, Decision, Record


def waiting(world: World, record: Record, project: ProjectPolicy) -> tuple[str, ...]:
    """Ids of the pod's other records whose container `act` has yet to enter, or that are investigated only now.

    Those whose finding is too old to be acted on are not waited for. StoreError where the store fails.
    """
    proof = record.evidence.proof
    uid = proof.value.uid if isinstance(proof, Found) else ""
    since = world.now() - WINDOW - timedelta(minutes=project.finding_age_minutes)
    others = (one for one in world.records.of_pod(record.provenance.subject, since) if one != record.id)
    return tuple(one for one in others if _is_waiting(world.records.load(one), uid))


def _is_waiting(other: Record | None, uid: str) -> bool:
    if other is None or other.provenance.stage != "finished":
        return True
    proof = other.evidence.proof
    if isinstance(proof, Found) and proof.value.uid not in {"", uid}:
        return False
    if any(action.uid != uid for action in other.actions):
        return False  # it answered an earlier pod of this name, and looks after that one
    if other.capture is not None and other.capture.uid == uid and not seizing.is_worth_another(other):
        return False
    return other.provenance.act == "wanted"


def are_all_that_holds(decision: Decision) -> bool:
    """Whether nothing but another record of the pod stands before the decision: that passes by itself."""
    return {guard.name for guard in decision.guards if guard.ok is not True} == {OTHERS_CAPTURED}
