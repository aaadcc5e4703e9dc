"""Every step: how often what happened. Counted in the process; written to the log and to the store once a minute.

A counter in the store is a write, and most messages are of another category: one write for each would cost more than
everything else that is done for it. What a killed process had not written yet is lost; counters are for trends, and
nothing is decided by them. Standard library only.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from responder import log
from responder.errors import StoreError

if TYPE_CHECKING:
    from responder.ports import Records

_SECONDS: Final = 60.0


class Tally:
    """Counters by name (`foreign.other_category`, `gaps.pod_log.quota`), safe from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._unsaid: Counter[str] = Counter()
        self._unsaved: Counter[str] = Counter()
        self._said = self._saved = clock() - _SECONDS

    def add(self, *names: str) -> None:
        """One more of each. Writes the log's line where that is a minute old, and touches no store."""
        with self._lock:
            self._unsaid.update(names)
            self._unsaved.update(names)
            is_time = self._clock() - self._said >= _SECONDS
        if is_time:
            self.say()

    def say(self) -> None:
        """One line in the log with what was counted since the last one; none where nothing was."""
        with self._lock:
            counts, self._unsaid = dict(self._unsaid), Counter()
            seconds, self._said = self._clock() - self._said, self._clock()
        if counts:
            fields: dict[str, Any] = dict(counts)
            log.write("INFO", "counted", since_seconds=round(seconds), **fields)

    def save(self, records: Records, *, now: bool = False) -> None:
        """Add to the store's counters what they lack, once a minute unless `now`. A store that fails gets it later."""
        with self._lock:
            if not now and self._clock() - self._saved < _SECONDS:
                return
            self._saved = self._clock()
            counts, self._unsaved = self._unsaved, Counter()
        for name in list(counts):
            try:
                records.count(name, counts[name])
            except StoreError:
                break
            del counts[name]
        with self._lock:
            self._unsaved.update(counts)


counts: Final = Tally()
"""Those of this process."""
