"""What a finding is about, and when two findings are about the same."""

from __future__ import annotations

from typing import Any

import pytest

from responder.finding import MOST_TARGETS, ClusterRef, Container, PodRef, Target
from tests.builders import TARGET, a_finding

LOOSE = Container(name="loose")
POD = PodRef(namespace="shop", name="cart-0", containers=(Container(name="cart"), Container(name="proxy")))


def cluster(project: str = "acme-shop-prod", location: str = "europe-west1-b", name: str = "shop-prod") -> ClusterRef:
    return ClusterRef(project=project, location=location, name=name)


def test_each_container_of_each_pod_is_a_target() -> None:
    finding = a_finding(pods=(POD, PodRef(namespace="shop", name="web-0")), containers=(LOOSE,))
    assert finding.targets() == (
        Target(namespace="shop", pod="cart-0", container="cart"),
        Target(namespace="shop", pod="cart-0", container="proxy"),
        Target(namespace="shop", pod="web-0"),
    )


def test_a_pod_without_containers_takes_the_free_standing_ones_where_it_is_the_only_pod() -> None:
    finding = a_finding(pods=(PodRef(namespace="shop", name="web-0"),), containers=(LOOSE,))
    assert finding.targets() == (Target(namespace="shop", pod="web-0", container="loose"),)
    assert finding.container(finding.targets()[0]) == LOOSE


def test_without_a_pod_there_is_one_empty_target() -> None:
    finding = a_finding(pods=(), containers=(LOOSE,))
    assert finding.targets() == (Target(),)
    assert not Target().has_pod
    assert finding.pod(Target()) is None
    assert finding.container(Target()) is None


def test_the_container_of_the_pod_goes_before_a_free_standing_one_of_that_name() -> None:
    free = Container(name="cart", image="other")
    finding = a_finding(pods=(POD,), containers=(free,))
    assert finding.container(Target(namespace="shop", pod="cart-0", container="cart")) == POD.containers[0]


def test_the_container_api_is_asked_with_locations_for_a_zone_too() -> None:
    assert cluster().api_name == "projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod"


def test_the_subject_is_the_same_whichever_way_the_project_is_spelt() -> None:
    by_id = a_finding()
    by_number = a_finding(key="1/ff", cluster=cluster(project="421458901689"))
    assert by_id.subject(TARGET) == by_number.subject(TARGET)


@pytest.mark.parametrize(
    "other",
    [
        Target(namespace="shop", pod=TARGET.pod, container="sidecar"),
        Target(namespace="shop", pod="cart-0", container="checkout"),
        Target(namespace="bank", pod=TARGET.pod, container="checkout"),
    ],
)
def test_another_container_pod_or_namespace_is_another_subject(other: Target) -> None:
    assert a_finding().subject(TARGET) != a_finding().subject(other)


def test_another_cluster_is_another_subject() -> None:
    assert a_finding().subject(TARGET) != a_finding(cluster=cluster(location="europe-west4-a")).subject(TARGET)


def test_without_a_pod_the_finding_is_its_own_subject() -> None:
    assert a_finding(key="1/aa").subject(Target()) != a_finding(key="1/bb").subject(Target())


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ({}, {}, True),
        ({}, {"project_id": "", "cluster": cluster(project="421458901689")}, True),
        ({}, {"project_id": "", "project_number": "", "cluster": cluster()}, True),
        ({}, {"project_id": "acme-bank-prod", "cluster": cluster(project="acme-bank-prod")}, False),
        ({}, {"project_number": "99"}, False),
        # Its own two places disagree: that is no agreement with ours.
        ({}, {"cluster": cluster(project="acme-bank-prod")}, False),
        (
            {"project_number": ""},
            {"project_id": "", "cluster": cluster(project="421458901689")},
            None,
        ),
        ({"project_id": "", "project_number": "", "cluster": None}, {}, None),
    ],
)
def test_a_project_is_compared_by_id_and_by_number(
    ours: dict[str, Any], theirs: dict[str, Any], same: bool | None
) -> None:
    one, other = a_finding(**ours), a_finding(**theirs)
    assert one.same_project(other) is same
    assert other.same_project(one) is same


@pytest.mark.parametrize(
    ("theirs", "same"),
    [
        ({}, True),
        ({"cluster": cluster(project="421458901689")}, True),
        ({"cluster": cluster(name="shop-prod-2")}, False),
        ({"cluster": cluster(location="europe-west1")}, False),
        ({"project_id": "acme-bank-prod", "cluster": cluster(project="acme-bank-prod")}, False),
        ({"cluster": None}, None),
    ],
)
def test_a_cluster_is_compared_by_project_location_and_name(theirs: dict[str, Any], same: bool | None) -> None:
    assert a_finding().same_cluster(a_finding(**theirs)) is same


def test_a_list_of_containers_without_end_is_cut_and_said_so() -> None:
    pods = tuple(PodRef(namespace="a", name=f"p-{n}", containers=(Container(name="c"),)) for n in range(200))
    finding = a_finding(pods=pods)
    assert len(finding.targets()) == MOST_TARGETS
    assert finding.targets_left_out == 200 - MOST_TARGETS
