"""Step 5: the zip that a sealed file is, written as it comes. Pure; needs the extra `capture`.

WinZip's AE-2 (https://www.winzip.com/en/support/aes-encryption/) in a zip that is never gone back to (PKWARE's APPNOTE,
4.3): the keys by PBKDF2-HMAC-SHA1 with 1,000 rounds, AES-256 in counter mode, ten bytes of an HMAC-SHA1 over what was
encrypted, no CRC, and the sizes after the data. It is what pyzipper writes, byte for byte, for half of the work: that
hashes and counts in portable C, where `hashlib` and AES of many blocks at once have the processor's own instructions.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Self

from Cryptodome.Cipher import AES
from Cryptodome.Util.strxor import strxor

_ROUNDS, _SALT, _KEY = 1000, 16, 32
_VERIFIER = 2  # bytes by which a reader knows a wrong password
_CODE = 10  # bytes of the HMAC
_LARGEST: Final = (1 << 32) - 1
"""Bytes of a zip; a larger one has another end."""

_MADE_BY: Final = 0x0314  # as Unix has them, version 2.0
_NEEDED: Final = 20
_FLAGS: Final = 0x0009  # encrypted; the sizes come after the data
_AES: Final = 99
_DAY: Final = 0x0021  # 1 January 1980, at midnight: the first that a zip can tell
_MODE: Final = 0o600 << 16
# AE-2, by WinZip ("AE"), 256 bits, stored.
_SEALED: Final = struct.pack("<3H2sBH", 0x9901, 7, 2, b"AE", 3, 0)
# Room for sizes of 8 bytes after the data.
_ROOM: Final = struct.pack("<2H2Q", 1, 16, 0, 0)


class Key(NamedTuple):
    """What one member is encrypted with, and nothing else: its salt, and what came of that and the password."""

    salt: bytes
    derived: bytes

    @classmethod
    def of(cls, password: bytes) -> Self:
        """A new one; it takes some 0.9 ms of work."""
        salt = os.urandom(_SALT)
        return cls(salt, hashlib.pbkdf2_hmac("sha1", password, salt, _ROUNDS, 2 * _KEY + _VERIFIER))


class Zip:
    """A zip with one member, stored and encrypted; `write` takes its bytes one after the other."""

    def __init__(self, write: Callable[[bytes], object], name: str, key: Key) -> None:
        self._write, self._name = write, name.encode("ascii")
        self._aes = Counting(key.derived[:_KEY])
        self._hmac = hmac.new(key.derived[_KEY : 2 * _KEY], digestmod="sha1")
        self._size, self._at = 0, 0
        self._put(struct.pack("<I5H3I2H", 0x04034B50, *self._facts(0, 0), len(_ROOM + _SEALED)))
        self._put(self._name + _ROOM + _SEALED)
        self._begin = self._at
        self._put(key.salt + key.derived[2 * _KEY :])

    def write(self, data: bytes) -> None:
        """The next bytes of the member; ValueError where the zip would be larger than 4 GiB."""
        if self._at + len(data) > _LARGEST - 1024:
            raise ValueError("a sealed file is smaller than 4 GiB")
        data = self._aes.encrypt(data)
        self._hmac.update(data)
        self._size += len(data)
        self._put(data)

    def close(self) -> None:
        """The end of the member, and of the zip."""
        self._put(self._hmac.digest()[:_CODE])
        size, told = self._at - self._begin, self._facts(self._at - self._begin, self._size)
        self._put(struct.pack("<2I2Q", 0x08074B50, 0, size, self._size))
        begin = self._at
        self._put(struct.pack("<I6H3I5H2I", 0x02014B50, _MADE_BY, *told, len(_SEALED), 0, 0, 0, _MODE, 0))
        self._put(self._name + _SEALED)
        self._put(struct.pack("<I4H2IH", 0x06054B50, 0, 0, 1, 1, self._at - begin, begin, 0))

    def _put(self, data: bytes) -> None:
        self._write(data)
        self._at += len(data)

    def _facts(self, compressed: int, size: int) -> tuple[int, ...]:
        """What both headers say, from the version to the length of the name."""
        return (_NEEDED, _FLAGS, _AES, 0, _DAY, 0, compressed, size, len(self._name))


_BLOCK: Final = 16
_ROW: Final = 4096
"""Blocks that are encrypted at once: their numbers within the row are the lowest twelve bits of the counter."""
_FIRST: Final = bytes(range(256)) * (_ROW // 256)
"""The lowest byte of the counter, of each block of a row."""
_SECOND: Final = b"".join(bytes([byte]) * 256 for byte in range(256))
"""The byte after it, of 65,536 blocks."""


class Counting:
    """AES in counter mode (NIST SP 800-38A, 6.5): blocks are counted from 1, the lowest byte of the counter first."""

    def __init__(self, key: bytes) -> None:
        self._aes = AES.new(key, AES.MODE_ECB)
        self._counters = bytearray(_ROW * _BLOCK)
        self._counters[::_BLOCK] = _FIRST
        self._stream = bytearray(_ROW * _BLOCK)
        self._row = -1
        self._at = _BLOCK  # bytes; the block with the number 0 is not used

    def encrypt(self, data: bytes) -> bytes:
        """The next bytes, any number of them."""
        out, done = bytearray(len(data)), 0
        given: Any = memoryview(data)  # the package's types know bytes alone, its code all that has a buffer
        made: Any = memoryview(out)
        stream: Any = memoryview(self._stream)
        while done < len(data):
            row, begin = divmod(self._at, len(stream))
            if row != self._row:
                self._next(row)
            step = min(len(data) - done, len(stream) - begin)
            strxor(given[done : done + step], stream[begin : begin + step], output=made[done : done + step])
            self._at += step
            done += step
        return bytes(out)

    def _next(self, row: int) -> None:
        """The key stream of a row of blocks."""
        self._row = row
        high, low = divmod(row * _ROW // 256, 256)
        self._counters[1::_BLOCK] = _SECOND[low * 256 : low * 256 + _ROW]
        for place, byte in enumerate(high.to_bytes(6, "little"), start=2):
            if self._counters[place] != byte:
                self._counters[place::_BLOCK] = bytes([byte]) * _ROW
        self._aes.encrypt(self._counters, output=self._stream)
