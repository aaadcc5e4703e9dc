"""What delivery does, held against the stand-in and against Google's emulator, wherever that is installed."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import PublisherOptions

from lab import emulators, pubsub
from lab.bridge import bridge
from lab.delivery import clients

PROJECT = "projects/acme-sec"
POLICY = {"minimum_backoff": {"seconds": 0, "nanos": 200_000_000}, "maximum_backoff": {"seconds": 1}}


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


@dataclass
class Broker:
    """Both clients, and names that no other test uses."""

    publisher: PublisherClient
    subscriber: SubscriberClient
    topic: str
    subscription: str

    def create(self, **config: Any) -> None:
        self.publisher.create_topic(name=self.topic)
        self.subscribe(self.subscription, self.topic, **config)

    def subscribe(self, name: str, topic: str, **config: Any) -> None:
        self.subscriber.create_subscription(request={"name": name, "topic": topic, **config})

    def publish(self, data: bytes, **attributes: str) -> str:
        return str(self.publisher.publish(self.topic, data, **attributes).result(10))

    def pull(self, most: int = 10, *, of: str = "", seconds: float = 10.0) -> list[Any]:
        """What comes within some seconds, at most that many; nothing of it is acknowledged."""
        found: list[Any] = []
        until = time.monotonic() + seconds
        while len(found) < most and time.monotonic() < until:
            request = {"subscription": of or self.subscription, "max_messages": most - len(found)}
            with contextlib.suppress(exceptions.DeadlineExceeded):
                found += self.subscriber.pull(request=request, timeout=min(3.0, seconds), retry=None).received_messages
        return found

    def acknowledge(self, *messages: Any) -> None:
        ids = [one.ack_id for one in messages]
        self.subscriber.acknowledge(request={"subscription": self.subscription, "ack_ids": ids})

    def give_back(self, message: Any) -> None:
        self.deadline(message, 0)

    def deadline(self, message: Any, seconds: int) -> None:
        request = {
            "subscription": self.subscription, "ack_ids": [message.ack_id], "ack_deadline_seconds": seconds,
        }  # fmt: skip
        self.subscriber.modify_ack_deadline(request=request)


@pytest.fixture
def broker(host: str) -> Iterator[Broker]:
    name = f"t{uuid.uuid4().hex[:12]}"
    with clients(host) as (publisher, subscriber):
        yield Broker(publisher, subscriber, f"{PROJECT}/topics/{name}", f"{PROJECT}/subscriptions/{name}")


@dataclass
class Endpoint:
    """A push endpoint: answers what it is told, and keeps what it was sent."""

    answer: Callable[[int], int]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def endpoint(answer: Callable[[int], int]) -> Iterator[Endpoint]:
    """`answer` is handed the number of the request, from 1, and gives the status."""
    made = Endpoint(answer)
    lock = threading.Lock()

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                made.bodies.append(body)
                made.times.append(time.monotonic())
                number = len(made.bodies)
            status = made.answer(number)
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def wait(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_topic_that_is_there_is_not_created_again(broker: Broker) -> None:
    broker.create()
    with pytest.raises(exceptions.AlreadyExists):
        broker.publisher.create_topic(name=broker.topic)
    with pytest.raises(exceptions.AlreadyExists):
        broker.subscribe(broker.subscription, broker.topic)


def test_what_is_not_there_is_not_found(broker: Broker) -> None:
    with pytest.raises(exceptions.NotFound):
        broker.publish(b"x")
    with pytest.raises(exceptions.NotFound):
        broker.subscribe(broker.subscription, broker.topic)
    with pytest.raises(exceptions.NotFound):
        broker.subscriber.pull(request={"subscription": broker.subscription, "max_messages": 1}, timeout=5, retry=None)


@pytest.mark.parametrize("attempts", [4, 101])
def test_a_dead_letter_policy_of_fewer_than_5_or_more_than_100_attempts_is_refused(
    broker: Broker, attempts: int
) -> None:
    broker.publisher.create_topic(name=broker.topic)
    policy = {"dead_letter_topic": broker.topic, "max_delivery_attempts": attempts}
    with pytest.raises(exceptions.OutOfRange):
        broker.subscribe(broker.subscription, broker.topic, dead_letter_policy=policy)


def test_a_message_without_data_and_attributes_is_refused(broker: Broker) -> None:
    broker.create()
    with pytest.raises(exceptions.InvalidArgument):
        broker.publish(b"")


# --- pull -------------------------------------------------------------------------------------------------------------


def test_a_message_comes_whole_and_once_acknowledged_never_again(broker: Broker) -> None:
    broker.create()
    published = broker.publish("{é}".encode(), kind="scc")
    (received,) = broker.pull(1)
    assert (received.message.data, dict(received.message.attributes)) == ("{é}".encode(), {"kind": "scc"})
    assert received.message.message_id == published
    broker.acknowledge(received)
    assert broker.pull(1, seconds=2) == []


def test_every_subscription_of_a_topic_has_each_message(broker: Broker) -> None:
    broker.create()
    other = f"{broker.subscription}-b"
    broker.subscribe(other, broker.topic)
    broker.publish(b"one")
    assert [one.message.data for one in (*broker.pull(1), *broker.pull(1, of=other))] == [b"one", b"one"]


def test_a_message_that_is_given_back_comes_again_under_its_own_id(broker: Broker) -> None:
    broker.create()
    published = broker.publish(b"again")
    (first,) = broker.pull(1)
    broker.give_back(first)
    (second,) = broker.pull(1)
    assert second.message.message_id == first.message.message_id == published
    assert second.ack_id != first.ack_id


def test_a_message_whose_deadline_passes_comes_again(broker: Broker) -> None:
    broker.create(ack_deadline_seconds=10)
    broker.publish(b"slow")
    (late,) = broker.pull(1)
    broker.deadline(late, 1)
    (again,) = broker.pull(1)
    assert again.message.message_id == late.message.message_id


def test_a_deadline_that_is_put_off_is_kept(broker: Broker) -> None:
    broker.create(ack_deadline_seconds=10)
    broker.publish(b"long")
    (held,) = broker.pull(1)
    broker.deadline(held, 1)
    broker.deadline(held, 30)
    assert broker.pull(1, seconds=2) == []


def test_the_attempts_are_counted_where_dead_letters_have_a_topic_and_the_fifth_is_the_last(broker: Broker) -> None:
    dead = f"{broker.topic}-dead"
    broker.publisher.create_topic(name=dead)
    broker.subscribe(f"{broker.subscription}-dead", dead)
    policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
    broker.create(dead_letter_policy=policy, retry_policy=POLICY)
    published = broker.publish(b"poison", kind="scc")
    attempts = []
    for _ in range(5):
        (received,) = broker.pull(1)
        attempts.append(received.delivery_attempt)
        broker.give_back(received)
    assert attempts == [1, 2, 3, 4, 5]
    assert broker.pull(1, seconds=2) == []  # the emulator buries a message when it is asked for it once more
    (letter,) = broker.pull(1, of=f"{broker.subscription}-dead")
    attributes = dict(letter.message.attributes)
    assert (letter.message.data, attributes.pop("kind")) == (b"poison", "scc")
    assert letter.message.message_id != published
    assert attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert attributes == {
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": broker.subscription.rpartition("/")[2],
        "CloudPubSubDeadLetterSourceSubscriptionProject": "acme-sec",
    }


def test_of_one_ordering_key_the_next_waits_for_the_first_and_other_keys_do_not(host: str, broker: Broker) -> None:
    broker.create(enable_message_ordering=True)
    options = PublisherOptions(enable_message_ordering=True)
    with clients(host, options) as (publisher, _):
        for data, key in ((b"a1", "a"), (b"a2", "a"), (b"b1", "b")):
            publisher.publish(broker.topic, data, ordering_key=key).result(10)
    seen: list[bytes] = []
    first = broker.pull(1)
    others = broker.pull(1)
    seen += [one.message.data for one in (*first, *others)]
    assert sorted(seen) in ([b"a1", b"b1"], [b"a1", b"a2"])
    assert seen.index(b"a1") == 0 or b"a2" not in seen


# --- push -------------------------------------------------------------------------------------------------------------


def test_a_push_has_the_body_that_google_documents_and_204_acknowledges(broker: Broker) -> None:
    with endpoint(lambda _: 204) as pushed:
        broker.create(push_config={"push_endpoint": f"{pushed.url}projects/p/topics/t?a=b"})
        published = broker.publish("{é}".encode(), kind="scc")
        assert wait(lambda: bool(pushed.bodies))
        time.sleep(1.5)
    (body,) = pushed.bodies
    message = body["message"]
    assert body["subscription"] == broker.subscription
    assert message["messageId"] == message["message_id"] == published
    assert (message["data"], message["attributes"]) == ("e8OpfQ==", {"kind": "scc"})
    assert message["publishTime"] == message["publish_time"]


@pytest.mark.parametrize("status", [400, 503])
def test_a_push_that_is_refused_comes_again_until_it_is_taken(broker: Broker, status: int) -> None:
    with endpoint(lambda number: status if number < 3 else 200) as pushed:
        broker.create(push_config={"push_endpoint": pushed.url}, retry_policy=POLICY)
        broker.publish(b"x")
        assert wait(lambda: len(pushed.bodies) == 3)
        time.sleep(1.5)
    assert len({body["message"]["messageId"] for body in pushed.bodies}) == 1
    assert len(pushed.bodies) == 3


def test_a_push_waits_before_it_comes_again_as_the_retry_policy_says(broker: Broker) -> None:
    with endpoint(lambda number: 500 if number < 3 else 204) as pushed:
        policy = {"minimum_backoff": {"seconds": 1}, "maximum_backoff": {"seconds": 3}}
        broker.create(push_config={"push_endpoint": pushed.url}, retry_policy=policy)
        broker.publish(b"x")
        assert wait(lambda: len(pushed.bodies) == 3)
    first, second, third = pushed.times
    assert 0.8 <= second - first < 4
    assert 0.8 <= third - second < 5


def test_a_push_that_always_fails_is_a_dead_letter_after_exactly_five_attempts(broker: Broker) -> None:
    dead = f"{broker.topic}-dead"
    broker.publisher.create_topic(name=dead)
    broker.subscribe(f"{broker.subscription}-dead", dead)
    with endpoint(lambda _: 500) as pushed:
        broker.create(
            push_config={"push_endpoint": pushed.url},
            retry_policy=POLICY,
            dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 5},
        )
        broker.publish(b"poison")
        (letter,) = broker.pull(1, of=f"{broker.subscription}-dead", seconds=20)
        time.sleep(1.5)
    assert letter.message.data == b"poison"
    assert letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert len(pushed.bodies) == 5


@pytest.mark.slow
def test_an_endpoint_slower_than_the_deadline_is_delivered_to_again_while_it_still_works(broker: Broker) -> None:
    def answer(number: int) -> int:
        if number == 1:
            time.sleep(12)
        return 204

    with endpoint(answer) as pushed:
        broker.create(push_config={"push_endpoint": pushed.url}, ack_deadline_seconds=10, retry_policy=POLICY)
        broker.publish(b"x")
        assert wait(lambda: len(pushed.bodies) == 2, 15)
        assert 9.5 < pushed.times[1] - pushed.times[0] < 11.9


# --- the bridge -------------------------------------------------------------------------------------------------------


def test_the_bridge_posts_the_body_of_a_push_and_acknowledges_what_is_taken(broker: Broker) -> None:
    with endpoint(lambda _: 204) as pushed:
        broker.create()
        with bridge(broker.subscriber, broker.subscription, [pushed.url]) as running:
            published = broker.publish(b"x", kind="scc")
            assert wait(lambda: running.acknowledged == 1)
    (body,) = pushed.bodies
    assert body["subscription"] == broker.subscription
    assert {key: body["message"][key] for key in ("messageId", "data", "attributes")} == {
        "messageId": published, "data": "eA==", "attributes": {"kind": "scc"},
    }  # fmt: skip
    assert broker.pull(1, seconds=1) == []


def test_the_bridge_gives_back_what_is_refused_and_what_nobody_answers(broker: Broker) -> None:
    with endpoint(lambda number: 500 if number == 1 else 204) as pushed:
        broker.create(retry_policy=POLICY)
        with bridge(broker.subscriber, broker.subscription, ["http://127.0.0.1:1/", pushed.url]) as running:
            broker.publish(b"x")
            assert wait(lambda: running.acknowledged == 1)
        assert set(running.statuses) == {0, 500, 204}
    assert len({body["message"]["messageId"] for body in pushed.bodies}) == 1


def test_the_bridge_delivers_the_very_same_message_again_where_its_acknowledgement_is_lost(broker: Broker) -> None:
    lost = iter([True, False])
    with endpoint(lambda _: 204) as pushed:
        broker.create()
        with bridge(broker.subscriber, broker.subscription, [pushed.url], lose_ack=lambda: next(lost)) as running:
            broker.publish(b"x")
            assert wait(lambda: running.acknowledged == 1)
    assert len(pushed.bodies) == 2
    assert len({body["message"]["messageId"] for body in pushed.bodies}) == 1


def test_the_bridge_never_has_more_under_way_than_it_may(broker: Broker) -> None:
    now, most, lock = [0], [0], threading.Lock()

    def answer(_: int) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        return 204

    with endpoint(answer) as pushed:
        broker.create()
        for index in range(20):
            broker.publish(b"%d" % index)
        with bridge(broker.subscriber, broker.subscription, [pushed.url], at_once=3) as running:
            assert wait(lambda: running.acknowledged == 20)
    assert 2 <= most[0] <= 3
    assert len({body["message"]["messageId"] for body in pushed.bodies}) == 20


def test_a_call_that_the_stand_in_does_not_have_is_unimplemented() -> None:
    with pubsub.serve() as served, grpc.insecure_channel(served) as channel:
        call = channel.unary_unary("/google.pubsub.v1.Subscriber/Seek")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
