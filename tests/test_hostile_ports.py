"""Whatever a port raises, the process lives, and a message that was not recorded is delivered again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from werkzeug.test import Client

from lab.environment import ROOT
from responder import wiring
from responder.errors import StoreError
from responder.ports import RecordQuery
from tests.doubles import NOW, Failing, finding_in, world

SAMPLE = Path(__file__).parent / "samples" / "CONSTRUCTED_ctd_v2_notification.json"
OURS = SAMPLE.read_bytes()
ERRORS = [SystemExit(3), MemoryError(), RecursionError(), KeyboardInterrupt()]
BODY = {"message": {"data": base64.b64encode(OURS).decode(), "messageId": "7"}, "subscription": "s"}


class Watch:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("RESPONDER_SCC_PARENT", "organizations/123456789012")
    monkeypatch.setenv("RESPONDER_STORE", str(tmp_path / "records.db"))
    monkeypatch.setenv("RESPONDER_RECORDS_TOPIC", "projects/acme-sec/topics/records")
    yield functions_framework.create_app("respond", str(ROOT / "main.py")).test_client()  # type: ignore[no-untyped-call] # it has no types
    install(Watch())


def install(watch: Watch, **ports: Any) -> None:
    """A world in which everything answers but for the ports given; the store is a real one."""
    answering, _ = world(finding_in(OURS))

    def wrap(name: str, port: Any) -> Any:
        if name in ports:
            return ports[name](port) if name == "records" else ports[name]
        return port if name == "records" else getattr(answering, name) or Quiet()

    wiring.install(Failing(StoreError("not asked")), now=watch, wrap=wrap)


class Quiet:
    """An outbox that takes everything."""

    def publish(self, record: object) -> None:
        assert record is not None


class Fails:
    """A store, one method of which raises."""

    def __init__(self, records: Any, method: str, error: BaseException) -> None:
        self.records, self.method, self.error = records, method, error

    def __getattr__(self, name: str) -> Any:
        if name == self.method:
            raise self.error
        return getattr(self.records, name)


def stages() -> list[str]:
    return [line.stage for line in wiring.store().list(RecordQuery())]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("port", ["scc", "clusters", "connect", "logs", "projects"])
def test_a_source_costs_its_own_answers_only(client: Client, watch: Watch, port: str, error: BaseException) -> None:
    install(watch, **{port: Failing(error)})
    assert client.post("/", json=BODY).status_code == 200
    (line,) = wiring.store().list(RecordQuery())
    assert line.stage == "finished"
    assert line.gaps > 0


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["admit", "claim", "findings_page", "load", "save", "release"])
def test_a_store_that_fails_has_the_message_delivered_again_and_then_it_is_recorded(
    client: Client, watch: Watch, method: str, error: BaseException
) -> None:
    install(watch, records=lambda records: Fails(records, method, error))
    assert client.post("/", json=BODY).status_code == 500
    install(watch)
    watch.now += timedelta(minutes=5)  # a claim that could not be let go of has ended
    assert client.post("/", json=BODY).status_code == 200
    assert stages() == ["finished"]


def test_counters_that_cannot_be_kept_cost_no_message(client: Client, watch: Watch) -> None:
    install(watch, records=lambda records: Fails(records, "count", StoreError("no room")))
    assert client.post("/", json=BODY).status_code == 200
    assert stages() == ["finished"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_topic_that_fails_loses_no_record(client: Client, watch: Watch, error: BaseException) -> None:
    install(watch, outbox=Failing(error))
    assert client.post("/", json=BODY).status_code == 500
    assert stages() == ["finished"]
    assert len(wiring.store().unpublished()) == 1
    install(watch)
    assert client.post("/", json=BODY).status_code == 200
