"""How a command ends: its exit code, and one line on stderr that says what to do. Touches stderr alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final, NoReturn

import typer

from responder import errors


class ExitCode(IntEnum):
    """What became of the command."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    SETTINGS = 3
    NOT_FOUND = 4
    STALE = 5
    FAILED = 6
    UNWELL = 7
    UNSURE = 8


CODES: Final = (
    "Exit codes: 0 done; 1 refused: no finding of ours, not readable, not yours to answer, tampered with; "
    "2 wrong usage; 3 a setting is absent or wrong; "
    "4 no such record or file; 5 the record has changed since that revision; "
    "6 the store or a source failed, try again; 7 the doctor found a fault; "
    "8 it found none, and could not check everything."
)

_ENDINGS: Final[tuple[tuple[type[errors.ResponderError], ExitCode, Callable[[Any], str]], ...]] = (
    (errors.SettingsError, ExitCode.SETTINGS, str),
    (errors.MalformedNotification, ExitCode.REFUSED, lambda error: f"this cannot be read as a finding: {error}"),
    (errors.Refused, ExitCode.REFUSED, lambda error: f"{error.detail}: {error.mend}" if error.mend else error.detail),
    (errors.StaleRevision, ExitCode.STALE, lambda error: f"{error}, and review what is there now"),
    (errors.Busy, ExitCode.FAILED, lambda error: f"{error}: try again in a minute"),
    (errors.Unanswered, ExitCode.FAILED, lambda error: f"{error}: {error.mend}" if error.mend else str(error)),
    (errors.ResponderError, ExitCode.FAILED, str),
)


@contextmanager
def said() -> Iterator[None]:
    """What goes wrong, in one line and an exit code; no traceback, since the texts in it may not be ours."""
    try:
        yield
    except errors.ResponderError as error:
        code, words = next((code, words) for kind, code, words in _ENDINGS if isinstance(error, kind))
        stop(code, words(error), cause=error)
    except typer.Exit:
        raise
    except BrokenPipeError:
        # `responder records list | head`: whoever reads has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.OK) from None
    except Exception as error:  # noqa: BLE001 - a library's error text may hold a token, and a traceback its lines
        from responder.redact import scrub  # noqa: PLC0415 - only where something went wrong

        stop(ExitCode.FAILED, f"failed: {scrub(error)}", cause=error)


def stop(code: ExitCode, message: str, *, cause: BaseException | None = None) -> NoReturn:
    """Say it, and end."""
    from responder import report  # noqa: PLC0415 - `--help` must not load pydantic

    typer.echo(f"responder: {report.visible(message)}", err=True)
    raise typer.Exit(code) from cause
