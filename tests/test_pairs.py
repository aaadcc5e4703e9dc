"""The same command line twice, as an attack and as a build: everything but the context is equal, and it decides.

Each pair runs through the pipeline over the lab. The context differs in what real attacks and builds differ in: who
opened a session, what else was found, what the logs say, what the workload is and for how long it has run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.google import LabGoogle
from lab.scenario import Scenario, load
from lab.server import serve
from responder import notification, pipeline, wiring
from responder.finding import Finding
from responder.plan import plan
from responder.ports import Delivery, RecordQuery
from responder.record import Record, Triage, Verdict
from responder.settings import Settings

FOLDER = Path(__file__).parents[1] / "lab" / "scenarios" / "pairs"
ATTACKS = sorted(FOLDER.glob("*-attack.yaml"))
NAMES = [file.stem.removesuffix("-attack") for file in ATTACKS]
THIN = {
    "dropped-rust": "a session with a decoded source is all that is known, and developers open sessions too",
    "uploaded-jsp": "requests in a log, and a child shell of medium severity: no product of the compiler was seen",
}
"""Attacks whose evidence from outside the command line is thin: `suspicious` is honest there, and why."""
WORDS = ("attack", "malicious", "benign", "hostile", "exploit")
"""Words that no name, label or annotation of a scenario may hold: the context is facts, not a hint."""


class Side(NamedTuple):
    """One scenario, its notification as read, and the record that the pipeline made of it."""

    scenario: Scenario
    finding: Finding
    record: Record


def file_of(name: str, side: str) -> Path:
    return FOLDER / f"{name}-{side}.yaml"


def finding_of(file: Path) -> Finding:
    finding = notification.read((FOLDER / load(file).notification).read_bytes())
    assert finding is not None
    return finding


def investigate(file: Path, folder: Path) -> Side:
    scenario = load(file)
    data = (FOLDER / scenario.notification).read_bytes()
    finding = finding_of(file)
    with serve(scenario, json.loads(data)) as running:
        wiring.install(LabGoogle(running.endpoints.model_dump(mode="json")), now=running.lab.now)
        world = wiring.world(Settings(scc_parent=scenario.scc_parent, store=str(folder / f"{file.stem}.db")))
        pipeline.respond(world, finding, Delivery(data=data, message_id="1", received=running.lab.now()))
        (line,) = world.records.list(RecordQuery())
        record = world.records.load(line.id)
        world.records.close()
    assert record is not None
    return Side(scenario, finding, record)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Side]:
    """Every record, made once: each costs a lab."""
    folder = tmp_path_factory.mktemp("pairs")
    return {file.stem: investigate(file, folder) for file in sorted(FOLDER.glob("*.yaml"))}


def labels_and_names(scenario: Scenario) -> Iterator[str]:
    """What the cluster would show of a scenario: every name, label, annotation and image."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield key
                yield from walk(item) if key != "files" else ()
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)
        elif isinstance(value, str):
            yield value

    for cluster in scenario.clusters:
        yield from walk(cluster.model_dump(mode="json", exclude_defaults=True))
    for project in scenario.projects:
        yield from walk(project.model_dump(mode="json", exclude_defaults=True))


# --- the files --------------------------------------------------------------------------------------------------------


def test_there_are_at_least_eight_pairs_and_no_scenario_without_its_twin() -> None:
    assert len(NAMES) >= 8
    assert {file.stem for file in FOLDER.glob("*.yaml")} == {
        f"{n}-{side}" for n in NAMES for side in ("attack", "build")
    }


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_have_the_same_command_line_and_the_same_binary(name: str) -> None:
    attack, build = finding_of(file_of(name, "attack")), finding_of(file_of(name, "build"))
    assert [p.args for p in attack.processes] == [p.args for p in build.processes]
    assert [p.binary for p in attack.processes] == [p.binary for p in build.processes]
    assert attack.processes[0].args
    assert attack.key != build.key


@pytest.mark.parametrize("side", ["attack", "build"])
@pytest.mark.parametrize("name", NAMES)
def test_no_name_or_label_gives_the_answer_away(name: str, side: str) -> None:
    text = " ".join(labels_and_names(load(file_of(name, side)))).lower()
    assert [word for word in WORDS if word in text] == []


def test_every_command_line_of_the_pairs_is_another() -> None:
    lines = {finding_of(file_of(name, "attack")).processes[0].args for name in NAMES}
    assert len(lines) == len(NAMES)


# --- the records ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["attack", "build"])
@pytest.mark.parametrize("name", NAMES)
def test_every_question_was_answered_and_the_pod_is_the_findings(name: str, side: str, made: dict[str, Side]) -> None:
    record = made[f"{name}-{side}"].record
    assert {field: gap.why for field, gap in record.evidence.missing().items() if gap.why != "not_asked"} == {}
    assert record.evidence.proof.status == "found"
    assert record.evidence.proof.value.verdict == "proven"
    assert record.owner.contacts


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_is_not_taken_for_a_build(name: str, made: dict[str, Side]) -> None:
    allowed: set[Verdict] = {"malicious", "suspicious"} if name in THIN else {"malicious"}
    triage = made[f"{name}-attack"].record.triage
    assert triage.verdict in allowed, (triage.score, triage.summary)


@pytest.mark.parametrize("name", NAMES)
def test_a_build_is_not_taken_for_an_attack(name: str, made: dict[str, Side]) -> None:
    triage = made[f"{name}-build"].record.triage
    assert triage.verdict == "benign", (triage.score, triage.summary)


# --- the plans of these records ---------------------------------------------------------------------------------------


def resolve(document: Any, pointer: str) -> Any:
    """What an RFC 6901 pointer points at; KeyError or IndexError where there is nothing."""
    for step in pointer.removeprefix("/").split("/"):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


VERDICTS: tuple[Verdict, ...] = ("malicious", "suspicious", "benign", "insufficient_data")


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("side", ["attack", "build"])
@pytest.mark.parametrize("name", NAMES)
def test_a_plan_points_at_what_is_in_its_record_and_uses_its_commands_alone(
    name: str, side: str, verdict: Verdict, made: dict[str, Side]
) -> None:
    record = made[f"{name}-{side}"].record
    (target,) = made[f"{name}-{side}"].finding.targets()
    steps = plan(
        Triage(verdict=verdict, summary="as told"), record.findings[0], target, record.evidence, record.commands,
        record.links, record.owner.contacts,
    )  # fmt: skip
    document = json.loads(record.model_dump_json())
    assert 3 <= len(steps) <= 6
    assert len({step.title for step in steps}) == len(steps)
    assert {step.command for step in steps} - {""} <= {command.text for command in record.commands}
    for step in steps:
        assert step.evidence
        assert [resolve(document, pointer) for pointer in step.evidence]
        assert step.source.startswith("https://")
