"""A second plan is empty, other code changes the functions alone, and removal leaves what cannot be made again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lab.terraform.core import Core
from tests.deploy.plans import EXAMPLES, of

pytestmark = pytest.mark.slow
each_example = pytest.mark.parametrize("example", EXAMPLES)


@each_example
def test_a_second_plan_is_empty_and_other_code_changes_the_functions_alone(
    core: Core, module: Path, example: str
) -> None:
    folder = module / "examples" / example
    given = [f"-var={name}={value}" for name, value in EXAMPLES[example].items()]
    assert core.run(folder, "init", "-backend=false").code == 0
    ran = core.run(folder, "apply", "-auto-approve", "-no-color", *given)
    assert ran.code == 0, ran.said[-2000:]
    again = core.run(folder, "plan", "-detailed-exitcode", "-no-color", *given)
    assert again.code == 0, again.said[-2000:]
    (module.parents[1] / "dist" / "functions.zip").write_bytes(b"other functions")
    other = core.run(folder, "plan", "-detailed-exitcode", "-no-color", *given)
    assert other.code == 2
    changed = set(re.findall(r'# module\.responder\.(\w+\.\w+(?:\["\w+"\])?)\S* (?:will|must) be', other.said))
    names = ("respond", "sweep", "act") if example == "organization" else ("respond", "sweep")
    functions = {f'google_cloudfunctions2_function.this["{name}"]' for name in names}
    assert changed == {"google_storage_bucket_object.source"} | functions


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
    main = module / "examples" / "organization" / "main.tf"
    text = main.read_text(encoding="utf-8").replace("with_act ", "keep_data = false\n  with_act ")
    main.write_text(text, encoding="utf-8")
    asked = kept(core.planned(main.parent, **EXAMPLES["organization"]))
    free = ("DELETE", "DELETE_PROTECTION_DISABLED")
    assert asked == dict(zip(names, (free, free, ("DELETE", False)), strict=True))
