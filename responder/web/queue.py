"""The queue: the records, newest first, filtered. Reads the record store."""

from __future__ import annotations

from typing import Any, Final, get_args

from starlette.requests import Request
from starlette.responses import Response

from responder.ports import RecordQuery
from responder.record import ReviewState, Verdict
from responder.web.desk import Desk
from responder.web.render import page

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
STATES: Final[tuple[ReviewState, ...]] = get_args(ReviewState)
_A_PAGE: Final = 50


def queue(request: Request, desk: Desk) -> Response:
    """`/`: the filters are in the address, so that a view can be kept as a bookmark."""
    asked = request.query_params
    verdict = next((one for one in VERDICTS if one == asked.get("verdict")), None)
    state = next((one for one in STATES if one == asked.get("state")), None)
    project = asked.get("project", "").strip()[:100]
    lines = list(desk.records.list(RecordQuery(project=project, verdict=verdict, state=state, limit=_A_PAGE)))
    values: dict[str, Any] = {
        "lines": lines, "now": desk.now(), "verdicts": VERDICTS, "states": STATES,
        "asked": {"verdict": verdict or "", "state": state or "", "project": project},
    }  # fmt: skip
    return page(request, "queue.html", **values)
