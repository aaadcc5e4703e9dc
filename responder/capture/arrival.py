"""Step 5: one file on its way in: hashed, cut at its cap, sealed, looked at. Touches its `Incoming` alone.

It holds at most `HELD` bytes, and those of an ELF file alone.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

from responder.finding import Process
from responder.ports import Incoming, Stored
from responder.record import ElfFacts

HELD: Final = 8 * 1024 * 1024
"""Bytes of an ELF file that are held so that it can be looked into; of a larger one its first bytes must do."""

Content = Literal["", "elf", "script", "text", "other"]
Against = Literal["equal", "differs", "not_comparable", "not_given"]
Facts = Callable[[BinaryIO], ElfFacts | None]

_FIRST: Final = 1024
_ELF: Final = b"\x7fELF"
_LONGEST: Final = 512
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def printable(text: bytes | str, limit: int = _LONGEST) -> str:
    """The attacker's bytes as a text of one line: no control, no bidirectional override; cut at `limit`."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode("utf-8", "replace")
    return "".join("?" if unicodedata.category(one) in _UNSEEN else one for one in text[:limit])


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What came of a file, and where it lies."""

    sha256: str
    size: int
    truncated: bool
    content: Content
    elf: ElfFacts | None
    stored: Stored


class Arrival:
    """A file that arrives. `cap` is in bytes; what comes after it is dropped, and `truncated` says so."""

    def __init__(self, new: Callable[[], Incoming], cap: int) -> None:
        self._file = new()
        self._cap = cap
        self._digest = hashlib.sha256()
        self._first = b""
        self._held: io.BytesIO | None = io.BytesIO()
        self.size = 0
        self.truncated = False

    def write(self, data: bytes) -> None:
        """The next bytes."""
        room = self._cap - self.size
        self.truncated = self.truncated or len(data) > room
        data = data[:room]
        if not data:
            return
        self.size += len(data)
        self._digest.update(data)
        if len(self._first) < _FIRST:
            self._first += data[: _FIRST - len(self._first)]
        self._hold(data)
        self._file.write(data)

    def commit(self, facts: Facts | None) -> Arrived:
        """Keep it. StoreError where the store does not take it."""
        content = kind_of(self._first)
        return Arrived(
            sha256=self._digest.hexdigest(),
            size=self.size,
            truncated=self.truncated,
            content=content,
            elf=self._looked(facts) if facts and content == "elf" else None,
            stored=self._file.commit(),
        )

    def abort(self) -> None:
        """Leave nothing behind."""
        self._file.abort()

    def _hold(self, data: bytes) -> None:
        no_elf = len(self._first) >= len(_ELF) and not self._first.startswith(_ELF)
        if self._held and (no_elf or self.size > HELD):
            self._held = None
        if self._held is not None:
            self._held.write(data)

    def _looked(self, facts: Facts) -> ElfFacts | None:
        held, self._held = self._held, None
        if held is not None:
            held.seek(0)
            return facts(held)
        told = facts(io.BytesIO(self._first))
        return told and told.model_copy(update={"problem": f"larger than {HELD} bytes: only its first were looked at"})


def kind_of(first: bytes) -> Content:
    """What a file's first KiB looks like; empty for an empty file."""
    if not first:
        return ""
    if first.startswith(_ELF):
        return "elf"
    if first.startswith(b"#!"):
        return "script"
    with contextlib.suppress(UnicodeDecodeError):
        # A character that the first KiB cuts in two is no sign of a binary.
        text = codecs.getincrementaldecoder("utf-8")().decode(first, final=len(first) < _FIRST)
        if not any(ord(one) < ord(" ") and one not in "\t\n\r\f\v\b\x1b" for one in text):
            return "text"
    return "other"


def against_scc(path: str, sha256: str, told: Sequence[Process], *, whole: bool) -> Against:
    """What arrived, against the binaries that SCC hashed (`Finding.processes`, File.sha256).

    Only SCC's hash of a whole file is compared with ours of a whole file; with `partiallyHashed` SCC hashed the first
    `hashedSize` bytes, which the finding as we keep it does not tell.
    """
    ours = [one for one in told if one.binary == path and one.binary_sha256]
    if not ours:
        return "not_given"
    hashes = {one.binary_sha256.lower() for one in ours if not one.partially_hashed}
    comparable = {one for one in hashes if _SHA256.fullmatch(one)}
    if not whole or not comparable:
        return "not_comparable"
    if comparable == {sha256}:
        return "equal"
    return "differs" if sha256 not in comparable else "not_comparable"
