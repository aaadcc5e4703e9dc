"""A file of ours that is read again once a minute: what `triage.toml`, `policy.toml` and `notices.toml` say now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SECONDS: Final = 60.0
"""How long what was read is in force: a project that is taken out of the policy is left alone that soon."""


class Reread(Generic[T]):
    """What the file at `path` says. `monotonic` is in seconds; whoever comes first reads, and the others wait."""

    def __init__(self, path: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._held: tuple[float, T] | None = None

    def __call__(self) -> T:
        """What is in force."""
        with self._guard:
            # Counted from before the reading: a slow disk does not make it longer.
            now = self._monotonic()
            if self._held is None or now >= self._held[0]:
                self._held = (now + SECONDS, self._read(self._path))
            return self._held[1]

    def _read(self, path: Path) -> T:
        """What the file says; a value that says why where it cannot be read, and never an error."""
        raise NotImplementedError
