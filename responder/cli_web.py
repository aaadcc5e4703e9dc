"""The command line of the review page: who may reach it is decided before it listens."""

from __future__ import annotations

import getpass
import importlib.util
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from responder.exits import ExitCode, said, stop

if TYPE_CHECKING:
    from responder.settings import Settings
    from responder.web import Desk

_PARTS = ("jinja2", "starlette", "uvicorn")


def register(app: typer.Typer) -> None:
    """Put `web` below `app`."""
    app.command("web")(web)


def web(
    host: Annotated[str, typer.Option(help="the address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
) -> None:
    """Serve the review page until it is ended.

    On loopback it has no login: whoever uses this machine may read and review. Any other address is refused unless
    RESPONDER_IAP_AUDIENCE is set; then everybody has to come through Identity-Aware Proxy, on loopback too.
    """
    lacking = [name for name in _PARTS if importlib.util.find_spec(name) is None]
    if lacking:
        stop(ExitCode.SETTINGS, f"the review page needs {lacking[0]}: pip install '.[review,cli]'")
    from responder import log, settings  # noqa: PLC0415 - `--help` must not load them
    from responder.web.people import is_loopback  # noqa: PLC0415 - the same

    with said():
        log.speak()
        chosen = settings.read_for_the_store(os.environ)
        if not chosen.iap_audience and not is_loopback(host):
            stop(
                ExitCode.SETTINGS,
                f"{host} can be reached from elsewhere, and the page has no login of its own: set"
                " RESPONDER_IAP_AUDIENCE and put it behind Identity-Aware Proxy, or listen on 127.0.0.1",
            )
        desk = _desk(chosen, port)
        try:
            _serve(desk, host, port)
        finally:
            desk.records.close()
            if desk.actions is not None:
                desk.actions.close()


def _desk(chosen: Settings, port: int) -> Desk:
    from responder import wiring  # noqa: PLC0415 - `--help` must not load it
    from responder.web import Desk  # noqa: PLC0415 - the same
    from responder.web.people import LOCAL, Roles  # noqa: PLC0415 - the same

    is_proxied = bool(chosen.iap_audience)
    names = ("127.0.0.1", "localhost", "[::1]")
    # http's own port is not written.
    called = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())  # noqa: PLR2004 - as said
    return Desk(
        records=wiring.store(chosen),
        door=wiring.proxy(chosen.iap_audience) if is_proxied else local,
        roles=Roles.of(chosen, everybody=frozenset() if is_proxied else LOCAL),
        now=wiring.now,
        actions=wiring.actions(chosen) if chosen.actions else None,
        policy=wiring.policy(chosen),
        summons=wiring.summons(chosen) if chosen.action_topic else None,
        dead_letters=chosen.dead_letters,
        backlog=wiring.backlog(chosen),
        hosts=frozenset() if is_proxied else frozenset(called),
        secure=is_proxied,
        console=chosen.console,
    )


def local(_headers: Mapping[str, str]) -> str:
    """Who sits at this machine: its user, by number where that has no name (a container without a passwd)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"user {os.getuid()}"


def _serve(desk: Desk, host: str, port: int) -> None:
    import uvicorn  # noqa: PLC0415 - only where it serves

    from responder.web import application  # noqa: PLC0415 - the same

    typer.echo(f"review page: http://{host}:{port}/", err=True)
    # Headers of a proxy are not believed: who asks is proven by the signed one alone.
    uvicorn.run(
        application(desk), host=host, port=port, log_config=None, access_log=False, server_header=False,
        proxy_headers=False, ws="none", timeout_graceful_shutdown=5,
    )  # fmt: skip
