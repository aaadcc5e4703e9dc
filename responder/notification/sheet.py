"""Step 1: one notification, in whichever of its five JSON shapes -> Finding. Pure; standard library only.

The shapes, told apart by structure: `v2` (`resource.gcpMetadata`), `v1` (`resource.project`), `v2_with_v1` (both, as
some exporters write it), `console` (the JSON tab of the console: `findings`, with `sourceProperties` beside it and a
snake_case resource), `nested` (`finding.resource`). Fields: googleapis, google/cloud/securitycenter/v2/finding.proto
and its neighbours. Structured fields come first, `sourceProperties` second: Google calls the latter "v1 API only".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from responder import names
from responder.errors import MalformedNotification
from responder.finding import ClusterRef, Finding, Mitre
from responder.notification import entries
from responder.notification.place import Place
from responder.notification.told import CLUSTER, tell

_SCC_KEY: Final = re.compile(r".*/sources/([0-9]+)(?:/locations/[^/]+)?/findings/([A-Za-z0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The three parts of a document, wherever its shape has them."""

    root: Place
    finding: Place
    resource: Place
    properties: Place
    shape: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> Sheet:
        """Of a document that has an object under `finding` or `findings`."""
        root = Place(document, "", [])
        console = not isinstance(document.get("finding"), dict)
        finding = root.at("findings" if console else "finding")
        if isinstance(finding.value, list):
            finding = finding.each()[0]
        nested = finding.at("resource").value is not None and root.at("resource").value is None
        resource = finding.at("resource") if nested else root.at("resource")
        properties = finding.at("sourceProperties")
        if properties.value is None:
            properties = root.at("sourceProperties")
        shape = "console" if console else "nested" if nested else _shape(finding, resource)
        return cls(root=root, finding=finding, resource=resource, properties=properties, shape=shape)


def _shape(finding: Place, resource: Place) -> str:
    name = finding.value.get("name")
    v2 = resource.at("gcpMetadata").value is not None or (isinstance(name, str) and "/locations/" in name)
    v1 = any(resource.at(key).value is not None for key in ("project", "projectName", "projectDisplayName"))
    if v2:
        return "v2_with_v1" if v1 else "v2"
    return "v1"


def is_gke(sheet: Sheet) -> bool:
    """Whether a GKE cluster is meant. Any mark of Cloud Run wins: its detector uses the same category name."""
    provider, kind = _provider(sheet), sheet.resource.at("type").text()
    module = sheet.finding.at("moduleName").text()
    resource_names = (sheet.finding.at("resourceName").text(), sheet.resource.at("name").text())
    cloud_run = (
        provider.startswith("Cloud Run")
        or kind.startswith(("google.run.", "run.googleapis.com/", "google.cloud.run."))
        or module.startswith("CLOUD_RUN_")
        or any(name.startswith("//run.googleapis.com/") for name in resource_names)
    )
    if cloud_run:
        return False
    return (
        provider == "Container Threat Detection"
        or kind == "google.container.Cluster"
        or any(CLUSTER.fullmatch(name) for name in resource_names)
    )


def _provider(sheet: Sheet) -> str:
    return sheet.finding.at("parentDisplayName").text() or sheet.finding.at("sourceDisplayName").text()


# --- the finding ------------------------------------------------------------------------------------------------------


def transcribe(sheet: Sheet) -> Finding:
    """The finding, of any category; MalformedNotification without a usable name or a readable time."""
    finding, resource = sheet.finding, sheet.resource
    name, canonical, key = _names(finding)
    event_time = _event_time(finding)
    listed = entries.read(finding, sheet.properties)
    told = tell(finding, resource, sheet.properties, listed)
    _validate(listed, told.cluster, finding)
    return Finding(
        key=key,
        name=name,
        canonical_name=canonical,
        category=finding.at("category").text(),
        provider=_provider(sheet),
        shape=sheet.shape,
        notification_config=sheet.root.at("notificationConfigName").text(),
        state=finding.at("state").text(),
        mute=finding.at("mute").text(),
        severity=finding.at("severity").text(),
        finding_class=finding.at("findingClass").text(),
        event_time=event_time,
        create_time=finding.at("createTime").time(),
        description=finding.at("description").text(),
        external_uri=finding.at("externalUri").text(),
        resource_name=str(told.values.get("resource_full_name", "")),
        resource_type=resource.at("type").text(),
        project_id=told.project_id,
        project_number=told.project_number,
        cluster=told.cluster,
        processes=listed.all_processes(),
        pods=listed.all_pods(),
        containers=listed.all_containers(),
        nodes=listed.all_nodes(),
        mitre=_mitre(finding.at("mitreAttack")),
        contacts=_contacts(finding.at("contacts")),
        marks={key: mark.text() for key, mark in finding.at("securityMarks").at("marks").members()},
        told=told.values,
        read_from=told.read_from,
        absent=told.absent,
        conflicts=tuple(told.conflicts),
        problems=tuple(sheet.root.problems),
    )


def _names(finding: Place) -> tuple[str, str, str]:
    """The finding's name, its canonical name, and the key that all its spellings share."""
    name, canonical = finding.at("name").text(), finding.at("canonicalName").text()
    if canonical and not names.is_valid("scc_name", canonical):
        finding.at("canonicalName").note("is not a finding's name")
        canonical = ""
    if not names.is_valid("scc_name", name):
        if not canonical:
            raise MalformedNotification("the finding has no usable name")
        finding.at("name").note("is not a finding's name; canonicalName was taken")
        name = canonical
    key, other = _key(name), _key(canonical or name)
    if key != other:
        finding.at("canonicalName").note("names another finding than name does; it was dropped")
        canonical = ""
    return name, canonical, key


def _key(name: str) -> str:
    match = _SCC_KEY.fullmatch(name)
    return "/".join(match.groups()) if match else name


def _event_time(finding: Place) -> datetime:
    event = finding.at("eventTime").time()
    if event is None:
        event = finding.at("createTime").time()
        if event is None:
            raise MalformedNotification("neither eventTime nor createTime can be read as a time")
        finding.at("eventTime").note("could not be read; createTime was taken")
    return event


def _mitre(attack: Place) -> Mitre:
    return Mitre(
        primary_tactic=attack.at("primaryTactic").text(),
        primary_techniques=attack.at("primaryTechniques").texts(),
        additional_tactics=attack.at("additionalTactics").texts(),
        additional_techniques=attack.at("additionalTechniques").texts(),
    )


def _contacts(contacts: Place) -> dict[str, tuple[str, ...]]:
    found = {
        category: tuple(email for entry in who.at("contacts").each() if (email := entry.at("email").text()))
        for category, who in contacts.members()
    }
    return {category: emails for category, emails in found.items() if emails}


def _validate(listed: entries.Entries, cluster: ClusterRef | None, finding: Place) -> None:
    """Note each name that may not be asked for; it stays in the finding, and whoever asks refuses it again."""
    spelled: list[tuple[str, str]] = []
    for pod in listed.all_pods():
        spelled += [("namespace", pod.namespace), ("pod", pod.name), *(("container", c.name) for c in pod.containers)]
    spelled += [("container", container.name) for container in listed.all_containers()]
    spelled += [("node", node.name) for node in listed.all_nodes()]
    if cluster:
        spelled += [("cluster", cluster.name), ("location", cluster.location)]
    for kind, text in spelled:
        if text and not names.is_valid(kind, text):
            finding.note(f"names a {kind} that cannot exist; it is not asked for")
