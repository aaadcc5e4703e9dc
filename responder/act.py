"""Steps 5 and 7, in order: verify anew, capture, judge again, decide, and do at most that, to exactly that pod.

Takes nothing but the id of a record. What happened is written, never what was meant: an intent is saved before an
effect, its outcome after it was seen. Evidence is kept before anything is deleted.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from responder import braking, confirming, log, pipeline, removing, siblings
from responder.capture import custody, seizing
from responder.compose import Material, counted, policy_of
from responder.decision import Situation, binding, decide, may_enter
from responder.errors import Busy, StoreError, Unanswered
from responder.evidence import Found
from responder.finding import Target
from responder.gather import gather
from responder.policy import Policy
from responder.ports import Acting, Approval, Claim, Intended, World
from responder.record import Decision, Record, Round, of_capture

CAPTURE: Final = timedelta(minutes=4)
"""The snapshot's minute, the two of the taking, and what its last command and the manifest take."""


def act(world: World, record_id: str) -> Record | None:
    """Do what the project's policy allows for a record. None where there is no finished record of that id.

    Safe to repeat: what was taken is not taken again, and one pod is acted on once. Raises Busy where another instance
    is at work on it, and StoreError where a store fails: the message is delivered again.
    """
    acting, record = world.act, world.records.load(record_id)
    if acting is None:
        message = "this function has nothing to act with: RESPONDER_ACTIONS is not set"
        raise StoreError(message)
    if record is None or record.provenance.stage != "finished":
        world.records.count("act.no_record")
        return None
    now = world.now()
    # While an approval is waited for, a summons may be the answer: it is looked at whenever it comes.
    is_early = (record.provenance.act_due or now) > now and record.decision.kind != "await_approval"
    if record.provenance.act != "wanted" or is_early:
        world.records.count("act.nothing_to_do")
        return record
    claim = world.records.claim(record_id, "act", removing.lease(world), now)
    if claim is None:
        message = "another instance is at work on this record"
        raise Busy(message)
    with _held(world, claim):
        # Read again under the claim: another may have acted between the two.
        record = world.records.load(record_id) or record
        done = _act(world, acting, claim, record)
    if world.telling is not None:
        from responder import telling  # noqa: PLC0415 - only where somebody is told

        telling.tell(world, record_id)
    return done


def _act(world: World, acting: Acting, claim: Claim, old: Record) -> Record:
    """The order: verify, capture, judge, decide, do, write down."""
    policy = policy_of(world)
    material = _verified(world, old, None)
    record = pipeline.judged(world, material, policy)
    began = _began(acting, record)
    if began is None or began.state == "intended":
        taken = None
        if _is_to_be_captured(world, acting, record, policy):
            claim = world.records.renew(claim, removing.lease(world) + CAPTURE, world.now())
            taken = _captured(world, acting, record, material)
        if taken is not None:
            # Facts are kept before anything is done: a crash from here on does not lose what was taken.
            removing.kept(world, claim, taken)
            # A capture takes minutes, and what was verified before it is old.
            material = _verified(world, taken, material)
            record = pipeline.judged(world, material, policy)
    # Read anew: the decision is made by the policy of now, not by that of before the capture.
    policy = policy_of(world)
    if began is not None and began.state != "intended":
        if began.intent.record_id != record.id:
            reasons = (f"another record of the pod acted on it: {began.intent.record_id}",)
            record = record.model_copy(update={"decision": record.decision.model_copy(update={"reasons": reasons})})
        return removing.seen(world, acting, claim, record, began)
    record = record.model_copy(update={"decision": _decided(world, acting, record, policy, began)})
    project = policy.of_subject(record.provenance.subject)
    if record.decision.kind == "await_approval":
        # Whoever answers summons us; else it is looked at once more, when the time is over.
        return removing.held(world, claim, record, due=record.decision.approve_by or world.now())
    if record.decision.kind == "hold" or project is None:
        # What did not come for a reason that may pass is asked for again, a few times.
        again = project is not None and project.capture and seizing.is_worth_another(record)
        return removing.held(world, claim, record, again=again or siblings.are_all_that_holds(record.decision))
    return removing.remove(world, acting, claim, record, project)


# --- verify, judge ----------------------------------------------------------------------------------------------------


def _verified(world: World, old: Record, before: Material | None) -> Material:
    """Finding and pod asked for anew. A gap now is a gap, whatever was known before."""
    subject = old.provenance.subject
    target = Target(namespace=subject.namespace, pod=subject.pod, container=subject.container)

    found, at = pipeline.grouped(world, old.id), world.now()
    first = confirming.leads(world, old.id, found, old.evidence)[0]
    gathered = gather(world, first, target, known=before.evidence if before else old.evidence, ask="verify")
    groups = confirming.confirm(world, old.id, found, gathered, confirming.denied(old), anew=True).groups
    rounds = before.rounds if before else old.provenance.rounds
    return Material(
        id=old.id,
        findings=groups,
        finding=gathered.finding,
        target=gathered.target,
        evidence=gathered.evidence,
        started=old.provenance.started,
        rounds=(*rounds, Round(kind="act", at=at, asked=gathered.asked, answered=gathered.answered)),
        # What respond had to say of its round stays; of each finding SCC's word of now is told.
        errors=(
            *confirming.others(old.provenance.errors, groups),
            *confirming.doubts(groups),
        ),
        # What joined since respond read it is respond's to read: it is not called read here.
        read=old.provenance.read,
        previous=old.provenance.previous,
        old=old,
    )


# --- capture ----------------------------------------------------------------------------------------------------------


def _is_to_be_captured(world: World, acting: Acting, record: Record, policy: Policy) -> bool:
    """Whether the proven pod is to be entered now: not where it was before, nor where a guard stands before that."""
    proof, pod = record.evidence.proof, record.evidence.pod
    if acting.collect is None or not isinstance(proof, Found) or not isinstance(pod, Found):
        return False
    taken = record.capture is not None and record.capture.uid == proof.value.uid
    if taken and not seizing.is_worth_another(record):
        return False
    return not may_enter(_situation(world, acting, record, policy))


def _captured(world: World, acting: Acting, record: Record, material: Material) -> Record | None:
    """The record with what was taken from the pod; None where there is no way to it."""
    pod = record.evidence.pod
    if acting.collect is None or not isinstance(pod, Found):
        return None
    try:
        collector = acting.collect(removing.access(world, record))
    except Unanswered as error:
        world.records.count(f"capture.{error.why}")
        return None
    # A path is read where SCC's own words name it, and for no message's sake.
    theirs = tuple(one for one in material.findings if one.confirmed == "yes")
    capture, artifacts = seizing.seize(collector, acting, record, theirs, pod.value, now=world.now)
    is_taken = any(one.status == "captured" for one in of_capture(artifacts))
    world.records.count("captured" if is_taken else "capture.impossible")
    return counted(record.model_copy(update={"capture": capture, "artifacts": artifacts}))


# --- decide -----------------------------------------------------------------------------------------------------------


def _decided(world: World, acting: Acting, record: Record, policy: Policy, began: Intended | None) -> Decision:
    """Every guard asked anew, and the question to the approvers where one is to be asked."""
    situation = _situation(world, acting, record, policy, began)
    project = policy.of_subject(record.provenance.subject)
    if project is not None and project.capture:
        situation = replace(situation, others_waiting=siblings.waiting(world, record, project))
    decision = decide(situation)
    if decision.kind != "await_approval" or situation.approval is not None:
        return decision
    asked = Approval(
        binding=decision.binding,
        record_id=record.id,
        project=record.provenance.subject.project_id,
        uid=decision.uid,
        asked_at=situation.now,
        until=situation.now + timedelta(minutes=project.approval_minutes if project else 1),
    )
    return decision.model_copy(update={"approve_by": acting.actions.ask(asked).until})


def _situation(
    world: World, acting: Acting, record: Record, policy: Policy, began: Intended | None = None
) -> Situation:
    key, (brake, is_known) = removing.key_of(record), removing.brake_of(acting, record)
    if brake is not None or not is_known:
        # An alert waits for this line: deploy/terraform/alerts.tf.
        whose = {"by": brake.by, "project": braking.where(brake)} if brake else {}
        log.write("WARNING", "brake is on", record=record.id, known=is_known, **whose)
    bound = binding(record)
    return Situation(
        record=record,
        policy=policy,
        now=world.now(),
        verified_at=record.provenance.rounds[-1].at,
        read_only=acting.remove is None,
        brake_known=is_known,
        brake=brake,
        answered_before=removing.answered_before(acting, record),
        acted_before=began is not None and began.state != "intended" if key else None,
        captures_intact=custody.intact(record, acting.evidence) if record.capture else None,
        approval=acting.actions.approval(bound) if key else None,
        approval_is_spent_here=began is not None and began.state == "intended" and began.intent.approval == bound,
    )


def _began(acting: Acting, record: Record) -> Intended | None:
    """The intent of this pod that is to be gone on with, or looked after; None where none is.

    A pod that is gone can be proven no more: which one it was, the intent says, or what was captured from it.
    """
    key = removing.key_of(record) or removing.key_of(record, uid=record.capture.uid if record.capture else "")
    found = acting.actions.intent(key) if key else None
    if found is not None:
        # Another record of the same pod has begun: whoever sends first has acted for both.
        is_anothers = found.intent.record_id != record.id and found.state == "intended"
        return None if is_anothers else found
    # One that another record of the pod had intended, and this one sent, is told among this one's actions alone.
    told = (acting.actions.intent(action.id) for action in record.actions)
    mine = (*(one for one in told if one is not None), *acting.actions.of_record(record.id))
    sent = [one for one in mine if one.state != "intended"]
    return sent[-1] if sent else None


@contextlib.contextmanager
def _held(world: World, claim: Claim) -> Iterator[None]:
    """Let go of the claim whatever happens. What joined meanwhile is unread, and the sweep reads it."""
    try:
        yield
    finally:
        with contextlib.suppress(StoreError):
            world.records.release(claim, sys.maxsize)
