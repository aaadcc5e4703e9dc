"""Each kind of mistake in deploy/terraform is found by the real core, and named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.environment import ROOT
from lab.terraform.core import Core

pytestmark = pytest.mark.slow

MISTAKES = {
    "an argument that is misspelt": (
        "findings.tf", "max_delivery_attempts", "max_delivery_attemps", 'Did you mean "max_delivery_attempts"?',
    ),
    "a block that is misspelt": ("findings.tf", "retry_policy {", "retry_polity {", 'Did you mean "retry_policy"?'),
    "an argument in the wrong block": (
        "functions.tf", '    ingress_settings                 = "ALLOW_INTERNAL_ONLY"\n', '    entry_point = "x"\n',
        'An argument named "entry_point" is not expected here',
    ),
    "a required argument that is missing": (
        "findings.tf", "  pubsub_topic = google_pubsub_topic.findings.id\n", "",
        'The argument "pubsub_topic" is required',
    ),
    "a required block that is missing": (
        "findings.tf", "  streaming_config {\n    filter = local.filter\n  }\n", "",
        'At least 1 "streaming_config" blocks',
    ),
    "a resource that is not there": (
        "findings.tf", "google_pubsub_topic.dead_letters.id", "google_pubsub_topic.dead_letter.id",
        "Reference to undeclared resource",
    ),
    "an attribute that a resource has not": (
        "functions.tf", "google_service_account.sweep.email", "google_service_account.sweep.mail",
        'This object has no argument, nested block, or exported attribute named "mail"',
    ),
    "a type of resource that the provider has not": (
        "findings.tf", 'resource "google_pubsub_topic" "findings"', 'resource "google_pubsub_topics" "findings"',
        "Invalid resource type",
    ),
    "a type of value that is wrong": (
        "findings.tf", "ack_deadline_seconds       = 600", 'ack_deadline_seconds = "long"', "a number is required",
    ),
    "a value that is not possible": (
        "functions.tf", '"ALLOW_INTERNAL_ONLY"', '"ALLOW_INTERNALLY"', "ingress_settings cannot be 'ALLOW_INTERNALLY'",
    ),
    "a variable that is not declared": (
        "main.tf", "var.labels", "var.lables", "Reference to undeclared input variable",
    ),
}  # fmt: skip


def test_the_module_has_none(core: Core, module: Path) -> None:
    assert core.run(module, "init", "-backend=false").code == 0
    ran = core.run(module, "validate", "-no-color")
    assert (ran.code, ran.said) == (0, "Success! The configuration is valid.\n\n")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_and_named(core: Core, module: Path, mistake: str) -> None:
    file, right, wrong, said = MISTAKES[mistake]
    text = (module / file).read_text(encoding="utf-8")
    assert right in text
    (module / file).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    core.run(module, "init", "-backend=false")
    ran = core.run(module, "validate", "-no-color")
    assert ran.code != 0
    assert said in " ".join(ran.said.split())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"parent": "organisations/1"}, "parent must be"),
        ({"name": "Responder"}, "name must be"),
        ({"parent": "folders/7"}, "organization_id is needed"),
        ({"with_act": "true"}, "with_act needs a policy_file"),
        ({"deadline_seconds": "600"}, "deadline_seconds must be"),
        ({"settings": '{"RESPONDER_STORE"="x"}'}, "none that this module sets"),
        ({"review_image": "gcr.io/acme/review:latest"}, "a tag can come to mean another image"),
        ({"reviewers": '["allUsers"]'}, "reviewers must be"),
        ({"examine_until": "tomorrow"}, "examine_until must be"),
        ({"examine_until": "2026-13-01T18:00:00Z"}, "examine_until must be"),
        ({"examine_until": '2026-12-01T18:00:00Z") || timestamp("2027-01-01T00:00:00Z'}, "examine_until must be"),
        ({"raw_retention_days": "0"}, "raw_retention_days must be"),
        ({"clusters": '[{project="p", location="l", name="a; rm -rf"}]'}, "they become part of commands"),
        ({"clusters": '[{project="acme-p", location="l", name="c", namespaces=["shop"]}]'}, "there is nobody to bind"),
    ],
)  # fmt: skip
def test_a_variable_that_makes_no_sense_is_refused(core: Core, module: Path, given: dict[str, str], said: str) -> None:
    right = {"project": "acme-sec", "region": "europe-west1", "parent": "organizations/1"}
    with pytest.raises(RuntimeError) as refused:
        core.planned(module, **(right | {"function_zip": "../../dist/functions.zip"} | given))
    assert said in " ".join(re.sub(r"[│╷╵\n]", " ", str(refused.value)).split())


def test_the_files_are_formatted_as_terraform_does(core: Core) -> None:
    assert core.run(ROOT / "deploy" / "terraform", "fmt", "-check", "-recursive", "-diff").said == ""


def test_every_variable_and_output_says_what_it_is(module: Path) -> None:
    for folder in (module, *(module / "examples").iterdir()):
        for file in folder.glob("*.tf"):
            text = file.read_text(encoding="utf-8")
            found = re.findall(r'^(?:variable|output) "\w+" \{\n((?:  .*\n|\n)*)', text, flags=re.MULTILINE)
            assert all("  description =" in body for body in found), file


def test_its_own_tests_pass(core: Core, module: Path) -> None:
    assert core.run(module, "init", "-backend=false").code == 0
    ran = core.run(module, "test", "-no-color")
    assert ran.code == 0, ran.said[-3000:]
    passed = re.search(r"Success! (\d+) passed, 0 failed", ran.said)
    assert passed
    assert int(passed[1]) >= 8
