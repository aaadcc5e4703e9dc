"""One finding in each of the five JSON shapes, made of the samples."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "samples"
SHAPES = ("v2", "v1", "console", "v2_with_v1", "nested")

V2 = "CONSTRUCTED_ctd_v2_notification.json"
_FILES = {"v1": "CONSTRUCTED_ctd_v1_notification.json", "console": "CONSTRUCTED_ctd_console_json_tab.json"}


def sample(name: str) -> dict[str, Any]:
    """A sample file, parsed."""
    document: dict[str, Any] = json.loads((SAMPLES / name).read_bytes())
    return document


def shaped(shape: str) -> dict[str, Any]:
    """The finding of the samples in that shape; a fresh document each time."""
    if shape in _FILES:
        return sample(_FILES[shape])
    document = sample(V2)
    if shape == "v2_with_v1":
        metadata = document["resource"]["gcpMetadata"]
        document["resource"] |= {
            "project": metadata["project"],
            "projectName": metadata["project"],
            "projectDisplayName": metadata["projectDisplayName"],
        }
    if shape == "nested":
        document = {"finding": sample(_FILES["v1"])["finding"]}
        del document["finding"]["resourceName"]
        document["finding"]["resource"] = sample(_FILES["console"])["resource"]
    return document


def finding_part(document: dict[str, Any]) -> dict[str, Any]:
    """The finding inside a document of any shape, to be changed."""
    part: dict[str, Any] = document["findings"] if "findings" in document else document["finding"]
    return part


def properties_part(document: dict[str, Any]) -> dict[str, Any]:
    """Its `sourceProperties`, wherever the shape has them."""
    part: dict[str, Any] = document.get("sourceProperties") or finding_part(document)["sourceProperties"]
    return part


def encoded(document: Any) -> bytes:
    """The bytes that Pub/Sub would carry."""
    return json.dumps(document).encode()


def changed(shape: str = "v2", /, **fields: Any) -> dict[str, Any]:
    """The finding in that shape with other values in its own fields; None takes one away."""
    document = copy.deepcopy(shaped(shape))
    part = finding_part(document)
    for name, value in fields.items():
        if value is None:
            part.pop(name, None)
        else:
            part[name] = value
    return document
