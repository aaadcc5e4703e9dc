"""Step 2's adapter: the cluster, and which of its endpoints the token may be sent to."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from google.cloud.container_v1 import Cluster

from lab.google import LabGoogle
from responder import ports
from responder.errors import Unanswered
from responder.evidence import Endpoint
from responder.finding import ClusterRef
from responder.live.gke import Gke
from tests.live.shop import CLUSTER, EVENT_TIME, open_shop

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
DNS = "gke-0123456789ab.europe-west1.gke.goog"
ALL = ("dns", "public", "private")


class OneCluster:
    """A client that answers every GetCluster with this cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def get_cluster(self, **_: Any) -> Cluster:
        return self.cluster


def a_cluster(
    *, ca: str = PEM, dns: dict[str, Any] | None = None, ip: dict[str, Any] | None = None, **more: Any
) -> Any:
    plane = {"dns_endpoint_config": dns or {}, "ip_endpoints_config": ip or {}}
    return Cluster(
        name=CLUSTER.name,
        location=CLUSTER.location,
        master_auth={"cluster_ca_certificate": base64.b64encode(ca.encode()).decode()},
        control_plane_endpoints_config=plane,
        **more,
    )


def way(cluster: Any, order: tuple[str, ...] = ALL) -> tuple[Endpoint, ports.Access | None]:
    told, access = Gke(OneCluster(cluster), order).cluster(CLUSTER, event_time=EVENT_TIME)
    return told.endpoint, access


def test_the_cluster_is_told_as_the_container_api_has_it(google: LabGoogle) -> None:
    cluster, access = Gke(google.container(), ALL).cluster(CLUSTER, event_time=EVENT_TIME)
    assert (cluster.name, cluster.location, cluster.location_type) == ("shop-prod", "europe-west1-b", "zone")
    assert (cluster.project_id, cluster.status, cluster.release_channel) == ("acme-shop-prod", "RUNNING", "REGULAR")
    assert (cluster.dataplane_v2, cluster.autopilot, cluster.network_policy) == (True, False, False)
    assert cluster.workload_pool == "acme-shop-prod.svc.id.goog"
    assert cluster.labels == {"team": "shop"}
    assert not cluster.newer_than_event
    assert access is not None
    assert access.kind == cluster.endpoint.kind == "public"
    assert access.ca_pem.startswith("-----BEGIN CERTIFICATE-----")


def test_a_cluster_made_after_the_event_is_said_to_be_another(google: LabGoogle) -> None:
    event_time = EVENT_TIME - timedelta(days=400)
    cluster, _ = Gke(google.container(), ALL).cluster(CLUSTER, event_time=event_time)
    assert cluster.newer_than_event


@pytest.mark.parametrize(
    ("cluster", "kind", "host"),
    [
        (a_cluster(dns={"endpoint": DNS, "allow_external_traffic": True}, endpoint="203.0.113.7"), "dns", DNS),
        (a_cluster(dns={"endpoint": DNS}, endpoint="203.0.113.7"), "public", "203.0.113.7"),
        (a_cluster(endpoint="203.0.113.7"), "public", "203.0.113.7"),
        (
            a_cluster(ip={"enabled": True, "public_endpoint": "203.0.113.8"}, endpoint="10.0.0.2"),
            "public",
            "203.0.113.8",
        ),
        (a_cluster(dns={"endpoint": DNS}, ip={"enabled": False}, endpoint="203.0.113.7"), "none", ""),
        (
            a_cluster(
                endpoint="10.0.0.2",
                private_cluster_config={"enable_private_endpoint": True, "private_endpoint": "10.0.0.2"},
            ),
            "private",
            "10.0.0.2",
        ),
        (
            a_cluster(ip={"enabled": True, "enable_public_endpoint": False, "private_endpoint": "10.0.0.3"}),
            "private",
            "10.0.0.3",
        ),
        (a_cluster(), "none", ""),
    ],
)
def test_the_best_endpoint_that_can_be_used_is_chosen(cluster: Any, kind: str, host: str) -> None:
    endpoint, access = way(cluster)
    assert (endpoint.kind, endpoint.host) == (kind, host)
    assert (access.host if access else "") == host
    assert endpoint.reason


def test_a_dns_endpoint_is_verified_by_the_systems_authorities_and_an_ip_by_the_clusters() -> None:
    both = a_cluster(dns={"endpoint": DNS, "allow_external_traffic": True}, endpoint="203.0.113.7")
    _, by_name = way(both)
    _, by_address = way(both, ("public", "dns"))
    assert by_name is not None
    assert by_name.ca_pem == ""
    assert by_address is not None
    assert (by_address.kind, by_address.ca_pem) == ("public", PEM)


@pytest.mark.parametrize("ca", ["", "not a certificate"])
def test_an_ip_endpoint_without_the_clusters_own_authority_is_not_used(ca: str) -> None:
    endpoint, access = way(a_cluster(ca=ca, endpoint="203.0.113.7"))
    assert access is None
    assert "no CA" in endpoint.reason


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:443",
        "203.0.113.7@evil.example",
        "203.0.113.7/../x",
        "203.0.113.7:443:1",
        "203.0.113.7:",
        "203.0.113.7:0",
        "203.0.113.7:99999",
        "203.0.113.7:9999999999",
        "203.0.113.7 ",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - refused
        "224.0.0.1",
        "[::1]",
        "3405803783",
    ],
)
def test_a_host_that_is_no_address_of_a_control_plane_is_never_used(host: str) -> None:
    endpoint, access = way(a_cluster(endpoint=host))
    assert access is None
    assert (endpoint.kind, endpoint.host) == ("none", "")
    assert "not an address of a control plane" in endpoint.reason


@pytest.mark.parametrize(
    "host",
    [
        "gke.goog",
        "evil.example",
        "a.gke.goog.evil.example",
        "evil/gke.goog",
        "A.gke.goog",
        "-a.gke.goog",
        "x@y.gke.goog",
    ],
)
def test_a_dns_endpoint_outside_of_gke_goog_is_never_used(host: str) -> None:
    endpoint, access = way(a_cluster(dns={"endpoint": host, "allow_external_traffic": True}))
    assert access is None
    assert "not an address of a control plane" in endpoint.reason


def test_only_the_kinds_that_the_operator_allows_are_used() -> None:
    endpoint, access = way(a_cluster(endpoint="203.0.113.7"), ("private",))
    assert access is None
    assert endpoint.reason == "private: the cluster has no private endpoint"


def test_the_answer_about_another_cluster_is_broken() -> None:
    other = Cluster(name="other", location=CLUSTER.location)
    with pytest.raises(Unanswered) as caught:
        Gke(OneCluster(other), ALL).cluster(CLUSTER, event_time=EVENT_TIME)
    assert caught.value.why == "broken"


@pytest.mark.parametrize(
    "ref",
    [
        ClusterRef(project="acme-shop-prod", location="europe-west1-b", name=""),
        ClusterRef(project="acme-shop-prod", location="../zones", name="shop"),
        ClusterRef(project="a/b", location="europe-west1-b", name="shop"),
    ],
)
def test_a_name_that_no_cluster_can_have_is_not_asked_for(ref: ClusterRef) -> None:
    with pytest.raises(Unanswered) as caught:
        Gke(OneCluster(a_cluster()), ALL).cluster(ref, event_time=EVENT_TIME)
    assert caught.value.why == "invalid"


@pytest.mark.parametrize(("fault", "why"), [("deny", "denied"), ("not_found", "not_found"), ("lie", "broken")])
def test_a_failing_container_api_is_a_reason(fault: str, why: str) -> None:
    with (
        open_shop(faults=[{"call": "gke.GetCluster", "kind": fault}]) as (_, google),
        pytest.raises(Unanswered) as caught,
    ):
        Gke(google.container(), ALL).cluster(CLUSTER, event_time=EVENT_TIME)
    assert caught.value.why == why
    assert ("container.clusters.get" in caught.value.mend) == (why == "denied")
