"""Complete Kubernetes objects from a scenario: nodes, namespaces, events. Touches nothing.

Complete, since the generated Python client refuses an object that lacks a required field. `lab/pods.py` has the pods,
`lab/workloads.py` their controllers.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Any

from lab.scenario import ScenarioCluster, ScenarioEvent, ScenarioNamespace, ScenarioNode
from lab.state import Lab

Object = dict[str, Any]
_NODE_ALLOCATABLE = {"cpu": "3920m", "ephemeral-storage": "47060071478", "memory": "13581120Ki", "pods": "110"}
_NODE_CAPACITY = {"cpu": "4", "ephemeral-storage": "98831908Ki", "memory": "16393920Ki", "pods": "110"}
_REVISION_BASE = 48_000_000


def uid_of(cluster: ScenarioCluster, kind: str, namespace: str, name: str, *, generation: int = 0) -> str:
    """The UID of an object that the scenario gives none: always the same for the same names.

    `generation` tells objects that had the same name one after the other.
    """
    words = [
        cluster.project,
        cluster.location,
        cluster.name,
        kind,
        namespace,
        name,
        *([str(generation)] * (generation > 0)),
    ]
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(words)))


def rfc3339(time: datetime) -> str:
    """As Kubernetes writes a time: whole seconds, Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def revision(*words: str) -> str:
    """A resourceVersion that changes when the words do."""
    digest = hashlib.sha256("\x1f".join(words).encode()).digest()
    return str(_REVISION_BASE + int.from_bytes(digest[:3], "big"))


def metadata(
    *,
    name: str,
    uid: str,
    created: datetime,
    namespace: str = "",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owner: Object | None = None,
) -> Object:
    """`ObjectMeta`; empty parts are left out, as a server does."""
    parts = {
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "resourceVersion": revision(uid),
        "creationTimestamp": rfc3339(created),
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [owner] if owner else None,
    }
    return {key: value for key, value in parts.items() if value}


# --- nodes and namespaces ---------------------------------------------------------------------------------------------


def zone_of(cluster: ScenarioCluster, node: ScenarioNode) -> str:
    """The node's zone: as given, the cluster's where that is a zone, else the region's zone b."""
    zonal = cluster.location.count("-") == 2
    return node.zone or (cluster.location if zonal else f"{cluster.location}-b")


def node_object(lab: Lab, cluster: ScenarioCluster, node: ScenarioNode) -> Object:
    """A `Node` with the annotation and labels that GKE sets."""
    zone = zone_of(cluster, node)
    region = zone.rpartition("-")[0]
    created = lab.at(node.created)
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/instance-type": node.machine_type,
        "beta.kubernetes.io/os": "linux",
        "cloud.google.com/gke-boot-disk": "pd-balanced",
        "cloud.google.com/gke-container-runtime": "containerd",
        "cloud.google.com/gke-nodepool": node.pool,
        "cloud.google.com/gke-os-distribution": "cos",
        "failure-domain.beta.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/zone": zone,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": node.machine_type,
        "topology.gke.io/zone": zone,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
        **node.labels,
    }
    annotations = {"node.gke.io/last-applied-node-labels": f"cloud.google.com/gke-nodepool={node.pool}"}
    if node.instance_id:
        annotations["container.googleapis.com/instance_id"] = node.instance_id
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": metadata(
            name=node.name,
            uid=uid_of(cluster, "Node", "", node.name),
            created=created,
            labels=labels,
            annotations=annotations,
        ),
        "spec": {"podCIDR": "10.52.1.0/24", "providerID": f"gce://{cluster.project}/{zone}/{node.name}"},
        "status": _node_status(lab, cluster, node, zone),
    }


def _node_status(lab: Lab, cluster: ScenarioCluster, node: ScenarioNode, zone: str) -> Object:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": rfc3339(lab.now()),
        "lastTransitionTime": rfc3339(lab.at(node.created)),
    }
    machine = hashlib.sha256(node.name.encode()).hexdigest()[:32]
    return {
        "capacity": _NODE_CAPACITY,
        "allocatable": _NODE_ALLOCATABLE,
        "conditions": [ready],
        "addresses": [
            {"type": "InternalIP", "address": address_of(node.name, "10.132.0")},
            {"type": "Hostname", "address": f"{node.name}.{zone}.c.{cluster.project}.internal"},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": machine,
            "systemUUID": str(uuid.UUID(machine)),
            "bootID": uid_of(cluster, "Boot", "", node.name),
            "kernelVersion": "6.6.97+",
            "osImage": "Container-Optimized OS from Google",
            "containerRuntimeVersion": "containerd://2.0.6",
            "kubeletVersion": f"v{cluster.version}",
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
        "images": [],
    }


def address_of(name: str, network: str) -> str:
    """A private address made of a name: always the same."""
    return f"{network}.{hashlib.sha256(name.encode()).digest()[0] % 250 + 2}"


def namespace_object(lab: Lab, cluster: ScenarioCluster, namespace: ScenarioNamespace) -> Object:
    """A `Namespace`."""
    return {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": metadata(
            name=namespace.name,
            uid=uid_of(cluster, "Namespace", "", namespace.name),
            created=lab.at(cluster.created),
            labels={"kubernetes.io/metadata.name": namespace.name, **namespace.labels},
            annotations=namespace.annotations,
        ),
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


# --- events -----------------------------------------------------------------------------------------------------------


def event_object(lab: Lab, cluster: ScenarioCluster, event: ScenarioEvent, pod_uid: str) -> Object:
    """An `Event` about a pod. Its name is the pod's and a number, as the recorder writes it."""
    namespace, _, pod = event.pod.partition("/")
    time = lab.at(event.time)
    name = f"{pod}.{uid_of(cluster, 'Event', event.pod, f'{event.time} {event.message}').replace('-', '')[:16]}"
    scheduler = event.reason in {"Scheduled", "FailedScheduling", "Preempted"}
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": metadata(
            name=name, uid=uid_of(cluster, "Event", namespace, name), created=time, namespace=namespace
        ),
        "involvedObject": {
            "kind": "Pod",
            "namespace": namespace,
            "name": pod,
            "uid": pod_uid,
            "apiVersion": "v1",
            "resourceVersion": revision(pod_uid),
        },
        "reason": event.reason,
        "message": event.message,
        "source": {"component": "default-scheduler" if scheduler else "kubelet"},
        "reportingComponent": "default-scheduler" if scheduler else "kubelet",
        "reportingInstance": "",
        "firstTimestamp": rfc3339(time),
        "lastTimestamp": rfc3339(time),
        "count": 1,
        "type": event.type,
    }


def created_event(
    cluster: ScenarioCluster, owner: tuple[str, str, str], pod: str, namespace: str, at: datetime
) -> Object:
    """The `Event` that a controller writes about itself when it makes a pod; `owner` is apiVersion, kind, name."""
    api_version, kind, name = owner
    told = f"{name}.{uid_of(cluster, 'Event', namespace, pod).replace('-', '')[:16]}"
    message = f"create Pod {pod} in StatefulSet {name} successful" if kind == "StatefulSet" else f"Created pod: {pod}"
    component = f"{kind.lower()}-controller"
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": metadata(name=told, uid=uid_of(cluster, "Event", namespace, told), created=at, namespace=namespace),
        "involvedObject": {"kind": kind, "namespace": namespace, "name": name, "apiVersion": api_version},
        "reason": "SuccessfulCreate",
        "message": message,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "firstTimestamp": rfc3339(at),
        "lastTimestamp": rfc3339(at),
        "count": 1,
        "type": "Normal",
    }
