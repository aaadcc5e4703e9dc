"""The queue: how records are listed, in SQL and where a store has no index for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any, Final

from responder.stores import tables
from responder.stores.words import clean, stamp

if TYPE_CHECKING:
    from responder.ports import Order, RecordLine, RecordQuery

SEARCHED: Final = 1000
"""Lines that are looked through where a store has no index for what is asked."""

_ORDERS: Final[Mapping[str, str]] = {
    "newest": "window_start DESC, id",
    "oldest": "window_start, id DESC",
    "score": "score DESC, window_start DESC, id",
    "findings": "findings DESC, window_start DESC, id",
}
_OLDER: Final = "(window_start < :start OR (window_start = :start AND id > :last))"
_FOLLOWS: Final[Mapping[str, str]] = {
    # The first term of the first two lets the index begin there.
    "newest": f"window_start <= :start AND {_OLDER}",
    "oldest": "window_start >= :start AND (window_start > :start OR id < :last)",
    "score": f"(score < :score OR (score = :score AND {_OLDER}))",
    "findings": f"(findings < :findings OR (findings = :findings AND {_OLDER}))",
}
_SAID: Final = ("id", "project_id", "cluster", "namespace", "pod", "workload", "summary")
# Not one LIKE over all of them put together: that takes three times as long.
_WORDS: Final = " OR ".join(f"{name} LIKE :text ESCAPE '!'" for name in _SAID)
CURSOR: Final = "SELECT window_start AS start, id AS last, score, findings FROM records WHERE id = ?"
"""Where a page goes on: the values of `_FOLLOWS`."""


def statement(query: RecordQuery, cursor: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """The query in SQL with its values; `cursor` is the row of `CURSOR` where `after` is given."""
    wanted = {
        ":project IN (project_id, project_number)": ("project", clean(query.project) or None),
        "verdict = :verdict": ("verdict", query.verdict),
        "state = :state": ("state", query.state),
        "severity = :severity": ("severity", query.severity),
        "window_start >= :since": ("since", stamp(query.since) if query.since else None),
        f"({_WORDS})": ("text", _pattern(clean(query.text))),
    }
    given = {clause: pair for clause, pair in wanted.items() if pair[1] is not None}
    values: dict[str, Any] = dict(given.values()) | {"limit": max(query.limit, 0)} | dict(cursor or {})
    clauses = [*given, *([_FOLLOWS[query.order]] if cursor is not None else [])]
    text = (
        f"SELECT {tables.LINE} FROM records INDEXED BY records_by_line"  # noqa: S608 - clauses and columns are ours
        f" WHERE {' AND '.join(clauses) or 'TRUE'} ORDER BY {_ORDERS[query.order]} LIMIT :limit"
    )
    return text, values


def _pattern(text: str) -> str | None:
    if not text:
        return None
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return f"%{text}%"


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
