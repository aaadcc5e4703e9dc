"""Step 1: gcc, g++, clang, tcc and their kin, and the compilers proper that they start (cc1, clang -cc1). Pure.

Options as in "Option Summary" and "Overall Options" of the GCC manual
(https://gcc.gnu.org/onlinedocs/gcc/Option-Summary.html), the Clang command line reference
(https://clang.llvm.org/docs/ClangCommandLineReference.html) and tcc's manual.
"""

from __future__ import annotations

from typing import Final

from responder.compiler import linkers
from responder.compiler.build import (
    MAX_ARGUMENTS,
    Draft,
    Grammar,
    Mode,
    keep,
    skip,
    taking,
    to_library,
    to_output,
    to_read,
    walk,
    words,
)
from responder.compiler.features import is_feature_test

_SUFFIXES: Final = {
    suffix: language
    for language, suffixes in {
        "c": "c h i",
        "c++": "cc cp cxx cpp CPP c++ C ii hh hpp hxx hp H tcc ixx cppm",
        "objective-c": "m mi",
        "objective-c++": "mm M mii",
        "assembler": "s S sx asm",
        "fortran": "f for ftn F FOR f90 f95 f03 f08 F90 F95 F03 F08",
        "ada": "adb ads",
        "d": "d di",
        "go": "go",
        "cuda": "cu",
        "opencl": "cl",
        "llvm-ir": "ll bc",
    }.items()
    for suffix in suffixes.split()
}
_BY_NAME: Final = {
    "g++": "c++",
    "c++": "c++",
    "clang++": "c++",
    "icpc": "c++",
    "icpx": "c++",
    "cc1plus": "c++",
    "cc1": "c",
}


def driver(draft: Draft, arguments: list[str]) -> None:
    """A compiler driver: compiles, assembles and links, as it is told."""
    if arguments and arguments[0] in {"-cc1", "-cc1as"}:
        frontend(draft, arguments[1:])
        return
    if draft.tool == "tcc" and "-run" in arguments:
        arguments = _without_the_programs_arguments(draft, arguments)
    draft.language = _BY_NAME.get(draft.tool, "")
    walk(draft, arguments, _DRIVER)
    _read_pieces(draft)
    if draft.tool == "cpp":
        draft.marks.add(":E")
    draft.mode = _mode(draft)
    _default_output(draft)


def frontend(draft: Draft, arguments: list[str]) -> None:
    """cc1 and cc1plus, `clang -cc1`, lto1: only ever started by a driver, unless somebody shows off."""
    draft.is_child = True
    draft.mode = "compile"
    draft.language = _BY_NAME.get(draft.tool, "")
    if draft.tool == "lto-wrapper":  # its arguments are objects and a resolution file; it starts the driver again
        draft.objects.extend(one for one in arguments if one[:1] not in {"-", "@"})
        return
    walk(draft, arguments, _FRONTEND)
    if ":E" in draft.marks:
        draft.mode = "preprocess"
    elif not draft.has_input:
        draft.mode = "probe" if draft.marks else "unknown"
    elif is_feature_test(draft):
        draft.mode = "feature_test"


def _without_the_programs_arguments(draft: Draft, arguments: list[str]) -> list[str]:
    """`tcc [options] -run FILE [the program's own arguments]`."""
    draft.marks.add(":run")
    at = arguments.index("-run")
    return [*arguments[:at], *arguments[at + 1 : at + 2]]


def _read_pieces(draft: Draft) -> None:
    """What was handed through: `-Wl,…` and `-Xlinker` to the linker, `-Xclang` to the compiler proper."""
    for pieces, grammar in ((draft.linker, linkers.HANDED_THROUGH), (draft.frontend, _FRONTEND)):
        if pieces:
            if len(pieces) > MAX_ARGUMENTS:
                draft.note(f"{len(pieces) - MAX_ARGUMENTS} further arguments for the linker were not read")
            walk(draft, pieces[:MAX_ARGUMENTS], grammar)


def _mode(draft: Draft) -> Mode:
    marks = draft.marks
    if ":probe" in marks or (":v" in marks and not draft.has_input):
        return "probe"
    if not draft.has_input:
        if "response_file" not in draft.flags:
            draft.note("nothing to build from is named")
        return "unknown"
    if marks & {":E", ":M"}:
        asks = draft.sources == ["/dev/null"] or ("macros" in draft.flags and draft.stdin_source)
        return "probe" if asks else "preprocess"
    if is_feature_test(draft):
        return "feature_test"
    if marks & {":c", ":S", ":syntax"} or _are_headers(draft):
        return "compile"
    return "run" if ":run" in marks else "link"


def _are_headers(draft: Draft) -> bool:
    """A header alone is compiled in advance, to `x.h.gch`."""
    return not draft.objects and bool(draft.sources) and all(one.endswith(_HEADERS) for one in draft.sources)


def _default_output(draft: Draft) -> None:
    """What the manual promises where no `-o` is given; nothing for standard input, whose object has no sure name."""
    if draft.outputs or not draft.has_input or draft.mode in {"probe", "preprocess", "run", "unknown"}:
        return
    marks = draft.marks
    if ":syntax" in marks:
        return
    if _are_headers(draft):
        draft.outputs.extend(f"{source}.gch" for source in draft.sources)
    elif marks & {":c", ":S"}:
        ending = ".s" if ":S" in marks else ".o"
        for source in draft.sources:
            name = source.rpartition("/")[2]
            stem = name.rpartition(".")[0] or name
            if stem:
                draft.outputs.append(stem + ending)
    else:
        draft.outputs.append("a.out")


def _input(draft: Draft, argument: str) -> None:
    if argument == "-" or argument in _STDIN:
        draft.stdin_source = True
        draft.language = draft.forced_language or draft.language
    elif argument[:1] == "@":
        draft.response_file(argument)
    elif not argument:
        draft.note("an empty argument")
    elif draft.forced_language:
        draft.sources.append(argument)
        draft.language = draft.language or draft.forced_language
    else:
        suffix = argument.rpartition(".")[2]
        language = _SUFFIXES.get(suffix)
        if language is None:
            draft.objects.append(argument)
        else:
            draft.sources.append(argument)
            draft.language = draft.language or language


def _language(draft: Draft, value: str) -> None:
    """`-x c`; `c-header` and `cpp-output` are C, `none` goes back to the suffixes."""
    value = value.removesuffix("-header").removesuffix("-cpp-output").removesuffix("-with-cpp")
    value = "c" if value == "cpp-output" else value
    draft.forced_language = "" if value == "none" else value
    draft.language = draft.forced_language or draft.language


def _include(draft: Draft, value: str) -> None:
    draft.include_dirs.append(value)
    draft.flags.add("includes")


def _define(draft: Draft, _: str) -> None:
    draft.flags.add("defines")


def _optimise(draft: Draft, value: str) -> None:
    if value != "0":
        draft.flags.add("optimised")


def _debug(draft: Draft, value: str) -> None:
    if value != "0" and not value.startswith(("cc-", "no-")):  # clang's --gcc-toolchain has a one-dash spelling
        draft.flags.add("debug")


def _w(draft: Draft, value: str) -> None:
    """`-Wl,a,b` to the linker, `-Wp,a` to the preprocessor, `-Wa,a` to the assembler, else a warning."""
    if value[:2] == "l,":
        pieces = value.split(",", MAX_ARGUMENTS)[1:]
        draft.linker.extend(pieces)
    elif value[:2] == "p,":
        draft.flags.add("defines" if value[2:4] == "-D" else "dependency_file" if value[2:4] == "-M" else "includes")
    elif value[:2] != "a,":
        draft.flags.add("warnings")


def _i(draft: Draft, value: str) -> None:
    """`-isystemDIR` and `-includeFILE`, written in one word."""
    for option in ("system", "quote", "dirafter", "with-sysroot"):
        if value.startswith(option):
            _include(draft, value[len(option) :])
            return
    for option in ("nclude", "macros"):
        if value.startswith(option):
            draft.reads.append(value[len(option) :])
            return


def _p(draft: Draft, value: str) -> None:
    if value.startswith("rint-"):
        draft.marks.add(":probe")


def _wrapper(draft: Draft, value: str) -> None:
    """`-wrapper sh,-c,…`: every subcommand of the driver is run by this program."""
    draft.runs(" ".join(value.split(",", MAX_ARGUMENTS)), "wrapper")


def _plugin(draft: Draft, value: str) -> None:
    draft.runs(value, "plugin")


def _prefix(draft: Draft, value: str) -> None:
    """`-B`: a directory, or a prefix, in which the driver looks for cc1, as and ld first."""
    draft.runs(value, "prefix_dir")


def _specs(draft: Draft, value: str) -> None:
    """A specs file holds the command lines of the driver's subcommands."""
    draft.runs(value, "specs")
    draft.reads.append(value)


def _use_linker(draft: Draft, value: str) -> None:
    if "/" in value:
        draft.runs(value, "linker")


def _to_linker(draft: Draft, value: str) -> None:
    draft.linker.append(value)


def _to_frontend(draft: Draft, value: str) -> None:
    draft.frontend.append(value)


_STDIN: Final = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_HEADERS: Final = (".h", ".hh", ".hpp", ".hxx")

_DRIVER: Final = Grammar(
    alone=words(
        """-c=:c -S=:S -E=:E -fsyntax-only=:syntax -M=:M -MM=:M -MD=dependency_file -MMD=dependency_file -MG -MP
        -v=:v --verbose=:v -V=:v -###=:probe --version=:probe -version=:probe -dumpversion=:probe -dumpmachine=:probe
        -dumpfullversion=:probe -dumpspecs=:probe --help=:probe -help=:probe --target-help=:probe -qversion=:probe
        -dM=macros -shared=shared --shared=shared -static=static --static=static -static-pie=static
        -fPIC=pic -fpic=pic -fPIE=position_independent -fpie=position_independent -pie=position_independent -no-pie
        -nopie -s=stripped --strip-all=stripped -nostdlib=nostdlib -nodefaultlibs -nolibc
        -ffreestanding -nostartfiles=nostartfiles -pthread=threads -pthreads=threads -fopenmp=threads
        -O=optimised -g=debug -w -Wall=warnings -Wextra=warnings -pedantic=warnings -ansi -pipe -r -rdynamic
        -export-dynamic -C -CC -P -H -Q -n -N -R -h -nostdinc -nostdinc++ -static-libgcc -static-libstdc++
        -shared-libgcc
        -undef -traditional -traditional-cpp -remap -trigraphs -time -save-temps -no-canonical-prefixes -pg -p -b -bt
        -fPIC-fwrapv -Qunused-arguments -integrated-as -no-integrated-as -Bstatic=static -Bdynamic -Bsymbolic
        -Bsymbolic-functions --no-demangle --coverage -coverage --pedantic=warnings --pie=position_independent
        -pass-exit-codes --no-warnings --print-search-dirs=:probe --print-file-name=:probe -emit-llvm -mt -nologo""",
    ),
    takes={
        **taking("-o --output", to_output),
        **taking("-x --language", _language),
        **taking("-I -isystem -iquote -idirafter -iwithprefix -iwithprefixbefore --include-directory -cxx-isystem",
                 _include),
        **taking("-include -imacros --include --imacros -include-pch", to_read),
        **taking("-D --define-macro", _define),
        **taking("-U -L -u -z -e --entry --param -A -MF -MT -MQ -MJ -arch -framework -target --target -V -G -aux-info"
                 " -iprefix -isysroot --sysroot -imultilib -imultiarch -dumpbase -dumpbase-ext -dumpdir -auxbase -h"
                 " -Xassembler -Xpreprocessor -mllvm -b -Tbss -Tdata -Ttext -arch_only -install_name -current_version"
                 " -compatibility_version -gcc-toolchain --gcc-toolchain -J -Xcompiler -soname -rpath -Xarch_host",
                 skip),
        **taking("-l", to_library),
        **taking("-T", linkers.script),
        **taking("-Xlinker", _to_linker),
        **taking("-Xclang", _to_frontend),
        **taking("-wrapper", _wrapper),
        **taking("-B --prefix", _prefix),
        **taking("-specs --specs", _specs),
        **taking("-ccbin --compiler-bindir", _use_linker),
    },
    equals={
        **taking("-fplugin --plugin -fpass-plugin", _plugin),
        **taking("-fuse-ld -ld-path --ld-path", _use_linker),
        "--config": _specs,
    },
    joined={
        "-I": _include,
        "-D": _define,
        "-l": to_library,
        "-W": _w,
        "-O": _optimise,
        "-g": _debug,
        "-x": _language,
        "-o": to_output,
        "-B": _prefix,
        "-i": _i,
        "-p": _p,
        "-T": linkers.joined_script,
        **taking("-f -m -L -U -s -d -u -z -e -n -t -r -M -A -- -q -a -R -y -h -X -G -N -Q -c -J -E -C -F -b -K", skip),
    },
    name=_input,
)  # fmt: skip

_FRONTEND: Final = Grammar(
    alone={
        **{option: flag for option, flag in _DRIVER.alone.items() if option not in {"-MD", "-MMD"}},
        **words(
            """-quiet -version --version=:probe -fpreprocessed -emit-obj -emit-llvm-bc -S -c -v=:v -add-plugin
            -disable-free -mrelax-all -munwind-tables -fcolor-diagnostics -dwarf-column-info -faddrsig -quiet-dumpbase
            -analyze -clear-ast-before-backend -discard-value-names -pic-is-pie""",
        ),
    },
    takes={
        **_DRIVER.takes,
        # Unlike the driver's, cc1's -MD and -MMD name the file.
        **taking("-MD -MMD", keep("dependencies")),
        **taking("-auxbase-strip -triple -main-file-name -target-cpu -tune-cpu -target-feature -target-abi"
                 " -resource-dir"
                 " -mrelocation-model -pic-level -mthread-model -ferror-limit -fmessage-length -debugger-tuning"
                 " -fdebug-compilation-dir -fcoverage-compilation-dir -coverage-notes-file -coverage-data-file"
                 " -stack-protector"
                 " -dependency-file -sys-header-deps -mcode-model -fvisibility -ftype-visibility -split-dwarf-file"
                 " -internal-isystem -internal-externc-isystem -dwarf-version -add-plugin -plugin-arg", skip),
        **taking("-load -plugin", _plugin),
    },
    equals=_DRIVER.equals,
    joined=_DRIVER.joined,
    name=_input,
)  # fmt: skip
