"""Step 7: may the pod be deleted? Pure, and closed by default: every guard must say yes.

The guards are asked in the order of `GUARDS`: what stops everything, what the project allows, whether the finding
stands, whether it is this pod, what its owner does, what is known, what was done before. A guard that cannot be
answered, or fails, is a no; no guards at all is a hold. Words in a cluster (labels, annotations) grant nothing.

How many actions an hour allows is not asked here: `ports.Actions.intend` counts and keeps in one step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

from responder.evidence import Cluster, Found, Missing, Node, OwnerChain, OwnerRef, Pod, SccFinding, Workload
from responder.policy import Exemption, Policy, ProjectPolicy
from responder.ports import Approval, Brake
from responder.record import NO_PROGRAM, NOTHING_TO_TAKE, Capture, Decision, Guard, Record, judged, of_capture
from responder.standing import is_muted, standing

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the guards look at. What is None was not asked, or could not be answered: its guard says no.

    `record` has evidence and triage as they are now: verified anew where `act` asks. `respond` leaves the rest None.
    `brake` is the Brake that is on, or None; `brake_known` whether it could be read. `answered_before` is the key of an
    intent for the same workload and image, empty where there is none. `captures_intact` is whether every capture was
    read back with the same hash (None: not asked). `approval_is_spent_here`: the approval was used for this very pod,
    whose request has not left yet. `others_waiting` are ids of the pod's other records whose container is still to be
    entered.
    """

    record: Record
    policy: Policy
    now: datetime
    verified_at: datetime | None = None
    read_only: bool = False
    brake_known: bool = False
    brake: Brake | None = None
    answered_before: str | None = None
    acted_before: bool | None = None
    captures_intact: bool | None = None
    others_waiting: tuple[str, ...] | None = None
    approval: Approval | None = None
    approval_is_spent_here: bool = False


VERIFIED_FOR = timedelta(seconds=120)
"""How long SCC's and the cluster's word holds for a decision that `act` makes."""

OTHERS_CAPTURED: Final = "others-captured"
"""The one guard whose no passes by itself: the other record is at work."""
BY_ACT: Final = "asked by act when it acts"

_SYSTEM: Final = ("kube-", "gke-", "gmp-", "istio-", "config-management-")
_SYSTEM_EXACT: Final = frozenset({"gatekeeper-system", "cnrm-system"})
_MIRROR: Final = "kubernetes.io/config.mirror"
_GROUPS: Final = {
    "Deployment": "apps",
    "ReplicaSet": "apps",
    "StatefulSet": "apps",
    "DaemonSet": "apps",
    "Job": "batch",
    "CronJob": "batch",
}
_CONTROLLERS: Final = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet", "Job"})
_NOT_COUNTED: Final = frozenset({"Job", "CronJob", "DaemonSet"})
_RANK: Final = {"suspicious": 1, "malicious": 2}

_NO_POLICY: Final = "no policy is in force"

Answer = tuple[bool | None, str]


class _NotKnownError(Exception):
    """Something that a guard needs is missing; `str()` is its detail."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One guard: its name, which is stable, and the question. `by_act`: only `act` can answer it."""

    name: str
    question: Callable[[Situation], Answer]
    by_act: bool = False

    def __call__(self, situation: Situation) -> Guard:
        """The guard's answer; a question that fails was not answered."""
        try:
            ok, detail = self.question(situation)
        except _NotKnownError as missing:
            return Guard(name=self.name, ok=None, detail=str(missing))
        except Exception as error:  # noqa: BLE001 - a mistake in one guard must hold the pod, not lose the record
            # The type alone: the text of an error may carry the attacker's words.
            return Guard(name=self.name, ok=None, detail=f"the guard failed: {type(error).__name__}")
        return Guard(name=self.name, ok=ok, detail=detail)


# --- what the guards read ---------------------------------------------------------------------------------------------


def _value(answer: Found[T] | Missing, name: str) -> T:
    if isinstance(answer, Missing):
        later = f"; it may come at {answer.retry_at:%Y-%m-%d %H:%M:%SZ}" if answer.retry_at else ""
        raise _NotKnownError(f"{name} is missing ({answer.why}){later}")
    return answer.value


def _scc(s: Situation) -> SccFinding:
    return _value(s.record.evidence.scc, "the finding in SCC")


def _cluster(s: Situation) -> Cluster:
    return _value(s.record.evidence.cluster, "the cluster")


def _pod(s: Situation) -> Pod:
    return _value(s.record.evidence.pod, "the pod")


def _chain(s: Situation) -> OwnerChain:
    chain = _value(s.record.evidence.owners, "the pod's owner")
    if not chain.complete:
        raise _NotKnownError("the owner chain could not be read to its top")
    return chain


def _top(s: Situation) -> Workload:
    links = _chain(s).links
    if not links:
        raise _NotKnownError("the pod has no owner")
    return links[-1]


def _project(s: Situation) -> ProjectPolicy:
    project = s.policy.of_subject(s.record.provenance.subject)
    if project is None:
        raise _NotKnownError("the project is not named in the policy, with this id and this number")
    return project


# --- what stops everything, and what the project allows ---------------------------------------------------------------


def _not_read_only(s: Situation) -> Answer:
    return not s.read_only, "RESPONDER_READ_ONLY is set" if s.read_only else "RESPONDER_READ_ONLY is not set"


def _brake_off(s: Situation) -> Answer:
    if not s.brake_known:
        return None, "the brake could not be read, which counts as on"
    if s.brake is not None:
        return False, f"the brake is on for {s.brake.project or 'all projects'}"
    return True, "no brake is on"


def _policy_in_force(s: Situation) -> Answer:
    if not s.policy.sha256:
        return False, s.policy.problem or _NO_POLICY
    return True, f"policy.toml with sha256 {s.policy.sha256[:12]}"


def _project_named(s: Situation) -> Answer:
    return True, f"the policy names {_project(s).id} with its number"


def _project_agrees(s: Situation) -> Answer:
    """The project by the cluster and by Resource Manager: the cluster tells one of its two names, and SCC the other."""
    project, cluster = _project(s), _cluster(s)
    owning = _value(s.record.evidence.project, "the project in Resource Manager")
    names = {project.id, project.number}
    linked = cluster.self_link.partition("/projects/")[2].partition("/")[0]
    if cluster.project_id != project.id or linked not in names:
        return False, "the cluster is of another project than the policy's"
    if (owning.project_id, owning.number) != (project.id, project.number):
        return False, "Resource Manager has another id or number for the project than the policy"
    return True, "the cluster is of the policy's project, and Resource Manager has the same id and number for it"


def _cluster_agrees(s: Situation) -> Answer:
    cluster, subject = _cluster(s), s.record.provenance.subject
    if (cluster.name, cluster.location) != (subject.cluster, subject.location):
        return False, "the cluster that answered is not the finding's"
    if cluster.newer_than_event:
        return False, "the cluster was created after the event: another one of the same name"
    return True, "the cluster is the finding's"


def _mode_allows(s: Situation) -> Answer:
    mode = _project(s).remediate
    return mode != "off", f'the project has remediate = "{mode}"'


# --- whether the finding stands ---------------------------------------------------------------------------------------


def _not_a_test(s: Situation) -> Answer:
    """The mark takes power away and gives none: whoever forges it holds a pod that would have been held without it."""
    if not s.record.findings:
        return None, "the record has no finding"
    marked = any(standing(one).test for one in s.record.findings)
    return not marked, "a finding of the record is a test of the doctor's" if marked else "no finding of it is a test"


def _findings_confirmed(s: Situation) -> Answer:
    """Every finding that counts for the verdict is SCC's, and so are its words: what SCC does not have counts not."""
    counted = judged(s.record.findings)
    if not counted:
        return None, "no finding was judged: SCC has none of them"
    open_ = [one for one in counted if one.confirmed != "yes"]
    if open_:
        why = f": {open_[0].doubt}" if open_[0].doubt else ""
        return None, f"of {len(counted)} kinds that were judged, SCC did not confirm {len(open_)}{why}"
    return True, "SCC confirms every finding that was judged"


def _finding_active(s: Situation) -> Answer:
    """By SCC's word, and by the latest that was published of each recorded finding."""
    scc, told = _scc(s), [standing(one) for one in s.record.findings]
    if not told:
        return None, "the record has no finding"
    if scc.state != "ACTIVE" or not all(one.active for one in told):
        return False, "a finding of the record is not ACTIVE"
    if is_muted(scc.mute) or any(one.muted for one in told):
        return False, "a finding of the record is muted"
    return True, "every finding is ACTIVE, and none is muted"


def _finding_fresh(s: Situation) -> Answer:
    limit = timedelta(minutes=_project(s).finding_age_minutes)
    approval = s.approval if _is_asked(s) else None
    measured = approval.asked_at if approval and _project(s).remediate == "approve" else s.now
    age = measured - _scc(s).event_time
    if age < timedelta(0):
        return False, "the finding's eventTime lies in the future"
    when = "when approval was asked for" if measured is not s.now else "now"
    return (
        age <= limit,
        f"{int(age.total_seconds()) // 60} of at most {limit // timedelta(minutes=1)} minutes old {when}",
    )


def _verified_lately(s: Situation) -> Answer:
    _scc(s)
    if s.verified_at is None:
        return None, "SCC and the cluster were not asked again"
    age = s.now - s.verified_at
    seconds = int(VERIFIED_FOR.total_seconds())
    return timedelta(0) <= age <= VERIFIED_FOR, f"verified {int(age.total_seconds())} s ago, of at most {seconds}"


def _verdict_high_enough(s: Situation) -> Answer:
    verdict, least = s.record.triage.verdict, _project(s).least_verdict
    return _RANK.get(verdict, 0) >= _RANK[least], f"the verdict is {verdict}, and at least {least} is asked for"


# --- whether it is this pod -------------------------------------------------------------------------------------------


def _one_pod(s: Situation) -> Answer:
    subject = s.record.provenance.subject
    if not s.record.findings or not subject.namespace or not subject.pod:
        return None, "no pod is named"
    for finding in s.record.findings:
        if standing(finding).pods != {(subject.namespace, subject.pod)}:
            return False, "a finding of the record names another pod, more than one, or none"
    return True, "every finding names this one pod"


def _pod_proven(s: Situation) -> Answer:
    subject, pod = s.record.provenance.subject, _pod(s)
    proof = _value(s.record.evidence.proof, "the proof of the pod")
    if proof.verdict != "proven" or any(check.ok is not True for check in proof.checks):
        return False, f"that it is the finding's pod is {proof.verdict}"
    if not pod.uid or proof.uid != pod.uid:
        return False, "the pod that was proven is not the pod that was read"
    if (pod.namespace, pod.name) != (subject.namespace, subject.pod):
        return False, "the pod that was read is not the record's"
    return True, f"proven, with UID {pod.uid}"


def _pod_not_ending(s: Situation) -> Answer:
    ending = _pod(s).deletion_time is not None
    return not ending, "the pod is being deleted already" if ending else "nobody has deleted the pod"


def _namespace_open(s: Situation) -> Answer:
    name, protected = s.record.provenance.subject.namespace, _project(s).protected_namespaces
    if not name:
        return None, "no namespace is named"
    if name.startswith(_SYSTEM) or name in _SYSTEM_EXACT:
        return False, f"{name} is a namespace of the platform"
    return name not in protected, f"{name} is {'protected' if name in protected else 'not protected'} by the policy"


def _not_static(s: Situation) -> Answer:
    pod = _pod(s)
    by_node = pod.owner is not None and pod.owner.kind == "Node"
    if pod.static or by_node or _MIRROR in pod.annotations:
        return False, "a static pod: deleting its mirror does nothing"
    return True, "not a static pod"


def _priority_ordinary(s: Situation) -> Answer:
    name = _pod(s).priority_class
    system = name.startswith("system-")
    return not system, f"priority class {name}" if name else "no priority class"


# --- what its owner does ----------------------------------------------------------------------------------------------


def _not_bare(s: Situation) -> Answer:
    """Each link is the controller that the one below it names, by UID, up to one that nobody owns."""
    wanted: OwnerRef | None = _pod(s).owner
    if wanted is None:
        return False, "a bare pod: it would be gone for good"
    for link in _chain(s).links:
        named = (link.kind, link.name, link.uid)
        if wanted is None or not link.uid or named != (wanted.kind, wanted.name, wanted.uid):
            return False, "the owner that the pod names is not there: it may be gone for good"
        wanted = link.owner
    if wanted is not None:
        return False, "the top of the owner chain was not read"
    return True, f"owned by {_top(s).kind} {_top(s).name}"


def _owner_kind_allowed(s: Situation) -> Answer:
    top, direct = _top(s), _chain(s).links[0]
    for link in _chain(s).links:
        # A custom resource may bear the name of a kind of Kubernetes: the API group tells them apart.
        if link.kind not in _GROUPS or link.api_version.partition("/")[0] != _GROUPS[link.kind]:
            return False, f"{link.kind} of {link.api_version} is no controller of Kubernetes itself"
    if direct.kind not in _CONTROLLERS:
        return False, f"{direct.kind} does not control pods itself"
    return top.kind in _project(s).owner_kinds, f"the owner is a {top.kind}"


def _replicas_remain(s: Situation) -> Answer:
    top, least = _top(s), _project(s).ready_replicas
    if top.kind in _NOT_COUNTED:
        return True, f"not asked of a {top.kind}: it keeps no number of ready replicas"
    counted = next((link for link in reversed(_chain(s).links) if link.replicas is not None), None)
    if counted is None or counted.ready_replicas is None:
        return None, "how many replicas are ready is not known"
    # Whether this very pod is counted among the ready ones is not known: it is taken to be.
    remain = max(counted.ready_replicas - 1, 0)
    return remain >= least, f"{remain} ready without this pod, and at least {least} must remain"


def _not_exempt(s: Situation) -> Answer:
    for exemption in _project(s).exemption:
        if _is_exempt(s, exemption):
            return False, f"exempt by the policy: {exemption.why}"
    return True, "no exemption of the policy matches"


def _is_exempt(s: Situation, exemption: Exemption) -> bool:
    """Kind and name are of one object: the pod itself, or any link of its owner chain."""
    subject = s.record.provenance.subject
    place = ((exemption.cluster, subject.cluster), (exemption.namespace, subject.namespace))
    if any(given is not None and given != have for given, have in place):
        return False
    if exemption.kind is None and exemption.name is None:
        return True
    objects = (("Pod", subject.pod), *((link.kind, link.name) for link in _chain(s).links))
    return any(exemption.kind in {None, kind} and exemption.name in {None, name} for kind, name in objects)


# --- what is known, and what was done before --------------------------------------------------------------------------


def _evidence_found(s: Situation) -> Answer:
    names = _project(s).required_evidence
    for name in names:
        _value(getattr(s.record.evidence, name), name)
    return True, f"found: {', '.join(names)}" if names else "the policy asks for no evidence"


def _captures_kept(s: Situation) -> Answer:
    if not _project(s).capture:
        return True, "the project has capture = false"
    proof = _value(s.record.evidence.proof, "the proof of the pod")
    if s.record.capture is None:
        return False, "nothing was captured yet"
    wrong = _wrong_with(s.record.capture, s.record, proof.uid, may_be_empty=_project(s).capture_may_be_empty)
    if wrong:
        return False, wrong
    if s.captures_intact is None:
        return None, "what was captured was not read back"
    if not s.captures_intact:
        return False, "read back, it is another"
    empty = s.record.capture.impossible
    return True, f"nothing more could be taken: {empty}" if empty else "read back with the same hashes"


def _wrong_with(capture: Capture, record: Record, uid: str, *, may_be_empty: bool) -> str:
    """Why a capture does not stand for the pod; empty where it does, or where there was nothing to take."""
    if not uid or capture.uid != uid:
        return "what was captured is of another pod"
    if not capture.manifest or not capture.manifest_sha256:
        return "the manifest of the capture is not kept"
    if capture.impossible.startswith(NOTHING_TO_TAKE):
        is_held = capture.impossible.startswith(NO_PROGRAM) and not may_be_empty
        return f"{capture.impossible}: whoever took them away would have its files destroyed" if is_held else ""
    if capture.impossible:
        return "the capture was not possible now, and may be later"
    told = of_capture(record.artifacts)
    missed = sum(artifact.passing for artifact in told)
    if missed:
        return f"{missed} of what was to be captured did not come, and may at another try"
    statuses = {artifact.status for artifact in told}
    return "of what was to be captured, all failed" if "failed" in statuses and "captured" not in statuses else ""


def _others_captured(s: Situation) -> Answer:
    """What the pod's other containers hold is lost with the pod too."""
    if not _project(s).capture:
        return True, "the project has capture = false"
    if s.others_waiting is None:
        return None, "whether another record of the pod has yet to be captured is not known"
    if s.others_waiting:
        return False, f"of the pod's record {s.others_waiting[0]} nothing was captured yet, and it goes first"
    return True, "no other record of the pod waits for its capture"


def _not_answered(s: Situation) -> Answer:
    if s.answered_before is None:
        return None, "whether this workload and image were answered before is not known"
    if s.answered_before:
        return False, "this workload with this image was answered before: deleting does not cure it"
    return True, "this workload with this image was not answered before"


def _not_acted(s: Situation) -> Answer:
    if s.acted_before is None:
        return None, "whether this pod was acted on before is not known"
    return not s.acted_before, f"this pod was {'' if s.acted_before else 'not '}acted on before"


GUARDS: Final[tuple[Ask, ...]] = (
    Ask("not-read-only", _not_read_only, by_act=True),
    Ask("brake-off", _brake_off, by_act=True),
    Ask("policy-in-force", _policy_in_force),
    Ask("project-named", _project_named),
    Ask("project-agrees", _project_agrees),
    Ask("cluster-agrees", _cluster_agrees),
    Ask("mode-allows", _mode_allows),
    Ask("not-a-test", _not_a_test),
    Ask("findings-confirmed", _findings_confirmed),
    Ask("finding-active", _finding_active),
    Ask("finding-fresh", _finding_fresh),
    Ask("verified-lately", _verified_lately, by_act=True),
    Ask("verdict-high-enough", _verdict_high_enough),
    Ask("one-pod", _one_pod),
    Ask("pod-proven", _pod_proven),
    Ask("pod-not-ending", _pod_not_ending),
    Ask("namespace-open", _namespace_open),
    Ask("not-static", _not_static),
    Ask("priority-ordinary", _priority_ordinary),
    Ask("not-bare", _not_bare),
    Ask("owner-kind-allowed", _owner_kind_allowed),
    Ask("replicas-remain", _replicas_remain),
    Ask("not-exempt", _not_exempt),
    Ask("evidence-found", _evidence_found),
    Ask("captures-kept", _captures_kept, by_act=True),
    Ask(OTHERS_CAPTURED, _others_captured, by_act=True),
    Ask("not-answered-before", _not_answered, by_act=True),
    Ask("not-acted-before", _not_acted, by_act=True),
)
"""In this order. The names are stable: records, policies and reports of years refer to them."""


# --- whether a container may be entered -------------------------------------------------------------------------------

_TO_ENTER: Final = frozenset(
    {
        "not-read-only", "brake-off", "policy-in-force", "project-named", "project-agrees", "cluster-agrees",
        "not-a-test", "finding-active", "finding-fresh", "verified-lately", "one-pod", "pod-proven", "namespace-open",
        "not-exempt",
    }
)  # fmt: skip


def may_enter(situation: Situation) -> str:
    """Why no command may be run in the pod's container; empty where every guard that stands before that says yes.

    Taking evidence changes nothing, so that neither verdict nor owner is asked for; whose pod it is, is.
    """
    project = situation.policy.of_subject(situation.record.provenance.subject)
    if project is None:
        return "the project is not named in the policy"
    if not project.capture:
        return "the project has capture = false"
    answers = [guard(situation) for guard in GUARDS if guard.name in _TO_ENTER]
    return "; ".join(f"{answer.name}: {answer.detail}" for answer in answers if answer.ok is not True)


# --- the decision -----------------------------------------------------------------------------------------------------


def would(situation: Situation, guards: tuple[Ask, ...] = GUARDS) -> Decision:
    """What `respond` records: always a hold, and whether every guard that it can answer says yes."""
    answers = tuple(Guard(name=g.name, ok=None, detail=BY_ACT) if g.by_act else g(situation) for g in guards)
    asked = tuple(answer for answer, guard in zip(answers, guards, strict=True) if not guard.by_act)
    decision = _decision(situation, answers, asked, made_by="respond")
    return decision.model_copy(update={"reasons": (_said_of_mode(decision), *decision.reasons)})


def decide(situation: Situation, guards: tuple[Ask, ...] = GUARDS) -> Decision:
    """What `act` may do now. The only place from which a `delete_pod` comes."""
    answers = tuple(guard(situation) for guard in guards)
    decision = _decision(situation, answers, answers, made_by="act")
    if decision.would == "hold":
        return decision
    if decision.mode == "auto":
        return decision.model_copy(update={"kind": "delete_pod", "reasons": ("every guard says yes",)})
    if decision.mode == "approve":
        return _by_approval(situation, decision)
    # Shadow, and any mode that is added and not thought of here.
    return decision.model_copy(update={"reasons": (_said_of_mode(decision),)})


def _decision(
    s: Situation, answers: tuple[Guard, ...], asked: tuple[Guard, ...], *, made_by: Literal["respond", "act"]
) -> Decision:
    """A hold, with what the guards that were `asked` allow."""
    project = s.policy.of_subject(s.record.provenance.subject)
    noes = _noes(asked)
    allowed = bool(asked) and not noes and project is not None
    proof = s.record.evidence.proof
    return Decision(
        would="delete_pod" if allowed else "hold",
        reasons=noes if asked else ("no guard was asked",),
        guards=answers,
        mode=project.remediate if project else "off",
        uid=proof.value.uid if allowed and isinstance(proof, Found) else "",
        method="evict" if project and project.gentle else "delete",
        grace_seconds=project.grace_seconds if project else 0,
        made_by=made_by,
        made_at=s.now,
        policy=s.policy.sha256 or s.policy.problem or _NO_POLICY,
    )


def _noes(asked: tuple[Guard, ...]) -> tuple[str, ...]:
    """Each reason once: that the project is not named is why many a guard cannot be answered."""
    told: dict[str, str] = {}
    for guard in asked:
        if guard.ok is not True:
            told.setdefault(guard.detail, f"{guard.name}: {guard.detail}")
    return tuple(told.values())


def _said_of_mode(decision: Decision) -> str:
    what = "the pod would be deleted" if decision.would == "delete_pod" else "nothing would be done"
    if decision.mode == "shadow":
        return f"the project is in shadow: {what}, and only this is recorded"
    if decision.mode == "off":
        return "the project has not opted in: nothing is done"
    how = "after an approval" if decision.mode == "approve" else "without asking"
    if decision.would == "hold":
        return f'the project has remediate = "{decision.mode}": {what}'
    return f'the project has remediate = "{decision.mode}": {what} {how}, once act has asked every guard'


def _by_approval(s: Situation, decision: Decision) -> Decision:
    """Waits while the question is open; an approval that was refused, used, forged or late holds, and stays so.

    What was answered goes before the time: a rejection is one also when it is looked at later.
    """
    bound = decision.model_copy(update={"binding": binding(s.record)})
    approval = s.approval
    if approval is None or not _is_asked(s):
        return bound.model_copy(update={"kind": "await_approval", "reasons": ("an approval is to be asked for",)})
    bound = bound.model_copy(update={"approve_by": approval.until})
    is_over = s.now >= approval.until
    if approval.state == "waiting" and not is_over:
        return bound.model_copy(update={"kind": "await_approval", "reasons": ("an approval is waited for",)})
    refusal = _refusal(s, approval) or ("the time for an approval is over" if is_over else "")
    if refusal:
        return bound.model_copy(update={"reasons": (refusal,)})
    reasons = (f"every guard says yes, and {approval.by} approved",)
    return bound.model_copy(update={"kind": "delete_pod", "reasons": reasons})


def _refusal(s: Situation, approval: Approval) -> str:
    """Why an approval that is not waited for gives no right to act, whatever the time; empty where it does."""
    if approval.state == "waiting":
        return "nobody answered in the time for an approval"
    if approval.state != "approved" and not (approval.state == "used" and s.approval_is_spent_here):
        return f"the approval was {approval.state}"
    if approval.by not in _project(s).approvers:
        return "who approved is not one of the project's approvers"
    if approval.at is None or not approval.asked_at <= approval.at <= s.now:
        return "when it was approved does not fit: before it was asked for, or later than now"
    return ""


def _is_asked(s: Situation) -> bool:
    """Whether the approval is of this very question: record, project, pod and evidence as they are now."""
    approval, proof = s.approval, s.record.evidence.proof
    if approval is None or not isinstance(proof, Found) or approval.asked_at > s.now:
        return False
    asked = (approval.binding, approval.record_id, approval.project, approval.uid)
    subject = s.record.provenance.subject
    return asked == (binding(s.record), s.record.id, subject.project_id, proof.value.uid)


# --- what an approval is bound to -------------------------------------------------------------------------------------


def binding(record: Record) -> str:
    """Sha256 (hex) of record, pod UID, action, the facts of pod, owner, node and capture, and how often it was asked.

    Only what does not move by itself counts: no status, no counters, no labels, and no findings, so that one that joins
    voids nothing. What is missing counts as such, whatever the reason. `investigate --again` makes it another question:
    one that was rejected or ran out can be asked anew, and no answer of before counts for it.
    """
    evidence = record.evidence
    proof = evidence.proof.value if isinstance(evidence.proof, Found) else None
    facts = {
        "record": record.id,
        "action": "delete_pod",
        "uid": proof.uid if proof else "",
        "pod": _facts_of_pod(evidence.pod.value) if isinstance(evidence.pod, Found) else None,
        "owners": _facts_of_chain(evidence.owners.value) if isinstance(evidence.owners, Found) else None,
        "node": _facts_of_node(evidence.node.value) if isinstance(evidence.node, Found) else None,
        "capture": _facts_of_capture(record.capture) if record.capture else None,
        "again": sum(one.count for one in record.provenance.rounds if one.kind == "again"),
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


_NODE: Final = {"name", "instance_id", "zone", "provider_id", "create_time"}
_CAPTURE: Final = {"uid", "container", "image_digest", "manifest_sha256", "impossible"}
_POD_MOVES: Final = {"phase", "pod_ip", "deletion_time", "labels", "annotations", "containers"}
_CONTAINER_MOVES: Final = {"state", "reason", "started_at", "finished_at", "restarts"}
_LINK: Final = {"api_version", "kind", "name", "uid", "namespace"}


def _facts_of_pod(pod: Pod) -> dict[str, object]:
    # A debug container that an analyst adds while the question waits is no other pod.
    lasting = (container for container in pod.containers if container.kind != "ephemeral")
    containers = [container.model_dump(mode="json", exclude=_CONTAINER_MOVES) for container in lasting]
    return {**pod.model_dump(mode="json", exclude=_POD_MOVES), "containers": containers}


def _facts_of_node(node: Node) -> dict[str, object]:
    return node.model_dump(mode="json", include=_NODE)


def _facts_of_chain(chain: OwnerChain) -> dict[str, object]:
    return {"complete": chain.complete, "links": [link.model_dump(mode="json", include=_LINK) for link in chain.links]}


def _facts_of_capture(capture: Capture) -> dict[str, object]:
    return capture.model_dump(mode="json", include=_CAPTURE)
