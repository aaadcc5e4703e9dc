"""Step 4, the lab's side: the scenario's log lines as Cloud Logging keeps them.

Container lines as GKE's agent writes them, calls on pods as GKE's audit log writes them
(https://docs.cloud.google.com/kubernetes-engine/docs/how-to/audit-logging), node and serial console lines of the VM.
The command of an exec stands in the label `command.gke.io/command`, as one string.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud import logging_v2
from google.cloud.audit import audit_log_pb2
from google.protobuf import json_format

from lab import logging_filter
from lab.clusters import vm_id
from lab.objects import zone_of
from lab.scenario import ScenarioCluster, ScenarioLog, ScenarioNode, ScenarioPod
from lab.state import Lab

_ENTRY: Final = logging_v2.types.LogEntry.pb()
_AUDIT_TYPE: Final = f"type.googleapis.com/{audit_log_pb2.AuditLog.DESCRIPTOR.full_name}"
_METHOD: Final = re.compile(r"(?:io\.k8s\.)?(?:(?P<group>[a-z][a-z0-9.]*)\.(?P<version>v\d\w*)\.)?(?P<call>[A-Za-z.]+)")
_READS: Final = frozenset({"get", "list", "watch"})


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry of one project's logs."""

    time: datetime
    insert_id: str
    project: str
    message: Any
    fields: logging_filter.Fields


def kept(lab: Lab) -> tuple[Kept, ...]:
    """All entries that there are or will be, oldest first; ties in the order of `insertId`."""
    entries = [_kept(e) for index, planned in enumerate(lab.scenario.logs) for e in _repeated(lab, index, planned)]
    return tuple(sorted(entries, key=lambda entry: (entry.time, entry.insert_id)))


def _repeated(lab: Lab, index: int, planned: ScenarioLog) -> Iterator[dict[str, Any]]:
    cluster = _cluster(lab, planned)
    project = planned.project or (cluster.project if cluster else lab.scenario.projects[0].id)
    entry = {"severity": planned.severity, **_source(lab, planned, cluster, project), **planned.entry}
    for turn in range(planned.repeat):
        time = lab.at(planned.time) + timedelta(seconds=turn)
        yield {
            "logName": f"projects/{project}/logs/stdout",
            "timestamp": _text(time),
            "receiveTimestamp": _text(time + timedelta(seconds=0.8)),
            "insertId": hashlib.sha256(f"{index}/{turn}".encode()).hexdigest()[:16],
            **entry,
        }


def _source(lab: Lab, planned: ScenarioLog, cluster: ScenarioCluster | None, project: str) -> dict[str, Any]:
    given = [bool(planned.pod), bool(planned.audit), bool(planned.node), bool(planned.entry)]
    if given.count(True) != 1:
        message = f"a log entry at {planned.time} must have one of pod, audit, node and entry"
        raise ValueError(message)
    if planned.node:
        return _node_line(lab, planned, project)
    if planned.entry:
        return {"resource": {"type": "global", "labels": {"project_id": project}}}
    if cluster is None:
        message = f"a log entry at {planned.time} is of a cluster, and the scenario has none"
        raise ValueError(message)
    return _audit(planned, cluster, project) if planned.audit else _container_line(planned, cluster, project)


def _cluster(lab: Lab, planned: ScenarioLog) -> ScenarioCluster | None:
    clusters = lab.scenario.clusters
    if not planned.cluster:
        return clusters[0] if clusters else None
    named = next((c for c in clusters if c.name == planned.cluster), None)
    if named is None:
        message = f"a log entry at {planned.time} is of cluster {planned.cluster!r}, which the scenario has not"
        raise ValueError(message)
    return named


def _container_line(planned: ScenarioLog, cluster: ScenarioCluster, project: str) -> dict[str, Any]:
    namespace, name, container = _parts(planned.pod)
    pod = next((p for p in cluster.pods if (p.namespace, p.name) == (namespace, name)), None)
    stream = "stderr" if planned.severity in {"ERROR", "CRITICAL", "ALERT", "EMERGENCY"} else "stdout"
    return {
        "logName": f"projects/{project}/logs/{stream}",
        "resource": {
            "type": "k8s_container",
            "labels": {
                "project_id": project,
                "location": cluster.location,
                "cluster_name": cluster.name,
                "namespace_name": namespace,
                "pod_name": name,
                "container_name": container or (pod.containers[0].name if pod else "app"),
            },
        },
        "labels": _pod_labels(pod),
        **_payload(planned.text),
    }


def _pod_labels(pod: ScenarioPod | None) -> dict[str, str]:
    if pod is None:
        return {}
    labels = {f"k8s-pod/{key}": value for key, value in pod.labels.items()}
    return {**labels, "compute.googleapis.com/resource_name": pod.node} if pod.node else labels


def _payload(text: str) -> dict[str, Any]:
    """A line that is a JSON object becomes `jsonPayload`, as GKE's logging agent makes it one."""
    if text.startswith("{"):
        try:
            return {"jsonPayload": json.loads(text)}
        except ValueError:
            pass
    return {"textPayload": text}


def _node_line(lab: Lab, planned: ScenarioLog, project: str) -> dict[str, Any]:
    cluster, node = _node(lab, planned)
    log = "serialconsole.googleapis.com%2Fserial_port_1_output" if planned.serial else "syslog"
    labels = {"project_id": project, "zone": zone_of(cluster, node), "instance_id": vm_id(node)}
    return {
        "logName": f"projects/{project}/logs/{log}",
        "resource": {"type": "gce_instance", "labels": labels},
        "labels": {"compute.googleapis.com/resource_name": node.name},
        "textPayload": planned.text,
    }


def _node(lab: Lab, planned: ScenarioLog) -> tuple[ScenarioCluster, ScenarioNode]:
    for cluster in lab.scenario.clusters:
        for node in cluster.nodes:
            if node.name == planned.node:
                return cluster, node
    message = f"a log entry at {planned.time} is of node {planned.node!r}, which the scenario has not"
    raise ValueError(message)


def _audit(planned: ScenarioLog, cluster: ScenarioCluster, project: str) -> dict[str, Any]:
    match = _METHOD.fullmatch(planned.audit)
    if match is None:
        message = f"audit: {planned.audit!r} is no method; write pods.exec.create or apps.v1.deployments.patch"
        raise ValueError(message)
    group, version = match["group"] or "core", match["version"] or "v1"
    resource, *sub, verb = match["call"].split(".")
    namespace, name, _ = _parts(planned.on)
    path = "/".join(part for part in (f"{group}/{version}/namespaces/{namespace}/{resource}", name, *sub) if part)
    # Reads go to the data access log; exec is in the activity log whichever HTTP verb it came by.
    log = "data_access" if verb in _READS and "exec" not in sub else "activity"
    labels = {
        "authorization.k8s.io/decision": "forbid" if planned.severity == "ERROR" else "allow",
        "authorization.k8s.io/reason": "access granted by IAM permissions.",
    }
    if planned.command and "exec" in sub:
        labels["command.gke.io/command"] = " ".join(planned.command)
    return {
        "logName": f"projects/{project}/logs/cloudaudit.googleapis.com%2F{log}",
        "severity": "NOTICE" if log == "activity" and planned.severity == "INFO" else planned.severity,
        "resource": {
            "type": "k8s_cluster",
            "labels": {"project_id": project, "location": cluster.location, "cluster_name": cluster.name},
        },
        "labels": labels,
        "operation": {"id": _unique(planned), "producer": "k8s.io", "first": True, "last": True},
        "protoPayload": _audit_log(planned, f"io.k8s.{group}.{version}.{match['call']}", path, sub),
    }


def _audit_log(planned: ScenarioLog, method: str, path: str, sub: list[str]) -> dict[str, Any]:
    denied = planned.severity == "ERROR"
    payload: dict[str, Any] = {
        "@type": _AUDIT_TYPE,
        "serviceName": "k8s.io",
        "methodName": method,
        "resourceName": path,
        "authenticationInfo": {"principalEmail": planned.principal},
        "authorizationInfo": [{"resource": path, "permission": method, "granted": not denied}],
        "requestMetadata": {"callerIp": planned.caller_ip, "callerSuppliedUserAgent": planned.user_agent},
        "status": {"code": 7, "message": planned.text or "Forbidden"} if denied else {},
    }
    if "ephemeralcontainers" in sub:
        debugger: dict[str, Any] = {"name": "debugger-5v8tq", "image": planned.text or "busybox"}
        if planned.command:
            debugger["command"] = list(planned.command)
        payload["request"] = {"@type": "k8s.io/Patch", "spec": {"ephemeralContainers": [debugger]}}
    return payload


def _unique(planned: ScenarioLog) -> str:
    digest = hashlib.sha256(f"{planned.time}/{planned.audit}/{planned.on}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _kept(entry: dict[str, Any]) -> Kept:
    message = json_format.ParseDict(entry, _ENTRY())
    project = message.log_name.split("/")[1]
    fields = logging_filter.Fields.of(json_format.MessageToDict(message))
    return Kept(message.timestamp.ToDatetime(tzinfo=UTC), message.insert_id, project, message, fields)


def _parts(text: str) -> tuple[str, str, str]:
    namespace, _, rest = text.partition("/")
    name, _, container = rest.partition("/")
    return namespace, name, container


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
