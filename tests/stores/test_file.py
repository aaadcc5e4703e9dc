"""The file under the record store, shared by several processes of several threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

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
