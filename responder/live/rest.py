"""Steps 1, 2 and 7: the project and whom to ask (Resource Manager, Essential Contacts); the node's VM (Compute Engine).

Over REST, since the client libraries of these three cost up to 1.7 seconds and 147 MB to import for one GET each.
Nothing is changed: `getIamPolicy` is a POST that reads.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from responder import names
from responder.errors import Unanswered
from responder.evidence import Node, Project
from responder.live import _reply
from responder.live._errors import Asking
from responder.live._rest import Rest

if TYPE_CHECKING:
    from responder.live.google import Google

PERMISSIONS: Final = (
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
    "essentialcontacts.contacts.list",
    "compute.instances.get",
)
_GET, _GET_POLICY, _CONTACTS, _INSTANCE = PERMISSIONS

_PAGES: Final = 5
_OWNER: Final = "roles/owner"


class ResourceManager:
    """Resource Manager v3 and Essential Contacts v1. The session is made at the first question."""

    def __init__(self, google: Google) -> None:
        self._rest = Rest(google)

    def project(self, id_or_number: str) -> Project:
        """Id, number and labels: what has a number only is given its id, and the other way round."""
        _check_project(id_or_number)
        asking = _asking(_GET, id_or_number, "roles/browser")
        reply = self._rest.ask("GET", "cloudresourcemanager", f"/v3/projects/{id_or_number}", asking)
        with asking:
            project = Project(
                project_id=_reply.text(reply, "projectId"),
                number=_reply.text(reply, "name").removeprefix("projects/"),
                display_name=_reply.text(reply, "displayName"),
                state=_reply.text(reply, "state"),
                labels=_reply.labels(reply, "labels"),
            )
        if id_or_number not in {project.project_id, project.number}:
            raise asking.broken("the answer is another project")
        return project

    def owners(self, project_id: str) -> tuple[str, ...]:
        """The members of `roles/owner` at the project itself; those that inherit it are not listed there."""
        _check_project(project_id)
        asking = _asking(_GET_POLICY, project_id, "roles/iam.securityReviewer")
        path = f"/v3/projects/{project_id}:getIamPolicy"
        # Version 3: an older one leaves out the bindings that have a condition.
        body = {"options": {"requestedPolicyVersion": 3}}
        reply = self._rest.ask("POST", "cloudresourcemanager", path, asking, json=body)
        with asking:
            bindings = _reply.items(reply, "bindings")
            held = [_reply.texts(b, "members") for b in bindings if _reply.text(b, "role") == _OWNER]
        return tuple(dict.fromkeys(member for members in held for member in members))

    def security_contacts(self, project_id: str) -> tuple[str, ...]:
        """What `contacts:compute` says: inherited contacts too. Addresses that Google found to be invalid are left out.

        `compute` does not add those who are contacts for ALL by itself, so both categories are asked for.
        """
        _check_project(project_id)
        asking = _asking(_CONTACTS, project_id, "roles/essentialcontacts.viewer")
        path = f"/v1/projects/{project_id}/contacts:compute"
        found: dict[str, None] = {}
        token = ""
        for _ in range(_PAGES):
            query = [("notificationCategories", "SECURITY"), ("notificationCategories", "ALL"), ("pageSize", "100")]
            query += [("pageToken", token)] if token else []
            reply = self._rest.ask("GET", "essentialcontacts", path, asking, params=query)
            with asking:
                for contact in _reply.items(reply, "contacts"):
                    if _reply.text(contact, "validationState") != "INVALID":
                        found[_reply.text(contact, "email")] = None
                token = _reply.text(reply, "nextPageToken")
            if not token:
                break
        return tuple(email for email in found if email)


class Compute:
    """Compute Engine v1: one GET, for a node that the cluster does not tell of."""

    def __init__(self, google: Google) -> None:
        self._rest = Rest(google)

    def node(self, project: str, zone: str, name: str, *, event_time: datetime) -> Node:
        """The VM as a node. Autopilot's VMs are not in the project: there the answer is `not_found`."""
        _check_project(project)
        if not (names.is_valid("zone", zone) and names.is_valid("node", name)):
            raise Unanswered("invalid", "not a zone and a name that a node's VM can have")
        asking = _asking(_INSTANCE, project, "roles/compute.viewer")
        path = f"/compute/v1/projects/{project}/zones/{zone}/instances/{name}"
        reply = self._rest.ask("GET", "compute", path, asking)
        with asking:
            labels = _reply.labels(reply, "labels")
            created = _reply.moment(reply, "creationTimestamp")
            instance_id = _reply.text(reply, "id")
            status = _reply.text(reply, "status")
            machine_type = _reply.text(reply, "machineType").rpartition("/")[2]
        if _reply.text(reply, "name") != name or not names.is_valid("instance_id", instance_id):
            raise asking.broken("the answer is another instance, or has no id")
        return Node(
            name=name,
            known_by="compute",
            instance_id=instance_id,
            zone=zone,
            provider_id=f"gce://{project}/{zone}/{name}",
            node_pool=labels.get("goog-k8s-node-pool-name", ""),
            machine_type=machine_type,
            create_time=created,
            recreated=created is not None and created > event_time,
            status=status,
            labels=labels,
        )


def _asking(permission: str, project: str, role: str) -> Asking:
    what = f"{permission} on project {project}"
    return Asking(what, mend=f"grant the responder {permission} in project {project} ({role})")


def _check_project(text: str) -> None:
    if not (names.is_valid("project_id", text) or names.is_valid("project_number", text)):
        raise Unanswered("invalid", "neither a project id nor a project number")
