"""A hostile tar gives its files' bytes and nothing else: no name is used, no link followed, no length believed."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.capture.tar import BLOCK, EXTENSION, HEADERS, TRAILING, Member, TarReader

MIB = 1024 * 1024


class Got:
    """`tar.Into` that keeps everything."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.files: list[bytes] = []
        self.missing: list[int] = []

    def begin(self, member: Member) -> bool:
        self.members.append(member)
        if member.kind == "file":
            self.files.append(b"")
        return member.kind == "file"

    def write(self, data: bytes) -> None:
        self.files[-1] += data

    def end(self, missing: int) -> None:
        self.missing.append(missing)


def read(data: bytes, *cuts: int) -> tuple[Got, TarReader]:
    got = Got()
    reader = TarReader(got)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        reader.feed(data[start:end])
    reader.close()
    return got, reader


def header(name: str = "f", *, size: bytes = b"00000000005\0", kind: bytes = b"0", link: str = "") -> bytes:
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = size
    block[156:157] = kind
    block[157 : 157 + len(link)] = link.encode()
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def made(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


SAMPLES = [
    made((tarfile.TarInfo("n" * 90 + "/" + "n" * 60), b"x" * 700), (tarfile.TarInfo("b"), b""), form=form)
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)
]


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7", "oldgnu"])
def test_what_tar_writes_in_each_of_its_formats_is_read_byte_for_byte(tmp_path: Path, form: str) -> None:
    data = bytes(range(256)) * 77
    name = "d/prog \u00e9"
    (tmp_path / "d").mkdir()
    (tmp_path / name).write_bytes(data)
    command = ["tar", f"--format={form}", "-cf", "-", "--", name]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    got, reader = read(out)
    assert (got.files, got.missing, reader.problem) == ([data], [0], "")
    assert got.members[0].name == name.encode()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_longer_than_a_header_is_read_whole(form: int) -> None:
    got, reader = read(made((tarfile.TarInfo("d/" + "n" * 3000), b"abc"), form=form))
    assert (got.members[0].name, got.files, reader.problem) == (b"d/" + b"n" * 3000, [b"abc"], "")


@pytest.mark.parametrize(
    ("kind", "is_a"), [(b"1", "link"), (b"2", "symlink"), (b"3", "device"), (b"4", "device"), (b"6", "fifo")]
)
def test_what_is_no_file_is_told_with_its_aim_and_brings_no_bytes(kind: bytes, is_a: str) -> None:
    got, reader = read(header("f", kind=kind, link="../../etc/shadow") + bytes(2 * BLOCK))
    assert [(one.kind, one.link) for one in got.members] == [(is_a, b"../../etc/shadow")]
    assert (got.files, reader.problem) == ([], "")


def test_a_sparse_file_of_gnu_or_pax_is_not_put_together(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.seek(4 * MIB)
        file.write(b"end")
    for form in ("gnu", "pax"):
        command = ["tar", "-S", f"--format={form}", "-cf", "-", "--", "holes"]
        got, reader = read(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout)
        assert [one.kind for one in got.members] == ["sparse"]
        assert (got.files, reader.problem) == ([], "a sparse file is not put together")


def test_a_file_that_promises_more_than_comes_says_how_much_is_missing() -> None:
    got, reader = read(header(size=b"00000010000\0") + b"x" * 1000)
    assert (got.files, got.missing) == ([b"x" * 1000], [4096 - 1000])
    assert reader.problem == "the archive has no end mark" or "middle" in reader.problem


def test_a_file_with_more_bytes_than_it_promises_ends_in_garbage_and_gains_none() -> None:
    got, reader = read(header() + b"hello" + b"x" * 2000)
    assert (got.files, reader.problem) == ([b"hello"], "a header's checksum is wrong")


@pytest.mark.parametrize(
    "size", [b"\xff" * 12, b"\x80" + b"\x7f" * 11, b"-0000000005\0", b"0000000000x\0", b"\xfe" + b"\0" * 11]
)
def test_a_size_that_is_none_ends_the_reading(size: bytes) -> None:
    got, reader = read(header(size=size) + b"hello")
    assert (got.members, reader.problem) == ([], "a header's size is no number")


def test_a_size_in_base_256_is_a_size() -> None:
    got, reader = read(header(size=b"\x80" + (5).to_bytes(11, "big")) + b"hello" + bytes(507 + 2 * BLOCK))
    assert (got.files, reader.problem) == ([b"hello"], "")


def pax(body: bytes, kind: bytes = b"x") -> bytes:
    return header(size=b"%011o\0" % len(body), kind=kind) + body + bytes(-len(body) % BLOCK)


def test_a_pax_size_goes_before_that_of_the_header() -> None:
    got, reader = read(pax(b"9 size=3\n") + header() + b"abc" + bytes(509 + 2 * BLOCK))
    assert (got.files, got.missing, reader.problem) == ([b"abc"], [0], "")


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (pax(b"11 size=-3\n") + header(), "a PAX size is no number"),
        (pax(b"28 size=9999999999999999999\n") + header(), "a PAX size is no number"),
        (pax(b"99999999999999 a=b\n"), "a PAX header cannot be read"),
        (pax(b"0 a=b\n"), "a PAX header cannot be read"),
        (pax(b"9 size=3\n", b"g"), "a global PAX header wants to rename or resize every file"),
        (header(size=b"%011o\0" % (EXTENSION + 1), kind=b"x"), f"an extended header promises {EXTENSION + 1} bytes"),
        (pax(b"", b"x") * 9, "extended headers follow one another"),
        (bytes(BLOCK) + header(), "there is more after a block of zeros"),
        (b"", "the archive has no end mark"),
        (header()[:300], "the archive stops in the middle"),
        (b"tar: not found\n" * 40, "a header's checksum is wrong"),
    ],
)
def test_a_lie_in_an_extension_or_a_broken_stream_is_named(stream: bytes, problem: str) -> None:
    got, reader = read(stream)
    assert (got.files, reader.problem) == ([], problem)


def test_headers_without_end_are_cut_and_so_is_what_follows_the_end() -> None:
    got, reader = read(header(size=b"00000000000\0") * (HEADERS + 9))
    assert (len(got.members), reader.problem) == (HEADERS, f"it has more than {HEADERS} headers")
    reader = TarReader(Got())
    reader.feed(bytes(2 * BLOCK))
    assert not reader.full
    reader.feed(bytes(TRAILING + 1))
    assert (reader.full, reader.problem) == (True, "")


def test_a_file_without_end_is_never_held() -> None:
    class Away(Got):
        def write(self, data: bytes) -> None:
            self.missing.append(len(data))

    away = Away()
    reader = TarReader(away)
    piece = bytes(64 * 1024)
    tracemalloc.start()
    try:
        reader.feed(header(size=b"77777777777\0"))
        for _ in range(1024):
            reader.feed(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(away.missing) == 64 * MIB
    assert peak < MIB


def told(data: bytes, *cuts: int) -> tuple[object, ...]:
    got, reader = read(data, *cuts)
    return got.members, got.files, got.missing, reader.problem, reader.ended


CUTS = st.lists(st.integers(0, 1 << 16), max_size=12)


@settings(deadline=None)
@given(st.binary(max_size=3000), CUTS)
def test_any_bytes_in_any_pieces_give_the_same_and_never_an_exception(data: bytes, cuts: list[int]) -> None:
    assert told(data, *cuts) == told(data)


def mutated(sample: bytes, changes: list[tuple[int, int]], *, mend: bool) -> bytes:
    data = bytearray(sample)
    for at, byte in changes:
        data[at % len(data)] = byte
    if mend:  # with a right checksum it gets past the first door
        for at in range(0, len(data) - BLOCK + 1, BLOCK):
            if data[at + 257 : at + 262] == b"ustar":
                data[at + 148 : at + 156] = b" " * 8
                data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + BLOCK])
    return bytes(data)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 1 << 16) | st.integers(100, 600), st.integers(0, 255)), max_size=8),
    CUTS,
    st.booleans(),
)
def test_a_real_tar_with_changed_bytes_gives_no_more_bytes_than_it_has(
    sample: bytes, changes: list[tuple[int, int]], cuts: list[int], mend: bool
) -> None:
    data = mutated(sample, changes, mend=mend)
    got, _ = read(data, *cuts)
    assert sum(map(len, got.files)) <= len(data)
    assert told(data, *cuts) == told(data)
