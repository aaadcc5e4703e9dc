"""Step 1, the lab's side: the filter of SCC v2's `ListFindings`, parsed and evaluated. Pure.

Fields, operators and precedence are those of the API's reference (`ListFindingsRequest.filter`): OR binds tighter than
AND, `-` and NOT negate, strings are quoted. Whatever the reference does not list is refused, as the API refuses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

Predicate = Callable[[Any], bool]
"""Whether a `ListFindingsResponse.ListFindingsResult` (the protobuf message) is let through."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<op><=|>=|=|:|<|>)
      | (?P<paren>[()])
      | (?P<minus>-(?=[\s(A-Za-z_]))
      | (?P<number>-?\d+(?![\w.]))
      | (?P<word>[A-Za-z_][\w.-]*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_TEXT: Final = frozenset({"=", ":"})
_ORDER: Final = frozenset({"=", ">", "<", ">=", "<="})
_FIELDS: Final[dict[str, tuple[frozenset[str], Callable[[Any], str]]]] = {
    "name": (frozenset({"="}), lambda r: r.finding.name),
    "parent": (_TEXT, lambda r: r.finding.parent),
    "resource_name": (_TEXT, lambda r: r.finding.resource_name),
    "state": (_TEXT, lambda r: _enum(r.finding, "state")),
    "category": (_TEXT, lambda r: r.finding.category),
    "external_uri": (_TEXT, lambda r: r.finding.external_uri),
    "severity": (_TEXT, lambda r: _enum(r.finding, "severity")),
    "mute": (_TEXT, lambda r: _enum(r.finding, "mute")),
    "resource.name": (_TEXT, lambda r: r.resource.name),
    "resource.parent_name": (_TEXT, lambda r: r.resource.gcp_metadata.parent),
    "resource.parent_display_name": (_TEXT, lambda r: r.resource.gcp_metadata.parent_display_name),
    "resource.project_name": (_TEXT, lambda r: r.resource.gcp_metadata.project),
    "resource.project_display_name": (_TEXT, lambda r: r.resource.gcp_metadata.project_display_name),
    "resource.type": (_TEXT, lambda r: r.resource.type),
    "resource.display_name": (_TEXT, lambda r: r.resource.display_name),
}
_FOLDER: Final = "resource.folders.resource_folder"
_MARKS: Final = "security_marks.marks."


class FilterError(Exception):
    """The filter cannot be read; `str()` is what the API says with INVALID_ARGUMENT."""


def parse(text: str) -> Predicate:
    """The filter as a predicate; FilterError where the API would refuse it. An empty filter lets everything through."""
    tokens = _tokens(text)
    if not tokens:
        return lambda _: True
    reader = _Reader(tokens)
    predicate = reader.conjunction()
    if reader.peek() is not None:
        message = f"Invalid filter: unexpected {reader.peek()!r}."
        raise FilterError(message)
    return predicate


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            message = f"Invalid filter: cannot read it at character {position}."
            raise FilterError(message)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


class _Reader:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def conjunction(self) -> Predicate:
        parts = [self._disjunction()]
        while self._take("word", "AND"):
            parts.append(self._disjunction())
        return parts[0] if len(parts) == 1 else lambda r: all(part(r) for part in parts)

    def _disjunction(self) -> Predicate:
        parts = [self._unary()]
        while self._take("word", "OR"):
            parts.append(self._unary())
        return parts[0] if len(parts) == 1 else lambda r: any(part(r) for part in parts)

    def _unary(self) -> Predicate:
        if self._take("minus", "-") or self._take("word", "NOT"):
            inner = self._unary()
            return lambda r: not inner(r)
        if self._take("paren", "("):
            inner = self.conjunction()
            if not self._take("paren", ")"):
                message = "Invalid filter: a parenthesis is not closed."
                raise FilterError(message)
            return inner
        return _restriction(self._next("word"), self._next("op"), self._next("string", "number", "word"))

    def _take(self, kind: str, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == (kind, text):
            self._at += 1
            return True
        return False

    def _next(self, *kinds: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] not in kinds:
            message = f"Invalid filter: expected {' or '.join(kinds)}, found {self.peek()!r}."
            raise FilterError(message)
        self._at += 1
        return self._tokens[self._at - 1][1]


def _restriction(field: str, operator: str, literal: str) -> Predicate:
    if field == "event_time":
        return _time(field, operator, literal)
    wanted = _string(field, literal)
    if field.startswith(_MARKS):
        mark = field.removeprefix(_MARKS)
        _allow(field, operator, _TEXT)
        return lambda r: _compare(r.finding.security_marks.marks.get(mark, ""), operator, wanted)
    if field == _FOLDER:
        _allow(field, operator, _TEXT)
        return lambda r: any(_compare(f.resource_folder, operator, wanted) for f in r.resource.gcp_metadata.folders)
    if field not in _FIELDS:
        message = f"Invalid filter: unsupported field {field!r}."
        raise FilterError(message)
    operators, read = _FIELDS[field]
    _allow(field, operator, operators)
    return lambda r: _compare(read(r), operator, wanted)


def _allow(field: str, operator: str, operators: frozenset[str]) -> None:
    if operator not in operators:
        message = f"Invalid filter: operator {operator!r} is not supported for {field!r}."
        raise FilterError(message)


def _compare(text: str, operator: str, wanted: str) -> bool:
    return wanted in text if operator == ":" else text == wanted


def _string(field: str, literal: str) -> str:
    if not literal.startswith('"'):
        message = f"Invalid filter: the value of {field!r} must be a quoted string."
        raise FilterError(message)
    try:
        return str(json.loads(literal, strict=False))
    except ValueError as error:
        message = f"Invalid filter: the value of {field!r} has an escape that is not known."
        raise FilterError(message) from error


def _time(field: str, operator: str, literal: str) -> Predicate:
    _allow(field, operator, _ORDER)
    try:
        wanted = _moment(literal)
    except (ValueError, OverflowError) as error:
        message = f"Invalid filter: {field!r} takes an RFC 3339 string or milliseconds since the epoch."
        raise FilterError(message) from error
    compare = _COMPARE[operator]
    return lambda r: compare(r.finding.event_time.ToDatetime(tzinfo=UTC), wanted)


def _moment(literal: str) -> datetime:
    if not literal.startswith('"'):
        return datetime.fromtimestamp(int(literal) / 1000, UTC)
    time = datetime.fromisoformat(json.loads(literal))
    if time.tzinfo is None:
        raise ValueError(literal)
    return time


_COMPARE: Final[dict[str, Callable[[datetime, datetime], bool]]] = {
    "=": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def _enum(message: Any, field: str) -> str:
    descriptor = message.DESCRIPTOR.fields_by_name[field]
    known = descriptor.enum_type.values_by_number.get(getattr(message, field))
    return known.name if known else ""
