"""What a source says, asked once a minute at most and waited for a few seconds at most. Asks what it is handed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from responder.errors import Unanswered
from responder.evidence import Found, Missing
from responder.reread import SECONDS

T = TypeVar("T")

PATIENCE: Final = 3.0
"""Seconds that a page waits; the question goes on, and its answer is there for the next page."""


class Recent(Generic[T]):
    """The answer of `ask`, which raises Unanswered; `source` says whose it is. A refusal is kept for a minute too.

    One question at a time: whoever comes while a source hangs is told so at once. `monotonic` is in seconds.
    """

    def __init__(
        self,
        ask: Callable[[], T],
        source: str,
        *,
        patience: float = PATIENCE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._source = source
        self._patience = patience
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recent")
        self._asked: Future[Found[T] | Missing] | None = None
        self._began = 0.0

    def __call__(self) -> Found[T] | Missing:
        """What was said within the last minute; Missing where nothing was, with the reason."""
        with self._guard:
            now = self._monotonic()
            if self._asked is None or (self._asked.done() and now >= self._began + SECONDS):
                self._asked, self._began = self._pool.submit(self._answer), now
            asked, left = self._asked, max(0.0, self._began + self._patience - now)
        try:
            return asked.result(timeout=left)
        except TimeoutError:
            return Missing(why="timeout", detail=f"{self._source}: no answer within {self._patience:g} seconds")

    def _answer(self) -> Found[T] | Missing:
        try:
            return Found(value=self._ask(), source=self._source)
        except Unanswered as error:
            return Missing(why=error.why, detail=error.detail, mend=error.mend)
