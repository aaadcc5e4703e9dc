"""After step 7: tells people and Security Command Center what a finished record says. Sends, and changes no record.

At least once: what went out is kept after each message, so that a crash repeats one at most, with the same id. A
channel that fails costs nobody the record: what is left is told by the sweep, which tries for a day. One process tells
at a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from responder import log
from responder.errors import Unanswered
from responder.evidence import Found
from responder.finding import CATEGORY
from responder.notices.config import ChannelConfig, Notices
from responder.notices.ledger import PATIENCE, Told
from responder.notices.routing import Planned, digest, due_notices, state_of
from responder.ports import RecordQuery, Telling, World
from responder.record import Gap, Notice, Record

_RIGHT: Final = timedelta(minutes=6)
"""How long the right to tell runs where its holder dies."""
_ONE: Final = timedelta(minutes=2)
"""After this long nothing more is begun for one record; what is begun may take as long as one message does."""
_MOST_FINDINGS: Final = 20
_KEY: Final = re.compile(r".*/sources/([0-9]+)(?:/locations/[^/]+)?/findings/([A-Za-z0-9]+)")
_DAY: Final = timedelta(days=1)
_LAG: Final = timedelta(hours=1)
"""A digest ends this long before it is sent: what began later may not be finished."""
_LISTED: Final = 2000
_DIGEST_AGAIN: Final = timedelta(minutes=10)


@dataclass(slots=True)
class _Round:
    """One go at telling: when it must end, and which channels failed in it and are not tried again."""

    until: datetime
    down: dict[str, Unanswered] = field(default_factory=dict)


class _Target(NamedTuple):
    """A finding that SCC has, by the names that SCC gave it."""

    name: str
    canonical_name: str


def tell(world: World, record_id: str) -> bool:
    """Tell what is due of a record; whether nothing is left. False too where another process tells it."""
    return _tell(world, record_id, _Round(world.now() + _ONE))


def sweep(world: World, end: datetime, apart: AbstractContextManager[object]) -> int:
    """Tell what is left of every record, and the digests whose hour has come; how many records.

    Nothing is begun after `end`. ``with apart:`` keeps the bug that one record meets from the others.
    """
    telling, told, round_ = world.telling, 0, _Round(end)
    if telling is None:
        return 0
    for record_id in world.records.untold(world.now()):
        if world.now() >= end:
            break
        with apart:
            told += _tell(world, record_id, round_)
    config = telling.notices()
    for channel in config.channel:
        if channel.audience == "team" and world.now() < end:
            with apart:
                _digest(world, telling, config, channel)
    return told


def _tell(world: World, record_id: str, round_: _Round) -> bool:
    telling, now = world.telling, world.now()
    record = world.records.load(record_id) if telling else None
    if telling is None or record is None or record.provenance.stage != "finished":
        return False
    known = world.records.tell(record_id, now, now + _RIGHT)
    if known is None:
        return False
    revision, since = record.provenance.revision, record.provenance.finished or now
    if known.is_new and now > since + PATIENCE:
        # It was finished when nobody was told of anything: what is as old as that is no news.
        world.records.told(record_id, known.whole(revision))
        return True
    config = telling.notices()
    known, left = _messages(world, telling, config, record, known, round_)
    known, gaps = _written_back(world, telling, config, record, known, round_.until)
    if config.problem:
        gaps = (Gap(question="notices", why="broken", detail=config.problem, mend="mend notices.toml"), *gaps)
    known = known.model_copy(update={"gaps": gaps})
    is_whole = not (left or gaps)
    world.records.told(
        record_id, known.whole(revision) if is_whole else known.again(revision, world.now(), since + PATIENCE)
    )
    return is_whole


# --- people -----------------------------------------------------------------------------------------------------------


def _messages(
    world: World, telling: Telling, config: Notices, record: Record, known: Told, round_: _Round
) -> tuple[Told, bool]:
    """Send what is due; what is known afterwards, and whether something is left."""
    is_left = False
    for planned in due_notices(record, config, known.notices):
        if world.now() >= round_.until:
            return known, True
        notice = _send(world, telling, planned, round_, record.id)
        is_left = is_left or not notice.sent
        known = known.with_notice(notice)
        # Kept at once: a crash from here on does not repeat it.
        world.records.told(record.id, known, until=world.now() + _RIGHT)
    return known, is_left


def _send(world: World, telling: Telling, planned: Planned, round_: _Round, record_id: str) -> Notice:
    """One message, and what became of it."""
    name = planned.channel.name
    failed = round_.down.get(name)
    try:
        if failed is not None:
            raise failed
        telling.channel(planned.channel).send(planned.body, thread=planned.thread)
    except Unanswered as error:
        round_.down[name] = error
        world.records.count(f"notices.{error.why}")
        detail = f"{error.why}: {error.detail}" + (f" ({error.mend})" if error.mend else "")
        log.write("WARNING", "not told", record=record_id, channel=name, notice=planned.id, why=error.why)
        return planned.notice(world.now(), sent=False, detail=detail)
    world.records.count("notices.sent")
    log.write("INFO", "told", record=record_id, channel=name, notice=planned.id, audience=planned.audience)
    return planned.notice(world.now(), sent=True)


def _digest(world: World, telling: Telling, config: Notices, channel: ChannelConfig) -> None:
    """The channel's list of the last day, once, after its hour."""
    now = world.now()
    hour = now.replace(hour=config.digest_hour, minute=0, second=0, microsecond=0)
    until = hour if hour <= now else hour - _DAY
    key = f"digest/{channel.name}/{until:%Y-%m-%d}"
    known = world.records.tell(key, now, now + _DIGEST_AGAIN)
    if known is None:
        return
    start, end = until - _DAY - _LAG, until - _LAG
    lines = world.records.list(RecordQuery(since=start, limit=_LISTED))
    planned = digest((line for line in lines if line.window_start < end), start, end, channel)
    if planned is not None and now - until < _DAY / 2:
        notice = _send(world, telling, planned, _Round(now), "")
        known = known.with_notice(notice)
        if not notice.sent:
            world.records.told(key, known, until=now + _DIGEST_AGAIN)
            return
    # The right is kept until nobody asks for this day any more.
    world.records.told(key, known, until=until + 2 * _DAY)


# --- Security Command Center ------------------------------------------------------------------------------------------


def _written_back(
    world: World, telling: Telling, config: Notices, record: Record, known: Told, until: datetime
) -> tuple[Told, tuple[Gap, ...]]:
    """Mark the findings where that is new; what is known afterwards, and what could not be done."""
    if not config.write_back:
        return known, ()
    marks, page, gaps = marks_of(record), config.page(record.id), []
    digest_ = hashlib.sha256("\x1f".join((*marks.values(), page)).encode()).hexdigest()[:32]
    for target in _targets(record):
        if known.marks.get(target.name) == digest_:
            continue
        if world.now() >= until:
            gaps.append(Gap(question="write_back", why="timeout", detail="no time was left for it", mend=""))
            break
        try:
            telling.write_back.marks(*target, marks)
            telling.write_back.external_system(*target, uid=record.id, uri=page, status=marks["responder_outcome"])
        except Unanswered as error:
            world.records.count(f"write_back.{error.why}")
            gaps.append(Gap(question="write_back", why=error.why, detail=error.detail, mend=error.mend))
            break  # the others would most likely meet the same
        world.records.count("write_back.done")
        known = known.model_copy(update={"marks": {**known.marks, target.name: digest_}})
    return known, tuple(gaps)


def marks_of(record: Record) -> Mapping[str, str]:
    """What is written to a finding: words of ours, and nothing of the attacker's."""
    return {
        "responder_record": record.id,
        "responder_verdict": record.triage.verdict,
        "responder_outcome": state_of(record),
        "responder_review": record.review.verdict or record.review.state,
    }


def _targets(record: Record) -> tuple[_Target, ...]:
    """The findings of the record by SCC's own word. A name that a message alone has may be another's finding."""
    scc = record.evidence.scc
    if not isinstance(scc, Found):
        return ()
    first = _Target(scc.value.name, scc.value.canonical_name)
    return tuple(dict.fromkeys((first, *_others(record))))[:_MOST_FINDINGS]


def _others(record: Record) -> Iterator[_Target]:
    """Those that SCC listed beside it, and that are the record's."""
    related = record.evidence.related
    keys = {key for one in record.findings for key in (one.key, *one.more)}
    for near in related.value.findings if isinstance(related, Found) else ():
        match = _KEY.fullmatch(near.name)
        if near.category == CATEGORY and match and f"{match[1]}/{match[2]}" in keys:
            yield _Target(near.name, "")
