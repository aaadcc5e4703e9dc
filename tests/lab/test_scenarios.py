"""The scenarios that ship: each is valid, and the product's record of it tells its story."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from lab import schema
from lab.google import LabGoogle
from lab.scenario import Scenario, load
from lab.server import serve
from responder import notification, pipeline, wiring
from responder.finding import Finding
from responder.ports import Delivery, RecordQuery
from responder.record import Record
from responder.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "lab" / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
README = (ROOT / "lab" / "README.md").read_text(encoding="utf-8")
SAMPLE = ROOT / "tests" / "samples" / "CONSTRUCTED_ctd_v2_notification.json"
MINIMAL = {
    "title": "nothing but a finding",
    "event_time": "2026-11-20T09:41:07Z",
    "projects": [{"id": "acme-shop-prod", "number": "421458901689"}],
}


CLUSTER = {"name": "shop-prod", "project": "acme-shop-prod", "location": "europe-west1-b"}


def finding_of(data: bytes) -> Finding:
    finding = notification.read(data)
    assert finding is not None
    return finding


def notification_of(file: Path) -> bytes:
    return (file.parent / load(file).notification).read_bytes()


def investigate(scenario: Scenario, data: bytes, folder: Path, *, later: timedelta = timedelta()) -> Record:
    """The record that the product makes of a scenario, over the real clients."""
    with serve(scenario, json.loads(data)) as running:
        running.lab.advance(later)
        wiring.install(LabGoogle(running.endpoints.model_dump(mode="json")), now=running.lab.now)
        world = wiring.world(Settings(scc_parent=scenario.scc_parent, store=str(folder / "records.db")))
        delivery = Delivery(data=data, message_id="1", received=running.lab.now())
        pipeline.respond(world, finding_of(data), delivery)
        (line,) = world.records.list(RecordQuery())
        record = world.records.load(line.id)
        world.records.close()
    assert record is not None
    return record


# --- the files --------------------------------------------------------------------------------------------------------


def test_the_schema_file_is_what_the_models_say() -> None:
    assert schema.main(["--check"]) == 0


def test_a_schema_file_that_is_behind_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    assert schema.main(["--check", "--path", str(tmp_path / "old.json")]) == 1


def test_there_are_as_many_scenarios_as_the_readme_lists() -> None:
    listed = re.findall(r"\(scenarios/([a-z-]+)\.yaml\)", README)
    assert listed
    assert sorted(listed) == [file.stem for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scenario_is_valid_and_its_notification_is_our_finding(file: Path) -> None:
    scenario = load(file)
    finding = finding_of(notification_of(file))
    assert scenario.description
    assert finding.problems == ()
    assert finding.event_time == scenario.event_time
    assert {p.id for p in scenario.projects} >= {finding.project_id}
    assert finding.cluster is not None
    assert {(c.location, c.name) for c in scenario.clusters} == {(finding.cluster.location, finding.cluster.name)}
    written = json.loads(scenario.model_dump_json(exclude_defaults=True))
    jsonschema.validate(written, schema.schema())


def test_every_scenario_has_a_finding_of_its_own_and_every_shape_is_there() -> None:
    findings = [finding_of(notification_of(file)) for file in FILES]
    assert len({finding.key for finding in findings}) == len(FILES)
    assert {finding.shape for finding in findings} == {"v2", "v1", "console", "nested", "v2_with_v1"}


def test_the_demo_is_made_for_the_sample_notification() -> None:
    assert notification_of(FOLDER / "attack-web-pod.yaml") == SAMPLE.read_bytes()


def test_the_readme_names_every_key_and_every_fault() -> None:
    told = set(re.findall(r"`([a-z_0-9]+)`", README))
    kinds = set(schema.schema()["$defs"]["ScenarioFault"]["properties"]["kind"]["enum"])
    keys = {name for part in schema.schema()["$defs"].values() for name in part["properties"]}
    assert (kinds | keys | set(Scenario.model_fields)) - told == set()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"clustres": []}, "clustres"),
        ({"now": "soon"}, "now"),
        ({"now": "2026-11-20T09:41:07"}, "now"),
        ({"event_time": "2026-11-20T09:41:07"}, "event_time"),
        ({"faults": [{"call": "gke.*", "kind": "explode"}]}, "faults.0.kind"),
        ({"logs": [{"time": "-8m58s", "node": "n"}]}, "logs.0.time"),
        ({"logs": [{"time": "-8m", "text": "of what?"}]}, "logs.0"),
        ({"clusters": [CLUSTER | {"pods": [{"name": "a", "owner": "checkout"}]}]}, "clusters.0"),
        ({"clusters": [CLUSTER | {"pods": [{"name": "a", "owner": "Rollout/checkout"}]}]}, "clusters.0"),
        ({"clusters": [CLUSTER | {"workloads": [{"name": "a", "kind": "Rollout"}]}]}, "clusters.0"),
    ],
)
def test_a_mistake_is_refused_with_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Scenario.model_validate(MINIMAL | changes)
    assert [".".join(str(step) for step in error["loc"]) for error in raised.value.errors()] == [place]


@pytest.mark.parametrize(
    ("log", "text"),
    [
        ({"node": "unknown"}, "logs.0: there is no node 'unknown'"),
        ({"pod": "a/b"}, "logs.0: there is no cluster"),
        ({"pod": "a/b", "cluster": "shop"}, "logs.0: there is no cluster 'shop'"),
    ],
)
def test_a_log_of_something_that_is_not_there_is_refused(log: dict[str, str], text: str, tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(json.dumps(MINIMAL | {"logs": [{"time": "-8m"} | log]}), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(text)):
        load(file)


def test_words_that_yaml_would_turn_into_something_else_stay_words(tmp_path: Path) -> None:
    text = """\
        title: 2026
        event_time: 2026-11-20T09:41:07Z
        now: 2026-11-20T09:42:07Z
        projects: [{id: acme-shop-prod, number: 421458901689}]
        logs: [{time: -1m, audit: pods.delete, on: shop/web}]
        clusters: [{name: a, project: b, location: c, autopilot: true}]
        """
    (tmp_path / "scenario.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
    scenario = load(tmp_path / "scenario.yaml")
    assert (scenario.title, scenario.projects[0].number, scenario.logs[0].on) == ("2026", "421458901689", "shop/web")
    assert scenario.at(scenario.now) - scenario.event_time == timedelta(minutes=1)
    assert scenario.clusters[0].autopilot is True


# --- the stories ------------------------------------------------------------------------------------------------------


def answer(record: Record, name: str) -> Any:
    """The value that was found; fails where the answer is missing."""
    found = getattr(record.evidence, name)
    assert found.status == "found", (name, found)
    return found.value


def why(record: Record, *names: str) -> list[str]:
    return [getattr(record.evidence, name).why for name in names]


def chain(record: Record) -> list[str]:
    return [f"{link.kind}/{link.name}" for link in answer(record, "owners").links]


def related(record: Record) -> set[str]:
    return {f"{finding.category} @{finding.closeness}" for finding in answer(record, "related").findings}


def attack_web_pod(record: Record) -> None:
    assert answer(record, "proof").verdict == "proven"
    assert chain(record) == ["ReplicaSet/checkout-7d9f8c5b4", "Deployment/checkout"]
    assert {"Reverse Shell @container", "Added Binary Executed @container"} <= related(record)
    (session,) = answer(record, "audit_log").entries
    assert (session.session, session.principal, session.caller_ip) == ("exec", "j.doe@acme.example", "203.0.113.66")
    assert any("/uploads/r.php" in entry.text for entry in answer(record, "pod_log").entries)
    assert any("serialconsole" in entry.log_name for entry in answer(record, "node_log").entries)
    contacts = {contact.value for contact in record.owner.contacts}
    assert {"checkout-team@acme.example", "soc@acme.example", "shop-lead@acme.example"} <= contacts
    assert {event.reason for event in answer(record, "pod_events")} == {"Unhealthy"}
    assert {name for name, missing in record.evidence.missing().items() if missing.why != "not_asked"} == set()
    text = record.model_dump_json()
    assert not [canary for canary in ("hunter2-redact-me", "canary-log-token-4b1f") if canary in text]


def benign_twin(record: Record) -> None:
    assert answer(record, "proof").verdict == "proven"
    assert answer(record, "audit_log").entries == ()
    assert {found.category for found in answer(record, "related").findings} == {
        "Defense Evasion: Launch Code Compiler Tool In Container"
    }
    assert answer(record, "namespace").labels["purpose"] == "code-execution"


def ci_build(record: Record) -> None:
    assert chain(record) == ["TaskRun/payments-build-x7f2m-compile", "PipelineRun/payments-build-x7f2m"]
    assert answer(record, "proof").verdict == "proven"


def bare_pod(record: Record) -> None:
    assert answer(record, "owners").links == ()
    assert [entry.session for entry in answer(record, "audit_log").entries] == [None, "exec"]
    assert answer(record, "pod").containers[0].privileged


def statefulset_replaced(record: Record) -> None:
    assert answer(record, "proof").verdict == "replaced"
    assert answer(record, "pod").uid == "7e6d5c4b-3a29-4817-8f06-e5d4c3b2a190"
    assert answer(record, "deletion").principal == "sre-oncall@acme.example"


def pod_gone(record: Record) -> None:
    assert why(record, "pod") == ["not_found"]
    assert chain(record) == ["ReplicaSet/thumbnailer-5b6f9c7c8", "Deployment/thumbnailer"]
    assert answer(record, "deletion").principal == "mallory@acme.example"
    assert len(answer(record, "pod_log").entries) == 2


def node_gone(record: Record) -> None:
    assert why(record, "node", "pod") == ["not_found", "not_found"]
    assert chain(record)[-1] == "Deployment/scorer"
    assert answer(record, "cluster").location_type == "region"


def no_pod(record: Record) -> None:
    assert why(record, "pod", "owners", "audit_log") == ["not_asked"] * 3
    assert answer(record, "node").instance_id == "3344556677889900112"
    assert len(answer(record, "node_log").entries) == 2


def private_cluster(record: Record) -> None:
    assert why(record, "pod", "namespace") == ["unavailable", "unavailable"]
    node = answer(record, "node")
    assert (node.known_by, node.instance_id) == ("compute", "7788990011223344556")
    assert len(answer(record, "node_log").entries) == 1


def denied(record: Record) -> None:
    answer(record, "scc")
    names = ("cluster", "pod_log", "audit_log", "project", "essential_contacts", "project_owners")
    assert set(why(record, *names)) == {"denied"}
    assert all(getattr(record.evidence, name).mend for name in names)


def logs_quota(record: Record) -> None:
    assert why(record, "pod_log", "audit_log", "node_log") == ["quota"] * 3
    assert answer(record, "proof").verdict == "proven"


def distroless_autopilot(record: Record) -> None:
    cluster = answer(record, "cluster")
    assert (cluster.autopilot, cluster.location_type, cluster.endpoint.kind) == (True, "region", "dns")
    assert chain(record) == ["ReplicaSet/authorizer-7c5ddbdf54", "Rollout/authorizer"]


def later_shell(record: Record) -> None:
    assert related(record) == set()


STORIES: dict[str, Callable[[Record], None]] = {
    "attack-web-pod": attack_web_pod,
    "benign-twin": benign_twin,
    "ci-build": ci_build,
    "bare-pod": bare_pod,
    "statefulset-replaced": statefulset_replaced,
    "pod-gone": pod_gone,
    "node-gone": node_gone,
    "no-pod": no_pod,
    "private-cluster": private_cluster,
    "denied": denied,
    "logs-quota": logs_quota,
    "distroless-autopilot": distroless_autopilot,
    "later-shell": later_shell,
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_record_tells_the_story_of_its_scenario(file: Path, tmp_path: Path) -> None:
    record = investigate(load(file), notification_of(file), tmp_path)
    assert [step.n for step in record.steps] == [1, 2, 3, 4, 5, 6, 7]
    STORIES[file.stem](record)


def test_five_minutes_later_the_shell_is_there(tmp_path: Path) -> None:
    file = FOLDER / "later-shell.yaml"
    record = investigate(load(file), notification_of(file), tmp_path, later=timedelta(minutes=6))
    assert related(record) == {"Reverse Shell @container"}


def test_a_scenario_of_three_keys_gives_a_record_with_its_gaps(tmp_path: Path) -> None:
    record = investigate(Scenario.model_validate(MINIMAL), SAMPLE.read_bytes(), tmp_path)
    answer(record, "scc")
    assert answer(record, "project").number == "421458901689"
    assert why(record, "cluster") == ["not_found"]


def test_the_scenario_of_the_readme_works_as_written(tmp_path: Path) -> None:
    minimal, more = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "scenario.yaml").write_text(minimal + more, encoding="utf-8")
    assert set(yaml.safe_load(minimal)) == set(MINIMAL)
    record = investigate(load(tmp_path / "scenario.yaml"), SAMPLE.read_bytes(), tmp_path)
    assert chain(record) == ["ReplicaSet/checkout-7d9f8c5b4", "Deployment/checkout"]
    assert why(record, "pod_log") == ["quota"]
