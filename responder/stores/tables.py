"""The tables behind the record store, and how a file is made ready. Touches the file that it is handed."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from responder.errors import StoreError

VERSION: Final = 1
"""`PRAGMA user_version` of a file that has these tables."""

LINE: Final = (
    "id, window_start, project_id, project_number, cluster, location, namespace, pod, container,"
    " verdict, state, summary, findings, gaps, stage, revision"
)
"""The columns of a line in a list, in the order in which `documents.line_of` reads them."""

_TABLES: Final = """
CREATE TABLE records (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    window_start TEXT NOT NULL,
    project_id TEXT NOT NULL,
    project_number TEXT NOT NULL,
    cluster TEXT NOT NULL,
    location TEXT NOT NULL,
    namespace TEXT NOT NULL,
    pod TEXT NOT NULL,
    container TEXT NOT NULL,
    stage TEXT NOT NULL DEFAULT 'admitted',
    verdict TEXT NOT NULL DEFAULT 'insufficient_data',
    state TEXT NOT NULL DEFAULT 'open',
    summary TEXT NOT NULL DEFAULT 'not investigated yet',
    findings INTEGER NOT NULL DEFAULT 0,
    gaps INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0,
    holder TEXT NOT NULL DEFAULT '',
    expires TEXT NOT NULL DEFAULT '',
    due TEXT,
    read INTEGER NOT NULL DEFAULT 0,
    published INTEGER NOT NULL DEFAULT 0,
    json TEXT,
    UNIQUE (subject, window_start)
) STRICT;
CREATE TABLE evidence (record_id TEXT PRIMARY KEY REFERENCES records, json TEXT NOT NULL) STRICT;
CREATE INDEX records_by_time ON records (window_start DESC, id);
CREATE INDEX records_by_due ON records (stage, due);
CREATE TABLE findings (
    record_id TEXT NOT NULL REFERENCES records,
    key TEXT NOT NULL,
    event_time TEXT NOT NULL,
    raw_sha256 TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (record_id, key)
) STRICT;
CREATE INDEX findings_by_key ON findings (key);
CREATE TABLE occurrences (
    record_id TEXT NOT NULL REFERENCES records,
    key TEXT NOT NULL,
    event_time TEXT NOT NULL,
    state TEXT NOT NULL,
    mute TEXT NOT NULL,
    message_id TEXT NOT NULL,
    received TEXT NOT NULL,
    PRIMARY KEY (record_id, key, event_time, state, mute)
) STRICT;
CREATE TABLE raw (
    key TEXT PRIMARY KEY,
    data BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    message_id TEXT NOT NULL,
    received TEXT NOT NULL
) STRICT;
CREATE TABLE reviews (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id TEXT NOT NULL REFERENCES records,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX reviews_by_record ON reviews (record_id, seq);
CREATE TRIGGER reviews_are_never_changed BEFORE UPDATE ON reviews
    BEGIN SELECT RAISE(ABORT, 'reviews are append-only'); END;
CREATE TRIGGER reviews_are_never_removed BEFORE DELETE ON reviews
    BEGIN SELECT RAISE(ABORT, 'reviews are append-only'); END;
CREATE TABLE rejected (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    data BLOB NOT NULL,
    received TEXT NOT NULL
) STRICT;
CREATE TABLE traits (
    record_id TEXT NOT NULL REFERENCES records,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, value, record_id)
) STRICT;
CREATE INDEX traits_by_record ON traits (record_id);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""


def prepare(db: sqlite3.Connection, *, tries: int) -> None:
    """Set the connection up, and make the tables where the file is new. StoreError for a file of a later version."""
    for left in reversed(range(tries)):
        try:
            db.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            # The switch to WAL does not wait for other processes as everything else does.
            if not left:
                raise
            time.sleep(0.05)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    found = _version(db)
    if found == 0:
        _create(db)
    elif found != VERSION:
        message = f"the record store has version {found}, this responder knows {VERSION}: use the one that wrote it"
        raise StoreError(message)


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # Asked again: another process may have made them while this one waited.
        if _version(db) == 0:
            for statement in _statements():
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _statements() -> list[str]:
    """The tables one by one: `executescript` would commit before it begins, and two processes would both create."""
    statements: list[str] = []
    text = ""
    for line in _TABLES.splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            statements.append(text.strip())
            text = ""
    return statements
