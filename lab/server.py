"""Starts everything that a scenario needs, on loopback: gRPC, REST, and a Kubernetes API server for each cluster."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from pydantic import AwareDatetime, Field

from lab import clusters, front, google_apis, grpc_wire, kubernetes, rest
from lab.kubeconfig import Upstream
from lab.rbac import INVESTIGATOR_TOKEN
from lab.scenario import Part, Scenario, ScenarioCluster
from lab.staging import Staged, stage
from lab.state import Lab
from lab.tls import Authority

_STOP_WITHIN: Final = 0.5
_START_WITHIN: Final = 60.0


class Endpoints(Part):
    """Where a lab answers; one JSON object on a command line."""

    grpc: str = Field(description="SCC, GKE and Logging, without TLS")
    rest: str = Field(description="Resource Manager, Essential Contacts, Compute, and the JSON twins")
    hosts: dict[str, str] = Field(description="host of a control plane -> loopback address; refused where unreachable")
    ca_pem_file: str = Field(description="the CA of every control plane, those of DNS endpoints included")
    now: AwareDatetime = Field(description="the lab's clock when it had started")
    clock_offset_seconds: float = Field(description="how far the lab's clock is ahead of this machine's")
    scc_parent: str
    token: str = Field(default=INVESTIGATOR_TOKEN, description="the investigator's, for REST and the control planes")


@dataclass(slots=True)
class Serving:
    """A lab that serves. `stop` ends all of it; what was never started needs no end."""

    lab: Lab
    _closing: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    endpoints: Endpoints | None = None
    staged: Staged | None = None
    """Where the cluster's objects are on a real API server."""

    async def start(self) -> Endpoints:
        """Start every server; where one fails, those before it are stopped."""
        async with contextlib.AsyncExitStack() as stack:
            self.endpoints = await self._start(stack)
            self._closing = stack.pop_all()
        return self.endpoints

    async def stop(self) -> None:
        """Stop every server, and give up what hangs."""
        await self._closing.aclose()

    async def _start(self, stack: contextlib.AsyncExitStack) -> Endpoints:
        lab, scenario = self.lab, self.lab.scenario
        authority = Authority(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-"))))
        refused = _refusing(stack)
        hosts: dict[str, str] = {}
        known = {}
        for index, cluster in enumerate(scenario.clusters):
            served = await self._serve_cluster(stack, cluster, authority, index)
            public = served if "public" in cluster.reachable else refused
            where = clusters.endpoints(index, cluster, public)
            for kind, host in (("dns", where.dns), ("private", where.private)):
                if host:
                    hosts[host] = served if kind in cluster.reachable else refused
            message = clusters.message(lab, cluster, where, authority.pem)
            known[cluster.project, cluster.location, cluster.name] = message
        services = google_apis.Services(
            scc=google_apis.SecurityCenter(lab),
            gke=google_apis.ClusterManager(lab, known),
            logging=google_apis.Logging(lab),
        )
        grpc_server, grpc_port = await grpc_wire.start(services)
        stack.push_async_callback(grpc_server.stop, 0)
        app = rest.application(lab, services, lambda: endpoints.model_dump(mode="json"))
        rest_port = await _serve_rest(stack, app)
        endpoints = Endpoints(
            grpc=f"127.0.0.1:{grpc_port}",
            rest=f"http://127.0.0.1:{rest_port}",
            hosts=hosts,
            ca_pem_file=str(authority.file),
            now=lab.now(),
            clock_offset_seconds=(lab.now() - datetime.now(UTC)).total_seconds(),
            scc_parent=scenario.scc_parent,
        )
        return endpoints

    async def _serve_cluster(
        self, stack: contextlib.AsyncExitStack, cluster: ScenarioCluster, authority: Authority, index: int
    ) -> str:
        where = clusters.endpoints(index, cluster, "")
        context = authority.server([host for host in (where.dns, where.private) if host])
        if self.staged is None:
            runner, port = await kubernetes.start(self.lab, cluster, context)
        else:
            runner, port = await front.start(stack, self.lab, self.staged, context)
        stack.push_async_callback(runner.cleanup)
        return f"127.0.0.1:{port}"


async def start(lab: Lab, staged: Staged | None = None) -> Serving:
    """Serve `lab` on the running loop; the caller ends it with `Serving.stop`."""
    serving = Serving(lab, staged=staged)
    await serving.start()
    return serving


async def _serve_rest(stack: contextlib.AsyncExitStack, app: web.Application) -> int:
    # A call that hangs by plan must not hold up the end, nor outlive the client that gave it up.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_WITHIN, handler_cancellation=True)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port: int = runner.addresses[0][1]
    return port


def _refusing(stack: contextlib.AsyncExitStack) -> str:
    """An address that refuses connections while the lab lives: bound, so that it stays ours, and not listening."""
    held = stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    return f"127.0.0.1:{held.getsockname()[1]}"


# --- in a thread, and from a command line -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A lab that serves from a thread of its own."""

    lab: Lab
    endpoints: Endpoints


@contextlib.contextmanager
def serve(
    scenario: Scenario, notification: Mapping[str, Any] | None = None, *, upstream: Upstream | None = None
) -> Iterator[Running]:
    """Serve a scenario from a thread while the block runs; all that was started has ended with it.

    With `upstream` the scenario's cluster is made on that API server, and taken away afterwards; `Running.lab` has the
    scenario and the notification with its UIDs and in its times. KubeconfigError where that cannot be.
    """
    with contextlib.ExitStack() as stack:
        staged = stack.enter_context(stage(upstream, scenario, notification or {})) if upstream else None
        scenario, notification = (staged.scenario, staged.notification) if staged else (scenario, notification)
        yield stack.enter_context(serve_lab(Lab(scenario, dict(notification or {})), staged))


@contextlib.contextmanager
def serve_lab(lab: Lab, staged: Staged | None = None) -> Iterator[Running]:
    """The same for a lab that the caller made, which may be of a kind of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lab", daemon=True)
    thread.start()
    try:
        serving = asyncio.run_coroutine_threadsafe(start(lab, staged), loop).result(_START_WITHIN)
        try:
            assert serving.endpoints is not None
            yield Running(lab=lab, endpoints=serving.endpoints)
        finally:
            asyncio.run_coroutine_threadsafe(serving.stop(), loop).result(_START_WITHIN)
    finally:
        asyncio.run_coroutine_threadsafe(_drain(), loop).result(_START_WITHIN)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _drain() -> None:
    """End the tasks that are left: calls that hang by plan, and connections that were dropped."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def run(scenario: Scenario, notification: Mapping[str, Any], *, ready: Callable[[Endpoints], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once everything answers."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with serve(scenario, notification) as running:
            ready(running.endpoints)
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
