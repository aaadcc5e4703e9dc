"""Every step, the lab's side: a lab that accepts and never answers, and what that costs a function. For `holes`.

Reads the store and the worker's number of threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import psutil

from lab.bench import ground
from lab.scenario import Scenario, ScenarioFault
from lab.serving import Function, post, push_body
from lab.state import HANG_SECONDS, FaultError, Lab
from lab.turmoil import key_of

Say = Callable[[str], None]
SLACK: Final = 5.0
"""Seconds beyond a deadline that are left for store and host, on a busy machine."""
_THREADS_WITHIN: Final = 60.0
"""Seconds within which a thread that waited must have given up: each call has a timeout of its own."""


class HoledLab(Lab):
    """A lab in which the services that `hole` names accept and never answer, and those of `denied` refuse.

    Those of `dripping` do what they are asked, and answer a byte a second. A rehearsal is answered in any case.
    """

    __slots__ = ("denied", "dripping", "hole")

    def __init__(self, planned: Scenario) -> None:
        super().__init__(planned, ground.message(0))
        self.mend()

    def mend(self) -> None:
        """From here on everything answers."""
        self.hole: tuple[str, ...] = ()
        self.denied: tuple[str, ...] = ()
        self.dripping: tuple[str, ...] = ()

    async def fault(self, call: str, request: Mapping[str, Any] | str) -> None:
        """The scenario's own faults first."""
        await Lab.fault(self, call, request)
        if "dryRun" in str(request):
            return
        for kind, patterns in (("deny", self.denied), ("drip", self.dripping)):
            if any(fnmatch.fnmatch(call, pattern) for pattern in patterns):
                raise FaultError(ScenarioFault.model_validate({"call": call, "kind": kind}))
        if any(fnmatch.fnmatch(call, pattern) for pattern in self.hole):
            await asyncio.sleep(HANG_SECONDS)


def record_of(records: Any, key: str) -> Any:
    """The record in which the finding stands, or None."""
    from responder.ports import RecordQuery  # noqa: PLC0415 - heavy

    for line in records.list(RecordQuery(limit=1000)):
        if key in {one.key for one in records.findings(line.id)}:
            return records.load(line.id)
    return None


def posted(host: Function, document: dict[str, Any]) -> tuple[int, float]:
    """A finding's status and seconds; 0 where no answer came."""
    return sent(host, json.dumps(document).encode(), key_of(document))


def sent(host: Function, data: bytes, message_id: str, *, timeout: float = 120.0) -> tuple[int, float]:
    """The same for any message."""
    started = time.monotonic()
    status = 0
    with contextlib.suppress(OSError, http.client.HTTPException):
        status = post(host.url, push_body(data, message_id), timeout=timeout)
    return status, time.monotonic() - started


def settled(host: Function) -> int:
    """The most threads that the idle worker has over some seconds: gRPC's own come and go."""
    time.sleep(2.0)
    seen = []
    for _ in range(20):
        seen.append(_threads(host))
        time.sleep(0.1)
    return max(seen)


def back(host: Function, least: int) -> tuple[int, float]:
    """How many threads there are as soon as it is no more than before, or at the end of all patience; and when."""
    started = time.monotonic()
    while (left := _threads(host)) > least and time.monotonic() - started < _THREADS_WITHIN:
        time.sleep(0.2)
    return left, time.monotonic() - started


def _threads(host: Function) -> int:
    return sum(worker.num_threads() for worker in psutil.Process(host.process.pid).children())
