"""Step 5: one file on its way in: hashed, cut at its cap, sealed, looked at. Touches its `Incoming` alone.

It holds at most `HELD` bytes, and those of an ELF file alone.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from responder.capture.content import FIRST, Against, Hashes, Kind, against_scc, kind_of, prefixes
from responder.finding import Process
from responder.ports import Incoming, Stored
from responder.record import ElfFacts

HELD: Final = 8 * 1024 * 1024
"""Bytes of an ELF file that are held so that it can be looked into; of a larger one its first bytes must do."""

Facts = Callable[[BinaryIO], ElfFacts | None]

_ELF: Final = b"\x7fELF"
_LONGEST: Final = 512
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


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
    against_scc: Against
    content: Kind
    elf: ElfFacts | None
    stored: Stored


class Arrival:
    """A file that arrives. `cap` is in bytes; what comes after it is dropped, and `truncated` says so.

    `told` is what SCC says of a binary at this path.
    """

    def __init__(self, new: Callable[[], Incoming], cap: int, told: Sequence[Process] = ()) -> None:
        self._file = new()
        self._cap = cap
        self._told = told
        self._hashes = Hashes(prefixes(told))
        self._first = b""
        self._held: io.BytesIO | None = io.BytesIO()
        self.truncated = False

    @property
    def size(self) -> int:
        """Bytes that were kept."""
        return self._hashes.size

    def write(self, data: bytes) -> None:
        """The next bytes."""
        room = self._cap - self.size
        self.truncated = self.truncated or len(data) > room
        data = data[:room]
        if not data:
            return
        self._hashes.write(data)
        if len(self._first) < FIRST:
            self._first += data[: FIRST - len(self._first)]
        self._hold(data)
        self._file.write(data)

    def commit(self, facts: Facts | None) -> Arrived:
        """Keep it. StoreError where the store does not take it."""
        content = kind_of(self._first)
        return Arrived(
            sha256=self._hashes.whole,
            size=self.size,
            truncated=self.truncated,
            against_scc=against_scc(self._told, self._hashes, truncated=self.truncated),
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
