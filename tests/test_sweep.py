from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from responder import pipeline
from responder.errors import StoreError, Unanswered
from responder.evidence import Found, Missing
from responder.finding import Finding
from responder.ports import Delivery, RecordQuery
from responder.record import Record
from responder.stores.sqlite import SqliteRecords
from tests.doubles import NOW, Failing, FakeScc, finding_in, world

SAMPLES = Path(__file__).parent / "samples"


@dataclass
class Watch:
    """The time, moved by the test."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def finding() -> Finding:
    return finding_in((SAMPLES / "CONSTRUCTED_ctd_v2_notification.json").read_bytes())


@pytest.fixture
def records(tmp_path: Path, watch: Watch) -> Iterator[SqliteRecords]:
    store = SqliteRecords(tmp_path / "records.db", now=watch)
    yield store
    store.close()


def delivery(message_id: str = "1") -> Delivery:
    return Delivery(data=b"{}", message_id=message_id, received=NOW)


def on_pods(finding: Finding, count: int) -> tuple[Finding, ...]:
    """So many findings like this one, each on a pod of its own."""
    return tuple(
        replace(finding, key=f"1/{n}", name=f"{finding.name[:-4]}{n:04}", canonical_name="", pods=(pod,))
        for n, pod in enumerate(replace(finding.pods[0], name=f"pod-{n}") for n in range(count))
    )


def loaded(records: SqliteRecords, record_id: str) -> Record:
    record = records.load(record_id)
    assert record is not None
    return record


NO_LOGS = Failing(Unanswered("quota", "60 reads a minute"))


def test_a_gap_is_asked_again_when_its_time_has_come_and_the_rest_is_not(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    poor, _ = world(finding, records, now=watch, logs=NO_LOGS)
    (record_id,) = pipeline.respond(poor, finding, delivery())
    rich, calls = world(finding, records, now=watch)
    pipeline.sweep(rich)
    assert "pod_log" not in calls.names
    watch.tick(seconds=61)
    pipeline.sweep(rich)
    assert {"pod_log", "audit_log", "node_log"} <= set(calls.names)
    assert not {"cluster", "pod", "project"} & {name.split()[0] for name in calls.names}
    record = loaded(records, record_id)
    assert [one.kind for one in record.provenance.rounds] == ["first", "gaps"]
    assert record.provenance.gaps == ()


def test_gaps_are_asked_three_times_in_a_quarter_of_an_hour_and_then_final(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    poor, _ = world(finding, records, now=watch, logs=NO_LOGS)
    (record_id,) = pipeline.respond(poor, finding, delivery())
    for _ in range(14):
        watch.tick(seconds=60)
        pipeline.sweep(poor)
    record = loaded(records, record_id)
    assert [one.kind for one in record.provenance.rounds].count("gaps") == 3
    assert isinstance(record.evidence.pod_log, Missing)
    assert record.evidence.pod_log.retry_at is None


def test_a_permanent_answer_is_final_at_once(finding: Finding, records: SqliteRecords, watch: Watch) -> None:
    denied, _ = world(finding, records, now=watch, logs=Failing(Unanswered("denied", "no")))
    (record_id,) = pipeline.respond(denied, finding, delivery())
    watch.tick(minutes=5)
    rich, calls = world(finding, records, now=watch)
    pipeline.sweep(rich)
    assert "pod_log" not in calls.names
    assert [one.kind for one in loaded(records, record_id).provenance.rounds] == ["first"]


def test_what_hung_on_a_gap_is_asked_with_it(finding: Finding, records: SqliteRecords, watch: Watch) -> None:
    poor, _ = world(finding, records, now=watch, clusters=Failing(Unanswered("unavailable", "down")))
    (record_id,) = pipeline.respond(poor, finding, delivery())
    watch.tick(seconds=61)
    rich, calls = world(finding, records, now=watch)
    pipeline.sweep(rich)
    evidence = loaded(records, record_id).evidence
    assert isinstance(evidence.pod, Found)
    assert isinstance(evidence.proof, Found)
    assert isinstance(evidence.owners, Found)
    assert "pod_log" not in calls.names


def test_the_second_look_finds_what_came_later_and_the_last_one_ends_it(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    outside, calls = world(finding, records, now=watch)
    (record_id,) = pipeline.respond(outside, finding, delivery())
    shell = replace(
        finding, key="1/shell", name=finding.name[:-4] + "5e11", canonical_name="", category="Reverse Shell",
        event_time=finding.event_time + timedelta(minutes=5),
    )  # fmt: skip
    later = replace(outside, scc=FakeScc(calls, (finding, shell)))
    seen = len(calls.names)
    watch.tick(minutes=10)
    pipeline.sweep(later)
    assert "scc" not in calls.names[seen:]
    watch.tick(minutes=6)
    pipeline.sweep(later)
    asked = {name.split()[0] for name in calls.names[seen:]}
    assert {"scc", "pod_log", "audit_log"} <= asked
    assert not {"cluster", "pod", "node"} & asked
    record = loaded(records, record_id)
    assert isinstance(record.evidence.related, Found)
    assert [one.category for one in record.evidence.related.value.findings] == ["Reverse Shell"]
    for _ in range(90):
        watch.tick(minutes=1)
        pipeline.sweep(later)
    record = loaded(records, record_id)
    rounds = record.provenance.rounds
    assert [one.kind for one in rounds] == ["first", "look", "look"]
    ends = [one.done for one in rounds if one.done]
    assert len(ends) == 3
    assert all(one.at <= end for one, end in zip(rounds, ends, strict=True))
    assert ends[0] < rounds[1].at <= ends[1] < rounds[2].at
    assert record.provenance.due is None


@pytest.mark.parametrize("down", ["logs", "scc"])
def test_a_look_that_had_no_answer_is_made_again(
    finding: Finding, records: SqliteRecords, watch: Watch, down: str
) -> None:
    rich, calls = world(finding, records, now=watch)
    (record_id,) = pipeline.respond(rich, finding, delivery())
    ports: dict[str, Any] = {down: NO_LOGS if down == "logs" else Failing(Unanswered("timeout", "20 s"))}
    watch.now = finding.event_time + timedelta(minutes=15)
    pipeline.sweep(replace(rich, **ports))
    silent = loaded(records, record_id).provenance.rounds[-1]
    assert silent.kind == "look"
    assert not {"scc" if down == "scc" else "pod_log"} & set(silent.answered)
    shell = replace(
        finding, key="1/shell", name=finding.name[:-4] + "5e11", canonical_name="", category="Reverse Shell",
        event_time=finding.event_time + timedelta(minutes=5),
    )  # fmt: skip
    watch.tick(seconds=61)
    pipeline.sweep(replace(rich, scc=FakeScc(calls, (finding, shell))))
    record = loaded(records, record_id)
    assert [one.kind for one in record.provenance.rounds] == ["first", "look", "look"]
    assert {"scc", "pod_log", "audit_log"} <= set(record.provenance.rounds[-1].answered)
    assert isinstance(record.evidence.related, Found)
    assert [one.category for one in record.evidence.related.value.findings] == ["Reverse Shell"]
    assert record.provenance.due == record.provenance.window_end


def test_a_look_is_given_up_after_three_more_tries_and_the_last_one_is_made_all_the_same(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    rich, _ = world(finding, records, now=watch)
    (record_id,) = pipeline.respond(rich, finding, delivery())
    poor = replace(rich, logs=NO_LOGS)
    watch.now = finding.event_time
    for _ in range(90):
        watch.tick(minutes=1)
        pipeline.sweep(poor)
    rounds = loaded(records, record_id).provenance.rounds
    minutes = [int((one.at - finding.event_time).total_seconds() // 60) for one in rounds if one.kind == "look"]
    assert minutes == [15, 16, 19, 27, 60, 61, 64, 72]
    assert not any("pod_log" in one.answered for one in rounds[1:])
    assert loaded(records, record_id).provenance.due is None


def test_a_look_that_is_denied_for_good_is_made_once(finding: Finding, records: SqliteRecords, watch: Watch) -> None:
    poor, _ = world(finding, records, now=watch, logs=Failing(Unanswered("denied", "no")))
    (record_id,) = pipeline.respond(poor, finding, delivery())
    for _ in range(90):
        watch.tick(minutes=1)
        pipeline.sweep(poor)
    assert [one.kind for one in loaded(records, record_id).provenance.rounds] == ["first", "look", "look"]


def _joined(finding: Finding, number: int) -> Finding:
    return replace(finding, key=f"1/{number}", event_time=finding.event_time + timedelta(seconds=10))


def test_findings_that_join_just_before_the_sweep_take_no_look_away(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    more = [_joined(finding, number) for number in range(2)]
    outside, calls = world(finding, records, now=watch)
    outside = replace(outside, scc=FakeScc(calls, (finding, *more)))
    (record_id,) = pipeline.respond(outside, finding, delivery())
    for minutes, one in zip((15, 60), more, strict=True):
        watch.now = finding.event_time + timedelta(minutes=minutes, seconds=5)
        assert pipeline.respond(outside, one, delivery(one.key)) == (record_id,)
        watch.tick(seconds=25)
        pipeline.sweep(outside)
    rounds = loaded(records, record_id).provenance.rounds
    assert [one.kind for one in rounds] == ["first", "joined", "look", "joined", "look"]
    assert all({"pod_log", "audit_log"} <= set(one.asked) for one in rounds if one.kind == "look")
    assert loaded(records, record_id).provenance.due is None


def test_findings_that_keep_joining_do_not_put_a_gap_off(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    poor, calls = world(finding, records, now=watch, logs=NO_LOGS)
    rich, asked = world(finding, records, now=watch)
    crowd = [_joined(finding, number) for number in range(20)]
    poor, rich = (replace(one, scc=FakeScc(calls, (finding, *crowd))) for one in (poor, rich))
    (record_id,) = pipeline.respond(poor, finding, delivery())
    tried = []
    for number, one in enumerate(crowd):
        watch.tick(seconds=30)
        outside = poor if number < 4 else rich
        pipeline.respond(outside, one, delivery(one.key))
        if number % 2:
            pipeline.sweep(outside)
            tried += [watch.now - NOW] if loaded(records, record_id).provenance.rounds[-1].kind == "gaps" else []
    assert tried == [timedelta(minutes=1), timedelta(minutes=4)]
    assert asked.names.count("pod_log") == 1
    assert loaded(records, record_id).provenance.gaps == ()


def test_a_record_that_was_left_unfinished_is_gone_on_with(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    class Dies:
        def __getattr__(self, name: str) -> Any:
            return getattr(records, name)

        def save(self, *_: Any) -> Record:
            raise StoreError("the disk is full")

        def release(self, *_: Any) -> bool:
            raise StoreError("killed")

    dying, _ = world(finding, Dies(), now=watch)
    with pytest.raises(StoreError):
        pipeline.respond(dying, finding, delivery())
    healthy, calls = world(finding, records, now=watch)
    pipeline.sweep(healthy)
    assert "pod" not in calls.names, "the claim of the dead still runs"
    watch.tick(minutes=3)
    pipeline.sweep(healthy)
    (line,) = records.list(RecordQuery())
    assert line.stage == "finished"


def test_a_finding_whose_message_never_came_is_found(finding: Finding, records: SqliteRecords, watch: Watch) -> None:
    outside, _ = world(finding, records, now=watch)
    pipeline.sweep(outside)
    assert records.unknown([finding]) == {finding.key}, "it may still be on its way"
    watch.tick(minutes=6)
    pipeline.sweep(outside)
    assert records.unknown([finding]) == frozenset()
    assert records.counters()["sweep.found"] == 1
    pipeline.sweep(outside)
    assert records.counters()["sweep.found"] == 1


def test_a_known_finding_that_fired_again_without_a_message_is_found(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    outside, calls = world(finding, records, now=watch)
    pipeline.respond(outside, finding, delivery())
    later = replace(finding, event_time=finding.event_time + timedelta(hours=3))
    watch.tick(hours=3, minutes=30)
    for _ in range(2):
        pipeline.sweep(replace(outside, scc=FakeScc(calls, (later,))))
    assert {line.window_start for line in records.list(RecordQuery())} == {finding.event_time, later.event_time}
    assert records.counters()["sweep.found"] == 1


def test_a_sweep_that_was_killed_between_two_containers_of_a_finding_leaves_neither_without_a_record(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    both = replace(finding, pods=(finding.pods[0], replace(finding.pods[0], name="another-pod")))

    class DiesAtTheSecond:
        admitted = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(records, name)

        def admit(self, *args: Any) -> Any:
            self.admitted += 1
            if self.admitted > 1:
                raise KeyboardInterrupt
            return records.admit(*args)

    outside, _ = world(both, records, now=watch)
    dies: Any = DiesAtTheSecond()
    watch.tick(minutes=6)
    with pytest.raises(KeyboardInterrupt):
        pipeline.sweep(replace(outside, records=dies))
    for _ in range(2):
        watch.tick(minutes=3)
        pipeline.sweep(outside)
    lines = {line.subject.pod: line.stage for line in records.list(RecordQuery())}
    assert lines == dict.fromkeys((pod.name for pod in both.pods), "finished")
    assert records.counters()["sweep.found"] == 2


def test_scc_being_silent_does_not_end_the_sweep(finding: Finding, records: SqliteRecords, watch: Watch) -> None:
    outside, _ = world(finding, records, now=watch, scc=Failing(Unanswered("unavailable", "down")))
    pipeline.sweep(outside)
    assert records.counters()["sweep.scc_unavailable"] == 1


class Outbox:
    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.error: Unanswered | None = None

    def publish(self, record: Record) -> None:
        if self.error:
            raise self.error
        self.sent.append((record.id, record.provenance.revision))


def test_a_finished_record_goes_out_and_what_failed_goes_with_the_next_sweep(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    box = Outbox()
    box.error = Unanswered("unavailable", "down")
    outside, _ = world(finding, records, now=watch, outbox=box)
    (record_id,) = pipeline.respond(outside, finding, delivery())
    assert box.sent == []
    box.error = None
    pipeline.sweep(outside)
    pipeline.sweep(outside)
    assert box.sent == [(record_id, loaded(records, record_id).provenance.revision)]


def test_like_processes_are_one_group_with_a_count_and_the_store_has_them_all(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    def child(number: int) -> Finding:
        args = ("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "-quiet", "k.c", "-o", f"/tmp/cc{number:04x}Xy.s")
        process = replace(finding.processes[0], binary=args[0], args=args)
        time = finding.event_time + timedelta(milliseconds=number)
        return replace(finding, key=f"1/{number}", event_time=time, processes=(process,))

    crowd = (finding, *(child(number) for number in range(1, 400)))
    outside, calls = world(finding, records, now=watch)
    outside = replace(outside, scc=FakeScc(calls, crowd))
    for one in crowd[1:]:
        (record_id,) = {records.admit(one, one.targets()[0], delivery(one.key)).record_id}
    assert pipeline.respond(outside, finding, delivery()) == (record_id,)
    record = loaded(records, record_id)
    assert [one.count for one in record.findings] == [1, 399]
    assert record.findings[1].last_event_time == crowd[-1].event_time
    assert len(record.findings[1].more) == 20
    assert len(records.findings(record_id)) == 400


class Trips:
    """A store that meets a bug where one record is written."""

    def __init__(self, records: SqliteRecords, pod: str) -> None:
        self.records, self.pod = records, pod

    def __getattr__(self, name: str) -> Any:
        return getattr(self.records, name)

    def save(self, record: Record, claim: Any) -> Record:
        if record.provenance.subject.pod == self.pod:
            raise LookupError("a bug")
        return self.records.save(record, claim)


def test_one_finding_that_meets_a_bug_keeps_no_other_waiting_and_the_bug_is_raised(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    other = replace(
        finding, key="1/other", name=finding.name[:-4] + "0ther", canonical_name="",
        pods=(replace(finding.pods[0], name="another-pod"),), event_time=finding.event_time + timedelta(seconds=1),
    )  # fmt: skip
    outside, calls = world(finding, Trips(records, finding.pods[0].name), now=watch)
    outside = replace(outside, scc=FakeScc(calls, (finding, other)))
    watch.tick(minutes=6)
    for _ in range(2):  # as missing messages, then as records that are due
        with pytest.raises(LookupError):
            pipeline.sweep(outside)
        watch.tick(minutes=3)
    stages = {line.subject.pod: line.stage for line in records.list(RecordQuery())}
    assert stages == {finding.pods[0].name: "admitted", "another-pod": "finished"}


def test_a_sweep_begins_nothing_new_once_its_time_has_run_out(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    crowd = on_pods(finding, 12)
    outside, calls = world(finding, records, now=watch)

    class Slow(FakeScc):
        def around(self, finding: Finding, window: Any) -> Any:
            watch.tick(seconds=30)
            return super().around(finding, window)

    outside = replace(outside, scc=Slow(calls, crowd))
    watch.tick(minutes=6)
    first = pipeline.sweep(outside)
    assert (first.found, first.cut) == (6, True)
    for _ in range(5):
        pipeline.sweep(outside)
    assert records.unknown(crowd) == frozenset()


def test_a_pubsub_that_hangs_keeps_no_lost_finding_waiting(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    sent = on_pods(finding, 30)
    outside, calls = world(finding, records, now=watch)
    for one in sent:
        pipeline.respond(replace(outside, scc=FakeScc(calls, (one,))), one, delivery(one.key))

    class Hangs:
        asked = 0

        def publish(self, _: Record) -> None:
            self.asked += 1
            watch.tick(seconds=20)
            raise Unanswered("timeout", "Pub/Sub")

    box = Hangs()
    watch.tick(minutes=6)
    began = watch()
    swept = pipeline.sweep(replace(outside, outbox=box))
    assert swept.found == 1, "what is lost goes before what is late"
    assert records.unknown([finding]) == frozenset()
    assert box.asked == 2, "once for the record that was found, once for those that wait"
    assert watch() - began <= timedelta(minutes=4)


def test_a_record_that_cannot_be_sent_keeps_no_other_from_being_sent(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    crowd = on_pods(finding, 3)
    outside, calls = world(finding, records, now=watch)
    ids = [pipeline.respond(replace(outside, scc=FakeScc(calls, (one,))), one, delivery(one.key))[0] for one in crowd]

    class Refuses(Outbox):
        def publish(self, record: Record) -> None:
            if record.id == min(ids):
                raise Unanswered("invalid", "too large")
            super().publish(record)

    assert pipeline.sweep(replace(outside, scc=FakeScc(calls, ()), outbox=Refuses())).published == 2


def test_a_known_finding_that_fires_again_is_judged_by_both_commands_and_shows_both(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    def running(command: str, minutes: int) -> Finding:
        process = replace(finding.processes[0], binary="/usr/bin/gcc", args=tuple(command.split()))
        return replace(finding, processes=(process,), event_time=finding.event_time + timedelta(minutes=minutes))

    outside, calls = world(finding, records, now=watch)
    scores, rounds = [], []
    commands = ["gcc -c a.c -o a.o", "gcc -static -o /tmp/.x/kworker /tmp/.x/k.c", "gcc --version"]
    for n, command in enumerate(commands):
        now = running(command, 2 * n)
        at = replace(outside, scc=FakeScc(calls, (now,)))
        (record_id,) = pipeline.respond(at, now, delivery(f"m-{n}"))
        record = loaded(records, record_id)
        scores.append(record.triage.score)
        rounds.append([(one.kind, one.count) for one in record.provenance.rounds])
        watch.tick(minutes=2)
    assert rounds[1] == [("first", 1), ("joined", 1)]
    assert rounds[2] == [("first", 1), ("joined", 2)]
    assert scores[0] < scores[1] <= scores[2], "what is harmless takes nothing back"
    watch.tick(minutes=20)
    pipeline.sweep(at)
    (group,) = loaded(records, record_id).findings
    assert [" ".join(process.args) for process in group.processes] == [commands[2], commands[1], commands[0]]
    assert len(group.occurrences) == 3
    pipeline.respond(at, replace(now, mute="MUTED"), delivery("m-9"))
    (muted,) = loaded(records, record_id).findings
    assert (muted.processes, len(muted.occurrences)) == (group.processes, 4), "a mute takes nothing back either"


def test_a_finding_that_fires_again_moves_no_window_and_leaves_nothing_behind_in_its_group(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    def one(key: str, command: str, minutes: int) -> Finding:
        process = replace(finding.processes[0], binary="/usr/bin/gcc", args=tuple(command.split()))
        at = finding.event_time + timedelta(minutes=minutes)
        name = f"{finding.name.rpartition('/')[0]}/{key}"
        return replace(
            finding, key=f"{finding.key.rpartition('/')[0]}/{key}", name=name, canonical_name="",
            processes=(process,), event_time=at,
        )  # fmt: skip

    first, other = one("aa", "gcc --version", 0), one("bb", "gcc -static -o /tmp/.x/kworker /tmp/.x/k.c", 1)
    outside, calls = world(finding, records, now=watch)
    for each in (first, other):
        at = replace(outside, scc=FakeScc(calls, (first, other)))
        (record_id,) = pipeline.respond(at, each, delivery(each.key))
    before = loaded(records, record_id)
    watch.tick(minutes=5)
    now = (one("aa", "gcc --version", 4), one("bb", "gcc --version", 5))
    for each in now:
        pipeline.respond(replace(outside, scc=FakeScc(calls, now)), each, delivery(f"{each.key} again"))
    record = loaded(records, record_id)
    shown = {" ".join(process.args) for group in record.findings for process in group.processes}
    assert shown == {"gcc --version", "gcc -static -o /tmp/.x/kworker /tmp/.x/k.c"}
    assert record.triage.score >= before.triage.score
    for name in ("window_start", "window_end", "due"):
        assert getattr(record.provenance, name) == getattr(before.provenance, name), name


def test_what_fires_again_while_a_mute_is_noted_is_asked_about(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    outside, calls = world(finding, records, now=watch)
    (record_id,) = pipeline.respond(outside, finding, delivery())
    later = replace(finding, event_time=finding.event_time + timedelta(minutes=5))

    class Meanwhile:
        """A store in which the finding fires again right after its mute was claimed."""

        def __getattr__(self, name: str) -> Any:
            return getattr(records, name)

        def claim(self, *given: Any) -> Any:
            claim = records.claim(*given)
            records.admit(later, later.targets()[0], delivery("2"))
            return claim

    asked = calls.names.count("scc")
    pipeline.respond(replace(outside, records=Meanwhile()), replace(finding, mute="MUTED"), delivery("3"))
    assert calls.names.count("scc") == asked + 1
    assert loaded(records, record_id).provenance.read == 3


def test_what_a_finding_told_before_is_shown_once_and_without_its_secret(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    outside, calls = world(finding, records, now=watch)
    for n, last in enumerate(("a.c", "b.c", "a.c")):
        args = ("gcc", "--password", "hunter2-very-secret", "-c", last)
        now = replace(
            finding,
            processes=(replace(finding.processes[0], args=args),),
            event_time=finding.event_time + timedelta(minutes=2 * n),
        )
        (record_id,) = pipeline.respond(replace(outside, scc=FakeScc(calls, (now,))), now, delivery(f"m-{n}"))
        watch.tick(minutes=2)
    (group,) = loaded(records, record_id).findings
    assert [process.args[-1] for process in group.processes] == ["a.c", "b.c"]
    assert "hunter2" not in loaded(records, record_id).model_dump_json()


def test_looking_again_at_the_same_texts_takes_out_no_more_secrets(
    finding: Finding, records: SqliteRecords, watch: Watch
) -> None:
    process = replace(finding.processes[0], args=("deploy", "--password", "hunter2-canary", "--token=s3cr3t-canary"))
    told = replace(finding, processes=(process,))
    outside, _ = world(told, records, now=watch)
    (record_id,) = pipeline.respond(outside, told, delivery())
    first = loaded(records, record_id).redactions
    for minutes in (16, 50):
        watch.tick(minutes=minutes)
        pipeline.sweep(outside)
    record = loaded(records, record_id)
    assert [one.kind for one in record.provenance.rounds] == ["first", "look", "look"]
    assert record.redactions == first
    assert (first.count, first.classes) == (2, {"named": 1, "option": 1})
    assert "canary" not in record.model_dump_json()
