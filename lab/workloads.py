"""The controllers of a scenario as complete Kubernetes objects, and who owns whom. Touches nothing."""

from __future__ import annotations

from lab.objects import Object, metadata, uid_of
from lab.resources import api_version_of
from lab.scenario import ScenarioCluster, ScenarioWorkload
from lab.state import Lab

Workloads = dict[tuple[str, str, str], ScenarioWorkload]
"""(kind, namespace, name) -> workload."""


def workloads_of(cluster: ScenarioCluster) -> Workloads:
    """The scenario's workloads, and those that its pods and workloads name as owners without listing them.

    A pod that names a Deployment gets the ReplicaSet between them, as the Deployment's controller would make it.
    """
    found: Workloads = {(w.kind, w.namespace, w.name): w for w in cluster.workloads}

    def imply(kind: str, namespace: str, name: str, owner: str = "") -> None:
        key = (kind, namespace, name)
        if key not in found:
            found[key] = ScenarioWorkload(kind=kind, name=name, namespace=namespace, owner=owner)

    for pod in cluster.pods:
        kind, _, name = pod.owner.partition("/")
        if kind == "Deployment":
            imply("ReplicaSet", pod.namespace, pod.name.rpartition("-")[0], pod.owner)
        elif kind:
            imply(kind, pod.namespace, name)
    for workload in tuple(found.values()):
        kind, _, name = workload.owner.partition("/")
        if kind:
            imply(kind, workload.namespace, name)
    return found


def owner_of(workloads: Workloads, namespace: str, owner: str) -> ScenarioWorkload | None:
    """The workload that `KIND/NAME` names in a namespace."""
    kind, _, name = owner.partition("/")
    return workloads.get((kind, namespace, name))


def top_of(workloads: Workloads, workload: ScenarioWorkload) -> ScenarioWorkload:
    """The end of the owner chain."""
    above = owner_of(workloads, workload.namespace, workload.owner)
    return top_of(workloads, above) if above else workload


def template_hash(workload: ScenarioWorkload) -> tuple[str, str]:
    """The template hash of a ReplicaSet, as label and value: what its name adds to its owner's. Empty for others.

    An Argo Rollout's ReplicaSets bear a label of their own (argo-rollouts.readthedocs.io).
    """
    kind, _, owner = workload.owner.partition("/")
    label = "rollouts-pod-template-hash" if kind == "Rollout" else "pod-template-hash"
    implied = workload.name.removeprefix(f"{owner}-") if owner and workload.name.startswith(f"{owner}-") else ""
    given = workload.labels.get(label, implied) if workload.kind == "ReplicaSet" else ""
    return label, given


def template_labels(cluster: ScenarioCluster, workloads: Workloads, workload: ScenarioWorkload) -> dict[str, str]:
    """The labels of the workload's pods: what its selector selects by."""
    if workload.kind == "Job":
        return {
            "batch.kubernetes.io/controller-uid": workload_uid(cluster, workload),
            "batch.kubernetes.io/job-name": workload.name,
            "job-name": workload.name,
        }
    labels = {"app": workload.labels.get("app") or top_of(workloads, workload).name}
    label, value = template_hash(workload)
    return {**labels, label: value} if value else labels


def workload_object(lab: Lab, cluster: ScenarioCluster, workloads: Workloads, workload: ScenarioWorkload) -> Object:
    """A controller of any kind, with the spec and status that its kind requires."""
    above = owner_of(workloads, workload.namespace, workload.owner)
    selector = template_labels(cluster, workloads, workload)
    labels = {**(selector if workload.kind == "ReplicaSet" else {}), **workload.labels}
    spec, status = _spec_and_status(workload, selector)
    return {
        "kind": workload.kind,
        "apiVersion": api_version_of(workload.kind, workload.api_version),
        "metadata": metadata(
            name=workload.name,
            uid=workload_uid(cluster, workload),
            created=lab.at(workload.created),
            namespace=workload.namespace,
            labels=labels,
            annotations=workload.annotations,
            owner=owner_reference(cluster, above) if above else None,
        ),
        "spec": spec,
        "status": status,
    }


def _spec_and_status(workload: ScenarioWorkload, selector: dict[str, str]) -> tuple[Object, Object]:
    replicas = 1 if workload.replicas is None else workload.replicas
    ready = replicas if workload.ready is None else workload.ready
    # The template is a stub: nothing that the lab serves starts pods from it.
    pod_spec: Object = {"containers": [{"name": "app", "image": "stub"}]}
    template: Object = {"metadata": {"labels": selector}, "spec": pod_spec}
    chosen = {"selector": {"matchLabels": selector}, "template": template}
    counted = {"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready, "observedGeneration": 1}
    match workload.kind:
        case "StatefulSet":
            spec: Object = {"replicas": replicas, "serviceName": workload.name, **chosen}
            return spec, {**counted, "currentReplicas": replicas, "currentRevision": f"{workload.name}-6b8f9"}
        case "DaemonSet":
            return chosen, {
                "currentNumberScheduled": replicas,
                "desiredNumberScheduled": replicas,
                "numberMisscheduled": 0,
                "numberReady": ready,
            }
        case "Job":
            pod_spec["restartPolicy"] = "Never"
            return {"parallelism": 1, "completions": 1, "backoffLimit": 6, **chosen}, {"active": 1, "ready": ready}
        case "CronJob":
            pod_spec["restartPolicy"] = "Never"
            job = {"spec": {"template": template}}
            return {"schedule": "0 3 * * *", "concurrencyPolicy": "Forbid", "jobTemplate": job}, {}
        case _:
            return {"replicas": replicas, **chosen}, counted


def owner_reference(cluster: ScenarioCluster, workload: ScenarioWorkload) -> Object:
    """An entry of `ownerReferences`, the controlling one."""
    return {
        "apiVersion": api_version_of(workload.kind, workload.api_version),
        "kind": workload.kind,
        "name": workload.name,
        "uid": workload_uid(cluster, workload),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def workload_uid(cluster: ScenarioCluster, workload: ScenarioWorkload) -> str:
    """The workload's UID; that of the node for the owner of a static pod."""
    if workload.kind == "Node":
        return uid_of(cluster, "Node", "", workload.name)
    return workload.uid or uid_of(cluster, workload.kind, workload.namespace, workload.name)
