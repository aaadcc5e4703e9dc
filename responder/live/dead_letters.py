"""Messages that Pub/Sub gave up on: listed, and taken back once they were replayed. Pulls and acknowledges, no more."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from google.api_core.exceptions import DeadlineExceeded

from responder.live._errors import Asking
from responder.live._patience import Patience

PERMISSIONS: Final = ("pubsub.subscriptions.consume",)
ROLE: Final = "analyst"
"""Not the responder's: a person reads dead letters, with rights of their own."""

WAIT_SECONDS: Final = 5.0
"""So long an empty subscription is asked; Pub/Sub itself would wait longer before it says that there is nothing."""

_SECONDS: Final = 10.0
_PULL: Final = 20
_HOLD_SECONDS: Final = 600  # the most that there is


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One of them; `ack_id` gives it back or takes it.

    `attempts` and `subscription` are what Pub/Sub wrote beside it: how often it was delivered, and to whom.
    `message_id` and `published` are of the copy on the dead-letter topic, not of the message as it was first.
    https://cloud.google.com/pubsub/docs/dead-letter-topics
    """

    message_id: str
    data: bytes
    attempts: str
    published: datetime | None
    subscription: str
    ack_id: str


class DeadLetters:
    """`client` is a `google.pubsub_v1.SubscriberClient`, `subscription` one of the dead topic, by its full name."""

    def __init__(self, client: Any, subscription: str) -> None:
        self._client = client
        self._subscription = subscription

    def pull(self, limit: int, *, at_once: int = _PULL) -> Generator[DeadLetter, None, None]:
        """At most `limit` of them, each once. Each is held for ten minutes, then Pub/Sub hands it out again.

        `at_once` are taken in one call: one, where much is done between two of them. What was taken and not yielded,
        because nobody asked for more, is given back.
        """
        seen: set[str] = set()
        while len(seen) < limit:
            # A pull may answer with nothing though something waits; one that says so twice is believed.
            most = min(at_once, limit - len(seen))
            fresh = [one for one in self._pull(most) or self._pull(most) if one.message_id not in seen]
            if not fresh:
                return
            seen.update(one.message_id for one in fresh)
            try:
                while fresh:
                    yield fresh.pop(0)
            finally:
                self.give_back(*fresh)

    def _pull(self, most: int) -> list[DeadLetter]:
        request = {"subscription": self._subscription, "max_messages": most}
        with self._asking():
            try:
                answer = self._client.pull(request=request, timeout=WAIT_SECONDS, retry=None)
            except DeadlineExceeded:
                return []  # how an empty subscription looks to who does not wait as long as Pub/Sub would
        found = [_letter(one) for one in answer.received_messages]
        self._hold(found, _HOLD_SECONDS)
        return found

    def acknowledge(self, letter: DeadLetter) -> None:
        """It was replayed and recorded: Pub/Sub may forget it."""
        request = {"subscription": self._subscription, "ack_ids": [letter.ack_id]}
        patience = Patience(total=_SECONDS, attempt=_SECONDS)
        with self._asking():
            self._client.acknowledge(request=request, timeout=patience.timeout, retry=patience.retry())

    def give_back(self, *letters: DeadLetter) -> None:
        """They were only looked at, or could not be replayed: they may be handed out again at once."""
        self._hold(letters, 0)

    def _hold(self, letters: Sequence[DeadLetter], seconds: int) -> None:
        if not letters:
            return
        request = {
            "subscription": self._subscription,
            "ack_ids": [one.ack_id for one in letters],
            "ack_deadline_seconds": seconds,
        }
        patience = Patience(total=_SECONDS, attempt=_SECONDS)
        with self._asking():
            self._client.modify_ack_deadline(request=request, timeout=patience.timeout, retry=patience.retry())

    def _asking(self) -> Asking:
        mend = f"grant yourself {PERMISSIONS[0]} on {self._subscription} (roles/pubsub.subscriber)"
        return Asking(f"{PERMISSIONS[0]} on {self._subscription}", mend=mend)


def _letter(received: Any) -> DeadLetter:
    message, attributes = received.message, received.message.attributes
    published = message.publish_time
    return DeadLetter(
        message_id=message.message_id,
        data=bytes(message.data),
        attempts=attributes.get("CloudPubSubDeadLetterSourceDeliveryCount", ""),
        published=datetime.fromisoformat(published.isoformat()) if published else None,
        subscription=attributes.get("CloudPubSubDeadLetterSourceSubscription", ""),
        ack_id=received.ack_id,
    )
