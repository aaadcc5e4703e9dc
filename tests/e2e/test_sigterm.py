"""A real functions-framework process that is told to stop while it works."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.environment import ROOT
from lab.scenario import Scenario, load
from lab.server import serve
from lab.serving import Function, function, post, push_body
from responder.ports import RecordQuery
from responder.stores.sqlite import SqliteRecords

pytestmark = pytest.mark.slow

SCENARIO = load(ROOT / "lab" / "scenarios" / "attack-web-pod.yaml")
NOTIFICATION = (ROOT / "lab" / "scenarios" / str(SCENARIO.notification)).read_bytes()
CLOUD_RUN_KILLS_AFTER = 10.0


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Work:
    """A function that was handed a finding; `statuses` has its answer once there is one."""

    function: Function
    records: SqliteRecords
    thread: threading.Thread
    statuses: list[int]

    def gathering(self) -> bool:
        """Whether the record is claimed and was not saved yet."""
        lines = list(self.records.list(RecordQuery()))
        return bool(lines) and not self.records.due(self.now()) and lines[0].stage == "admitted"

    now: Callable[[], datetime] = now


@contextmanager
def working(folder: Path, **fault: Any) -> Iterator[Work]:
    """The function at work on the finding, with one fault in its way, the deadline a minute away."""
    store = folder / "records.db"
    scenario = Scenario.model_validate(SCENARIO.model_dump() | {"faults": [fault]})
    with serve(scenario, json.loads(NOTIFICATION)) as running:
        offset = timedelta(seconds=running.endpoints.clock_offset_seconds)
        endpoints = running.endpoints.model_dump(mode="json")
        records = SqliteRecords(store, now=lambda: now() + offset)
        with function(folder, endpoints, store=store, environ={"RESPONDER_DEADLINE_SECONDS": "60"}) as served:
            statuses: list[int] = []

            def ask() -> None:
                try:
                    statuses.append(post(served.url, push_body(NOTIFICATION, "1"), timeout=60))
                except OSError:
                    statuses.append(0)

            thread = threading.Thread(target=ask)
            thread.start()
            work = Work(served, records, thread, statuses, lambda: now() + offset)
            assert eventually(work.gathering, 30), "it never began"
            yield work
        thread.join()
        records.close()


def eventually(is_so: Callable[[], Any], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def test_what_hangs_is_abandoned_and_another_process_can_go_on_at_once(tmp_path: Path) -> None:
    with working(tmp_path, call="gke.GetCluster", kind="hang") as work:
        (line,) = work.records.list(RecordQuery())
        assert work.records.claim(line.id, "another", timedelta(minutes=2), work.now()) is None
        work.function.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: work.records.due(work.now()), CLOUD_RUN_KILLS_AFTER)
        claim = work.records.claim(line.id, "another", timedelta(minutes=2), work.now())
        assert claim is not None
        assert work.records.load(line.id) is None


def test_what_is_nearly_done_is_saved_and_answered(tmp_path: Path) -> None:
    with working(tmp_path, call="gke.GetCluster", kind="latency", seconds=2.0) as work:
        work.function.process.send_signal(signal.SIGTERM)
        work.thread.join(CLOUD_RUN_KILLS_AFTER)
        assert work.statuses == [200]
        (line,) = work.records.list(RecordQuery())
        assert (line.stage, line.gaps) == ("finished", 0)
        work.function.process.wait(CLOUD_RUN_KILLS_AFTER)
