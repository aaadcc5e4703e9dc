"""The Cloud Run functions: decorated, without logic. `act` and `sweep` stand here once they exist."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from responder import intake


@functions_framework.cloud_event
def respond(event: CloudEvent) -> None:
    """One Pub/Sub message with one SCC notification. Returning acknowledges it; raising has it delivered again."""
    intake.receive(event)
