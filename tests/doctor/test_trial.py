"""`doctor --send-test`: a marked finding arrives, is recorded, and is held whatever anybody says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import pytest

from lab import delivery
from lab.google import LabGoogle
from lab.rbac import DOCTOR_TOKEN
from lab.scenario import Scenario
from lab.server import serve
from lab.serving import function
from responder import notification, pipeline, settings, wiring
from responder.doctor import trial
from responder.doctor.filters import OURS
from responder.doctor.lines import Line
from responder.doctor.trial import Trial
from responder.errors import StoreError
from responder.evidence import Found
from responder.finding import TEST_MARK, Finding
from responder.ports import Delivery, RecordLine, RecordQuery, Records
from responder.record import Decision, Record
from responder.stores.sqlite import SqliteRecords
from tests.builders import a_record
from tests.doctor.sick import PROJECT, Planted, case_of, scenario

TOKEN: Final = "0123456789abcdef0123456789abcdef"
NOW: Final = datetime(2026, 11, 20, 9, 41, 7, tzinfo=UTC)
PARENT: Final = "organizations/123456789012"
AUTO: Final = f"""
[[project]]
id = "{PROJECT}"
number = "421458901689"
remediate = "auto"
"""


@dataclass
class Time:
    """A clock that a sleep moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Kept:
    """Records of which there is one, and its list."""

    def __init__(self, record: Record | None, *, stage: str = "finished") -> None:
        self.record = record
        self.stage = stage

    def list(self, _: RecordQuery) -> Iterator[RecordLine]:
        if self.record is not None:
            yield RecordLine(
                id=self.record.id, window_start=NOW, subject=self.record.provenance.subject,
                verdict="insufficient_data", state="open", summary="", findings=1, gaps=0, stage=self.stage, revision=1,
            )  # fmt: skip

    def load(self, _: str) -> Record | None:
        return self.record


class Down(Kept):
    """A store that does not answer."""

    def list(self, _: RecordQuery) -> Iterator[RecordLine]:
        message = "the record store failed: list: PERMISSION_DENIED"
        raise StoreError(message)


def a_test_record(**changes: Any) -> Record:
    made = a_record()
    subject = made.provenance.subject.model_copy(update={"pod": f"responder-test-{TOKEN}"})
    provenance = made.provenance.model_copy(update={"subject": subject})
    return made.model_copy(update={"provenance": provenance} | changes)


def a_trial(records: object, time: Time, published: list[tuple[str, bytes]]) -> Trial:
    return Trial(
        publish=lambda topic, data: published.append((topic, data)),
        records=lambda: cast("Records", records),
        token=TOKEN,
        seconds=20.0,
        monotonic=lambda: time.now,
        sleep=time.sleep,
    )


def tried(records: object, planted: Planted | None = None) -> tuple[list[Line], Time, list[tuple[str, bytes]]]:
    time, published = Time(), list[tuple[str, bytes]]()
    with case_of(planted or Planted()) as (case, _):
        return list(trial.run(case, a_trial(records, time, published))), time, published


def the_finding() -> Finding:
    found = notification.read(trial.notification(PARENT, PROJECT, TOKEN, NOW))
    assert found is not None
    return found


def test_the_synthetic_finding_is_read_as_one_of_ours_and_bears_the_mark() -> None:
    found = the_finding()
    assert found.key == f"0/{TEST_MARK}{TOKEN}"
    assert [(target.namespace, target.pod) for target in found.targets()] == [
        ("responder-test", f"responder-test-{TOKEN}")
    ]
    sent = json.loads(trial.notification(PARENT, PROJECT, TOKEN, NOW))["finding"]
    assert {name: sent[key] for name, key in {"category": "category", "severity": "severity"}.items()} == {
        name: OURS[name] for name in ("category", "severity")
    }


def test_no_id_that_security_command_center_gives_bears_the_mark() -> None:
    assert not set(TEST_MARK) <= set("0123456789abcdefABCDEF")


def test_it_goes_to_the_topic_of_the_config_and_one_that_is_never_recorded_is_said_to_be_lost() -> None:
    lines, time, published = tried(Kept(None))
    assert [topic for topic, _ in published] == ["projects/acme-sec/topics/responder-findings"]
    assert [(line.check, line.outcome) for line in lines] == [("test.publish", "ok"), ("test.record", "wrong")]
    assert "no record of it within 20 s" in lines[1].detail
    assert "dead-letters" in lines[1].mend
    assert time.now == 20.0


def test_a_record_that_is_still_worked_on_is_not_taken_for_an_end() -> None:
    lines, _, _ = tried(Kept(a_test_record(), stage="gathered"))
    assert [line.outcome for line in lines] == ["ok", "wrong"]


@pytest.mark.parametrize(
    "decision",
    [
        Decision(kind="hold", would="delete_pod", reasons=()),
        Decision(kind="delete_pod", would="delete_pod", reasons=()),
    ],
    ids=["it would be deleted", "it is deleted"],
)
def test_a_test_that_was_not_held_is_an_alarm(decision: Decision) -> None:
    lines, _, _ = tried(Kept(a_test_record(decision=decision)))
    assert (lines[-1].outcome, "was not held" in lines[-1].detail) == ("wrong", True)
    assert "responder brake on" in lines[-1].mend


def test_a_store_that_the_doctor_may_not_read_leaves_it_unchecked() -> None:
    lines, _, _ = tried(Down(None))
    assert (lines[-1].outcome, lines[-1].check) == ("not_checked", "test.record")
    assert "the role reader" in lines[-1].mend


def test_without_a_notification_config_nothing_is_published() -> None:
    path = f"/v2/{PARENT}/locations/global/notificationConfigs"
    lines, _, published = tried(Kept(None), Planted(change={path: {"notificationConfigs": {"0": None}}}))
    assert published == []
    assert [(line.check, line.outcome) for line in lines] == [("test.publish", "not_checked")]


@pytest.mark.slow
def test_it_goes_through_pubsub_the_function_and_the_store_and_no_cluster_is_asked(tmp_path: Path) -> None:
    policy, store = tmp_path / "policy.toml", tmp_path / "records.db"
    policy.write_text(AUTO, encoding="utf-8")
    made = scenario(Planted())
    with serve(made) as running, delivery.broker() as (host, _):
        endpoints = running.endpoints.model_dump(mode="json") | {"pubsub": host}
        with (
            function(tmp_path, endpoints, store=store, environ={"RESPONDER_POLICY": str(policy)}) as served,
            delivery.topics(host, "responder-findings", push_to=served.url, backoff=(0.3, 1.0)),
        ):
            wiring.install(LabGoogle(endpoints | {"token": DOCTOR_TOKEN}), now=running.lab.now)
            read = settings.read({"RESPONDER_SCC_PARENT": PARENT, "RESPONDER_STORE": str(store)})
            case = wiring.doctor(read, (PROJECT,), ())
            lines = list(trial.run(case, replace(wiring.trial(read, 60.0), records=lambda: kept(store))))
    assert [(line.check, line.outcome) for line in lines] == [("test.publish", "ok"), ("test.record", "ok")]
    assert "held: SCC does not have it" in lines[1].detail
    assert running.lab.calls("kubernetes.*") == []
    assert running.lab.calls("gke.*") == []
    (line,) = kept(store).list(RecordQuery())
    assert line.verdict == "insufficient_data"  # of which nobody is told


def kept(store: Path) -> SqliteRecords:
    return SqliteRecords(str(store), now=lambda: datetime.now(UTC))


def test_even_one_that_scc_confirms_is_held_by_its_mark_under_a_policy_that_deletes(tmp_path: Path) -> None:
    sent = json.loads(trial.notification(PARENT, PROJECT, TOKEN, NOW))
    number = "//cloudresourcemanager.googleapis.com/projects/421458901689"
    sent["resource"]["gcpMetadata"] = {"project": number, "projectDisplayName": PROJECT}
    data = json.dumps(sent).encode()
    given = {
        "title": "SCC has the test",
        "event_time": NOW.isoformat(),
        "projects": [{"id": PROJECT, "number": "421458901689"}],
        "clusters": [
            {
                "name": "responder-test",
                "project": PROJECT,
                "location": "europe-west1",
                "pods": [{"name": f"responder-test-{TOKEN}", "namespace": "responder-test", "owner": "Deployment/x"}],
            }
        ],
    }
    policy = tmp_path / "policy.toml"
    policy.write_text(AUTO, encoding="utf-8")
    environ = {
        "RESPONDER_SCC_PARENT": PARENT,
        "RESPONDER_STORE": str(tmp_path / "records.db"),
        "RESPONDER_POLICY": str(policy),
    }
    with serve(Scenario.model_validate(given), sent) as running:
        wiring.install(LabGoogle(running.endpoints.model_dump(mode="json")), now=running.lab.now)
        world = wiring.world(settings.read(environ))
        delivered = Delivery(data=data, message_id="1", received=running.lab.now())
        finding = notification.read(data)
        assert finding is not None
        (record_id,) = pipeline.respond(world, finding, delivered)
        record = world.records.load(record_id)
    assert record is not None
    guards = {guard.name: guard.ok for guard in record.decision.guards}
    assert isinstance(record.evidence.scc, Found)
    assert (guards["mode-allows"], guards["finding-active"], guards["not-a-test"]) == (True, True, False)
    assert (record.decision.kind, record.decision.would) == ("hold", "hold")
