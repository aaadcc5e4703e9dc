"""What is SQLite's alone: its file, its connections, its triggers. The rest is in `contract.py`."""

from __future__ import annotations

import gc
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from responder.errors import StoreError
from responder.evidence import Missing
from responder.ports import RecordQuery
from responder.record import Triage
from responder.stores import tables
from responder.stores.sqlite import _TOLD, _WANTING, SqliteRecords
from responder.stores.sqlite_tellings import _UNTOLD
from tests.stores.contract import LEASE, NOW, ROOT, Watch, admitted, claimed, entry, saved, told


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqliteRecords]:
    store = SqliteRecords(tmp_path / "records.db", now=Watch())
    yield store
    store.close()


def test_a_list_does_not_read_the_records(records: SqliteRecords, tmp_path: Path) -> None:
    record_id = saved(records).id
    with sqlite3.connect(tmp_path / "records.db") as db:
        db.execute("UPDATE records SET json = 'not JSON'")
    assert [line.id for line in records.list(RecordQuery())] == [record_id]


def test_evidence_is_written_when_it_changed_and_not_again_with_what_follows_from_it(
    records: SqliteRecords, tmp_path: Path
) -> None:
    record_id = admitted(records)
    claim = claimed(records, record_id)
    first = told(record_id)
    records.save(first, claim)
    with sqlite3.connect(tmp_path / "records.db") as db:
        (before,) = db.execute("SELECT rowid FROM evidence").fetchone()
        db.execute("UPDATE evidence SET rowid = 77")
    records.save(first.model_copy(update={"artifacts": ()}), claim)
    with sqlite3.connect(tmp_path / "records.db") as db:
        assert (before, db.execute("SELECT rowid FROM evidence").fetchall()) == (1, [(77,)])
    gap = Missing(why="denied", detail="pods.get on shop")
    changed = first.model_copy(update={"evidence": first.evidence.model_copy(update={"pod": gap})})
    records.save(changed, claim)
    loaded = records.load(record_id)
    assert loaded is not None
    assert loaded.evidence.pod == gap


def test_evidence_that_another_process_wrote_meanwhile_is_written_over(records: SqliteRecords, tmp_path: Path) -> None:
    record_id = admitted(records)
    first = told(record_id)
    claim = claimed(records, record_id)
    records.save(first, claim)
    records.release(claim, 1)
    other = SqliteRecords(tmp_path / "records.db", now=Watch())
    claim = claimed(other, record_id)
    gap = Missing(why="denied", detail="pods.get on shop")
    other.save(first.model_copy(update={"evidence": first.evidence.model_copy(update={"pod": gap})}), claim)
    other.release(claim, 1)
    other.close()
    records.save(first, claimed(records, record_id))
    loaded = records.load(record_id)
    assert loaded is not None
    assert loaded.evidence == first.evidence


def test_a_review_can_be_neither_changed_nor_removed(records: SqliteRecords, tmp_path: Path) -> None:
    records.review(saved(records).id, entry(), revision=1)
    with sqlite3.connect(tmp_path / "records.db") as db:
        for statement in ("UPDATE reviews SET json = ''", "DELETE FROM reviews"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)


def test_counting_and_rejecting_need_no_pydantic(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import datetime, UTC; from responder.stores.sqlite import SqliteRecords\n"
        "from responder.ports import Rejected\n"
        f"s = SqliteRecords({str(tmp_path / 'r.db')!r}, now=lambda: datetime.now(UTC)); s.count('x')\n"
        "s.reject(Rejected(message_id='m', reason='r', data=b'', received=datetime.now(UTC)))\n"
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_is_its_owners_alone(records: SqliteRecords, tmp_path: Path) -> None:
    admitted(records)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_a_path_that_cannot_be_opened_is_a_store_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no/such/dir"):
        SqliteRecords(tmp_path / "no/such/dir/r.db", now=Watch()).counters()


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_text("hello, this is a text file and no database at all\n" * 100)
    with pytest.raises(StoreError, match="SQLITE_NOTADB"):
        SqliteRecords(tmp_path / "r.db", now=Watch()).counters()


def test_a_file_of_a_later_version_is_left_alone(records: SqliteRecords, tmp_path: Path) -> None:
    records.count("x")
    with sqlite3.connect(tmp_path / "records.db") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        SqliteRecords(tmp_path / "records.db", now=Watch()).counters()


_OF_VERSION_4 = (
    "DROP TRIGGER records_are_searched; DROP TRIGGER records_are_searched_anew; DROP TABLE searched_index;"
    "DROP TABLE searched; DROP INDEX records_by_group; DROP INDEX records_by_score; DROP INDEX records_by_findings;"
    "DROP INDEX records_by_project; DROP INDEX records_by_number; ALTER TABLE records DROP COLUMN tried;"
)
_OF_VERSION_3 = _OF_VERSION_4 + (
    "DROP INDEX records_untold; DROP TABLE tellings; ALTER TABLE records DROP COLUMN told;"
    "ALTER TABLE records DROP COLUMN tell_due;"
)
_OF_VERSION_2 = _OF_VERSION_3 + (
    "DROP INDEX records_by_line; CREATE INDEX records_by_time ON records (window_start DESC, id);"
    "ALTER TABLE records DROP COLUMN severity; ALTER TABLE records DROP COLUMN score;"
    "ALTER TABLE records DROP COLUMN workload;"
)
_OF_VERSION_1 = _OF_VERSION_2 + (
    "DROP INDEX records_by_act; ALTER TABLE records DROP COLUMN act; ALTER TABLE records DROP COLUMN act_due;"
)


def test_a_file_of_the_version_before_is_brought_up_to_date_with_all_that_is_in_it(tmp_path: Path) -> None:
    old = SqliteRecords(tmp_path / "records.db", now=Watch())
    record = saved(old)
    old.close()
    with sqlite3.connect(tmp_path / "records.db") as db:
        before = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'records_by_act'").fetchall()
        db.executescript(f"{_OF_VERSION_1} PRAGMA user_version = 1;")
    records = SqliteRecords(tmp_path / "records.db", now=Watch())
    assert records.load(record.id) == record
    assert records.wanting(record.provenance.window_end) == ()
    records.save(told(record.id, act="wanted"), claimed(records, record.id, "m-2", NOW + LEASE))
    assert records.wanting(record.provenance.window_end) == (record.id,)
    with sqlite3.connect(tmp_path / "records.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (tables.VERSION,)
        assert db.execute("SELECT sql FROM sqlite_schema WHERE name = 'records_by_act'").fetchall() == before
    records.close()


def test_a_file_of_version_2_lists_what_it_holds_with_severity_and_score(tmp_path: Path) -> None:
    old = SqliteRecords(tmp_path / "records.db", now=Watch())
    record = saved(old, triage=Triage(verdict="malicious", summary="s", severity="HIGH", score=77))
    old.close()
    with sqlite3.connect(tmp_path / "records.db") as db:
        db.executescript(f"{_OF_VERSION_2} PRAGMA user_version = 2;")
    records = SqliteRecords(tmp_path / "records.db", now=Watch())
    (line,) = records.list(RecordQuery(order="score"))
    assert (line.id, line.severity, line.score) == (record.id, "HIGH", 77)
    records.close()


def test_what_a_file_of_version_3_holds_is_not_told_and_what_comes_next_is(tmp_path: Path) -> None:
    old = SqliteRecords(tmp_path / "records.db", now=Watch())
    record = saved(old)
    assert old.untold(NOW) == (record.id,)
    old.close()
    with sqlite3.connect(tmp_path / "records.db") as db:
        db.executescript(f"{_OF_VERSION_3} PRAGMA user_version = 3;")
    records = SqliteRecords(tmp_path / "records.db", now=Watch())
    assert records.untold(NOW) == ()
    records.save(told(record.id), claimed(records, record.id, "m-2", NOW + LEASE))
    assert records.untold(NOW) == (record.id,)
    records.close()


def test_what_is_untold_is_found_without_a_look_at_the_other_records(records: SqliteRecords) -> None:
    plan = records._file.db().execute(f"EXPLAIN QUERY PLAN {_UNTOLD}", ("x", 1)).fetchall()
    assert ["USING INDEX records_untold" in row[-1] for row in plan] == [True]


def test_a_file_of_version_4_finds_what_it_holds_by_its_words(tmp_path: Path) -> None:
    old = SqliteRecords(tmp_path / "records.db", now=Watch())
    record = saved(old)
    (line,) = old.list(RecordQuery())
    old.close()
    with sqlite3.connect(tmp_path / "records.db") as db:
        db.executescript(f"{_OF_VERSION_4} PRAGMA user_version = 4;")
    records = SqliteRecords(tmp_path / "records.db", now=Watch())
    assert [one.id for one in records.list(RecordQuery(text=line.summary.upper(), order="score"))] == [record.id]
    assert list(records.list(RecordQuery(text=line.summary + "x"))) == []
    records.close()


def test_what_act_is_wanted_for_is_found_without_a_look_at_the_other_records(records: SqliteRecords) -> None:
    saved(records)
    plan = records._file.db().execute(f"EXPLAIN QUERY PLAN {_WANTING}", ("", 1)).fetchall()
    assert [row[-1] for row in plan] == ["SCAN records USING INDEX records_by_act"]


def test_what_is_written_waits_for_the_disk_except_for_counts(records: SqliteRecords) -> None:
    records.count("x")
    modes = [records._file.db().execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
    assert modes == [2, "wal"]


def test_threads_that_ended_leave_no_connection_open(records: SqliteRecords) -> None:
    for _ in range(20):
        thread = threading.Thread(target=records.counters)
        thread.start()
        thread.join()
    gc.collect()  # a connection and its cache of statements hold each other
    assert len(records._file.open) == 0


def test_an_arrival_does_not_look_at_the_records_of_other_containers(records: SqliteRecords) -> None:
    saved(records)
    plan = records._file.db().execute(f"EXPLAIN QUERY PLAN {_TOLD}", ("",) * 5).fetchall()
    of_records = [row[-1] for row in plan if "records" in row[-1]]
    assert of_records == ["SEARCH records USING INDEX sqlite_autoindex_records_2 (subject=?)"]
