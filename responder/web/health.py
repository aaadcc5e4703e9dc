"""Whether it works: what was rejected, given up, is missing and why, the policy, the brake.

Reads both stores, and asks how many dead letters wait.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from responder import braking, log
from responder.errors import StoreError
from responder.evidence import Missing
from responder.ports import Rejected
from responder.web.desk import Desk
from responder.web.render import page

MOST: Final = 50
"""Rejected messages, and records to go on with, that are shown."""
_GAPS: Final = "gaps."
_UNSET: Final = Missing(
    why="not_asked",
    detail="no dead-letter subscription is named here",
    mend="RESPONDER_DEAD_LETTERS=projects/PROJECT/subscriptions/NAME",
)


def health(request: Request, desk: Desk) -> Response:
    """`/health`."""
    counters = desk.records.counters()
    now = desk.now()
    return page(
        request,
        "health.html",
        now=now,
        rejected=[(one, digest(one)) for one in desk.records.rejected(MOST)],
        gaps=gaps(counters),
        counters={name: count for name, count in counters.items() if not name.startswith(_GAPS)},
        waits=len(desk.records.due(now, MOST)),
        most=MOST,
        policy=desk.policy() if desk.policy else None,
        letters=desk.backlog() if desk.backlog else _UNSET,
        subscription=desk.dead_letters or "projects/PROJECT/subscriptions/NAME",
        **_second(desk),
    )


def _second(desk: Desk) -> dict[str, Any]:
    """What the second store has; `unreadable` where it does not answer: every action is held then."""
    if desk.actions is None:
        return {"has_actions": False, "unreadable": False, "acts": (), "on": (), "waiting": ()}
    try:
        acts, waiting = desk.actions.brakes(), desk.actions.waiting(desk.now())
    except StoreError as error:
        log.write("ERROR", "the second store did not answer", error=type(error).__name__)
        return {"has_actions": True, "unreadable": True, "acts": (), "on": (), "waiting": ()}
    return {"has_actions": True, "unreadable": False, "acts": acts, "on": braking.on(acts), "waiting": waiting}


def gaps(counters: Mapping[str, int]) -> tuple[tuple[str, int, str], ...]:
    """(reason, how many, which questions), most first, of counters such as `gaps.pod_log.quota`."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, count in counters.items():
        parts = name.split(".")
        if name.startswith(_GAPS) and len(parts) == 3:  # noqa: PLR2004 - gaps, question, reason
            found[parts[2]][parts[1]] = count
    rows = [
        (why, sum(told.values()), ", ".join(f"{one} {told[one]}" for one in sorted(told, key=lambda one: -told[one])))
        for why, told in found.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row[1]))


def digest(one: Rejected) -> str:
    """What a rejected message is called by: newer ones move its place in the list."""
    return hashlib.sha256(one.data).hexdigest()
