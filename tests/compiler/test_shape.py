"""The shape of a command line: equal on another day, different for another build."""

from __future__ import annotations

import shlex

import pytest

from responder.compiler import parse


def shape(line: str) -> str:
    return parse(shlex.split(line)).shape


SAME = {
    "a temporary file of Python": (
        "cc -c /tmp/tmpa7z83w3f.c -o /tmp/tmpcu1kn_68/tmp/tmpa7z83w3f.o",
        "cc -c /tmp/tmplr_dy_cc.c -o /tmp/tmpjvhf23j5/tmp/tmplr_dy_cc.o",
    ),
    "a temporary file of gcc": ("as -o x.o /tmp/ccSGjLIx.s", "as -o x.o /tmp/cc0Qxbil.s"),
    "a build directory": (
        "gcc -I/tmp/pip-build-env-s_8b1arb/include -c src/_s.c -o build/temp.linux-x86_64-cpython-312/_s.o",
        "gcc -I/tmp/pip-build-env-q1xx_yyz/include -c src/_s.c -o build/temp.linux-aarch64-cpython-313/_s.o",
    ),
    "a hash of cargo": (
        "cc -m64 /app/target/release/deps/rustcMe0jjj/symbols.o -o /app/target/release/deps/svc-d1d4f0fc4cff31bd",
        "cc -m64 /w/target/release/deps/rustcQaBcDe/symbols.o -o /w/target/release/deps/svc-95bc4ee740b50dcd",
    ),
    "a number in a name": ("gcc job-17.c -o job-17", "gcc job-4.c -o job-4"),
    "a number of jobs": ("make -j2 all", "make -j16 all"),
    "a prefix map": ("gcc -ffile-prefix-map=/tmp/a=. x.c", "gcc -ffile-prefix-map=/b/c=. x.c"),
    "a directory in a shell's text": ("sh -c 'gcc /a/b.c -o /a/b'", "sh -c 'gcc /tmp/x1/b.c -o /c/b'"),
}
DIFFERENT = {
    "an optimisation": ("gcc -O2 a.c", "gcc -O3 a.c"),
    "a kind of product": ("gcc -shared a.c -o a", "gcc -static a.c -o a"),
    "a library": ("gcc a.c -lm", "gcc a.c -lcrypt"),
    "a definition": ("gcc -DA a.c", "gcc -DB a.c"),
    "a source": ("gcc a.c", "gcc b.c"),
    "a target": ("make all", "make install"),
    "a triple": ("cargo build --target x86_64-unknown-linux-gnu", "cargo build --target x86_64-unknown-linux-musl"),
    "an order to run": ("gcc a.c", "gcc -wrapper sh,-s a.c"),
    "a following command": ("sh -c 'gcc a.c'", "sh -c 'gcc a.c && ./a.out'"),
    "a last argument of many": ("ld -o x " + "/b/a.o " * 900, "ld -o x " + "/b/a.o " * 899 + "/b/evil.o"),
    "an argument far behind": ("ld -o x " + "/b/a.o " * 9000, "ld -o x " + "/b/a.o " * 8999 + "/b/evil.o"),
}


@pytest.mark.parametrize("what", SAME)
def test_the_shape_stays_whatever_changes_from_day_to_day(what: str) -> None:
    one, other = SAME[what]
    assert shape(one) == shape(other)


@pytest.mark.parametrize("what", DIFFERENT)
def test_the_shape_tells_builds_apart(what: str) -> None:
    one, other = DIFFERENT[what]
    assert shape(one) != shape(other)


def test_the_shape_is_short_and_plain() -> None:
    long = parse(["ld", *(f"/b/{'x' * 40}.o" for _ in range(1000))]).shape
    assert len(long) <= 2000
    assert parse(["gcc", "\ud800é.c"]).shape.isascii()
