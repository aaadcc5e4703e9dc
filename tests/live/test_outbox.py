"""The way out: a finished record on a topic, over Pub/Sub's own wire."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import pubsub_v1

from lab import emulators, pubsub
from lab.delivery import clients, pull
from lab.google import LabGoogle
from responder import wiring
from responder.errors import Unanswered
from responder.live.outbox import Topic
from responder.record import Record
from responder.settings import Settings
from tests.builders import a_record

PROJECT = "projects/acme-sec"


@pytest.fixture(scope="module", params=["stand-in", "emulator"])
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "stand-in":
        with pubsub.serve() as served:
            yield served
        return
    if not emulators.available("pubsub"):
        pytest.skip(emulators.missing("pubsub"))
    with emulators.running("pubsub") as emulator:
        yield emulator.host


@pytest.fixture
def subscription(host: str) -> Iterator[tuple[pubsub_v1.SubscriberClient, str, str]]:
    """A subscriber, a topic of its own, and its subscription."""
    name = f"records-{uuid.uuid4().hex}"
    with clients(host) as (publisher, subscriber):
        publisher.create_topic(name=f"{PROJECT}/topics/{name}")
        request = {"name": f"{PROJECT}/subscriptions/{name}", "topic": f"{PROJECT}/topics/{name}"}
        subscriber.create_subscription(request=request)
        yield subscriber, f"{PROJECT}/topics/{name}", f"{PROJECT}/subscriptions/{name}"


def google(host: str) -> LabGoogle:
    return LabGoogle({"pubsub": host})


def pulled(subscription: tuple[Any, str, str]) -> list[Any]:
    subscriber, _, name = subscription
    return [one.message for one in pull(subscriber, name, 10, seconds=5)]


def test_a_record_goes_out_whole_with_its_id_as_ordering_key(host: str, subscription: tuple[Any, str, str]) -> None:
    record = a_record("a" * 32)
    Topic(google(host).publisher(), subscription[1]).publish(record)
    (message,) = pulled(subscription)
    assert Record.model_validate_json(message.data) == record
    assert message.ordering_key == record.id
    assert dict(message.attributes) == {
        "schema": "responder.investigation/v1",
        "record": record.id,
        "revision": str(record.provenance.revision),
        "verdict": record.triage.verdict,
    }


def test_a_topic_that_is_not_there_is_a_reason(host: str) -> None:
    topic = Topic(google(host).publisher(), f"{PROJECT}/topics/nowhere")
    with pytest.raises(Unanswered) as caught:
        topic.publish(a_record())
    assert caught.value.why == "not_found"
    assert "topics/nowhere" in caught.value.detail


def test_after_a_failure_the_same_record_can_go_out(host: str, subscription: tuple[Any, str, str]) -> None:
    client = google(host).publisher()
    with pytest.raises(Unanswered):
        Topic(client, f"{PROJECT}/topics/nowhere").publish(a_record())
    Topic(client, subscription[1]).publish(a_record())
    assert len(pulled(subscription)) == 1


def test_a_pubsub_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(Unanswered) as caught:
            Topic(google(host).publisher(), f"{PROJECT}/topics/records", seconds=1.0).publish(a_record())
    assert caught.value.why in {"timeout", "unavailable"}
    assert time.monotonic() - started < 3


def test_a_record_that_is_larger_than_a_message_may_be_is_not_sent(subscription: tuple[Any, str, str]) -> None:
    large = a_record().model_copy(update={"links": {"x": "x" * 9_600_000}})
    with pytest.raises(Unanswered) as caught:
        Topic(None, subscription[1]).publish(large)
    assert caught.value.why == "invalid"


def test_a_world_has_an_outbox_where_a_topic_is_configured_and_none_elsewhere(tmp_path: Any, host: str) -> None:
    parent, store = "organizations/1", str(tmp_path / "records.db")
    topic = f"{PROJECT}/topics/records-{uuid.uuid4().hex}"
    for given in ("", topic):
        wiring.install(google(host))
        world = wiring.world(Settings(scc_parent=parent, store=store, records_topic=given))
        assert (world.outbox is not None) == bool(given)
    assert world.outbox is not None
    with pytest.raises(Unanswered) as caught:
        world.outbox.publish(a_record())
    assert caught.value.why == "not_found"
    world.records.close()
