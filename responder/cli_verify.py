"""The command line of custody: is evidence still what was taken? Reads the record and the evidence store."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from responder.exits import ExitCode, said, stop

if TYPE_CHECKING:
    from responder.record import Record


def register(app: typer.Typer) -> None:
    """Put `verify` below `app`."""
    app.command("verify")(verify)


def verify(
    record_id: Annotated[str, typer.Argument(metavar="RECORD", help="the id of the record")],
    evidence: Annotated[
        str, typer.Option(metavar="PLACE", help="a folder or gs://BUCKET[/PREFIX]; default: RESPONDER_EVIDENCE")
    ] = "",
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="the record as JSON; default: the store")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object for each file")] = False,
) -> None:
    """Read all evidence of a record back, and name what was changed, removed, added, reordered or swapped.

    Exit code 0: intact. 1: not. 2: wrong usage.
    """
    with said():
        from responder import report, settings  # noqa: PLC0415 - `--help` must not load pydantic
        from responder.capture import custody  # noqa: PLC0415 - the same
        from responder.stores.evidence import opened_evidence  # noqa: PLC0415 - the same

        found = _from_file(record, record_id) if record else _from_store(record_id)
        place = evidence or settings.read_for_the_store(os.environ).evidence
        told = custody.verify(found, opened_evidence(place))
        for one in told:
            # Places are the attacker's too where somebody put a file into the store.
            typer.echo(
                json.dumps(asdict(one)) if as_json else report.visible(f"{one.kind:<10} {one.place}: {one.detail}")
            )
        if not all(one.ok for one in told):
            raise typer.Exit(ExitCode.REFUSED)


def _from_file(path: Path, record_id: str) -> Record:
    from pydantic import ValidationError  # noqa: PLC0415 - `--help` must not load pydantic

    from responder.record import Record  # noqa: PLC0415 - the same

    try:
        record = Record.model_validate_json(path.read_bytes())
    except OSError as error:
        stop(ExitCode.USAGE, f"{path} cannot be read: {error.strerror}")
    except ValidationError as error:
        stop(ExitCode.USAGE, f"{path} holds no record: {error.error_count()} errors")
    if record.id != record_id:
        stop(ExitCode.USAGE, f"{path} holds the record {record.id}")
    return record


def _from_store(record_id: str) -> Record:
    from responder import settings, wiring  # noqa: PLC0415 - only where the store is read

    store = wiring.store(settings.read_for_the_store(os.environ))
    try:
        found = store.load(record_id)
    finally:
        store.close()
    if found is None:
        stop(ExitCode.NOT_FOUND, f"there is no record {record_id}")
    return found
