from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from werkzeug.test import Client

from lab.environment import ROOT, cleaned
from responder import wiring
from responder.errors import Unanswered
from responder.ports import RecordQuery, Records
from tests.doubles import NOW, Failing

SAMPLES = Path(__file__).parent / "samples"
OURS = (SAMPLES / "CONSTRUCTED_ctd_v2_notification.json").read_bytes()
FOREIGN = (SAMPLES / "sumologic_v2_gke_threat_etd.repaired-data.json").read_bytes()


class NoGoogle:
    """A way to Google that leads nowhere: every client is refused."""

    def __getattr__(self, name: str) -> Any:
        return Failing(Unanswered("unavailable", name))


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("RESPONDER_SCC_PARENT", "organizations/123456789012")
    monkeypatch.setenv("RESPONDER_STORE", str(tmp_path / "records.db"))
    wiring.install(NoGoogle(), now=lambda: NOW)
    yield functions_framework.create_app("respond", str(ROOT / "main.py")).test_client()  # type: ignore[no-untyped-call] # it has no types
    wiring.store().close()
    wiring.install(NoGoogle(), now=lambda: NOW)


def push(data: bytes | str, message_id: str = "7") -> dict[str, Any]:
    encoded = data if isinstance(data, str) else base64.b64encode(data).decode("ascii")
    return {
        "message": {"data": encoded, "messageId": message_id, "publishTime": "2026-11-20T09:41:10Z"},
        "subscription": "projects/p/subscriptions/s",
        "deliveryAttempt": 3,
    }  # fmt: skip


def records() -> Records:
    return wiring.store()


def test_a_push_body_of_ours_is_acknowledged_and_makes_a_record(client: Client) -> None:
    response = client.post("/", json=push(OURS))
    assert response.status_code in {200, 204}
    lines = list(records().list(RecordQuery()))
    assert [line.subject.pod for line in lines] == ["checkout-7d9f8c5b4-x2k9p"]


@pytest.mark.parametrize("form", ["binary", "structured"])
def test_eventarcs_forms_are_accepted_too(client: Client, form: str) -> None:
    attributes = {
        "id": "e-1", "source": "//pubsub.googleapis.com/projects/p/topics/t", "specversion": "1.0",
        "type": "google.cloud.pubsub.topic.v1.messagePublished", "time": "2026-11-20T09:41:10Z",
    }  # fmt: skip
    if form == "binary":
        headers = {f"ce-{name}": text for name, text in attributes.items()}
        response = client.post("/", json=push(OURS), headers=headers)
    else:
        body = {**attributes, "datacontenttype": "application/json", "data": push(OURS)}
        response = client.post("/", data=json.dumps(body), headers={"Content-Type": "application/cloudevents+json"})
    assert response.status_code in {200, 204}
    assert len(list(records().list(RecordQuery()))) == 1


def test_a_binary_event_whose_body_is_no_json_is_rejected_and_kept(client: Client) -> None:
    headers = {
        "ce-id": "e-2", "ce-source": "//pubsub.googleapis.com/projects/p/topics/t", "ce-specversion": "1.0",
        "ce-type": "google.cloud.pubsub.topic.v1.messagePublished", "Content-Type": "application/octet-stream",
    }  # fmt: skip
    response = client.post("/", data=b"\x00\xffnot json", headers=headers)
    assert response.status_code in {200, 204}
    (kept,) = records().rejected()
    assert kept.data == b"\x00\xffnot json"


def test_another_category_is_acknowledged_and_leaves_nothing(client: Client) -> None:
    assert client.post("/", json=push(FOREIGN)).status_code in {200, 204}
    assert not list(records().list(RecordQuery()))
    assert records().rejected() == ()


BAD = {
    "truncated base64": "eyJmaW5kaW5nIjp7ImNhdGVn",
    "not base64": "%%%%",
    "not JSON": b"{'finding': 1}",
    "empty": b"",
    "a JSON list": b"[1, 2]",
    "a JSON text": b'"finding"',
    "not UTF-8": b"\xff\xfe{}",
    "cut in the middle": OURS[:700],
    "no finding in it": b'{"resource": {}}',
    "times that are no dates": OURS.replace(b'"2026-11-20T09:41:07.482113Z"', b'"yesterday"').replace(
        b'"2026-11-20T09:41:09.214Z"', b'"soon"'
    ),
    "10 MB": b'{"finding": "' + b"x" * (10 * 1024 * 1024) + b'"}',
    "100,000 nested lists": b"[" * 100_000 + b"]" * 100_000,
    "200 nested lists in a finding of ours": OURS.replace(
        b'"severity": "LOW"', b'"severity": "LOW", "x": ' + b"[" * 200 + b"]" * 200
    ),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_read_is_acknowledged_and_kept_with_its_reason(client: Client, data: bytes | str) -> None:
    response = client.post("/", json=push(data, "9"))
    assert response.status_code in {200, 204}
    (kept,) = records().rejected()
    assert kept.message_id == "9"
    assert len(kept.reason) > 10
    if isinstance(data, bytes):
        assert kept.data == data
    else:
        assert kept.data == data.encode() or base64.b64encode(kept.data).decode().startswith(data[:20])
    assert not list(records().list(RecordQuery()))


def test_a_store_that_fails_has_the_message_delivered_again_and_tells_nothing(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records().close()
    wiring.install(NoGoogle(), now=lambda: NOW)
    os.environ["RESPONDER_STORE"] = str(tmp_path / "no" / "such" / "folder" / "r.db")
    response = client.post("/", json=push(OURS))
    assert response.status_code == 500
    (tmp_path / "no" / "such" / "folder").mkdir(parents=True)
    shown = "".join(capsys.readouterr()) + response.get_data(as_text=True)
    assert "hunter2" not in shown
    assert "kworker" not in shown
    assert client.post("/", json=push(OURS)).status_code in {200, 204}


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError()])
def test_nothing_that_is_raised_inside_ends_the_process(client: Client, error: BaseException) -> None:
    class Hostile(NoGoogle):
        def securitycenter(self) -> Any:
            raise error

    records().close()
    wiring.install(Hostile(), now=lambda: NOW)
    assert client.post("/", json=push(OURS)).status_code in {200, 204, 500}
    assert client.post("/", json=push(FOREIGN)).status_code in {200, 204}


def test_a_message_of_others_costs_no_heavy_import() -> None:
    """Cold starts are paid for by every message of another category: nothing but the framework may be loaded."""
    code = """
import base64, json, sys
import functions_framework
client = functions_framework.create_app("respond", sys.argv[1]).test_client()
data = base64.b64encode(open(sys.argv[2], "rb").read()).decode()
body = {"message": {"data": data, "messageId": "1"}, "subscription": "s"}
assert client.post("/", json=body).status_code in (200, 204)
# functions-framework itself brings `google.cloud.functions`, a dozen lines.
heavy = ("google.cloud.sec", "google.cloud.con", "google.cloud.log", "google.api_core", "google.auth", "grpc")
heavy += ("kubernetes", "pydantic", "requests", "detect_secrets")
print(json.dumps([name for name in sys.modules if name.startswith(heavy)]))
"""
    sample = SAMPLES / "sumologic_v2_gke_threat_etd.repaired-data.json"
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "main.py"), str(sample)],
        env=cleaned(os.environ), capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == []
