"""What the bench runs on: findings on many pods, each with three hundred log lines of its own, in a lab of its own.

The pods lie in ten clusters of ten projects, and the findings of one cluster lie three hours apart: none is another's
neighbour, so each investigation costs the same. Every line's text is its own: equal ones would flatter any cache.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lab.environment import ROOT
from lab.scenario import Scenario
from responder import notification
from responder.questions import questions

CLUSTERS: Final = 10
LINES: Final = 100
"""Log entries that each of a finding's three queries finds."""
_EVENT: Final = datetime(2026, 11, 20, 9, 41, 7, tzinfo=UTC)
_APART: Final = timedelta(hours=3)
_ZONE: Final = "europe-west1-b"
_PARENT: Final = "organizations/123456789012/sources/1750894040330370653/locations/global"
_TEMPLATE: Final = ROOT / "lab" / "scenarios" / "attack-web-pod.notification.json"

LATENCIES_MS: Final[dict[str, tuple[tuple[str, str, int], ...]]] = {
    # name: (call, what the request must hold, milliseconds)
    "scc": (("scc.ListFindings", "", 200),),
    "get_cluster": (("gke.GetCluster", "", 150),),
    "pod_log": (("logging.ListLogEntries", "k8s_container", 500),),
    "audit_log": (("logging.ListLogEntries", "k8s_cluster", 1000),),
    "node_log": (("logging.ListLogEntries", "gce_instance", 1500),),
    "kubernetes": (("kubernetes.*", "", 60),),
    "rest": (("resourcemanager.*", "", 100), ("essentialcontacts.*", "", 100), ("compute.*", "", 100)),
}
_QUESTIONS: Final = {
    "scc": ("scc",),
    "cluster": ("get_cluster",),
    "project": ("rest",),
    "pod_log": ("pod_log",),
    "audit_log": ("audit_log",),
    "essential_contacts": ("rest",),
    "project_owners": ("rest",),
    "node": ("kubernetes",),
    "pod": ("kubernetes",),
    "namespace": ("kubernetes",),
    "pod_events": ("kubernetes",),
    "owners": ("kubernetes", "kubernetes"),  # ReplicaSet, then Deployment
    "proof": (),
    "node_log": ("node_log",),
    "deletion": (),
}
"""The calls of each question, one after another. One that is not here is a KeyError: the bench must know them all."""


def latencies() -> dict[str, int]:
    """Milliseconds by name."""
    return {name: calls[0][2] for name, calls in LATENCIES_MS.items()}


def critical_path() -> tuple[float, tuple[str, ...]]:
    """Seconds of the longest way through the questions' dependencies, and that way."""
    finding = notification.read(json.dumps(message(0)).encode())
    if finding is None:
        raise RuntimeError("the bench's own notification is not one of ours")
    asked = questions(finding)
    cost = {name: sum(latencies()[call] for call in _QUESTIONS[name]) / 1000 for name in ("scc", *asked)}
    ends: dict[str, tuple[float, tuple[str, ...]]] = {"scc": (cost["scc"], ("scc",))}
    while len(ends) <= len(asked):
        for name, question in asked.items():
            if name not in ends and all(need in ends for need in question.needs):
                # Nothing is asked before SCC has answered.
                last, way = max(ends[need] for need in (*question.needs, "scc"))
                ends[name] = last + cost[name], (*way, name)
    return max(ends.values())


# --- the findings -----------------------------------------------------------------------------------------------------


def _place(index: int) -> tuple[int, int]:
    """The cluster of a finding, and which of that cluster's findings it is."""
    return index % CLUSTERS, index // CLUSTERS


def _time(index: int) -> datetime:
    # None within an hour of the lab's clock: its windows would end now, and each query would be a new one to the lab.
    return _EVENT - _APART * (_place(index)[1] + 1)


def _pod(index: int) -> str:
    return f"checkout-7d9f8c5b4-{index:05d}"


def _node(cluster: int) -> str:
    return f"gke-bench-{cluster}-default-pool-7d6bb7c7-0rru"


def _project(cluster: int) -> str:
    return f"acme-bench-{cluster}"


def message(index: int) -> dict[str, Any]:
    """The notification of finding `index`, as Security Command Center publishes it: v2, about 5 kB."""
    document: dict[str, Any] = json.loads(_TEMPLATE.read_text(encoding="utf-8"))
    cluster, _ = _place(index)
    pod, node, project, number = _pod(index), _node(cluster), _project(cluster), f"42145890{cluster:04d}"
    resource = f"//container.googleapis.com/projects/{project}/locations/{_ZONE}/clusters/bench-{cluster}"
    vm = f"//compute.googleapis.com/projects/{project}/zones/{_ZONE}/instances/{node}"
    finding = document["finding"]
    identity = f"{index:032x}"
    finding |= {
        "name": f"{_PARENT}/findings/{identity}",
        "canonicalName": f"{_PARENT}/findings/{identity}".replace("organizations/123456789012", f"projects/{number}"),
        "parent": _PARENT,
        "resourceName": resource,
        "eventTime": _time(index).isoformat(),
        "createTime": (_time(index) + timedelta(seconds=2)).isoformat(),
    }
    finding["securityMarks"] = {"name": f"{_PARENT}/findings/{identity}/securityMarks"}
    kubernetes = finding["kubernetes"]
    kubernetes["pods"][0]["name"] = finding["sourceProperties"]["Pod_Name"] = pod
    finding["sourceProperties"]["VM_Instance_Name"] = node
    kubernetes["nodes"] = [{"name": vm}]
    kubernetes["nodePools"] = [{"name": "default-pool", "nodes": [{"name": vm}]}]
    told = f"//cloudresourcemanager.googleapis.com/projects/{number}"
    document["resource"] |= {"name": resource, "displayName": f"bench-{cluster}"}
    named = {"project": told, "projectDisplayName": project, "parent": told, "parentDisplayName": project}
    document["resource"]["gcpMetadata"] |= named
    return document


def foreign(size: int = 8000) -> bytes:
    """A notification of another category, of `size` bytes."""
    document = message(0)
    document["finding"] |= {"category": "Execution: Added Malicious Binary Executed", "description": ""}
    process = document["finding"]["processes"][0]
    # Filled with what such a message has most of; one long text would be read much faster.
    while len(json.dumps(document)) + len(json.dumps(process)) < size:
        document["finding"]["processes"].append(process)
    document["finding"]["description"] = "x" * (size - len(json.dumps(document)))
    return json.dumps(document).encode()


def _neighbour(document: dict[str, Any], index: int) -> dict[str, Any]:
    """Another finding of the same container, five seconds later."""
    other = copy.deepcopy(document)
    identity = f"f{index:031x}"
    for key in ("name", "canonicalName"):
        other["finding"][key] = other["finding"][key].rpartition("/")[0] + f"/{identity}"
    other["finding"] |= {
        "category": "Added Binary Executed",
        "eventTime": (_time(index) + timedelta(seconds=5)).isoformat(),
    }
    return other


# --- the scenario -----------------------------------------------------------------------------------------------------


def scenario(pods: int, *, slow: bool, lines: int = LINES) -> Scenario:
    """So many findings on as many pods; `slow` answers with the latencies of this page, else at once.

    `lines` entries for each of a finding's three queries.
    """
    parts = [_cluster(cluster, [i for i in range(pods) if _place(i)[0] == cluster]) for cluster in range(CLUSTERS)]
    faults = [
        {"call": call, "kind": "latency", "match": match, "seconds": milliseconds / 1000}
        for calls in LATENCIES_MS.values()
        for call, match, milliseconds in calls
    ]
    documents = [message(index) for index in range(pods)]
    findings = [*documents, *(_neighbour(document, index) for index, document in enumerate(documents))]
    return Scenario.model_validate(
        {
            "title": "the bench",
            "event_time": _EVENT,
            "projects": [
                {
                    "id": _project(cluster),
                    "number": f"42145890{cluster:04d}",
                    "owners": ["user:owner@acme.example"],
                    "security_contacts": ["security@acme.example"],
                    "labels": {"team": "shop"},
                }
                for cluster in range(CLUSTERS)
            ],
            "findings": [
                {"like": "notification", "data": {part: document[part] for part in ("finding", "resource")}}
                for document in findings
            ],
            "clusters": parts,
            "logs": [line for index in range(pods) for line in _lines(index, lines)],
            "faults": faults if slow else [],
        }
    )


def _cluster(cluster: int, indices: list[int]) -> dict[str, Any]:
    pod = {
        "namespace": "shop",
        "node": _node(cluster),
        "created": "-60d",
        "owner": "ReplicaSet/checkout-7d9f8c5b4",
        "labels": {"app": "checkout", "pod-template-hash": "7d9f8c5b4"},
        "containers": [{"name": "checkout", "image": "europe-docker.pkg.dev/acme-shop-prod/web/checkout:1.9.2"}],
    }
    return {
        "name": f"bench-{cluster}",
        "project": _project(cluster),
        "location": _ZONE,
        "nodes": [{"name": _node(cluster), "instance_id": f"8108478110475{cluster:06d}", "created": "-90d"}],
        "namespaces": [{"name": "shop", "labels": {"team": "shop"}}],
        "workloads": [
            {"kind": "Deployment", "name": "checkout", "namespace": "shop", "created": "-90d"},
            {
                "kind": "ReplicaSet",
                "name": "checkout-7d9f8c5b4",
                "namespace": "shop",
                "created": "-90d",
                "owner": "Deployment/checkout",
            },
        ],
        "pods": [{"name": _pod(index), **pod} for index in indices],
        "events": [{"pod": f"shop/{_pod(index)}", "time": _time(index).isoformat()} for index in indices],
    }


def _lines(index: int, count: int) -> list[dict[str, Any]]:
    """So many lines of the pod, of the audit log and of the node, a minute apart around the event."""
    cluster, _ = _place(index)
    lines: list[dict[str, Any]] = []
    for turn in range(count):
        moment = _time(index) + timedelta(seconds=60 * (turn - count // 2) + 7)
        request = f"GET /cart/{index * 7919 + turn * 104729:x} 200 {turn * 37 % 900} ms session {turn:x}{index:x}"
        text = f"{moment:%H:%M:%S} INFO checkout.http {request} " + " ".join(
            f"step{step}={(index * 31 + turn * 17 + step * 13) % 9973}" for step in range(70)
        )
        common = {"time": moment.isoformat(), "cluster": f"bench-{cluster}", "project": _project(cluster)}
        lines += [
            {**common, "pod": f"shop/{_pod(index)}/checkout", "text": text},
            {
                **common,
                "audit": "pods.status.patch" if turn % 10 else "pods.exec.create",
                "on": f"shop/{_pod(index)}",
                "principal": f"dev-{turn}@acme.example",
                "command": [] if turn % 10 else ["sh", "-c", f"ls /tmp/{turn}"],
            },
            {**common, "node": _node(cluster), "text": f"kernel: [{turn}] {text}", "serial": turn % 2 == 0},
        ]
    return lines


def main() -> int:
    """`python -m lab.bench.ground`: serve until SIGTERM; the endpoints are one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m lab.bench.ground", description=__doc__)
    parser.add_argument("--pods", type=int, required=True)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--lines", type=int, default=LINES)
    arguments = parser.parse_args()
    from lab.server import run  # noqa: PLC0415 - whoever asks for a message only need not import the servers

    run(
        scenario(arguments.pods, slow=arguments.slow, lines=arguments.lines),
        message(0),
        ready=lambda endpoints: print(endpoints.model_dump_json(), flush=True),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
