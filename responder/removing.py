"""Step 7: intent, rehearsal, one request, and a look at what became of it. Writes what happened, not what was meant."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from responder.compose import NOTHING_DONE, finish, policy_of
from responder.errors import Refused, StoreError, Unanswered, Unconfirmed
from responder.evidence import Found, Pod
from responder.looking import MAY_YET_SEND, STILL_RUNS, look
from responder.policy import ProjectPolicy
from responder.ports import (
    ANOTHER_IS_OPEN,
    SAME_WAS_SENT,
    Access,
    Acting,
    Brake,
    Claim,
    Intended,
    Intent,
    Kubernetes,
    Limit,
    Remover,
    World,
)
from responder.record import FINAL, Action, Outcome, OutcomeKind, Record
from responder.watching import compiles_again, replacement

_AGAIN: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_LOOK: Final = timedelta(seconds=20)
"""How long beyond the pod's grace its end is waited for; what is still there then is looked at by the next call."""
_LAST: Final = timedelta(days=7)
"""How long after the request it is asked what became of the pod: a cluster that nobody reaches will not tell."""
TAKEN: Final = "our request was taken"
NOT_KNOWN: Final = "whether our request or somebody else ended it is not known"
GONE: Final[frozenset[OutcomeKind]] = frozenset({"deleted", "replaced"})


def lease(world: World) -> timedelta:
    """How long a claim holds at most: two gatherings, a delete with its grace, and the look at what became of it."""
    return 2 * world.settings.deadline + timedelta(minutes=1)


def remove(world: World, acting: Acting, claim: Claim, record: Record, project: ProjectPolicy) -> Record:
    """What `decision` says, to exactly `decision.uid`, at most once whatever is repeated."""
    key = key_of(record)
    try:
        remover = _ready(world, acting, record, project)
        # Whoever comes after a crash finds by which decision the request left, if it left.
        record = _about_to_send(world, claim, record)
        claim = world.records.renew(claim, lease(world), world.now())
        # The last thing that is asked: what comes before it may take its time.
        _let_go(acting, record)
    except _NotNowError as why:
        return _not_yet(world, claim, record, str(why)) if why.again else _held_back(world, claim, record, str(why))
    except Refused as error:
        done = _there(acting, key)
        # Another record of this pod may have sent meanwhile: what became of that is seen, not concluded from this no.
        if done.state != "intended":
            return seen(world, acting, claim, record, done)
        return _refused(world, acting, claim, record, error)
    decision, sent_at = record.decision, world.now()
    mine, taken = acting.actions.send(key, sent_at, decision.method, decision.binding), False
    if mine:
        try:
            _call(remover.evict if decision.method == "evict" else remover.delete, record)
            taken = True
        except Refused as error:
            if error.retry:
                return _put_off(world, acting, claim, record, error, sent_at)
            return _refused(world, acting, claim, record, error)
        except Unconfirmed:
            world.records.count("act.unconfirmed")
    # Where another record of this pod was faster, what became of it is looked at all the same.
    return seen(world, acting, claim, record, _there(acting, key), mine=mine, taken=taken)


class _NotNowError(Exception):
    """Nothing has left, and nothing leaves now. `again`: it is tried again in a minute."""

    def __init__(self, why: str, *, again: bool = False) -> None:
        super().__init__(why)
        self.again = again


def _ready(world: World, acting: Acting, record: Record, project: ProjectPolicy) -> Remover:
    """The intent kept and counted, the approval spent, the request rehearsed: what may send it.

    Refused where the API server's no to the rehearsal is its last word.
    """
    if acting.remove is None:
        raise _NotNowError("RESPONDER_READ_ONLY is set")
    now, decision = world.now(), record.decision
    intended = acting.actions.intend(_intent(record, now), _limits(project))
    if isinstance(intended, str):
        if intended in {ANOTHER_IS_OPEN, SAME_WAS_SENT}:
            # What becomes of the other one decides: it may be refused, and then this one's turn comes.
            raise _NotNowError(intended, again=intended == ANOTHER_IS_OPEN)
        raise _NotNowError(f"the limit is used up: {intended}")
    if intended.state == "intended" and now - intended.intent.at >= _HOUR:
        # It was counted in an hour that is over. Were all of those sent once they can be, no limit would hold.
        raise _NotNowError("it could not be done within the hour that its limit counted it in")
    if decision.mode == "approve" and not acting.actions.use(decision.binding, key_of(record), now):
        raise _NotNowError("the approval was used before, or its time is over")
    try:
        remover = acting.remove(access(world, record))
        _call(functools.partial(remover.rehearse, method=decision.method), record)
    except Unanswered as error:
        raise _NotNowError(error.detail, again=True) from None
    except Unconfirmed:
        raise _NotNowError("the rehearsal got no answer", again=True) from None
    except Refused as error:
        if error.retry:
            raise _NotNowError(error.detail, again=True) from None
        raise
    return remover


def _call(do: Callable[..., None], record: Record) -> None:
    subject, decision = record.provenance.subject, record.decision
    do(subject.namespace, subject.pod, uid=decision.uid, grace_seconds=decision.grace_seconds)


def _intent(record: Record, now: datetime) -> Intent:
    subject, traits, decision = record.provenance.subject, record.provenance.traits, record.decision
    return Intent(
        key=key_of(record),
        record_id=record.id,
        project=subject.project_id,
        namespace=subject.namespace,
        workload=traits.owner,
        image_digest=traits.image_digest,
        pod=subject.pod,
        uid=decision.uid,
        method=decision.method,
        at=now,
        approval=decision.binding,
    )


def seen(
    world: World,
    acting: Acting,
    claim: Claim,
    record: Record,
    done: Intended,
    *,
    mine: bool = False,
    taken: bool = False,
) -> Record:
    """The request may have left: look, and say what is there. It is never sent again.

    `mine`: this worker sent it. Another one's may leave yet, however dead it seems. `taken`: and was told that it was
    taken; else somebody else may have ended a pod that is gone, and that is said. Once it is gone, what came in its
    place is looked at: at once, and at the end of the watch.
    """
    try:
        kube = world.connect(access(world, record))
    except Unanswered as error:
        outcome = Outcome(kind="unknown", detail=f"the pod could not be read: {error.detail}", at=world.now())
        if done.state == "settled":
            outcome = _settled(record, done, world.now())
        return _looked_again(world, acting, claim, record, outcome, done)
    if done.state == "settled":
        outcome = _settled(record, done, world.now())
    else:
        outcome = _looked(world, acting, kube, record, done, mine=mine)
        outcome = _whose(outcome, is_ours=taken or any(step.endswith(TAKEN) for step in done.steps))
        acting.actions.settle(done.intent.key, outcome.kind, outcome.detail, world.now())
        world.records.count(f"act.{outcome.kind}")
    if outcome.kind not in GONE:
        return _looked_again(world, acting, claim, record, outcome, done)
    return _watched(world, acting, claim, told(acting, record, outcome, done), kube, done)


def _whose(outcome: Outcome, *, is_ours: bool) -> Outcome:
    """The outcome, with a word of who did it: the next look at a pod that is marked has no answer of its own."""
    word = {("terminating", True): TAKEN, ("deleted", False): NOT_KNOWN}.get((outcome.kind, is_ours))
    return outcome.model_copy(update={"detail": f"{outcome.detail}; {word}"}) if word else outcome


def _looked(world: World, acting: Acting, kube: Kubernetes, record: Record, done: Intended, *, mine: bool) -> Outcome:
    subject, wait = record.provenance.subject, timedelta(seconds=record.decision.grace_seconds) + _LOOK

    def read() -> Pod:
        return kube.pod(subject.namespace, subject.pod)

    return look(
        read,
        uid=done.intent.uid,
        until=world.now() + wait,
        now=world.now,
        sleep=acting.sleep,
        quiet=done.sent_at + (STILL_RUNS if mine else MAY_YET_SEND) if done.sent_at else None,
        image_digest=done.intent.image_digest,
    )


def _settled(record: Record, done: Intended, now: datetime) -> Outcome:
    """What was seen for good, by whoever saw it: the record's own word where it is the same."""
    if record.outcome.kind == done.outcome:
        return record.outcome
    detail = done.steps[-1].partition(": ")[2] if done.steps else ""
    return Outcome(kind=_kind(done.outcome), detail=detail, at=now)


def _looked_again(
    world: World, acting: Acting, claim: Claim, record: Record, outcome: Outcome, done: Intended
) -> Record:
    """Where the outcome may change it is looked at again, ever more seldom; `unknown` ends a week after the request."""
    now = world.now()
    since = now - (done.sent_at or done.intent.at)
    due = None if outcome.kind in FINAL else now + max(_AGAIN, since / 4)
    if outcome.kind == "unknown" and since >= _LAST:
        detail = f"{outcome.detail}; a week after the request it is not looked at any more"
        due, outcome = None, outcome.model_copy(update={"detail": detail})
    return closed(world, claim, told(acting, record, outcome, done), due=due)


def _watched(world: World, acting: Acting, claim: Claim, record: Record, kube: Kubernetes, done: Intended) -> Record:
    """The record with what came in the pod's place; looked at once more when the watch is over."""
    sent, now = done.sent_at or done.intent.at, world.now()
    new = replacement(kube, record, since=sent, now=world.now, sleep=acting.sleep)
    if new is not None:
        new = new.model_copy(update={"compiles_again": compiles_again(world.records, record, new)})
    outcome = record.outcome.model_copy(update={"replacement": new})
    project = policy_of(world).of_subject(record.provenance.subject)
    over = sent + timedelta(minutes=project.watch_minutes if project else 0)
    return closed(world, claim, record.model_copy(update={"outcome": outcome}), due=over if now < over else None)


# --- what did not happen ----------------------------------------------------------------------------------------------


def _held_back(world: World, claim: Claim, record: Record, reason: str) -> Record:
    decision = record.decision.model_copy(update={"kind": "hold", "reasons": (reason, *record.decision.reasons)})
    world.records.count("act.held")
    return held(world, claim, record.model_copy(update={"decision": decision}))


def held(world: World, claim: Claim, record: Record, *, again: bool = False, due: datetime | None = None) -> Record:
    """Finished without an action, for good, until `due`, or for `again` in a minute. No try of before is told of."""
    if record.outcome.kind in {"held", "unknown"}:  # unknown: of a request that turned out to be refused
        record = _untold(record, Outcome(detail=NOTHING_DONE, at=record.outcome.at))
    return closed(world, claim, record, due=world.now() + _AGAIN if again else due)


def _not_yet(world: World, claim: Claim, record: Record, why: str) -> Record:
    """Nothing has left; it is tried again until a guard says no, which the finding's age does in the end."""
    outcome = Outcome(kind="held", detail=f"not done yet: {why}", at=world.now())
    return closed(world, claim, _untold(record, outcome), due=world.now() + _AGAIN)


def _put_off(world: World, acting: Acting, claim: Claim, record: Record, error: Refused, sent_at: datetime) -> Record:
    """A budget's no, or a connection that was never there: nothing was done, and within the hour it is tried again."""
    key = key_of(record)
    acting.actions.unsend(key, sent_at, error.detail, world.now())
    done = _there(acting, key)
    if done.state == "intended":
        return _not_yet(world, claim, record, error.detail)
    # Somebody who took this worker for dead has looked meanwhile: what was seen stands.
    return seen(world, acting, claim, record, done, mine=True)


def _refused(world: World, acting: Acting, claim: Claim, record: Record, error: Refused) -> Record:
    """The API server said no: nothing happened, and it is not asked again."""
    done = _there(acting, key_of(record))
    kind: OutcomeKind = "gone" if error.why == "not_found" else "failed"
    detail = error.detail + (f" ({error.mend})" if error.mend else "")
    outcome = Outcome(kind=kind, detail=detail, at=world.now())
    acting.actions.settle(done.intent.key, outcome.kind, outcome.detail, world.now())
    world.records.count(f"act.{outcome.kind}")
    return closed(world, claim, told(acting, record, outcome, done), due=None)


def _let_go(acting: Acting, record: Record) -> None:
    """The brake, asked in the last moment before the request; one that cannot be read is on."""
    brake, is_known = brake_of(acting, record)
    if not is_known:
        raise _NotNowError("the brake could not be read, which counts as on")
    if brake is not None:
        raise _NotNowError("the brake was pulled")


# --- the record -------------------------------------------------------------------------------------------------------


def told(acting: Acting, record: Record, outcome: Outcome, done: Intended) -> Record:
    """The record with what became of its pod, by which request, and who approved that one."""
    it, decision = done.intent, record.decision
    # Where it never left, it is what was decided that was refused.
    is_refused = done.sent_at is None and decision.kind == "delete_pod"
    method, binding = (decision.method, decision.binding) if is_refused else (done.method, done.approval)
    approval = acting.actions.approval(binding) if binding else None
    action = Action(
        id=it.key,
        kind=method,
        uid=it.uid,
        namespace=it.namespace,
        pod=it.pod,
        at=it.at,
        result=outcome.kind,
        approved_by=approval.by if approval else "",
        approved_at=approval.at if approval else None,
    )
    actions = (*(one for one in record.actions if one.id != action.id), action)
    return record.model_copy(update={"outcome": outcome, "actions": actions})


def _untold(record: Record, outcome: Outcome) -> Record:
    """The record with this outcome, and no word of an action that never happened to its pod."""
    actions = tuple(one for one in record.actions if one.id != key_of(record))
    return record.model_copy(update={"outcome": outcome, "actions": actions})


def kept(world: World, claim: Claim, record: Record) -> Record:
    """Saved as finished, and still wanted: whoever comes next goes on from here."""
    return _saved(world, claim, record, {"act": "wanted", "act_due": None})


def _about_to_send(world: World, claim: Claim, record: Record) -> Record:
    """Saved with its decision, before the request: whether that left, the intent alone says."""
    outcome = Outcome(kind="held", detail="the request is about to leave; whether it did is seen next", at=world.now())
    record = _untold(record, outcome)
    kept(world, claim, record)
    return record


def closed(world: World, claim: Claim, record: Record, *, due: datetime | None) -> Record:
    """Finished again: `act` is done with it, or comes back at `due`."""
    return _saved(world, claim, record, {"act": "wanted" if due else "done", "act_due": due})


def _saved(world: World, claim: Claim, record: Record, update: dict[str, object]) -> Record:
    done = finish(record, world.now())
    provenance = done.provenance.model_copy(update=update)
    return world.records.save(done.model_copy(update={"provenance": provenance}), claim)


# --- what it is about -------------------------------------------------------------------------------------------------


def key_of(record: Record, *, uid: str = "") -> str:
    """One action for each pod: cluster, namespace, `uid` or else the proven one. Empty where neither is."""
    proof, cluster = record.evidence.proof, record.evidence.cluster
    uid = uid or (proof.value.uid if isinstance(proof, Found) else "")
    if not isinstance(cluster, Found) or not uid:
        return ""
    return f"{cluster.value.self_link}/{record.provenance.subject.namespace}/{uid}"


def answered_before(acting: Acting, record: Record) -> str | None:
    """Key of another pod's intent for the same workload and image; None where one of them is not known."""
    traits = record.provenance.traits
    if not traits.owner or not traits.image_digest:
        return None
    found = acting.actions.answered(traits.owner, traits.image_digest)
    return "" if found == key_of(record) else found


def brake_of(acting: Acting, record: Record) -> tuple[Brake | None, bool]:
    """The brake that is on for the record's project, and whether it could be read: one that could not counts as on."""
    try:
        return acting.actions.brake(record.provenance.subject.project_id), True
    except StoreError:
        return None, False


def access(world: World, record: Record) -> Access:
    """The way into the cluster, from the Container API alone. `Unanswered` where there is none."""
    finding = next((one for one in record.findings if one.confirmed == "yes"), None)
    if finding is None:
        raise Unanswered("unverified", "SCC confirms no finding of the record, and no message names a cluster to us")
    if finding.cluster is None:
        raise Unanswered("not_asked", "the finding names no cluster")
    _, way = world.clusters.cluster(finding.cluster, event_time=finding.event_time)
    if way is None:
        raise Unanswered("unavailable", "no endpoint of the cluster can be used from here")
    return way


def _there(acting: Acting, key: str) -> Intended:
    found = acting.actions.intent(key)
    if found is None:
        message = "an intent that was kept is not there"
        raise StoreError(message)
    return found


def _limits(project: ProjectPolicy) -> tuple[Limit, ...]:
    per = project.per_hour
    return (
        Limit(scope="project", most=per.project, within=_HOUR),
        Limit(scope="namespace", most=per.namespace, within=_HOUR),
        Limit(scope="workload", most=per.workload, within=_HOUR),
    )


def _kind(text: str) -> OutcomeKind:
    kinds: tuple[OutcomeKind, ...] = ("held", "deleted", "terminating", "gone", "replaced", "failed")
    return next((kind for kind in kinds if kind == text), "unknown")
