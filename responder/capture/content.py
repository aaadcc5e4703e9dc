"""Step 5: what kind of file arrived, and whether it is the one that Security Command Center hashed. Pure."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from responder.finding import Process

Kind = Literal["elf", "script", "text", "other"]
Against = Literal["equal", "differs", "not_comparable", "not_given"]

FIRST: Final = 1024
"""Bytes that tell the kind."""
MOST_PREFIXES: Final = 4
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ORDER: Final[tuple[Against, ...]] = ("equal", "differs", "not_comparable")
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
    """sha256 of a whole stream, and of each prefix that is asked for, while it passes; sizes are in bytes."""

    def __init__(self, prefixes: Iterable[int] = ()) -> None:
        self._whole = hashlib.sha256()
        self._first = {size: hashlib.sha256() for size in prefixes}
        self.size = 0

    def write(self, data: bytes) -> None:
        """The next bytes."""
        for size, first in self._first.items():
            if self.size < size:
                first.update(data[: size - self.size])
        self._whole.update(data)
        self.size += len(data)

    @property
    def whole(self) -> str:
        """Of all that came, as hex."""
        return self._whole.hexdigest()

    def first(self, size: int) -> str:
        """Of the first `size` bytes, as hex; ``""`` where fewer came, or that prefix was not asked for."""
        reached = size in self._first and self.size >= size
        return self._first[size].hexdigest() if reached else ""


def prefixes(told: Sequence[Process]) -> frozenset[int]:
    """The prefixes whose hash SCC gives, for `Hashes`; at most `MOST_PREFIXES`, since each costs a hash."""
    sizes = {size for one in told if one.binary_sha256 and (size := _prefix(one)) > 0}
    return frozenset(sorted(sizes)[:MOST_PREFIXES])


def against_scc(told: Sequence[Process], hashes: Hashes, *, truncated: bool) -> Against:
    """What arrived against what SCC says of the binary at that path, once or several times.

    `File` of SCC's v2 API: `sha256` of the first `hashedSize` bytes, `size`, `partiallyHashed`. `truncated`: the file
    went on after what arrived; `hashes` was made with the `prefixes` of `told`. A whole file of another size differs,
    whatever its hash. Where SCC itself says two things, one of which is true, it is not comparable.
    """
    answers = {_against(one, hashes, truncated=truncated) for one in told} - {"not_given"}
    if not answers:
        return "not_given"
    if answers >= {"equal", "differs"}:
        return "not_comparable"
    return next(answer for answer in _ORDER if answer in answers)


def _against(binary: Process, hashes: Hashes, *, truncated: bool) -> Against:
    told = binary.binary_sha256.lower()
    if not told:
        return "not_given"
    size = binary.binary_size
    # Text format and JSON of an unset int64 are both 0: no size, and no empty program.
    if size and ((not truncated and hashes.size != size) or hashes.size > size):
        return "differs"
    if not _SHA256.fullmatch(told):
        return "not_comparable"
    prefix = _prefix(binary)
    ours = hashes.first(prefix) if prefix else "" if truncated else hashes.whole
    if not ours:
        return "not_comparable"
    return "equal" if ours == told else "differs"


def _prefix(binary: Process) -> int:
    """How many first bytes SCC hashed; 0 for all of them, -1 where it does not tell how many."""
    hashed, size = binary.hashed_size or 0, binary.binary_size or 0
    if binary.partially_hashed or 0 < hashed < size:
        return hashed if hashed > 0 else -1
    return 0
