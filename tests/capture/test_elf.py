"""What an ELF file says of itself is read, and whatever it says costs little."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.capture.content import Hashes, against_scc, kind_of, prefixes
from responder.capture.elf import LONGEST, MOST_STRINGS, facts
from responder.finding import Process
from responder.record import ElfFacts

pytest.importorskip("elftools", reason="pyelftools, of the extra `capture`, is not installed")

HAS_GCC = shutil.which("gcc") is not None
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
FULL = 2**64 - 1


def told(data: bytes) -> ElfFacts:
    given = facts(io.BytesIO(data))
    assert given is not None
    return given


def a_header(
    *, kind: int = 2, machine: int = 62, phnum: int = 0, shoff: int = 0, shnum: int = 0, names: int = 0
) -> bytes:
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return ident + struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, 0x400000, 64, shoff, 0, 64, 56, phnum, 64, shnum, names
    )


def a_segment(kind: int, offset: int, size: int, *, address: int = 0) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, 4, offset, address, address, size, size, 8)


def a_section(kind: int, offset: int, size: int, *, name: int = 0, flags: int = 0) -> bytes:
    return struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, offset, size, 0, 0, 1, 0)


def compiled(folder: Path, *flags: str, name: str = "a.out") -> ElfFacts:
    source = folder / "x.c"
    source.write_text("int main(void) { return 0; }\n")
    out = folder / name
    done = subprocess.run(["gcc", *flags, str(source), "-o", str(out)], capture_output=True, check=False, timeout=60)
    if done.returncode:
        pytest.skip(f"this gcc cannot do {' '.join(flags)}")
    with out.open("rb") as file:
        made = facts(file)
    assert made is not None
    return made


with_gcc = pytest.mark.skipif(not HAS_GCC, reason="gcc is not installed")


@with_gcc
def test_a_program_of_shared_libraries_names_them_and_its_compiler(tmp_path: Path) -> None:
    made = compiled(tmp_path)
    assert (made.kind, made.static, made.stripped, made.problem) == ("executable", False, False, "")
    assert any(name.startswith("libc.") for name in made.needed)
    assert made.interpreter.startswith("/lib")
    assert any("GCC" in text for text in made.comments)


@with_gcc
@pytest.mark.parametrize("flag", ["-static", "-static-pie"])
def test_a_static_program_is_told_whether_it_can_be_moved_or_not(tmp_path: Path, flag: str) -> None:
    made = compiled(tmp_path, flag)
    assert (made.kind, made.static, made.needed, made.interpreter) == ("executable", True, (), "")


@with_gcc
def test_a_stripped_program_is_stripped(tmp_path: Path) -> None:
    assert compiled(tmp_path, "-s").stripped


@with_gcc
def test_a_library_is_no_program_and_not_static_even_without_libraries(tmp_path: Path) -> None:
    made = compiled(tmp_path, "-shared", "-fPIC", "-nostdlib")
    assert (made.kind, made.static, made.needed) == ("shared", False, ())


@with_gcc
def test_an_object_is_an_object(tmp_path: Path) -> None:
    made = compiled(tmp_path, "-c")
    assert (made.kind, made.static, made.stripped) == ("object", False, False)
    assert made.comments


@with_gcc
def test_the_build_id_is_the_one_that_the_linker_was_told(tmp_path: Path) -> None:
    assert compiled(tmp_path, "-Wl,--build-id=0x0123456789abcdef").build_id == "0123456789abcdef"


def test_what_is_no_elf_file_has_no_facts() -> None:
    assert [facts(io.BytesIO(data)) for data in (b"", b"\x7fEL", b"#!/bin/sh\n", b"MZ" + bytes(99))] == [None] * 4


@pytest.mark.parametrize("length", [4, 5, 6, 16, 51, 63])
def test_a_header_that_is_cut_is_said(length: int) -> None:
    assert "header is cut" in told(a_header()[:length]).problem


def test_a_program_without_section_headers_is_stripped_and_static() -> None:
    made = told(a_header(phnum=1) + a_segment(PT_LOAD, 0, 120))
    assert (made.static, made.stripped, made.problem) == (True, True, "")


def test_sections_beyond_the_end_leave_it_open_whether_it_is_stripped() -> None:
    made = told(a_header(phnum=1, shoff=1 << 40, shnum=20) + a_segment(PT_LOAD, 0, 120))
    assert not made.stripped
    assert "beyond the end" in made.problem
    assert made.static


def test_program_headers_that_were_not_read_are_no_proof_of_a_static_program() -> None:
    assert not told(a_header(phnum=40)).static


def test_counts_and_sizes_without_end_cost_little() -> None:
    huge = a_header(shoff=64, shnum=0) + a_section(8, FULL, FULL) + bytes(4096)
    segments = a_header(phnum=65535) + a_segment(PT_DYNAMIC, FULL, FULL) * 3 + a_segment(PT_INTERP, 0, FULL) * 600
    notes = a_header(shoff=64, shnum=8000, names=1) + a_section(7, 0, FULL) * 8000
    for data in (huge, segments, notes):
        start = time.process_time()
        assert told(data).problem
        assert time.process_time() - start < 3


class Counting(io.BytesIO):
    """A file that knows how much was read of it."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.total += len(data)
        return data


def test_little_is_read_of_a_large_file_whatever_it_claims() -> None:
    data = a_header(phnum=65535, shoff=64, shnum=0) + a_section(7, 200_000, 200_000) * 200_000
    file = Counting(data)
    assert facts(file) is not None
    assert file.total < 1024 * 1024 < len(data)


def test_names_are_cut_and_printable_and_few() -> None:
    strings = b"\x1b[31m\xe2\x80\xae" + b"A" * 900 + b"\0"
    at = 64 + 2 * 56
    dynamic = struct.pack("<QQ", 5, 0x1000) + struct.pack("<QQ", 1, 0) + b"".join(
        struct.pack("<QQ", 1, n + 8) for n in range(100)
    ) + bytes(16)  # fmt: skip
    made = told(
        a_header(phnum=2)
        + a_segment(PT_LOAD, at + len(dynamic), len(strings), address=0x1000)
        + a_segment(PT_DYNAMIC, at, len(dynamic))
        + dynamic
        + strings
    )
    assert made.needed[0].startswith(r"\x1b[31m\u202eAAA")
    assert len(made.needed) <= MOST_STRINGS
    assert all(len(name) <= LONGEST and name.isprintable() and name.isascii() for name in made.needed)
    assert "101 libraries" in made.problem
    assert not made.static


def test_a_compressed_comment_is_not_unpacked() -> None:
    names = b"\0.comment\0"
    data = a_header(shoff=64, shnum=2, names=1) + a_section(1, 0, 9, name=1, flags=0x800) + a_section(3, 192, 10)
    made = told(data + names)
    assert made.comments == ()
    assert "compressed" in made.problem


REAL = Path(sys.executable).resolve().read_bytes()[: 256 * 1024] if sys.platform == "linux" else a_header()


@settings(max_examples=150, deadline=None)
@given(
    cut=st.integers(0, len(REAL)),
    changes=st.lists(st.tuples(st.integers(4, 1200), st.integers(0, 255)), max_size=40),
)
def test_whatever_is_changed_in_a_real_file_facts_are_bounded(cut: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(REAL)
    for at, value in changes:
        if at < len(data):
            data[at] = value
    made = facts(io.BytesIO(bytes(data[: max(cut, 4)])))
    assert made is not None
    assert len(made.model_dump_json()) < 40_000


# --- content ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"\x7fELF\x02", "elf"),
        (b"#!/bin/sh\n", "script"),
        (b"int main(void) {}\n", "text"),
        ("größer".encode(), "text"),
        (b"a" * 1023 + "é".encode()[:1], "text"),
        (b"caf\xe9", "other"),
        (b"PK\x03\x04", "other"),
        (b"", "text"),
    ],
)
def test_the_first_bytes_tell_the_kind(first: bytes, kind: str) -> None:
    assert kind_of(first) == kind


def streamed(data: bytes, *prefix: int) -> Hashes:
    hashes = Hashes(prefix)
    for at in range(0, len(data), 7):
        hashes.write(data[at : at + 7])
    return hashes


def hashed(data: bytes) -> str:
    return streamed(data).whole


DATA = bytes(range(256)) * 3


def test_a_whole_hash_is_compared_with_a_whole_file_only() -> None:
    scc = Process(binary="/b", binary_sha256=hashed(DATA), binary_size=len(DATA))
    assert against_scc([scc], streamed(DATA), truncated=False) == "equal"
    assert against_scc([scc], streamed(DATA[:-1] + b"!"), truncated=False) == "differs"
    assert against_scc([scc], streamed(DATA[:50]), truncated=True) == "not_comparable"


@pytest.mark.parametrize("flag", [True, False])
def test_a_partial_hash_is_compared_with_as_many_first_bytes(flag: bool) -> None:
    scc = Process(binary="/b", binary_sha256=hashed(DATA[:100]), binary_size=len(DATA), hashed_size=100,
                  partially_hashed=flag)  # fmt: skip
    assert prefixes([scc]) == {100}
    assert against_scc([scc], streamed(DATA, 100), truncated=False) == "equal"
    assert against_scc([scc], streamed(DATA[:150], 100), truncated=True) == "equal"
    assert against_scc([scc], streamed(b"!" + DATA[1:], 100), truncated=False) == "differs"
    assert against_scc([scc], streamed(DATA[:99], 100), truncated=True) == "not_comparable"


def test_a_partial_hash_of_nobody_knows_how_many_bytes_is_not_comparable() -> None:
    scc = Process(binary="/b", binary_sha256=hashed(DATA[:100]), partially_hashed=True)
    assert prefixes([scc]) == frozenset()
    assert against_scc([scc], streamed(DATA), truncated=False) == "not_comparable"


def test_another_size_differs_and_no_hash_says_nothing() -> None:
    scc = Process(binary="/b", binary_sha256=hashed(DATA[:100]), binary_size=len(DATA), hashed_size=100,
                  partially_hashed=True)  # fmt: skip
    assert against_scc([scc], streamed(DATA + b"!", 100), truncated=False) == "differs"
    assert against_scc([scc], streamed(DATA[:200], 100), truncated=False) == "differs"
    assert against_scc([Process(binary="/b")], streamed(DATA), truncated=False) == "not_given"
    assert against_scc([], streamed(DATA), truncated=False) == "not_given"
    odd = Process(binary="/b", binary_sha256="not a hash")
    assert against_scc([odd], streamed(DATA), truncated=False) == "not_comparable"


def test_of_two_hashes_that_contradict_each_other_neither_is_believed() -> None:
    one, other = (Process(binary="/b", binary_sha256=hashed(data)) for data in (DATA, b"else"))
    bare = Process(binary="/b")
    assert against_scc([one, other], streamed(DATA), truncated=False) == "not_comparable"
    assert against_scc([one, other], streamed(b"third"), truncated=False) == "differs"
    assert against_scc([bare, one], streamed(DATA), truncated=False) == "equal"
