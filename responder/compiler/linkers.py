"""Step 1: linkers, assemblers and archivers: what a compiler driver starts after the compiler proper. Pure.

Options as in the manuals of GNU ld, as and ar (https://sourceware.org/binutils/docs/), lld, nasm
(https://www.nasm.us/doc/nasmdoc2.html) and yasm.
"""

from __future__ import annotations

import re
from typing import Final

from responder.compiler.build import (
    Draft,
    Grammar,
    skip,
    taking,
    to_library,
    to_output,
    to_read,
    walk,
    words,
)

# `make_temp_file` of libiberty: cc, six random characters, a suffix; clang: the source's name, six of hex.
_TEMPORARY: Final = re.compile(
    r"cc[0-9A-Za-z]{6}(?:\.ltrans[0-9]{0,3})?\.(?:s|o|res|lto)\Z|.{0,99}-[0-9a-f]{6}\.[os]\Z"
)
_HANDED: Final = re.compile(r"/tmp/cc[0-9A-Za-z]{6}\Z")  # noqa: S108 - names of others' temporary files are compared
"""Where the driver was given its arguments in a file, it hands them on in one of its own."""
_CRT: Final = ("crtbegin", "crtend")
_LD_PLUGIN: Final = ("liblto_plugin.so", "LLVMgold.so", "libLTO.so")


def linker(draft: Draft, arguments: list[str]) -> None:
    """ld, gold, lld, mold, and collect2, which gcc puts before them."""
    walk(draft, arguments, _LINKER)
    if ":probe" in draft.marks or not (draft.objects or draft.reads):
        draft.mode = "probe" if draft.marks & {":probe", ":v"} else "unknown"
        return
    draft.mode = "link"
    if not draft.outputs:
        draft.outputs.append("a.out")
    is_handed = any(_HANDED.match(one) for one in draft.reads[:_NEAR])
    draft.is_child = draft.tool == "collect2" or ":driver" in draft.marks or is_handed or _has_temporary(draft.objects)


def assembler(draft: Draft, arguments: list[str]) -> None:
    """GNU as; without a file it reads standard input."""
    draft.language = "assembler"
    walk(draft, arguments, _ASSEMBLER)
    if ":probe" in draft.marks:
        draft.mode = "probe"
        return
    draft.mode = "compile"
    draft.stdin_source = draft.stdin_source or not (draft.sources or draft.reads)
    if not draft.outputs:
        draft.outputs.append("a.out")
    draft.is_child = _has_temporary(draft.sources)


def nasm(draft: Draft, arguments: list[str]) -> None:
    """Both nasm and yasm; the default output depends on the format, and is named only for ELF."""
    draft.language = "assembler"
    walk(draft, arguments, _NASM)
    if ":probe" in draft.marks or not draft.has_input:
        draft.mode = "probe" if ":probe" in draft.marks else "unknown"
        return
    draft.mode = "preprocess" if ":E" in draft.marks else "compile"
    if not draft.outputs and draft.values.get("format", "").startswith("elf"):
        draft.outputs.extend(one.rpartition("/")[2].rpartition(".")[0] + ".o" for one in draft.sources if "." in one)


def archiver(draft: Draft, arguments: list[str]) -> None:
    """`ar rcs lib.a x.o`, `ranlib lib.a`: objects to a library, nothing compiled."""
    if "--plugin" in arguments[:-1]:
        # gcc-ar puts the linker's plugin before everything else.
        at = arguments.index("--plugin")
        arguments = arguments[:at] + arguments[at + 2 :]
    names = [one for one in arguments if one[:1] not in {"-", "@", ""}]
    if any(one in {"--version", "-V", "--help", "-h"} for one in arguments):
        draft.mode = "probe"
        return
    if draft.tool == "ar":
        dashed = any(one[:1] == "-" and one[:2] != "--" for one in arguments)
        names = names if dashed else names[1:]
    draft.mode = "link"
    draft.outputs.extend(names[:1])
    draft.objects.extend(names[1:])
    for one in arguments:
        if one[:1] == "@":
            draft.response_file(one)


def binutil(draft: Draft, arguments: list[str]) -> None:
    """strip, objcopy, nm, objdump: they read or change what was built."""
    draft.objects.extend(one for one in arguments if one[:1] not in {"-", "@", ""})
    draft.mode = "unknown" if draft.objects else "probe"
    if draft.tool == "strip":
        draft.flags.add("stripped")
        draft.outputs.extend(draft.objects)


def script(draft: Draft, value: str) -> None:
    """`-T value`: a linker script."""
    draft.read(value, "linker_script")


def joined_script(draft: Draft, value: str) -> None:
    """`-Tvalue`; `-Ttext=0` and its like are addresses."""
    if not value.startswith(("text", "data", "bss", "rodata", "ldata")):
        script(draft, value)


def _has_temporary(names: list[str]) -> bool:
    """Whether the driver's temporary file is among the first or the last: it puts them near the ends."""
    near = names if len(names) <= _NEAR else names[:_NEAR] + names[-_NEAR:]
    return any(_TEMPORARY.match(one.rpartition("/")[2]) for one in near if "/tmp/" in one or one.startswith("/var/"))  # noqa: S108 - names of others' temporary files are compared, none is made


_NEAR: Final = 32


def _object(draft: Draft, argument: str) -> None:
    if argument[:1] == "@":
        draft.response_file(argument)
    elif argument:
        draft.objects.append(argument)
        if "crt" in argument and argument.rpartition("/")[2].startswith(_CRT):
            draft.marks.add(":driver")


def _assembly(draft: Draft, argument: str) -> None:
    if argument == "-":
        draft.stdin_source = True
    elif argument[:1] == "@":
        draft.response_file(argument)
    elif argument:
        draft.sources.append(argument)


def _plugin(draft: Draft, value: str) -> None:
    """The linker's own plugin for link time optimisation comes with every link by gcc; others are worth a look."""
    if not (value.startswith(("/usr/", "/opt/")) and value.rpartition("/")[2].startswith(_LD_PLUGIN)):
        draft.runs(value, "plugin")


def _plugin_option(draft: Draft, value: str) -> None:
    if "lto-wrapper" in value or value.startswith("-fresolution="):
        draft.marks.add(":driver")


def _z(draft: Draft, value: str) -> None:
    if value == "execstack":
        draft.flags.add("execstack")


def _format(draft: Draft, value: str) -> None:
    draft.values["format"] = value


def _asm_include(draft: Draft, value: str) -> None:
    draft.include_dirs.append(value)
    draft.flags.add("includes")


_LINKER: Final = Grammar(
    one_dash=True,
    alone=words(
        """-shared=shared -Bshareable=shared -static=static -Bstatic -Bdynamic -dn -dy -non_shared -call_shared
        -pie=position_independent -pic-executable=position_independent -no-pie -s=stripped -strip-all=stripped
        -S -strip-debug -nostdlib=nostdlib -version=:probe -v=:v -V=:v -help=:probe -target-help=:probe
        -r -relocatable -i -E -export-dynamic -no-export-dynamic -X -x -d -dc -dp -t -M -print-map -g -n -N -q -Ur
        -as-needed -no-as-needed -start-group -end-group -( -) -push-state -pop-state -eh-frame-hdr -build-id
        -gc-sections -whole-archive -no-whole-archive -omagic -nmagic -no-undefined -verbose -warn-common -EL -EB
        -icf -print-gc-sections -no-dynamic-linker -Bsymbolic -Bsymbolic-functions -allow-multiple-definition
        -demangle -no-demangle -discard-all -discard-locals -trace -fatal-warnings -no-fatal-warnings""",
    ),
    takes={
        **taking("-o -output", to_output),
        **taking("-l -library", to_library),
        **taking("-T -script -default-script -dT", script),
        **taking("-version-script -dynamic-list -just-symbols -R -c -mri-script -retain-symbols-file -export-symbols",
                 to_read),
        **taking("-plugin", _plugin),
        **taking("-plugin-opt", _plugin_option),
        **taking("-z", _z),
        **taking("-m -dynamic-linker -I -rpath -rpath-link -soname -h -L -library-path -e -entry -u -undefined -Map -y"
                 " -A -architecture -b -format -oformat -defsym -a -Y -F -f -filter -auxiliary -sysroot -flavor -G"
                 " -wrap"
                 " -section-start -Ttext -Tdata -Tbss -init -fini -O -dynamic-list-data -exclude-libs -arch -mllvm"
                 " -syslibroot -platform_version -hash-style -threads -icf -lto-O -thinlto-cache-dir", skip),
    },
    equals={},
    joined={
        "-l": to_library,
        "-T": joined_script,
        **taking("-L -O -m -z -f -e -u -y -h -b -A -R -I -F -Y -B -G -n -o -d -s -w -p -c -a -g -i -t -v -x -r -E -M -N"
                 " -C -D -X -q -j -k -S -W -(", skip),
    },
    name=_object,
)  # fmt: skip

HANDED_THROUGH: Final = _LINKER
"""What a compiler driver hands through with `-Wl,` and `-Xlinker`: the same options."""

_ASSEMBLER: Final = Grammar(
    alone=words(
        """--32 --64 --x32 -g=debug --gen-debug=debug --gstabs=debug --gdwarf-2=debug --gdwarf-5=debug --version=:probe
        -version=:probe --help=:probe --target-help=:probe -v -W -w -K -L -M -R -n -s -x -Z -f -D -Qy -EL -EB
        --no-warn --warn --fatal-warnings --noexecstack --execstack=execstack --statistics --strip-local-absolute""",
    ),
    takes={
        **taking("-o", to_output),
        **taking("-I", _asm_include),
        **taking("--defsym -G --MD -T -F", skip),
    },
    equals={},
    joined={"-I": _asm_include, **taking("-m -a -- -g -f -K -n -s -O -A -W -M -D -J -X -k -E -Q -t -u", skip)},
    name=_assembly,
)

_NASM: Final = Grammar(
    alone=words(
        """-v=:probe --version=:probe -version=:probe -h=:probe --help=:probe --license=:probe -E=:E -e=:E -a
        -g=debug -w -s -O -M=:E -MG=:E -MP -MD=dependency_file -t -y=:probe --gprefix --postfix""",
    ),
    takes={
        **taking("-o --output --objfile", to_output),
        **taking("-f --oformat -fformat", _format),
        **taking("-I -i", _asm_include),
        **taking("-P -p --include -@", to_read),
        **taking("-D -d -U -u -l --list -F --dformat -Z -X -L -a --arch -m --machine -MF -MT -MQ -r --preproc --parser"
                 " --prefix --suffix --reproducible --limit", skip),
    },
    equals={},
    joined={
        "-o": to_output,
        "-f": _format,
        **taking("-I -i", _asm_include),
        **taking("-P -p", to_read),
        **taking("-D -d -U -u -l -F -O -w -W -X -Z -g -M -L -- -a -m -r -k -t", skip),
    },
    name=_assembly,
)  # fmt: skip
