"""Every step, the lab's side: the clock of a lab and of the functions wired to it, moved forward together.

A lease, a second look or a quota's minute ends by this clock, so that no test waits for it. Touches one small file.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from lab.server import Running


class Clock:
    """Moves on with real time, and by leaps; functions that were started with `endpoints` see each leap at once."""

    def __init__(self, running: Running, folder: Path) -> None:
        self._running = running
        self._file = folder / "ahead"
        self._ahead = timedelta(0)
        self._write()

    def endpoints(self) -> dict[str, Any]:
        """The lab's endpoints, for `lab.serving.function`."""
        return {**self._running.endpoints.model_dump(mode="json"), "ahead_file": str(self._file)}

    def advance(self, by: timedelta) -> None:
        """A leap forward."""
        self._running.lab.advance(by)
        self._ahead += by
        self._write()

    def _write(self) -> None:
        """Whole or not at all: it is read at any moment."""
        new = self._file.with_suffix(".new")
        new.write_text(str(self._ahead.total_seconds()), encoding="ascii")
        os.replace(new, self._file)  # noqa: PTH105 - the atomic call by its own name
