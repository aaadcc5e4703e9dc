"""Dead letters, over Pub/Sub's own wire: looked at, held, given back, taken."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from lab import emulators, pubsub
from lab.delivery import clients
from lab.google import LabGoogle
from responder.errors import Unanswered
from responder.live.dead_letters import DeadLetters

PROJECT = "projects/acme-sec"


@dataclass
class Dead:
    """A dead-letter topic, and what reads it."""

    letters: DeadLetters
    publish: Callable[..., str]

    def ids(self, limit: int = 10) -> list[str]:
        """What can be pulled now; it is given back."""
        found = list(self.letters.pull(limit))
        self.letters.give_back(*found)
        return sorted(one.message_id for one in found)


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
def dead(host: str) -> Iterator[Dead]:
    name = f"dead-{uuid.uuid4().hex}"
    topic, subscription = f"{PROJECT}/topics/{name}", f"{PROJECT}/subscriptions/{name}"
    with clients(host) as (publisher, subscriber):
        publisher.create_topic(name=topic)
        subscriber.create_subscription(request={"name": subscription, "topic": topic})

        def publish(data: bytes, **attributes: str) -> str:
            return str(publisher.publish(topic, data, **attributes).result(10))

        yield Dead(DeadLetters(LabGoogle({"pubsub": host}).subscriber(), subscription), publish)


def test_a_letter_is_read_with_what_pubsub_wrote_beside_it(dead: Dead) -> None:
    source = {
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": "responder",
    }
    message_id = dead.publish(b"\x00 anything", **source)
    (letter,) = dead.letters.pull(10)
    assert (letter.message_id, letter.data) == (message_id, b"\x00 anything")
    assert (letter.attempts, letter.subscription) == ("5", "responder")
    assert letter.published is not None
    assert abs(datetime.now(UTC) - letter.published) < timedelta(minutes=1)


def test_what_was_pulled_is_held_until_it_is_given_back_or_taken(dead: Dead) -> None:
    ids = [dead.publish(b"a"), dead.publish(b"b")]
    first, second = dead.letters.pull(10)
    assert dead.ids() == []
    dead.letters.give_back(first)
    dead.letters.acknowledge(second)
    assert dead.ids(1) == [first.message_id]
    assert sorted(ids) == sorted([first.message_id, second.message_id])


def test_no_more_are_pulled_than_were_asked_for_and_all_of_them_once(dead: Dead) -> None:
    ids = sorted(dead.publish(b"x", n=str(n)) for n in range(25))
    few = list(dead.letters.pull(3))
    assert len(few) == 3
    dead.letters.give_back(*few)
    assert dead.ids(100) == ids


def test_whoever_stops_half_way_has_taken_only_what_was_handed_out(dead: Dead) -> None:
    ids = {dead.publish(b"x", n=str(n)) for n in range(5)}
    pulled = dead.letters.pull(5)
    seen = {one.message_id for one in islice(pulled, 2)}
    pulled.close()
    assert set(dead.ids()) == ids - seen


def test_one_at_a_time_leaves_the_others_to_others(dead: Dead) -> None:
    ids = {dead.publish(b"a"), dead.publish(b"b")}
    first = next(dead.letters.pull(2, at_once=1))
    assert set(dead.ids()) == ids - {first.message_id}


def test_an_empty_subscription_has_no_letters(dead: Dead) -> None:
    assert dead.ids() == []


class Waits:
    """A Pub/Sub that waits for a message longer than the caller does, as the real one may."""

    def pull(self, **_: Any) -> Any:
        from google.api_core.exceptions import DeadlineExceeded  # noqa: PLC0415 - as the client raises it

        raise DeadlineExceeded("no message in time")  # type: ignore[no-untyped-call] # it has no types


def test_a_pull_that_waits_too_long_for_a_message_found_none() -> None:
    assert list(DeadLetters(Waits(), f"{PROJECT}/subscriptions/dead").pull(5)) == []


def test_a_subscription_that_is_not_there_and_a_pubsub_that_is_not_there_are_reasons(host: str) -> None:
    nowhere = DeadLetters(LabGoogle({"pubsub": host}).subscriber(), f"{PROJECT}/subscriptions/nowhere")
    with pytest.raises(Unanswered) as caught:
        list(nowhere.pull(1))
    assert caught.value.why == "not_found"
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        gone = LabGoogle({"pubsub": f"127.0.0.1:{bound.getsockname()[1]}"}).subscriber()
        with pytest.raises(Unanswered) as caught:
            list(DeadLetters(gone, f"{PROJECT}/subscriptions/dead").pull(1))
    assert caught.value.why == "unavailable"
