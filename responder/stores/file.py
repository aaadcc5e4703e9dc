"""One SQLite file, its connections and transactions. Touches that file alone."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from responder.errors import StoreError
from responder.stores import tables

_BUSY_SECONDS: Final = 15.0
"""How long a writer waits for the others before the store counts as failed."""

_OPEN_TRIES: Final = 20
_making: Final = threading.Lock()


class Connection(sqlite3.Connection):
    """One that can be held weakly, so that the connection of a thread that ended is closed with it."""


class File:
    """A connection for each thread, opened at its first use; SQLite's own errors become `StoreError`."""

    def __init__(self, path: Path, schema: tables.Schema = tables.RECORDS) -> None:
        self._path = path
        self._schema = schema
        self._name = f"the {schema.what} {path}"
        self._local = threading.local()
        self._lock = threading.Lock()
        self._turn = (os.getpid(), threading.Lock())
        self.open: weakref.WeakSet[Connection] = weakref.WeakSet()

    def db(self) -> Connection:
        """This thread's connection; a child of fork opens its own, since SQLite's do not survive one."""
        held: tuple[int, Connection] | None = getattr(self._local, "held", None)
        if held is None or held[0] != os.getpid():
            db = _connect(self._path, self._schema)
            with self._lock:
                self.open.add(db)
            self._local.held = held = (os.getpid(), db)
        return held[1]

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What SQLite or the file system says, as a `StoreError` that names the file and no value."""
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", None) or type(error).__name__
            message = f"{self._name} failed: {name}"
            raise StoreError(message) from error
        except OSError as error:
            message = f"{self._name} cannot be opened: {error.strerror}"
            raise StoreError(message) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One writer at a time from here on: what is read inside holds until the end."""
        with self.errors(), self.turns():
            db = self.db()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # a full disk has rolled back already
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Whatever is read inside is of one moment; nothing is written."""
        with self.errors():
            db = self.db()
            db.execute("BEGIN")
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def turns(self) -> Iterator[None]:
        """One thread of this process after another: SQLite only asks again and again, and of eighty some starve."""
        pid, turn = self._turn
        if pid != os.getpid():  # of the parent, one of whose threads may have held it at the fork
            self._turn = _, turn = os.getpid(), threading.Lock()
        if not turn.acquire(timeout=_BUSY_SECONDS):
            raise StoreError(f"{self._name} failed: other threads write for too long")
        try:
            yield
        finally:
            turn.release()

    def close(self) -> None:
        """Let go of the file, in every thread."""
        with self._lock, self.errors():
            for db in tuple(self.open):
                db.close()
            self.open.clear()
            self._local = threading.local()


def _make(path: Path) -> None:
    """Make the file by hand: it holds raw notifications, and SQLite would make it readable by all.

    Never opened where it is there: closing it would drop the locks of this process's other connections, and another
    process could then take the log away under them (sqlite.org/howtocorrupt.html, 2.2).
    """
    with _making, contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _connect(path: Path, schema: tables.Schema) -> Connection:
    _make(path)
    # Closing may be another thread's, `close()` that is; use never is.
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=Connection)
    try:
        tables.prepare(db, schema, tries=_OPEN_TRIES)
    except BaseException:
        db.close()
        raise
    return db
