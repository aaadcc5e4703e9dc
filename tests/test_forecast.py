"""Step 7: the forecast tells what the pod's owner does with this record's facts, and says what was not read."""

from __future__ import annotations

from typing import Any

import pytest

from responder.evidence import Evidence, Missing, OwnerChain, OwnerRef, Workload
from responder.forecast import NOT_CURED, forecast
from tests.sheets import NODE, a_container, a_pod, everything, found

GONE = Missing(why="denied", detail="a test")


def a_link(kind: str, name: str, **counts: int) -> Workload:
    return Workload(api_version="apps/v1", kind=kind, name=name, uid=f"u-{name}", how_known="ownerReferences", **counts)


def owned(*links: Workload, mounts: tuple[str, ...] = (), **changes: Any) -> Evidence:
    """Evidence of a pod under this chain, whose container has these mounts; `changes` are fields of the chain."""
    direct = links[0]
    owner = OwnerRef(api_version=direct.api_version, kind=direct.kind, name=direct.name, uid=direct.uid)
    container = a_container("checkout").model_copy(update={"mounts": mounts, "image_id": "shop/checkout@sha256:62"})
    chain = OwnerChain(**({"links": links, "complete": True} | changes))
    return everything(pod=found(a_pod(owner=owner, containers=(container,))), owners=found(chain))


def a_deployment(**counts: int) -> tuple[Workload, Workload]:
    return a_link("ReplicaSet", "checkout-7d9"), a_link("Deployment", "checkout", **counts)


def told(evidence: Evidence) -> str:
    return "\n".join(forecast(evidence))


def test_a_deployment_replaces_the_pod_at_once_from_the_same_image() -> None:
    text = told(owned(*a_deployment(replicas=3, ready_replicas=3)))
    assert "ReplicaSet checkout-7d9 (of Deployment checkout) makes another pod at once, under another name" in text
    assert "Deployment checkout has 3 of 3 replicas ready: 2 serve until the new one is." in text
    assert "shop/checkout@sha256:62" in text


@pytest.mark.parametrize("ready", [0, 1])
def test_the_last_ready_replica_leaves_nobody_to_serve(ready: int) -> None:
    text = told(owned(*a_deployment(replicas=1, ready_replicas=ready)))
    assert f"has {ready} of 1 replicas ready: none may serve until the new one is." in text


def test_replicas_that_were_not_read_are_said_to_be_unknown() -> None:
    assert "How many replicas serve meanwhile is not known." in forecast(owned(*a_deployment(replicas=3)))


def test_a_stateful_set_makes_the_pod_again_under_its_name_with_its_volumes() -> None:
    mounts = ("/data <- persistentVolumeClaim:data-db-0",)
    text = told(owned(a_link("StatefulSet", "db", replicas=2, ready_replicas=2), mounts=mounts))
    assert "StatefulSet db makes the pod again once the old one is gone, under the same name" in text
    assert "persistentVolumeClaim:data-db-0 (/data in checkout) outlives the pod" in text
    assert "is lost with the pod" not in text


def test_a_daemon_set_makes_it_on_the_same_node_and_no_replicas_are_told_of() -> None:
    text = told(owned(a_link("DaemonSet", "agent")))
    assert f"DaemonSet agent makes another pod on the same node, {NODE}." in text
    assert "serve" not in text


def test_a_job_starts_anew_and_may_fail_for_good() -> None:
    text = told(owned(a_link("Job", "nightly-1")))
    assert "Job nightly-1 starts another pod" in text
    assert "backoffLimit (not read)" in text
    assert "CronJob" not in text


def test_a_cron_job_starts_the_next_job_whatever_happens() -> None:
    assert "CronJob nightly starts the next Job" in told(
        owned(a_link("Job", "nightly-1"), a_link("CronJob", "nightly"))
    )


def test_a_bare_pod_is_gone_for_good_and_no_replacement_is_promised() -> None:
    text = told(everything(pod=found(a_pod(owner=None))))
    assert "it is a bare pod, and is gone for good" in text
    assert NOT_CURED not in text


@pytest.mark.parametrize(
    "static", [{"static": True}, {"owner": OwnerRef(api_version="v1", kind="Node", name="n", uid="u")}]
)
def test_deleting_the_mirror_of_a_static_pod_does_nothing(static: dict[str, Any]) -> None:
    (only,) = forecast(everything(pod=found(a_pod(**static))))
    assert only.startswith("Deleting does nothing")
    assert NODE in only


def test_a_controller_of_another_kind_is_named_and_not_guessed_at() -> None:
    assert "Rollout checkout decides what comes in the pod's place" in told(owned(a_link("Rollout", "checkout")))


def test_an_empty_dir_is_lost_with_each_path_at_which_it_is_mounted() -> None:
    mounts = ("/tmp <- emptyDir:scratch", "/a <- b <- emptyDir:scratch", "/etc/app <- configMap:app")
    text = told(owned(*a_deployment(), mounts=mounts))
    assert "emptyDir:scratch (/tmp in checkout, /a <- b in checkout) is lost with the pod." in text
    assert "configMap" not in text


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Rollout"])
def test_no_replacement_cures_a_poisoned_image_and_memory_is_always_lost(kind: str) -> None:
    sentences = forecast(owned(a_link(kind, "x")))
    assert sentences[-1] == NOT_CURED
    assert any(sentence.startswith("Memory, processes") for sentence in sentences)


def test_an_owner_that_was_not_read_may_be_gone() -> None:
    evidence = owned(*a_deployment()).model_copy(update={"owners": GONE})
    assert "The owner itself was not read (denied): if it is gone, nobody makes the pod again." in forecast(evidence)


def test_a_chain_without_its_top_is_said_to_be_one() -> None:
    text = told(owned(a_link("ReplicaSet", "checkout-7d9"), complete=False, broken_by="denied"))
    assert "was not read to its top" in text


def test_a_pod_that_was_not_read_has_no_forecast() -> None:
    (only,) = forecast(Evidence(pod=GONE))
    assert only == "What follows a delete cannot be told: the pod was not read (denied)."
