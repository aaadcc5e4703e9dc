"""What the bench prints: one JSON object a line, a figure beside its goal."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure. `more` are further fields: the rounds, and what helps to understand a miss."""

    name: str
    value: float
    unit: str
    goal: float
    at_least: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the goal is met."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def json(self) -> str:
        """The line."""
        told = {"name": self.name, "value": self.value, "unit": self.unit, "goal": self.goal, "ok": self.ok}
        return json.dumps(told | self.more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A figure that this machine cannot give."""

    name: str
    reason: str

    def json(self) -> str:
        """The line."""
        return json.dumps({"name": self.name, "skipped": self.reason})


def median(values: Sequence[float], digits: int = 3) -> float:
    """The median, rounded as it is printed: what is compared with a goal is what a reader sees."""
    return round(statistics.median(values), digits)


def rounded(values: Sequence[float], digits: int = 3) -> list[float]:
    """Each of the rounds."""
    return [round(value, digits) for value in values]


def say(text: str) -> None:
    """For the person who waits."""
    print(f"bench  {text}", file=sys.stderr, flush=True)
