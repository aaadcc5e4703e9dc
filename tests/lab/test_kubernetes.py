"""The lab's API server, asked by the real Python client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from tests.lab.api_server import ADMIN, POD, Running, serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture
def shop(folder: Path) -> Iterator[Running]:
    with serve(folder) as running:
        yield running


def refusal(call: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    with pytest.raises(client.ApiException) as raised:
        call()
    return int(raised.value.status), json.loads(raised.value.body or "")


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_node_carries_what_gke_writes_on_it(shop: Running) -> None:
    node = shop.core().read_node(name="node-1")
    assert node.metadata.annotations["container.googleapis.com/instance_id"] == "8108478110475488564"
    assert node.spec.provider_id == "gce://acme-shop-prod/europe-west1-b/node-1"
    assert node.metadata.labels["topology.kubernetes.io/zone"] == "europe-west1-b"
    assert node.metadata.labels["topology.kubernetes.io/region"] == "europe-west1"


def test_a_node_that_is_deleted_later_is_there_until_then(shop: Running) -> None:
    with serve(shop.ca.parent, now="+5s") as early:
        assert early.core().read_node(name="node-2").metadata.name == "node-2"
    code, body = refusal(lambda: shop.core().read_node(name="node-2"))
    assert (code, body["message"]) == (404, 'nodes "node-2" not found')


def test_the_owner_chain_of_a_pod_can_be_followed_by_uid_to_its_deployment(shop: Running) -> None:
    pod = shop.core().read_namespaced_pod(name=POD, namespace="shop")
    apps = shop.apps()
    (owner,) = pod.metadata.owner_references
    replica_set = apps.read_namespaced_replica_set(name=owner.name, namespace="shop")
    (above,) = replica_set.metadata.owner_references
    deployment = apps.read_namespaced_deployment(name=above.name, namespace="shop")
    assert owner.controller
    assert above.controller
    assert (owner.uid, above.uid) == (replica_set.metadata.uid, deployment.metadata.uid)
    assert pod.metadata.labels == {"app": "web", "pod-template-hash": "7d9f8c5b4"}
    assert deployment.metadata.owner_references is None


def test_a_replica_set_is_found_by_its_template_hash(shop: Running) -> None:
    apps = shop.apps()
    found = apps.list_namespaced_replica_set(namespace="shop", label_selector="pod-template-hash=7d9f8c5b4")
    assert [r.metadata.name for r in found.items] == ["web-7d9f8c5b4"]


def test_a_custom_workload_is_discovered_and_read(shop: Running) -> None:
    _, listed = shop.http("GET", "/apis/argoproj.io/v1alpha1", token="lab-investigator")
    (resource,) = listed["resources"]
    custom: Any = client.CustomObjectsApi(shop.api())
    rollout = custom.get_namespaced_custom_object(
        group="argoproj.io", version="v1alpha1", namespace="shop", plural=resource["name"], name="front"
    )
    assert (resource["name"], resource["kind"]) == ("rollouts", "Rollout")
    assert rollout["metadata"]["labels"] == {"team": "web"}


def test_the_runtime_image_is_a_digest_and_the_start_is_told(shop: Running) -> None:
    pod = shop.core().read_namespaced_pod(name=POD, namespace="shop")
    (state,) = pod.status.container_statuses
    assert "@sha256:" in state.image_id
    assert state.state.running.started_at - pod.metadata.creation_timestamp == timedelta(seconds=2)
    assert [e.name for e in pod.spec.containers[0].env] == ["DB_PASSWORD"]


def test_a_pod_on_its_way_out_is_there_with_its_deadline_and_one_that_left_is_not(shop: Running) -> None:
    names = {p.metadata.name: p for p in shop.core(ADMIN).list_namespaced_pod(namespace="shop").items}
    assert names["leaving"].metadata.deletion_timestamp == shop.lab.at("+35s")
    assert "left" not in names


def test_only_events_that_happened_are_listed_and_they_name_the_pod_by_uid(shop: Running) -> None:
    pod = shop.core().read_namespaced_pod(name="bare", namespace="shop")
    found = shop.core().list_namespaced_event(namespace="shop", field_selector="involvedObject.name=bare")
    assert [(e.reason, e.involved_object.uid) for e in found.items] == [("Pulled", pod.metadata.uid)]
    assert shop.core().list_namespaced_event(namespace="shop", field_selector="involvedObject.name=db-0").items == []


def test_an_unknown_field_selector_is_refused(shop: Running) -> None:
    code, body = refusal(lambda: shop.core(ADMIN).list_namespaced_pod(namespace="shop", field_selector="spec.foo=1"))
    assert code == 400
    assert body["message"].endswith("field label not supported: spec.foo")


@pytest.mark.parametrize(
    ("selector", "count"), [("app=web", 1), ("app in (web,db)", 2), ("app,app notin (web)", 3), ("!app", 3)]
)
def test_label_selectors_select(shop: Running, selector: str, count: int) -> None:
    assert len(shop.core(ADMIN).list_namespaced_pod(namespace="shop", label_selector=selector).items) == count


def test_a_list_comes_in_pages(shop: Running) -> None:
    first = shop.core(ADMIN).list_namespaced_pod(namespace="shop", limit=4)
    # `continue` is a word of Python's: the generated client calls it `_continue`.
    second = shop.core(ADMIN).list_namespaced_pod(namespace="shop", limit=4, _continue=first.metadata._continue)
    names = [p.metadata.name for p in (*first.items, *second.items)]
    assert len(names) == len(set(names)) == 7


def test_a_log_has_the_lines_up_to_now(shop: Running) -> None:
    core = shop.core(ADMIN)
    assert core.read_namespaced_pod_log(name=POD, namespace="shop") == "GET /\nPOST /run\n"
    assert core.read_namespaced_pod_log(name=POD, namespace="shop", tail_lines=1) == "POST /run\n"
    code, body = refusal(lambda: core.read_namespaced_pod_log(name=POD, namespace="shop", container="zz"))
    assert (code, body["message"]) == (400, f"container zz is not valid for pod {POD}")


# --- who may what -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "nobody"])
def test_a_missing_or_unknown_token_is_a_401_status(shop: Running, token: str) -> None:
    code, body = shop.http("GET", "/api/v1/namespaces/shop/pods", token=token)
    assert (code, body["kind"], body["reason"], body["code"]) == (401, "Status", "Unauthorized", 401)


def test_the_investigator_can_change_nothing_and_is_told_so_in_rbacs_words(shop: Running) -> None:
    code, body = refusal(lambda: shop.core().delete_namespaced_pod(name="bare", namespace="shop"))
    user = "investigator@acme-sec.iam.gserviceaccount.com"
    assert code == 403
    assert body["message"] == (
        f'pods "bare" is forbidden: User "{user}" cannot delete resource "pods" in API group "" in the namespace "shop"'
    )
    assert body["details"] == {"name": "bare", "kind": "pods"}
    assert shop.core().read_namespaced_pod(name="bare", namespace="shop").metadata.deletion_timestamp is None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/secrets", 403),
        ("/api/v1/namespaces/shop/secrets/db", 403),
        ("/api/v1/nodes", 403),
        ("/api/v1/namespaces/shop", 200),
        ("/apis/apps/v1/namespaces/shop/statefulsets/db", 200),
        ("/api/v1/namespaces/shop/pods/bare/exec?command=id", 403),
        ("/version", 200),
        ("/apis/nothing.example/v1", 404),
    ],
)
def test_what_the_investigator_may_read(shop: Running, path: str, code: int) -> None:
    assert shop.http("GET", path, token="lab-investigator")[0] == code


@pytest.mark.parametrize(
    ("token", "verb", "allowed"), [("lab-investigator", "delete", False), ("remediator", "delete", True)]
)
def test_a_self_review_says_what_is_allowed(shop: Running, token: str, verb: str, allowed: bool) -> None:
    body = {"spec": {"resourceAttributes": {"namespace": "shop", "verb": verb, "resource": "pods"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    code, answer = shop.http("POST", path, token=token, body=body)
    assert (code, answer["status"]["allowed"]) == (201, allowed)


def test_every_request_is_in_the_journal_with_its_user_and_body(shop: Running) -> None:
    path = "/api/v1/namespaces/shop/pods/bare?dryRun=All"
    shop.http("DELETE", path, body={"preconditions": {"uid": "wrong"}})
    (entry,) = shop.lab.calls("kubernetes.*")
    assert (entry["call"], entry["namespace"], entry["name"]) == ("kubernetes.delete.pods", "shop", "bare")
    assert entry["user"] == "analyst@acme.example"
    assert entry["query"] == [["dryRun", "All"]]
    assert entry["body"] == {"preconditions": {"uid": "wrong"}}


# --- deleting ---------------------------------------------------------------------------------------------------------


def names(shop: Running) -> set[str]:
    return {p.metadata.name for p in shop.core(ADMIN).list_namespaced_pod(namespace="shop").items}


def test_a_deleted_pod_terminates_first_and_goes_after_its_grace(shop: Running) -> None:
    core = shop.core("remediator")
    first = core.delete_namespaced_pod(name="bare", namespace="shop", grace_period_seconds=20)
    assert first.metadata.deletion_grace_period_seconds == 20
    assert first.metadata.deletion_timestamp > shop.lab.now()
    second = core.delete_namespaced_pod(name="bare", namespace="shop")
    assert second.metadata.deletion_timestamp == first.metadata.deletion_timestamp
    shop.lab.advance(timedelta(seconds=15))
    assert "bare" in names(shop)
    shop.lab.advance(timedelta(seconds=6))
    assert "bare" not in names(shop)


def test_grace_zero_removes_at_once_and_answers_with_a_status(shop: Running) -> None:
    code, body = shop.http("DELETE", "/api/v1/namespaces/shop/pods/bare?gracePeriodSeconds=0")
    assert (code, body["kind"], body["status"]) == (200, "Status", "Success")
    assert "bare" not in names(shop)


@pytest.mark.parametrize("key", ["uid", "resourceVersion"])
def test_a_precondition_that_does_not_hold_is_a_conflict(shop: Running, key: str) -> None:
    pod = shop.core().read_namespaced_pod(name="bare", namespace="shop")
    have = {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version}[key]
    path = "/api/v1/namespaces/shop/pods/bare"
    code, body = shop.http("DELETE", path, body={"preconditions": {key: "wrong"}})
    word = {"uid": "UID", "resourceVersion": "ResourceVersion"}[key]
    assert (code, body["reason"], body["details"]["kind"]) == (409, "Conflict", "Pod")
    assert body["message"] == (
        f'Operation cannot be fulfilled on Pod "bare": the {word} in the precondition (wrong) does not match '
        f"the {word} in record ({have}). The object might have been deleted and then recreated"
    )
    assert shop.http("DELETE", path, body={"preconditions": {key: have}})[0] == 200


def test_a_rehearsal_changes_nothing(shop: Running) -> None:
    code, body = shop.http("DELETE", "/api/v1/namespaces/shop/pods/bare?dryRun=All")
    assert (code, body["kind"]) == (200, "Pod")
    assert body["metadata"]["deletionTimestamp"]
    assert shop.core().read_namespaced_pod(name="bare", namespace="shop").metadata.deletion_timestamp is None


def test_a_replica_set_replaces_the_pod_at_once_under_another_name(shop: Running) -> None:
    before = names(shop)
    shop.http("DELETE", f"/api/v1/namespaces/shop/pods/{POD}")
    (new,) = names(shop) - before
    pod = shop.core().read_namespaced_pod(name=new, namespace="shop")
    assert new.startswith("web-7d9f8c5b4-")
    assert POD in names(shop)
    assert pod.metadata.owner_references[0].name == "web-7d9f8c5b4"
    assert pod.status.phase == "Pending"
    shop.lab.advance(timedelta(seconds=31))
    assert POD not in names(shop)
    assert len(names(shop)) == len(before)
    assert shop.core().read_namespaced_pod(name=new, namespace="shop").status.phase == "Running"


def test_a_stateful_set_gives_the_same_name_to_another_pod_once_the_old_one_is_gone(shop: Running) -> None:
    old = shop.core().read_namespaced_pod(name="db-0", namespace="shop").metadata.uid
    shop.http("DELETE", "/api/v1/namespaces/shop/pods/db-0")
    assert shop.core().read_namespaced_pod(name="db-0", namespace="shop").metadata.uid == old
    shop.lab.advance(timedelta(seconds=31))
    assert shop.core().read_namespaced_pod(name="db-0", namespace="shop").metadata.uid != old


def test_an_empty_name_deletes_the_whole_namespace_and_needs_a_verb_of_its_own(shop: Running) -> None:
    assert shop.http("DELETE", "/api/v1/namespaces/shop/pods/", token="remediator")[0] == 403
    assert shop.http("DELETE", "/api/v1/namespaces/shop/pods/")[0] == 200
    assert shop.lab.calls("kubernetes.deletecollection.pods")
    pods = shop.core(ADMIN).list_namespaced_pod(namespace="shop", field_selector="metadata.name=bare").items
    assert pods[0].metadata.deletion_timestamp is not None


def test_a_body_that_cannot_be_read_deletes_nothing(shop: Running) -> None:
    code, body = shop.http("DELETE", "/api/v1/namespaces/shop/pods/bare", body="preconditions: {uid: wrong}")
    assert (code, body["reason"]) == (400, "BadRequest")
    assert [one["call"] for one in shop.lab.calls("cluster.*")] == ["cluster.refused"]


def test_a_static_pod_is_owned_by_its_node(folder: Path) -> None:
    cluster = {
        "name": "shop",
        "project": "acme-shop-prod",
        "location": "europe-west1",
        "nodes": [{"name": "node-1"}],
        "pods": [{"name": "kube-proxy-node-1", "namespace": "kube-system", "owner": "Node/node-1"}],
    }
    with serve(folder, clusters=[cluster], logs=[]) as shop:
        pod = shop.core().read_namespaced_pod(name="kube-proxy-node-1", namespace="kube-system")
        node = shop.core().read_node(name="node-1")
    (owner,) = pod.metadata.owner_references
    assert (owner.api_version, owner.kind, owner.uid) == ("v1", "Node", node.metadata.uid)
    assert node.metadata.labels["topology.kubernetes.io/zone"] == "europe-west1-b"


def test_a_pod_that_has_ended_says_when_it_started_and_how_it_ended(folder: Path) -> None:
    pods = [
        {"name": "done", "phase": "Succeeded", "owner": "Job/import", "created": "-1h"},
        {"name": "broken", "phase": "Failed", "created": "-1h"},
    ]
    cluster = {"name": "shop", "project": "acme-shop-prod", "location": "europe-west1-b", "pods": pods}
    with serve(folder, clusters=[cluster], logs=[]) as shop:
        found = {pod.metadata.name: pod for pod in shop.core(ADMIN).list_namespaced_pod(namespace="default").items}
        ended = {name: pod.status.container_statuses[0].state.terminated for name, pod in found.items()}
        begun = shop.lab.at("-1h").replace(microsecond=0) + timedelta(seconds=2)
    assert {name: state.exit_code for name, state in ended.items()} == {"done": 0, "broken": 1}
    assert [state.started_at for state in ended.values()] == [begun, begun]
    assert found["done"].metadata.labels["job-name"] == "import"
    assert found["done"].spec.restart_policy == "Never"


@pytest.mark.parametrize("query", ["limit=many", "continue=x", "watch=true&timeoutSeconds=-1"])
def test_a_number_that_is_none_is_a_bad_request(shop: Running, query: str) -> None:
    assert shop.http("GET", f"/api/v1/namespaces/shop/pods?{query}")[0] == 400
