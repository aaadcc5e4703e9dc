"""The compilers proper, assemblers, linkers and archivers."""

from __future__ import annotations

from typing import Final

import pytest

from tests.compiler.tables import Table, build, understood

CHILDREN: Final[Table] = {
    (
        "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet -imultiarch x86_64-linux-gnu -MD CMakeFiles/a.dir/a.c.d -MF "
        "CMakeFiles/a.dir/a.c.o.d -MT CMakeFiles/a.dir/a.c.o -D a_EXPORTS /app/a.c -quiet -dumpdir "
        "CMakeFiles/a.dir/ -dumpbase a.c.c -dumpbase-ext .c -mtune=generic -march=x86-64 -fPIC -o /tmp/cc7hmUAb.s"
    ): build(
        "cc1",
        "compile",
        sources=("/app/a.c",),
        outputs=("/tmp/cc7hmUAb.s",),
        language="c",
        flags={"defines", "pic"},
        is_child=True,
    ),
    (
        "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet -imultiarch x86_64-linux-gnu - -quiet -dumpdir /tmp/.x9- "
        "-dumpbase - -mtune=generic -march=x86-64 -o /tmp/ccZYZd0s.s"
    ): build("cc1", "compile", outputs=("/tmp/ccZYZd0s.s",), stdin_source=True, language="c", is_child=True),
    "/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus -quiet -D_GNU_SOURCE hello.cc -quiet -o /tmp/ccU6KG2X.s": build(
        "cc1plus",
        "compile",
        sources=("hello.cc",),
        outputs=("/tmp/ccU6KG2X.s",),
        language="c++",
        flags={"defines"},
        is_child=True,
    ),
    "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -E -quiet -imultiarch x86_64-linux-gnu a.c -o -": build(
        "cc1", "preprocess", sources=("a.c",), outputs=("-",), language="c", is_child=True
    ),
    (
        "clang -cc1 -triple x86_64-pc-linux-gnu -emit-obj -main-file-name a.c -mrelocation-model pic -pic-level 2 "
        "-resource-dir /usr/lib/clang/17 -o /tmp/a-1b2c3d.o -x c a.c"
    ): build("clang", "compile", sources=("a.c",), outputs=("/tmp/a-1b2c3d.o",), language="c", is_child=True),
    "as --64 -o ./_addmod.o /tmp/cc0Qxbil.s": build(
        "as", "compile", sources=("/tmp/cc0Qxbil.s",), outputs=("./_addmod.o",), language="assembler", is_child=True
    ),
    "as --64 -o /tmp/ccywAX1B.o /tmp/ccSGj5LI.s": build(
        "as", "compile", sources=("/tmp/ccSGj5LI.s",), outputs=("/tmp/ccywAX1B.o",), language="assembler", is_child=True
    ),
    "as -o x.o x.s": build("as", "compile", sources=("x.s",), outputs=("x.o",), language="assembler"),
    "as -o x.o": build("as", "compile", outputs=("x.o",), stdin_source=True, language="assembler"),
    (
        "/usr/lib/gcc/x86_64-linux-gnu/12/collect2 -plugin /usr/lib/gcc/x86_64-linux-gnu/12/liblto_plugin.so "
        "-plugin-opt=/usr/lib/gcc/x86_64-linux-gnu/12/lto-wrapper -plugin-opt=-fresolution=/tmp/cc0wlqoG.res "
        "--build-id --eh-frame-hdr -m elf_x86_64 --hash-style=gnu --as-needed -shared -o /tmp/preload.so "
        "-L/usr/lib/gcc/x86_64-linux-gnu/12 /tmp/ccywAX1B.o -lgcc --push-state --as-needed -lgcc_s --pop-state -lc"
    ): build(
        "collect2",
        "link",
        objects=("/tmp/ccywAX1B.o",),
        outputs=("/tmp/preload.so",),
        flags={"shared"},
        libraries=("gcc", "gcc_s", "c"),
        is_child=True,
    ),
    (
        "/usr/bin/ld -plugin /usr/lib/gcc/x86_64-linux-gnu/12/liblto_plugin.so "
        "-plugin-opt=-fresolution=/tmp/cc0wlqoG.res -dynamic-linker /lib64/ld-linux-x86-64.so.2 -pie -o /tmp/.x9 "
        "/tmp/cc9I1Pw9.o -lc"
    ): build(
        "ld",
        "link",
        objects=("/tmp/cc9I1Pw9.o",),
        outputs=("/tmp/.x9",),
        flags={"position_independent"},
        libraries=("c",),
        is_child=True,
    ),
    (
        "/usr/bin/ld -pie -dynamic-linker /lib64/ld-linux-x86-64.so.2 -o a.out /lib/x86_64-linux-gnu/Scrt1.o "
        "/usr/lib/gcc/x86_64-linux-gnu/12/crtbeginS.o /tmp/a-1b2c3d.o -lc"
    ): build(
        "ld",
        "link",
        objects=("/lib/x86_64-linux-gnu/Scrt1.o", "/usr/lib/gcc/x86_64-linux-gnu/12/crtbeginS.o", "/tmp/a-1b2c3d.o"),
        outputs=("a.out",),
        flags={"position_independent"},
        libraries=("c",),
        is_child=True,
    ),
    "ld -o k k.o": build("ld", "link", objects=("k.o",), outputs=("k",)),
    "ld -plugin-opt=/usr/lib/gcc/x86_64-linux-gnu/12/lto-wrapper -o a a.o": build(
        "ld", "link", objects=("a.o",), outputs=("a",), is_child=True
    ),
    "ld.lld -o a /usr/lib/gcc/x86_64-linux-gnu/12/crtbeginS.o a.o": build(
        "lld", "link", objects=("/usr/lib/gcc/x86_64-linux-gnu/12/crtbeginS.o", "a.o"), outputs=("a",), is_child=True
    ),
    "rust-lld -flavor gnu -o x y.o": build("lld", "link", objects=("y.o",), outputs=("x",)),
    "ld.gold -static -s -o x y.o": build(
        "gold", "link", objects=("y.o",), outputs=("x",), flags={"static", "stripped"}
    ),
    "ld.bfd -r -o x.o y.o z.o": build("ld", "link", objects=("y.o", "z.o"), outputs=("x.o",)),
    "ld.lld y.o": build("lld", "link", objects=("y.o",), outputs=("a.out",)),
    "nasm -f elf64 x.asm": build("nasm", "compile", sources=("x.asm",), outputs=("x.o",), language="assembler"),
    "nasm -f bin -o x x.asm": build("nasm", "compile", sources=("x.asm",), outputs=("x",), language="assembler"),
    "yasm -f elf64 -i inc -o x.o x.asm": build(
        "yasm",
        "compile",
        sources=("x.asm",),
        outputs=("x.o",),
        language="assembler",
        flags={"includes"},
        include_dirs=("inc",),
    ),
    "ar rcs lib.a x.o y.o": build("ar", "link", objects=("x.o", "y.o"), outputs=("lib.a",)),
    "x86_64-linux-gnu-gcc-ar-12 -rc lib.a x.o": build("ar", "link", objects=("x.o",), outputs=("lib.a",)),
    "x86_64-linux-gnu-strip /tmp/x": build(
        "strip", "unknown", objects=("/tmp/x",), outputs=("/tmp/x",), flags={"stripped"}
    ),
}


@pytest.mark.parametrize("line", CHILDREN)
def test_what_a_driver_starts_by_itself_is_told_from_what_a_person_starts(line: str) -> None:
    assert understood(line) == CHILDREN[line]
