"""Step 1: what the runbook tells the analyst to write down. Pure; standard library only.

The light path (a message of another category) imports this module, so nothing heavy may be imported here.
Values of environment variables are dropped on reading: only their names are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

CATEGORY: Final = "Defense Evasion: Launch Code Compiler Tool In Container"
"""Exact, and not unique to GKE: Cloud Run Threat Detection uses the same display category."""

TEST_MARK: Final = "respondertest"
"""What the id of a synthetic finding begins with. SCC's own ids are hexadecimal, so that no real finding has it."""

TOLD_FIELDS: Final = (
    "program_binary",
    "arguments",
    "resource_full_name",
    "project_display_name",
    "Pod_Namespace",
    "Pod_Name",
    "Container_Name",
    "Container_Image_Uri",
    "VM_Instance_Name",
)
"""What step 1 of Google's page tells the analyst to note, in its spelling; keys of `Finding.told` and `.read_from`."""


MOST_TARGETS: Final = 10
"""Containers of one finding that get a record each. SCC names one; a list without end is somebody's attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as the finding names it. `image_id` ends in `@sha256:…` where SCC knew the digest."""

    name: str = ""
    image: str = ""
    image_id: str = ""
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRef:
    """A pod as the finding names it: no UID, SCC does not carry one."""

    namespace: str = ""
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRef:
    """A node VM. `project` and `zone` are empty where the finding has the bare name only."""

    name: str
    project: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One entry of `processes[]`. `pid`s may be of the host's namespace; nobody says.

    `binary_sha256` is of the binary's first `hashed_size` bytes; that is all of it unless `partially_hashed`.
    """

    name: str = ""
    binary: str = ""
    binary_sha256: str = ""
    binary_size: int | None = None
    hashed_size: int | None = None
    partially_hashed: bool = False
    args: tuple[str, ...] = ()
    args_truncated: bool = False
    script: str = ""
    libraries: tuple[str, ...] = ()
    env_names: tuple[str, ...] = ()
    env_truncated: bool = False
    pid: int | None = None
    parent_pid: int | None = None
    user_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRef:
    """A cluster in one spelling; `project` is an id or a number, as the resource name had it."""

    project: str
    location: str
    name: str

    @property
    def api_name(self) -> str:
        """The name that the Container API takes: always `locations`, for zones too."""
        return f"projects/{self.project}/locations/{self.location}/clusters/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two places of one notification that say different things; `values` maps each place to its text."""

    field: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mitre:
    """`mitreAttack`, in SCC's own enum names (`COMPILE_AFTER_DELIVERY`)."""

    primary_tactic: str = ""
    primary_techniques: tuple[str, ...] = ()
    additional_tactics: tuple[str, ...] = ()
    additional_techniques: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one record is about: one container of one pod, or the finding alone where no pod is named."""

    namespace: str = ""
    pod: str = ""
    container: str = ""

    @property
    def has_pod(self) -> bool:
        """Whether a pod is named at all."""
        return bool(self.namespace and self.pod)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a notification says, whichever of the five JSON shapes it came in. Absent text is ``""``.

    `told` has the nine values of step 1 that were there; `read_from` says where each was read (a path into the
    notification, such as ``finding.kubernetes.pods[0].name``), `absent` why one is not there. `problems` lists what
    was there and could not be read (a timestamp that is no date). `key` is ``source id/finding id``: the same for
    every spelling of the finding's name.
    """

    key: str
    name: str
    canonical_name: str = ""
    category: str = ""
    provider: str = ""
    shape: str = ""
    notification_config: str = ""
    state: str = ""
    mute: str = ""
    severity: str = ""
    finding_class: str = ""
    event_time: datetime
    create_time: datetime | None = None
    description: str = ""
    external_uri: str = ""
    resource_name: str = ""
    resource_type: str = ""
    project_id: str = ""
    project_number: str = ""
    cluster: ClusterRef | None = None
    processes: tuple[Process, ...] = ()
    pods: tuple[PodRef, ...] = ()
    containers: tuple[Container, ...] = ()
    nodes: tuple[NodeRef, ...] = ()
    mitre: Mitre = field(default_factory=Mitre)
    contacts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    told: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    read_from: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    problems: tuple[str, ...] = ()

    def targets(self) -> tuple[Target, ...]:
        """One for each container of each pod that is named, the first `MOST_TARGETS`; an empty one where no pod is."""
        return self._targets()[:MOST_TARGETS] or (Target(),)

    @property
    def targets_left_out(self) -> int:
        """How many more containers are named than there are targets."""
        return max(0, len(self._targets()) - MOST_TARGETS)

    def _targets(self) -> tuple[Target, ...]:
        found: dict[Target, None] = {}
        for pod in self.pods:
            names = [c.name for c in pod.containers if c.name]
            if not names and len(self.pods) == 1:
                names = [c.name for c in self.containers if c.name]
            for name in names or [""]:
                found[Target(namespace=pod.namespace, pod=pod.name, container=name)] = None
        return tuple(t for t in found if t.has_pod)

    def pod(self, target: Target) -> PodRef | None:
        """The finding's own entry for the target's pod."""
        return next((p for p in self.pods if (p.namespace, p.name) == (target.namespace, target.pod)), None)

    def container(self, target: Target) -> Container | None:
        """The finding's own entry for the target's container; that of its pod before the free-standing one."""
        pod = self.pod(target)
        candidates = (*(pod.containers if pod else ()), *self.containers)
        return next((c for c in candidates if c.name == target.container and c.name), None)

    def same_project(self, other: Finding) -> bool | None:
        """Whether both are of one project; None where one has only its id and the other only its number."""
        known = [{f.project_id, f.project_number, f.cluster.project if f.cluster else ""} - {""} for f in (self, other)]
        answers = set()
        for is_number in (True, False):
            ours, theirs = ({p for p in projects if p.isdecimal() is is_number} for projects in known)
            if ours and theirs:
                answers.add(ours == theirs)
        return None if not answers else answers == {True}

    def same_cluster(self, other: Finding) -> bool | None:
        """Whether both are of one cluster, in whichever spelling; None where that cannot be told."""
        if self.cluster is None or other.cluster is None:
            return None
        if (self.cluster.location, self.cluster.name) != (other.cluster.location, other.cluster.name):
            return False
        return self.same_project(other)

    def subject(self, target: Target) -> str:
        """The container's identity across findings, a sha256: cluster in one spelling, namespace, pod, container.

        The finding's own key where no pod is named. The project counts as its id where the notification knew it,
        so that a v1 name with the project's number and a v2 name with its id meet.
        """
        if not target.has_pod or self.cluster is None:
            parts = ["finding", self.key]
        else:
            project = self.project_id or self.project_number or self.cluster.project
            place = (project, self.cluster.location, self.cluster.name)
            parts = ["container", *place, target.namespace, target.pod, target.container]
        return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
