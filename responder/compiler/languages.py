"""Step 1: javac, and the compilers of other languages. Pure.

Options as in javac's manual (https://docs.oracle.com/en/java/javase/21/docs/specs/man/javac.html).
"""

from __future__ import annotations

from typing import Final

from responder.compiler.build import (
    Draft,
    Grammar,
    Mode,
    keep,
    several,
    skip,
    taking,
    to_library,
    to_output,
    to_read,
    walk,
    words,
)

# --- Java -------------------------------------------------------------------------------------------------------------


def javac(draft: Draft, arguments: list[str]) -> None:
    """Source to class files, whose names only the source tells; `-d` says where they go."""
    draft.language = "java"
    walk(draft, arguments, _JAVAC)
    if draft.has_input or draft.reads or "module" in draft.values:
        draft.mode = "compile"
    else:
        draft.mode = "probe" if ":probe" in draft.marks else "unknown"


def java(draft: Draft, arguments: list[str]) -> None:
    """`java Hi.java` compiles in memory and runs (JEP 330); any other use of `java` is no compiler."""
    rest = iter(arguments)
    for argument in rest:
        if argument in _JAVA_TAKES:
            next(rest, None)
        elif argument[:1] not in {"-", "@"}:
            if argument.endswith(".java"):
                draft.language, draft.mode = "java", "run"
                draft.sources.append(argument)
                return
            break
        elif argument == "--source":
            next(rest, None)
    draft.tool = ""


_JAVA_TAKES: Final = several("""-cp -classpath --class-path -p --module-path --add-modules --source --add-opens
    --add-exports --add-reads -d
    --describe-module --limit-modules --upgrade-module-path --enable-native-access""")


def _java_input(draft: Draft, argument: str) -> None:
    if argument[:1] == "@":
        draft.response_file(argument)
    elif argument:
        draft.sources.append(argument)


def _processor(draft: Draft, value: str) -> None:
    """Annotation processors are code that javac runs."""
    draft.runs(value, "processor")


def _java_plugin(draft: Draft, value: str) -> None:
    draft.runs(value, "plugin")


def _jvm(draft: Draft, value: str) -> None:
    """`-J-javaagent:x.jar`: an option for the machine that javac itself runs on."""
    for option in ("-javaagent:", "-agentpath:", "-agentlib:", "-XX:OnOutOfMemoryError=", "-XX:OnError="):
        if value.startswith(option):
            draft.runs(value[len(option) :], "plugin")


def _x(draft: Draft, value: str) -> None:
    """`-Xplugin:name args`, `-Xlint:…` and others."""
    if value.startswith("plugin:"):
        draft.runs(value[len("plugin:") :], "plugin")
    elif value.startswith("lint"):
        draft.flags.add("warnings")


_JAVAC: Final = Grammar(
    one_dash=True,
    alone=words(
        """-version=:probe -fullversion=:probe -help=:probe -help-extra=:probe -X=:probe -? -help-lint=:probe -g=debug
        -nowarn -verbose -deprecation -parameters -Werror=warnings -Xlint=warnings -implicit -enable-preview""",
    ),
    takes={
        **taking("-d", to_output),
        **taking("-processor -processorpath -processor-path -processor-module-path", _processor),
        **taking("-m -module", keep("module")),
        **taking("-cp -classpath -class-path -sourcepath -source-path -module-path -p -module-source-path -s -h -source"
                 " -target -release -encoding -bootclasspath -boot-class-path -extdirs -endorseddirs -add-modules"
                 " -system"
                 " -limit-modules -upgrade-module-path -add-exports -add-reads -module-version -default-module-for-"
                 "created-files -Xmaxerrs -Xmaxwarns -Xstdout", skip),
    },
    equals={},
    joined={"-J": _jvm, "-X": _x, **taking("-g -A -p -i -P", skip)},
    name=_java_input,
)  # fmt: skip

# --- others -----------------------------------------------------------------------------------------------------------

_SUBCOMMANDS: Final[dict[str, Mode]] = {
    "build": "build", "build-exe": "link", "build-lib": "link", "build-obj": "compile", "publish": "build",
    "pack": "build", "msbuild": "build", "run": "run", "test": "run", "fsi": "run", "script": "run", "watch": "run",
    "exec": "run", "install": "install", "tool": "install", "compile": "link", "c": "link", "cpp": "link", "cc": "link",
    "r": "run", "version": "probe", "env": "probe", "targets": "probe",
}  # fmt: skip


_ZIG_PARTS: Final[dict[str, Mode]] = {
    "clang": "compile", "ld.lld": "link", "ar": "link", "ranlib": "link", "objcopy": "link", "wasm-ld": "link",
}  # fmt: skip


def subcommand(draft: Draft, arguments: list[str]) -> None:
    """For dotnet, zig, nim, swift, dart: a word says what to do, then files and options; not all options are known."""
    draft.language = {"dotnet": ".net", "nim": "nim"}.get(draft.tool, draft.tool)
    verb = next((one for one in arguments if one[:1] not in {"-", ""}), "")
    if any(one in {"--version", "--help", "--info", "-h", "-v"} for one in arguments[:1]):
        draft.mode = "probe"
    elif verb in _SUBCOMMANDS:
        draft.mode = _SUBCOMMANDS[verb]
        at = arguments.index(verb)
        walk(draft, arguments[at + 1 :], _OTHER)
    elif draft.tool == "zig" and verb in _ZIG_PARTS:
        # `zig cc` starts itself again as clang and as lld.
        draft.mode, draft.is_child = _ZIG_PARTS[verb], True
    elif "." in verb and draft.tool != "dotnet":
        draft.mode = "run"
        draft.sources.append(verb)
    elif draft.tool == "dotnet" and verb:  # `dotnet app.dll` runs what was built elsewhere
        draft.tool = draft.language = ""
    else:
        draft.note("an unknown subcommand", verb)


def other(draft: Draft, arguments: list[str]) -> None:
    """Compilers of which only the common ground is read: names with a suffix are sources, `-o` is the output."""
    draft.language = draft.tool
    walk(draft, arguments, _OTHER)
    if draft.has_input or draft.reads:
        draft.mode = "run" if draft.tool in {"lli", "rdmd"} else "compile" if draft.tool in _TO_FILES else "link"
    else:
        draft.mode = "probe" if ":probe" in draft.marks else "unknown"


_TO_FILES: Final = several("llc opt cython f2c valac tsc kotlinc scalac groovyc")


def _other_input(draft: Draft, argument: str) -> None:
    if argument == "-":
        draft.stdin_source = True
    elif argument[:1] == "@":
        draft.response_file(argument)
    elif "." in argument.rpartition("/")[2]:
        draft.sources.append(argument)
    elif argument:
        draft.targets.append(argument)


_OTHER: Final = Grammar(
    alone=words("--version=:probe -version=:probe --help=:probe -help=:probe -v -V=:probe -h=:probe -c -O=optimised"),
    takes={
        **taking("-o --output -out -d", to_output),
        **taking("-l", to_library),
        **taking("-I -L -f --framework -r --runtime --configuration", skip),
        **taking("--use --load", to_read),
        **taking("-pgmF -pgmc -pgml", _java_plugin),
    },
    equals=taking("-of -femit-bin", to_output),
    joined={
        "-l": to_library,
        **{f"-{letter}": skip for letter in "abcdefghijkmnpqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789"},
    },
    name=_other_input,
)
