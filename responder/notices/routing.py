"""After step 7: which messages are due, to whom, and which were sent already. Pure.

The team is told from `suspicious` on, an owner from `malicious` on, and both of everything that was done to a pod. Who
owns it is what the evidence says: a word of whoever may write labels, which chooses among our own channels and reaches
no other. A risen verdict or a changed outcome is a second message; what was said once is not said again, but for a
question to the approvers and how it ended, of which each is news.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from responder.notices import cards, chat, slack
from responder.notices.cards import Card
from responder.notices.config import ChannelConfig, Notices, rank
from responder.ports import RecordLine
from responder.record import Audience, Notice, Record, Verdict

_UNTOUCHED: Final = frozenset({"held", "gone", "replaced"})
"""Outcomes in which the responder has done nothing to the pod."""
_QUESTION: Final = "await_approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One message that is due. `id` is the same each time that it is planned; `thread` that of its record's others."""

    id: str
    channel: ChannelConfig
    audience: Audience
    verdict: Verdict
    outcome: str
    thread: str
    body: dict[str, Any]

    def notice(self, at: datetime, *, sent: bool, detail: str = "") -> Notice:
        """What is kept of it."""
        return Notice(
            id=self.id,
            audience=self.audience,
            channel=self.channel.name,
            verdict=self.verdict,
            outcome=self.outcome,
            at=at,
            sent=sent,
            detail=detail,
        )


def due_notices(record: Record, config: Notices, told: Sequence[Notice]) -> tuple[Planned, ...]:
    """The messages that this record wants now, beside those of `told` that were sent."""
    sent = [notice for notice in told if notice.sent]
    planned = (
        _planned(record, config, channel, [notice for notice in sent if notice.channel == channel.name])
        for channel in config.channel
        if _serves(channel, record, config.channel)
    )
    return tuple(one for one in planned if one is not None)


def state_of(record: Record) -> str:
    """The outcome as a notice has it: a question to an approver is news too, though nothing was done yet."""
    is_asked = record.outcome.kind == "held" and record.decision.kind == _QUESTION
    return _QUESTION if is_asked else record.outcome.kind


def is_told(line: RecordLine, channel: ChannelConfig) -> bool:
    """Whether a record like this has a message of its own in the channel, whatever was done to its pod."""
    return rank(line.verdict) >= rank(channel.least)


def digest(lines: Iterable[RecordLine], since: datetime, until: datetime, channel: ChannelConfig) -> Planned | None:
    """One message about the records of a day that had none; None where there are none, or the channel is an owner's."""
    rest = [line for line in lines if line.stage == "finished" and not is_told(line, channel)]
    if not rest or channel.audience != "team":
        return None
    day = f"{until:%Y-%m-%d}"
    gravest = max((line.verdict for line in rest), key=rank)
    identity = _id("digest", day, channel.name)
    card = cards.digest(rest, since, until, identity)
    return Planned(
        id=identity,
        channel=channel,
        audience="team",
        verdict=gravest,
        outcome="digest",
        thread=f"digest-{day}",
        body=_body(channel, card),
    )


def _planned(record: Record, config: Notices, channel: ChannelConfig, sent: Sequence[Notice]) -> Planned | None:
    verdict, outcome = record.triage.verdict, state_of(record)
    last = max(sent, key=lambda notice: notice.at, default=None)
    # A question comes from where its end leads back to: each is news once, and told apart by what was told before it.
    before = last.id if last is not None and _QUESTION in {outcome, last.outcome} else ""
    identity = _id(record.id, channel.audience, channel.name, verdict, outcome, *filter(None, (before,)))
    if any(notice.id == identity for notice in sent):
        return None
    again = ""
    if last is None:
        if rank(verdict) < rank(channel.least) and not _is_action(record):
            return None
    else:
        again = _news(record, outcome, last, sent)
        if not again:
            return None
    page = config.page(record.id)
    card = cards.card(record, channel.audience, notice_id=identity, again=again, page=page)
    return Planned(
        id=identity,
        channel=channel,
        audience=channel.audience,
        verdict=verdict,
        outcome=outcome,
        thread=record.id,
        body=_body(channel, card),
    )


def _news(record: Record, outcome: str, last: Notice, sent: Sequence[Notice]) -> str:
    """What is new since the channel was told last, in our words; empty where nothing that matters is."""
    gravest = max((notice.verdict for notice in sent), key=rank)
    news = []
    if rank(record.triage.verdict) > rank(gravest):
        news.append(f"The verdict rose from {cards.WORDS[gravest].lower()}.")
    if last.outcome == _QUESTION and outcome == "held":
        # While `act` is still to look, `respond` has written the record anew and the question may wait as before.
        if record.decision.made_by == "act" or record.provenance.act != "wanted":
            news.append(f"The question to the approvers is over: {record.decision.reasons[0]}.")
    elif outcome != last.outcome:
        news.append(f"News of the pod: {cards.answer(record).lower()}.")
    return " ".join(news)


def _is_action(record: Record) -> bool:
    return bool(record.actions) or record.outcome.kind not in _UNTOUCHED or state_of(record) == _QUESTION


def _serves(channel: ChannelConfig, record: Record, everyone: Sequence[ChannelConfig]) -> bool:
    """Whether it is for this record's people: the first contact that has a channel counts, else the default serves."""
    if channel.audience != "owner":
        return True
    served = {_word(owner) for one in everyone if one.audience == "owner" for owner in one.owners}
    first = next((word for contact in record.owner.contacts if (word := _word(contact.value)) in served), None)
    if first is None:
        return not channel.owners
    return first in {_word(owner) for owner in channel.owners}


def _word(text: str) -> str:
    return text.strip().lower()


def _id(*words: str) -> str:
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()[:32]


def _body(channel: ChannelConfig, card: Card) -> dict[str, Any]:
    return slack.message(card) if channel.kind == "slack" else chat.message(card)
