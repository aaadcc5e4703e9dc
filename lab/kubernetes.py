"""A Kubernetes API server on loopback for steps 2, 3, 5 and 7: HTTPS, RBAC, WebSocket exec, one cluster of a scenario.

It serves the real Python client and the real kubectl. It changes nothing but its own memory and the lab's journal,
where each request is written as `kubernetes.VERB.RESOURCE` before it is answered.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from lab import pod_calls, rbac, rehearsed, status
from lab.answers import drip
from lab.cluster_state import ClusterState
from lab.objects import Object, revision
from lab.resources import Asked, Resource, asked, discovery
from lab.scenario import ScenarioCluster
from lab.selectors import select
from lab.state import FaultError, Lab

_WATCH_EVERY = 0.1
_STOP_WITHIN = 0.5
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_LOGIN_PAGE = "<!doctype html><html><head><title>Sign in</title></head><body>Sign in to continue</body></html>"
Answer = web.StreamResponse
Route = Callable[..., Awaitable[Answer]]


async def start(lab: Lab, cluster: ScenarioCluster, ssl_context: ssl.SSLContext) -> tuple[web.AppRunner, int]:
    """Serve a cluster on 127.0.0.1 and a free port; the caller ends it with `runner.cleanup()`."""
    return await serve(Server(ClusterState(lab, cluster)), ssl_context)


async def serve(server: Server, ssl_context: ssl.SSLContext) -> tuple[web.AppRunner, int]:
    """The same for a server that the caller made, which may be of a kind of its own."""
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", server.answer)
    # A hanging call must not outlive the lab, nor the client that has given up on it.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_WITHIN, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    port: int = runner.addresses[0][1]
    return runner, port


class Server:
    """One API server."""

    def __init__(self, state: ClusterState) -> None:
        self.state = state
        self.lab = state.lab
        self.identities = rbac.identities(self.lab.scenario, state.resources)

    async def answer(self, request: web.Request) -> Answer:
        """Authenticate, write down, authorise, fail as planned, answer; every refusal is a Status."""
        wanted = asked(request.method, request.path, request.query)
        body = _body(await request.read())
        lost: Answer | str = ""
        try:
            if request.content_type == _PROTOBUF and request.body_exists:
                raise status.unsupported(request.content_type)
            identity = self._admit(request, wanted, body)
            lost = await self._planned(request, wanted, identity, body)
            if isinstance(lost, web.StreamResponse):
                return lost
            self.authorise(wanted, identity)
            answer = await self.route(wanted)(request, wanted, identity, body)
        except status.ApiError as error:
            self._refused(wanted, body, error.code)
            answer = web.json_response(error.body, status=error.code)
        if lost == "drip":  # the effect has happened; of the reply comes next to nothing
            return await drip(request)
        if lost and request.transport:  # the same; the reply is dropped
            request.transport.abort()
        return answer

    def _admit(self, request: web.Request, wanted: Asked, body: Any) -> rbac.Identity:
        header = request.headers.get("Authorization", "")
        try:
            identity = rbac.authenticate(self.identities, header)
        except status.ApiError:
            self._note(request, wanted, "", body)
            raise
        self._note(request, wanted, identity.user, body)
        return identity

    def _refused(self, wanted: Asked, body: Any, code: int) -> None:
        """A request that would have changed something was answered with a no, and nothing was done."""
        if wanted.verb not in {"get", "list", "watch"}:
            named = {"namespace": wanted.namespace, "name": wanted.name, "code": code, "body": body}
            self.lab.write("cluster.refused", cluster=self.state.cluster.name, of=wanted.verb, **named)

    def _note(self, request: web.Request, wanted: Asked, user: str, body: Any) -> None:
        self.lab.write(
            f"kubernetes.{wanted.verb}.{wanted.resource}",
            cluster=self.state.cluster.name,
            user=user,
            namespace=wanted.namespace,
            name=wanted.name,
            method=request.method,
            path=request.path,
            query=[list(pair) for pair in request.query.items()],
            body=body,
        )

    async def _planned(self, request: web.Request, wanted: Asked, identity: rbac.Identity, body: Any) -> Answer | str:
        """A planned fault: raised as a Status, or its answer, or its kind where the reply is lost after the effect."""
        text = json.dumps([request.method, request.path_qs, identity.user, body], default=str)
        try:
            await self.lab.fault(f"kubernetes.{wanted.verb}.{wanted.resource}", text)
        except FaultError as fault:
            match fault.kind:
                case "deny":
                    raise rbac.forbidden(identity, wanted) from None
                case "quota":
                    raise status.too_many() from None
                case "unavailable":
                    raise status.unavailable() from None
                case "not_found":
                    raise _nothing(wanted) from None
                case "drop_reply" | "drip":
                    return fault.kind
                case "lie":
                    return _lie(wanted)
                case "empty_page":
                    return web.json_response(_list(self._resource(wanted), [], more=True))
            if request.transport:  # reset
                request.transport.abort()
            return web.Response()
        return ""

    def authorise(self, wanted: Asked, identity: rbac.Identity) -> None:
        """`status.ApiError` (403) where no rule of the identity allows it."""
        if wanted.plural and not identity.may(wanted):
            raise rbac.forbidden(identity, wanted)

    def route(self, wanted: Asked) -> Route:
        """What answers it; `status.ApiError` (405) where nothing does."""
        own: dict[tuple[str, str], Route] = {
            ("discovery", "get"): self._discover,
            ("selfsubjectaccessreviews", "create"): self._review,
        }
        chosen = own.get((wanted.resource, wanted.verb))
        reading: dict[str, Route] = {"get": self._get, "list": self._list, "watch": self._watch}
        calls = pod_calls.CALLS | rehearsed.CALLS
        if chosen is None and (wanted.resource, wanted.verb) in calls:
            return pod_calls.on(self.state, calls[wanted.resource, wanted.verb])
        if chosen is None and not wanted.subresource and wanted.plural:
            chosen = reading.get(wanted.verb)
        if chosen is not None:
            return chosen
        message = f"the server does not allow this method on the requested resource: {wanted.verb}"
        raise status.ApiError(405, "MethodNotAllowed", message)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _discover(self, request: web.Request, *_: Any) -> Answer:
        found = discovery(request.path, self.state.resources, self.state.cluster.version)
        if found is None:
            raise status.no_such_path()
        return web.json_response(found)

    async def _review(self, _: web.Request, __: Asked, identity: rbac.Identity, body: Any) -> Answer:
        return web.json_response(rbac.access_review(identity, body or {}), status=201)

    def _resource(self, wanted: Asked) -> Resource:
        for resource in self.state.resources:
            if (resource.group, resource.version, resource.plural) == (wanted.group, wanted.version, wanted.plural):
                return resource
        raise status.no_such_path()

    def _selected(self, request: web.Request, wanted: Asked) -> list[Object]:
        resource = self._resource(wanted)
        objects = self.state.objects(resource)
        if wanted.namespace and resource.namespaced:
            objects = [o for o in objects if o["metadata"].get("namespace", "") == wanted.namespace]
        labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        return select(objects, resource, labels=labels, fields=fields)

    async def _get(self, _: web.Request, wanted: Asked, *__: Any) -> Answer:
        resource = self._resource(wanted)
        for item in self.state.objects(resource, name=wanted.name):
            if not resource.namespaced or item["metadata"].get("namespace") == wanted.namespace:
                return web.json_response(item)
        raise status.not_found(wanted.plural, wanted.name, group=wanted.group)

    async def _list(self, request: web.Request, wanted: Asked, *_: Any) -> Answer:
        found = self._selected(request, wanted)
        begin = status.number(request.query.get("continue", ""), name="continue") or 0
        limit = status.number(request.query.get("limit", ""), name="limit") or len(found) + 1
        page, left = found[begin : begin + limit], max(0, len(found) - begin - limit)
        return web.json_response(_list(self._resource(wanted), page, begin=begin + limit, left=left))

    async def _watch(self, request: web.Request, wanted: Asked, *_: Any) -> Answer:
        """What changes from now on; without a resourceVersion what there is comes first, as ADDED."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (status.number(request.query.get("timeoutSeconds", ""), name="timeoutSeconds") or 300)
        known: dict[str, Object] = {}
        # kubernetes.io, "API Concepts", Streaming lists: the end of what there was is marked by a bookmark.
        streaming = request.query.get("sendInitialEvents") == "true"
        if request.query.get("resourceVersion", "0") != "0" and not streaming:
            known = _by_uid(self._selected(request, wanted))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while loop.time() < end:
            now = _by_uid(self._selected(request, wanted))
            for kind, item in _changes(known, now):
                await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")
            known = now
            if streaming:
                await response.write(json.dumps(_bookmark(self._resource(wanted), known)).encode() + b"\n")
                streaming = False
            await asyncio.sleep(_WATCH_EVERY)
        return response


def _bookmark(resource: Resource, known: dict[str, Object]) -> Object:
    meta = {
        "resourceVersion": revision(_versions(list(known.values()))),
        "annotations": {"k8s.io/initial-events-end": "true"},
    }
    return {
        "type": "BOOKMARK",
        "object": {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta},
    }


def _by_uid(objects: list[Object]) -> dict[str, Object]:
    return {item["metadata"]["uid"]: item for item in objects}


def _changes(before: dict[str, Object], now: dict[str, Object]) -> list[tuple[str, Object]]:
    changes = [("DELETED", item) for uid, item in before.items() if uid not in now]
    for uid, item in now.items():
        if uid not in before:
            changes.append(("ADDED", item))
        elif item["metadata"]["resourceVersion"] != before[uid]["metadata"]["resourceVersion"]:
            changes.append(("MODIFIED", item))
    return changes


def _list(resource: Resource, items: list[Object], *, begin: int = 0, left: int = 0, more: bool = False) -> Object:
    meta: Object = {"resourceVersion": revision(_versions(items))}
    if left or more:
        meta |= {"continue": str(begin), "remainingItemCount": left}
    bare = [{k: v for k, v in item.items() if k not in {"kind", "apiVersion"}} for item in items]
    # A server leaves kind and apiVersion out of the items of a built-in list, and keeps them in a custom one.
    custom = "." in resource.group and not resource.group.endswith(".k8s.io")
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": meta,
        "items": items if custom else bare,
    }


def _versions(items: list[Object]) -> str:
    return ",".join(item["metadata"]["resourceVersion"] for item in items)


def _body(data: bytes) -> Any:
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


def _nothing(wanted: Asked) -> status.ApiError:
    if wanted.name:
        return status.not_found(wanted.plural, wanted.name, group=wanted.group)
    return status.no_such_path()


def _lie(wanted: Asked) -> Answer:
    """200 with an answer of the wrong form: another kind for a list, a login page for everything else."""
    if wanted.verb == "list":
        return web.json_response({"kind": "ConfigMap", "apiVersion": "v1", "data": {"items": "none"}})
    return web.Response(text=_LOGIN_PAGE, content_type="text/html")
