"""After step 7: a card as Google Chat's cardsV2. Pure.

Text in a card is a little HTML (https://developers.google.com/workspace/chat/format-messages#card-formatting), so that
what HTML gives a meaning is escaped; in a header it is plain. A message may have 32,000 bytes
(https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create).
"""

from __future__ import annotations

import html
import json
from dataclasses import replace
from typing import Any, Final

from responder.notices.cards import Card

MOST_BYTES: Final = 32_000
_ID: Final = "record"


def message(card: Card) -> dict[str, Any]:
    """The body of the POST. What is too large loses reasons, then fields: links and command stay."""
    body = _message(card)
    while len(json.dumps(body).encode()) > MOST_BYTES and (card.reasons or card.fields):
        card = replace(card, reasons=card.reasons[:-1]) if card.reasons else replace(card, fields=card.fields[:-1])
        body = _message(card)
    return body


def _message(card: Card) -> dict[str, Any]:
    sections: list[dict[str, Any]] = [
        {"widgets": [_paragraph(text) for text in card.lead] + ([_command(card.command)] if card.command else [])},
        {"widgets": [_field(label, text) for label, text in card.fields]},
        {"header": "Why" if card.fields else "", "widgets": [_paragraph(f"\u2022 {text}") for text in card.reasons]},
        {"widgets": [{"buttonList": {"buttons": [_button(*link) for link in card.links]}}] if card.links else []},
    ]
    header = {"title": _bare(card.title), "subtitle": _bare(card.footer)}
    inner = {"header": header, "sections": [section for section in sections if section["widgets"]]}
    return {"fallbackText": card.notice, "cardsV2": [{"cardId": _ID, "card": inner}]}


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)


def _bare(text: str) -> str:
    """For a header, which has no mark-up: what is escaped there would be shown as written."""
    return text.replace("<", "\u2039").replace(">", "\u203a")


def _paragraph(text: str) -> dict[str, Any]:
    return {"textParagraph": {"text": _escaped(text)}}


def _command(text: str) -> dict[str, Any]:
    return {"textParagraph": {"text": f"<code>{_escaped(text)}</code>"}}


def _field(label: str, text: str) -> dict[str, Any]:
    return {"decoratedText": {"topLabel": label, "text": _escaped(text), "wrapText": True}}


def _button(title: str, url: str) -> dict[str, Any]:
    return {"text": title, "onClick": {"openLink": {"url": url}}}
