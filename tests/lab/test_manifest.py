"""What is read of a generated package's manifest, on a small one of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.terraform.manifest import Manifest

DOCS = "https://registry.terraform.io/providers/hashicorp/google/8.7.0/docs/resources/pubsub_thing"


def prop(name: str, snake: str, type_: dict[str, Any], **more: Any) -> dict[str, Any]:
    docs = {"summary": more.pop("says", ""), "remarks": f"Docs: {{@link {DOCS}#{snake} Thing#{snake}}}"}
    return {"name": name, "type": type_, "docs": docs, **more}


TEXT, NUMBER = {"primitive": "string"}, {"primitive": "number"}
TYPES: dict[str, Any] = {
    "g.Thing": {
        "base": "cdktn.TerraformResource",
        "docs": {"summary": f"Represents a {{@link {DOCS} google_pubsub_thing}}."},
        "properties": [
            {"name": "tfResourceType", "static": True, "type": TEXT},
            {"name": "nameInput", "type": TEXT},
            {"name": "selfLink", "type": TEXT},
            {"name": "state", "type": {"fqn": "cdktn.StringMap"}},
        ],
    },
    "g.ThingConfig": {
        "properties": [
            prop("name", "name", TEXT),
            prop("mode", "mode", TEXT, optional=True, says='Which. Possible values: ["FAST", "SLOW"]'),
            prop("isOn", "is_on", {"union": {"types": [{"fqn": "cdktn.IResolvable"}, {"primitive": "boolean"}]}},
                 optional=True),
            prop("retryPolicy", "retry_policy", {"fqn": "g.ThingRetry"}, optional=True),
            prop("fields", "fields", {"union": {"types": [
                {"fqn": "cdktn.IResolvable"}, {"collection": {"elementtype": {"fqn": "g.ThingRetry"}, "kind": "array"}},
            ]}}),
        ],
    },
    "g.ThingRetry": {"datatype": True, "properties": [prop("maxCount2", "max_count2", NUMBER)]},
    "g.ThingRetryOutputReference": {
        "properties": [{"name": "internalValue", "type": TEXT}, {"name": "uri", "type": TEXT}],
    },
}  # fmt: skip


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    file = tmp_path / ".jsii"
    file.write_text(json.dumps({"types": TYPES}), encoding="utf-8")
    return Manifest.read(file)


def test_the_providers_version_is_that_of_the_documentation(manifest: Manifest) -> None:
    assert manifest.version == "8.7.0"


def test_a_resource_has_its_attributes_blocks_and_possible_values(manifest: Manifest) -> None:
    block = {
        "attributes": {"max_count2": ["number", "r", []], "uri": ["string", "c", []]},
        "blocks": {},
    }
    assert manifest.schemas({"google_pubsub_thing"})["resources"] == {
        "google_pubsub_thing": {
            "attributes": {
                "name": ["string", "r", []],
                "mode": ["string", "o", ["FAST", "SLOW"]],
                "is_on": ["bool", "o", []],
                "self_link": ["string", "c", []],
                "state": [["map", "string"], "c", []],
            },
            "blocks": {"retry_policy": ["list", 0, 1, block], "fields": ["list", 1, 0, block]},
        }
    }


def test_what_nobody_asked_for_is_left_out(manifest: Manifest) -> None:
    assert manifest.schemas({"google_other"})["resources"] == {}


def test_a_manifest_that_names_no_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / ".jsii"
    file.write_text(json.dumps({"types": {"g.Retry": TYPES["g.ThingRetryOutputReference"]}}), encoding="utf-8")
    with pytest.raises(ValueError, match="no version of the provider"):
        Manifest.read(file)
