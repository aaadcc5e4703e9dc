"""The queue: the records, filtered, searched and sorted, a page at a time. Reads the record store."""

from __future__ import annotations

from typing import Any, Final, get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from responder.ports import Order, RecordQuery
from responder.record import ReviewState, Severity, Verdict
from responder.web.desk import Desk
from responder.web.render import page

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
STATES: Final[tuple[ReviewState, ...]] = get_args(ReviewState)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
ORDERS: Final[tuple[Order, ...]] = get_args(Order)
_A_PAGE: Final = 50
_MOST_TEXT: Final = 100


def queue(request: Request, desk: Desk) -> Response:
    """`/`: filters, order and place are in the address, so that a view can be kept as a bookmark."""
    given = request.query_params

    def chosen(name: str, known: tuple[str, ...]) -> Any:
        return next((one for one in known if one == given.get(name)), None)

    query = RecordQuery(
        project=given.get("project", "").strip()[:_MOST_TEXT],
        text=given.get("q", "").strip()[:_MOST_TEXT],
        verdict=chosen("verdict", VERDICTS),
        state=chosen("state", STATES),
        severity=chosen("severity", SEVERITIES),
        order=chosen("order", ORDERS) or "newest",
        after=given.get("after", "")[:_MOST_TEXT],
        limit=_A_PAGE + 1,
    )
    lines = list(desk.records.list(query))
    asked = {
        "q": query.text, "project": query.project, "verdict": query.verdict or "", "state": query.state or "",
        "severity": query.severity or "", "order": query.order,
    }  # fmt: skip
    return page(
        request, "queue.html", lines=lines[:_A_PAGE], now=desk.now(), asked=asked, is_later=bool(query.after),
        first=_address(asked), following=_address(asked, lines[_A_PAGE - 1].id) if len(lines) > _A_PAGE else "",
        orders={order: _address(asked | {"order": order}) for order in ORDERS},
        choices={"verdict": VERDICTS, "severity": SEVERITIES, "state": STATES},
    )  # fmt: skip


def _address(asked: dict[str, str], after: str = "") -> str:
    """The queue with these filters, from its first page, or from what follows a record."""
    parts = {name: value for name, value in asked.items() if value and (name, value) != ("order", "newest")}
    return "/?" + urlencode(parts | ({"after": after} if after else {}))
