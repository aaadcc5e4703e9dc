"""What is taken is what lies there, in order and under caps, of the one container, whatever its programs say."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from responder.capture.sealing import Sealed, unsealed
from responder.capture.taking import FOLLOWED, UNPROVEN, Caps, Means, Taken, take
from responder.capture.wanted import Want
from responder.errors import StoreError, Unanswered
from responder.evidence import Pod
from responder.finding import Process
from responder.ports import Ran, Stored
from responder.record import NOT_RUNNING, Role
from responder.stores.evidence_folder import FolderEvidence
from tests.capture.containers import CELL, NOW, Box, Kept, Said, pod

MIB = 1024 * 1024


def want(path: str, *, role: Role = "product", is_directory: bool = False) -> Want:
    return Want(path=path, named=path, role=role, resolved_by="absolute", pid=7, why="gcc writes it",
                is_directory=is_directory)  # fmt: skip


def means(box: Box, files: dict[str, bytes]) -> Means:
    return Means(collector=box, cell=CELL, new=lambda name: Kept(files, name), now=lambda: NOW, monotonic=lambda: 0.0)


def taken(box: Box, *wants: Want, caps: Caps | None = None) -> tuple[Taken, dict[str, bytes]]:
    files: dict[str, bytes] = {}
    return take(means(box, files), wants, caps=caps), files


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("tool", ["tar", "cat", "dd", "base64"])
def test_each_tool_brings_the_file_byte_for_byte(tmp_path: Path, tool: str) -> None:
    data = os.urandom(3 * MIB + 17)
    (tmp_path / "a b").write_bytes(data)
    tools = ["tar", "cat", "dd", "base64"]
    box = Box(tmp_path, lacks=tools[: tools.index(tool)], piece=8191)
    told, files = taken(box, want("/a b"))
    (one,) = told.artifacts
    assert (one.status, one.tool, one.sha256, one.size) == ("captured", tool, sha256(data), len(data))
    assert (one.truncated, one.stored, one.taken_at) == (False, "0001", NOW)
    assert files == {"0001": data}
    assert told.tools == (tool,)


@pytest.mark.parametrize("tool", ["tar", "cat", "base64"])
def test_an_empty_file_is_a_file(tmp_path: Path, tool: str) -> None:
    (tmp_path / "e").touch()
    tools = ["tar", "cat", "dd", "base64"]
    told, files = taken(Box(tmp_path, lacks=tools[: tools.index(tool)]), want("/e"))
    assert (told.artifacts[0].status, told.artifacts[0].sha256, files) == ("captured", sha256(b""), {"0001": b""})


def test_a_tool_that_is_missing_is_asked_for_once(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    box = Box(tmp_path, lacks=["tar"])
    taken(box, *(want(f"/{name}") for name in "abc"))
    assert [words[0] for words in box.ran] == ["tar", "ls", "cat", "ls", "cat", "ls", "cat"]


def test_a_container_without_any_tool_is_impossible_and_each_want_says_why(tmp_path: Path) -> None:
    box = Box(tmp_path, lacks=["tar", "cat", "dd", "base64"])
    told, files = taken(box, want("/a"), want("/b"))
    assert told.impossible == "the container has none of tar, cat, dd and base64"
    assert [one.status for one in told.artifacts] == ["failed", "left_out"]
    assert {one.reason for one in told.artifacts} == {told.impossible}
    assert files == {}


def test_a_file_that_is_not_there_fails_and_the_next_is_taken(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("b")
    told, files = taken(Box(tmp_path), want("/a"), want("/b"))
    assert [one.status for one in told.artifacts] == ["failed", "captured"]
    assert "No such file" in told.artifacts[0].reason
    assert files == {"0001": b"b"}


@pytest.mark.parametrize("tool", ["tar", "cat"])
def test_a_file_is_cut_at_the_cap_and_not_before(tmp_path: Path, tool: str) -> None:
    (tmp_path / "big").write_bytes(b"x" * 1000)
    lacks = [] if tool == "tar" else ["tar"]
    told, files = taken(Box(tmp_path, lacks=lacks), want("/big"), caps=Caps(file=999))
    assert (told.artifacts[0].size, told.artifacts[0].truncated, files["0001"]) == (999, True, b"x" * 999)
    told, files = taken(Box(tmp_path, lacks=lacks), want("/big"), caps=Caps(file=1000))
    assert (told.artifacts[0].size, told.artifacts[0].truncated) == (1000, False)


def test_a_link_and_a_fifo_are_told_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "pipe")
    box = Box(tmp_path)
    told, files = taken(box, want("/link"), want("/pipe"))
    assert [one.reason for one in told.artifacts] == [
        "tar: a symlink to /etc/shadow lies there: it is not followed",
        "tar: a fifo lies there: it is not followed",
    ]
    assert files == {}
    assert {words[0] for words in box.ran} == {"tar"}


@pytest.mark.parametrize("tool", ["cat", "dd", "base64"])
def test_without_tar_a_link_and_a_fifo_are_told_and_not_followed(tmp_path: Path, tool: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/secret").write_text("TOKEN")
    (tmp_path / "link").symlink_to("etc/secret")
    (tmp_path / "-n").symlink_to("etc/secret")
    os.mkfifo(tmp_path / "pipe")
    tools = ["tar", "cat", "dd", "base64"]
    told, files = taken(
        Box(tmp_path, lacks=tools[: tools.index(tool)]), want("/link"), want("/-n"), want("/pipe"), want("/etc/secret")
    )
    assert [(one.status, one.reason) for one in told.artifacts] == [
        ("failed", "ls: a symlink lies there: it is not followed"),
        ("failed", "ls: a symlink lies there: it is not followed"),
        ("failed", "ls: a fifo lies there: it is not followed"),
        ("captured", ""),
    ]
    assert (list(files.values()), told.artifacts[3].notes) == ([b"TOKEN"], ())


LISTINGS = [
    b"total 4\n-rw-r--r-- 1 0 0 5 Nov 20 09:41 /k\n", b"-rw-r--r-- 1 0 0 5 Nov 20 09:41 /other\n", b"", b"?",
    b"\xff" * 300,
    b"-rw-r--r-- 1 0 0 5 Nov 20 09:41 /k\n-rw-r--r-- 1 0 0 5 Nov 20 09:41 /k\n", b"-x /k\n",
]  # fmt: skip


@pytest.mark.parametrize("listing", [None, *LISTINGS])
def test_what_is_not_shown_to_be_a_regular_file_is_taken_with_a_note(listing: bytes | None) -> None:
    says: dict[str, Sequence[bytes]] = {"cat": [b"bytes"]}
    told, files = taken(Said(says if listing is None else says | {"ls": [listing]}), want("/k"), want("/k"))
    assert [one.status for one in told.artifacts] == ["captured", "captured"]
    assert {one.notes for one in told.artifacts} == {(FOLLOWED,)}
    assert list(files.values()) == [b"bytes", b"bytes"]


def test_an_ls_that_is_missing_is_asked_for_once(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    box = Box(tmp_path, lacks=["tar", "ls"])
    taken(box, *(want(f"/{name}") for name in "abc"))
    assert [words[0] for words in box.ran] == ["tar", "ls", "cat", "cat", "cat"]


def test_the_files_of_a_directory_are_artifacts_with_numbers_of_ours(tmp_path: Path) -> None:
    (tmp_path / "out/deep").mkdir(parents=True)
    (tmp_path / "out/a.o").write_bytes(b"a")
    (tmp_path / "out/deep/b.o").write_bytes(b"b")
    (tmp_path / "out/l").symlink_to("/etc/shadow")
    told, files = taken(Box(tmp_path), want("/out", is_directory=True))
    assert {one.path.replace("/./", "/"): files[one.stored] for one in told.artifacts} == {
        "/out/a.o": b"a",
        "/out/deep/b.o": b"b",
    }
    assert sorted(files) == ["0001", "0002"]
    assert any("symlink to /etc/shadow" in note for note in told.artifacts[0].notes)


def test_a_directory_has_no_more_files_and_bytes_than_the_caps(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for n in range(9):
        (tmp_path / f"out/{n}").write_bytes(b"x" * 100)
    told, files = taken(Box(tmp_path), want("/out", is_directory=True), want("/out/1"), caps=Caps(files=4))
    assert (len(files), told.artifacts[-1].status) == (4, "left_out")
    assert told.artifacts[-1].reason == "the cap of 4 files was reached"
    told, files = taken(Box(tmp_path), want("/out", is_directory=True), caps=Caps(total=250))
    assert sum(map(len, files.values())) == 250


def test_what_is_beyond_the_time_or_the_total_is_left_out_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    told, _ = taken(Box(tmp_path), want("/a"), want("/a"), caps=Caps(total=100))
    assert [one.reason for one in told.artifacts] == ["", "the cap of 100 bytes in all was reached"]
    ticks = iter([0.0, 0.0, 0.0, 0.0, 200.0, 200.0, 200.0])
    base = means(Box(tmp_path), {})
    told = take(replace(base, monotonic=lambda: next(ticks)), [want("/a"), want("/a")])
    assert [one.status for one in told.artifacts] == ["captured", "left_out"]
    assert told.artifacts[1].reason == "the time for the capture was over (120 s)"


def test_before_a_command_is_sent_it_is_told_how_many_files_may_come(tmp_path: Path) -> None:
    told: list[int] = []
    for n in range(3):
        (tmp_path / str(n)).write_text(str(n))
    wants = [want(f"/{n}") for n in range(3)]
    take(replace(means(Box(tmp_path), {}), ahead=told.append), wants)
    take(replace(means(Box(tmp_path, lacks=["tar"]), {}), ahead=told.append), wants)
    assert told == [3, 3, 1, 1, 1]


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (pod("uid-2"), "the pod was replaced under the same name"),
        (pod(restarts=1), "the container was restarted meanwhile"),
        (pod(state="terminated"), "not running: the container is terminated"),
    ],
)
def test_another_container_ends_the_taking_and_marks_what_is_unproven(tmp_path: Path, later: Pod, reason: str) -> None:
    for n in range(12):
        (tmp_path / str(n)).write_text(str(n))
    box = Box(tmp_path, pods=[pod(), pod(), later], lacks=["tar"])
    told, files = taken(box, *(want(f"/{n}") for n in range(12)))
    assert [one.status for one in told.artifacts] == ["captured"] * 10 + ["left_out"] * 2
    assert [UNPROVEN in one.notes for one in told.artifacts] == [False] * 5 + [True] * 5 + [False] * 2
    assert {one.reason for one in told.artifacts[10:]} == {reason}
    assert len(files) == 10


def test_nothing_runs_in_a_pod_that_is_another_from_the_start(tmp_path: Path) -> None:
    box = Box(tmp_path, pods=[pod("uid-2")])
    told, _ = taken(box, want("/a"))
    assert (box.ran, told.impossible) == ([], "the pod was replaced under the same name")


@pytest.mark.parametrize("before", [[], [pod()]])
def test_a_container_that_ended_before_the_first_file_is_told_as_not_running(tmp_path: Path, before: list[Pod]) -> None:
    class Ended(Box):
        def run(self, *_args: object, **_kwargs: object) -> Ran:
            raise Unanswered("unavailable", "exec: the container is not there")

    told, files = taken(Ended(tmp_path, pods=[*before, pod(state="terminated")]), want("/a"), want("/b"))
    assert (told.impossible, files) == (f"{NOT_RUNNING}: the container is terminated", {})
    assert {one.reason for one in told.artifacts} == {told.impossible}
    assert not any(one.passing for one in told.artifacts)


def test_a_change_that_only_the_last_look_sees_marks_the_last_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    told, _ = taken(Box(tmp_path, pods=[pod(), pod(restarts=1)]), want("/a"))
    assert (told.artifacts[0].status, told.artifacts[0].notes) == ("captured", (UNPROVEN,))


def test_a_no_of_the_api_server_ends_it(tmp_path: Path) -> None:
    class Denied(Box):
        def run(self, *_args: object, **_kwargs: object) -> Ran:
            raise Unanswered("denied", "pods/exec in shop")

    told, files = taken(Denied(tmp_path), want("/a"), want("/b"))
    assert [one.status for one in told.artifacts] == ["failed", "left_out"]
    assert told.impossible == "the API server refused: denied: pods/exec in shop"
    assert files == {}


# --- programs that lie ------------------------------------------------------------------------------------------------


def archive(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_a_tar_that_sends_other_files_gives_none_of_them() -> None:
    stream = archive(
        ("../../etc/cron.d/x", b"evil"), ("/etc/passwd", b"evil"), ("tmp/a/../a", b"evil"), ("tmp/a", b"good")
    )
    told, files = taken(Said({"tar": [stream]}), want("/tmp/a"))
    assert files == {"0001": b"good"}
    assert "tar sent ../../etc/cron.d/x, which was not asked for" in told.artifacts[0].notes


def test_a_tar_of_a_directory_that_leads_out_of_it_gives_only_what_is_below() -> None:
    stream = archive(("out/../etc/x", b"evil"), ("outer/x", b"evil"), ("out/x", b"good"))
    told, files = taken(Said({"tar": [stream]}), want("/out", is_directory=True))
    assert ([one.path for one in told.artifacts], files) == (["/out/x"], {"0001": b"good"})


def test_a_tar_that_prints_garbage_is_passed_over_for_cat() -> None:
    told, files = taken(Said({"tar": [b"segmentation fault\n" * 99], "cat": [b"data"]}), want("/tmp/a"))
    assert (told.artifacts[0].tool, files) == ("cat", {"0001": b"data"})


class Endless(Sequence[bytes]):
    """The same piece for ever."""

    def __init__(self, *first: bytes, piece: bytes) -> None:
        self.first, self.piece, self.sent = first, piece, 0

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, at: object) -> bytes:  # type: ignore[override] # no slices are asked for
        assert isinstance(at, int)
        return self.first[at] if at < len(self.first) else self.piece

    def __iter__(self) -> Iterator[bytes]:
        yield from self.first
        while True:
            self.sent += len(self.piece)
            yield self.piece


@pytest.mark.parametrize("tool", ["tar", "cat", "base64"])
def test_an_endless_stream_is_cut_at_the_cap_and_memory_stays_small(tool: str) -> None:
    class Counted:
        size = 0

        def write(self, data: bytes) -> None:
            self.size += len(data)

        def commit(self) -> Stored:
            return Stored(place="p", sha256="0" * 64, size=self.size)

        def abort(self) -> None:
            self.size = 0

    info = tarfile.TarInfo("tmp/a")
    info.size = 7 * 1024 * MIB
    header = info.tobuf(tarfile.GNU_FORMAT)
    elf = b"\x7fELF" + bytes(64 * 1024 - 4)
    pieces = {
        "tar": Endless(header, elf, piece=elf),
        "cat": Endless(elf, piece=elf),
        "base64": Endless(base64.encodebytes(elf[:65535]), piece=base64.encodebytes(elf[:65535])),
    }
    kept = Counted()
    base = means(Said({tool: pieces[tool]}), {})
    tracemalloc.start()
    try:
        told = take(replace(base, new=lambda _: kept), [want("/tmp/a")])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (told.artifacts[0].size, told.artifacts[0].truncated, kept.size) == (64 * MIB, True, 64 * MIB)
    assert peak < 16 * MIB


def test_a_connection_that_is_cut_keeps_what_came_and_says_so() -> None:
    told, files = taken(Said({"cat": [b"half"]}, ran=Ran(code=None, received=4, cut="connection")), want("/a"))
    one = told.artifacts[0]
    assert (one.status, one.truncated, files) == ("captured", True, {"0001": b"half"})
    assert "the connection was cut in the middle" in one.notes


def test_a_tar_that_promises_more_than_it_sends_is_marked() -> None:
    stream = archive(("tmp/a", b"x" * 5000))[:2048]
    told, files = taken(Said({"tar": [stream]}), want("/tmp/a"))
    one = told.artifacts[0]
    assert (one.truncated, len(files["0001"])) == (True, 1536)
    assert "tar promised 3464 bytes more than it sent" in one.notes


def test_a_file_that_changed_while_it_was_read_is_marked() -> None:
    how = Ran(code=1, received=0, stderr=b"tar: tmp/a: file changed as we read it\n")
    told, _ = taken(Said({"tar": [archive(("tmp/a", b"x"))]}, ran=how), want("/tmp/a"))
    assert "the file changed while it was read" in told.artifacts[0].notes


def test_base64_that_is_none_keeps_nothing() -> None:
    told, files = taken(Said({"base64": [b"!!!! no\n"]}), want("/a"))
    assert (told.artifacts[0].status, files) == ("failed", {})


@pytest.mark.parametrize(
    ("process", "answer"),
    [
        (Process(binary="/a", binary_sha256=sha256(b"data")), "equal"),
        (Process(binary="/a", binary_sha256=sha256(b"else")), "differs"),
        (Process(binary="/a", binary_sha256=sha256(b"da"), partially_hashed=True), "not_comparable"),
        (Process(binary="/a", binary_sha256=sha256(b"da"), hashed_size=2, partially_hashed=True), "equal"),
        (Process(binary="/a", binary_sha256=sha256(b"xx"), hashed_size=2, partially_hashed=True), "differs"),
        (Process(binary="/b", binary_sha256=sha256(b"data")), "not_given"),
    ],
)
def test_what_arrived_is_compared_with_the_hash_of_scc(process: Process, answer: str) -> None:
    told = take(means(Said({"cat": [b"data"]}), {}), [want("/a", role="compiler")], told=[process])
    assert (told.artifacts[0].against_scc, told.artifacts[0].trust) == (answer, "reported_by_container")


def test_a_store_that_fails_leaves_nothing_and_is_not_hidden() -> None:
    class Full(Kept):
        def write(self, data: bytes) -> None:
            raise StoreError(f"the disk is full: {len(data)} bytes")

    files: dict[str, bytes] = {}
    base = means(Said({"tar": [archive(("a", b"x"))]}), files)
    with pytest.raises(StoreError, match="full"):
        take(replace(base, new=lambda name: Full(files, name)), [want("/a")])
    assert files == {}


def test_in_the_real_store_only_sealed_files_of_ours_exist_afterwards(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box/a").write_bytes(b"a" * 1000)
    store = FolderEvidence(tmp_path / "store")
    base = means(Box(tmp_path / "box"), {})
    new = replace(base, new=lambda n: Sealed(store.new(f"REC/{n}.zip"), n))
    told = take(new, [want("/none"), want("/a")], caps=Caps(span=timedelta(seconds=60)))
    one = told.artifacts[1]
    assert store.names("REC") == (one.stored,)
    sealed = b"".join(store.open(one.stored))
    assert sha256(sealed) == one.stored_sha256
    assert b"".join(unsealed(io.BytesIO(sealed), limit=1000)) == b"a" * 1000


def test_a_program_whose_file_was_removed_comes_as_it_runs_byte_for_byte(tmp_path: Path) -> None:
    program = tmp_path / "miner"
    shutil.copy(shutil.which("sleep") or "", program)
    data = program.read_bytes()
    with subprocess.Popen([str(program), "60"]) as running:
        try:
            program.unlink()
            path = f"/proc/{running.pid}/exe"
            box = Box(Path("/"))
            one = replace(want(path, role="compiler"), is_ours=True)
            (tmp_path / "a").write_text("a")
            told, files = taken(box, want(f"{tmp_path}/a"), one)
        finally:
            running.kill()
    assert [(one.status, one.path, one.notes) for one in told.artifacts][1] == ("captured", path, ())
    assert files[told.artifacts[1].stored] == data
    assert [words[0] for words in box.ran] == ["tar", "cat"]
