"""The examples' variables, and ways to look at a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

EXAMPLES = {
    "organization": {"organization_id": "123456789012", "project": "acme-sec"},
    "folder": {"folder_id": "77", "organization_id": "123456789012", "project": "acme-sec"},
    "project": {"watched": "acme-shop-prod", "project": "acme-sec"},
}


def resources(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every resource that is planned, of the module too."""

    def below(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from module.get("resources", ())
        for child in module.get("child_modules", ()):
            yield from below(child)

    for found in below(plan["planned_values"]["root_module"]):
        if found["mode"] == "managed":
            yield found


def of(plan: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The planned values of one type by the address within the module, without `google_…`."""
    return {
        one["address"].removeprefix("module.responder.").removeprefix(f"{kind}."): one["values"]
        for one in resources(plan)
        if one["type"] == kind
    }


def texts(value: Any) -> Iterator[str]:
    """Every text in a plan."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
