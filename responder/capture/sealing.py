"""Step 5: a captured file, sealed so that nothing can run it by accident. Touches only what it is handed.

One AES-256 zip (WinZip's AE-2) with the password that analysts expect, and one member with a number of ours. Stored,
not compressed: its size is the file's plus some 250 bytes, so that no reader of it meets a bomb.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import IO, Any, Final

from responder.errors import SettingsError, Tampered
from responder.ports import Incoming, Stored

PASSWORD: Final = b"infected"
"""No secret: it keeps scanners and double clicks off. Custody comes from the hashes, privacy from the store."""

_PIECE: Final = 256 * 1024


class Sealed:
    """`ports.Incoming` around another: what is written to it arrives there as a zip, while it is written.

    `number` is the member's name (`0001`). SettingsError where pyzipper is not installed.
    """

    def __init__(self, incoming: Incoming, number: str) -> None:
        if not (number.isascii() and number.isalnum()):
            raise ValueError("the member's name is a number of ours")
        self._incoming = incoming
        zipper = _pyzipper()
        from responder.capture.winzip import Zip  # noqa: PLC0415 - it needs the extra, which is there by now

        self._zip = Zip(_Unseekable(incoming), "w", compression=zipper.ZIP_STORED)
        self._zip.setpassword(PASSWORD)
        info = self._zip.zipinfo_cls(number, date_time=(1980, 1, 1, 0, 0, 0))
        # The size is not known before the end, so room for more than 4 GiB is made at once.
        self._member = self._zip.open(info, "w", force_zip64=True)
        self._open = True

    def write(self, data: bytes) -> int:
        """The next bytes of the file; their number."""
        return int(self._member.write(data))

    def commit(self) -> Stored:
        """Close the zip and keep it; the hash and the size are the zip's."""
        self._open = False
        try:
            self._member.close()
            self._zip.close()
        except BaseException:
            self._incoming.abort()
            raise
        return self._incoming.commit()

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._open:
            self._open = False
            # A zip that is closed in the middle writes its end; where that fails, it fails into what is thrown away.
            with contextlib.suppress(Exception):
                self._member.close()
                self._zip.close()
        self._incoming.abort()


def unsealed(file: IO[bytes], *, limit: int) -> Iterator[bytes]:
    """The bytes inside a sealed file, at most `limit` + 1 of them, in pieces.

    Tampered where it is no zip of ours: another number of members, compressed, another password, broken.
    """
    zipper = _pyzipper()
    try:
        with zipper.AESZipFile(file) as opened:
            members = opened.infolist()
            if len(members) != 1 or members[0].compress_type != zipper.ZIP_STORED:
                raise Tampered("it does not hold exactly one stored file")
            opened.setpassword(PASSWORD)
            left = limit + 1
            with opened.open(members[0]) as member:
                while left > 0 and (piece := member.read(min(_PIECE, left))):
                    left -= len(piece)
                    yield piece
    except (zipper.BadZipFile, RuntimeError, NotImplementedError, ValueError, OSError, EOFError) as error:
        # pyzipper says a wrong password with RuntimeError; its texts hold the member's name, so they are not repeated.
        raise Tampered(f"it cannot be opened as a sealed file ({type(error).__name__})") from error


class _Unseekable:
    """What the zip writes into: no `tell`, no `seek`, so that nothing is gone back to and nothing is held."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming

    def write(self, data: bytes) -> int:
        self._incoming.write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held here."""


def _pyzipper() -> Any:
    if importlib.util.find_spec("pyzipper") is None:
        raise SettingsError("pyzipper is not installed, and sealed files need it: pip install '.[capture]'")
    import pyzipper  # noqa: PLC0415 - an extra: who captures nothing does without

    return pyzipper
