"""What is said, in both channels' words: valid, complete, and inert whatever a record holds."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from google.apps.chat_v1 import Message
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block, HeaderBlock, SectionBlock

from lab.scenario import load
from responder.notices import cards, chat, slack
from responder.notices.cards import Card
from responder.notices.routing import due_notices
from responder.record import Audience, Decision, Outcome, Record
from tests.lab.test_scenarios import FILES, investigate, notification_of
from tests.notices.cases import AT, HOSTILE, TEAM, config, hostile, records, told

AUDIENCES: tuple[Audience, ...] = get_args(Audience)
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
CHOSEN = [file for file in FILES if file.stem in {"attack-web-pod", "no-pod", "denied", "pod-gone"}]
PAGE = "https://responder.example.com/records/" + "a" * 32


def texts(value: Any, *, urls: bool = False) -> Iterator[str]:
    """Every string of a body that a client shows; with `urls`, the addresses instead."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if (key == "url") is urls:
                    yield item
            else:
                yield from texts(item, urls=urls)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, urls=urls)
    elif isinstance(value, str) and not urls:
        yield value


def check_slack(body: dict[str, Any]) -> None:
    blocks = Block.parse_all(body["blocks"])
    assert len(blocks) == len(body["blocks"]) <= 50
    for block, sent in zip(blocks, body["blocks"], strict=True):
        block.validate_json()
        assert json.loads(json.dumps(block.to_dict())) == sent
    for block in blocks:
        assert not isinstance(block, HeaderBlock) or (block.text and len(block.text.text) <= 150)
        assert not isinstance(block, SectionBlock) or block.text is None or 1 <= len(block.text.text) <= 3000
    for kind in re.findall(r'"type": "(\w+)"', json.dumps(body)):
        assert kind != "mrkdwn"
    for text in texts(body):
        assert len(text) <= 3000
        assert not re.search(r"[<>]", text), text
        assert re.sub(r"&(amp|lt|gt);", "", text).count("&") == 0, text


def check_chat(body: dict[str, Any]) -> None:
    message = json_format.ParseDict(body, Message.pb()())
    assert len(message.cards_v2) == 1
    assert len(json.dumps(body).encode()) <= chat.MOST_BYTES
    for text in texts(body):
        assert "<" not in re.sub(r"^<code>(.*)</code>$", r"\1", text, flags=re.DOTALL), text
    for section in body["cardsV2"][0]["card"]["sections"]:
        assert section["widgets"]


def check_inert(body: dict[str, Any], record: Record, page: str = "") -> None:
    for text in texts(body):
        shown = html.unescape(text)
        assert not [character for character in shown if unicodedata.category(character) in UNSEEN], repr(text)
        assert not re.search(r"(?i)[a-z]://|\bwww\.", shown), text
    ours = {page, *record.links.values()}
    for url in texts(body, urls=True):
        assert url in ours
        assert re.fullmatch(r"https://[^\s<>\"\\|{}^`]+", url)


def check(record: Record, page: str = "") -> None:
    for audience in AUDIENCES:
        card = cards.card(record, audience, again="The verdict rose from suspicious.", page=page)
        for body, is_valid in ((slack.message(card), check_slack), (chat.message(card), check_chat)):
            is_valid(body)
            check_inert(body, record, page)
            json.dumps(body, ensure_ascii=False).encode()


def all_text(body: dict[str, Any]) -> str:
    return html.unescape("\n".join(texts(body)))


@pytest.mark.parametrize("record", records(), ids=lambda r: f"{r.triage.verdict}-{r.outcome.kind}")
def test_a_card_of_any_verdict_and_outcome_is_what_slack_and_chat_take(record: Record) -> None:
    check(record, PAGE)
    for body in (slack.message(cards.card(record, "team")), chat.message(cards.card(record, "team"))):
        said = all_text(body)
        assert cards.WORDS[record.triage.verdict] in said
        assert record.id in said
        for label in ("Project", "Pod", "Cluster", "Owner", "Pod now", "Response"):
            assert label in said


@pytest.mark.parametrize(
    "file", [f for f in FILES if f.stem in {"attack-web-pod", "no-pod", "denied", "pod-gone"}], ids=lambda f: f.stem
)
def test_a_card_of_what_the_product_makes_of_a_scenario_is_taken_too(file: Path, tmp_path: Path) -> None:
    record = investigate(load(file), notification_of(file), tmp_path)
    check(record)
    said = all_text(slack.message(cards.card(record, "team")))
    assert record.provenance.subject.project_id in said
    assert ("SCC finding" in said) == ("finding" in record.links)


def test_a_card_says_what_an_analyst_needs_to_act() -> None:
    body = slack.message(cards.card(told(), "team", page=PAGE))
    said = all_text(body)
    for part in (
        "\U0001f534 Malicious 92: compiler in checkout",
        "it compiled and ran what it had made",
        "$ gcc -static -o /tmp/.x/kworker /tmp/.x/k.c",
        "Project: acme-shop-prod",
        "Pod: shop/checkout-7d9f8c5b4-x2k9p",
        "Cluster: shop-prod in europe-west1-b",
        "Owner: checkout@shop.test (namespace annotation owner)",
        "Pod now: Running, proven to be the finding's",
        "Response: Nothing was done to the pod: answering is not switched on",
        "no builder",
    ):
        assert part in said
    assert list(texts(body, urls=True)) == [PAGE, told().links["finding"], told().links["logs_pod"]]


def test_only_an_owner_is_asked_whether_it_was_expected_and_to_leave_the_pod_while_it_is_there() -> None:
    def asked(audience: Audience, outcome: str = "held") -> str:
        return all_text(chat.message(cards.card(told("malicious", outcome), audience)))

    assert "leave the pod as it is" in asked("owner")
    assert "Did you expect this?" not in asked("team")
    assert "leave the pod as it is" not in asked("owner", "deleted")


def test_the_team_is_told_how_an_approver_answers_and_until_when_and_an_owner_is_not() -> None:
    asked = Decision(kind="await_approval", reasons=("an approver is asked",), approve_by=AT)
    record = told(decision=asked)
    team = all_text(slack.message(cards.card(record, "team")))
    assert f"responder approve {record.id}, until 2026-11-20 10:00 UTC" in team
    assert "responder approve" not in all_text(slack.message(cards.card(record, "owner")))
    assert "responder approve" not in all_text(
        slack.message(cards.card(told(decision=asked, became="deleted"), "team"))
    )


def test_a_message_shows_its_id_so_that_a_repetition_can_be_told() -> None:
    (planned,) = due_notices(told(), config(TEAM), ())
    assert f"message {planned.id[:12]}" in all_text(planned.body)


def test_every_outcome_has_words() -> None:
    kinds = get_args(Outcome.model_fields["kind"].annotation)
    assert len({cards.answer(told("malicious", kind)) for kind in kinds}) == len(kinds) == 7


def test_there_are_more_than_300_hostile_texts_and_none_gets_through() -> None:
    assert len(set(HOSTILE)) >= 300
    for text in HOSTILE:
        check(hostile(text))


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=400))
def test_no_text_of_any_kind_gets_through(text: str) -> None:
    check(hostile(text))


def test_what_marks_up_the_notification_line_is_never_foreign() -> None:
    quiet, loud = cards.card(hostile("quiet"), "team"), cards.card(hostile("<!channel> loud"), "team")
    assert quiet.notice == loud.notice
    assert slack.message(loud)["text"] == loud.notice
    assert chat.message(loud)["fallbackText"] == loud.notice


@pytest.mark.parametrize(
    "url",
    [
        "http://console.cloud.google.com/",
        "javascript:alert(1)",
        "mailto:a@b.test",
        "//x.test",
        "https://u@x.test/",
        "https://x.test\\@evil.test/",
        "https://x.test/a b",
        'https://x.test/"',
        "https://x.test/<!here>",
        "https://x.test/a|b",
        "https://x.test/\u202e",
        "https://x.test/a\n",
        "https://x.test/" + "a" * 3000,
    ],
)
def test_an_address_that_has_not_the_form_of_ours_is_no_link(url: str) -> None:
    record = told(links={"finding": url})
    assert cards.links(record, "") == ()


def test_an_escape_is_never_cut_in_half() -> None:
    for limit in range(12):
        cut = slack.escaped("<&>x", limit)
        assert "&lt;&amp;&gt;x".startswith(cut)
        assert not re.search(r"&\w*$", cut)
        assert len(cut) <= limit


def test_a_message_that_is_too_large_for_chat_loses_reasons_first_and_keeps_its_links() -> None:
    card = Card(
        title="t", notice="n", lead=("l",), command="c" * 8000, fields=(("f", "x" * 8000),), reasons=("<" * 3000,) * 5,
        links=(("SCC finding", PAGE),),
    )  # fmt: skip
    body = chat.message(card)
    check_chat(body)
    assert "<code>c" in str(body)
    assert list(texts(body, urls=True)) == [PAGE]
    assert "f" in [one["decoratedText"]["topLabel"] for one in body["cardsV2"][0]["card"]["sections"][1]["widgets"]]
