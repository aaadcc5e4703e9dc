"""Step 4: the three Cloud Logging queries of Google's page, with a window. Pure.

The clauses are the page's own, one by one; only the window and the quotes around the pod's name are added
(https://cloud.google.com/security-command-center/docs/findings/threats/launch-code-compiler-tool-in-container). Every
name is validated before it is quoted: Unanswered("invalid") says which was refused, and nothing is asked.
"""

from __future__ import annotations

from datetime import UTC, datetime

from responder.errors import Unanswered
from responder.evidence import Window
from responder.finding import ClusterRef
from responder.names import is_valid
from responder.quoting import lql


def pod_log(project_id: str, cluster: ClusterRef, namespace: str, pod: str, window: Window) -> str:
    """The pod's container logs. `project_id` is the id, never the number: the label does not match a number.

    `cluster.location` is the cluster's own: the zone of a zonal cluster, the region of a regional one.
    """
    return _joined(
        _equals("resource.type", "k8s_container"),
        _equals("resource.labels.project_id", _valid("project_id", project_id)),
        _equals("resource.labels.location", _valid("location", cluster.location)),
        _equals("resource.labels.cluster_name", _valid("cluster", cluster.name)),
        _equals("resource.labels.namespace_name", _valid("namespace", namespace)),
        _equals("resource.labels.pod_name", _valid("pod", pod)),
        *_within(window),
    )


def audit_log(project_id: str, cluster: ClusterRef, pod: str, window: Window) -> str:
    """The cluster's admin activity log, where it speaks of the pod.

    The pod's name alone is a search for a substring in any field: ``web-1`` finds ``web-10`` too, and a pod of the same
    name in another namespace. Whoever reads the answer must compare `protoPayload.resourceName`.
    """
    log_name = f"projects/{_valid('project_id', project_id)}/logs/cloudaudit.googleapis.com%2Factivity"
    return _joined(
        _equals("logName", log_name),
        _equals("resource.type", "k8s_cluster"),
        _equals("resource.labels.project_id", project_id),
        _equals("resource.labels.location", _valid("location", cluster.location)),
        _equals("resource.labels.cluster_name", _valid("cluster", cluster.name)),
        lql(_valid("pod", pod)),
        *_within(window),
    )


def node_log(instance_id: str, window: Window) -> str:
    """All logs of the node's VM, its serial console among them. `instance_id` is the number, not the node's name."""
    return _joined(
        _equals("resource.type", "gce_instance"),
        _equals("resource.labels.instance_id", _valid("instance_id", instance_id)),
        *_within(window),
    )


def before(text: str, time: datetime) -> str:
    """A query's entries from before that time."""
    return _joined(text, f"timestamp<{lql(timestamp(time))}")


def since(text: str, time: datetime) -> str:
    """A query's entries from that time on."""
    return _joined(text, f"timestamp>={lql(timestamp(time))}")


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC, written by us and never copied from a message; ValueError for a time without a zone."""
    if time.tzinfo is None:
        message = "a time without a zone cannot be asked for"
        raise ValueError(message)
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _valid(kind: str, text: str) -> str:
    if not is_valid(kind, text):
        # The text itself is not repeated: it is whatever somebody wrote into the finding.
        raise Unanswered("invalid", f"the {kind.replace('_', ' ')} is {'not a valid one' if text else 'empty'}")
    return text


def _equals(field: str, value: str) -> str:
    return f"{field}={lql(value)}"


def _within(window: Window) -> tuple[str, str]:
    return f"timestamp>={lql(timestamp(window.start))}", f"timestamp<={lql(timestamp(window.end))}"


def _joined(*clauses: str) -> str:
    return " AND ".join(clauses)
