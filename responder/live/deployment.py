"""The doctor's reads of a deployment: detector, topics, functions, databases, clusters, sinks. Changes nothing.

Over REST, each API in its own JSON. What an API calls its lists is given where it is asked; a page token is followed.
A project's policy is asked by a POST that reads. None of these rights is the responder's: a person runs the doctor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from responder.doctor import facts
from responder.errors import Unanswered
from responder.live import _reply
from responder.live._errors import Asking
from responder.live._rest import Rest

if TYPE_CHECKING:
    from responder.live.google import Google

PERMISSIONS: Final = (
    "securitycentermanagement.billingMetadata.get",
    "securitycentermanagement.securityCenterServices.get",
    "securitycenter.notificationconfig.list",
    "pubsub.topics.getIamPolicy",
    "pubsub.subscriptions.getIamPolicy",
    "resourcemanager.projects.getIamPolicy",
    "run.services.getIamPolicy",
    "pubsub.subscriptions.list",
    "cloudfunctions.functions.list",
    "cloudscheduler.jobs.list",
    "datastore.databases.getMetadata",
    "datastore.indexes.list",
    "storage.buckets.get",
    "serviceusage.services.get",
    "container.clusters.list",
    "logging.sinks.get",
    "run.services.list",
    "iap.webServices.getIamPolicy",
    # The adapters that the responder has, asked as the doctor.
    "resourcemanager.projects.get",
    "container.clusters.get",
    "securitycenter.findings.list",
)
ROLE: Final = "doctor"
"""Of the person who runs it; the responder has it not."""

_PAGES: Final = 20
_VERSION_3: Final = {"options": {"requestedPolicyVersion": 3}}
"""An older one leaves out the bindings that have a condition."""
_PATH: Final = re.compile(r"[A-Za-z0-9_~+%.:()@-]+(?:/[A-Za-z0-9_~+%.:()@-]+)*")
_F = TypeVar("_F", bound=facts.Fact)


class Deployment:
    """`doctor.ports.Sources`. The session is made at the first question."""

    def __init__(self, google: Google) -> None:
        self._rest = Rest(google)

    def tier(self, parent: str) -> str:
        """Of Security Command Center."""
        path = f"/v1/{parent}/locations/global/billingMetadata"
        reply, asking = self._get("securitycentermanagement", path, parent, PERMISSIONS[0])
        with asking:
            return _reply.text(reply, "billingTier")

    def detector(self, parent: str) -> facts.Detector:
        """Container Threat Detection."""
        path = f"/v1/{parent}/locations/global/securityCenterServices/container-threat-detection"
        return self._one(facts.Detector, "securitycentermanagement", path, parent, PERMISSIONS[1])

    def findings(self, parent: str, filter_: str) -> tuple[facts.ListedFinding, ...]:
        """Of v2, at `global`, of every source."""
        path, key = f"/v2/{parent}/sources/-/locations/global/findings", "listFindingsResults"
        asked = {"filter": filter_, "pageSize": "100"}
        return self._list(facts.ListedFinding, "securitycenter", path, key, "securitycenter.findings.list", asked)

    def notification_configs(self, parent: str) -> tuple[facts.NotificationConfig, ...]:
        """Of v2, at `global`."""
        path, key = f"/v2/{parent}/locations/global/notificationConfigs", "notificationConfigs"
        return self._list(facts.NotificationConfig, "securitycenter", path, key, PERMISSIONS[2])

    def bindings(self, resource: str) -> tuple[facts.Binding, ...]:
        """Conditions included: an older version of a policy leaves out the bindings that have one."""
        _checked(f"/{resource}")
        if resource.count("/") == 1:
            return _bindings(*self._policy(resource))
        permission = PERMISSIONS[3] if "/topics/" in resource else PERMISSIONS[4]
        return _bindings(*self._get("pubsub", f"/v1/{resource}:getIamPolicy", resource, permission))

    def audits(self, project: str) -> tuple[facts.AuditConfig, ...]:
        """Of the same policy that `bindings` reads."""
        reply, asking = self._policy(f"projects/{project}")
        with asking:
            return tuple(facts.AuditConfig.model_validate(item) for item in _reply.items(reply, "auditConfigs"))

    def _policy(self, resource: str) -> tuple[dict[str, Any], Asking]:
        asking = _asking("resourcemanager.projects.getIamPolicy", resource)
        path = _checked(f"/v3/{resource}:getIamPolicy")
        return self._rest.ask("POST", "cloudresourcemanager", path, asking, json=_VERSION_3), asking

    def reviewers(self, number: str, location: str, name: str) -> tuple[facts.Binding, ...]:
        """Of the service itself: what IAP's policies above it grant is not in it.

        https://cloud.google.com/iap/docs/reference/rest/v1/TopLevel/getIamPolicy
        """
        resource = f"projects/{number}/iap_web/cloud_run-{location}/services/{name}"
        asking = _asking("iap.webServices.getIamPolicy", resource)
        path = _checked(f"/v1/{resource}:getIamPolicy")
        return _bindings(self._rest.ask("POST", "iap", path, asking, json=_VERSION_3), asking)

    def invokers(self, service: str) -> tuple[facts.Binding, ...]:
        """Cloud Run's v2."""
        _checked(f"/{service}")
        return _bindings(*self._get("run", f"/v2/{service}:getIamPolicy", service, "run.services.getIamPolicy"))

    def services(self, project: str, location: str) -> tuple[facts.RunService, ...]:
        """Of one region: `-` is no region there."""
        path = f"/v2/projects/{project}/locations/{location}/services"
        return self._list(facts.RunService, "run", path, "services", "run.services.list")

    def subscriptions(self, project: str) -> tuple[facts.Subscription, ...]:
        """Of Pub/Sub."""
        path = f"/v1/projects/{project}/subscriptions"
        return self._list(facts.Subscription, "pubsub", path, "subscriptions", "pubsub.subscriptions.list")

    def functions(self, project: str) -> tuple[facts.Function, ...]:
        """Of every location."""
        path = f"/v2/projects/{project}/locations/-/functions"
        return self._list(facts.Function, "cloudfunctions", path, "functions", "cloudfunctions.functions.list")

    def jobs(self, project: str, location: str) -> tuple[facts.Job, ...]:
        """Of Cloud Scheduler."""
        path = f"/v1/projects/{project}/locations/{location}/jobs"
        return self._list(facts.Job, "cloudscheduler", path, "jobs", "cloudscheduler.jobs.list")

    def database(self, project: str, name: str) -> facts.Database:
        """What a database is, not what is in it."""
        path = f"/v1/projects/{project}/databases/{name}"
        return self._one(facts.Database, "firestore", path, path, "datastore.databases.getMetadata")

    def indexes(self, project: str, name: str) -> tuple[facts.Index, ...]:
        """Of every collection."""
        path = f"/v1/projects/{project}/databases/{name}/collectionGroups/-/indexes"
        return self._list(facts.Index, "firestore", path, "indexes", "datastore.indexes.list")

    def bucket(self, name: str) -> facts.Bucket:
        """A bucket's settings."""
        return self._one(facts.Bucket, "storage", f"/storage/v1/b/{name}", name, "storage.buckets.get")

    def enabled(self, project: str, services: Sequence[str]) -> frozenset[str]:
        """In one call: at most twenty of them."""
        names = [("names", f"projects/{project}/services/{service}") for service in services]
        path = f"/v1/projects/{project}/services:batchGet"
        reply, asking = self._get("serviceusage", path, project, "serviceusage.services.get", params=names)
        with asking:
            on = [one for one in _reply.items(reply, "services") if _reply.text(one, "state") == "ENABLED"]
            return frozenset(_reply.text(one, "name").rpartition("/")[2] for one in on)

    def clusters(self, project: str) -> tuple[facts.ListedCluster, ...]:
        """Of every location."""
        path = f"/v1/projects/{project}/locations/-/clusters"
        return self._list(facts.ListedCluster, "container", path, "clusters", "container.clusters.list")

    def sink(self, project: str) -> facts.Sink:
        """`_Default`."""
        path = f"/v2/projects/{project}/sinks/_Default"
        return self._one(facts.Sink, "logging", path, project, "logging.sinks.get")

    def _get(
        self, service: str, path: str, about: str, permission: str, **kwargs: Any
    ) -> tuple[dict[str, Any], Asking]:
        asking = _asking(permission, about)
        return self._rest.ask("GET", service, _checked(path), asking, **kwargs), asking

    def _one(self, kind: type[_F], service: str, path: str, about: str, permission: str) -> _F:
        reply, asking = self._get(service, path, about, permission)
        with asking:
            return kind.model_validate(reply)

    def _list(
        self, kind: type[_F], service: str, path: str, key: str, permission: str, asked: Mapping[str, str] | None = None
    ) -> tuple[_F, ...]:
        """All pages. A list that leaves places out is not the whole of it, and nobody may take it for that."""
        found: list[_F] = []
        token = ""
        for _ in range(_PAGES):
            params = {**(asked or {}), **({"pageToken": token} if token else {})}
            reply, asking = self._get(service, path, path, permission, params=params)
            with asking:
                found += [kind.model_validate(item) for item in _reply.items(reply, key)]
                if _reply.texts(reply, "unreachable") or _reply.texts(reply, "missingZones"):
                    raise Unanswered("unavailable", f"{permission}: some locations did not answer")
                token = _reply.text(reply, "nextPageToken")
            if not token:
                return tuple(found)
        raise asking.endless()


def _bindings(reply: dict[str, Any], asking: Asking) -> tuple[facts.Binding, ...]:
    with asking:
        return tuple(facts.Binding.model_validate(item) for item in _reply.items(reply, "bindings"))


def _asking(permission: str, about: str) -> Asking:
    mend = f"grant yourself {permission} there: deploy/iam/doctor.yaml"
    return Asking(f"{permission} on {about}", mend=mend)


def _checked(path: str) -> str:
    """Names come from settings and from other answers: none may lead elsewhere."""
    if not _PATH.fullmatch(path[1:]) or ".." in path:
        raise Unanswered("invalid", "not a name that Google Cloud would give")
    return path
