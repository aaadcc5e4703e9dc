"""Step 5: one file on its way in: hashed, cut at its cap, sealed, looked at. Touches its `Incoming` alone.

It holds at most `HELD` bytes, and those of an ELF file alone.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final

from responder.capture.belt import PIECE, Belt
from responder.capture.content import FIRST, Against, Hashes, Kind, against_scc, kind_of, prefixes
from responder.capture.elf import Readable
from responder.finding import Process
from responder.ports import Incoming, Stored
from responder.record import ElfFacts

HELD: Final = 8 * 1024 * 1024
"""Bytes of an ELF file that are held so that it can be looked into; of a larger one its first bytes must do."""

Facts = Callable[[Readable], ElfFacts | None]

_ELF: Final = b"\x7fELF"
_LONGEST: Final = 512
_PARTS: Final = 1024
"""So many parts of a piece wait at most, however small they come."""


def printable(text: bytes | str, limit: int = _LONGEST) -> str:
    """The attacker's bytes as a text of one line: no control, override of direction or odd space; cut at `limit`."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode("utf-8", "replace")
    return "".join(one if one.isprintable() else "?" for one in text[:limit])


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
    """A file that arrives, on the side that receives it. `told` is what SCC says of a binary at this path.

    `cap` is in bytes; what comes after it is dropped, and `truncated` says so. It is ended once, by `commit` or by
    `abort`. What fails on the belt is raised by the next `write`, or by the future of `commit`.
    """

    def __init__(self, belt: Belt, new: Callable[[], Incoming], cap: int, told: Sequence[Process] = ()) -> None:
        belt.opened()
        self._belt = belt
        self._file = _File(new, told)
        self._cap = cap
        self._parts: list[bytes] = []
        self._waiting = 0
        self.size = 0
        self.truncated = False

    def write(self, data: bytes) -> None:
        """The next bytes."""
        if self._file.error:
            raise self._file.error
        room = self._cap - self.size
        self.truncated = self.truncated or len(data) > room
        data = data[:room]
        self.size += len(data)
        self._waiting += len(data)
        if data:
            self._parts.append(data)
        if self._waiting >= PIECE or len(self._parts) >= _PARTS:
            self._hand_over()

    def commit(self, facts: Facts | None) -> Future[Future[Arrived]]:
        """Keep it, in its turn. What the inner future raises is StoreError where the store does not take it."""
        self._hand_over()
        return self._belt.write(partial(self._whole, facts, truncated=self.truncated))

    def abort(self) -> None:
        """Leave nothing behind."""
        self._parts.clear()
        self._belt.write(self._drop)

    def _hand_over(self) -> None:
        if self._parts:
            self._belt.write(partial(self._file.write, b"".join(self._parts)))
            self._parts.clear()
            self._waiting = 0

    # --- on the belt --------------------------------------------------------------------------------------------------

    def _whole(self, facts: Facts | None, *, truncated: bool) -> Future[Arrived]:
        try:
            looked = self._file.looked(facts, truncated=truncated)
        except BaseException:
            self._drop()
            raise
        return self._belt.end(partial(self._kept, looked))

    def _kept(self, looked: partial[Arrived]) -> Arrived:
        try:
            return looked(stored=self._file.commit())
        except BaseException:
            self._file.abort()
            raise
        finally:
            self._belt.ended()

    def _drop(self) -> None:
        try:
            self._file.abort()
        finally:
            self._belt.ended()


class _File:
    """The same file on the belt: by one thread after the other. `error` is what a write failed with."""

    def __init__(self, new: Callable[[], Incoming], told: Sequence[Process]) -> None:
        self._new = new
        self._told = told
        self._file: Incoming | None = None
        self._hashes = Hashes(prefixes(told))
        self._first = b""
        self._held: _Held | None = _Held()
        self.error: Exception | None = None

    def write(self, data: bytes) -> None:
        if self.error:
            return
        try:
            self._hashes.write(data)
            if len(self._first) < FIRST:
                self._first += data[: FIRST - len(self._first)]
            self._hold(data)
            self._opened().write(data)
        except Exception as error:  # noqa: BLE001 - raised again by whoever hands over the next piece
            self.error = error

    def looked(self, facts: Facts | None, *, truncated: bool) -> partial[Arrived]:
        """All but where it lies; the file is not kept yet. Raises what a write failed with."""
        if self.error:
            raise self.error
        self._opened()
        content = kind_of(self._first)
        elf = self._elf(facts) if facts and content == "elf" else None
        self._forget()
        return partial(
            Arrived,
            sha256=self._hashes.whole,
            size=self._hashes.size,
            truncated=truncated,
            against_scc=against_scc(self._told, self._hashes, truncated=truncated),
            content=content,
            elf=elf,
        )

    def commit(self) -> Stored:
        return self._opened().commit()

    def abort(self) -> None:
        self._forget()
        if self._file:
            self._file.abort()

    def _opened(self) -> Incoming:
        self._file = self._file or self._new()
        return self._file

    def _hold(self, data: bytes) -> None:
        no_elf = len(self._first) >= len(_ELF) and not self._first.startswith(_ELF)
        if no_elf or self._hashes.size > HELD:
            self._forget()
        if self._held is not None:
            self._held.write(data)

    def _elf(self, facts: Facts) -> ElfFacts | None:
        if self._held is not None:
            return facts(self._held)
        told = facts(io.BytesIO(self._first))
        return told and told.model_copy(update={"problem": f"larger than {HELD} bytes: only its first were looked at"})

    def _forget(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()


class _Held:
    """The bytes of one file, at most `HELD`. Pages of its own: a heap would keep the room of each that ever was."""

    def __init__(self) -> None:
        self._pages = mmap.mmap(-1, HELD)
        self._size = self._at = 0

    def write(self, data: bytes) -> None:
        self._pages[self._size : self._size + len(data)] = data
        self._size += len(data)

    def seek(self, offset: int) -> None:
        self._at = offset

    def read(self, size: int) -> bytes:
        data = self._pages[self._at : min(self._at + size, self._size)]
        self._at += len(data)
        return data

    def close(self) -> None:
        self._pages.close()
