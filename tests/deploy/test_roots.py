"""The examples as they stand: they name nobody, let nothing act, and a person's calls have a project to count in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lab.environment import ROOT
from lab.terraform.core import Core
from responder.doctor import door, functions, waiting
from tests.deploy.plans import EXAMPLES, of, resources, texts

EXAMPLE = ROOT / "deploy" / "terraform" / "examples"
ROOTS = ("organization", "folder", "project")
MAIN = (ROOT / "deploy" / "terraform" / "main.tf").read_text(encoding="utf-8")


def test_the_roots_differ_in_what_is_watched_alone() -> None:
    first, *others = [(EXAMPLE / name / "responder.tf").read_text(encoding="utf-8") for name in ROOTS]
    assert others == [first, first]
    variables = set(re.findall(r'^variable "(\w+)"', first, flags=re.MULTILINE))
    of_module = set(re.findall(r"^  (\w+) += (?:var|local)\.\1$", first, flags=re.MULTILINE))
    assert variables == of_module - {"parent", "organization_id"}


@pytest.mark.slow
@pytest.mark.parametrize("example", ROOTS)
def test_with_what_the_page_says_alone_nobody_is_named_and_nothing_acts(core: Core, module: Path, example: str) -> None:
    given = EXAMPLES[example][1] | {"project": "my-sec"} | ({"watched": "my-shop"} if example == "project" else {})
    plan = core.planned(module / "examples" / example, **given)
    words = list(texts(plan["planned_values"]))
    assert [one for one in words if "acme" in one] == []
    assert [one for one in words if re.match(r"(?:user|group|domain):", one)] == []
    assert set(of(plan, "google_cloudfunctions2_function")) == {'this["respond"]', 'this["sweep"]'}
    assert not [
        one["address"] for one in resources(plan) if re.search(r"actor|evidence|reporter|hands", one["address"])
    ]


@pytest.mark.slow
def test_a_persons_calls_count_in_the_responders_project(plans: dict[str, Any]) -> None:
    for plan in plans.values():
        given = plan["configuration"]["provider_config"]["google"]["expressions"]
        assert given["user_project_override"] == {"constant_value": True}
        assert given["billing_project"]["references"] == ["var.project"]
    found = of(plans["organization"], "google_project_iam_member")
    counted = {one["member"]: one for name, one in found.items() if name.startswith("quota")}
    assert "user:engineer@acme.example" in counted
    for one in counted.values():
        assert (one["project"], one["role"]) == ("acme-sec", "roles/serviceusage.serviceUsageConsumer")


CLIENTS = {"securitycenter": "securitycenter", "container_v1": "container", "logging": "logging", "pubsub": "pubsub",
           "firestore": "firestore", "storage": "storage", "impersonated_credentials": "iamcredentials"}  # fmt: skip
"""Client libraries by what they are imported as, and the API that each calls."""


def called() -> set[str]:
    """The APIs that the code asks: by address, by the names of `deployment.py`, and by the client libraries."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("live", "stores")
        for path in sorted((ROOT / "responder" / package).glob("*.py"))
    )
    found = set(re.findall(r"(?:base_url|_get|_one|_list|ask)\((?:facts\.\w+, |\"[A-Z]+\", )?['\"]([a-z]+)['\"]", code))
    found |= set(re.findall(r"https://([a-z]+)\.googleapis\.com", code))
    found |= {api for name, api in CLIENTS.items() if re.search(rf"import .*\b{name}|from .*\b{name}", code)}
    return found - {
        "www",
        "chat",
        "openidconnect",
    }  # scopes, a channel's own address, a person's e-mail address: no API of ours


def test_each_api_that_the_code_calls_is_switched_on_and_examined() -> None:
    asked = called()
    assert asked >= {
        "compute",
        "iamcredentials",
        "securitycentermanagement",
        "secretmanager",
        "storage",
        "securitycenter",
    }
    on = set(re.findall(r'"([a-z]+)\.googleapis\.com"', MAIN))
    examined = {one.removesuffix(".googleapis.com") for one in (*functions.APIS, door.API, waiting.API)}
    assert asked - on == set()
    assert asked - examined == set()
    assert examined - on == set()
