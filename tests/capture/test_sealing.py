"""A sealed file opens with the analysts' password, holds what was written, and is never held in memory."""

from __future__ import annotations

import hashlib
import io
import random
import tracemalloc
from pathlib import Path

import pytest
import pyzipper
from Cryptodome.Cipher import AES
from Cryptodome.Util import Counter
from hypothesis import given
from hypothesis import strategies as st

from responder.capture.sealing import PASSWORD, Keys, Sealed, unsealed
from responder.capture.winzip import Counting
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


@pytest.mark.parametrize("size", [0, 1, 4 * 1024 * 1024 + 7])
def test_it_is_byte_for_byte_what_pyzipper_writes(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random.Random(size).randbytes(size)  # noqa: S311 - a file's content
    ours, theirs = sealed(data[:1000], data[1000:]), Held()
    salt = ours[65 : 65 + 16]
    monkeypatch.setattr(pyzipper.zipfile_aes.Random, "new", lambda: io.BytesIO(salt))
    # Told to keep to one version, since it would write a CRC where the file is long enough not to be guessed from it.
    options = {"force_wz_aes_version": pyzipper.zipfile_aes.WZ_AES_V2}
    with pyzipper.AESZipFile(Stream(theirs), "w", encryption=pyzipper.WZ_AES, encryption_kwargs=options) as opened:
        opened.setpassword(PASSWORD)
        with opened.open(opened.zipinfo_cls("0001", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
            member.write(data)
    assert ours == theirs.data


class Stream:
    """An Incoming as a file that cannot be gone back in."""

    def __init__(self, held: Held) -> None:
        self.write = held.write

    def flush(self) -> None:
        """Nothing is held."""


def test_blocks_are_counted_right_beyond_each_byte_of_the_counter() -> None:
    key, piece = bytes(range(32)), bytes(3 * MIB + 5)
    ours = Counting(key)
    theirs = AES.new(key, AES.MODE_CTR, counter=Counter.new(nbits=128, little_endian=True))
    for _ in range(86):  # the fourth byte of the counter comes into use after 256 MiB
        assert ours.encrypt(piece) == theirs.encrypt(piece)


def test_no_two_files_have_one_salt_also_where_keys_are_made_ahead() -> None:
    keys, salts = Keys(), set()
    keys.ahead(3)
    for _ in range(5):
        held = Held()
        file = Sealed(held, "0001", keys)
        file.write(b"x")
        file.commit()
        assert b"".join(unsealed(io.BytesIO(held.data), limit=10)) == b"x"
        salts.add(bytes(held.data[65:81]))
    assert len(salts) == 5


def test_a_file_whose_seal_cannot_be_begun_is_not_left_open() -> None:
    class Full(Held):
        def write(self, data: bytes) -> int:
            raise StoreError(f"the disk is full: no room for {len(data)} bytes")

    held = Full()
    with pytest.raises(StoreError):
        Sealed(held, "0001")
    assert held.ended == "left"


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
