"""Step 1, read by an expert: what a compiler's command line builds from what, and what else it does. Pure.

Used by triage (is this an attack or a build), and by whoever copies the sources and products out of a container.
Nothing here judges; what is not understood is said in `Build.not_understood`. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from responder.compiler import drivers, golang, languages, linkers, rust, systems
from responder.compiler.build import MAX_ARGUMENTS, Build, Draft, Mode
from responder.compiler.shape import shape
from responder.compiler.wrappers import unwrap

__all__ = ["Build", "Mode", "parse"]

_FAMILIES: Final[dict[str, Callable[[Draft, list[str]], None]]] = {
    "driver": drivers.driver,
    "frontend": drivers.frontend,
    "linker": linkers.linker,
    "assembler": linkers.assembler,
    "nasm": linkers.nasm,
    "archiver": linkers.archiver,
    "binutil": linkers.binutil,
    "go": golang.go,
    "go tool": golang.tool,
    "rustc": rust.rustc,
    "javac": languages.javac,
    "java": languages.java,
    "subcommand": languages.subcommand,
    "other": languages.other,
    "make": systems.make,
    "cmake": systems.cmake,
    "ninja": systems.ninja,
    "cargo": rust.cargo,
    "node-gyp": systems.node_gyp,
    "system": systems.system,
}


def parse(argv: Sequence[str], *, exe: str = "") -> Build:
    """What `argv` does; `exe` is the binary's path, where it tells more than `argv[0]` (busybox, symlinks, children).

    Linear in the size of `argv`; never raises. `is_child` is True for what a compiler driver starts by itself (`cc1`,
    `collect2`, `as` and `ld` on temporary files of the driver, the tools of the go command by their own paths). Where
    a shell's text holds several commands the first compiler is read, and the others stand in `beside`.
    """
    words = list(argv[:MAX_ARGUMENTS])
    draft = Draft()
    if len(argv) > MAX_ARGUMENTS:
        draft.note(f"{len(argv) - MAX_ARGUMENTS} further arguments were not read")
    tool, arguments = unwrap(draft, words, exe)
    if tool.name:
        draft.tool = tool.name
        _FAMILIES[tool.family](draft, arguments)
    return draft.build(shape(argv if len(argv) <= MAX_ARGUMENTS else words))
