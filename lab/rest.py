"""Steps 2, 4 and 7, the lab's side: what goes over REST, and the JSON twins of the gRPC services.

Resource Manager, Essential Contacts and Compute Engine as the responder asks them; SCC, GKE and Logging as JSON too,
so that the commands which a record prints can be pasted into the real gcloud. One plain port, told apart by path.
`/_lab/` is the lab's own: its journal, its clock, its endpoints.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import grpc
from aiohttp import web
from google.cloud import container_v1, logging_v2, securitycenter_v2
from google.protobuf import json_format

from lab.answers import GARBAGE, ApiError, Dripping, Dropped, Lied, drip, fail, permission
from lab.clusters import instance, nodes
from lab.estate import Estate
from lab.google import PERSON
from lab.google_apis import Services
from lab.monitoring import Monitoring
from lab.objects import zone_of
from lab.scenario import ScenarioProject
from lab.state import FaultError, Lab

_HTTP: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}
_BEARER: Final = re.compile(r"Bearer \S+", re.IGNORECASE)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(lab: Lab, services: Services, endpoints: Callable[[], Mapping[str, Any]]) -> web.Application:
    """The REST port. `endpoints` is called for `GET /_lab/endpoints`, when everything has started."""
    google, twins, own = _Google(lab), _Twins(services), _Own(lab, endpoints)
    estate = Estate(lab)
    google.estate = twins.estate = estate
    app = web.Application(middlewares=[_answering])
    app.add_routes(
        [
            web.get("/v3/projects/{project}", google.project),
            web.post("/v3/projects/{project}:getIamPolicy", google.iam_policy),
            web.get("/v1/projects/{project}", google.project_v1),
            web.post("/v1/projects/{project}:getIamPolicy", google.iam_policy),
            web.get("/v1/projects/{project}/contacts:compute", google.contacts),
            web.get("/compute/v1/projects/{project}/zones/{zone}/instances/{name}", google.vm),
            web.get("/v1/projects/{project}/{kind:locations|zones}/{location}/clusters/{cluster}", twins.cluster),
            web.post("/v2/entries:list", twins.entries),
            web.get("/v2/{parent:(?:organizations|folders|projects)/[^/]+/sources/[^/]+}/findings", twins.findings),
            web.get(
                "/v2/{parent:(?:organizations|folders|projects)/[^/]+/sources/[^/]+/locations/[^/]+}/findings",
                twins.findings,
            ),
            web.get("/v3/projects/{project}/timeSeries", Monitoring(lab, estate).time_series),
            web.get("/v1/userinfo", google.userinfo),
            web.get("/v1/projects/{project}/secrets/{secret}/versions/{version}:access", google.secret),
            web.post("/_lab/hooks/{name}", own.hook),
            web.get("/_lab/journal", own.journal),
            web.post("/_lab/advance", own.advance),
            web.get("/_lab/endpoints", own.endpoints),
            web.route("*", "/{path:.*}", estate.answer),
        ]
    )
    return app


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ask for a bearer token, and turn errors and faults into answers as Google's front end gives them."""
    if not request.path.startswith("/_lab/") and not _BEARER.fullmatch(request.headers.get("Authorization", "")):
        message = "Request is missing required authentication credential. Expected OAuth 2 access token."
        return _error(ApiError(grpc.StatusCode.UNAUTHENTICATED, message))
    try:
        return await handler(request)
    except ApiError as error:
        return _error(error)
    except Lied:
        return web.Response(body=GARBAGE, content_type="text/html")
    except (Dropped, Dripping) as lost:
        return await (drip(request) if isinstance(lost, Dripping) else _cut(request))
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        return _error(ApiError(grpc.StatusCode.NOT_FOUND, f"The requested URL {request.path} was not found."))


async def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _error(error: ApiError) -> web.Response:
    code = _HTTP.get(error.code, 500)
    reason = "notFound" if code == HTTPStatus.NOT_FOUND else error.code.name.lower()
    body = {
        "code": code,
        "message": error.message,
        "status": error.code.name,
        "errors": [{"message": error.message, "domain": "global", "reason": reason}],
    }
    return web.json_response({"error": body}, status=code)


# --- what the responder asks by REST ----------------------------------------------------------------------------------


class _Google:
    """Resource Manager, Essential Contacts and Compute Engine."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.estate: Estate | None = None

    async def userinfo(self, request: web.Request) -> web.Response:
        """OpenID Connect: who it is by the token. The responder's own token is of nobody who could say."""
        self._lab.write("openidconnect.UserInfo", path=request.path, query=request.query_string)
        _, _, token = request.headers["Authorization"].partition(" ")
        if not token.startswith(PERSON):
            raise ApiError(grpc.StatusCode.UNAUTHENTICATED, "Request is missing required authentication credential.")
        address = token.removeprefix(PERSON)
        return web.json_response({"sub": str(zlib.crc32(address.encode())), "email": address, "email_verified": True})

    async def project(self, request: web.Request) -> web.Response:
        """Resource Manager v3."""
        known = await self._asked(request, "resourcemanager.GetProject", "resourcemanager.projects.get")
        parent = self._lab.scenario.scc_parent
        return web.json_response(
            {
                "name": f"projects/{known.number}",
                "parent": "organizations/123456789012" if parent.startswith("projects/") else parent,
                "projectId": known.id,
                "state": "ACTIVE",
                "displayName": known.display_name or known.id,
                "createTime": "2021-03-01T08:00:00.000Z",
                "updateTime": "2021-03-01T08:00:00.000Z",
                "etag": 'W/"lab"',
                "labels": known.labels,
            }
        )

    async def project_v1(self, request: web.Request) -> web.Response:
        """Resource Manager v1, which gcloud still asks."""
        known = await self._asked(request, "resourcemanager.GetProject", "resourcemanager.projects.get")
        return web.json_response(
            {
                "projectNumber": known.number,
                "projectId": known.id,
                "lifecycleState": "ACTIVE",
                "name": known.display_name or known.id,
                "createTime": "2021-03-01T08:00:00.000Z",
                "labels": known.labels,
            }
        )

    async def iam_policy(self, request: web.Request) -> web.Response:
        """The project's own policy; another role stands beside the owners, as it always does."""
        permission_ = "resourcemanager.projects.getIamPolicy"
        known = await self._asked(request, "resourcemanager.GetIamPolicy", permission_)
        responder = f"serviceAccount:responder@{known.id}.iam.gserviceaccount.com"
        bindings: list[dict[str, Any]] = [{"role": "roles/container.clusterViewer", "members": [responder]}]
        if known.owners:
            bindings.append({"role": "roles/owner", "members": list(known.owners)})
        if self.estate is not None:
            bindings += self.estate.bindings(known.id)
        audits = self.estate.audits(known.id) if self.estate is not None else []
        policy = {"version": 3, "etag": "BwYlabA=", "bindings": bindings}
        return web.json_response(policy | ({"auditConfigs": audits} if audits else {}))

    async def contacts(self, request: web.Request) -> web.Response:
        """Essential Contacts; the scenario's are for SECURITY alone."""
        known = await self._asked(request, "essentialcontacts.Compute", "essentialcontacts.contacts.list")
        categories = set(request.query.getall("notificationCategories", ["SECURITY"]))
        contacts = [
            {
                "name": f"projects/{known.number}/contacts/{number}",
                "email": email,
                "notificationCategorySubscriptions": ["SECURITY"],
                "languageTag": "en-US",
                "validationState": "VALID",
            }
            for number, email in enumerate(known.security_contacts, start=1)
        ]
        return web.json_response({"contacts": contacts} if contacts and categories & {"SECURITY", "ALL"} else {})

    async def vm(self, request: web.Request) -> web.Response:
        """Compute Engine's `instances.get`."""
        known = await self._asked(request, "compute.InstancesGet", "compute.instances.get")
        zone, name = request.match_info["zone"], request.match_info["name"]
        for cluster, node in nodes(self._lab):
            if (cluster.project, zone_of(cluster, node), node.name) == (known.id, zone, name) and node.vm:
                return web.json_response(instance(self._lab, cluster, node))
        message = f"The resource 'projects/{known.id}/zones/{zone}/instances/{name}' was not found"
        raise ApiError(grpc.StatusCode.NOT_FOUND, message)

    async def secret(self, request: web.Request) -> web.Response:
        """Secret Manager's `versions.access`."""
        known = await self._asked(request, "secretmanager.Access", "secretmanager.versions.access")
        name = f"projects/{known.id}/secrets/{request.match_info['secret']}"
        text = self._lab.scenario.secrets.get(name)
        if text is None:
            message = f"Secret [{name}] not found or has no versions."
            raise ApiError(grpc.StatusCode.NOT_FOUND, message)
        if text.startswith("/_lab/hooks/"):
            text = f"http://{request.host}{text}"
        payload = {"data": base64.b64encode(text.encode()).decode()}
        version = f"projects/{known.number}/secrets/{request.match_info['secret']}/versions/1"
        return web.json_response({"name": version, "payload": payload})

    async def _asked(self, request: web.Request, call: str, needed: str) -> ScenarioProject:
        """Write the call down, fail as planned, and find its project."""
        self._lab.write(call, path=request.path, query=request.query_string)
        project = request.match_info["project"]
        denied = permission(needed, f"//cloudresourcemanager.googleapis.com/projects/{project}")
        try:
            await self._lab.fault(call, request.path_qs)
        except FaultError as fault:
            missing = f"Requested entity was not found: {request.path}."
            service = f"service '{call.partition('.')[0]}.googleapis.com'"
            raise fail(fault, denied=denied, missing=missing, quota=service) from fault
        known = next((p for p in self._lab.scenario.projects if project in {p.id, p.number}), None)
        if known is None:
            raise ApiError(grpc.StatusCode.PERMISSION_DENIED, denied)
        return known


# --- the JSON twins ---------------------------------------------------------------------------------------------------


class _Twins:
    """SCC, GKE and Logging as JSON: the same methods as over gRPC."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.estate: Estate | None = None

    async def cluster(self, request: web.Request) -> web.Response:
        """`projects.locations.clusters.get`, and the older `projects.zones.clusters.get`."""
        match = request.match_info
        name = f"projects/{match['project']}/locations/{match['location']}/clusters/{match['cluster']}"
        asked = container_v1.GetClusterRequest.pb()(name=name)
        return _json(await self._services.gke.GetCluster(asked))

    async def entries(self, request: web.Request) -> web.Response:
        """`entries.list`."""
        try:
            body = await request.json()
            asked = json_format.ParseDict(body, logging_v2.types.ListLogEntriesRequest.pb()())
        except (ValueError, json_format.ParseError) as error:
            message = "Invalid JSON payload received."
            raise ApiError(grpc.StatusCode.INVALID_ARGUMENT, message) from error
        return _json(await self._services.logging.ListLogEntries(asked))

    async def findings(self, request: web.Request) -> web.Response:
        """`sources.locations.findings.list`; in a deployment, for whoever may."""
        if self.estate is not None:
            self.estate.require(request, "securitycenter.findings.list", request.match_info["parent"])
        body: dict[str, Any] = {"parent": request.match_info["parent"]}
        known = {"filter", "orderBy", "pageSize", "pageToken", "fieldMask"}
        body |= {key: value for key, value in request.query.items() if key in known}
        try:
            asked = json_format.ParseDict(body, securitycenter_v2.ListFindingsRequest.pb()())
        except json_format.ParseError as error:
            message = "Invalid value in the query."
            raise ApiError(grpc.StatusCode.INVALID_ARGUMENT, message) from error
        return _json(await self._services.scc.ListFindings(asked))


def _json(message: Any) -> web.Response:
    return web.json_response(json_format.MessageToDict(message))


# --- the lab's own ----------------------------------------------------------------------------------------------------


class _Own:
    """What is done to the lab from outside; no token is asked."""

    def __init__(self, lab: Lab, endpoints: Callable[[], Mapping[str, Any]]) -> None:
        self._lab = lab
        self._endpoints = endpoints

    async def journal(self, _request: web.Request) -> web.Response:
        """What was done, in order."""
        return web.json_response({"journal": list(self._lab.journal)})

    async def hook(self, request: web.Request) -> web.Response:
        """A channel: what is posted is kept in the journal, as `channel.Post`, the query and the headers' names too."""
        name = request.match_info["name"]
        told = {"name": name, "query": request.query_string, "headers": sorted(key.lower() for key in request.headers)}
        try:
            body = await request.json()
        except ValueError as error:
            raise ApiError(grpc.StatusCode.INVALID_ARGUMENT, "invalid_payload") from error
        try:
            await self._lab.fault("channel.Post", name)
        except FaultError as fault:
            is_taken = fault.kind in {"drop_reply", "drip"}
            self._lab.write("channel.Post" if is_taken else "channel.Refused", **told, body=body)
            raise fail(fault, denied="action_prohibited", missing="no_service", quota="the channel") from fault
        self._lab.write("channel.Post", **told, body=body)
        return web.Response(text="ok")

    async def advance(self, request: web.Request) -> web.Response:
        """Move the clock by `{"seconds": n}`."""
        try:
            seconds = float((await request.json())["seconds"])
            self._lab.advance(timedelta(seconds=seconds))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            message = 'The body must be {"seconds": a number}.'
            raise ApiError(grpc.StatusCode.INVALID_ARGUMENT, message) from error
        return web.json_response({"now": self._lab.now().isoformat()})

    async def endpoints(self, _request: web.Request) -> web.Response:
        """What `python -m lab serve` prints."""
        return web.json_response(dict(self._endpoints()))
