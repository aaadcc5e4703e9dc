"""What a message of the action topic can make `act` do: look at a record of that id, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import functions_framework
import pytest
from werkzeug.test import Client

from lab.environment import ROOT
from responder import wiring
from tests.doubles import NOW
from tests.test_intake import NoGoogle, push


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("RESPONDER_SCC_PARENT", "organizations/123456789012")
    monkeypatch.setenv("RESPONDER_STORE", str(tmp_path / "records.db"))
    monkeypatch.setenv("RESPONDER_ACTIONS", str(tmp_path / "actions.db"))
    wiring.install(NoGoogle(), now=lambda: NOW)
    yield functions_framework.create_app("act", str(ROOT / "main.py")).test_client()  # type: ignore[no-untyped-call] # it has no types
    wiring.store().close()
    wiring.install(NoGoogle(), now=lambda: NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"../../../etc/passwd", b"a/b", b"", b" 7701cf31", b"7701cf31\n", b"a" * 129, b"a\x00b", "\u0430bc".encode(),
        b'{"record": "a"}', b"' OR 1=1 --", b"\xff\xfe",
    ],
)  # fmt: skip
def test_what_is_no_id_is_kept_as_rejected_and_nothing_is_opened_to_act_with(
    client: Client, tmp_path: Path, data: bytes
) -> None:
    assert client.post("/", json=push(data)).status_code in {200, 204}
    (kept,) = wiring.store().rejected()
    assert kept.data in {data, base64.b64encode(data)}
    assert not (tmp_path / "actions.db").exists()


def test_the_id_of_no_record_is_acknowledged_and_counted(client: Client) -> None:
    assert client.post("/", json=push(b"7701cf31dd02d3e734567353a35737cb")).status_code in {200, 204}
    assert list(wiring.store().rejected()) == []
    assert wiring.store().counters()["act.no_record"] == 1


def test_without_a_second_store_a_message_is_delivered_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESPONDER_ACTIONS")
    assert client.post("/", json=push(b"7701cf31dd02d3e734567353a35737cb")).status_code == 500
