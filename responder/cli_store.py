"""What the commands on records share: the store, a query from options, a time from words, a record's id to complete.

Touches the store that `wiring` opens.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from responder.exits import ExitCode, stop

if TYPE_CHECKING:
    from responder.ports import RecordQuery, Records
    from responder.record import Record

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
WHEN_HELP: Final = "24h, 90m, 7d ago, or 2026-11-20T09:00 (UTC)"
EVERY: Final = 1_000_000
"""The limit of a query that has none."""


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


class ListedSeverity(StrEnum):
    """The machine's severity."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class Sort(StrEnum):
    """What comes first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SCORE = "score"
    FINDINGS = "findings"


Project = Annotated[str, typer.Option(help="project id or number")]
Verdict = Annotated[ListedVerdict | None, typer.Option(help="the machine's verdict")]
State = Annotated[ListedState | None, typer.Option(help="where the review stands")]
Severity = Annotated[ListedSeverity | None, typer.Option(help="the machine's severity", case_sensitive=False)]
Search = Annotated[str, typer.Option(metavar="TEXT", help="in the id, the places, the workload or the summary")]
Since = Annotated[str, typer.Option(metavar="WHEN", help=WHEN_HELP)]


@contextmanager
def store() -> Iterator[Records]:
    """The record store that the environment names, closed at the end."""
    from responder import settings, wiring  # noqa: PLC0415 - `--help` must not load pydantic

    records = wiring.store(settings.read_for_the_store(os.environ))
    try:
        yield records
    finally:
        records.close()


def one(records: Records, record_id: str) -> Record:
    """The record, or the end of the command."""
    record = records.load(record_id)
    if record is None:
        stop(ExitCode.NOT_FOUND, f"there is no record {record_id}: `responder records list` has those there are")
    return record


def show(records: list[Record], *, as_json: bool) -> None:
    """Print the records, for a person or for a program."""
    if as_json:
        for record in records:
            typer.echo(record.model_dump_json(indent=2))
        return
    from responder.terminal import print_record, standard_output  # noqa: PLC0415 - not needed for JSON

    console = standard_output()
    for record in records:
        print_record(record, console)


def query(
    *, project: str, verdict: ListedVerdict | None, state: ListedState | None, since: str, limit: int
) -> RecordQuery:
    """The options as a query; ends the command where `since` is no time."""
    from responder.ports import RecordQuery  # noqa: PLC0415 - `--help` must not load pydantic

    return RecordQuery(
        project=project,
        verdict=verdict.value if verdict else None,
        state=state.value if state else None,
        since=moment("--since", since, datetime.now(UTC)) if since else None,
        limit=limit,
    )


def loaded(records: Records, asked: RecordQuery) -> Iterator[Record]:
    """The whole records of a query, one in memory at a time."""
    for line in records.list(asked):
        record = records.load(line.id)
        if record is not None:
            yield record


def moment(option: str, text: str, now: datetime) -> datetime:
    """A time, UTC, from how long ago it was or as it is written; ends the command where it is neither."""
    ago = re.fullmatch(r"(\d{1,6})([mhd])", text)
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        written = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        stop(ExitCode.USAGE, f"{option} must be how long ago (24h, 90m, 7d) or a time (2026-11-20T09:00)")
    return written.astimezone(UTC) if written.tzinfo else written.replace(tzinfo=UTC)


def record_ids(incomplete: str) -> list[tuple[str, str]]:
    """Ids of the newest records for the shell to complete, each with our own words for it.

    No word of a finding is among them: some shells evaluate what a completion prints.
    """
    from responder.ports import RecordQuery  # noqa: PLC0415 - `--help` must not load pydantic

    try:
        with store() as records:
            lines = list(records.list(RecordQuery(limit=200)))
    except Exception:  # noqa: BLE001 - a shell that completes has no place for an error, and none is due
        return []
    return [
        (line.id, f"{line.verdict}, {line.state}, {line.window_start:%Y-%m-%d %H.%M}")
        for line in lines
        if line.id.startswith(incomplete)
    ]
