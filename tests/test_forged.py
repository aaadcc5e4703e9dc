"""A forged message beside real ones: shown and marked, never judged, never a path, never what a pod is deleted for."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from responder import act, notification, pipeline, report
from responder.compose import policy_of
from responder.decision import Situation, decide
from responder.errors import Unanswered
from responder.evidence import Evidence
from responder.export import html, ocsf_parts
from responder.finding import Finding
from responder.notices import cards
from responder.ports import Around, Delivery, RecordQuery, World
from responder.record import Record
from responder.stores.sqlite import SqliteRecords
from responder.terminal import print_record
from responder.timeline import timeline
from responder.web import record_page
from tests.builders import EVENT_TIME, a_finding, a_record, a_recorded
from tests.doubles import NOW, Calls, FakeScc, world
from tests.scene import AUTO, SCENARIOS, Scene, needs_kubelet, scene

REAL = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
FORGED = "f" * 32
SUSPICIOUS = AUTO | {"least_verdict": '"suspicious"'}
WORST = ("gcc", "-static", "-o", "/tmp/.x/kworker", "/tmp/.x/k.c")


def harmless() -> dict[str, Any]:
    """The demo's notification, of a command that says nothing."""
    told: dict[str, Any] = json.loads((SCENARIOS / "attack-web-pod.notification.json").read_text(encoding="utf-8"))
    told["finding"]["processes"] = [
        {"name": "gcc", "binary": {"path": "/usr/bin/gcc"}, "args": ["gcc", "--version"], "pid": "53"}
    ]
    return told


def forged(**changes: Any) -> dict[str, Any]:
    """What the demo's attack would be, under an id that SCC does not have; `changes` are of the finding."""
    text = (SCENARIOS / "attack-web-pod.notification.json").read_text(encoding="utf-8").replace(REAL, FORGED)
    told: dict[str, Any] = json.loads(text)
    told["finding"] |= changes
    return told


def publish(here: Scene, message: dict[str, Any], message_id: str = "2") -> None:
    data = json.dumps(message).encode()
    finding = notification.read(data)
    assert finding is not None
    pipeline.respond(here.world, finding, Delivery(data=data, message_id=message_id, received=here.lab.now()))


def guard(record: Record, name: str) -> bool | None:
    return next(one.ok for one in record.decision.guards if one.name == name)


# --- what is deleted, and what is read --------------------------------------------------------------------------------


def test_a_forged_message_beside_a_harmless_finding_gets_no_pod_deleted(tmp_path: Path) -> None:
    with scene(tmp_path, SUSPICIOUS, told=harmless()) as here:
        before = here.record.triage
        publish(here, forged())
        record = here.record
        assert record.triage == before
        marked = {one.key.rpartition("/")[2]: (one.confirmed, bool(one.doubt)) for one in record.findings}
        assert marked == {REAL: ("yes", False), FORGED: ("no", True)}
        done = here.act()
        assert (done.triage.verdict, done.triage.score) == (before.verdict, before.score)
        assert (done.decision.kind, guard(done, "verdict-high-enough")) == ("hold", False)
        assert here.deletes() == []
        assert any(FORGED in error for error in done.provenance.errors)


def test_a_forged_message_stops_no_answer_to_a_real_finding_and_is_still_shown(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        publish(here, forged(processes=[{"name": "gcc", "args": ["gcc", "-o", "/forged/out", "/forged/in.c"]}]))
        done = here.act()
        assert (done.decision.kind, guard(done, "findings-confirmed")) == ("delete_pod", True), done.decision.reasons
        assert "/forged/in.c" in json.dumps(json.loads(done.model_dump_json())["findings"])
        assert any(FORGED in error for error in done.provenance.errors)


@needs_kubelet
def test_a_forged_message_chooses_no_path_that_is_read(tmp_path: Path) -> None:
    with scene(tmp_path, {"remediate": '"shadow"', "capture": "true"}) as here:
        path = "/etc/forged/secret.c"
        publish(here, forged(processes=[{"name": "gcc", "args": ["gcc", "-o", "/tmp/a.out", path], "pid": "99"}]))
        done = here.act()
        assert done.capture is not None
        assert here.commands()
        assert not any(path in json.dumps(command) for command in here.commands())
        assert not any(path in (one.path, one.named) for one in done.artifacts)


@needs_kubelet
def test_other_words_under_a_real_id_choose_no_path_and_no_verdict(tmp_path: Path) -> None:
    path = "/etc/forged/secret.c"
    lying = forged(processes=[{"name": "gcc", "args": ["gcc", "-o", "/tmp/a.out", path], "pid": "99"}])
    second = "e" * 32
    lying = json.loads(json.dumps(lying).replace(FORGED, second))
    other = json.loads(json.dumps(harmless()).replace(REAL, second))
    with scene(tmp_path, SUSPICIOUS | {"capture": "true"}, told=harmless(), scc=[harmless(), other]) as here:
        publish(here, lying)
        done = here.act()
        assert {one.confirmed for one in done.findings} == {"yes"}
        assert path not in done.model_dump_json()
        assert not any(path in json.dumps(command) for command in here.commands())
        assert here.deletes() == []


def test_the_way_into_the_cluster_is_never_a_forged_messages(tmp_path: Path) -> None:
    """The earliest finding leads no more than its cluster: another's endpoint would be handed our token."""
    with scene(tmp_path, AUTO) as here:
        early = (EVENT_TIME - timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
        publish(here, forged(eventTime=early))
        assert here.record.findings[0].key.endswith(FORGED)
        asked: list[str] = []
        outside = here.world

        class Clusters:
            def cluster(self, ref: Any, *, event_time: Any) -> Any:
                asked.append(ref.project)
                return outside.clusters.cluster(ref, event_time=event_time)

        from responder import removing  # noqa: PLC0415 - for this alone

        elsewhere = replace(here.record.findings[0].cluster, project="mallory")  # type: ignore[type-var] # it has one
        findings = (replace(here.record.findings[0], cluster=elsewhere), *here.record.findings[1:])
        record = here.record.model_copy(update={"findings": findings})
        removing.access(replace(outside, clusters=Clusters()), record)
        assert "mallory" not in asked


# --- what a record says -----------------------------------------------------------------------------------------------


class Scc(FakeScc):
    """What it lists is one thing, what it has by name another; `silent` as of then."""

    def __init__(self, calls: Calls, listed: Sequence[Finding], named: Sequence[Finding] = ()) -> None:
        super().__init__(calls, tuple(listed))
        self.by_name = {one.key: one for one in (*listed, *named)}
        self.asked: list[str] = []
        self.silent = self.nameless = False
        self.truncated = False

    def around(self, finding: Finding, window: Any) -> Around:
        if self.silent:
            raise Unanswered("unavailable", "no answer")
        around = super().around(finding, window)
        return replace(around, truncated=self.truncated)

    def named(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        self.calls.add("named")
        if self.nameless:
            raise Unanswered("quota", "too many questions")
        self.asked += [one.key for one in findings]
        return tuple(self.by_name[one.key] for one in findings if one.key in self.by_name)


def other(number: int, *, seconds: float = 0, args: tuple[str, ...] | None = None) -> Finding:
    letters = "".join("abcdefghij"[int(digit)] * 2 for digit in f"{number:03}")
    return a_finding(
        key=f"1/{number:032x}",
        args=args or ("gcc", "-c", f"{letters}.c", "-o", f"{letters}.o"),
        event_time=EVENT_TIME + timedelta(seconds=seconds or number),
    )


def respond(outside: World, *findings: Finding) -> Record:
    for one in findings:
        pipeline.respond(outside, one, Delivery(data=b"{}", message_id=one.key, received=NOW))
    (line,) = outside.records.list(RecordQuery())
    record = outside.records.load(line.id)
    assert record is not None
    return record


@pytest.fixture
def records(tmp_path: Path) -> Any:
    store = SqliteRecords(tmp_path / "records.db", now=lambda: NOW)
    yield store
    store.close()


def together(outside: World, *findings: Finding) -> Record:
    """All there before the first is investigated."""
    for one in findings:
        outside.records.admit(one, one.targets()[0], Delivery(data=b"{}", message_id=one.key, received=NOW))
    return respond(outside, findings[0])


def standing(record: Record) -> dict[str, str]:
    return {one.key: one.confirmed for one in record.findings}


def test_a_burst_that_scc_lists_in_part_is_asked_for_by_name_and_none_is_called_forged(records: Any) -> None:
    crowd = [other(number, seconds=1 + number / 10) for number in range(260)]
    outside, calls = world(crowd[0], records)
    scc = Scc(calls, crowd[:60], crowd)
    scc.truncated = True
    record = together(replace(outside, scc=scc), *crowd)
    assert {one.confirmed for one in record.findings} == {"yes"}
    assert sum(one.count for one in record.findings) == 260
    assert not any("SCC" in error for error in record.provenance.errors)


def test_like_processes_that_scc_did_not_list_are_counted_and_hold_nothing(records: Any) -> None:
    crowd = [other(number, args=("gcc", "-c", "a.c"), seconds=1 + number / 10) for number in range(230)]
    outside, calls = world(crowd[0], records)
    scc = Scc(calls, crowd[:60])
    scc.truncated = scc.nameless = True
    record = together(replace(outside, scc=scc), *crowd)
    (group,) = record.findings
    assert (group.confirmed, group.count, group.key) == ("yes", 230, crowd[0].key)


def test_what_scc_was_not_asked_about_is_judged_and_holds_with_the_reason(records: Any) -> None:
    real, late = other(1), other(2, args=WORST)
    outside, calls = world(real, records)
    scc = Scc(calls, (real,))
    scc.truncated = scc.nameless = True
    record = respond(replace(outside, scc=scc), real, late)
    assert standing(record) == {real.key: "yes", late.key: "not_known"}
    assert any(signal.evidence[0].startswith("/findings/1") for signal in record.triage.signals if signal.evidence)
    decision = decide(Situation(record=record, policy=policy_of(outside), now=NOW))
    said = next(one for one in decision.guards if one.name == "findings-confirmed")
    assert said.ok is None
    assert "too many questions" in said.detail


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_forged_one_of_the_same_command_is_no_member_of_the_group_and_hides_nothing(
    records: Any, minutes: int
) -> None:
    real = other(1)
    fake = replace(other(2), event_time=real.event_time + timedelta(minutes=minutes), processes=real.processes)
    for first, second in ((fake, real), (real, fake)):
        outside, calls = world(real, records)
        record = respond(replace(outside, scc=Scc(calls, (real,))), first, second)
        assert standing(record) == {real.key: "yes", fake.key: "no"}
        assert {one.count for one in record.findings} == {1}
        assert f"SCC does not have finding {fake.key}" in record.provenance.errors


def test_a_forged_flood_of_worse_commands_pushes_no_real_one_out(records: Any) -> None:
    real = [other(number, seconds=200 + number) for number in range(3)]
    flood = [
        other(
            500 + number, seconds=1 + number / 10, args=(*WORST, f"-D{'abcdefghij'[number // 12]}{'x' * (number % 12)}")
        )
        for number in range(120)
    ]
    outside, calls = world(real[0], records)
    record = together(replace(outside, scc=Scc(calls, real)), *flood, *real)
    assert {one.key for one in record.findings if one.confirmed == "yes"} == {one.key for one in real}
    assert all(one.confirmed == "no" for one in record.findings if one.key not in {a.key for a in real})
    assert not any(
        "findings/" in pointer and record.findings[int(pointer.split("/")[2])].confirmed == "no"
        for signal in record.triage.signals
        for pointer in signal.evidence
        if pointer.startswith("/findings/")
    )


def test_a_finding_that_only_came_late_into_scc_is_judged_once_it_is_there(records: Any) -> None:
    real, late = other(1), other(2, args=WORST)
    outside, calls = world(real, records)
    scc = Scc(calls, (real,))
    outside = replace(outside, scc=scc)
    record = respond(outside, real, late)
    assert standing(record)[late.key] == "no"
    scc.findings = (real, late)
    again = pipeline.again(outside, record.id)
    assert again is not None
    assert standing(again) == {real.key: "yes", late.key: "yes"}
    assert again.triage.score > record.triage.score
    assert not any("SCC does not have" in error for error in again.provenance.errors)


def test_however_many_are_forged_of_one_command_none_is_judged(records: Any) -> None:
    real = other(1)
    fakes = [other(100 + number, args=WORST) for number in range(50)]
    outside, calls = world(real, records)
    record = together(replace(outside, scc=Scc(calls, (real,))), *fakes, real)
    assert standing(record) == {real.key: "yes", fakes[0].key: "no"}
    assert calls.names.count("named") == 1


def test_a_silent_scc_takes_back_nothing_that_it_said(records: Any) -> None:
    real, fake = other(1), other(2, args=WORST)
    outside, calls = world(real, records)
    scc = Scc(calls, (real,))
    outside = replace(outside, scc=scc)
    record = respond(outside, real, fake)
    scc.silent = True
    again = pipeline.again(outside, record.id)
    assert again is not None
    assert standing(again) == standing(record)
    assert again.triage.score == record.triage.score


def test_what_only_the_message_says_of_a_real_finding_is_not_sccs_word(records: Any) -> None:
    bare = replace(other(1), processes=(), told={})
    told = replace(other(1), processes=other(2, args=WORST).processes)
    outside, calls = world(told, records)
    record = respond(replace(outside, scc=Scc(calls, (bare,))), told)
    (one,) = record.findings
    assert one.confirmed == "not_known"
    assert "processes" in one.doubt


def test_a_record_of_forged_messages_alone_is_judged_by_none_of_them(records: Any) -> None:
    fake = other(1, args=WORST)
    outside, calls = world(fake, records)
    record = respond(replace(outside, scc=Scc(calls, ())), fake)
    assert (standing(record), record.triage.verdict) == ({fake.key: "no"}, "insufficient_data")
    assert calls.names == ["scc"]


def test_a_summons_for_a_record_whose_findings_scc_lost_holds(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        outside = here.world
        silent = Scc(Calls(), ())
        silent.silent = True
        done = act.act(replace(outside, scc=silent), here.id)
        assert done is not None
        assert (done.decision.kind, guard(done, "findings-confirmed")) == ("hold", None)
        assert here.deletes() == []


# --- what people see --------------------------------------------------------------------------------------------------


def shown_forged() -> Record:
    """A record whose first finding by time is forged."""
    fake = a_recorded(
        a_finding(key="1/forged", args=("gcc", "/forged/in.c")), confirmed="no", doubt="SCC has no such finding"
    )
    return a_record(findings=(fake, a_recorded(confirmed="yes")))


def on_terminal(record: Record) -> str:
    out = io.StringIO()
    print_record(record, Console(file=out, width=200))
    return out.getvalue()


def test_every_view_shows_a_forged_finding_with_its_mark_and_heads_nothing_with_it() -> None:
    record = shown_forged()
    views = {
        "report": report.markdown(record),
        "page": html.page(record),
        "terminal": on_terminal(record),
        "review": " ".join(one.line + one.standing for one in record_page.shown(record)["ran"]),
    }
    for name, view in views.items():
        assert "/forged/in.c" in view, name
        assert "not judged" in view, name
    told = timeline(record.findings, Evidence(), NOW, None)
    assert any(entry.text.startswith("not confirmed by SCC") for entry in told)
    heads = (report.summary(record), cards.card(record, "team").command, str(record_page.shown(record)["command"]))
    for head in heads:
        assert "forged" not in head
        assert "kworker" in head
    assert "forged" not in json.dumps(ocsf_parts.evidences(record))


def test_what_respond_had_to_say_is_carried_through_act(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        publish(here, forged())
        old = here.record
        told = "7 more kinds of commands, which say less than these, are counted in one of them"
        provenance = old.provenance.model_copy(update={"errors": (*old.provenance.errors, told)})
        outside = here.world

        class Said:
            """The store, whose record has one more thing to say."""

            def __getattr__(self, name: str) -> Any:
                return getattr(outside.records, name)

            def load(self, record_id: str) -> Record | None:
                found = outside.records.load(record_id)
                return found and found.model_copy(update={"provenance": provenance})

        done = act.act(replace(outside, records=Said()), here.id)
        assert done is not None
        assert told in done.provenance.errors
        assert [error for error in done.provenance.errors if FORGED in error] == [old.provenance.errors[0]]
