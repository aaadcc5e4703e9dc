"""Step 7, between steps: brakes, intents, limits and approvals in a SQLite file of their own. Touches that file alone.

Apart from the records' file, which `respond` and `sweep` write. Every change is one transaction of one writer, so that
an intent is kept together with the count of its limits or not at all, wherever a process is killed. Triggers refuse
what must not happen to the past: history is neither changed nor removed, and no state goes back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from responder.errors import StoreError
from responder.ports import ANOTHER_IS_OPEN, SAME_WAS_SENT
from responder.record import FINAL
from responder.stores import actions_words as words
from responder.stores.file import File
from responder.stores.tables import Schema
from responder.stores.words import clean, shifted, short, stamp

if TYPE_CHECKING:
    from responder.ports import Approval, Brake, Intended, Intent, Limit
    from responder.record import Method

_INTENT: Final = ", ".join(words.INTENT)
_APPROVAL: Final = ", ".join(words.APPROVAL)


def _is_kept(table: str) -> str:
    return f"""
CREATE TRIGGER {table}_are_never_removed BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END;
"""


def _is_past(table: str) -> str:
    return f"""{_is_kept(table)}
CREATE TRIGGER {table}_are_never_changed BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END;
"""


_SENT: Final = ("sent_at", "sent_method", "sent_approval")
_NEVER_GO_BACK: Final = """
CREATE TRIGGER intents_never_go_back BEFORE UPDATE ON intents WHEN OLD.state = 'settled'
    OR (OLD.sent_at IS NOT NULL
        AND (NEW.sent_at, NEW.sent_method, NEW.sent_approval) IS NOT (OLD.sent_at, OLD.sent_method, OLD.sent_approval)
        AND NOT (OLD.state = 'sent' AND NEW.state = 'intended' AND NEW.sent_at IS NULL))
    OR (OLD.state = 'sent' AND NEW.state = 'intended' AND NEW.sent_at IS NOT NULL)
    BEGIN SELECT RAISE(ABORT, 'an intent moves one way'); END;
"""
"""One way, but for a request that was refused for now: it takes the time at which it was sent back as well."""

_TABLES: Final = f"""
CREATE TABLE brake_acts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    "on" INTEGER NOT NULL,
    project TEXT NOT NULL,
    why TEXT NOT NULL,
    by TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX brake_acts_by_project ON brake_acts (project, seq);
{_is_past("brake_acts")}
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    record_id TEXT NOT NULL,
    project TEXT NOT NULL,
    namespace TEXT NOT NULL,
    workload TEXT NOT NULL,
    image_digest TEXT NOT NULL,
    pod TEXT NOT NULL,
    uid TEXT NOT NULL,
    method TEXT NOT NULL,
    at TEXT NOT NULL,
    approval TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'intended' CHECK (state IN ('intended', 'sent', 'settled')),
    outcome TEXT NOT NULL DEFAULT '',
    sent_at TEXT,
    sent_method TEXT NOT NULL DEFAULT '',
    sent_approval TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX intents_by_time ON intents (at DESC, seq DESC);
CREATE INDEX intents_by_record ON intents (record_id, seq);
CREATE INDEX intents_by_project ON intents (project, at);
CREATE INDEX intents_by_answer ON intents (workload, image_digest, sent_at) WHERE sent_at IS NOT NULL;
{_is_kept("intents")}
CREATE TRIGGER intents_keep_what_they_are BEFORE UPDATE OF seq, {_INTENT} ON intents
    BEGIN SELECT RAISE(ABORT, 'an intent is what it was'); END;
{_NEVER_GO_BACK}
CREATE TABLE steps (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL REFERENCES intents (key),
    step TEXT NOT NULL
) STRICT;
CREATE INDEX steps_by_key ON steps (key, seq);
{_is_past("steps")}
CREATE TABLE approvals (
    binding TEXT PRIMARY KEY,
    record_id TEXT NOT NULL,
    project TEXT NOT NULL,
    uid TEXT NOT NULL,
    asked_at TEXT NOT NULL,
    until TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'rejected', 'used')),
    by TEXT NOT NULL,
    at TEXT,
    why TEXT NOT NULL,
    used_by TEXT NOT NULL DEFAULT '',
    used_at TEXT
) STRICT;
CREATE INDEX approvals_by_state ON approvals (state, until);
{_is_kept("approvals")}
CREATE TRIGGER approvals_keep_what_they_are
    BEFORE UPDATE OF binding, record_id, project, uid, asked_at, until ON approvals
    BEGIN SELECT RAISE(ABORT, 'a question is what it was'); END;
CREATE TRIGGER approvals_move_one_way BEFORE UPDATE ON approvals
    WHEN NOT ((OLD.state = 'waiting' AND NEW.state IN ('approved', 'rejected'))
        OR (OLD.state = 'approved' AND NEW.state = 'used'
            AND NEW.by IS OLD.by AND NEW.at IS OLD.at AND NEW.why IS OLD.why))
    BEGIN SELECT RAISE(ABORT, 'an approval moves one way'); END;
"""

_UPGRADES: Final = {
    1002: f"""
ALTER TABLE intents ADD COLUMN sent_method TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN sent_approval TEXT NOT NULL DEFAULT '';
DROP TRIGGER intents_never_go_back;{_NEVER_GO_BACK}"""
}
ACTIONS: Final = Schema(what="action store", version=1002, text=_TABLES, upgrades=_UPGRADES)
"""Its version is none that a file of records will have: the one is not taken for the other."""


class SqliteActions:
    """`ports.Actions` over the file at `path`, which is made (readable by its owner alone) on first use."""

    def __init__(self, path: str | Path) -> None:
        self._file = File(Path(path), ACTIONS)

    # --- the brake ----------------------------------------------------------------------------------------------------

    def brake(self, project: str) -> Brake | None:
        """The brake that is on for this project (the one for all goes first), or None where none is."""
        latest = f"SELECT {_columns(words.BRAKE)} FROM brake_acts WHERE project = ? ORDER BY seq DESC LIMIT 1"  # noqa: S608 - our own column names
        with self._file.errors():
            db = self._file.db()
            rows = [db.execute(latest, (one,)).fetchone() for one in ("", clean(project))]
        found = [words.brake_of(_named(words.BRAKE, row)) for row in rows if row is not None]
        return next((brake for brake in found if brake.on), None)

    def set_brake(self, brake: Brake) -> None:
        """Pull or let go; who, when and why stay in the history."""
        with self._file.transaction() as db:
            _insert(db, "brake_acts", words.written(brake))

    def brakes(self) -> tuple[Brake, ...]:
        """Every act on a brake, oldest first."""
        with self._file.errors():
            rows = self._file.db().execute(f"SELECT {_columns(words.BRAKE)} FROM brake_acts ORDER BY seq").fetchall()  # noqa: S608 - our own column names
        return tuple(words.brake_of(_named(words.BRAKE, row)) for row in rows)

    # --- intents ------------------------------------------------------------------------------------------------------

    def intend(self, intent: Intent, limits: Sequence[Limit]) -> Intended | str:
        """Keep the intent once, in one step with the count of its limits: the intent, or why it is not kept."""
        with self._file.transaction() as db:
            found = _intended(db, intent.key)
            if found is not None:
                return found
            if db.execute(_ANSWERED, (clean(intent.workload), clean(intent.image_digest))).fetchone():
                return SAME_WAS_SENT
            full = next((limit for limit in limits if _count(db, intent, limit) >= limit.most), None)
            if full is not None:
                return words.used_up(full)
            latest = db.execute(_LATEST, (clean(intent.project), clean(intent.workload))).fetchall()
            if any(words.is_open(_named(_LATEST_NAMES, row), intent.key, intent.at) for row in latest):
                return ANOTHER_IS_OPEN
            _insert(db, "intents", words.written(intent))
            _step(db, intent.key, words.intended_step(intent))
            return _there(db, intent.key)

    def intent(self, key: str) -> Intended | None:
        """The intent of a pod, if there is one."""
        with self._file.errors():
            return _intended(self._file.db(), key)

    def send(self, key: str, now: datetime, method: Method, approval: str = "") -> bool:
        """`intended` becomes `sent`: True for the one caller that may send the request, False for every other."""
        with self._file.transaction() as db:
            row = db.execute(
                "UPDATE intents SET state = 'sent', sent_at = ?, sent_method = ?, sent_approval = ?"
                " WHERE key = ? AND state = 'intended' RETURNING key",
                (stamp(now), clean(method), clean(approval), clean(key)),
            ).fetchone()
            if row is not None:
                _step(db, key, words.sent_step(method, now))
            return row is not None

    def unsend(self, key: str, sent_at: datetime, why: str, now: datetime) -> bool:
        """What this very caller sent at `sent_at` becomes `intended`; False where another did, or it is settled."""
        with self._file.transaction() as db:
            row = db.execute(
                "UPDATE intents SET state = 'intended', sent_at = NULL, outcome = 'held'"
                " WHERE key = ? AND state = 'sent' AND sent_at = ? RETURNING key",
                (clean(key), stamp(sent_at)),
            ).fetchone()
            if row is not None:
                _step(db, key, words.unsent_step(now, why))
            return row is not None

    def settle(self, key: str, outcome: str, detail: str, now: datetime) -> None:
        """What was seen; nothing is written to one that is settled. StoreError where there is no such intent."""
        with self._file.transaction() as db:
            found = _there(db, key)
            if found.state == "settled":
                return
            state = "settled" if outcome in FINAL else found.state
            db.execute("UPDATE intents SET state = ?, outcome = ? WHERE key = ?", (state, clean(outcome), clean(key)))
            _step(db, key, words.seen_step(state, outcome, detail, now))

    def answered(self, workload: str, image_digest: str) -> str:
        """Key of the first intent that was sent for this workload with this image, empty where there is none."""
        with self._file.errors():
            row = self._file.db().execute(_ANSWERED, (clean(workload), clean(image_digest))).fetchone()
        return "" if row is None else str(row[0])

    def intents(self, project: str = "", limit: int = 100) -> tuple[Intended, ...]:
        """The latest, newest first."""
        where = "project = ?1" if project else "?1 = ''"
        statement = f"SELECT key FROM intents WHERE {where} ORDER BY at DESC, seq DESC LIMIT ?2"  # noqa: S608 - clauses are ours
        with self._file.errors():
            db = self._file.db()
            rows = db.execute(statement, (clean(project), max(limit, 0))).fetchall()
            return tuple(_there(db, row[0]) for row in rows)

    def of_record(self, record_id: str) -> tuple[Intended, ...]:
        """Those of a record, oldest first."""
        with self._file.errors():
            db = self._file.db()
            rows = db.execute(
                "SELECT key FROM intents WHERE record_id = ? ORDER BY seq", (clean(record_id),)
            ).fetchall()
            return tuple(_there(db, row[0]) for row in rows)

    # --- approvals ----------------------------------------------------------------------------------------------------

    def ask(self, approval: Approval) -> Approval:
        """Keep the question once, waiting; the one that is there with this binding is returned as it stands."""
        with self._file.transaction() as db:
            found, _ = _approval(db, approval.binding)
            if found is not None:
                return found
            kept = words.asked(approval)
            _insert(db, "approvals", kept)
            return words.approval_of(kept)

    def approval(self, binding: str) -> Approval | None:
        """The question with this binding."""
        with self._file.errors():
            return _approval(self._file.db(), binding)[0]

    def waiting(self, now: datetime, record_id: str = "") -> tuple[Approval, ...]:
        """Questions that nobody answered: those that are open, then those that ran out within a day; oldest first."""
        where = "record_id = ?2" if record_id else "?2 = ''"
        statement = f"SELECT {_APPROVAL} FROM approvals WHERE state = 'waiting' AND until > ?1 AND {where}"  # noqa: S608 - clauses are ours
        with self._file.errors():
            values = (shifted(now, -words.EXPIRED), clean(record_id))
            rows = self._file.db().execute(statement, values).fetchall()
        return words.waiting((words.approval_of(_named(words.APPROVAL, row)) for row in rows), now)

    def answer(self, binding: str, *, approve: bool, by: str, why: str, now: datetime) -> Approval:
        """Approve or reject; Refused where there is none, it was answered, or its time is over."""
        with self._file.transaction() as db:
            words.may_answer(_approval(db, binding)[0], by, now)
            db.execute(
                "UPDATE approvals SET state = ?, by = ?, why = ?, at = ? WHERE binding = ?",
                ("approved" if approve else "rejected", clean(by), short(why), stamp(now), clean(binding)),
            )
            answered, _ = _approval(db, binding)
        if answered is None:
            message = "the action store lost an approval while it was answered"
            raise StoreError(message)
        return answered

    def use(self, binding: str, key: str, now: datetime) -> bool:
        """Spend an approval on the intent `key`: True for the first time before `until`, and for that key again."""
        with self._file.transaction() as db:
            known = words.may_use(*_approval(db, binding), key, now)
            if known is not None:
                return known
            db.execute(
                "UPDATE approvals SET state = 'used', used_by = ?, used_at = ? WHERE binding = ?",
                (clean(key), stamp(now), clean(binding)),
            )
            return True

    def close(self) -> None:
        """Let go of the file, in every thread; the next use opens it again."""
        self._file.close()


_ANSWERED: Final = (
    "SELECT key FROM intents WHERE workload = ? AND image_digest = ? AND sent_at IS NOT NULL"  # noqa: S608 - our own words
    f" AND NOT (state = 'settled' AND outcome IN {words.NOTHING_WAS_DONE}) ORDER BY sent_at, seq LIMIT 1"
)
_LATEST_NAMES: Final = ("key", "state", "at")
_LATEST: Final = (
    f"SELECT {', '.join(_LATEST_NAMES)} FROM intents WHERE project = ? AND workload = ?"  # noqa: S608 - our own names
    " AND state != 'settled'"
)
_COLUMNS: Final = {"project": ("project",), "namespace": ("project", "namespace"), "workload": ("project", "workload")}


def _columns(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _named(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names, row, strict=True))


def _insert(db: sqlite3.Connection, table: str, values: dict[str, str | bool | None]) -> None:
    marks = ", ".join("?" * len(values))
    statement = f"INSERT INTO {table} ({_columns(tuple(values))}) VALUES ({marks})"  # noqa: S608 - our own names
    db.execute(statement, tuple(values.values()))


def _count(db: sqlite3.Connection, intent: Intent, limit: Limit) -> int:
    """Intents of the limit's scope that are younger than its window, those of clocks that are ahead among them."""
    where = " AND ".join(f"{name} = ?" for name in _COLUMNS[limit.scope])
    _, *values = words.scope_of(intent, limit)
    statement = f"SELECT COUNT(*) FROM intents WHERE {where} AND at > ?"  # noqa: S608 - our own column names
    return int(db.execute(statement, (*values, shifted(intent.at, -limit.within))).fetchone()[0])


def _step(db: sqlite3.Connection, key: str, step: str) -> None:
    db.execute("INSERT INTO steps (key, step) VALUES (?, ?)", (clean(key), step))


def _intended(db: sqlite3.Connection, key: str) -> Intended | None:
    # Steps up to the last that there was with this state: without a transaction, more may be written in between.
    row = db.execute(_INTENDED, (clean(key),)).fetchone()
    if row is None:
        return None
    steps = db.execute("SELECT step FROM steps WHERE key = ? AND seq <= ? ORDER BY seq", (clean(key), row[-1]))
    names = (*words.INTENT, "state", "outcome", *_SENT, "last")
    return words.intended_of(_named(names, row), (step for (step,) in steps.fetchall()))


_INTENDED: Final = (
    f"SELECT {_INTENT}, state, outcome, {', '.join(_SENT)},"  # noqa: S608 - our own column names
    " (SELECT MAX(seq) FROM steps WHERE steps.key = intents.key) FROM intents WHERE key = ?"
)


def _there(db: sqlite3.Connection, key: str) -> Intended:
    found = _intended(db, key)
    if found is None:
        message = "there is no intent of this key"
        raise StoreError(message)
    return found


def _approval(db: sqlite3.Connection, binding: str) -> tuple[Approval | None, str]:
    """The question, and the key that it was spent on."""
    row = db.execute(f"SELECT {_APPROVAL}, used_by FROM approvals WHERE binding = ?", (clean(binding),)).fetchone()  # noqa: S608 - our own column names
    return (None, "") if row is None else (words.approval_of(_named(words.APPROVAL, row[:-1])), str(row[-1]))
