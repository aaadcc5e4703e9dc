"""What the log says: one JSON object a line, as Cloud Logging reads it, and never what a finding says."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from werkzeug.test import Client

from lab.environment import ROOT
from responder import log, pipeline, tally, wiring
from responder.errors import StoreError, Unanswered
from responder.finding import Finding
from responder.ports import Delivery
from responder.stages import Told
from responder.stores.sqlite import SqliteRecords
from responder.tally import Tally
from tests.doubles import NOW, Failing, finding_in, world

SAMPLES = Path(__file__).parent / "samples"
OURS = (SAMPLES / "CONSTRUCTED_ctd_v2_notification.json").read_bytes()
FOREIGN = (SAMPLES / "sumologic_v2_gke_threat_etd.repaired-data.json").read_bytes()
TRACE = "0af7651916cd43dd8448eb211c80319c"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


@pytest.fixture
def finding() -> Finding:
    return finding_in(OURS)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqliteRecords]:
    store = SqliteRecords(tmp_path / "records.db", now=lambda: NOW)
    yield store
    store.close()


class Ticks:
    """A clock that is one second later each time it is looked at."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


# --- lines ------------------------------------------------------------------------------------------------------------


def test_a_field_cannot_forge_another_entry(capsys: pytest.CaptureFixture[str]) -> None:
    log.write("INFO", "hello", text='"}\n{"severity": "CRITICAL', record="a" * 32)
    (line,) = lines(capsys)
    assert line["severity"] == "INFO"
    assert line["text"] == '"}\n{"severity": "CRITICAL'
    assert line["logging.googleapis.com/labels"] == {"record": "a" * 32}


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"X-Cloud-Trace-Context": f"{TRACE}/1234567;o=1"}, TRACE),
        ({"X-Cloud-Trace-Context": TRACE}, TRACE),
        ({"traceparent": "00-xyz-1-01"}, None),
        ({"traceparent": f'00-{TRACE}-b7ad6b7169203331-01", "x": "'}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_line_belongs_to_the_trace_of_its_request(
    capsys: pytest.CaptureFixture[str], headers: dict[str, str] | None, trace: str | None
) -> None:
    with log.request(headers):
        log.write("INFO", "inside")
    log.write("INFO", "outside")
    inside, outside = lines(capsys)
    assert inside.get("logging.googleapis.com/trace") == trace
    assert "logging.googleapis.com/trace" not in outside


def test_a_trace_is_named_with_its_project_where_that_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-sec")
    with log.request({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}):
        log.write("INFO", "inside")
    (line,) = lines(capsys)
    assert line["logging.googleapis.com/trace"] == f"projects/acme-sec/traces/{TRACE}"


# --- stages -----------------------------------------------------------------------------------------------------------


def test_each_stage_of_a_record_is_one_line_with_its_duration(
    finding: Finding, records: SqliteRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = Tally()
    outside, _ = world(finding, Told(records, counts, Ticks()), logs=Failing(Unanswered("quota", "60 reads")))
    (record_id,) = pipeline.respond(outside, finding, Delivery(data=OURS, message_id="1", received=NOW))
    told = [line for line in lines(capsys) if "stage" in line]
    assert [line["stage"] for line in told] == ["admitted", "gathered", "finished", "released"]
    assert {line["logging.googleapis.com/labels"]["record"] for line in told} == {record_id}
    assert {line["severity"] for line in told} == {"INFO"}
    admitted, gathered, finished, released = told
    assert admitted["kind"] == "new"
    assert (gathered["round"], gathered["seconds"] > 0, released["seconds"] > finished["seconds"]) == (
        "first", True, True,
    )  # fmt: skip
    assert "pod_log.quota" in gathered["gaps"].split(",")
    assert (finished["decision"], finished["outcome"]) == ("hold", "held")
    counts.save(records, now=True)
    counters = records.counters()
    assert (counters["gaps.pod_log.quota"], counters["decisions.hold"], counters["outcomes.held"]) == (1, 1, 1)


def test_what_says_nothing_new_is_counted_and_not_told(
    finding: Finding, records: SqliteRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = Tally()
    outside, _ = world(finding, Told(records, counts))
    pipeline.respond(outside, finding, Delivery(data=OURS, message_id="1", received=NOW))
    lines(capsys)
    pipeline.respond(outside, finding, Delivery(data=OURS, message_id="2", received=NOW))
    assert lines(capsys) == []
    assert records.counters() == {}, "a write of its own for each message would hold up the next one"
    counts.save(records, now=True)
    assert records.counters()["findings.duplicate"] == 1


def test_a_record_that_a_crash_left_is_counted_as_resumed(finding: Finding, records: SqliteRecords) -> None:
    delivery = Delivery(data=OURS, message_id="1", received=NOW)
    (target,) = finding.targets()
    records.admit(finding, target, delivery)
    outside, _ = world(finding, records)
    pipeline.respond(outside, finding, delivery)
    assert records.counters()["findings.resumed"] == 1


def test_no_line_holds_what_the_process_was_called_with(
    finding: Finding, records: SqliteRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    process = replace(finding.processes[0], args=("gcc", "-DTOKEN=hunter2-canary", "a.c"))
    hostile = replace(finding, processes=(process, *finding.processes[1:]))
    outside, _ = world(hostile, Told(records, Tally()))
    pipeline.respond(outside, hostile, Delivery(data=OURS, message_id="1", received=NOW))
    shown = capsys.readouterr().out
    assert "gathered" in shown
    assert "canary" not in shown
    assert "gcc" not in shown


# --- counters ---------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_counters_are_written_to_the_log_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    counts = Tally(clock)
    for _ in range(3):
        counts.add("received", "foreign.not_gke")
    clock.now += 61
    counts.add("received")
    assert [(line["received"], line.get("foreign.not_gke", 0)) for line in lines(capsys)] == [(1, 1), (3, 2)]
    counts.say()
    assert lines(capsys) == []


def test_counters_reach_the_store_once_a_minute_and_wait_for_one_that_fails(records: SqliteRecords) -> None:
    clock = Clock()
    counts = Tally(clock)
    counts.add("a", "b")
    counts.save(records)
    counts.add("a")
    counts.save(records)
    assert records.counters() == {"a": 1, "b": 1}
    clock.now += 61
    counts.save(Failing(StoreError("down")))
    assert records.counters() == {"a": 1, "b": 1}
    counts.save(records, now=True)
    assert records.counters() == {"a": 2, "b": 1}


# --- through the function ---------------------------------------------------------------------------------------------


class NoGoogle:
    """A way to Google that leads nowhere."""

    def __getattr__(self, name: str) -> Any:
        return Failing(Unanswered("unavailable", name))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RESPONDER_SCC_PARENT", "organizations/123456789012")
    monkeypatch.setenv("RESPONDER_STORE", str(tmp_path / "records.db"))
    wiring.install(NoGoogle(), now=lambda: NOW)
    yield
    wiring.store().close()
    wiring.install(NoGoogle(), now=lambda: NOW)


def client(target: str) -> Client:
    app: Any = functions_framework.create_app(target, str(ROOT / "main.py"))  # type: ignore[no-untyped-call] # it has no types
    made: Client = app.test_client()
    return made


def push(data: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode("ascii")
    return {"message": {"data": encoded, "messageId": "7"}, "subscription": "projects/p/subscriptions/s"}


def test_a_push_is_logged_with_the_trace_of_its_request(
    installed: None,  # noqa: ARG001 - it wires
    capsys: pytest.CaptureFixture[str],
) -> None:
    response = client("respond").post("/", json=push(OURS), headers={"X-Cloud-Trace-Context": f"{TRACE}/1;o=1"})
    assert response.status_code == 200
    told = lines(capsys)
    assert {"admitted", "gathered", "finished", "released"} <= {line.get("stage") for line in told}
    assert {line["logging.googleapis.com/trace"] for line in told} == {TRACE}


def test_messages_are_counted_by_what_became_of_them(installed: None) -> None:  # noqa: ARG001 - it wires
    tally.counts.save(wiring.store(), now=True)
    before = wiring.store().counters()
    function = client("respond")
    for data in (FOREIGN, FOREIGN, b"not json", OURS):
        assert function.post("/", json=push(data)).status_code == 200
    tally.counts.save(wiring.store(), now=True)
    counters = wiring.store().counters()
    gained = {name: counters[name] - before.get(name, 0) for name in ("received", "foreign.other_category")}
    assert gained == {"received": 4, "foreign.other_category": 2}
    assert counters["rejected"] == 1


def test_a_sweep_over_http_goes_on_with_what_was_left_and_says_nothing(
    installed: None,  # noqa: ARG001 - it wires
    capsys: pytest.CaptureFixture[str],
) -> None:
    response = client("sweep").post("/", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    assert (response.status_code, response.get_data()) == (204, b"")
    swept = next(line for line in lines(capsys) if line["message"] == "swept")
    assert (swept["due"], swept["scc"]) == (0, "unavailable")
    assert swept["logging.googleapis.com/trace"] == TRACE


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError(), StoreError("Bearer canary")])
def test_a_sweep_that_fails_is_500_with_nothing_of_why_and_the_process_lives(
    installed: None,  # noqa: ARG001 - it wires
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    function = client("sweep")
    wiring.store().close()

    def broken(name: str, port: Any) -> Any:
        return Failing(error) if name == "records" else port

    wiring.install(NoGoogle(), now=lambda: NOW, wrap=broken)
    response = function.post("/")
    assert (response.status_code, response.get_data()) == (500, b"")
    said = next(line for line in lines(capsys) if line["severity"] == "ERROR")
    assert said["error"] == type(error).__name__
    assert "canary" not in json.dumps(said)
    wiring.install(NoGoogle(), now=lambda: NOW)
    assert function.post("/").status_code == 204
