"""The command line of triage: how good it is on a corpus, and what other rules would say. Reads files, the store.

`triage_app` goes below the main app as `triage`; `replay` is a command of the main app.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from responder.errors import ResponderError

if TYPE_CHECKING:
    from responder.record import Record
    from responder.triage.tuning import Tuning

USAGE, SETTINGS, NOT_FOUND, FAILED = 2, 3, 4, 6
"""Exit codes, as those of the main command line."""

triage_app = typer.Typer(help="How good the judgement is.", no_args_is_help=True)


@triage_app.callback()
def _triage() -> None:
    """Keeps `eval` a command of its own beside those to come."""


@triage_app.command("eval")
def evaluate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="files of JSON lines, or folders of them")],
    as_json: Annotated[bool, typer.Option("--json", help="the six figures in one line, the last one printed")] = False,
    rules: Annotated[Path | None, typer.Option(metavar="FILE", help="a triage.toml to judge with")] = None,
) -> None:
    """Judge a corpus: confusion matrix, misses, and the effect of leaving each sign out."""
    from responder.triage import evaluation  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.triage.rules import BUILT_IN  # noqa: PLC0415 - the same
    from responder.triage.tuning import applied  # noqa: PLC0415 - the same

    judged_by = applied(BUILT_IN, _tuning(rules)) if rules else BUILT_IN
    units = evaluation.activities(row for path in _files(paths) for row in _rows(path))
    if not units:
        _stop(NOT_FOUND, "no activity in there: JSON lines with label, and argv, execs or command")
    outcomes = evaluation.run(units, judged_by)
    if not as_json:
        typer.echo(evaluation.report(outcomes, judged_by))
        typer.echo()
    typer.echo(evaluation.figures(outcomes).as_json())


def replay(
    rules: Annotated[Path, typer.Option(metavar="NEW", help="the triage.toml that would be in force")],
    records: Annotated[
        list[Path] | None, typer.Argument(metavar="[RECORDS]...", help="records as JSON; default: the store")
    ] = None,
    old: Annotated[Path | None, typer.Option(metavar="FILE", help="the triage.toml in force now")] = None,
) -> None:
    """List the past verdicts that other rules would change; nothing is written."""
    from responder.triage import replay as replaying  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.triage.tuning import NONE  # noqa: PLC0415 - the same

    new, now = _tuning(rules), _tuning(old) if old else NONE
    found = _stored() if not records else (one for path in _files(records) for one in _read_records(path))
    try:
        typer.echo(replaying.flips(found, new, old=now).said())
    except ResponderError as error:
        _stop(FAILED, str(error))


def _tuning(path: Path) -> Tuning:
    from responder.triage import tuning  # noqa: PLC0415 - `--help` must not load pydantic

    try:
        return tuning.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        _stop(NOT_FOUND, f"{path} cannot be read: {error.strerror}")
    except (ResponderError, UnicodeDecodeError) as error:
        _stop(SETTINGS, str(error))


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted((*path.rglob("*.jsonl"), *path.rglob("*.json")))
        elif path.exists():
            yield path
        else:
            _stop(NOT_FOUND, f"{path} is not there")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            _stop(USAGE, f"{path}:{number} is no JSON")
        if not isinstance(row, dict):
            _stop(USAGE, f"{path}:{number} is no JSON object")
        yield row


def _read_records(path: Path) -> Iterator[Record]:
    from pydantic import ValidationError  # noqa: PLC0415 - `--help` must not load pydantic

    from responder.record import Record  # noqa: PLC0415 - the same

    text = _text(path)
    documents = [text] if path.suffix == ".json" else [line for line in text.splitlines() if line.strip()]
    for document in documents:
        try:
            yield Record.model_validate_json(document)
        except ValidationError as error:
            _stop(USAGE, f"{path} holds no record: {error.error_count()} errors")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        _stop(NOT_FOUND, f"{path} cannot be read: {type(error).__name__}")


def _stored() -> Iterator[Record]:
    from responder import settings, wiring  # noqa: PLC0415 - only where the store is read
    from responder.ports import RecordQuery  # noqa: PLC0415 - the same

    store = wiring.store(settings.read_for_the_store(os.environ))
    try:
        for line in store.list(RecordQuery(limit=1_000_000)):
            record = store.load(line.id)
            if record is not None:
                yield record
    finally:
        store.close()


def _stop(code: int, message: str) -> NoReturn:
    typer.echo(f"responder: {message}", err=True)
    raise typer.Exit(code)
