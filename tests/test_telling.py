"""Telling: once, to whom it concerns, never at the price of a record. The store is real, the channels are by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from responder import pipeline, telling
from responder.errors import StoreError, Unanswered
from responder.evidence import Found, Missing
from responder.finding import CATEGORY, Finding
from responder.notices import routing
from responder.notices.config import ChannelConfig, Notices
from responder.ports import Delivery, Telling, World
from responder.record import Outcome, Record, ReviewEntry, Triage
from responder.stores.sqlite import SqliteRecords
from tests.builders import TARGET, a_delivery, a_finding, a_related
from tests.doubles import NOW, finding_in, world
from tests.notices.cases import channel, config, told

SAMPLE = Path(__file__).parent / "samples" / "CONSTRUCTED_ctd_v2_notification.json"
TEAM = channel("security")
SECOND = channel("second")
CHAT = channel("chat", kind="chat")
LEASE = timedelta(minutes=1)


@dataclass
class Watch:
    """The time, moved by the test."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Channels:
    """All channels: `sent` is what arrived, by channel; those in `broken` fail, and count what was tried."""

    sent: list[tuple[str, Mapping[str, object], str]] = field(default_factory=list)
    broken: dict[str, BaseException] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)

    def __call__(self, config: ChannelConfig) -> Any:
        channels = self

        class One:
            def send(self, body: Mapping[str, object], *, thread: str) -> None:
                channels.tried.append(config.name)
                if config.name in channels.broken:
                    raise channels.broken[config.name]
                channels.sent.append((config.name, body, thread))

        return One()

    def names(self) -> list[str]:
        return [name for name, _, _ in self.sent]


@dataclass
class Written:
    """SCC's marks and external systems, by the finding's name; `error` fails the next calls."""

    marked: dict[str, dict[str, str]] = field(default_factory=dict)
    systems: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: int = 0
    error: Unanswered | None = None

    def marks(self, name: str, canonical_name: str, marks: Mapping[str, str]) -> None:
        self._called()
        self.marked.setdefault(canonical_name or name, {}).update(marks)

    def external_system(self, name: str, canonical_name: str, *, uid: str, uri: str, status: str) -> None:
        self._called()
        self.systems[canonical_name or name] = {"uid": uid, "uri": uri, "status": status}

    def _called(self) -> None:
        self.calls += 1
        if self.error:
            raise self.error


@dataclass
class Desk:
    """A world with its channels, its way back to SCC, and its clock."""

    world: World
    records: SqliteRecords
    channels: Channels
    written: Written
    watch: Watch
    notices: list[Notices]

    def configure(self, *channels: ChannelConfig, **changes: Any) -> None:
        self.notices[:] = [config(*channels, **changes)]

    def finished(self, record: Record | None = None, *, key: str = "1/a", hours: float = 0) -> str:
        """The id of a record that was admitted and is finished, as `record` has it."""
        finding = a_finding(key=key, event_time=NOW - timedelta(hours=hours))
        record_id = self.records.admit(finding, TARGET, a_delivery()).record_id
        return self.save(record_id, record or told())

    def save(self, record_id: str, record: Record) -> str:
        claim = self.records.claim(record_id, f"test {self.watch.now}", LEASE, self.watch.now)
        assert claim is not None
        provenance = record.provenance.model_copy(update={"finished": self.watch.now, "read": 1})
        self.records.save(record.model_copy(update={"id": record_id, "provenance": provenance}), claim)
        self.records.release(claim, 1)
        return record_id

    def load(self, record_id: str) -> Record:
        record = self.records.load(record_id)
        assert record is not None
        return record

    def sweep(self, seconds: float = 60) -> int:
        """One sweep's share of telling."""
        return telling.sweep(self.world, self.watch.now + timedelta(seconds=seconds), pipeline._Apart())


@pytest.fixture
def finding() -> Finding:
    return finding_in(SAMPLE.read_bytes())


@pytest.fixture
def desk(tmp_path: Path, finding: Finding) -> Iterator[Desk]:
    watch, channels, written = Watch(), Channels(), Written()
    notices = [config(TEAM)]
    records = SqliteRecords(tmp_path / "records.db", now=watch)
    outside, _ = world(
        finding,
        records,
        now=watch,
        telling=Telling(notices=lambda: notices[0], channel=channels, write_back=written),
    )
    yield Desk(outside, records, channels, written, watch, notices)
    records.close()


def delivery(message_id: str = "1") -> Delivery:
    return Delivery(data=b"{}", message_id=message_id, received=NOW)


DOWN = Unanswered("unavailable", "channel security: HTTP 503 Service Unavailable")


# --- people -----------------------------------------------------------------------------------------------------------


def test_a_suspicious_finding_is_told_once_and_its_record_says_by_which_channel(desk: Desk, finding: Finding) -> None:
    (record_id,) = pipeline.respond(desk.world, finding, delivery("1"))
    pipeline.respond(desk.world, finding, delivery("2"))
    pipeline.sweep(desk.world)
    assert [(name, thread) for name, _, thread in desk.channels.sent] == [("security", record_id)]
    (notice,) = desk.load(record_id).notices
    assert (notice.channel, notice.audience, notice.verdict, notice.outcome) == (
        "security",
        "team",
        "suspicious",
        "held",
    )
    assert (notice.sent, notice.detail, notice.at) == (True, "", NOW)
    assert desk.records.untold(NOW) == ()
    assert desk.records.counters()["notices.sent"] == 1


def test_nobody_is_told_where_nothing_is_configured(desk: Desk, finding: Finding) -> None:
    silent = replace(desk.world, telling=None)
    (record_id,) = pipeline.respond(silent, finding, delivery())
    assert pipeline.sweep(silent).told == 0
    assert desk.channels.sent == []
    assert desk.load(record_id).notices == ()


def test_a_channel_that_fails_costs_no_record_and_is_told_by_the_sweep(desk: Desk, finding: Finding) -> None:
    desk.channels.broken["security"] = DOWN
    (record_id,) = pipeline.respond(desk.world, finding, delivery())
    record = desk.load(record_id)
    assert record.provenance.stage == "finished"
    assert [(one.sent, one.detail) for one in record.notices] == [(False, str(DOWN))]
    desk.channels.broken.clear()
    desk.watch.tick(seconds=59)
    assert desk.sweep() == 0
    desk.watch.tick(seconds=2)
    assert pipeline.sweep(desk.world).told == 1
    assert [one.sent for one in desk.load(record_id).notices] == [True]
    assert desk.channels.names() == ["security"]


def test_a_channel_that_fails_is_tried_for_a_day_and_then_left(desk: Desk) -> None:
    desk.channels.broken["security"] = Unanswered("denied", "channel security: HTTP 403", mend="look at it")
    record_id = desk.finished()
    for _ in range(26 * 60):
        desk.sweep()
        desk.watch.tick(minutes=1)
    assert 100 < len(desk.channels.tried) < 200
    tried = len(desk.channels.tried)
    desk.watch.tick(days=1)
    desk.sweep()
    assert len(desk.channels.tried) == tried
    (notice,) = desk.load(record_id).notices
    assert (notice.sent, notice.detail) == (False, "denied: channel security: HTTP 403 (look at it)")


def test_one_channel_that_fails_does_not_keep_the_others_from_being_told(desk: Desk) -> None:
    desk.configure(TEAM, SECOND, CHAT)
    desk.channels.broken["security"] = DOWN
    record_id = desk.finished()
    assert telling.tell(desk.world, record_id) is False
    assert desk.channels.names() == ["second", "chat"]
    desk.channels.broken.clear()
    desk.watch.tick(minutes=2)
    desk.sweep()
    assert desk.channels.names() == ["second", "chat", "security"]


def test_a_channel_that_fails_is_tried_once_in_a_sweep_whatever_is_left(desk: Desk) -> None:
    desk.channels.broken["security"] = Unanswered("timeout", "channel security: no answer in time")
    ids = [desk.finished(key=f"1/{n}", hours=n * 2) for n in range(5)]
    assert desk.sweep() == 0
    assert desk.channels.tried == ["security"]
    assert [desk.load(one).notices[0].sent for one in ids] == [False] * 5
    desk.channels.broken.clear()
    desk.watch.tick(minutes=2)
    assert desk.sweep() == 5
    assert len({thread for _, _, thread in desk.channels.sent}) == 5


def test_a_crash_between_two_messages_repeats_none_that_was_kept(desk: Desk) -> None:
    desk.configure(TEAM, SECOND, CHAT)
    desk.channels.broken["second"] = KeyboardInterrupt()
    record_id = desk.finished()
    with pytest.raises(KeyboardInterrupt):
        telling.tell(desk.world, record_id)
    desk.channels.broken.clear()
    assert desk.sweep() == 0  # whoever died had the right to tell, and it runs
    desk.watch.tick(minutes=7)
    assert desk.sweep() == 1
    assert desk.channels.names() == ["security", "second", "chat"]


def test_a_crash_before_a_message_was_kept_repeats_that_one_with_its_id(desk: Desk) -> None:
    record_id = desk.finished()

    class Dies(SqliteRecords):
        def told(self, *_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

    dying = Dies(desk.records._file._path, now=desk.watch)
    with pytest.raises(KeyboardInterrupt):
        telling.tell(replace(desk.world, records=dying), record_id)
    dying.close()
    desk.watch.tick(minutes=7)
    desk.sweep()
    first, second = desk.channels.sent
    assert first == second


def test_while_one_process_tells_another_does_not(desk: Desk) -> None:
    record_id = desk.finished()
    assert desk.records.tell(record_id, NOW, NOW + LEASE) is not None
    assert telling.tell(desk.world, record_id) is False
    assert desk.channels.sent == []
    desk.watch.tick(minutes=2)
    assert telling.tell(desk.world, record_id) is True
    assert telling.tell(desk.world, record_id) is True
    assert desk.channels.names() == ["security"]


def test_a_risen_verdict_and_a_changed_outcome_are_told_in_the_same_thread(desk: Desk) -> None:
    record_id = desk.finished(told("suspicious"))
    telling.tell(desk.world, record_id)
    for record in (told("malicious"), told("suspicious"), told("suspicious", "deleted")):
        desk.watch.tick(minutes=2)
        desk.save(record_id, record)
        telling.tell(desk.world, record_id)
    assert [thread for _, _, thread in desk.channels.sent] == [record_id] * 3
    assert [(one.verdict, one.outcome) for one in desk.load(record_id).notices] == [
        ("suspicious", "held"),
        ("malicious", "held"),
        ("suspicious", "deleted"),
    ]


def test_what_was_finished_a_day_before_anybody_was_told_is_no_news(desk: Desk) -> None:
    record_id = desk.finished()
    desk.watch.tick(hours=25)
    assert desk.sweep() == 1
    assert desk.channels.sent == []
    assert desk.records.untold(desk.watch.now) == ()
    desk.save(record_id, told("malicious", "deleted"))
    desk.sweep()
    assert desk.channels.names() == ["security"]


def test_a_notices_file_with_a_mistake_shows_in_the_record_and_is_told_once_it_is_mended(desk: Desk) -> None:
    desk.notices[:] = [Notices(problem="notices.toml: channel.1.name: add it")]
    record_id = desk.finished()
    telling.tell(desk.world, record_id)
    gap = desk.load(record_id).provenance.gaps[-1]
    assert (gap.question, gap.why, gap.detail) == ("notices", "broken", "notices.toml: channel.1.name: add it")
    desk.configure(TEAM)
    desk.watch.tick(minutes=2)
    desk.sweep()
    assert desk.channels.names() == ["security"]
    assert "notices" not in [gap.question for gap in desk.load(record_id).provenance.gaps]


def test_a_bug_that_one_record_meets_keeps_no_other_from_being_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = desk.finished(key="1/bad"), desk.finished(key="1/good", hours=3)

    def due_notices(record: Record, *given: Any) -> Any:
        if record.id == bad:
            raise ZeroDivisionError
        return routing.due_notices(record, *given)

    monkeypatch.setattr("responder.telling.due_notices", due_notices)
    apart = pipeline._Apart()
    assert telling.sweep(desk.world, NOW + LEASE, apart) == 1
    assert [thread for _, _, thread in desk.channels.sent] == [good]
    with pytest.raises(ZeroDivisionError):
        apart.raise_first()


def test_a_store_that_fails_ends_the_sweep_and_nothing_is_counted_as_told(desk: Desk) -> None:
    record_id = desk.finished()

    class Fails(SqliteRecords):
        def tell(self, *_: Any) -> Any:
            raise StoreError("the disk is full")

    failing = Fails(desk.records._file._path, now=desk.watch)
    with pytest.raises(StoreError):
        telling.sweep(replace(desk.world, records=failing), NOW + LEASE, pipeline._Apart())
    failing.close()
    assert desk.records.untold(NOW) == (record_id,)


def test_no_message_begins_when_the_time_is_over(desk: Desk) -> None:
    desk.finished()
    assert desk.sweep(seconds=0) == 0
    assert desk.channels.sent == []

    desk.configure(TEAM, SECOND)
    slow = desk.channels.__call__

    def channel_of(config: ChannelConfig) -> Any:
        desk.watch.tick(minutes=3)
        return slow(config)

    assert desk.world.telling is not None
    late = replace(desk.world, telling=replace(desk.world.telling, channel=channel_of))
    telling.sweep(late, desk.watch.now + LEASE, pipeline._Apart())
    assert desk.channels.names() == ["security"]
    desk.watch.tick(minutes=2)
    desk.sweep()
    assert desk.channels.names() == ["security", "second"]


# --- the digest -------------------------------------------------------------------------------------------------------


def at(hour: int, day: int = 21) -> datetime:
    return NOW.replace(day=day, hour=hour, minute=1)


def digests(desk: Desk) -> list[str]:
    return [thread for _, _, thread in desk.channels.sent if thread.startswith("digest")]


def test_once_a_day_the_team_gets_the_rest(desk: Desk) -> None:
    quiet = desk.finished(told("benign"))
    desk.finished(told("malicious"), key="1/loud", hours=2)
    desk.watch.now = at(6)
    desk.sweep()
    assert digests(desk) == []
    desk.watch.now = at(7)
    for _ in range(5):
        desk.sweep()
        desk.watch.tick(minutes=30)
    assert digests(desk) == ["digest-2026-11-21"]
    body = str(desk.channels.sent[-1][1])
    assert quiet in body
    assert body.count("(record ") == 1
    desk.watch.now = at(7, day=22)
    desk.sweep()
    assert digests(desk) == ["digest-2026-11-21"]


def test_a_digest_that_fails_is_sent_later_the_same_day(desk: Desk) -> None:
    desk.finished(told("benign"))
    desk.watch.now = at(7)
    desk.channels.broken["security"] = DOWN
    desk.sweep()
    desk.channels.broken.clear()
    desk.watch.tick(minutes=9)
    desk.sweep()
    assert digests(desk) == []
    desk.watch.tick(minutes=2)
    desk.sweep()
    desk.sweep()
    assert digests(desk) == ["digest-2026-11-21"]


def test_each_team_channel_has_its_own_digest_and_owners_have_none(desk: Desk) -> None:
    desk.configure(channel("all", least_verdict="benign"), TEAM, channel("own", audience="owner"), digest_hour=9)
    desk.finished(told("benign"))
    desk.watch.now = at(9)
    desk.sweep()
    assert [name for name, _, thread in desk.channels.sent if thread.startswith("digest")] == ["security"]


# --- Security Command Center ------------------------------------------------------------------------------------------


def own_name(record: Record) -> str:
    assert isinstance(record.evidence.scc, Found)
    return record.evidence.scc.value.canonical_name or record.evidence.scc.value.name


def test_the_finding_is_marked_from_the_outcome_and_only_where_that_is_configured(desk: Desk, finding: Finding) -> None:
    (record_id,) = pipeline.respond(desk.world, finding, delivery())
    assert desk.written.calls == 0
    desk.configure(TEAM, write_back=True, record_page="https://responder.example.com/r/{record}")
    desk.save(record_id, desk.load(record_id))
    telling.tell(desk.world, record_id)
    name = own_name(desk.load(record_id))
    assert desk.written.marked == {
        name: {
            "responder_record": record_id,
            "responder_verdict": "suspicious",
            "responder_outcome": "held",
            "responder_review": "open",
        }
    }
    page = f"https://responder.example.com/r/{record_id}"
    assert desk.written.systems == {name: {"uid": record_id, "uri": page, "status": "held"}}


def test_what_is_written_already_is_not_written_again_and_a_review_and_an_outcome_are(desk: Desk) -> None:
    desk.configure(write_back=True)
    record_id = desk.finished(told("malicious"))
    seen = []

    def tell() -> None:
        telling.tell(desk.world, record_id)
        seen.append(desk.written.calls)

    tell()
    desk.save(record_id, told("malicious"))
    tell()
    entry = ReviewEntry(state="closed", verdict="false_positive", note="", by="alice", at=NOW)
    desk.records.review(record_id, entry, revision=2)
    tell()
    desk.watch.tick(days=3)
    deleted = Outcome(kind="deleted", detail="seen gone")
    desk.save(record_id, told("malicious", outcome=deleted))
    tell()
    assert seen == [2, 2, 4, 6]
    (marks,) = desk.written.marked.values()
    assert (marks["responder_review"], marks["responder_outcome"]) == ("false_positive", "deleted")


def test_a_write_back_that_fails_is_a_gap_with_its_mend_and_is_tried_again(desk: Desk) -> None:
    desk.configure(TEAM, write_back=True)
    desk.written.error = Unanswered("denied", "marks on x: PERMISSION_DENIED", mend="grant it")
    record_id = desk.finished()
    assert telling.tell(desk.world, record_id) is False
    record = desk.load(record_id)
    assert [(gap.why, gap.mend) for gap in record.provenance.gaps if gap.question == "write_back"] == [
        ("denied", "grant it")
    ]
    assert [one.sent for one in record.notices] == [True]
    desk.written.error = None
    desk.watch.tick(minutes=2)
    assert desk.sweep() == 1
    assert desk.written.marked
    assert [gap for gap in desk.load(record_id).provenance.gaps if gap.question == "write_back"] == []
    assert desk.channels.names() == ["security"]


def test_a_finding_that_scc_did_not_confirm_is_never_written_to(desk: Desk) -> None:
    desk.configure(TEAM, write_back=True)
    evidence = told().evidence.model_copy(update={"scc": Missing(why="not_found", detail="SCC has no such finding")})
    telling.tell(desk.world, desk.finished(told(evidence=evidence)))
    assert desk.written.calls == 0


def test_other_findings_of_the_record_are_marked_by_the_names_that_scc_listed_and_neighbours_are_not(
    desk: Desk,
) -> None:
    desk.configure(TEAM, write_back=True)
    record = told()
    ours = a_related(name="organizations/1/sources/17/locations/global/findings/abc", category=CATEGORY)
    theirs = a_related(name="organizations/1/sources/17/locations/global/findings/def", category=CATEGORY)
    shell = a_related(name="organizations/1/sources/17/locations/global/findings/fff", category="Reverse Shell")
    assert isinstance(record.evidence.related, Found)
    listed = record.evidence.related.value.model_copy(update={"findings": (ours, theirs, shell)})
    related = record.evidence.related.model_copy(update={"value": listed})
    findings = (replace(record.findings[0], more=("17/abc", "17/fff")),)
    whole = record.model_copy(
        update={"evidence": record.evidence.model_copy(update={"related": related}), "findings": findings}
    )
    telling.tell(desk.world, desk.finished(whole))
    assert set(desk.written.marked) == {own_name(record), ours.name}


@pytest.mark.parametrize("words", [lambda text: {"summary": text}, lambda text: {"rule": text}])
def test_no_mark_has_a_word_of_the_attackers(words: Callable[[str], dict[str, str]]) -> None:
    record = told(triage=Triage(**({"verdict": "malicious", "summary": "s"} | words("<evil>"))))
    assert "evil" not in "".join(telling.marks_of(record).values())


def test_our_own_update_comes_back_as_a_message_and_starts_nothing(desk: Desk, finding: Finding) -> None:
    desk.configure(TEAM, write_back=True)
    (record_id,) = pipeline.respond(desk.world, finding, delivery("1"))
    before, calls, sent = desk.load(record_id), desk.written.calls, list(desk.channels.sent)
    # As SCC publishes it again: with our marks and our system; eventTime, state and mute are what they were.
    document = json.loads(SAMPLE.read_text(encoding="utf-8"))
    document["finding"]["securityMarks"] = {"name": "x", "marks": desk.written.marked[own_name(before)]}
    document["finding"]["externalSystems"] = {"gke-compiler-responder": desk.written.systems[own_name(before)]}
    assert pipeline.respond(desk.world, finding_in(json.dumps(document).encode()), delivery("2")) == (record_id,)
    pipeline.sweep(desk.world)
    assert desk.load(record_id) == before
    assert (desk.written.calls, desk.channels.sent) == (calls, sent)
    assert calls == 2
    assert desk.records.counters()["findings.duplicate"] == 1
