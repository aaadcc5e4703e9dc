"""Steps 1 to 5: one type for each answer to the runbook's questions. Pure.

An answer is `Found(value)` or `Missing(why, detail)`: never `None`; an empty tuple in `Found` means "asked, and there
was nothing". All text in here is redacted and all times are UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from responder.errors import PASSING, Why

T = TypeVar("T")


class Model(BaseModel):
    """The base of everything that we own: frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Found(Model, Generic[T]):
    """The answer, and `source`: the call, the filter or the place in the notification that it came from."""

    status: Literal["found"] = "found"
    value: T
    source: str


class Missing(Model):
    """No answer. `mend` is what a person can do (a grant, a command); `retry_at` is set where it may still come."""

    status: Literal["missing"] = "missing"
    why: Why
    detail: str
    mend: str = ""
    retry_at: datetime | None = None

    @property
    def passing(self) -> bool:
        """Whether asking again may help."""
        return self.why in PASSING


NOT_ASKED = Missing(why="not_asked", detail="not asked yet")
LATER: Final = frozenset({"pod_log", "audit_log", "deletion"})
"""The questions of what comes after the compiler; the other findings are asked for in every round."""


class Window(NamedTuple):
    """Both ends included, UTC."""

    start: datetime
    end: datetime


# --- step 1 -----------------------------------------------------------------------------------------------------------


class Difference(Model):
    """A field in which the message and SCC disagree."""

    field: str
    message: str
    scc: str


class SccFinding(Model):
    """The finding as SCC has it now. `changed` are harmless updates (state, mute, severity) since the message."""

    name: str
    canonical_name: str
    state: str
    mute: str
    severity: str
    event_time: datetime
    marks: dict[str, str]
    identity_from_message: tuple[str, ...] = Field(
        default=(), description="identity fields that only the message has; SCC neither confirms nor denies them"
    )
    changed: tuple[Difference, ...] = ()


Closeness = Literal["container", "pod", "image", "node", "cluster", "project"]


class RelatedFinding(Model):
    """Another finding at a similar time; `offset_seconds` is negative where it came before ours."""

    name: str
    category: str
    severity: str
    state: str
    finding_class: str
    event_time: datetime
    offset_seconds: float
    closeness: Closeness
    binary: str = ""
    args: tuple[str, ...] = ()
    pod: str = ""
    adds: str = Field(description="one sentence: what this finding adds to the investigation")


class Related(Model):
    """The other findings of the window, nearest first. `truncated` where SCC had more than we read."""

    window_start: datetime
    window_end: datetime
    filter: str
    findings: tuple[RelatedFinding, ...]
    truncated: bool = False


# --- step 2 -----------------------------------------------------------------------------------------------------------


class Endpoint(Model):
    """How the control plane is reached. `kind` none: no endpoint of it can be used from here."""

    kind: Literal["dns", "public", "private", "none"]
    host: str
    reason: str


class Cluster(Model):
    """The cluster as the Container API has it."""

    name: str
    location: str
    location_type: Literal["zone", "region"]
    project_id: str
    self_link: str
    id: str
    status: str
    create_time: datetime | None
    newer_than_event: bool = Field(description="created after the event: another cluster of the same name")
    version: str
    release_channel: str
    autopilot: bool
    dataplane_v2: bool
    network_policy: bool
    workload_pool: str
    private_nodes: bool
    authorized_networks: bool
    endpoint: Endpoint
    labels: dict[str, str]


class Node(Model):
    """The node. `known_by` says where it was read: the cluster, Compute Engine, or the finding alone."""

    name: str
    known_by: Literal["cluster", "compute", "finding"]
    instance_id: str = ""
    zone: str = ""
    provider_id: str = ""
    node_pool: str = ""
    machine_type: str = ""
    create_time: datetime | None = None
    recreated: bool = Field(default=False, description="created after the event: another node of the same name")
    os_image: str = ""
    kernel: str = ""
    container_runtime: str = ""
    kubelet: str = ""
    status: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


# --- step 3 -----------------------------------------------------------------------------------------------------------


class OwnerRef(Model):
    """`metadata.ownerReferences[]` with `controller: true`."""

    api_version: str
    kind: str
    name: str
    uid: str


class ContainerState(Model):
    """One container of the pod: spec and status together. `image_id` is the digest that the kubelet runs."""

    name: str
    kind: Literal["container", "init", "ephemeral"]
    image: str
    image_id: str
    state: str
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    restarts: int = 0
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env_names: tuple[str, ...] = ()
    working_dir: str = ""
    privileged: bool = False
    run_as_user: int | None = None
    run_as_root: bool | None = Field(default=None, description="None: the spec does not say, the image decides")
    read_only_root: bool = False
    capabilities_added: tuple[str, ...] = ()
    mounts: tuple[str, ...] = Field(default=(), description="`path <- kind:name` for each volume mount")


class Pod(Model):
    """The pod as the cluster has it now."""

    namespace: str
    name: str
    uid: str
    create_time: datetime
    deletion_time: datetime | None = None
    phase: str
    node_name: str
    service_account: str
    automount_token: bool
    host_network: bool
    host_pid: bool
    host_ipc: bool
    host_paths: tuple[str, ...]
    secrets: tuple[str, ...] = Field(default=(), description="names of mounted or referenced secrets")
    runtime_class: str = ""
    priority_class: str = ""
    static: bool = Field(default=False, description="a mirror of a static pod: deleting it does nothing")
    owner: OwnerRef | None
    labels: dict[str, str]
    annotations: dict[str, str]
    pod_ip: str = ""
    containers: tuple[ContainerState, ...]


class Check(Model):
    """One question of a proof. `ok` None: it could not be answered, which counts as a no."""

    name: str
    ok: bool | None
    detail: str


class Proof(Model):
    """Whether the pod in the cluster is the finding's pod.

    `proven`: every check holds. `replaced`: the name is taken by a pod that came after the event. `unproven`: some
    check fails or cannot be answered.
    """

    verdict: Literal["proven", "replaced", "unproven"]
    uid: str
    checks: tuple[Check, ...]


class Workload(Model):
    """One link of the owner chain."""

    api_version: str
    kind: str
    name: str
    uid: str = ""
    namespace: str = ""
    create_time: datetime | None = None
    replicas: int | None = None
    ready_replicas: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner: OwnerRef | None = None
    how_known: str = Field(description="`ownerReferences`, `pod-template-hash label`, or why the chain ends here")


class OwnerChain(Model):
    """From the pod's controller to the top. `complete` False: a link could not be read, `broken_by` says why."""

    links: tuple[Workload, ...]
    complete: bool
    broken_by: str = ""


class Namespace(Model):
    """The namespace's own words."""

    name: str
    labels: dict[str, str]
    annotations: dict[str, str]


class KubeEvent(Model):
    """An event about the pod."""

    type: str
    reason: str
    message: str
    count: int
    first_seen: datetime | None
    last_seen: datetime | None
    component: str


# --- step 4 -----------------------------------------------------------------------------------------------------------


class LogEntry(Model):
    """One line; `text` is redacted and cut at 1,000 characters."""

    time: datetime
    severity: str
    log_name: str
    insert_id: str
    container: str = ""
    text: str


class LogExtract(Model):
    """What a query found. `read` is how many lines were read.

    `entries`, oldest first, are those that tell something, then those nearest to the event. `truncated` where the log
    has lines that are not among them.
    """

    filter: str
    window_start: datetime
    window_end: datetime
    entries: tuple[LogEntry, ...]
    read: int
    truncated: bool
    pages: int


SessionKind = Literal["exec", "attach", "portforward", "debug"]


class AuditEntry(Model):
    """One call on the pod in the cluster's admin activity log. `command` is that of exec, redacted."""

    time: datetime
    method: str
    resource_name: str
    principal: str
    caller_ip: str
    user_agent: str
    status: str
    session: SessionKind | None = None
    command: tuple[str, ...] = ()


class AuditExtract(Model):
    """What the audit query found, after the local filter on `resourceName` (the query's text search is wider)."""

    filter: str
    window_start: datetime
    window_end: datetime
    entries: tuple[AuditEntry, ...]
    read: int
    truncated: bool
    pages: int


class Deletion(Model):
    """Who removed the pod, as the audit log or its absence tells."""

    time: datetime
    principal: str
    caller_ip: str
    user_agent: str
    method: str


# --- owner of the project ---------------------------------------------------------------------------------------------


class Project(Model):
    """The project as Resource Manager has it."""

    project_id: str
    number: str
    display_name: str
    state: str
    labels: dict[str, str]


class OwnerContact(Model):
    """Somebody to ask, and `source`: where it is written that they own this."""

    value: str
    kind: Literal["email", "team"]
    source: str


class Evidence(Model):
    """Everything that was asked for one record. A field that was not asked yet is `Missing("not_asked")`."""

    told: dict[str, Found[str | tuple[str, ...]] | Missing] = Field(default_factory=dict)
    scc: Found[SccFinding] | Missing = NOT_ASKED
    related: Found[Related] | Missing = NOT_ASKED
    cluster: Found[Cluster] | Missing = NOT_ASKED
    node: Found[Node] | Missing = NOT_ASKED
    pod: Found[Pod] | Missing = NOT_ASKED
    proof: Found[Proof] | Missing = NOT_ASKED
    owners: Found[OwnerChain] | Missing = NOT_ASKED
    namespace: Found[Namespace] | Missing = NOT_ASKED
    pod_events: Found[tuple[KubeEvent, ...]] | Missing = NOT_ASKED
    pod_log: Found[LogExtract] | Missing = NOT_ASKED
    audit_log: Found[AuditExtract] | Missing = NOT_ASKED
    node_log: Found[LogExtract] | Missing = NOT_ASKED
    deletion: Found[Deletion] | Missing = NOT_ASKED
    project: Found[Project] | Missing = NOT_ASKED
    essential_contacts: Found[tuple[str, ...]] | Missing = NOT_ASKED
    project_owners: Found[tuple[str, ...]] | Missing = NOT_ASKED

    def missing(self) -> dict[str, Missing]:
        """The questions without an answer, by field."""
        answers = {name: getattr(self, name) for name in type(self).model_fields if name != "told"}
        return {name: answer for name, answer in answers.items() if isinstance(answer, Missing)}
