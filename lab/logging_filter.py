"""Step 4, the lab's side: the Logging query language, parsed and evaluated. Pure.

After Google's page "Logging query language": comparisons, AND / OR / NOT (NOT first, then OR, then AND), a newline or
a space between two expressions is AND, `--` starts a comment, text alone is searched for in all values. Everything but
regular expressions and the Boolean operators ignores case. A comparison with a field that is not there is false.
Functions (`SEARCH`, `sample`, `ip_in_net`, `cast`) are not supported here and refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"""(?:\s|--[^\n]*)*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<op>!=|<=|>=|=~|!~|=|:|<|>)
      | (?P<paren>[()])
      | (?P<minus>-(?=[\s("A-Za-z_]))
      | (?P<dot>\.)
      | (?P<word>[\w/%@+*-]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_BLANK: Final = re.compile(r"(?:\s|--[^\n]*)*")
_SEVERITIES: Final = {
    name: rank * 100
    for rank, name in enumerate(
        ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
    )
}
_TIMES: Final = frozenset({"timestamp", "receiveTimestamp"})
_TOP: Final = {
    "log_name": "logName",
    "resource": "resource",
    "timestamp": "timestamp",
    "receive_timestamp": "receiveTimestamp",
    "severity": "severity",
    "insert_id": "insertId",
    "http_request": "httpRequest",
    "labels": "labels",
    "operation": "operation",
    "trace": "trace",
    "span_id": "spanId",
    "trace_sampled": "traceSampled",
    "source_location": "sourceLocation",
    "split": "split",
    "text_payload": "textPayload",
    "json_payload": "jsonPayload",
    "proto_payload": "protoPayload",
}
_TOP_NAMES: Final = {**_TOP, **{camel: camel for camel in _TOP.values()}}


class FilterError(Exception):
    """The filter cannot be read; `str()` is what the API says with INVALID_ARGUMENT."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What a filter looks at: the LogEntry as its JSON has it, and all its values in lower case for text search."""

    entry: Mapping[str, Any]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Fields:
        """`entry` with its values gathered once."""
        return cls(entry, tuple(str(value).lower() for value in _values(entry)))


Predicate = Callable[[Fields], bool]


def parse(text: str) -> Predicate:
    """The filter as a predicate; FilterError where the API would refuse it. An empty filter lets everything through."""
    reader = _Reader(_tokens(text))
    if reader.done():
        return lambda _: True
    predicate = reader.conjunction()
    if not reader.done():
        message = f"Unparseable filter: syntax error at {reader.peek()[1]!r}."
        raise FilterError(message)
    return predicate


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    glued: bool
    """No blank before it: `a.b` is a path, `a .b` is not."""


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = 0
    while position < len(text):
        blank = _BLANK.match(text, position)
        after = blank.end() if blank else position
        if after >= len(text):
            break
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            message = f"Unparseable filter: syntax error at character {after}: {text[after]!r}."
            raise FilterError(message)
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], after == position))
        position = match.end()
    return tokens


class _Reader:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def done(self) -> bool:
        return self._at >= len(self._tokens)

    def peek(self) -> tuple[str, str]:
        if self.done():
            return "end", "the end"
        return self._tokens[self._at].kind, self._tokens[self._at].text

    def conjunction(self) -> Predicate:
        parts = [self._disjunction()]
        while not self.done() and self.peek() != ("paren", ")"):
            if self.peek() == ("word", "AND"):
                self._at += 1
            parts.append(self._disjunction())
        return _all(parts)

    def _disjunction(self) -> Predicate:
        parts = [self._unary()]
        while self.peek() == ("word", "OR"):
            self._at += 1
            parts.append(self._unary())
        return _any(parts)

    def _unary(self) -> Predicate:
        if self.peek() in {("word", "NOT"), ("minus", "-")}:
            self._at += 1
            inner = self._unary()
            return lambda fields: not inner(fields)
        if self.peek() == ("paren", "("):
            self._at += 1
            inner = self.conjunction()
            self._close()
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        left = self._path()
        kind, operator = self.peek()
        if kind == "paren" and operator == "(" and self._tokens[self._at].glued:
            message = f"Unparseable filter: the function {left[-1]!r} is not supported."
            raise FilterError(message)
        if kind != "op":
            return _search(".".join(left))
        self._at += 1
        read = _field(left)
        if self.peek() == ("paren", "("):
            self._at += 1
            predicate = self._choices(left, operator, read)
            self._close()
            return predicate
        return _compare(left, operator, read, self._value())

    def _choices(self, left: list[str], operator: str, read: Callable[[Fields], list[Any]]) -> Predicate:
        """`field=("a" OR "b")`: the operator is meant for each value."""
        parts = [[_compare(left, operator, read, self._value())]]
        while self.peek() in {("word", "OR"), ("word", "AND")}:
            joined = self.peek()[1]
            self._at += 1
            one = _compare(left, operator, read, self._value())
            if joined == "OR":
                parts[-1].append(one)
            else:
                parts.append([one])
        return _all([_any(part) for part in parts])

    def _path(self) -> list[str]:
        path = [self._word_or_string()]
        while not self.done() and self._tokens[self._at].kind == "dot" and self._tokens[self._at].glued:
            self._at += 1
            if self.done() or not self._tokens[self._at].glued:
                message = "Unparseable filter: a field path ends in a dot."
                raise FilterError(message)
            path.append(self._word_or_string())
        return path

    def _value(self) -> str:
        return ".".join(self._path())

    def _word_or_string(self) -> str:
        kind, text = self.peek()
        if kind not in {"word", "string"} or text in {"AND", "OR", "NOT"}:
            message = f"Unparseable filter: syntax error at {text!r}."
            raise FilterError(message)
        self._at += 1
        return _unquote(text) if kind == "string" else text

    def _close(self) -> None:
        if self.peek() != ("paren", ")"):
            message = "Unparseable filter: a parenthesis is not closed."
            raise FilterError(message)
        self._at += 1


def _all(parts: list[Predicate]) -> Predicate:
    return parts[0] if len(parts) == 1 else lambda fields: all(part(fields) for part in parts)


def _any(parts: list[Predicate]) -> Predicate:
    return parts[0] if len(parts) == 1 else lambda fields: any(part(fields) for part in parts)


def _unquote(text: str) -> str:
    # The language has C's escapes, of which JSON knows all but \a, \v, \xHH, octal: those are refused here.
    try:
        return str(json.loads(text, strict=False))
    except ValueError as error:
        message = "Unparseable filter: a string has an escape that is not known."
        raise FilterError(message) from error


def _search(text: str) -> Predicate:
    wanted = text.lower()
    return lambda fields: any(wanted in value for value in fields.texts)


def _field(path: list[str]) -> Callable[[Fields], list[Any]]:
    """How to read a field: all the values at the path, through lists; none where it is not there."""
    if path[0] not in _TOP_NAMES:
        message = f"Field not found: '{path[0]}'."
        raise FilterError(message)
    keys = (_TOP_NAMES[path[0]], *path[1:])

    def read(fields: Fields) -> list[Any]:
        found: list[Any] = [fields.entry]
        for key in keys:
            found = [value[key] for value in found if isinstance(value, Mapping) and key in value]
            found = [item for value in found for item in (value if isinstance(value, list) else [value])]
        return found

    return read


def _compare(path: list[str], operator: str, read: Callable[[Fields], list[Any]], wanted: str) -> Predicate:
    if operator == ":" and wanted == "*":
        return lambda fields: bool(read(fields))
    if operator in {"=~", "!~"}:
        try:
            pattern = re.compile(wanted)
        except re.error as error:
            message = f"Unparseable filter: {wanted!r} is not a regular expression."
            raise FilterError(message) from error
        meant = operator == "=~"
        return lambda fields: any((pattern.search(str(value)) is not None) is meant for value in read(fields))
    if operator == ":":
        return lambda fields: any(wanted.lower() in str(value).lower() for value in read(fields))
    rank = _ranking(path, wanted)
    compare = _COMPARE[operator]
    bound = rank(wanted)
    if _TOP_NAMES[path[0]] == "severity":
        return lambda fields: compare(rank(fields.entry.get("severity", "DEFAULT")), bound)
    return lambda fields: any(_ordered(compare, rank, value, bound) for value in read(fields))


def _ranking(path: list[str], wanted: str) -> Callable[[Any], Any]:
    """What two values are compared by: a moment, a severity, a number, or text without its case."""
    top = _TOP_NAMES[path[0]]
    if top == "severity":
        if wanted.upper() not in _SEVERITIES and not wanted.isdigit():
            message = f"Unparseable filter: {wanted!r} is not a severity."
            raise FilterError(message)
        return lambda value: int(value) if str(value).isdigit() else _SEVERITIES[str(value).upper()]
    if top in _TIMES:
        try:
            _moment(wanted)
        except ValueError as error:
            message = f"Unparseable filter: {wanted!r} is not a timestamp."
            raise FilterError(message) from error
        return _moment
    if re.fullmatch(r"-?\d{1,15}(?:\.\d+)?", wanted):
        return lambda value: float(value) if isinstance(value, int | float) else str(value).lower()
    return lambda value: str(value).lower()


def _ordered(compare: Callable[[Any, Any], bool], rank: Callable[[Any], Any], value: Any, bound: Any) -> bool:
    ranked = rank(value)
    if isinstance(ranked, float) and isinstance(bound, str):
        return compare(ranked, float(bound))
    return compare(ranked, bound)


def _moment(value: Any) -> datetime:
    time = datetime.fromisoformat(str(value))
    if time.tzinfo is None:
        raise ValueError(value)
    return time


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _values(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner)
    else:
        yield value
