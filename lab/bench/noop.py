"""The yardstick: a CloudEvent function that does nothing, for the same server."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent


@functions_framework.cloud_event
def respond(event: CloudEvent) -> None:
    """Acknowledge."""
