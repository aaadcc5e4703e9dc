"""What was told of records, in SQLite: who may tell, what went out, what is left. Touches the store's file."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from responder.stores.words import clean, stamp

if TYPE_CHECKING:
    import sqlite3

    from responder.notices.ledger import Told
    from responder.stores.file import File

_UNTOLD: Final = (
    # "+": else the index by stage is taken, which is of every record that is finished.
    "SELECT id FROM records WHERE +stage = 'finished' AND told < revision AND (tell_due IS NULL OR tell_due <= ?)"
    " ORDER BY window_start DESC, id LIMIT ?"
)
_TAKE: Final = (
    "INSERT INTO tellings (key, until, json) VALUES (?1, ?2, '{}')"
    " ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE until <= ?3"
)


class SqliteTellings:
    """`untold`, `tell` and `told` of `ports.Records`."""

    def __init__(self, file: File) -> None:
        self._file = file

    def untold(self, now: datetime, limit: int) -> tuple[str, ...]:
        """As `ports.Records.untold`."""
        with self._file.errors():
            rows = self._file.db().execute(_UNTOLD, (stamp(now), max(limit, 0))).fetchall()
        return tuple(row[0] for row in rows)

    def tell(self, key: str, now: datetime, until: datetime) -> Told | None:
        """As `ports.Records.tell`."""
        from responder.notices.ledger import Told  # noqa: PLC0415 - pydantic only once it is needed

        with self._file.transaction() as db:
            if not db.execute(_TAKE, (clean(key), stamp(until), stamp(now))).rowcount:
                return None
            return Told.model_validate_json(text_of(db, key))

    def told(self, key: str, told: Told, until: datetime | None) -> None:
        """As `ports.Records.told`."""
        due = stamp(told.due) if told.due else None
        row = (clean(key), stamp(until) if until else "", told.model_dump_json())
        with self._file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO tellings (key, until, json) VALUES (?, ?, ?)", row)
            db.execute(
                "UPDATE records SET told = MAX(told, ?), tell_due = ? WHERE id = ?", (told.revision, due, clean(key))
            )


def text_of(db: sqlite3.Connection, key: str) -> str:
    """The JSON of what was told; empty where nothing was."""
    row = db.execute("SELECT json FROM tellings WHERE key = ?", (clean(key),)).fetchone()
    return "" if row is None else str(row[0])
