"""One file, many threads and processes: each finding kept once, each record written by one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.errors import Busy, StaleClaim, StaleRevision, StoreError
from responder.finding import PodRef, Target
from responder.ports import RecordQuery, Rejected
from responder.record import Record, ReviewEntry
from responder.stores.sqlite import SqliteRecords
from tests.builders import EVENT_TIME, TARGET, a_delivery, a_finding, a_record, a_recorded

LEASE = timedelta(seconds=90)
NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


class Watch:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def records(tmp_path: Path, watch: Watch) -> Iterator[SqliteRecords]:
    store = SqliteRecords(tmp_path / "records.db", now=watch)
    yield store
    store.close()


def admitted(records: SqliteRecords, **changes: Any) -> str:
    return records.admit(a_finding(**changes), TARGET, a_delivery()).record_id


def minutes(number: float) -> datetime:
    return EVENT_TIME + timedelta(minutes=number)


# --- arrival ----------------------------------------------------------------------------------------------------------


def test_a_finding_is_kept_once_with_its_raw_bytes_apart(records: SqliteRecords) -> None:
    first = records.admit(a_finding(), TARGET, a_delivery(b"raw-1"))
    again = records.admit(a_finding(), TARGET, a_delivery(b"raw-2", message_id="m-2"))
    assert (first.kind, again.kind) == ("new", "duplicate")
    assert first.record_id == again.record_id
    (kept,) = records.findings(first.record_id)
    assert a_finding() == _plain(kept)
    assert len(kept.occurrences) == 1
    assert records.raw(a_finding().key) == b"raw-1"
    assert records.raw("no/such") is None


def _plain(kept: Any) -> Any:
    return a_finding(**{name: getattr(kept, name) for name in ("key", "told", "processes", "event_time")})


def test_the_id_is_made_of_the_subject_and_the_start_of_the_window(records: SqliteRecords, tmp_path: Path) -> None:
    other = SqliteRecords(tmp_path / "other.db", now=Watch())
    assert admitted(records) == admitted(other)
    assert len(admitted(records)) == 32
    assert admitted(records) != admitted(records, key="1/z", event_time=minutes(61))


@pytest.mark.parametrize(
    ("offset", "joins"),
    [(0, True), (59.9, True), (60, False), (-59.9, True), (-60, True), (-60.1, False), (300, False)],
)
def test_a_finding_joins_the_record_whose_window_is_near(records: SqliteRecords, offset: float, joins: bool) -> None:
    first = admitted(records)
    assert (admitted(records, key="1/b", event_time=minutes(offset)) == first) is joins


def test_the_record_whose_window_holds_the_moment_comes_before_one_that_follows_it(records: SqliteRecords) -> None:
    late, early = admitted(records, key="1/a", event_time=minutes(90)), admitted(records, key="1/b")
    assert admitted(records, key="1/c", event_time=minutes(45)) == early
    assert admitted(records, key="1/d", event_time=minutes(75)) == late


def test_another_container_has_a_record_of_its_own(records: SqliteRecords) -> None:
    finding, other = a_finding(), Target(namespace="shop", pod=TARGET.pod, container="sidecar")
    ids = {records.admit(finding, target, a_delivery()).record_id for target in (TARGET, other)}
    assert len(ids) == 2


def test_a_change_of_a_known_finding_stays_with_its_record_however_late(records: SqliteRecords) -> None:
    first = admitted(records)
    muted = records.admit(a_finding(mute="MUTED"), TARGET, a_delivery(message_id="m-2"))
    closed = a_finding(state="INACTIVE", event_time=minutes(600))
    gone = records.admit(closed, TARGET, a_delivery(message_id="m-3"))
    assert [(a.kind, a.record_id) for a in (muted, gone)] == [("update", first)] * 2
    (kept,) = records.findings(first)
    assert [(o.state, o.mute, o.message_id) for o in kept.occurrences] == [
        ("ACTIVE", "UNDEFINED", "m-1"),
        ("ACTIVE", "MUTED", "m-2"),
        ("INACTIVE", "UNDEFINED", "m-3"),
    ]


def test_a_finding_that_is_active_again_after_the_window_opens_a_record(records: SqliteRecords) -> None:
    first = admitted(records)
    records.admit(a_finding(state="INACTIVE", event_time=minutes(100)), TARGET, a_delivery())
    back = records.admit(a_finding(event_time=minutes(2880)), TARGET, a_delivery())
    assert (back.kind, back.record_id == first) == ("new", False)


def test_an_admission_says_whether_its_record_is_finished(records: SqliteRecords) -> None:
    record_id = admitted(records)
    claim = claimed(records, record_id)
    records.save(a_record(record_id), claim)
    assert records.admit(a_finding(), TARGET, a_delivery()).finished
    assert records.admit(a_finding(key="1/b"), TARGET, a_delivery()).finished


@pytest.mark.parametrize("year", [1, 9999])
def test_an_event_at_the_end_of_time_is_kept_like_any_other(records: SqliteRecords, year: int) -> None:
    far = a_finding(event_time=datetime(year, 12 if year > 1 else 1, 31, 23, 59, 59, tzinfo=UTC))
    record_id = records.admit(far, TARGET, a_delivery()).record_id
    assert records.findings(record_id)[0].event_time == far.event_time
    assert next(iter(records.list(RecordQuery()))).window_start == far.event_time


@pytest.mark.parametrize(
    "name", ["a'b", 'a"b', "a';DROP TABLE records;--", "a\x00b", "\ud800", "日本\u202e", "", "x" * 9000]
)
def test_a_hostile_name_is_a_name(records: SqliteRecords, name: str) -> None:
    target = Target(namespace=name, pod="p", container=name)
    finding = a_finding(key=f"1/{name}", state=name, pods=(PodRef(namespace=name, name="p"),), description=name)
    record_id = records.admit(finding, target, a_delivery(message_id=name)).record_id
    assert records.admit(finding, target, a_delivery(message_id=name)).kind == "duplicate"
    shown = name.replace("\ud800", "?")
    assert records.findings(record_id)[0].description == shown
    assert next(iter(records.list(RecordQuery()))).subject.container == shown
    assert records.raw(f"1/{name}") is not None
    assert list(records.list(RecordQuery(project="' OR 1=1 --"))) == []


# --- the claim --------------------------------------------------------------------------------------------------------


def claimed(records: SqliteRecords, record_id: str, holder: str = "m-1", now: datetime = NOW) -> Any:
    claim = records.claim(record_id, holder, LEASE, now)
    assert claim is not None
    return claim


def test_a_record_is_held_by_one_and_the_same_message_is_told_to_come_back(records: SqliteRecords) -> None:
    record_id = admitted(records)
    assert claimed(records, record_id).token == 1
    assert records.claim(record_id, "m-2", LEASE, NOW) is None
    with pytest.raises(Busy):
        records.claim(record_id, "m-1", LEASE, NOW)
    assert claimed(records, record_id, "m-2", NOW + LEASE).token == 2


def test_a_claim_that_was_taken_over_writes_nothing(records: SqliteRecords, watch: Watch) -> None:
    record_id = admitted(records)
    old = claimed(records, record_id)
    watch.time = NOW + LEASE
    new = claimed(records, record_id, "m-2", watch.time)
    with pytest.raises(StaleClaim):
        records.save(a_record(record_id), old)
    with pytest.raises(StaleClaim):
        records.renew(old, LEASE, watch.time)
    assert records.release(old, 0) is False
    assert records.load(record_id) is None
    assert records.save(a_record(record_id), new).provenance.revision == 1


def test_a_claim_that_expired_writes_nothing_though_nobody_took_it(records: SqliteRecords, watch: Watch) -> None:
    record_id = admitted(records)
    claim = claimed(records, record_id)
    watch.time = NOW + LEASE
    with pytest.raises(StaleClaim):
        records.save(a_record(record_id), claim)


def test_a_renewed_claim_runs_longer(records: SqliteRecords, watch: Watch) -> None:
    record_id = admitted(records)
    claim = records.renew(claimed(records, record_id), LEASE, NOW + LEASE / 2)
    watch.time = NOW + LEASE
    assert claim.expires == NOW + LEASE * 1.5
    assert records.save(a_record(record_id), claim).provenance.revision == 1


def test_a_claim_of_one_record_does_not_write_another(records: SqliteRecords) -> None:
    claim = claimed(records, admitted(records))
    with pytest.raises(StaleClaim):
        records.save(a_record("f" * 32), claim)


def test_a_claim_is_kept_while_something_joined_that_was_not_read(records: SqliteRecords) -> None:
    record_id = admitted(records)
    claim = claimed(records, record_id)
    admitted(records, key="1/b", event_time=minutes(1))
    assert records.release(claim, 1) is True
    assert records.claim(record_id, "m-2", LEASE, NOW) is None
    assert records.release(claim, 2) is False
    assert claimed(records, record_id, "m-2").token == 2


def test_a_duplicate_does_not_keep_a_claim_and_a_mute_does(records: SqliteRecords) -> None:
    record_id = admitted(records)
    claim = claimed(records, record_id)
    admitted(records)
    assert records.release(claim, 1) is False
    claim = claimed(records, record_id, "m-2")
    admitted(records, mute="MUTED")
    assert records.release(claim, 1) is True


def test_nobody_can_claim_what_is_not_there(records: SqliteRecords) -> None:
    with pytest.raises(StoreError, match="no record"):
        records.claim("f" * 32, "m", LEASE, NOW)


# --- records, reviews, counters ---------------------------------------------------------------------------------------


def saved(records: SqliteRecords, holder: str = "m-1", **changes: Any) -> Record:
    record_id = admitted(records)
    return records.save(a_record(record_id, **changes), claimed(records, record_id, holder))


def test_a_record_comes_back_as_it_was_saved(records: SqliteRecords) -> None:
    record = saved(records)
    assert records.load(record.id) == record
    assert record.provenance.revision == 1


def test_a_record_shows_what_became_of_its_findings_since_it_was_saved(records: SqliteRecords) -> None:
    record = saved(records, findings=(a_recorded(),))
    records.admit(a_finding(mute="MUTED"), TARGET, a_delivery(message_id="m-9"))
    loaded = records.load(record.id)
    assert loaded is not None
    assert [o.mute for o in loaded.findings[0].occurrences] == ["UNDEFINED", "MUTED"]


def entry(state: Any = "acknowledged", verdict: Any = None, note: str = "looked") -> ReviewEntry:
    return ReviewEntry(state=state, verdict=verdict, note=note, by="alice", at=NOW)


def test_reviews_are_appended_and_a_stale_one_is_refused(records: SqliteRecords) -> None:
    record = saved(records)
    once = records.review(record.id, entry(), revision=1)
    with pytest.raises(StaleRevision, match="revision 2, not 1"):
        records.review(record.id, entry("closed", "false_positive"), revision=1)
    twice = records.review(record.id, entry("closed", "false_positive", "a build"), revision=once.provenance.revision)
    assert (twice.review.state, twice.review.verdict) == ("closed", "false_positive")
    assert [e.note for e in twice.review.history] == ["looked", "a build"]
    assert twice.provenance.revision == 3


def test_a_save_after_a_review_keeps_the_review(records: SqliteRecords) -> None:
    record_id = admitted(records)
    claim = claimed(records, record_id)
    records.save(a_record(record_id), claim)
    records.review(record_id, entry(), revision=1)
    assert records.save(a_record(record_id), claim).review.history == (entry(),)
    loaded = records.load(record_id)
    assert loaded is not None
    assert (loaded.review.state, loaded.provenance.revision) == ("acknowledged", 3)


def test_a_review_can_be_neither_changed_nor_removed(records: SqliteRecords, tmp_path: Path) -> None:
    records.review(saved(records).id, entry(), revision=1)
    with sqlite3.connect(tmp_path / "records.db") as db:
        for statement in ("UPDATE reviews SET json = ''", "DELETE FROM reviews"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)


def test_a_list_is_newest_first_and_filtered_without_reading_the_record(records: SqliteRecords, tmp_path: Path) -> None:
    old = saved(records)
    new = admitted(records, key="1/b", event_time=minutes(120), project_id="other-project")
    records.review(old.id, entry("closed", "false_positive"), revision=1)
    with sqlite3.connect(tmp_path / "records.db") as db:
        db.execute("UPDATE records SET json = 'not JSON' WHERE json IS NOT NULL")

    def ids(**query: Any) -> list[str]:
        return [line.id for line in records.list(RecordQuery(**query))]

    assert ids() == [new, old.id]
    assert ids(limit=1) == [new]
    assert ids(project="acme-shop-prod") == [old.id]
    assert ids(project="421458901689") == [new, old.id]
    assert ids(state="open") == [new]
    assert ids(state="closed", verdict="insufficient_data") == [old.id]
    assert ids(since=minutes(1)) == [new]
    line = list(records.list(RecordQuery()))[1]
    assert (line.findings, line.gaps, line.stage, line.revision) == (1, 1, "finished", 2)
    assert line.summary.startswith("insufficient_data: gcc")


def test_what_cannot_be_read_is_kept_whole(records: SqliteRecords) -> None:
    for n in range(3):
        records.reject(Rejected(message_id=f"m{n}", reason="not JSON", data=b"\x00\xff'" + bytes([n]), received=NOW))
    latest = records.rejected(limit=2)
    assert [(r.message_id, r.data, r.received) for r in latest] == [
        ("m2", b"\x00\xff'\x02", NOW),
        ("m1", b"\x00\xff'\x01", NOW),
    ]


def test_counters_add_up_over_threads(records: SqliteRecords) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: records.count("foreign", 2), range(100)))
    assert records.counters() == {"foreign": 200}


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


def test_a_closed_store_opens_again(records: SqliteRecords) -> None:
    records.count("x")
    records.close()
    records.count("x")
    assert records.counters() == {"x": 2}


# --- several processes ------------------------------------------------------------------------------------------------


def _race(path: str, gate: Any, answers: Any, act: Callable[[SqliteRecords, int], Any], n: int) -> None:
    store = SqliteRecords(path, now=lambda: NOW)
    gate.wait()
    answers.put(act(store, n))
    store.close()


def _open_it(store: SqliteRecords, n: int) -> tuple[str, str]:
    admission = store.admit(a_finding(key=f"1/{n}"), TARGET, a_delivery(message_id=f"m-{n}"))
    return admission.kind, admission.record_id


def _admit_it(store: SqliteRecords, n: int) -> str:
    return store.admit(a_finding(), TARGET, a_delivery(message_id=f"m-{n}")).kind


def _claim_it(store: SqliteRecords, n: int) -> int:
    claim = store.claim(admitted(store), f"m-{n}", LEASE, NOW)
    return claim.token if claim else 0


def race(path: Path, act: Callable[[SqliteRecords, int], Any], processes: int = 8) -> list[Any]:
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(processes), context.Queue()
    started = [context.Process(target=_race, args=(str(path), gate, answers, act, n)) for n in range(processes)]
    for process in started:
        process.start()
    found = [answers.get(timeout=60) for _ in started]
    for process in started:
        process.join()
    return found


@pytest.mark.slow
def test_of_eight_processes_that_claim_one_record_one_has_it(tmp_path: Path) -> None:
    assert sorted(race(tmp_path / "r.db", _claim_it)) == [0] * 7 + [1]


@pytest.mark.slow
def test_eight_processes_that_open_one_record_make_one_in_a_file_that_was_not_there(tmp_path: Path) -> None:
    found = race(tmp_path / "r.db", _open_it)
    assert {kind for kind, _ in found} == {"new"}
    (record_id,) = {record_id for _, record_id in found}
    assert len(SqliteRecords(tmp_path / "r.db", now=Watch()).findings(record_id)) == 8


@pytest.mark.slow
def test_of_eight_processes_with_the_same_finding_one_has_a_new_one(tmp_path: Path) -> None:
    assert sorted(race(tmp_path / "r.db", _admit_it)) == ["duplicate"] * 7 + ["new"]


_WRITE_FOREVER = """
import sys
from datetime import UTC, datetime, timedelta
from responder.stores.sqlite import SqliteRecords
from tests.builders import TARGET, a_delivery, a_finding, a_record
now = lambda: datetime.now(UTC)
store = SqliteRecords(sys.argv[1], now=now)
for n in range(1_000_000):
    record_id = store.admit(a_finding(key=f"1/{n}"), TARGET, a_delivery(message_id=f"m-{n}")).record_id
    if n == 0:
        claim = store.claim(record_id, "m", timedelta(hours=1), now())
    store.save(a_record(record_id), claim)
    print(n, flush=True)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_writes_leaves_a_store_with_all_that_it_said(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with subprocess.Popen(
        [sys.executable, "-c", _WRITE_FOREVER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(20)]
        time.sleep(0.01)
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.readlines()
    last = int(next(text for text in reversed(said) if text.endswith("\n")))
    store = SqliteRecords(path, now=Watch())
    (line,) = store.list(RecordQuery())
    assert len(store.findings(line.id)) == line.findings >= last + 1
    assert store.load(line.id) is not None
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert store.admit(a_finding(key="1/new"), TARGET, a_delivery()).kind == "new"
