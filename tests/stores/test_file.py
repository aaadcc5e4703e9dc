"""The file under the record store, shared by several processes of several threads."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

from responder.errors import StoreError
from responder.stores.file import File
from responder.stores.sqlite import SqliteRecords
from responder.wiring import utc_now

LOOK = """
import sys
from responder.stores.sqlite import SqliteRecords
from responder.wiring import utc_now
records = SqliteRecords(sys.argv[1], now=utc_now)
print(records.counters().get("seen", 0))
records.close()
"""


def seen_by_another_process(path: Path) -> int:
    done = subprocess.run([sys.executable, "-c", LOOK, str(path)], capture_output=True, check=True, timeout=60)
    return int(done.stdout)


def test_what_a_process_of_several_threads_writes_is_not_lost_where_another_opened_and_closed_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "records.db"
    records = SqliteRecords(path, now=utc_now)
    for _ in range(2):
        records.count("seen")
        thread = threading.Thread(target=records.counters)  # a connection of its own, which ends with it
        thread.start()
        thread.join()
        seen_by_another_process(path)
    assert seen_by_another_process(path) == records.counters()["seen"] == 2
    records.close()


def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.db", now=utc_now)
    records.count("seen")
    records.close()
    assert (tmp_path / "records.db").stat().st_mode & 0o777 == 0o600


def test_threads_of_one_process_take_turns_and_need_not_ask_sqlite_again_and_again(tmp_path: Path) -> None:
    file = File(tmp_path / "records.db")
    begun: list[str] = []
    failed: list[StoreError] = []

    def write() -> None:
        file.db().execute("PRAGMA busy_timeout = 0")  # whoever asks SQLite while another writes is refused at once
        try:
            with file.transaction() as db:
                begun.append("second")
                db.execute("INSERT INTO counters VALUES ('seen', 1)")
        except StoreError as error:
            failed.append(error)

    other = threading.Thread(target=write)
    with file.transaction():
        other.start()
        other.join(0.2)
        begun.append("first")
    other.join(10)
    assert (failed, begun) == ([], ["first", "second"])
    file.close()


def test_a_child_of_fork_writes_though_it_was_the_turn_of_a_thread_of_its_parent(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.db", now=utc_now)
    records.count("seen")
    held, over = threading.Event(), threading.Event()

    def write() -> None:
        with records._file.turns():
            held.set()
            over.wait(10)

    thread = threading.Thread(target=write)
    thread.start()
    held.wait(10)
    child = multiprocessing.get_context("fork").Process(target=records.published, args=("none", 1))
    child.start()
    over.set()
    thread.join()
    child.join(10)
    assert child.exitcode == 0
    records.close()
