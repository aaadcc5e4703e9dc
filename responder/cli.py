"""The command line: investigate a finding, look through the records, review one. Touches what `wiring` builds.

An error is one line on stderr that says what to do; the exit code says which kind it was (`ExitCode`).
"""

from __future__ import annotations

import base64
import binascii
import getpass
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from responder import errors

if TYPE_CHECKING:
    from responder.ports import RecordLine, Records
    from responder.record import Record
    from responder.settings import Settings


class ExitCode(IntEnum):
    """What became of the command."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    SETTINGS = 3
    NOT_FOUND = 4
    STALE = 5
    FAILED = 6


_CODES: Final = (
    "Exit codes: 0 done; 1 not a finding of ours, or it cannot be read; 2 wrong usage; 3 a setting is absent or wrong; "
    "4 no such record or file; 5 the record has changed since that revision; 6 the store or a source failed, try again."
)

app = typer.Typer(
    help=f"Investigates 'Launch Code Compiler Tool In Container' findings on GKE.\n\n{_CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
records_app = typer.Typer(help=f"Look through the records and review them.\n\n{_CODES}", no_args_is_help=True)
app.add_typer(records_app, name="records")


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
    app()


# --- investigate ------------------------------------------------------------------------------------------------------


@app.command(help=f"Investigate a finding, with Application Default Credentials, and print its record.\n\n{_CODES}")
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
        _stop(ExitCode.USAGE, "give either FILE (- for stdin) or --again ID")
    with _said():
        _show(_again(again) if again else _investigated(_read(source)), as_json=as_json)


def _investigated(data: bytes) -> list[Record]:
    from responder import notification, pipeline, wiring  # noqa: PLC0415 - `--help` must not load Google's clients
    from responder.ports import Delivery  # noqa: PLC0415 - the same

    finding = notification.read(_unwrapped(data))
    if finding is None:
        _stop(ExitCode.REFUSED, "not ours: another category, not GKE, or the notice of a deletion")
    settings = _settings()
    world = wiring.world(settings)
    # An id of its own for each run: that of a run that was killed would be taken for a message still at work.
    delivery = Delivery(data=data, message_id=f"cli-{uuid.uuid4()}", received=world.now())
    found = []
    for record_id in pipeline.respond(world, finding, delivery):
        record = world.records.load(record_id)
        if record is None:
            _stop(ExitCode.FAILED, f"record {record_id} is being worked on by another instance: show it in a minute")
        found.append(record)
    return found


def _again(record_id: str) -> list[Record]:
    from responder import pipeline, wiring  # noqa: PLC0415 - `--help` must not load Google's clients

    settings = _settings()
    _one(wiring.store(settings), record_id)
    record = pipeline.again(wiring.world(settings), record_id)
    if record is None:
        _stop(ExitCode.NOT_FOUND, f"there is no record {record_id}: `responder records list` has those there are")
    return [record]


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        _stop(ExitCode.NOT_FOUND, f"{source} cannot be read: {error.strerror}")


def _unwrapped(data: bytes) -> bytes:
    """The notification inside a Pub/Sub push body or a pulled message; anything else as it is."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    message = document.get("message") if isinstance(document, Mapping) else None
    inner = message.get("data") if isinstance(message, Mapping) else None
    if not isinstance(inner, str):
        return data
    try:
        return base64.b64decode(inner, validate=True)
    except (binascii.Error, ValueError):
        _stop(ExitCode.REFUSED, "the message's data is not base64")


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
    with _said(), _store() as records:
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
    with _said(), _store() as records:
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
        _stop(ExitCode.USAGE, "give either ID or --all")
    with _said(), _store() as records:
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


@records_app.command(help=f"Add a review to a record; nothing that was said before is changed.\n\n{_CODES}")
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
        _stop(ExitCode.USAGE, f"closing needs --verdict: one of {choices}")
    from responder.record import ReviewEntry  # noqa: PLC0415 - `--help` must not load pydantic

    with _said(), _store() as records:
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
        said = f", {reviewed.review.verdict}" if reviewed.review.verdict else ""
        typer.echo(f"{record_id} is {reviewed.review.state}{said}, revision {reviewed.provenance.revision}")


@app.command(help="Print the JSON Schema of a record.")
def schema() -> None:
    """As in `docs/record.schema.json`."""
    from responder import schema as record_schema  # noqa: PLC0415 - `--help` must not load pydantic

    typer.echo(record_schema.text(), nl=False)


# --- what they share --------------------------------------------------------------------------------------------------


def _settings(environ: Mapping[str, str] | None = None) -> Settings:
    from responder import settings  # noqa: PLC0415 - read when a command runs, not when the module is imported

    return settings.read(os.environ if environ is None else environ)


@contextmanager
def _store() -> Iterator[Records]:
    from responder import wiring  # noqa: PLC0415 - `--help` must not load pydantic

    # Looking at records asks nothing of SCC: its parent may be absent on a machine that only has the store.
    settings = _settings({"RESPONDER_SCC_PARENT": "organizations/0"} | dict(os.environ))
    records = wiring.store(settings)
    try:
        yield records
    finally:
        records.close()


def _one(records: Records, record_id: str) -> Record:
    record = records.load(record_id)
    if record is None:
        _stop(ExitCode.NOT_FOUND, f"there is no record {record_id}: `responder records list` has those there are")
    return record


def _show(records: list[Record], *, as_json: bool) -> None:
    if as_json:
        for record in records:
            typer.echo(record.model_dump_json(indent=2))
        return
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON

    from responder.terminal import print_record  # noqa: PLC0415 - the same

    console = Console(highlight=False)
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
        _stop(ExitCode.REFUSED, f"{output} cannot be written: {error.strerror}")


def _printable(text: str) -> str:
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


_ENDINGS: Final[tuple[tuple[type[errors.ResponderError], ExitCode, Callable[[Any], str]], ...]] = (
    (errors.SettingsError, ExitCode.SETTINGS, str),
    (errors.MalformedNotification, ExitCode.REFUSED, lambda error: f"this cannot be read as a finding: {error}"),
    (errors.StaleRevision, ExitCode.STALE, lambda error: f"{error}, and review what is there now"),
    (errors.Busy, ExitCode.FAILED, lambda error: f"{error}: try again in a minute"),
    (errors.ResponderError, ExitCode.FAILED, str),
)


@contextmanager
def _said() -> Iterator[None]:
    """What goes wrong, in one line and an exit code; no traceback, since the texts in it may not be ours."""
    try:
        yield
    except errors.ResponderError as error:
        code, words = next((code, words) for kind, code, words in _ENDINGS if isinstance(error, kind))
        _stop(code, words(error), cause=error)
    except typer.Exit:
        raise
    except BrokenPipeError:
        # `responder records list | head`: whoever reads has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.OK) from None
    except Exception as error:  # noqa: BLE001 - a library's error text may hold a token, and a traceback its lines
        from responder.redact import scrub  # noqa: PLC0415 - only where something went wrong

        _stop(ExitCode.FAILED, f"failed: {scrub(error)}", cause=error)


def _stop(code: ExitCode, message: str, *, cause: BaseException | None = None) -> NoReturn:
    from responder import report  # noqa: PLC0415 - `--help` must not load pydantic

    typer.echo(f"responder: {report.visible(message)}", err=True)
    raise typer.Exit(code) from cause
