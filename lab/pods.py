"""A complete `Pod` object from a scenario's pod. Touches nothing."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from lab.objects import Object, address_of, metadata, revision, rfc3339
from lab.scenario import ScenarioCluster, ScenarioContainer, ScenarioPod, ScenarioWorkload
from lab.workloads import Workloads, owner_of, owner_reference, template_labels

_TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_START_TAKES = timedelta(seconds=2)
_ENDED_AFTER = timedelta(minutes=1)


def controller_of(workloads: Workloads, pod: ScenarioPod) -> ScenarioWorkload | None:
    """The pod's direct controller: the ReplicaSet, where the scenario names its Deployment."""
    if pod.owner.startswith("Deployment/"):
        return owner_of(workloads, pod.namespace, f"ReplicaSet/{pod.name.rpartition('-')[0]}")
    return owner_of(workloads, pod.namespace, pod.owner)


def image_id_of(container: ScenarioContainer) -> str:
    """The digest that the kubelet runs: as given, else one made of the image."""
    if container.image_id:
        return container.image_id
    name, _, tag = container.image.rpartition(":")
    repository = name if name and "/" not in tag else container.image
    return f"{repository}@sha256:{hashlib.sha256(container.image.encode()).hexdigest()}"


def pod_object(
    cluster: ScenarioCluster,
    workloads: Workloads,
    pod: ScenarioPod,
    *,
    uid: str,
    created: datetime,
    now: datetime,
    starts: dict[str, datetime],
) -> Object:
    """The `Pod` as it is at `now`; `starts` has the times at which containers start, where the scenario gives them."""
    controller = controller_of(workloads, pod)
    labels = {**_implied_labels(cluster, workloads, pod, controller), **pod.labels}
    node = pod.node or (cluster.nodes[0].name if cluster.nodes else "")
    started = {c.name: starts.get(c.name, created + _START_TAKES) for c in pod.containers}
    waiting = pod.phase == "Running" and any(time > now for time in started.values())
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            **metadata(
                name=pod.name,
                uid=uid,
                created=created,
                namespace=pod.namespace,
                labels=labels,
                annotations=pod.annotations,
                owner=owner_reference(cluster, controller) if controller else None,
            ),
            **({"generateName": f"{pod.name.rpartition('-')[0]}-"} if controller else {}),
            "resourceVersion": revision(uid, str(waiting)),
        },
        "spec": _spec(pod, node, controller),
        "status": _status(pod, node, created, now, started),
    }


def _implied_labels(
    cluster: ScenarioCluster, workloads: Workloads, pod: ScenarioPod, controller: ScenarioWorkload | None
) -> dict[str, str]:
    if controller is None:
        return {}
    labels = template_labels(cluster, workloads, controller)
    if controller.kind == "StatefulSet":
        labels["statefulset.kubernetes.io/pod-name"] = pod.name
        labels["apps.kubernetes.io/pod-index"] = pod.name.rpartition("-")[2]
    if controller.kind in {"StatefulSet", "DaemonSet"}:
        labels["controller-revision-hash"] = f"{controller.name}-6b8f9"
    return labels


def _spec(pod: ScenarioPod, node: str, controller: ScenarioWorkload | None) -> Object:
    volumes: list[Object] = [
        {
            "name": "kube-api-access",
            "projected": {
                "defaultMode": 420,
                "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}],
            },
        }
    ]
    mounts: list[Object] = [{"name": "kube-api-access", "readOnly": True, "mountPath": _TOKEN_MOUNT}]
    for number, path in enumerate(pod.host_paths):
        volumes.append({"name": f"host-{number}", "hostPath": {"path": path, "type": ""}})
        mounts.append({"name": f"host-{number}", "mountPath": f"/host{path}"})
    for secret in pod.secrets:
        volumes.append({"name": f"secret-{secret}", "secret": {"secretName": secret, "defaultMode": 420}})
        mounts.append({"name": f"secret-{secret}", "readOnly": True, "mountPath": f"/etc/secrets/{secret}"})
    batch = controller is not None and controller.kind == "Job"
    optional = {"hostNetwork": pod.host_network, "hostPID": pod.host_pid, "nodeName": node}
    return {
        "volumes": volumes,
        "containers": [_container_spec(c, mounts) for c in pod.containers],
        "restartPolicy": "Never" if batch else "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": pod.service_account,
        "serviceAccount": pod.service_account,
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "tolerations": [],
        **{key: value for key, value in optional.items() if value},
    }


def _container_spec(container: ScenarioContainer, mounts: list[Object]) -> Object:
    security: dict[str, Any] = {}
    if container.privileged:
        security["privileged"] = True
    if container.run_as_user is not None:
        security["runAsUser"] = container.run_as_user
    optional = {
        "command": list(container.command),
        "args": list(container.args),
        "workingDir": container.working_dir,
        "env": [{"name": name, "value": value} for name, value in container.env.items()],
        "securityContext": security,
    }
    return {
        "name": container.name,
        "image": container.image,
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}},
        "volumeMounts": mounts,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        **{key: value for key, value in optional.items() if value},
    }


def _status(pod: ScenarioPod, node: str, created: datetime, now: datetime, started: dict[str, datetime]) -> Object:
    statuses = [_container_status(pod, c, started[c.name], now) for c in pod.containers]
    ready = all(s["ready"] for s in statuses)
    waiting = pod.phase == "Running" and all("waiting" in s["state"] for s in statuses)
    conditions = [
        {"type": kind, "status": state, "lastProbeTime": None, "lastTransitionTime": rfc3339(created)}
        for kind, state in (
            ("PodScheduled", "True" if node else "False"),
            ("Initialized", "True"),
            ("ContainersReady", str(ready)),
            ("Ready", str(ready)),
        )
    ]
    address = address_of(f"{pod.namespace}/{pod.name}", "10.52.1")
    return {
        "phase": "Pending" if waiting else pod.phase,
        "conditions": conditions,
        "hostIP": address_of(node, "10.132.0"),
        "hostIPs": [{"ip": address_of(node, "10.132.0")}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": rfc3339(created),
        "containerStatuses": statuses,
        "qosClass": "Burstable",
    }


def _container_status(pod: ScenarioPod, container: ScenarioContainer, started: datetime, now: datetime) -> Object:
    number = hashlib.sha256(f"{pod.namespace}/{pod.name}/{container.name}/{started}".encode()).hexdigest()
    name = f"containerd://{number}"
    ended = pod.phase in {"Succeeded", "Failed"} or container.state == "terminated"
    state: Object
    if ended:
        failed = pod.phase == "Failed"
        finished = {
            "startedAt": rfc3339(started),
            "finishedAt": rfc3339(min(now, started + _ENDED_AFTER)),
            "containerID": name,
        }
        state = {"terminated": {"exitCode": int(failed), "reason": "Error" if failed else "Completed", **finished}}
    elif pod.phase == "Pending" or container.state == "waiting" or started > now:
        state = {"waiting": {"reason": "ContainerCreating"}}
    else:
        state = {"running": {"startedAt": rfc3339(started)}}
    running = "running" in state
    created = "waiting" not in state
    return {
        "name": container.name,
        "state": state,
        "lastState": {},
        "ready": running,
        "started": running,
        "restartCount": container.restarts,
        "image": container.image,
        "imageID": image_id_of(container) if created else "",
        **({"containerID": name} if created else {}),
    }
