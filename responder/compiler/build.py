"""Step 1: the value that a command line becomes, and the sheet on which it is worked out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Mode = Literal[
    "compile",  # source to object or assembly (-c, -S, cc1, rustc without link)
    "link",  # objects, or sources, to an executable or a library
    "preprocess",  # -E, -M
    "probe",  # --version, -v, -dumpmachine, -print-…, --print=…, -V: nothing is built
    "feature_test",  # autoconf's conftest, cmake's try_compile, meson's and distutils' checks
    "build",  # a build system that runs compilers: make, cmake --build, ninja, cargo build, go build, node-gyp
    "run",  # builds and runs at once: go run, go test, cargo run, tcc -run
    "install",  # go install, cargo install, make install
    "unknown",
]

MAX_ARGUMENTS: Final = 16_384
"""Arguments beyond this are not read, and `not_understood` says so: time stays bounded whatever was sent."""

_MAX_NOTES: Final = 16
_MAX_QUOTED: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One command line, understood. Paths are as written, relative ones too.

    `tool` is the canonical name (`gcc` for `/usr/bin/x86_64-linux-gnu-gcc-12`, `cc` and `c++` stay themselves), ``""``
    where it is no compiler or build tool. `wrappers` are the programs before it (`ccache`, `env`, `sh -c`), outermost
    first.

    `outputs` has the default name where the tool's manual makes it certain (`a.out`, `x.o` for `-c x.c`, the name of
    the first file for `go build x.go` and `rustc x.rs`); it has a directory where the tool chooses the names inside
    (`javac -d out`, `target/release` of cargo, below the workspace's root). It is empty where neither is certain:
    class files without `-d`, the executable of a Go package.

    `flags` are those that matter: static, shared, pic, stripped, nostdlib, nostartfiles, threads, optimised, debug,
    warnings, defines, includes, dependency_file, position_independent; and how it was told to run or read something
    else: wrapper, plugin, specs, prefix_dir, linker, processor, toolexec, eval, variable, shell, script, response_file,
    linker_script, pager; and musl (a C library for static programs), kernel_module,
    execstack, macros (`-dM`).
    `executes` are programs that the compiler itself was told to run or load (`-wrapper`, `-fplugin=`, `-specs=`, `-B`,
    make's `--eval` and `SHELL=`); ordinary ones (`CC=gcc`, the linker's own `liblto_plugin.so`) are left out. `reads`
    are files that it takes arguments or text from (`@file`, `-include`, `-imacros`, `-T`, a makefile named with `-f`).
    `libraries` are the names of `-l`, `targets` what a build system was asked for. `directory` is where it was told to
    work (`-C`, `cd DIR &&` before it). `beside` are the other commands of a shell's text, in order, so that a reader
    sees `base64 -d` before and `/tmp/x` after.

    `shape` is the command line without what changes from run to run (temporary names, digits, paths' heads): equal for
    the same build on another day.
    """

    tool: str
    mode: Mode
    wrappers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    stdin_source: bool = False
    language: str = ""
    flags: frozenset[str] = frozenset()
    libraries: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    executes: tuple[str, ...] = ()
    include_dirs: tuple[str, ...] = ()
    directory: str = ""
    is_child: bool = False
    shape: str = ""
    not_understood: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


class Draft:
    """A `Build` in the making. `marks` are words between a grammar and the function that reads its result."""

    __slots__ = (
        "beside",
        "directory",
        "executes",
        "flags",
        "forced_language",
        "frontend",
        "include_dirs",
        "is_child",
        "language",
        "libraries",
        "linker",
        "marks",
        "mode",
        "notes",
        "objects",
        "outputs",
        "reads",
        "sources",
        "stdin_source",
        "targets",
        "tool",
        "values",
        "wrappers",
    )

    def __init__(self) -> None:
        self.tool = ""
        self.mode: Mode = "unknown"
        self.wrappers: list[str] = []
        self.sources: list[str] = []
        self.objects: list[str] = []
        self.outputs: list[str] = []
        self.stdin_source = False
        self.language = ""
        self.forced_language = ""
        self.flags: set[str] = set()
        self.marks: set[str] = set()
        self.libraries: list[str] = []
        self.reads: list[str] = []
        self.executes: list[str] = []
        self.include_dirs: list[str] = []
        self.directory = ""
        self.is_child = False
        self.notes: list[str] = []
        self.targets: list[str] = []
        self.beside: list[str] = []
        self.linker: list[str] = []
        self.frontend: list[str] = []
        self.values: dict[str, str] = {}

    def note(self, text: str, about: str = "") -> None:
        """Say once what was not understood; `about` is quoted, cut, and made plain ASCII."""
        if len(self.notes) < _MAX_NOTES:
            note = f"{text}: {ascii(about[:_MAX_QUOTED])[1:-1]}" if about else text
            if note not in self.notes:
                self.notes.append(note)

    def runs(self, program: str, how: str) -> None:
        """The compiler was told to run or load `program`."""
        self.executes.append(program)
        self.flags.add(how)

    def read(self, path: str, how: str = "") -> None:
        """The compiler takes arguments or text from `path`."""
        self.reads.append(path)
        if how:
            self.flags.add(how)

    def response_file(self, argument: str) -> None:
        """`@file`: the compiler puts the file's words in its place."""
        self.read(argument[1:], "response_file")
        self.note("the arguments in this file were not seen", argument)

    @property
    def has_input(self) -> bool:
        """Whether there is anything to build from."""
        return bool(self.sources or self.objects or self.stdin_source)

    def absorb(self, other: Draft) -> None:
        """Take over what was found inside a shell's text."""
        for field in ("wrappers", "reads", "executes", "beside"):
            getattr(self, field).extend(getattr(other, field))
        for note in other.notes:
            self.note(note)
        self.flags |= other.flags
        self.tool = other.tool
        self.directory = other.directory or self.directory
        self.stdin_source = self.stdin_source or other.stdin_source

    def build(self, shape: str) -> Build:
        """The value."""
        return Build(
            tool=self.tool,
            mode=self.mode,
            wrappers=tuple(self.wrappers),
            sources=tuple(self.sources),
            objects=tuple(self.objects),
            outputs=tuple(self.outputs),
            stdin_source=self.stdin_source,
            language=self.language,
            flags=frozenset(self.flags),
            libraries=tuple(self.libraries),
            reads=tuple(self.reads),
            executes=tuple(self.executes),
            include_dirs=tuple(self.include_dirs),
            directory=self.directory,
            is_child=self.is_child,
            shape=shape,
            not_understood=tuple(self.notes),
            targets=tuple(self.targets),
            beside=tuple(self.beside),
        )


Act = Callable[[Draft, str], None]
"""What an option does with its value, or with the rest of its own text."""


class Grammar(NamedTuple):
    """The options of a tool, and what each does to the draft.

    `alone`: an option without a value, to the flag that it sets (``""``: it does not matter here; `:word` sets a mark).
    `takes`: an option whose value is the next argument, or follows `=`. `equals`: its value follows `=` only.
    `joined`: by an option's first two characters, its value being the rest. `name`: what is no option.
    `one_dash`: the tool takes `--option` for `-option` (GNU ld, go, javac).
    """

    alone: Mapping[str, str]
    takes: Mapping[str, Act]
    equals: Mapping[str, Act]
    joined: Mapping[str, Act]
    name: Act
    one_dash: bool = False


def walk(draft: Draft, arguments: Iterable[str], grammar: Grammar) -> None:
    """Read every argument once, from left to right."""
    alone, takes, equals, joined, name, one_dash = grammar
    flags, marks = draft.flags, draft.marks
    rest = iter(arguments)
    for argument in rest:
        if argument[:1] != "-" or argument == "-":
            name(draft, argument)
            continue
        option = argument[1:] if one_dash and argument[:2] == "--" else argument
        flag = alone.get(option)
        if flag is not None:
            if flag:
                (marks if flag[0] == ":" else flags).add(flag)
            continue
        act = takes.get(option)
        if act is not None:
            value = next(rest, None)
            if value is None:
                draft.note("an option without its value", argument)
            else:
                act(draft, value)
            continue
        if "=" in option:
            key, _, value = option.partition("=")
            act = equals.get(key) or takes.get(key)
            if act is not None:
                act(draft, value)
                continue
        act = joined.get(option[:2])
        if act is not None:
            act(draft, option[2:])
        else:
            draft.note("an unknown option", argument)


def skip(_: Draft, __: str) -> None:
    """An option that changes nothing of what is kept."""


def to_output(draft: Draft, value: str) -> None:
    """`-o value`."""
    draft.outputs.append(value)


def to_library(draft: Draft, value: str) -> None:
    """`-lvalue`."""
    draft.libraries.append(value)


def to_directory(draft: Draft, value: str) -> None:
    """`-C value`."""
    draft.directory = value


def to_read(draft: Draft, value: str) -> None:
    """An option that names a file of text or arguments."""
    draft.reads.append(value)


def keep(key: str) -> Act:
    """Keep the value for the function that reads the whole."""

    def act(draft: Draft, value: str) -> None:
        draft.values[key] = value

    return act


def words(text: str) -> dict[str, str]:
    """`"-a -b=flag"` to a table of `alone` options."""
    pairs = (item.partition("=") for item in text.split())
    return {option: flag for option, _, flag in pairs}


def taking(text: str, act: Act) -> dict[str, Act]:
    """The same act for many options."""
    return dict.fromkeys(text.split(), act)


def several(text: str) -> frozenset[str]:
    """A set, written as a line of words."""
    return frozenset(text.split())
