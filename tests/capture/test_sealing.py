"""A sealed file opens with the analysts' password, holds what was written, and is never held in memory."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from pathlib import Path

import pytest
import pyzipper
from hypothesis import given
from hypothesis import strategies as st

from responder.capture.sealing import PASSWORD, Sealed, unsealed
from responder.errors import StoreError, Tampered
from responder.ports import Stored
from responder.stores.evidence_folder import FolderEvidence

MIB = 1024 * 1024


class Held:
    """An Incoming that keeps its bytes."""

    def __init__(self, *, full: bool = False) -> None:
        self.data, self.full, self.ended = bytearray(), full, ""

    def write(self, data: bytes) -> int:
        if self.full and len(self.data) > 200:
            raise StoreError("the disk is full")
        self.data += data
        return len(data)

    def commit(self) -> Stored:
        self.ended = "kept"
        return Stored(place="p/1", sha256=hashlib.sha256(self.data).hexdigest(), size=len(self.data))

    def abort(self) -> None:
        self.ended = self.ended or "left"


def sealed(*pieces: bytes) -> bytes:
    held = Held()
    file = Sealed(held, "0001")
    for piece in pieces:
        file.write(piece)
    file.commit()
    return bytes(held.data)


@given(st.lists(st.binary(max_size=2000), max_size=6))
def test_what_is_written_in_any_pieces_comes_out(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    assert b"".join(unsealed(io.BytesIO(sealed(*pieces)), limit=len(data))) == data


def test_it_is_one_aes_256_member_with_our_number_and_no_compression() -> None:
    data = b"int main(void) { return 0; }\n" * 50
    made = sealed(data)
    with pyzipper.AESZipFile(io.BytesIO(made)) as opened:
        (member,) = opened.infolist()
        assert (member.filename, member.wz_aes_strength, member.compress_type) == ("0001", 3, pyzipper.ZIP_STORED)
        assert opened.read(member, pwd=PASSWORD) == data
    assert data[:29] not in made
    assert len(made) < len(data) + 300


def test_without_the_password_nothing_is_read() -> None:
    with pyzipper.AESZipFile(io.BytesIO(sealed(b"x"))) as opened, pytest.raises(RuntimeError):
        opened.read("0001", pwd=b"other")


@pytest.mark.parametrize("name", ["../0001", "a/b", "", "x\n", "é"])
def test_no_name_of_another_gets_into_the_zip(name: str) -> None:
    with pytest.raises(ValueError, match="number of ours"):
        Sealed(Held(), name)


def test_an_aborted_file_is_not_kept() -> None:
    held = Held()
    file = Sealed(held, "0001")
    file.write(b"x" * 1000)
    file.abort()
    file.abort()
    assert held.ended == "left"


def test_a_store_that_fails_ends_with_nothing_kept() -> None:
    held = Held(full=True)
    file = Sealed(held, "0001")
    file.write(b"x" * 200)
    with pytest.raises(StoreError):
        file.write(b"x")
    file.abort()
    assert held.ended == "left"


def test_more_than_the_limit_is_never_read() -> None:
    assert sum(map(len, unsealed(io.BytesIO(sealed(b"x" * 5000)), limit=10))) == 11


@pytest.mark.parametrize("kind", ["two", "deflated", "password", "garbage", "empty"])
def test_what_is_no_sealed_file_of_ours_is_refused(kind: str) -> None:
    made = io.BytesIO(b"garbage" * 40 if kind == "garbage" else b"")
    if kind in {"two", "deflated", "password"}:
        compression = pyzipper.ZIP_DEFLATED if kind == "deflated" else pyzipper.ZIP_STORED
        with pyzipper.AESZipFile(made, "w", compression=compression, encryption=pyzipper.WZ_AES) as opened:
            opened.setpassword(b"other" if kind == "password" else PASSWORD)
            opened.writestr("0001", b"0" * 10_000)
            if kind == "two":
                opened.writestr("0002", b"")
    with pytest.raises(Tampered):
        list(unsealed(made, limit=100_000))


def test_sixty_mebibytes_pass_through_in_less_than_eight(tmp_path: Path) -> None:
    piece = bytes(range(256)) * 256
    tracemalloc.start()
    try:
        file = Sealed(FolderEvidence(tmp_path).new("r/0001.zip"), "0001")
        for _ in range(60 * MIB // len(piece)):
            file.write(piece)
        stored = file.commit()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stored.size > 60 * MIB
    assert peak < 8 * MIB
