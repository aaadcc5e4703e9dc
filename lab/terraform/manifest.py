"""From the manifest of a generated package to the schema of a Terraform provider.

The manifest (jsii's `.jsii`, about 130 MB of JSON) has for each resource a class, whose properties are what can be read
of it, and an interface `…Config`, whose properties are what can be written. A property's documentation ends with a
link whose anchor is the name that Terraform knows, and says `… block.` where it is a nested block.

A schema here is plain JSON: `{"attributes": {name: [type, flags, values]}, "blocks": {name: [nesting, least, most,
schema]}}`; types are those of Terraform's wire format, flags are letters: r(equired), o(ptional), c(omputed), values
are those that the documentation calls possible, none where it names none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Schema = dict[str, dict[str, Any]]

_ANCHOR: Final = re.compile(r"/docs/(?:resources|data-sources)/(\w+)#(\w+) ")
_OF_THE_CLASS: Final = frozenset({"tfResourceType", "internalValue", "fqn"})
_SCALARS: Final = {"string": "string", "number": "number", "boolean": "bool", "any": "string"}
_COLLECTIONS: Final = {
    "StringMap": ["map", "string"], "NumberMap": ["map", "number"], "BooleanMap": ["map", "bool"],
    "AnyMap": ["map", "string"], "StringMapList": ["list", ["map", "string"]],
    "NumberMapList": ["list", ["map", "number"]],
}  # fmt: skip
"""What the generator's library has for maps that are read."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The types of the package by their full names."""

    types: Mapping[str, Any]
    version: str

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Reads the file; takes some seconds and a gigabyte."""
        content = json.loads(path.read_bytes())
        text = json.dumps(next(iter(content["types"].values()))) + json.dumps(content.get("readme", ""))
        version = re.search(r"hashicorp/google/(\d+\.\d+\.\d+)", text)
        if version is None:
            raise ValueError(f"{path} names no version of the provider")
        return cls(content["types"], version[1])

    def schemas(self, wanted: set[str]) -> dict[str, dict[str, Schema]]:
        """`{"resources": …, "data": …, "provider": …}`, of the wanted types those that the provider has."""
        found: dict[str, dict[str, Schema]] = {"resources": {}, "data": {}, "provider": {}}
        for name, kind in self.types.items():
            called = _constant(kind, "tfResourceType")
            if not called or f"{name}Config" not in self.types:
                continue
            base = kind.get("base", "")
            if base.endswith("TerraformProvider"):
                found["provider"][called] = self._schema(name, f"{name}Config")
            elif called in wanted:
                place = "data" if base.endswith("TerraformDataSource") else "resources"
                found[place][called] = self._schema(name, f"{name}Config")
        return found

    def _schema(self, read: str, written: str) -> Schema:
        schema: Schema = {"attributes": {}, "blocks": {}}
        for prop in self._properties(written):
            name = _terraform_name(prop)
            required = not prop.get("optional", False)
            block = self._block(prop)
            if block:
                nesting, inner = block
                most = 1 if nesting == "list1" else 0
                kind = "single" if name == "timeouts" else "list"
                schema["blocks"][name] = [kind, int(required), most, inner]
            else:
                flags = "r" if required else "oc" if name in {"id", "project"} else "o"
                schema["attributes"][name] = [self._type(prop["type"]), flags, _values(prop)]
        for prop in self._properties(read):
            name = _snake(prop["name"])
            if prop.get("static") or prop["name"] in _OF_THE_CLASS or prop["name"].endswith("Input"):
                continue
            if name not in schema["attributes"] and name not in schema["blocks"]:
                schema["attributes"][name] = [self._type(prop["type"]), "c", []]
        return schema

    def _properties(self, name: str) -> Iterator[Mapping[str, Any]]:
        yield from self.types.get(name, {}).get("properties", ())

    def _block(self, prop: Mapping[str, Any]) -> tuple[str, Schema] | None:
        """How it is nested and what is in it; None where it is an attribute."""
        type_ = prop["type"]
        if "fqn" in type_ and self._is_struct(type_["fqn"]):
            return "list1", self._schema(f"{type_['fqn']}OutputReference", type_["fqn"])
        for option in type_.get("union", {}).get("types", ()):
            element = option.get("collection", {}).get("elementtype", {}).get("fqn", "")
            if self._is_struct(element):
                return "list", self._schema(f"{element}OutputReference", element)
            if self._is_struct(option.get("fqn", "")):
                return "list1", self._schema(f"{option['fqn']}OutputReference", option["fqn"])
        return None

    def _is_struct(self, name: str) -> bool:
        return bool(self.types.get(name, {}).get("datatype"))

    def _type(self, type_: Mapping[str, Any]) -> Any:
        if "primitive" in type_:
            return _SCALARS[type_["primitive"]]
        if "collection" in type_:
            kind = "list" if type_["collection"]["kind"] == "array" else "map"
            return [kind, self._type(type_["collection"]["elementtype"])]
        if "union" in type_:
            options = type_["union"]["types"]
            return self._type(next(one for one in options if not one.get("fqn", "").endswith("IResolvable")))
        short = type_["fqn"].rpartition(".")[2]
        if short == "IResolvable":  # a boolean that is read
            return "bool"
        if short in _COLLECTIONS:
            return _COLLECTIONS[short]
        return ["list", ["object", self._object(type_["fqn"])]]

    def _object(self, name: str) -> dict[str, Any]:
        """What can be read of the elements of a list that nobody writes."""
        element = name.removesuffix("List") + "OutputReference" if name.endswith("List") else name
        return {
            _snake(prop["name"]): self._type(prop["type"])
            for prop in self._properties(element)
            if prop["name"] not in _OF_THE_CLASS and not prop.get("static") and not prop["name"].endswith("Input")
        }


def _constant(kind: Mapping[str, Any], name: str) -> str:
    """The name that Terraform knows, of a class that stands for a type of it."""
    for prop in kind.get("properties", ()):
        if prop["name"] == name and prop.get("static"):
            anchor = re.search(r"/(?:resources|data-sources)/(\w+)", json.dumps(kind.get("docs", {})))
            return f"google_{anchor[1]}" if anchor else "google"
    return ""


def _terraform_name(prop: Mapping[str, Any]) -> str:
    anchor = _ANCHOR.search(json.dumps(prop.get("docs", {})))
    return anchor[2] if anchor else _snake(prop["name"])


def _values(prop: Mapping[str, Any]) -> list[str]:
    docs = prop.get("docs", {})
    found = re.search(r'Possible values: \[("[^\]]*")\]', f"{docs.get('summary', '')} {docs.get('remarks', '')}")
    return re.findall(r'"([^"]*)"', found[1]) if found else []


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
