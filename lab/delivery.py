"""Delivery, the lab's side: which Pub/Sub there is on this machine, its clients, and topics set up as deployed.

Google's emulator where it is installed, else the stand-in; whoever asks is told which of the two it is.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.api_core import exceptions
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import PublisherOptions

from lab import emulators, pubsub

PROJECT: Final = "projects/acme-sec"
_HOST: Final = "PUBSUB_EMULATOR_HOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Topics and subscriptions of one function, as deployed; `pushed` tells whether the subscription pushes."""

    host: str
    publisher: PublisherClient
    subscriber: SubscriberClient
    topic: str
    subscription: str
    dead: str

    def publish(self, data: bytes, **attributes: str) -> str:
        """The id of the message, once it is published."""
        return str(self.publisher.publish(self.topic, data, **attributes).result(30))

    def dead_letters(self, *, seconds: float = 2.0) -> list[Any]:
        """The dead letters that come within some seconds; they are acknowledged."""
        return self._drained(self.dead, seconds)

    def left(self, *, seconds: float = 2.0) -> list[Any]:
        """What the subscription still had to deliver; it is acknowledged."""
        return self._drained(self.subscription, seconds)

    def _drained(self, subscription: str, seconds: float) -> list[Any]:
        found: list[Any] = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            messages = pull(self.subscriber, subscription, 100, seconds=max(until - time.monotonic(), 0.1))
            if messages:
                request = {"subscription": subscription, "ack_ids": [one.ack_id for one in messages]}
                self.subscriber.acknowledge(request=request)
            found += [one.message for one in messages]
        return found


def pull(subscriber: SubscriberClient, subscription: str, most: int, *, seconds: float) -> list[Any]:
    """One pull; nothing where nothing came in time. The emulator waits as long as its caller does."""
    request = {"subscription": subscription, "max_messages": most}
    with contextlib.suppress(exceptions.DeadlineExceeded):
        return list(subscriber.pull(request=request, timeout=seconds, retry=None).received_messages)
    return []


@contextlib.contextmanager
def clients(host: str, options: PublisherOptions | None = None) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    """Google's own clients, which find the emulator by their own environment variable; it is restored at once."""
    before = os.environ.get(_HOST)
    os.environ[_HOST] = host
    try:
        publisher = PublisherClient(publisher_options=options or ())
        subscriber = SubscriberClient()
    finally:
        os.environ.pop(_HOST)
        if before is not None:
            os.environ[_HOST] = before
    try:
        yield publisher, subscriber
    finally:
        publisher.stop()
        publisher.transport.close()
        subscriber.close()


@contextlib.contextmanager
def topics(
    host: str, name: str, *, push_to: str = "", attempts: int = 5, deadline: int = 60, backoff: tuple[float, float]
) -> Iterator[Topics]:
    """A topic, its subscription, and a dead-letter topic with a subscription of its own.

    `backoff` is the retry policy's least and most, `deadline` the time to acknowledge: all in seconds.
    """
    with clients(host) as (publisher, subscriber):
        made = Topics(
            host=host,
            publisher=publisher,
            subscriber=subscriber,
            topic=f"{PROJECT}/topics/{name}",
            subscription=f"{PROJECT}/subscriptions/{name}",
            dead=f"{PROJECT}/subscriptions/{name}-dead",
        )
        dead_topic = f"{made.topic}-dead"
        for topic in (made.topic, dead_topic):
            publisher.create_topic(name=topic)
        subscriber.create_subscription(request={"name": made.dead, "topic": dead_topic})
        request: dict[str, Any] = {
            "name": made.subscription,
            "topic": made.topic,
            "ack_deadline_seconds": deadline,
            "retry_policy": {"minimum_backoff": _duration(backoff[0]), "maximum_backoff": _duration(backoff[1])},
            "dead_letter_policy": {"dead_letter_topic": dead_topic, "max_delivery_attempts": attempts},
        }
        if push_to:
            request["push_config"] = {"push_endpoint": push_to}
        subscriber.create_subscription(request=request)
        try:
            yield made
        finally:
            # Nothing may still be pushed to an endpoint that is about to end.
            subscriber.delete_subscription(subscription=made.subscription)


def _duration(seconds: float) -> dict[str, int]:
    return {"seconds": int(seconds), "nanos": round(seconds % 1 * 1e9)}


@contextlib.contextmanager
def broker() -> Iterator[tuple[str, str]]:
    """Pub/Sub while the block runs: `HOST:PORT`, and what it is, in words."""
    if emulators.available("pubsub"):
        with emulators.running("pubsub", heap="384m") as emulator:
            yield emulator.host, "Google's Pub/Sub emulator"
        return
    with pubsub.serve() as host:
        yield host, f"the lab's STAND-IN for Pub/Sub: {emulators.missing('pubsub')}"
