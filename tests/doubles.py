"""Ports made by hand for tests: each answers what it was given, or fails as it was told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from responder import notification
from responder.evidence import (
    Cluster,
    Endpoint,
    KubeEvent,
    Namespace,
    Node,
    OwnerRef,
    Pod,
    Project,
    Window,
    Workload,
)
from responder.finding import CATEGORY, ClusterRef, Finding
from responder.ports import Access, Around, LogCaps, LogPages, Published, World
from responder.settings import Settings

NOW = datetime(2026, 11, 20, 9, 41, 40, tzinfo=UTC)


class Failing:
    """A port whose every method raises the same error; `calls` names what was tried."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_args: object, **_kwargs: object) -> Any:
            self.calls.append(name)
            raise self.error

        return fail

    def __call__(self, *_args: object, **_kwargs: object) -> Any:
        self.calls.append("call")
        raise self.error


class Slow:
    """A port that answers after a while, or when `go` is set."""

    def __init__(self, port: Any, seconds: float) -> None:
        self._port, self._seconds = port, seconds

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def wait(*args: object, **kwargs: object) -> Any:
            time.sleep(self._seconds)
            return getattr(self._port, name)(*args, **kwargs)

        return wait


@dataclass
class Calls:
    """What was asked, in order, over all ports of one world."""

    names: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str) -> None:
        with self.lock:
            self.names.append(name)


@dataclass
class FakeScc:
    calls: Calls
    findings: tuple[Finding, ...]

    def around(self, finding: Finding, window: Window) -> Around:
        self.calls.add("scc")
        assert window.start <= finding.event_time <= window.end
        return Around(findings=self.findings, filter="the filter", truncated=False)

    def named(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        self.calls.add("named")
        asked = {one.key for one in findings}
        return tuple(one for one in self.findings if one.key in asked)

    def published(self, since: datetime, until: datetime, *, project: str = "") -> Iterator[Published]:
        self.calls.add(f"published {project}".strip())
        for finding in self.findings:
            if finding.category == CATEGORY and since <= finding.event_time <= until:
                yield Published(finding=finding, data=b"{}")


@dataclass
class FakeClusters:
    calls: Calls

    def cluster(self, ref: ClusterRef, *, event_time: datetime) -> tuple[Cluster, Access | None]:
        self.calls.add("cluster")
        cluster = Cluster(
            name=ref.name, location=ref.location, location_type="zone", project_id="acme-shop-prod", self_link="",
            id="1", status="RUNNING", create_time=event_time - timedelta(days=9), newer_than_event=False, version="1",
            release_channel="REGULAR", autopilot=False, dataplane_v2=True, network_policy=False, workload_pool="",
            private_nodes=False, authorized_networks=False, labels={},
            endpoint=Endpoint(kind="public", host="192.0.2.1", reason="it is public"),
        )  # fmt: skip
        return cluster, Access(kind="public", host="192.0.2.1", ca_pem="", cluster=ref)


@dataclass
class FakeKubernetes:
    calls: Calls
    finding: Finding

    def __call__(self, access: Access) -> FakeKubernetes:
        self.calls.add(f"connect {access.host}")
        return self

    def node(self, name: str, *, event_time: datetime) -> Node:
        self.calls.add("node")
        return Node(name=name, known_by="cluster", instance_id="77", create_time=event_time - timedelta(days=3))

    def pod(self, namespace: str, name: str) -> Pod:
        self.calls.add("pod")
        owner = OwnerRef(api_version="apps/v1", kind="ReplicaSet", name="checkout-7d9f8c5b4", uid="r")
        return Pod(
            namespace=namespace, name=name, uid="11111111-2222-3333-4444-555555555555",
            create_time=self.finding.event_time - timedelta(hours=12), phase="Running",
            node_name="gke-shop-prod-default-pool-7d6bb7c7-0rru", service_account="default", automount_token=True,
            host_network=False, host_pid=False, host_ipc=False, host_paths=(), owner=owner, labels={}, annotations={},
            containers=(),
        )  # fmt: skip

    def namespace(self, name: str) -> Namespace:
        self.calls.add("namespace")
        return Namespace(name=name, labels={}, annotations={"owner": "shop@acme.example"})

    def created_pods(self, namespace: str, owner: OwnerRef, since: datetime) -> tuple[str, ...]:
        self.calls.add("created_pods")
        assert namespace
        assert owner.name
        assert since.tzinfo
        return ()

    def pod_events(self, namespace: str, name: str) -> tuple[KubeEvent, ...]:
        self.calls.add("pod_events")
        assert namespace
        assert name
        return ()

    def workload(self, namespace: str, ref: OwnerRef) -> Workload:
        self.calls.add(f"workload {ref.kind}")
        top = (
            None if ref.kind == "Deployment" else OwnerRef(api_version="apps/v1", kind="Deployment", name="c", uid="d")
        )
        return Workload(
            api_version=ref.api_version, kind=ref.kind, name=ref.name, namespace=namespace, owner=top, how_known="test"
        )

    def replica_sets(self, namespace: str, pod_template_hash: str) -> tuple[Workload, ...]:
        self.calls.add(f"replica_sets {pod_template_hash}")
        owner = OwnerRef(api_version="apps/v1", kind="Deployment", name="checkout", uid="d")
        return (
            Workload(
                api_version="apps/v1", kind="ReplicaSet", name="checkout-7d9f8c5b4", namespace=namespace, owner=owner,
                how_known="test",
            ),
        )  # fmt: skip


@dataclass
class FakeLogs:
    calls: Calls
    pages: LogPages = field(default_factory=lambda: LogPages(pages=1, truncated=False))
    caps: list[LogCaps] = field(default_factory=list)

    def entries(self, project_id: str, filter_: str, caps: LogCaps) -> LogPages:
        self.calls.add("node_log" if "gce_instance" in filter_ else "pod_log")
        assert project_id
        assert caps.pages
        self.caps.append(caps)
        return self.pages

    def audit(self, project_id: str, filter_: str, caps: LogCaps) -> LogPages:
        self.calls.add("audit_log")
        assert project_id
        assert filter_
        assert caps.pages
        self.caps.append(caps)
        return self.pages


@dataclass
class FakeProjects:
    calls: Calls

    def project(self, id_or_number: str) -> Project:
        self.calls.add(f"project {id_or_number}")
        return Project(
            project_id="acme-shop-prod",
            number="421458901689",
            display_name="Shop",
            state="ACTIVE",
            labels={"team": "shop"},
        )

    def owners(self, project_id: str) -> tuple[str, ...]:
        self.calls.add("owners")
        assert project_id
        return ("user:boss@acme.example",)

    def security_contacts(self, project_id: str) -> tuple[str, ...]:
        self.calls.add("security_contacts")
        assert project_id
        return ("security@acme.example",)


@dataclass
class FakeInstances:
    calls: Calls

    def node(self, project: str, zone: str, name: str, *, event_time: datetime) -> Node:
        self.calls.add(f"instance {project}/{zone}/{name}")
        return Node(name=name, known_by="compute", instance_id="78", create_time=event_time - timedelta(days=3))


def world(finding: Finding, records: Any = None, **ports: Any) -> tuple[World, Calls]:
    """A world in which everything answers, but for the ports given; and what was asked of it."""
    calls = Calls()
    settings = ports.pop("settings", Settings(scc_parent="organizations/123456789012", deadline=timedelta(seconds=5)))
    whole = World(
        settings=settings,
        scc=FakeScc(calls, (finding,)),
        clusters=FakeClusters(calls),
        connect=FakeKubernetes(calls, finding),
        logs=FakeLogs(calls),
        projects=FakeProjects(calls),
        instances=FakeInstances(calls),
        records=records,
        now=lambda: NOW,
    )
    return replace(whole, **ports), calls


def finding_in(data: bytes) -> Finding:
    """The finding in a notification of ours; an assertion where it is not ours."""
    found = notification.read(data)
    assert found is not None
    return found
