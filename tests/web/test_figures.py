"""The team's figures in the review page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from responder.record import Traits, Triage
from responder.stores.sqlite import SqliteRecords
from responder.web import figures
from tests.builders import EVENT_TIME, a_finding, a_record
from tests.export.test_export import Outline
from tests.web.desks import Browser, a_desk, a_store, kept

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


@pytest.fixture
def records(tmp_path: Path) -> SqliteRecords:
    return a_store(tmp_path)


def filled(records: SqliteRecords, count: int, *, name: str = "x", days: int = 0) -> None:
    made = a_record().provenance
    for n in range(count):
        start = EVENT_TIME - timedelta(days=days, minutes=n)
        provenance = made.model_copy(update={"window_start": start, "traits": Traits(owner=name)})
        finding = a_finding(key=f"1/{days}-{n}", event_time=start, pods=(), containers=())
        triage = Triage(verdict="malicious", summary="s", rule=name)
        kept(records, finding=finding, target=finding.targets()[0], triage=triage, provenance=provenance)


def test_the_figures_are_of_the_last_thirty_days_and_inert(records: SqliteRecords) -> None:
    filled(records, 3, name=HOSTILE)
    filled(records, 2, days=40)
    text = Browser(a_desk(records)).get("/stats").text
    shown = Outline(text)
    assert "3 records of 3 findings" in shown.text
    assert r"<img src=x onerror=alert(1)>\u202e" in shown.text
    assert "img" not in {tag for tag, _ in shown.tags}
    assert (shown.wrong, "style" in {name for _, names in shown.tags for name in names}) == ([], False)


def test_more_records_than_the_page_reads_are_said_to_be_there(
    records: SqliteRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(records, 4)
    browser = Browser(a_desk(records))
    assert "reads the newest" not in browser.get("/stats").text
    monkeypatch.setattr(figures, "MOST", 3)
    text = browser.get("/stats").text
    assert "reads the newest 3 records" in text
    assert "3 records of 3 findings" in text


def test_a_store_without_records_has_a_page_all_the_same_and_who_has_no_role_has_none(records: SqliteRecords) -> None:
    assert "No records in this time" in Browser(a_desk(records)).get("/stats").text
    assert Browser(a_desk(records), who="stranger@evil.test").get("/stats").status_code == 403
