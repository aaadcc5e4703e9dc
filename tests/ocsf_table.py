"""What OCSF says of a Detection Finding: a table made from its schema, and the check of an event against it.

The table holds names, types, numbers and constraints of the objects that our events can have, as facts; none of the
schema's texts. It was made from release 1.8.0 of github.com/ocsf/ocsf-schema (Apache-2.0, © OCSF a Series of LF
Projects, LLC), compiled with ocsf-lib:

    python -m tests.ocsf_table FOLDER_OF_THE_SCHEMA > tests/samples/ocsf-detection-finding.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

TABLE: Final = Path(__file__).parent / "samples" / "ocsf-detection-finding.json"
_KEPT: Final = (
    "account",
    "analytic",
    "attack",
    "cloud",
    "container",
    "evidences",
    "feature",
    "file",
    "finding_info",
    "fingerprint",
    "image",
    "metadata",
    "observable",
    "process",
    "product",
    "related_event",
    "remediation",
    "resource_details",
    "tactic",
    "technique",
    "user",
)
_NUMBERS: Final = ("integer_t", "long_t", "timestamp_t")


def table(folder: Path) -> dict[str, Any]:
    """The table of a checkout of the schema."""
    from ocsf.compile import Compilation, CompilationOptions  # noqa: PLC0415 - only where the table is made
    from ocsf.repository import read_repo  # noqa: PLC0415 - the same

    schema = Compilation(read_repo(str(folder)), CompilationOptions()).build()
    event = schema.classes["detection_finding"]
    # ocsf-lib overlooks `"profile": null`, which takes an attribute out of the profile that it came in with.
    ungated = {
        name
        for file in ("finding", "detection_finding")
        for name, one in json.loads((folder / "events/findings" / f"{file}.json").read_text())["attributes"].items()
        if isinstance(one, Mapping) and "profile" in one and one["profile"] is None
    }
    kinds = json.loads((folder / "dictionary.json").read_text())["types"]["attributes"]
    return {
        "version": schema.version,
        "types": {name: {key: kind[key] for key in ("type", "regex") if key in kind} for name, kind in kinds.items()},
        "class": _told(event, ungated),
        "objects": {name: _told(schema.objects[name], set()) for name in _KEPT},
    }


def _told(thing: Any, ungated: set[str]) -> dict[str, Any]:
    attributes = {}
    for name, one in thing.attributes.items():
        told = {
            "type": one.object_type or one.type,
            "array": bool(one.is_array),
            "required": one.requirement == "required",
            "profile": None if name in ungated else one.profile,
            "enum": {key: value.caption for key, value in one.enum.items()} if one.enum else None,
            "deprecated": one.deprecated is not None,
        }
        attributes[name] = {key: value for key, value in told.items() if value}
    return {"attributes": attributes, "constraints": thing.constraints or {}}


def problems(event: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event: one line each, with the path of the attribute."""
    return list(_object("", event, known["class"], known, set(event.get("metadata", {}).get("profiles", ()))))


def _object(
    at: str, value: Mapping[str, Any], thing: Mapping[str, Any], known: Mapping[str, Any], profiles: set[str]
) -> Iterator[str]:
    attributes = thing["attributes"]
    for name, inner in value.items():
        path, one = f"{at}.{name}".lstrip("."), attributes.get(name)
        if one is None:
            yield f"{path} is not known"
        else:
            yield from _attribute(path, inner, one, known, profiles)
            yield from _caption(path, name, value, attributes)
    for name, one in attributes.items():
        asked = not one.get("profile") or one["profile"] in profiles
        if one.get("required") and asked and name not in value:
            yield f"{at}.{name} is required"
    for rule, names in thing["constraints"].items():
        count = sum(name in value for name in names)
        if (rule == "at_least_one" and not count) or (rule == "just_one" and count != 1):
            yield f"{at} has {count} of {names}"


def _attribute(
    path: str, value: Any, one: Mapping[str, Any], known: Mapping[str, Any], profiles: set[str]
) -> Iterator[str]:
    if one.get("profile", "") and one["profile"] not in profiles:
        yield f"{path} needs the profile {one['profile']}"
    if one.get("deprecated"):
        yield f"{path} is deprecated"
    if bool(one.get("array")) is not isinstance(value, list):
        yield f"{path} is {'no list' if one.get('array') else 'a list'}"
        return
    for n, single in enumerate(value if isinstance(value, list) else [value]):
        yield from _value(f"{path}[{n}]" if isinstance(value, list) else path, single, one, known, profiles)


def _value(
    path: str, value: Any, one: Mapping[str, Any], known: Mapping[str, Any], profiles: set[str]
) -> Iterator[str]:
    kind = one["type"]
    if kind in known["objects"]:
        if isinstance(value, Mapping):
            yield from _object(path, value, known["objects"][kind], known, profiles)
        else:
            yield f"{path} is no {kind}"
        return
    if kind not in known["types"]:
        if kind != "object":
            yield f"{path} is a {kind}, which is not in the table"
        return
    told = known["types"][kind]
    base = told.get("type", kind)
    right = isinstance(value, int) and not isinstance(value, bool) if base in _NUMBERS else True
    right = isinstance(value, str) if base == "string_t" else right
    if not right:
        yield f"{path} is no {kind}"
    elif "regex" in told and not re.search(told["regex"], str(value)):
        yield f"{path} is no {kind}: {value!r}"
    if one.get("enum") and str(value) not in one["enum"]:
        yield f"{path} may not be {value!r}"


def _caption(path: str, name: str, value: Mapping[str, Any], attributes: Mapping[str, Any]) -> Iterator[str]:
    """An enumerated number and the text beside it say the same."""
    enum = attributes[name].get("enum")
    beside = name.removesuffix("_id") if name.endswith("_id") else name.removesuffix("_uid") + "_name"
    if name == "activity_id":
        beside = "activity_name"
    if not enum or beside not in value or str(value[name]) not in enum:
        return
    if enum[str(value[name])] != value[beside]:
        yield f"{path} is {enum[str(value[name])]!r} and {beside} says {value[beside]!r}"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(table(Path(sys.argv[1])), indent=1, sort_keys=True) + "\n")
