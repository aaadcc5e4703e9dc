"""What the page is handed: the stores, who may, and the time. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from responder.evidence import Found, Missing
from responder.policy import Policy
from responder.ports import Actions, Backlog, Clock, Records, Summons
from responder.web.people import Door, Roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything behind the page. `actions` None: brakes and approvals are shown nowhere and answered nowhere.

    `hosts` are the names under which it may be called; empty: any, since who asks is proven by a signature then.
    `dead_letters` is the name of their subscription, and `backlog` tells how many wait in it; without one nobody knows.
    `secure` is True where browsers reach it over https. `console` is where links to the console begin.
    """

    records: Records
    door: Door
    roles: Roles
    now: Clock
    actions: Actions | None = None
    policy: Callable[[], Policy] | None = None
    summons: Summons | None = None
    dead_letters: str = ""
    backlog: Callable[[], Found[Backlog] | Missing] | None = None
    hosts: frozenset[str] = frozenset()
    secure: bool = False
    console: str = "https://console.cloud.google.com"
