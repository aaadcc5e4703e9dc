"""Step 7: on which line each value of a TOML text stands, for whoever wrote it by hand. Pure.

`tomllib` tells the values and no line. This reads a text that `tomllib` has accepted, by the grammar of TOML 1.0
(https://toml.io/en/v1.0.0), and a test holds it to `tomllib`: both find the same values at the same places.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, Final

Place = tuple[int | str, ...]
"""The way to a value: `("project", 0, "exemption", 1, "why")`."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART: Final = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|[A-Za-z0-9_-]+')
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
# A closing delimiter may have two more quotes before it, which belong to the text. A date may have a space in it.
_LEAF: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\''
    r"|\d{4}-\d\d-\d\d \d\d[^\s,\]}#]*|[^\s,\]}#]+",
    re.DOTALL,
)


def lines(text: str) -> dict[Place, int]:
    """The line, from 1, of each key, table and item; `text` is one that `tomllib.loads` accepts, else it is no use."""
    return _Reader(text).read()


def line_of(found: dict[Place, int], place: Place) -> int:
    """The line of what stands at `place`, else of the nearest thing around it: a key that is missing has no line."""
    for end in range(len(place), 0, -1):
        if place[:end] in found:
            return found[place[:end]]
    return 1


class _Reader:
    """One pass over one text. `_tables` is how many `[[…]]` there were at each place."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Place, int] = {}
        self._tables: dict[Place, int] = {}

    def read(self) -> dict[Place, int]:
        """Every statement in turn."""
        table: Place = ()
        while self._blank() < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> Place:
        many, start = self._text.startswith("[[", self._at), self._at
        self._at += 2 if many else 1
        self._blank()
        parts = list(self._key())
        place: Place = ()
        self._blank()
        self._at += 2 if many else 1
        for number, part in enumerate(parts):
            place = self._seen((*place, part), start)
            if many and number == len(parts) - 1:
                self._tables[place] = self._tables.get(place, 0) + 1
            if place in self._tables:
                place = self._seen((*place, self._tables[place] - 1), start)
        return place

    def _pair(self, place: Place) -> None:
        for part in self._key():
            place = self._seen((*place, part), self._at)
        self._blank()
        self._at += 1  # the equals sign
        self._value(place)

    def _value(self, place: Place) -> None:
        self._blank()
        first = self._text[self._at]
        if first == "{":
            self._each("}", lambda _: self._pair(place))
        elif first == "[":
            self._each("]", lambda index: self._value(self._seen((*place, index), self._at)))
        else:
            self._at = _end(_LEAF, self._text, self._at)

    def _each(self, closing: str, read: Callable[[int], object]) -> None:
        """What stands between brackets, parted by commas; a comma may come last."""
        self._at += 1
        index = 0
        while self._text[self._blank()] != closing:
            read(index)
            index += 1
            if self._text[self._blank()] == ",":
                self._at += 1
        self._at += 1

    def _key(self) -> Iterator[str]:
        while True:
            start, self._at = self._at, _end(_PART, self._text, self._at)
            word = self._text[start : self._at]
            yield str(_unquoted(word)) if word[0] in "\"'" else word
            dot = _DOT.match(self._text, self._at)
            if dot is None:
                return
            self._at = dot.end()

    def _seen(self, place: Place, at: int) -> Place:
        self._lines.setdefault(place, bisect.bisect_left(self._ends, at) + 1)
        return place

    def _blank(self) -> int:
        self._at = _end(_BLANK, self._text, self._at)
        return self._at


def _unquoted(word: str) -> Any:
    return tomllib.loads(f"key = {word}")["key"]


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    if match is None:
        message = f"no TOML at {at}"
        raise ValueError(message)
    return match.end()
