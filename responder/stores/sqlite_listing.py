"""The queue, out of SQLite: each list is read in its own order from an index, and ends where its page is full.

Verdict, severity and state are few words each: records fall into a few dozen groups, and within a group every order has
an index. The groups that a query wants are merged, so a page costs the same however many records there are. A project
has an index of its own. Text is looked up in an index of its trigrams (SQLite FTS5), where it has three letters and
occurs seldom; what occurs often is soon found in the list's own order. Touches the connection that it is handed.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from responder.stores import tables
from responder.stores.words import clean, stamp

if TYPE_CHECKING:
    from responder.ports import RecordQuery

_FEW: Final = 5000
"""Records that a text may occur in to be read one by one; of a hundred thousand, every twentieth."""
_TRIGRAM: Final = 3

_SORTED: Final[Mapping[str, tuple[str, ...]]] = {
    "newest": ("window_start", "id"),
    "oldest": ("window_start", "id"),
    "score": ("score", "window_start", "id"),
    "findings": ("findings", "window_start", "id"),
}
_INDEXES: Final[Mapping[str, str]] = {
    "newest": "records_by_group",
    "oldest": "records_by_group",
    "score": "records_by_score",
    "findings": "records_by_findings",
}
_CURSOR: Final = "SELECT window_start, id, score, findings FROM records WHERE id = ?"
_GROUPED: Final = ("state", "verdict", "severity")
_FOUND: Final = "SELECT rowid FROM searched_index WHERE searched_index MATCH :phrase"
_THOSE: Final = f"id IN (SELECT record_id FROM searched WHERE n IN ({_FOUND}))"  # noqa: S608 - our own names
# Not one LIKE over all of them put together: that takes three times as long.
_OCCURS: Final = "(" + " OR ".join(f"{name} LIKE :pattern ESCAPE '!'" for name in tables.SAID) + ")"
_COLUMNS: Final = tables.LINE.split(", ")

Values = dict[str, Any]
Part = tuple[str, Values]
"""What is read in one go and in order: `INDEXED BY …`, if any, with the clauses; and the values of its own."""


def rows(db: sqlite3.Connection, query: RecordQuery) -> list[tuple[Any, ...]]:
    """The rows of `tables.LINE` that the query asks for. All is read from one state of the file: hand in a snapshot."""
    if query.limit <= 0:
        return []
    values: Values = {"limit": query.limit}
    clauses: list[str] = []
    if query.after:
        at = db.execute(_CURSOR, (clean(query.after),)).fetchone()
        if at is None:
            return []
        values |= dict(zip(("at_window_start", "at_id", "at_score", "at_findings"), at, strict=True))
        names = _SORTED[query.order]
        follows = ">" if query.order == "oldest" else "<"
        clauses.append(f"({', '.join(names)}) {follows} ({', '.join(f':at_{name}' for name in names)})")
    if query.since:
        clauses.append("window_start >= :since")
        values["since"] = stamp(query.since)
    text = clean(query.text)
    if text:
        clauses.append(_OCCURS)
        values |= {"pattern": _pattern(text), "phrase": '"' + text.replace('"', '""') + '"'}
    return _merged(db, query, list(_parts(db, query, values)), clauses, values)


def _parts(db: sqlite3.Connection, query: RecordQuery, values: Values) -> Iterator[Part]:
    """Where to read: each part has its rows in the query's order, none has a row of another."""
    chosen = {"state": query.state, "verdict": query.verdict, "severity": query.severity}
    given = {name: clean(word) for name, word in chosen.items() if word is not None}
    project, text, is_by_time = clean(query.project), clean(query.text), query.order in {"newest", "oldest"}
    equal = [f"{name} = :{name}" for name in given]
    of_project = [":project IN (project_id, project_number)"] if project else []
    own = given | {"project": project}
    if text and len(text) >= _TRIGRAM and _is_few(db, _FOUND, values):
        yield " AND ".join([f"WHERE {_THOSE}", *of_project, *equal]), own
    elif text or not (given or project or not is_by_time):
        yield " AND ".join(["INDEXED BY records_by_line WHERE TRUE", *of_project, *equal]), own
    elif project and ((is_by_time and not given) or _is_few(db, _PROJECT, own)):
        for index, is_it in _OF_PROJECT:
            yield " AND ".join([f"INDEXED BY {index} WHERE {is_it}", *equal]), own
    else:
        for group in _groups(db):
            words = dict(zip(_GROUPED, group, strict=True))
            if given.items() <= words.items():
                yield " AND ".join([_GROUP.format(index=_INDEXES[query.order]), *of_project]), own | words


def _is_few(db: sqlite3.Connection, select: str, values: Values) -> bool:
    return bool(db.execute(f"SELECT COUNT(*) <= {_FEW} FROM ({select} LIMIT {_FEW + 1})", values).fetchone()[0])  # noqa: S608 - our own statements


_GROUP: Final = "INDEXED BY {index} WHERE state = :state AND verdict = :verdict AND severity = :severity"
_OF_PROJECT: Final = (
    ("records_by_project", "project_id = :project"),
    ("records_by_number", "project_number = :project AND project_id <> :project"),
)
_PROJECT: Final = "SELECT id FROM records INDEXED BY records_by_project WHERE project_id = :project"


def _groups(db: sqlite3.Connection, group: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Each combination of state, verdict and severity that occurs and begins so, by steps through their index."""
    if len(group) == len(_GROUPED):
        yield group
        return
    name = _GROUPED[len(group)]
    same = "".join(f"{one} = ? AND " for one in _GROUPED[: len(group)])
    step = f"SELECT MIN({name}) FROM records INDEXED BY records_by_group WHERE {same}{name} > ?"  # noqa: S608 - our own names
    word = ""
    while (word := db.execute(step, (*group, word)).fetchone()[0]) is not None:
        yield from _groups(db, (*group, word))


def _merged(
    db: sqlite3.Connection, query: RecordQuery, parts: list[Part], clauses: list[str], values: Values
) -> list[tuple[Any, ...]]:
    names = _SORTED[query.order]
    down = query.order != "oldest"
    order = ", ".join(f"{name} {'DESC' if down else 'ASC'}" for name in names)
    opened = [
        db.execute(
            f"SELECT {tables.LINE} FROM records {' AND '.join([source, *clauses])} ORDER BY {order} LIMIT :limit",  # noqa: S608 - our own names
            values | own,
        )
        for source, own in parts
    ]
    try:
        place = itemgetter(*(_COLUMNS.index(name) for name in names))
        return list(islice(heapq.merge(*opened, key=place, reverse=down), query.limit))
    finally:
        for cursor in opened:
            cursor.close()


def _pattern(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return f"%{text}%"
