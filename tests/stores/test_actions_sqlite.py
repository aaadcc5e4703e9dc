"""The second store as a SQLite file: the contract, and what is its file's alone."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from responder.errors import StoreError
from responder.stores.actions_sqlite import SqliteActions
from responder.stores.sqlite import SqliteRecords
from tests.stores.actions_contract import NOW, ActionsContract, a_brake, a_question, an_intent, approved, began, kept
from tests.stores.contract import Watch


class TestSqlite(ActionsContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return str(tmp_path / "actions.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "actions.db"


@pytest.fixture
def actions(path: Path) -> Iterator[SqliteActions]:
    store = SqliteActions(path)
    yield store
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE brake_acts SET "on" = 0',
        "DELETE FROM brake_acts",
        "UPDATE steps SET step = ''",
        "DELETE FROM steps",
        "DELETE FROM intents",
        "UPDATE intents SET state = 'intended' WHERE pod = 'pod-1'",
        "UPDATE intents SET sent_at = NULL WHERE pod = 'pod-1'",
        "UPDATE intents SET sent_method = 'evict' WHERE pod = 'pod-1'",
        "UPDATE intents SET sent_approval = 'another' WHERE pod = 'pod-1'",
        "UPDATE intents SET sent_at = NULL, state = 'settled' WHERE pod = 'pod-1'",
        "UPDATE intents SET sent_at = '2020', state = 'intended' WHERE pod = 'pod-1'",
        "UPDATE intents SET sent_at = NULL, state = 'intended' WHERE pod = 'pod-2'",
        "UPDATE intents SET uid = 'another' WHERE pod = 'pod-0'",
        "UPDATE intents SET at = '2020' WHERE pod = 'pod-0'",
        "UPDATE intents SET outcome = 'gone' WHERE pod = 'pod-2'",
        "UPDATE intents SET state = 'sent' WHERE pod = 'pod-2'",
        "DELETE FROM approvals",
        "UPDATE approvals SET until = '9999' WHERE binding = 'waits'",
        "UPDATE approvals SET state = 'used' WHERE binding = 'waits'",
        "UPDATE approvals SET state = 'approved' WHERE binding = 'used'",
        "UPDATE approvals SET used_by = 'another' WHERE binding = 'used'",
        "UPDATE approvals SET state = 'waiting' WHERE binding = 'approved'",
        "UPDATE approvals SET state = 'used', by = 'mallory' WHERE binding = 'approved'",
    ],
)
def test_the_file_itself_refuses_to_change_the_past(actions: SqliteActions, path: Path, statement: str) -> None:
    actions.set_brake(a_brake())
    keys = [began(actions, n) for n in range(3)]
    for key in keys[1:]:
        actions.send(key, NOW, "delete")
    actions.settle(keys[2], "deleted", "404", NOW)
    actions.ask(a_question("waits"))
    approved(actions, "approved")
    approved(actions, "used")
    actions.use("used", "k", NOW)
    with sqlite3.connect(path) as db, pytest.raises(sqlite3.IntegrityError, match=r"append-only|one way|what it was"):
        db.execute(statement)


def test_the_file_is_its_owners_alone_and_what_is_written_waits_for_the_disk(
    actions: SqliteActions, tmp_path: Path
) -> None:
    actions.set_brake(a_brake())
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    modes = [actions._file.db().execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
    assert modes == [2, "wal"]


def test_a_file_that_is_no_database_is_a_store_error_for_the_brake_and_everything_else(path: Path) -> None:
    path.write_text("hello, this is a text file and no database at all\n" * 100)
    actions = SqliteActions(path)
    for ask in (actions.brake, actions.intent, actions.approval):
        with pytest.raises(StoreError, match=r"the action store .*actions.db failed: SQLITE_NOTADB"):
            ask("x")
    with pytest.raises(StoreError):
        actions.send("x", NOW, "delete")
    with pytest.raises(StoreError, match="no/such"):
        SqliteActions(path.parent / "no/such/a.db").brake("")


def test_the_records_file_is_not_taken_for_the_actions_file_nor_the_other_way_round(tmp_path: Path) -> None:
    records, actions = SqliteRecords(tmp_path / "r.db", now=Watch()), SqliteActions(tmp_path / "a.db")
    records.count("x")
    actions.set_brake(a_brake())
    with pytest.raises(StoreError, match="the action store has version"):
        SqliteActions(tmp_path / "r.db").brake("")
    with pytest.raises(StoreError, match="the record store has version 1002"):
        SqliteRecords(tmp_path / "a.db", now=Watch()).counters()
    assert records.counters() == {"x": 1}
    records.close()
    actions.close()


def test_a_file_of_the_version_before_keeps_its_intents_and_lets_a_refused_one_be_taken_back(
    actions: SqliteActions, path: Path
) -> None:
    key = kept(actions.intend(an_intent(0, method="evict", approval="b-1"), ())).intent.key
    actions.send(key, NOW, "delete", "b-2")
    actions.close()
    with sqlite3.connect(path) as db:
        db.executescript("""DROP TRIGGER intents_never_go_back;
            CREATE TRIGGER intents_never_go_back BEFORE UPDATE ON intents WHEN OLD.state = 'sent'
                AND NEW.state = 'intended' BEGIN SELECT RAISE(ABORT, 'one way'); END;
            ALTER TABLE intents DROP COLUMN sent_method;
            ALTER TABLE intents DROP COLUMN sent_approval;
            PRAGMA user_version = 1001;""")
    before = actions.intent(key)
    assert before is not None
    assert (before.state, before.method, before.approval) == ("sent", "evict", "b-1")
    assert actions.unsend(key, NOW, "a budget", NOW) is True
    assert actions.send(key, NOW, "delete") is True


def test_a_brake_that_cannot_be_read_is_a_store_error(actions: SqliteActions, path: Path) -> None:
    actions.set_brake(a_brake())
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO brake_acts (\"on\", project, why, by, at) VALUES (0, '', '', '', 'no time')")
    with pytest.raises(StoreError, match="a brake that cannot be read"):
        actions.brake("x")
    with pytest.raises(StoreError):
        actions.brakes()


def test_what_is_settled_or_answered_without_being_there_is_an_error_and_not_made(actions: SqliteActions) -> None:
    with pytest.raises(StoreError, match="no intent"):
        actions.settle("x", "deleted", "", NOW)
    assert actions.intents() == ()
