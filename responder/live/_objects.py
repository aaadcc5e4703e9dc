"""Steps 2 and 3: Kubernetes objects as JSON -> evidence. Pure.

Field names are those of the API reference (https://kubernetes.io/docs/reference/kubernetes-api/). The client's typed
models are not used: importing them costs more than everything else that an investigation imports together. Values of
environment variables are dropped here, only their names are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final, Literal, TypeVar

from responder import names
from responder.evidence import ContainerState, KubeEvent, Namespace, Node, OwnerRef, Pod, Workload
from responder.live._reply import (
    WrongFormError,
    flag,
    items,
    kept_annotations,
    labels,
    mapping,
    moment,
    number,
    text,
    texts,
)

Object = Mapping[str, Any]
_T = TypeVar("_T")

_INSTANCE_ID: Final = "container.googleapis.com/instance_id"
_MIRROR: Final = "kubernetes.io/config.mirror"
_MESSAGE_CHARACTERS: Final = 1000
_CONTAINERS: Final[tuple[tuple[Literal["container", "init", "ephemeral"], str, str], ...]] = (
    # kind, key of the spec, key of the status
    ("container", "containers", "containerStatuses"),
    ("init", "initContainers", "initContainerStatuses"),
    ("ephemeral", "ephemeralContainers", "ephemeralContainerStatuses"),
)
_VOLUME_NAMES: Final = {
    # Kinds of volumes whose source has a name of its own.
    "secret": "secretName",
    "configMap": "name",
    "hostPath": "path",
    "persistentVolumeClaim": "claimName",
}


def node(reply: Object, *, event_time: datetime) -> Node:
    """A Node. `instance_id` is empty where the annotation is missing: it is, shortly after a node has joined."""
    tags = labels(reply, "metadata", "labels")
    instance_id = text(reply, "metadata", "annotations", _INSTANCE_ID)
    provider_id = text(reply, "spec", "providerID")
    info = mapping(reply, "status", "nodeInfo")
    created = moment(reply, "metadata", "creationTimestamp")
    return Node(
        name=text(reply, "metadata", "name"),
        known_by="cluster",
        instance_id=instance_id if names.is_valid("instance_id", instance_id) else "",
        zone=tags.get("topology.kubernetes.io/zone") or _zone_of(provider_id),
        provider_id=provider_id,
        node_pool=tags.get("cloud.google.com/gke-nodepool", ""),
        machine_type=tags.get("node.kubernetes.io/instance-type", ""),
        create_time=created,
        recreated=created is not None and created > event_time,
        os_image=text(info, "osImage"),
        kernel=text(info, "kernelVersion"),
        container_runtime=text(info, "containerRuntimeVersion"),
        kubelet=text(info, "kubeletVersion"),
        status=_readiness(reply),
        labels=tags,
    )


def pod(reply: Object) -> Pod:
    """A Pod, spec and status together."""
    spec, metadata = mapping(reply, "spec"), mapping(reply, "metadata")
    volumes = items(spec, "volumes")
    own = owner(reply)
    created = moment(metadata, "creationTimestamp")
    if created is None:
        path = "metadata.creationTimestamp"
        raise WrongFormError(path)
    return Pod(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=_uid(metadata),
        create_time=created,
        deletion_time=moment(metadata, "deletionTimestamp"),
        phase=text(reply, "status", "phase"),
        node_name=text(spec, "nodeName"),
        service_account=text(spec, "serviceAccountName"),
        automount_token=flag(spec, "automountServiceAccountToken") is not False,
        host_network=bool(flag(spec, "hostNetwork")),
        host_pid=bool(flag(spec, "hostPID")),
        host_ipc=bool(flag(spec, "hostIPC")),
        host_paths=tuple(text(v, "hostPath", "path") for v in volumes if mapping(v, "hostPath")),
        secrets=tuple(dict.fromkeys(_secrets(spec, volumes))),
        runtime_class=text(spec, "runtimeClassName"),
        priority_class=text(spec, "priorityClassName"),
        static=_MIRROR in mapping(metadata, "annotations") or (own is not None and own.kind == "Node"),
        owner=own,
        labels=labels(metadata, "labels"),
        annotations=kept_annotations(metadata, "annotations"),
        pod_ip=text(reply, "status", "podIP"),
        containers=tuple(_containers(reply, volumes)),
    )


def namespace(reply: Object) -> Namespace:
    """A Namespace."""
    return Namespace(
        name=text(reply, "metadata", "name"),
        labels=labels(reply, "metadata", "labels"),
        annotations=kept_annotations(reply, "metadata", "annotations"),
    )


def workload(reply: Object, *, api_version: str, kind: str, how_known: str) -> Workload:
    """A controller of any kind. Replicas are those of the kinds that count any: a DaemonSet's are its nodes."""
    return Workload(
        api_version=api_version,
        kind=kind,
        name=text(reply, "metadata", "name"),
        uid=text(reply, "metadata", "uid"),
        namespace=text(reply, "metadata", "namespace"),
        create_time=moment(reply, "metadata", "creationTimestamp"),
        replicas=_first(number(reply, "spec", "replicas"), number(reply, "status", "desiredNumberScheduled")),
        ready_replicas=_first(number(reply, "status", "readyReplicas"), number(reply, "status", "numberReady")),
        labels=labels(reply, "metadata", "labels"),
        annotations=kept_annotations(reply, "metadata", "annotations"),
        owner=owner(reply),
        how_known=how_known,
    )


def event(reply: Object) -> KubeEvent:
    """An Event of v1, in the old form (`count`, `lastTimestamp`) and the new (`series`, `eventTime`)."""
    at = moment(reply, "eventTime")
    return KubeEvent(
        type=text(reply, "type"),
        reason=text(reply, "reason"),
        message=text(reply, "message")[:_MESSAGE_CHARACTERS],
        count=number(reply, "series", "count") or number(reply, "count") or 1,
        first_seen=moment(reply, "firstTimestamp") or at,
        last_seen=moment(reply, "series", "lastObservedTime") or moment(reply, "lastTimestamp") or at,
        component=text(reply, "source", "component") or text(reply, "reportingComponent"),
    )


def owner(reply: Object) -> OwnerRef | None:
    """The owner that is the controller: an object has at most one."""
    for ref in items(reply, "metadata", "ownerReferences"):
        if flag(ref, "controller"):
            return OwnerRef(
                api_version=text(ref, "apiVersion"),
                kind=text(ref, "kind"),
                name=text(ref, "name"),
                uid=text(ref, "uid"),
            )
    return None


def _containers(reply: Object, volumes: list[dict[str, Any]]) -> Iterator[ContainerState]:
    spec, status = mapping(reply, "spec"), mapping(reply, "status")
    for kind, spec_key, status_key in _CONTAINERS:
        statuses = {text(entry, "name"): entry for entry in items(status, status_key)}
        for container in items(spec, spec_key):
            yield _container(kind, container, statuses.get(text(container, "name"), {}), spec, volumes)


def _container(
    kind: Literal["container", "init", "ephemeral"],
    container: Object,
    status: Object,
    pod_spec: Object,
    volumes: list[dict[str, Any]],
) -> ContainerState:
    security = mapping(container, "securityContext")
    inherited = mapping(pod_spec, "securityContext")
    user = _first(number(security, "runAsUser"), number(inherited, "runAsUser"))
    not_root = _first(flag(security, "runAsNonRoot"), flag(inherited, "runAsNonRoot"))
    state = next((s for s in ("running", "waiting", "terminated") if s in mapping(status, "state")), "")
    sources = {text(volume, "name"): _source(volume) for volume in volumes}
    return ContainerState(
        name=text(container, "name"),
        kind=kind,
        image=text(container, "image"),
        image_id=text(status, "imageID"),
        state=state,
        reason=text(status, "state", state, "reason"),
        started_at=moment(status, "state", state, "startedAt"),
        finished_at=moment(status, "state", state, "finishedAt"),
        restarts=number(status, "restartCount") or 0,
        command=texts(container, "command"),
        args=texts(container, "args"),
        env_names=tuple(text(variable, "name") for variable in items(container, "env")),
        working_dir=text(container, "workingDir"),
        privileged=bool(flag(security, "privileged")),
        run_as_user=user,
        run_as_root=user == 0 if user is not None else (False if not_root else None),
        read_only_root=bool(flag(security, "readOnlyRootFilesystem")),
        capabilities_added=texts(security, "capabilities", "add"),
        mounts=tuple(
            f"{text(mount, 'mountPath')} <- {sources.get(text(mount, 'name'), 'unknown:' + text(mount, 'name'))}"
            for mount in items(container, "volumeMounts")
        ),
    )


def _source(volume: Object) -> str:
    """`kind:name` of a volume: `secret:db`, `hostPath:/var/run`, `emptyDir:scratch`."""
    kind = next((key for key in volume if key != "name"), "unknown")
    named = text(volume, kind, _VOLUME_NAMES[kind]) if kind in _VOLUME_NAMES else ""
    return f"{kind}:{named or text(volume, 'name')}"


def _secrets(spec: Object, volumes: list[dict[str, Any]]) -> Iterator[str]:
    """Secrets whose content the pod's containers can read; those for pulling images are not among them."""
    for volume in volumes:
        yield from _named(volume, "secret", "secretName")
        for source in items(volume, "projected", "sources"):
            yield from _named(source, "secret", "name")
    for container in chain.from_iterable(items(spec, key) for _, key, _ in _CONTAINERS):
        for source in items(container, "envFrom"):
            yield from _named(source, "secretRef", "name")
        for variable in items(container, "env"):
            yield from _named(variable, "valueFrom", "secretKeyRef", "name")


def _named(reply: Object, *path: str) -> Iterator[str]:
    name = text(reply, *path)
    if name:
        yield name


def _first(*values: _T | None) -> _T | None:
    return next((value for value in values if value is not None), None)


def _uid(metadata: Object) -> str:
    uid = text(metadata, "uid")
    if not uid:
        path = "metadata.uid"
        raise WrongFormError(path)
    return uid


def _zone_of(provider_id: str) -> str:
    """The zone in ``gce://PROJECT/ZONE/NAME``."""
    parts = provider_id.removeprefix("gce://").split("/")
    return parts[1] if len(parts) == 3 and names.is_valid("zone", parts[1]) else ""  # noqa: PLR2004 - as above


def _readiness(reply: Object) -> str:
    conditions = {text(c, "type"): text(c, "status") for c in items(reply, "status", "conditions")}
    ready = {"True": "Ready", "False": "NotReady"}.get(conditions.get("Ready", ""), "Unknown")
    return f"{ready},SchedulingDisabled" if flag(reply, "spec", "unschedulable") else ready
