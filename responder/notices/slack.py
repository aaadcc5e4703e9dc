"""After step 7: a card as Slack's Block Kit. Pure.

Foreign words stand in `plain_text` alone, which has no mark-up, and are escaped all the same, as Slack asks for every
text (https://docs.slack.dev/messaging/formatting-message-text#escaping). Limits: header 150, section 3000, field 2000,
context 10 elements, 50 blocks, button 75 and 3000 (https://docs.slack.dev/reference/block-kit/blocks).
"""

from __future__ import annotations

from typing import Any, Final

from responder.notices.cards import Card

_HEADER: Final = 150
_SECTION: Final = 3000
_FIELD: Final = 2000
_BUTTON: Final = 75
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def message(card: Card) -> dict[str, Any]:
    """The body of the POST. `text`, which is marked up and shown in notifications, has words of ours alone."""
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(card.title, _HEADER)}]
    blocks += [_section(text) for text in card.lead]
    if card.command:
        blocks.append(_section(f"$ {card.command}"))
    if card.fields:
        fields = [_plain(f"{label}: {text}", _FIELD) for label, text in card.fields]
        blocks.append({"type": "section", "fields": fields})
    if card.reasons:
        blocks += [{"type": "divider"}, *(_section(f"\u2022 {text}") for text in card.reasons)]
    if card.links:
        blocks.append({"type": "actions", "elements": [_button(title, url) for title, url in card.links]})
    if card.footer:
        blocks.append({"type": "context", "elements": [_plain(card.footer, _SECTION)]})
    return {"text": escaped(card.notice, _SECTION), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def escaped(text: str, limit: int) -> str:
    """`text` escaped, in at most `limit` characters, no escape cut in half."""
    parts, left = [], limit
    for character in text:
        part = _ESCAPES.get(character, character)
        left -= len(part)
        if left < 0:
            break
        parts.append(part)
    return "".join(parts)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _plain(text, _SECTION)}


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": escaped(text, limit), "emoji": False}


def _button(title: str, url: str) -> dict[str, Any]:
    return {"type": "button", "text": _plain(title, _BUTTON), "url": url}
