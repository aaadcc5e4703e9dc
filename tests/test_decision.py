"""Step 7: a pod is deleted only where every guard says yes, and each input alone is enough for a no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.decision import BY_ACT, GUARDS, VERIFIED_FOR, Ask, Situation, binding, decide, would
from responder.evidence import Evidence, Missing, OwnerChain, OwnerRef, Project, Workload
from responder.finding import TEST_MARK, PodRef
from responder.policy import Exemption, Policy, ProjectPolicy
from responder.ports import Approval, Brake
from responder.record import (
    NO_PROGRAM,
    NOT_RUNNING,
    Artifact,
    Capture,
    Decision,
    Occurrence,
    Record,
    RecordedFinding,
    Triage,
)
from tests.builders import EVENT_TIME, TARGET, a_record, a_recorded, a_subject
from tests.sheets import NODE, UID, a_cluster, a_pod, a_proof, everything, found

NOW = EVENT_TIME + timedelta(minutes=10)
GONE = Missing(why="denied", detail="a test")
APPROVER = "sre@shop.test"
LINK = "https://container.googleapis.com/v1/projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod"

Change = Callable[[Situation], Situation]


# --- a situation in which every guard says yes ------------------------------------------------------------------------


def a_link(kind: str, name: str, *, owner: OwnerRef | None = None, **changes: Any) -> Workload:
    group = "batch/v1" if kind in {"Job", "CronJob"} else "apps/v1"
    values: dict[str, Any] = {"api_version": group, "kind": kind, "name": name, "uid": f"u-{name}", "owner": owner}
    return Workload(**(values | {"how_known": "ownerReferences", "replicas": 3, "ready_replicas": 3} | changes))


def named(link: Workload) -> OwnerRef:
    return OwnerRef(api_version=link.api_version, kind=link.kind, name=link.name, uid=link.uid)


TOP = a_link("Deployment", "checkout")
DIRECT = a_link("ReplicaSet", "checkout-7d9f8c5b4", owner=named(TOP))
POD = a_pod(owner=named(DIRECT))


def owned_by(*links: Workload) -> Change:
    """The pod under this chain, from its controller to the top."""
    chain = found(OwnerChain(links=links, complete=True))
    return evidence(owners=chain, pod=found(POD.model_copy(update={"owner": named(links[0])})))


def a_project(**changes: Any) -> ProjectPolicy:
    values: dict[str, Any] = {"id": "acme-shop-prod", "number": "421458901689", "remediate": "auto", "capture": True}
    return ProjectPolicy(**(values | {"approvers": (APPROVER,)} | changes))


def a_capture(**changes: Any) -> Capture:
    values: dict[str, Any] = {
        "at": NOW, "finished": NOW, "uid": UID, "namespace": "shop", "pod": TARGET.pod, "container": "checkout",
        "node": NODE, "image_digest": "sha256:62", "identity": "collector", "responder": "0.1.0",
        "manifest": "r/m.json", "manifest_sha256": "ab" * 32,
    }  # fmt: skip
    return Capture(**(values | changes))


def an_artifact(status: str) -> Artifact:
    return Artifact.model_validate({"path": "/tmp/k.c", "role": "source", "status": status})


def the_evidence(**changes: Any) -> Evidence:
    project = Project(
        project_id="acme-shop-prod", number="421458901689", display_name="", state="ACTIVE", labels={}
    )  # fmt: skip
    answers: dict[str, Any] = {
        "cluster": found(a_cluster(self_link=LINK)),
        "pod": found(POD),
        "owners": found(OwnerChain(links=(DIRECT, TOP), complete=True)),
        "project": found(project),
    }
    return everything(**(answers | changes))


def confirmed(**changes: Any) -> RecordedFinding:
    """A finding that SCC confirmed."""
    return a_recorded(**({"confirmed": "yes"} | changes))


def a_situation(**changes: Any) -> Situation:
    record = a_record(
        findings=(confirmed(),),
        evidence=the_evidence(),
        triage=Triage(verdict="malicious", summary="it is"),
        capture=a_capture(),
        artifacts=(an_artifact("captured"),),
    )
    values: dict[str, Any] = {
        "record": record,
        "policy": Policy(project=(a_project(),), sha256="cd" * 32),
        "now": NOW,
        "verified_at": NOW - timedelta(seconds=20),
        "brake_known": True,
        "answered_before": "",
        "acted_before": False,
        "captures_intact": True,
        "others_waiting": (),
    }
    return Situation(**(values | changes))


def an_approval(record: Record, **changes: Any) -> Approval:
    values: dict[str, Any] = {
        "binding": binding(record), "record_id": record.id, "project": "acme-shop-prod", "uid": UID,
        "asked_at": NOW - timedelta(minutes=5), "until": NOW + timedelta(minutes=55), "state": "approved",
        "by": APPROVER, "at": NOW - timedelta(minutes=1),
    }  # fmt: skip
    return Approval(**(values | changes))


# --- changes of one input ---------------------------------------------------------------------------------------------


def change(**changes: Any) -> Change:
    return lambda s: replace(s, **changes)


def record(**changes: Any) -> Change:
    return lambda s: replace(s, record=s.record.model_copy(update=changes))


def evidence(**changes: Any) -> Change:
    return lambda s: record(evidence=s.record.evidence.model_copy(update=changes))(s)


def of(question: str, **changes: Any) -> Change:
    """Fields of one answer."""

    def changed(s: Situation) -> Situation:
        answer = getattr(s.record.evidence, question)
        if isinstance(answer, Missing):  # another change took it away
            return s
        return evidence(**{question: found(answer.value.model_copy(update=changes))})(s)

    return changed


def subject(**changes: str) -> Change:
    def changed(s: Situation) -> Situation:
        return record(provenance=s.record.provenance.model_copy(update={"subject": a_subject(**changes)}))(s)

    return changed


def project(**changes: Any) -> Change:
    """The project's entry, however a file could not have it: the guard does not lean on the file's grammar."""

    def changed(s: Situation) -> Situation:
        entry = s.policy.project[0].model_copy(update=changes)
        return replace(s, policy=s.policy.model_copy(update={"project": (entry,)}))

    return changed


def both(*changes: Change) -> Change:
    def changed(s: Situation) -> Situation:
        for one in changes:
            s = one(s)
        return s

    return changed


def exempt(**given_: Any) -> Change:
    return project(exemption=(Exemption(why="payroll", **given_),))


def seen(state: str, mute: str) -> Occurrence:
    return Occurrence(event_time=EVENT_TIME, state=state, mute=mute, message_id="m-2", received=NOW)


def published(state: str = "ACTIVE", mute: str = "UNDEFINED") -> Change:
    first = confirmed()
    return record(findings=(replace(first, occurrences=(*first.occurrences, seen(state, mute))),))


def in_namespace(name: str) -> Change:
    """Everything in that namespace, so that the namespace alone is what is wrong."""
    pods = (PodRef(namespace=name, name=TARGET.pod),)
    return both(subject(namespace=name), of("pod", namespace=name), record(findings=(confirmed(pods=pods),)))


CUSTOM = a_link("Rollout", "checkout", api_version="argoproj.io/v1alpha1")
FAKE = a_link("Deployment", "checkout", api_version="evil.test/v1")
JOB = a_link("Job", "nightly", replicas=None, ready_replicas=None)
SET = a_link("StatefulSet", "checkout")

# Each row weakens one input, and exactly this guard says no. What follows from it elsewhere is in FOLLOWS.
WEAKER: tuple[tuple[str, Change], ...] = (
    ("not-read-only", change(read_only=True)),
    ("brake-off", change(brake_known=False)),
    ("brake-off", change(brake=Brake(on=True, project="", why="a drill", by=APPROVER, at=NOW))),
    ("policy-in-force", lambda s: replace(s, policy=s.policy.model_copy(update={"sha256": ""}))),
    ("project-agrees", of("project", number="1")),
    ("project-agrees", of("project", project_id="acme-other")),
    ("project-agrees", evidence(project=GONE)),
    ("project-agrees", of("cluster", project_id="acme-other")),
    ("project-agrees", of("cluster", self_link=LINK.replace("acme-shop-prod", "acme-other"))),
    ("project-agrees", of("cluster", self_link="")),
    ("cluster-agrees", of("cluster", newer_than_event=True)),
    ("cluster-agrees", of("cluster", name="shop-test")),
    ("cluster-agrees", of("cluster", location="europe-west1-c")),
    ("mode-allows", project(remediate="off")),
    ("not-a-test", record(findings=(confirmed(key=f"1750894040330370653/{TEST_MARK}1"),))),
    ("findings-confirmed", record(findings=(confirmed(confirmed="no"),))),
    ("findings-confirmed", record(findings=(confirmed(confirmed="not_known"),))),
    ("findings-confirmed", record(findings=(confirmed(), confirmed(key="1/2", confirmed="not_known")))),
    ("finding-active", of("scc", state="INACTIVE")),
    ("finding-active", of("scc", state="")),
    ("finding-active", of("scc", mute="MUTED")),
    ("finding-active", published(state="INACTIVE")),
    ("finding-active", published(mute="MUTED")),
    ("finding-fresh", of("scc", event_time=NOW - timedelta(minutes=60, seconds=1))),
    ("finding-fresh", of("scc", event_time=NOW + timedelta(seconds=1))),
    ("verified-lately", change(verified_at=None)),
    ("verified-lately", change(verified_at=NOW - VERIFIED_FOR - timedelta(seconds=1))),
    ("verified-lately", change(verified_at=NOW + timedelta(seconds=1))),
    ("verdict-high-enough", record(triage=Triage(verdict="suspicious", summary=""))),
    ("verdict-high-enough", record(triage=Triage(verdict="benign", summary=""))),
    ("verdict-high-enough", record(triage=Triage(verdict="insufficient_data", summary=""))),
    ("one-pod", record(findings=(confirmed(), confirmed(pods=(PodRef(namespace="shop", name="other"),))))),
    ("one-pod", record(findings=(confirmed(pods=(*a_recorded().pods, PodRef(namespace="shop", name="other"))),))),
    ("one-pod", record(findings=(confirmed(pods=()),))),
    ("pod-proven", of("proof", verdict="unproven")),
    ("pod-proven", of("proof", verdict="replaced")),
    ("pod-proven", of("proof", checks=(a_proof("unproven").checks[0].model_copy(update={"ok": None}),))),
    ("pod-proven", of("pod", uid="another")),
    ("pod-proven", of("pod", name="checkout-7d9f8c5b4-other")),
    ("pod-not-ending", of("pod", deletion_time=NOW)),
    ("namespace-open", project(protected_namespaces=("shop",))),
    *(
        ("namespace-open", in_namespace(name))
        for name in (
            "kube-system", "kube-public", "gke-managed-system", "gmp-system", "istio-system",
            "config-management-system", "gatekeeper-system", "cnrm-system",
        )
    ),
    ("not-static", of("pod", static=True)),
    ("not-static", of("pod", annotations={"kubernetes.io/config.mirror": "x"})),
    ("priority-ordinary", of("pod", priority_class="system-node-critical")),
    ("priority-ordinary", of("pod", priority_class="system-cluster-critical")),
    ("not-bare", of("pod", owner=None)),
    ("not-bare", owned_by(DIRECT.model_copy(update={"uid": ""}), TOP)),
    ("not-bare", owned_by(DIRECT, TOP.model_copy(update={"uid": ""}))),
    ("not-bare", owned_by(DIRECT, TOP.model_copy(update={"uid": "another"}))),
    ("not-bare", of("pod", owner=named(DIRECT).model_copy(update={"uid": "another"}))),
    ("not-bare", owned_by(DIRECT, TOP.model_copy(update={"owner": named(CUSTOM)}))),
    ("owner-kind-allowed", project(owner_kinds=("StatefulSet",))),
    ("owner-kind-allowed", owned_by(SET)),
    ("owner-kind-allowed", owned_by(JOB)),
    ("owner-kind-allowed", owned_by(a_link("ReplicaSet", "checkout-7d9f8c5b4", owner=named(CUSTOM)), CUSTOM)),
    ("owner-kind-allowed", owned_by(a_link("ReplicaSet", "checkout-7d9f8c5b4", owner=named(FAKE)), FAKE)),
    ("owner-kind-allowed", owned_by(TOP)),
    ("replicas-remain", project(ready_replicas=3)),
    ("replicas-remain", owned_by(DIRECT, TOP.model_copy(update={"ready_replicas": 1}))),
    ("replicas-remain", owned_by(DIRECT, TOP.model_copy(update={"ready_replicas": None}))),
    ("not-exempt", exempt(cluster="shop-prod")),
    ("not-exempt", exempt(namespace="shop")),
    ("not-exempt", exempt(kind="Deployment", name="checkout")),
    ("not-exempt", exempt(kind="ReplicaSet")),
    ("not-exempt", exempt(kind="Pod", name=TARGET.pod)),
    ("not-exempt", exempt(name=TARGET.pod)),
    ("evidence-found", evidence(node=GONE)),
    ("evidence-found", evidence(pod_log=GONE)),
    ("evidence-found", evidence(audit_log=GONE)),
    ("evidence-found", both(evidence(related=GONE), project(required_evidence=("related",)))),
    ("captures-kept", record(capture=None)),
    ("captures-kept", record(capture=a_capture(uid="another"))),
    ("captures-kept", record(capture=a_capture(manifest=""))),
    ("captures-kept", record(capture=a_capture(manifest_sha256=""))),
    ("captures-kept", record(capture=a_capture(impossible="denied: pods.exec"))),
    ("captures-kept", record(capture=a_capture(impossible=NO_PROGRAM), artifacts=())),
    ("captures-kept", record(artifacts=(an_artifact("failed"), an_artifact("left_out")))),
    ("captures-kept", change(captures_intact=None)),
    ("captures-kept", change(captures_intact=False)),
    ("others-captured", change(others_waiting=None)),
    ("others-captured", change(others_waiting=("ab" * 16,))),
    ("not-answered-before", change(answered_before=None)),
    ("not-answered-before", change(answered_before="a/key")),
    ("not-acted-before", change(acted_before=None)),
    ("not-acted-before", change(acted_before=True)),
)  # fmt: skip

# Inputs on which several guards rest: all of them say no.
FOLLOWS: tuple[tuple[frozenset[str], Change], ...] = (
    (
        frozenset({"project-named", "project-agrees", "mode-allows", "finding-fresh", "verdict-high-enough"})
        | {"namespace-open", "owner-kind-allowed", "replicas-remain", "not-exempt", "evidence-found", "captures-kept"}
        | {"others-captured"},
        project(number="1"),
    ),
    (frozenset({"finding-active", "finding-fresh", "verified-lately", "evidence-found"}), evidence(scc=GONE)),
    (frozenset({"project-agrees", "cluster-agrees", "evidence-found"}), evidence(cluster=GONE)),
    (frozenset({"not-bare", "owner-kind-allowed", "replicas-remain", "evidence-found"}), evidence(owners=GONE)),
    (frozenset({"not-bare", "owner-kind-allowed", "replicas-remain"}), of("owners", complete=False)),
    (frozenset({"not-bare", "owner-kind-allowed", "replicas-remain"}), of("owners", links=())),
    (frozenset({"pod-proven", "captures-kept", "evidence-found"}), evidence(proof=GONE)),
    (
        frozenset({"pod-proven", "pod-not-ending", "not-static", "priority-ordinary", "not-bare", "evidence-found"}),
        evidence(pod=GONE),
    ),
    (frozenset({"one-pod", "finding-active", "findings-confirmed", "not-a-test"}), record(findings=())),
)


def noes(decision: Decision) -> set[str]:
    return {guard.name for guard in decision.guards if guard.ok is not True}


# --- the table --------------------------------------------------------------------------------------------------------


def test_a_pod_of_which_every_guard_says_yes_is_deleted_by_its_uid() -> None:
    decision = decide(a_situation())
    assert noes(decision) == set()
    assert (decision.kind, decision.would, decision.uid, decision.made_by) == ("delete_pod", "delete_pod", UID, "act")
    assert (decision.method, decision.grace_seconds, decision.policy) == ("delete", 5, "cd" * 32)


@pytest.mark.parametrize(("name", "weaken"), WEAKER, ids=[f"{i}-{name}" for i, (name, _) in enumerate(WEAKER)])
def test_one_weaker_input_flips_exactly_its_guard_and_the_pod_stays(name: str, weaken: Change) -> None:
    decision = decide(weaken(a_situation()))
    assert noes(decision) == {name}
    assert (decision.kind, decision.would, decision.uid) == ("hold", "hold", "")
    assert [reason.partition(":")[0] for reason in decision.reasons] == [name]


@pytest.mark.parametrize(("names", "weaken"), FOLLOWS)
def test_what_is_missing_is_a_no_of_every_guard_that_rests_on_it(names: frozenset[str], weaken: Change) -> None:
    decision = decide(weaken(a_situation()))
    assert noes(decision) == names
    assert decision.kind == "hold"


def test_every_guard_has_a_row_of_the_tables() -> None:
    rows = {name for name, _ in WEAKER} | {name for names, _ in FOLLOWS for name in names}
    assert rows == {guard.name for guard in GUARDS}
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_any_two_weaker_inputs_hold_too() -> None:
    # Two changes of one input can undo each other, so that only rows of different guards are put together.
    rows = dict(WEAKER).items()
    for (first, one), (second, two) in combinations(rows, 2):
        decision = decide(two(one(a_situation())))
        assert decision.kind == "hold", (first, second)


@settings(max_examples=300, deadline=None)
@given(
    picked=st.lists(st.sampled_from([weaken for _, weaken in (*WEAKER, *FOLLOWS)]), max_size=4),
    mode=st.sampled_from(["off", "shadow", "approve", "auto"]),
    approval=st.sampled_from(["none", "waiting", "approved", "rejected", "used"]),
)
def test_in_any_combination_a_delete_means_that_every_guard_held(
    picked: list[Change], mode: str, approval: str
) -> None:
    situation = project(remediate=mode)(a_situation())
    for weaken in picked:
        situation = weaken(situation)
    if approval != "none":
        situation = replace(situation, approval=an_approval(situation.record, state=approval))
    decision = decide(situation)
    held = all(guard(situation).ok is True for guard in GUARDS)
    now = situation.policy.project[0].remediate
    may = held and (now == "auto" or (now == "approve" and approval == "approved"))
    assert (decision.kind == "delete_pod") is may
    assert (decision.would == "delete_pod") is held
    assert would(situation).kind == "hold"


def test_no_guards_hold() -> None:
    assert (decide(a_situation(), ()).kind, would(a_situation(), ()).would) == ("hold", "hold")


def test_an_empty_situation_holds_and_every_guard_has_its_answer() -> None:
    empty = Situation(record=a_record(evidence=Evidence(), findings=()), policy=Policy(), now=NOW)
    decision = decide(empty)
    assert (decision.kind, decision.mode, decision.uid) == ("hold", "off", "")
    assert noes(decision) == {guard.name for guard in GUARDS} - {"not-read-only"}


def test_a_guard_that_fails_is_named_and_counts_as_a_no() -> None:
    def fails(_: Situation) -> tuple[bool | None, str]:
        raise ZeroDivisionError("words of the attacker")

    decision = decide(a_situation(), (*GUARDS, Ask("made-up", fails)))
    assert decision.kind == "hold"
    assert decision.reasons == ("made-up: the guard failed: ZeroDivisionError",)


# --- words in a cluster -----------------------------------------------------------------------------------------------


def test_labels_and_annotations_neither_grant_nor_block() -> None:
    words = {"responder/enable": "true", "responder/protect": "true", "remediate": "off"}
    labelled = both(of("pod", labels=words, annotations=words), of("namespace", labels=words, annotations=words))
    assert decide(labelled(a_situation())).kind == "delete_pod"
    assert decide(both(labelled, project(remediate="off"))(a_situation())).kind == "hold"


# --- whose word a finding is ------------------------------------------------------------------------------------------


def test_a_finding_that_scc_does_not_have_holds_nothing_that_was_judged_without_it() -> None:
    forged = confirmed(key="1/2", confirmed="no", doubt="SCC has no such finding")
    decision = decide(record(findings=(confirmed(), forged))(a_situation()))
    assert decision.kind == "delete_pod"


def test_the_reason_says_why_sccs_word_is_not_known() -> None:
    open_ = confirmed(key="1/2", confirmed="not_known", doubt="SCC could not be asked: quota")
    decision = decide(record(findings=(confirmed(), open_))(a_situation()))
    assert decision.reasons == (
        "findings-confirmed: of 2 kinds that were judged, SCC did not confirm 1: SCC could not be asked: quota",
    )


# --- what a platform owner may allow ----------------------------------------------------------------------------------


def test_a_finding_that_was_unmuted_again_counts() -> None:
    assert decide(published(mute="UNMUTED")(a_situation())).kind == "delete_pod"


def test_a_mute_of_an_older_event_that_comes_late_does_not_count() -> None:
    first = confirmed()
    late = seen("ACTIVE", "MUTED").model_copy(update={"event_time": EVENT_TIME - timedelta(minutes=1)})
    late_one = replace(first, occurrences=(*first.occurrences, late))
    assert decide(record(findings=(late_one,))(a_situation())).kind == "delete_pod"


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job"])
def test_a_kind_that_the_policy_names_may_be_answered(kind: str) -> None:
    counts: dict[str, Any] = {} if kind == "StatefulSet" else {"replicas": None, "ready_replicas": None}
    allowed = both(owned_by(a_link(kind, "checkout", **counts)), project(owner_kinds=(kind,)))
    decision = decide(allowed(a_situation()))
    assert decision.kind == "delete_pod"
    said = next(guard.detail for guard in decision.guards if guard.name == "replicas-remain")
    assert ("not asked" in said) is (kind != "StatefulSet")


def test_a_lower_verdict_and_no_floor_are_enough_where_the_policy_says_so() -> None:
    alone = owned_by(DIRECT, TOP.model_copy(update={"replicas": 1, "ready_replicas": 1}))
    lower = both(alone, record(triage=Triage(verdict="suspicious", summary="")))
    asked = both(lower, project(least_verdict="suspicious", ready_replicas=0))
    assert decide(asked(a_situation())).kind == "delete_pod"


@pytest.mark.parametrize(
    ("why", "allowed"), [(NO_PROGRAM, {"capture_may_be_empty": True}), (f"{NOT_RUNNING}: terminated", {})]
)
def test_a_capture_for_which_there_was_nothing_to_take_does_not_hold_the_pod(
    why: str, allowed: dict[str, bool]
) -> None:
    nothing = record(capture=a_capture(impossible=why), artifacts=(an_artifact("failed"), an_artifact("left_out")))
    decision = decide(both(nothing, project(**allowed))(a_situation()))
    assert decision.kind == "delete_pod"
    (told,) = [guard.detail for guard in decision.guards if guard.name == "captures-kept"]
    assert told == f"nothing more could be taken: {why}"


def test_a_project_that_does_not_capture_needs_no_capture() -> None:
    without = both(project(capture=False), record(capture=None), change(captures_intact=None, others_waiting=None))
    assert decide(without(a_situation())).kind == "delete_pod"


@pytest.mark.parametrize(
    "given_",
    [
        {"cluster": "shop"}, {"namespace": "sho"}, {"kind": "Deployment", "name": TARGET.pod}, {"kind": "StatefulSet"},
        {"cluster": "shop-prod", "namespace": "other"}, {"namespace": "other", "name": TARGET.pod},
    ],
)  # fmt: skip
def test_an_exemption_that_is_not_wholly_equal_exempts_nothing(given_: dict[str, str]) -> None:
    assert decide(exempt(**given_)(a_situation())).kind == "delete_pod"


def test_an_exemption_by_kind_holds_where_the_owner_is_not_known() -> None:
    assert "not-exempt" in noes(decide(both(exempt(kind="Job"), evidence(owners=GONE))(a_situation())))


def test_missing_evidence_says_when_it_may_come() -> None:
    later = Missing(why="quota", detail="", retry_at=datetime.fromisoformat("2026-11-20T10:00:00Z"))
    assert decide(evidence(pod_log=later)(a_situation())).reasons == (
        "evidence-found: pod_log is missing (quota); it may come at 2026-11-20 10:00:00Z",
    )


def test_gentle_is_an_eviction_with_the_grace_that_the_policy_names() -> None:
    decision = decide(project(gentle=True, grace_seconds=30)(a_situation()))
    assert (decision.method, decision.grace_seconds) == ("evict", 30)


# --- modes and approvals ----------------------------------------------------------------------------------------------


def test_shadow_holds_and_says_what_would_be_done() -> None:
    decision = decide(project(remediate="shadow")(a_situation()))
    assert (decision.kind, decision.would, decision.uid) == ("hold", "delete_pod", UID)
    assert decision.reasons == ("the project is in shadow: the pod would be deleted, and only this is recorded",)


def asking(**changes: Any) -> Situation:
    """Mode approve with an approval that is good, but for `changes`."""
    situation = project(remediate="approve")(a_situation())
    return replace(situation, approval=an_approval(situation.record, **changes))


def test_without_an_approval_it_is_asked_for_and_bound() -> None:
    situation = replace(asking(), approval=None)
    decision = decide(situation)
    assert (decision.kind, decision.would) == ("await_approval", "delete_pod")
    assert decision.binding == binding(situation.record)


def test_an_approved_one_deletes_and_says_who() -> None:
    decision = decide(asking())
    assert (decision.kind, decision.binding) == ("delete_pod", binding(asking().record))
    assert APPROVER in decision.reasons[0]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("await_approval", {"state": "waiting", "by": "", "at": None}),
        ("await_approval", {"binding": "0" * 64}),
        ("await_approval", {"record_id": "1" * 32}),
        ("await_approval", {"uid": "another"}),
        ("await_approval", {"project": "acme-other"}),
        ("await_approval", {"asked_at": NOW + timedelta(seconds=1)}),
        ("hold", {"state": "rejected"}),
        ("hold", {"state": "used"}),
        ("hold", {"until": NOW}),
        ("hold", {"state": "waiting", "until": NOW}),
        ("hold", {"by": "mallory@shop.test"}),
        ("hold", {"at": None}),
        ("hold", {"at": NOW + timedelta(seconds=1)}),
        ("hold", {"at": NOW - timedelta(minutes=6)}),
    ],
)
def test_a_forged_late_used_or_refused_approval_deletes_nothing(kind: str, changes: dict[str, Any]) -> None:
    assert decide(asking(**changes)).kind == kind


@pytest.mark.parametrize(("name", "weaken"), WEAKER, ids=[f"{i}-{name}" for i, (name, _) in enumerate(WEAKER)])
def test_an_approval_stands_in_for_no_guard(name: str, weaken: Change) -> None:
    situation = weaken(asking())
    situation = replace(situation, approval=an_approval(situation.record, asked_at=NOW, at=NOW))
    decision = decide(situation)
    assert (decision.kind, decision.would) == ("hold", "hold")
    assert noes(decision) == {name}


def test_the_finding_ages_until_approval_is_asked_for_and_no_longer() -> None:
    asked = EVENT_TIME + timedelta(minutes=59)
    late = replace(
        asking(asked_at=asked, until=asked + timedelta(hours=1), at=asked), now=asked + timedelta(minutes=30)
    )
    late = replace(late, verified_at=late.now)
    assert decide(late).kind == "delete_pod"
    assert noes(decide(replace(late, approval=None))) == {"finding-fresh"}
    assert noes(decide(project(remediate="auto")(late))) == {"finding-fresh"}


def test_an_approval_of_other_evidence_does_not_keep_a_finding_fresh() -> None:
    asked = EVENT_TIME + timedelta(minutes=5)
    late = replace(asking(asked_at=asked, binding="0" * 64), now=EVENT_TIME + timedelta(minutes=61))
    assert "finding-fresh" in noes(decide(late))


# --- what respond records ---------------------------------------------------------------------------------------------


def unasked(s: Situation) -> Situation:
    """What `respond` has: record, policy and time."""
    return Situation(record=s.record, policy=s.policy, now=s.now)


@pytest.mark.parametrize("mode", ["shadow", "approve", "auto"])
def test_respond_records_what_would_be_done_and_leaves_the_rest_to_act(mode: str) -> None:
    decision = would(unasked(project(remediate=mode)(a_situation())))
    assert (decision.kind, decision.would, decision.made_by, decision.uid) == ("hold", "delete_pod", "respond", UID)
    left = {guard.name for guard in decision.guards if guard.ok is None}
    assert left == {guard.name for guard in GUARDS if guard.by_act}
    assert {guard.detail for guard in decision.guards if guard.ok is None} == {BY_ACT}
    assert mode in decision.reasons[0]


@pytest.mark.parametrize(("name", "weaken"), WEAKER, ids=[f"{i}-{name}" for i, (name, _) in enumerate(WEAKER)])
def test_respond_says_no_where_a_guard_that_it_can_answer_does(name: str, weaken: Change) -> None:
    by_act = {guard.name for guard in GUARDS if guard.by_act}
    decision = would(unasked(weaken(a_situation())))
    assert decision.would == ("delete_pod" if name in by_act else "hold")


def test_a_project_that_is_not_named_has_not_opted_in() -> None:
    decision = would(replace(unasked(a_situation()), policy=Policy(sha256="cd" * 32)))
    assert decision.reasons[0] == "the project has not opted in: nothing is done"
    assert (decision.would, decision.mode) == ("hold", "off")


# --- the binding ------------------------------------------------------------------------------------------------------

RESTARTED = POD.containers[0].model_copy(update={"restarts": 4, "started_at": NOW, "state": "waiting", "reason": "x"})


@pytest.mark.parametrize(
    "moved",
    [
        record(findings=(a_recorded(), a_recorded(key="1/2"))),
        record(triage=Triage(verdict="suspicious", summary="other")),
        owned_by(DIRECT, TOP.model_copy(update={"ready_replicas": 1, "replicas": 9, "annotations": {"a": "b"}})),
        of("pod", phase="Pending", pod_ip="10.0.0.9", labels={"role": "leader"}, annotations={"a": "b"}),
        of("pod", containers=(RESTARTED, *POD.containers[1:])),
        of("node", status="NotReady", labels={"a": "b"}),
        evidence(audit_log=GONE),
    ],
)
def test_what_moves_by_itself_does_not_void_an_approval(moved: Change) -> None:
    assert binding(moved(a_situation()).record) == binding(a_situation().record)


@pytest.mark.parametrize(
    "other",
    [
        record(id="1" * 32),
        of("proof", uid="another"),
        of("pod", uid="another"),
        of("pod", node_name="other"),
        of("pod", containers=(POD.containers[0].model_copy(update={"image_id": "x@sha256:1"}), *POD.containers[1:])),
        owned_by(DIRECT, TOP.model_copy(update={"uid": "another"})),
        owned_by(DIRECT),
        of("owners", complete=False),
        of("node", instance_id="1"),
        record(capture=None),
        record(capture=a_capture(manifest_sha256="cd" * 32)),
        *(evidence(**{question: GONE}) for question in ("proof", "pod", "owners", "node")),
    ],
)
def test_another_pod_owner_node_or_capture_voids_it(other: Change) -> None:
    assert binding(other(a_situation()).record) != binding(a_situation().record)


def test_a_source_that_fails_for_another_reason_is_missing_all_the_same() -> None:
    quota = Missing(why="quota", detail="later", retry_at=NOW)
    bound = {binding(evidence(node=gone)(a_situation()).record) for gone in (GONE, quota)}
    assert len(bound) == 1
