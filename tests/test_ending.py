"""A process that is told to stop gives its claims back, and takes no new ones."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from responder import ending
from responder.ending import Held
from responder.errors import Busy, StaleClaim
from responder.finding import Finding
from responder.stores.sqlite import SqliteRecords
from tests.builders import TARGET, a_delivery, a_finding, a_record

LEASE = timedelta(minutes=5)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqliteRecords]:
    store = SqliteRecords(tmp_path / "records.db", now=now)
    yield store
    store.close()


@pytest.fixture
def finding() -> Finding:
    return a_finding()


def opened(records: SqliteRecords, finding: Finding) -> str:
    return records.admit(finding, TARGET, a_delivery()).record_id


def eventually(is_so: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.02)
    return is_so()


def watching() -> int:
    return sum(thread.name == "ending" for thread in threading.enumerate())


def test_claims_are_let_go_of_after_the_grace_and_their_work_writes_nothing_more(
    records: SqliteRecords, finding: Finding
) -> None:
    told, ended = threading.Event(), threading.Event()
    held = Held(records, is_stopping=told.is_set, grace=0.3, ended=ended.set)
    record_id = opened(records, finding)
    claim = held.claim(record_id, "m", LEASE, now())
    assert claim is not None
    time.sleep(0.5)
    assert records.claim(record_id, "other", LEASE, now()) is None
    told.set()
    assert ended.wait(5)
    mine = records.claim(record_id, "other", LEASE, now())
    assert mine is not None
    with pytest.raises(StaleClaim):
        records.save(a_record(record_id), claim)
    assert not held.release(claim, 0)
    assert records.claim(record_id, "third", LEASE, now()) is None, "the other's claim stands"
    with pytest.raises(Busy):
        held.claim(record_id, "m", LEASE, now())


def test_work_that_ends_within_the_grace_is_kept(records: SqliteRecords, finding: Finding) -> None:
    told, ended = threading.Event(), threading.Event()
    held = Held(records, is_stopping=told.is_set, grace=30.0, ended=ended.set)
    record_id = opened(records, finding)
    claim = held.claim(record_id, "m", LEASE, now())
    assert claim is not None
    told.set()
    records.save(a_record(record_id), claim)
    assert not held.release(claim, 1)
    assert ended.wait(5), "nothing is waited for once nothing is held"
    assert records.load(record_id) is not None


def test_nobody_watches_where_nothing_is_held(records: SqliteRecords, finding: Finding) -> None:
    before = watching()
    held = Held(records, is_stopping=lambda: False)
    record_id = opened(records, finding)
    for holder in ("a", "b"):
        claim = held.claim(record_id, holder, LEASE, now())
        assert claim is not None
        assert watching() == before + 1
        held.release(claim, 9)
        assert eventually(lambda: watching() == before)


def test_gunicorns_worker_is_seen_to_stop_and_nothing_else_is() -> None:
    before = signal.getsignal(signal.SIGTERM)

    class Worker:
        alive = True

        def handle_exit(self, *_: object) -> None:
            self.alive = False

    worker = Worker()
    try:
        assert not ending.is_stopping()
        signal.signal(signal.SIGTERM, worker.handle_exit)
        assert not ending.is_stopping()
        signal.raise_signal(signal.SIGTERM)
        assert ending.is_stopping()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        assert not ending.is_stopping()
    finally:
        signal.signal(signal.SIGTERM, before)
