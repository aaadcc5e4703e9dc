"""Step 1: the nine values that the runbook tells the analyst to note, each with the place it was read from. Pure.

Standard library only. The project is resolved here too: by the proto's own words `project_display_name` is the
project's id (googleapis, google/cloud/securitycenter/v1/resource.proto); the number stands in `project`, in the
canonical name, and at times in the resource's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from responder import names
from responder.finding import TOLD_FIELDS, ClusterRef, Conflict
from responder.notification.entries import Entries
from responder.notification.place import Place

Value = str | tuple[str, ...]

CLUSTER: Final = re.compile(
    r"//container\.googleapis\.com/projects/([^/]+)/(?:zones|locations|regions)/([^/]+)/clusters/([^/]+)(?:/.*)?",
    re.DOTALL,
)
"""Zonal clusters are spelt with `zones` and with `locations`; names below a cluster count as the cluster."""

_PROJECT: Final = re.compile(r"(?://[^/]+/)?projects/([^/]+)(?:/.*)?", re.DOTALL)
_ABSENT: Final = {
    "program_binary": "processes[].binary.path",
    "arguments": "processes[].args",
    "resource_full_name": "resourceName",
    "project_display_name": "the resource's project",
    "Pod_Namespace": "kubernetes.pods[].ns",
    "Pod_Name": "kubernetes.pods[].name",
    "Container_Name": "containers[].name",
    "Container_Image_Uri": "containers[].uri",
    "VM_Instance_Name": "kubernetes.nodes[].name",
}


@dataclass(slots=True)
class Told:
    """What was noted so far; grows while one notification is read, and is handed to nobody before it is complete."""

    values: dict[str, Value] = field(default_factory=dict)
    read_from: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    cluster: ClusterRef | None = None
    project_id: str = ""
    project_number: str = ""


def tell(finding: Place, resource: Place, properties: Place, entries: Entries) -> Told:
    """The nine values, the cluster and the project; of two places that differ the first is taken, and both are told."""
    told = Told()
    _note_identity(told, finding, resource)
    _note_entries(told, properties.path, entries)
    _note_project(told, finding, resource)
    for name in TOLD_FIELDS:
        if name not in told.values:
            twin = "" if name in ("resource_full_name", "project_display_name") else ", nor in sourceProperties"
            told.absent[name] = f"not in {_ABSENT[name]}{twin}"
    return told


def _note_entries(told: Told, properties: str, entries: Entries) -> None:
    process, pod, container, node = entries.process(), entries.pod(), entries.container(), entries.node()
    if process:
        _offer(told, "program_binary", process.value.binary, f"{process.path}.binary.path")
        _offer(told, "arguments", process.value.args, f"{process.path}.args")
    if pod:
        _offer(told, "Pod_Namespace", pod.value.namespace, f"{pod.path}.ns")
        _offer(told, "Pod_Name", pod.value.name, f"{pod.path}.name")
    if container:
        _offer(told, "Container_Name", container.value.name, f"{container.path}.name")
        _offer(told, "Container_Image_Uri", container.value.image, f"{container.path}.uri")
    if node:
        _offer(told, "VM_Instance_Name", node.value.name, f"{node.path}.name")
    spare = (
        ("program_binary", entries.spare_process.binary, "Process_Binary_Fullpath"),
        ("arguments", entries.spare_process.args, "Process_Arguments"),
        ("Pod_Namespace", entries.spare_pod.namespace, "Pod_Namespace"),
        ("Pod_Name", entries.spare_pod.name, "Pod_Name"),
        ("Container_Name", entries.spare_container.name, "Container_Name"),
        ("Container_Image_Uri", entries.spare_container.image, "Container_Image_Uri"),
        ("VM_Instance_Name", entries.spare_node.name, "VM_Instance_Name"),
    )
    for name, value, key in spare:
        _offer(told, name, value, f"{properties}.{key}")
    if container and container.value.image_id and entries.spare_container.image_id:
        places = {
            f"{container.path}.imageId": container.value.image_id,
            f"{properties}.Container_Image_Id": entries.spare_container.image_id,
        }
        if len(set(places.values())) > 1:
            told.conflicts.append(Conflict(field="Container_Image_Id", values=places))


def _note_identity(told: Told, finding: Place, resource: Place) -> None:
    for place in (finding.at("resourceName"), resource.at("name")):
        _offer(told, "resource_full_name", place.text(), place.path, same=_same_resource)
        match = CLUSTER.fullmatch(place.text())
        if match and told.cluster is None:
            told.cluster = ClusterRef(project=match[1], location=match[2], name=match[3])
    for place in (resource.at("gcpMetadata").at("projectDisplayName"), resource.at("projectDisplayName")):
        _offer(told, "project_display_name", place.text(), place.path)


def _note_project(told: Told, finding: Place, resource: Place) -> None:
    ids: dict[str, str] = {}
    numbers: dict[str, str] = {}
    display = told.values.get("project_display_name", "")
    if isinstance(display, str) and names.is_valid("project_id", display):
        ids[told.read_from["project_display_name"]] = display
    spelled = (
        finding.at("resourceName"),
        resource.at("name"),
        resource.at("gcpMetadata").at("project"),
        resource.at("project"),
        resource.at("projectName"),
        finding.at("canonicalName"),
    )
    for place in spelled:
        match = _PROJECT.fullmatch(place.text())
        if match and names.is_valid("project_number", match[1]):
            numbers[place.path] = match[1]
        elif match and names.is_valid("project_id", match[1]):
            ids[place.path] = match[1]
    for name, found in (("project_id", ids), ("project_number", numbers)):
        if len(set(found.values())) > 1:
            told.conflicts.append(Conflict(field=name, values=found))
    told.project_id = next(iter(ids.values()), "")
    told.project_number = next(iter(numbers.values()), "")


def _offer(
    told: Told, name: str, value: Value, path: str, *, same: Callable[[Value, Value], bool] = lambda a, b: a == b
) -> None:
    """Take the value if it is the first; else tell where it differs from the one that was taken."""
    if not value:
        return
    if name not in told.values:
        told.values[name] = value
        told.read_from[name] = path
    elif not same(told.values[name], value):
        places = {told.read_from[name]: shown(told.values[name]), path: shown(value)}
        told.conflicts.append(Conflict(field=name, values=places))


def shown(value: Value) -> str:
    """The value as one text, for a `Conflict`."""
    return value if isinstance(value, str) else " ".join(value)


def _same_resource(one: Value, other: Value) -> bool:
    """Equal, or one cluster in two spellings; a project's id and its number count as equal, nobody can tell here."""
    if one == other:
        return True
    ours, theirs = (CLUSTER.fullmatch(shown(v)) for v in (one, other))
    if not ours or not theirs or ours.groups()[1:] != theirs.groups()[1:]:
        return False
    return ours[1] == theirs[1] or ours[1].isdecimal() != theirs[1].isdecimal()
