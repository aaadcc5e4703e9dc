"""The responder as it is deployed, the lab's side: what the doctor reads by REST, and who may read it.

Each resource is the JSON that Google's API of it answers, by its path. A call is answered to whoever has its
permission, and refused to everybody else; testIamPermissions and `generateAccessToken` tell of the same grants, which
are those that the adapters declare. What is planted beside or taken away is the scenario's `deployment`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
from aiohttp import web

from lab import estate_documents as documents
from lab.answers import ApiError, fail, permission
from lab.rbac import (
    ACT,
    ACT_TOKEN,
    COLLECTOR,
    COLLECTOR_TOKEN,
    DOCTOR,
    DOCTOR_TOKEN,
    INVESTIGATOR,
    INVESTIGATOR_TOKEN,
    REMEDIATOR,
    REMEDIATOR_TOKEN,
    REVIEW,
    REVIEW_TOKEN,
    scoped,
    unscoped,
)
from lab.scenario import ScenarioDeployment
from lab.state import FaultError, Lab

_TOKENS: Final = {
    INVESTIGATOR: INVESTIGATOR_TOKEN,
    ACT: ACT_TOKEN,
    COLLECTOR: COLLECTOR_TOKEN,
    REMEDIATOR: REMEDIATOR_TOKEN,
    REVIEW: REVIEW_TOKEN,
    DOCTOR: DOCTOR_TOKEN,
}
_AT_THE_TOP: Final = {INVESTIGATOR: "investigator", ACT: "investigator", DOCTOR: "doctor"}
_NEEDED: Final = (
    # path, permission; the first that matches
    (r".+/billingMetadata", "securitycentermanagement.billingMetadata.get"),
    (r".+/securityCenterServices/[^/]+", "securitycentermanagement.securityCenterServices.get"),
    (r".+/notificationConfigs", "securitycenter.notificationconfig.list"),
    (r".+/topics/[^/]+:getIamPolicy", "pubsub.topics.getIamPolicy"),
    (r".+/subscriptions", "pubsub.subscriptions.list"),
    (r".+/subscriptions/[^/]+:getIamPolicy", "pubsub.subscriptions.getIamPolicy"),
    (r".+/functions", "cloudfunctions.functions.list"),
    (r".+/iap_web/[^/]+/services/[^/]+:getIamPolicy", "iap.webServices.getIamPolicy"),
    (r".+/services/[^/]+:getIamPolicy", "run.services.getIamPolicy"),
    (r"/v2/.+/services", "run.services.list"),
    (r".+/jobs", "cloudscheduler.jobs.list"),
    (r".+/databases/[^/]+", "datastore.databases.getMetadata"),
    (r".+/collectionGroups/-/indexes", "datastore.indexes.list"),
    (r"/storage/v1/b/[^/]+", "storage.buckets.get"),
    (r".+/services:batchGet", "serviceusage.services.get"),
    (r".+/clusters", "container.clusters.list"),
    (r".+/sinks/[^/]+", "logging.sinks.get"),
)
_ACCOUNT: Final = re.compile(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken")
_BUCKET: Final = re.compile(r"/storage/v1/b/([^/]+)/iam/testPermissions")
_TESTED: Final = re.compile(r"/v[13]/(.+):testIamPermissions")


class Estate:
    """The resources of one lab. Without `deployment` in its scenario there are none."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._plan = lab.scenario.deployment
        self._found: dict[str, Any] = documents.all_of(lab.scenario, self._plan) if self._plan else {}
        self._roles = _declared() if self._plan else {}
        for path, change in (self._plan.change if self._plan else {}).items():
            if change is None:
                del self._found[path]
            else:
                self._found[path] = merged(self._found[path], change)

    def bindings(self, project: str) -> list[dict[str, Any]]:
        """What the project's own policy has of the responder, beside what every project has."""
        found: list[dict[str, Any]] = self._found.get(f"policy of {project}", {}).get("bindings", [])
        return found

    def audits(self, project: str) -> list[dict[str, Any]]:
        """What the project's own policy says of data access logs."""
        found: list[dict[str, Any]] = self._found.get(f"audits of {project}", {}).get("auditConfigs", [])
        return found

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One call: written down, failed as planned, refused without its permission, answered."""
        if self._plan is None:
            raise web.HTTPNotFound
        caller = self._caller(request)
        call = f"estate.{request.method}"
        self._lab.write(call, path=request.path, query=request.query_string, user=caller)
        try:
            await self._lab.fault(call, request.path)
        except FaultError as fault:
            denied, missing = permission("of this call", request.path), f"Resource not found: {request.path}."
            raise fail(fault, denied=denied, missing=missing, quota="this service") from fault
        return web.json_response(await self._reply(request, caller, self._plan))

    def require(self, request: web.Request, needed: str, resource: str) -> None:
        """Refuse a caller without that permission; where nothing is deployed, everybody has it."""
        if self._plan is not None and needed not in self._held(self._caller(request), resource, self._plan):
            raise ApiError(grpc.StatusCode.PERMISSION_DENIED, permission(needed, resource))

    def _caller(self, request: web.Request) -> str:
        token = unscoped(request.headers["Authorization"].partition(" ")[2])
        caller = next((account for account, known in _TOKENS.items() if known == token), "")
        if not caller:
            raise ApiError(grpc.StatusCode.UNAUTHENTICATED, "Request had invalid authentication credentials.")
        return caller

    async def _reply(self, request: web.Request, caller: str, plan: ScenarioDeployment) -> Any:
        path = request.path
        if request.method == "POST" and "/iap_web/" not in path:  # whose policies are read by POST
            return self._posted(path, await request.json(), caller, plan)
        if bucket := _BUCKET.fullmatch(path):
            wanted = request.query.getall("permissions", [])
            return self._tested(f"buckets/{bucket[1]}", f"/storage/v1/b/{bucket[1]}", wanted, caller, plan)
        needed = next((name for pattern, name in _NEEDED if re.fullmatch(pattern, path)), "")
        if not needed:
            raise web.HTTPNotFound
        if needed not in self._held(caller, re.sub(r"^/v\d/|:\w+$", "", path), plan):
            raise ApiError(grpc.StatusCode.PERMISSION_DENIED, permission(needed, path))
        if path not in self._found:
            raise ApiError(grpc.StatusCode.NOT_FOUND, f"Resource not found: {path}.")
        if path.endswith(":batchGet"):
            names = request.query.getall("names", [])
            return {"services": [one for one in self._found[path]["services"] if one["name"] in names]}
        return self._found[path]

    def _posted(self, path: str, body: Mapping[str, Any], caller: str, plan: ScenarioDeployment) -> Any:
        if account := _ACCOUNT.fullmatch(path):
            right = "iam.serviceAccounts.getAccessToken"
            if right not in self._held(caller, account[1], plan) or account[1] not in _TOKENS:
                raise ApiError(grpc.StatusCode.PERMISSION_DENIED, permission(right, account[1]))
            until = datetime.now(UTC) + timedelta(minutes=10)
            token = scoped(_TOKENS[account[1]], body.get("scope", []))
            return {"accessToken": token, "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        tested = _TESTED.fullmatch(path)
        if tested is None:
            raise web.HTTPNotFound
        place = f"/v1/{tested[1]}:getIamPolicy" if "/topics/" in path else ""
        return self._tested(tested[1], place, body.get("permissions", []), caller, plan)

    def _tested(self, resource: str, place: str, wanted: list[str], caller: str, plan: ScenarioDeployment) -> Any:
        if place and place not in self._found:
            raise ApiError(grpc.StatusCode.NOT_FOUND, f"Resource not found: {resource}.")
        held = [name for name in wanted if name in self._held(caller, resource, plan)]
        return {"permissions": held} if held else {}

    def _held(self, account: str, resource: str, plan: ScenarioDeployment) -> set[str]:
        """What an account may do on a resource. The custom roles are bound at the top, but for those of one thing."""
        held = set(self._roles[_AT_THE_TOP.get(account, "")])
        own = {
            documents.topic(plan, "records"): {INVESTIGATOR, ACT},
            documents.topic(plan, "actions"): {INVESTIGATOR, REVIEW},
        }
        if account in own.get(resource, ()):
            held |= set(self._roles["publisher"])
        if account in {INVESTIGATOR, ACT} and "/secrets/" in resource:
            held |= set(self._roles["notifier"])
        if account == ACT and resource == f"buckets/{documents.bucket(plan)}":
            held |= set(self._roles["evidence"])
        if account == ACT and resource.rpartition("/")[2] in {COLLECTOR, REMEDIATOR}:
            held |= set(self._roles["actor"])
        held |= set(self._roles[_alone(account, resource, plan)])
        for grant in plan.granted:
            if grant.account == account and grant.on in {"", resource}:
                held.add(grant.permission)
        for grant in plan.withheld:
            if grant.account == account and grant.on in {"", resource}:
                held.discard(grant.permission)
        return held


def _alone(account: str, resource: str, plan: ScenarioDeployment) -> str:
    """The role that a person or the review page has on that one thing; empty where there is none."""
    if account == DOCTOR and resource in _TOKENS:
        return "examiner"
    return "metrics" if account == REVIEW and resource == f"projects/{plan.project}" else ""


def merged(target: Any, change: Any) -> Any:
    """RFC 7396; a list's items are changed by their number."""
    if not isinstance(change, dict):
        return change
    if isinstance(target, list):
        items = copy.deepcopy(target)
        for index in sorted(change, key=int, reverse=True):
            if change[index] is None:
                del items[int(index)]
            else:
                items[int(index)] = merged(items[int(index)], change[index])
        return items
    made = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), value)
    return made


def _declared() -> dict[str, tuple[str, ...]]:
    from responder import permissions  # noqa: PLC0415 - imports every adapter

    held: dict[str, tuple[str, ...]] = {"": ()}
    for grant in permissions.grants():
        held[grant.role] = (*held.get(grant.role, ()), grant.name)
    return held
