"""What was compiled is wanted before the compiler, at a path that is one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.capture.wanted import MOST_FILES, MOST_LEFT_OUT, Wanted, plain, wanted
from responder.finding import Process
from tests.builders import a_finding, a_recorded
from tests.sheets import a_container


def listed(*lines: tuple[str, ...], cwd: str = "/w", working_dir: str = "", binary: str = "") -> Wanted:
    processes = tuple(
        Process(name="x", binary=binary or f"/usr/bin/{argv[0]}", args=argv, pid=53 + n) for n, argv in enumerate(lines)
    )
    cwds: Mapping[int, str] = {53 + n: cwd for n in range(len(lines))} if cwd else {}
    container = a_container("checkout").model_copy(update={"working_dir": working_dir})
    return wanted((a_recorded(a_finding(processes=processes)),), container, cwds)


def paths(given: Wanted, *roles: str) -> list[str]:
    return [want.path for want in given.wants if not roles or want.role in roles]


def test_the_product_comes_first_and_the_compiler_last() -> None:
    made = listed(("gcc", "@more", "-I/usr/include/z", "-lz", "a.c", "b.h", "-o", "x"))
    assert paths(made) == ["/w/x", "/w/a.c", "/w/b.h", "/w/more", "/usr/bin/gcc", "/proc/53/exe"]
    assert [want.role for want in made.wants] == [
        "product", "source", "header", "response_file", "compiler", "compiler",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "product", "is_directory"),
    [
        (("gcc", "a.c"), "/w/a.out", False),
        (("gcc", "-c", "src/a.c"), "/w/a.o", False),
        (("rustc", "m.rs"), "/w/m", False),
        (("go", "build", "./cmd/app"), "/w/app", False),
        (("go", "build", "example.org/m/tool/v2"), "/w/tool", False),
        (("go", "build"), "/w", True),
        (("cargo", "build", "--release"), "/w/target/release", True),
        (("cargo", "build", "--bin", "k"), "/w/target/debug/k", False),
        (("javac", "p/A.java"), "/w/p/A.class", False),
        (("javac", "-d", "out", "A.java"), "/w/out", True),
    ],
)
def test_a_tools_own_names_are_known(argv: tuple[str, ...], product: str, is_directory: bool) -> None:
    made = listed(argv)
    assert [(w.path, w.is_directory) for w in made.wants if w.role == "product"] == [(product, is_directory)]


def test_a_relative_path_is_taken_from_proc_then_the_command_line_then_the_container() -> None:
    line = ("sh", "-c", "cd /build && gcc a.c -o x")
    for cwd, working_dir, path, by in (
        ("/w", "/app", "/w/x", "proc_cwd"),
        ("", "/app", "/build/x", "absolute"),
    ):
        first = listed(line, cwd=cwd, working_dir=working_dir).wants[0]
        assert (first.path, first.resolved_by) == (path, by)
    first = listed(("gcc", "a.c", "-o", "x"), cwd="", working_dir="/app").wants[0]
    assert (first.path, first.named, first.resolved_by) == ("/app/x", "x", "working_dir")


def test_what_a_relative_path_is_relative_to_is_not_guessed() -> None:
    made = listed(("gcc", "a.c", "-o", "x"), cwd="")
    assert paths(made, "product", "source") == []
    assert [(one.named, one.resolved_by) for one in made.left_out] == [("x", "unresolved"), ("a.c", "unresolved")]


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("/tmp/a\x00b.c", "control"),
        ("/tmp/a\nb.c", "control"),
        ("/proc/1/environ.c", "/proc"),
        ("/sys/x.c", "/sys"),
        ("/dev/sda.c", "/dev"),
        ("/tmp/../proc/self/mem.c", "/proc"),
        ("../../../../../../proc/1/x.c", "/proc"),
        ("/proc/53/exe", "/proc"),
        ("/tmp/" + "a" * 5000 + ".c", "longer"),
        ("/tmp/[redacted:token].c", "secret"),
    ],
)
def test_what_is_no_file_to_take_is_left_out_with_its_reason(named: str, reason: str) -> None:
    made = listed(("gcc", named, "-o", "/tmp/x"))
    assert paths(made, "source") == []
    assert [reason in one.reason for one in made.left_out] == [True]


def test_a_program_or_a_working_directory_with_control_characters_is_left_out() -> None:
    made = listed(("gcc", "a.c"), cwd="/w\x1b[2J", binary="/bin/g\ncc")
    assert paths(made) == ["/proc/53/exe"]
    assert {one.reason for one in made.left_out} == {"it holds a control character"}


def test_files_in_shared_memory_are_files() -> None:
    assert paths(listed(("gcc", "/dev/shm/a.c", "-o", "/dev/shm/.x")))[:2] == ["/dev/shm/.x", "/dev/shm/a.c"]


def test_what_a_shell_would_expand_is_no_path() -> None:
    made = listed(("sh", "-c", "gcc *.c -o x"))
    assert paths(made, "product", "source") == ["/w/x"]
    assert [one.named for one in made.left_out] == ["*.c"]


def test_what_runs_beside_is_wanted_and_a_product_that_runs_stays_a_product() -> None:
    made = listed(("sh", "-c", "gcc a.c -o k && ./k && /tmp/other -d"))
    assert [(w.path, w.role) for w in made.wants[:3]] == [
        ("/w/k", "product"), ("/tmp/other", "dropped"), ("/w/a.c", "source"),
    ]  # fmt: skip


def test_a_drivers_temporaries_and_start_files_are_nobodys_evidence() -> None:
    child = "/usr/lib/gcc/x86_64-linux-gnu/12/cc1"
    made = listed((child, "-quiet", "a.c", "-o", "/tmp/ccAbC123.s"), binary=child)
    assert paths(made, "product", "source") == ["/w/a.c"]


def test_the_systems_own_sources_come_last_of_what_is_named() -> None:
    made = listed(("gcc", "/usr/src/linux/a.c", "/tmp/b.c", "-o", "/tmp/x"))
    assert paths(made)[:3] == ["/tmp/x", "/tmp/b.c", "/usr/src/linux/a.c"]


def test_each_path_is_wanted_once_in_its_best_role() -> None:
    made = listed(("gcc", "-c", "a.c", "-o", "a.o"), ("gcc", "./a.o", "-o", "x"), ("gcc", "-c", "../w/a.c"))
    assert paths(made).count("/w/a.o") == 1
    assert next(w.role for w in made.wants if w.path == "/w/a.o") == "product"
    assert paths(made, "source") == ["/w/a.c"]


def test_beyond_the_count_the_least_worth_is_left_out_and_said() -> None:
    made = listed(("gcc", *(f"/tmp/{n}.c" for n in range(100)), "-o", "/tmp/x"))
    assert len(made.wants) == MOST_FILES
    assert made.wants[0].path == "/tmp/x"
    assert len(made.left_out) == 100 + 3 - MOST_FILES
    assert {str(MOST_FILES) in one.reason for one in made.left_out} == {True}


def test_a_line_without_end_is_counted_not_listed() -> None:
    made = listed(("gcc", *(f"/tmp/{n}.c" for n in range(5000)), "-o", "/tmp/x"))
    assert len(made.left_out) == MOST_LEFT_OUT + 1
    assert made.left_out[-1].reason == f"and {5000 + 3 - MOST_FILES - MOST_LEFT_OUT} more"


def test_a_finding_without_processes_is_read_by_what_it_told() -> None:
    finding = a_finding(processes=(), told={"arguments": ("gcc", "/tmp/a.c", "-o", "/tmp/x"), "program_binary": "/b"})
    made = wanted((a_recorded(finding),), a_container("c"), {})
    assert paths(made) == ["/tmp/x", "/tmp/a.c", "/b"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=12), st.sampled_from(["", "/", "/w/../..", "/tmp/x"]))
def test_whatever_is_named_what_is_wanted_is_an_absolute_plain_path(words: list[str], cwd: str) -> None:
    made = listed(("gcc", *words), ("sh", "-c", " ".join(words)), cwd=cwd)
    for want in made.wants:
        assert want.path == plain(want.path) != "/"
        assert want.path.isprintable() or "\x00" not in want.path
        ours = {"/proc/53/exe", "/proc/54/exe"}
        assert want.path in ours or not want.path.startswith(("/proc/", "/sys/", "/dev/")) or "/shm/" in want.path


@pytest.mark.parametrize(
    ("given", "path"),
    [("/a/./b//c/", "/a/b/c"), ("/a/../../b", "/b"), ("/", "/"), ("//a", "/a"), ("/a/...", "/a/...")],
)
def test_a_path_is_made_plain_by_text_alone(given: str, path: str) -> None:
    assert plain(given) == path
