"""Step 1, read by an expert: what no build of a kind does, whatever its tool's name. Pure.

A build's name excuses what the build needs: products in its own folders, objects, tests. It excuses no product that is
hidden, in memory, served by a web server, put straight into the system, or run by the shell that has just made it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from responder.triage.ancestry import NOBODY
from responder.triage.whereabouts import absolute, is_hidden, is_hidden_product, place

if TYPE_CHECKING:
    from responder.compiler import Build
    from responder.triage.builds import Look
    from responder.triage.families import Family

BAD_PLACES: Final = frozenset({"memory", "temporary", "web", "secret"})
_EVERYBODYS: Final = frozenset({"/tmp/", "/var/tmp/", "/dev/shm/", "/"})  # noqa: S108 - what is looked for
_PACKAGES: Final = ("/site-packages/", "/dist-packages/", "/node_modules/", "/gems/")
_C_DRIVERS: Final = frozenset({"gcc", "g++", "cc", "c++", "clang", "clang++", "tcc"})


def is_odd(family: Family, one: Look) -> bool:
    """Whether it does what no build of that kind does: it hides its product, or leaves a program elsewhere."""
    outputs = [absolute(path, one.exec.cwd) for path in one.build.outputs]
    if any(is_hidden_product(path) or _is_out_of_sight(family, path) for path in outputs):
        return True
    if any(_is_stray_text(absolute(path, one.exec.cwd)) for path in one.build.reads):
        return True
    if one.build.mode != "link" or not (one.build.sources or one.build.objects):
        return False
    if family.kind == "runner":
        # A language server asks compilers, and makes no programs.
        return family.key == "language_server" and one.build.tool in _C_DRIVERS
    return _is_stray(family, one, outputs)


def _is_stray(family: Family, one: Look, outputs: list[str]) -> bool:
    """Whether a program or library is left where that kind of build leaves none."""
    if one.build.sources and any(_is_installed_at_once(family, path) for path in outputs):
        return True
    if _is_tried_at_once(family, one):
        return True
    cwd = f"{one.exec.cwd.rstrip('/')}/" if one.exec.cwd else ""
    # A folder that is everybody's is nobody's own.
    own = (*family.marks, *family.places, *((cwd,) if cwd and cwd not in _EVERYBODYS else ()))
    strays = [path for path in outputs if place(path) in BAD_PLACES and not any(mark in path for mark in own)]
    is_static = "static" in one.build.flags and bool(one.build.sources)
    return bool(strays) or (is_static and any(place(path) in BAD_PLACES for path in outputs))


def _is_out_of_sight(family: Family, path: str) -> bool:
    """Whether a product goes to memory, or to where a web server would serve it."""
    where = place(path)
    if where == "memory":
        return family.kind != "just_in_time" or not any(mark in path for mark in family.marks)
    return where == "web" and family.kind != "driver"


def _is_installed_at_once(family: Family, path: str) -> bool:
    """Whether a product goes from its source into the system: builds leave that to `install`, after their tests."""
    if family.kind != "installer" and path.startswith("/usr/local/bin/"):
        return False  # where an image's own build leaves its program
    is_system = place(path) in {"system", "secret"} or (family.kind == "installer" and "/.local/bin/" in path)
    return is_system and not any(mark in path for mark in (*family.marks, *family.places, *_PACKAGES))


def _is_tried_at_once(family: Family, one: Look) -> bool:
    """Whether a package's shell makes a program in one step and runs it: what an installer is for ends before that."""
    nearest = one.ancestors[0] if one.ancestors else NOBODY
    return (
        family.kind == "installer"
        and bool(nearest.script)
        and one.build.mode == "link"
        and runs_product(one.build, nearest.script)
    )


def runs_product(build: Build, script: str) -> bool:
    """Whether the text of a shell runs what the compiler made."""
    products = build.outputs or ("a.out",)
    return any(re.search(rf"(?:&&|;|\|\||\n)\s*(?:\./)?{re.escape(path)}(?:\s|;|$|&)", script) for path in products)


def _is_stray_text(path: str) -> bool:
    """Whether text that is compiled along (`-include`) is hidden where anybody can write, or in memory."""
    where = place(path)
    return where == "memory" or (where == "temporary" and is_hidden(path))
