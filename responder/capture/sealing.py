"""Step 5: a captured file, sealed so that nothing can run it by accident. Touches only what it is handed.

One AES-256 zip (WinZip's AE-2) with the password that analysts expect, and one member with a number of ours. Stored,
not compressed: its size is the file's plus some 250 bytes, so that no reader of it meets a bomb.
"""

from __future__ import annotations

import importlib.util
from collections import deque
from collections.abc import Iterator
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any, Final

from responder.errors import SettingsError, Tampered
from responder.ports import Incoming, Stored

if TYPE_CHECKING:
    from responder.capture.winzip import Key

PASSWORD: Final = b"infected"
"""No secret: it keeps scanners and double clicks off. Custody comes from the hashes, privacy from the store."""

_PIECE: Final = 256 * 1024


class Keys:
    """The keys of sealed files. Each is for one file, and is a millisecond's work, which `ahead` does beforehand.

    SettingsError where pyzipper is not installed.
    """

    def __init__(self) -> None:
        self._made: deque[Key] = deque()

    def ahead(self, count: int) -> None:
        """Have so many ready: the machine waits while a command begins."""
        while len(self._made) < count:
            self._made.append(_winzip().Key.of(PASSWORD))

    def next(self) -> Key:
        """One that was not given out before."""
        self.ahead(1)
        return self._made.popleft()


class Sealed:
    """`ports.Incoming` around another: what is written to it arrives there as a zip, while it is written.

    `number` is the member's name (`0001`). SettingsError where pyzipper is not installed.
    """

    def __init__(self, incoming: Incoming, number: str, keys: Keys | None = None) -> None:
        if not (number.isascii() and number.isalnum()):
            raise ValueError("the member's name is a number of ours")
        self._incoming = incoming
        try:
            self._zip = _winzip().Zip(incoming.write, number, (keys or Keys()).next())
        except BaseException:
            incoming.abort()
            raise

    def write(self, data: bytes) -> int:
        """The next bytes of the file; their number."""
        self._zip.write(data)
        return len(data)

    def commit(self) -> Stored:
        """Close the zip and keep it; the hash and the size are the zip's."""
        try:
            self._zip.close()
        except BaseException:
            self._incoming.abort()
            raise
        return self._incoming.commit()

    def abort(self) -> None:
        """Leave nothing behind."""
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


def _winzip() -> ModuleType:
    _pyzipper()
    from responder.capture import winzip  # noqa: PLC0415 - it needs the extra, which is there by now

    return winzip


def _pyzipper() -> Any:
    if importlib.util.find_spec("pyzipper") is None:
        raise SettingsError("pyzipper is not installed, and sealed files need it: pip install '.[capture]'")
    import pyzipper  # noqa: PLC0415 - an extra: who captures nothing does without

    return pyzipper
