"""Step 1, weighed: what the command lines and their parents say for an attack or for a build. Pure.

Every sign carries the plain facts that it rests on and where they stand in the record. What belongs to a named build
that is believed is weighed as that build; the rest is weighed by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from responder.triage.builds import Look
from responder.triage.deeds import misused, names, short, tool_name
from responder.triage.parentage import of_parents
from responder.triage.sign import Sign, merged
from responder.triage.whereabouts import absolute, is_hidden, place

_NO_GUARDS: Final = re.compile(
    r"(?<!no)execstack|(?:-fno-stack-protector.*-no-pie|-no-pie.*-fno-stack-protector)|(?:^| )-N(?: |$)"
)
_WITHOUT_FLAGS: Final = frozenset({"ld", "lld", "gold", "mold", "as", "nasm", "yasm", "javac"})
"""Tools whose ordinary calls have none of a C compiler's flags."""
_DRIVEN_BY_FILE: Final = frozenset({"make", "gmake", "cmake", "ninja"})
_LINKED: Final = frozenset({"crypt", "pcap", "mnl", "nftnl", "keyutils", "pam", "util", "fuse"})


def of_activity(looks: tuple[Look, ...]) -> tuple[Sign, ...]:
    """What the programs and their parents say; one sign of each kind, with every place that shows it."""
    return merged([*_of_programs(looks), *of_parents(looks)])


def _of_programs(looks: tuple[Look, ...]) -> Iterator[Sign]:
    outputs = {path for one in looks for path in _outputs(one)}
    for one in looks:
        at = (one.exec.pointer,) if one.exec.pointer else ()
        if one.build.tool and not one.build.is_child:
            yield from misused(one, at)
            yield from names(one, at)
            if one.is_judged and not one.is_explained:
                yield from _by_hand(one, at)
                yield from _placed(one, at)
            if one.exec.truncated:
                yield Sign(id="U0", text=f"not all of what {tool_name(one)} was given is seen", evidence=at)
        elif not one.build.tool and absolute(one.exec.argv[0] if one.exec.argv else "", one.exec.cwd) in outputs:
            text = f"what was built was run at once: {short(one.exec.argv[0])}"
            yield Sign(id="A2", text=text, evidence=at)


def _outputs(one: Look) -> Iterator[str]:
    """The products of a program that no named build explains."""
    if one.is_judged and not one.is_explained:
        for path in one.build.outputs or (("a.out",) if one.build.mode == "link" else ()):
            yield absolute(path, one.exec.cwd)
            if not path.startswith("/"):
                yield absolute(f"./{path}", one.exec.cwd) if one.exec.cwd else f"./{path}"


# --- by hand ----------------------------------------------------------------------------------------------------------


def _by_hand(one: Look, at: tuple[str, ...]) -> Iterator[Sign]:
    build, tool = one.build, tool_name(one)
    flags = build.flags
    if _is_one_step(one):
        yield Sign(id="A0", text=_whose(one, tool), evidence=at)
    is_makefile = build.tool == "make" and any(a == "-f" and b == "-" for a, b in pairwise(one.exec.argv))
    if is_makefile:
        yield Sign(id="A3", text="make takes its rules from standard input", evidence=at)
    elif (
        build.stdin_source and build.mode in {"link", "compile", "run", "unknown"} and "/dev/null" not in build.outputs
    ):
        yield Sign(id="A3", text=f"{tool} compiles what comes on standard input", evidence=at)
    if "shared" in flags and build.sources and not build.objects:
        yield Sign(
            id="A4",
            text=f"{tool} makes a library straight from {short(build.sources[0])}",
            evidence=at,
            techniques=("T1574.006",),
        )
    if "nostartfiles" in flags or "nostdlib" in flags:
        yield Sign(
            id="A4",
            text=f"{tool} leaves out the start files, as preload libraries do",
            evidence=at,
            techniques=("T1574.006",),
        )
    yield from _linked(one, tool, at)
    if _NO_GUARDS.search(one.text):
        yield Sign(
            id="A13",
            text=f"{tool} leaves out the protections that exploits stumble on",
            evidence=at,
            techniques=("T1203",),
        )
    if build.mode == "run":
        yield Sign(id="A2", text=f"{tool} builds and runs at once", evidence=at)
    is_bare = not flags & {"optimised", "warnings", "defines", "includes", "dependency_file"}
    if is_bare and build.tool not in _WITHOUT_FLAGS and build.mode in {"link", "compile"}:
        yield Sign(id="A9", text=f"{tool} has no flag that builds have", evidence=at)


def _linked(one: Look, tool: str, at: tuple[str, ...]) -> Iterator[Sign]:
    flags = one.build.flags
    if "static" in flags or tool.startswith("musl"):
        yield Sign(id="A6", text=f"{tool} links statically: the product runs wherever it is copied to", evidence=at)
    elif _is_one_step(one) and ("threads" in flags or _LINKED & set(one.build.libraries)):
        what = ", ".join(sorted(_LINKED & set(one.build.libraries))) or "threads"
        yield Sign(id="A6", text=f"{tool} links with {what}, as exploits often do", evidence=at)


def _whose(one: Look, tool: str) -> str:
    """What was made from what, and who drives it: a build tool in an odd place, a shell, or nobody that is known."""
    driver = next((parent.name for parent in one.ancestors if parent.role == "tool" and parent.name), "")
    if driver and one.named is not None:
        where = f" in {short(one.exec.cwd)}" if one.exec.cwd else ""
        return f"{driver} drives {tool}{where}, and nothing says that this build belongs there"
    if tool in _DRIVEN_BY_FILE:
        return f"{tool} takes what it is to do from a place that anybody can write to"
    nearest = one.ancestors[0] if one.ancestors else None
    by = "a shell had " if nearest is not None and nearest.role in {"shell", "interactive"} else ""
    return f"{by}{tool} {_made(one, infinitive=bool(by))}, in no known build"


def _made(one: Look, *, infinitive: bool) -> str:
    build = one.build
    verb = "compile" if build.mode in {"compile", "feature_test"} else "run" if build.mode == "run" else "make"
    verb = verb if infinitive else f"{verb}s"
    source = short(next(iter((*build.sources, *build.objects)), "") or ("standard input" if build.stdin_source else ""))
    output = short(next(iter(build.outputs), ""))
    if build.mode in {"compile", "feature_test", "run"} or not output:
        return f"{verb} {source or 'a program'}"
    return f"{verb} {output} straight from {source}" if source else f"{verb} {output}"


def _is_one_step(one: Look) -> bool:
    build = one.build
    if build.tool in {"make", "gmake"}:
        return any(place(path) in {"temporary", "memory"} for path in _make_targets(one))
    if build.tool in {"go", "cargo"}:
        return build.mode in {"run", "build"} and (
            bool(build.sources)
            or build.mode == "run"
            or any(
                place(absolute(path, one.exec.cwd)) in {"temporary", "memory", "web"} or is_hidden(path)
                for path in build.outputs
            )
        )
    if build.tool in {"cmake", "ninja", "node-gyp"}:
        return any(place(absolute(path, one.exec.cwd)) in {"temporary", "memory"} for path in build.reads)
    if build.mode in {"link", "run"}:
        return bool(build.sources) or build.stdin_source or (bool(build.objects) and build.tool in {"ld", "gcc", "cc"})
    if build.tool == "javac":
        return not build.outputs and not build.directory
    return build.mode in {"compile", "feature_test"} and bool(build.sources)


def _make_targets(one: Look) -> Iterator[str]:
    return (word for word in one.exec.argv[1:] if word.startswith("/") and "=" not in word)


# --- places -----------------------------------------------------------------------------------------------------------


def _placed(one: Look, at: tuple[str, ...]) -> Iterator[Sign]:
    paths = [*one.paths, *(_make_targets(one) if one.build.tool == "make" else ())]
    spots = [*paths, *([one.exec.cwd.rstrip("/") + "/"] if one.exec.cwd else [])]
    for path in spots:
        where = place(path)
        if where in {"memory", "web"}:
            what = "memory only" if where == "memory" else "a folder that a web server serves"
            yield Sign(
                id="A15",
                text=f"{short(path)} is in {what}",
                evidence=at,
                techniques=("T1505.003",) if where == "web" else (),
            )
        elif where == "temporary":
            yield Sign(id="A1", text=f"{short(path)} is in a place that anybody can write to", evidence=at)
        if is_hidden(path):
            yield Sign(id="A10", text=f"{short(path)} is hidden", evidence=at)
    for path in one.build.outputs:
        full = absolute(path, one.exec.cwd)
        if place(full) in {"system", "secret"} and not full.startswith("/usr/local/bin/"):
            techniques = ("T1556.003",) if "security" in full or "pam" in full else ()
            yield Sign(
                id="A12", text=f"{tool_name(one)} writes straight to {short(full)}", evidence=at, techniques=techniques
            )
