"""Step 7: the bytes of policy.toml -> Policy, or PolicyError with the line and the mend. Pure."""

from __future__ import annotations

import codecs
import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from responder.errors import PolicyError
from responder.policy.lines import Place, line_of, lines
from responder.policy.model import NOT_EXACT, Exemption, PerHour, Policy, ProjectPolicy, nearest

MOST_BYTES: Final = 1024 * 1024
_MOST_TOLD: Final = 400


def parse(data: bytes) -> Policy:
    """The bytes of a policy.toml. PolicyError, with line and mend, where anything in it is not exactly right."""
    text, table = _loaded(data)
    for ours in sorted({"sha256", "problem"} & set(table)):
        raise PolicyError(f"line {line_of(lines(text), (ours,))}: {ours} is not a key of this file: remove it")
    try:
        policy = Policy.model_validate(_frozen(table))
    except ValidationError as error:
        raise PolicyError(_problem(lines(text), error)) from None
    _only_once(text, policy)
    return policy.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})


def _loaded(data: bytes) -> tuple[str, dict[str, Any]]:
    """The text and what it says."""
    if len(data) > MOST_BYTES:
        raise PolicyError(f"the file has {len(data)} bytes; at most {MOST_BYTES} are read")
    if data.startswith(codecs.BOM_UTF8):
        raise PolicyError("line 1: the file begins with a byte order mark: save it as UTF-8 without one")
    try:
        text = data.decode("utf-8")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PolicyError(f"line {line}: not UTF-8: save the file as UTF-8") from None
    except RecursionError:
        raise PolicyError("no TOML of ours: lists within lists, deeper than any policy has them") from None
    except tomllib.TOMLDecodeError as error:
        where = _AT.search(str(error))
        line = int(where[1]) if where else text.count("\n") + 1
        raise PolicyError(f"line {line}: no TOML: {error}") from None


_AT: Final = re.compile(r"\(at line (\d+), column \d+\)$")


def _frozen(value: Any) -> Any:
    """Lists as tuples, since strict models take no list for one."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, dict) else value


def _only_once(text: str, policy: Policy) -> None:
    seen: dict[str, int] = {}
    for index, project in enumerate(policy.project):
        for key, value in (("id", project.id), ("number", project.number)):
            if value in seen:
                found = lines(text)
                line, first = (line_of(found, ("project", one, key)) for one in (index, seen[value]))
                message = f"line {line}: project {value} is named twice, first at line {first}: keep one of the two"
                raise PolicyError(message)
            seen[value] = index


# --- errors, in words -------------------------------------------------------------------------------------------------

_MENDS: Final[Mapping[str, str]] = {
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "string_type": 'write a text in quotes: "…"',
    "tuple_type": 'write a list: ["…"]',
    "model_type": "write a table with keys of its own",
    "model_attributes_type": "write a table with keys of its own",
}


def _problem(found: dict[Place, int], error: ValidationError) -> str:
    """The first mistake of the file, and how many more there are."""
    placed = [(line_of(found, each["loc"]), each) for each in error.errors(include_url=False)]
    line, first = min(placed, key=lambda one: one[0])
    where = ".".join(str(part) for part in first["loc"])
    told = f"line {line}: {where}: {_said(first)}"
    if first["type"] == "extra_forbidden":
        told = f"line {line}: {where} is not a key{nearest(str(first['loc'][-1]), _known(first['loc']))}"
    # What was given may be as long as the file, and what is told stands in every record.
    told = told if len(told) <= _MOST_TOLD else told[:_MOST_TOLD] + "…"
    return told + (f" (and {len(placed) - 1} more)" if len(placed) > 1 else "")


def _said(error: Any) -> str:
    kind, given = error["type"], error["input"]
    if kind in _MENDS:
        return _MENDS[kind]
    said = _SAID.get(kind)
    return said(given, error) if said else str(error["msg"])


def _range(given: Any, error: Any) -> str:
    return f"{given!r} is out of range: {error['msg'].removeprefix('Input should be ')}"


def _missing(_given: Any, error: Any) -> str:
    of_exemption = error["loc"][-1] == "why"
    return "add it: an exemption says why" if of_exemption else "add it: a project needs both its id and its number"


_SAID: Final[Mapping[str, Callable[[Any, Any], str]]] = {
    "value_error": lambda _, error: str(error["ctx"]["error"]),
    "missing": _missing,
    "literal_error": lambda given, error: f"{given!r} is none of {error['ctx']['expected']}",
    "greater_than_equal": _range,
    "less_than_equal": _range,
    "string_pattern_mismatch": lambda given, _: NOT_EXACT.format(given),
}


def _known(place: Place) -> frozenset[str]:
    """The keys that are known where the last one of `place` stands."""
    if "per_hour" in place:
        return frozenset(PerHour.model_fields)
    if "exemption" in place:
        return frozenset(Exemption.model_fields)
    return frozenset(ProjectPolicy.model_fields if len(place) > 1 else {"project"})
