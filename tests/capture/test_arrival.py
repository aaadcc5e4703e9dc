"""What is looked into while it arrives: an ELF file whole, up to a bound; of a larger one its beginning."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from responder.capture.arrival import HELD, Arrival, Arrived, Facts, printable
from responder.capture.belt import Belt
from responder.capture.elf import Readable, facts
from responder.record import ElfFacts
from tests.capture.containers import Kept

PROGRAM = Path(shutil.which("tar") or "/bin/sh").read_bytes()


def arrived(data: bytes, look: Facts = facts, *, piece: int = 70_001) -> Arrived:
    files: dict[str, bytes] = {}
    with Belt() as belt:
        arrival = Arrival(belt, lambda: Kept(files, "0001"), 1 << 40)
        for at in range(0, len(data), piece):
            arrival.write(data[at : at + piece])
        made = arrival.commit(look).result().result()
    assert files == {"0001": data}
    return made


@pytest.mark.skipif(not PROGRAM.startswith(b"\x7fELF"), reason="this machine's tar is no ELF file")
def test_a_program_is_looked_into_as_it_would_be_on_a_disk() -> None:
    assert arrived(PROGRAM).elf == facts(io.BytesIO(PROGRAM))
    assert arrived(PROGRAM.ljust(HELD, b"\0")).elf == facts(io.BytesIO(PROGRAM.ljust(HELD, b"\0")))


@pytest.mark.skipif(not PROGRAM.startswith(b"\x7fELF"), reason="this machine's tar is no ELF file")
def test_of_a_program_that_is_too_large_the_beginning_is_told_and_that_it_is_no_more() -> None:
    elf = arrived(PROGRAM.ljust(HELD + 1, b"\0")).elf
    whole = facts(io.BytesIO(PROGRAM))
    assert elf
    assert whole
    assert (elf.machine, elf.needed) == (whole.machine, ())
    assert elf.problem == f"larger than {HELD} bytes: only its first were looked at"


def test_what_is_held_ends_where_the_file_ends_and_what_is_no_program_is_not_looked_into() -> None:
    seen: list[tuple[bytes, bytes, bytes]] = []

    def look(file: Readable) -> ElfFacts | None:
        file.seek(2)
        parts = file.read(4), file.read(1 << 20)
        file.seek(1 << 40)
        seen.append((*parts, file.read(9)))
        return None

    assert arrived(b"\x7fELF and more", look, piece=3).content == "elf"
    assert seen == [(b"LF a", b"nd more", b"")]
    assert arrived(b"#!/bin/sh\n", look).content == "script"
    assert arrived(b"", look).size == 0
    assert len(seen) == 1


@pytest.mark.parametrize(
    "odd", ["\x1b", "\n", "\x7f", "\u202e", "\u2066", "\u2028", "\u00a0", "\u3000", "\ue000", "\ud800"]
)
def test_what_no_line_of_text_has_is_a_question_mark(odd: str) -> None:
    assert printable(f"a{odd} b") == "a? b"
    assert printable(f"a{odd} b".encode("utf-8", "surrogatepass")).replace("\ufffd", "?").startswith("a?")


def test_a_file_that_drips_is_handed_over_before_its_parts_are_many() -> None:
    handed: list[int] = []

    class Counting(Kept):
        def write(self, data: bytes) -> None:
            handed.append(len(data))
            super().write(data)

    with Belt() as belt:
        arrival = Arrival(belt, lambda: Counting({}, "0001"), 1 << 40)
        for _ in range(5000):
            arrival.write(b"x")
        arrival.commit(None).result().result()
    assert (len(handed), max(handed), sum(handed)) == (5, 1024, 5000)
