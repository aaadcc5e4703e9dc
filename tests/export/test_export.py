"""A record for other programs and for paper: whole, valid, and with nothing in it that acts."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from responder import export, report
from responder.errors import Unanswered
from responder.export import html, ocsf, sheet
from responder.record import Record, TimelineEntry
from responder.terminal import print_record
from tests.builders import EVENT_TIME, a_record
from tests.export.shared import full_of
from tests.payloads import PAYLOADS

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
VOID = {"meta", "br", "link", "img", "input", "base"}


class Outline(HTMLParser):
    """The tags of a page in their order with their attributes' names, what is open at the end, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.values: dict[str, set[str]] = {}
        self.text = ""
        self.style = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            self.values.setdefault(name, set()).add(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data


def unseen(text: str) -> set[str]:
    return {character for character in text if unicodedata.category(character) in UNSEEN} - {"\n"}


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_gives_the_same_record_back() -> None:
    record = full_of("<b> =1+1 \u202e")
    assert Record.model_validate_json(export.one(record, "json")) == record
    two = "".join(export.many([record, a_record("1" * 32)], "json"))
    assert [Record.model_validate_json(line).id for line in two.splitlines()] == [record.id, "1" * 32]


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_no_text_adds_a_mark_to_the_markdown() -> None:
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def marks(text: str) -> Counter[str]:
        shown = export.one(full_of(text), "md")
        assert unseen(shown) == set(), repr(text)
        return Counter(re.findall(r"<(\w+)", reader.render(shown)))

    plain = marks("x y")
    assert [text for text in PAYLOADS if marks(text) != plain] == []


def test_records_in_one_markdown_document_are_ruled_off() -> None:
    both = "".join(export.many([a_record(), a_record("1" * 32)], "md"))
    assert MarkdownIt("commonmark").render(both).count("<hr") == 1


# --- HTML -------------------------------------------------------------------------------------------------------------


def test_no_text_changes_the_outline_of_the_page() -> None:
    plain = Outline(html.page(full_of("x y"))).tags
    for text in PAYLOADS:
        shown = Outline(html.page(full_of(text)))
        assert shown.tags == plain, repr(text)
        assert unseen(shown.text) == set(), repr(text)
        assert report.visible(text) in shown.text


def test_the_page_is_well_formed_and_has_every_part_of_the_record() -> None:
    shown = Outline(html.page(a_record()))
    assert (shown.wrong, shown.open) == ([], [])
    assert {"html", "head", "title", "body", "main", "h1"} <= {tag for tag, _ in shown.tags}
    for said in (
        "gcc -static -o /tmp/.x/kworker /tmp/.x/k.c",
        "checkout@shop.test",
        "Added Binary Executed",
        "kubectl -n shop get pod checkout-7d9f8c5b4-x2k9p",
        "grant roles/container.viewer",
    ):
        assert said in shown.text


def test_the_page_loads_nothing_and_its_policy_names_its_own_style_alone() -> None:
    text = html.page(full_of("x"))
    shown = Outline(text)
    digest = base64.b64encode(hashlib.sha256(shown.style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'" in next(
        value for value in shown.values["content"] if "default-src" in value
    )
    names = {name for _, attributes in shown.tags for name in attributes}
    assert names & {"src", "srcset", "style", "action", "data", "background", "poster"} == set()
    assert not any(name.startswith("on") for name in names)
    assert shown.values["href"] == {"https://console.cloud.google.com/x"}
    assert re.findall(r"url\(|@import", shown.style) == []


def test_a_stream_of_pages_is_refused() -> None:
    with pytest.raises(Unanswered, match="one record"):
        list(export.many([a_record()], "html"))


# --- CSV --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_is_a_formula_in_any_locale(delimiter: str) -> None:
    for text in PAYLOADS:
        shown = "".join(export.many([full_of(text)], "csv"))
        assert unseen(shown.replace("\r\n", "")) == set(), repr(text)
        for line in shown.splitlines():
            for cell in next(csv.reader([line], delimiter=delimiter)):
                assert not re.match(r"[\s\"']*(?<!')[=+\-@|%\uff1d\uff0b\uff0d\uff20]", cell.lstrip(' "')), cell


def test_csv_reads_back_as_one_row_for_each_record() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(export.many([full_of('a,"b"\n=c'), a_record("1" * 32)], "csv")))))
    assert [row["record"] for row in rows] == ["0" * 32, "1" * 32]
    assert rows[1]["command"] == "gcc -static -o /tmp/.x/kworker /tmp/.x/k.c"
    assert rows[0]["workload"] == 'Deployment/a,"b"\\n=c'
    assert rows[0]["reviewed_as"] == "false_positive"
    assert tuple(rows[0]) == sheet.COLUMNS


# --- terminal and files -----------------------------------------------------------------------------------------------


def test_no_text_acts_on_the_terminal() -> None:
    told = tuple(TimelineEntry(time=EVENT_TIME, lane="pod_log", text=text, ref="/") for text in PAYLOADS)
    for record in (full_of("x", timeline=told), *map(full_of, PAYLOADS[::25])):
        out = io.StringIO()
        print_record(record, Console(file=out, width=120))
        assert unseen(out.getvalue()) == set()


def test_a_file_is_named_by_the_records_id_and_nothing_else() -> None:
    assert export.file_name("0a" * 16, "ocsf") == f"{'0a' * 16}.ocsf.json"
    for text in (*PAYLOADS, "", "a/b", "..", "a\n"):
        if not re.fullmatch(r"[\w-]{1,128}", text, re.ASCII):
            with pytest.raises(Unanswered):
                export.file_name(text, "json")


# --- all forms --------------------------------------------------------------------------------------------------------


def test_every_form_says_which_record_it_is_and_ends_its_last_line() -> None:
    for form in export.FORMS:
        text = export.one(a_record("5e" * 16), form)
        assert "5e" * 16 in text, form
        assert text.endswith("\n"), form


def values(document: Any) -> list[str]:
    """Each text of a JSON value."""
    if isinstance(document, dict):
        return [text for inner in document.values() for text in values(inner)]
    if isinstance(document, list):
        return [text for inner in document for text in values(inner)]
    return [document] if isinstance(document, str) else []


def test_ocsf_holds_the_texts_as_they_are_in_one_line_of_ascii() -> None:
    for text in PAYLOADS:
        line = ocsf.line(full_of(text))
        assert line.isascii()
        assert line.count("\n") == 1
        assert text.encode("utf-8", "replace").decode() in values(json.loads(line)), repr(text)
