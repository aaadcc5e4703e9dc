"""What SCC has in a span of time, as a backfill and the sweep ask for it: against the lab's SCC, over gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.cloud.securitycenter_v2 import ListFindingsResponse

from lab.google import LabGoogle
from responder.errors import Unanswered
from responder.live.scc import Scc
from responder.notification import read
from responder.ports import Published
from tests.live.shop import EVENT_TIME, NOTIFICATION, open_shop

PARENT = "organizations/123456789012"
DAY = timedelta(days=1)


def published(
    google: LabGoogle, since: datetime = EVENT_TIME - DAY, until: datetime = EVENT_TIME + DAY, project: str = ""
) -> list[Published]:
    return list(Scc(google.securitycenter(), PARENT).published(since, until, project=project))


def ours(*, minutes: int) -> dict[str, Any]:
    told = {
        "name": f"{PARENT}/sources/1/locations/global/findings/{minutes:032x}",
        "canonicalName": "",
        "eventTime": (EVENT_TIME + timedelta(minutes=minutes)).isoformat(),
    }
    return {"like": "notification", "data": {"finding": told}}


@pytest.fixture(scope="module")
def google() -> Iterator[LabGoogle]:
    """Three of our findings, out of order, and others: another category, and ours on Cloud Run."""
    run = "//run.googleapis.com/projects/acme-shop-prod/locations/europe-west1/services/web"
    findings: list[dict[str, Any]] = [
        ours(minutes=60),
        ours(minutes=0),
        ours(minutes=30),
        {"category": "Added Binary Executed", "event_time": "+5s"},
        {"category": NOTIFICATION["finding"]["category"], "resource_name": run, "event_time": "+6s"},
    ]
    with open_shop(findings=findings) as (_, opened):
        yield opened


def test_ours_are_listed_oldest_first_and_no_others(google: LabGoogle) -> None:
    found = published(google)
    assert [one.finding.event_time - EVENT_TIME for one in found] == [
        timedelta(0), timedelta(minutes=30), timedelta(hours=1),
    ]  # fmt: skip
    assert {one.finding.category for one in found} == {NOTIFICATION["finding"]["category"]}
    assert all(one.finding.cluster for one in found)


def test_the_bytes_of_one_are_a_notification_of_the_same_finding(google: LabGoogle) -> None:
    for one in published(google):
        assert read(one.data) == one.finding
        assert set(json.loads(one.data)) >= {"finding", "resource"}


def test_both_ends_of_the_span_are_in_it_and_nothing_beyond(google: LabGoogle) -> None:
    half, hour = EVENT_TIME + timedelta(minutes=30), EVENT_TIME + timedelta(hours=1)
    assert [one.finding.event_time for one in published(google, half, hour)] == [half, hour]
    assert published(google, hour + timedelta(microseconds=1), hour + DAY) == []


@pytest.mark.parametrize("project", ["acme-shop-prod", "421458901689"])
def test_a_project_is_named_by_its_id_or_its_number(google: LabGoogle, project: str) -> None:
    assert len(published(google, project=project)) == 3


@pytest.mark.parametrize("project", ["another-project", "999999999999", 'x" OR state="ACTIVE'])
def test_another_project_has_none_of_them(google: LabGoogle, project: str) -> None:
    assert published(google, project=project) == []


def test_what_scc_refuses_is_a_reason() -> None:
    faults = [{"call": "scc.ListFindings", "kind": "deny"}]
    with open_shop(faults=faults) as (_, opened), pytest.raises(Unanswered) as caught:
        published(opened)
    assert caught.value.why == "denied"
    assert "securitycenter.findings.list" in caught.value.mend


class Pages:
    """A client whose answers are given: each call takes the next page; the last one goes on for ever."""

    def __init__(self, *pages: ListFindingsResponse) -> None:
        self.pages = list(pages)
        self.tokens: list[str] = []

    def list_findings(self, *, request: Any, **_: Any) -> Any:
        self.tokens.append(request.page_token)
        page = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]

        class Pager:
            pages = iter((page,))

        return Pager()


def page(*numbers: int, token: str = "", event_time: datetime = EVENT_TIME) -> ListFindingsResponse:
    results: list[Any] = []
    for number in numbers:
        finding = {
            "name": f"{PARENT}/sources/1/locations/global/findings/{number:032x}",
            "category": NOTIFICATION["finding"]["category"],
            "event_time": event_time,
        }
        cluster = "//container.googleapis.com/projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod"
        results.append({"finding": finding, "resource": {"name": cluster, "type_": "google.container.Cluster"}})
    return ListFindingsResponse(list_findings_results=results, next_page_token=token)


def test_an_empty_page_with_a_token_is_not_the_end() -> None:
    client = Pages(page(1, 2, token="a"), page(token="b"), page(3))
    found = list(Scc(client, PARENT).published(EVENT_TIME, EVENT_TIME))
    assert len(found) == 3
    assert client.tokens == ["", "a", "b"]


def test_a_list_without_an_end_is_given_up_and_what_it_had_was_handed_out() -> None:
    found = Scc(Pages(page(token="a")), PARENT).published(EVENT_TIME, EVENT_TIME)
    with pytest.raises(Unanswered) as caught:
        list(found)
    assert caught.value.why == "unavailable"


def test_one_that_cannot_be_read_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    bad = page(1, 2)
    bad.list_findings_results[0].finding.name = ""
    found = list(Scc(Pages(bad), PARENT).published(EVENT_TIME, EVENT_TIME))
    assert len(found) == 1
    assert "1 findings" in caplog.text
