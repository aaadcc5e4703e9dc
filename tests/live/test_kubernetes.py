"""Steps 2 and 3's adapter against the lab's API server, and against one that is hostile."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sized
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.google import LabGoogle
from lab.tls import Authority
from responder.errors import Unanswered
from responder.evidence import OwnerRef
from responder.live import _objects, kubernetes
from responder.live.gke import Gke
from responder.live.google import Address
from responder.live.kubernetes import Cluster
from tests.live.shop import CLUSTER, EVENT_TIME, NODE, POD, open_shop

TOKEN = "ya29.canary"
POD_JSON: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "6f7a5b4e-c6a7-5774-a871-7bb2126b4615",
        "creationTimestamp": "2026-11-19T09:41:07Z",
    },
    "spec": {"containers": [{"name": "app", "image": "app:1"}]},
}


def the_way(google: LabGoogle) -> Address:
    _, access = Gke(google.container(), ("public",)).cluster(CLUSTER, event_time=EVENT_TIME)
    assert access is not None
    return google.cluster(access)


@pytest.fixture
def cluster(google: LabGoogle) -> Cluster:
    return Cluster(the_way(google), google.token)


@contextlib.contextmanager
def hostile(folder: Path, answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[Address, list[str]]]:
    """An API server over TLS that answers as told; the list has path and Authorization of each request."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.path} {self.headers.get('Authorization')}")
            with contextlib.suppress(OSError):
                answer(self)

        def log_message(self, *_: Any) -> None:
            return

    authority = Authority(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = authority.server([]).wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a refused handshake is what is tested
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Address(url=f"https://127.0.0.1:{server.server_port}", ca_pem=authority.pem), seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def saying(body: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def refused(ask: Callable[[], object]) -> Unanswered:
    with pytest.raises(Unanswered) as caught:
        ask()
    return caught.value


# --- against the lab --------------------------------------------------------------------------------------------------


def test_the_node_is_told_with_its_instance_id(cluster: Cluster) -> None:
    node = cluster.node(NODE, event_time=EVENT_TIME)
    assert (node.name, node.known_by, node.instance_id) == (NODE, "cluster", "8108478110475488564")
    assert (node.zone, node.node_pool, node.status) == ("europe-west1-b", "default-pool", "Ready")
    assert not node.recreated
    assert cluster.node(NODE, event_time=EVENT_TIME - timedelta(days=400)).recreated


def test_the_pod_is_told_with_the_names_of_its_environment_and_not_the_values(cluster: Cluster) -> None:
    pod = cluster.pod("shop", POD)
    (container,) = pod.containers
    assert (pod.namespace, pod.name, pod.node_name, pod.phase) == ("shop", POD, NODE, "Running")
    assert (pod.host_paths, pod.secrets) == (("/var/run",), ("db",))
    assert (container.state, container.privileged, container.run_as_root) == ("running", True, True)
    assert container.env_names == ("DB_PASSWORD",)
    assert "/host/var/run <- hostPath:/var/run" in container.mounts
    assert "canary" not in pod.model_dump_json()


def test_the_owner_chain_can_be_climbed_to_the_deployment(cluster: Cluster) -> None:
    owner = cluster.pod("shop", POD).owner
    assert owner is not None
    replica_set = cluster.workload("shop", owner)
    assert (replica_set.kind, replica_set.replicas, replica_set.how_known) == ("ReplicaSet", 1, "ownerReferences")
    assert replica_set.owner is not None
    assert cluster.workload("shop", replica_set.owner).name == "checkout"


def test_a_gone_pods_replica_set_is_found_by_its_template_hash(cluster: Cluster) -> None:
    (found,) = cluster.replica_sets("shop", "7d9f8c5b4")
    assert (found.kind, found.api_version, found.name) == ("ReplicaSet", "apps/v1", "checkout-7d9f8c5b4")
    assert found.owner is not None
    assert cluster.replica_sets("shop", "0000") == ()


def test_a_custom_controller_is_read_and_discovery_is_asked_once() -> None:
    ref = OwnerRef(api_version="argoproj.io/v1alpha1", kind="Rollout", name="front", uid="")
    with open_shop() as (running, google):
        cluster = Cluster(the_way(google), google.token)
        first, second = cluster.workload("shop", ref), cluster.workload("shop", ref)
        calls = [entry["call"] for entry in running.lab.calls("kubernetes.*")]
    assert first == second
    assert first.name == "front"
    assert len(calls) == 3
    unknown = ref.model_copy(update={"kind": "Nothing"})
    with open_shop() as (_, google):
        assert refused(lambda: Cluster(the_way(google), google.token).workload("shop", unknown)).why == "not_found"


def test_an_owner_of_the_same_name_and_another_uid_is_said_to_be_another(cluster: Cluster) -> None:
    owner = cluster.pod("shop", POD).owner
    assert owner is not None
    other = owner.model_copy(update={"uid": "00000000-0000-0000-0000-000000000000"})
    assert "another" in cluster.workload("shop", other).how_known


def test_namespace_and_events_are_told(cluster: Cluster) -> None:
    assert cluster.namespace("shop").annotations == {"owner": "shop@acme.example"}
    (event,) = cluster.pod_events("shop", POD)
    assert (event.reason, event.type, event.count) == ("Pulled", "Normal", 1)


def test_a_pod_that_is_gone_is_not_found(cluster: Cluster) -> None:
    assert refused(lambda: cluster.pod("shop", "gone")).why == "not_found"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("deny", "denied"),
        ("quota", "quota"),
        ("unavailable", "unavailable"),
        ("lie", "broken"),
        ("reset", "unavailable"),
    ],
)
def test_a_failing_cluster_is_a_reason_and_a_denied_one_names_the_rule(fault: str, why: str) -> None:
    with open_shop(faults=[{"call": "kubernetes.*", "kind": fault}]) as (_, google):
        cluster = Cluster(the_way(google), google.token)
        for ask, rule in (
            (lambda: cluster.node(NODE, event_time=EVENT_TIME), "get nodes:"),
            (lambda: cluster.pod("shop", POD), "get pods:"),
            (lambda: cluster.namespace("shop"), "get namespaces:"),
            (lambda: cluster.pod_events("shop", POD), "list events:"),
            (lambda: cluster.replica_sets("shop", "7d9f8c5b4"), "list replicasets.apps:"),
        ):
            told = refused(ask)
            assert told.why == why
            assert (rule in told.mend) == (why == "denied")


@pytest.mark.parametrize("call", ["kubernetes.list.events", "kubernetes.list.replicasets"])
def test_an_empty_page_is_not_the_end_of_a_list(call: str) -> None:
    for times, ends in ((1, True), (0, False)):
        with open_shop(faults=[{"call": call, "kind": "empty_page", "times": times}]) as (_, google):
            cluster = Cluster(the_way(google), google.token)
            events, sets = partial(cluster.pod_events, "shop", POD), partial(cluster.replica_sets, "shop", "7d9f8c5b4")
            ask: Callable[[], Sized] = events if call.endswith("events") else sets
            if ends:
                assert len(ask()) == 1
            else:
                assert refused(ask).why == "unavailable"


def test_a_503_is_asked_once_more() -> None:
    with open_shop(faults=[{"call": "kubernetes.get.pods", "kind": "unavailable", "times": 1}]) as (_, google):
        assert Cluster(the_way(google), google.token).pod("shop", POD).name == POD


def test_a_token_that_the_cluster_does_not_know_is_denied(google: LabGoogle) -> None:
    assert refused(lambda: Cluster(the_way(google), lambda: TOKEN).pod("shop", POD)).why == "denied"


# --- against a hostile server -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_the_token_goes_nowhere_else(tmp_path: Path, status: int) -> None:
    with hostile(tmp_path, saying(b"", status, Location="/steal")) as (address, seen):
        assert refused(lambda: Cluster(address, lambda: TOKEN).pod("shop", "web")).why == "broken"
    assert seen == [f"/api/v1/namespaces/shop/pods/web Bearer {TOKEN}"]


@pytest.mark.parametrize("own_ca", [True, False])
def test_a_server_of_another_authority_never_sees_the_token(tmp_path: Path, own_ca: bool) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").pem if own_ca else ""  # empty: the system's
    with hostile(tmp_path, saying(json.dumps(POD_JSON).encode())) as (address, seen):
        told = refused(lambda: Cluster(Address(url=address.url, ca_pem=other), lambda: TOKEN).pod("shop", "web"))
    assert (told.why, seen) == ("broken", [])
    assert "TLS" in told.detail


def test_the_environments_proxy_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with hostile(tmp_path, saying(json.dumps(POD_JSON).encode())) as (address, _):
        assert Cluster(address, lambda: TOKEN).pod("shop", "web").name == "web"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(POD_JSON | {"spec": []}).encode(),
        json.dumps(POD_JSON | {"metadata": POD_JSON["metadata"] | {"name": "other"}}).encode(),
        json.dumps(POD_JSON | {"metadata": POD_JSON["metadata"] | {"namespace": "other"}}).encode(),
        json.dumps(POD_JSON | {"metadata": POD_JSON["metadata"] | {"uid": None}}).encode(),
        json.dumps(POD_JSON | {"metadata": POD_JSON["metadata"] | {"creationTimestamp": "soon"}}).encode(),
    ],
)
def test_an_answer_of_another_form_is_broken(tmp_path: Path, body: bytes) -> None:
    with hostile(tmp_path, saying(body)) as (address, _):
        told = refused(lambda: Cluster(address, lambda: TOKEN).pod("shop", "web"))
    assert told.why == "broken"
    assert "canary" not in f"{told} {told.detail}"


def test_an_answer_without_end_is_given_up(tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 1_000_000)

    with hostile(tmp_path, endless) as (address, _):
        told = refused(lambda: Cluster(address, lambda: TOKEN).pod("shop", "web"))
    assert (told.why, "larger than" in told.detail) == ("broken", True)


def test_an_answer_that_drips_is_given_up(tmp_path: Path) -> None:
    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" ")
            time.sleep(0.02)

    with hostile(tmp_path, dripping) as (address, _):
        told = refused(lambda: Cluster(address, lambda: TOKEN, answer_seconds=0.2).pod("shop", "web"))
    assert told.why == "timeout"


def test_an_answer_whose_head_drips_is_given_up(tmp_path: Path) -> None:
    def dripping(handler: BaseHTTPRequestHandler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Wait: " + b"x" * 200:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.02)

    with hostile(tmp_path, dripping) as (address, _):
        started = time.monotonic()
        told = refused(lambda: Cluster(address, lambda: TOKEN, answer_seconds=0.2).pod("shop", "web"))
        assert time.monotonic() - started < 2
    assert told.why == "timeout"


def test_a_connection_is_used_again_after_an_answer_and_after_a_refusal(tmp_path: Path) -> None:
    ports: list[int] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version, handler.close_connection = "HTTP/1.1", False
        ports.append(handler.client_address[1])
        saying(json.dumps(POD_JSON).encode(), 404 if len(ports) == 2 else 200)(handler)

    with hostile(tmp_path, answer) as (address, _):
        cluster = Cluster(address, lambda: TOKEN)
        cluster.pod("shop", "web")
        refused(lambda: cluster.pod("shop", "web"))
        cluster.pod("shop", "web")
    assert len(set(ports)) == 1


_NO_WEB = {"kind": "Status", "reason": "NotFound", "details": {"name": "web"}, "code": 404}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (json.dumps(_NO_WEB), "not_found"),
        (json.dumps(_NO_WEB | {"details": {"name": "other"}}), "unavailable"),
        (json.dumps(_NO_WEB | {"reason": ""}), "unavailable"),
        (json.dumps(_NO_WEB | {"details": None}), "unavailable"),
        ("<html>default backend - 404</html>", "unavailable"),
        ("[]", "unavailable"),
        ("", "unavailable"),
    ],
)
def test_a_404_that_does_not_name_the_pod_is_no_word_of_the_cluster(tmp_path: Path, said: str, why: str) -> None:
    with hostile(tmp_path, saying(said.encode(), 404)) as (address, _):
        assert refused(lambda: Cluster(address, lambda: TOKEN).pod("shop", "web")).why == why


def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = Address(url=f"https://127.0.0.1:{held.getsockname()[1]}", ca_pem="")
        assert refused(lambda: Cluster(address, lambda: TOKEN).pod("shop", "web")).why == "unavailable"


@pytest.mark.parametrize("bad", ["", "..", "../secrets", "a/b", "web?x=1", "WEB", "web%2f", "a" * 300])
def test_a_name_that_kubernetes_would_not_take_is_never_in_a_url(tmp_path: Path, bad: str) -> None:
    good = OwnerRef(api_version="apps/v1", kind="ReplicaSet", name="web", uid="")
    with hostile(tmp_path, saying(b"{}")) as (address, seen):
        cluster = Cluster(address, lambda: TOKEN)
        for ask in (
            lambda: cluster.node(bad, event_time=EVENT_TIME),
            lambda: cluster.pod("shop", bad),
            lambda: cluster.pod(bad, "web"),
            lambda: cluster.namespace(bad),
            lambda: cluster.pod_events("shop", bad),
            lambda: cluster.pod_events(bad, "web"),
            lambda: cluster.replica_sets("shop", bad),
            lambda: cluster.replica_sets(bad, "7d9f8c5b4"),
            lambda: cluster.workload("shop", good.model_copy(update={"name": bad})),
            lambda: cluster.workload(bad, good),
            lambda: cluster.workload("shop", good.model_copy(update={"api_version": bad})),
            lambda: (
                cluster.workload("shop", good.model_copy(update={"api_version": f"{bad}/v1", "kind": "X"}))
                if bad
                else cluster.pod("", "")
            ),
            lambda: cluster.workload("shop", good.model_copy(update={"kind": "../x", "api_version": "x.io/v1"})),
        ):
            assert refused(ask).why == "invalid"
    assert seen == []


# --- what is read of an object ----------------------------------------------------------------------------------------


def a_pod(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return POD_JSON | {"spec": spec or POD_JSON["spec"], "metadata": POD_JSON["metadata"] | metadata}


def test_secrets_of_every_kind_of_reference_are_named() -> None:
    spec = {
        "volumes": [
            {"name": "a", "secret": {"secretName": "mounted"}},
            {"name": "b", "projected": {"sources": [{"secret": {"name": "projected"}}, {"downwardAPI": {}}]}},
        ],
        "containers": [
            {
                "name": "app",
                "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "no"}}],
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}}],
            }
        ],
        "initContainers": [{"name": "init", "envFrom": [{"secretRef": {"name": "of-init"}}]}],
        "imagePullSecrets": [{"name": "pull"}],
    }
    assert _objects.pod(a_pod(spec)).secrets == ("mounted", "projected", "all", "one", "of-init")


@pytest.mark.parametrize(
    ("container", "pod", "user", "root"),
    [
        ({}, {}, None, None),
        ({"runAsUser": 0}, {"runAsUser": 1000}, 0, True),
        ({}, {"runAsUser": 1000}, 1000, False),
        ({"runAsNonRoot": True}, {}, None, False),
        ({"runAsNonRoot": False}, {"runAsNonRoot": True}, None, None),
    ],
)
def test_the_containers_own_user_goes_before_the_pods(
    container: dict[str, Any], pod: dict[str, Any], user: int | None, root: bool | None
) -> None:
    spec = {"containers": [{"name": "app", "securityContext": container}], "securityContext": pod}
    (told,) = _objects.pod(a_pod(spec)).containers
    assert (told.run_as_user, told.run_as_root) == (user, root)


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"kubernetes.io/config.mirror": "x"}},
        {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u", "controller": True}]},
    ],
)
def test_a_mirror_of_a_static_pod_is_known_as_one(metadata: dict[str, Any]) -> None:
    assert _objects.pod(a_pod(**metadata)).static
    assert not _objects.pod(a_pod()).static


def test_only_the_controller_is_an_owner() -> None:
    refs = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "u"},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True},
    ]
    owner = _objects.pod(a_pod(ownerReferences=refs)).owner
    assert owner is not None
    assert owner.name == "web"
    assert _objects.pod(a_pod(ownerReferences=refs[:1])).owner is None


def test_annotations_are_cut_and_the_applied_copy_of_the_object_is_dropped() -> None:
    given = {"kubectl.kubernetes.io/last-applied-configuration": "canary", "long": "x" * 9000}
    given |= {f"a{n}": "" for n in range(100)}
    told = _objects.pod(a_pod(annotations=given)).annotations
    assert len(told) == 50
    assert len(told["long"]) == 500
    assert "canary" not in told.values()


def test_an_event_is_read_in_the_old_form_and_in_the_new() -> None:
    old = _objects.event(
        {"count": 3, "firstTimestamp": "2026-11-20T09:00:00Z", "lastTimestamp": "2026-11-20T09:30:00Z"}
    )
    new = _objects.event(
        {
            "eventTime": "2026-11-20T09:00:00.123456Z",
            "series": {"count": 3, "lastObservedTime": "2026-11-20T09:30:00.000000Z"},
        }
    )
    assert old.count == new.count == 3
    assert old.last_seen == new.last_seen == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    assert new.first_seen == datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)


def test_a_node_without_the_annotation_has_no_instance_id_and_its_zone_from_the_provider_id() -> None:
    reply = {"metadata": {"name": "n"}, "spec": {"providerID": "gce://p/europe-west1-b/n", "unschedulable": True}}
    node = _objects.node(reply, event_time=EVENT_TIME)
    assert (node.instance_id, node.zone, node.status) == ("", "europe-west1-b", "Unknown,SchedulingDisabled")


def test_a_hundred_findings_find_a_connection_each() -> None:
    assert kubernetes._CONNECTIONS >= 600
