"""The timeline as a picture: by rank, not by time, with the gaps between written out. Pure.

On an axis of time six of seven events fall on one pixel: a compiler and what it made are seconds apart, the pod and its
container hours. So each event has the same room, and what lies between two of them is a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from responder.record import Lane, TimelineEntry

_LANES: Final[tuple[tuple[Lane, str], ...]] = (
    ("cluster", "cluster"),
    ("node", "node"),
    ("pod", "pod"),
    ("audit", "audit log"),
    ("pod_log", "pod log"),
    ("finding", "finding"),
    ("related", "related"),
    ("action", "action"),
    ("responder", "responder"),
)
_PEAKS: Final[frozenset[Lane]] = frozenset({"pod_log", "node"})
"""Lanes in which lines that follow one another are one mark: a peak, as large as it has lines."""
_A_STRIP: Final = 12
_MOST: Final = 60
_LEFT, _STEP, _ROW, _TOP = 92, 56, 24, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One dot: an event, or lines of a log that follow one another. `x`, `y`, `r` in the picture's own units."""

    n: int
    lane: Lane
    entries: tuple[TimelineEntry, ...]
    session: bool
    x: int = 0
    y: int = 0

    @property
    def r(self) -> int:
        """Its radius."""
        return min(5 + len(self.entries) - 1, 10)

    @property
    def time(self) -> datetime:
        """Of its first event."""
        return self.entries[0].time


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One row of the picture. `lanes` are (name, y), `gaps` (x, text)."""

    width: int
    height: int
    lanes: tuple[tuple[str, int], ...]
    marks: tuple[Mark, ...]
    gaps: tuple[tuple[int, str], ...]


def marks(entries: Sequence[TimelineEntry], sessions: frozenset[str]) -> tuple[Mark, ...]:
    """The dots, oldest first, numbered from 1. `sessions` are the refs of audit entries that somebody got in by."""
    groups: list[list[TimelineEntry]] = []
    for entry in entries:
        if groups and entry.lane in _PEAKS and groups[-1][0].lane == entry.lane:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return tuple(
        Mark(n=n, lane=group[0].lane, entries=tuple(group), session=group[0].ref in sessions)
        for n, group in enumerate(groups, start=1)
    )


def strips(dots: Sequence[Mark]) -> tuple[Strip, ...]:
    """The dots in rows of so many, each with the lanes that occur at all. At most `_MOST` are drawn."""
    drawn = list(dots[:_MOST])
    present = {dot.lane for dot in drawn}
    rows = [(lane, name) for lane, name in _LANES if lane in present]
    heights = {lane: _TOP + index * _ROW for index, (lane, _) in enumerate(rows)}
    lanes = tuple((name, heights[lane]) for lane, name in rows)
    made = []
    for first in range(0, len(drawn), _A_STRIP):
        part = drawn[first : first + _A_STRIP]
        placed = tuple(
            Mark(
                n=dot.n, lane=dot.lane, entries=dot.entries, session=dot.session,
                x=_LEFT + _STEP // 2 + index * _STEP, y=heights[dot.lane],
            )
            for index, dot in enumerate(part)
        )  # fmt: skip
        before = drawn[first - 1] if first else None
        gaps = [
            (dot.x - _STEP // 2, gap((dot.time - earlier.entries[-1].time).total_seconds()))
            for earlier, dot in zip((before, *placed), placed, strict=False)
            if earlier is not None
        ]
        width, height = _LEFT + _A_STRIP * _STEP + 8, _TOP + len(rows) * _ROW + 12
        made.append(Strip(width=width, height=height, lanes=lanes, marks=placed, gaps=tuple(gaps)))
    return tuple(made)


def gap(seconds: float) -> str:
    """`+1.4 s`, `+2 min 15 s`, `+11 h 26 min`, `+3 d 4 h`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"+{seconds:.1f} s"
    whole = round(seconds)
    for large, small, names in ((86400, 3600, ("d", "h")), (3600, 60, ("h", "min")), (60, 1, ("min", "s"))):
        if whole >= large:
            rest = whole % large // small
            return f"+{whole // large} {names[0]}" + (f" {rest} {names[1]}" if rest else "")
    raise AssertionError
