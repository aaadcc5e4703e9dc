"""A real browser for tests: Debian's Chromium, driven by Playwright, before a page that is served on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, Request, sync_playwright

from lab.environment import ROOT
from lab.serving import free_port
from responder.web import Desk, application

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
needed = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: apt-get install chromium")
SHOTS: Final = ROOT / ".shots"
_START_SECONDS: Final = 20.0


@contextlib.contextmanager
def served(make: Callable[[int], Desk]) -> Iterator[str]:
    """The page over the desk that is made for a port, as its address; no thread is left."""
    port = free_port()
    config = uvicorn.Config(
        application(make(port)), host="127.0.0.1", port=port, log_config=None, access_log=False, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="review", daemon=True)
    thread.start()
    until = time.monotonic() + _START_SECONDS
    while not server.started:
        assert time.monotonic() < until, "the page was not served"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Root has no sandbox of Chromium's; the pages come from this very test.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and everything that it did beside being shown."""

    page: Page
    base: str
    said: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        answer = self.page.goto(self.base + path)
        assert answer is not None
        self.page.wait_for_load_state("networkidle")

    def violations(self) -> list[str]:
        """What axe finds against WCAG 2.1 A and AA, and its best practices."""
        found = Axe().run(self.page)
        return [f"{one['id']}: {node['html'][:120]}" for one in found.response["violations"] for node in one["nodes"]]

    def shot(self, name: str) -> Path:
        SHOTS.mkdir(exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path


@contextlib.contextmanager
def watched(browser: Browser, base: str, **options: Any) -> Iterator[Watched]:
    """A page of a fresh profile; what it says on its console, and what it asks of anybody else, is kept."""
    context = browser.new_context(**options)
    found = Watched(context.new_page(), base)

    def requested(request: Request) -> None:
        if not request.url.startswith(f"{base}/"):
            found.elsewhere.append(request.url)

    def asked(dialog: Dialog) -> None:
        found.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    context.on("request", requested)
    context.on("page", lambda page: found.said.append(f"a page was opened: {page.url}"))
    found.page.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
    found.page.on("dialog", asked)
    yield found
    context.close()
