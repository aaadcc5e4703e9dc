"""What every record store must do: one suite, run by each store's own test module."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.errors import Busy, StaleClaim, StaleRevision, StoreError
from responder.finding import Finding, PodRef, Target
from responder.notices.ledger import Told
from responder.ports import Claim, RecordQuery, Records, Rejected
from responder.record import Gap, Notice, Record, ReviewEntry, Traits, Triage
from responder.stores import opened
from tests.builders import EVENT_TIME, TARGET, a_delivery, a_finding, a_record, a_recorded
from tests.stores.racing import race

LEASE = timedelta(seconds=90)
NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
LATER = EVENT_TIME + timedelta(days=40)
ROOT = Path(__file__).parents[2]
IMAGE = Traits(image_digest="sha256:aa", owner="acme/eu/shop-prod/shop/Deployment/checkout", shapes=("gcc -c N.c",))


class Watch:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


def admitted(records: Records, **changes: Any) -> str:
    return records.admit(a_finding(**changes), TARGET, a_delivery()).record_id


def minutes(number: float) -> datetime:
    return EVENT_TIME + timedelta(minutes=number)


def claimed(records: Records, record_id: str, holder: str = "m-1", now: datetime = NOW) -> Claim:
    claim = records.claim(record_id, holder, LEASE, now)
    assert claim is not None
    return claim


def told(record_id: str, read: int = 1, **provenance: Any) -> Record:
    """A finished record that tells of so many occurrences."""
    record = a_record(record_id)
    return record.model_copy(update={"provenance": record.provenance.model_copy(update={"read": read, **provenance})})


def saved(records: Records, holder: str = "m-1", **changes: Any) -> Record:
    record_id = admitted(records)
    return records.save(a_record(record_id, **changes), claimed(records, record_id, holder))


def entry(state: Any = "acknowledged", verdict: Any = None, note: str = "looked") -> ReviewEntry:
    return ReviewEntry(state=state, verdict=verdict, note=note, by="alice", at=NOW)


def finished(records: Records, days_before: int, traits: Traits) -> str:
    """A finished record of that many days before the event, with those traits."""
    finding = a_finding(key=f"1/{days_before}", event_time=EVENT_TIME - timedelta(days=days_before))
    record_id = records.admit(finding, TARGET, a_delivery()).record_id
    claim = claimed(records, record_id, now=NOW)
    record = a_record(record_id)
    provenance = record.provenance.model_copy(update={"traits": traits, "stage": "finished"})
    records.save(record.model_copy(update={"provenance": provenance}), claim)
    records.release(claim, 10)
    return record_id


def a_notice() -> Notice:
    return Notice(
        id="n",
        audience="team",
        channel="security",
        verdict="malicious",
        outcome="held",
        at=NOW,
        sent=False,
        detail="down",
    )


def plain(kept: Any) -> Any:
    return a_finding(**{name: getattr(kept, name) for name in ("key", "told", "processes", "event_time")})


def pages(records: Records, record_id: str, limit: int) -> Iterator[list[str]]:
    after = ""
    while page := records.findings_page(record_id, after=after, limit=limit):
        assert all(len(one.occurrences) == 1 for one in page)
        yield [one.key for one in page]
        after = page[-1].key


# --- several processes ------------------------------------------------------------------------------------------------


def _opened(place: str) -> Records:
    return opened(place, now=lambda: NOW)


def _open_it(store: Records, n: int) -> tuple[str, str]:
    finding = a_finding(key=f"1/{n}", event_time=minutes(n))
    admission = store.admit(finding, TARGET, a_delivery(message_id=f"m-{n}"))
    return admission.kind, admission.record_id


def _admit_it(store: Records, n: int) -> str:
    return store.admit(a_finding(), TARGET, a_delivery(message_id=f"m-{n}")).kind


def _claim_it(store: Records, n: int) -> int:
    claim = store.claim(admitted(store), f"m-{n}", LEASE, NOW)
    return claim.token if claim else 0


_WRITE_FOREVER = """
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from responder.stores import opened
from tests.builders import TARGET, a_delivery, a_finding, a_record
now = lambda: datetime.now(UTC)
store = opened(sys.argv[1], now=now)
for n in range(1_000_000):
    record_id = store.admit(a_finding(key=f"1/{n}"), TARGET, a_delivery(message_id=f"m-{n}")).record_id
    if n == 0:
        claim = store.claim(record_id, "m", timedelta(hours=1), now())
    store.save(a_record(record_id, links={"n": "x" * (n % 3 * 500_000)}), claim)
    print(n, flush=True)
"""


class RecordsContract:
    """Of a store at `place`, opened as `records` with the clock `watch`; `other_place` is that of an empty one."""

    @pytest.fixture
    def watch(self) -> Watch:
        return Watch()

    @pytest.fixture
    def records(self, place: str, watch: Watch) -> Iterator[Records]:
        store = opened(place, now=watch)
        yield store
        store.close()

    def test_a_finding_is_kept_once_with_its_raw_bytes_apart(self, records: Records) -> None:
        first = records.admit(a_finding(), TARGET, a_delivery(b"raw-1"))
        again = records.admit(a_finding(), TARGET, a_delivery(b"raw-2", message_id="m-2"))
        assert (first.kind, again.kind) == ("new", "duplicate")
        assert first.record_id == again.record_id
        (kept,) = records.findings(first.record_id)
        assert a_finding() == plain(kept)
        assert len(kept.occurrences) == 1
        assert records.raw(a_finding().key) == b"raw-1"
        assert records.raw("no/such") is None

    def test_the_id_is_made_of_the_subject_and_the_windows_start(self, records: Records, other_place: str) -> None:
        other = opened(other_place, now=Watch())
        assert admitted(records) == admitted(other)
        assert len(admitted(records)) == 32
        assert admitted(records) != admitted(records, key="1/z", event_time=minutes(61))

    @pytest.mark.parametrize(
        ("offset", "joins"),
        [(0, True), (59.9, True), (60, False), (-59.9, True), (-60, True), (-60.1, False), (300, False)],
    )
    def test_a_finding_joins_the_record_whose_window_is_near(
        self, records: Records, offset: float, joins: bool
    ) -> None:
        first = admitted(records)
        assert (admitted(records, key="1/b", event_time=minutes(offset)) == first) is joins

    def test_the_record_whose_window_holds_the_moment_comes_before_one_that_follows_it(self, records: Records) -> None:
        late, early = admitted(records, key="1/a", event_time=minutes(90)), admitted(records, key="1/b")
        assert admitted(records, key="1/c", event_time=minutes(45)) == early
        assert admitted(records, key="1/d", event_time=minutes(75)) == late

    def test_another_container_has_a_record_of_its_own(self, records: Records) -> None:
        finding, other = a_finding(), Target(namespace="shop", pod=TARGET.pod, container="sidecar")
        ids = {records.admit(finding, target, a_delivery()).record_id for target in (TARGET, other)}
        assert len(ids) == 2

    def test_a_change_of_a_known_finding_stays_with_its_record_however_late(self, records: Records) -> None:
        first = admitted(records)
        muted = records.admit(a_finding(mute="MUTED"), TARGET, a_delivery(message_id="m-2"))
        closed = a_finding(state="INACTIVE", event_time=minutes(600))
        gone = records.admit(closed, TARGET, a_delivery(message_id="m-3"))
        assert [(a.kind, a.record_id) for a in (muted, gone)] == [("update", first)] * 2
        (kept,) = records.findings(first)
        assert [(o.state, o.mute, o.message_id) for o in kept.occurrences] == [
            ("ACTIVE", "UNDEFINED", "m-1"),
            ("ACTIVE", "MUTED", "m-2"),
            ("INACTIVE", "UNDEFINED", "m-3"),
        ]

    def test_a_finding_that_is_active_again_after_the_window_opens_a_record(self, records: Records) -> None:
        first = admitted(records)
        records.admit(a_finding(state="INACTIVE", event_time=minutes(100)), TARGET, a_delivery())
        back = records.admit(a_finding(event_time=minutes(2880)), TARGET, a_delivery())
        assert (back.kind, back.record_id == first) == ("new", False)

    def test_an_admission_says_whether_its_record_is_finished(self, records: Records) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        records.save(told(record_id), claim)
        assert records.admit(a_finding(), TARGET, a_delivery()).finished
        assert records.admit(a_finding(key="1/b"), TARGET, a_delivery()).finished

    @pytest.mark.parametrize("year", [1, 9999])
    def test_an_event_at_the_end_of_time_is_kept_like_any_other(self, records: Records, year: int) -> None:
        far = a_finding(event_time=datetime(year, 12 if year > 1 else 1, 31, 23, 59, 59, tzinfo=UTC))
        record_id = records.admit(far, TARGET, a_delivery()).record_id
        assert records.findings(record_id)[0].event_time == far.event_time
        assert next(iter(records.list(RecordQuery()))).window_start == far.event_time

    @pytest.mark.parametrize(
        "name", ["a'b", 'a"b', "a';DROP TABLE records;--", "a\x00b", "\ud800", "日本\u202e", "", "x" * 9000]
    )
    def test_a_hostile_name_is_a_name(self, records: Records, name: str) -> None:
        target = Target(namespace=name, pod="p", container=name)
        finding = a_finding(key=f"1/{name}", state=name, pods=(PodRef(namespace=name, name="p"),), description=name)
        record_id = records.admit(finding, target, a_delivery(message_id=name)).record_id
        assert records.admit(finding, target, a_delivery(message_id=name)).kind == "duplicate"
        shown = name.replace("\ud800", "?")
        assert records.findings(record_id)[0].description == shown
        assert next(iter(records.list(RecordQuery()))).subject.container == shown
        assert records.raw(f"1/{name}") is not None
        assert list(records.list(RecordQuery(project="' OR 1=1 --"))) == []

    def test_a_record_is_held_by_one_and_the_same_message_is_told_to_come_back(self, records: Records) -> None:
        record_id = admitted(records)
        assert claimed(records, record_id).token == 1
        assert records.claim(record_id, "m-2", LEASE, NOW) is None
        with pytest.raises(Busy):
            records.claim(record_id, "m-1", LEASE, NOW)
        assert claimed(records, record_id, "m-2", NOW + LEASE).token == 2

    def test_a_claim_that_was_taken_over_writes_nothing(self, records: Records, watch: Watch) -> None:
        record_id = admitted(records)
        old = claimed(records, record_id)
        watch.time = NOW + LEASE
        new = claimed(records, record_id, "m-2", watch.time)
        with pytest.raises(StaleClaim):
            records.save(a_record(record_id), old)
        with pytest.raises(StaleClaim):
            records.renew(old, LEASE, watch.time)
        assert records.release(old, 0) is False
        assert records.load(record_id) is None
        assert records.save(a_record(record_id), new).provenance.revision == 1

    def test_a_claim_that_expired_writes_nothing_though_nobody_took_it(self, records: Records, watch: Watch) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        watch.time = NOW + LEASE
        with pytest.raises(StaleClaim):
            records.save(a_record(record_id), claim)

    def test_a_renewed_claim_runs_longer(self, records: Records, watch: Watch) -> None:
        record_id = admitted(records)
        claim = records.renew(claimed(records, record_id), LEASE, NOW + LEASE / 2)
        watch.time = NOW + LEASE
        assert claim.expires == NOW + LEASE * 1.5
        assert records.save(a_record(record_id), claim).provenance.revision == 1

    def test_a_claim_of_one_record_does_not_write_another(self, records: Records) -> None:
        claim = claimed(records, admitted(records))
        with pytest.raises(StaleClaim):
            records.save(a_record("f" * 32), claim)

    def test_a_claim_is_kept_while_something_joined_that_was_not_read(self, records: Records) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        admitted(records, key="1/b", event_time=minutes(1))
        assert records.release(claim, 1) is True
        assert records.claim(record_id, "m-2", LEASE, NOW) is None
        assert records.release(claim, 2) is False
        assert claimed(records, record_id, "m-2").token == 2

    def test_a_duplicate_does_not_keep_a_claim_and_a_mute_does(self, records: Records) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        admitted(records)
        assert records.release(claim, 1) is False
        claim = claimed(records, record_id, "m-2")
        admitted(records, mute="MUTED")
        assert records.release(claim, 1) is True

    def test_nobody_can_claim_what_is_not_there(self, records: Records) -> None:
        with pytest.raises(StoreError, match="no record"):
            records.claim("f" * 32, "m", LEASE, NOW)

    def test_a_record_comes_back_as_it_was_saved(self, records: Records) -> None:
        record = saved(records)
        assert records.load(record.id) == record
        assert record.provenance.revision == 1

    def test_a_record_shows_what_became_of_its_findings_since_it_was_saved(self, records: Records) -> None:
        record = saved(records, findings=(a_recorded(),))
        records.admit(a_finding(mute="MUTED"), TARGET, a_delivery(message_id="m-9"))
        loaded = records.load(record.id)
        assert loaded is not None
        assert [o.mute for o in loaded.findings[0].occurrences] == ["UNDEFINED", "MUTED"]

    def test_reviews_are_appended_and_a_stale_one_is_refused(self, records: Records) -> None:
        record = saved(records)
        once = records.review(record.id, entry(), revision=1)
        with pytest.raises(StaleRevision, match="revision 2, not 1"):
            records.review(record.id, entry("closed", "false_positive"), revision=1)
        twice = records.review(
            record.id, entry("closed", "false_positive", "a build"), revision=once.provenance.revision
        )
        assert (twice.review.state, twice.review.verdict) == ("closed", "false_positive")
        assert [e.note for e in twice.review.history] == ["looked", "a build"]
        assert twice.provenance.revision == 3

    def test_a_save_after_a_review_keeps_the_review(self, records: Records) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        records.save(a_record(record_id), claim)
        records.review(record_id, entry(), revision=1)
        assert records.save(a_record(record_id), claim).review.history == (entry(),)
        loaded = records.load(record_id)
        assert loaded is not None
        assert (loaded.review.state, loaded.provenance.revision) == ("acknowledged", 3)

    def test_a_list_is_newest_first_and_filtered(self, records: Records) -> None:
        old = saved(records)
        new = admitted(records, key="1/b", event_time=minutes(120), project_id="other-project")
        records.review(old.id, entry("closed", "false_positive"), revision=1)

        def ids(**query: Any) -> list[str]:
            return [line.id for line in records.list(RecordQuery(**query))]

        assert ids() == [new, old.id]
        assert ids(limit=1) == [new]
        assert ids(project="acme-shop-prod") == [old.id]
        assert ids(project="421458901689") == [new, old.id]
        assert ids(state="open") == [new]
        assert ids(state="closed", verdict="insufficient_data") == [old.id]
        assert ids(since=minutes(1)) == [new]
        line = list(records.list(RecordQuery()))[1]
        assert (line.findings, line.gaps, line.stage, line.revision) == (1, 1, "finished", 2)
        assert line.summary.startswith("insufficient_data: gcc")

    def test_a_list_is_searched_and_sorted_and_goes_on_after_a_record(self, records: Records) -> None:
        judged: list[str] = []
        for n, (score, severity) in enumerate([(10, "LOW"), (90, "CRITICAL"), (90, "HIGH"), (40, "LOW")]):
            record_id = admitted(records, key=f"1/{n}", event_time=minutes(120 * n))
            claim = claimed(records, record_id)
            owner = f"p/l/c/shop/Deployment/Web_{n}"
            traits = a_record().provenance.model_copy(
                update={"traits": Traits(owner=owner), "window_start": minutes(120 * n)}
            )
            triage = Triage(verdict="suspicious", summary="s", score=score, severity=severity)
            records.save(a_record(record_id, triage=triage, provenance=traits), claim)
            judged.append(record_id)

        def asked(**query: Any) -> list[int]:
            return [judged.index(line.id) for line in records.list(RecordQuery(**query))]

        assert asked() == [3, 2, 1, 0]
        assert asked(order="oldest") == [0, 1, 2, 3]
        assert asked(order="score") == [2, 1, 3, 0]
        assert asked(order="findings") == [3, 2, 1, 0]
        assert asked(severity="LOW") == [3, 0]
        assert asked(text="deployment/web_2") == [2]
        assert asked(text="DEPLOYMENT/WEB", state="open", limit=2) == [3, 2]
        assert asked(text=judged[1]) == [1]
        for nothing in ("Web%2", "Web?2", "!", "' OR 1=1 --"):
            assert asked(text=nothing) == [], nothing
        for order in ("newest", "oldest", "score", "findings"):
            whole, paged = asked(order=order), [""]
            while page := [line.id for line in records.list(RecordQuery(order=order, after=paged[-1], limit=3))]:
                paged += page
            assert [judged.index(one) for one in paged[1:]] == whole, order
        assert asked(after="0" * 32) == []
        (line,) = records.list(RecordQuery(text=judged[1]))
        assert (line.severity, line.score, line.workload) == ("CRITICAL", 90, "Deployment/Web_1")

    def test_a_record_knows_the_one_before_it_of_the_same_container(self, records: Records) -> None:
        first = admitted(records, key="1/a")
        assert records.previous(first) == ""
        later = admitted(records, key="1/b", event_time=minutes(200))
        assert records.previous(later) == first
        between = admitted(records, key="1/c", event_time=minutes(100))
        assert records.previous(between) in {"", first}, "it came late: never one that is after it"
        last = admitted(records, key="1/d", event_time=minutes(300))
        other = records.admit(a_finding(key="1/e", event_time=minutes(400)), Target(pod="another"), a_delivery())
        claimed(records, last)
        found = [records.previous(one) for one in (last, other.record_id, "0" * 32, "no id")]
        assert found == [later, "", "", ""]

    def test_what_cannot_be_read_is_kept_whole(self, records: Records) -> None:
        for n in range(3):
            records.reject(
                Rejected(message_id=f"m{n}", reason="not JSON", data=b"\x00\xff'" + bytes([n]), received=NOW)
            )
        latest = records.rejected(limit=2)
        assert [(r.message_id, r.data, r.received) for r in latest] == [
            ("m2", b"\x00\xff'\x02", NOW),
            ("m1", b"\x00\xff'\x01", NOW),
        ]

    def test_counters_add_up_over_threads(self, records: Records) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: records.count("foreign", 2), range(100)))
        assert records.counters() == {"foreign": 200}

    def test_a_closed_store_opens_again(self, records: Records) -> None:
        records.count("x")
        records.close()
        records.count("x")
        assert records.counters() == {"x": 2}

    @pytest.mark.slow
    def test_of_eight_processes_that_claim_one_record_one_has_it(self, place: str) -> None:
        assert sorted(race(place, _opened, _claim_it)) == [0] * 7 + [1]

    @pytest.mark.slow
    def test_eight_processes_that_open_one_record_make_one_in_a_store_that_was_not_there(self, place: str) -> None:
        found = race(place, _opened, _open_it)
        assert {kind for kind, _ in found} == {"new"}
        (record_id,) = {record_id for _, record_id in found}
        assert len(opened(place, now=Watch()).findings(record_id)) == 8

    @pytest.mark.slow
    def test_of_eight_processes_with_the_same_finding_one_has_a_new_one(self, place: str) -> None:
        assert sorted(race(place, _opened, _admit_it)) == ["duplicate"] * 7 + ["new"]

    @pytest.mark.slow
    def test_a_process_that_is_killed_while_it_writes_leaves_a_store_with_all_that_it_said(self, place: str) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", _WRITE_FOREVER, place], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline() for _ in range(20)]
            time.sleep(0.01)
            os.kill(writer.pid, signal.SIGKILL)
            said += writer.stdout.readlines()
        last = int(next(text for text in reversed(said) if text.endswith("\n")))
        store = opened(place, now=Watch())
        (line,) = store.list(RecordQuery())
        assert len(store.findings(line.id)) == line.findings >= last + 1
        assert store.load(line.id) is not None
        assert store.admit(a_finding(key="1/new"), TARGET, a_delivery()).kind == "new"

    def test_earlier_records_that_share_a_trait_are_told_newest_first_with_what_they_share(
        self, records: Records
    ) -> None:
        old = finished(records, 9, Traits(image_digest="sha256:aa", shapes=("gcc -c N.c", "ld")))
        new = finished(records, 2, Traits(owner=IMAGE.owner))
        finished(records, 3, Traits(image_digest="sha256:bb", owner="another"))
        found = records.history(IMAGE, before=EVENT_TIME)
        assert [one.record_id for one in found] == [new, old]
        assert [(one.same_image, one.same_owner, one.same_shape) for one in found] == [
            (False, True, False),
            (True, False, True),
        ]

    def test_what_came_later_or_is_the_record_itself_is_no_precedent(self, records: Records) -> None:
        finished(records, 0, IMAGE)
        assert records.history(IMAGE, before=EVENT_TIME) == ()
        assert len(records.history(IMAGE, before=EVENT_TIME + timedelta(seconds=1))) == 1

    def test_the_latest_verdict_of_a_reviewer_comes_with_the_precedent(self, records: Records) -> None:
        record_id = finished(records, 1, IMAGE)
        for revision, verdict in ((1, "true_positive"), (2, "benign_true_positive")):
            entry = ReviewEntry.model_validate(
                {"state": "closed", "verdict": verdict, "note": "", "by": "a@acme.example", "at": NOW}
            )
            records.review(record_id, entry, revision=revision)
        acknowledged = ReviewEntry(state="acknowledged", verdict=None, note="", by="b@acme.example", at=NOW)
        records.review(record_id, acknowledged, revision=3)
        (found,) = records.history(IMAGE, before=EVENT_TIME)
        assert found.reviewed == "benign_true_positive"

    def test_a_record_that_is_saved_again_has_its_latest_traits_only(self, records: Records) -> None:
        record_id = finished(records, 1, IMAGE)
        claim = records.claim(record_id, "m2", timedelta(minutes=1), NOW)
        assert claim is not None
        record = records.load(record_id)
        assert record is not None
        provenance = record.provenance.model_copy(update={"traits": Traits(image_digest="sha256:cc")})
        records.save(record.model_copy(update={"provenance": provenance}), claim)
        assert records.history(IMAGE, before=EVENT_TIME) == ()
        assert len(records.history(Traits(image_digest="sha256:cc"), before=EVENT_TIME)) == 1

    def test_without_a_trait_there_is_no_precedent_and_the_limit_holds(self, records: Records) -> None:
        for days in range(1, 6):
            finished(records, days, IMAGE)
        assert records.history(Traits(), before=EVENT_TIME) == ()
        assert len(records.history(IMAGE, before=EVENT_TIME, limit=3)) == 3

    @pytest.mark.parametrize(
        ("state", "mute", "offset", "kind", "joins"),
        [
            ("ACTIVE", "UNDEFINED", 0, "duplicate", True),
            ("ACTIVE", "MUTED", 0, "update", True),
            ("ACTIVE", "UNMUTED", 0, "update", True),
            ("INACTIVE", "UNDEFINED", 0, "update", True),
            ("INACTIVE", "UNDEFINED", 5, "update", True),
            ("INACTIVE", "MUTED", 600, "update", True),
            ("ACTIVE", "UNDEFINED", 5, "new", True),
            ("ACTIVE", "MUTED", 5, "new", True),
            ("ACTIVE", "UNDEFINED", -5, "update", True),
            ("ACTIVE", "UNDEFINED", 61, "new", False),
            ("ACTIVE", "MUTED", -61, "new", False),
        ],
    )
    def test_what_is_published_again_is_told_by_its_time_its_state_and_its_mute(
        self, records: Records, state: str, mute: str, offset: float, kind: str, joins: bool
    ) -> None:
        first = admitted(records)
        again = a_finding(state=state, mute=mute, event_time=minutes(offset))
        admission = records.admit(again, TARGET, a_delivery(message_id="m-2"))
        assert (admission.kind, admission.record_id == first, admission.finished) == (kind, joins, False)
        assert records.admit(again, TARGET, a_delivery(message_id="m-3")).kind == "duplicate"
        assert [one.event_time for one in records.findings(first)] == [EVENT_TIME]

    def test_a_burst_in_any_order_is_one_record_with_each_finding_once(self, records: Records) -> None:
        def admit(n: int) -> str:
            finding = a_finding(key=f"1/{n % 60}", event_time=minutes(n * 37 % 60 / 3))
            return records.admit(finding, TARGET, a_delivery(message_id=f"m-{n}")).record_id

        with ThreadPoolExecutor(8) as pool:
            (record_id,) = set(pool.map(admit, range(120)))
        found = records.findings(record_id)
        assert sorted(one.key for one in found) == sorted(f"1/{n}" for n in range(60))
        assert [one.event_time for one in found] == sorted(one.event_time for one in found)
        claim = claimed(records, record_id)
        assert records.release(claim, 59) is True
        assert records.release(claim, 60) is False

    @pytest.mark.slow
    def test_what_joins_while_a_claim_is_released_is_seen_by_its_holder_or_finds_it(self, records: Records) -> None:
        def join(n: int) -> bool:
            """Whether the one who joined could take the claim itself."""
            records.admit(a_finding(key=f"1/j{n}"), TARGET, a_delivery(message_id=f"j-{n}"))
            mine = records.claim(record_id, f"j-{n}", LEASE, NOW)
            return mine is not None

        record_id = admitted(records)
        for n in range(25):
            seen = sum(len(one.occurrences) for one in records.findings(record_id))
            claim = claimed(records, record_id, f"h-{n}")
            with ThreadPoolExecutor(1) as pool:
                joined = pool.submit(join, n)
                time.sleep(n % 5 * 0.003)
                kept = records.release(claim, seen)
                took = joined.result()
            assert kept or took
            for holder in (f"h-{n}", f"j-{n}"):
                records.release(Claim(record_id=record_id, token=claim.token + took, holder=holder, expires=NOW), 10**6)

    @pytest.mark.parametrize(
        "record_id", ["", ".", "..", "a/b", "__x__", "f" * 31, "F" * 32, "x" * 99, "\x00", "\ud800"]
    )
    def test_what_is_no_id_is_no_record(self, records: Records, record_id: str) -> None:
        assert records.load(record_id) is None
        assert records.findings(record_id) == records.findings_page(record_id) == ()
        with pytest.raises(StoreError):
            records.claim(record_id, "m", LEASE, NOW)
        with pytest.raises(StoreError):
            records.review(record_id, entry(), revision=0)

    def test_what_is_larger_than_a_megabyte_comes_back_whole(self, records: Records) -> None:
        args = ("gcc", "é" * 1_100_000)
        large = {n: f"{n}" * 1_500_000 for n in "ab"}
        raw = bytes(range(256)) * 10_000
        admission = records.admit(a_finding(args=args), TARGET, a_delivery(raw))
        claim = claimed(records, admission.record_id)
        assert records.raw(a_finding().key) == raw
        assert records.findings(admission.record_id)[0].processes[0].args == args
        for links in (large, {"a": "small"}, large | {"c": "c" * 900_000}):
            record = records.save(a_record(admission.record_id, links=links), claim)
            loaded = records.load(record.id)
            assert loaded == record
            assert loaded.links == links
        records.reject(Rejected(message_id="m", reason="r" * 20_000, data=raw, received=NOW))
        assert records.rejected()[0].data == raw

    def test_a_reader_sees_the_old_record_or_the_new_one_and_never_half(self, records: Records) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        texts = [f"{n}" * (1_200_000 if n % 2 else 2_000_000) for n in range(6)]
        records.save(a_record(record_id, links={"t": texts[0]}), claim)
        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(lambda: [records.save(a_record(record_id, links={"t": t}), claim) for t in texts])
            seen = []
            while not writer.done():
                loaded = records.load(record_id)
                assert loaded is not None
                seen.append(texts.index(loaded.links["t"]))
            writer.result()
        assert seen == sorted(seen)

    def test_pages_of_findings_follow_each_other_by_time_and_key(self, records: Records) -> None:
        offsets = {"1/a": 3, "1/b": 1, "1/c": 1, "1/d": 0, "1/e": 2}
        (record_id,) = {admitted(records, key=key, event_time=minutes(at)) for key, at in offsets.items()}
        assert list(pages(records, record_id, 2)) == [["1/d", "1/b"], ["1/c", "1/e"], ["1/a"]]
        records.admit(a_finding(key="1/b", mute="MUTED", event_time=minutes(30)), TARGET, a_delivery())
        assert [len(one.occurrences) for one in records.findings_page(record_id, after="1/d")] == [2, 1, 1, 1]
        assert records.findings_page(record_id, after="1/a") == ()

    @pytest.mark.slow
    def test_five_thousand_findings_are_paged_in_constant_memory(self, records: Records) -> None:
        findings = [a_finding(key=f"1/{n:04}", event_time=EVENT_TIME + timedelta(milliseconds=n)) for n in range(5000)]
        first = self.fill(records, findings)
        next(pages(records, first, 200))
        tracemalloc.start()
        peaks, found = [], 0
        for page in pages(records, first, 200):
            assert page == [f"1/{n:04}" for n in range(found, found + 200)]
            found += len(page)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
        tracemalloc.stop()
        assert found == 5000
        assert max(peaks[5:]) < 1.5 * max(peaks[:5])
        (line,) = records.list(RecordQuery())
        assert line.findings == 5000

    def test_a_long_list_is_read_to_its_end(self, records: Records) -> None:
        def admit(n: int) -> None:
            records.admit(a_finding(key=f"1/{n}", event_time=minutes(n * 61)), TARGET, a_delivery())

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(admit, range(120)))
        starts = [line.window_start for line in records.list(RecordQuery(limit=1000))]
        assert starts == [minutes(n * 61) for n in reversed(range(120))]
        assert len(list(records.list(RecordQuery(limit=110)))) == 110
        assert list(records.list(RecordQuery(limit=0))) == []

    def test_a_record_of_many_shapes_finds_those_that_share_any(self, records: Records) -> None:
        found = finished(records, 1, Traits(shapes=("gcc -c 77",)))
        shapes = tuple(f"gcc -c {n}" for n in range(80))
        assert [one.record_id for one in records.history(Traits(shapes=shapes), before=EVENT_TIME)] == [found]

    def test_of_two_reviews_of_one_revision_one_is_kept(self, records: Records) -> None:
        record = saved(records)

        def review(n: int) -> bool:
            try:
                records.review(record.id, entry(note=f"{n}"), revision=1)
            except StaleRevision:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(review, range(4))) == [False, False, False, True]
        loaded = records.load(record.id)
        assert loaded is not None
        assert (len(loaded.review.history), loaded.provenance.revision) == (1, 2)

    def test_a_review_without_a_record_is_refused(self, records: Records) -> None:
        with pytest.raises(StoreError, match="no investigation yet"):
            records.review(admitted(records), entry(), revision=0)

    def fill(self, records: Records, findings: list[Finding]) -> str:
        """Admit findings of one container."""
        (record_id,) = {records.admit(finding, TARGET, a_delivery()).record_id for finding in findings}
        return record_id

    # --- what is left to do -------------------------------------------------------------------------------------------

    def test_a_record_is_due_while_it_is_not_finished_and_nobody_holds_it(self, records: Records) -> None:
        def due(now: datetime) -> list[str]:
            return [line.id for line in records.due(now)]

        record_id = admitted(records)
        assert due(NOW) == [record_id]
        claim = claimed(records, record_id)
        assert due(NOW) == due(NOW + LEASE / 2) == []
        assert due(NOW + LEASE) == [record_id]
        records.renew(claim, LEASE, NOW + LEASE / 2)
        assert due(NOW + LEASE) == []
        records.save(told(record_id), claim)
        assert due(NOW) == []
        assert due(NOW + LEASE * 2) == [record_id]
        records.release(claim, 1)
        assert due(LATER) == []

    def test_a_finished_record_is_due_when_its_time_has_come(self, records: Records) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        when = NOW + timedelta(minutes=5)
        records.save(told(record_id, due=when), claim)
        records.release(claim, 1)
        assert records.due(when - timedelta(seconds=1)) == ()
        assert [line.id for line in records.due(when)] == [record_id]

    @pytest.mark.parametrize("change", [{"key": "1/b"}, {"mute": "MUTED"}, {"state": "INACTIVE"}])
    def test_a_finished_record_that_has_not_read_all_that_joined_is_due_and_does_not_count_as_finished(
        self, records: Records, change: dict[str, Any]
    ) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        records.save(told(record_id), claim)
        records.release(claim, 1)
        assert records.due(LATER) == ()
        # Whoever brings it ends before it can claim the record; its message comes again.
        assert records.admit(a_finding(**change), TARGET, a_delivery()).finished
        again = records.admit(a_finding(**change), TARGET, a_delivery())
        assert (again.kind, again.finished) == ("duplicate", False)
        assert [line.id for line in records.due(LATER)] == [record_id]
        claim = claimed(records, record_id)
        records.save(told(record_id, read=2), claim)
        records.release(claim, 2)
        assert records.due(LATER) == ()
        assert records.admit(a_finding(**change), TARGET, a_delivery()).finished

    def test_a_claim_that_is_given_up_leaves_what_was_not_read_due(self, records: Records) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        records.save(told(record_id), claim)
        admitted(records, key="1/b")
        assert records.release(claim, 1) is True
        assert records.release(claim, sys.maxsize) is False
        assert [line.id for line in records.due(NOW)] == [record_id]

    def test_what_is_due_is_told_oldest_first_and_no_more_than_asked_for(self, records: Records) -> None:
        ids = [admitted(records, key=f"1/{n}", event_time=minutes(n * 61)) for n in (2, 0, 1)]
        assert [line.id for line in records.due(LATER)] == [ids[1], ids[2], ids[0]]
        assert len(records.due(LATER, limit=2)) == 2

    def test_what_is_due_takes_turns_and_who_was_tried_last_comes_last(self, records: Records) -> None:
        waits = admitted(records, key="1/9", event_time=minutes(9 * 61))
        claim = claimed(records, waits)
        records.save(told(waits, due=NOW + timedelta(minutes=2)), claim)
        records.release(claim, 1)
        fails = [admitted(records, key=f"1/{n}", event_time=minutes(n * 61)) for n in range(3)]
        tried, now = [], NOW
        for n in range(7):
            now += timedelta(minutes=1)
            (line,) = records.due(now, limit=1)
            tried.append(line.id)
            records.release(claimed(records, line.id, f"m-{n}", now), sys.maxsize)
            if line.id == waits:
                break
        assert set(tried[:3]) == set(fails)
        assert waits in tried, "those that fail are always before it"

    def test_findings_that_no_record_tells_of_are_unknown(self, records: Records) -> None:
        keys = [*(f"1/{n}" for n in range(70)), "\ud800", ""]
        for n in range(0, 70, 7):
            admitted(records, key=keys[n])
        listed = [a_finding(key=key) for key in keys]
        assert records.unknown(listed) == {key for n, key in enumerate(keys) if n % 7 or n >= 70}
        assert records.unknown([]) == frozenset()

    @pytest.mark.parametrize("change", [{"event_time": minutes(180)}, {"state": "INACTIVE"}, {"mute": "MUTED\ud800"}])
    def test_a_known_finding_is_unknown_as_no_record_tells_of_it(
        self, records: Records, change: dict[str, Any]
    ) -> None:
        admitted(records, key="1/a")
        admitted(records, key="1/b", **change)
        now = [a_finding(key=key, **change) for key in ("1/a", "1/b")]
        assert records.unknown(now) == {"1/a"}
        admitted(records, key="1/a", **change)
        assert records.unknown([*now, a_finding(key="1/a")]) == frozenset()
        assert records.unknown([a_finding(key="1/b")]) == {"1/b"}

    def test_a_finding_of_several_containers_is_known_once_the_record_of_each_tells_of_it(
        self, records: Records
    ) -> None:
        pods = tuple(PodRef(name=name, namespace="shop") for name in ("web", "api"))
        many = [a_finding(key=f"1/{n}", pods=pods, event_time=minutes(n)) for n in range(3)]
        for one in many[:2]:
            for target in one.targets()[: 1 if one is many[0] else 2]:
                records.admit(one, target, a_delivery())
        records.admit(a_finding(key="1/2", event_time=minutes(2)), TARGET, a_delivery())  # of another pod
        assert records.unknown(many) == {"1/0", "1/2"}
        muted = a_finding(key="1/1", pods=pods, event_time=minutes(1), mute="MUTED")
        records.admit(muted, muted.targets()[1], a_delivery())
        assert records.unknown([muted]) == {"1/1"}
        records.admit(muted, muted.targets()[0], a_delivery())
        assert records.unknown([muted]) == frozenset()

    def test_a_finished_record_is_unpublished_until_its_latest_revision_went_out(self, records: Records) -> None:
        record_id = admitted(records)
        assert records.unpublished() == ()
        claim = claimed(records, record_id)
        records.save(a_record(record_id), claim)
        assert records.unpublished() == (record_id,)
        records.published(record_id, 1)
        assert records.unpublished() == ()
        records.review(record_id, entry(), revision=1)
        assert records.unpublished() == (record_id,)
        records.published(record_id, 1)
        assert records.unpublished() == (record_id,)
        records.published(record_id, 2)
        records.published(record_id, 1)
        assert records.unpublished() == ()

    def test_a_finished_record_that_act_is_wanted_for_is_told_until_act_has_been(self, records: Records) -> None:
        record_id = admitted(records)
        assert records.wanting(LATER) == ()
        claim = claimed(records, record_id)
        records.save(told(record_id, act="wanted", stage="gathered"), claim)
        assert records.wanting(LATER) == ()
        records.save(told(record_id, act="wanted"), claim)
        assert records.wanting(NOW) == (record_id,)
        records.release(claim, 1)
        assert records.wanting(NOW) == (record_id,)
        again = claimed(records, record_id, "m-2")
        records.save(told(record_id, act="done"), again)
        assert records.wanting(LATER) == ()

    def test_a_record_that_act_comes_back_to_is_told_when_its_time_has_come(self, records: Records) -> None:
        record_id = admitted(records)
        when = NOW + timedelta(minutes=15)
        records.save(told(record_id, act="wanted", act_due=when), claimed(records, record_id))
        assert records.wanting(when - timedelta(microseconds=1)) == ()
        assert records.wanting(when) == (record_id,)
        loaded = records.load(record_id)
        assert loaded is not None
        assert (loaded.provenance.act, loaded.provenance.act_due) == ("wanted", when)

    def test_what_act_is_wanted_for_is_told_oldest_first_past_those_that_wait(self, records: Records) -> None:
        ids = {n: admitted(records, key=f"1/{n}", event_time=minutes(n * 61)) for n in (3, 0, 2, 1)}
        for n, record_id in ids.items():
            when = LATER if n == 0 else None
            records.save(told(record_id, act="wanted", act_due=when), claimed(records, record_id, f"m-{n}"))
        assert records.wanting(NOW) == (ids[1], ids[2], ids[3])
        assert records.wanting(NOW, limit=2) == (ids[1], ids[2])
        assert records.wanting(LATER, limit=1) == (ids[0],)
        assert records.wanting(LATER, limit=0) == ()

    def test_of_a_pod_are_the_records_of_each_of_its_containers_and_of_no_other_pod(self, records: Records) -> None:
        first = admitted(records)
        beside = replace(TARGET, container="sidecar")
        second = records.admit(a_finding(key="1/2", event_time=minutes(5)), beside, a_delivery()).record_id
        others = (replace(TARGET, pod="another"), replace(TARGET, namespace="another"))
        for number, target in enumerate(others):
            records.admit(a_finding(key=f"1/3{number}"), target, a_delivery())
        records.admit(a_finding(key="1/4", project_id="another", project_number="7"), TARGET, a_delivery())
        subject = a_record(first).provenance.subject
        assert records.of_pod(subject, EVENT_TIME) == (first, second)
        assert records.of_pod(subject, minutes(1)) == (second,)
        # By the id of its project or by its number, whichever is known.
        assert records.of_pod(subject.model_copy(update={"project_number": ""}), EVENT_TIME) == (first, second)
        assert records.of_pod(subject.model_copy(update={"project_id": ""}), EVENT_TIME) == (first, second)
        assert records.of_pod(subject.model_copy(update={"project_id": "", "project_number": ""}), EVENT_TIME) == ()

    # --- what was told ------------------------------------------------------------------------------------------------

    def test_a_finished_record_is_untold_until_its_latest_revision_was_told(self, records: Records) -> None:
        record_id = admitted(records)
        assert records.untold(NOW) == ()
        claim = claimed(records, record_id)
        records.save(told(record_id, stage="gathered"), claim)
        assert records.untold(NOW) == ()
        records.save(told(record_id), claim)
        assert records.untold(NOW) == (record_id,)
        records.told(record_id, Told(revision=2))
        assert records.untold(NOW) == ()
        records.review(record_id, entry(), revision=2)
        assert records.untold(NOW) == (record_id,)
        records.told(record_id, Told(revision=1))
        assert records.untold(NOW) == (record_id,)
        records.told(record_id, Told(revision=3))
        assert records.untold(NOW) == ()

    def test_what_is_left_to_tell_is_due_when_its_time_has_come(self, records: Records) -> None:
        record = saved(records)
        when = NOW + timedelta(minutes=5)
        records.told(record.id, Told(due=when, tries=1))
        assert records.untold(when - timedelta(microseconds=1)) == ()
        assert records.untold(when) == (record.id,)

    def test_what_is_untold_is_told_newest_first_past_what_waits(self, records: Records) -> None:
        ids = {n: admitted(records, key=f"1/{n}", event_time=minutes(n * 61)) for n in (3, 0, 2, 1)}
        for n, record_id in ids.items():
            records.save(told(record_id), claimed(records, record_id, f"m-{n}"))
        records.told(ids[3], Told(due=LATER))
        assert records.untold(NOW) == (ids[2], ids[1], ids[0])
        assert records.untold(NOW, limit=1) == (ids[2],)
        assert records.untold(LATER, limit=0) == ()

    def test_one_at_a_time_tells_and_the_next_knows_what_was_told(self, records: Records) -> None:
        record = saved(records)
        until = NOW + LEASE
        assert records.tell(record.id, NOW, until) == Told()
        assert records.tell(record.id, NOW, until) is None
        what = Told(revision=1, notices=(a_notice(),), marks={"organizations/1": "ab"}, tries=2, due=until)
        records.told(record.id, what, until=until)
        assert records.tell(record.id, until - timedelta(microseconds=1), until) is None
        assert records.tell(record.id, until, until + LEASE) == what
        records.told(record.id, what)
        assert records.tell(record.id, NOW, until) == what

    def test_of_several_that_would_tell_at_once_one_does(self, records: Records) -> None:
        record = saved(records)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: records.tell(record.id, NOW, NOW + LEASE), range(4)))
        assert [one is not None for one in sorted(found, key=str)].count(True) == 1

    def test_a_digest_is_told_under_a_name_of_its_own(self, records: Records) -> None:
        assert records.tell("digest/security/2026-11-20", NOW, NOW + LEASE) == Told()
        records.told("digest/security/2026-11-20", Told(notices=(a_notice(),)), until=NOW + LEASE)
        assert records.tell("digest/security/2026-11-20", NOW, NOW + LEASE) is None
        assert records.tell("digest/security/2026-11-21", NOW, NOW + LEASE) == Told()
        assert records.untold(LATER) == ()

    def test_a_record_shows_what_was_told_and_keeps_it_through_saves_and_reviews(self, records: Records) -> None:
        record_id = admitted(records)
        claim = claimed(records, record_id)
        first = records.save(told(record_id), claim)
        gap = Gap(question="write_back", why="denied", detail="no", mend="grant it")
        records.told(record_id, Told(notices=(a_notice(),), gaps=(gap,)))
        for _ in range(2):
            loaded = records.load(record_id)
            assert loaded is not None
            assert loaded.notices == (a_notice(),)
            assert loaded.provenance.gaps == (*first.provenance.gaps, gap)
            records.save(loaded, claim)
        records.told(record_id, Told(revision=3, notices=(a_notice(),)))
        records.review(record_id, entry(), revision=3)
        loaded = records.load(record_id)
        assert loaded is not None
        assert (loaded.notices, loaded.provenance.gaps) == ((a_notice(),), first.provenance.gaps)
        assert [line.gaps for line in records.list(RecordQuery())] == [len(first.provenance.gaps)]
