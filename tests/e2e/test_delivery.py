"""A message all the way: Pub/Sub, function host, handler, lab and store; and what a killed worker costs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab import chaos, e2e, holes, judge, naive, points, stored, turmoil
from lab.chaos import Plan
from lab.crashing import POINTS, Fused, Fuses
from lab.scenario import load
from lab.server import serve
from lab.serving import function, post, push_body
from lab.stored import Store
from responder import pipeline
from responder.ports import Delivery
from responder.stores.sqlite import SqliteRecords
from tests import doubles

pytestmark = pytest.mark.slow

SCENARIO = Path(__file__).parents[2] / "lab" / "scenarios" / "attack-web-pod.yaml"


def quiet(_text: str) -> None:
    pass


def children() -> set[int]:
    return {one.pid for one in psutil.Process().children(recursive=True)}


def test_a_pushed_finding_is_investigated_once_kept_and_acknowledged_and_an_unreadable_message_is_kept(
    tmp_path: Path,
) -> None:
    before = children()
    assert e2e.delivered(Store(name="SQLite", place=str(tmp_path / "records.db")), quiet) == []
    assert children() <= before


def test_a_message_that_cannot_be_stored_is_a_dead_letter_after_five_attempts_and_no_source_was_asked(
    tmp_path: Path,
) -> None:
    assert e2e.buried(Store(name="SQLite", place=str(tmp_path / "records.db")), quiet) == []


@pytest.mark.parametrize("point", ["records.admit.after", "records.save.after", "kubernetes.pod.before"])
def test_a_worker_that_dies_at_a_point_leaves_the_finding_to_the_redelivery(tmp_path: Path, point: str) -> None:
    scenario = load(SCENARIO)
    notification = (SCENARIO.parent / scenario.notification).read_bytes()
    fuses = Fuses(tmp_path / "fuses")
    (tmp_path / "fuses").mkdir()
    environ = {"LAB_CRASH": str(tmp_path / "fuses"), "RESPONDER_DEADLINE_SECONDS": "5"}
    store = tmp_path / "records.db"
    with serve(scenario, json.loads(notification)) as running:
        endpoints = running.endpoints.model_dump(mode="json")
        with function(tmp_path, endpoints, store=store, environ=environ) as served:
            fuses.arm(point)
            with pytest.raises(OSError, match=r"."):
                post(served.url, push_body(notification, "1"))
            assert fuses.died() == [point]
            assert fuses.armed() == []
            # Another message of the same finding: the dead worker's claim holds, and the finding is stored.
            status = post(served.url, push_body(notification, "2", attempt=1))
            assert status == 200
        kept = stored.kept(running, Store(name="SQLite", place=str(store)))
    assert [record.keys for record in kept.records] == [
        frozenset({"1750894040330370653/0a1b2c3d4e5f60718293a4b5c6d7e8f9"})
    ]


def test_after_deaths_on_delivery_in_a_sweep_and_behind_a_finished_record_everything_is_recorded(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    store = Store(name="SQLite", place=str(tmp_path / "records.db"))
    named = ("records.release.before", "records.release.after", "records.save.after", "records.reject.after")
    assert points.points(store, told.append, deaths=(2,), named=named) == []
    assert [text.partition(" died at ")[2].partition(";")[0] for text in told[:4]] == [
        "delivery 1, then at sweep 1",
        "delivery 1, then at a later eventTime 1",
        "delivery 1, then at delivery 2",
        "delivery 1, then at delivery 2",
    ]


def test_a_point_that_no_worker_reaches_is_a_failure(tmp_path: Path) -> None:
    store = Store(name="SQLite", place=str(tmp_path / "records.db"))
    found = points.points(store, quiet, deaths=(1,), named=("records.review.before",))
    assert any("reached 0 times of 1" in problem for problem in found)


def test_a_store_that_is_down_takes_nothing_and_is_there_again(tmp_path: Path) -> None:
    store = Store(name="SQLite", place=str(tmp_path / "records.db"))
    records = SqliteRecords(store.place, now=lambda: doubles.NOW)
    records.count("a")
    with store.down(), sqlite3.connect(store.place, timeout=0.1) as other, pytest.raises(sqlite3.OperationalError):
        other.execute("DELETE FROM counters")
    records.count("a")
    assert records.counters() == {"a": 2}
    records.close()
    assert store.of("chaos").place == str(tmp_path / "chaos.db")
    assert Store(name="F", place="firestore:a/b", process=subprocess.Popen(["true"])).of("c").place == "firestore:a/c"


def test_a_service_that_never_answers_costs_its_own_answers_and_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(holes.HOLES, "none", ())
    for name in set(holes.HOLES) - {"none", "essentialcontacts"}:
        monkeypatch.delitem(holes.HOLES, name)
    found = holes.holes(Store(name="SQLite", place=str(tmp_path / "records.db")), quiet)
    assert found == ["SQLite: none never answers: the record says nothing of it: {}"]


# --- the judge and its means ------------------------------------------------------------------------------------------


@pytest.fixture
def day() -> turmoil.Traffic:
    return turmoil.traffic(7, 60)


def good(day: turmoil.Traffic) -> judge.Kept:
    records = tuple(judge.KeptRecord(id=key, keys=frozenset({key}), shown=1, finished=True) for key in day.keys)
    return judge.Kept(records=records, rejected=day.malformed)


def changed(kept: judge.Kept, **fields: Any) -> judge.Kept:
    first = kept.records[0]
    values = {"id": first.id, "keys": first.keys, "shown": first.shown, "finished": first.finished, **fields}
    return judge.Kept(records=(judge.KeptRecord(**values), *kept.records[1:]), rejected=kept.rejected)


def test_the_judge_has_nothing_to_say_where_everything_holds(day: turmoil.Traffic) -> None:
    assert judge.problems(day, good(day), [{"call": "kubernetes.get.pods"}, {"call": "scc.ListFindings"}]) == []


def test_the_judge_sees_what_was_lost_doubled_left_out_unfinished_or_changed(day: turmoil.Traffic) -> None:
    kept = good(day)
    other = kept.records[1].keys
    read: list[dict[str, Any]] = [{"call": "kubernetes.get.pods", "path": "/api/v1/namespaces/shop/pods/a"}]
    cases = {
        "in no record": (changed(kept, keys=frozenset(), shown=0), read),
        "in several records": (changed(kept, keys=kept.records[0].keys | other, shown=2), read),
        "never published": (changed(kept, keys=kept.records[0].keys | {"1/x"}, shown=2), read),
        "tell of fewer": (changed(kept, shown=0), read),
        "are not finished": (changed(kept, finished=False), read),
        "not in `rejected`": (judge.Kept(records=kept.records, rejected=frozenset()), read),
        "readable messages": (judge.Kept(records=kept.records, rejected=kept.rejected | {b"{}"}), read),
        "changed something": (kept, [*read, {"call": "kubernetes.delete.pods"}]),
        "nobody asked for": (changed(kept, pod_found="b"), read),
    }
    for words, (broken, journal) in cases.items():
        (problem,) = judge.problems(day, broken, journal)
        assert words in problem


def test_the_traffic_of_a_seed_is_the_same_again_and_has_everything_in_it(day: turmoil.Traffic) -> None:
    assert turmoil.traffic(7, 60) == day
    assert turmoil.traffic(8, 60).messages != day.messages
    assert len(day.messages) == 60
    assert day.malformed
    assert day.foreign
    assert len(day.malformed) == len({hash(data) for data in day.malformed}) == 4
    assert day.dropped < day.keys


def test_an_investigation_passes_every_point_but_those_of_an_unreadable_message(tmp_path: Path) -> None:
    data = (SCENARIO.parent / "attack-web-pod.notification.json").read_bytes()
    finding = doubles.finding_in(data)
    reached: set[str] = set()
    records = SqliteRecords(tmp_path / "records.db", now=lambda: doubles.NOW)
    world, _ = doubles.world(finding, Fused("records", records, reached.add))
    names = ("scc", "clusters", "connect", "logs", "projects")
    fused: dict[str, Any] = {name: Fused(name, getattr(world, name), reached.add) for name in names}
    world = replace(world, **fused)
    pipeline.respond(world, finding, Delivery(data=data, message_id="1", received=doubles.NOW))
    records.close()
    assert len(POINTS) >= 25
    assert set(POINTS) - reached == {"records.reject.before", "records.reject.after"}


def test_the_naive_function_is_refused_by_the_judge(tmp_path: Path) -> None:
    plan = Plan(seconds=6, kills=1, faults=0, seed=3, messages=60, naive=True)
    before = children()
    found = chaos.chaos(plan, quiet).problems
    assert any("in several records" in problem for problem in found)
    assert any("not in `rejected`" in problem for problem in found)
    assert children() <= before
    assert naive.kept_in(tmp_path / "nothing.db") == judge.Kept(records=(), rejected=frozenset())


def test_a_short_chaos_that_was_too_calm_proves_nothing() -> None:
    plan = Plan(seconds=2, kills=0, faults=500, seed=5, messages=20, naive=True)
    assert any("nothing is proven" in problem for problem in chaos.chaos(plan, quiet).problems)


def test_as_many_calls_fail_as_are_wanted_though_few_more_are_made_than_were_expected(day: turmoil.Traffic) -> None:
    for seed in range(50):
        turbulence = turmoil.Turbulence.over(day, wanted=20, seed=seed)
        assert turbulence.next("gke.GetCluster") is None, "it has not begun"
        turbulence.begin()
        for number in range(round(turbulence.expected * 1.3)):
            turbulence.next(("gke.GetCluster", "kubernetes.get.pods", "logging.ListLogEntries")[number % 3])
        assert turbulence.done.total() >= 20
        turbulence.calm()
        assert turbulence.next("gke.GetCluster") is None
