"""Steps 2 to 4: each question of the runbook, and which answers it needs. Reads through ports, changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from responder import filters, names, proof
from responder.errors import PASSING, Unanswered
from responder.evidence import (
    AuditEntry,
    AuditExtract,
    Cluster,
    Deletion,
    Found,
    KubeEvent,
    LogEntry,
    LogExtract,
    Missing,
    Namespace,
    Node,
    OwnerChain,
    OwnerRef,
    Pod,
    Project,
    Proof,
    Window,
    Workload,
)
from responder.finding import ClusterRef, Finding, NodeRef, Target
from responder.ports import Access, Around, Kubernetes, LogCaps, World
from responder.triage import is_telling

AnyAnswer = Found[Any] | Missing
E = TypeVar("E", LogEntry, AuditEntry)

KEPT: Final = 100
"""Log lines that a record keeps of each query: those that tell something, then those nearest to the event."""
_DELETES: Final = ("pods.delete", "pods.deletecollection", "pods.eviction.create", "eviction.create")
_CHAIN: Final = 6


@dataclass(slots=True)
class Inquiry:
    """One record's questions while they are asked. `answers` is guarded by `lock`; the rest is set before."""

    world: World
    finding: Finding
    target: Target
    now: datetime
    answers: dict[str, AnyAnswer] = field(default_factory=dict)
    access: Access | None = None
    around: Around | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log_window(self) -> Window:
        """Either side of the event, not beyond now."""
        half = self.world.settings.log_window
        return Window(self.finding.event_time - half, min(self.finding.event_time + half, self.now))

    @property
    def log_caps(self) -> LogCaps:
        """How much of a log is read: of one with many lines, those around the event."""
        return LogCaps(around=self.finding.event_time)

    @property
    def cluster_ref(self) -> ClusterRef:
        """The finding's cluster, each part valid; Unanswered otherwise."""
        ref = self.finding.cluster
        if ref is None:
            raise Unanswered("not_asked", "the finding names no cluster")
        is_project = names.is_valid("project_id", ref.project) or names.is_valid("project_number", ref.project)
        if not (is_project and names.is_valid("location", ref.location) and names.is_valid("cluster", ref.name)):
            raise Unanswered("invalid", "the finding's cluster name is not one that GKE would give")
        return ref

    @property
    def project_id(self) -> str:
        """The project's id, from the finding or, where that has the number only, from Resource Manager."""
        if names.is_valid("project_id", self.finding.project_id):
            return self.finding.project_id
        known = self.answers.get("project")
        if isinstance(known, Found) and isinstance(known.value, Project):
            return known.value.project_id
        raise Unanswered("not_asked", "the project's id is not known, its number alone selects no logs")

    @property
    def pod_names(self) -> tuple[str, str]:
        """Namespace and pod, both valid; Unanswered otherwise."""
        if not self.target.has_pod:
            raise Unanswered("not_asked", "the finding names no pod")
        if not names.is_valid("namespace", self.target.namespace):
            raise Unanswered("invalid", "the finding's namespace is not a DNS-1123 label")
        if not names.is_valid("pod", self.target.pod):
            raise Unanswered("invalid", "the finding's pod name is not a DNS-1123 subdomain")
        return self.target.namespace, self.target.pod

    def kubernetes(self) -> Kubernetes:
        """Reads of the finding's cluster; Unanswered where there is no way in, or SCC did not confirm the finding."""
        if not isinstance(self.answers.get("scc"), Found):
            detail = "SCC did not confirm the finding, and no cluster is asked on the word of a message alone"
            raise Unanswered("unverified", detail)
        cluster = self.answers["cluster"]
        if isinstance(cluster, Missing):
            raise Unanswered(cluster.why, f"the cluster could not be read: {cluster.detail}", mend=cluster.mend)
        if self.access is None:
            raise Unanswered("unavailable", cluster.value.endpoint.reason)
        return self.world.connect(self.access)

    def value(self, name: str) -> Any:
        """The value of an answered question, or None."""
        answer = self.answers.get(name)
        return answer.value if isinstance(answer, Found) else None


class Question(NamedTuple):
    """What to ask, and which answers (found or missing) must be there first."""

    ask: Callable[[Inquiry], AnyAnswer]
    needs: tuple[str, ...] = ()


# --- the questions ----------------------------------------------------------------------------------------------------


def _cluster(inquiry: Inquiry) -> AnyAnswer:
    ref = inquiry.cluster_ref
    cluster, access = inquiry.world.clusters.cluster(ref, event_time=inquiry.finding.event_time)
    inquiry.access = access
    return Found[Cluster](value=cluster, source=f"container.googleapis.com GetCluster {ref.api_name}")


def _node_name(inquiry: Inquiry) -> NodeRef:
    pod: Pod | None = inquiry.value("pod")
    if inquiry.finding.nodes:
        ref = inquiry.finding.nodes[0]
    elif pod and pod.node_name:
        ref = NodeRef(name=pod.node_name)
    else:
        raise Unanswered("not_asked", "neither the finding nor the pod names a node")
    if not names.is_valid("node", ref.name):
        raise Unanswered("invalid", "the finding's node name is not a DNS-1123 subdomain")
    return ref


def _node(inquiry: Inquiry) -> AnyAnswer:
    ref = _node_name(inquiry)
    event_time = inquiry.finding.event_time
    try:
        node = inquiry.kubernetes().node(ref.name, event_time=event_time)
        if node.instance_id:
            return Found[Node](value=node, source=f"kubernetes nodes/{ref.name}")
        refused = Unanswered("not_found", "the node has no annotation container.googleapis.com/instance_id")
    except Unanswered as error:
        refused = error
    try:
        node = _instance(inquiry, ref)
    except Unanswered as error:
        detail = f"cluster: {refused.detail}; Compute Engine: {error.detail}"
        # The one that may still answer decides whether it is worth to ask again.
        why = error.why if error.why in PASSING else refused.why
        raise Unanswered(why, detail, mend=refused.mend or error.mend) from error
    return Found[Node](value=node, source=f"compute.googleapis.com instances.get, since the cluster: {refused.detail}")


def _instance(inquiry: Inquiry, ref: NodeRef) -> Node:
    location = inquiry.finding.cluster.location if inquiry.finding.cluster else ""
    zone = ref.zone or (location if names.location_type(location) == "zone" else "")
    if not names.is_valid("zone", zone):
        raise Unanswered("not_asked", "the node's zone is not known")
    if ref.project and ref.project not in {inquiry.finding.project_id, inquiry.finding.project_number}:
        raise Unanswered("invalid", "the finding names a node VM of another project")
    return inquiry.world.instances.node(inquiry.project_id, zone, ref.name, event_time=inquiry.finding.event_time)


def _pod(inquiry: Inquiry) -> AnyAnswer:
    namespace, name = inquiry.pod_names
    pod = inquiry.kubernetes().pod(namespace, name)
    return Found[Pod](value=pod, source=f"kubernetes namespaces/{namespace}/pods/{name}")


def _namespace(inquiry: Inquiry) -> AnyAnswer:
    namespace, _ = inquiry.pod_names
    value = inquiry.kubernetes().namespace(namespace)
    return Found[Namespace](value=value, source=f"kubernetes namespaces/{namespace}")


def _pod_events(inquiry: Inquiry) -> AnyAnswer:
    namespace, name = inquiry.pod_names
    events = inquiry.kubernetes().pod_events(namespace, name)
    return Found[tuple[KubeEvent, ...]](value=events, source=f"kubernetes events about {namespace}/{name}")


def _proof(inquiry: Inquiry) -> AnyAnswer:
    pod = inquiry.value("pod")
    if not isinstance(pod, Pod):
        answer = inquiry.answers["pod"]
        gone = isinstance(answer, Missing) and answer.why in {"not_found", "not_asked", "invalid"}
        raise Unanswered("not_asked", "there is no pod to prove" if gone else "the pod could not be read")
    node = inquiry.finding.nodes[0].name if inquiry.finding.nodes else ""
    result = proof.prove(inquiry.finding, inquiry.target, pod, node)
    return Found[Proof](value=result, source="the finding against the pod's own object")


def _owners(inquiry: Inquiry) -> AnyAnswer:
    namespace, _ = inquiry.pod_names
    pod = inquiry.value("pod")
    if isinstance(pod, Pod) and pod.owner is None:
        return Found[OwnerChain](value=OwnerChain(links=(), complete=True), source="the pod has no controller")
    cluster = inquiry.kubernetes()
    if isinstance(pod, Pod) and pod.owner is not None:
        chain = _climb(cluster, namespace, pod.owner)
        return Found[OwnerChain](value=chain, source="kubernetes ownerReferences, from the pod up")
    return _owners_of_a_gone_pod(inquiry, cluster, namespace)


def _owners_of_a_gone_pod(inquiry: Inquiry, cluster: Kubernetes, namespace: str) -> AnyAnswer:
    ref = inquiry.finding.pod(inquiry.target)
    template_hash = ref.labels.get("pod-template-hash", "") if ref else ""
    if not names.is_valid("pod_template_hash", template_hash):
        raise Unanswered("not_found", "the pod could not be read, and the finding's labels name no pod-template-hash")
    sets = cluster.replica_sets(namespace, template_hash)
    if not sets:
        raise Unanswered("not_found", f"no ReplicaSet in {namespace} has the finding's pod-template-hash")
    first = sets[0].model_copy(update={"how_known": "pod-template-hash label of the finding"})
    rest = _climb(cluster, namespace, first.owner) if first.owner else OwnerChain(links=(), complete=True)
    chain = rest.model_copy(update={"links": (first, *rest.links)})
    return Found[OwnerChain](value=chain, source="kubernetes ReplicaSets by the finding's pod-template-hash label")


def _climb(cluster: Kubernetes, namespace: str, ref: OwnerRef | None) -> OwnerChain:
    links: list[Workload] = []
    while ref is not None and len(links) < _CHAIN:
        try:
            link = cluster.workload(namespace, ref)
        except Unanswered as error:
            known = Workload(
                api_version=ref.api_version, kind=ref.kind, name=ref.name, uid=ref.uid, namespace=namespace,
                how_known="ownerReferences, itself not read",
            )  # fmt: skip
            broken_by = f"{error.why}: {error.detail}" + (f"; to mend it: {error.mend}" if error.mend else "")
            return OwnerChain(links=(*links, known), complete=False, broken_by=broken_by)
        links.append(link)
        ref = link.owner
    return OwnerChain(
        links=tuple(links), complete=ref is None, broken_by="" if ref is None else "the chain is too long"
    )


def _pod_log(inquiry: Inquiry) -> AnyAnswer:
    namespace, pod = inquiry.pod_names
    text = filters.pod_log(inquiry.project_id, inquiry.cluster_ref, namespace, pod, inquiry.log_window)
    return _lines(inquiry, text, "Cloud Logging, the pod's containers")


def _node_log(inquiry: Inquiry) -> AnyAnswer:
    node = inquiry.value("node")
    if not isinstance(node, Node) or not node.instance_id:
        raise Unanswered("not_asked", "the node's instance id is not known")
    text = filters.node_log(node.instance_id, inquiry.log_window)
    return _lines(inquiry, text, "Cloud Logging, the node's VM with its serial console")


def _lines(inquiry: Inquiry, text: str, source: str) -> AnyAnswer:
    pages = inquiry.world.logs.entries(inquiry.project_id, text, inquiry.log_caps)
    moment = inquiry.finding.event_time
    kept = _kept(pages.entries, moment, lambda e: is_telling(e.text))
    window = inquiry.log_window
    extract = LogExtract(
        filter=text, window_start=window.start, window_end=window.end, read=len(pages.entries), pages=pages.pages,
        entries=tuple(sorted(kept, key=lambda e: (e.time, e.insert_id))),
        truncated=pages.truncated or len(pages.entries) > KEPT,
    )  # fmt: skip
    return Found[LogExtract](value=extract, source=source)


def _kept(entries: Iterable[E], moment: datetime, is_first: Callable[[E], bool]) -> list[E]:
    """The `KEPT` entries that go first, then those nearest to the moment."""
    return sorted(entries, key=lambda entry: (not is_first(entry), abs(entry.time - moment)))[:KEPT]


def _audit_log(inquiry: Inquiry) -> AnyAnswer:
    namespace, pod = inquiry.pod_names
    window = inquiry.log_window
    text = filters.audit_log(inquiry.project_id, inquiry.cluster_ref, pod, window)
    pages = inquiry.world.logs.audit(inquiry.project_id, text, inquiry.log_caps)
    resource = f"core/v1/namespaces/{namespace}/pods/{pod}"
    # The page's query searches all text for the name: `web-1` finds `web-10` too.
    ours = [e for e in pages.audit if e.resource_name == resource or e.resource_name.startswith(resource + "/")]
    moment = inquiry.finding.event_time
    kept = _kept(ours, moment, lambda e: bool(e.session) or e.method.endswith(_DELETES))
    extract = AuditExtract(
        filter=text, window_start=window.start, window_end=window.end, read=len(pages.audit), pages=pages.pages,
        entries=tuple(sorted(kept, key=lambda e: e.time)), truncated=pages.truncated or len(ours) > KEPT,
    )  # fmt: skip
    return Found[AuditExtract](value=extract, source="Cloud Logging, the cluster's admin activity")


def _deletion(inquiry: Inquiry) -> AnyAnswer:
    pod, told, audit = inquiry.answers["pod"], inquiry.value("proof"), inquiry.answers["audit_log"]
    is_replaced = isinstance(told, Proof) and told.verdict == "replaced"
    is_leaving = isinstance(pod, Found) and isinstance(pod.value, Pod) and pod.value.deletion_time is not None
    if isinstance(pod, Found) and not (is_replaced or is_leaving):
        raise Unanswered("not_asked", "the pod is there")
    if isinstance(pod, Missing) and pod.why != "not_found":
        raise Unanswered("not_asked", "whether the pod is gone is not known")
    if isinstance(audit, Missing):
        raise Unanswered(audit.why, f"the audit log was not read: {audit.detail}", mend=audit.mend)
    entries: tuple[AuditEntry, ...] = audit.value.entries
    for entry in reversed(entries):
        if entry.method.endswith(_DELETES):
            gone = Deletion.model_validate(entry.model_dump(include=set(Deletion.model_fields)))
            return Found[Deletion](value=gone, source=f"audit log, {entry.method}")
    raise Unanswered("not_found", "the audit log has no delete of this pod in the window")


def _project(inquiry: Inquiry) -> AnyAnswer:
    finding = inquiry.finding
    ask = finding.project_id or finding.project_number
    if not (names.is_valid("project_id", ask) or names.is_valid("project_number", ask)):
        raise Unanswered("invalid", "the finding's project is neither an id nor a number")
    project = inquiry.world.projects.project(ask)
    if (finding.project_id and project.project_id != finding.project_id) or (
        finding.project_number and project.number != finding.project_number
    ):
        raise Unanswered("broken", "Resource Manager's id and number are not those of the finding")
    return Found[Project](value=project, source=f"cloudresourcemanager.googleapis.com projects/{ask}")


def _essential_contacts(inquiry: Inquiry) -> AnyAnswer:
    value = inquiry.world.projects.security_contacts(inquiry.project_id)
    return Found[tuple[str, ...]](value=value, source="essentialcontacts.googleapis.com, SECURITY")


def _project_owners(inquiry: Inquiry) -> AnyAnswer:
    value = inquiry.world.projects.owners(inquiry.project_id)
    return Found[tuple[str, ...]](value=value, source="cloudresourcemanager.googleapis.com getIamPolicy, roles/owner")


def questions(finding: Finding) -> dict[str, Question]:
    """What is asked once SCC has spoken, with the answers that each needs. Names are fields of `Evidence`."""
    by_id: tuple[str, ...] = () if names.is_valid("project_id", finding.project_id) else ("project",)
    node_needs = ("cluster",) if finding.nodes else ("cluster", "pod")
    return {
        "cluster": Question(_cluster),
        "project": Question(_project),
        "pod_log": Question(_pod_log, by_id),
        "audit_log": Question(_audit_log, by_id),
        "essential_contacts": Question(_essential_contacts, by_id),
        "project_owners": Question(_project_owners, by_id),
        "node": Question(_node, (*node_needs, *by_id)),
        "pod": Question(_pod, ("cluster",)),
        "namespace": Question(_namespace, ("cluster",)),
        "pod_events": Question(_pod_events, ("cluster",)),
        "owners": Question(_owners, ("cluster", "pod")),
        "proof": Question(_proof, ("pod",)),
        "node_log": Question(_node_log, ("node", *by_id)),
        "deletion": Question(_deletion, ("pod", "proof", "audit_log")),
    }
