"""What stands behind an API server that has no kubelet and no controller: pods end, and their owner makes others.

A pod that is marked for deletion ends once its grace is over on the lab's clock: it is then deleted with grace 0, as a
kubelet does when its containers have ended. Only pods that carry the label are looked at and deleted.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lab.kubeconfig import Api
from lab.objects import Object
from lab.pods import controller_of
from lab.scenario import ScenarioCluster, ScenarioPod
from lab.staging import SELECTOR, Maker, release, remove
from lab.state import Lab
from lab.workloads import workload_object, workloads_of

_STARTED: Final = timedelta(seconds=3)
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(slots=True, kw_only=True)
class Held:
    """A pod that was made here. `ends` is when its grace is over; `freed`, when its finalizer is taken off.

    `created` is of a pod whose containers have yet to start; None once they were reported.
    """

    scenario: ScenarioPod
    created: datetime | None = None
    ends: datetime | None = None
    freed: datetime | None = None
    deletes: int = 0


class Kubelet:
    """One cluster's pods, at the lab's time."""

    def __init__(self, lab: Lab, cluster: ScenarioCluster, server: Api) -> None:
        self._lab, self._cluster, self._server = lab, cluster, server
        self._maker = Maker(server, lab, cluster)
        self._held = {pod.uid: Held(scenario=pod) for pod in cluster.pods}
        self._turn = asyncio.Lock()

    async def due(self) -> None:
        """Report containers that have started, and end the pods whose time has come."""
        async with self._turn:
            now = self._lab.now()
            for uid, held in tuple(self._held.items()):
                if held.created and held.created + _STARTED <= now:
                    await self._maker.status(held.scenario, created=held.created)
                    held.created = None
                if held.ends and held.ends <= now:
                    await self._end(uid, held)
                if held.freed and held.freed <= now:
                    await self._free(uid, held)

    async def looked(self) -> None:
        """See what a request has done to the pods; each that it ended is written down once, and replaced."""
        async with self._turn:
            there = await self._pods()
            for uid, held in tuple(self._held.items()):
                shown = there.get(uid)
                if held.ends or held.freed or (shown and "deletionTimestamp" not in shown["metadata"]):
                    continue
                self._note("terminating", held.scenario, uid)
                grace = shown["metadata"].get("deletionGracePeriodSeconds", 0) if shown else 0
                held.ends = self._lab.now() + timedelta(seconds=grace)
                await self._replace(held.scenario)

    async def raced(self, namespace: str, name: str) -> None:
        """A delete of the pod was answered, a rehearsal included: the race that the scenario plans happens now."""
        async with self._turn:
            for uid, held in tuple(self._held.items()):
                if (held.scenario.namespace, held.scenario.name) != (namespace, name):
                    continue
                held.deletes += 1
                if held.deletes == held.scenario.swap_after:
                    await self._gone(uid)
                    await self._make(held.scenario)

    async def _end(self, uid: str, held: Held) -> None:
        """Grace 0, once; an object that a finalizer holds is still there afterwards."""
        over, held.ends = held.ends, None
        shown = (await self._pods()).get(uid)
        if held.scenario.finalizer and shown:
            # The delete must not take the finalizer with it.
            await remove(self._server, _path(held.scenario), {**shown["metadata"], "finalizers": []})
            after = held.scenario.finalized_after
            held.freed = datetime.max.replace(tzinfo=self._lab.now().tzinfo)
            if over is not None and after is not None:
                held.freed = over + timedelta(seconds=after)
        else:
            await self._gone(uid)

    async def _free(self, uid: str, held: Held) -> None:
        shown = (await self._pods()).get(uid)
        if shown:
            await release(self._server, _path(held.scenario), shown["metadata"])
        self._held.pop(uid, None)

    async def _gone(self, uid: str) -> None:
        held = self._held.pop(uid)
        shown = (await self._pods()).get(uid)
        if shown:
            await remove(self._server, _path(held.scenario), shown["metadata"])

    async def _replace(self, pod: ScenarioPod) -> None:
        """A ReplicaSet makes the next pod at once, under another name, and tells of it; others do nothing here."""
        workloads = workloads_of(self._cluster)
        owner = controller_of(workloads, pod)
        if owner is None or owner.kind != "ReplicaSet":
            return
        name = f"{pod.name.rpartition('-')[0]}-" + "".join(secrets.choice(_ALPHABET) for _ in range(5))
        uid = await self._make(pod.model_copy(update={"name": name}))
        above = workload_object(self._lab, self._cluster, workloads, owner)
        await self._maker.replaced(uid, above, name, self._lab.now())

    async def _make(self, pod: ScenarioPod) -> str:
        """Its containers start now, whatever those of the first pod did."""
        started = [one.model_copy(update={"started": None}) for one in pod.containers]
        new = pod.model_copy(update={"containers": tuple(started), "swap_after": 0, "finalizer": ""})
        made = await self._maker.pod(new, workloads_of(self._cluster))
        uid = str(made["metadata"]["uid"])
        new = new.model_copy(update={"uid": uid})
        now = self._lab.now()
        await self._maker.status(new, created=now)
        self._held[uid] = Held(scenario=new, created=now)
        self._note("created", new, uid)
        return uid

    async def _pods(self) -> dict[str, Object]:
        """The pods that carry the label, by UID."""
        listed = await self._server.must("GET", f"/api/v1/pods?{SELECTOR}")
        return {item["metadata"]["uid"]: item for item in listed["items"]}

    def _note(self, what: str, pod: ScenarioPod, uid: str) -> None:
        named = {"namespace": pod.namespace, "name": pod.name, "uid": uid}
        self._lab.write(f"cluster.pod.{what}", cluster=self._cluster.name, **named)


def _path(pod: ScenarioPod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
