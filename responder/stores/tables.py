"""The tables behind the record store, and how a store's file is made ready. Touches the file that it is handed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from responder.errors import StoreError

VERSION: Final = 5
"""`PRAGMA user_version` of a file that has these tables. 2: `act` and `act_due`. 3: a list is read from one index.
4: what was told. 5: a list of any kind is read from an index of its own; `tried`, when a record was claimed last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The tables of one kind of store. `version` is the file's `PRAGMA user_version`; no two kinds share one.

    `upgrades` has the statements that make a file of the version before into one of that version.
    """

    what: str
    version: int
    text: str
    upgrades: Mapping[int, str] = field(default_factory=dict)


LINE: Final = (
    "id, window_start, project_id, project_number, cluster, location, namespace, pod, container,"
    " verdict, state, summary, findings, gaps, stage, revision, severity, score, workload"
)
"""The columns of a line in a list, in the order in which `documents.line_of` reads them."""
SAID: Final = ("id", "project_id", "cluster", "namespace", "pod", "workload", "summary")
"""The columns in which a text is looked for."""

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
    tried TEXT NOT NULL DEFAULT '',
    due TEXT,
    act TEXT,
    act_due TEXT,
    severity TEXT NOT NULL DEFAULT 'LOW',
    score INTEGER NOT NULL DEFAULT 0,
    workload TEXT NOT NULL DEFAULT '',
    read INTEGER NOT NULL DEFAULT 0,
    published INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0,
    tell_due TEXT,
    json TEXT,
    UNIQUE (subject, window_start)
) STRICT;
CREATE TABLE evidence (record_id TEXT PRIMARY KEY REFERENCES records, json TEXT NOT NULL) STRICT;
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


_BY_ACT: Final = "CREATE INDEX records_by_act ON records (window_start, id) WHERE act = 'wanted';"
_TO_2: Final = f"""
ALTER TABLE records ADD COLUMN act TEXT;
ALTER TABLE records ADD COLUMN act_due TEXT;
{_BY_ACT}
"""
_BY_LINE: Final = f"CREATE INDEX records_by_line ON records ({LINE.replace('id, window_start', 'window_start, id')});"
"""All that a list shows, by time: what is looked for in many records is looked for here."""
_BY_MORE: Final = """
CREATE INDEX records_by_group ON records (state, verdict, severity, window_start, id);
CREATE INDEX records_by_score ON records (state, verdict, severity, score, window_start, id);
CREATE INDEX records_by_findings ON records (state, verdict, severity, findings, window_start, id);
CREATE INDEX records_by_project ON records (project_id, window_start, id);
CREATE INDEX records_by_number ON records (project_number, window_start, id);
"""


def _said(row: str) -> str:
    """What a text is looked for in; no text has a unit separator in it."""
    return " || char(31) || ".join(f"{row}.{name}" for name in SAID)


_SEARCHED: Final = f"""
CREATE TABLE searched (
    n INTEGER PRIMARY KEY,
    record_id TEXT NOT NULL UNIQUE REFERENCES records,
    text TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE searched_index USING fts5(
    text, content = 'searched', content_rowid = 'n', tokenize = 'trigram', columnsize = 0
);
CREATE TRIGGER searched_is_added AFTER INSERT ON searched
    BEGIN INSERT INTO searched_index (rowid, text) VALUES (new.n, new.text); END;
CREATE TRIGGER searched_is_changed AFTER UPDATE ON searched BEGIN
    INSERT INTO searched_index (searched_index, rowid, text) VALUES ('delete', old.n, old.text);
    INSERT INTO searched_index (rowid, text) VALUES (new.n, new.text);
END;
CREATE TRIGGER records_are_searched AFTER INSERT ON records
    BEGIN INSERT INTO searched (record_id, text) VALUES (new.id, {_said("new")}); END;
CREATE TRIGGER records_are_searched_anew AFTER UPDATE OF workload, summary ON records
    WHEN new.summary IS NOT old.summary OR new.workload IS NOT old.workload
    BEGIN UPDATE searched SET text = {_said("new")} WHERE record_id = new.id; END;
"""  # noqa: S608 - our own names
"""Every three letters that a line says of itself, with the records that have them; SQLite keeps it with each write."""

_TO_3: Final = """
ALTER TABLE records ADD COLUMN severity TEXT NOT NULL DEFAULT 'LOW';
ALTER TABLE records ADD COLUMN score INTEGER NOT NULL DEFAULT 0;
ALTER TABLE records ADD COLUMN workload TEXT NOT NULL DEFAULT '';
UPDATE records SET severity = COALESCE(json_extract(json, '$.triage.severity'), 'LOW'),
    score = COALESCE(json_extract(json, '$.triage.score'), 0) WHERE json IS NOT NULL;
DROP INDEX records_by_time;
"""
_TELLINGS: Final = """
CREATE INDEX records_untold ON records (window_start DESC, id) WHERE told < revision;
CREATE TABLE tellings (key TEXT PRIMARY KEY, until TEXT NOT NULL, json TEXT NOT NULL) STRICT;
"""
_TO_4: Final = (
    """
ALTER TABLE records ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE records ADD COLUMN tell_due TEXT;
UPDATE records SET told = revision;
"""
    + _TELLINGS
)
"""What is older than the telling is not told."""
_SEARCH_ALL: Final = f"INSERT INTO searched (record_id, text) SELECT id, {_said('records')} FROM records;\n"  # noqa: S608 - our own names
_TRIED: Final = "ALTER TABLE records ADD COLUMN tried TEXT NOT NULL DEFAULT '';\n"
_TO_5: Final = _TRIED + "DROP INDEX IF EXISTS records_by_line;\n" + _BY_LINE + _BY_MORE + _SEARCHED + _SEARCH_ALL

RECORDS: Final = Schema(
    what="record store",
    version=VERSION,
    text=_TABLES + _BY_ACT + "\n" + _BY_LINE + _BY_MORE + _TELLINGS + _SEARCHED,
    upgrades={2: _TO_2, 3: _TO_3, 4: _TO_4, 5: _TO_5},
)


def prepare(db: sqlite3.Connection, schema: Schema = RECORDS, *, tries: int) -> None:
    """Set the connection up; make the tables where the file is new, and bring an older file up to date in its place.

    StoreError for a file of a later version, or of another kind of store.
    """
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
    # A connection for each thread, and each keeps pages up to this: 1 MiB, where SQLite's own default is twice that.
    db.execute("PRAGMA cache_size = -1024")
    db.execute("PRAGMA foreign_keys = ON")
    found = _version(db)
    if found == schema.version:
        return
    if _steps(schema, found) is None:
        message = (
            f"the {schema.what} has version {found}, this responder knows {schema.version}: use the one that wrote it"
        )
        raise StoreError(message)
    _create(db, schema)


def _steps(schema: Schema, found: int) -> list[str] | None:
    """What makes a file of the version `found` (0: a new one) into today's; None where nothing does."""
    if found == 0:
        return [schema.text]
    versions = range(found + 1, schema.version + 1)
    if found > schema.version or not set(versions) <= set(schema.upgrades):
        return None
    return [schema.upgrades[version] for version in versions]


def _create(db: sqlite3.Connection, schema: Schema) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # Asked again: another process may have made them while this one waited.
        for text in _steps(schema, _version(db)) or ():
            for statement in _statements(text):
                db.execute(statement)
        if _version(db) < schema.version:
            db.execute(f"PRAGMA user_version = {schema.version}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _statements(tables: str) -> list[str]:
    """The tables one by one: `executescript` would commit before it begins, and two processes would both create."""
    statements: list[str] = []
    text = ""
    for line in tables.splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            statements.append(text.strip())
            text = ""
    return statements
