"""The command line: investigate a finding, look through the records, review one. Touches what `wiring` builds.

An error is one line on stderr that says what to do; the exit code says which kind it was (`ExitCode`).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import signal
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from responder import (
    cli_action,
    cli_delivery,
    cli_doctor,
    cli_export,
    cli_permissions,
    cli_policy,
    cli_records,
    cli_shadow,
    cli_stats,
    cli_store,
    cli_triage,
    cli_verify,
    cli_web,
    log,
)
from responder.exits import CODES, ExitCode, said, stop

if TYPE_CHECKING:
    from responder.record import Record
    from responder.settings import Settings

__all__ = ["ExitCode", "app", "main"]

app = typer.Typer(
    help=f"Investigates 'Launch Code Compiler Tool In Container' findings on GKE.\n\n{CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cli_records.records_app, name="records")
cli_export.register(app)
cli_stats.register(app)
app.command()(cli_delivery.sweep)
app.command()(cli_delivery.backfill)
app.add_typer(cli_delivery.dead_letters_app, name="dead-letters")
app.add_typer(cli_triage.triage_app, name="triage")
app.command()(cli_triage.replay)
app.add_typer(cli_policy.policy_app, name="policy")
cli_doctor.register(app)
cli_permissions.register(app)
cli_verify.register(app)
cli_action.register(app)
cli_shadow.register(app)
cli_web.register(app)


def main() -> None:
    """The console script `responder`."""
    log.silence()  # it speaks to a person, and stdout is for what was asked for
    # Ended is as broken off: claims are let go of on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="responder")


# --- investigate ------------------------------------------------------------------------------------------------------


@app.command(help=f"Investigate a finding, with Application Default Credentials, and print its record.\n\n{CODES}")
def investigate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="a notification, a finding, the console's JSON tab or a push body; - is stdin"
        ),
    ] = "",
    again: Annotated[str, typer.Option(metavar="ID", help="ask anew what this record is missing")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print the record as JSON")] = False,
) -> None:
    """Either a file or `--again`."""
    if bool(source) == bool(again):
        stop(ExitCode.USAGE, "give either FILE (- for stdin) or --again ID")
    with said():
        cli_store.show(_again(again) if again else _investigated(_read(source)), as_json=as_json)


def _investigated(data: bytes) -> list[Record]:
    from responder import notification, pipeline, wiring  # noqa: PLC0415 - `--help` must not load Google's clients
    from responder.ports import Delivery  # noqa: PLC0415 - the same

    finding = notification.read(_unwrapped(data))
    if finding is None:
        stop(ExitCode.REFUSED, "not ours: another category, not GKE, or the notice of a deletion")
    settings = _settings()
    world = wiring.world(settings)
    # An id of its own for each run: that of a run that was killed would be taken for a message still at work.
    delivery = Delivery(data=data, message_id=f"cli-{uuid.uuid4()}", received=world.now())
    found = []
    for record_id in pipeline.respond(world, finding, delivery):
        record = world.records.load(record_id)
        if record is None:
            stop(ExitCode.FAILED, f"record {record_id} is being worked on by another instance: show it in a minute")
        found.append(record)
    return found


def _again(record_id: str) -> list[Record]:
    from responder import pipeline, wiring  # noqa: PLC0415 - `--help` must not load Google's clients

    settings = _settings()
    cli_store.one(wiring.store(settings), record_id)
    record = pipeline.again(wiring.world(settings), record_id)
    if record is None:
        stop(ExitCode.NOT_FOUND, f"there is no record {record_id}: `responder records list` has those there are")
    return [record]


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        stop(ExitCode.NOT_FOUND, f"{source} cannot be read: {error.strerror}")


def _unwrapped(data: bytes) -> bytes:
    """The notification in a Pub/Sub push body, a pulled message or gcloud's list of one; a bare finding in an envelope.

    Anything else as it is.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if isinstance(document, list) and len(document) == 1:
        document = document[0]  # `gcloud scc findings list`, `gcloud pubsub subscriptions pull`
    if not isinstance(document, Mapping):
        return data
    message = document.get("message")
    inner = message.get("data") if isinstance(message, Mapping) else None
    if isinstance(inner, str):
        try:
            return base64.b64decode(inner, validate=True)
        except (binascii.Error, ValueError):
            stop(ExitCode.REFUSED, "the message's data is not base64")
    if isinstance(document.get("category"), str) and not {"finding", "findings"} & document.keys():
        document = {"finding": document}
    return json.dumps(document).encode()


@app.command(help="Print the JSON Schema of a record.")
def schema() -> None:
    """As in `docs/record.schema.json`."""
    from responder import schema as record_schema  # noqa: PLC0415 - `--help` must not load pydantic

    typer.echo(record_schema.text(), nl=False)


# --- what they share --------------------------------------------------------------------------------------------------


def _settings() -> Settings:
    from responder import settings  # noqa: PLC0415 - read when a command runs, not when the module is imported

    return settings.read(os.environ)
