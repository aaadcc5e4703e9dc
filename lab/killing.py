"""Every step, the lab's side: who kills the workers of the function host during a chaos, and when. Sends SIGKILL."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import psutil

from lab.crashing import POINTS, Fuses
from lab.serving import Function

_UNREACHED: Final = 6.0


class Killer:
    """Kills workers, evenly over so many seconds: every second time at a named point, else at any moment.

    `busy` tells how many messages are under way. Without `fused` functions all kills are at any moment.
    """

    def __init__(
        self, fuses: Fuses, functions: Sequence[Function], busy: Callable[[], int], *, kills: int, seed: int,
        fused: bool = True, points: Sequence[str] = POINTS,
    ) -> None:  # fmt: skip
        self.fuses, self._functions, self._busy, self._kills, self._fused = fuses, functions, busy, kills, fused
        self._chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
        self._all = tuple(points)
        self.at_random = 0
        self.in_flight = 0

    def run(self, seconds: float, until: float) -> None:
        """Until as many have died as planned, over `seconds`; `until` is the end of it all, by the monotonic clock."""
        started = time.monotonic()
        apart = seconds / max(self._kills, 1)
        points = self._points()
        armed = 0
        for number in range(self._kills):
            time.sleep(max(0.0, started + apart * number - time.monotonic()))
            if number % 2 and self._fused:
                self.fuses.arm(next(points))
                armed += 1
            else:
                self._kill()
        self._make_up(armed, until)

    def _make_up(self, armed: int, until: float) -> None:
        """What no worker has reached by the end is made up for at any moment."""
        patience = min(until, time.monotonic() + _UNREACHED)
        while len(self.fuses.died()) < armed and time.monotonic() < patience:
            time.sleep(0.1)
        self.fuses.disarm()
        while self.at_random + len(self.fuses.died()) < self._kills and time.monotonic() < until + _UNREACHED:
            self._kill()
            time.sleep(0.3)

    def _points(self) -> Iterator[str]:
        """All points in some order, then in another."""
        while True:
            yield from self._chance.sample(self._all, len(self._all))

    def _kill(self) -> None:
        """One worker, of one of the processes; whichever has one."""
        for one in self._chance.sample(list(self._functions), len(self._functions)):
            with contextlib.suppress(psutil.NoSuchProcess):
                for worker in psutil.Process(one.process.pid).children():
                    busy = self._busy() > 0
                    os.kill(worker.pid, signal.SIGKILL)
                    self.at_random += 1
                    self.in_flight += busy
                    return
