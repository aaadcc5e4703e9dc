"""One JSON object a line on stdout, in the format that Cloud Logging reads as structured. Standard library only.

Nothing of a finding's text is logged: names of ours, ids of records and messages, type names and counts.
https://cloud.google.com/logging/docs/structured-logging
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal, Protocol

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

# `traceparent` is W3C's, `X-Cloud-Trace-Context` Google's older one; Cloud Run sets both on each request.
# https://cloud.google.com/run/docs/trace
_TRACE: Final = (
    ("traceparent", re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")),
    ("X-Cloud-Trace-Context", re.compile(r"([0-9a-f]{32})(?:/\d{1,20})?(?:;o=\d)?")),
)


class Headers(Protocol):
    """A request's, by name in any case; of a web framework, or a mapping."""

    def get(self, name: str, /) -> str | None:
        """One of them."""


_headers: Final[ContextVar[Headers | None]] = ContextVar("headers", default=None)


class _Out:
    """Whether lines are written: a command line speaks to a person instead."""

    is_silent = False


def silence() -> None:
    """Write no more lines in this process."""
    _Out.is_silent = True


def speak() -> None:
    """Write lines again: the command serves others, and does not speak to a person."""
    _Out.is_silent = False


@contextmanager
def request(headers: Headers | None) -> Iterator[None]:
    """Lines of this thread belong to the request with these headers while the block runs; read once one is written."""
    token = _headers.set(headers)
    try:
        yield
    finally:
        _headers.reset(token)


def write(severity: Severity, message: str, *, record: str = "", **fields: str | float | bool | None) -> None:
    """One line; `fields` are kept apart, so that no value can forge another entry. `record` becomes a label."""
    if _Out.is_silent:
        return
    entry: dict[str, object] = {"severity": severity, "message": message, **fields}
    if record:
        entry["logging.googleapis.com/labels"] = {"record": record}
    trace = _trace(_headers.get())
    if trace:
        entry["logging.googleapis.com/trace"] = trace
    sys.stdout.write(json.dumps(entry, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def _trace(headers: Headers | None) -> str:
    """The trace's name, or its id alone where the project is not told (Cloud Run does not); empty where none is."""
    if headers is None:
        return ""
    for name, form in _TRACE:
        found = form.fullmatch(headers.get(name) or "")
        if found:
            project = os.environ.get("GOOGLE_CLOUD_PROJECT", "")
            return f"projects/{project}/traces/{found[1]}" if project else found[1]
    return ""
