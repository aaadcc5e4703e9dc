"""Step 1, the lab's side: the findings that Security Command Center has, made of a scenario and the notification.

A notification is lifted into v2 whichever shape it came in: names get their `/locations/global`, the project moves to
`gcpMetadata`. What the v2 protobuf cannot hold of a hostile notification is left out, as SCC would never have had it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.cloud import securitycenter_v2
from google.protobuf import json_format

from lab.scenario import ScenarioFinding
from lab.state import Lab

_RESULT: Final = securitycenter_v2.ListFindingsResponse.ListFindingsResult.pb()
_SOURCE: Final = re.compile(r"((?:organizations|folders|projects)/[^/]+/sources/[^/]+)(?!/locations/)(?=/|$)")
_CLUSTER: Final = re.compile(
    r"//container\.googleapis\.com/projects/([^/]+)/(?:zones|regions|locations)/([^/]+)/clusters/([^/]+)"
)
_PROJECT: Final = re.compile(r"/projects/([^/]+)")
_TYPES: Final = {
    "container.googleapis.com": "google.container.Cluster",
    "compute.googleapis.com": "google.compute.Instance",
    "cloudresourcemanager.googleapis.com": "google.cloud.resourcemanager.Project",
    "iam.googleapis.com": "google.iam.ServiceAccount",
}
# What a sibling is not: these say how *that* finding was made, not where.
_OF_ONE_FINDING: Final = ("processes", "mitreAttack", "securityMarks", "externalSystems", "muteUpdateTime", "muteInfo")
_OF_ONE_POD: Final = ("Pod_Namespace", "Pod_Name", "Container_Name", "Container_Image_Uri", "Container_Image_Id")


@dataclass(frozen=True, slots=True)
class Listed:
    """One finding of SCC's. `appears` None: it was always there. `project` is the id where the scenario knows it."""

    result: Any
    appears: datetime | None
    project: str


def listed(lab: Lab) -> tuple[Listed, ...]:
    """All that SCC has or will have, in the scenario's order."""
    return tuple(_listed(lab, index, planned) for index, planned in enumerate(_wanted(lab)))


def _wanted(lab: Lab) -> Iterator[ScenarioFinding]:
    for planned in lab.scenario.findings:
        if planned.like != "notification" or lab.notification:
            yield planned


def _listed(lab: Lab, index: int, planned: ScenarioFinding) -> Listed:
    base = lift(lab.notification)
    if planned.like == "nothing":
        base = {"finding": {}, "resource": {}}
    if planned.like != "notification":
        base = _sibling(lab, index, planned, base)
    data = _merged(base, planned.data)
    data["finding"].setdefault("state", "ACTIVE")
    data["finding"].setdefault("eventTime", lab.scenario.event_time.isoformat())
    result = _message(data)
    if planned.appears is not None:
        appears: datetime | None = lab.at(planned.appears)
    else:
        appears = None if planned.like == "notification" else result.finding.event_time.ToDatetime(tzinfo=UTC)
    return Listed(result, appears, _project(lab, result))


# --- any shape -> v2 --------------------------------------------------------------------------------------------------


def lift(notification: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`{finding, resource}` in v2's JSON, from a notification of v2, of v1, of the console's tab, or nested."""
    finding = _object(notification.get("finding") or notification.get("findings"))
    nested = finding.pop("resource", None)
    resource = _object(notification.get("resource") or nested)
    if "sourceProperties" in notification:
        finding.setdefault("sourceProperties", notification["sourceProperties"])
    for key in ("name", "canonicalName", "parent"):
        if isinstance(finding.get(key), str):
            finding[key] = _with_location(finding[key])
    if isinstance(finding.get("securityMarks"), dict) and "name" in finding:
        finding["securityMarks"] = {**finding["securityMarks"], "name": f"{finding['name']}/securityMarks"}
    name = resource.get("name") or finding.get("resourceName") or ""
    if name:
        finding.setdefault("resourceName", name)
    return {"finding": finding, "resource": _resource_v2(str(name), resource)}


def _object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _with_location(name: str) -> str:
    return _SOURCE.sub(r"\1/locations/global", name, count=1)


def _resource_v2(name: str, old: Mapping[str, Any]) -> dict[str, Any]:
    def first(*keys: str) -> Any:
        return next((old[key] for key in keys if old.get(key)), None)

    metadata = dict(old["gcpMetadata"]) if isinstance(old.get("gcpMetadata"), dict) else {}
    moved = {
        "project": first("project", "projectName", "project_name"),
        "projectDisplayName": first("projectDisplayName", "project_display_name"),
        "parent": first("parent", "parentName", "parent_name"),
        "parentDisplayName": first("parentDisplayName", "parent_display_name"),
        "folders": first("folders"),
        "organization": first("organization"),
    }
    for key, value in moved.items():
        if value:
            metadata.setdefault(key, value)
    service = name.removeprefix("//").split("/", maxsplit=1)[0] if name.startswith("//") else ""
    cluster = _CLUSTER.fullmatch(name)
    told = {
        "name": name,
        "displayName": first("displayName", "display_name") or name.rsplit("/", maxsplit=1)[-1],
        "type": first("type") or _TYPES.get(service, ""),
        "cloudProvider": first("cloudProvider") or "GOOGLE_CLOUD_PLATFORM",
        "service": first("service") or service,
        "location": first("location") or (cluster[2] if cluster else ""),
        "resourcePath": first("resourcePath"),
        "resourcePathString": first("resourcePathString"),
    }
    return {**{key: value for key, value in told.items() if value}, "gcpMetadata": metadata}


def _message(data: Mapping[str, Mapping[str, Any]]) -> Any:
    """The protobuf, key by key: one that cannot be read does not take the others with it."""
    result = _RESULT()
    for part, target in (("finding", result.finding), ("resource", result.resource)):
        for key, value in data[part].items():
            one = type(target)()
            try:
                json_format.ParseDict({key: value}, one, ignore_unknown_fields=True)
            except (json_format.ParseError, TypeError, ValueError):
                continue
            target.MergeFrom(one)
    return result


# --- siblings ---------------------------------------------------------------------------------------------------------


def _sibling(
    lab: Lab, index: int, planned: ScenarioFinding, base: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    finding = {key: value for key, value in base["finding"].items() if key not in _OF_ONE_FINDING}
    parent = finding.get("parent") or f"{lab.scenario.scc_parent}/sources/1750894040330370653/locations/global"
    identity = hashlib.sha256(f"{lab.scenario.title}/{index}/{planned.category}".encode()).hexdigest()[:32]
    time = lab.at(planned.event_time)
    finding |= {
        "name": f"{parent}/findings/{identity}",
        "parent": parent,
        "category": planned.category,
        "severity": planned.severity,
        "state": "ACTIVE",
        "mute": "UNDEFINED",
        "findingClass": "THREAT",
        "eventTime": time.isoformat(),
        "createTime": time.isoformat(),
        "description": planned.category,
    }
    if isinstance(finding.get("canonicalName"), str):
        finding["canonicalName"] = f"{finding['canonicalName'].rsplit('/', maxsplit=1)[0]}/{identity}"
    if planned.binary:
        process = {"name": planned.binary.rsplit("/", maxsplit=1)[-1], "binary": {"path": planned.binary}}
        finding["processes"] = [{**process, "args": list(planned.args or (planned.binary,)), "pid": "1"}]
    resource = base["resource"]
    if planned.resource_name or not resource.get("name"):
        name = planned.resource_name or _first_cluster(lab)
        finding["resourceName"] = name
        resource = _resource_v2(name, {"gcpMetadata": _metadata(lab, name)})
    _place(lab, planned, finding)
    return {"finding": finding, "resource": resource}


def _place(lab: Lab, planned: ScenarioFinding, finding: dict[str, Any]) -> None:
    """Point the finding at another pod, or at none; a finding on something else than a cluster has none either."""
    properties = finding.get("sourceProperties")
    kept = {
        key: value
        for key, value in (properties.items() if isinstance(properties, dict) else ())
        if key == "VM_Instance_Name" or key in _OF_ONE_POD
    }
    elsewhere = bool(planned.resource_name) and not planned.resource_name.startswith("//container.")
    if planned.pod is None and not elsewhere:
        finding["sourceProperties"] = kept
        return
    for key in _OF_ONE_POD:
        kept.pop(key, None)
    finding.pop("containers", None)
    finding.pop("kubernetes", None)
    finding["sourceProperties"] = {} if elsewhere else kept
    if not planned.pod:
        return
    namespace, name, container = _pod_parts(planned.pod)
    known = next(
        (
            pod
            for cluster in lab.scenario.clusters
            for pod in cluster.pods
            if (pod.namespace, pod.name) == (namespace, name)
        ),
        None,
    )
    chosen = next((c for c in known.containers if container in {"", c.name}), None) if known else None
    entry: dict[str, Any] = {"ns": namespace, "name": name}
    if known:
        entry["labels"] = [{"name": key, "value": value} for key, value in known.labels.items()]
    if chosen or container:
        described = {"name": container or (chosen.name if chosen else "")}
        if chosen:
            described |= {"uri": chosen.image, "imageId": chosen.image_id}
        entry["containers"] = [described]
    finding["kubernetes"] = {"pods": [entry]}


def _pod_parts(text: str) -> tuple[str, str, str]:
    namespace, _, rest = text.partition("/")
    name, _, container = rest.partition("/")
    return namespace, name, container


def _first_cluster(lab: Lab) -> str:
    if not lab.scenario.clusters:
        return f"//cloudresourcemanager.googleapis.com/projects/{lab.scenario.projects[0].number}"
    cluster = lab.scenario.clusters[0]
    return f"//container.googleapis.com/projects/{cluster.project}/locations/{cluster.location}/clusters/{cluster.name}"


def _metadata(lab: Lab, name: str) -> dict[str, Any]:
    match = _PROJECT.search(name)
    known = next((p for p in lab.scenario.projects if match and match[1] in {p.id, p.number}), None)
    if known is None:
        return {}
    full = f"//cloudresourcemanager.googleapis.com/projects/{known.number}"
    return {"project": full, "projectDisplayName": known.id, "parent": full, "parentDisplayName": known.id}


def _project(lab: Lab, result: Any) -> str:
    match = _PROJECT.search(result.resource.name)
    told = result.resource.gcp_metadata.project_display_name or (match[1] if match else "")
    return next((p.id for p in lab.scenario.projects if told in {p.id, p.number}), told)


def _merged(base: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in data.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
