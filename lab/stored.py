"""Between steps, the lab's side: the stores that a run is made on, read with the product's own means, or made to fail.

SQLite always; Firestore on Google's emulator, where that is installed. Starts the emulator, and stops it for a while.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from lab import emulators
from lab.google import LabGoogle
from lab.judge import Kept, kept_in
from lab.server import Running

SQLITE: Final = "sqlite"
FIRESTORE: Final = "firestore"
DEADLINE: Final = "5"
"""Seconds, the least that can be set: a killed worker's claim ends after it and its margin."""
_LOCK_SECONDS: Final = 60.0
_ALL: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A store to run on: RESPONDER_STORE, and what the function needs in its environment to reach it.

    `process` is the server behind it, where there is one.
    """

    name: str
    place: str
    environ: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def of(self, run: str) -> Store:
        """An empty one of the same kind, beside this one: a file, or a database, of that run's own."""
        if self.process is None:
            return replace(self, place=str(Path(self.place).with_name(f"{run}.db")))
        return replace(self, place=f"{self.place.rpartition('/')[0]}/{run}")

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """While the block runs nobody can write: the file is locked, or the server accepts and does not answer."""
        if self.process is None:
            with contextlib.closing(sqlite3.connect(self.place, timeout=_LOCK_SECONDS, isolation_level=None)) as held:
                held.execute("BEGIN IMMEDIATE")
                yield
                held.execute("ROLLBACK")
            return
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)


@contextlib.contextmanager
def stores(which: str = "") -> Iterator[tuple[Store, ...]]:
    """SQLite and, where its emulator is installed, Firestore; the one alone that `which` names.

    RuntimeError where Firestore was asked for by name and is not there; else that is said loudly.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stores-")))
        found: list[Store] = []
        if which != FIRESTORE:
            found.append(Store(name="SQLite", place=str(folder / "records.db")))
        if which != SQLITE:
            missing = emulators.missing("firestore")
            if missing and which:
                raise RuntimeError(missing)
            if missing:
                print(f"SQLite ALONE, no Firestore: {missing}", file=sys.stderr, flush=True)
            else:
                emulator = stack.enter_context(emulators.running("firestore"))
                place = "firestore:acme-sec/deliveries"
                found.append(Store(name="Firestore", place=place, environ=emulator.environ, process=emulator.process))
        yield tuple(found)


@contextlib.contextmanager
def opened(running: Running, store: Store) -> Iterator[Any]:
    """The product's store, opened here as the function opens it there."""
    from responder import wiring  # noqa: PLC0415 - heavy, and not for the naive function

    with _environ(store.environ):
        wiring.install(LabGoogle(running.endpoints.model_dump(mode="json")), now=running.lab.now)
        records = wiring.store(_settings(running, store))
        try:
            yield records
        finally:
            records.close()


def kept(running: Running, store: Store) -> Kept:
    """What is in it, for the judge."""
    with opened(running, store) as records:
        return kept_in(records)


def swept(running: Running, store: Store) -> None:
    """One sweep, here: what goes wrong in it is raised."""
    from responder import pipeline, wiring  # noqa: PLC0415 - heavy

    # Its log is of no interest here.
    with opened(running, store), contextlib.redirect_stdout(io.StringIO()):
        pipeline.sweep(wiring.world(_settings(running, store)))


def is_finished(running: Running, store: Store, findings: int) -> bool:
    """Whether so many findings are there, and all records finished."""
    from responder.ports import RecordQuery  # noqa: PLC0415 - heavy

    with opened(running, store) as records:
        lines = list(records.list(RecordQuery(limit=_ALL)))
    return all(line.stage == "finished" for line in lines) and sum(line.findings for line in lines) >= findings


def _settings(running: Running, store: Store) -> Any:
    from responder import settings  # noqa: PLC0415 - heavy

    return settings.read(
        {
            "RESPONDER_SCC_PARENT": running.endpoints.scc_parent,
            "RESPONDER_STORE": store.place,
            "RESPONDER_DEADLINE_SECONDS": DEADLINE,
        }
    )


@contextlib.contextmanager
def _environ(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
