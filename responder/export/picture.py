"""The timeline as a picture: a lane for each kind of thing, moments by rank, the gaps between them in words. Pure.

By rank and not to scale: of an hour's events, nine in ten lie within a minute, and would be one dot.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple, get_args

from responder.record import Lane, TimelineEntry

LANES: Final[tuple[Lane, ...]] = get_args(Lane)
MOST: Final = 30
"""Moments in one picture; the list below it has them all."""
STEP: Final = 34
ROW: Final = 26
LEFT: Final = 86
_WORTH_SAYING: Final = timedelta(seconds=60)


class Dot(NamedTuple):
    """A moment: its number in the list, where it stands, and its lane."""

    number: int
    x: int
    y: int
    lane: Lane


class Gap(NamedTuple):
    """A time in which nothing is known to have happened, between two moments."""

    x: int
    words: str


class Picture(NamedTuple):
    """What is drawn, in units of the picture's own; `hidden` moments are in the list only."""

    width: int
    height: int
    lanes: tuple[tuple[Lane, int], ...]
    dots: tuple[Dot, ...]
    gaps: tuple[Gap, ...]
    hidden: int


def draw(entries: Sequence[TimelineEntry]) -> Picture:
    """The first `MOST` moments; lanes without one are left out."""
    shown = entries[:MOST]
    used = [lane for lane in LANES if any(entry.lane == lane for entry in shown)]
    rows = {lane: ROW * (n + 1) for n, lane in enumerate(used)}
    dots = tuple(
        Dot(number=n, x=LEFT + STEP * n, y=rows[entry.lane], lane=entry.lane) for n, entry in enumerate(shown, start=1)
    )
    pairs = zip(shown, shown[1:], dots, strict=False)
    gaps = tuple(
        Gap(x=dot.x + STEP // 2, words=_words(later.time - earlier.time))
        for earlier, later, dot in pairs
        if later.time - earlier.time >= _WORTH_SAYING
    )
    return Picture(
        width=LEFT + STEP * (len(shown) + 1),
        height=ROW * (len(used) + 2),
        lanes=tuple(rows.items()),
        dots=dots,
        gaps=gaps,
        hidden=len(entries) - len(shown),
    )


def _words(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} m"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
