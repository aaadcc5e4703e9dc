"""Would a notification config's filter let our finding through? Pure.

The grammar is Security Command Center's: `field OP value`, `AND`, `OR` (binds tighter), `-` or `NOT`, parentheses.
https://cloud.google.com/security-command-center/docs/reference/rest/v2/organizations.sources.findings/list
Three answers: yes, no, and None where a field is asked for whose value nobody can know beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from responder.finding import CATEGORY

OURS: Final = {
    "category": CATEGORY,
    "state": "ACTIVE",
    "severity": "LOW",
    "finding_class": "THREAT",
    "mute": "UNDEFINED",
    "parent_display_name": "Container Threat Detection",
}
"""A finding of ours as it is first published. It is Low, by Google's own page."""

TWIN: Final = {**OURS, "parent_display_name": "Cloud Run Threat Detection"}
"""Cloud Run has the same category; what it publishes is read, counted and left."""

_TOKEN: Final = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(<=|>=|[()=<>:-])|([^\s()=<>:"!]+))')
_MOST: Final = 400


class FilterError(Exception):
    """It cannot be read; `str()` says where."""


def lets_through(text: str, finding: Mapping[str, str]) -> bool | None:
    """The filter's answer to a finding; an empty filter takes everything. FilterError where it cannot be read."""
    words = list(_words(text))
    if not words:
        return True
    reader = _Reader(words, finding)
    answer = reader.all_of()
    if reader.at < len(words):
        message = f"nothing can follow at {words[reader.at]!r}"
        raise FilterError(message)
    return answer


def _words(text: str) -> Iterator[str]:
    at, count = 0, 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        count += 1
        if match is None or count > _MOST:
            message = f"it cannot be read from character {at + 1}"
            raise FilterError(message)
        at = match.end()
        yield match[1] or match[2] or match[3]


class _Reader:
    """Recursive descent over the words; `at` is the next one."""

    def __init__(self, words: list[str], finding: Mapping[str, str]) -> None:
        self._words = words
        self._finding = finding
        self.at = 0

    def all_of(self) -> bool | None:
        """Terms joined by AND, or by nothing."""
        answers = [self._any_of()]
        while self.at < len(self._words) and self._words[self.at] != ")":
            self._take("AND")
            answers.append(self._any_of())
        return False if False in answers else None if None in answers else True

    def _any_of(self) -> bool | None:
        answers = [self._one()]
        while self._take("OR"):
            answers.append(self._one())
        return True if True in answers else None if None in answers else False

    def _one(self) -> bool | None:
        if self._take("-") or self._take("NOT"):
            answer = self._one()
            return None if answer is None else not answer
        if self._take("("):
            answer = self.all_of()
            if not self._take(")"):
                message = "a parenthesis is not closed"
                raise FilterError(message)
            return answer
        return self._compared(self._next(), self._next(), self._next())

    def _compared(self, field: str, operator: str, value: str) -> bool | None:
        if operator not in {"=", ":"}:
            known = operator in {"<", ">", "<=", ">="}
            if known:
                return None  # of a number or a time, which differs from finding to finding
            message = f"{operator!r} is not a comparison"
            raise FilterError(message)
        has = self._finding.get(field)
        if has is None:
            return None
        wanted = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        if operator == ":":
            return wanted in has
        return has == wanted

    def _take(self, word: str) -> bool:
        found = self.at < len(self._words) and self._words[self.at] == word
        self.at += found
        return found

    def _next(self) -> str:
        if self.at >= len(self._words):
            message = "it ends in the middle"
            raise FilterError(message)
        self.at += 1
        return self._words[self.at - 1]
