"""What the provider would refuse in its own code is not planned, and each rule of the table is one that can fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy import rules
from tests.deploy.plans import EXAMPLES, resources


def nested(path: str, value: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {first: [nested(rest, value)] if rest else value}


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_nothing_is_planned_that_the_provider_or_the_cloud_refuses(plans: dict[str, Any], example: str) -> None:
    found = [text for one in resources(plans[example]) for text in rules.broken(one["type"], one["values"])]
    assert found == []


@pytest.mark.slow
def test_each_rule_is_about_a_value_that_some_example_plans(plans: dict[str, Any]) -> None:
    ruled = {(kind, path) for kind, path, *_ in rules.MATCHES} | {(kind, path) for kind, path, *_ in rules.WITHIN}
    planned = {
        (kind, path)
        for plan in plans.values()
        for one in resources(plan)
        for kind, path in ruled
        if kind == one["type"] and list(rules._at(one["values"], path.rstrip("#")))
    }
    assert planned == ruled


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, path, *_ in rules.MATCHES])
def test_a_text_of_another_form_is_refused(kind: str, path: str) -> None:
    (said,) = rules.broken(kind, nested(path, "?"))
    assert said.startswith(f"{kind}.{path} is '?'")
    assert "https://" in said


@pytest.mark.parametrize(("kind", "path", "most"), [(kind, path, most) for kind, path, _, most, _ in rules.WITHIN])
def test_a_number_that_is_too_large_is_refused(kind: str, path: str, most: int) -> None:
    value = "x" * (most + 1) if path.endswith("#") else most + 1
    (said,) = rules.broken(kind, nested(path.rstrip("#"), value))
    assert said.startswith(f"{kind}.{path} is ")


@pytest.mark.parametrize(("kind", "one", "other"), [(kind, one, other) for kind, one, other, _ in rules.TOGETHER])
def test_two_arguments_that_exclude_each_other_are_refused(kind: str, one: str, other: str) -> None:
    above, _, first = one.rpartition(".")
    both = {first: ["x"], other.rpartition(".")[2]: ["y"]}
    (said,) = rules.broken(kind, nested(above, [both]) if above else both)
    assert "exclude each other" in said
