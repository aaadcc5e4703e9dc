"""The command line of exports: one record, or those of a query, to standard output or into a folder. Touches both."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from responder import cli_store
from responder.exits import CODES, ExitCode, said, stop

if TYPE_CHECKING:
    from responder.export import Form
    from responder.record import Record


class Target(StrEnum):
    """What a record becomes."""

    JSON = "json"
    MD = "md"
    HTML = "html"
    CSV = "csv"
    OCSF = "ocsf"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(help=f"Write a record, or those of a query, to stdout or into a folder.\n\n{CODES}")(export)


def export(  # noqa: PLR0913 - the query's fields are the options
    record_id: Annotated[str, typer.Argument(metavar="ID", autocompletion=cli_store.record_ids)] = "",
    *,
    project: cli_store.Project = "",
    verdict: cli_store.Verdict = None,
    state: cli_store.State = None,
    since: cli_store.Since = "",
    everything: Annotated[bool, typer.Option("--all", help="every record, newest first")] = False,
    to: Annotated[Target, typer.Option(help="what it becomes; html is a page that needs nothing else")] = Target.JSON,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="a file for each record, csv one for all")
    ] = None,
) -> None:
    """Either an id or a query."""
    asked = bool(project or verdict or state or since or everything)
    if bool(record_id) == asked:
        stop(ExitCode.USAGE, "give either ID, or a query: --project, --verdict, --state, --since, --all")
    from responder import export as exports  # noqa: PLC0415 - `--help` must not load pydantic

    query = cli_store.query(project=project, verdict=verdict, state=state, since=since, limit=cli_store.EVERY)
    form: Form = to.value
    with said(), cli_store.store() as records:
        found: Iterable[Record] = [cli_store.one(records, record_id)] if record_id else cli_store.loaded(records, query)
        if output is not None:
            typer.echo(_into(output, found, form), err=True)
        elif record_id:
            _out([exports.one(next(iter(found)), form)])
        else:
            _out(exports.many(found, form))


def _into(folder: Path, found: Iterable[Record], form: Form) -> str:
    """Write the files and say what was written."""
    from responder import export as exports  # noqa: PLC0415 - `--help` must not load pydantic

    count = 0

    def counted() -> Iterator[Record]:
        nonlocal count
        for record in found:
            count += 1
            yield record

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if form == "csv":
            _file(folder / "records.csv", exports.many(counted(), form))
        else:
            for record in counted():
                _file(folder / exports.file_name(record.id, form), [exports.one(record, form)])
    except OSError as error:
        stop(ExitCode.REFUSED, f"{folder} cannot be written to: {error.strerror}")
    return f"{count} record{'' if count == 1 else 's'} written to {folder}"


def _file(path: Path, texts: Iterable[str]) -> None:
    """Whole or not at all, readable by its owner alone; a link that stands there is replaced and not followed."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(text.encode("utf-8", "backslashreplace") for text in texts)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _out(texts: Iterable[str]) -> None:
    for text in texts:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()
