"""Steps 1 to 4, the lab's side: `python -m lab faults`. Each call that an investigation makes fails once in each way.

For each pair of a call and a way a finding of its own, on a pod of its own, and that one fault alone: it must be
acknowledged within a few deliveries, and stand in one finished record. It fails too where a fault was never met: then
nothing was proven of it. What never answers is asked of each service by `holes`, since it costs a deadline each time.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lab import stored
from lab.judge import problems
from lab.points import FIRST_POD, day_of
from lab.pubsub import ACKNOWLEDGED
from lab.server import serve_lab
from lab.serving import Function, function, post, push_body
from lab.stored import Store
from lab.turmoil import KINDS, TurbulentLab, finding, key_of, scenario

Say = Callable[[str], None]
WAYS: Final = tuple(kind for kind in KINDS if kind != "hang")
CALLS: Final = 24
"""There is room for so many calls; that of the lab's which `respond` makes for a finding with everything there."""
_DELIVERIES: Final = 5
_DEADLINE: Final = "60"
"""Seconds: on a busy machine too, the first finding must ask all that there is to ask."""


@dataclass(slots=True)
class One:
    """The one fault that waits. `call` and `kind` are empty while none does; `seen` are the calls so far."""

    call: str = ""
    kind: str = ""
    seen: dict[str, None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, call: str) -> str | None:
        """The way in which this call fails: once."""
        with self._lock:
            self.seen.setdefault(call)
            if call != self.call or not self.kind:
                return None
            kind, self.kind = self.kind, ""
            return kind

    def arm(self, call: str, kind: str) -> None:
        """The next call of this name fails in this way."""
        with self._lock:
            self.call, self.kind = call, kind

    @property
    def waits(self) -> bool:
        """Whether it was not met yet."""
        return bool(self.kind)


def faults(store: Store, say: Say, *, ways: Sequence[str] = WAYS) -> list[str]:
    """All pairs in turn, on one worker; what does not hold, in words."""
    one = One()
    documents = [finding(FIRST_POD + number, 0) for number in range(1 + CALLS * len(ways))]
    day = day_of(documents)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        running = stack.enter_context(serve_lab(TurbulentLab(scenario(day), one.next)))
        environ = {
            **store.environ,
            "RESPONDER_STORE": store.place,
            "RESPONDER_DEADLINE_SECONDS": _DEADLINE,
        }
        endpoints = running.endpoints.model_dump(mode="json")
        host = stack.enter_context(function(folder, endpoints, store=Path(store.place), environ=environ))
        found = [] if _answered(host, documents[0]) == 1 else ["without any fault it is not answered at once"]
        calls = tuple(one.seen)
        if len(calls) > CALLS:
            raise RuntimeError(f"an investigation makes {len(calls)} calls, and there is room for {CALLS}")
        pairs = [(call, kind) for call in calls for kind in ways]
        again = 0
        for (call, kind), document in zip(pairs, documents[1:], strict=False):
            one.arm(call, kind)
            deliveries = _answered(host, document)
            again += deliveries > 1
            found += [f"{call} {kind}: not acknowledged in {_DELIVERIES} deliveries"] if not deliveries else []
            found += [f"{call} {kind}: never met, nothing is proven"] if one.waits else []
        said = day_of(documents[: 1 + len(pairs)])
        found += problems(said, stored.kept(running, store), running.lab.journal)
    say(f"{store.name}: {len(pairs)} pairs of {len(calls)} calls and {len(ways)} ways to fail; {again} delivered again")
    return [f"{store.name}: {problem}" for problem in found]


def _answered(host: Function, document: dict[str, Any]) -> int:
    """After how many deliveries it was acknowledged; 0 where it never was."""
    for number in range(_DELIVERIES):
        with contextlib.suppress(OSError, http.client.HTTPException):
            body = push_body(json.dumps(document).encode(), f"{key_of(document)}-{number}")
            if post(host.url, body, timeout=120) in ACKNOWLEDGED:
                return number + 1
    return 0


def run(which: str) -> int:
    """The command: 0 where all of it holds."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"faults {time.monotonic() - started:6.1f} s  {text}", flush=True)

    with stored.stores(which or stored.SQLITE) as found:
        failed = [problem for store in found for problem in faults(store.of("faults"), say)]
    for problem in failed:
        say(f"FAILED: {problem}")
    return 1 if failed else 0
