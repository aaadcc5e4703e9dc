"""The exported pages in a real browser: nothing of a thousand hostile texts runs, loads, opens or navigates."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from responder.export import html, stats_page
from responder.record import TimelineEntry
from responder.stats import stats
from tests.builders import EVENT_TIME, a_record
from tests.export.shared import full_of
from tests.payloads import MARK, PAYLOADS

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Root has no sandbox of Chromium's; the pages come from this very test.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield made
        made.close()


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A file in a page of its own, and a list of all that it does beside being shown."""
    context = browser.new_context(**options)
    did: list[str] = []
    page = context.new_page()
    context.on("request", lambda request: did.append(f"request: {request.url}"))
    context.on("page", lambda other: did.append(f"page: {other.url}"))
    page.on("console", lambda message: did.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: did.append(f"error: {error}"))

    def asked(dialog: Dialog) -> None:
        did.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", asked)
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    yield page, did
    context.close()


def written(folder: Path, text: str) -> Path:
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_page_full_of_hostile_texts_does_nothing_but_be_shown(browser: Browser, tmp_path: Path) -> None:
    told = tuple(TimelineEntry(time=EVENT_TIME, lane="pod_log", text=text, ref="/") for text in PAYLOADS)
    path = written(tmp_path, html.page(full_of(PAYLOADS[0], timeline=told)))
    with opened(browser, path) as (page, did):
        page.mouse.move(300, 300)
        page.keyboard.press("Tab")
        assert did == [f"request: {path.as_uri()}"]
        assert page.url == path.as_uri()
        assert page.locator("script, iframe, img, form, input, object, embed, base, link, video, math").count() == 0
        # Without the escaping there would be something to see: each text is there, once more than its other rows.
        assert page.locator("td", has_text=MARK).count() > 300


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "<script>alert(1)</script>"])
def test_the_policy_alone_stops_what_escaping_would_have_let_through(
    browser: Browser, tmp_path: Path, text: str
) -> None:
    unescaped = html.page(a_record()).replace("</main>", f"{text}<style>body {{ display: none }}</style></main>")
    with opened(browser, written(tmp_path, unescaped)) as (page, did):
        assert not [what for what in did if what.startswith("dialog")]
        assert any("Content Security Policy" in what for what in did)
        assert page.locator("h1").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_read_by_everybody_on_any_screen(
    browser: Browser, tmp_path: Path, scheme: str, width: int
) -> None:
    screen: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    figures = stats([a_record(f"{n:032x}") for n in range(3)])
    for text in (html.page(a_record()), html.page(full_of("x" * 300)), stats_page.page(figures)):
        path = written(tmp_path, text)
        with opened(browser, path, **screen) as (page, did):
            assert did == [f"request: {path.as_uri()}"]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        # Axe brings a script of its own, which the page's policy rightly refuses.
        with opened(browser, path, **screen, bypass_csp=True) as (page, _):
            found = Axe().run(page).response["violations"]
            assert [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]] == []


def test_on_paper_a_link_shows_its_address_and_nothing_is_cut_off(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, html.page(full_of("word " * 60)))
    # What A4 leaves between its margins, at 96 dots to the inch.
    with opened(browser, path, viewport={"width": 688, "height": 1000}, color_scheme="dark") as (page, _):
        page.emulate_media(media="print")
        shown = page.evaluate(
            "[getComputedStyle(document.querySelector('.links a'), '::after').content,"
            " getComputedStyle(document.body).backgroundColor, document.documentElement.scrollWidth]"
        )
        assert shown == ['" https://console.cloud.google.com/x"', "rgb(255, 255, 255)", 688]
        assert page.pdf(format="A4").startswith(b"%PDF-")
