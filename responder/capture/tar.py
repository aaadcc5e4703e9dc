"""Step 5: regular files out of a hostile tar stream, as it comes. Pure: it opens nothing and extracts nothing.

The stream is what `tar cf - -- PATH` wrote in a container, so every byte may be the attacker's. Names are told, never
used; links are told and never followed, and a length is believed only as far as bytes arrive. What is held is one
block, or one extension of at most 64 KiB. Formats: v7, ustar, GNU, PAX (POSIX.1-2017, pax; the manual of GNU tar,
"Basic Tar Format"); Python's `tarfile` is not used, since it follows what it reads and pulls where this is pushed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

BLOCK: Final = 512
EXTENSION: Final = 64 * 1024
"""Bytes of a PAX or long-name header that are held; a longer one ends the reading."""
HEADERS: Final = 4096
"""So many headers of any kind are read."""
TRAILING: Final = 1024 * 1024
"""Bytes after the end of the archive that are passed over; tar fills up its last record, of 10 KiB as a rule."""

Kind = Literal["file", "link", "symlink", "device", "directory", "fifo", "sparse", "unknown"]

_KINDS: Final[dict[bytes, Kind]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "link",
    b"2": "symlink",
    b"3": "device",
    b"4": "device",
    b"5": "directory",
    b"6": "fifo",
    b"S": "sparse",
}
_OCTAL: Final = re.compile(rb" *([0-7]*)[ \0]*")
_LARGEST: Final = 1 << 62
_EXTENSIONS_IN_A_ROW: Final = 8
_DIGITS_OF_A_LENGTH: Final = 8
_DIGITS_OF_A_SIZE: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What a header says. `name` and `link` are the stream's bytes; `size` is a promise until the bytes are there."""

    name: bytes
    kind: Kind
    size: int
    link: bytes = b""


class Into(Protocol):
    """Who takes the files. What it raises ends the reading and reaches the caller of `feed`."""

    def begin(self, member: Member) -> bool:
        """A header of any kind; True where the bytes of a regular file are wanted."""

    def write(self, data: bytes) -> object:
        """The next bytes of that file."""

    def end(self, missing: int) -> object:
        """That file is over; `missing` bytes of those promised did not come."""


class TarReader:
    """A push parser. `problem` is empty, or why it stopped; what comes after a problem is dropped.

    `ended`: the two zero blocks came. `whole` says that the stream ended where an archive may end.
    """

    def __init__(self, into: Into) -> None:
        self._into = into
        self._held = bytearray()
        self._left = 0  # bytes of the current body that are still to come
        self._padding = 0
        self._extension = b""  # its type, while its body is being held
        self._wanted = False
        self._in_file = False
        self._zeros = 0
        self._after = 0
        self._headers = 0
        self._row = 0
        self._said: dict[str, bytes] = {}
        self.problem = ""
        self.ended = False

    @property
    def full(self) -> bool:
        """Whether more bytes would be dropped: nothing is gained by waiting for them."""
        return bool(self.problem) or self._after > TRAILING

    def feed(self, data: bytes) -> None:
        """The next bytes, in pieces of any size."""
        view = memoryview(data)
        while view and not self.problem:
            if self.ended:
                self._after += len(view)
                return
            if self._left and not self._extension:
                view = self._body(view)
            elif self._padding and not self._extension:
                step = min(self._padding, len(view))
                self._padding -= step
                view = view[step:]
            else:
                view = self._hold(view)

    def close(self) -> None:
        """No more bytes will come."""
        if self._in_file:
            self._finish()
        if not self.ended and not self.problem:
            cut = self._held or self._left or self._padding or self._said
            self.problem = "the archive stops in the middle" if cut else "the archive has no end mark"

    # --- bodies -------------------------------------------------------------------------------------------------------

    def _body(self, view: memoryview) -> memoryview:
        step = min(self._left, len(view))
        if self._wanted:
            self._into.write(bytes(view[:step]))
        self._left -= step
        if not self._left and self._in_file:
            self._finish()
        return view[step:]

    def _finish(self) -> None:
        wanted, self._wanted, self._in_file = self._wanted, False, False
        if wanted:
            self._into.end(self._left)

    def _hold(self, view: memoryview) -> memoryview:
        """A block, or the body of an extension: both are looked at when they are whole."""
        size = self._left if self._extension else BLOCK
        step = min(size - len(self._held), len(view))
        self._held += view[:step]
        if len(self._held) == size:
            whole = bytes(self._held)
            self._held.clear()
            if self._extension:
                self._left = 0
                self._extended(whole)
            else:
                self._block(whole)
        return view[step:]

    # --- headers ------------------------------------------------------------------------------------------------------

    def _block(self, block: bytes) -> None:
        if not any(block):
            self._zeros += 1
            self.ended = self._zeros == 2  # noqa: PLR2004 - an archive ends with two blocks of zeros
            return
        if self._zeros:
            self.problem = "there is more after a block of zeros"
            return
        self._headers += 1
        size = _number(block[124:136])
        if not _checks(block):
            self.problem = "a header's checksum is wrong"
        elif size is None:
            self.problem = "a header's size is no number"
        elif self._headers > HEADERS:
            self.problem = f"it has more than {HEADERS} headers"
        elif block[156:157] in b"xgLK":
            self._extend(block[156:157], size)
        else:
            self._member(block, size)

    def _extend(self, kind: bytes, size: int) -> None:
        self._row += 1
        if size > EXTENSION:
            self.problem = f"an extended header promises {size} bytes"
        elif self._row > _EXTENSIONS_IN_A_ROW:
            self.problem = "extended headers follow one another"
        elif size:
            self._extension, self._left, self._padding = kind, size, -size % BLOCK

    def _extended(self, body: bytes) -> None:
        kind, self._extension = self._extension, b""
        if kind in b"LK":
            self._said["path" if kind == b"L" else "linkpath"] = body.split(b"\0", 1)[0]
            return
        try:
            said = dict(_pairs(body))
        except ValueError:
            self.problem = "a PAX header cannot be read"
            return
        if kind == b"x":
            self._said.update(said)
        elif said.keys() & {"size", "path", "linkpath"}:
            self.problem = "a global PAX header wants to rename or resize every file"

    def _member(self, block: bytes, size: int) -> None:
        said, self._said, self._row = self._said, {}, 0
        if (told := said.get("size")) is not None:
            if not (told.isdigit() and len(told) <= _DIGITS_OF_A_SIZE and int(told) < _LARGEST):
                self.problem = "a PAX size is no number"
                return
            size = int(told)
        name = said.get("path", _name(block))
        kind = _KINDS.get(block[156:157], "unknown")
        if kind == "file" and block[156:157] != b"7" and name.endswith(b"/"):
            kind = "directory"  # as v7 wrote one
        if any(key.startswith("GNU.sparse.") for key in said):
            kind = "sparse"
        link = said.get("linkpath", block[157:257].split(b"\0", 1)[0])
        wanted = self._into.begin(Member(name=name, kind=kind, size=size, link=link))
        if kind == "sparse":
            # What follows is a map and pieces; a size in it is not the file's, and a file is not made up from it.
            self.problem = "a sparse file is not put together"
        elif kind in {"file", "unknown"}:
            self._wanted, self._in_file = wanted and kind == "file", True
            self._left, self._padding = size, -size % BLOCK
            if not size:
                self._finish()


def _checks(block: bytes) -> bool:
    told = _number(block[148:156])
    rest = block[:148] + b" " * 8 + block[156:]
    # Old tars summed signed characters.
    return told is not None and told in {sum(rest), sum(rest) - 256 * sum(1 for byte in rest if byte > 127)}  # noqa: PLR2004 - the sign bit


def _number(field: bytes) -> int | None:
    """Octal digits, or GNU's base 256 where the first bit is set; None for neither, below zero, or absurd."""
    if field[0] == 0x80:  # noqa: PLR2004 - GNU's mark for a number above zero
        value = int.from_bytes(field[1:], "big")
    else:
        found = _OCTAL.fullmatch(field)
        if found is None:
            return None
        value = int(found[1] or b"0", 8)
    return value if value < _LARGEST else None


def _name(block: bytes) -> bytes:
    name, prefix = block[:100].split(b"\0", 1)[0], block[345:500].split(b"\0", 1)[0]
    # GNU's own magic ends in two blanks, and has times where ustar has the prefix.
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _pairs(body: bytes) -> Iterator[tuple[str, bytes]]:
    r"""The `LENGTH KEY=VALUE\n` of a PAX header. ValueError where it is not made of them."""
    at = 0
    while at < len(body):
        digits, blank, _ = body[at : at + _DIGITS_OF_A_LENGTH].partition(b" ")
        if not (blank and digits.isdigit()):
            raise ValueError
        end = at + int(digits)
        line = body[at + len(digits) + 1 : end]
        key, equals, value = line.partition(b"=")
        if end > len(body) or not equals or not line.endswith(b"\n"):
            raise ValueError
        yield key.decode("ascii", "replace"), value[:-1]
        at = end
