"""Each event is a valid Detection Finding of OCSF 1.8.0, and the check of that notices what is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from responder.evidence import Evidence, Missing
from responder.export import ocsf
from responder.finding import Process
from responder.record import Review, ReviewEntry, ReviewVerdict, Severity, Triage, Verdict
from tests.builders import EVENT_TIME, a_finding, a_record, a_recorded, a_subject
from tests.export.shared import full_of
from tests.ocsf_table import TABLE, problems, table
from tests.payloads import PAYLOADS

KNOWN = json.loads(TABLE.read_text(encoding="utf-8"))


def test_a_plain_and_a_hostile_record_are_valid_events() -> None:
    assert problems(ocsf.event(a_record()), KNOWN) == []
    for text in PAYLOADS[::7]:
        assert problems(ocsf.event(full_of(text)), KNOWN) == [], repr(text)


@pytest.mark.parametrize("verdict", get_args(Verdict))
@pytest.mark.parametrize("severity", get_args(Severity))
def test_every_verdict_and_severity_has_its_number(verdict: Verdict, severity: Severity) -> None:
    event = ocsf.event(a_record(triage=Triage(verdict=verdict, summary="s", severity=severity, score=61)))
    assert problems(event, KNOWN) == []
    assert event["severity"].upper() == severity
    assert event["risk_score"] == 61
    assert event["is_alert"] is (verdict in {"malicious", "suspicious"})
    assert event["verdict_id"] == {"benign": 5, "insufficient_data": 7}.get(verdict, 4)


@pytest.mark.parametrize(("verdict", "number"), list(zip(get_args(ReviewVerdict), (2, 5, 1, 0), strict=True)))
def test_a_persons_word_closes_the_event_and_goes_before_the_machines(verdict: ReviewVerdict, number: int) -> None:
    at = EVENT_TIME + timedelta(hours=2)
    entry = ReviewEntry(state="closed", verdict=verdict, note="seen", by="kim@acme.test", at=at)
    event = ocsf.event(a_record(review=Review(state="closed", verdict=verdict, history=(entry,))))
    assert problems(event, KNOWN) == []
    assert (event["verdict_id"], event["status"], event["type_uid"]) == (number, "Resolved", 200403)
    assert event["is_alert"] is False
    assert (event["assignee"], event["time"]) == ({"name": "kim@acme.test"}, round(at.timestamp() * 1000))


def test_a_record_that_knows_next_to_nothing_is_valid() -> None:
    bare = a_record(
        findings=(a_recorded(a_finding(processes=(Process(),), pods=(), containers=(), told={}, cluster=None)),),
        evidence=Evidence(pod=Missing(why="denied", detail="d")),
    )
    empty = a_subject(**dict.fromkeys(("cluster", "location", "namespace", "pod", "container", "project_id"), ""))
    bare = bare.model_copy(update={"provenance": bare.provenance.model_copy(update={"subject": empty})})
    event = ocsf.event(bare)
    assert problems(event, KNOWN) == []
    assert "evidences" not in event


def test_a_partial_hash_is_told_as_no_hash_of_the_file() -> None:
    def hashes(*, partially: bool) -> Any:
        process = Process(name="gcc", binary="/usr/bin/gcc", binary_sha256="ab" * 32, partially_hashed=partially, pid=1)
        event = ocsf.event(a_record(findings=(a_recorded(a_finding(processes=(process,))),)))
        assert problems(event, KNOWN) == []
        return event["evidences"][0]["process"]["file"].get("hashes")

    assert hashes(partially=True) is None
    assert hashes(partially=False) == [{"algorithm_id": 3, "algorithm": "SHA-256", "value": "ab" * 32}]


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(event: dict[str, Any]) -> None:
        *way, last = path.split(".")
        at: Any = event
        for name in way:
            at = at[int(name)] if name.isdecimal() else at[name]
        if value is None:
            del at[last]
        else:
            at[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("time", None, "time is required"),
        ("time", "2026-11-20", "time is no timestamp_t"),
        ("severity_id", 42, "severity_id may not be 42"),
        ("severity", "High", "severity_id is 'Low'"),
        ("metadata.version", None, "version is required"),
        ("metadata.profiles", ["container"], "cloud needs the profile cloud"),
        ("finding_info.uid", None, "uid is required"),
        ("finding_info.severity", "x", "finding_info.severity is not known"),
        ("evidences.0.process.pid", None, "evidences[0].process has 0 of"),
        ("evidences.0.process.pid", True, "process.pid is no integer_t"),
        ("evidences.0.process.container.pod_uuid", "x", "pod_uuid is no uuid_t"),
        ("resources", {}, "resources is no list"),
        ("cloud.project_uid", "x", "cloud.project_uid is deprecated"),
    ],
)
def test_what_is_wrong_with_an_event_is_noticed(path: str, value: Any, said: str) -> None:
    event = json.loads(ocsf.line(a_record()))
    _set(path, value)(event)
    assert any(said in line for line in problems(event, KNOWN)), problems(event, KNOWN)


@pytest.mark.skipif("OCSF_SCHEMA" not in os.environ, reason="OCSF_SCHEMA names no checkout of ocsf-schema 1.8.0")
def test_the_table_is_that_of_the_schema_itself() -> None:
    assert table(Path(os.environ["OCSF_SCHEMA"])) == KNOWN
    assert KNOWN["version"] == ocsf.VERSION
