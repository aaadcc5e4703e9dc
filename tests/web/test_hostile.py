"""Every foreign word on the review page is inert: in a real browser nothing runs, loads or leads away."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from responder import report
from responder.policy import Policy
from responder.ports import Brake, Rejected
from responder.record import Record, Review, ReviewEntry
from responder.stores.actions_sqlite import SqliteActions
from responder.web import Desk
from responder.web.render import link
from tests.scene import AUTO, scene
from tests.web.browsers import chromium, needed, served, watched
from tests.web.desks import NOW, a_desk
from tests.web.desks import Browser as Browsing
from tests.web.hostile import ATTEMPTS, Held, poisoned

OURS = (
    "html head meta title link script body a header nav span small main h1 h2 h3 section div p strong pre "
    "table thead tbody tr th td ul ol li dl dt dd form input label textarea button select option details "
    "summary code time svg text line circle rect article footer kbd br"
)
"""The elements that the templates are made of."""
INERT = """() => {
  const ours = new Set('OURS'.split(' '));
  const links = new Set(['console.cloud.google.com', 'cloud.google.com', 'attack.mitre.org']);
  const wrong = [];
  const most = {script: 1, link: 2, meta: 3, title: 1, main: 1, footer: 1, header: 1};
  for (const [tag, count] of Object.entries(most))
    if (document.querySelectorAll(tag).length > count) wrong.push(`more than ${count} ${tag}`);
  for (const one of document.querySelectorAll('*')) {
    if (!ours.has(one.localName)) wrong.push(`element ${one.localName}`);
    for (const {name, value} of one.attributes) {
      if (/^on|^style$|^srcdoc$|^formaction$|^ping$|^xlink/i.test(name)) wrong.push(`attribute ${name}=${value}`);
      if (/^(href|src|action)$/.test(name) && !/^(\\/(?!\\/)|#)/.test(value)) {
        const to = new URL(value, location.href);
        const leads = to.protocol === 'https:' && links.has(to.host) && name === 'href' && one.localName === 'a';
        if (!leads && to.protocol !== 'mailto:') wrong.push(`${name}=${value}`);
      }
    }
  }
  const unseen =
    /[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]/;
  const found = unseen.exec(document.documentElement.outerHTML);
  if (found) wrong.push(`unseen U+${found[0].charCodeAt(0).toString(16)}`);
  return wrong;
}""".replace("OURS", OURS)
TOUCH = """() => {
  for (const one of document.querySelectorAll('details')) one.open = true;
  for (const one of document.querySelectorAll('body *')) {
    if (one.focus) one.focus();
    one.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
  }
}"""
RECORDS = 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The demo's attack, answered, so that every part of the page has something to show; and reviewed."""
    with scene(tmp_path_factory.mktemp("scene"), AUTO) as here:
        done = here.act()
    entry = ReviewEntry(state="closed", verdict="undetermined", note="a note", by="somebody", at=NOW)
    return done.model_copy(update={"review": Review(state="closed", verdict="undetermined", history=(entry,))})


def held(record: Record) -> Held:
    attempts = itertools.cycle(ATTEMPTS)
    records = {}
    for number in range(RECORDS):
        made = poisoned(record, attempts)
        # Whatever place the others fell into, which may be one that is not shown: each is shown once for certain.
        triage = made.triage.model_copy(update={"would_settle": ATTEMPTS[number::RECORDS]})
        made = made.model_copy(update={"id": f"{number:032x}", "triage": triage})
        records[made.id] = made
    rejects = tuple(
        Rejected(message_id=next(attempts), reason=next(attempts), data=b"", received=NOW) for _ in range(50)
    )
    counts = {next(attempts): 1 for _ in range(50)} | {f"gaps.{next(attempts).replace('.', '')}.denied": 1}
    return Held(records, rejects, counts)


def a_hostile_desk(store: Held, folder: Path) -> Desk:
    actions = SqliteActions(folder / "actions.db")
    for text in ATTEMPTS[::40]:
        brake = Brake(on=True, project=text, why=text, by=text, at=NOW)
        if text.encode("utf-8", "ignore").decode() == text:
            actions.set_brake(brake)
    return replace(a_desk(store), actions=actions, policy=lambda: Policy(problem=ATTEMPTS[5]))


@needed
@pytest.mark.slow
def test_nothing_runs_loads_or_leads_away_whatever_a_record_holds(
    record: Record, browser: Browser, tmp_path: Path
) -> None:
    store = held(record)
    paths = ["/", "/health", *(f"/records/{record_id}" for record_id in store.records)]
    wrong: dict[str, list[str]] = {}
    shown = ""
    with (
        served(lambda _: a_hostile_desk(store, tmp_path)) as base,
        watched(browser, base, extra_http_headers={"who": "bob@acme.example"}) as seen,
    ):
        for path in paths:
            seen.open(path)
            seen.page.evaluate(TOUCH)
            wrong[path] = seen.page.evaluate(INERT)[:5]
            shown += seen.page.evaluate("document.body.textContent")
            assert seen.page.url == base + path
        assert seen.page.frames == [seen.page.main_frame]
        assert (seen.said, seen.elsewhere) == ([], [])
    assert wrong == {path: [] for path in paths}
    # What was not shown has proven nothing.
    assert [text for text in ATTEMPTS if report.visible(text) not in shown] == []


def test_the_page_has_no_other_elements_than_with_harmless_words(record: Record) -> None:
    """As above, where there is no browser: the parser of the standard library reads the page."""
    shown = Browsing(a_desk(held(record))).get(f"/records/{1:032x}").text
    found = Elements()
    found.feed(shown)
    assert found.names <= {*OURS.split()}
    assert (found.count("script"), found.count("form"), found.count("link")) == (1, 1, 2)
    assert found.handlers == []


class Elements(HTMLParser):
    """The elements of a page, and attributes that would run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name in {"style", "srcdoc"}]

    @property
    def names(self) -> set[str]:
        return set(self.seen)

    def count(self, name: str) -> int:
        return self.seen.count(name)


def test_the_attempts_are_many_and_not_one_twice() -> None:
    assert len(ATTEMPTS) >= 1500
    assert len(set(ATTEMPTS)) == len(ATTEMPTS)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)",
        "data:text/html,x", "//evil.example", "http://console.cloud.google.com/", "https://evil.example/", "https://",
        "ftp://x", "",
        "https://console.cloud.google.com.evil.example/", "https://console.cloud.google.com@evil.example/",
        "https://evil.example\\@console.cloud.google.com/", "https://[console.cloud.google.com/", "https://cloud.google.com\t/",
        "https://user@console.cloud.google.com/",
    ],
)  # fmt: skip
def test_a_record_leads_nowhere_but_to_the_console_and_the_pages_that_it_is_about(address: str) -> None:
    assert link({"console": "https://console.cloud.google.com"}, address) == ""  # type: ignore[arg-type] # a context is a mapping


def test_the_console_that_is_set_is_led_to() -> None:
    console = {"console": "https://console.example/x"}
    for address in (
        "https://console.example/x/y?z#a",
        "https://attack.mitre.org/techniques/T1027/",
        "mailto:a@b.example",
    ):
        assert link(console, address) == address  # type: ignore[arg-type] # the same
