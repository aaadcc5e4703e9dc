"""A small model of an API server's pods, in this process and on a clock that stands still: for races by seed.

What it does is what a real one does (DELETE marks and keeps; a mark ends with its grace, or with its finalizer; the
controller makes the next pod). What can go wrong on the way is a `Trouble`, drawn by the caller.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from responder.errors import Refused, Unanswered, Unconfirmed
from responder.evidence import Pod

NAMESPACE, NAME = "shop", "web-1"
START = datetime(2026, 11, 20, 9, 41, 40, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What goes wrong in one run. Times are seconds from the start; None: it does not happen."""

    reply_dropped: bool = False
    request_lost: bool = False
    works_late: float = 0.0
    denied: bool = False
    budget: bool = False
    finalizer: float | None = None
    replaced_at: float | None = None
    swapped_before_delete: bool = False
    same_name: bool = True
    unreadable: frozenset[int] = frozenset()


@dataclass
class Live:
    """A pod that exists."""

    uid: str
    name: str = NAME
    deletion: datetime | None = None


@dataclass
class Model:
    """The server; `deleted` has the UID of each pod that a delete of ours marked, as often as it was marked."""

    trouble: Trouble
    random: Random
    now_: datetime = START
    pods: list[Live] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    requests: int = 0
    reads: int = 0
    late: list[tuple[datetime, str, int]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.now_

    def sleep(self, seconds: float) -> None:
        self.now_ += timedelta(seconds=seconds)

    def make(self, name: str = NAME) -> str:
        uid = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        self.pods.append(Live(uid, name))
        return uid

    # --- what the responder asks --------------------------------------------------------------------------------------

    def rehearse(self, namespace: str, name: str, *, uid: str, grace_seconds: int) -> None:
        del namespace, grace_seconds
        self._settle()
        self._allowed(name, uid)
        if self.trouble.swapped_before_delete:
            self._swap()

    def delete(self, namespace: str, name: str, *, uid: str, grace_seconds: int) -> None:
        del namespace
        self.requests += 1
        if self.trouble.request_lost:
            raise Unconfirmed("the connection was lost before the answer")
        if self.trouble.works_late:
            self.late.append((self.now_ + timedelta(seconds=self.trouble.works_late), uid, grace_seconds))
            raise Unconfirmed("no answer in time")
        self._settle()
        self._mark(self._allowed(name, uid), grace_seconds)
        if self.trouble.reply_dropped:
            raise Unconfirmed("the connection was lost before the answer")

    def evict(self, namespace: str, name: str, *, uid: str, grace_seconds: int) -> None:
        if self.trouble.budget:
            raise Refused("quota", "a disruption budget does not allow it now", retry=True)
        self.delete(namespace, name, uid=uid, grace_seconds=grace_seconds)

    def read(self) -> Pod:
        self.reads += 1
        self._settle()
        if self.reads in self.trouble.unreadable:
            raise Unanswered("unavailable", "the connection failed")
        for pod in self.pods:
            if pod.name == NAME:
                return shown(pod.uid, deletion=pod.deletion)
        raise Unanswered("not_found", "there is none")

    # --- what the cluster does ----------------------------------------------------------------------------------------

    def _allowed(self, name: str, uid: str) -> Live:
        if self.trouble.denied:
            raise Refused("denied", "delete pods")
        for pod in self.pods:
            if pod.name == name:
                if pod.uid != uid:
                    raise Refused("not_found", "the pod of that name has another UID")
                return pod
        raise Refused("not_found", "there is no pod of that name")

    def _mark(self, pod: Live, grace_seconds: int) -> None:
        self.deleted.append(pod.uid)
        pod.deletion = pod.deletion or self.now_ + timedelta(seconds=grace_seconds)

    def _swap(self) -> None:
        """Somebody else removes the pod at once; its controller makes the next one."""
        self.pods = [pod for pod in self.pods if pod.name != NAME]
        self.make(NAME if self.trouble.same_name else "web-2")

    def _settle(self) -> None:
        for due, uid, grace in [one for one in self.late if one[0] <= self.now_]:
            self.late.remove((due, uid, grace))
            for pod in self.pods:
                if pod.name == NAME and pod.uid == uid:
                    self._mark(pod, grace)
        at = self.trouble.replaced_at
        if at is not None and self.now_ >= START + timedelta(seconds=at) and self.pods[0].deletion is None:
            self.trouble = replace(self.trouble, replaced_at=None)
            self._swap()
        held = timedelta(seconds=self.trouble.finalizer or 0)
        for pod in [one for one in self.pods if one.deletion and one.deletion + held <= self.now_]:
            self.pods.remove(pod)
            self.make(NAME if self.trouble.same_name else "web-2")


def shown(uid: str, *, deletion: datetime | None = None) -> Pod:
    """The pod as the Kubernetes port tells it."""
    return Pod(
        namespace=NAMESPACE, name=NAME, uid=uid, create_time=START - timedelta(hours=1), deletion_time=deletion,
        phase="Running", node_name="node-1", service_account="default", automount_token=True, host_network=False,
        host_pid=False, host_ipc=False, host_paths=(), owner=None, labels={}, annotations={}, containers=(),
    )  # fmt: skip
