"""Step 1: what SCC publishes -> Finding, in whichever of five JSON shapes. Pure; standard library only.

The light path: most messages are of another category and must cost next to nothing. Such a message is parsed once and
looked at once, and what reads a finding (`sheet`) is imported only when there is one of ours.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from responder.errors import MalformedNotification
from responder.finding import CATEGORY, Finding

MAX_BYTES: Final = 10 * 1024 * 1024
"""Pub/Sub's own limit for a message."""

_OURS: Final = CATEGORY.encode()
_CATEGORY_OF: Final = "SELECT json_extract(?, '$.finding.category')"
_of_thread: Final = threading.local()

_REMEMBERED_BYTES: Final = 32 * 1024
"""A longer message is read each time, so that what is remembered stays small; SCC's have about five thousand."""

MAX_DEPTH: Final = 64
"""Nested objects and lists of a message that is ours; SCC's have about ten."""


class Foreign(StrEnum):
    """Why a message that could be read is none of ours; the names of the counters."""

    OTHER_CATEGORY = "other_category"
    NOT_GKE = "not_gke"
    DELETION = "deletion"


def read(data: bytes) -> Finding | None:
    """The finding of a message of ours; None for a foreign one. MalformedNotification where it cannot be read."""
    told = classify(data)
    return None if isinstance(told, Foreign) else told


def classify(data: bytes) -> Finding | Foreign:
    """As `read`, with the reason why a message is foreign.

    Our own: this category, of a GKE cluster (Cloud Run has the same category), and no notice of a deletion.
    MalformedNotification: over 10 MiB, not UTF-8, not JSON, no object, nested too deep, no finding, no category, or of
    our category without a usable name or any readable time.
    """
    if _is_plainly_foreign(data):
        return Foreign.OTHER_CATEGORY
    return _remembered(data) if len(data) <= _REMEMBERED_BYTES else _read(data)


def _read(data: bytes) -> Finding | Foreign:
    document = _document(data)
    finding = document.get("finding")
    if not isinstance(finding, dict):
        finding = _unusual(document)
        if finding is None:
            return Foreign.DELETION
    category = finding.get("category")
    if category != CATEGORY:
        if isinstance(category, str) and category:
            return Foreign.OTHER_CATEGORY
        raise MalformedNotification("the finding has no category")
    if _deleted(document):
        return Foreign.DELETION
    if _deeper(document, MAX_DEPTH):
        raise MalformedNotification(f"the JSON is nested deeper than {MAX_DEPTH}")
    from responder.notification import sheet  # noqa: PLC0415 - a message of others never needs it

    parts = sheet.Sheet.of(document)
    return sheet.transcribe(parts) if sheet.is_gke(parts) else Foreign.NOT_GKE


_remembered: Final = lru_cache(maxsize=256)(_read)
"""Pub/Sub delivers the very same bytes again: to look them up takes a hundredth of what reading them does."""


def _is_plainly_foreign(data: bytes) -> bool:
    """Whether the bytes are JSON with another category, told without building it; False where there is any doubt.

    SQLite's JSON reader costs a quarter of `json.loads` and lets other threads run. What it refuses, or reads in
    another way (an escape, a name given twice), is read in full: a text with neither our category nor an escape in it
    cannot name our category.
    """
    # One byte is looked for many times faster than two, and most messages have no escape at all.
    if len(data) > MAX_BYTES or _OURS in data or (b"\\" in data and b"\\u" in data):
        return False
    try:
        (category,) = _reader().execute(_CATEGORY_OF, (data.decode(),)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    return isinstance(category, str) and bool(category) and b"deletedFinding" not in data


def _reader() -> sqlite3.Connection:
    """An empty database of this thread, for its functions."""
    found: sqlite3.Connection | None = getattr(_of_thread, "reader", None)
    if found is None:
        found = _of_thread.reader = sqlite3.connect(":memory:")
    return found


def finding_of(document: dict[str, Any]) -> Finding:
    """The finding of one `{"finding", "resource"}` of any category, as SCC's list answers it.

    MalformedNotification where it has no finding, no usable name or no readable time.
    """
    if not isinstance(document.get("finding"), dict) and _unusual(document) is None:
        raise MalformedNotification("no finding in it")
    from responder.notification import sheet  # noqa: PLC0415 - as above

    return sheet.transcribe(sheet.Sheet.of(document))


# --- the envelope -----------------------------------------------------------------------------------------------------


def _document(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise MalformedNotification(f"the message is larger than {MAX_BYTES} bytes")
    try:
        # Decoded here, since json.loads of bytes would take UTF-16 and UTF-32 too, and let surrogates in.
        document = json.loads(data.decode("utf-8").removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise MalformedNotification("the message is not UTF-8") from None
    except ValueError:  # JSONDecodeError, and a number of more digits than int() takes
        raise MalformedNotification("the message is not JSON") from None
    except RecursionError:
        raise MalformedNotification("the JSON is nested too deep to be read") from None
    if not isinstance(document, dict):
        raise MalformedNotification("the JSON is no object")
    return document


def _unusual(document: dict[str, Any]) -> dict[str, Any] | None:
    """The finding of the console's shape; None where the document tells of a deletion and has no finding."""
    finding = document.get("findings")
    if isinstance(finding, list) and len(finding) == 1:
        finding = finding[0]
    if isinstance(finding, dict):
        return finding
    if _deleted(document):
        return None
    raise MalformedNotification("no finding in it")


def _deleted(document: dict[str, Any]) -> bool:
    notice = document.get("deletedFinding", document.get("deleted_finding"))
    return notice is True or notice == "true" or isinstance(notice, dict)


def _deeper(document: dict[str, Any], limit: int) -> bool:
    level: list[Any] = [document]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
