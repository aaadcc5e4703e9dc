"""The programs before the compiler, and the text of a shell."""

from __future__ import annotations

from typing import Final

import pytest

from tests.compiler.tables import Table, build, understood

WRAPPED: Final[Table] = {
    "env CC=gcc FOO=1 make": build("make", "build", wrappers=("env",)),
    "env -i -u HOME PATH=/x gcc a.c": build(
        "gcc", "link", wrappers=("env",), sources=("a.c",), outputs=("a.out",), language="c"
    ),
    "env -S 'gcc -c a.c'": build("gcc", "compile", wrappers=("env",), sources=("a.c",), outputs=("a.o",), language="c"),
    "env -C /tmp gcc a.c": build(
        "gcc", "link", wrappers=("env",), sources=("a.c",), outputs=("a.out",), language="c", directory="/tmp"
    ),
    "nice -n 5 gcc a.c": build("gcc", "link", wrappers=("nice",), sources=("a.c",), outputs=("a.out",), language="c"),
    "nice gcc a.c": build("gcc", "link", wrappers=("nice",), sources=("a.c",), outputs=("a.out",), language="c"),
    "ccache gcc -c a.c": build(
        "gcc", "compile", wrappers=("ccache",), sources=("a.c",), outputs=("a.o",), language="c"
    ),
    "distcc x86_64-linux-gnu-gcc -c a.c": build(
        "gcc", "compile", wrappers=("distcc",), sources=("a.c",), outputs=("a.o",), language="c"
    ),
    "timeout 5 gcc a.c": build(
        "gcc", "link", wrappers=("timeout",), sources=("a.c",), outputs=("a.out",), language="c"
    ),
    "timeout -s KILL 5 gcc a.c": build(
        "gcc", "link", wrappers=("timeout",), sources=("a.c",), outputs=("a.out",), language="c"
    ),
    "sudo -u root make install": build("make", "install", wrappers=("sudo",), targets=("install",)),
    "nohup setsid gcc a.c": build(
        "gcc", "link", wrappers=("nohup", "setsid"), sources=("a.c",), outputs=("a.out",), language="c"
    ),
    "xargs -n1 gcc -c": build(
        "gcc", "unknown", wrappers=("xargs",), not_understood=("nothing to build from is named",)
    ),
    "libtool --mode=compile gcc -c x.c": build(
        "gcc", "compile", wrappers=("libtool",), sources=("x.c",), outputs=("x.o",), language="c"
    ),
    "flock /tmp/l gcc x.c": build(
        "gcc", "link", wrappers=("flock",), sources=("x.c",), outputs=("a.out",), language="c"
    ),
    "sh -c 'gcc a.c -o a && ./a'": build(
        "gcc", "link", wrappers=("sh -c",), sources=("a.c",), outputs=("a",), language="c", beside=("./a",)
    ),
    "sh -c \"echo 'int main(){return 0;}' | gcc -x c - -o /tmp/.x9 && /tmp/.x9\"": build(
        "gcc",
        "link",
        wrappers=("sh -c",),
        outputs=("/tmp/.x9",),
        stdin_source=True,
        language="c",
        beside=("echo int main(){return 0;}", "/tmp/.x9"),
    ),
    "bash -lc 'cd /tmp && echo aaa | base64 -d | gcc -x c - -o /tmp/.x && /tmp/.x'": build(
        "gcc",
        "link",
        wrappers=("bash -c",),
        outputs=("/tmp/.x",),
        stdin_source=True,
        language="c",
        directory="/tmp",
        beside=("echo aaa", "base64 -d", "/tmp/.x"),
    ),
    "sh -c 'if true; then gcc a.c; fi > /dev/null 2>&1'": build(
        "gcc", "link", wrappers=("sh -c",), sources=("a.c",), outputs=("a.out",), language="c", beside=("true",)
    ),
    "sh -e -c \"sh -c 'gcc -o x x.c'\"": build(
        "gcc", "link", wrappers=("sh -c", "sh -c"), sources=("x.c",), outputs=("x",), language="c"
    ),
    "bash -o pipefail -c 'gcc a.c | cat'": build(
        "gcc", "link", wrappers=("bash -c",), sources=("a.c",), outputs=("a.out",), language="c", beside=("cat",)
    ),
    "sh -c 'CC=/tmp/x make; gcc b.c'": build(
        "make", "build", wrappers=("sh -c",), flags={"variable"}, executes=("/tmp/x",), beside=("gcc b.c",)
    ),
    "sh -c 'gcc -x c - < /tmp/x.c -o y'": build(
        "gcc", "link", wrappers=("sh -c",), outputs=("y",), stdin_source=True, language="c", reads=("/tmp/x.c",)
    ),
    "sh -c 'gcc $FLAGS a.c'": build(
        "gcc",
        "link",
        wrappers=("sh -c",),
        sources=("a.c",),
        objects=("$FLAGS",),
        outputs=("a.out",),
        language="c",
        not_understood=("the shell's text has variables or substitutions, whose values are not known",),
    ),
    "sh -c 'for f in *.c; do gcc -c $f; done'": build(
        "gcc",
        "compile",
        wrappers=("sh -c",),
        objects=("$f",),
        not_understood=(
            "the shell's text has variables or substitutions, whose values are not known",
            "the shell's text has a loop, a case or a function",
        ),
        beside=("f in *.c",),
    ),
    'sh -c "gcc \'a.c"': build(
        "gcc",
        "unknown",
        wrappers=("sh -c",),
        not_understood=("the shell's text has a quote without its end", "nothing to build from is named"),
    ),
    "sh -c 'ls -l'": build("", "unknown", wrappers=("sh -c",), beside=("ls -l",)),
    "sh build.sh gcc": build("", "unknown"),
    "python -m pip install x": build("", "unknown"),
    "python3 setup.py build_ext": build("", "unknown"),
    "insmod x.ko": build("", "unknown"),
    "run-as gcc": build("", "unknown"),
    "docker-make x": build("", "unknown"),
    "sudo -u root env LD_LIBRARY_PATH=/x nice -n 5 sh -c 'exec gcc a.c'": build(
        "gcc",
        "link",
        wrappers=("sudo", "env", "nice", "sh -c", "exec"),
        sources=("a.c",),
        outputs=("a.out",),
        language="c",
    ),
}


@pytest.mark.parametrize("line", WRAPPED)
def test_the_tool_is_found_behind_its_wrappers(line: str) -> None:
    assert understood(line) == WRAPPED[line]
