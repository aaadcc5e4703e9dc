"""`responder doctor`: what a person sees, what a program reads, and how it ends."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from responder import wiring
from responder.cli import app
from responder.doctor.examine import examine
from responder.doctor.ports import Case
from tests.doctor.sick import POLICY, Planted, case_of, scenario

BUCKET = "/storage/v1/b/acme-sec-evidence"
NO_RETENTION = Planted(change={BUCKET: {"retentionPolicy": None}})
BLIND = Planted(withheld=({"account": "engineer@acme.example", "permission": "storage.buckets.get"},))


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command in a deployment, its policy in a file; no database is opened."""
    (tmp_path / "policy.toml").write_text(POLICY, encoding="utf-8")
    built = wiring.doctor

    def without_a_database(*given: Any) -> Case:
        return replace(built(*given), store=lambda _: None, brakes=lambda _: ())

    def run(planted: Planted, *arguments: str) -> Any:
        monkeypatch.setenv("RESPONDER_SCC_PARENT", scenario(planted).scc_parent)
        monkeypatch.setenv("RESPONDER_POLICY", "policy.toml")
        monkeypatch.setattr(wiring, "doctor", without_a_database)
        monkeypatch.chdir(tmp_path)
        with case_of(planted):
            return CliRunner().invoke(app, ["doctor", "--namespace", "shop", *arguments])

    return run


def test_a_healthy_deployment_ends_in_0_and_the_policy_names_the_projects(ran: Any) -> None:
    done = ran(Planted())
    assert done.exit_code == 0, done.output
    assert "cluster.rbac  projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod" in done.output
    assert done.output.splitlines()[-1].endswith("0 advice, 0 wrong, 0 not checked")


def test_a_fault_ends_in_7_with_its_mend_below_it(ran: Any) -> None:
    done = ran(NO_RETENTION)
    assert done.exit_code == 7
    lines = done.output.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("WRONG"))
    assert "evidence.bucket  gs://acme-sec-evidence: objects may be deleted at once" in lines[at]
    assert lines[at + 1].strip().startswith("mend: gcloud storage buckets update gs://acme-sec-evidence")


def test_what_could_not_be_checked_ends_in_8(ran: Any) -> None:
    done = ran(BLIND)
    assert done.exit_code == 8
    assert "not checked  evidence.bucket  gs://acme-sec-evidence: denied" in done.output


def test_the_lines_are_one_json_object_each_and_nothing_else(ran: Any) -> None:
    done = ran(NO_RETENTION, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {tuple(line) for line in lines} == {("check", "about", "outcome", "detail", "mend")}
    assert [line["check"] for line in lines if line["outcome"] == "wrong"] == ["evidence.bucket"]


def test_no_control_character_of_an_answer_reaches_the_terminal(ran: Any) -> None:
    name = "projects/acme-sec/topics/responder-findings\x1b[2J\u202e"
    path = "/v2/organizations/123456789012/locations/global/notificationConfigs"
    done = ran(Planted(change={path: {"notificationConfigs": {"0": {"pubsubTopic": name}}}}))
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
    assert "not a name that Google Cloud would give" in done.output


@pytest.mark.parametrize("project", ["../x", "UPPER", "a"])
def test_a_project_that_can_be_none_is_wrong_usage(ran: Any, project: str) -> None:
    done = ran(Planted(), "--project", project)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is not a project id" in done.stderr


def test_the_doctor_asks_and_reads_and_does_nothing_else() -> None:
    with case_of(Planted()) as (case, lab):
        assert len(list(examine(case))) > 50
        asked = {(entry["call"], re.sub(r".*:", ":", entry.get("path", ""))) for entry in lab.journal}
    posted = {path for call, path in asked if call == "estate.POST"}
    assert posted == {":testIamPermissions", ":generateAccessToken", ":getIamPolicy"}
    others = {call for call, _ in asked} - {"estate.POST", "estate.GET"}
    assert others == {
        "resourcemanager.GetProject",
        "resourcemanager.GetIamPolicy",
        "gke.GetCluster",
        "scc.ListFindings",
        "kubernetes.create.selfsubjectaccessreviews",
    }
