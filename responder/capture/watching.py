"""Step 5: whether it is still the one proven container. Touches the pod's object through the collector, and reads only.

The API takes no UID as a precondition for a command, so the pod is asked for before the first command, now and then
between, and after the last. Another UID, or a container that was started again, ends the capture.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from responder.errors import Unanswered
from responder.ports import Cell, Collector
from responder.record import NOT_RUNNING

NOT_ASKED: Final = "the pod could not be asked for"


@dataclass(slots=True, kw_only=True)
class Watch:
    """The looks at one container of one capture."""

    collector: Collector
    cell: Cell
    first: tuple[datetime | None, int] | None = None
    """When the container was started, and how often again, at the first look that found it."""

    def changed(self) -> str:
        """Why it is not, or cannot be shown to be, the container that it was; ``""`` where it is."""
        cell = self.cell
        try:
            pod = self.collector.pod(cell.namespace, cell.pod)
        except Unanswered as error:
            return "the pod is gone" if error.why == "not_found" else f"{NOT_ASKED}: {error.why}"
        if pod.uid != cell.uid:
            return "the pod was replaced under the same name"
        state = next((one for one in pod.containers if one.name == cell.container), None)
        if state is None:
            return "the pod has no such container"
        if state.state != "running":
            return f"{NOT_RUNNING}: the container is {state.state}"
        mark = (state.started_at, state.restarts)
        self.first = self.first or mark
        return "" if mark == self.first else "the container was restarted meanwhile"
