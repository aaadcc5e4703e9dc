"""Step 1: one place in a JSON document, read without trust and without exceptions. Pure; standard library only.

A notification grows new fields, omits what is empty, and carries text that an attacker chose. So every reading of it
answers with a plain value of the type that was asked for; what was there and could not be read becomes a problem,
told by its path and never by its text. The light path imports this module: nothing heavy may be imported here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

TEXT_LIMIT: Final = 4096
"""Characters that are kept of any one text."""

LIST_LIMIT: Final = 256
"""Entries that are kept of any one list or map, where nothing narrower is said."""

_PROBLEM_LIMIT: Final = 100
_INT64: Final = 2**63
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
# RFC 3339, as protobuf writes a Timestamp in JSON: 0 to 9 fraction digits, `Z` or an offset.
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-][0-9]{2}:[0-9]{2}))"
)
# Later code adds and subtracts windows: a time at either end of what datetime can hold would make that overflow.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """A value, the path to it, and the list of problems that all places of one document share.

    An absent value and a JSON null are the same: protobuf omits what is empty. A named tuple: one message makes two
    hundred, and a frozen dataclass takes twice as long to make.
    """

    value: Any
    path: str
    problems: list[str]

    def note(self, what: str) -> None:
        """Say that what stands here could not be read as it is; `what` is our own words."""
        problem = f"{self.path} {what}"
        if len(self.problems) < _PROBLEM_LIMIT and problem not in self.problems:
            self.problems.append(problem)

    def at(self, key: str) -> Place:
        """The member `key`, a camelCase name; its snake_case twin where only that is there (the console's export)."""
        value = self.value
        if isinstance(value, dict):
            found = value.get(key)
            if found is None and key not in value and (twin := _snake(key)) in value:
                key, found = twin, value[twin]
        else:
            found = None
            if value is not None:
                self.note("is no object")
        return Place(found, f"{self.path}.{key}" if self.path else key, self.problems)

    def text(self) -> str:
        """The text without lone surrogates (they cannot be encoded) and cut; ``""`` where there is none."""
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            self.note("is no text")
            return ""
        text = self.value
        if len(text) > TEXT_LIMIT:
            self.note(f"was cut at {TEXT_LIMIT} characters")
            text = text[:TEXT_LIMIT]
        if not text.isascii() and _SURROGATE.search(text):
            self.note("held lone surrogates, which were replaced")
            text = _SURROGATE.sub("\ufffd", text)
        return text

    def each(self, limit: int = LIST_LIMIT) -> tuple[Place, ...]:
        """The entries of the list, `limit` at most."""
        if self.value is None:
            return ()
        if not isinstance(self.value, list):
            self.note("is no list")
            return ()
        if len(self.value) > limit:
            self.note(f"was cut at {limit} entries")
        return tuple(Place(v, f"{self.path}[{i}]", self.problems) for i, v in enumerate(self.value[:limit]))

    def texts(self, limit: int = LIST_LIMIT) -> tuple[str, ...]:
        """The texts of the list. A text in place of a list counts as its only entry; other types are left out."""
        if isinstance(self.value, str):
            self.note("is a text in place of a list")
            return (self.text(),)
        return tuple(entry.text() for entry in self.each(limit) if isinstance(entry.value, str) or entry.text())

    def cut(self, limit: int = LIST_LIMIT) -> bool:
        """Whether `texts(limit)` lost anything to the limits."""
        if not isinstance(self.value, list):
            return isinstance(self.value, str) and len(self.value) > TEXT_LIMIT
        return len(self.value) > limit or any(isinstance(v, str) and len(v) > TEXT_LIMIT for v in self.value[:limit])

    def members(self, limit: int = LIST_LIMIT) -> Iterator[tuple[str, Place]]:
        """Key and place of each member of the object, `limit` at most."""
        if self.value is None:
            return
        if not isinstance(self.value, dict):
            self.note("is no object")
            return
        if len(self.value) > limit:
            self.note(f"was cut at {limit} entries")
        for key in list(self.value)[:limit]:
            yield Place(key, f"{self.path} key", self.problems).text(), self._below(self.value[key], key)

    def integer(self) -> int | None:
        """The number: as one, as text (protobuf's JSON of int64), or as a whole double (numbers of a Struct)."""
        value = self.value
        if value is None:
            return None
        number: int | None = None
        if isinstance(value, str):
            number = int(value) if _INTEGER.fullmatch(value) else None
        elif isinstance(value, float):
            number = int(value) if value.is_integer() else None  # NaN and the infinities are none
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        if number is None or not -_INT64 <= number < _INT64:
            self.note("is no whole number of 64 bits")
            return None
        return number

    def flag(self) -> bool:
        """The boolean; False where there is none, as in protobuf."""
        if self.value is None or isinstance(self.value, bool):
            return bool(self.value)
        self.note("is neither true nor false")
        return False

    def time(self) -> datetime | None:
        """The time, UTC, nanoseconds cut to micro: RFC 3339 text, or `{"seconds", "nanos"}`. None where it is none."""
        value = self.value
        if value is None:
            return None
        try:
            when = self._epoch() if isinstance(value, dict) else _parsed(value)
        except (ValueError, OverflowError):
            when = None
        if when is None or not _EARLIEST <= when < _LATEST:
            self.note("is no time")
            return None
        return when

    def _epoch(self) -> datetime | None:
        seconds, nanos = self.at("seconds").integer(), self.at("nanos").integer()
        if seconds is None:
            return None
        return _EARLIEST + timedelta(seconds=seconds, microseconds=(nanos or 0) // 1000)

    def _below(self, value: Any, key: str) -> Place:
        shown = key if _PLAIN_KEY.fullmatch(key) else "?"  # a key may be the attacker's text too
        return Place(value, f"{self.path}.{shown}" if self.path else shown, self.problems)


@cache
def _snake(key: str) -> str:
    """Kept for each of the names that are asked for, all of which are ours: a notification asks for some hundred."""
    return key if "_" in key else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()


def _parsed(text: Any) -> datetime | None:
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    day, clock, fraction, offset = match.groups()
    micro = (fraction or "").ljust(6, "0")[:6]
    return datetime.fromisoformat(f"{day}T{clock}.{micro}{offset or '+00:00'}").astimezone(UTC)
