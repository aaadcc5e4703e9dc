from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from responder import pipeline
from responder.errors import Busy, StoreError, Unanswered
from responder.evidence import Found, OwnerRef, Workload
from responder.finding import Finding
from responder.ports import Delivery, RecordQuery, Records, World
from responder.record import Record
from responder.stores.sqlite import SqliteRecords
from tests.doubles import NOW, Calls, Failing, FakeKubernetes, FakeScc, finding_in, world

SAMPLES = Path(__file__).parent / "samples"
TOP = [
    "schema", "id", "findings", "evidence", "triage", "decision", "outcome", "plan", "owner", "timeline", "steps",
    "links", "commands", "forecast", "capture", "artifacts", "actions", "notices", "review", "provenance", "redactions",
]  # fmt: skip


@pytest.fixture
def finding() -> Finding:
    return finding_in((SAMPLES / "CONSTRUCTED_ctd_v2_notification.json").read_bytes())


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    store = SqliteRecords(tmp_path / "records.db", now=lambda: NOW)
    yield store
    store.close()


def delivery(message_id: str = "1", data: bytes = b"{}") -> Delivery:
    return Delivery(data=data, message_id=message_id, received=NOW)


def only(records: Records, ids: tuple[str, ...]) -> Record:
    (record_id,) = ids
    record = records.load(record_id)
    assert record is not None
    return record


def test_a_finding_becomes_a_finished_record_with_the_agreed_names(finding: Finding, records: Records) -> None:
    outside, _ = world(finding, records)
    record = only(records, pipeline.respond(outside, finding, delivery()))
    document = json.loads(record.model_dump_json())
    assert list(document) == TOP
    assert [step["n"] for step in document["steps"]] == [1, 2, 3, 4, 5, 6, 7]
    assert set(document["steps"][0]) >= {"n", "title", "status", "detail", "by_hand"}
    assert document["schema"] == "responder.investigation/v1"
    assert document["triage"]["verdict"] == "suspicious"
    triage = document["triage"]
    parts = (triage["base"], *(signal["weight"] for signal in triage["signals"]), triage["cut"])
    assert sum(parts) == triage["score"]
    assert document["decision"]["kind"] == "hold"
    assert record.provenance.stage == "finished"
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_the_same_occurrence_again_is_counted_and_asks_nothing(finding: Finding, records: Records) -> None:
    outside, calls = world(finding, records)
    ids = pipeline.respond(outside, finding, delivery("1"))
    before = list(calls.names)
    assert pipeline.respond(outside, finding, delivery("2")) == ids
    assert calls.names == before
    assert records.counters()["findings.duplicate"] == 1


def test_a_mute_appends_an_occurrence_and_investigates_nothing_anew(finding: Finding, records: Records) -> None:
    outside, calls = world(finding, records)
    ids = pipeline.respond(outside, finding, delivery("1"))
    before = list(calls.names)
    pipeline.respond(outside, replace(finding, mute="MUTED"), delivery("2"))
    record = only(records, ids)
    assert calls.names == before
    assert [seen.mute for seen in record.findings[0].occurrences] == ["UNDEFINED", "MUTED"]
    assert record.provenance.stage == "finished"


def test_another_finding_of_the_container_joins_the_record_and_asks_scc_only(
    finding: Finding, records: Records
) -> None:
    other = replace(finding, key="1750894040330370653/other", name=finding.name[:-4] + "beef", canonical_name="")
    other = replace(other, event_time=finding.event_time + timedelta(seconds=4))
    outside, calls = world(finding, records)
    outside = replace(outside, scc=FakeScc(calls, (finding, other)))
    ids = pipeline.respond(outside, finding, delivery("1"))
    first = len(calls.names)
    assert pipeline.respond(outside, other, delivery("2")) == ids
    assert calls.names[first:] == ["scc"]
    record = only(records, ids)
    (group,) = record.findings
    assert (group.key, group.count, group.more) == (finding.key, 2, (other.key,))
    assert len(record.provenance.rounds) == 2


def test_a_finding_that_joins_and_is_unknown_to_scc_is_named(finding: Finding, records: Records) -> None:
    outside, _ = world(finding, records)
    ids = pipeline.respond(outside, finding, delivery("1"))
    forged = replace(finding, key="1750894040330370653/forged", event_time=finding.event_time + timedelta(seconds=4))
    pipeline.respond(outside, forged, delivery("2"))
    assert "SCC does not have finding 1750894040330370653/forged" in only(records, ids).provenance.errors


def test_a_crash_after_the_gathering_resumes_without_asking_again(finding: Finding, records: Records) -> None:
    class DiesAfterGathering:
        def __init__(self, store: Records) -> None:
            self.store, self.saves = store, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.store, name)

        def save(self, record: Record, claim: Any) -> Record:
            self.saves += 1
            if self.saves == 2:
                raise StoreError("the disk is full")
            return self.store.save(record, claim)

    outside, calls = world(finding, DiesAfterGathering(records))
    with pytest.raises(StoreError):
        pipeline.respond(outside, finding, delivery("1"))
    before = list(calls.names)
    healthy = replace(outside, records=records)
    record = only(records, pipeline.respond(healthy, finding, delivery("1")))
    assert record.provenance.stage == "finished"
    assert calls.names == before


def test_while_another_holds_the_claim_the_same_message_waits_and_another_is_left_to_the_holder(
    finding: Finding, records: Records
) -> None:
    outside, calls = world(finding, records)
    admission = records.admit(finding, finding.targets()[0], delivery("1"))
    claim = records.claim(admission.record_id, "1", timedelta(minutes=3), NOW)
    assert claim is not None
    with pytest.raises(Busy):
        pipeline.respond(outside, finding, delivery("1"))
    pipeline.respond(outside, finding, delivery("2"))
    assert calls.names == []


def test_a_finding_that_joins_while_another_is_worked_on_is_in_the_record(finding: Finding, records: Records) -> None:
    other = replace(finding, key="1750894040330370653/late", event_time=finding.event_time + timedelta(seconds=2))
    arrived = threading.Event()
    calls = Calls()

    class JoinsMeanwhile(FakeScc):
        def around(self, finding: Finding, window: Any) -> Any:
            if not arrived.is_set():
                arrived.set()
                pipeline.respond(outside, other, delivery("2"))
            return super().around(finding, window)

    outside, _ = world(finding, records)
    outside = replace(outside, scc=JoinsMeanwhile(calls, (finding, other)))
    record = only(records, pipeline.respond(outside, finding, delivery("1")))
    assert {key for one in record.findings for key in (one.key, *one.more)} == {finding.key, other.key}


class ReadMeanwhile:
    """A store before whose first claim a sweep reads all there is, and after which another message joins."""

    def __init__(self, outside: World, joins: Finding) -> None:
        self.outside, self.joins, self.is_first = outside, joins, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.outside.records, name)

    def claim(self, *args: Any) -> Any:
        if not self.is_first:
            return self.outside.records.claim(*args)
        self.is_first = False
        pipeline.sweep(self.outside)
        claim = self.outside.records.claim(*args)
        pipeline.respond(self.outside, self.joins, delivery("9"))
        return claim


@pytest.mark.parametrize("key", ["1750894040330370653/other", ""], ids=["another finding", "the same one, fired again"])
def test_what_joins_while_a_mute_that_was_read_already_is_noted_is_not_taken_for_the_mute(
    key: str, finding: Finding, records: Records
) -> None:
    joins = replace(finding, event_time=finding.event_time + timedelta(seconds=10))
    if key:
        joins = replace(joins, key=key, name=finding.name[:-4] + "beef", canonical_name="")
    outside, calls = world(finding, records)
    outside = replace(outside, scc=FakeScc(calls, (finding, joins) if key else (joins,)))
    ids = pipeline.respond(outside, finding, delivery("1"))
    stalls: Any = ReadMeanwhile(outside, joins)
    first = calls.names.count("scc")
    pipeline.respond(replace(outside, records=stalls), replace(finding, mute="MUTED"), delivery("2"))
    record = only(records, ids)
    assert sum(one.count for one in record.findings) == len(records.findings(record.id))
    assert calls.names.count("scc") == first + 2, "once for the mute that the sweep read, once for what joined"
    assert record.provenance.read == 3


@pytest.mark.parametrize(
    ("state", "mute", "word"), [("INACTIVE", "UNDEFINED", "not ACTIVE"), ("ACTIVE", "MUTED", "muted")]
)
def test_inactive_or_muted_when_first_seen_is_investigated_and_held(
    finding: Finding, records: Records, state: str, mute: str, word: str
) -> None:
    seen = replace(finding, state=state, mute=mute)
    outside, calls = world(seen, records)
    record = only(records, pipeline.respond(outside, seen, delivery()))
    assert "pod" in calls.names
    assert any(word in reason for reason in record.decision.reasons)


def test_no_pod_in_the_finding_is_a_record_of_its_own_that_is_held(records: Records) -> None:
    bare = finding_in((SAMPLES / "CONSTRUCTED_ctd_v2_container_info_dropped.json").read_bytes())
    outside, calls = world(bare, records)
    record = only(records, pipeline.respond(outside, bare, delivery()))
    assert "one-pod: no pod is named" in record.decision.reasons
    assert {"cluster", "node", "node_log"} <= set(calls.names)
    assert not {"pod", "pod_log"} & set(calls.names)


def test_a_finding_of_several_containers_makes_a_record_for_each(finding: Finding, records: Records) -> None:
    pod = finding.pods[0]
    sidecar = replace(pod.containers[0], name="sidecar")
    both = replace(finding, pods=(replace(pod, containers=(*pod.containers, sidecar)),))
    outside, _ = world(both, records)
    ids = pipeline.respond(outside, both, delivery())
    assert len(set(ids)) == 2
    assert {only(records, (i,)).provenance.subject.container for i in ids} == {"checkout", "sidecar"}


class TripsOver:
    """A store that fails where the record of one container is claimed."""

    def __init__(self, records: Records, record_id: str, error: BaseException) -> None:
        self.records, self.record_id, self.error = records, record_id, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.records, name)

    def claim(self, record_id: str, *args: Any) -> Any:
        if record_id == self.record_id:
            raise self.error
        return self.records.claim(record_id, *args)


@pytest.mark.parametrize("error", [LookupError("a bug"), Busy("the same message"), StoreError("too large")])
def test_what_one_container_meets_keeps_no_other_from_its_record_and_is_raised(
    error: Exception, finding: Finding, records: Records
) -> None:
    both = replace(finding, pods=(finding.pods[0], replace(finding.pods[0], name="another-pod")))
    first = records.admit(both, both.targets()[0], delivery()).record_id
    store: Any = TripsOver(records, first, error)
    outside, _ = world(both, records)
    with pytest.raises(type(error)):
        pipeline.respond(replace(outside, records=store), both, delivery())
    stages = {line.subject.pod: line.stage for line in records.list(RecordQuery())}
    assert stages == {both.pods[0].name: "admitted", "another-pod": "finished"}


def test_every_container_has_its_record_before_any_is_worked_on(finding: Finding, records: Records) -> None:
    both = replace(finding, pods=(finding.pods[0], replace(finding.pods[0], name="another-pod")))
    first = records.admit(both, both.targets()[0], delivery()).record_id
    store: Any = TripsOver(records, first, KeyboardInterrupt())
    outside, _ = world(both, records)
    with pytest.raises(KeyboardInterrupt):
        pipeline.respond(replace(outside, records=store), both, delivery())
    assert {line.subject.pod for line in records.list(RecordQuery())} == {pod.name for pod in both.pods}


def test_messages_without_an_id_exclude_each_other_like_those_with_one(finding: Finding, records: Records) -> None:
    arrived: list[str] = []

    class ComesAgain(FakeScc):
        def around(self, finding: Finding, window: Any) -> Any:
            if not arrived:
                arrived.append("")
                with pytest.raises(Busy):
                    pipeline.respond(outside, finding, delivery(""))
                pipeline.respond(outside, finding, delivery("", b"another"))
            return super().around(finding, window)

    outside, calls = world(finding, records)
    outside = replace(outside, scc=ComesAgain(calls, (finding,)))
    assert only(records, pipeline.respond(outside, finding, delivery(""))).provenance.stage == "finished"
    assert calls.names.count("scc") == 1
    assert records.counters()["findings.left_to_holder"] == 1


def test_asking_again_fills_the_gaps_and_keeps_the_rest(finding: Finding, records: Records) -> None:
    poor, _ = world(finding, records, logs=Failing(Unanswered("quota", "60 reads a minute")))
    ids = pipeline.respond(poor, finding, delivery())
    assert {gap.question for gap in only(records, ids).provenance.gaps} >= {"pod_log", "audit_log"}
    rich, calls = world(finding, records)
    record = pipeline.again(rich, ids[0])
    assert record is not None
    assert not {"pod_log", "audit_log", "node_log"} & {gap.question for gap in record.provenance.gaps}
    assert "pod" not in calls.names
    assert len(record.provenance.rounds) == 2
    assert "pod_log" in record.provenance.rounds[1].answered
    assert pipeline.again(rich, "0" * 32) is None


def test_two_messages_at_once_make_one_record(finding: Finding, records: Records) -> None:
    outside, calls = world(finding, records)
    threads = [
        threading.Thread(target=pipeline.respond, args=(outside, finding, delivery(str(number)))) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls.names.count("pod") == 1


@pytest.mark.parametrize("minutes", [-5, 5])
@pytest.mark.parametrize("forged_first", [True, False])
def test_a_message_that_scc_knows_nothing_of_neither_hides_nor_rewrites_the_finding_that_it_has(
    finding: Finding, records: Records, minutes: int, *, forged_first: bool
) -> None:
    forged = replace(
        finding,
        key="1750894040330370653/forged",
        name=finding.name.rpartition("/")[0] + "/forged",
        canonical_name="",
        event_time=finding.event_time + timedelta(minutes=minutes),
        contacts={"SECURITY": ("attacker@elsewhere.example",)},
        told={**finding.told, "arguments": ("gcc", "-o", "/tmp/forged")},
        processes=tuple(replace(process, args=("gcc", "-o", "/tmp/forged")) for process in finding.processes),
    )
    outside, _ = world(finding, records)
    arrivals = (forged, finding) if forged_first else (finding, forged)
    ids = {pipeline.respond(outside, one, delivery(str(n))) for n, one in enumerate(arrivals)}
    record = only(records, ids.pop())
    assert not ids
    assert isinstance(record.evidence.scc, Found)
    assert isinstance(record.evidence.pod, Found)
    told = record.evidence.told["arguments"]
    assert isinstance(told, Found)
    assert told.value == finding.told["arguments"]
    assert "SCC does not have finding 1750894040330370653/forged" in record.provenance.errors
    assert "attacker@elsewhere.example" not in record.owner.model_dump_json()
    assert not any("/tmp/forged" in command.text for command in record.commands)


def test_nobody_is_written_to_because_a_message_said_so(finding: Finding, records: Records) -> None:
    told = replace(finding, contacts={"SECURITY": ("attacker@elsewhere.example",)})
    outside, calls = world(told, records)
    record = only(records, pipeline.respond(replace(outside, scc=FakeScc(calls, ())), told, delivery()))
    assert record.owner.contacts == ()
    assert "contact" not in record.links


def test_asking_again_mends_an_owner_chain_that_was_cut(finding: Finding, records: Records) -> None:
    class NoDeployments(FakeKubernetes):
        def workload(self, namespace: str, ref: OwnerRef) -> Workload:
            if ref.kind == "Deployment":
                raise Unanswered("denied", "get deployments.apps", mend="apply deploy/rbac/")
            return super().workload(namespace, ref)

    poor, _ = world(finding, records, connect=NoDeployments(Calls(), finding))
    ids = pipeline.respond(poor, finding, delivery())
    owners = only(records, ids).evidence.owners
    assert isinstance(owners, Found)
    assert owners.value.broken_by == "denied: get deployments.apps; to mend it: apply deploy/rbac/"
    rich, calls = world(finding, records)
    pipeline.again(rich, ids[0])
    owners = only(records, ids).evidence.owners
    assert isinstance(owners, Found)
    assert owners.value.complete
    assert "pod" not in calls.names


def test_the_record_shows_sccs_word_for_what_ran_not_the_messages(finding: Finding, records: Records) -> None:
    forged = replace(finding, processes=(replace(finding.processes[0], args=("gcc", "--version")),))
    outside, calls = world(finding, records)
    outside = replace(outside, scc=FakeScc(calls, (finding,)))
    record = only(records, pipeline.respond(outside, forged, delivery()))
    assert record.findings[0].processes[0].args == finding.processes[0].args
    assert record.findings[0].occurrences[0].message_id == "1"
