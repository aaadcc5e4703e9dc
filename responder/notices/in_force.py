"""After step 7: the notices.toml that is in force. Reads that file, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from responder.errors import NoticesError
from responder.notices.config import MOST_BYTES, Notices, parse

SECONDS: Final = 60.0


class Noticed:
    """What the file at `path` says, read again once a minute. `monotonic` is in seconds.

    A file that cannot be read, or has a mistake, is a Notices without channels that says in `problem` why.
    """

    def __init__(self, path: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._held: tuple[float, Notices] | None = None

    def __call__(self) -> Notices:
        """The notices in force."""
        with self._guard:
            now = self._monotonic()
            if self._held is None or now >= self._held[0]:
                self._held = (now + SECONDS, _read(self._path))
            return self._held[1]


def _read(path: Path) -> Notices:
    try:
        with path.open("rb") as file:
            return parse(file.read(MOST_BYTES + 1))
    except OSError as error:
        return Notices(problem=f"notices.toml cannot be read: {type(error).__name__}")
    except NoticesError as error:
        return Notices(problem=f"notices.toml: {error}")
