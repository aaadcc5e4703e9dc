"""Step 1, read by an expert: builds that are known by name, told from their imitations. Pure.

Recognising what is ordinary is worth more than suspecting what looks strange: on measured corpora the usual signs of an
attack stand in builds as often (`docs/triage.md`), and the traces of build tools stand in no attack. They can be
forged, though, so that a build is believed only where a second source agrees: the tool is among the parents, or the
working directory is the tool's own, and the place is one where such a build belongs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from responder import compiler
from responder.compiler import Build
from responder.triage.ancestry import NOBODY, Ancestor, is_shell, read, tool_of
from responder.triage.case import Exec
from responder.triage.families import BY_KEY, FAMILIES, Family
from responder.triage.oddities import BAD_PLACES, is_odd
from responder.triage.titles import title
from responder.triage.whereabouts import absolute, is_hidden, place, several

MAX_WORDS: Final = 1000
MAX_FILES: Final = 1000
"""Sources, or products, of one command line that are looked at: the first and the last of them."""
MAX_TEXT: Final = 4000
"""Characters of a command line in which marks are looked for."""

KERNEL_MODULE: Final = re.compile(
    r"/lib/modules/\S+/build|\bM=/|\bSUBDIRS=/|/linux-headers-|/usr/src/kernels/|-D__KERNEL__.*-DMODULE|-DMODULE\b.*KBUILD|KBUILD_\w+="
)
"""kbuild at work, by its documented command line (Documentation/kbuild/modules) or its compiler flags."""
_SYSTEMS: Final = frozenset({"build", "install", "run"})
_SOURCES: Final = (".go", ".rs", ".c", ".cc", ".cpp", ".java", ".nim", ".zig", ".d", ".swift", ".cs", ".fs")
_GENERIC: Final = several(
    "CMakeFiles CMakeScratch CMakeTmp cmTC_ meson-private target/release target/debug .libs .deps objs"
)
PLAIN: Final = frozenset({"make", "autoconf", "cmake", "meson", "libtool"})
"""Build systems that anybody's two-line file drives: the tool's name tells nothing of what it builds."""
_ENGINES: Final = frozenset({"just_in_time", "installer"})
_ARCHIVERS: Final = frozenset({"ar", "ranlib"})
"""They put objects together that something else has made."""
_TELLING: Final = 5
"""Characters that a mark must have to tell a tool's own folder from any other."""
_NOWHERE: Final = ("/usr/share/", "/usr/lib/", "/dev/null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A build that was recognised. `believed` False: only the command line says so; `second` says what else does."""

    family: Family
    title: str
    believed: bool
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One program of the activity, read once. `text` is its command line, cut at `MAX_TEXT`."""

    exec: Exec
    build: Build
    ancestors: tuple[Ancestor, ...]
    itself: Ancestor
    text: str
    named: Named | None = None

    @property
    def is_judged(self) -> bool:
        """Whether it builds anything by itself: no probe, no archiver, and not started by a compiler driver."""
        build = self.build
        return bool(build.tool) and build.tool not in _ARCHIVERS and build.mode != "probe" and not build.is_child

    @property
    def is_explained(self) -> bool:
        """Whether it is part of a named build that is believed."""
        return self.named is not None and self.named.believed

    @property
    def is_explained_by_runner(self) -> bool:
        """Whether people type here on purpose: an editor or a notebook stands among the parents."""
        return self.named is not None and self.named.believed and self.named.family.kind == "runner"

    @property
    def paths(self) -> tuple[str, ...]:
        """Sources, outputs and the directory, from the root where that is known."""
        build = self.build
        return tuple(absolute(p, self.exec.cwd) for p in (*build.sources, *build.outputs, build.directory) if p)


def look(execs: tuple[Exec, ...]) -> tuple[Look, ...]:
    """Every program, with the build that it belongs to, if one is recognised."""
    known: dict[tuple[str, ...], Ancestor] = {}

    def ancestor(argv: tuple[str, ...]) -> Ancestor:
        found = known.get(argv)
        if found is None:
            found = known[argv] = read(argv)
        return found

    def seen(one: Exec) -> Look:
        build = compiler.parse(one.argv, exe=one.exe)
        if len(build.sources) > MAX_FILES or len(build.outputs) > MAX_FILES:
            build = replace(build, sources=_ends(build.sources), outputs=_ends(build.outputs))
            one = replace(one, truncated=True)
        is_read = build.mode in _SYSTEMS or bool(build.wrappers) or is_shell(one.argv)
        return Look(
            exec=one,
            build=build,
            ancestors=tuple(ancestor(parent) for parent in one.parents if parent),
            itself=ancestor(one.argv) if is_read else NOBODY,
            text=" ".join(one.argv[:MAX_WORDS])[:MAX_TEXT],
        )

    found = tuple(seen(one) for one in execs)
    # What a driver starts is named only where no driver was seen: it says nothing that the driver does not.
    has_driver = any(one.build.tool and not one.build.is_child for one in found)
    return _adopted(tuple(one if has_driver and one.build.is_child else _named(one) for one in found))


def _ends(files: tuple[str, ...]) -> tuple[str, ...]:
    return files if len(files) <= MAX_FILES else files[: MAX_FILES // 2] + files[-MAX_FILES // 2 :]


def supported(looks: tuple[Look, ...], families: frozenset[str], why: str) -> tuple[Look, ...]:
    """With those builds believed that only the command line spoke of, and that the workload confirms."""

    def confirmed(one: Look) -> Look:
        named = one.named
        if named is None or named.believed or named.family.key not in families or not _may_be(named.family, one):
            return one
        if named.family.kind == "project" and _location(named.family, one) == "bad":
            return one
        return replace(one, named=replace(named, believed=True, second=why))

    return tuple(confirmed(one) for one in looks)


def _adopted(found: tuple[Look, ...]) -> tuple[Look, ...]:
    """With what nobody knows the parents of, where a build that is believed in the same activity explains it.

    It must bear the marks of that build's family, or make an object or a feature test in the same working directory.
    """
    believed = {one.named.family.key: one.named for one in found if one.named is not None and one.named.believed}
    folders: dict[str | None, Named] = {
        one.exec.cwd: one.named for one in found if one.exec.cwd and one.named and one.named.believed
    }
    if not believed:
        return found
    lines = {
        one.exec.argv: one.named
        for one in found
        if one.named is not None and one.named.believed and one.named.family.key not in PLAIN
    }
    starters = {
        one.exec.parents[0]: one.named
        for one in found
        if one.exec.parents and one.named is not None and one.named.believed and one.named.family.kind in _ENGINES
    }
    return tuple(_inherited(_explained(one, believed, folders), lines, starters) for one in found)


def _inherited(one: Look, lines: Mapping[tuple[str, ...], Named], starters: Mapping[tuple[str, ...], Named]) -> Look:
    """What a program of a believed build has started is part of it, however far up its own tool is.

    Recorded chains of parents are short: under pip, CMake and Ninja a compiler's chain no longer reaches pip. What a
    plain make has started is left out: its rules are anybody's. Beside what it builds, a compiler inside a program
    tries the C compiler out: `starters` explain such an object, and nothing that could run.
    """
    if one.is_explained or not one.build.tool:
        return one
    for parent in one.exec.parents:
        named = lines.get(parent)
        if named is not None and _may_be(named.family, one):
            return replace(one, named=replace(named, second=f"what started it is part of {named.title}"))
    named = starters.get(one.exec.parents[0]) if one.exec.parents and _makes_object(one) else None
    if named is not None and _may_be(named.family, one):
        return replace(one, named=replace(named, second="others of the same process are part of that build"))
    return one


def _makes_object(one: Look) -> bool:
    return one.build.mode == "feature_test" or (
        one.build.mode == "compile" and all(path.endswith((".o", ".lo")) for path in one.build.outputs)
    )


def _explained(one: Look, believed: Mapping[str, Named], folders: Mapping[str | None, Named]) -> Look:
    if one.ancestors or one.is_explained or not one.build.tool:
        return one
    parent = believed.get(one.named.family.key) if one.named is not None else None
    if parent is None and _makes_object(one):
        parent = folders.get(one.exec.cwd)
    if parent is None or not _may_be(parent.family, one):
        return one
    title = one.named.title if one.named is not None else parent.title
    second = "others of the same activity are part of that build"
    return replace(one, named=Named(family=parent.family, title=title, believed=True, second=second))


def _named(one: Look) -> Look:
    if not one.build.tool:
        return one
    above: frozenset[str] = frozenset().union(*(parent.families for parent in one.ancestors))
    # A build system stands for itself; a compiler that is called with a source file does not.
    is_system = one.build.mode in _SYSTEMS and not any(path.endswith(_SOURCES) for path in one.build.sources)
    itself = one.itself.families | tool_of(one.build.tool) if is_system else frozenset[str]()
    if one.exec.cwd:
        # What a program calls itself is a word of the command line: only where it runs makes it more.
        above |= itself
    cwd = f"{one.exec.cwd.rstrip('/')}/" if one.exec.cwd else ""
    best = _best([one for one in FAMILIES if one.key in above], one.text, cwd, has_tool=True)
    if best is None or best[0] < _TWO_TRACES:
        other = _best(FAMILIES, one.text, cwd, has_tool=False)
        if best is None or (other is not None and other[0] > best[0]):
            best = other
    if best is None:
        own = next((one for one in FAMILIES if one.key in itself), None)
        if own is None:
            return one
        best = (_TRACE, own)
    rank, family = best
    named = Named(
        family=family,
        title=title(family, one),
        believed=_is_believed(family, rank, one),
        second=_second(family, one),
    )
    return replace(one, named=named)


# How well a family fits: the tool and a trace of it; the tool that builds nothing else; two traces; the tool; a trace.
_TOOL_AND_TRACE, _TOOL_ALONE, _TWO_TRACES, _TOOL, _TRACE = 5, 4, 3, 2, 1


def _best(families: Iterable[Family], text: str, cwd: str, *, has_tool: bool) -> tuple[int, Family] | None:
    best: tuple[int, Family] | None = None
    for family in families:
        rank = _rank(family, text, cwd, has_tool=has_tool)
        if rank and (best is None or rank > best[0]):
            best = (rank, family)
            if rank == _TOOL_AND_TRACE:
                break
    return best


def _holds(text: str, marks: tuple[str, ...]) -> bool:
    for mark in marks:  # noqa: SIM110 - a generator costs more than the search itself, 50 times a command line
        if mark in text:
            return True
    return False


def _rank(family: Family, text: str, cwd: str, *, has_tool: bool) -> int:
    mark = _holds(text, family.marks)
    spot = bool(cwd) and _holds(cwd, family.places)
    if has_tool:
        if mark or spot:
            return _TOOL_AND_TRACE
        if family.alone:
            return _TOOL_ALONE
        return _TOOL if family.kind == "project" else 0
    if mark and spot:
        return _TWO_TRACES
    return _TRACE if mark else 0


def _is_believed(family: Family, rank: int, one: Look) -> bool:
    if rank == _TRACE or not _may_be(family, one):
        return False
    if family.kind == "driver":
        return rank == _TOOL_AND_TRACE
    if rank == _TWO_TRACES and one.ancestors and not any(parent.role == "tool" for parent in one.ancestors):
        return False
    if family.kind in {"installer", "runner", "just_in_time"}:
        return rank != _TOOL
    under = [BY_KEY[key] for parent in one.ancestors for key in parent.families]
    if any(above.kind == "installer" for above in under) or any(parent.role == "ci" for parent in one.ancestors):
        return True
    return _belongs(family, rank, one, _location(family, one))


def _belongs(family: Family, rank: int, one: Look, where: str) -> bool:
    """Whether a project's build is where images keep their sources: elsewhere somebody may have brought them."""
    if rank == _TOOL:
        is_known = where == "project" and (family.key not in PLAIN or _is_structured(one))
        return is_known or (where == "unknown" and _is_object(one))
    return where == "project" or (where == "unknown" and rank == _TOOL_AND_TRACE)


def _may_be(family: Family, one: Look) -> bool:
    """Whether nothing speaks against that kind of build; a kernel module is a driver's alone."""
    if family.kind != "driver" and KERNEL_MODULE.search(one.text):
        return False
    return not is_odd(family, one)


def _location(family: Family, one: Look) -> str:
    """`bad`, `project`, `other` or `unknown`: where the build takes place, apart from the tool's own folders."""
    cwd = one.exec.cwd
    spots = [cwd.rstrip("/") + "/"] if cwd else []
    own = (*family.places, *family.marks)
    # The tool's own files under /usr (CMake's modules, autoconf's) say nothing of the place.
    spots += [path for path in one.paths if path.startswith("/") and not path.startswith(_NOWHERE)]
    spots = [
        spot
        for spot in spots
        if not any(mark in spot for mark in own if len(mark) >= _TELLING and not _is_generic(mark))
    ]
    if any(place(spot) in BAD_PLACES or is_hidden(spot) for spot in spots):
        return "bad"
    if any(place(spot) == "project" for spot in spots):
        return "project"
    return "other" if spots else "unknown"


def _is_generic(mark: str) -> bool:
    """Whether a mark is made by any use of the tool, wherever the sources lie: it says nothing about the place."""
    return mark.strip("/") in _GENERIC


def _is_structured(one: Look) -> bool:
    """Whether it looks like a part of a larger build: objects, flags of optimisation and warnings, a build system."""
    build = one.build
    if build.mode in {"build", "install", "preprocess"}:
        return True
    if build.mode == "compile":
        return bool(build.flags & {"optimised", "warnings", "defines", "includes", "dependency_file"})
    # One step from source to program is what anybody's `make x` does, by make's own rules.
    return bool(build.objects) and not build.sources


def _is_object(one: Look) -> bool:
    """Whether it makes an object with the flags of a real build, or links objects alone."""
    build = one.build
    if build.mode == "compile":
        return len(build.flags & {"optimised", "warnings", "defines", "includes", "dependency_file"}) > 1
    return build.mode == "link" and len(build.objects) > 1 and not build.sources and "shared" not in build.flags


def _second(family: Family, one: Look) -> str:
    for parent in one.ancestors:
        if family.key in parent.families:
            return f"{parent.name} is among its parents"
    if one.exec.cwd and any(spot in f"{one.exec.cwd}/" for spot in family.places):
        return f"it runs in {one.exec.cwd}"
    if one.exec.cwd and family.key in one.itself.families | tool_of(one.build.tool):
        return f"it runs in {one.exec.cwd}"
    return ""
