"""Before step 7: `act` is asked to look at a record, by its id on a Pub/Sub topic. Publishes, and no more.

The message holds the id and nothing else: `act` looks everything up itself, and believes nothing that it is told.
"""

from __future__ import annotations

from typing import Any, Final

from responder.live.outbox import PERMISSIONS, ROLE, sent

__all__ = ["PERMISSIONS", "ROLE", "Summons"]

_SECONDS: Final = 20.0


class Summons:
    """`ports.Summons`. `client` is a `google.pubsub_v1.PublisherClient`; `topic` is `projects/P/topics/T`.

    `seconds` is what one summons may take, with all tries.
    """

    def __init__(self, client: Any, topic: str, *, seconds: float = _SECONDS) -> None:
        self._client = client
        self._topic = topic
        self._seconds = seconds

    def summon(self, record_id: str) -> None:
        """One message whose data is the id as UTF-8. Returns once it was taken; Unanswered where it was not."""
        sent(self._client, self._topic, {"data": record_id.encode()}, seconds=self._seconds)
