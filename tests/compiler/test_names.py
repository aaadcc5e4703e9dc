"""Which tool a program's name stands for, and whose word counts: the binary's path or `argv[0]`."""

from __future__ import annotations

import pytest

from responder.compiler import parse

NAMES = {
    "/usr/bin/x86_64-linux-gnu-gcc-12": "gcc",
    "aarch64-linux-musl-g++": "g++",
    "x86_64-alpine-linux-musl-gcc": "gcc",
    "musl-gcc": "gcc",
    "cc": "cc",
    "c++": "c++",
    "i686-w64-mingw32-c++": "c++",
    "clang-17": "clang",
    "clang++-18": "clang++",
    "g++-13": "g++",
    "gcc.real": "gcc",
    "cc1": "cc1",
    "/usr/libexec/gcc/x86_64-linux-gnu/13/cc1plus": "cc1plus",
    "x86_64-linux-gnu-ld.bfd": "ld",
    "ld.gold": "gold",
    "ld.lld-17": "lld",
    "rust-lld": "lld",
    "x86_64-linux-gnu-as": "as",
    "go1.22.3": "go",
    "gmake": "make",
    "ninja-build": "ninja",
    "llvm-link-17": "llvm-link",
    "run-as": "",
    "docker-make": "",
    "python3": "",
    "gcc/": "",
    "": "",
    "x" * 5000 + "-gcc": "",
}


@pytest.mark.parametrize(("name", "tool"), NAMES.items())
def test_prefixes_versions_and_aliases_fall_away(name: str, tool: str) -> None:
    assert parse([name, "x.c"]).tool == tool


def test_the_binarys_path_counts_where_argv0_is_a_disguise() -> None:
    read = parse(["[kworker/0:1]", "-static", "k.c"], exe="/usr/bin/x86_64-linux-gnu-gcc-12")
    assert (read.tool, read.sources, read.flags) == ("gcc", ("k.c",), frozenset({"static"}))
    assert read.not_understood == ("argv[0] is not the name of the binary: [kworker/0:1]",)


def test_the_binarys_path_counts_where_argv0_names_another_tool() -> None:
    read = parse(["make", "a.c"], exe="/usr/bin/gcc")
    assert (read.tool, read.sources) == ("gcc", ("a.c",))
    assert read.not_understood == ("argv[0] names another tool than the binary: make",)


def test_a_symlink_keeps_the_name_it_was_called_by() -> None:
    read = parse(["cc", "a.c"], exe="/usr/bin/x86_64-linux-gnu-gcc-12")
    assert (read.tool, read.not_understood) == ("cc", ())


def test_arguments_without_argv0_are_all_read() -> None:
    read = parse(["-shared", "-o", "x.so", "x.c"], exe="/usr/bin/gcc")
    assert (read.flags, read.outputs) == (frozenset({"shared"}), ("x.so",))


def test_a_multi_call_binary_goes_by_argv0() -> None:
    assert parse(["sh", "-c", "gcc a.c"], exe="/bin/busybox").wrappers == ("sh -c",)
    assert parse(["busybox", "ar", "rcs", "x.a"], exe="/bin/busybox").tool == "ar"
    masked = parse(["gcc", "-c", "a.c"], exe="/usr/bin/ccache")
    assert (masked.tool, masked.wrappers) == ("gcc", ("ccache",))


def test_nothing_but_a_path_is_still_a_tool() -> None:
    assert parse([], exe="/usr/bin/gcc").tool == "gcc"
    assert parse([]).tool == ""
