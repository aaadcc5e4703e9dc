"""What the lab's servers share: the scenario, the clock, the faults and the journal of what was done."""

from __future__ import annotations

import asyncio
import fnmatch
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.scenario import Scenario, ScenarioFault

HANG_SECONDS = 3600.0


class FaultError(Exception):
    """A planned fault that a server must answer with; `kind` as in `ScenarioFault`."""

    def __init__(self, fault: ScenarioFault) -> None:
        super().__init__(fault.kind)
        self.kind = fault.kind


@dataclass(slots=True)
class Lab:
    """One running lab. Safe from several threads; the servers run on one event loop."""

    scenario: Scenario
    notification: dict[str, Any] = field(default_factory=dict)
    """The notification that the lab is asked with: `{"finding": …, "resource": …}` in SCC v2's JSON."""
    backlog: Callable[[str], int | None] | None = None
    """How many messages wait in a subscription of the Pub/Sub beside it, None where it has none of that name.

    Without one the scenario's `waiting` says so: Google's emulator tells no number.
    """
    journal: list[dict[str, Any]] = field(default_factory=list)
    _hits: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _started: float = field(default_factory=time.monotonic)
    _ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The lab's clock: `scenario.now` when it started, running on from there."""
        elapsed = timedelta(seconds=time.monotonic() - self._started)
        return self.at(self.scenario.now) + elapsed + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move the clock forward."""
        self._ahead += by

    def waiting(self, subscription: str) -> int | None:
        """How many messages wait in a subscription; None where nobody knows of one of that name."""
        return self.backlog(subscription) if self.backlog else self.scenario.waiting.get(subscription)

    def at(self, when: str) -> datetime:
        """A time of the scenario, UTC."""
        return self.scenario.at(when).astimezone(UTC)

    def is_past(self, when: str | None) -> bool:
        """Whether a moment has come; None never comes."""
        return when is not None and self.at(when) <= self.now()

    def write(self, call: str, **details: Any) -> None:
        """One journal entry: the call, who, and what it did."""
        with self._lock:
            self.journal.append({"at": self.now().isoformat(), "call": call, **details})

    def calls(self, pattern: str) -> list[dict[str, Any]]:
        """The journal's entries whose call matches a pattern (`kubernetes.*`)."""
        return [entry for entry in self.journal if fnmatch.fnmatch(entry["call"], pattern)]

    async def fault(self, call: str, request: Mapping[str, Any] | str) -> None:
        """Wait out a planned latency; raise FaultError where the server must fail in its own words.

        Raised for every kind but latency (waits, then goes on) and hang (never returns in a test's life).
        """
        text = request if isinstance(request, str) else json.dumps(request, default=str)
        for index, planned in enumerate(self.scenario.faults):
            if not fnmatch.fnmatch(call, planned.call) or planned.match not in text:
                continue
            if planned.kind in {"drop_reply", "drip"} and "dryRun" in text:
                continue  # it has no effect whose reply could be lost
            with self._lock:
                hit = self._hits[index] = self._hits.get(index, 0) + 1
            if hit <= planned.after or (planned.times and hit > planned.after + planned.times):
                continue
            if planned.kind == "latency":
                await asyncio.sleep(planned.seconds)
            elif planned.kind == "hang":
                await asyncio.sleep(HANG_SECONDS)
            else:
                raise FaultError(planned)
