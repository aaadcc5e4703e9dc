"""What a compiler or build tool is told to run, load or read beside the sources."""

from __future__ import annotations

from typing import Final

import pytest

from tests.compiler.tables import Table, build, understood

ORDERS: Final[Table] = {
    "gcc -wrapper /bin/sh,-s .": build(
        "gcc", "link", objects=(".",), outputs=("a.out",), flags={"wrapper"}, executes=("/bin/sh -s",)
    ),
    "gcc -wrapper sh,-c,id a.c": build(
        "gcc", "link", sources=("a.c",), outputs=("a.out",), language="c", flags={"wrapper"}, executes=("sh -c id",)
    ),
    "gcc @/tmp/args": build(
        "gcc",
        "unknown",
        flags={"response_file"},
        reads=("/tmp/args",),
        not_understood=("the arguments in this file were not seen: @/tmp/args",),
    ),
    "gcc -fplugin=./x.so -c y.c": build(
        "gcc", "compile", sources=("y.c",), outputs=("y.o",), language="c", flags={"plugin"}, executes=("./x.so",)
    ),
    "gcc -fplugin=/tmp/p.so -fplugin-arg-p-x=1 -c y.c": build(
        "gcc", "compile", sources=("y.c",), outputs=("y.o",), language="c", flags={"plugin"}, executes=("/tmp/p.so",)
    ),
    "clang-17 -fpass-plugin=./p.so -c a.c": build(
        "clang", "compile", sources=("a.c",), outputs=("a.o",), language="c", flags={"plugin"}, executes=("./p.so",)
    ),
    "clang -Xclang -load -Xclang ./x.so -c a.c": build(
        "clang", "compile", sources=("a.c",), outputs=("a.o",), language="c", flags={"plugin"}, executes=("./x.so",)
    ),
    "gcc -B/tmp/b -specs=/tmp/s -c a.c": build(
        "gcc",
        "compile",
        sources=("a.c",),
        outputs=("a.o",),
        language="c",
        flags={"prefix_dir", "specs"},
        reads=("/tmp/s",),
        executes=("/tmp/b", "/tmp/s"),
    ),
    "gcc -B /tmp/b -c a.c": build(
        "gcc", "compile", sources=("a.c",), outputs=("a.o",), language="c", flags={"prefix_dir"}, executes=("/tmp/b",)
    ),
    "gcc -fuse-ld=lld a.o": build("gcc", "link", objects=("a.o",), outputs=("a.out",)),
    "clang --ld-path=/tmp/ld a.o": build(
        "clang", "link", objects=("a.o",), outputs=("a.out",), flags={"linker"}, executes=("/tmp/ld",)
    ),
    "gcc -Xlinker -T -Xlinker s.ld a.o": build(
        "gcc", "link", objects=("a.o",), outputs=("a.out",), flags={"linker_script"}, reads=("s.ld",)
    ),
    "gcc -Wl,-T,s.ld,-plugin,/tmp/p.so a.o": build(
        "gcc",
        "link",
        objects=("a.o",),
        outputs=("a.out",),
        flags={"linker_script", "plugin"},
        reads=("s.ld",),
        executes=("/tmp/p.so",),
    ),
    "gcc -T link.ld a.o": build(
        "gcc", "link", objects=("a.o",), outputs=("a.out",), flags={"linker_script"}, reads=("link.ld",)
    ),
    "ld -o x x.o -T s.ld -plugin /tmp/p.so": build(
        "ld",
        "link",
        objects=("x.o",),
        outputs=("x",),
        flags={"linker_script", "plugin"},
        reads=("s.ld",),
        executes=("/tmp/p.so",),
    ),
    "ld --version-script=v.map -shared -o x.so x.o": build(
        "ld", "link", objects=("x.o",), outputs=("x.so",), flags={"shared"}, reads=("v.map",)
    ),
    "make --eval='x:;sh' x": build("make", "build", flags={"eval"}, executes=("x:;sh",), targets=("x",)),
    "make --eval '$(shell id)'": build("make", "build", flags={"eval"}, executes=("$(shell id)",)),
    "make -E '$(info x)'": build("make", "build", flags={"eval"}, executes=("$(info x)",)),
    "make SHELL=/tmp/x CC=gcc all": build("make", "build", flags={"shell"}, executes=("/tmp/x",), targets=("all",)),
    "make CC='gcc -wrapper sh,-s' all": build(
        "make", "build", flags={"variable"}, executes=("gcc -wrapper sh,-s",), targets=("all",)
    ),
    "make CC=/tmp/gcc": build("make", "build", flags={"variable"}, executes=("/tmp/gcc",)),
    "make CC='ccache gcc' SHELL=/bin/bash": build("make", "build"),
    "env CC=./evil make": build("make", "build", wrappers=("env",), flags={"variable"}, executes=("./evil",)),
    "env MAKEFLAGS='--eval=$(shell id)' make": build(
        "make", "build", wrappers=("env",), flags={"variable"}, executes=("--eval=$(shell id)",)
    ),
    "env LD_PRELOAD=/tmp/e.so gcc a.c": build(
        "gcc",
        "link",
        wrappers=("env",),
        sources=("a.c",),
        outputs=("a.out",),
        language="c",
        flags={"variable"},
        executes=("/tmp/e.so",),
    ),
    "cmake -P x.cmake": build("cmake", "run", flags={"script"}, reads=("x.cmake",), executes=("x.cmake",)),
    "cmake -E cat /etc/shadow": build("cmake", "run", reads=("/etc/shadow",), targets=("cat",)),
    "cmake -E env CC=/tmp/x make all": build(
        "make", "build", wrappers=("cmake -E env",), flags={"variable"}, executes=("/tmp/x",), targets=("all",)
    ),
    "cmake -S . -B build -DCMAKE_C_COMPILER=/tmp/gcc -D CMAKE_TOOLCHAIN_FILE=t.cmake": build(
        "cmake",
        "build",
        sources=(".",),
        flags={"variable"},
        reads=("t.cmake",),
        executes=("/tmp/gcc",),
        directory="build",
    ),
    "go build -toolexec=/tmp/e ./...": build(
        "go", "build", sources=("./...",), language="go", flags={"toolexec"}, executes=("/tmp/e",)
    ),
    "go build --toolexec '/tmp/e -x' ./...": build(
        "go", "build", sources=("./...",), language="go", flags={"toolexec"}, executes=("/tmp/e -x",)
    ),
    "go run -exec /tmp/x . arg": build(
        "go", "run", sources=(".",), language="go", flags={"toolexec"}, executes=("/tmp/x",)
    ),
    "go build -ldflags '-linkmode external -extld=/tmp/ld' x.go": build(
        "go", "build", sources=("x.go",), outputs=("x",), language="go", flags={"linker"}, executes=("/tmp/ld",)
    ),
    "rustc -C linker=/tmp/ld x.rs -o y": build(
        "rustc", "link", sources=("x.rs",), outputs=("y",), language="rust", flags={"linker"}, executes=("/tmp/ld",)
    ),
    "rustc -Clinker=cc -C link-arg=-Wl,-T,s.ld x.rs": build(
        "rustc", "link", sources=("x.rs",), outputs=("x",), language="rust", flags={"linker_script"}, reads=("s.ld",)
    ),
    "rustc -Zcodegen-backend=/tmp/b.so x.rs": build(
        "rustc", "link", sources=("x.rs",), outputs=("x",), language="rust", flags={"plugin"}, executes=("/tmp/b.so",)
    ),
    "cargo run --config 'target.x86_64-unknown-linux-gnu.runner=\"/tmp/x\"' -- --release": build(
        "cargo", "run", outputs=("target/debug",), language="rust", flags={"toolexec"}, executes=("/tmp/x",)
    ),
    "cargo build --config build.rustc-wrapper=/tmp/w": build(
        "cargo", "build", outputs=("target/debug",), language="rust", flags={"toolexec"}, executes=("/tmp/w",)
    ),
    "rustc --explain E0001": build("rustc", "probe", language="rust", flags={"pager"}),
    "javac @args": build(
        "javac",
        "compile",
        language="java",
        flags={"response_file"},
        reads=("args",),
        not_understood=("the arguments in this file were not seen: @args",),
    ),
    "javac -processorpath /tmp/p -processor Evil -d out A.java": build(
        "javac",
        "compile",
        sources=("A.java",),
        outputs=("out",),
        language="java",
        flags={"processor"},
        executes=("/tmp/p", "Evil"),
    ),
    "javac -Xplugin:Evil A.java": build(
        "javac", "compile", sources=("A.java",), language="java", flags={"plugin"}, executes=("Evil",)
    ),
    "javac -J-javaagent:/tmp/a.jar A.java": build(
        "javac", "compile", sources=("A.java",), language="java", flags={"plugin"}, executes=("/tmp/a.jar",)
    ),
    "/lib64/ld-linux-x86-64.so.2 --preload /tmp/e.so /usr/bin/gcc a.c": build(
        "gcc",
        "link",
        wrappers=("ld.so",),
        sources=("a.c",),
        outputs=("a.out",),
        language="c",
        flags={"variable"},
        executes=("/tmp/e.so",),
    ),
}


@pytest.mark.parametrize("line", ORDERS)
def test_what_a_tool_is_told_to_run_or_read_is_kept(line: str) -> None:
    assert understood(line) == ORDERS[line]
