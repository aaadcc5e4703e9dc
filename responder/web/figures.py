"""The team's figures: how fast, how right, what is noisy. Reads the record store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from responder.export import stats_page
from responder.ports import RecordQuery
from responder.record import Record
from responder.stats import stats
from responder.web.desk import Desk
from responder.web.render import page

_DAYS: Final = 30
MOST: Final = 300
"""Records that are read for the page, the newest: whole ones, which a remote store gives one by one."""


def figures(request: Request, desk: Desk) -> Response:
    """`/stats`."""
    lines = list(desk.records.list(RecordQuery(since=desk.now() - timedelta(days=_DAYS), limit=MOST + 1)))

    def records() -> Iterator[Record]:
        for line in lines[:MOST]:
            record = desk.records.load(line.id)
            if record is not None:
                yield record

    # Escaped where it was made, with the same rules as here (`export.html`).
    part = Markup(stats_page.as_html(stats(records())))  # noqa: S704 - ours, as above
    return page(request, "stats.html", part=part, days=_DAYS, most=MOST, cut=len(lines) > MOST)
