"""Steps 2 and 3: node, pod, owners, namespace and events, from the cluster's own API. GET only; changes nothing.

The address and its CA come from the Container API alone. The token is sent to nobody else: TLS is verified, no proxy of
the environment is used, no redirect is followed.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject

from responder import __version__, names
from responder.errors import Unanswered
from responder.evidence import KubeEvent, Namespace, Node, OwnerRef, Pod, Workload
from responder.live import _objects, _reply
from responder.live._errors import Asking
from responder.live._retries import once_more
from responder.live._timely import pools
from responder.live.google import Address

_T = TypeVar("_T")


CONNECTING: Final = ("container.clusters.connect",)
"""What the DNS endpoint of a control plane asks of whoever comes; what they may do there is RBAC's to say."""


class Rule(NamedTuple):
    """A rule of an RBAC role: API group, resource, verbs."""

    group: str
    resource: str
    verbs: tuple[str, ...]


RULES: Final = (
    Rule("", "nodes", ("get",)),
    Rule("", "namespaces", ("get",)),
    Rule("", "pods", ("get",)),
    Rule("", "events", ("list",)),
    Rule("apps", "deployments", ("get",)),
    Rule("apps", "replicasets", ("get", "list")),
    Rule("apps", "statefulsets", ("get",)),
    Rule("apps", "daemonsets", ("get",)),
    Rule("batch", "jobs", ("get",)),
    Rule("batch", "cronjobs", ("get",)),
)
"""Custom controllers take a rule each, which only the cluster's owner knows; the answer of `workload` names it."""

_MADE: Final = re.compile(r"(?:Created pod: |create Pod )([a-z0-9.-]{1,253})(?: in StatefulSet \S+ successful)?$")

_BUILT_IN: Final = {
    # (API group, kind): plural. A Node owns its static pods.
    ("", "Node"): "nodes",
    ("", "ReplicationController"): "replicationcontrollers",
    ("apps", "Deployment"): "deployments",
    ("apps", "ReplicaSet"): "replicasets",
    ("apps", "StatefulSet"): "statefulsets",
    ("apps", "DaemonSet"): "daemonsets",
    ("batch", "Job"): "jobs",
    ("batch", "CronJob"): "cronjobs",
}
_TIMEOUT: Final = (3.0, 10.0)  # seconds to connect, seconds between two reads
_BODY_BYTES: Final = 16 * 1024 * 1024
_CHUNK: Final = 64 * 1024
_CONNECTIONS: Final = 600  # six calls of a hundred findings at once
_EVENTS: Final = 100
_SETS: Final = 50
_PAGES: Final = 5
_OK: Final = 200
_VERSION: Final = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]+)?")
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


class Cluster:
    """One control plane. `token` is asked for each call, so that it may be renewed meanwhile.

    `answer_seconds` is how long one answer may take to arrive, beside the timeouts of connecting and of each packet.
    """

    def __init__(self, address: Address, token: Callable[[], str], *, answer_seconds: float = 20.0) -> None:
        self._address = address
        self._answer_seconds = answer_seconds
        self._token = token
        self._guard = threading.Lock()
        self._made: RESTClientObject | None = None
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}

    def node(self, name: str, *, event_time: datetime) -> Node:
        """The node; `recreated` where it is younger than the event."""
        _check("node", name)
        return self._object("Node", "nodes", name, read=lambda reply: _objects.node(reply, event_time=event_time))

    def pod(self, namespace: str, name: str) -> Pod:
        """The pod that has the name now."""
        _check("namespace", namespace)
        _check("pod", name)
        return self._object("Pod", "pods", name, read=_objects.pod, namespace=namespace)

    def namespace(self, name: str) -> Namespace:
        """The namespace."""
        _check("namespace", name)
        return self._object("Namespace", "namespaces", name, read=_objects.namespace)

    def pod_events(self, namespace: str, name: str) -> tuple[KubeEvent, ...]:
        """At most a hundred events, oldest first; a cluster keeps them for an hour unless it was told otherwise."""
        _check("namespace", namespace)
        _check("pod", name)
        about = f"involvedObject.kind=Pod,involvedObject.namespace={namespace},involvedObject.name={name}"
        path = f"/api/v1/namespaces/{namespace}/events"
        asking = _asking("list", "events", namespace)
        found = self._listed(path, asking, "EventList", {"fieldSelector": about, "limit": str(_EVENTS)})
        with asking:
            events = [_objects.event(item) for item in found]
        return tuple(sorted(events, key=lambda e: e.last_seen or e.first_seen or _EARLIEST))

    def created_pods(self, namespace: str, owner: OwnerRef, since: datetime) -> tuple[str, ...]:
        """From the events `SuccessfulCreate` of the owner: `Created pod: NAME` (k8s.io/kubernetes/pkg/controller).

        A StatefulSet's says `create Pod NAME in StatefulSet ... successful`. A name that is none is not taken.
        """
        _check("namespace", namespace)
        _check("workload", owner.name)
        about = (
            f"involvedObject.kind={owner.kind},involvedObject.name={owner.name},involvedObject.namespace={namespace}"
        )
        asking = _asking("list", "events", namespace)
        query = {"fieldSelector": about, "limit": str(_EVENTS)}
        found = self._listed(f"/api/v1/namespaces/{namespace}/events", asking, "EventList", query)
        with asking:
            events = [_objects.event(item) for item in found]
        since = since.replace(microsecond=0)  # as an event's times are
        made = [e for e in events if e.reason == "SuccessfulCreate" and e.last_seen and e.last_seen >= since]
        told = sorted((e.last_seen or since, match[1]) for e in made if (match := _MADE.match(e.message)))
        return tuple(dict.fromkeys(name for _, name in reversed(told) if names.is_valid("pod", name)))

    def workload(self, namespace: str, ref: OwnerRef) -> Workload:
        """The controller that `ref` names; its `how_known` says so where the cluster has another of that name now."""
        _check("workload", ref.name)
        group, version = _group_version(ref.api_version)
        plural, is_namespaced = self._plural(group, version, ref.kind)
        if is_namespaced:
            _check("namespace", namespace)
        found = self._object(
            ref.kind,
            plural,
            ref.name,
            namespace=namespace if is_namespaced else "",
            root=_root(group, version),
            read=lambda reply: _objects.workload(
                reply, api_version=ref.api_version, kind=ref.kind, how_known="ownerReferences"
            ),
        )
        if ref.uid and found.uid != ref.uid:
            note = "ownerReferences, but its uid is another: it was made anew under the same name"
            return found.model_copy(update={"how_known": note})
        return found

    def replica_sets(self, namespace: str, pod_template_hash: str) -> tuple[Workload, ...]:
        """The ReplicaSets whose label `pod-template-hash` it is; at most fifty."""
        _check("namespace", namespace)
        _check("pod_template_hash", pod_template_hash)
        asking = _asking("list", "replicasets.apps", namespace)
        query = {"labelSelector": f"pod-template-hash={pod_template_hash}", "limit": str(_SETS)}
        found = self._listed(f"/apis/apps/v1/namespaces/{namespace}/replicasets", asking, "ReplicaSetList", query)
        how = "pod-template-hash label"
        with asking:
            return tuple(
                _objects.workload(item, api_version="apps/v1", kind="ReplicaSet", how_known=how) for item in found
            )

    def _listed(self, path: str, asking: Asking, kind: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """The first `limit` items of a list.

        A page may be shorter than its limit, even empty, and more may come: `metadata.continue` alone tells (Kubernetes
        API concepts, "Retrieving large results sets in chunks").
        """
        items: list[dict[str, Any]] = []
        limit, more = int(query["limit"]), ""
        for _ in range(_PAGES):
            reply = self._get(path, asking, kind, {**query, "continue": more} if more else query)
            with asking:
                items += _reply.items(reply, "items")
                more = _reply.text(reply, "metadata", "continue")
            if not more or len(items) >= limit:
                return items[:limit]
        raise asking.endless()

    def _object(
        self,
        kind: str,
        plural: str,
        name: str,
        *,
        read: Callable[[Mapping[str, Any]], _T],
        namespace: str = "",
        root: str = "/api/v1",
    ) -> _T:
        """One object by its name, read by `read`; `broken` where the answer is about another."""
        group = root.split("/")[2] if root.startswith("/apis/") else ""
        asking = _asking("get", f"{plural}.{group}" if group else plural, f"{namespace}/{name}" if namespace else name)
        within = f"/namespaces/{namespace}" if namespace else ""
        # What every cluster has is missing by its name alone: a 404 of something on the way knows nothing of it.
        reply = self._get(f"{root}{within}/{plural}/{name}", asking, kind, missing="" if group else name)
        with asking:
            is_asked = _reply.text(reply, "metadata", "name") == name
            if not is_asked or _reply.text(reply, "metadata", "namespace") != namespace:
                raise asking.broken("the answer is another object")
            return read(reply)

    def _plural(self, group: str, version: str, kind: str) -> tuple[str, bool]:
        """The plural of a kind, and whether it is namespaced; the cluster is asked once for what is not built in."""
        if (group, kind) in _BUILT_IN:
            return _BUILT_IN[group, kind], kind != "Node"
        if not _KIND.fullmatch(kind):
            raise Unanswered("invalid", "the owner's kind is not one that Kubernetes would take")
        key = (f"{group}/{version}", kind)
        if key not in self._plurals:
            asking = _asking("discover", kind, f"{group}/{version}")
            reply = self._get(_root(group, version), asking, "APIResourceList")
            with asking:
                for resource in _reply.items(reply, "resources"):
                    plural = _reply.text(resource, "name")
                    if _reply.text(resource, "kind") == kind and names.is_valid("namespace", plural):
                        self._plurals[key] = plural, bool(_reply.flag(resource, "namespaced"))
        if key not in self._plurals:
            raise Unanswered("not_found", f"the cluster has no kind {kind} in {group}/{version}")
        return self._plurals[key]

    def _get(
        self, path: str, asking: Asking, kind: str, query: Mapping[str, str] | None = None, *, missing: str = ""
    ) -> dict[str, Any]:
        """The JSON object of that `kind` behind `path`; Unanswered as `asking` words it.

        Every answer of an API server says its kind. One that does not must not pass for an empty list. A 404 has to
        name `missing`, where that is given.
        """
        url = f"{self._address.url}{path}{'?' + urlencode(query) if query else ''}"
        with asking:
            headers = {
                "Authorization": f"Bearer {self._token()}",
                "Accept": "application/json",
                "User-Agent": f"gke-compiler-responder/{__version__}",
            }
            client: Any = self._client()  # the package is typed, this method of it is not
            reply = client.request("GET", url, headers=headers, _request_timeout=_TIMEOUT).response
            with closing(reply):  # a connection whose body was read to its end has been given back by then
                body = _body(reply, asking)
            if reply.status != _OK:
                no = asking.status(reply.status)
                if no.why == "not_found" and missing and not _is_about(body, missing):
                    raise Unanswered("unavailable", f"{no.detail}, which does not name it")
                raise no
            document = json.loads(body)
        if not isinstance(document, dict) or document.get("kind") != kind:
            raise asking.broken(f"the answer is not of kind {kind}")
        return document

    def _client(self) -> RESTClientObject:
        with self._guard:
            if self._made is None:
                self._made = _client(self._address, self._answer_seconds)
            return self._made


def _client(address: Address, seconds: float) -> RESTClientObject:
    configuration = Configuration(host=address.url)
    configuration.proxy = None  # it was taken from the environment
    configuration.connection_pool_maxsize = _CONNECTIONS
    configuration.retries = once_more()
    client = RESTClientObject(configuration)
    # One context for all connections: without it each new one reads and parses the CAs again.
    client.pool_manager.connection_pool_kw["ssl_context"] = tls(address.ca_pem)
    client.pool_manager.pool_classes_by_scheme = pools(seconds)
    return client


def tls(ca_pem: str) -> ssl.SSLContext:
    """Verifies against the cluster's own CA and no other; against the system's for a DNS endpoint, which has none."""
    context = ssl.create_default_context(cadata=ca_pem or None)
    # Python 3.13 refuses CAs without an authority key identifier, which those of clusters need not have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _body(reply: Any, asking: Asking) -> bytes:
    """The body, as long as it is not endless."""
    parts: list[bytes] = []
    size = 0
    # read1: what has come. read(n) and stream(n) wait until n bytes are there.
    while part := reply.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > _BODY_BYTES:
            raise asking.broken(f"the answer is larger than {_BODY_BYTES} bytes")
    return b"".join(parts)


def _asking(verb: str, resource: str, on: str) -> Asking:
    mend = f"{verb} {resource}: apply deploy/rbac/investigator.yaml to the cluster"
    return Asking(f"{verb} {resource} {on} of the cluster", mend=mend)


def _is_about(body: bytes, name: str) -> bool:
    """Whether a 404 is the API server's own word of that object: a Status of reason NotFound that names it."""
    try:
        said = json.loads(body)
        return bool(said["kind"] == "Status" and said["reason"] == "NotFound" and said["details"]["name"] == name)
    except (ValueError, RecursionError, KeyError, TypeError):
        return False


def _root(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _group_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` -> (`apps`, `v1`); `v1` -> (``, `v1`)."""
    group, _, version = api_version.rpartition("/")
    if not _VERSION.fullmatch(version) or (group and not names.is_valid("workload", group)):
        raise Unanswered("invalid", "the owner's apiVersion is not one that Kubernetes would take")
    return group, version


def _check(kind: str, name: str) -> None:
    """Refuse a name before it is in a URL: an empty one would ask for the whole collection."""
    if not names.is_valid(kind, name):
        raise Unanswered("invalid", f"not a name that a {kind} can have")
