"""A scenario: a Google Cloud and a cluster in one YAML file. `docs/scenario.schema.json` is generated from here.

Times are RFC 3339, or relative to the scenario's `event_time`: ``-3d``, ``+90s``, ``-5m``, ``+1h``. Everything that is
not given has a plain, complete default: a pod without `containers` has one container named `app`.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

_RELATIVE = re.compile(r"([+-])(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _is_time(text: str) -> str:
    if not _RELATIVE.fullmatch(text) and datetime.fromisoformat(text).tzinfo is None:
        message = f"{text} needs a zone: end it in Z"
        raise ValueError(message)
    return text


When = Annotated[str, AfterValidator(_is_time)]
"""RFC 3339, or relative to the event: `-3d`, `+90s`."""


BUILT_IN_KINDS = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "Node"})
"""Kinds of controllers that need no `api_version`; a static pod is owned by its Node."""


class Part(BaseModel):
    """Base: an unknown key is an error, so that a misspelt one is not silently nothing. A number will do for a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class ScenarioFinding(Part):
    """A finding that SCC has, beside (or as) the one in the notification.

    `data` is `{finding, resource}` in SCC v2's JSON, merged over what `like` gives. `like: notification` is the
    notification that the lab is asked with: the usual way to say "SCC confirms it". `appears` is when SCC lists it: by
    default at its event time, and the notification's own at once.
    """

    like: Literal["notification", "sibling", "nothing"] = "sibling"
    category: str = "Added Binary Executed"
    severity: Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"] = "LOW"
    event_time: When = "+5s"
    appears: When | None = None
    pod: str | None = Field(default=None, description="NS/NAME, where it is not the notification's pod; '' for none")
    binary: str = ""
    args: tuple[str, ...] = ()
    resource_name: str = Field(default="", description="where it is not the notification's cluster")
    data: dict[str, Any] = Field(default_factory=dict)


class ScenarioExec(Part):
    """What happens to commands in a container with `real_root`; 0 is never. Counted for each pod and container."""

    cut_after_bytes: int = Field(default=0, ge=0, description="the connection is cut once so much of stdout was sent")
    piece_seconds: float = Field(default=0.0, ge=0, description="waited after each 32 KiB: slow output")
    restart_after: int = Field(default=0, ge=0, description="after so many commands the container starts anew, once")
    remove_after: int = Field(
        default=0, ge=0, description="after so many commands the pod is deleted, once; its controller may replace it"
    )


class ScenarioContainer(Part):
    """One container of a pod."""

    name: str = "app"
    image: str = "europe-docker.pkg.dev/acme-shop-prod/web/app:1.0.0"
    image_id: str = ""
    state: Literal["running", "waiting", "terminated"] = "running"
    restarts: int = 0
    started: When | None = Field(default=None, description="default: the pod's `created` and two seconds")
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    working_dir: str = ""
    privileged: bool = False
    run_as_user: int | None = None
    shell: bool = Field(default=True, description="False: no sh, tar, cat or ls in the image (distroless)")
    files: dict[str, str] = Field(
        default_factory=dict, description="path -> text, `base64:…`, or `random:N` for N bytes, the same each time"
    )
    real_root: bool = Field(default=False, description="exec runs this machine's programs in a throw-away root")
    programs: tuple[str, ...] | None = Field(
        default=None, description="with `real_root`, those that the image has; default: all; []: distroless"
    )
    exec: ScenarioExec = ScenarioExec()


class ScenarioPod(Part):
    """A pod. `deleted` makes it gone (404) from then on."""

    name: str
    namespace: str = "default"
    uid: str = Field(default="", description="default: made of cluster, namespace and name")
    node: str = ""
    created: When = "-1d"
    deleted: When | None = None
    terminating: When | None = Field(default=None, description="deletionTimestamp set, the object still there")
    finalizer: str = Field(default="", description="holds a deleted pod after its grace: for ever, or as the next says")
    finalized_after: float | None = Field(default=None, ge=0, description="seconds after its grace; none: never")
    swap_after: int = Field(
        default=0, ge=0, description="after so many deletes of it, dry runs included, another pod has its name, once"
    )
    phase: Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"] = "Running"
    owner: str = Field(default="", description="KIND/NAME of a workload of this namespace; empty: a bare pod")
    service_account: str = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    host_network: bool = False
    host_pid: bool = False
    host_paths: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    containers: tuple[ScenarioContainer, ...] = (ScenarioContainer(),)


class ScenarioWorkload(Part):
    """A controller. `kind` is any Kubernetes kind; for another than the built-in ones give `api_version`."""

    kind: str
    name: str
    namespace: str = "default"
    api_version: str = ""
    uid: str = ""
    created: When = "-30d"
    owner: str = Field(default="", description="KIND/NAME of the workload above it")
    replicas: int | None = None
    ready: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ScenarioBudget(Part):
    """A PodDisruptionBudget: of the namespace's pods with these labels (none: of all), so many must stay ready."""

    name: str
    namespace: str = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    min_available: int = Field(default=1, ge=0)


class ScenarioNamespace(Part):
    """A namespace."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ScenarioNode(Part):
    """A node and its VM. `deleted` removes the node object; `vm` False removes the Compute instance too."""

    name: str
    zone: str = ""
    instance_id: str = Field(default="8108478110475488564", description="'' for no annotation yet")
    created: When = "-20d"
    deleted: When | None = None
    pool: str = "default-pool"
    machine_type: str = "e2-standard-4"
    labels: dict[str, str] = Field(default_factory=dict)
    vm: bool = True


class ScenarioEvent(Part):
    """A Kubernetes event about a pod."""

    pod: str = Field(description="NS/NAME")
    time: When = "-1d"
    reason: str = "Started"
    message: str = "Started container app"
    type: Literal["Normal", "Warning"] = "Normal"


class ScenarioCluster(Part):
    """A cluster. `dns`, `public`, `private` say which endpoints it has; `reachable` which of them answer from here."""

    name: str
    project: str
    location: str
    created: When = "-200d"
    version: str = "1.33.5-gke.1080000"
    release_channel: Literal["RAPID", "REGULAR", "STABLE", "EXTENDED", "UNSPECIFIED"] = "REGULAR"
    autopilot: bool = False
    dataplane_v2: bool = True
    network_policy: bool = False
    workload_identity: bool = True
    dns: bool = False
    dns_external: bool = True
    public: bool = True
    private: bool = False
    reachable: tuple[Literal["dns", "public", "private"], ...] = ("dns", "public")
    labels: dict[str, str] = Field(default_factory=dict)
    nodes: tuple[ScenarioNode, ...] = ()
    namespaces: tuple[ScenarioNamespace, ...] = ()
    workloads: tuple[ScenarioWorkload, ...] = ()
    pods: tuple[ScenarioPod, ...] = ()
    events: tuple[ScenarioEvent, ...] = ()
    budgets: tuple[ScenarioBudget, ...] = ()

    @model_validator(mode="after")
    def _owners_are_known(self) -> Self:
        versions = {(w.kind, w.namespace, w.name): w.api_version for w in self.workloads}
        owned = [(p.namespace, p.name, p.owner) for p in self.pods]
        owned += [(w.namespace, w.name, w.owner) for w in self.workloads]
        owned += [(w.namespace, w.name, f"{w.kind}/{w.name}") for w in self.workloads]
        for namespace, name, owner in owned:
            kind, slash, of_name = owner.partition("/")
            if owner and not (kind and slash and of_name):
                message = f"the owner of {namespace}/{name} is {owner!r}: write KIND/NAME"
                raise ValueError(message)
            if owner and kind not in BUILT_IN_KINDS and not versions.get((kind, namespace, of_name)):
                message = f"{owner} in {namespace} is of no built-in kind: list it in workloads, with its api_version"
                raise ValueError(message)
        return self


class ScenarioLog(Part):
    """Log entries. Give one of `pod`, `audit` and `node`, or `entry` with a whole LogEntry as JSON.

    `pod` is NS/NAME[/CONTAINER]. `audit` is a method on a pod (`pods.exec.create`, `pods.delete`, …) with `on` NS/NAME.
    `node` is a node's name; `serial` makes it a line of the serial console. `repeat` writes it that many times, a
    second apart. Of an `audit` call, severity ERROR means that it was refused, and `command` is what exec ran; a
    `pods.ephemeralcontainers.patch` (kubectl debug) has the image in `text`. A container's `text` that is a JSON
    object becomes `jsonPayload`, as GKE's agent makes it one.
    """

    time: When
    text: str = ""
    severity: str = "INFO"
    repeat: int = 1
    project: str = Field(default="", description="default: the first project")
    cluster: str = Field(default="", description="default: the first cluster")
    pod: str = ""
    node: str = ""
    serial: bool = False
    audit: str = ""
    on: str = ""
    principal: str = "dev@acme.example"
    caller_ip: str = "203.0.113.7"
    user_agent: str = "kubectl/v1.33.1 (linux/amd64)"
    command: tuple[str, ...] = ()
    entry: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if [bool(self.pod), bool(self.audit), bool(self.node), bool(self.entry)].count(True) != 1:
            message = "give one of pod, audit, node and entry"
            raise ValueError(message)
        return self


class ScenarioProject(Part):
    """A project, and who owns it."""

    id: str
    number: str
    display_name: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    owners: tuple[str, ...] = Field(default=(), description="members of roles/owner, as IAM writes them")
    security_contacts: tuple[str, ...] = ()


Fault = Literal[
    "latency", "hang", "deny", "quota", "unavailable", "not_found", "empty_page", "reset", "drop_reply", "drip", "lie"
]


class ScenarioFault(Part):
    """A fault by name on a call.

    `call` is `SERVICE.METHOD` as the journal writes it, `*` for any part: `scc.ListFindings`, `scc.Update*`,
    `gke.GetCluster`, `logging.ListLogEntries`, `kubernetes.get.pods`, `kubernetes.*`, `resourcemanager.*`,
    `essentialcontacts.*`, `compute.*`, `secretmanager.Access`, `monitoring.ListTimeSeries`, `channel.Post`,
    `cluster.exec` (an imitated command, once its channel is open: latency and hang alone). `kind`: latency (answers
    after `seconds`), hang (accepts and never answers), deny (403), quota (429), unavailable (503), not_found,
    empty_page (an empty page with a next token, `times` times), reset (the connection is closed), drop_reply (the
    effect happens, the reply is lost; never of a dry run), drip (the effect happens, and of a reply without end comes a
    byte a second; over gRPC nothing comes; never of a dry run), lie (an answer of the wrong form). `match` is a text
    that the request must hold (a filter, a path); `after` lets that many calls through first; `times` is how many are
    hit, 0 for all.
    """

    call: str
    kind: Fault
    seconds: float = 0.0
    match: str = ""
    after: int = 0
    times: int = 0


class ScenarioIdentity(Part):
    """Who a bearer token is, and what RBAC allows it. Verbs and resources as in a Kubernetes Role; `*` for any."""

    user: str
    token: str
    rules: tuple[dict[str, list[str]], ...] = ()


class ScenarioGrant(Part):
    """One permission of one account; `on` is a resource's name, empty for everywhere."""

    account: str
    permission: str
    on: str = ""


class ScenarioDeployment(Part):
    """The responder as it is deployed: topics, functions, databases, and who may do what. Without it, all that is 404.

    What is there is healthy, unless it is changed. `change` maps the path of a REST resource to JSON that is merged
    over it (RFC 7396; the items of a list by their number); null takes it away.
    """

    project: str = "acme-sec"
    region: str = "europe-west1"
    act: bool = Field(default=False, description="the third function too, with its topic and its database")
    change: dict[str, Any] = Field(default_factory=dict)
    withheld: tuple[ScenarioGrant, ...] = ()
    granted: tuple[ScenarioGrant, ...] = ()


class Scenario(Part):
    """One YAML file."""

    title: str
    description: str = ""
    event_time: datetime = Field(description="RFC 3339; every relative time counts from here")
    now: When = Field(default="+30s", description="the lab's clock when it starts; it runs on from there")
    scc_parent: str = "organizations/123456789012"
    notification: str = Field(default="", description="a file beside the scenario: the notification it is made for")
    projects: tuple[ScenarioProject, ...]
    findings: tuple[ScenarioFinding, ...] = (ScenarioFinding(like="notification"),)
    clusters: tuple[ScenarioCluster, ...] = ()
    logs: tuple[ScenarioLog, ...] = ()
    log_reads_per_minute: int = Field(default=0, description="0: no limit; 60 is Google's")
    secrets: dict[str, str] = Field(
        default_factory=dict,
        description="`projects/P/secrets/S` -> its text, in any version; `/_lab/hooks/NAME` becomes an address",
    )
    waiting: dict[str, int] = Field(
        default_factory=dict,
        description="`projects/P/subscriptions/S` -> how many messages wait there; another one has no count at all",
    )
    identities: tuple[ScenarioIdentity, ...] = Field(
        default=(), description="beside the investigator, who may read as deploy/rbac/ grants"
    )
    deployment: ScenarioDeployment | None = None
    faults: tuple[ScenarioFault, ...] = ()

    @field_validator("event_time")
    @classmethod
    def _aware(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            message = "event_time needs a zone: 2026-11-20T09:41:07Z"
            raise ValueError(message)
        return value

    def at(self, when: When) -> datetime:
        """`when` as a time; ValueError where it is neither RFC 3339 nor relative."""
        relative = _RELATIVE.fullmatch(when)
        if relative:
            seconds = float(relative[2]) * _UNITS[relative[3]] * (-1 if relative[1] == "-" else 1)
            return self.event_time + timedelta(seconds=seconds)
        time = datetime.fromisoformat(when)
        if time.tzinfo is None:
            message = f"{when} needs a zone: end it in Z"
            raise ValueError(message)
        return time


class _Loader(yaml.SafeLoader):
    """YAML 1.2 in two things: a time is text, read as `When` is, and `on` is a word (a log entry's key), not True."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF"))


def load(path: Path) -> Scenario:
    """The scenario in a YAML file. Pydantic's ValidationError names each key that is wrong.

    ValueError where a log entry is of a node or a cluster that the scenario has not.
    """
    data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    scenario = Scenario.model_validate(data)
    nodes = {node.name for cluster in scenario.clusters for node in cluster.nodes}
    clusters = {cluster.name for cluster in scenario.clusters}
    for number, log in enumerate(scenario.logs):
        if log.node and log.node not in nodes:
            message = f"{path}: logs.{number}: there is no node {log.node!r}"
            raise ValueError(message)
        if (log.pod or log.audit or log.cluster) and not (log.cluster in clusters if log.cluster else clusters):
            message = f"{path}: logs.{number}: there is no cluster {log.cluster!r}".removesuffix(" ''")
            raise ValueError(message)
    return scenario
