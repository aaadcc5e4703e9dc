"""The queue, where a store has no index for what is asked: the newest lines, looked through. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from responder.ports import Order, RecordLine, RecordQuery

SEARCHED: Final = 1000
"""Lines that are looked through where a store has no index for what is asked."""


def is_plain(query: RecordQuery) -> bool:
    """Whether it asks for nothing but the newest by project, verdict, state and time."""
    return query.order == "newest" and not (query.text or query.severity or query.after)


def arranged(lines: Iterable[RecordLine], query: RecordQuery) -> Iterator[RecordLine]:
    """Those of `lines`, which come newest first and fit the rest, that the query asks for, in its order."""
    text = query.text.lower()
    fit = [
        line
        for line in lines
        if (query.severity is None or line.severity == query.severity)
        and (not text or any(text in word.lower() for word in _said(line)))
    ]
    found: Iterable[RecordLine] = sorted(fit, key=_keys()[query.order])
    if query.after:
        found = islice(dropwhile(lambda line: line.id != query.after, found), 1, None)
    return islice(found, max(query.limit, 0))


def _said(line: RecordLine) -> tuple[str, ...]:
    where = line.subject
    return (line.id, where.project_id, where.cluster, where.namespace, where.pod, line.workload, line.summary)


def _keys() -> Mapping[Order, Callable[[RecordLine], Any]]:
    # Sorting is stable, and they come newest first.
    return {
        "newest": lambda _: 0,
        "oldest": lambda line: line.window_start,
        "score": lambda line: -line.score,
        "findings": lambda line: -line.findings,
    }
