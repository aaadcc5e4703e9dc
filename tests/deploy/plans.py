"""The examples' variables, and ways to look at a plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NUMBER = "123456789012"
EXAMPLES: dict[str, tuple[str, dict[str, str]]] = {
    "organization": ("example.tfvars", {"organization_id": NUMBER, "project": "acme-sec"}),
    "folder": ("example.tfvars", {"folder_id": "77", "organization_id": NUMBER, "project": "acme-sec"}),
    "project": ("example.tfvars", {"watched": "acme-shop-prod", "project": "acme-sec"}),
    "everything": ("everything.tfvars", {"organization_id": NUMBER, "project": "acme-sec"}),
}
"""Each example's file of variables, and those that are given beside it."""
ACTING = {"organization", "everything"}
"""Those that have `act`."""
EVERYTHING = f"""
review_image = "europe-west1-docker.pkg.dev/acme-sec/responder-review/review@sha256:{"0" * 64}"
reviewers    = ["group:soc@acme.example"]
review_roles = {{ viewers = ["@acme.example"], approvers = ["lead@acme.example"] }}
notices_file = "../../../notices.toml"
triage_file  = "../../../triage.toml"
kms_key      = "projects/acme-sec/locations/europe-west1/keyRings/r/cryptoKeys/k"
network      = {{ network = "default", subnetwork = "default" }}
"""
"""What the organization's example does not have."""


def folder(module: Path, example: str) -> Path:
    """The root of that example in a copy of the module; `everything` is the organization's with more in it."""
    if example != "everything":
        return module / "examples" / example
    root = module / "examples" / "organization"
    given = (root / "example.tfvars").read_text(encoding="utf-8")
    (root / "everything.tfvars").write_text(given + EVERYTHING, encoding="utf-8")
    return root


def options(example: str) -> list[str]:
    """What the example is planned and applied with."""
    file, given = EXAMPLES[example]
    return [f"-var-file={file}", *(f"-var={name}={value}" for name, value in given.items())]


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


def before(graph: str) -> dict[str, set[str]]:
    """All that comes before each resource, near and far, by what `terraform graph` says."""
    near: dict[str, set[str]] = {}
    for later, earlier in re.findall(r'"([^"]+)" -> "([^"]+)"', graph):
        near.setdefault(later, set()).add(earlier)

    def far(one: str) -> set[str]:
        return near.get(one, set()).union(*(far(earlier) for earlier in near.get(one, ())))

    return {one: far(one) for one in near}
