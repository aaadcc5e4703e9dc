"""A Pub/Sub message in; returning acknowledges it, raising has it delivered again. Keeps the light path light.

Standard library and `notification` only, until the bytes are known to hold a finding of ours: a message of another
category is read, counted and acknowledged in well under a millisecond. What cannot be read is kept, with its reason.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from responder import log, notification
from responder.errors import Busy, MalformedNotification, Redeliver

if TYPE_CHECKING:
    from responder.finding import Finding

_FLUSH_SECONDS: Final = 60.0


def receive(event: Any) -> None:
    """One CloudEvent of type `google.cloud.pubsub.topic.v1.messagePublished`, in whichever form it was sent.

    Raises `Redeliver`, and nothing else: its text is a type name, since the framework prints and logs what is raised.
    """
    message_id = ""
    try:
        message_id, encoded = _message(event)
        try:
            data = _decoded(encoded)
            finding = notification.classify(data)
        except MalformedNotification as error:
            _reject(message_id, str(error), encoded)
            return
        if isinstance(finding, notification.Foreign):
            foreign.add(finding)
            return
        _respond(finding, data, message_id)
    except BaseException as error:  # noqa: BLE001 - sys.exit in a library must not stop the server, nor a secret get out
        _log_failure(error, message_id)
        raise Redeliver(type(error).__name__) from None


def _message(event: Any) -> tuple[str, str | bytes]:
    """Message id and still encoded data. `event.data` is bytes where the sender's body was no JSON."""
    data = event.data
    event_id = str(event.get("id", ""))
    if isinstance(data, Mapping):
        message = data.get("message")
        if isinstance(message, Mapping):
            message_id = message.get("messageId") or message.get("message_id") or event_id
            encoded = message.get("data", "")
            return str(message_id), encoded if isinstance(encoded, str | bytes) else str(encoded)
    return event_id, data if isinstance(data, str | bytes) else str(data)


def _decoded(encoded: str | bytes) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedNotification("the message's data is not base64") from None


def _reject(message_id: str, reason: str, encoded: str | bytes) -> None:
    """Keep the bytes, decoded where they can be, and say so in the error log."""
    from responder import wiring  # noqa: PLC0415 - the store is opened only when something is to be kept
    from responder.ports import Rejected  # noqa: PLC0415 - the same

    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = encoded if isinstance(encoded, bytes) else encoded.encode("utf-8", "surrogatepass")
    records = wiring.store()
    records.reject(Rejected(message_id=message_id, reason=reason, data=raw, received=wiring.now()))
    records.count("rejected")
    log.write("ERROR", "message rejected", message_id=message_id, reason=reason, bytes=len(raw))


def _respond(finding: Finding, data: bytes, message_id: str) -> None:
    from responder import pipeline, wiring  # noqa: PLC0415 - heavy: only for a finding of ours
    from responder.ports import Delivery  # noqa: PLC0415 - the same

    world = wiring.world()
    delivery = Delivery(data=data, message_id=message_id, received=world.now())
    started = time.monotonic()
    ids = pipeline.respond(world, finding, delivery)
    seconds = round(time.monotonic() - started, 3)
    log.write("INFO", "finding answered", message_id=message_id, records=",".join(ids), seconds=seconds)


def _log_failure(error: BaseException, message_id: str) -> None:
    """Type and place of what went wrong; never its text, nor a source line: both may hold what the finding holds."""
    frames = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-8:]]
    severity: log.Severity = "WARNING" if isinstance(error, Busy) else "ERROR"
    log.write(
        severity, "message not acknowledged", message_id=message_id, error=type(error).__name__, at=" < ".join(frames)
    )


class _Foreign:
    """Counts what is not ours, and writes the sum to the log once a minute at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._written = 0.0

    def add(self, reason: str) -> None:
        """One more."""
        with self._lock:
            self._counts[reason] += 1
            if time.monotonic() - self._written < _FLUSH_SECONDS:
                return
            self._written = time.monotonic()
            counts = dict(self._counts)
            self._counts.clear()
        log.write("INFO", "messages of others", since=datetime.now(UTC).isoformat(), **counts)


foreign: Final = _Foreign()
