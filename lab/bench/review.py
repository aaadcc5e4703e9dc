"""The queue of the review page: how long the server takes for a page of it, with few records and with many.

`responder web` runs as its users start it. The records are copies of one row that the product wrote, each with its own
id, time, names, verdict, severity and state, and a body of a kilobyte: a list reads no body.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from lab.bench.hosts import Bench, on
from lab.bench.lines import Line, Skipped, median, rounded, say
from lab.environment import ROOT, cleaned
from lab.serving import free_port, stop
from responder.stores import tables
from responder.stores.words import stamp

QUEUE: Final = "queue_p95_ms"
_GOAL: Final = 150.0
_NEWEST: Final = datetime(2026, 11, 20, 9, 41, tzinfo=UTC)
_VERDICTS: Final = ("benign", "benign", "benign", "insufficient_data", "suspicious", "malicious")
_STATES: Final = ("closed", "closed", "closed", "closed", "closed", "closed", "acknowledged", "open")
_BODY: Final = "x" * 1024
_START_SECONDS: Final = 60.0
_COLUMNS: Final = (
    "id, subject, window_start, project_id, project_number, cluster, location, namespace, pod, container, stage,"
    " verdict, state, summary, findings, gaps, revision, severity, score, workload, json"
)


def queue(bench: Bench) -> Iterator[Line | Skipped]:
    """Milliseconds within which 95 of 100 pages of the queue are there, over every kind of view, at the larger size."""
    few, many = bench.sizes.queue_records
    taken = {count: _measured(bench, count) for count in (few, many)}
    ninety_fifth = {count: [_p95(one) for one in rounds] for count, rounds in taken.items()}
    middle = {count: statistics.median(ms for one in rounds for ms in one) for count, rounds in taken.items()}
    # The first of the views in each turn: the queue as it opens.
    opens = {
        count: median([ms for one in rounds for ms in one[:: len(_views(count))]], 1) for count, rounds in taken.items()
    }
    value = median(ninety_fifth[many], 1)
    more = {
        "records": many,
        "median_ms": round(middle[many], 1),
        "few": few,
        "p95_ms_few": median(ninety_fifth[few], 1),
        "median_ms_few": round(middle[few], 1),
        "opens_ms": opens[many],
        "opens_ms_few": opens[few],
        "rounds": rounded(ninety_fifth[many], 1),
    }
    yield Line(name=QUEUE, value=value, unit="ms", goal=_GOAL, more=more)


def _p95(values: list[float]) -> float:
    return sorted(values)[min(int(len(values) * 0.95), len(values) - 1)]


def _measured(bench: Bench, count: int) -> list[list[float]]:
    """Milliseconds of each page, by round, over a store with so many records."""
    path = bench.folder / f"queue-{count}.db"
    say(f"{QUEUE}: writing {count} records")
    fill(path, count)
    with _served(bench, path) as port:
        rounds = []
        for turn in range(bench.sizes.rounds + 1):  # the first is for warming up, and not counted
            say(f"{QUEUE}, {count} records, round {turn} of {bench.sizes.rounds}")
            rounds.append([_page(port, view) for _ in range(bench.sizes.queue_requests) for view in _views(count)])
    path.unlink()
    return rounds[1:]


def _views(count: int) -> tuple[str, ...]:
    """One of each kind: as it opens, filtered, sorted, searched for what is rare, nowhere and everywhere, far down."""
    return (
        "/",
        "/?state=open",
        "/?verdict=malicious&severity=CRITICAL",
        "/?order=score",
        "/?order=findings&state=open",
        f"/?q=checkout-{count // 2}x",
        "/?q=nothing-like-it",
        "/?q=checkout",
        f"/?after={id_of(count * 9 // 10)}",
        f"/?order=score&after={id_of(count // 2)}",
        "/?project=acme-shop-7&order=oldest",
    )


def id_of(number: int) -> str:
    """The id of the record with this number; the first is the newest."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def _row(number: int) -> tuple[str | int, ...]:
    moment = stamp(_NEWEST - timedelta(minutes=number))
    project, pod = f"acme-shop-{number % 40}", f"checkout-{number}x"
    verdict = _VERDICTS[number % len(_VERDICTS)]
    summary = f"{verdict}: gcc -O2 -o /app/build/out-{number} /app/src/main.c in shop/{pod} (shop-prod)"
    severity = "CRITICAL" if verdict == "malicious" and number % 5 == 0 else "LOW"
    return (
        id_of(number), f"s-{number}", moment, project, f"{400_000 + number % 40}", "shop-prod", "europe-west1-b",
        "shop", pod, "checkout", "finished", verdict, _STATES[number % len(_STATES)], summary, 1 + number % 7,
        number % 3, 2, severity, number % 101, "Deployment/checkout", _BODY,
    )  # fmt: skip


def fill(path: Path, count: int) -> None:
    """A record store with so many records, every kind of line among them."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        tables.prepare(db, tries=1)
        marks = ", ".join("?" * len(_COLUMNS.split(",")))
        db.execute("BEGIN IMMEDIATE")
        db.executemany(f"INSERT INTO records ({_COLUMNS}) VALUES ({marks})", map(_row, range(count)))  # noqa: S608 - our own column names
        db.execute("COMMIT")


@contextlib.contextmanager
def _served(bench: Bench, store: Path) -> Iterator[int]:
    """`responder web` over the store, on the server's core; its port."""
    port = free_port()
    env = cleaned(os.environ) | {"RESPONDER_STORE": str(store)}
    command = [sys.executable, "-c", "from responder import cli; cli.main()", "web", "--port", str(port)]
    with (bench.folder / "web.log").open("wb") as log, on(bench.cores.server):
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                _page(port, "/")
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield port
    finally:
        stop(process)


def _page(port: int, view: str) -> float:
    """Milliseconds until the page is there, whole."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.connect()
        started = time.perf_counter()
        connection.request("GET", view)
        answer = connection.getresponse()
        body = answer.read()
        taken = (time.perf_counter() - started) * 1000
    if answer.status != http.HTTPStatus.OK or b"<h1>Queue</h1>" not in body:
        raise RuntimeError(f"{view} was answered {answer.status}")
    return taken
