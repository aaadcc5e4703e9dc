"""Many findings of one container: one record, each kind of command in it once, and none hidden by a flood of others."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from responder import burst, pipeline, report
from responder.errors import Busy
from responder.finding import TEST_MARK, Finding
from responder.ports import Delivery, LogPages, RecordQuery, Telling, World
from responder.record import Occurrence, RecordedFinding
from responder.standing import standing
from responder.stores.sqlite import SqliteRecords
from responder.triage import telling
from tests.builders import EVENT_TIME, a_finding, a_recorded
from tests.doubles import NOW, Calls, FakeLogs, FakeScc, world
from tests.notices.cases import channel, config
from tests.test_telling import Channels, Written
from tests.test_terminal import printed

_NAMES = ("alpha", "bravo", "carol", "delta", "eager", "fuzzy", "gamma", "hotel", "india", "julia")
_WORST = ("gcc", "-static", "-o", "/tmp/.x/kworker", "/tmp/.x/k.c")


def _harmless(number: int) -> Finding:
    one = f"{_NAMES[number % 10]}{_NAMES[number // 10 % 10]}{_NAMES[number // 100 % 10]}"
    time = EVENT_TIME + timedelta(milliseconds=number)
    return a_finding(key=f"1/b{number:04}", args=("gcc", "-c", f"{one}.c", "-o", f"{one}.o"), event_time=time)


def _recorded(finding: Finding) -> RecordedFinding:
    return replace(
        a_recorded(), key=finding.key, event_time=finding.event_time, processes=finding.processes, occurrences=()
    )


def seen(state: str = "ACTIVE", mute: str = "UNMUTED") -> Occurrence:
    return Occurrence(event_time=EVENT_TIME, state=state, mute=mute, message_id="1", received=EVENT_TIME)


def _pages(findings: Iterable[Finding]) -> Iterator[tuple[RecordedFinding, ...]]:
    rows = sorted(map(_recorded, findings), key=lambda one: (one.event_time, one.key))
    return iter([tuple(rows[n : n + 200]) for n in range(0, len(rows), 200)])


@pytest.mark.parametrize("at", [0, 50, 100, 150, 299, 300])
def test_a_flood_of_other_commands_hides_none_that_says_more(at: int) -> None:
    flood = [_harmless(number) for number in range(300)]
    worst = a_finding(key="1/worst", args=_WORST, event_time=EVENT_TIME + timedelta(milliseconds=at - 0.5))
    found = burst.burst(_pages([*flood, worst]), telling)
    assert len(found.groups) == burst.MOST_GROUPS
    assert [one.key for one in found.groups if one.processes == worst.processes] == ["1/worst"]
    assert (sum(one.count for one in found.groups), found.folded) == (301, 201)


def test_whatever_their_order_the_kinds_that_say_the_most_are_kept_and_every_finding_counts() -> None:
    chance = random.Random(7)  # noqa: S311 - a test's order
    worths = {f"1/b{number:04}": chance.randrange(5) for number in range(500)}
    found = burst.burst(_pages(map(_harmless, range(500))), lambda one: worths[one.key])
    best = sorted(worths, key=lambda key: (-worths[key], key))[: burst.MOST_GROUPS]
    assert sorted(one.key for one in found.groups) == sorted(best)
    assert sum(one.count for one in found.groups) == 500
    assert len(found.keys) == 500


OTHER = replace(a_recorded().pods[0], name="another-pod")


@pytest.mark.parametrize(
    "changes",
    [
        {"occurrences": (seen(mute="MUTED"),)},
        {"occurrences": (seen(state="INACTIVE"),)},
        {"mute": "MUTED"},
        {"pods": (*a_recorded().pods, OTHER)},
        {"key": f"1/{TEST_MARK}1"},
    ],
    ids=["muted", "not active", "muted by SCC's word", "names another pod", "a test"],
)
def test_what_a_guard_would_say_no_to_is_a_group_of_its_own_and_no_flood_folds_it_away(changes: dict[str, Any]) -> None:
    flood = [replace(_recorded(_harmless(number)), confirmed="yes") for number in range(300)]
    # The same command as the first of the flood, and the one that says the least of all.
    odd = replace(flood[0], **{"key": "1/odd"} | changes)
    found = burst.burst(iter([(*flood[:150], odd, *flood[150:])]), lambda one: int(standing(one) == standing(flood[0])))
    assert len(found.groups) == burst.MOST_GROUPS
    assert [(one.key, one.count) for one in found.groups if standing(one) != standing(flood[0])] == [(odd.key, 1)]


def test_of_many_kinds_that_a_guard_says_no_to_few_are_kept_and_each_no_is_kept() -> None:
    chance = random.Random(11)  # noqa: S311 - a test's order
    rows = [replace(_recorded(_harmless(0)), key="1/first", confirmed="yes")]
    for number in range(600):
        pods = tuple(replace(OTHER, name=f"pod-{number}-{more}") for more in range(chance.randrange(3)))
        mark = TEST_MARK if chance.randrange(3) == 0 else ""
        state, mute = chance.choice(("ACTIVE", "INACTIVE")), chance.choice(("MUTED", "UNMUTED", ""))
        told = replace(_recorded(_harmless(number)), key=f"1/{mark}{number}", confirmed="yes")
        rows.append(replace(told, pods=(*pods, *told.pods), state=state, mute=mute))
    found = burst.burst(iter([tuple(rows)]), lambda one: 1 if standing(one) == standing(rows[0]) else 0)
    assert len(found.groups) == burst.MOST_GROUPS
    assert sum(one.count for one in found.groups) == len(rows)
    assert {_noes(one) for one in found.groups} == {_noes(one) for one in rows}


def _noes(one: RecordedFinding) -> tuple[bool, ...]:
    told = standing(one)
    return told.active, told.muted, told.test, len(told.pods) == 1


def test_whoever_names_another_pod_in_each_finding_makes_no_more_groups_and_the_other_pods_show() -> None:
    rows = [
        replace(_recorded(_harmless(0)), key=f"1/{number}", pods=(replace(OTHER, name=f"pod-{number}"),))
        for number in range(300)
    ]
    found = burst.burst(iter([tuple(rows)]), telling)
    assert len(found.groups) == burst.MOST_GROUPS
    assert sum(one.count for one in found.groups) == 300
    folded = [one for one in found.groups if one.count > 1]
    assert folded
    assert all(len(standing(one).pods) > 1 for one in folded)


def _answered(outside: World, finding: Finding) -> str:
    while True:
        try:
            (record_id,) = pipeline.respond(
                outside, finding, Delivery(data=b"{}", message_id=finding.key, received=NOW)
            )
        except Busy:  # as Pub/Sub does: again, a little later
            threading.Event().wait(0.02)
        else:
            return record_id


def test_a_thousand_findings_of_one_pod_at_once_are_one_record_few_reads_and_one_notice(tmp_path: Path) -> None:
    crowd = tuple(
        replace(_harmless(number % 20), key=f"1/{number}", event_time=EVENT_TIME + timedelta(milliseconds=60 * number))
        for number in range(1000)
    )
    calls, channels, notices = Calls(), Channels(), config(channel("security"))
    records = SqliteRecords(tmp_path / "records.db", now=lambda: NOW)
    telling_ = Telling(notices=lambda: notices, channel=channels, write_back=Written())
    outside, _ = world(crowd[0], records, telling=telling_)
    outside = replace(outside, scc=FakeScc(calls, crowd), logs=FakeLogs(calls, LogPages(pages=1, truncated=False)))
    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(lambda one: _answered(outside, one), crowd))
    (line,) = records.list(RecordQuery())
    record = records.load(line.id)
    assert record is not None
    assert ids == {record.id}
    assert len(record.findings) == 20
    assert sum(one.count for one in record.findings) == line.findings == 1000
    assert 3 <= sum(name.endswith("_log") for name in calls.names) <= 12
    assert len(channels.sent) == 1
    records.close()


def test_rounds_of_findings_that_joined_one_after_the_other_are_told_as_one(tmp_path: Path) -> None:
    crowd = tuple(map(_harmless, range(12)))
    records = SqliteRecords(tmp_path / "records.db", now=lambda: NOW)
    outside, calls = world(crowd[0], records)
    outside = replace(outside, scc=FakeScc(calls, crowd))
    (record_id,) = {_answered(outside, one) for one in crowd}
    record = records.load(record_id)
    assert record is not None
    assert [(one.kind, one.count) for one in record.provenance.rounds] == [("first", 1), ("joined", 11)]
    records.close()


def test_after_the_window_the_next_finding_opens_a_record_that_names_the_last(tmp_path: Path) -> None:
    first = _harmless(0)
    second = replace(first, key="1/two", event_time=EVENT_TIME + timedelta(hours=2))
    records = SqliteRecords(tmp_path / "records.db", now=lambda: NOW)
    outside, calls = world(first, records)
    outside = replace(outside, scc=FakeScc(calls, (first, second)))
    ids = [_answered(outside, one) for one in (first, second)]
    told = [records.load(one) for one in ids]
    assert [one and one.provenance.previous for one in told] == ["", ids[0]]
    assert told[1] is not None
    for text in (report.markdown(told[1]), printed(told[1])):
        assert ids[0] in text
    records.close()
