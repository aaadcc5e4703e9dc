"""The message's finding is held against SCC's, and the cluster's pod against the finding's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responder.evidence import ContainerState, Difference, Missing, Pod, Proof, SccFinding
from responder.finding import ClusterRef, Conflict, Container, Finding, NodeRef, PodRef, Target
from responder.ports import Around
from responder.proof import confirmed, known, prove, verify
from tests.builders import EVENT_TIME, TARGET, a_finding

DIGEST = "sha256:" + "6" * 64
CREATED = EVENT_TIME - timedelta(hours=11)
CONTAINER = Container(name="checkout", image="shop/checkout:1", image_id=f"shop/checkout@{DIGEST}", create_time=CREATED)
PODS = (PodRef(namespace="shop", name=TARGET.pod, containers=(CONTAINER,)),)
NODE = "gke-shop-prod-default-pool-7d6bb7c7-0rru"
BY_ID = "//container.googleapis.com/projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod"
NOTHING: dict[str, Any] = {"pods": (), "containers": ()}


def ours(**changes: Any) -> Finding:
    return a_finding(**({"pods": PODS, "containers": (CONTAINER,), "resource_name": BY_ID} | changes))


def check_against(scc: Finding | None, message: Finding | None = None, target: Target = TARGET) -> SccFinding | Missing:
    found = () if scc is None else (scc,)
    return verify(message or ours(), Around(findings=found, filter="f", truncated=False), target)


def is_verified(scc: Finding, message: Finding | None = None) -> SccFinding:
    verified = check_against(scc, message)
    assert isinstance(verified, SccFinding)
    return verified


# --- verify -----------------------------------------------------------------------------------------------------------


def test_the_finding_that_scc_has_too_is_verified() -> None:
    verified = is_verified(ours(marks={"triage": "open"}))
    assert (verified.name, verified.state, verified.marks) == (ours().name, "ACTIVE", {"triage": "open"})
    assert verified.changed == ()
    assert verified.identity_from_message == ()


def test_a_finding_that_scc_does_not_have_is_not_found() -> None:
    missing = check_against(ours(key="2/other"))
    assert isinstance(missing, Missing)
    assert missing.why == "not_found"
    assert "RESPONDER_SCC_PARENT" in missing.mend


def test_an_answer_that_was_cut_short_proves_no_absence() -> None:
    missing = verify(ours(), Around(findings=(), filter="f", truncated=True), TARGET)
    assert isinstance(missing, Missing)
    assert (missing.why, missing.passing) == ("unavailable", True)


def cluster(**changes: str) -> ClusterRef:
    return ClusterRef(**({"project": "acme-shop-prod", "location": "europe-west1-b", "name": "shop-prod"} | changes))


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"category": "Reverse Shell"}, "SCC's finding is of another category"),
        (
            {"cluster": cluster(name="bank-prod")},
            "SCC's finding names another cluster: bank-prod in europe-west1-b of acme-shop-prod",
        ),
        (
            {"cluster": cluster(location="europe-west4-a")},
            "SCC's finding names another cluster: shop-prod in europe-west4-a of acme-shop-prod",
        ),
        (
            {"cluster": cluster(project="acme-bank-prod"), "project_id": "acme-bank-prod"},
            "SCC's finding names another cluster: shop-prod in europe-west1-b of acme-bank-prod",
        ),
        (
            {"cluster": None, "resource_name": "//run.googleapis.com/projects/p/locations/l/services/s"},
            "SCC's finding names another resource",
        ),
        (
            {"cluster": None, "resource_name": "", "project_id": "acme-bank-prod"},
            "SCC's finding names another project: acme-bank-prod",
        ),
        (
            {"pods": (PodRef(namespace="shop", name="cart-0"),)},
            "SCC's finding names another pod: cart-0 in namespace shop",
        ),
        (
            {"pods": (PodRef(namespace="bank", name=TARGET.pod),)},
            f"SCC's finding names another pod: {TARGET.pod} in namespace bank",
        ),
        (
            {"pods": (replace(PODS[0], containers=(Container(name="sidecar"),)),)},
            "SCC's finding names another container: sidecar",
        ),
        (
            {"pods": (replace(PODS[0], containers=()),), "containers": (Container(name="sidecar"),)},
            "SCC's finding names another container: sidecar",
        ),
    ],
)
def test_a_message_that_contradicts_scc_is_unverified(changes: dict[str, Any], detail: str) -> None:
    missing = check_against(ours(**changes))
    assert isinstance(missing, Missing)
    assert (missing.why, missing.detail) == ("unverified", detail)


def test_no_hostile_name_is_repeated() -> None:
    missing = check_against(ours(pods=(PodRef(namespace="$(id)", name="a\x1b[31m\nb"),)))
    assert isinstance(missing, Missing)
    assert missing.detail == "SCC's finding names another pod: (not a valid name) in namespace (not a valid name)"


def test_one_cluster_in_two_spellings_is_verified() -> None:
    scc = ours(cluster=cluster(project="421458901689"), resource_name=BY_ID.replace("acme-shop-prod", "421458901689"))
    assert is_verified(scc).changed == ()


def test_a_target_among_several_pods_of_scc_is_verified() -> None:
    scc = ours(pods=(PodRef(namespace="shop", name="cart-0"), *PODS))
    assert is_verified(scc).identity_from_message == ()


def test_a_target_without_a_pod_contradicts_no_pod() -> None:
    assert isinstance(check_against(ours(), ours(**NOTHING), Target()), SccFinding)


def test_what_moved_on_since_the_message_is_told_and_harmless() -> None:
    later = EVENT_TIME + timedelta(seconds=60)
    verified = is_verified(ours(state="INACTIVE", mute="MUTED", severity="$(id)", event_time=later))
    assert verified.changed == (
        Difference(field="state", message="ACTIVE", scc="INACTIVE"),
        Difference(field="mute", message="UNDEFINED", scc="MUTED"),
        Difference(field="severity", message="LOW", scc="(unreadable)"),
        Difference(
            field="event_time", message="2026-11-20T09:41:07.482113+00:00", scc="2026-11-20T09:42:07.482113+00:00"
        ),
    )


@pytest.mark.parametrize("mute", ["", "MUTE_UNSPECIFIED", "UNDEFINED"])
def test_the_ways_to_be_unmuted_are_one(mute: str) -> None:
    assert is_verified(ours(mute=mute)).changed == ()


@pytest.mark.parametrize(
    ("changes", "only"),
    [
        ({"cluster": None, "resource_name": ""}, ("resource_name", "cluster")),
        ({"project_id": "", "project_number": ""}, ("project_id", "project_number")),
        ({"nodes": ()}, ("nodes",)),
        ({"processes": ()}, ("processes",)),
        (NOTHING, ("pods", "containers")),
        ({"pods": (replace(PODS[0], containers=()),), "containers": ()}, ("containers",)),
        (
            {
                "pods": (replace(PODS[0], containers=(replace(CONTAINER, image_id=""),)),),
                "containers": (replace(CONTAINER, image_id=""),),
            },
            ("containers",),
        ),
    ],
)
def test_identity_that_only_the_message_has_is_kept_and_listed(changes: dict[str, Any], only: tuple[str, ...]) -> None:
    scc = ours(**changes)
    assert is_verified(scc).identity_from_message == only
    merged = confirmed(ours(), scc)
    for name in ("cluster", "project_id", "project_number", "nodes", "processes", "pods"):
        assert getattr(merged, name) == getattr(ours(), name)
    assert merged.container(TARGET) == CONTAINER


# --- confirmed --------------------------------------------------------------------------------------------------------


def test_scc_wins_wherever_it_says_something() -> None:
    message = ours(
        told={"program_binary": "/bin/a", "Pod_Name": TARGET.pod},
        read_from={"program_binary": "finding.processes[0].binary.path", "Pod_Name": "finding.kubernetes.pods[0].name"},
        absent={"arguments": "not in processes[].args", "VM_Instance_Name": "not there"},
        contacts={"security": ("forged@evil.test",)},
        marks={"triage": "closed"},
        shape="v1",
        problems=("one",),
        state="INACTIVE",
        nodes=(NodeRef(name="forged"),),
    )
    scc = ours(
        told={"program_binary": "/bin/b", "arguments": ("gcc",)},
        read_from={"program_binary": "finding.processes[0].binary.path", "arguments": "finding.processes[0].args"},
        absent={"Pod_Name": "not there", "VM_Instance_Name": "not in kubernetes.nodes[].name"},
        problems=("two",),
        cluster=cluster(project="421458901689"),
        event_time=EVENT_TIME + timedelta(seconds=1),
    )
    merged = confirmed(message, scc)
    assert merged.told == {"program_binary": "/bin/b", "Pod_Name": TARGET.pod, "arguments": ("gcc",)}
    assert merged.read_from["program_binary"] == "SCC: finding.processes[0].binary.path"
    assert merged.read_from["Pod_Name"] == "finding.kubernetes.pods[0].name"
    assert merged.absent == {"VM_Instance_Name": "not in kubernetes.nodes[].name"}
    assert (merged.contacts, merged.marks, merged.state) == ({}, {}, "ACTIVE")
    assert (merged.shape, merged.problems, merged.nodes) == ("v1", ("one", "SCC: two"), scc.nodes)
    assert (merged.event_time, merged.cluster) == (scc.event_time, scc.cluster)
    assert merged.conflicts == (
        Conflict(
            field="program_binary",
            values={
                "message: finding.processes[0].binary.path": "/bin/a",
                "SCC: finding.processes[0].binary.path": "/bin/b",
            },
        ),
    )


def test_two_spellings_of_one_cluster_are_no_conflict_between_message_and_scc() -> None:
    message = ours(told={"resource_full_name": BY_ID.replace("locations", "zones")})
    assert confirmed(message, ours(told={"resource_full_name": BY_ID})).conflicts == ()


def test_the_latest_of_sccs_own_versions_is_taken() -> None:
    late = ours(event_time=EVENT_TIME + timedelta(seconds=5))
    around = Around(findings=(ours(), late, ours(key="2/x")), filter="f", truncated=False)
    assert known(ours(), around) == late
    assert known(ours(key="9/9"), around) is None


# --- prove ------------------------------------------------------------------------------------------------------------


def running(**changes: Any) -> ContainerState:
    values: dict[str, Any] = {
        "name": "checkout",
        "kind": "container",
        "image": "shop/checkout:1",
        "image_id": f"docker-pullable://mirror/checkout@{DIGEST}",
        "state": "running",
        "started_at": CREATED + timedelta(seconds=3),
    }
    return ContainerState(**(values | changes))


def a_pod(*containers: ContainerState, **changes: Any) -> Pod:
    values: dict[str, Any] = {
        "namespace": "shop",
        "name": TARGET.pod,
        "uid": "3f1c6c1e-1b1e-4a53-9f0a-2f2d0c9a7b11",
        "create_time": CREATED.replace(microsecond=0),
        "phase": "Running",
        "node_name": NODE,
        "service_account": "default",
        "automount_token": True,
        "host_network": False,
        "host_pid": False,
        "host_ipc": False,
        "host_paths": (),
        "owner": None,
        "labels": {},
        "annotations": {},
        "containers": containers or (running(),),
    }
    return Pod(**(values | changes))


def answers(proof: Proof) -> dict[str, bool | None]:
    return {check.name: check.ok for check in proof.checks}


def test_a_pod_that_holds_every_check_is_proven() -> None:
    proof = prove(ours(), TARGET, a_pod(), NODE)
    assert (proof.verdict, proof.uid) == ("proven", a_pod().uid)
    assert answers(proof) == {
        "same namespace and name": True,
        "created before the event": True,
        "on the finding's node": True,
        "has the container": True,
        "same image digest": True,
        "container started before the event": True,
        "container start matches SCC's": True,
    }
    assert all(check.detail for check in proof.checks)


LATER = EVENT_TIME + timedelta(seconds=30)
SAME_SECOND = EVENT_TIME.replace(microsecond=0)


@pytest.mark.parametrize(
    ("pod", "check", "ok", "verdict"),
    [
        (a_pod(name="cart-0"), "same namespace and name", False, "unproven"),
        (a_pod(namespace="bank"), "same namespace and name", False, "unproven"),
        (a_pod(create_time=LATER), "created before the event", False, "replaced"),
        (a_pod(create_time=SAME_SECOND + timedelta(seconds=1)), "created before the event", False, "replaced"),
        (a_pod(create_time=SAME_SECOND), "created before the event", None, "unproven"),
        (a_pod(create_time=SAME_SECOND - timedelta(seconds=1)), "created before the event", True, "proven"),
        (a_pod(create_time=LATER, name="cart-0"), "created before the event", False, "unproven"),
        (a_pod(node_name="another"), "on the finding's node", False, "unproven"),
        (a_pod(node_name=""), "on the finding's node", None, "unproven"),
        (a_pod(running(name="sidecar")), "has the container", False, "unproven"),
        (a_pod(running(image_id="x@sha256:" + "0" * 64)), "same image digest", False, "unproven"),
        (a_pod(running(image_id="")), "same image digest", None, "unproven"),
        (a_pod(running(started_at=LATER)), "container started before the event", False, "unproven"),
        (a_pod(running(started_at=SAME_SECOND)), "container started before the event", None, "unproven"),
        (a_pod(running(started_at=None)), "container started before the event", None, "unproven"),
        (a_pod(running(started_at=None)), "container start matches SCC's", None, "unproven"),
        (a_pod(running(started_at=CREATED + timedelta(seconds=120))), "container start matches SCC's", True, "proven"),
        (
            a_pod(running(started_at=CREATED + timedelta(seconds=121))),
            "container start matches SCC's",
            False,
            "unproven",
        ),
        (
            a_pod(running(started_at=CREATED - timedelta(seconds=121))),
            "container start matches SCC's",
            False,
            "unproven",
        ),
    ],
)
def test_each_check_is_answered_and_decides(pod: Pod, check: str, ok: bool | None, verdict: str) -> None:
    proof = prove(ours(), TARGET, pod, NODE)
    assert (answers(proof)[check], proof.verdict) == (ok, verdict)


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"pods": (replace(PODS[0], containers=(replace(CONTAINER, image_id=""),)),)}, "same image digest"),
        ({"pods": (replace(PODS[0], containers=()),), "containers": ()}, "same image digest"),
    ],
)
def test_what_the_finding_does_not_say_cannot_be_proven(changes: dict[str, Any], check: str) -> None:
    proof = prove(ours(**changes), TARGET, a_pod(), NODE)
    assert (answers(proof)[check], proof.verdict) == (None, "unproven")


def test_a_finding_without_a_node_proves_no_pod() -> None:
    proof = prove(ours(), TARGET, a_pod(), "")
    assert (answers(proof)["on the finding's node"], proof.verdict) == (None, "unproven")


def test_a_target_without_a_container_proves_no_pod() -> None:
    proof = prove(ours(), Target(namespace="shop", pod=TARGET.pod), a_pod(), NODE)
    assert answers(proof)["has the container"] is None
    assert proof.verdict == "unproven"


def test_a_target_without_a_pod_proves_nothing() -> None:
    assert prove(ours(), Target(), a_pod(namespace="", name=""), NODE).verdict == "unproven"


def test_the_containers_creation_is_not_asked_where_scc_does_not_give_it() -> None:
    pods = (replace(PODS[0], containers=(replace(CONTAINER, create_time=None),)),)
    proof = prove(ours(pods=pods), TARGET, a_pod(), NODE)
    assert "container start matches SCC's" not in answers(proof)
    assert proof.verdict == "proven"
