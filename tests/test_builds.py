from __future__ import annotations

import pytest

from responder.triage import deeds
from responder.triage.builds import look
from responder.triage.case import Exec
from responder.triage.families import FAMILIES
from responder.triage.whereabouts import is_hidden, place


def named(line: str, cwd: str | None, *parents: str) -> tuple[str, bool]:
    one = look((Exec(argv=tuple(line.split()), cwd=cwd, parents=tuple(tuple(p.split()) for p in parents)),))[0]
    return (one.named.title, one.named.believed) if one.named else ("", False)


PIP = ("python3 /usr/lib/python3/site-packages/pip/__pip-runner__.py install psutil", "pip install psutil")
NPM = ("make BUILDTYPE=Release -C build", "npm ci")
KNOWN = [
    ("pip building psutil", "gcc -O2 -c a.c -o build/temp.linux/a.o", "/tmp/pip-install-x/psutil_0a1b", PIP),
    ("torch.compile", "g++ -shared -o /tmp/torchinductor_root/a.so a.cpp", "/srv", ("python3 serve.py",)),
    ("npm building bcrypt_lib", "g++ -o a.o -DNODE_GYP_MODULE_NAME=bcrypt_lib -c a.cc", "/app", NPM),
    ("cargo build of svc", "rustc --crate-name svc --out-dir target/release/deps a.rs", "/app", ("cargo build",)),
    ("CMake building app", "c++ -O2 -o CMakeFiles/app.dir/a.o -c a.cpp", "/src/build", ("ninja", "cmake --build .")),
    ("autoconf's configure", "gcc -o conftest -g -O2 conftest.c", "/usr/src/x", ("/bin/sh ./configure",)),
    ("kernel module zfs", "make -C /lib/modules/6.1/build M=/var/lib/dkms/zfs/2", "/", ("dkms build -m zfs",)),
]


@pytest.mark.parametrize(("title", "line", "cwd", "parents"), KNOWN)
def test_a_build_is_known_by_its_name(title: str, line: str, cwd: str, parents: tuple[str, ...]) -> None:
    assert named(line, cwd, *parents) == (title, True)


@pytest.mark.parametrize(
    ("line", "cwd", "parents"),
    [
        ("gcc -o conftest conftest.c", "/tmp", ("bash",)),
        ("gcc -O2 -o CMakeFiles/a.dir/a.o -c a.c", "/var/www/html", ("make", "cmake --build .")),
        ("cc -static -o /tmp/go-build1/x /tmp/go-build1/x.c", "/tmp", ("sh",)),
        ("rustc -O r.rs", "/app", ()),
        ("go run rev.go", "/app", ()),
        ("gcc r.c -o /tmp/r", "/tmp/pip-install-x/evil_0123", ("python setup.py install", "pip install evil")),
        ("gcc -O2 -Wall c.c -o c", "/app", ("make c", "sh -c x")),
        ("gcc -Iinclude/node e.c -o e", "/app/node_modules/x", ("sh -c x", "node server.js")),
        ("make", "/tmp/rk", ("bash",)),
        ("make -C /lib/modules/6.1/build M=/root/x", "/usr/src/x", ("make",)),
        ("gcc -fPIC -shared -o lib.so lib.c", "/opt/x", ("make",)),
        ("c++ -O3 -o CMakeFiles/m.dir/m.o -c m.cpp", "/root/m/build", ("cmake --build .",)),
    ],
)
def test_an_imitation_is_not_believed(line: str, cwd: str, parents: tuple[str, ...]) -> None:
    assert named(line, cwd, *parents)[1] is False


def test_a_shells_text_does_not_make_its_tools_run() -> None:
    assert named("gcc -o x x.c", "/tmp", "sh -c pip install psutil; gcc -o x x.c")[1] is False


def test_an_exec_without_known_parents_joins_the_build_that_it_bears_the_marks_of() -> None:
    pip = Exec(argv=("gcc", "-c", "a.c", "-o", "build/temp.l/a.o"), cwd="/app", parents=(("pip", "install", "x"),))
    orphan = Exec(argv=("gcc", "-shared", "build/temp.l/a.o", "-o", "build/lib.l/a.so"), cwd="/app")
    stranger = Exec(argv=("gcc", "-o", "/tmp/x", "/tmp/x.c"), cwd="/app")
    assert [one.is_explained for one in look((pip, orphan, stranger))] == [True, True, False]


def test_every_family_has_a_way_to_be_recognised_and_a_key_of_its_own() -> None:
    assert len({family.key for family in FAMILIES}) == len(FAMILIES)
    assert all(family.programs or family.scripts for family in FAMILIES)
    assert all("" not in (*family.marks, *family.places, *family.scripts) for family in FAMILIES)


ATTACK_TOOLS = """
xmrig cpuminer diamorphine reptile libprocesshider azazel jynx2 father.c pwnkit dirtycow cve-2021-4034 exploit.c poc.c
lpe.c udf_exec raptor_udf mirai pam_evil revshell bind_shell shellcode keylogger release_agent container_escape
breakout implant tsunami.c
"""


@pytest.mark.parametrize("name", ATTACK_TOOLS.split())
def test_the_quick_look_misses_no_name_that_the_slow_one_knows(name: str) -> None:
    looks = look((Exec(argv=("gcc", "-o", "a", f"/x/{name}")),))
    assert [sign.id for sign in deeds.names(looks[0], ())][:1] == ["A5"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/dev/shm/x", "memory"), ("/tmp/x.c", "temporary"), ("/var/www/html/a", "web"), ("/etc/shadow", "secret"),
        ("/usr/lib/x.so", "system"), ("/usr/src/redis", "project"), ("/opt/x", "other"), ("a.c", "relative"),
    ],
)  # fmt: skip
def test_a_path_says_what_kind_of_place_it_is(path: str, kind: str) -> None:
    assert place(path) == kind


@pytest.mark.parametrize(("path", "hidden"), [("/tmp/.x/k", True), ("/app/.libs/a.o", False), ("/root/.cargo/a", False), ("../a.c", False), (".a.o.d", False)])  # fmt: skip  # noqa: E501
def test_a_dot_hides_where_no_tool_put_it(path: str, hidden: bool) -> None:
    assert is_hidden(path) is hidden
