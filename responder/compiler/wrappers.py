"""Step 1: the programs before the compiler: env, nice, ccache, sudo, `sh -c`. Pure.

Options as in the manuals of GNU coreutils, util-linux, sudo, findutils (xargs), ccache and the dynamic linker ld.so(8).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from responder.compiler import shell
from responder.compiler.build import MAX_ARGUMENTS, Draft
from responder.compiler.names import UNKNOWN, Tool, identify
from responder.compiler.variables import variable

_DEEPEST: Final = 8
_LONGEST_QUOTE: Final = 200
_MOST_BESIDE: Final = 32


class _Wrapper(NamedTuple):
    """`takes`: options with a separate value; `words`: how many words stand before the command (`timeout 5 CMD`)."""

    takes: frozenset[str] = frozenset()
    words: int = 0
    variables: bool = False


def _wrapper(takes: str = "", words: int = 0, *, variables: bool = False) -> _Wrapper:
    return _Wrapper(frozenset(takes.split()), words, variables)


_PLAIN: Final = _wrapper()
_WRAPPERS: Final = {
    "env": _wrapper("-u --unset -C --chdir", variables=True),
    "nice": _wrapper("-n --adjustment"),
    "ionice": _wrapper("-c --class -n --classdata"),
    "timeout": _wrapper("-k --kill-after -s --signal", 1),
    "time": _wrapper("-f --format -o --output"),
    "sudo": _wrapper("-u --user -g --group -h --host -p --prompt -C -D --chdir -R -T -U -r -t", variables=True),
    "doas": _wrapper("-u -C"),
    "stdbuf": _wrapper("-i -o -e --input --output --error"),
    "chrt": _wrapper("-T -P -D", 1),
    "taskset": _wrapper("", 1),
    "xargs": _wrapper("-I -n -P -L -s -d -E -a --max-args --max-procs --max-lines --delimiter --arg-file --replace"),
    "strace": _wrapper("-e -o -p -s -u -E -a -O -S -P -I -b"),
    "ltrace": _wrapper("-e -o -p -s -u -a -n -l -x -A -D -F"),
    "chroot": _wrapper("", 1),
    "gosu": _wrapper("", 1),
    "su-exec": _wrapper("", 1),
    "setpriv": _wrapper("--reuid --regid --groups --inh-caps --ambient-caps --bounding-set --securebits"),
    "tini": _wrapper("-p -e"),
    "dumb-init": _wrapper("-r --rewrite"),
    "flock": _wrapper("-w --timeout -E --conflict-exit-code", 1),
    "numactl": _wrapper("-m -N -C -i -p --membind --cpunodebind --physcpubind --interleave --preferred"),
    "ld.so": _wrapper("--library-path --preload --audit --argv0 --inhibit-rpath --glibc-hwcaps-prepend"),
    "bear": _wrapper("-o --output --config -a"),
    "proot": _wrapper("-r -b -q -w -k -i -R -S"),
}
_CACHES: Final = frozenset({"ccache", "sccache", "distcc", "icecc"})


def unwrap(draft: Draft, words: list[str], exe: str = "", depth: int = 0) -> tuple[Tool, list[str]]:
    """The tool and its own arguments; wrappers, variables and a shell's other commands go into the draft."""
    tool, rest = _who(draft, words, exe)
    for _ in range(_DEEPEST):
        if tool.family == "wrapper":
            rest = _after_wrapper(draft, tool.name, rest)
        elif tool.family == "interpreter":
            rest = _script(draft, tool.name, rest)
        elif tool.family == "shell":
            text = _shell_text(rest)
            if text is None:
                rest = _script(draft, tool.name, rest)
            else:
                return _in_shell(draft, tool.name, text, depth)
        elif tool.name == "cmake" and rest[:2] in (["-E", "env"], ["-E", "time"]) and len(rest) > 2:  # noqa: PLR2004 - the two words and a command
            draft.wrappers.append(f"cmake -E {rest[1]}")
            rest = _after_options(draft, _WRAPPERS["env"], rest[2:])
        elif tool.name == "zig" and rest[:1] in (["cc"], ["c++"]):
            draft.wrappers.append("zig")
            return Tool(rest[0], "driver"), rest[1:]
        else:
            return tool, rest
        tool, rest = (_named(draft, rest[0]), rest[1:]) if rest else (UNKNOWN, rest)
    draft.note("too many wrappers, one around the other")
    return UNKNOWN, []


def _who(draft: Draft, words: list[str], exe: str) -> tuple[Tool, list[str]]:
    """The binary's path is the kernel's word, `argv[0]` the caller's; busybox and ccache go by the latter."""
    called, binary = _named(draft, words[0]) if words else UNKNOWN, identify(exe)
    rest = words[1:]
    if not called.name and binary.name:
        if words and words[0].rpartition("/")[2] != exe.rpartition("/")[2]:
            draft.note("argv[0] is not the name of the binary", words[0])
            if words[0][:1] == "-" and words[0][1:2] not in {"", "-"} and binary.family != "shell":
                rest = words  # the arguments came without argv[0]
        return binary, rest
    if called.name and binary.name and called.family != binary.family:
        if binary.name in _CACHES:
            draft.wrappers.append(binary.name)
        elif binary.family not in {"wrapper", "shell", "interpreter"} and not _same_kind(called, binary):
            draft.note("argv[0] names another tool than the binary", words[0])
            return binary, rest
    return called, rest


def _named(draft: Draft, path: str) -> Tool:
    """The tool of that name; musl's wrappers of gcc (`musl-gcc`, `x86_64-linux-musl-gcc`) build against its library."""
    tool = identify(path)
    if tool.name and "musl" in path.rpartition("/")[2]:
        draft.flags.add("musl")
    return tool


def _same_kind(one: Tool, other: Tool) -> bool:
    """collect2 for ld, lld for ld: linkers go by many names, in one family; a driver may be called as a wrapper."""
    return one.family == other.family or "wrapper" in {one.family, other.family}


def _after_wrapper(draft: Draft, name: str, rest: list[str]) -> list[str]:
    draft.wrappers.append(name)
    if name in {"busybox", "toybox"}:
        return rest
    if name == "exec" and rest[:1] == ["-a"]:
        rest = rest[2:]
    if name == "ld.so":
        for option in ("--preload", "--audit"):
            if option in rest[:MAX_ARGUMENTS] and rest.index(option) + 1 < len(rest):
                draft.runs(rest[rest.index(option) + 1], "variable")
    return _after_options(draft, _WRAPPERS.get(name, _PLAIN), rest)


def _after_options(draft: Draft, wrapper: _Wrapper, rest: list[str]) -> list[str]:
    """What stands after the wrapper's own options, its words and the variables that it sets."""
    at, words = 0, wrapper.words
    while at < len(rest):
        one = rest[at]
        at += 1
        if one == "--":
            continue
        if one[:1] == "-" and len(one) > 1:
            if one in {"-S", "--split-string"} and wrapper.variables and at < len(rest):
                return _after_options(draft, wrapper._replace(variables=False), shell.split(rest[at]) + rest[at + 1 :])
            if one in wrapper.takes:
                if one in {"-C", "-D", "--chdir"} and wrapper.variables:
                    draft.directory = rest[at] if at < len(rest) else ""
                at += 1
        elif "=" in one and shell.is_variable(one):
            name, _, value = one.partition("=")
            variable(draft, name, value)
        elif words:
            words -= 1
        else:
            return rest[at - 1 :]
    return []


def _script(draft: Draft, name: str, rest: list[str]) -> list[str]:
    """`sh /usr/bin/musl-gcc …`, `node …/node-gyp.js …`: a tool that is a script; other scripts are no tools."""
    at = next((at for at, one in enumerate(rest[:16]) if one[:1] not in {"-", "+"}), -1)
    if at < 0 or identify(rest[at]).family in {"", "shell", "wrapper", "interpreter"} or "-m" in rest[:at]:
        return []
    draft.wrappers.append(name)
    return rest[at:]


def _shell_text(rest: list[str]) -> str | None:
    """The text of `-c`, also in `-lc` and after `-o pipefail`; None where the shell was given a file."""
    asked = False
    skipping = False
    for one in rest[:32]:
        if skipping:
            skipping = False
        elif one[:1] in {"-", "+"} and len(one) > 1 and not (asked and one == "--"):
            if one[:2] != "--":
                asked = asked or "c" in one
                skipping = one[-1] in "oO"
        elif one != "--":
            return one if asked else None
    return None


def _in_shell(draft: Draft, name: str, text: str, depth: int) -> tuple[Tool, list[str]]:
    """The first command that is a tool, and the others beside it."""
    if depth >= _DEEPEST:
        draft.note("too many shells, one in the other")
        return UNKNOWN, []
    draft.wrappers.append(f"{name} -c")
    found, notes = shell.commands(text)
    for note in notes:
        draft.note(note)
    chosen: tuple[Tool, list[str]] = (UNKNOWN, [])
    directory = ""
    for command in found:
        if chosen[0] is UNKNOWN and command.words:
            inner = Draft()
            for key, value in command.variables:
                variable(inner, key, value)
            got = unwrap(inner, command.words, depth=depth + 1)
            if got[0].name:
                chosen = got
                draft.directory = directory or draft.directory
                if command.stdin:
                    inner.reads.append(command.stdin)
                draft.absorb(inner)
                continue
            if command.words[0] == "cd" and len(command.words) > 1:
                directory = command.words[1]
                continue
        if len(draft.beside) < _MOST_BESIDE:
            set_before = [f"{key}={value}" for key, value in command.variables]
            draft.beside.append(" ".join((*set_before, *command.words))[:_LONGEST_QUOTE])
    return chosen
