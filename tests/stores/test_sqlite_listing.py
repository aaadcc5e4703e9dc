"""Whatever is asked of SQLite's queue: the very lines that a plain reading gives, and no more work for more records."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab.bench import review
from responder.ports import RecordQuery
from responder.stores import sqlite_listing, tables
from responder.stores.sqlite import SqliteRecords
from responder.stores.words import stamp
from tests.stores.contract import NOW, Watch

_NAMES = ("id", "window_start", "project_id", "project_number", "cluster", "location", "namespace", "pod", "container",
          "verdict", "state", "summary", "findings", "severity", "score", "workload")  # fmt: skip
_WORDS = st.sampled_from(
    ["", "gcc", "GCC -o", "a", "ab", "abc", "abcabc", "100%", "a_b", 'say "abc"', "!", "*", "ab\x1fc", "äöü"]
)
_CHANGING = st.fixed_dictionaries(
    {
        "verdict": st.sampled_from(["benign", "malicious"]),
        "state": st.sampled_from(["open", "closed"]),
        "severity": st.sampled_from(["LOW", "CRITICAL"]),
        "summary": _WORDS,
        "workload": _WORDS,
        "score": st.integers(0, 2),
        "findings": st.integers(0, 2),
    }
)
_ROW = st.tuples(st.integers(0, 3), st.sampled_from(["p", "q", "7"]), st.sampled_from(["7", "8"]), _WORDS, _CHANGING)
_QUERY = st.fixed_dictionaries(
    {
        "project": st.sampled_from(["", "", "p", "7", "z"]),
        "verdict": st.sampled_from([None, None, "benign", "malicious", "suspicious"]),
        "state": st.sampled_from([None, None, "open", "closed"]),
        "severity": st.sampled_from([None, None, "LOW", "HIGH"]),
        "since": st.sampled_from([None, None, 1, 3]),
        "text": st.one_of(st.just(""), _WORDS),
        "order": st.sampled_from(["newest", "oldest", "score", "findings"]),
        "after": st.sampled_from([None, None, 0, 1, 5, 99]),
        "limit": st.sampled_from([0, 1, 2, 50]),
    }
)
_ONE_ROW = (0, "p", "7", "abc", {"verdict": "benign", "state": "open", "severity": "LOW", "summary": "abc",
                                 "workload": "", "score": 1, "findings": 1})  # fmt: skip
_ANYTHING: dict[str, Any] = {"project": "", "verdict": None, "state": None, "severity": None, "since": None,
                             "text": "", "order": "newest", "after": None, "limit": 50}  # fmt: skip


def _id(number: int) -> str:
    return f"{number:032x}"


def _moment(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


def _lines(rows: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": _id(number), "window_start": stamp(_moment(minute)), "project_id": project,
            "project_number": its_number, "cluster": "shop-prod", "location": "europe-west1-b",
            "namespace": "shop", "pod": pod, "container": "c",
            **changing,
        }
        for number, (minute, project, its_number, pod, changing) in enumerate(rows)
    ]  # fmt: skip


def _query(asked: dict[str, Any]) -> RecordQuery:
    since, after = asked["since"], asked["after"]
    given = {"since": None if since is None else _moment(since), "after": "" if after is None else _id(after)}
    return RecordQuery(**(asked | given))


def _plainly(lines: list[dict[str, Any]], query: RecordQuery) -> list[str]:
    """What the query says, read line by line."""
    by = {"score": ("score", "window_start", "id"), "findings": ("findings", "window_start", "id")}
    names = by.get(query.order, ("window_start", "id"))
    rows = sorted(lines, key=lambda one: [one[name] for name in names], reverse=query.order != "oldest")
    ids = [one["id"] for one in rows]
    if query.after:
        rows = rows[ids.index(query.after) + 1 :] if query.after in ids else []
    fit = [
        one["id"]
        for one in rows
        if query.project in {"", one["project_id"], one["project_number"]}
        and all(getattr(query, name) in {None, one[name]} for name in ("verdict", "state", "severity"))
        and (query.since is None or one["window_start"] >= stamp(query.since))
        and any(query.text.lower() in one[name].lower() for name in tables.SAID)
    ]
    return fit[: query.limit]


@contextlib.contextmanager
def _store() -> Iterator[tuple[SqliteRecords, sqlite3.Connection]]:
    with tempfile.TemporaryDirectory() as folder:
        records = SqliteRecords(Path(folder) / "records.db", now=Watch())
        records.counters()
        with contextlib.closing(sqlite3.connect(Path(folder) / "records.db", isolation_level=None)) as db:
            yield records, db
        records.close()


@settings(max_examples=300, deadline=None)
@given(st.lists(_ROW, max_size=12), st.lists(_CHANGING, max_size=6), st.lists(_QUERY, min_size=1, max_size=12))
@example(
    [_ONE_ROW] * 3, [], [_ANYTHING | {"text": "gcc abc"}, _ANYTHING | {"text": "abc", "order": "score", "after": 1}]
)
def test_a_list_is_what_a_plain_reading_gives(
    rows: list[Any], changes: list[dict[str, Any]], queries: list[dict[str, Any]]
) -> None:
    lines = _lines(rows)
    with _store() as (records, db):
        marks = ", ".join(f":{name}" for name in _NAMES)
        for one in lines:
            db.execute(
                f"INSERT INTO records (subject, {', '.join(_NAMES)}) VALUES (:id, {marks})",  # noqa: S608 - our own names
                one,
            )
        for one, changed in zip(lines, changes, strict=False):
            one.update(changed)
            names = ", ".join(f"{name} = :{name}" for name in changed)
            db.execute(f"UPDATE records SET {names} WHERE id = :id", changed | {"id": one["id"]})  # noqa: S608 - the same
        db.execute("INSERT INTO searched_index (searched_index) VALUES ('integrity-check')")
        for asked, few in itertools.product(queries, (0, 2, 5000)):
            query = _query(asked)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sqlite_listing, "_FEW", few)
                found = [line.id for line in records.list(query)]
            assert found == _plainly(lines, query), (query, few)


_VIEWS: dict[str, dict[str, Any]] = {
    "as it opens": {},
    "oldest": {"order": "oldest"},
    "of a state": {"state": "open"},
    "of a state that no record has": {"state": "acknowledged", "verdict": "malicious"},
    "of a verdict and a severity": {"verdict": "malicious", "severity": "CRITICAL"},
    "by score": {"order": "score"},
    "by findings, of a state": {"order": "findings", "state": "open"},
    "of a project": {"project": "acme-shop-7"},
    "of a project by its number": {"project": "400007", "order": "oldest"},
    "of a project that no record has": {"project": "nobody"},
    "text that one has": {"text": "checkout-77x"},
    "text that none has": {"text": "nothing-like-it", "order": "score"},
    "text that all have": {"text": "checkout"},
    "far down": {"after": 0.9},
    "far down by score": {"after": 0.9, "order": "score"},
    "far down by findings": {"after": 0.5, "order": "findings", "verdict": "benign"},
}


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, SqliteRecords]]:
    folder = tmp_path_factory.mktemp("sizes")
    made = {count: SqliteRecords(folder / f"{count}.db", now=Watch()) for count in (2_000, 16_000)}
    for count in made:
        review.fill(folder / f"{count}.db", count)
    yield made
    for records in made.values():
        records.close()


@pytest.mark.parametrize("view", _VIEWS)
def test_a_page_takes_no_more_steps_with_eight_times_the_records(sizes: dict[int, SqliteRecords], view: str) -> None:
    few, many = (_steps(records, count, _VIEWS[view]) for count, records in sizes.items())
    assert many <= few * 1.5 + 500, (few, many)


def test_what_has_no_index_takes_more_and_the_steps_tell(sizes: dict[int, SqliteRecords]) -> None:
    few, many = (_steps(records, count, {"text": "zq"}) for count, records in sizes.items())
    assert many > few * 5


def _steps(records: SqliteRecords, count: int, view: dict[str, Any]) -> int:
    """Hundreds of steps of SQLite's machine, as hundreds."""
    query = RecordQuery(limit=51, **(view | ({"after": ""} if "after" in view else {})))
    if "after" in view:
        query = replace(query, after=review.id_of(round(count * view["after"])))
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 100
        return 0

    db = records._file.db()
    db.set_progress_handler(step, 100)
    try:
        list(records.list(query))
    finally:
        db.set_progress_handler(None, 0)
    return taken
