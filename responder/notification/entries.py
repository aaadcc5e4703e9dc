"""Step 1: the processes, pods, containers and nodes that a notification lists. Pure; standard library only.

Structured fields first. `sourceProperties` knows one of each at most (the page's `Pod_Namespace`, `Pod_Name`,
`Container_Name`, …): it says which entry is meant where there are several, fills what that entry lacks, and stands in
where there is none. It never overrides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from responder.finding import Container, NodeRef, PodRef, Process
from responder.notification.place import Place

MAX_ENTRIES: Final = 200
"""Entries that are kept of each list."""

_VM: Final = re.compile(r"(?:.*/)?projects/([^/]+)/zones/([^/]+)/instances/([^/]+)", re.DOTALL)
_T = TypeVar("_T", Process, PodRef, Container, NodeRef)
_Filled = TypeVar("_Filled", Process, Container)


@dataclass(frozen=True, slots=True)
class Entry(Generic[_T]):
    """One entry, and the path where it was read."""

    value: _T
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What the structured fields list, and in `spare_…` what `sourceProperties` says (empty values where nothing)."""

    processes: tuple[Entry[Process], ...]
    pods: tuple[Entry[PodRef], ...]
    containers: tuple[Entry[Container], ...]
    nodes: tuple[Entry[NodeRef], ...]
    spare_process: Process
    spare_pod: PodRef
    spare_container: Container
    spare_node: NodeRef

    def process(self) -> Entry[Process] | None:
        """The process that step 1 is about: the first that has a binary or arguments."""
        return next((e for e in self.processes if e.value.binary or e.value.args), None)

    def pod(self) -> Entry[PodRef] | None:
        """The pod that step 1 is about: the one that `sourceProperties` names too, else the first."""
        spare = self.spare_pod
        named = (e for e in self.pods if (e.value.namespace, e.value.name) == (spare.namespace, spare.name))
        return next(named, self.pods[0] if self.pods else None)

    def container(self) -> Entry[Container] | None:
        """The container that step 1 is about: of that pod's, else of the free-standing ones."""
        pod = self.pod()
        within = pod.value.containers if pod else ()
        below = [Entry(c, f"{pod.path}.containers[{i}]") for i, c in enumerate(within)] if pod else []
        candidates = below or list(self.containers)
        named = (e for e in candidates if e.value.name == self.spare_container.name)
        return next(named, candidates[0] if candidates else None)

    def node(self) -> Entry[NodeRef] | None:
        """The node that step 1 is about: the one that `sourceProperties` names too, else the first."""
        named = (e for e in self.nodes if e.value.name == self.spare_node.name)
        return next(named, self.nodes[0] if self.nodes else None)

    def all_processes(self) -> tuple[Process, ...]:
        """Every process; what the first lacks is filled from `sourceProperties`."""
        meant = self.process() or next(iter(self.processes), None)
        if meant is None:
            return (self.spare_process,) if self.spare_process != Process() else ()
        fields = ("binary", "args", "pid", "parent_pid", "env_names")
        return tuple(_filled(e.value, self.spare_process, fields) if e is meant else e.value for e in self.processes)

    def all_pods(self) -> tuple[PodRef, ...]:
        """Every pod; that of `sourceProperties` where no other is named."""
        spare = self.spare_pod
        if not self.pods:
            return (spare,) if spare.namespace and spare.name else ()
        loose = [e.value for e in self.containers]
        found = ((e.value, tuple(self._completed(c, loose) for c in e.value.containers)) for e in self.pods)
        return tuple(replace(pod, containers=within) if within != pod.containers else pod for pod, within in found)

    def all_containers(self) -> tuple[Container, ...]:
        """Every free-standing container; that of `sourceProperties` where no other is named anywhere."""
        if not self.containers and not any(e.value.containers for e in self.pods):
            return (self.spare_container,) if self.spare_container.name else ()
        return tuple(self._completed(e.value, []) for e in self.containers)

    def all_nodes(self) -> tuple[NodeRef, ...]:
        """Every node, the one that step 1 is about first; that of `sourceProperties` where no other is named."""
        meant = self.node()
        if meant is None:
            return (self.spare_node,) if self.spare_node.name else ()
        return (meant.value, *(e.value for e in self.nodes if e is not meant))

    def _completed(self, container: Container, others: list[Container]) -> Container:
        for other in (*others, self.spare_container):
            if other.name == container.name and container.name:
                container = _filled(container, other, ("image", "image_id", "create_time"))
        return container


def read(finding: Place, properties: Place) -> Entries:
    """The entries of one finding; what cannot be read is left out and noted."""
    kubernetes = finding.at("kubernetes")
    nodes = _nodes(kubernetes.at("nodes"))
    if not nodes:
        pools = kubernetes.at("nodePools").each(MAX_ENTRIES)
        nodes = tuple(node for pool in pools for node in _nodes(pool.at("nodes")))[:MAX_ENTRIES]
    return Entries(
        processes=tuple(Entry(_process(p), p.path) for p in finding.at("processes").each(MAX_ENTRIES)),
        pods=_pods(kubernetes.at("pods")),
        containers=_containers(finding.at("containers")),
        nodes=nodes,
        spare_process=_spare_process(properties),
        spare_pod=PodRef(namespace=properties.at("Pod_Namespace").text(), name=properties.at("Pod_Name").text()),
        spare_container=Container(
            name=properties.at("Container_Name").text(),
            image=properties.at("Container_Image_Uri").text(),
            image_id=properties.at("Container_Image_Id").text(),
            create_time=properties.at("Container_Creation_Timestamp").time(),
        ),
        spare_node=_node(properties.at("VM_Instance_Name").text()),
    )


def _process(place: Place) -> Process:
    binary, args, variables = place.at("binary"), place.at("args"), place.at("envVariables").each()
    libraries = (library.at("path").text() for library in place.at("libraries").each())
    return Process(
        name=place.at("name").text(),
        binary=binary.at("path").text(),
        binary_sha256=binary.at("sha256").text(),
        binary_size=binary.at("size").integer(),
        hashed_size=binary.at("hashedSize").integer(),
        partially_hashed=binary.at("partiallyHashed").flag(),
        # The proto calls each "a JSON encoded string": kept as it came, since whoever unescapes may be fooled.
        args=args.texts(),
        args_truncated=place.at("argumentsTruncated").flag() or args.cut(),
        script=place.at("script").at("path").text(),
        libraries=tuple(path for path in libraries if path),
        env_names=tuple(name for variable in variables if (name := variable.at("name").text())),
        env_truncated=place.at("envVariablesTruncated").flag() or place.at("envVariables").cut(),
        pid=place.at("pid").integer(),
        parent_pid=place.at("parentPid").integer(),
        user_id=place.at("userId").integer(),
    )


def _spare_process(properties: Place) -> Process:
    args, environment = properties.at("Process_Arguments"), properties.at("Environment_Variables")
    names = (variable.partition("=")[0] for variable in environment.texts())
    return Process(
        binary=properties.at("Process_Binary_Fullpath").text(),
        args=args.texts(),
        args_truncated=args.cut(),
        env_names=tuple(name for name in names if name),
        pid=properties.at("Pid").integer(),
        parent_pid=properties.at("Parent_Pid").integer(),
    )


def _pods(places: Place) -> tuple[Entry[PodRef], ...]:
    found: list[Entry[PodRef]] = []
    for place in places.each(MAX_ENTRIES):
        namespace, name = place.at("ns").text(), place.at("name").text()
        if not namespace or not name:
            place.note("has no name or no namespace; it counts as no pod")
            continue
        labels = {label.at("name").text(): label.at("value").text() for label in place.at("labels").each()}
        containers = tuple(entry.value for entry in _containers(place.at("containers")))
        found.append(Entry(PodRef(namespace=namespace, name=name, labels=labels, containers=containers), place.path))
    return tuple(found)


def _containers(places: Place) -> tuple[Entry[Container], ...]:
    return tuple(
        Entry(
            Container(
                name=place.at("name").text(),
                image=place.at("uri").text(),
                image_id=place.at("imageId").text(),
                create_time=place.at("createTime").time(),
            ),
            place.path,
        )
        for place in places.each(MAX_ENTRIES)
    )


def _nodes(places: Place) -> tuple[Entry[NodeRef], ...]:
    found = (Entry(_node(place.at("name").text()), place.path) for place in places.each(MAX_ENTRIES))
    return tuple(entry for entry in found if entry.value.name)


def _node(name: str) -> NodeRef:
    """By the proto the full resource name of the VM; exporters are seen to write the bare name."""
    match = _VM.fullmatch(name)
    if match:
        return NodeRef(project=match[1], zone=match[2], name=match[3])
    return NodeRef(name=name.rpartition("/")[2])


def _filled(entry: _Filled, spare: _Filled, fields: tuple[str, ...]) -> _Filled:
    lacks = {field: value for field in fields if not getattr(entry, field) and (value := getattr(spare, field))}
    return replace(entry, **lacks) if lacks else entry
