"""Before any page: who asks, from where, and what the browser may do with the answer. Touches the request alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from responder import log
from responder.braking import standing
from responder.errors import NotLetIn, Unanswered
from responder.web import tokens
from responder.web.desk import Desk

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; connect-src 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
"""Content-Security-Policy: nothing inline, nothing from elsewhere, no frame, no request by a script."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_HTTPS_ONLY: Final = {"Strict-Transport-Security": "max-age=31536000"}
_MOST_BYTES: Final = 65_536
_MOST_FIELDS: Final = 20
_FORM: Final = "application/x-www-form-urlencoded"


class Guard:
    """An ASGI middleware. Behind it `request.state` has `person`, `cookie`, `console` and, for a POST, `form`.

    `brakes()` there asks for those that are on (`braking.standing`).
    """

    def __init__(self, app: App, desk: Desk) -> None:
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        fresh = "" if self._cookie(request) else tokens.fresh_cookie()
        answered = self._headed(send, fresh)
        refusal = await self._refusal(request, fresh)
        if refusal is not None:
            await refusal(scope, receive, answered)
            return
        try:
            await self._app(scope, receive, answered)
        except Exception as error:  # noqa: BLE001 - the server would print a traceback, and its texts may not be ours
            log.write("ERROR", "a page failed", error=type(error).__name__, place=_place(error))
            await PlainTextResponse("This page failed. The log says where.\n", 500)(scope, receive, answered)

    async def _refusal(self, request: Request, fresh: str) -> Response | None:
        """Why this request gets no page, or None; what it is allowed is then in `request.state`."""
        desk = self._desk
        if desk.hosts and request.headers.get("host", "") not in desk.hosts:
            # A name of somebody else's that leads to this machine: their page would be let in as a local one.
            return PlainTextResponse("This address is not this page's.\n", 421)
        if request.method not in {"GET", "HEAD", "POST"}:
            return PlainTextResponse("GET and POST only.\n", 405)
        try:
            name = await run_in_threadpool(desk.door, request.headers)
        except NotLetIn as error:
            return PlainTextResponse(f"Not let in: {error}.\n", 401)
        except Unanswered as error:
            log.write("ERROR", "nobody can be let in", why=error.why, detail=error.detail)
            return PlainTextResponse("Who you are cannot be verified now. Try again in a minute.\n", 503)
        person = desk.roles.person(name)
        if not person.may("viewer"):
            return PlainTextResponse(f"{name} has no role here.\n", 403)
        request.state.person = person
        request.state.console = desk.console
        request.state.brakes = partial(standing, desk.actions)
        request.state.cookie = self._cookie(request) or fresh
        return await self._form(request) if request.method == "POST" else None

    async def _form(self, request: Request) -> Response | None:
        """Read the form into `request.state.form`; the refusal where our own page did not send it."""
        if not self._is_from_here(request):
            return PlainTextResponse("This form was sent from another page.\n", 403)
        if request.headers.get("content-type", "").partition(";")[0].strip() != _FORM:
            return PlainTextResponse("Not a form.\n", 415)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_BYTES:
                return PlainTextResponse("The form is too long.\n", 413)
        try:
            form = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        except ValueError:
            return PlainTextResponse("The form cannot be read.\n", 400)
        given = form.pop("token", "")
        if not tokens.is_token(given, self._cookie(request), request.state.person.name, request.url.path):
            return PlainTextResponse("This form is not one of this page's, or too old: open the page again.\n", 403)
        request.state.form = form
        return None

    def _is_from_here(self, request: Request) -> bool:
        """Whether the browser says that a page of ours sent it; one that does not say is not believed."""
        scheme, headers = "https" if self._desk.secure else "http", request.headers
        is_ours = headers.get("origin") == f"{scheme}://{headers.get('host', '')}"
        return is_ours and headers.get("sec-fetch-site", "same-origin") == "same-origin"

    def _cookie(self, request: Request) -> str:
        """Ours, or empty."""
        given = request.cookies.get(tokens.cookie_name(secure=self._desk.secure), "")
        return given if tokens.is_cookie(given) else ""

    def _headed(self, send: Send, fresh: str) -> Send:
        """`send`, which puts the headers on every answer, and the cookie where the browser has none."""

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS | (_HTTPS_ONLY if self._desk.secure else {}))
                if fresh:
                    name = tokens.cookie_name(secure=self._desk.secure)
                    secure = "; Secure" if self._desk.secure else ""
                    # Lax: with Strict a link from a chat would come without it, and its new one would make the
                    # forms of every other open page worthless. A form of another site comes without it either way.
                    headers.append("Set-Cookie", f"{name}={fresh}; Path=/; HttpOnly; SameSite=Lax{secure}")
            await send(message)

        return sent


def _place(error: BaseException) -> str:
    """File and line of where it was raised: never a text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
