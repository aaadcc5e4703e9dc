"""Step 5: what is done with a file beside the thread that receives it. Touches what it is handed.

A container's output waits in pipes and sockets for whoever reads it, so the reading thread only reads. One thread takes
the pieces from it, in their order: hashing and encrypting leave the interpreter free for pieces of this size. Ending a
file waits for a disk or a network and costs no work, so several are ended at once, and a file system brings them to the
disk in one go. What waits is bounded in bytes and in files.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

T = TypeVar("T")

PIECE: Final = 256 * 1024
"""Bytes that are handed over at once."""
PIECES: Final = 8
"""So many pieces wait at most; whoever hands over one more is held up."""
FILES: Final = 6
"""So many files are open at most, those included that are being ended."""
_ENDING: Final = 4


class Belt:
    """Threads for one capture. Leaving the block waits until all that was handed over is done."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(1, "capture-write")
        self._enders = ThreadPoolExecutor(_ENDING, "capture-end")
        self._pieces = threading.BoundedSemaphore(PIECES)
        self._files = threading.BoundedSemaphore(FILES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._writer.shutdown()
        self._enders.shutdown()

    def opened(self) -> None:
        """A file begins: waits until there is room for it. Each is `ended` once, by any thread."""
        self._files.acquire()

    def ended(self) -> None:
        """The file is over."""
        self._files.release()

    def write(self, work: Callable[[], T]) -> Future[T]:
        """Do it after all that was handed over before; waits while too much is waiting."""
        self._pieces.acquire()
        try:
            return self._writer.submit(self._then_room, work)
        except BaseException:
            self._pieces.release()
            raise

    def end(self, work: Callable[[], T]) -> Future[T]:
        """Do it beside the writing."""
        return self._enders.submit(work)

    def _then_room(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            self._pieces.release()
