"""A whole investigation for the tests of the runbook sheet: every question answered, unless a test says otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from responder.evidence import (
    AuditExtract,
    Check,
    Cluster,
    ContainerState,
    Endpoint,
    Evidence,
    Found,
    LogExtract,
    Namespace,
    Node,
    OwnerChain,
    Pod,
    Proof,
    Related,
    SccFinding,
    Workload,
)
from responder.finding import TOLD_FIELDS, Finding, Mitre, NodeRef, PodRef
from tests.builders import EVENT_TIME, TARGET, a_finding, a_related

CONSOLE = "https://console.cloud.google.com"
UID = "6b3ac2f0-1d2e-4f5a-8b9c-0d1e2f3a4b5c"
CONTEXT = "gke_acme-shop-prod_europe-west1-b_shop-prod"
NODE = "gke-shop-prod-default-pool-7d6bb7c7-0rru"
INSTANCE = "8108478110475488564"
SCC_NAME = "organizations/123456789012/sources/1750894040330370653/locations/global/findings/0a1b2c3d"
START, END = EVENT_TIME - timedelta(minutes=60), EVENT_TIME + timedelta(minutes=30)


def found(value: Any) -> Found[Any]:
    return Found(value=value, source="test")


def the_finding(**changes: Any) -> Finding:
    labels = {"pod-template-hash": "7d9f8c5b4"}
    values: dict[str, Any] = {
        "nodes": (NodeRef(name=NODE, project="acme-shop-prod", zone="europe-west1-b"),),
        "pods": (PodRef(namespace="shop", name=TARGET.pod, labels=labels),),
        "mitre": Mitre(primary_tactic="DEFENSE_EVASION", primary_techniques=("COMPILE_AFTER_DELIVERY",)),
    }
    return a_finding(**(values | changes))


def a_cluster(**changes: Any) -> Cluster:
    values: dict[str, Any] = {
        "name": "shop-prod",
        "location": "europe-west1-b",
        "location_type": "zone",
        "project_id": "acme-shop-prod",
        "self_link": "https://container.googleapis.com/v1/projects/acme-shop-prod/zones/europe-west1-b/clusters/shop-prod",
        "id": "c1",
        "status": "RUNNING",
        "create_time": EVENT_TIME - timedelta(days=200),
        "newer_than_event": False,
        "version": "1.33.5-gke.1080000",
        "release_channel": "REGULAR",
        "autopilot": False,
        "dataplane_v2": True,
        "network_policy": False,
        "workload_pool": "acme-shop-prod.svc.id.goog",
        "private_nodes": False,
        "authorized_networks": False,
        "endpoint": Endpoint(kind="public", host="203.0.113.10", reason="the public address"),
        "labels": {"team": "shop"},
    }
    return Cluster(**(values | changes))


def a_pod(**changes: Any) -> Pod:
    values: dict[str, Any] = {
        "namespace": "shop",
        "name": TARGET.pod,
        "uid": UID,
        "create_time": EVENT_TIME - timedelta(days=1),
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
        "containers": (a_container("checkout"), a_container("setup", kind="init", state="terminated")),
    }
    return Pod(**(values | changes))


def a_container(name: str, *, kind: str = "container", state: str = "running") -> ContainerState:
    return ContainerState.model_validate(
        {"name": name, "kind": kind, "image": "web/checkout:1.9.2", "image_id": "", "state": state}
    )


def a_proof(verdict: str = "proven", uid: str = UID) -> Proof:
    checks = (Check(name="node", ok=verdict == "proven", detail=""),)
    return Proof.model_validate({"verdict": verdict, "uid": uid, "checks": checks})


def a_chain(**changes: Any) -> OwnerChain:
    links = tuple(
        Workload(api_version="apps/v1", kind=kind, name=name, how_known="ownerReferences")
        for kind, name in (("ReplicaSet", "checkout-7d9f8c5b4"), ("Deployment", "checkout"))
    )
    return OwnerChain(**({"links": links, "complete": True} | changes))


def a_log(**changes: Any) -> LogExtract:
    values: dict[str, Any] = {"filter": "f", "window_start": START, "window_end": END, "entries": (), "pages": 1}
    return LogExtract(**(values | {"read": 0, "truncated": False} | changes))


def everything(**changes: Any) -> Evidence:
    """Evidence in which each question has its answer; `changes` are fields of `Evidence`."""
    node = Node(name=NODE, known_by="cluster", instance_id=INSTANCE, zone="europe-west1-b")
    audit = AuditExtract(**a_log().model_dump(exclude={"entries"}), entries=())
    related = Related(window_start=START, window_end=END, filter='state="ACTIVE"', findings=(a_related(),))
    scc = SccFinding(
        name=SCC_NAME, canonical_name="", state="ACTIVE", mute="", severity="LOW", event_time=EVENT_TIME, marks={}
    )
    answers: dict[str, Any] = {
        "told": {name: found("x") for name in TOLD_FIELDS},
        "scc": found(scc),
        "related": found(related),
        "cluster": found(a_cluster()),
        "node": found(node),
        "pod": found(a_pod()),
        "proof": found(a_proof()),
        "owners": found(a_chain()),
        "namespace": found(Namespace(name="shop", labels={}, annotations={})),
        "pod_log": found(a_log()),
        "audit_log": found(audit),
        "node_log": found(a_log()),
    }
    return Evidence(**(answers | changes))
