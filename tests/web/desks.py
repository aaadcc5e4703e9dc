"""A desk for tests: a record store in a file, people by name, and a client that sends what a browser sends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from responder.errors import NotLetIn
from responder.record import Record
from responder.stores.sqlite import SqliteRecords
from responder.web import Desk, application
from responder.web.people import Roles
from tests.builders import EVENT_TIME, TARGET, a_delivery, a_finding, a_record, a_recorded

NOW = EVENT_TIME + timedelta(minutes=7)
ROLES = Roles(
    viewers=("eve@acme.example",), analysts=("ana@acme.example",), approvers=("bob@acme.example",),
    raw=("rae@acme.example",),
)  # fmt: skip
HOST = "review.test"


def by_name(headers: Mapping[str, str]) -> str:
    """A door for tests: the header `who` says who asks."""
    who = headers.get("who", "")
    if not who:
        raise NotLetIn("nobody")
    return who


def a_store(folder: Path) -> SqliteRecords:
    return SqliteRecords(folder / "records.db", now=lambda: NOW)


def kept(records: SqliteRecords, *, key: str = "1/abc", data: bytes = b"{}", **changes: Any) -> Record:
    """A record in the store, finished; `changes` are fields of `Record`."""
    finding = changes.pop("finding", None) or a_finding(key=key)
    record_id = records.admit(finding, changes.pop("target", TARGET), a_delivery(data)).record_id
    claim = records.claim(record_id, "m", timedelta(minutes=2), NOW)
    assert claim is not None
    saved = records.save(a_record(record_id, **({"findings": (a_recorded(finding),)} | changes)), claim)
    records.release(claim, 1)
    return saved


def a_desk(records: Any, **changes: Any) -> Desk:
    return replace(Desk(records=records, door=by_name, roles=ROLES, now=lambda: NOW), **changes)


class Browser:
    """Somebody with a browser: it keeps cookies, names its origin, and sends the fields that a page's form has."""

    def __init__(self, desk: Desk, who: str = "ana@acme.example", host: str = HOST) -> None:
        self.origin = f"{'https' if desk.secure else 'http'}://{host}"
        self.application = application(desk)
        self.headers = {"who": who} if who else {}
        self.cookies = httpx.Cookies()

    def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        # On a thread of its own: Playwright keeps a loop running in this one.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._call(method, path, **given)).result()

    async def _call(self, method: str, path: str, **given: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.application, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url=self.origin, headers=self.headers, cookies=self.cookies
        ) as client:
            answer = await client.request(method, path, **given)
            self.cookies = httpx.Cookies(client.cookies)
            return answer

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.call("GET", path, headers=headers)

    def fields(self, path: str, action: str) -> dict[str, str]:
        """The hidden fields of the form on the page at `path` that is sent to `action`."""
        form = re.search(
            rf'<form method="post" action="{re.escape(action)}"[^>]*>(.*?)</form>', self.get(path).text, re.DOTALL
        )
        assert form, f"no form for {action} on {path}"
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[1]))

    def send(
        self, action: str, fields: Mapping[str, str], *, origin: str | None = "", **headers: str
    ) -> httpx.Response:
        given = {"origin": origin or self.origin} if origin is not None else {}
        return self.call("POST", action, data=dict(fields), headers=given | headers)
