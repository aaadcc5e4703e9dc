"""What a person's commands ask of Firestore: who looks at records commits nothing."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from typer.testing import CliRunner

from lab import emulators
from lab.google import LabGoogle
from responder import wiring
from responder.cli import app
from responder.errors import StoreDenied
from responder.stores import firestore_calls, opened
from responder.stores.firestore_calls import Database
from tests.builders import a_record
from tests.stores.contract import NOW, admitted, claimed

pytestmark = pytest.mark.skipif(not emulators.available("firestore"), reason=emulators.missing("firestore"))
_numbers = itertools.count()


@pytest.fixture
def record_id(firestore: emulators.Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """A record in a database of the test's own, which the settings name."""
    assert firestore.environ
    place = f"firestore:people-{next(_numbers)}/(default)"
    records = opened(place, now=lambda: NOW)
    made = admitted(records)
    records.save(a_record(made), claimed(records, made))
    records.close()
    monkeypatch.setenv("RESPONDER_STORE", place)
    monkeypatch.setenv("RESPONDER_SCC_PARENT", "organizations/1")
    wiring.install(LabGoogle({}))
    return made


def commanded(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@pytest.mark.usefixtures("firestore")
def test_looking_at_records_takes_no_right_to_write_them(record_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise StoreDenied("PERMISSION_DENIED")

    monkeypatch.setattr(Database, "commit", refused)
    assert firestore_calls.PERMISSIONS == ("datastore.entities.get", "datastore.entities.list")
    for words in (
        ("records", "list"), ("records", "list", "--search", "x"), ("records", "show", record_id),
        ("export", record_id), ("export", "--all", "--to", "csv"), ("stats",),
        ("shadow-report", "--project", "acme-shop-prod"),
    ):  # fmt: skip
        done = commanded(*words)
        assert done.exit_code == 0, (words, done.output)
    assert (
        "PERMISSION_DENIED"
        in commanded("records", "review", record_id, "--state", "acknowledged", "--note", "seen").output
    )
