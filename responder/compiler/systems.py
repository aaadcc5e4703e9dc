"""Step 1: build systems, which run compilers: make, cmake, ninja, node-gyp and others. Pure.

Options as in GNU make's manual (https://www.gnu.org/software/make/manual/html_node/Options-Summary.html), cmake(1)
(https://cmake.org/cmake/help/latest/manual/cmake.1.html), ninja(1) and node-gyp's README.
"""

from __future__ import annotations

from typing import Final

from responder.compiler.build import (
    Act,
    Draft,
    Grammar,
    keep,
    skip,
    taking,
    to_directory,
    to_read,
    walk,
    words,
)
from responder.compiler.names import is_ordinary
from responder.compiler.variables import variable

# --- make -------------------------------------------------------------------------------------------------------------


def make(draft: Draft, arguments: list[str]) -> None:
    """GNU make. Which compilers it runs stands in the makefile: the command line names targets and variables only."""
    walk(draft, _apart(arguments), _MAKE)
    makefile = draft.reads[0] if draft.reads else ""
    places = (draft.directory, draft.values.get("M", ""), *draft.targets[:4])
    if "/lib/modules/" in draft.directory or "M" in draft.values:
        draft.flags.add("kernel_module")
    if draft.marks & {":probe", ":n"}:
        draft.mode = "probe"
    elif "cmTC_" in makefile or any("cmTC_" in one or one == "conftest" for one in places):
        draft.mode = "feature_test"
    elif draft.targets and all(one.startswith("install") for one in draft.targets):
        draft.mode = "install"
    else:
        draft.mode = "build"
        # A target is a file where it looks like one; `all` and `modules` are not.
        draft.outputs.extend(one for one in draft.targets if "/" in one or "." in one)
    if draft.mode == "feature_test":
        return
    draft.sources.extend(one for one in (draft.values.get("M", ""),) if one)


def _apart(arguments: list[str]) -> list[str]:
    """`-sf FILE` as `-s -f FILE`, and `-j 8` without its number, which may stand apart."""
    words: list[str] = []
    for argument in arguments:
        if argument.isdigit() and words and words[-1] in {"-j", "-l", "--jobs", "--load-average"}:
            continue
        cluster = argument[:1] == "-" and argument[1:_LONGEST_CLUSTER].isalpha() and len(argument) <= _LONGEST_CLUSTER
        if cluster and argument[-1] in "CfEIoW" and not any(letter in argument[1:-1] for letter in "CfEIoWjlO"):
            words.extend((argument[:-1], f"-{argument[-1]}") if argument[1:-1] else (argument,))
        else:
            words.append(argument)
    return words


def _make_word(draft: Draft, argument: str) -> None:
    name, equals, value = argument.partition("=")
    if equals:
        name = name.rstrip(":?+!")
        if name in {"M", "KBUILD_EXTMOD", "SUBDIRS"}:
            draft.values["M"] = value
        variable(draft, name, value)
    elif argument == "-":
        draft.note("a lone dash")
    elif argument:
        draft.targets.append(argument)


def _makefile(draft: Draft, value: str) -> None:
    if value in {"-", "/dev/stdin"}:
        draft.stdin_source = True
    else:
        draft.reads.append(value)


def _evaluate(draft: Draft, value: str) -> None:
    """`--eval=TEXT` is a makefile in an argument."""
    draft.runs(value, "eval")


def _cluster(first: str) -> Act:
    """`-sfFILE`, `-kj8`: short options in one word; the first that takes a value takes the rest of it."""

    def act(draft: Draft, rest: str) -> None:
        text = first + rest
        for at, letter in enumerate(text[:_LONGEST_CLUSTER]):
            if letter in _CLUSTERED:
                _CLUSTERED[letter](draft, text[at + 1 :])
                return
            if letter in "nq":
                draft.marks.add(":n")
            elif letter == "v":
                draft.marks.add(":probe")

    return act


_LONGEST_CLUSTER: Final = 16
_CLUSTERED: Final[dict[str, Act]] = {
    "C": to_directory,
    "f": _makefile,
    "E": _evaluate,
    **dict.fromkeys("jlIoWO", skip),
}


_MAKE: Final = Grammar(
    alone=words(
        """-b -m -B -d -e -i -k -L -n=:n -p -q=:n -r -R -s -S -t -v=:probe -w -j -l -O --always-make --debug --trace
        --environment-overrides --ignore-errors --keep-going --check-symlink-times --just-print=:n --dry-run=:n
        --recon=:n
        --print-data-base --question=:n --no-builtin-rules --no-builtin-variables --silent --quiet --no-keep-going
        --stop
        --touch --version=:probe --help=:probe -h=:probe --print-directory --no-print-directory --jobs --load-average
        --warn-undefined-variables --no-silent --output-sync""",
    ),
    takes={
        **taking("-C --directory", to_directory),
        **taking("-f --file --makefile", _makefile),
        **taking("--eval -E", _evaluate),
        **taking("-I --include-dir -o --old-file --assume-old -W --what-if --new-file --assume-new", skip),
    },
    equals=taking(
        "--jobs --load-average --max-load --output-sync --debug --shuffle --jobserver-auth --jobserver-fds", skip
    ),
    joined={
        "-C": to_directory,
        "-f": _makefile,
        "-E": _evaluate,
        **taking("-j -l -O -I -o -W", skip),
        **{f"-{letter}": _cluster(letter) for letter in "bmBdeiknpqrRsStvwLh"},
    },
    name=_make_word,
)

# --- cmake ------------------------------------------------------------------------------------------------------------

_CMAKE_WRAPPERS: Final = ("env", "time", "chdir")
_CMAKE_READS: Final = ("cat", "md5sum", "sha256sum", "sha512sum", "sha1sum", "tar", "copy", "compare_files")


def cmake(draft: Draft, arguments: list[str]) -> None:
    """The five uses of cmake uses: configure, `--build`, `--install`, `-P` a script, `-E` a command of its own."""
    if arguments[:1] == ["-E"]:
        _cmake_command(draft, arguments[1:])
        return
    walk(draft, arguments, _CMAKE)
    if ":probe" in draft.marks:
        draft.mode = "probe"
    elif "script" in draft.values:
        draft.mode = "run"
        draft.read(draft.values["script"])
        draft.runs(draft.values["script"], "script")
        draft.sources.clear()
    elif "install" in draft.values:
        draft.mode, draft.directory = "install", draft.values["install"]
    else:
        draft.mode = "build"
        draft.directory = draft.values.get("build", draft.directory)
        if "CMakeTmp" in draft.directory or "CMakeScratch" in draft.directory:
            draft.mode = "feature_test"


def _cmake_command(draft: Draft, rest: list[str]) -> None:
    """`cmake -E cmake_…` are steps of a generated makefile; the others are cat, tar, rm, touch, by another name."""
    command = rest[0] if rest else ""
    draft.targets.append(command)
    if command.startswith("cmake_") or command in {"echo", "echo_append", "capabilities", "true", "false", "sleep"}:
        draft.mode = "build"
        if command == "cmake_link_script":
            draft.reads.extend(rest[1:2])
    elif command in _CMAKE_WRAPPERS:
        draft.mode = "run"
        draft.runs(" ".join(rest[1:]), "script")
    else:
        draft.mode = "run"
        if command in _CMAKE_READS:
            draft.reads.extend(one for one in rest[1:] if one[:1] != "-")


def _cmake_variable(draft: Draft, value: str) -> None:
    key, _, said = value.partition("=")
    key = key.partition(":")[0]
    if key == "CMAKE_TOOLCHAIN_FILE":
        draft.reads.append(said)
    variable(draft, key, said)


def _cmake_source(draft: Draft, value: str) -> None:
    if value:
        draft.sources.append(value)


_CMAKE: Final = Grammar(
    alone=words(
        """--version=:probe -version=:probe --help=:probe -h=:probe --system-information=:probe -N --fresh
            --debug-output
        --trace --trace-expand -v --verbose --clean-first -Wdev=warnings -Wno-dev -Wdeprecated -Wno-deprecated -L
        -LA -LH
        -LAH --warn-uninitialized --no-warn-unused-cli --list-presets=:probe -j --parallel --strip=stripped
        --help-full=:probe
        -V --resolve-package-references --use-stderr --debugger""",
    ),
    takes={
        **taking("-S", _cmake_source),
        **taking("-B", to_directory),
        **taking("-D", _cmake_variable),
        **taking("-C --toolchain --profiling-output", to_read),
        **taking("-P", keep("script")),
        **taking("--build", keep("build")),
        **taking("--install", keep("install")),
        **taking("--target -t", lambda draft, value: draft.targets.append(value)),
        **taking("-G -T -A -U --config --preset --install-prefix --prefix --component --graphviz --log-level"
                 " --log-context"
                 " --log-format --debug-find-pkg --default-directory-permissions --workflow", skip),
    },
    equals=taking("--parallel --trace-redirect --trace-source --trace-format --loglevel --debug-find", skip),
    joined={
        "-S": _cmake_source,
        "-B": to_directory,
        "-H": _cmake_source,
        "-D": _cmake_variable,
        **taking("-G -T -A -U -j -W -L -- -d", skip),
        "-C": to_read,
    },
    name=_cmake_source,
)  # fmt: skip

# --- ninja ------------------------------------------------------------------------------------------------------------


def ninja(draft: Draft, arguments: list[str]) -> None:
    """ninja: the build file says what runs."""
    walk(draft, arguments, _NINJA)
    draft.mode = "probe" if draft.marks else "build"
    if draft.targets and all(one.startswith("install") for one in draft.targets):
        draft.mode = "install"
    if "CMakeScratch" in draft.directory or any("cmTC_" in one for one in draft.targets[:4]):
        draft.mode = "feature_test"


def _target(draft: Draft, argument: str) -> None:
    if argument:
        draft.targets.append(argument)


_NINJA: Final = Grammar(
    alone=words("--version=:probe -h=:probe --help=:probe -v --verbose --quiet -n=:n"),
    takes={
        **taking("-C", to_directory),
        **taking("-f", to_read),
        **taking("-t", keep("tool")),
        **taking("-j -k -l -d -w", skip),
    },
    equals={},
    joined={"-C": to_directory, "-f": to_read, **taking("-j -k -l -d -w -t", skip)},
    name=_target,
)

# --- others -----------------------------------------------------------------------------------------------------------


def node_gyp(draft: Draft, arguments: list[str]) -> None:
    """node-gyp: a native module for Node.js, in `build/Release` below its directory."""
    draft.language = "c++"
    walk(draft, arguments, _NODE_GYP)
    verbs = set(draft.targets)
    if verbs & {"build", "rebuild", "configure", "install"}:
        draft.mode = "build"
        if verbs & {"build", "rebuild"}:
            draft.outputs.append("build/Debug" if "debug" in draft.flags else "build/Release")
    else:
        draft.mode = "probe"


_NODE_GYP: Final = Grammar(
    alone=words(
        "-v=:probe --version=:probe -h=:probe --help=:probe --debug=debug -d=debug --release --verbose --silent"
    ),
    takes={
        **taking("-C --directory", to_directory),
        **taking("--make --python", lambda draft, value: None if is_ordinary(value) else draft.runs(value, "variable")),
        **taking("-j --jobs --target --arch --dist-url --nodedir --devdir --loglevel --thin", skip),
    },
    equals={},
    joined={"--": skip, "-j": skip},
    name=_target,
)


def system(draft: Draft, arguments: list[str]) -> None:
    """Build systems of which only the words that are no options are read."""
    names = [one for one in arguments if one[:1] not in {"-", ""}]
    draft.targets.extend(names)
    if not names and any(one in {"--version", "-version", "-v", "-V", "--help", "-h", "-help"} for one in arguments):
        draft.mode = "probe"
    else:
        draft.mode = "install" if names[:1] == ["install"] else "build"
    if draft.tool == "dkms":
        draft.flags.add("kernel_module")
