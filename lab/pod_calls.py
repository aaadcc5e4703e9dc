"""Steps 4, 5 and 7 on a pod of the lab: logs, commands, debug containers, deleting. Changes the lab's cluster alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web

from lab import exec_stream, rbac, status
from lab.cluster_state import ClusterState, LivePod
from lab.exec_files import Inside
from lab.exec_real import Rooted
from lab.objects import Object
from lab.resources import Asked
from lab.scenario import ScenarioContainer, ScenarioLog

Call = Callable[[ClusterState, web.Request, Asked, Any], Awaitable[web.StreamResponse]]


def on(state: ClusterState, call: Call) -> Callable[..., Awaitable[web.StreamResponse]]:
    """A call bound to a cluster, with the signature of the server's own."""

    async def bound(request: web.Request, wanted: Asked, _: rbac.Identity, body: Any) -> web.StreamResponse:
        return await call(state, request, wanted, body)

    return bound


# --- deleting ---------------------------------------------------------------------------------------------------------


def _options(request: web.Request, body: Any) -> tuple[Object, int | None, bool]:
    """Preconditions, grace in seconds (None: the pod's own), and whether it is a rehearsal."""
    if body is not None and not isinstance(body, dict):
        raise status.bad_request("the body is no DeleteOptions: couldn't get version/kind; json parse error")
    options = body or {}
    options = options.get("deleteOptions") or options
    given = str(request.query.get("gracePeriodSeconds", options.get("gracePeriodSeconds", "")))
    grace = status.number(given, name="gracePeriodSeconds")
    rehearsal = "All" in (request.query.getall("dryRun", []) or options.get("dryRun") or [])
    return options.get("preconditions") or {}, grace, rehearsal


async def delete(state: ClusterState, request: web.Request, wanted: Asked, body: Any) -> web.StreamResponse:
    """`DELETE …/pods/NAME`."""
    pod = state.pod(wanted.namespace, wanted.name)
    preconditions, grace, dry_run = _options(request, body)
    version = state.pod_object(pod)["metadata"]["resourceVersion"]
    for key, word, have in (("uid", "UID", pod.uid), ("resourceVersion", "ResourceVersion", version)):
        wants = preconditions.get(key)
        if wants and wants != have:
            raise status.conflict(wanted.name, precondition=word, wanted=wants, have=have)
    answer = state.delete(pod, grace=grace, dry_run=dry_run)
    state.deleting(pod)
    return web.json_response(answer)


async def delete_collection(state: ClusterState, request: web.Request, wanted: Asked, body: Any) -> web.StreamResponse:
    """`DELETE …/pods`: every pod of the namespace, which is what an empty pod name turns into."""
    _, grace, dry_run = _options(request, body)
    mine = [pod for pod in state.pods() if pod.scenario.namespace == wanted.namespace]
    items = [state.pod_object(pod) for pod in mine]
    for pod in mine:
        state.delete(pod, grace=grace, dry_run=dry_run)
    return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})


async def evict(state: ClusterState, request: web.Request, wanted: Asked, body: Any) -> web.StreamResponse:
    """`POST …/pods/NAME/eviction`: a delete that answers with a Status. Budgets are asked first, then preconditions."""
    no = state.forbidding(state.pod(wanted.namespace, wanted.name))
    if no is not None:
        raise no
    await delete(state, request, wanted, body)
    return web.json_response(status.status(code=201), status=201)


# --- logs -------------------------------------------------------------------------------------------------------------


def _container(pod: LivePod, name: str) -> ScenarioContainer:
    """The container asked for, or the only one; `status.ApiError` (400) else."""
    containers = pod.scenario.containers
    if not name and len(containers) == 1:
        return containers[0]
    for container in containers:
        if container.name == name:
            return container
    if name:
        message = f"container {name} is not valid for pod {pod.scenario.name}"
    else:
        known = " ".join(c.name for c in containers)
        message = f"a container name must be specified for pod {pod.scenario.name}, choose one of: [{known}]"
    raise status.bad_request(message)


async def log(state: ClusterState, request: web.Request, wanted: Asked, _: Any) -> web.StreamResponse:
    """`GET …/pods/NAME/log`: the scenario's log lines of that pod. `follow` ends with what there is."""
    pod = state.pod(wanted.namespace, wanted.name)
    container = _container(pod, request.query.get("container", ""))
    lines = _lines(state, pod, container)

    def number(name: str) -> int | None:
        return status.number(request.query.get(name, ""), name=name)

    since, tail, limit = number("sinceSeconds"), number("tailLines"), number("limitBytes")
    if since is not None:
        begin = state.lab.now() - timedelta(seconds=since)
        lines = [(time, text) for time, text in lines if time >= begin]
    if tail is not None:
        lines = lines[-tail:] if tail else []
    stamped = request.query.get("timestamps") == "true"
    text = "".join(f"{time.isoformat().replace('+00:00', 'Z')} {t}\n" if stamped else f"{t}\n" for time, t in lines)
    return web.Response(body=text.encode()[:limit], content_type="text/plain")


def _lines(state: ClusterState, pod: LivePod, container: ScenarioContainer) -> list[tuple[datetime, str]]:
    now = state.lab.now()
    lines = [
        (time, entry.text)
        for entry in state.lab.scenario.logs
        if _belongs(state, entry, pod, container)
        for number in range(entry.repeat)
        for time in [state.lab.at(entry.time) + timedelta(seconds=number)]
        if pod.created <= time <= now
    ]
    return sorted(lines)


def _belongs(state: ClusterState, entry: ScenarioLog, pod: LivePod, container: ScenarioContainer) -> bool:
    first = state.lab.scenario.clusters[0].name
    namespace, _, rest = entry.pod.partition("/")
    name, _, of_container = rest.partition("/")
    return (
        (entry.cluster or first) == state.cluster.name
        and (namespace, name) == (pod.scenario.namespace, pod.scenario.name)
        and of_container in {"", container.name}
    )


# --- commands ---------------------------------------------------------------------------------------------------------


async def execute(state: ClusterState, request: web.Request, wanted: Asked, _: Any) -> web.StreamResponse:
    """`GET …/pods/NAME/exec?command=…`, upgraded to WebSocket."""
    pod = state.pod(wanted.namespace, wanted.name)
    argv = request.query.getall("command", [])
    if not argv:
        raise status.bad_request("you must specify at least 1 command for the container")
    name, stdin = request.query.get("container", ""), request.query.get("stdin") in {"1", "true"}
    if any(spec["name"] == name for spec in pod.ephemeral):
        return await exec_stream.serve(request, _running(state, pod, name), argv, stdin=stdin)
    container = _container(pod, name)
    noted = {"pod": wanted.name, "uid": pod.uid, "container": container.name, "argv": argv}
    state.lab.write("cluster.exec", cluster=state.cluster.name, namespace=wanted.namespace, **noted)

    async def opened() -> None:
        await state.lab.fault("cluster.exec", noted)

    if not container.real_root:
        return await exec_stream.serve(request, _running(state, pod, name), argv, stdin=stdin, opened=opened)
    _started(state, pod, container)
    rooted = pod.rooted.setdefault(container.name, Rooted())
    real = await rooted.inside(container, wanted.name)
    try:
        return await exec_stream.serve_real(request, real, argv)
    finally:
        _after_exec(state, pod, container, rooted)


def _after_exec(state: ClusterState, pod: LivePod, container: ScenarioContainer, rooted: Rooted) -> None:
    rooted.count += 1
    if rooted.count == container.exec.restart_after:
        # A new start: what was written into the root is gone, as in a cluster.
        rooted.real = None
        pod.starts[container.name] = state.lab.now()
        state.lab.write(
            "cluster.container.restarted", cluster=state.cluster.name, uid=pod.uid, container=container.name
        )
    if rooted.count == container.exec.remove_after:
        state.delete(pod, grace=0, dry_run=False)


async def attach(state: ClusterState, request: web.Request, wanted: Asked, _: Any) -> web.StreamResponse:
    """`GET …/pods/NAME/attach`: what `kubectl debug -i` does with the container that it has added."""
    pod = state.pod(wanted.namespace, wanted.name)
    name = request.query.get("container", "")
    inside = _running(state, pod, name)
    spec = next((c for c in pod.ephemeral if c["name"] == name), {})
    argv = [*(spec.get("command") or []), *(spec.get("args") or [])] or ["sh"]
    return await exec_stream.serve(request, inside, argv, stdin=request.query.get("stdin") in {"1", "true"})


def _running(state: ClusterState, pod: LivePod, name: str) -> Inside:
    for spec in pod.ephemeral:
        if spec["name"] == name:
            return _debugging(pod, spec)
    container = _container(pod, name)
    return Inside.of(container, pod.scenario.name, _started(state, pod, container))


def _started(state: ClusterState, pod: LivePod, container: ScenarioContainer) -> datetime:
    """Since when the container runs; `status.ApiError` (500) where it does not."""
    for entry in state.pod_object(pod)["status"]["containerStatuses"]:
        if entry["name"] == container.name and "running" in entry["state"]:
            return datetime.fromisoformat(entry["state"]["running"]["startedAt"])
    # The kubelet's words for a container that does not run; it gives no reason but InternalError.
    message = f'unable to upgrade connection: container not found ("{container.name}")'
    raise status.ApiError(500, "InternalError", message)


def _debugging(pod: LivePod, spec: Object) -> Inside:
    """The debug container: it has a shell, and sees its target's files below /proc/1/root."""
    target = next((c for c in pod.scenario.containers if c.name == spec.get("targetContainerName")), None)
    inside = Inside.of(target or ScenarioContainer(name=spec["name"]), pod.scenario.name)
    files = {f"/proc/1/root{path}": data for path, data in inside.files.items()}
    return Inside(hostname=pod.scenario.name, files=files, argv=inside.argv if target else ("sh",))


async def add_ephemeral(state: ClusterState, _: web.Request, wanted: Asked, body: Any) -> web.StreamResponse:
    """`PATCH …/pods/NAME/ephemeralcontainers` (strategic merge by name): adds, and cannot remove."""
    pod = state.pod(wanted.namespace, wanted.name)
    added = ((body if isinstance(body, dict) else {}).get("spec") or {}).get("ephemeralContainers") or []
    names = {c["name"] for c in pod.ephemeral} | {c.name for c in pod.scenario.containers}
    for container in added:
        target = container.get("targetContainerName")
        if target and target not in {c.name for c in pod.scenario.containers}:
            message = (
                f'Pod "{wanted.name}" is invalid: spec.ephemeralContainers.targetContainerName: Not found: "{target}"'
            )
            raise status.ApiError(422, "Invalid", message, details={"name": wanted.name, "kind": "Pod"})
        if container["name"] not in names:
            pod.ephemeral.append(container)
    return web.json_response(state.pod_object(pod))


CALLS: Final[dict[tuple[str, str], Call]] = {
    ("pods", "delete"): delete,
    ("pods", "deletecollection"): delete_collection,
    ("pods/eviction", "create"): evict,
    ("pods/log", "get"): log,
    ("pods/exec", "create"): execute,
    ("pods/attach", "create"): attach,
    ("pods/ephemeralcontainers", "patch"): add_ephemeral,
}
"""(resource, verb) -> what answers it."""
