"""The lab's API server of a cluster whose objects are on a real one: every request goes there, and its answer back.

The product sends a bearer token, and a real server knows none of the lab's. This stands between: it takes the lab's
token for a user, plans faults and keeps the journal as ever, and asks the server as that user by impersonation. What is
allowed, what a precondition is, what a deleted pod looks like is the server's word alone. Changes labelled objects.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, Final

from aiohttp import web

from lab import kubernetes, status
from lab.cluster_state import ClusterState
from lab.kubeconfig import Api, api
from lab.kubelet import Kubelet
from lab.rbac import Identity
from lab.resources import Asked
from lab.staging import Staged
from lab.state import Lab

_ENDS: Final = frozenset({"delete", "deletecollection"})


async def start(
    stack: contextlib.AsyncExitStack, lab: Lab, staged: Staged, ssl_context: ssl.SSLContext
) -> tuple[web.AppRunner, int]:
    """Serve the staged cluster on 127.0.0.1 and a free port; the client of the real server ends with `stack`."""
    server = await stack.enter_async_context(api(staged.upstream))
    front = Front(ClusterState(lab, lab.scenario.clusters[0]), server)
    return await kubernetes.serve(front, ssl_context)


class Front(kubernetes.Server):
    """One API server, by way of another."""

    def __init__(self, state: ClusterState, server: Api) -> None:
        super().__init__(state)
        self._server = server
        self._kubelet = Kubelet(self.lab, state.cluster, server)

    def authorise(self, wanted: Asked, identity: Identity) -> None:
        """Nothing: the real server decides."""

    def route(self, wanted: Asked) -> kubernetes.Route:
        """Every request is passed on; a stream is not."""
        if wanted.verb == "watch" or wanted.subresource in {"exec", "attach"}:
            message = f"there is no kubelet behind this server, and no stream through it: {wanted.resource}"
            raise status.ApiError(501, "NotImplemented", message)
        return self._pass_on

    async def _pass_on(self, request: web.Request, wanted: Asked, identity: Identity, _: Any) -> web.StreamResponse:
        await self._kubelet.due()
        data = await request.read()
        kind = request.content_type if data else "application/json"
        path = request.rel_url.raw_path_qs
        reply = await self._server.call(request.method, path, user=identity.user, data=data or None, content_type=kind)
        if wanted.verb in _ENDS or wanted.resource == "pods/eviction":
            await self._kubelet.looked()
            if reply.is_good:
                await self._kubelet.raced(wanted.namespace, wanted.name)
        return web.Response(body=reply.data, status=reply.status, content_type=reply.content_type)
