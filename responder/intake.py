"""A Pub/Sub message in; returning acknowledges it, raising has it delivered again. Keeps the light path light.

Standard library and `notification` only, until the bytes are known to hold a finding of ours: a message of another
category is read, counted and acknowledged in well under a millisecond. What cannot be read is kept, with its reason.
"""

from __future__ import annotations

import binascii
import time
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from responder import log, notification
from responder.errors import Busy, MalformedNotification, Redeliver
from responder.tally import counts

if TYPE_CHECKING:
    from responder.finding import Finding


def receive(event: Any, headers: log.Headers | None = None) -> None:
    """One CloudEvent of type `google.cloud.pubsub.topic.v1.messagePublished`, in whichever form it was sent.

    `headers` are those of the request that brought it; they name the trace that the log's lines belong to. Raises
    `Redeliver`, and nothing else: its text is a type name, since the framework prints and logs what is raised.
    """
    message_id = ""
    with log.request(headers):
        try:
            message_id, encoded = message_of(event)
            try:
                data = decoded(encoded)
            except MalformedNotification as error:
                counts.add("received")
                reject(message_id, str(error), encoded if isinstance(encoded, bytes) else _bytes(encoded))
                return
            _take(data, message_id)
        except BaseException as error:  # noqa: BLE001 - sys.exit in a library must not stop the server, nor a secret get out
            log_failure(error, "message not acknowledged", message_id)
            raise Redeliver(type(error).__name__) from None


def replay(data: bytes, message_id: str) -> str:
    """One message that was delivered before, its data decoded; what became of it, in a few words.

    It takes the same way as a delivered one, and returning means that it was recorded. Raises `Redeliver` where it was
    not; whoever breaks off (KeyboardInterrupt, SystemExit) is not held up.
    """
    try:
        return _take(data, message_id)
    except Exception as error:  # noqa: BLE001 - a message that nobody could take must not keep the others waiting
        log_failure(error, "message not replayed", message_id)
        raise Redeliver(type(error).__name__) from None


def _take(data: bytes, message_id: str) -> str:
    try:
        finding = notification.classify(data)
    except MalformedNotification as error:
        counts.add("received")
        reject(message_id, str(error), data)
        return f"rejected: {error}"
    if isinstance(finding, notification.Foreign):
        counts.add("received", f"foreign.{finding}")
        return f"not ours: {finding}"
    counts.add("received")
    return f"recorded: {', '.join(_respond(finding, data, message_id))}"


def message_of(event: Any) -> tuple[str, str | bytes]:
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


def decoded(encoded: str | bytes) -> bytes:
    """The message's data; MalformedNotification where it is not base64."""
    try:
        # What base64.b64decode(validate=True) comes to, without its copy of the text.
        return binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError):
        raise MalformedNotification("the message's data is not base64") from None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def reject(message_id: str, reason: str, raw: bytes) -> None:
    """Keep the bytes, and say so in the error log."""
    from responder import wiring  # noqa: PLC0415 - the store is opened only when something is to be kept
    from responder.ports import Rejected  # noqa: PLC0415 - the same

    records = wiring.store()
    records.reject(Rejected(message_id=message_id, reason=reason, data=raw, received=wiring.now()))
    records.count("rejected")
    log.write("ERROR", "message rejected", message_id=message_id, reason=reason, bytes=len(raw))


def _respond(finding: Finding, data: bytes, message_id: str) -> tuple[str, ...]:
    from responder import pipeline, wiring  # noqa: PLC0415 - heavy: only for a finding of ours
    from responder.ports import Delivery  # noqa: PLC0415 - the same

    world = wiring.world()
    delivery = Delivery(data=data, message_id=message_id, received=world.now())
    started = time.monotonic()
    ids = pipeline.respond(world, finding, delivery)
    seconds = round(time.monotonic() - started, 3)
    log.write("INFO", "finding answered", message_id=message_id, records=",".join(ids), seconds=seconds)
    counts.save(wiring.store())
    return ids


def log_failure(error: BaseException, what: str, message_id: str = "") -> None:
    """Type and place of what went wrong; never its text, nor a source line: both may hold what the finding holds."""
    frames = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-8:]]
    severity: log.Severity = "WARNING" if isinstance(error, Busy) else "ERROR"
    log.write(severity, what, message_id=message_id, error=type(error).__name__, at=" < ".join(frames))
