"""The command line: investigate a finding, look through the records, review one. Touches what `wiring` builds.

An error is one line on stderr that says what to do; the exit code says which kind it was (`ExitCode`).
"""

from __future__ import annotations

import base64
import binascii
import getpass
import json
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from responder import cli_delivery, cli_permissions, cli_policy, cli_triage, cli_verify, cli_web, log
from responder.exits import CODES, ExitCode, said, stop

if TYPE_CHECKING:
    from responder.ports import RecordLine, Records
    from responder.record import Record
    from responder.settings import Settings

__all__ = ["ExitCode", "app", "main"]

app = typer.Typer(
    help=f"Investigates 'Launch Code Compiler Tool In Container' findings on GKE.\n\n{CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
records_app = typer.Typer(help=f"Look through the records and review them.\n\n{CODES}", no_args_is_help=True)
app.add_typer(records_app, name="records")
app.command()(cli_delivery.sweep)
app.command()(cli_delivery.backfill)
app.add_typer(cli_delivery.dead_letters_app, name="dead-letters")
app.add_typer(cli_triage.triage_app, name="triage")
app.command()(cli_triage.replay)
app.add_typer(cli_policy.policy_app, name="policy")
cli_permissions.register(app)
cli_verify.register(app)
cli_web.register(app)


class State(StrEnum):
    """What a reviewer can say."""

    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class ReviewVerdict(StrEnum):
    """A person's word on a record."""

    TRUE_POSITIVE = "true_positive"
    BENIGN_TRUE_POSITIVE = "benign_true_positive"
    FALSE_POSITIVE = "false_positive"
    UNDETERMINED = "undetermined"


class Form(StrEnum):
    """How a record is written out."""

    JSON = "json"
    MARKDOWN = "markdown"


class ListedState(StrEnum):
    """Where a review stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class ListedVerdict(StrEnum):
    """The machine's verdict."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    BENIGN = "benign"
    INSUFFICIENT_DATA = "insufficient_data"


def main() -> None:
    """The console script `responder`."""
    log.silence()  # it speaks to a person, and stdout is for what was asked for
    # Ended is as broken off: claims are let go of on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()


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
        _show(_again(again) if again else _investigated(_read(source)), as_json=as_json)


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
    _one(wiring.store(settings), record_id)
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


# --- records ----------------------------------------------------------------------------------------------------------


@records_app.command("list", help="Records, newest first.")
def list_records(
    project: Annotated[str, typer.Option(help="project id or number")] = "",
    verdict: Annotated[ListedVerdict | None, typer.Option(help="the machine's verdict")] = None,
    state: Annotated[ListedState | None, typer.Option(help="where the review stands")] = None,
    since: Annotated[datetime | None, typer.Option(help="UTC", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """The query's fields are the options."""
    from responder.ports import RecordQuery  # noqa: PLC0415 - `--help` must not load pydantic

    query = RecordQuery(
        project=project,
        verdict=verdict.value if verdict else None,
        state=state.value if state else None,
        since=since.replace(tzinfo=UTC) if since else None,
        limit=limit,
    )
    with said(), _store() as records:
        lines = list(records.list(query))
        for line in lines:
            typer.echo(_json_line(line) if as_json else _line(line))
        if not lines and not as_json:
            typer.echo("no records", err=True)


def _line(line: RecordLine) -> str:
    from responder import report  # noqa: PLC0415 - `--help` must not load pydantic

    when = f"{line.window_start:%Y-%m-%d %H:%M}"
    gaps = f"{line.gaps} missing" if line.gaps else "complete"
    return _printable(
        f"{line.id}  {when}  {line.state:12}  {line.findings:3}  {gaps:10}  {report.visible(line.summary)}"
    )


def _json_line(line: RecordLine) -> str:
    fields = {name: getattr(line, name) for name in type(line).__dataclass_fields__}
    subject = line.subject.model_dump()
    return json.dumps(fields | {"window_start": line.window_start.isoformat(), "subject": subject})


@records_app.command(help="Print one record.")
def show(
    record_id: Annotated[str, typer.Argument(metavar="ID")],
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
) -> None:
    """By its id."""
    with said(), _store() as records:
        _show([_one(records, record_id)], as_json=as_json)


@records_app.command(help="Write a record (or --all, one JSON object a line) to stdout or to a file.")
def export(
    record_id: Annotated[str, typer.Argument(metavar="ID")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="every record, newest first, one JSON object a line")
    ] = False,
    to: Annotated[Form, typer.Option(help="the form of a single record")] = Form.JSON,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
) -> None:
    """One by its id, or all."""
    if bool(record_id) == everything:
        stop(ExitCode.USAGE, "give either ID or --all")
    with said(), _store() as records:
        if everything:
            _write("".join(record.model_dump_json() + "\n" for record in _all(records)), output)
        elif to is Form.MARKDOWN:
            from responder import report  # noqa: PLC0415 - `--help` must not load pydantic

            _write(report.markdown(_one(records, record_id)), output)
        else:
            _write(_one(records, record_id).model_dump_json(indent=2) + "\n", output)


def _all(records: Records) -> Iterator[Record]:
    from responder.ports import RecordQuery  # noqa: PLC0415 - `--help` must not load pydantic

    for line in records.list(RecordQuery(limit=1_000_000)):
        record = records.load(line.id)
        if record is not None:
            yield record


@records_app.command(help=f"Add a review to a record; nothing that was said before is changed.\n\n{CODES}")
def review(
    record_id: Annotated[str, typer.Argument(metavar="ID")],
    state: Annotated[State, typer.Option(help="closed needs a verdict")],
    note: Annotated[str, typer.Option(help="why; it is kept with the record")],
    verdict: Annotated[ReviewVerdict | None, typer.Option(help="your word on it")] = None,
    by: Annotated[str, typer.Option(help="who reviews; default: the user of this shell")] = "",
    revision: Annotated[int | None, typer.Option(help="the revision you read; default: the one now")] = None,
) -> None:
    """Append-only."""
    if state is State.CLOSED and verdict is None:
        choices = ", ".join(ReviewVerdict)
        stop(ExitCode.USAGE, f"closing needs --verdict: one of {choices}")
    from responder.record import ReviewEntry  # noqa: PLC0415 - `--help` must not load pydantic

    with said(), _store() as records:
        record = _one(records, record_id)
        entry = ReviewEntry(
            state=state.value,
            verdict=verdict.value if verdict else None,
            note=note,
            by=by or getpass.getuser(),
            at=datetime.now(UTC),
        )
        seen = record.provenance.revision if revision is None else revision
        reviewed = records.review(record_id, entry, revision=seen)
        word = f", {reviewed.review.verdict}" if reviewed.review.verdict else ""
        typer.echo(f"{record_id} is {reviewed.review.state}{word}, revision {reviewed.provenance.revision}")


@app.command(help="Print the JSON Schema of a record.")
def schema() -> None:
    """As in `docs/record.schema.json`."""
    from responder import schema as record_schema  # noqa: PLC0415 - `--help` must not load pydantic

    typer.echo(record_schema.text(), nl=False)


# --- what they share --------------------------------------------------------------------------------------------------


def _settings() -> Settings:
    from responder import settings  # noqa: PLC0415 - read when a command runs, not when the module is imported

    return settings.read(os.environ)


@contextmanager
def _store() -> Iterator[Records]:
    from responder import settings, wiring  # noqa: PLC0415 - `--help` must not load pydantic

    records = wiring.store(settings.read_for_the_store(os.environ))
    try:
        yield records
    finally:
        records.close()


def _one(records: Records, record_id: str) -> Record:
    record = records.load(record_id)
    if record is None:
        stop(ExitCode.NOT_FOUND, f"there is no record {record_id}: `responder records list` has those there are")
    return record


def _show(records: list[Record], *, as_json: bool) -> None:
    if as_json:
        for record in records:
            typer.echo(record.model_dump_json(indent=2))
        return
    from responder.terminal import print_record, standard_output  # noqa: PLC0415 - not needed for JSON

    console = standard_output()
    for record in records:
        print_record(record, console)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.flush()
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        stop(ExitCode.REFUSED, f"{output} cannot be written: {error.strerror}")


def _printable(text: str) -> str:
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
