"""Telling in any order of events: new verdicts and outcomes, channels that fail and mend, crashes, sweeps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from responder import pipeline, telling
from responder.errors import Unanswered
from responder.notices.config import rank
from responder.ports import Telling
from responder.record import Verdict
from tests.builders import a_finding
from tests.doubles import world
from tests.notices.cases import channel, config, told
from tests.proof.memory import MemoryRecords
from tests.test_telling import Channels, Desk, Watch, Written

CHANNELS = (channel("security"), channel("quiet", least_verdict="malicious"), channel("owners", audience="owner"))
VERDICTS = ("benign", "suspicious", "malicious")
OUTCOMES = ("held", "unknown", "deleted")


@dataclass
class Marks(Written):
    """What SCC has of us, and how often each state was written."""

    states: list[tuple[str, str]] = field(default_factory=list)

    def marks(self, name: str, canonical_name: str, marks: Any) -> None:
        super().marks(name, canonical_name, marks)
        self.states.append((marks["responder_verdict"], marks["responder_outcome"]))


class _Died(BaseException):
    """The process ends here."""


def desk() -> Desk:
    watch, channels, written = Watch(), Channels(), Marks()
    records = MemoryRecords(now=watch)
    notices = [config(*CHANNELS, write_back=True)]
    way = Telling(notices=lambda: notices[0], channel=channels, write_back=written)
    outside, _ = world(a_finding(), records, now=watch, telling=way)
    return Desk(outside, records, channels, written, watch, notices)  # type: ignore[arg-type]  # the memory's stands in for SQLite's


events = st.one_of(
    st.tuples(st.just("save"), st.sampled_from(VERDICTS), st.sampled_from(OUTCOMES)),
    st.tuples(st.just("break"), st.sampled_from([one.name for one in CHANNELS])),
    st.tuples(st.just("mend")),
    st.tuples(st.just("die"), st.sampled_from([one.name for one in CHANNELS])),
    st.tuples(st.just("scc"), st.booleans()),
    st.tuples(st.just("tick"), st.integers(1, 30)),
    st.tuples(st.just("sweep")),
)  # fmt: skip


def play(here: Desk, record_id: str, event: tuple[Any, ...]) -> None:
    """One event; whoever dies, dies alone."""
    match event:
        case ("save", verdict, outcome):
            here.save(record_id, told(verdict, outcome))
        case ("break", name):
            here.channels.broken[name] = Unanswered("unavailable", f"channel {name}: HTTP 503")
        case ("mend",):
            here.channels.broken.clear()
        case ("die", name):
            here.channels.broken[name] = _Died()
        case ("scc", fails):
            here.written.error = Unanswered("unavailable", "SCC") if fails else None
        case ("tick", minutes):
            here.watch.tick(minutes=minutes)
            return
    try:
        telling.sweep(here.world, here.watch.now + telling._ONE, pipeline._Apart())
    except _Died:
        here.channels.broken.clear()


@settings(max_examples=300, deadline=None)
@given(st.lists(events, max_size=25))
def test_in_any_order_nothing_is_said_twice_and_in_the_end_everybody_knows_what_they_must(
    given_events: list[tuple[Any, ...]],
) -> None:
    here = desk()
    record_id = here.finished(told("suspicious"))
    seen: list[tuple[Verdict, str]] = [("suspicious", "held")]
    for event in given_events:
        if event[0] == "save":
            seen.append((event[1], event[2]))
        play(here, record_id, event)
    here.channels.broken.clear()
    here.written.error = None
    here.watch.tick(minutes=15)
    play(here, record_id, ("sweep",))
    sent = Counter((name, str(body)) for name, body, thread in here.channels.sent if thread == record_id)
    assert all(count == 1 for count in sent.values())
    verdict, outcome = seen[-1]
    for one in CHANNELS:
        known = [notice for notice in here.load(record_id).notices if notice.channel == one.name]
        notices = [notice for notice in known if notice.sent]
        # What could not be sent and is no news any more stays as what it is: a message that nobody got.
        assert all(notice.sent or (notice.verdict, notice.outcome) != (verdict, outcome) for notice in known)
        is_wanted = rank(verdict) >= rank(one.least) or outcome != "held"
        assert notices or not is_wanted
        if notices:
            assert any(notice.outcome == outcome for notice in notices)
            assert max(rank(notice.verdict) for notice in notices) >= rank(verdict)
    (marks,) = here.written.marked.values()
    assert (marks["responder_verdict"], marks["responder_outcome"]) == (verdict, outcome)
    assert here.records.untold(here.watch.now) == ()
