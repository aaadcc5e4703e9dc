"""The timeline: everything that happened, in order, each moment with the place in the record that says so."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.evidence import (
    AuditEntry,
    AuditExtract,
    ContainerState,
    Deletion,
    Evidence,
    KubeEvent,
    LogEntry,
    Missing,
    Node,
    Related,
)
from responder.finding import Process
from responder.record import Occurrence, RecordedFinding, TimelineEntry
from responder.timeline import timeline
from tests.builders import EVENT_TIME, a_finding, a_record, a_recorded, a_related
from tests.sheets import END, NODE, START, a_cluster, a_container, a_log, a_pod, everything, found

STARTED = EVENT_TIME + timedelta(seconds=4)
GONE = Missing(why="not_found", detail="it is gone")


def after(seconds: float) -> datetime:
    return EVENT_TIME + timedelta(seconds=seconds)


def told(
    evidence: Evidence | None = None,
    *findings: RecordedFinding,
    finished: datetime | None = None,
) -> tuple[TimelineEntry, ...]:
    return timeline(findings or (a_recorded(),), evidence or Evidence(), STARTED, finished)


def of(lane: str, entries: tuple[TimelineEntry, ...]) -> list[TimelineEntry]:
    return [entry for entry in entries if entry.lane == lane]


def a_line(seconds: float, text: str = "line") -> LogEntry:
    return LogEntry(time=after(seconds), severity="INFO", log_name="stdout", insert_id="1", text=text)


def an_entry(seconds: float, **changes: Any) -> AuditEntry:
    values: dict[str, Any] = {
        "time": after(seconds),
        "method": "io.k8s.core.v1.pods.exec.create",
        "resource_name": "core/v1/namespaces/shop/pods/p",
        "principal": "j.doe@acme.example",
        "caller_ip": "203.0.113.66",
        "user_agent": "kubectl",
        "status": "",
        "session": "exec",
    }
    return AuditEntry(**(values | changes))


def audit(*entries: AuditEntry) -> Any:
    return found(AuditExtract(**a_log().model_dump(exclude={"entries"}), entries=entries))


def related(*others: Any) -> Any:
    return found(Related(window_start=START, window_end=END, filter="f", findings=others))


# --- order ------------------------------------------------------------------------------------------------------------


def test_it_is_told_from_the_oldest_to_the_latest() -> None:
    evidence = Evidence(
        audit_log=audit(an_entry(-131)), related=related(a_related()), pod_log=found(a_log(entries=(a_line(-20),)))
    )
    entries = told(evidence, finished=after(9))
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)
    assert [entry.lane for entry in entries] == ["audit", "pod_log", "finding", "responder", "related", "responder"]


def test_what_happened_at_once_stands_in_the_order_of_cause() -> None:
    pod = a_pod(create_time=EVENT_TIME)
    evidence = Evidence(
        cluster=found(a_cluster(create_time=EVENT_TIME, newer_than_event=True)),
        pod=found(pod),
        audit_log=audit(an_entry(0)),
        pod_log=found(a_log(entries=(a_line(0),))),
        related=related(a_related(event_time=EVENT_TIME)),
    )
    entries = timeline((a_recorded(),), evidence, EVENT_TIME, None)
    assert [entry.lane for entry in entries] == [
        "cluster", "pod", "audit", "pod_log", "finding", "related", "responder",
    ]  # fmt: skip


def test_a_record_that_is_not_finished_has_no_end() -> None:
    assert [entry.text for entry in of("responder", told())] == ["finding received"]
    assert [entry.text for entry in of("responder", told(finished=after(9)))] == ["finding received", "record written"]


def test_where_nothing_was_found_the_finding_and_the_responder_are_left() -> None:
    assert [entry.lane for entry in told(Evidence(pod=GONE, audit_log=GONE, related=GONE))] == ["finding", "responder"]


# --- the findings -----------------------------------------------------------------------------------------------------


def test_a_finding_is_its_command_line_quoted_as_a_shell_would() -> None:
    process = Process(name="gcc", binary="/usr/bin/gcc", args=("gcc", "-o", "a b", "x.c"))
    (entry,) = of("finding", told(None, a_recorded(a_finding(processes=(process,)))))
    assert (entry.text, entry.ref) == ("gcc -o 'a b' x.c", "/findings/0")


@pytest.mark.parametrize(
    ("process", "text"),
    [
        ((Process(name="gcc", binary="/usr/bin/gcc"),), "/usr/bin/gcc"),
        ((Process(name="gcc"),), "gcc"),
        ((), a_finding().category),
    ],
)
def test_a_finding_without_arguments_is_its_binary_its_name_or_its_category(
    process: tuple[Process, ...], text: str
) -> None:
    (entry,) = of("finding", told(None, a_recorded(a_finding(processes=process))))
    assert entry.text == text


def test_a_finding_that_was_published_again_is_told_again_with_its_state() -> None:
    seen = [
        Occurrence(event_time=EVENT_TIME, state=state, mute=mute, message_id=str(n), received=after(n))
        for n, (state, mute) in enumerate((("ACTIVE", "UNMUTED"), ("ACTIVE", "MUTED")))
    ]
    _, again = of("finding", told(None, a_recorded(occurrences=tuple(seen))))
    assert (again.text, again.time) == ("published again: ACTIVE, MUTED", after(1))


def test_each_finding_of_a_burst_points_at_itself() -> None:
    burst = [a_recorded(a_finding(key=f"1/{n}", event_time=after(n))) for n in range(3)]
    assert [entry.ref for entry in of("finding", told(None, *burst))] == ["/findings/0", "/findings/1", "/findings/2"]


# --- cluster, node and pod --------------------------------------------------------------------------------------------


def test_a_cluster_and_a_node_stand_in_it_only_where_they_came_after_the_event() -> None:
    node = Node(name=NODE, known_by="cluster", create_time=after(60), recreated=True)
    newer = Evidence(cluster=found(a_cluster(create_time=after(50), newer_than_event=True)), node=found(node))
    assert [entry.lane for entry in told(newer)][-2:] == ["cluster", "node"]
    older = Evidence(cluster=found(a_cluster()), node=found(node.model_copy(update={"recreated": False})))
    assert of("cluster", told(older)) + of("node", told(older)) == []


def test_a_pod_is_created_started_and_marked_for_deletion() -> None:
    container = ContainerState.model_validate(a_container("checkout").model_dump() | {"started_at": after(-80000)})
    pod = a_pod(containers=(a_container("setup", kind="init"), container), deletion_time=after(30))
    entries = of("pod", told(Evidence(pod=found(pod))))
    assert [entry.text.partition(" (")[0] for entry in entries] == [
        f"pod {pod.name}",
        "container checkout started",
        "pod marked for deletion",
    ]
    assert pod.uid in entries[0].text
    assert entries[1].ref == "/evidence/pod/value/containers/1"


def test_whoever_deleted_the_pod_is_named() -> None:
    gone = Deletion(time=after(20), principal="sre@acme.example", caller_ip="", user_agent="", method="pods.delete")
    (entry,) = of("audit", told(Evidence(deletion=found(gone))))
    assert (entry.text, entry.ref) == ("pod deleted by sre@acme.example", "/evidence/deletion")


def test_of_the_pods_events_only_warnings_are_told() -> None:
    def event(kind: str, seen: datetime | None = EVENT_TIME) -> KubeEvent:
        return KubeEvent(
            type=kind,
            reason="Unhealthy",
            message="probe failed",
            count=1,
            first_seen=seen,
            last_seen=seen,
            component="k",
        )

    events = (event("Normal"), event("Warning"), event("Warning", None))
    (entry,) = of("pod", told(Evidence(pod_events=found(events))))
    assert (entry.text, entry.ref) == ("Unhealthy: probe failed", "/evidence/pod_events/value/1")


# --- logs -------------------------------------------------------------------------------------------------------------


def test_a_session_tells_who_from_where_and_what_ran() -> None:
    evidence = Evidence(audit_log=audit(an_entry(-9, command=("sh", "-c", "id; ls")), an_entry(-8, session=None)))
    session, other = of("audit", told(evidence))
    assert session.text == "exec by j.doe@acme.example from 203.0.113.66: sh -c 'id; ls'"
    assert other.text == "create by j.doe@acme.example from 203.0.113.66"
    assert other.ref == "/evidence/audit_log/value/entries/1"


def test_of_a_log_the_lines_nearest_to_the_event_are_told_with_their_own_places() -> None:
    lines = tuple(a_line(seconds, f"at {seconds}") for seconds in (-900, -500, -9, -8, -7, -6, -5, -4, 3, 700, 2))
    for lane, name in (("pod_log", "pod_log"), ("node", "node_log")):
        entries = of(lane, told(Evidence(**{name: found(a_log(entries=lines))})))
        assert [entry.text for entry in entries] == [f"at {s}" for s in (-9, -8, -7, -6, -5, -4, 2, 3)]
        assert entries[-1].ref == f"/evidence/{name}/value/entries/8"


def test_a_related_finding_tells_its_category_its_severity_and_how_near_it_is() -> None:
    (entry,) = of("related", told(Evidence(related=related(a_related(severity="CRITICAL", closeness="pod")))))
    assert entry.text == "Added Binary Executed (CRITICAL, same pod)"
    assert entry.ref == "/evidence/related/value/findings/0"


# --- what it may not do -----------------------------------------------------------------------------------------------


def test_a_chatty_source_does_not_bury_the_others() -> None:
    many = range(200)
    evidence = Evidence(
        audit_log=audit(*(an_entry(n) for n in many)),
        related=related(*(a_related(event_time=after(n)) for n in many)),
        pod_log=found(a_log(entries=tuple(a_line(n) for n in many))),
        node_log=found(a_log(entries=tuple(a_line(n) for n in many))),
    )
    entries = told(evidence, *(a_recorded(a_finding(key=f"1/{n}", event_time=after(n))) for n in many))
    assert {lane: len(of(lane, entries)) for lane in ("audit", "related", "finding", "pod_log", "node")} == {
        "audit": 25, "related": 25, "finding": 25, "pod_log": 8, "node": 8,
    }  # fmt: skip


def test_a_long_text_is_cut_where_it_is_told_and_marked() -> None:
    (entry,) = of("pod_log", told(Evidence(pod_log=found(a_log(entries=(a_line(0, "x" * 500),))))))
    assert len(entry.text) == 160
    assert entry.text.endswith("…")


def test_every_entry_points_at_something_in_its_record() -> None:
    evidence = everything(
        audit_log=audit(an_entry(-9)),
        pod_log=found(a_log(entries=(a_line(0),))),
        node_log=found(a_log(entries=(a_line(1),))),
    )
    entries = told(evidence, finished=after(9))
    record = a_record(evidence=evidence, timeline=entries)
    document = json.loads(record.model_dump_json())
    for entry in entries:
        here: Any = document
        for step in entry.ref.removeprefix("/").split("/"):
            here = here[int(step)] if isinstance(here, list) else here[step]
        assert here


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=300), seconds=st.floats(-3600, 3600))
def test_no_text_and_no_time_breaks_it(text: str, seconds: float) -> None:
    finding = a_recorded(a_finding(processes=(Process(name=text, binary=text, args=(text, text)),)))
    evidence = Evidence(
        audit_log=audit(an_entry(seconds, principal=text, command=(text,), method=text, session=None)),
        pod_log=found(a_log(entries=(a_line(seconds, text),))),
    )
    entries = told(evidence, finding)
    assert len(entries) == 4
    assert max(len(entry.text) for entry in entries) <= 160


def test_a_refused_session_is_told_as_refused() -> None:
    (entry,) = of("audit", told(Evidence(audit_log=audit(an_entry(-9, status="PERMISSION_DENIED")))))
    assert "refused: PERMISSION_DENIED" in entry.text


def test_a_session_before_the_event_is_not_lost_behind_routine_calls() -> None:
    routine = [an_entry(-1000 + n, session=None, method="io.k8s.core.v1.pods.patch") for n in range(30)]
    entries = of("audit", told(Evidence(audit_log=audit(*routine, an_entry(-2000)))))
    assert any(entry.text.startswith("exec by") for entry in entries)


def test_a_warning_is_told_whatever_number_of_ordinary_events_follows() -> None:
    def event(seconds: float, kind: str) -> KubeEvent:
        return KubeEvent(
            type=kind, reason="Unhealthy", message="m", count=1, first_seen=None, last_seen=after(seconds), component=""
        )

    events = (event(-100, "Warning"), *(event(-50 + n, "Normal") for n in range(30)))
    assert [entry.text for entry in of("pod", told(Evidence(pod_events=found(events))))] == ["Unhealthy: m"]


def test_a_deletion_is_told_once_and_an_eviction_by_its_name() -> None:
    delete = an_entry(5, session=None, method="io.k8s.core.v1.pods.delete")
    evict = an_entry(6, session=None, method="io.k8s.core.v1.pods.eviction.create", caller_ip="")
    gone = Deletion.model_validate(delete.model_dump(include=set(Deletion.model_fields)))
    entries = of("audit", told(Evidence(audit_log=audit(delete, evict), deletion=found(gone))))
    assert [entry.text for entry in entries] == [
        "pod deleted by j.doe@acme.example",
        "eviction by j.doe@acme.example",
    ]
