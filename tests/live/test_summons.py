"""The way to `act`: the id of a record on a topic, over Pub/Sub's own wire, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import pubsub_v1

from lab import pubsub
from lab.delivery import clients, pull
from lab.google import LabGoogle
from responder import wiring
from responder.errors import SettingsError, Unanswered
from responder.settings import Settings

PROJECT = "projects/acme-sec"
RECORD = "a" * 32


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with pubsub.serve() as served:
        yield served


@pytest.fixture
def subscription(host: str) -> Iterator[tuple[pubsub_v1.SubscriberClient, str, str]]:
    """A subscriber, a topic of its own, and its subscription."""
    topic, name = (f"{PROJECT}/{kind}/act-{uuid.uuid4().hex}" for kind in ("topics", "subscriptions"))
    with clients(host) as (publisher, subscriber):
        publisher.create_topic(name=topic)
        subscriber.create_subscription(request={"name": name, "topic": topic})
        yield subscriber, topic, name


def settings(topic: str) -> Settings:
    return Settings(scc_parent="organizations/1", action_topic=topic)


def install(host: str) -> None:
    wiring.install(LabGoogle({"pubsub": host}))


def test_a_summons_is_the_id_of_the_record_and_nothing_else(host: str, subscription: tuple[Any, str, str]) -> None:
    subscriber, topic, name = subscription
    install(host)
    wiring.summons(settings(topic)).summon(RECORD)
    (message,) = pull(subscriber, name, 10, seconds=5)
    assert message.message.data == RECORD.encode()
    assert dict(message.message.attributes) == {}
    assert message.message.ordering_key == ""


def test_a_topic_that_is_not_there_is_an_error_that_says_so(host: str) -> None:
    install(host)
    with pytest.raises(Unanswered) as caught:
        wiring.summons(settings(f"{PROJECT}/topics/nowhere")).summon(RECORD)
    assert caught.value.why == "not_found"
    assert "topics/nowhere" in caught.value.detail


def test_without_a_topic_there_is_no_way_to_act() -> None:
    with pytest.raises(SettingsError, match="RESPONDER_ACTION_TOPIC"):
        wiring.summons(settings(""))
