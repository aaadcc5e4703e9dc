"""A second plan is empty, other code changes the functions alone, and removal leaves what cannot be made again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lab.terraform.core import Core
from tests.deploy.plans import ACTING, EXAMPLES, folder, of, options

pytestmark = pytest.mark.slow
each_example = pytest.mark.parametrize("example", EXAMPLES)


@each_example
def test_a_second_plan_is_empty_and_other_code_changes_the_functions_alone(
    core: Core, module: Path, example: str
) -> None:
    root, given = folder(module, example), options(example)
    assert core.run(root, "init", "-backend=false").code == 0
    ran = core.run(root, "apply", "-auto-approve", "-no-color", *given)
    assert ran.code == 0, ran.said[-2000:]
    again = core.run(root, "plan", "-detailed-exitcode", "-no-color", *given)
    assert again.code == 0, again.said[-2000:]
    (module.parents[1] / "dist" / "functions.zip").write_bytes(b"other functions")
    other = core.run(root, "plan", "-detailed-exitcode", "-no-color", *given)
    assert other.code == 2
    changed = set(re.findall(r'# module\.responder\.(\w+\.\w+(?:\["\w+"\])?)\S* (?:will|must) be', other.said))
    names = ("respond", "sweep", "act") if example in ACTING else ("respond", "sweep")
    functions = {f'google_cloudfunctions2_function.this["{name}"]' for name in names}
    assert changed == {"google_storage_bucket_object.source"} | functions


def test_another_policy_is_there_before_the_one_that_it_replaces_is_destroyed(core: Core, module: Path) -> None:
    root, given = folder(module, "organization"), options("organization")
    assert core.run(root, "init", "-backend=false").code == 0
    assert core.run(root, "apply", "-auto-approve", "-no-color", *given).code == 0
    policy = root / "policy.toml"
    policy.write_text(policy.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    version = 'module.responder.google_secret_manager_secret_version.files["policy"]'
    # A version cannot be changed: the provider replaces it. That is in its code, which is not here.
    plan = core.planned(root, *given, f"-replace={version}")
    actions = {one["address"]: one["change"]["actions"] for one in plan["resource_changes"]}
    assert {at: done for at, done in actions.items() if done != ["no-op"]} == {version: ["create", "delete"]}


def test_removal_leaves_records_actions_and_evidence_unless_it_is_asked_for(
    plans: dict[str, Any], core: Core, module: Path
) -> None:
    def kept(plan: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        databases = of(plan, "google_firestore_database").items()
        found = {name: (one["deletion_policy"], one["delete_protection_state"]) for name, one in databases}
        buckets = of(plan, "google_storage_bucket").items()
        return found | {
            name: (one["deletion_policy"], one["force_destroy"]) for name, one in buckets if "evidence" in name
        }

    names = ("records", "actions[0]", "evidence[0]")
    protected = ("ABANDON", "DELETE_PROTECTION_ENABLED")
    assert kept(plans["organization"]) == dict(zip(names, (protected, protected, ("ABANDON", False)), strict=True))
    root = folder(module, "organization")
    asked = kept(core.planned(root, *options("organization"), keep_data="false"))
    free = ("DELETE", "DELETE_PROTECTION_DISABLED")
    assert asked == dict(zip(names, (free, free, ("DELETE", False)), strict=True))
