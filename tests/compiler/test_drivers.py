"""What gcc, g++, clang, tcc and their kin are told to build, and what only asks them a question."""

from __future__ import annotations

from typing import Final

import pytest

from tests.compiler.tables import Table, build, understood

DRIVERS: Final[Table] = {
    "x86_64-linux-gnu-gcc-12 -static -o /tmp/.x/kworker /tmp/.x/k.c": build(
        "gcc", "link", sources=("/tmp/.x/k.c",), outputs=("/tmp/.x/kworker",), language="c", flags={"static"}
    ),
    "aarch64-linux-musl-g++ a.cc": build(
        "g++", "link", sources=("a.cc",), outputs=("a.out",), language="c++", flags={"musl"}
    ),
    "musl-gcc -static -o exploit exploit.c -pthread": build(
        "gcc", "link", sources=("exploit.c",), outputs=("exploit",), language="c", flags={"musl", "static", "threads"}
    ),
    "sh /usr/bin/musl-gcc -static x.c": build(
        "gcc", "link", wrappers=("sh",), sources=("x.c",), outputs=("a.out",), language="c", flags={"musl", "static"}
    ),
    "clang-17 -c a.c": build("clang", "compile", sources=("a.c",), outputs=("a.o",), language="c"),
    "g++-13 -c a.cpp b.cpp": build(
        "g++", "compile", sources=("a.cpp", "b.cpp"), outputs=("a.o", "b.o"), language="c++"
    ),
    "cc -o /tmp/T1036_004_prctl_rename /tmp/atomics/T1036.004/src/prctl_rename.c": build(
        "cc",
        "link",
        sources=("/tmp/atomics/T1036.004/src/prctl_rename.c",),
        outputs=("/tmp/T1036_004_prctl_rename",),
        language="c",
    ),
    "clang++ /tmp/atomics/T1027.004/src/T1027-004-test.cc": build(
        "clang++", "link", sources=("/tmp/atomics/T1027.004/src/T1027-004-test.cc",), outputs=("a.out",), language="c++"
    ),
    "gcc /dev/shm/.k.c -o /dev/shm/.k -static -pthread": build(
        "gcc", "link", sources=("/dev/shm/.k.c",), outputs=("/dev/shm/.k",), language="c", flags={"static", "threads"}
    ),
    "gcc -Wall -fPIC -shared -o /tmp/libph.so /tmp/ph.c -ldl": build(
        "gcc",
        "link",
        sources=("/tmp/ph.c",),
        outputs=("/tmp/libph.so",),
        language="c",
        flags={"pic", "shared", "warnings"},
        libraries=("dl",),
    ),
    "gcc -fPIC -shared -nostartfiles -o /tmp/preload.so /tmp/preload.c": build(
        "gcc",
        "link",
        sources=("/tmp/preload.c",),
        outputs=("/tmp/preload.so",),
        language="c",
        flags={"nostartfiles", "pic", "shared"},
    ),
    "cc -Wall --shared -fPIC -o pwnkit.so pwnkit.c": build(
        "cc", "link", sources=("pwnkit.c",), outputs=("pwnkit.so",), language="c", flags={"pic", "shared", "warnings"}
    ),
    "gcc -o /tmp/.bd -x c -": build("gcc", "link", outputs=("/tmp/.bd",), stdin_source=True, language="c"),
    "gcc -xc++ /dev/stdin -o /tmp/x": build("gcc", "link", outputs=("/tmp/x",), stdin_source=True, language="c++"),
    (
        "gcc -fno-strict-overflow -Wsign-compare -DNDEBUG -g -O3 -Wall -fPIC -I/opt/venv/include "
        "-I/usr/local/include/python3.12 -c _addmod.c -o ./_addmod.o"
    ): build(
        "gcc",
        "compile",
        sources=("_addmod.c",),
        outputs=("./_addmod.o",),
        language="c",
        flags={"debug", "defines", "includes", "optimised", "pic", "warnings"},
        include_dirs=("/opt/venv/include", "/usr/local/include/python3.12"),
    ),
    (
        "gcc -shared -L/usr/local/lib -Wl,-rpath,/usr/local/lib ./_addmod.o -o "
        "./_addmod.cpython-312-x86_64-linux-gnu.so"
    ): build(
        "gcc",
        "link",
        objects=("./_addmod.o",),
        outputs=("./_addmod.cpython-312-x86_64-linux-gnu.so",),
        flags={"shared"},
    ),
    (
        "x86_64-linux-gnu-gcc -pthread -shared -Wl,-O1 -Wl,-Bsymbolic-functions -Wl,-z,relro -DNDEBUG -g -O2 -Wall "
        "build/temp.linux-x86_64-2.7/markupsafe/_speedups.o -o build/lib.linux-x86_64-2.7/markupsafe/_speedups.so"
    ): build(
        "gcc",
        "link",
        objects=("build/temp.linux-x86_64-2.7/markupsafe/_speedups.o",),
        outputs=("build/lib.linux-x86_64-2.7/markupsafe/_speedups.so",),
        flags={"debug", "defines", "optimised", "shared", "threads", "warnings"},
    ),
    (
        "c++ -MD -MT CMakeFiles/svc.dir/main.cc.o -MF CMakeFiles/svc.dir/main.cc.o.d -o "
        "CMakeFiles/svc.dir/main.cc.o -c /app/main.cc"
    ): build(
        "c++",
        "compile",
        sources=("/app/main.cc",),
        outputs=("CMakeFiles/svc.dir/main.cc.o",),
        language="c++",
        flags={"dependency_file"},
    ),
    "gcc a.c -I dir -isystem d2 -iquoted3 -include f.h -imacros m.h -U X -L lib -l m -x c b.txt -x none c.s d.o": build(
        "gcc",
        "link",
        sources=("a.c", "b.txt", "c.s"),
        objects=("d.o",),
        outputs=("a.out",),
        language="c",
        flags={"includes"},
        libraries=("m",),
        reads=("f.h", "m.h"),
        include_dirs=("dir", "d2", "d3"),
    ),
    "gcc -c d/x.y.c": build("gcc", "compile", sources=("d/x.y.c",), outputs=("x.y.o",), language="c"),
    "gcc -x c -c foo": build("gcc", "compile", sources=("foo",), outputs=("foo.o",), language="c"),
    "gcc -c - -x c": build("gcc", "compile", stdin_source=True, language="c"),
    "gcc -S a.c": build("gcc", "compile", sources=("a.c",), outputs=("a.s",), language="c"),
    "gcc a.h": build("gcc", "compile", sources=("a.h",), outputs=("a.h.gch",), language="c"),
    "gcc -fsyntax-only a.c": build("gcc", "compile", sources=("a.c",), language="c"),
    "gcc -s -O0 -g0 a.c -lcrypt": build(
        "gcc", "link", sources=("a.c",), outputs=("a.out",), language="c", flags={"stripped"}, libraries=("crypt",)
    ),
    "gcc -O2 -fPIE -pie -nostdlib -ffreestanding a.c --output=b": build(
        "gcc",
        "link",
        sources=("a.c",),
        outputs=("b",),
        language="c",
        flags={"nostdlib", "optimised", "position_independent"},
    ),
    "gcc -static-pie -nostartfiles a.S": build(
        "gcc", "link", sources=("a.S",), outputs=("a.out",), language="assembler", flags={"nostartfiles", "static"}
    ),
    "gcc -r a.o b.o -o c.o": build("gcc", "link", objects=("a.o", "b.o"), outputs=("c.o",)),
    "gcc /etc/passwd": build("gcc", "link", objects=("/etc/passwd",), outputs=("a.out",)),
    "gcc -x c -E /etc/shadow": build("gcc", "preprocess", sources=("/etc/shadow",), language="c"),
    "gcc -E -include/etc/shadow -x c -": build(
        "gcc", "preprocess", stdin_source=True, language="c", reads=("/etc/shadow",)
    ),
    "gcc -M a.c": build("gcc", "preprocess", sources=("a.c",), language="c"),
    "cpp x.c": build("cpp", "preprocess", sources=("x.c",), language="c"),
    "tcc -run x.c a b.c": build("tcc", "run", sources=("x.c",), language="c"),
    "tcc -c x.c": build("tcc", "compile", sources=("x.c",), outputs=("x.o",), language="c"),
    "gfortran -O2 a.f90 -o a": build(
        "gfortran", "link", sources=("a.f90",), outputs=("a",), language="fortran", flags={"optimised"}
    ),
    "nvcc -o k k.cu": build("nvcc", "link", sources=("k.cu",), outputs=("k",), language="cuda"),
    "zig cc -o x x.c": build("cc", "link", wrappers=("zig",), sources=("x.c",), outputs=("x",), language="c"),
    "gcc -o a": build("gcc", "unknown", outputs=("a",), not_understood=("nothing to build from is named",)),
    "gcc '' a.c": build(
        "gcc", "link", sources=("a.c",), outputs=("a.out",), language="c", not_understood=("an empty argument",)
    ),
}


@pytest.mark.parametrize("line", DRIVERS)
def test_a_driver_builds_what_its_options_say(line: str) -> None:
    assert understood(line) == DRIVERS[line]


PROBES: Final[Table] = {
    "gcc --version": build("gcc", "probe"),
    "gcc -v": build("gcc", "probe"),
    "gcc -dumpmachine": build("gcc", "probe"),
    "gcc -dumpversion": build("gcc", "probe"),
    "gcc -print-search-dirs": build("gcc", "probe"),
    "gcc -print-file-name=libc.so": build("gcc", "probe"),
    "gcc -Wl,--version": build("gcc", "probe"),
    "gcc -dM -E -xc /dev/null": build("gcc", "probe", sources=("/dev/null",), language="c", flags={"macros"}),
    "gcc -dM -E -": build("gcc", "probe", stdin_source=True, flags={"macros"}),
    "gcc -E -v -x c++ /dev/null": build("gcc", "probe", sources=("/dev/null",), language="c++"),
    "gcc -### a.c": build("gcc", "probe", sources=("a.c",), language="c"),
    "ld -v": build("ld", "probe"),
    "ld.gold --version": build("gold", "probe"),
    "as --version": build("as", "probe", language="assembler"),
    "nasm -v": build("nasm", "probe", language="assembler"),
    "rustc -vV": build("rustc", "probe", language="rust"),
    "rustc - --crate-name ___ --print=file-names --crate-type bin": build(
        "rustc", "probe", stdin_source=True, language="rust"
    ),
    "cargo metadata --format-version 1": build("cargo", "probe", language="rust"),
    "go version": build("go", "probe", language="go"),
    "go env GOROOT": build("go", "probe", language="go"),
    "javac -version": build("javac", "probe", language="java"),
    "cmake --version": build("cmake", "probe"),
    "ninja --version": build("ninja", "probe"),
}


@pytest.mark.parametrize("line", PROBES)
def test_a_question_to_the_compiler_builds_nothing(line: str) -> None:
    assert understood(line) == PROBES[line]


TESTS: Final[Table] = {
    "gcc -c -g -O2 conftest.c": build(
        "gcc",
        "feature_test",
        sources=("conftest.c",),
        outputs=("conftest.o",),
        language="c",
        flags={"debug", "optimised"},
    ),
    "gcc -o conftest -g -O2 conftest.c -lm": build(
        "gcc",
        "feature_test",
        sources=("conftest.c",),
        outputs=("conftest",),
        language="c",
        flags={"debug", "optimised"},
        libraries=("m",),
    ),
    "cc CMakeCCompilerId.c": build(
        "cc", "feature_test", sources=("CMakeCCompilerId.c",), outputs=("a.out",), language="c"
    ),
    (
        "cc -v -o CMakeFiles/cmTC_b363c.dir/CMakeCCompilerABI.c.o -c /usr/share/cmake-3.25/Modules/CMakeCCompilerABI.c"
    ): build(
        "cc",
        "feature_test",
        sources=("/usr/share/cmake-3.25/Modules/CMakeCCompilerABI.c",),
        outputs=("CMakeFiles/cmTC_b363c.dir/CMakeCCompilerABI.c.o",),
        language="c",
    ),
    "cc -v -Wl,-v CMakeFiles/cmTC_b363c.dir/CMakeCCompilerABI.c.o -o cmTC_b363c": build(
        "cc", "feature_test", objects=("CMakeFiles/cmTC_b363c.dir/CMakeCCompilerABI.c.o",), outputs=("cmTC_b363c",)
    ),
    "cc /b/meson-private/tmpab12/testfile.c -o /b/meson-private/tmpab12/output.exe": build(
        "cc",
        "feature_test",
        sources=("/b/meson-private/tmpab12/testfile.c",),
        outputs=("/b/meson-private/tmpab12/output.exe",),
        language="c",
    ),
    "cc -c /tmp/tmpa7z83w3f.c -o /tmp/tmpcu1kn_68/tmp/tmpa7z83w3f.o": build(
        "cc",
        "feature_test",
        sources=("/tmp/tmpa7z83w3f.c",),
        outputs=("/tmp/tmpcu1kn_68/tmp/tmpa7z83w3f.o",),
        language="c",
    ),
    "cc /tmp/tmpcu1kn_68/tmp/tmpa7z83w3f.o -o a.out": build(
        "cc", "feature_test", objects=("/tmp/tmpcu1kn_68/tmp/tmpa7z83w3f.o",), outputs=("a.out",)
    ),
    "cc /tmp/tmpa7z83w3f.c -o /tmp/tmpa7z83w3f": build(
        "cc", "link", sources=("/tmp/tmpa7z83w3f.c",), outputs=("/tmp/tmpa7z83w3f",), language="c"
    ),
    "gcc /tmp/tmpa7z83w3f.c": build("gcc", "link", sources=("/tmp/tmpa7z83w3f.c",), outputs=("a.out",), language="c"),
    "gcc -x c - -o /dev/null": build("gcc", "feature_test", outputs=("/dev/null",), stdin_source=True, language="c"),
    "gcc -c -x c /dev/null -o /dev/null": build(
        "gcc", "feature_test", sources=("/dev/null",), outputs=("/dev/null",), language="c"
    ),
    "gcc -x c /etc/shadow -o /dev/null": build(
        "gcc", "link", sources=("/etc/shadow",), outputs=("/dev/null",), language="c"
    ),
}


@pytest.mark.parametrize("line", TESTS)
def test_a_configure_scripts_test_is_told_by_its_names(line: str) -> None:
    assert understood(line) == TESTS[line]
