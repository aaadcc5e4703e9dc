"""The review page in a real browser: the walk of an incident, without a mouse, for everybody, and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from responder import act
from responder.evidence import Found
from responder.policing import Policed
from responder.ports import Backlog, Rejected
from responder.web import Desk
from tests.scene import APPROVE, AUTO, POD, Scene, needs_kubelet, scene
from tests.web.browsers import chromium, needed, served, watched
from tests.web.desks import ROLES, by_name

pytestmark = [needed, pytest.mark.slow]
LEAD = "lead@acme.example"
DEAD = "projects/acme-sec/subscriptions/responder-dead-letters"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
WIDE = """[...document.querySelectorAll('main *')].filter((one) => !one.closest('.scroll')
    && one.getBoundingClientRect().right > window.innerWidth).map((one) => one.outerHTML.slice(0, 120)).slice(0, 5)"""
CUT = """[...document.querySelectorAll('main table')].flatMap((table) => [...table.querySelectorAll('td, tbody th')])
    .filter((one) => one.innerText.trim() && one.checkVisibility())
    .filter((one) => one.getBoundingClientRect().right > window.innerWidth || one.matches('tr > td:first-child')
        && one.innerText.trim().length > 12 && one.getBoundingClientRect().width < 120)
    .map((one) => `${one.getBoundingClientRect().width} wide: ${one.outerHTML.slice(0, 80)}`)"""
"""Cells that a reader must push the table aside for, and first columns of a few letters."""
DARK: dict[str, Any] = {"color_scheme": "dark"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


class Acting:
    """The way to `act`, which is done at once."""

    def __init__(self, here: Scene) -> None:
        self._here = here

    def summon(self, record_id: str) -> None:
        act.act(self._here.world, record_id)


def a_desk_over(here: Scene, port: int) -> Desk:
    """As in production, but that the header `who` says who asks."""
    outside = here.world
    assert outside.act is not None
    return Desk(
        records=outside.records, actions=outside.act.actions, policy=Policed(str(here.folder / "policy.toml")),
        summons=Acting(here), door=by_name, roles=replace(ROLES, approvers=(LEAD,)), now=here.lab.now,
        dead_letters=DEAD, backlog=lambda: Found(value=Backlog(count=3, at=here.lab.now()), source="Cloud Monitoring"),
        hosts=frozenset({f"127.0.0.1:{port}"}),
    )  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Scene]:
    """The demo's attack in a project that wants to be asked; `act` has looked, and waits for an approver."""
    with scene(tmp_path, APPROVE) as made:
        made.act()
        yield made


def test_an_incident_goes_from_the_queue_over_an_approval_to_its_outcome(here: Scene, browser: Browser) -> None:
    with (
        served(lambda port: a_desk_over(here, port)) as base,
        watched(browser, base, extra_http_headers={"who": LEAD}) as seen,
    ):
        page = seen.page
        seen.open("/")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/records/{here.id}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("malicious")
        expect(page.locator("#response")).to_contain_text(here.uid)
        page.keyboard.press("r")
        page.keyboard.type("looks bad, asking the team")
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.locator("#review")).to_contain_text("looks bad, asking the team")
        page.get_by_role("textbox", name="Why").fill("a reverse shell from a web pod")
        page.get_by_role("button", name="Approve", exact=True).click()
        page.wait_for_url(f"**/records/{here.id}#response")
        expect(page.locator("#response")).to_contain_text("deleted")
        expect(page.locator("#response")).to_contain_text(f"approved by {LEAD}")
        seen.shot("walk-deleted")
        page.get_by_role("button", name="True positive", exact=True).click()
        expect(page.locator("#review")).to_contain_text("closed, true positive")
        page.wait_for_load_state("load")  # a key that is pressed before the page's script runs is lost
        page.keyboard.press("u")
        expect(page.locator("[data-row]")).to_contain_text("closed")
        assert (seen.said, seen.elsewhere) == ([], [])
    assert here.deletes() == [here.uid]
    assert [entry.by for entry in here.record.review.history] == [LEAD, LEAD]
    assert POD in here.record.actions[0].pod


def pages_of(here: Scene) -> dict[str, str]:
    return {
        "queue": "/", "empty": "/?q=nothing-like-it", "record": f"/records/{here.id}", "health": "/health",
        "figures": "/stats",
        "not-there": "/records/0123",
    }  # fmt: skip


@pytest.mark.parametrize("form", [{}, DARK, PHONE, PHONE | DARK], ids=["desk", "dark", "phone", "phone-dark"])
def test_every_page_is_for_everybody_and_says_nothing_on_the_console(
    here: Scene, browser: Browser, form: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    here.world.records.reject(Rejected(message_id="m", reason="not JSON", data=b"{", received=here.lab.now()))
    name = request.node.callspec.id
    found: dict[str, list[str]] = {}
    with (
        served(lambda port: a_desk_over(here, port)) as base,
        watched(browser, base, extra_http_headers={"who": LEAD}, **form) as seen,
    ):
        for title, path in pages_of(here).items():
            seen.open(path)
            seen.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            found[title] = seen.violations()
            seen.shot(f"{title}-{name}")
            width = seen.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert width <= 0, f"{title} is {width} pixels too wide: {seen.page.evaluate(WIDE)}"
        told = [line for line in seen.said if "404" not in line]  # the browser names the page that is not there
        assert (told, seen.elsewhere) == ([], [])
    assert found == {title: [] for title in found}


@needs_kubelet
def test_on_a_phone_no_table_is_cut_off_or_squeezed(tmp_path: Path, browser: Browser) -> None:
    """The attack with its files taken, so that every table of the record has lines."""
    found = {}
    with (
        scene(tmp_path, AUTO | {"capture": "true"}) as here,
        served(lambda port: a_desk_over(here, port)) as base,
        watched(browser, base, extra_http_headers={"who": LEAD}, **PHONE) as seen,
    ):
        record = here.act()
        assert record.artifacts
        here.world.records.reject(Rejected(message_id="m", reason="not JSON", data=b"{", received=here.lab.now()))
        for title, path in pages_of(here).items():
            seen.open(path)
            seen.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            found[title] = seen.page.evaluate(CUT)
            seen.shot(f"{title}-tables")
        assert found == {title: [] for title in found}
        seen.open(f"/records/{here.id}")
        for name in ("related", "files"):
            labels = seen.page.locator(f"section[aria-labelledby={name}] td").evaluate_all(
                "all => all.map((one) => getComputedStyle(one, '::before').content)"
            )
            assert "none" not in labels, name


def test_a_command_is_copied_as_it_stands(here: Scene, browser: Browser) -> None:
    with (
        served(lambda port: a_desk_over(here, port)) as base,
        watched(browser, base, extra_http_headers={"who": LEAD}) as seen,
    ):
        seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        seen.open(f"/records/{here.id}")
        seen.page.get_by_text("3 Review pod").click()
        wanted = here.record.steps[2].by_hand[0]
        seen.page.get_by_role("button", name=f"Copy: {wanted.title}").click()
        expect(seen.page.get_by_text("Copied", exact=True)).to_be_visible()
        assert seen.page.evaluate("navigator.clipboard.readText()") == wanted.value
        assert seen.said == []


def test_a_record_prints_without_forms_and_navigation(here: Scene, browser: Browser) -> None:
    with (
        served(lambda port: a_desk_over(here, port)) as base,
        watched(browser, base, extra_http_headers={"who": LEAD}) as seen,
    ):
        seen.open(f"/records/{here.id}")
        seen.page.emulate_media(media="print")
        for selector in ("form", "nav", "footer"):
            assert not any(one.is_visible() for one in seen.page.locator(selector).all()), selector
        assert seen.page.locator("#why").is_visible()
        folded = seen.page.locator("details:not([open])")
        before = folded.count()
        seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert (before > 0, folded.count()) == (True, 0)
        seen.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert folded.count() == before
        seen.shot("record-print")


def test_the_page_works_without_its_script(here: Scene, browser: Browser) -> None:
    with (
        served(lambda port: a_desk_over(here, port)) as base,
        watched(browser, base, extra_http_headers={"who": LEAD}, java_script_enabled=False) as seen,
    ):
        seen.page.goto(f"{base}/records/{here.id}")
        seen.page.get_by_role("button", name="Undetermined").click()
        expect(seen.page.locator("#review")).to_contain_text("closed, undetermined")
        assert not any(one.is_visible() for one in seen.page.locator("[data-copy]").all())
