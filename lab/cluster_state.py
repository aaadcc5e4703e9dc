"""What one cluster of the lab has now, and what deleting does to it. Changes nothing outside its own memory.

A deleted pod terminates first: the object stays, with a `deletionTimestamp`, until its grace is over on the lab's
clock. Its controller then does what the real one does (kubernetes.io, "Pod Lifecycle" and the pages of the workloads):
a ReplicaSet replaces a terminating pod at once under a new name, a StatefulSet waits and takes the same name again, a
DaemonSet waits and takes a new one. Nobody replaces a bare pod. A finalizer holds what has ended.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lab import status
from lab.exec_real import Rooted
from lab.objects import Object, created_event, event_object, namespace_object, node_object, revision, rfc3339, uid_of
from lab.pods import controller_of, pod_object
from lab.resources import Resource, resources_of
from lab.scenario import ScenarioBudget, ScenarioCluster, ScenarioEvent, ScenarioNamespace, ScenarioPod
from lab.state import Lab
from lab.workloads import Workloads, workload_object, workloads_of

DEFAULT_GRACE = 30
# The letters of generated names: no vowels, so no words (k8s.io/apimachinery/pkg/util/rand).
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(slots=True, kw_only=True)
class LivePod:
    """A pod that exists, existed or will exist. `gone` is the moment from which the server answers 404."""

    scenario: ScenarioPod
    uid: str
    created: datetime
    starts: dict[str, datetime] = field(default_factory=dict)
    deletion: datetime | None = None
    grace: int = DEFAULT_GRACE
    gone: datetime | None = None
    removed_by_api: bool = False
    replaced: bool = False
    by_controller: bool = False
    """Made in the place of another, while the lab runs."""
    deletes: int = 0
    ephemeral: list[Object] = field(default_factory=list)
    rooted: dict[str, Rooted] = field(default_factory=dict)

    def exists(self, now: datetime) -> bool:
        """Whether the server has it."""
        return self.created <= now and (self.gone is None or now < self.gone)


class ClusterState:
    """One cluster's objects, at the lab's time."""

    def __init__(self, lab: Lab, cluster: ScenarioCluster) -> None:
        self.lab = lab
        self.cluster = cluster
        self.resources: tuple[Resource, ...] = resources_of(cluster)
        self.workloads: Workloads = workloads_of(cluster)
        self._pods: list[LivePod] = []
        for pod in cluster.pods:
            self._pods.append(self._scenario_pod(pod))

    def _scenario_pod(self, pod: ScenarioPod) -> LivePod:
        before = sum((p.scenario.namespace, p.scenario.name) == (pod.namespace, pod.name) for p in self._pods)
        at = self.lab.at
        terminating = at(pod.terminating) if pod.terminating else None
        return LivePod(
            scenario=pod,
            uid=pod.uid or uid_of(self.cluster, "Pod", pod.namespace, pod.name, generation=before),
            created=at(pod.created),
            starts={c.name: at(c.started) for c in pod.containers if c.started},
            # deletionTimestamp is the end of the grace, not its beginning.
            deletion=terminating + timedelta(seconds=DEFAULT_GRACE) if terminating else None,
            gone=at(pod.deleted) if pod.deleted else None,
        )

    # --- reading ------------------------------------------------------------------------------------------------------

    def objects(self, resource: Resource, *, name: str = "") -> list[Object]:
        """The objects of a resource in every namespace; those of one name alone, where it is given."""
        lab, cluster = self.lab, self.cluster

        def wanted(own: str) -> bool:
            return not name or own == name

        match resource.group, resource.plural:
            case "", "pods":
                return [self.pod_object(pod) for pod in self.pods() if wanted(pod.scenario.name)]
            case "", "nodes":
                alive = (n for n in cluster.nodes if lab.at(n.created) <= lab.now() and not lab.is_past(n.deleted))
                return [node_object(lab, cluster, node) for node in alive if wanted(node.name)]
            case "", "namespaces":
                return [namespace_object(lab, cluster, n) for n in self._namespaces() if wanted(n.name)]
            case "", "events":
                events = [event_object(lab, cluster, e, self._uid_behind(e)) for e in self._events()]
                self._settle()
                events += [self._created(pod) for pod in self._pods if pod.by_controller]
                return [event for event in events if wanted(event["metadata"]["name"])]
            case _:
                named = (w for w in self.workloads.values() if w.kind == resource.kind and wanted(w.name))
                made = (w for w in named if lab.at(w.created) <= lab.now())
                objects = (workload_object(lab, cluster, self.workloads, w) for w in made)
                return [item for item in objects if item["apiVersion"] == resource.api_version]

    def _namespaces(self) -> Iterable[ScenarioNamespace]:
        named = {n.name: n for n in self.cluster.namespaces}
        used = (*(p.namespace for p in self.cluster.pods), *(w.namespace for w in self.cluster.workloads))
        implied = ("default", "kube-system", *used)
        return ({name: ScenarioNamespace(name=name) for name in implied} | named).values()

    def _events(self) -> list[ScenarioEvent]:
        happened = (e for e in self.cluster.events if self.lab.is_past(e.time))
        return sorted(happened, key=lambda e: self.lab.at(e.time))

    def _created(self, pod: LivePod) -> Object:
        """What the controller of a pod says of having made it."""
        owner = next(one for one in self.pod_object(pod)["metadata"]["ownerReferences"] if one.get("controller"))
        told = (owner["apiVersion"], owner["kind"], owner["name"])
        return created_event(self.cluster, told, pod.scenario.name, pod.scenario.namespace, pod.created)

    def _uid_behind(self, event: ScenarioEvent) -> str:
        """The UID of the pod that had the event's name at the event's time."""
        namespace, _, name = event.pod.partition("/")
        time = self.lab.at(event.time)
        named = [p for p in self._pods if (p.scenario.namespace, p.scenario.name) == (namespace, name)]
        # An event may come a second before its pod by the scenario's clock: then the first of the name is meant.
        alive = [p for p in named if p.created <= time and (p.gone is None or time <= p.gone)] or named
        return alive[-1].uid if alive else uid_of(self.cluster, "Pod", namespace, name)

    def pods(self) -> list[LivePod]:
        """The pods that exist now, after their controllers have done their part."""
        self._settle()
        now = self.lab.now()
        return [pod for pod in self._pods if pod.exists(now)]

    def pod(self, namespace: str, name: str) -> LivePod:
        """The pod of that name; `status.ApiError` (404) where there is none now."""
        for pod in self.pods():
            if (pod.scenario.namespace, pod.scenario.name) == (namespace, name):
                return pod
        raise status.not_found("pods", name)

    def pod_object(self, pod: LivePod) -> Object:
        """The pod as JSON, with what happened to it since."""
        item = pod_object(
            self.cluster,
            self.workloads,
            pod.scenario,
            uid=pod.uid,
            created=pod.created,
            now=self.lab.now(),
            starts=pod.starts,
        )
        meta = item["metadata"]
        if pod.deletion and pod.deletion - timedelta(seconds=pod.grace) <= self.lab.now():
            meta["deletionTimestamp"] = rfc3339(pod.deletion)
            meta["deletionGracePeriodSeconds"] = pod.grace
        if pod.ephemeral:
            item["spec"]["ephemeralContainers"] = copy.deepcopy(pod.ephemeral)
            item["status"]["ephemeralContainerStatuses"] = [_ephemeral_status(c, self.lab.now()) for c in pod.ephemeral]
        if pod.scenario.finalizer:
            meta["finalizers"] = [pod.scenario.finalizer]
        meta["resourceVersion"] = revision(pod.uid, meta["resourceVersion"], str(pod.deletion), str(len(pod.ephemeral)))
        return item

    # --- deleting -----------------------------------------------------------------------------------------------------

    def delete(self, pod: LivePod, *, grace: int | None, dry_run: bool) -> Object:
        """Delete as the API server does, and answer as it does: the pod while it terminates, a Status once it is gone.

        A second delete is no error; it can only make the grace shorter.
        """
        now = self.lab.now()
        seconds = DEFAULT_GRACE if grace is None else grace
        before = (pod.deletion, pod.grace, pod.gone)
        running = bool(pod.scenario.node or self.cluster.nodes)
        if seconds == 0 or not running:
            pod.deletion, pod.grace = now, 0
            pod.gone = _end(pod, now)
        elif pod.deletion is None or now + timedelta(seconds=seconds) < pod.deletion:
            pod.deletion = now + timedelta(seconds=seconds)
            pod.grace = seconds
            pod.gone = _end(pod, pod.deletion)
        answer = self.pod_object(pod)
        if dry_run:
            pod.deletion, pod.grace, pod.gone = before
            return answer
        if not pod.removed_by_api:
            pod.removed_by_api = True
            self._note("terminating", pod)
        if pod.gone is not None and pod.gone <= now:
            details = {"name": pod.scenario.name, "kind": "pods", "uid": pod.uid}
            answer = status.status(code=200, details=details)
        self._settle()
        return answer

    def deleting(self, pod: LivePod) -> None:
        """A delete of the pod was answered, a dry run included: the race that the scenario plans happens now."""
        pod.deletes += 1
        if pod.deletes == pod.scenario.swap_after:
            pod.gone, pod.replaced = self.lab.now(), True
            self._add(pod.scenario, self.lab.now())

    def forbidding(self, pod: LivePod) -> status.ApiError | None:
        """Why a disruption budget forbids the eviction of the pod, as the API server says it; None where none does.

        k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go: a pod that has ended, waits or terminates is not
        counted; one that is not ready may go while the others suffice; two budgets are more than it can decide.
        """
        shown = self.pod_object(pod)
        over = self._budgets_over(shown)
        if "deletionTimestamp" in shown["metadata"] or shown["status"]["phase"] != "Running" or not over:
            return None
        if len(over) > 1:
            text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            return status.ApiError(500, "InternalError", text)
        (budget,) = over
        inside = (self.pod_object(one) for one in self.pods())
        healthy = sum(_is_healthy(one) and budget in self._budgets_over(one) for one in inside)
        left = healthy - _is_healthy(shown)
        return None if left >= budget.min_available else _too_few(budget, healthy)

    def _budgets_over(self, shown: Object) -> list[ScenarioBudget]:
        meta = shown["metadata"]
        return [
            budget
            for budget in self.cluster.budgets
            if budget.namespace == meta["namespace"] and budget.labels.items() <= meta.get("labels", {}).items()
        ]

    def _note(self, what: str, pod: LivePod) -> None:
        """What became of a pod goes to the journal, as `cluster.pod.WHAT`."""
        named = {"namespace": pod.scenario.namespace, "name": pod.scenario.name, "uid": pod.uid}
        self.lab.write(f"cluster.pod.{what}", cluster=self.cluster.name, **named)

    def _settle(self) -> None:
        """Let the controllers replace what was deleted through the API; what the scenario removes is its own affair."""
        now = self.lab.now()
        for pod in tuple(self._pods):
            if pod.replaced or not pod.removed_by_api:
                continue
            controller = controller_of(self.workloads, pod.scenario)
            kind = controller.kind if controller else ""
            gone = pod.gone is not None and pod.gone <= now
            if kind == "ReplicaSet" or (kind in {"StatefulSet", "DaemonSet"} and gone):
                self._replace(pod, kind, now if kind == "ReplicaSet" else pod.gone or now)
            elif gone:
                pod.replaced = True  # by nobody: a bare pod, or a Job's that has a say of its own

    def _replace(self, pod: LivePod, kind: str, now: datetime) -> None:
        pod.replaced = True
        name = pod.scenario.name
        if kind != "StatefulSet":
            uid = self._next_uid(pod.scenario)
            base = name.rpartition("-")[0]
            number = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:6], "big")
            name = f"{base}-" + "".join(_ALPHABET[number // len(_ALPHABET) ** place % 27] for place in range(5))
        self._add(pod.scenario.model_copy(update={"name": name}), now, uid=self._next_uid(pod.scenario))
        self._pods[-1].by_controller = True

    def _next_uid(self, scenario: ScenarioPod) -> str:
        return uid_of(self.cluster, "Pod", scenario.namespace, scenario.name, generation=len(self._pods))

    def _add(self, scenario: ScenarioPod, now: datetime, *, uid: str = "") -> None:
        once = scenario.model_copy(update={"swap_after": 0})
        new = LivePod(scenario=once, uid=uid or self._next_uid(scenario), created=now)
        self._pods.append(new)
        self._note("created", new)


def _end(pod: LivePod, grace_over: datetime) -> datetime | None:
    """When the object goes: with its grace, or once its finalizer is taken off; None for never."""
    if not pod.scenario.finalizer:
        return grace_over
    after = pod.scenario.finalized_after
    return None if after is None else grace_over + timedelta(seconds=after)


def _too_few(budget: ScenarioBudget, healthy: int) -> status.ApiError:
    told = f"The disruption budget {budget.name} needs {budget.min_available} healthy pods and has {healthy} currently"
    text = "Cannot evict pod as it would violate the pod's disruption budget."
    causes = [{"reason": "DisruptionBudget", "message": told}]
    return status.ApiError(429, "TooManyRequests", text, details={"causes": causes})


def _is_healthy(shown: Object) -> bool:
    """Counted by the disruption controller: ready, and not terminating."""
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in shown["status"].get("conditions", ()))
    return ready and "deletionTimestamp" not in shown["metadata"]


def _ephemeral_status(container: Object, now: datetime) -> Object:
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "containerID": f"containerd://{hashlib.sha256(container['name'].encode()).hexdigest()}",
        "ready": False,
        "restartCount": 0,
        "lastState": {},
        "state": {"running": {"startedAt": rfc3339(now)}},
    }
