"""Every step: a process that is told to stop gives its claims back, so that the next one need not wait for their end.

A worker has the time until it is killed: Cloud Run gives ten seconds after SIGTERM
(https://cloud.google.com/run/docs/container-contract#instance-shutdown). Work that is done by half of that is saved;
the claims of the rest are let go of, after which the store refuses whatever that work would still write.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from responder.errors import Busy, StoreError

if TYPE_CHECKING:
    from responder.ports import Claim, Records

_GRACE: Final = 5.0
_LOOK_EVERY: Final = 0.25


def is_stopping() -> bool:
    """Whether gunicorn's worker, which functions-framework runs us in, was told to stop.

    Its handler of SIGTERM is a method of the worker, and sets the worker's `alive` to False (gunicorn/workers/base.py).
    It is looked at, since a handler of our own can be set by the main thread alone, and that one is gunicorn's.
    Elsewhere, False: then SIGTERM ends the process, or Python's own unwinding lets go of the claims.
    """
    worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(worker, "alive", True) is False


class Held:
    """`ports.Records` over another, which knows the claims of this process and lets go of them at its end.

    A thread looks whether the end has come while a claim is held, and only then. `ended` is called after the last claim
    was let go of.
    """

    def __init__(
        self,
        records: Records,
        *,
        is_stopping: Callable[[], bool] = is_stopping,
        grace: float = _GRACE,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._records = records
        self._is_stopping = is_stopping
        self._grace = grace
        self._ended = ended
        self._changed = threading.Condition()
        self._claims: dict[tuple[str, int], Claim] = {}
        self._watch: threading.Thread | None = None
        self._is_over = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def claim(self, record_id: str, holder: str, lease: timedelta, now: datetime) -> Claim | None:
        """As the store's; `Busy` once the claims were let go of: another instance has to do it."""
        self._refuse_if_over()
        claim = self._records.claim(record_id, holder, lease, now)
        if claim is None:
            return None
        try:
            with self._changed:
                self._refuse_if_over()
                self._claims[claim.record_id, claim.token] = claim
                if self._watch is None:
                    self._watch = threading.Thread(target=self._look, daemon=True, name="ending")
                    self._watch.start()
        except Busy:
            # Made while the others were let go of: nobody would let go of it.
            self._let_go(claim)
            raise
        return claim

    def _refuse_if_over(self) -> None:
        with self._changed:
            if self._is_over:
                raise Busy("this process is about to end")

    def release(self, claim: Claim, seen: int) -> bool:
        """As the store's."""
        goes_on = False
        try:
            goes_on = self._records.release(claim, seen)
            return goes_on
        finally:
            if not goes_on:  # nor where the store failed: the lease ends it
                with self._changed:
                    self._claims.pop((claim.record_id, claim.token), None)
                    self._changed.notify_all()

    def _look(self) -> None:
        with self._changed:
            until = None
            while self._claims:
                if until is None and self._is_stopping():
                    until = time.monotonic() + self._grace
                if until is not None and time.monotonic() >= until:
                    break
                self._changed.wait(_LOOK_EVERY)
            self._watch = None
            if until is None:
                return
            self._is_over = True
            left, self._claims = list(self._claims.values()), {}
        for claim in left:
            self._let_go(claim)
        self._ended()

    def _let_go(self, claim: Claim) -> None:
        with contextlib.suppress(StoreError):  # then its lease ends it
            self._records.release(claim, sys.maxsize)
