"""The lab deletes as an API server does: budgets, finalizers and races, seen by the remover and by what looks after."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.errors import Refused, Unconfirmed
from responder.live.google import Address
from responder.live.kubernetes import Cluster
from responder.live.remover import RULES, Deleter
from responder.looking import look
from responder.record import Outcome
from tests.lab.api_server import ADMIN, INVESTIGATOR, SCENARIO, Running, serve

REMEDIATOR = "lab-remover"
REPLICAS = ["api-6b5d9-aaaaa", "api-6b5d9-bbbbb"]
BUDGET = {"name": "api", "namespace": "shop", "labels": {"app": "api"}, "min_available": 1}
IDENTITY = {
    "user": "remediator@acme-sec.iam.gserviceaccount.com",
    "token": REMEDIATOR,
    "rules": [{"apiGroups": [r.group], "resources": [r.resource], "verbs": list(r.verbs)} for r in RULES],
}


def cluster(**changes: Any) -> list[dict[str, Any]]:
    pods = [
        *({"name": name, "namespace": "shop", "owner": "Deployment/api"} for name in REPLICAS),
        {"name": "held", "namespace": "shop", "finalizer": "acme.example/hold"},
        {"name": "slow", "namespace": "shop", "finalizer": "acme.example/hold", "finalized_after": 20},
        {"name": "db-0", "namespace": "shop", "owner": "StatefulSet/db"},
        {"name": "raced", "namespace": "shop", "swap_after": 1},
        {"name": "stuck", "namespace": "shop", "phase": "Pending", "labels": {"app": "api"}},
    ]
    workloads = [{"kind": "StatefulSet", "name": "db", "namespace": "shop", "replicas": 1}]
    return [SCENARIO["clusters"][0] | {"pods": pods, "workloads": workloads, "events": [], **changes}]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture
def shop(folder: Path) -> Iterator[Running]:
    with opened(folder) as running:
        yield running


def opened(folder: Path, faults: list[dict[str, Any]] | None = None, **changes: Any) -> Any:
    return serve(folder, clusters=cluster(**changes), identities=[IDENTITY], logs=[], faults=faults or [])


def deleter(shop: Running, token: str = REMEDIATOR) -> Deleter:
    address = Address(url=f"https://127.0.0.1:{shop.port}", ca_pem=shop.ca.read_text(encoding="utf-8"))
    return Deleter(address, lambda: token)


def uid(shop: Running, name: str) -> str:
    found: str = shop.core().read_namespaced_pod(name=name, namespace="shop").metadata.uid
    return found


def seen(shop: Running, name: str, of: str, seconds: float = 20.0) -> Outcome:
    """What looking says, with the lab's own clock moved on in the place of sleeping."""
    address = Address(url=f"https://127.0.0.1:{shop.port}", ca_pem=shop.ca.read_text(encoding="utf-8"))
    kube, lab = Cluster(address, lambda: INVESTIGATOR), shop.lab
    until = lab.now() + timedelta(seconds=seconds)

    def sleep(wait: float) -> None:
        lab.advance(timedelta(seconds=wait))

    return look(lambda: kube.pod("shop", name), uid=of, until=until, now=lab.now, sleep=sleep)


def marked(shop: Running) -> list[str]:
    return [entry["uid"] for entry in shop.lab.calls("cluster.pod.terminating")]


# --- the remover on the lab -------------------------------------------------------------------------------------------


def test_a_rehearsal_and_a_delete_end_exactly_one_pod(shop: Running) -> None:
    old = uid(shop, REPLICAS[0])
    deleter(shop).rehearse("shop", REPLICAS[0], uid=old, grace_seconds=5)
    assert marked(shop) == []
    deleter(shop).delete("shop", REPLICAS[0], uid=old, grace_seconds=5)
    assert seen(shop, REPLICAS[0], old).kind == "deleted"
    assert marked(shop) == [old]
    assert uid(shop, REPLICAS[1])


def test_a_stateful_sets_next_pod_is_seen_under_the_same_name(shop: Running) -> None:
    old = uid(shop, "db-0")
    deleter(shop).delete("shop", "db-0", uid=old, grace_seconds=2)
    outcome = seen(shop, "db-0", old)
    assert outcome.kind == "replaced"
    assert outcome.replacement is not None
    assert outcome.replacement.uid == uid(shop, "db-0") != old


def test_a_pod_swapped_between_rehearsal_and_delete_is_left_alone(shop: Running) -> None:
    old = uid(shop, "raced")
    deleter(shop).rehearse("shop", "raced", uid=old, grace_seconds=5)
    new = uid(shop, "raced")
    assert new != old
    with pytest.raises(Refused, match="has another UID"):
        deleter(shop).delete("shop", "raced", uid=old, grace_seconds=5)
    assert marked(shop) == []
    deleter(shop).delete("shop", "raced", uid=new, grace_seconds=5)
    assert uid(shop, "raced") == new, "it is swapped once"


@pytest.mark.parametrize("call", ["delete", "evict"])
def test_a_dropped_reply_costs_one_pod_of_a_stateful_set_and_no_second(folder: Path, call: str) -> None:
    faults = [{"call": f"kubernetes.*.pods{'' if call == 'delete' else '/eviction'}", "kind": "drop_reply", "match": m}
              for m in ("DELETE", "POST")]  # fmt: skip
    with opened(folder, faults) as shop:
        old = uid(shop, "db-0")
        with pytest.raises(Unconfirmed):
            getattr(deleter(shop), call)("shop", "db-0", uid=old, grace_seconds=1)
        outcome = seen(shop, "db-0", old)
        assert (outcome.kind, marked(shop)) == ("replaced", [old])


def test_the_rules_are_enough_and_no_more_than_one_pod_can_be_deleted_by_them(shop: Running) -> None:
    old = uid(shop, "db-0")
    with pytest.raises(Refused) as caught:
        deleter(shop, INVESTIGATOR).delete("shop", "db-0", uid=old, grace_seconds=5)
    assert (caught.value.why, caught.value.mend.split(":")[0]) == ("denied", "delete pods")
    with pytest.raises(Refused) as caught:
        deleter(shop, INVESTIGATOR).evict("shop", "db-0", uid=old, grace_seconds=5)
    assert caught.value.mend.startswith("create pods/eviction:")
    assert shop.http("DELETE", "/api/v1/namespaces/shop/pods/", token=REMEDIATOR)[0] == 403
    assert marked(shop) == []
    deleter(shop).evict("shop", "db-0", uid=old, grace_seconds=5)
    assert marked(shop) == [old]


# --- finalizers -------------------------------------------------------------------------------------------------------


def test_a_finalizer_holds_a_deleted_pod_for_ever(shop: Running) -> None:
    old = uid(shop, "held")
    deleter(shop).delete("shop", "held", uid=old, grace_seconds=5)
    outcome = seen(shop, "held", old)
    assert outcome.kind == "terminating"
    assert "a finalizer or its node holds it" in outcome.detail
    shop.lab.advance(timedelta(days=1))
    pod = shop.core().read_namespaced_pod(name="held", namespace="shop")
    assert (pod.metadata.uid, pod.metadata.finalizers) == (old, ["acme.example/hold"])


def test_a_finalizer_that_is_taken_off_lets_the_pod_go(shop: Running) -> None:
    old = uid(shop, "slow")
    deleter(shop).delete("shop", "slow", uid=old, grace_seconds=5)
    assert seen(shop, "slow", old, 20).kind == "terminating"
    assert seen(shop, "slow", old, 10).kind == "deleted"


def test_grace_zero_does_not_get_past_a_finalizer(shop: Running) -> None:
    code, body = shop.http("DELETE", "/api/v1/namespaces/shop/pods/held?gracePeriodSeconds=0", token=ADMIN)
    assert (code, body["kind"], bool(body["metadata"]["deletionTimestamp"])) == (200, "Pod", True)
    assert uid(shop, "held")


# --- disruption budgets -----------------------------------------------------------------------------------------------


def test_a_budget_stands_against_an_eviction_and_not_against_a_delete(folder: Path) -> None:
    with opened(folder, budgets=[BUDGET | {"min_available": 2}]) as shop:
        old = uid(shop, REPLICAS[0])
        with pytest.raises(Refused) as caught:
            deleter(shop).evict("shop", REPLICAS[0], uid=old, grace_seconds=5)
        assert (caught.value.why, caught.value.retry) == ("quota", True)
        assert caught.value.detail.endswith("the disruption budget api needs 2 healthy pods and has 2")
        assert marked(shop) == []
        deleter(shop).delete("shop", REPLICAS[0], uid=old, grace_seconds=5)
        assert marked(shop) == [old]


def test_a_budget_lets_go_what_it_can_spare_and_no_more(folder: Path) -> None:
    with opened(folder, budgets=[BUDGET]) as shop:
        first, second = uid(shop, REPLICAS[0]), uid(shop, REPLICAS[1])
        deleter(shop).evict("shop", REPLICAS[0], uid=first, grace_seconds=5)
        # The one that terminates does not count, and the one made in its place is not ready yet.
        with pytest.raises(Refused, match="needs 1 healthy pods and has 1"):
            deleter(shop).evict("shop", REPLICAS[1], uid=second, grace_seconds=5)
        shop.lab.advance(timedelta(seconds=10))
        deleter(shop).evict("shop", REPLICAS[1], uid=second, grace_seconds=5)
        assert marked(shop) == [first, second]


def test_what_waits_or_terminates_is_evicted_whatever_a_budget_says(folder: Path) -> None:
    with opened(folder, budgets=[BUDGET | {"min_available": 2}]) as shop:
        waiting, ending = uid(shop, "stuck"), uid(shop, REPLICAS[0])
        deleter(shop).evict("shop", "stuck", uid=waiting, grace_seconds=5)
        deleter(shop).delete("shop", REPLICAS[0], uid=ending, grace_seconds=5)
        deleter(shop).evict("shop", REPLICAS[0], uid=ending, grace_seconds=5)
        assert marked(shop) == [waiting, ending]


def test_two_budgets_over_a_pod_are_an_error_of_the_server_and_nothing_happens(folder: Path) -> None:
    with opened(folder, budgets=[BUDGET, BUDGET | {"name": "all", "labels": {}}]) as shop:
        old = uid(shop, REPLICAS[0])
        with pytest.raises(Unconfirmed, match="HTTP 500"):
            deleter(shop).evict("shop", REPLICAS[0], uid=old, grace_seconds=5)
        assert (marked(shop), seen(shop, REPLICAS[0], old, 2).kind) == ([], "failed")


def test_an_eviction_of_another_uid_is_a_conflict(shop: Running) -> None:
    with pytest.raises(Refused, match="has another UID"):
        deleter(shop).evict("shop", "db-0", uid=uid(shop, "held"), grace_seconds=5)
    assert marked(shop) == []
