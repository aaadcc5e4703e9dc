"""Delivery, the lab's side: pulls from a subscription and posts what Pub/Sub would have pushed.

For tests that kill the function: Google's emulator strands messages in push mode when a connection breaks, and a goal
of "nothing lost" measured on it would measure the emulator. Touches the subscription, and the function's endpoints.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from google.api_core import exceptions
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1 import types

from lab.pubsub import ACKNOWLEDGED, push_body
from lab.serving import post

_POLL_SECONDS: Final = 0.05
_ERRORS: Final = (exceptions.GoogleAPICallError, exceptions.RetryError)


class Bridge:
    """Deliveries of one subscription to some endpoints, in turn, at most `at_once` of them at the same time.

    `lose_ack` is asked for each acknowledgement; where it says True, the acknowledgement is lost, and the very same
    message comes again. `statuses` counts the answers; 0 stands for a connection that broke.
    """

    def __init__(
        self,
        subscriber: SubscriberClient,
        subscription: str,
        urls: Sequence[str],
        *,
        at_once: int = 16,
        lose_ack: Callable[[], bool] = lambda: False,
    ) -> None:
        self._subscriber, self._subscription = subscriber, subscription
        self._urls, self._lose_ack = itertools.cycle(urls), lose_ack
        self._config = types.Subscription.pb(subscriber.get_subscription(subscription=subscription))
        self._seconds = int(self._config.ack_deadline_seconds)
        self._at_once = at_once
        self._free = threading.Semaphore(at_once)
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="bridge")
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._pull, name="bridge", daemon=True)
        self.statuses: Counter[int] = Counter()
        self.acknowledged = 0
        self.in_flight = 0
        self.busy_at = time.monotonic()

    def start(self) -> None:
        """Begin to pull."""
        self._thread.start()

    def stop(self) -> None:
        """Stop pulling, and wait for what is being posted; a second time does no harm."""
        self._stopped.set()
        self._thread.join()
        self._pool.shutdown()

    def idle(self) -> float:
        """For how many seconds nothing was delivered or under way."""
        with self._lock:
            return 0.0 if self.in_flight else time.monotonic() - self.busy_at

    def _pull(self) -> None:
        while not self._stopped.is_set():
            self._free.acquire()
            slots = 1 + sum(self._free.acquire(blocking=False) for _ in range(self._at_once - 1))
            messages = self._pulled(slots)
            for _ in range(slots - len(messages)):
                self._free.release()
            for one in messages:
                with self._lock:
                    self.in_flight += 1
                    self.busy_at = time.monotonic()
                self._pool.submit(self._deliver, one)

    def _pulled(self, most: int) -> Sequence[Any]:
        # Immediately, though Google advises against it: a pull that is given up may take a message along.
        request = {"subscription": self._subscription, "max_messages": most, "return_immediately": True}
        try:
            found = self._subscriber.pull(request=request, timeout=10.0, retry=None).received_messages
        except _ERRORS:
            found = ()
        if not found:
            self._stopped.wait(_POLL_SECONDS)
        return tuple(found)

    def _deliver(self, received: Any) -> None:
        status = 0
        try:
            body = push_body(self._config, types.PubsubMessage.pb(received.message), received.delivery_attempt or 1)
            # Whoever takes longer than the ack deadline is delivered to again, as by a push.
            with contextlib.suppress(OSError, http.client.HTTPException):
                status = post(next(self._urls), body, timeout=self._seconds)
            self._answer(received.ack_id, status)
        finally:
            with self._lock:
                self.in_flight -= 1
                self.busy_at = time.monotonic()
                self.statuses[status] += 1
            self._free.release()

    def _answer(self, ack_id: str, status: int) -> None:
        request: dict[str, Any] = {"subscription": self._subscription, "ack_ids": [ack_id]}
        with contextlib.suppress(*_ERRORS):
            if status in ACKNOWLEDGED and not self._lose_ack():
                self._subscriber.acknowledge(request=request, timeout=10.0)
                with self._lock:
                    self.acknowledged += 1
            else:
                self._subscriber.modify_ack_deadline(request={**request, "ack_deadline_seconds": 0}, timeout=10.0)


@contextlib.contextmanager
def bridge(
    subscriber: SubscriberClient, subscription: str, urls: Sequence[str], *, at_once: int = 16,
    lose_ack: Callable[[], bool] = lambda: False,
) -> Iterator[Bridge]:  # fmt: skip
    """A `Bridge` that delivers while the block runs."""
    made = Bridge(subscriber, subscription, urls, at_once=at_once, lose_ack=lose_ack)
    made.start()
    try:
        yield made
    finally:
        made.stop()
