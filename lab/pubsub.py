"""Delivery, the lab's side: a stand-in for Pub/Sub behind `PUBSUB_EMULATOR_HOST`, where Google's emulator is not.

Speaks `google.pubsub.v1.Publisher` and `Subscriber` to the unmodified client, and posts to push endpoints. What it does
is what both Google's page on push subscriptions and Google's emulator do, and one test file holds it and the emulator
to that. Like the emulator it lets every message through a subscription's `filter`. `StreamingPull`, snapshots and
seeking are UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import grpc
import grpc.aio
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from lab.answers import ApiError, invalid

ACKNOWLEDGED: Final = frozenset({102, 200, 201, 202, 204})
"""The statuses of a push endpoint that acknowledge (cloud.google.com/pubsub/docs/push, "Receive push messages")."""

_NAME: Final = re.compile(r"projects/[^/]+/(topics|subscriptions)/[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
_PUSHES_AT_ONCE: Final = 16
_PULL_SECONDS: Final = 2.0
_LARGEST: Final = 10_000_000
_PUSH_BACKOFF: Final = (0.1, 60.0)
"""Seconds, where a subscription that pushes has no retry policy: the same page, "Push backoff"."""

_SUBSCRIPTION: Final = types.Subscription.pb()
_MESSAGE: Final = types.PubsubMessage.pb()
_PULLED: Final = types.PullResponse.pb()
_PUBLISHED: Final = types.PublishResponse.pb()


@dataclass(slots=True, eq=False)
class _Held:
    """A message in one subscription. `ready` and `expires` are of the event loop's clock."""

    message: Any
    attempts: int = 0
    ready: float = 0.0
    expires: float = 0.0


@dataclass(slots=True, eq=False)
class _Subscription:
    config: Any
    waiting: list[_Held] = field(default_factory=list)
    out: dict[str, _Held] = field(default_factory=dict)
    pushing: asyncio.Task[None] | None = None

    def backoff(self, attempts: int) -> float:
        """Seconds until the next attempt: doubling from the least to the most that the policy names."""
        least, most = (0.0, 0.0) if not self.config.push_config.push_endpoint else _PUSH_BACKOFF
        if self.config.HasField("retry_policy"):
            policy = self.config.retry_policy
            least, most = _seconds(policy.minimum_backoff) or 10.0, _seconds(policy.maximum_backoff) or 600.0
        return float(min(least * 2 ** min(attempts - 1, 30), most))


class Broker:
    """Topics, subscriptions and what is under way. Everything happens on one event loop."""

    def __init__(self) -> None:
        self._topics: dict[str, Any] = {}
        self._subscriptions: dict[str, _Subscription] = {}
        self._ids = 0
        self._leases = 0

    # --- Publisher ----------------------------------------------------------------------------------------------------

    async def CreateTopic(self, request: Any) -> Any:
        """A topic; ALREADY_EXISTS for one that is there."""
        _check(request.name, self._topics)
        self._topics[request.name] = request
        return request

    async def GetTopic(self, request: Any) -> Any:
        """A topic."""
        return _known(self._topics, request.topic)

    async def DeleteTopic(self, request: Any) -> Any:
        """Forget a topic; its subscriptions keep what they hold."""
        _known(self._topics, request.topic)
        del self._topics[request.topic]
        return empty_pb2.Empty()

    async def Publish(self, request: Any) -> Any:
        """Messages into every subscription of the topic, each with a new id."""
        _known(self._topics, request.topic)
        if any(not message.data and not message.attributes for message in request.messages):
            raise invalid("A message must have data or an attribute.")
        if request.ByteSize() > _LARGEST:
            raise invalid("Request payload size exceeds the limit: 10485760 bytes.")
        return _PUBLISHED(message_ids=[self._publish(request.topic, message) for message in request.messages])

    def _publish(self, topic: str, message: Any) -> str:
        self._ids += 1
        kept = _MESSAGE()
        kept.CopyFrom(message)
        kept.message_id = str(self._ids)
        kept.publish_time.FromDatetime(datetime.now(UTC))
        for subscription in self._subscriptions.values():
            if subscription.config.topic == topic:
                subscription.waiting.append(_Held(kept))
        return str(self._ids)

    # --- Subscriber ---------------------------------------------------------------------------------------------------

    async def CreateSubscription(self, request: Any) -> Any:
        """A subscription, which pushes where it has an endpoint; 10 s to acknowledge unless told."""
        _check(request.name, self._subscriptions)
        _known(self._topics, request.topic)
        config = _SUBSCRIPTION()
        config.CopyFrom(request)
        config.ack_deadline_seconds = config.ack_deadline_seconds or 10
        if not 10 <= config.ack_deadline_seconds <= 600:
            raise invalid("The ack deadline must be from 10 to 600 seconds.")
        if config.HasField("dead_letter_policy"):
            policy = config.dead_letter_policy
            policy.max_delivery_attempts = policy.max_delivery_attempts or 5
            if not 5 <= policy.max_delivery_attempts <= 100:
                message = f"max_delivery_attempts is {policy.max_delivery_attempts}: it must be from 5 to 100."
                raise ApiError(grpc.StatusCode.OUT_OF_RANGE, message)
            _known(self._topics, policy.dead_letter_topic)
        subscription = self._subscriptions[request.name] = _Subscription(config)
        self._push_where_told(subscription)
        return config

    async def GetSubscription(self, request: Any) -> Any:
        """A subscription."""
        return _known(self._subscriptions, request.subscription).config

    async def DeleteSubscription(self, request: Any) -> Any:
        """Forget a subscription, and what it holds."""
        subscription = _known(self._subscriptions, request.subscription)
        if subscription.pushing is not None:
            subscription.pushing.cancel()
        del self._subscriptions[request.subscription]
        return empty_pb2.Empty()

    async def ModifyPushConfig(self, request: Any) -> Any:
        """Push to another endpoint, or to none."""
        subscription = _known(self._subscriptions, request.subscription)
        subscription.config.push_config.CopyFrom(request.push_config)
        self._push_where_told(subscription)
        return empty_pb2.Empty()

    async def Pull(self, request: Any) -> Any:
        """Up to `max_messages`, at once where there are any; an empty answer after two seconds without."""
        subscription = _known(self._subscriptions, request.subscription)
        if request.max_messages <= 0:
            raise invalid("max_messages must be positive.")
        until = _clock() + (0.0 if request.return_immediately else _PULL_SECONDS)
        while not (taken := self._take(subscription, request.max_messages)) and _clock() < until:  # noqa: ASYNC110 - a backoff or a deadline ends without an event
            await asyncio.sleep(0.02)
        counts = subscription.config.HasField("dead_letter_policy")
        return _PULLED(
            received_messages=[
                {"ack_id": ack_id, "message": held.message, "delivery_attempt": held.attempts if counts else 0}
                for ack_id, held in taken
            ]
        )

    async def Acknowledge(self, request: Any) -> Any:
        """Done with these; one whose deadline has passed will be delivered again all the same."""
        subscription = _known(self._subscriptions, request.subscription)
        self._expire(subscription)
        for ack_id in request.ack_ids:
            subscription.out.pop(ack_id, None)
        return empty_pb2.Empty()

    async def ModifyAckDeadline(self, request: Any) -> Any:
        """More time for these; none at all gives them back."""
        subscription = _known(self._subscriptions, request.subscription)
        self._expire(subscription)
        for ack_id in request.ack_ids:
            held = subscription.out.get(ack_id)
            if held is not None and request.ack_deadline_seconds:
                held.expires = _clock() + request.ack_deadline_seconds
            elif held is not None:
                self._give_back(subscription, ack_id)
        return empty_pb2.Empty()

    def backlog(self, name: str) -> int | None:
        """How many messages of a subscription are not acknowledged, for any thread; None where there is no such one."""
        subscription = self._subscriptions.get(name)
        return len(subscription.waiting) + len(subscription.out) if subscription else None

    # --- what a subscription holds ------------------------------------------------------------------------------------

    def _take(self, subscription: _Subscription, most: int) -> list[tuple[str, _Held]]:
        """Messages that are ready, oldest first; of one ordering key only the head."""
        self._expire(subscription)
        ordered = subscription.config.enable_message_ordering
        blocked = {held.message.ordering_key for held in subscription.out.values()} if ordered else set()
        now, taken = _clock(), list[tuple[str, _Held]]()
        for held in subscription.waiting:
            key = held.message.ordering_key if ordered else ""
            if len(taken) < most and held.ready <= now and not (key and key in blocked):
                held.attempts += 1
                held.expires = now + subscription.config.ack_deadline_seconds
                self._leases += 1
                taken.append((f"lease-{self._leases}", held))
            blocked.add(key)
            if len(taken) == most:
                break
        gone = {id(held) for _, held in taken}
        subscription.waiting = [held for held in subscription.waiting if id(held) not in gone]
        subscription.out |= dict(taken)
        return taken

    def _expire(self, subscription: _Subscription) -> None:
        now = _clock()
        for ack_id in [ack_id for ack_id, held in subscription.out.items() if held.expires <= now]:
            self._give_back(subscription, ack_id)

    def _give_back(self, subscription: _Subscription, ack_id: str) -> None:
        """Not acknowledged: wait and be delivered again, or become a dead letter."""
        held = subscription.out.pop(ack_id, None)
        if held is None:
            return
        policy = subscription.config.dead_letter_policy
        if policy.dead_letter_topic and held.attempts >= policy.max_delivery_attempts:
            self._bury(subscription, held)
            return
        held.ready = _clock() + subscription.backoff(held.attempts)
        # Back to its place: the order of an ordering key is that of publishing.
        subscription.waiting.append(held)
        subscription.waiting.sort(key=lambda one: int(one.message.message_id))

    def _bury(self, subscription: _Subscription, held: _Held) -> None:
        """Publish to the dead-letter topic, with what the page on dead-letter topics says is added."""
        letter = _MESSAGE()
        letter.CopyFrom(held.message)
        _, project, _, name = subscription.config.name.split("/")
        source = "CloudPubSubDeadLetterSource"
        letter.attributes[f"{source}DeliveryCount"] = str(held.attempts)
        letter.attributes[f"{source}Subscription"] = name
        letter.attributes[f"{source}SubscriptionProject"] = project
        letter.attributes[f"{source}TopicPublishTime"] = held.message.publish_time.ToJsonString()
        self._publish(subscription.config.dead_letter_policy.dead_letter_topic, letter)

    # --- push ---------------------------------------------------------------------------------------------------------

    def _push_where_told(self, subscription: _Subscription) -> None:
        if subscription.pushing is not None:
            subscription.pushing.cancel()
            subscription.pushing = None
        if subscription.config.push_config.push_endpoint:
            subscription.pushing = asyncio.get_running_loop().create_task(self._push(subscription))

    async def _push(self, subscription: _Subscription) -> None:
        seconds = float(subscription.config.ack_deadline_seconds)
        # A connection for each post: one that a killed worker left behind must not lose the next message.
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as session,
            asyncio.TaskGroup() as posts,
        ):
            slots = asyncio.Semaphore(_PUSHES_AT_ONCE)
            while True:
                await slots.acquire()
                while not (taken := self._take(subscription, 1)):  # noqa: ASYNC110 - the same
                    await asyncio.sleep(0.02)
                ((ack_id, held),) = taken
                posts.create_task(self._post(session, subscription, ack_id, held)).add_done_callback(
                    lambda _: slots.release()
                )

    async def _post(
        self, session: aiohttp.ClientSession, subscription: _Subscription, ack_id: str, held: _Held
    ) -> None:
        try:
            async with session.post(
                subscription.config.push_config.push_endpoint,
                json=push_body(subscription.config, held.message, held.attempts),
                allow_redirects=False,
            ) as response:
                acknowledged = response.status in ACKNOWLEDGED
        except (aiohttp.ClientError, TimeoutError, OSError):
            acknowledged = False
        self._expire(subscription)
        if acknowledged:
            subscription.out.pop(ack_id, None)
        else:
            self._give_back(subscription, ack_id)

    def close(self) -> None:
        """End the pushing."""
        for subscription in self._subscriptions.values():
            if subscription.pushing is not None:
                subscription.pushing.cancel()


def push_body(config: Any, message: Any, attempts: int) -> dict[str, Any]:
    """What is posted for a message, with the default wrapper: both spellings of the id and the time, as Pub/Sub does.

    `config` is the subscription's protobuf, `message` the message's. `deliveryAttempt` is there where the subscription
    has a dead-letter policy.
    """
    time = message.publish_time.ToJsonString()
    wrapped: dict[str, Any] = {
        "attributes": dict(message.attributes),
        "data": base64.b64encode(message.data).decode("ascii"),
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": time,
        "publish_time": time,
    }
    if message.ordering_key:
        wrapped["orderingKey"] = message.ordering_key
    wrapped = {key: value for key, value in wrapped.items() if value}
    body: dict[str, Any] = {"message": wrapped, "subscription": config.name}
    if config.HasField("dead_letter_policy"):
        body["deliveryAttempt"] = attempts
    return body


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)


def _check(name: str, known: Any) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(f"Invalid resource name given (name={name}).")
    if name in known:
        raise ApiError(grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists in the project (resource={name}).")


def _known(known: Any, name: str) -> Any:
    if name not in known:
        raise ApiError(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")
    return known[name]


# --- serving ----------------------------------------------------------------------------------------------------------

_PUBLISHER: Final = {
    "CreateTopic": types.Topic,
    "GetTopic": types.GetTopicRequest,
    "DeleteTopic": types.DeleteTopicRequest,
    "Publish": types.PublishRequest,
}
_SUBSCRIBER: Final = {
    "CreateSubscription": types.Subscription,
    "GetSubscription": types.GetSubscriptionRequest,
    "DeleteSubscription": types.DeleteSubscriptionRequest,
    "ModifyPushConfig": types.ModifyPushConfigRequest,
    "Pull": types.PullRequest,
    "Acknowledge": types.AcknowledgeRequest,
    "ModifyAckDeadline": types.ModifyAckDeadlineRequest,
}


def _handler(broker: Broker, service: str, methods: dict[str, Any]) -> Any:
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            _answering(getattr(broker, name)),
            request_deserializer=request.pb().FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        )
        for name, request in methods.items()
    }
    return grpc.method_handlers_generic_handler(f"google.pubsub.v1.{service}", handlers)


def _answering(method: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def answer(request: Any, context: Any) -> Any:
        try:
            return await method(request)
        except ApiError as error:
            await context.abort(error.code, error.message)

    return answer


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """The stand-in while the block runs: `HOST:PORT`, as `PUBSUB_EMULATOR_HOST` wants it."""
    with serve_broker() as (host, _):
        yield host


@contextlib.contextmanager
def serve_broker() -> Iterator[tuple[str, Broker]]:
    """The same, with the broker behind it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="pubsub", daemon=True)
    thread.start()
    try:
        broker, server, port = asyncio.run_coroutine_threadsafe(_start(), loop).result(30)
        try:
            yield f"127.0.0.1:{port}", broker
        finally:
            asyncio.run_coroutine_threadsafe(_stop(broker, server), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start() -> tuple[Broker, Any, int]:
    broker = Broker()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (_handler(broker, "Publisher", _PUBLISHER), _handler(broker, "Subscriber", _SUBSCRIBER))
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return broker, server, port


async def _stop(broker: Broker, server: Any) -> None:
    broker.close()
    await server.stop(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
