"""On a real API server: who may do what is the server's word, by deploy/rbac, and what is not ours is left alone.

Run where `LAB_KUBECONFIG` names one (`make kube`).
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lab import kubeconfig, staging
from lab.google import LabGoogle
from lab.kubeconfig import KubeconfigError, Upstream, api
from lab.rbac import COLLECTOR, COLLECTOR_TOKEN, INVESTIGATOR_TOKEN, REMEDIATOR, REMEDIATOR_TOKEN
from lab.scenario import load
from lab.server import Running, serve
from responder.errors import Refused, Unanswered
from responder.live.google import Address
from responder.live.kubernetes import Cluster
from responder.live.remover import Deleter
from tests.scene import AUTO, POD, SCENARIOS, scene

pytestmark = pytest.mark.skipif(
    not os.environ.get(kubeconfig.VARIABLE),
    reason="LAB_KUBECONFIG names no Kubernetes API server: make kube",
)
PODS = "/api/v1/namespaces/shop/pods"


def upstream() -> Upstream:
    found = kubeconfig.from_environment(os.environ)
    assert found is not None
    return found


def admin(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """As the kubeconfig's own user, straight to the server."""

    async def asked() -> dict[str, Any]:
        async with api(upstream()) as server:
            return await server.must(method, path, body)

    return asyncio.run(asked())


async def allowed(email: str, verb: str, resource: str) -> bool:
    async with api(upstream()) as server:
        return await staging.may(server, email, verb, resource, "shop")


def names() -> set[str]:
    return {item["metadata"]["name"] for item in admin("GET", PODS)["items"]}


@pytest.fixture
def there() -> Iterator[Running]:
    data = json.loads((SCENARIOS / "attack-web-pod.notification.json").read_bytes())
    with serve(load(SCENARIOS / "attack-web-pod.yaml"), data, upstream=upstream()) as running:
        yield running


def front(there: Running) -> Address:
    (host,) = {host for name, host in there.endpoints.hosts.items() if name.endswith(".gke.goog")}
    return Address(url=f"https://{host}", ca_pem=Path(there.endpoints.ca_pem_file).read_text(encoding="ascii"))


def deleter(there: Running, email: str) -> Deleter:
    google = LabGoogle(there.endpoints.model_dump(mode="json"))
    return Deleter(front(there), lambda: google.token_as(email))


def uid(there: Running) -> str:
    return there.lab.scenario.clusters[0].pods[0].uid


def test_the_scenarios_uid_is_the_servers_own(there: Running) -> None:
    shown = admin("GET", f"{PODS}/{POD}")
    assert shown["metadata"]["uid"] == uid(there) != load(SCENARIOS / "attack-web-pod.yaml").clusters[0].pods[0].uid
    seen = Cluster(front(there), lambda: INVESTIGATOR_TOKEN).pod("shop", POD)
    assert (seen.uid, seen.phase) == (uid(there), "Running")
    assert seen.create_time == datetime.fromisoformat(shown["metadata"]["creationTimestamp"])


@pytest.mark.parametrize("email", [COLLECTOR, "nobody@acme.example"])
def test_whom_no_binding_names_is_refused_by_the_server(there: Running, email: str) -> None:
    with pytest.raises(Refused) as refused:
        deleter(there, email).delete("shop", POD, uid=uid(there), grace_seconds=5)
    assert refused.value.why == "denied"
    assert "deletionTimestamp" not in admin("GET", f"{PODS}/{POD}")["metadata"]


def test_the_investigator_reads_what_its_role_names_and_the_refusal_is_rbacs_own(there: Running) -> None:
    url, ca_pem = front(there).url, front(there).ca_pem
    for path, text in (
        ("/api/v1/namespaces/shop/secrets", 'cannot list resource "secrets"'),
        (f"{PODS}?watch=0", 'cannot list resource "pods"'),
    ):
        status, said = asyncio.run(_raw(url, ca_pem, "GET", path, INVESTIGATOR_TOKEN))
        assert status == 403
        assert text in said["message"]
        assert "investigator@acme-sec.iam.gserviceaccount.com" in said["message"]
    assert asyncio.run(_raw(url, ca_pem, "GET", f"{PODS}/{POD}", INVESTIGATOR_TOKEN))[0] == 200


def test_the_remediator_can_empty_no_namespace_and_touch_no_other(there: Running) -> None:
    url, ca_pem = front(there).url, front(there).ca_pem
    before = names()
    for path in (PODS, f"{PODS}/", "/api/v1/namespaces/default/pods/x", "/api/v1/nodes/x"):
        status, said = asyncio.run(_raw(url, ca_pem, "DELETE", path, REMEDIATOR_TOKEN))
        assert status == 403, said
    assert names() == before


def test_a_role_that_is_not_bound_leaves_the_pod_and_is_told_with_its_mend(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        admin("DELETE", "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/gke-compiler-remediator")
        while asyncio.run(allowed(REMEDIATOR, "delete", "pods")):
            time.sleep(0.02)
        done = here.act()
        assert (done.outcome.kind, here.deletes()) == ("failed", [])
        assert "bind the remediator's role" in done.outcome.detail
        assert "deletionTimestamp" not in admin("GET", f"{PODS}/{POD}")["metadata"]


def test_another_uid_is_a_conflict_of_the_servers_and_the_pod_stays(there: Running) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(Refused, match="the pod of that name has another UID"):
        deleter(there, REMEDIATOR).delete("shop", POD, uid=other, grace_seconds=5)
    assert "deletionTimestamp" not in admin("GET", f"{PODS}/{POD}")["metadata"]


def test_a_deleted_pod_is_marked_with_its_grace_and_a_rehearsal_marks_nothing(there: Running) -> None:
    as_remediator = deleter(there, REMEDIATOR)
    as_remediator.rehearse("shop", POD, uid=uid(there), grace_seconds=7)
    assert "deletionTimestamp" not in admin("GET", f"{PODS}/{POD}")["metadata"]
    as_remediator.delete("shop", POD, uid=uid(there), grace_seconds=7)
    assert admin("GET", f"{PODS}/{POD}")["metadata"]["deletionGracePeriodSeconds"] == 7
    assert [entry["uid"] for entry in there.lab.calls("cluster.pod.terminating")] == [uid(there)]


def test_an_eviction_is_taken_where_the_server_has_policy_v1_and_refused_where_not(there: Running) -> None:
    groups = {group["name"]: group for group in admin("GET", "/apis")["groups"]}
    has_v1 = any(one["version"] == "v1" for one in groups["policy"]["versions"])
    as_remediator = deleter(there, REMEDIATOR)
    if has_v1:
        as_remediator.evict("shop", POD, uid=uid(there), grace_seconds=7)
    else:
        with pytest.raises(Refused) as refused:
            as_remediator.evict("shop", POD, uid=uid(there), grace_seconds=7)
        assert not refused.value.retry
    assert ("deletionTimestamp" in admin("GET", f"{PODS}/{POD}")["metadata"]) is has_v1


# --- straight to the server, at its own address and with its own CA ---------------------------------------------------


def test_the_adapters_speak_to_the_server_itself_with_nothing_between(there: Running) -> None:
    """Where it knows the lab's tokens, as the server of `lab.apiserver` does."""
    itself = Address(url=upstream().url, ca_pem=upstream().ca_pem)
    try:
        seen = Cluster(itself, lambda: INVESTIGATOR_TOKEN).pod("shop", POD)
    except Unanswered as error:
        pytest.skip(f"this server knows none of the lab's tokens: {error}")
    assert seen.uid == uid(there)
    with pytest.raises(Refused) as refused:
        Deleter(itself, lambda: COLLECTOR_TOKEN).delete("shop", POD, uid=uid(there), grace_seconds=3)
    assert refused.value.why == "denied"
    Deleter(itself, lambda: REMEDIATOR_TOKEN).delete("shop", POD, uid=uid(there), grace_seconds=3)
    ended = Cluster(itself, lambda: INVESTIGATOR_TOKEN).pod("shop", POD)
    assert (ended.uid, ended.deletion_time is None) == (uid(there), False)


# --- what is ours, and what is not ------------------------------------------------------------------------------------


def test_what_carries_no_label_is_left_where_it_is(tmp_path: Path) -> None:
    stranger = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "stranger", "labels": {"app": "checkout"}},
        "spec": {"containers": [{"name": "app", "image": "stub"}]},
    }
    with scene(tmp_path, AUTO) as here:
        made = admin("POST", PODS, stranger)["metadata"]
        here.act()
    try:
        assert names() == {"stranger"}
        assert admin("GET", f"{PODS}/stranger")["metadata"]["uid"] == made["uid"]
        assert admin("GET", f"/api/v1/nodes?{staging.SELECTOR}")["items"] == []
    finally:
        admin("DELETE", f"{PODS}/stranger", {"gracePeriodSeconds": 0})


def test_a_name_that_is_taken_ends_the_staging_and_keeps_its_object() -> None:
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    theirs = {"kind": "ClusterRole", "metadata": {"name": "gke-compiler-investigator"}, "rules": []}
    admin("POST", path, {"apiVersion": "rbac.authorization.k8s.io/v1", **theirs})
    try:
        scenario = load(SCENARIOS / "attack-web-pod.yaml")
        with pytest.raises(KubeconfigError, match="is there, and not ours"), staging.stage(upstream(), scenario, {}):
            pass
        assert not admin("GET", f"{path}/gke-compiler-investigator")["rules"]
    finally:
        admin("DELETE", f"{path}/gke-compiler-investigator")


def test_an_object_without_the_label_is_never_deleted() -> None:
    async def asked() -> None:
        async with api(upstream()) as server:
            space = await server.must("GET", "/api/v1/namespaces/default")
            await staging.remove(server, "/api/v1/namespaces/default", space["metadata"])

    with pytest.raises(KubeconfigError, match="is not ours"):
        asyncio.run(asked())
    assert admin("GET", "/api/v1/namespaces/default")["status"]["phase"] == "Active"


async def _raw(url: str, ca_pem: str, method: str, path: str, token: str) -> tuple[int, dict[str, Any]]:
    tls = ssl.create_default_context(cadata=ca_pem)
    asked = Upstream(url=url, tls=tls, ca_pem=ca_pem, authorization=f"Bearer {token}")
    async with api(asked) as server:
        reply = await server.call(method, path)
    return reply.status, reply.json()
