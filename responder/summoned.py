"""A message of the action topic in: the id of a record, and nothing else. Raising has it delivered again.

Whoever can publish there can have a record looked at, and no more: finding, pod and policy are asked anew.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final

from responder import intake, log
from responder.errors import MalformedNotification, Redeliver

_RECORD: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def receive(event: Any, headers: log.Headers | None = None) -> None:
    """One CloudEvent of the action topic. Raises `Redeliver`, and nothing else: its text is a type name."""
    message_id = ""
    with log.request(headers):
        try:
            message_id, encoded = intake.message_of(event)
            try:
                record_id = _record_id(encoded)
            except MalformedNotification as error:
                intake.reject(message_id, str(error), encoded if isinstance(encoded, bytes) else encoded.encode())
                return
            _act(record_id, message_id)
        except BaseException as error:  # noqa: BLE001 - as in intake: the server goes on, and no text gets out
            intake.log_failure(error, "record not acted on", message_id)
            raise Redeliver(type(error).__name__) from None


def _record_id(encoded: str | bytes) -> str:
    text = intake.decoded(encoded).decode("ascii", "replace")
    if not _RECORD.fullmatch(text):
        raise MalformedNotification("the message's data is not the id of a record")
    return text


def _act(record_id: str, message_id: str) -> None:
    from responder import act, wiring  # noqa: PLC0415 - inside the guard: what fails here is answered too
    from responder.tally import counts  # noqa: PLC0415 - the same

    world, started = wiring.acting(), time.monotonic()
    record = act.act(world, record_id)
    seconds = round(time.monotonic() - started, 3)
    said = {"decision": record.decision.kind, "outcome": record.outcome.kind} if record else {"decision": "no record"}
    log.write("INFO", "record acted on", message_id=message_id, record=record_id, seconds=seconds, **said)
    counts.save(wiring.store())
