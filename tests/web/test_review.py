"""The review page as a browser meets it: what it shows, and what becomes of what people say there."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from responder.errors import StoreError
from responder.evidence import Evidence, Found, LogEntry, LogExtract
from responder.finding import Finding, Target
from responder.record import Decision, Guard, Plan, PlannedAction, Signal, Traits, Triage
from responder.stores.sqlite import SqliteRecords
from tests.builders import EVENT_TIME, a_delivery, a_finding, a_record, a_recorded
from tests.doubles import Failing
from tests.web.desks import NOW, Browser, a_desk, a_store, kept

ELSEWHERE = Target(namespace="ci", pod="runner-1", container="build")


@pytest.fixture
def records(tmp_path: Path) -> SqliteRecords:
    return a_store(tmp_path)


def test_the_queue_lists_records_and_filters_them(records: SqliteRecords) -> None:
    bad = kept(records, triage=Triage(verdict="malicious", summary="it is"))
    other = kept(records, key="1/other", triage=Triage(verdict="benign", summary="no"), target=ELSEWHERE)
    browser = Browser(a_desk(records))
    assert f"/records/{bad.id}" in browser.get("/").text
    assert f"/records/{other.id}" in browser.get("/").text
    assert f"/records/{other.id}" not in browser.get("/?verdict=malicious").text
    assert "No record fits" in browser.get("/?state=closed").text
    assert "No record fits" in browser.get("/?project=nowhere").text


def test_the_queue_is_searched_sorted_and_paged_by_its_address(records: SqliteRecords) -> None:
    ids = []
    for n in range(52):
        finding = a_finding(key=f"1/{n}", event_time=EVENT_TIME - timedelta(minutes=n))
        target = Target(namespace="shop", pod=f"pod-{n:02}x", container="c")
        triage = Triage(verdict="suspicious", summary="s", score=n, severity="HIGH" if n == 7 else "LOW")
        ids.append(_queued(records, finding, target, triage))
    browser = Browser(a_desk(records))

    def shown(address: str) -> list[int]:
        return [ids.index(one) for one in re.findall(r'href="/records/(\w+)"', browser.get(address).text)]

    assert shown("/") == list(range(50))
    following = re.search(r'href="([^"]+)" rel="next"', browser.get("/").text)
    assert following
    assert shown(html.unescape(following[1])) == [50, 51]
    assert shown("/?order=score")[:3] == [51, 50, 49]
    assert shown("/?severity=HIGH") == [7]
    assert shown("/?q=POD-33X") == [33]
    assert shown("/?order=nonsense&verdict=nonsense&after=&severity=%00") == list(range(50))
    assert shown("/?q=%ED%A0%80%25") == []


def _queued(records: SqliteRecords, finding: Finding, target: Target, triage: Triage) -> str:
    made = a_record().provenance
    start = finding.event_time
    subject = made.subject.model_copy(update={"pod": target.pod})
    provenance = made.model_copy(update={"window_start": start, "subject": subject})
    return kept(records, finding=finding, target=target, triage=triage, provenance=provenance).id


def test_the_page_has_the_verdict_with_its_reasons_first_and_then_all_else(records: SqliteRecords) -> None:
    signs = (
        Signal(id="R1", title="a reverse shell", weight=50, source="related", evidence=(), outside=True),
        Signal(id="B1", title="a known builder", weight=-20, source="pod", evidence=(), outside=True),
    )
    log = LogExtract(
        filter="f", window_start=EVENT_TIME, window_end=NOW, read=1, truncated=False, pages=1,
        entries=(LogEntry(time=EVENT_TIME, severity="INFO", log_name="l", insert_id="i", text="a line of the log"),),
    )  # fmt: skip
    record = kept(
        records,
        triage=Triage(
            verdict="malicious", summary="it is", signals=signs, would_settle=("what the pod runs now",), score=90
        ),
        evidence=Evidence(pod_log=Found(value=log, source="Cloud Logging")),
        decision=Decision(reasons=("because",), guards=(Guard(name="brake", ok=False, detail="it is pulled"),)),
    )
    text = Browser(a_desk(records)).get(f"/records/{record.id}").text
    order = [
        "malicious · 90", "a reverse shell", "a known builder", "what the pod runs now", "it is pulled",
        "What ran</h2>", "<dt>tool</dt>", "Timeline", "a line of the log", "seven steps", "What is missing",
    ]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_closing_takes_the_verdict_the_note_who_and_when(records: SqliteRecords) -> None:
    record = kept(records)
    browser = Browser(a_desk(records))
    page, action = f"/records/{record.id}", f"/records/{record.id}/review"
    sent = browser.send(action, browser.fields(page, action) | {"act": "false_positive", "note": "our own build"})
    assert (sent.status_code, sent.headers["location"]) == (303, f"{page}#review")
    found = records.load(record.id)
    assert found
    (entry,) = found.review.history
    assert (entry.state, entry.verdict, entry.note) == ("closed", "false_positive", "our own build")
    assert (entry.by, entry.at) == ("ana@acme.example", NOW)
    assert "our own build" in browser.get(page).text


def test_what_was_closed_as_a_false_positive_is_a_precedent_for_the_next_verdict(records: SqliteRecords) -> None:
    traits = Traits(image_digest="sha256:1", owner="o")
    provenance = a_record().provenance.model_copy(update={"traits": traits})
    record = kept(records, provenance=provenance)
    browser = Browser(a_desk(records))
    action = f"/records/{record.id}/review"
    browser.send(action, browser.fields(f"/records/{record.id}", action) | {"act": "benign_true_positive"})
    (precedent,) = records.history(traits, before=NOW + timedelta(days=1))
    assert precedent.reviewed == "benign_true_positive"


def test_acknowledging_needs_no_verdict_and_anything_else_is_refused(records: SqliteRecords) -> None:
    record = kept(records)
    browser = Browser(a_desk(records))
    page, action = f"/records/{record.id}", f"/records/{record.id}/review"
    assert browser.send(action, browser.fields(page, action) | {"act": "delete"}).status_code == 400
    assert browser.send(action, browser.fields(page, action) | {"act": "acknowledge"}).status_code == 303
    found = records.load(record.id)
    assert found
    assert (found.review.state, found.review.verdict) == ("acknowledged", None)


def test_a_form_of_an_older_revision_is_refused_and_its_note_is_given_back(records: SqliteRecords) -> None:
    record = kept(records)
    first, second = Browser(a_desk(records)), Browser(a_desk(records), who="bob@acme.example")
    page, action = f"/records/{record.id}", f"/records/{record.id}/review"
    old = first.fields(page, action)
    second.send(action, second.fields(page, action) | {"act": "true_positive"})
    refused = first.send(action, old | {"act": "false_positive", "note": "too <late>"})
    assert refused.status_code == 409
    assert "too &lt;late&gt;" in refused.text
    found = records.load(record.id)
    assert found
    assert [entry.verdict for entry in found.review.history] == ["true_positive"]


def test_a_note_of_several_lines_is_kept_and_shown_line_by_line(records: SqliteRecords) -> None:
    record = kept(records)
    browser = Browser(a_desk(records))
    page, action = f"/records/{record.id}", f"/records/{record.id}/review"
    # A browser sends line ends as CR LF and counts each as one; 2,000 are what the field takes.
    note = "one <b>\ntwo\u202e\n\n" + "x" * 1900 + "\n" * 60 + "end"
    sent = browser.fields(page, action) | {"act": "acknowledge", "note": note.replace("\n", "\r\n")}
    assert browser.send(action, sent).status_code == 303
    found = records.load(record.id)
    assert found
    assert found.review.history[0].note == note
    assert '<span class="lines">one &lt;b&gt;\ntwo\\u202e\n\nxxx' in browser.get(page).text


@pytest.mark.parametrize("wrong", [{"note": "my <words>" + "x" * 2000}, {"note": "my <words>", "act": "delete"}])
def test_a_form_that_is_refused_gives_back_what_was_written(records: SqliteRecords, wrong: dict[str, str]) -> None:
    record = kept(records)
    browser = Browser(a_desk(records))
    page, action = f"/records/{record.id}", f"/records/{record.id}/review"
    refused = browser.send(action, browser.fields(page, action) | {"act": "acknowledge"} | wrong)
    assert refused.status_code == 400
    assert "my &lt;words&gt;" in refused.text


def test_each_process_has_the_notification_of_its_own_finding(records: SqliteRecords) -> None:
    process = a_finding().processes[0]
    first = a_finding(key="1/one", processes=(process, replace(process, pid=54)))
    second = a_finding(key="1/two")
    records.admit(second, ELSEWHERE, a_delivery(b"of the second", message_id="m-2"))
    record = kept(records, finding=first, data=b"of the first", findings=(a_recorded(first), a_recorded(second)))
    browser = Browser(a_desk(records), who="rae@acme.example")
    shown = re.findall(
        r'finding (1/\w+) .*?href="([^"]+/raw/\d+)"', browser.get(f"/records/{record.id}").text, re.DOTALL
    )
    told = [(key, browser.get(path).content) for key, path in shown]
    assert told == [("1/one", b"of the first"), ("1/one", b"of the first"), ("1/two", b"of the second")]


def test_the_first_things_to_do_stand_at_the_top_and_lead_to_the_plan(records: SqliteRecords) -> None:
    actions = tuple(PlannedAction(title=f"do {n} <now>", why="w", impact="none") for n in range(1, 5))
    record = kept(records, plan=Plan(techniques=(), actions=actions))
    text = Browser(a_desk(records)).get(f"/records/{record.id}").text
    lead = text[: text.index('id="why"')]
    for n in (1, 2, 3):
        assert f'<a href="#plan-{n}">do {n} &lt;now&gt;</a>' in lead
        assert f'<li id="plan-{n}"><strong>do {n} &lt;now&gt;</strong>' in text
    assert "do 4" not in lead


def test_there_is_a_plain_answer_for_a_record_that_is_not_there_and_for_a_store_that_fails(
    records: SqliteRecords,
) -> None:
    assert Browser(a_desk(records)).get("/records/0123").status_code == 404
    failed = Browser(a_desk(Failing(StoreError("disk I/O error at /var/lib/x")))).get("/")
    assert failed.status_code == 503
    assert "disk I/O" not in failed.text


@pytest.mark.parametrize(
    "odd", ["%00", "%ED%A0%80", "..%2f..", "__x__", "A" * 32, "0" * 65, "%F0%9F%92%A9", "a b", "'--"]
)
def test_an_id_that_cannot_be_one_is_asked_of_no_store(odd: str) -> None:
    store = Failing(StoreError("asked"))
    assert Browser(a_desk(store)).get(f"/records/{odd}").status_code == 404
    assert store.calls == []


def test_a_failure_of_our_own_is_told_without_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = Browser(a_desk(Failing(RuntimeError("password=hunter2")))).get("/")
    assert failed.status_code == 500
    written = capsys.readouterr()
    assert "hunter2" not in failed.text + written.out + written.err
    assert "RuntimeError" in written.out


def test_every_answer_tells_the_browser_to_run_and_load_nothing_else(records: SqliteRecords) -> None:
    browser = Browser(a_desk(records))
    for path in ("/", "/records/0123", "/static/page.css", "/nothing"):
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
