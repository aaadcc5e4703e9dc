"""How many messages wait, as Cloud Monitoring says: against the lab, and a server that answers what it likes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from lab import pubsub
from lab.delivery import clients, pull
from lab.environment import ROOT
from lab.google import LabGoogle
from lab.rbac import INVESTIGATOR_TOKEN, REVIEW_TOKEN
from lab.scenario import load
from lab.server import serve
from responder.errors import Unanswered
from responder.live.google import Google
from responder.live.monitoring import METRIC, Monitoring
from responder.ports import Backlog
from tests.live.shop import open_shop
from tests.live.test_rest import OneAnswer, as_json

PROJECT = "acme-shop-prod"
DEAD = f"projects/{PROJECT}/subscriptions/dead-letters"
NOW = datetime(2026, 11, 20, 9, 48, 30, tzinfo=UTC)


def asked(server: OneAnswer, subscription: str = DEAD) -> Backlog:
    return Monitoring(cast("Google", server)).backlog(subscription, NOW)


def point(at: str = "2026-11-20T09:46:00Z", count: Any = "3") -> dict[str, Any]:
    return {"interval": {"startTime": at, "endTime": at}, "value": {"int64Value": count}}


def series(*points: Any, project: str = PROJECT, name: str = "dead-letters", metric: str = METRIC) -> dict[str, Any]:
    labels = {"project_id": project, "subscription_id": name}
    return {
        "metric": {"type": metric},
        "resource": {"type": "pubsub_subscription", "labels": labels},
        "metricKind": "GAUGE", "valueType": "INT64", "points": list(points),
    }  # fmt: skip


def test_the_count_is_that_of_the_pubsub_beside_it_as_messages_come_and_go() -> None:
    with pubsub.serve_broker() as (host, broker), clients(host) as (publisher, subscriber), open_shop() as opened:
        running, google = opened
        running.lab.backlog = broker.backlog
        topic = f"projects/{PROJECT}/topics/dead-letters"
        publisher.create_topic(name=topic)
        subscriber.create_subscription(request={"name": DEAD, "topic": topic})
        monitoring = Monitoring(google)
        counts = [monitoring.backlog(DEAD, running.lab.now()).count]
        for data in (b"a", b"b"):
            publisher.publish(topic, data).result(10)
        found = monitoring.backlog(DEAD, running.lab.now())
        counts.append(found.count)
        (one,) = pull(subscriber, DEAD, 1, seconds=5)
        counts.append(monitoring.backlog(DEAD, running.lab.now()).count)  # handed out, and not yet acknowledged
        subscriber.acknowledge(request={"subscription": DEAD, "ack_ids": [one.ack_id]})
        counts.append(monitoring.backlog(DEAD, running.lab.now()).count)
        assert counts == [0, 2, 2, 1]
        assert (found.at.second, found.at.microsecond) == (0, 0)
        assert timedelta(0) <= running.lab.now() - found.at < timedelta(minutes=2)


def test_what_is_asked_names_the_metric_the_project_and_the_subscription_and_ten_minutes() -> None:
    with OneAnswer(as_json({"timeSeries": [series(point())]})).serve() as server:
        assert asked(server) == Backlog(count=3, at=datetime(2026, 11, 20, 9, 46, tzinfo=UTC))
        ((method, path, _),) = server.seen
    assert (method, urlsplit(path).path) == ("GET", f"/monitoring/v3/projects/{PROJECT}/timeSeries")
    assert {name: one for name, (one,) in parse_qs(urlsplit(path).query).items()} == {
        "filter": f'metric.type="{METRIC}" AND resource.labels.project_id="{PROJECT}"'
        ' AND resource.labels.subscription_id="dead-letters"',
        "interval.startTime": "2026-11-20T09:38:30Z",
        "interval.endTime": "2026-11-20T09:48:30Z",
    }


def test_the_newest_point_counts_wherever_it_stands() -> None:
    points = [point("2026-11-20T09:44:00Z", "9"), point("2026-11-20T09:46:00Z", "0"), point("2026-11-20T09:45:00Z")]
    with OneAnswer(as_json({"timeSeries": [series(*points)]})).serve() as server:
        assert asked(server) == Backlog(count=0, at=datetime(2026, 11, 20, 9, 46, tzinfo=UTC))


@pytest.mark.parametrize("empty", [{}, {"unit": "1"}, {"timeSeries": []}])
def test_no_series_is_no_zero(empty: dict[str, Any]) -> None:
    with OneAnswer(as_json(empty)).serve() as server, pytest.raises(Unanswered) as error:
        asked(server)
    assert error.value.why == "not_found"
    assert "no count of dead-letters" in error.value.detail


WRONG: dict[str, Any] = {
    "no points": {"timeSeries": [series()]},
    "several series": {"timeSeries": [series(point()), series(point())]},
    "another subscription": {"timeSeries": [series(point(), name="findings")]},
    "another project": {"timeSeries": [series(point(), project="acme-sec")]},
    "another metric": {"timeSeries": [series(point(), metric="pubsub.googleapis.com/subscription/backlog_bytes")]},
    "a negative count": {"timeSeries": [series(point(count="-1"))]},
    "a fraction": {"timeSeries": [series(point(count="1.5"))]},
    "a number that is no text": {"timeSeries": [series(point(count=3))]},
    "a count without an end": {"timeSeries": [series(point(count="9" * 5000))]},
    "markup": {"timeSeries": [series(point(count="<b>0</b>"))]},
    "digits of another script": {"timeSeries": [series(point(count="\u0663"))]},
    "a double": {"timeSeries": [series(point() | {"value": {"doubleValue": 0}})]},
    "no time": {"timeSeries": [series({"interval": {}, "value": {"int64Value": "0"}})]},
    "a time that is none": {"timeSeries": [series(point("soon"))]},
    "a time without a zone": {"timeSeries": [series(point("2026-11-20T09:46:00"))]},
    "an old point": {"timeSeries": [series(point("2026-11-19T09:46:00Z"))]},
    "a point of the future": {"timeSeries": [series(point("2026-11-20T10:46:00Z"))]},
    "one of two wrong": {"timeSeries": [series(point(), point(count="x"))]},
    "a list for an object": {"timeSeries": {"points": []}},
    "a text for a list": {"timeSeries": "none"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_answer_of_another_form_or_of_something_else_is_broken_and_never_a_number(wrong: Any) -> None:
    with OneAnswer(as_json(wrong)).serve() as server, pytest.raises(Unanswered) as error:
        asked(server)
    assert error.value.why == "broken"
    assert "<b>" not in error.value.detail


@pytest.mark.parametrize("cut", [{"nextPageToken": "more"}, {"executionErrors": [{"code": 14}]}])
def test_an_answer_that_says_that_it_is_not_whole_is_no_answer(cut: dict[str, Any]) -> None:
    with OneAnswer(as_json({"timeSeries": [series(point(count="0"))]} | cut)).serve() as server:
        with pytest.raises(Unanswered) as error:
            asked(server)
        assert error.value.why == "unavailable"


@pytest.mark.parametrize(
    ("answer", "why"),
    [((401, {}, b"{}"), "denied"), ((403, {}, b"{}"), "denied"), ((404, {}, b"{}"), "not_found"),
     ((429, {}, b"{}"), "quota"), ((302, {"Location": "http://198.51.100.1/"}, b"{}"), "broken"),
     ((500, {}, b"{}"), "unavailable"), ((200, {}, b"<html>"), "broken"), ((200, {}, b"[]"), "broken"),
     ((200, {}, b"\xff"), "broken"), ((200, {}, b"[" * 100_000), "broken")],
)  # fmt: skip
def test_a_refusal_is_told_by_its_kind_and_the_right_that_is_missing_is_named(answer: Any, why: str) -> None:
    with OneAnswer(answer).serve() as server, pytest.raises(Unanswered) as error:
        asked(server)
    assert error.value.why == why
    assert ("monitoring.timeSeries.list in project acme-shop-prod" in error.value.mend) is (why == "denied")


@pytest.mark.parametrize(
    "name", ["", "dead", "projects/p/topics/t", 'projects/p/subscriptions/a" OR "b', "projects/../x"]
)
def test_what_is_no_subscriptions_name_is_never_sent(name: str) -> None:
    with OneAnswer(as_json({})).serve() as server, pytest.raises(Unanswered) as error:
        asked(server, name)
    assert (error.value.why, server.seen) == ("invalid", [])


def test_where_it_is_deployed_the_page_may_ask_in_the_responders_project_and_nobody_else_there() -> None:
    dead = "projects/acme-sec/subscriptions/responder-dead"
    healthy = load(ROOT / "lab" / "deployment.yaml")
    with serve(healthy.model_copy(update={"waiting": {dead: 2}})) as running:

        def backlog(token: str, subscription: str = dead) -> Backlog:
            google = LabGoogle(running.endpoints.model_dump(mode="json") | {"token": token})
            return Monitoring(google).backlog(subscription, running.lab.now())

        assert backlog(REVIEW_TOKEN).count == 2
        elsewhere = "projects/other-1/subscriptions/dead"
        for token, subscription in ((INVESTIGATOR_TOKEN, dead), (REVIEW_TOKEN, DEAD), (REVIEW_TOKEN, elsewhere)):
            with pytest.raises(Unanswered) as error:
                backlog(token, subscription)
            assert error.value.why == "denied"
