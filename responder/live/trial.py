"""The doctor's synthetic finding: publishes one message to the topic of the findings, as a person who may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from responder.live.outbox import sent

if TYPE_CHECKING:
    from responder.live.google import Google

PERMISSIONS: Final = ("pubsub.topics.publish",)
ROLE: Final = "tester"
"""A person's, for the time of a test: whoever may publish there can have any words investigated."""

_SECONDS: Final = 20.0


class Findings:
    """The topic of the findings."""

    def __init__(self, google: Google) -> None:
        self._google = google

    def publish(self, topic: str, data: bytes) -> None:
        """One message, without attributes, as SCC sends them; Unanswered where it was not taken."""
        sent(self._google.publisher(), topic, {"data": data}, seconds=_SECONDS)
