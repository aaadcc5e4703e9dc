"""How many dead letters wait, on the health page: a number that is true, or the reason why there is none."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from responder import settings, wiring
from responder.errors import Unanswered
from responder.recent import Recent
from responder.stores.sqlite import SqliteRecords
from responder.web import Desk
from tests.live.shop import open_shop
from tests.web.desks import NOW, Browser, a_desk, a_store

NAME = "projects/acme-shop-prod/subscriptions/responder-dead-letters"
NUMBER = re.compile(r"<strong>(?:None|[0-9]+) waits?</strong>")


@pytest.fixture
def records(tmp_path: Path) -> SqliteRecords:
    return a_store(tmp_path)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    wiring.install(None)  # type: ignore[arg-type]  # the live one, as before


def told(desk: Desk) -> str:
    """What the page says of dead letters."""
    page = Browser(desk).get("/health")
    assert page.status_code == 200
    text = page.text.partition('id="dead"')[2].partition("</section>")[0]
    assert "responder dead-letters list --subscription" in text
    return text


def shown(records: SqliteRecords, **scenario: Any) -> str:
    """The same over the lab, as `responder web` builds it."""
    with open_shop(**scenario) as (running, google):
        wiring.install(google, now=running.lab.now)
        chosen = settings.read_for_the_store({"RESPONDER_DEAD_LETTERS": NAME})
        desk = a_desk(records, now=running.lab.now, dead_letters=chosen.dead_letters, backlog=wiring.backlog(chosen))
        return told(desk)


def fault(kind: str) -> dict[str, Any]:
    return {"waiting": {NAME: 3}, "faults": [{"call": "monitoring.*", "kind": kind}]}


@pytest.mark.parametrize(("count", "words"), [(0, "None waits"), (1, "1 waits"), (3, "3 wait"), (12345, "12345 wait")])
def test_the_number_is_shown_with_the_time_of_its_point(records: SqliteRecords, count: int, words: str) -> None:
    text = shown(records, waiting={NAME: count})
    assert f"<strong>{words}</strong>, as of 2026-11-20 09:4" in text
    assert re.search(r":00 UTC, \d+ s ago", text)
    assert f"--subscription {NAME}\n" in text
    assert ('class="gap"' in text) is (count > 0)


@pytest.mark.parametrize(
    ("kind", "why"),
    [("deny", "denied"), ("quota", "quota"), ("unavailable", "unavailable"), ("reset", "unavailable"),
     ("lie", "broken"), ("not_found", "not found"), ("empty_page", "unavailable")],
)  # fmt: skip
def test_where_it_is_not_answered_no_number_is_shown_and_the_reason_is(
    records: SqliteRecords, kind: str, why: str
) -> None:
    text = shown(records, **fault(kind))
    assert f"How many wait is not known</strong> ({why}): " in text
    assert not NUMBER.search(text)
    assert ("grant the review page&#39;s account monitoring.timeSeries.list" in text) is (kind == "deny")
    assert f"--subscription {NAME}\n" in text


def test_a_subscription_without_points_is_not_known_and_no_zero(records: SqliteRecords) -> None:
    text = shown(records)
    assert "How many wait is not known</strong> (not found): " in text
    assert "no count of responder-dead-letters from the last ten minutes" in text
    assert not NUMBER.search(text)


@pytest.mark.slow
def test_a_source_that_hangs_holds_the_page_for_a_few_seconds_once(records: SqliteRecords) -> None:
    with open_shop(**fault("hang")) as (running, google):
        wiring.install(google, now=running.lab.now)
        chosen = settings.read_for_the_store({"RESPONDER_DEAD_LETTERS": NAME})
        desk = a_desk(records, dead_letters=chosen.dead_letters, backlog=wiring.backlog(chosen))
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            assert "not known</strong> (timeout): " in told(desk)
            seconds.append(time.monotonic() - began)
        assert 2.5 < seconds[0] < 6
        assert max(seconds[1:]) < 1.5
        assert len(running.lab.calls("monitoring.*")) == 1


def test_it_is_asked_once_a_minute_however_often_the_page_is_read(records: SqliteRecords) -> None:
    with open_shop(waiting={NAME: 3}) as (running, google):
        wiring.install(google, now=running.lab.now)
        chosen = settings.read_for_the_store({"RESPONDER_DEAD_LETTERS": NAME})
        desk = a_desk(records, now=running.lab.now, dead_letters=NAME, backlog=wiring.backlog(chosen))
        assert all("3 wait</strong>" in told(desk) for _ in range(5))
        assert len(running.lab.calls("monitoring.*")) == 1


def test_without_the_setting_it_says_so_and_nothing_is_asked(records: SqliteRecords) -> None:
    assert wiring.backlog(settings.read_for_the_store({})) is None
    text = told(a_desk(records))
    assert "How many wait is not known</strong> (not asked): " in text
    assert "RESPONDER_DEAD_LETTERS=projects/PROJECT/subscriptions/NAME" in text
    assert not NUMBER.search(text)


def test_words_of_a_reason_are_inert(records: SqliteRecords) -> None:
    def ask() -> Any:
        raise Unanswered("broken", "<script>alert(1)</script>\u202e", mend="<b>")

    text = told(a_desk(records, now=lambda: NOW, backlog=Recent(ask, "x")))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in text
    assert "<script>" not in text
