"""The application: which address is which page, and what is said where something fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from responder import log
from responder.errors import StoreError, Unanswered
from responder.web import acts, downloads, figures, health, queue, record_page
from responder.web.desk import Desk
from responder.web.guard import Guard
from responder.web.render import page

_STATIC: Final = Path(__file__).parent / "static"
Page = Callable[[Request, Desk], Response]


def application(desk: Desk) -> Starlette:
    """The page over these stores. Every request passes `Guard`; every page runs on a thread of its own."""

    def at(path: str, shown: Page, method: str = "GET") -> Route:
        def endpoint(request: Request) -> Response:
            return shown(request, desk)

        return Route(path, endpoint, methods=[method], name=f"{method} {path}")

    routes = [
        at("/", queue.queue),
        at("/records/{record_id}", record_page.show),
        at("/records/{record_id}/review", acts.review, "POST"),
        at("/records/{record_id}/approval", acts.answer, "POST"),
        at("/records/{record_id}/raw/{n:int}", downloads.raw),
        at("/health", health.health),
        at("/stats", figures.figures),
        at("/health/rejected/{digest}", downloads.rejected),
        at("/records/{record_id}/export/{form}", downloads.exported),
        at("/brake", acts.brake, "POST"),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    return Starlette(
        routes=routes, middleware=[Middleware(Guard, desk=desk)],
        exception_handlers={HTTPException: _refused, StoreError: _failed, Unanswered: _failed},
    )  # fmt: skip


def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = {404: "There is nothing here.", 405: "This address takes no such request."}
    own = isinstance(error, HTTPException) and error.detail not in {"Not Found", "Method Not Allowed"}
    text = error.detail if isinstance(error, HTTPException) and own else known.get(status, "It failed.")
    return page(request, "error.html", status, code=status, text=text, note=_written(request))


def _failed(request: Request, error: Exception) -> Response:
    # The text may be a driver's; the log has the kind of it.
    log.write("ERROR", "the store or a source did not answer", error=type(error).__name__)
    return page(
        request,
        "error.html",
        503,
        code=503,
        text="The store did not answer. Try again in a minute.",
        note=_written(request),
    )


def _written(request: Request) -> str:
    """What the person had written into the form that was refused, to be given back; empty where there is no form."""
    form: Mapping[str, str] = getattr(request.state, "form", {})
    return (form.get("note") or form.get("why") or "").replace("\r\n", "\n")
