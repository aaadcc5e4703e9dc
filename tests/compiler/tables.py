"""A table of command lines, each with everything that is to be understood of it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

from responder.compiler import Build, Mode, parse

Table = dict[str, Build]


def build(tool: str, mode: Mode, *, flags: frozenset[str] | set[str] = frozenset(), **fields: Any) -> Build:
    """What is expected; the shape is tested by itself."""
    return Build(tool=tool, mode=mode, flags=frozenset(flags), **fields)


def understood(line: str) -> Build:
    """What is understood of a line, without its shape."""
    return replace(parse(shlex.split(line)), shape="")
