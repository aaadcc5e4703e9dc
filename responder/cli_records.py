"""The command line of the records: look through them, read one, review one, watch. Touches the store.

`records_app` goes below the main app as `records`.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from responder import cli_store
from responder.exits import CODES, ExitCode, said, stop

if TYPE_CHECKING:
    from responder.ports import RecordLine, RecordQuery, Records

_EVERY_SECONDS: Final = 2.0

records_app = typer.Typer(help=f"Look through the records and review them.\n\n{CODES}", no_args_is_help=True)

RecordId = Annotated[str, typer.Argument(metavar="ID", autocompletion=cli_store.record_ids)]
Watch = Annotated[bool, typer.Option("--watch", help="stay, and show what changes, until Ctrl-C")]


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


@records_app.command("list", help="Records, newest first or as sorted.")
def list_records(  # noqa: PLR0913 - each field of the query is an option
    *,
    project: cli_store.Project = "",
    verdict: cli_store.Verdict = None,
    severity: cli_store.Severity = None,
    state: cli_store.State = None,
    since: cli_store.Since = "",
    search: cli_store.Search = "",
    sort: Annotated[cli_store.Sort, typer.Option(help="what comes first")] = cli_store.Sort.NEWEST,
    after: Annotated[str, typer.Option(metavar="ID", help="those that follow this record: the next page")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    watch: Watch = False,
) -> None:
    """The query's fields are the options."""
    asked = cli_store.query(project=project, verdict=verdict, state=state, since=since, limit=limit)
    query = replace(asked, severity=severity.value if severity else None, text=search, order=sort.value, after=after)
    with said(), cli_store.store() as records:
        _print_brakes(as_json=as_json)
        if watch:
            _watch_list(records, query, as_json=as_json)
            return
        lines = list(records.list(query))
        _print_lines(lines, as_json=as_json)
        if not lines and not as_json:
            typer.echo("no records", err=True)


@records_app.command(help="Print one record.")
def show(
    record_id: RecordId,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
    watch: Watch = False,
) -> None:
    """By its id."""
    with said(), cli_store.store() as records:
        _print_brakes(as_json=as_json)
        cli_store.show([cli_store.one(records, record_id)], as_json=as_json)
        if watch:
            _watch_one(records, record_id, as_json=as_json)


@records_app.command(help=f"Add a review to a record; nothing that was said before is changed.\n\n{CODES}")
def review(
    record_id: RecordId,
    *,
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

    with said(), cli_store.store() as records:
        record = cli_store.one(records, record_id)
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


# --- how lines are written, and watching ------------------------------------------------------------------------------


def _print_brakes(*, as_json: bool) -> None:
    """A brake that is on, or cannot be read, above what a person reads on a terminal; a pipe gets records alone."""
    from responder import braking, report, settings, wiring  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.errors import SettingsError, StoreDenied, StoreError  # noqa: PLC0415 - the same
    from responder.terminal import standard_output  # noqa: PLC0415 - the same

    chosen, console = settings.read_for_the_store(os.environ), standard_output()
    if as_json or not console.is_terminal or not chosen.actions:
        return
    try:
        with closing(wiring.actions(chosen)) as actions:
            lines = braking.told(braking.on(actions.brakes()))
    except StoreDenied:  # who looks at records has no right to it, and nothing is held by that
        lines = ("You may not look at the brake: whether one is on is not said here.",)
    except (SettingsError, StoreError):
        lines = braking.told(None)
    for line in lines:
        console.print(report.visible(line), style="bold red", markup=False, soft_wrap=True)


def _print_lines(lines: Iterable[RecordLine], *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            typer.echo(_json_line(line))
        return
    from responder import listing  # noqa: PLC0415 - not needed for JSON
    from responder.terminal import standard_output  # noqa: PLC0415 - the same

    listing.print_lines(tuple(lines), standard_output(), now=datetime.now(UTC))


def _json_line(line: RecordLine) -> str:
    fields = {name: getattr(line, name) for name in type(line).__dataclass_fields__}
    subject = line.subject.model_dump()
    return json.dumps(fields | {"window_start": line.window_start.isoformat(), "subject": subject})


def _watch_list(records: Records, query: RecordQuery, *, as_json: bool) -> None:
    """On a terminal the list is drawn anew; into a pipe goes each line that is new or has changed, once."""
    from responder import listing  # noqa: PLC0415 - only where it is watched
    from responder.terminal import standard_output  # noqa: PLC0415 - the same

    console = standard_output()

    def look() -> tuple[RecordLine, ...]:
        return tuple(records.list(query))

    with suppress(KeyboardInterrupt):
        if console.is_terminal and not as_json:
            listing.watch_table(look, console, now=lambda: datetime.now(UTC), pause=_pause)
        else:
            listing.watch_changes(look, lambda lines: _flushed(lines, as_json=as_json), pause=_pause)


def _flushed(lines: Iterable[RecordLine], *, as_json: bool) -> None:
    _print_lines(lines, as_json=as_json)
    sys.stdout.flush()


def _watch_one(records: Records, record_id: str, *, as_json: bool, pause: Callable[[], None] | None = None) -> None:
    """The whole record again each time that it has another revision."""
    seen = cli_store.one(records, record_id).provenance.revision
    with suppress(KeyboardInterrupt):
        while True:
            (pause or _pause)()
            record = cli_store.one(records, record_id)
            if record.provenance.revision != seen:
                seen = record.provenance.revision
                cli_store.show([record], as_json=as_json)
                sys.stdout.flush()


def _pause() -> None:
    time.sleep(_EVERY_SECONDS)
