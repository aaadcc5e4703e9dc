"""A scenario's cluster on a real API server: its objects are made there, labelled, and taken away again.

Only what carries the label is ever deleted or written to, and nothing that is there already is touched: a name that is
taken ends the staging. The server gives the UIDs and the times of creation, so that the scenario is moved in time: its
first pod was created when the server says so. There may be no kubelet: the pods' status is written here.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from lab import rbac
from lab.environment import ROOT
from lab.kubeconfig import Api, KubeconfigError, Upstream, api
from lab.objects import Object, event_object, node_object, rfc3339
from lab.pods import pod_object
from lab.resources import BUILT_IN, plural_of
from lab.scenario import Scenario, ScenarioCluster, ScenarioPod
from lab.state import Lab
from lab.workloads import Workloads, workload_object, workloads_of

LABEL: Final = "made-by"
VALUE: Final = "gke-responder-lab"
SELECTOR: Final = f"labelSelector={LABEL}%3D{VALUE}"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_REMOVED: Final = (
    "/api/v1/pods",
    "/api/v1/events",
    *(f"/apis/apps/v1/{plural}" for plural in ("deployments", "replicasets", "statefulsets", "daemonsets")),
    "/apis/batch/v1/jobs",
    "/api/v1/serviceaccounts",
    *(f"{_RBAC}/{plural}" for plural in ("rolebindings", "roles", "clusterrolebindings", "clusterroles")),
    "/api/v1/nodes",
)
"""Namespaces are not among them: without a controller one that is deleted never goes, and its name stays taken."""

_ROLES: Final = {"investigator": rbac.INVESTIGATOR, "collector": rbac.COLLECTOR, "remediator": rbac.REMEDIATOR}
"""A file of deploy/rbac, and whose address takes the place of `ROLE_EMAIL` in it."""

_MAY: Final = (
    (rbac.INVESTIGATOR, "get", "nodes"),
    (rbac.COLLECTOR, "get", "pods/exec"),
    (rbac.REMEDIATOR, "delete", "pods"),
)
"""One verb of each role, by which it is seen to be in force."""

_SEEN_SECONDS: Final = 10.0


async def may(server: Api, email: str, verb: str, resource: str, namespace: str) -> bool:
    """What the server's RBAC says of a user now, asked as that user (SelfSubjectAccessReview)."""
    plural, _, subresource = resource.partition("/")
    asked = {"verb": verb, "resource": plural, "subresource": subresource, "namespace": namespace}
    review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    reply = await server.call("POST", path, {**review, "spec": {"resourceAttributes": asked}}, user=email)
    return bool((reply.json().get("status") or {}).get("allowed"))


def granted(role: str) -> list[Object]:
    """The objects of that file of deploy/rbac, bound to the lab's user; KubeconfigError where it is not."""
    text = (ROOT / "deploy" / "rbac" / f"{role}.yaml").read_text(encoding="utf-8")
    objects = list(yaml.safe_load_all(text.replace(f"{role.upper()}_EMAIL", _ROLES[role])))
    bound = {subject["name"] for made in objects for subject in made.get("subjects", ())}
    if bound != {_ROLES[role]}:
        message = f"deploy/rbac/{role}.yaml binds {', '.join(sorted(bound)) or 'nobody'}"
        raise KubeconfigError(message)
    return objects


class TooMuch(KubeconfigError):  # noqa: N818 - a statement about the scenario
    """The scenario cannot be played on a real server, and the text says for what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What is on the server: the scenario with the server's UIDs and times, and the notification in those times."""

    upstream: Upstream
    scenario: Scenario
    notification: dict[str, Any]


@contextlib.contextmanager
def stage(upstream: Upstream, scenario: Scenario, notification: Mapping[str, Any]) -> Iterator[Staged]:
    """Make the scenario's cluster on the server, and take it away after the block. One at a time on one machine.

    Raises TooMuch where the scenario has what a server without controllers cannot have, KubeconfigError where the
    server says no.
    """
    _check(scenario)
    name = hashlib.sha256(upstream.url.encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"lab-kubeconfig-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        asyncio.run(_remove(upstream))
        try:
            yield asyncio.run(_make(upstream, scenario, notification))
        finally:
            asyncio.run(_remove(upstream))


def _check(scenario: Scenario) -> None:
    lacks = [f"{len(scenario.clusters)} clusters"] * (len(scenario.clusters) != 1)
    for cluster in scenario.clusters:
        built_in = {resource.kind for resource in BUILT_IN}
        lacks += [f"the budget {budget.name}" for budget in cluster.budgets]
        lacks += [f"{w.kind} {w.name}" for w in cluster.workloads if w.kind not in built_in - {"CronJob"}]
        lacks += [f"{pod.name}, which ends by plan" for pod in cluster.pods if pod.deleted or pod.terminating]
        lacks += ["no pod"] * (not cluster.pods)
    if lacks:
        message = f"a real API server takes the place of one plain cluster; this scenario has {', '.join(lacks)}"
        raise TooMuch(message)


# --- made -------------------------------------------------------------------------------------------------------------


async def _make(upstream: Upstream, scenario: Scenario, notification: Mapping[str, Any]) -> Staged:
    (cluster,) = scenario.clusters
    async with api(upstream) as server:
        maker = Maker(server, Lab(scenario), cluster)
        await maker.ground()
        workloads = await maker.owners()
        # The finding's pod is the scenario's first; another that is older must not wait for it.
        pods = [await maker.pod(pod, workloads) for pod in cluster.pods]
        born = datetime.fromisoformat(pods[0]["metadata"]["creationTimestamp"])
        by = born - scenario.at(cluster.pods[0].created).replace(microsecond=0)
        real = _with_uids(scenario, workloads, [made["metadata"]["uid"] for made in pods])
        moved = Scenario.model_validate(_moved(real.model_dump(mode="json"), by))
        maker = Maker(server, Lab(moved), moved.clusters[0])
        for pod in moved.clusters[0].pods:
            await maker.status(pod, created=born)
        await maker.events()
    return Staged(upstream=upstream, scenario=moved, notification=_moved(dict(notification), by))


def _with_uids(scenario: Scenario, workloads: Workloads, uids: list[str]) -> Scenario:
    (cluster,) = scenario.clusters
    pods = tuple(pod.model_copy(update={"uid": uid}) for pod, uid in zip(cluster.pods, uids, strict=True))
    changed = cluster.model_copy(update={"pods": pods, "workloads": tuple(workloads.values())})
    return scenario.model_copy(update={"clusters": (changed,)})


def _moved(document: dict[str, Any], by: timedelta) -> dict[str, Any]:
    """The document with every absolute time in it moved; what is relative moves with the event."""

    def later(found: re.Match[str]) -> str:
        return (datetime.fromisoformat(found[0]) + by).isoformat().replace("+00:00", "Z")

    moved: dict[str, Any] = json.loads(_TIME.sub(later, json.dumps(document)))
    return moved


class Maker:
    """Makes one cluster's objects, as the kubelet and the controllers would have; every one of them is labelled."""

    def __init__(self, server: Api, lab: Lab, cluster: ScenarioCluster) -> None:
        self._server, self._lab, self._cluster = server, lab, cluster

    async def ground(self) -> None:
        """Nodes, namespaces, service accounts, and who may do what."""
        for node in self._cluster.nodes:
            made = node_object(self._lab, self._cluster, node)
            await self._create("/api/v1/nodes", made)
        described = {one.name: one for one in self._cluster.namespaces}
        for name in sorted({pod.namespace for pod in self._cluster.pods} | set(described)):
            one = described.get(name)
            meta = {"name": name, "labels": one.labels if one else {}, "annotations": one.annotations if one else {}}
            await self._lacking("/api/v1/namespaces", {"kind": "Namespace", "apiVersion": "v1", "metadata": meta})
            accounts = {pod.service_account for pod in self._cluster.pods if pod.namespace == name} - {"default"}
            for account in sorted(accounts):
                made = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": account}}
                await self._create(f"/api/v1/namespaces/{name}/serviceaccounts", made)
            for role in _ROLES:
                await self._grant(role, name)
            await self._in_force(name)

    async def _in_force(self, namespace: str) -> None:
        """Wait until the server's authoriser has seen the bindings: it reads them from a watch of its own."""
        until = time.monotonic() + _SEEN_SECONDS
        for email, verb, resource in _MAY:
            while not await may(self._server, email, verb, resource, namespace):
                if time.monotonic() > until:
                    message = f"{email} may not {verb} {resource} in {namespace}, although the roles are bound"
                    raise KubeconfigError(message)
                await asyncio.sleep(0.02)

    async def _lacking(self, path: str, made: Object) -> None:
        """Made, or taken as we left it: a namespace of an earlier run, a role that two namespaces share."""
        name = made["metadata"]["name"]
        there = await self._server.call("GET", f"{path}/{name}")
        if there.is_good and there.json()["metadata"].get("labels", {}).get(LABEL) != VALUE:
            message = f"{path}/{name} is there, and not ours: it lacks {LABEL}={VALUE}"
            raise KubeconfigError(message)
        if not there.is_good:
            await self._create(path, made)

    async def _grant(self, role: str, namespace: str) -> None:
        """What `kubectl apply [--namespace=…] -f deploy/rbac/ROLE.yaml` does, with the address in its place."""
        for made in granted(role):
            plural = f"{made['kind'].lower()}s"
            is_wide = made["kind"].startswith("Cluster")
            path = f"{_RBAC}/{plural}" if is_wide else f"{_RBAC}/namespaces/{namespace}/{plural}"
            await self._lacking(path, made)

    async def owners(self) -> Workloads:
        """Every workload, the owners first; returned with the server's UIDs."""
        workloads = workloads_of(self._cluster)
        waiting = list(workloads)
        while waiting:
            key = waiting.pop(0)
            workload = workloads[key]
            kind, _, name = workload.owner.partition("/")
            if (kind, workload.namespace, name) in waiting:
                waiting.append(key)
                continue
            made = workload_object(self._lab, self._cluster, workloads, workload)
            group = made["apiVersion"]
            path = f"/apis/{group}/namespaces/{workload.namespace}/{plural_of(workload.kind)}"
            created = await self._create(path, made)
            workloads[key] = workload.model_copy(update={"uid": created["metadata"]["uid"]})
        return workloads

    async def pod(self, pod: ScenarioPod, workloads: Workloads) -> Object:
        """A pod that is bound to its node; its status is written by `status`."""
        now = self._lab.now()
        made = pod_object(self._cluster, workloads, pod, uid="", created=now, now=now, starts={})
        # Admission gives these, and refuses them where they are not its own.
        spec = {key: value for key, value in made["spec"].items() if key not in {"priority", "preemptionPolicy"}}
        held = {"finalizers": [pod.finalizer]} if pod.finalizer else {}
        made = {**made, "metadata": {**made["metadata"], **held}, "spec": spec}
        return await self._create(f"/api/v1/namespaces/{pod.namespace}/pods", made)

    async def status(self, pod: ScenarioPod, *, created: datetime) -> None:
        """What a kubelet would report of it."""
        at = self._lab.at
        starts = {one.name: at(one.started) for one in pod.containers if one.started}
        workloads = workloads_of(self._cluster)
        now = self._lab.now()
        shown = pod_object(self._cluster, workloads, pod, uid=pod.uid, created=created, now=now, starts=starts)
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/status"
        await self._server.must("PATCH", path, {"status": shown["status"]}, merge=True)

    async def events(self) -> None:
        """Those that have happened by now."""
        uids = {f"{pod.namespace}/{pod.name}": pod.uid for pod in self._cluster.pods}
        for event in self._cluster.events:
            if self._lab.is_past(event.time) and event.pod in uids:
                made = event_object(self._lab, self._cluster, event, uids[event.pod])
                await self._create(f"/api/v1/namespaces/{made['metadata']['namespace']}/events", made)

    async def replaced(self, uid: str, owner: Object, name: str, when: datetime) -> None:
        """The event by which a controller tells of the pod that it has made."""
        about = {key: owner["metadata"][key] for key in ("namespace", "name", "uid")}
        involved = {"kind": owner["kind"], "apiVersion": owner["apiVersion"], **about}
        meta = {"name": f"{about['name']}.{uid[-12:]}", "namespace": about["namespace"]}
        made = {"kind": "Event", "apiVersion": "v1", "metadata": meta, "involvedObject": involved, "count": 1}
        told = {"reason": "SuccessfulCreate", "message": f"Created pod: {name}", "type": "Normal"}
        times = {"firstTimestamp": rfc3339(when), "lastTimestamp": rfc3339(when)}
        source = {"source": {"component": "replicaset-controller"}}
        await self._create(f"/api/v1/namespaces/{about['namespace']}/events", {**made, **told, **times, **source})

    async def _create(self, path: str, made: Object) -> Object:
        """Create it under the label, and write its status where it has one; what has the name already is an error."""
        meta = {k: v for k, v in made["metadata"].items() if k not in {"uid", "resourceVersion", "creationTimestamp"}}
        meta["labels"] = {**meta.get("labels", {}), LABEL: VALUE}
        body = {**made, "metadata": meta}
        status = body.pop("status", None)
        created = await self._server.must("POST", path, body)
        if status and made["kind"] != "Pod":
            await self._server.must("PATCH", f"{path}/{meta['name']}/status", {"status": status}, merge=True)
        return created


# --- taken away -------------------------------------------------------------------------------------------------------


async def _remove(upstream: Upstream) -> None:
    """Delete everything that carries the label, each object by its UID."""
    async with api(upstream) as server:
        for path in _REMOVED:
            listed = await server.must("GET", f"{path}?{SELECTOR}")
            for item in listed.get("items", ()):
                await remove(server, _place(path, item["metadata"]), item["metadata"])


def _place(path: str, meta: Object) -> str:
    before, _, plural = path.rpartition("/")
    space = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
    return f"{before}{space}/{plural}/{meta['name']}"


async def remove(server: Api, path: str, meta: Object) -> None:
    """Delete one labelled object at once, whatever holds it; KubeconfigError for one that is not labelled."""
    if meta.get("labels", {}).get(LABEL) != VALUE:
        message = f"{path} is not ours: it lacks {LABEL}={VALUE}"
        raise KubeconfigError(message)
    if meta.get("finalizers"):
        await release(server, path, meta)
    options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}, "propagationPolicy": "Background"}
    reply = await server.call("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})
    # 404: its finalizer was all that kept it. 409: the name has another object by now, which is not ours to take.
    if not reply.is_good and reply.status not in {404, 409}:
        message = f"DELETE {path}: {reply.status} {reply.json().get('message', '')}"
        raise KubeconfigError(message)


async def release(server: Api, path: str, meta: Object) -> None:
    """Take the finalizers off that object, and no other of its name: a UID that differs is a conflict."""
    patch = {"metadata": {"uid": meta["uid"], "finalizers": None}}
    await server.call("PATCH", path, patch, content_type="application/merge-patch+json")
