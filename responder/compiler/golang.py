"""Step 1: the go command and the tools that it starts. Pure.

Options as in `go help build`, `go help run`, `go help testflag` (https://pkg.go.dev/cmd/go), `go tool compile` and
`go tool link` (https://pkg.go.dev/cmd/compile, https://pkg.go.dev/cmd/link).
"""

from __future__ import annotations

from itertools import takewhile
from typing import Final

from responder.compiler.build import (
    MAX_ARGUMENTS,
    Draft,
    Grammar,
    Mode,
    keep,
    several,
    skip,
    taking,
    to_directory,
    to_output,
    to_read,
    walk,
    words,
)
from responder.compiler.names import is_ordinary

_MODES: Final[dict[str, Mode]] = {
    "build": "build",
    "run": "run",
    "test": "run",
    "install": "install",
    "get": "install",
    "generate": "run",
    "vet": "build",
}
_PROBES: Final = several("version env list help doc mod work fmt fix clean bug telemetry")


def go(draft: Draft, arguments: list[str]) -> None:
    """`go SUBCOMMAND`. The executable of a package is named after its module, which the command line does not tell."""
    draft.language = "go"
    while arguments[:1] == ["-C"] and len(arguments) > 1:
        draft.directory, arguments = arguments[1], arguments[2:]
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb == "tool" and rest:
        if rest[0] not in _TOOL_MODES:
            draft.mode = "probe"
            draft.targets.append(rest[0])
            return
        draft.tool = f"go tool {rest[0]}"
        tool(draft, rest[1:])
        draft.is_child = False  # a person typed `go tool`; the go command starts the tools by their paths
        return
    if verb in _PROBES or verb.lstrip("-") in {"version", "help", "h"}:
        draft.mode = "probe"
        return
    if verb not in _MODES:
        draft.note("an unknown subcommand of go", verb)
        return
    draft.mode = _MODES[verb]
    walk(draft, _until_the_programs_arguments(rest) if verb == "run" else rest, _BUILD)
    if ":n" in draft.marks:
        draft.mode = "probe"
    if verb == "build" and not draft.outputs and draft.sources and all(one.endswith(".go") for one in draft.sources):
        draft.outputs.append(draft.sources[0].rpartition("/")[2].removesuffix(".go"))


def tool(draft: Draft, arguments: list[str]) -> None:
    """compile, link, asm, cgo by their own path, `…/pkg/tool/linux_amd64/compile`: the go command starts them."""
    draft.language = "go"
    draft.is_child = True
    draft.mode = _TOOL_MODES.get(draft.tool.rpartition(" ")[2], "unknown")
    walk(draft, arguments, _TOOL)
    if draft.mode == "link":
        draft.objects, draft.sources = draft.sources, []
    if ":probe" in draft.marks or not draft.has_input:
        draft.mode = "probe" if ":probe" in draft.marks else "unknown"


_TOOL_MODES: Final[dict[str, Mode]] = {
    "compile": "compile",
    "asm": "compile",
    "cgo": "preprocess",
    "link": "link",
    "pack": "link",
    "buildid": "probe",
    "cover": "preprocess",
    "vet": "probe",
}


def _until_the_programs_arguments(rest: list[str]) -> list[str]:
    """`go run [flags] FILES-or-package [the program's own arguments]`."""
    for at, argument in enumerate(rest):
        option = argument[1:] if argument[:2] == "--" else argument
        before = rest[at - 1] if at else ""
        before = before[1:] if before[:2] == "--" else before
        if option[:1] == "-" or before in _BUILD.takes:
            continue
        files = len(list(takewhile(lambda one: one.endswith(".go"), rest[at:])))
        return rest[: at + max(files, 1)]
    return rest


def _package(draft: Draft, argument: str) -> None:
    if argument:
        draft.sources.append(argument)
    if argument == "-":
        draft.stdin_source = True


def _toolexec(draft: Draft, value: str) -> None:
    """`-toolexec 'cmd args'` runs every tool through a program; `-exec` the product."""
    draft.runs(value, "toolexec")


def _link_flags(draft: Draft, value: str) -> None:
    """`-ldflags '[pattern=]-s -w -extld=… -extldflags …'`; read without the shell's quotes."""
    flags = value.split(None, MAX_ARGUMENTS)
    for at, flag in enumerate(flags):
        one = flag.strip("'\"").removeprefix("all=").lstrip("-")
        key, has_value, said = one.partition("=")
        said = said if has_value else (flags[at + 1].strip("'\"") if at + 1 < len(flags) else "")
        if key == "s":
            draft.flags.add("stripped")
        elif key == "static" or (key == "extldflags" and "-static" in said):
            draft.flags.add("static")
        elif key == "extld" and not is_ordinary(said):
            draft.runs(said, "linker")
    if "-extldflags" in value and "-wrapper" in value:
        draft.runs(value, "wrapper")


def _compile_flags(draft: Draft, value: str) -> None:
    if "-N" in value:
        draft.flags.add("debug")


def _build_mode(draft: Draft, value: str) -> None:
    if value in {"c-shared", "shared", "plugin"}:
        draft.flags.add("shared")
    elif value == "pie":
        draft.flags.add("position_independent")


_BUILD: Final = Grammar(
    one_dash=True,
    alone=words(
        """-a -i -n=:n -v -x -race -msan -asan -cover -work -trimpath -linkshared -modcacherw -buildvcs -json -u -t -d
        -c -short -failfast -benchmem -cgo""",
    ),
    takes={
        **taking("-o", to_output),
        **taking("-C", to_directory),
        **taking("-toolexec -exec -vettool", _toolexec),
        **taking("-ldflags", _link_flags),
        **taking("-gcflags", _compile_flags),
        **taking("-buildmode", _build_mode),
        **taking("-overlay -modfile -pgo", to_read),
        **taking("-p -asmflags -compiler -gccgoflags -installsuffix -mod -pkgdir -tags -covermode -coverpkg -run -bench"
                 " -count -timeout -parallel -cpu -benchtime -coverprofile -cpuprofile -memprofile -blockprofile -skip"
                 " -mutexprofile -outputdir -trace -fuzz -fuzztime -shuffle -list -vet", skip),
    },
    equals=taking("-buildvcs -v -race -trimpath -json -cover -c -a -x -asan -msan", skip),
    joined={},
    name=_package,
)  # fmt: skip

_TOOL: Final = Grammar(
    one_dash=True,
    alone=words(
        """-V=:probe -std -pack -complete -nolocalimports -shared=shared -dynlink=shared -N -l -B -race -msan
            -asan -S -w
        -s=stripped -d -v -n -gensymabis -symabis-only -c -g -f -t -dwarf -live -m -e -h -u -K""",
    ),
    takes={
        **taking("-o", to_output),
        **taking("-extld", lambda draft, value: None if is_ordinary(value) else draft.runs(value, "linker")),
        **taking("-buildmode", _build_mode),
        **taking("-importcfg -embedcfg -symabis -pgoprofile", to_read),
        **taking("-p -buildid -goversion -trimpath -asmhdr -I -D -lang -linkobj -coveragecfg -L -linkmode -extldflags"
                 " -installsuffix -X -H -k -R -T -objdir -importpath -dynout -dynimport -dynpackage -exportheader -mode"
                 " -var -pkgcfg -tmpdir -extar -cpuprofile -memprofile -r -E", skip),
    },
    equals={"-V": keep("version"), **taking("-c -d -m -l -spectre -dwarf -compressdwarf -N", skip)},
    joined={},
    name=_package,
)  # fmt: skip
