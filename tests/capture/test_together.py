"""Several files come out of one tar: each is matched with its own path, and counts once, whatever tar sends."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.capture.taking import TOGETHER, UNPROVEN, Caps, Taken, take
from responder.capture.wanted import Want
from responder.errors import NoProgram
from responder.ports import Cell, Ran
from responder.record import Artifact
from tests.capture.containers import CELL, Box, Said, pod
from tests.capture.test_taking import archive, means, sha256, want


def taken(box: Box, *wants: Want, caps: Caps | None = None) -> tuple[Taken, dict[str, bytes]]:
    files: dict[str, bytes] = {}
    return take(means(box, files), wants, caps=caps), files


def held(told: Taken, files: dict[str, bytes]) -> dict[str, bytes]:
    """What is kept for each path; every hash and size is of it."""
    kept = [one for one in told.artifacts if one.status == "captured"]
    assert len({one.stored for one in kept}) == len(kept) == len(files)
    for one in kept:
        data = files[one.stored]
        assert (one.sha256, one.size) == (sha256(data), len(data))
    return {one.path: files[one.stored] for one in kept}


def failed(told: Taken) -> dict[str, str]:
    return {one.path: one.reason for one in told.artifacts if one.status != "captured"}


class Turns(Box):
    """A container without ls that answers each command with the next of what it was given, whatever it is asked."""

    def __init__(self, *turns: tuple[bytes, Ran]) -> None:
        super().__init__(Path("/nonexistent"))
        self.turns = list(turns)

    def run(
        self, cell: Cell, argv: Sequence[str], *, sink: Callable[[bytes], object], limit: int, seconds: float
    ) -> Ran:
        assert (cell, seconds > 0) == (CELL, True)
        self.ran.append(tuple(argv))
        if argv[0] == "ls":
            raise NoProgram(argv[0])
        data, ran = self.turns.pop(0)
        sink(data[:limit])
        return ran


OVER = Ran(code=0, received=0)
CUT = Ran(code=None, received=0, cut="connection")


def test_twenty_files_come_with_one_command_byte_for_byte(tmp_path: Path) -> None:
    data = {f"/d/{n}": os.urandom(n * 70_001) for n in range(20)}
    (tmp_path / "d").mkdir()
    for path, content in data.items():
        (tmp_path / path[1:]).write_bytes(content)
    box = Box(tmp_path)
    told, files = taken(box, *map(want, data))
    assert held(told, files) == data
    assert [one.path for one in told.artifacts] == list(data)
    assert {one.notes for one in told.artifacts} == {()}
    assert len(box.ran) == 1


def test_the_container_is_looked_at_before_and_after_one_command_of_many(tmp_path: Path) -> None:
    for name in "abcdefgh":
        (tmp_path / name).write_text(name)
    box = Box(tmp_path, pods=[pod(), pod(restarts=1)])
    told, _ = taken(box, *(want(f"/{name}") for name in "abcdefgh"))
    assert [one.notes for one in told.artifacts] == [(UNPROVEN,)] * 8


def test_two_names_of_one_file_are_both_taken_whole(tmp_path: Path) -> None:
    (tmp_path / "cc").write_bytes(b"compiler")
    (tmp_path / "gcc").hardlink_to(tmp_path / "cc")
    box = Box(tmp_path)
    told, files = taken(box, want("/cc"), want("/gcc"), want("/cc"))
    assert [files[one.stored] for one in told.artifacts] == [b"compiler"] * 3
    assert [len(words) - 4 for words in box.ran] == [2, 1, 1]


def test_what_is_not_there_is_told_by_its_own_line_and_taints_no_other() -> None:
    lines = b"tar: Removing leading `/' from member names\ntar: /t/b: Cannot stat: No such file or directory\n"
    how = Ran(code=2, received=0, stderr=lines + b"tar: Exiting with failure status due to previous errors\n")
    box = Turns((archive(("t/a", b"a"), ("t/bb", b"bb")), how))
    told, files = taken(box, want("/t/a"), want("/t/b"), want("/t/bb"))
    assert held(told, files) == {"/t/a": b"a", "/t/bb": b"bb"}
    assert failed(told) == {"/t/b": "tar: /t/b: Cannot stat: No such file or directory"}
    assert [one.path for one in told.artifacts] == ["/t/a", "/t/b", "/t/bb"]
    assert {one.notes for one in told.artifacts} == {()}


def test_a_file_that_changed_among_others_is_marked_and_the_others_are_not() -> None:
    how = Ran(code=1, received=0, stderr=b"tar: /t/b: file changed as we read it\n")
    told, _ = taken(Turns((archive(("t/a", b"a"), ("t/b", b"b")), how)), want("/t/a"), want("/t/b"))
    assert [one.notes for one in told.artifacts] == [(), ("the file changed while it was read",)]


def test_what_a_tar_says_nothing_of_is_asked_for_alone() -> None:
    none = b"tar: /t/b: Cannot open: Permission denied\n"
    box = Turns((archive(("t/a", b"a")), OVER), (archive(), Ran(code=2, received=0, stderr=none)))
    told, _ = taken(box, want("/t/a"), want("/t/b"))
    assert [words[4:] for words in box.ran] == [("/t/a", "/t/b"), ("/t/b",)]
    assert "Permission denied" in failed(told)["/t/b"]


def test_a_link_among_files_is_not_followed_and_asked_for_no_more(tmp_path: Path) -> None:
    for name in "ac":
        (tmp_path / name).write_text(name)
    (tmp_path / "b").symlink_to("/etc/shadow")
    box = Box(tmp_path)
    told, files = taken(box, want("/a"), want("/b"), want("/c"))
    assert held(told, files) == {"/a": b"a", "/c": b"c"}
    assert failed(told) == {"/b": "tar: a symlink to /etc/shadow lies there: it is not followed"}
    assert len(box.ran) == 1


def test_a_file_at_its_cap_is_cut_and_those_after_it_come_with_the_next_command(tmp_path: Path) -> None:
    for name, size in (("a", 5), ("b", 5000), ("c", 7), ("d", 9)):
        (tmp_path / name).write_bytes(b"x" * size)
    box = Box(tmp_path, piece=512)
    told, files = taken(box, *(want(f"/{name}") for name in "abcd"), caps=Caps(file=1000))
    assert [(one.size, one.truncated) for one in told.artifacts] == [(5, False), (1000, True), (7, False), (9, False)]
    assert len(held(told, files)) == 4
    assert [words[4:] for words in box.ran] == [("/a", "/b", "/c", "/d"), ("/c", "/d")]


def test_a_cut_connection_costs_the_file_in_hand_and_the_rest_is_asked_for_again() -> None:
    whole = archive(("t/a", b"a"), ("t/b", b"b" * 5000))
    box = Turns((whole[:3072], CUT), (archive(("t/c", b"c")), OVER))
    told, files = taken(box, want("/t/a"), want("/t/b"), want("/t/c"))
    a, b, c = told.artifacts
    assert (a.notes, c.notes) == ((), ())
    assert (b.truncated, "the connection was cut in the middle" in b.notes) == (True, True)
    assert held(told, files) == {"/t/a": b"a", "/t/b": b"b" * 1536, "/t/c": b"c"}


def test_a_connection_that_is_cut_before_anything_came_is_not_tried_with_all_of_them_again() -> None:
    cat = (b"a", OVER), (b"b", OVER)
    box = Turns((b"", CUT), (b"", CUT), cat[0], (b"", CUT), cat[1])
    told, files = taken(box, want("/t/a"), want("/t/b"))
    assert [words[0] for words in box.ran] == ["tar", "tar", "ls", "cat", "tar", "cat"]
    assert held(told, files) == {"/t/a": b"a", "/t/b": b"b"}


def test_a_tar_that_sends_one_file_twice_and_another_as_it_gives_each_once() -> None:
    stream = archive(
        ("t/a", b"first"), ("t/a", b"second"), ("t/../t/b", b"evil"), ("/t//./b", b"b"), ("etc/passwd", b"evil")
    )
    told, files = taken(Turns((stream, OVER)), want("/t/a"), want("/t/b"))
    assert held(told, files) == {"/t/a": b"first", "/t/b": b"b"}
    assert told.artifacts[0].notes == told.artifacts[1].notes
    assert "tar sent t/a more than once: the first of them counts" in told.artifacts[0].notes
    assert "tar sent etc/passwd, which was not asked for" in told.artifacts[0].notes


def test_the_total_and_the_number_of_files_hold_for_many_as_for_one(tmp_path: Path) -> None:
    for n in range(9):
        (tmp_path / str(n)).write_bytes(b"x" * 100)
    wants = [want(f"/{n}") for n in range(9)]
    told, files = taken(Box(tmp_path), *wants, caps=Caps(total=250))
    assert sum(map(len, files.values())) == 250
    assert set(failed(told).values()) == {"the cap of 250 bytes in all was reached"}
    told, files = taken(Box(tmp_path), *wants, caps=Caps(files=4))
    assert (len(files), set(failed(told).values())) == (4, {"the cap of 4 files was reached"})


def test_a_command_holds_no_more_paths_than_an_address_may_be_long(tmp_path: Path) -> None:
    names = [f"{n:03}" + "ä" * 100 for n in range(40)]
    for name in names:
        (tmp_path / name).write_text(name)
    box = Box(tmp_path)
    told, files = taken(box, *(want(f"/{name}") for name in names))
    assert len(held(told, files)) == 40
    # Each takes 604 bytes of the address.
    assert [len(words) - 4 for words in box.ran] == [6] * 6 + [4]
    for n in range(40):
        (tmp_path / str(n)).write_text(str(n))
    box = Box(tmp_path)
    taken(box, *(want(f"/{n}") for n in range(40)))
    assert [len(words) - 4 for words in box.ran] == [TOGETHER, 40 - TOGETHER]


NAMES = ["t/a", "t/b", "/t/a", "t/./b", "t/c/../a", "../t/a", "t/a/b", "etc/passwd", "t"]
KINDS = [tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
MEMBERS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(KINDS), st.binary(max_size=700)), max_size=8)


@settings(max_examples=150, deadline=None)
@given(MEMBERS, st.integers(0, 3000), st.sampled_from([OVER, CUT]))
def test_whatever_a_tar_sends_each_path_has_one_answer_and_bytes_that_were_sent_for_it(
    members: list[tuple[str, bytes, bytes]], dropped: int, how: Ran
) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/shadow"
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
    stream = out.getvalue()
    stream = stream[: len(stream) - dropped]
    told, files = taken(Said({"tar": [stream]}, ran=how), want("/t/a"), want("/t/b"))
    assert [one.path for one in told.artifacts] == ["/t/a", "/t/b"]
    sent = {"/t/a": {"t/a", "/t/a"}, "/t/b": {"t/b", "t/./b"}}
    for path, data in held(told, files).items():
        # A tar that was asked again may bring what a first one kept back: of one path always.
        assert any(
            kind == tarfile.REGTYPE and name in sent[path] and whole.startswith(data) for name, kind, whole in members
        )


def test_a_file_that_is_kept_has_the_number_of_its_turn_in_tar(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    told, _ = taken(Box(tmp_path), want("/a"), want("/none"), want("/b"), want("/c"))
    stored: dict[str, Artifact] = {one.path: one for one in told.artifacts}
    assert [stored[f"/{name}"].stored for name in "abc"] == ["0001", "0002", "0003"]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 262_143, 262_144, 262_145])
def test_sizes_at_the_edges_of_blocks_and_pieces_arrive_whole(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(data[::-1])
    told, files = taken(Box(tmp_path, piece=1 + size // 3), want("/a"), want("/b"))
    assert held(told, files) == {"/a": data, "/b": data[::-1]}
