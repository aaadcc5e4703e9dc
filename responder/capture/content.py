"""Step 5: what kind of file arrived, and whether it is the one that Security Command Center hashed. Pure."""

from __future__ import annotations

import codecs
import hashlib
import re
from typing import Final, Literal

from responder.finding import Process

Kind = Literal["elf", "script", "text", "other"]
Against = Literal["equal", "differs", "not_comparable", "not_given"]

FIRST: Final = 1024
"""Bytes that tell the kind."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\b\x1b")


def kind_of(first: bytes) -> Kind:
    """The kind by the first bytes (`FIRST` do); a character that they cut in two is no sign of a binary.

    An empty file is `text`: there is nothing in it that is not.
    """
    if first.startswith(b"\x7fELF"):
        return "elf"
    if first.startswith(b"#!"):
        return "script"
    if not _CONTROLS.isdisjoint(first) or b"\x7f" in first:
        return "other"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first, final=len(first) < FIRST)
    except UnicodeDecodeError:
        return "other"
    return "text"


class Hashes:
    """sha256 of a whole stream and of its first `prefix` bytes, while it passes. `prefix` None: of the whole alone."""

    def __init__(self, prefix: int | None = None) -> None:
        self._whole = hashlib.sha256()
        self._first = hashlib.sha256()
        self._prefix = prefix
        self.size = 0

    def write(self, data: bytes) -> None:
        """The next bytes."""
        if self._prefix is not None and self.size < self._prefix:
            self._first.update(data[: self._prefix - self.size])
        self._whole.update(data)
        self.size += len(data)

    @property
    def whole(self) -> str:
        """Of all that came, as hex."""
        return self._whole.hexdigest()

    @property
    def first(self) -> str:
        """Of the first `prefix` bytes, as hex; ``""`` where fewer came, or none was asked for."""
        reached = self._prefix is not None and self.size >= self._prefix
        return self._first.hexdigest() if reached else ""


def against_scc(binary: Process, hashes: Hashes, *, truncated: bool, hashed_size: int | None = None) -> Against:
    """What arrived against `File` of SCC's v2 API: `sha256` of the first `hashedSize` bytes, `size`, `partiallyHashed`.

    `truncated`: the file went on after what arrived. With a partial hash `hashed_size` must be given, and `hashes` made
    with it as its `prefix`; without, it is not comparable. A whole file of another size differs, whatever its hash.
    """
    told = binary.binary_sha256.lower()
    if not told:
        return "not_given"
    size = binary.binary_size
    # Text format and JSON of an unset int64 are both 0: no size, and no empty program.
    if size and ((not truncated and hashes.size != size) or hashes.size > size):
        return "differs"
    if not _SHA256.fullmatch(told):
        return "not_comparable"
    whole = "" if truncated else hashes.whole
    first = hashes.first if hashed_size else ""
    ours = first if binary.partially_hashed else whole
    if not ours:
        return "not_comparable"
    return "equal" if ours == told else "differs"
