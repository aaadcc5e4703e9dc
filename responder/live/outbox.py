"""After step 7: each finished record goes out to a Pub/Sub topic, for a SIEM or a BigQuery subscription to take.

At least once: whoever reads it tells a repetition by the attributes `record` and `revision`. Publishes, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from responder.errors import Unanswered
from responder.live._errors import Asking
from responder.live._patience import Patience
from responder.record import Record

PERMISSIONS: Final = ("pubsub.topics.publish",)
ROLE: Final = "publisher"
"""The role that holds them: they are granted on the one topic, and only where there is one."""

_SECONDS: Final = 20.0
_ATTEMPT_SECONDS: Final = 8.0
_MOST_BYTES: Final = 9_500_000  # a message may have 10 MB, its attributes included


class Topic:
    """`client` is a `google.pubsub_v1.PublisherClient`; `topic` is `projects/P/topics/T`.

    `seconds` is what one record may take, with all tries.
    """

    def __init__(self, client: Any, topic: str, *, seconds: float = _SECONDS) -> None:
        self._client = client
        self._topic = topic
        self._seconds = seconds

    def publish(self, record: Record) -> None:
        """One message with the record's JSON; the record's id is the ordering key. Waits until it was taken."""
        data = record.model_dump_json().encode()
        if len(data) > _MOST_BYTES:
            raise Unanswered("invalid", "the record is larger than a Pub/Sub message may be")
        attributes = {
            "schema": record.schema_,
            "record": record.id,
            "revision": str(record.provenance.revision),
            "verdict": record.triage.verdict,
        }
        message = {"data": data, "ordering_key": record.id, "attributes": attributes}
        sent(self._client, self._topic, message, seconds=self._seconds)


def sent(client: Any, topic: str, message: Mapping[str, Any], *, seconds: float) -> None:
    """Publish one message, within `seconds` with all tries; Unanswered where it was not taken."""
    patience = Patience(total=seconds, attempt=_ATTEMPT_SECONDS)
    mend = f"grant {PERMISSIONS[0]} on {topic} (roles/pubsub.publisher)"
    with Asking(f"{PERMISSIONS[0]} on {topic}", mend=mend):
        request = {"topic": topic, "messages": [message]}
        client.publish(request=request, retry=patience.retry(), timeout=patience.timeout)
