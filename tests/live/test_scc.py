"""Step 1's adapter against the lab's Security Command Center, over gRPC."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from google.cloud.securitycenter_v2 import ListFindingsResponse

from lab.google import LabGoogle
from responder.errors import Unanswered
from responder.evidence import Window
from responder.finding import ClusterRef, NodeRef
from responder.live import scc
from responder.live.scc import Scc
from tests.live.shop import EVENT_TIME, NOTIFICATION, WINDOW, open_shop, the_finding

PARENT = "organizations/123456789012"


class Pages:
    """A client whose answers are given: each call takes the next page. `requests` is what it was asked."""

    def __init__(self, *pages: ListFindingsResponse) -> None:
        self.pages = list(pages)
        self.requests: list[Any] = []

    def list_findings(self, *, request: Any, **_: Any) -> Any:
        self.requests.append(request)
        page = self.pages.pop(0)

        class Pager:
            pages = iter((page,))

        return Pager()


def page(*findings: dict[str, Any], token: str = "") -> ListFindingsResponse:
    results: Any = [{"finding": finding} for finding in findings]
    return ListFindingsResponse(list_findings_results=results, next_page_token=token)


def neighbour(number: int) -> dict[str, Any]:
    return {
        "name": f"{PARENT}/sources/1/locations/global/findings/{number:032x}",
        "category": "Added Binary Executed",
        "event_time": EVENT_TIME,
    }


def own() -> dict[str, Any]:
    name = NOTIFICATION["finding"]["name"]
    return {"name": name, "category": NOTIFICATION["finding"]["category"], "event_time": EVENT_TIME}


def test_the_finding_and_its_neighbours_come_from_one_query(google: LabGoogle) -> None:
    finding = the_finding()
    around = Scc(google.securitycenter(), PARENT).around(finding, WINDOW)
    assert {f.category for f in around.findings} == {finding.category, "Added Binary Executed"}
    assert not around.truncated
    assert around.unreadable == 0
    same = next(f for f in around.findings if f.key == finding.key)
    assert (same.pods, same.processes, same.cluster) == (finding.pods, finding.processes, finding.cluster)


def test_an_older_finding_is_found_by_its_name_though_the_window_misses_it(google: LabGoogle) -> None:
    later = Window(EVENT_TIME + timedelta(days=1), EVENT_TIME + timedelta(days=2))
    around = Scc(google.securitycenter(), PARENT).around(the_finding(), later)
    assert [f.key for f in around.findings] == [the_finding().key]


@pytest.mark.parametrize("spelling", ["zones", "locations"])
@pytest.mark.parametrize("project", ["acme-shop-prod", "421458901689"])
def test_a_neighbour_is_found_under_each_spelling_of_the_cluster(spelling: str, project: str) -> None:
    name = f"//container.googleapis.com/projects/{project}/{spelling}/europe-west1-b/clusters/shop-prod"
    with open_shop(findings=[{"category": "Reverse Shell", "resource_name": name}]) as (_, google):
        around = Scc(google.securitycenter(), PARENT).around(the_finding(), WINDOW)
    assert [f.category for f in around.findings] == ["Reverse Shell"]


def test_the_filter_asks_for_cluster_node_and_project_and_nothing_else() -> None:
    finding = dataclasses.replace(the_finding(), canonical_name="")
    name = f"{PARENT}/sources/1750894040330370653{{}}/findings/0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    cluster = "//container.googleapis.com/projects/{}/{}/europe-west1-b/clusters/shop-prod"
    vm = "//compute.googleapis.com/projects/{}/zones/europe-west1-b/instances/gke-shop-prod-default-pool-7d6bb7c7-0rru"
    both = ("acme-shop-prod", "421458901689")
    resources = [
        *(cluster.format(project, kind) for project in both for kind in ("locations", "zones")),
        *(vm.format(project) for project in both),
        *(f"//cloudresourcemanager.googleapis.com/projects/{project}" for project in both),
    ]
    names = " OR ".join(f'name="{name.format(place)}"' for place in ("/locations/global", ""))
    assert scc.filter_of(finding, WINDOW) == (
        f'({names}) OR (event_time>="2026-11-20T08:41:07.482113Z" AND event_time<="2026-11-20T10:41:07.482113Z" AND ('
        + " OR ".join(f'resource_name="{resource}"' for resource in resources)
        + "))"
    )


def test_a_regional_cluster_has_no_zone_spelling() -> None:
    ref = ClusterRef(project="acme-shop-prod", location="europe-west1", name="shop-prod")
    asked = scc.filter_of(dataclasses.replace(the_finding(), cluster=ref), WINDOW)
    assert "locations/europe-west1/clusters" in asked
    assert "zones/europe-west1/clusters" not in asked


def test_hostile_names_are_left_out_of_the_filter() -> None:
    evil = 'x" OR name:"'
    finding = dataclasses.replace(
        the_finding(),
        cluster=ClusterRef(project=evil, location="europe-west1-b", name=evil),
        project_id=evil,
        project_number="12 OR 1",
        nodes=(NodeRef(name=evil, project=evil, zone=evil),),
        canonical_name=evil,
    )
    asked = scc.filter_of(finding, WINDOW)
    assert asked == " OR ".join(f'name="{name}"' for name in scc.names_of(finding))
    assert "x" not in asked.replace("organizations", "")


def test_a_finding_without_a_usable_name_is_not_asked_for() -> None:
    client = Pages()
    finding = dataclasses.replace(the_finding(), name='a" OR name:"', canonical_name="")
    with pytest.raises(Unanswered) as caught:
        Scc(client, PARENT).around(finding, WINDOW)
    assert (caught.value.why, client.requests) == ("invalid", [])


def test_no_number_of_neighbours_hides_the_finding() -> None:
    crowd = [page(neighbour(n), token="more") for n in range(3)]
    client = Pages(*crowd, page(own()))
    around = Scc(client, PARENT).around(the_finding(), WINDOW)
    assert around.truncated
    assert around.findings[0].key == the_finding().key
    assert len(around.findings) == 4
    assert [r.page_token for r in client.requests] == ["", "more", "more", ""]
    assert "event_time" not in client.requests[-1].filter


def test_a_neighbour_that_cannot_be_read_is_counted_and_costs_nothing_else() -> None:
    nameless = neighbour(1) | {"name": ""}
    around = Scc(Pages(page(own(), nameless, neighbour(2))), PARENT).around(the_finding(), WINDOW)
    assert (len(around.findings), around.unreadable) == (2, 1)


def test_the_finding_itself_unreadable_is_broken_and_not_absent() -> None:
    with pytest.raises(Unanswered) as caught:
        Scc(Pages(page(own() | {"event_time": None})), PARENT).around(the_finding(), WINDOW)
    assert caught.value.why == "broken"


@pytest.mark.parametrize(
    ("fault", "why"), [("deny", "denied"), ("quota", "quota"), ("unavailable", "unavailable"), ("lie", "broken")]
)
def test_a_failing_scc_is_a_reason(fault: str, why: str) -> None:
    with open_shop(faults=[{"call": "scc.ListFindings", "kind": fault}]) as (running, google):
        with pytest.raises(Unanswered) as caught:
            Scc(google.securitycenter(), PARENT).around(the_finding(), WINDOW)
        calls = len(running.lab.calls("scc.ListFindings"))
    assert caught.value.why == why
    assert calls == (4 if fault == "unavailable" else 1)
    if why == "denied":
        assert "securitycenter.findings.list at organizations/123456789012" in caught.value.mend


def test_what_was_unavailable_once_is_asked_again() -> None:
    with open_shop(faults=[{"call": "scc.ListFindings", "kind": "unavailable", "times": 2}]) as (_, google):
        around = Scc(google.securitycenter(), PARENT).around(the_finding(), WINDOW)
    assert len(around.findings) == 2


def test_findings_are_asked_for_by_their_names_alone_twenty_in_a_query() -> None:
    one = the_finding()
    crowd = [
        dataclasses.replace(one, name=neighbour(number)["name"], canonical_name="", key=f"1/{number:032x}")
        for number in range(45)
    ]
    nameless = dataclasses.replace(one, name="x' OR category=\"y", canonical_name="", key="1/nameless")
    client = Pages(page(neighbour(3)), page(), page(neighbour(44)))
    found = Scc(client, PARENT).named([*crowd, nameless])
    assert [finding.key for finding in found] == [f"1/{3:032x}", f"1/{44:032x}"]
    filters = [str(request.filter) for request in client.requests]
    assert [text.count("/locations/global/") for text in filters] == [20, 20, 5]
    assert not any("event_time" in text or "nameless" in text or "category" in text for text in filters)


def test_the_lab_has_a_finding_by_its_name_and_lacks_a_forged_one(google: LabGoogle) -> None:
    real = the_finding()
    forged = dataclasses.replace(
        real, name=real.name.rpartition("/")[0] + "/" + "f" * 32, canonical_name="", key="1/" + "f" * 32
    )
    assert [one.key for one in Scc(google.securitycenter(), PARENT).named([forged, real])] == [real.key]


def test_a_query_by_name_that_fails_says_nothing_of_any_finding() -> None:
    shop = open_shop(faults=[{"call": "scc.ListFindings", "kind": "deny"}])
    with shop as (_, google), pytest.raises(Unanswered) as caught:
        Scc(google.securitycenter(), PARENT).named([the_finding()])
    assert caught.value.why == "denied"
