"""What every action store must do: one suite, run by each store's own test module."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.errors import Refused
from responder.ports import ANOTHER_IS_OPEN, OPEN_FOR, SAME_WAS_SENT, Actions, Approval, Brake, Intended, Intent, Limit
from responder.record import Method
from responder.stores.actions import opened_actions
from tests.stores.racing import race

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
ROOT = Path(__file__).parents[2]
THREE = (Limit(scope="project", most=3, within=HOUR),)


def an_intent(n: int = 0, *, owner: int | None = None, **changes: Any) -> Intent:
    """The n-th pod's; `owner` is the number of its workload, the pod's own where none is given."""
    values: dict[str, Any] = {
        "key": f"shop-prod/shop/uid-{n}",
        "record_id": f"{n:032x}",
        "project": "acme-shop-prod",
        "namespace": "shop",
        "workload": f"acme-shop-prod/eu/shop-prod/shop/Deployment/w{n if owner is None else owner}",
        "image_digest": f"sha256:{n:064x}",
        "pod": f"pod-{n}",
        "uid": f"uid-{n}",
        "method": "delete",
        "at": NOW,
        "approval": "",
    }
    return Intent(**(values | changes))


def minutes(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def a_brake(on: bool = True, project: str = "", **changes: Any) -> Brake:
    values: dict[str, Any] = {"on": on, "project": project, "why": "a drill", "by": "alice", "at": NOW}
    return Brake(**(values | changes))


def a_question(binding: str = "b-1", **changes: Any) -> Approval:
    values: dict[str, Any] = {
        "record_id": "r-1",
        "project": "acme-shop-prod",
        "uid": "uid-0",
        "asked_at": NOW,
        "until": NOW + HOUR,
    }
    return Approval(binding=binding, **(values | changes))


def kept(found: Intended | str) -> Intended:
    assert isinstance(found, Intended), found
    return found


def began(actions: Actions, n: int = 0, **changes: Any) -> str:
    return kept(actions.intend(an_intent(n, **changes), ())).intent.key


def state(actions: Actions, key: str) -> tuple[str, str]:
    found = actions.intent(key)
    assert found is not None
    return found.state, found.outcome


def approved(actions: Actions, binding: str = "b-1", **changes: Any) -> Approval:
    actions.ask(a_question(binding, **changes))
    return actions.answer(binding, approve=True, by="alice", why="looked", now=NOW)


# --- several processes ------------------------------------------------------------------------------------------------


def _intend_it(store: Actions, n: int) -> tuple[str, str]:
    found = kept(store.intend(an_intent(0, record_id=f"r-{n}"), THREE))
    return found.intent.record_id, found.state


def _begin_one_of_a_workload(store: Actions, n: int) -> bool:
    return isinstance(store.intend(an_intent(n, owner=7, image_digest="sha256:aa"), ()), Intended)


def _insist(store: Actions, n: int) -> bool:
    """Each tries until one of them was sent."""
    intent = an_intent(n, owner=7, image_digest="sha256:aa")
    while (found := store.intend(intent, ())) == ANOTHER_IS_OPEN:
        time.sleep(0.01)
    return isinstance(found, Intended) and store.send(intent.key, NOW, "delete")


def _send_it(store: Actions, _n: int) -> bool:
    return store.send(an_intent(0).key, NOW, "delete")


def _use_it(store: Actions, n: int) -> bool:
    return store.use("b-1", f"key-{n}", NOW)


def _answer_it(store: Actions, n: int) -> str:
    try:
        return store.answer("b-1", approve=n % 2 == 0, by=f"p-{n}", why="", now=NOW).by
    except Refused:
        return ""


def _storm(store: Actions, n: int) -> list[str]:
    """The keys of those of 200 intents over 50 workloads that were kept; each process begins elsewhere."""
    numbers = [(one + n * 100) % 200 for one in range(200)]
    found = [store.intend(an_intent(one, owner=one % 50), THREE) for one in numbers]
    return sorted(one.intent.key for one in found if isinstance(one, Intended))


_INTEND_FOREVER = """
import sys
from responder.ports import Intended, Limit
from responder.record import Method
from responder.stores.actions import opened_actions
from tests.stores.actions_contract import HOUR, an_intent
store, most = opened_actions(sys.argv[1]), int(sys.argv[2])
limits = (Limit(scope="project", most=most, within=HOUR), Limit(scope="namespace", most=most, within=HOUR))
print("ready", flush=True)
for n in range(1_000_000):
    print(n if isinstance(store.intend(an_intent(n), limits), Intended) else "full", flush=True)
"""


def killed_while_it_intends(place: str, *, most: int, after: int, pause: float) -> None:
    """A process that keeps intents until it has said so many, and is killed a moment later, wherever it is then."""
    with subprocess.Popen(
        [sys.executable, "-c", _INTEND_FOREVER, place, str(most)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as one:
        assert one.stdout is not None
        said = [one.stdout.readline() for _ in range(after + 1)]
        assert said[0] == "ready\n"
        time.sleep(pause)
        os.kill(one.pid, signal.SIGKILL)


class ActionsContract:
    """Of a store at `place`, opened as `actions`."""

    @pytest.fixture
    def actions(self, place: str) -> Iterator[Actions]:
        store = opened_actions(place)
        yield store
        store.close()

    # --- the brake ----------------------------------------------------------------------------------------------------

    def test_no_brake_is_on_before_one_is_pulled(self, actions: Actions) -> None:
        assert actions.brake("acme-shop-prod") is None
        assert actions.brakes() == ()

    def test_a_projects_brake_holds_that_project_alone(self, actions: Actions) -> None:
        brake = a_brake(project="acme-shop-prod", why="a release", by="bob", at=minutes(3))
        actions.set_brake(brake)
        assert actions.brake("acme-shop-prod") == brake
        assert actions.brake("acme-shop") is actions.brake("") is None

    def test_the_brake_for_all_holds_every_project_and_goes_first(self, actions: Actions) -> None:
        own, everyone = a_brake(project="acme-shop-prod"), a_brake(why="all of it")
        actions.set_brake(own)
        actions.set_brake(everyone)
        assert actions.brake("acme-shop-prod") == actions.brake("another") == everyone
        actions.set_brake(a_brake(on=False))
        assert actions.brake("acme-shop-prod") == own
        assert actions.brake("another") is None

    def test_every_act_on_a_brake_stays_in_the_history_with_who_and_why(self, actions: Actions) -> None:
        acts = (
            a_brake(project="p", by="alice", why="one"),
            a_brake(by="bob", why="two\ud800'; --", at=minutes(-5)),
            a_brake(on=False, project="p", by="carol", why="three"),
            a_brake(project="p", by="alice", why="four"),
        )
        for act in acts:
            actions.set_brake(act)
        assert [(one.on, one.project, one.by, one.why) for one in actions.brakes()] == [
            (True, "p", "alice", "one"),
            (True, "", "bob", "two?'; --"),
            (False, "p", "carol", "three"),
            (True, "p", "alice", "four"),
        ]
        assert actions.brakes()[1].at == minutes(-5)

    def test_brakes_that_are_pulled_at_once_are_all_in_the_history(self, actions: Actions) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: actions.set_brake(a_brake(by=f"p-{n}")), range(8)))
        assert sorted(one.by for one in actions.brakes()) == [f"p-{n}" for n in range(8)]
        assert actions.brake("x") == actions.brakes()[-1]

    # --- intents ------------------------------------------------------------------------------------------------------

    def test_an_intent_is_kept_once_and_comes_back_as_it_was(self, actions: Actions) -> None:
        intent = an_intent(1, approval="b-1", method="evict")
        first = kept(actions.intend(intent, THREE))
        again = kept(actions.intend(an_intent(1, record_id="another", at=minutes(5)), THREE))
        assert first == again == actions.intent(intent.key)
        assert (first.intent, first.state, first.outcome) == (intent, "intended", "")
        assert [step.partition(":")[0] for step in first.steps] == ["intended"]
        assert actions.intent("no such") is None

    def test_an_intent_that_is_there_is_returned_though_its_limits_are_used_up(self, actions: Actions) -> None:
        for n in range(3):
            kept(actions.intend(an_intent(n), THREE))
        assert isinstance(actions.intend(an_intent(3), THREE), str)
        assert kept(actions.intend(an_intent(1), THREE)).intent == an_intent(1)

    def test_of_200_intents_over_50_workloads_exactly_three_an_hour_are_kept(self, actions: Actions) -> None:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: actions.intend(an_intent(n, owner=n % 50), THREE), range(200)))
        assert sum(isinstance(one, Intended) for one in found) == len(actions.intents(limit=500)) == 3
        assert {one for one in found if isinstance(one, str)} == {"project: 3 within 60 minutes"}

    def test_a_limit_slides_with_the_time_of_the_intents(self, actions: Actions) -> None:
        for n, at in enumerate((0, 10, 20)):
            kept(actions.intend(an_intent(n, at=minutes(at)), THREE))
        assert isinstance(actions.intend(an_intent(3, at=minutes(60) - INSTANT), THREE), str)
        kept(actions.intend(an_intent(4, at=minutes(60)), THREE))
        assert isinstance(actions.intend(an_intent(5, at=minutes(70) - INSTANT), THREE), str)
        kept(actions.intend(an_intent(6, at=minutes(70)), THREE))

    def test_an_instance_whose_clock_is_behind_does_not_get_past_a_limit(self, actions: Actions) -> None:
        for n in range(3):
            kept(actions.intend(an_intent(n, at=minutes(30)), THREE))
        assert isinstance(actions.intend(an_intent(3, at=minutes(-45)), THREE), str)

    @pytest.mark.parametrize(
        ("scope", "other"), [("project", "project"), ("namespace", "namespace"), ("workload", "workload")]
    )
    def test_each_scope_has_a_limit_of_its_own(self, actions: Actions, scope: Any, other: str) -> None:
        limits = (Limit(scope=scope, most=1, within=HOUR),)
        kept(actions.intend(an_intent(0, owner=7), limits))
        assert actions.intend(an_intent(1, owner=7), limits) == f"{scope}: 1 within 60 minutes"
        actions.settle(an_intent(0).key, "failed", "denied", NOW)
        kept(actions.intend(an_intent(2, owner=7, **{other: "another"}), limits))

    def test_a_namespace_of_the_same_name_in_another_project_is_another(self, actions: Actions) -> None:
        limits = (Limit(scope="namespace", most=1, within=HOUR), Limit(scope="workload", most=1, within=HOUR))
        kept(actions.intend(an_intent(0, owner=7), limits))
        kept(actions.intend(an_intent(1, owner=7, project="another"), limits))

    def test_what_one_limit_refuses_takes_nothing_of_the_others(self, actions: Actions) -> None:
        limits = (*THREE, Limit(scope="workload", most=1, within=HOUR))
        kept(actions.intend(an_intent(0, owner=7), limits))
        for n in range(1, 20):
            assert actions.intend(an_intent(n, owner=7), limits) == "workload: 1 within 60 minutes"
        assert actions.intent(an_intent(1).key) is None
        for n in (20, 21):
            kept(actions.intend(an_intent(n), limits))
        assert actions.intend(an_intent(22), limits) == "project: 3 within 60 minutes"

    def test_two_limits_of_one_scope_hold_both(self, actions: Actions) -> None:
        limits = (*THREE, Limit(scope="project", most=1, within=timedelta(minutes=10)))
        kept(actions.intend(an_intent(0), limits))
        assert actions.intend(an_intent(1, at=minutes(9)), limits) == "project: 1 within 10 minutes"
        kept(actions.intend(an_intent(2, at=minutes(10)), limits))
        kept(actions.intend(an_intent(3, at=minutes(20)), limits))
        assert actions.intend(an_intent(4, at=minutes(30)), limits) == "project: 3 within 60 minutes"

    def test_a_limit_that_was_lowered_counts_what_was_kept_under_the_higher_one(self, actions: Actions) -> None:
        for n in range(5):
            kept(actions.intend(an_intent(n, at=minutes(n)), (Limit(scope="project", most=5, within=HOUR),)))
        lower = (Limit(scope="project", most=2, within=HOUR),)
        assert isinstance(actions.intend(an_intent(5, at=minutes(62)), lower), str)
        kept(actions.intend(an_intent(5, at=minutes(63)), lower))

    def test_a_limit_of_none_lets_nothing_through(self, actions: Actions) -> None:
        assert isinstance(actions.intend(an_intent(0), (Limit(scope="workload", most=0, within=HOUR),)), str)
        assert actions.intents() == ()

    def test_the_intents_of_a_record_are_found_by_it_alone_oldest_first(self, actions: Actions) -> None:
        for n, at in ((1, NOW + HOUR), (2, NOW), (3, NOW)):
            actions.intend(an_intent(n, at=at, record_id="r" if n < 3 else "s"), ())
        actions.send(an_intent(1).key, NOW + HOUR, "delete")
        found = sorted(actions.of_record("r"), key=lambda one: one.intent.at)
        assert [(one.intent.pod, one.state) for one in found] == [("pod-2", "intended"), ("pod-1", "sent")]
        assert [one.sent_at for one in found] == [None, NOW + HOUR]
        assert actions.of_record("nobody") == ()

    # --- one pod of a workload at a time ------------------------------------------------------------------------------

    def test_a_workload_has_one_open_intent_and_the_next_one_waits_until_it_is_settled(self, actions: Actions) -> None:
        first = began(actions, 0, owner=7)
        for _ in range(2):
            assert actions.intend(an_intent(1, owner=7), THREE) == ANOTHER_IS_OPEN
        kept(actions.intend(an_intent(2), THREE))
        kept(actions.intend(an_intent(3, owner=7, project="another"), THREE))
        actions.send(first, minutes(1), "delete")
        assert actions.intend(an_intent(1, owner=7, at=minutes(2)), THREE) == ANOTHER_IS_OPEN
        actions.settle(first, "deleted", "404", minutes(3))
        assert kept(actions.intend(an_intent(1, owner=7, at=minutes(4)), THREE)).state == "intended"
        assert kept(actions.intend(an_intent(0, owner=7), THREE)).outcome == "deleted"

    def test_what_is_not_counted_because_another_is_open_takes_nothing_of_a_limit(self, actions: Actions) -> None:
        kept(actions.intend(an_intent(0, owner=7), THREE))
        for n in range(1, 9):
            assert actions.intend(an_intent(n, owner=7), THREE) == ANOTHER_IS_OPEN
        assert [isinstance(actions.intend(an_intent(n), THREE), Intended) for n in range(10, 13)] == [True, True, False]

    @pytest.mark.parametrize("outcome", ["deleted", "replaced"])
    def test_of_one_workload_and_image_none_is_intended_after_one_was_sent(
        self, actions: Actions, outcome: str
    ) -> None:
        same: dict[str, Any] = {"owner": 7, "image_digest": "sha256:aa"}
        first = began(actions, 0, **same)
        actions.send(first, NOW, "delete")
        assert actions.intend(an_intent(1, **same), ()) == SAME_WAS_SENT
        actions.settle(first, outcome, "seen", minutes(1))
        assert actions.intend(an_intent(1, at=minutes(9999), **same), ()) == SAME_WAS_SENT
        kept(actions.intend(an_intent(2, owner=7), ()))

    @pytest.mark.parametrize("outcome", ["failed", "gone"])
    @pytest.mark.parametrize("is_sent", [False, True])
    def test_where_nothing_was_done_the_next_one_may_follow(
        self, actions: Actions, outcome: str, is_sent: bool
    ) -> None:
        same: dict[str, Any] = {"owner": 7, "image_digest": "sha256:aa"}
        first = began(actions, 0, **same)
        if is_sent:
            actions.send(first, NOW, "delete")
        actions.settle(first, outcome, "refused", minutes(1))
        assert actions.answered(an_intent(0, **same).workload, "sha256:aa") == ""
        second = began(actions, 1, at=minutes(2), **same)
        actions.send(second, minutes(2), "delete")
        assert actions.answered(an_intent(0, **same).workload, "sha256:aa") == second

    def test_one_that_was_never_sent_is_not_waited_for_once_it_cannot_leave_any_more(self, actions: Actions) -> None:
        began(actions, 0, owner=7)
        assert actions.intend(an_intent(1, owner=7, at=NOW + OPEN_FOR - INSTANT), ()) == ANOTHER_IS_OPEN
        kept(actions.intend(an_intent(1, owner=7, at=NOW + OPEN_FOR), ()))
        assert actions.intend(an_intent(2, owner=7, at=NOW + OPEN_FOR), ()) == ANOTHER_IS_OPEN

    def test_of_many_threads_with_pods_of_one_workload_one_begins(self, actions: Actions) -> None:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: actions.intend(an_intent(n, owner=7), ()), range(16)))
        assert [one for one in found if isinstance(one, str)] == [ANOTHER_IS_OPEN] * 15
        assert len(actions.intents()) == 1

    # --- sending and settling -----------------------------------------------------------------------------------------

    def test_an_intent_is_sent_once_and_nothing_makes_it_unsent(self, actions: Actions) -> None:
        key = began(actions)
        sent = [actions.send(key, minutes(n), "delete") for n in range(3)]
        assert sent == [True, False, False]
        actions.settle(key, "unknown", "no answer came", minutes(4))
        assert state(actions, key) == ("sent", "unknown")
        assert kept(actions.intend(an_intent(0), ())).state == "sent"
        assert actions.send(key, minutes(5), "delete") is False
        assert actions.send("no such", NOW, "delete") is False

    def test_what_was_sent_is_told_as_it_was_sent_and_not_as_it_was_intended(self, actions: Actions) -> None:
        key = kept(actions.intend(an_intent(0, method="evict", approval="b-1"), ())).intent.key
        requests: tuple[tuple[Method, str], ...] = (("delete", "b-2"), ("evict", ""), ("delete", "b-3\ud800"))
        for n, (method, approval) in enumerate(requests):
            found = kept(actions.intend(an_intent(0), ()))
            assert (found.method, found.approval) == ("evict", "b-1")
            assert actions.send(key, minutes(2 * n), method, approval) is True
            assert actions.send(key, minutes(2 * n), "evict", "of one that came too late") is False
            (found,) = actions.of_record(found.intent.record_id)
            assert (found.method, found.approval) == (method, approval.replace("\ud800", "?"))
            assert actions.unsend(key, minutes(2 * n), "a budget", minutes(2 * n + 1)) is True
        assert actions.send(key, minutes(9), "delete", "b-4") is True
        actions.settle(key, "deleted", "404", minutes(10))
        (found,) = actions.intents()
        assert (found.method, found.approval, found.intent.approval) == ("delete", "b-4", "b-1")

    def test_what_was_refused_for_now_is_taken_back_by_its_sender_and_may_be_sent_once_more(
        self, actions: Actions
    ) -> None:
        key = began(actions)
        assert actions.unsend(key, NOW, "never sent", NOW) is False
        assert actions.send(key, minutes(1), "delete") is True
        actions.settle(key, "unknown", "somebody looked", minutes(2))
        assert actions.unsend(key, minutes(1), "a disruption budget", minutes(3)) is True
        found = actions.intent(key)
        assert found is not None
        assert (found.state, found.outcome, found.sent_at) == ("intended", "held", None)
        assert found.steps[-1] == "intended: refused for now at 2026-11-20T09:45:00.000000Z: a disruption budget"
        assert actions.answered(found.intent.workload, found.intent.image_digest) == ""
        assert actions.unsend(key, minutes(1), "twice", minutes(3)) is False
        assert [actions.send(key, minutes(n), "delete") for n in (4, 5)] == [True, False]
        assert actions.answered(found.intent.workload, found.intent.image_digest) == key

    def test_nobody_takes_back_what_another_sent_or_what_was_seen_for_good(self, actions: Actions) -> None:
        key = began(actions)
        actions.send(key, minutes(1), "delete")
        assert actions.unsend(key, minutes(1), "refused", minutes(2)) is True
        actions.send(key, minutes(3), "delete")
        assert actions.unsend(key, minutes(1), "the first one's word, come late", minutes(4)) is False
        assert state(actions, key) == ("sent", "held")
        actions.settle(key, "failed", "it is still there", minutes(30))
        assert actions.unsend(key, minutes(3), "too late", minutes(31)) is False
        assert state(actions, key) == ("settled", "failed")
        assert actions.unsend("no such", NOW, "", NOW) is False

    @pytest.mark.parametrize("outcome", ["deleted", "gone", "replaced", "failed"])
    def test_a_final_outcome_settles_an_intent_for_good(self, actions: Actions, outcome: str) -> None:
        key = began(actions)
        actions.send(key, NOW, "delete")
        actions.settle(key, "terminating", "a finalizer", minutes(1))
        actions.settle(key, outcome, "seen", minutes(2))
        settled = actions.intent(key)
        for other in ("unknown", "deleted", "replaced", "held"):
            actions.settle(key, other, "later", minutes(3))
        assert actions.send(key, minutes(4), "delete") is False
        assert actions.intent(key) == settled
        assert state(actions, key) == ("settled", outcome)

    @pytest.mark.parametrize("outcome", ["terminating", "unknown", "held"])
    def test_an_outcome_that_may_change_leaves_the_state(self, actions: Actions, outcome: str) -> None:
        key = began(actions)
        actions.settle(key, outcome, "seen", NOW)
        assert state(actions, key) == ("intended", outcome)
        assert actions.send(key, NOW, "delete") is True

    def test_every_step_is_kept_in_order(self, actions: Actions) -> None:
        key = began(actions)
        actions.send(key, minutes(1), "delete")
        actions.settle(key, "terminating", "a finalizer\ud800'; --", minutes(2))
        actions.settle(key, "deleted", "404", minutes(3))
        found = actions.intent(key)
        assert found is not None
        first, *others = found.steps
        assert first == "intended: delete shop/pod-0 uid uid-0 at 2026-11-20T09:42:00.000000Z"
        assert others == [
            "sent: delete at 2026-11-20T09:43:00.000000Z",
            "sent: terminating at 2026-11-20T09:44:00.000000Z: a finalizer?'; --",
            "settled: deleted at 2026-11-20T09:45:00.000000Z: 404",
        ]

    def test_a_workload_is_answered_for_an_image_once_a_request_for_it_may_have_left(self, actions: Actions) -> None:
        intent = an_intent(1)
        key, asked = began(actions, 1), (intent.workload, intent.image_digest)
        assert actions.answered(*asked) == ""
        actions.send(key, NOW, "delete")
        assert actions.answered(*asked) == key
        actions.settle(key, "deleted", "404", NOW)
        assert actions.answered(*asked) == key
        assert actions.answered(intent.workload, "sha256:ff") == actions.answered("another", intent.image_digest) == ""

    def test_what_was_refused_before_it_was_sent_answers_nothing(self, actions: Actions) -> None:
        intent = an_intent(1)
        actions.settle(began(actions, 1), "failed", "denied in the rehearsal", NOW)
        assert actions.answered(intent.workload, intent.image_digest) == ""

    def test_of_two_that_were_sent_for_one_image_the_first_is_named(self, actions: Actions) -> None:
        same: dict[str, Any] = {"owner": 7, "image_digest": "sha256:aa"}
        late, early = began(actions, 1, at=NOW - OPEN_FOR, **same), began(actions, 2, **same)
        actions.send(late, minutes(2), "delete")
        actions.send(early, minutes(1), "delete")
        assert actions.answered(an_intent(1, **same).workload, "sha256:aa") == early

    def test_intents_are_listed_newest_first_by_project(self, actions: Actions) -> None:
        for n, (at, project) in enumerate([(2, "a"), (0, "ab"), (1, "a"), (3, "b")]):
            began(actions, n, at=minutes(at), project=project)

        def pods(*asked: Any) -> list[str]:
            return [one.intent.pod for one in actions.intents(*asked)]

        assert pods() == ["pod-3", "pod-0", "pod-2", "pod-1"]
        assert pods("a") == ["pod-0", "pod-2"]
        assert pods("ab") == ["pod-1"]
        assert pods("") == pods()
        assert pods("a", 1) == ["pod-0"]
        assert pods("", 0) == pods("c") == []

    @pytest.mark.parametrize("text", ["a'b", 'a"b', "a';DROP TABLE intents;--", "a\x00b", "\ud800", "../x", "", "日本"])
    def test_a_hostile_name_is_a_name(self, actions: Actions, text: str) -> None:
        intent = an_intent(0, key=text, project=text, namespace=text, workload=text, image_digest=text, pod=text)
        limits = (
            Limit(scope="project", most=1, within=HOUR),
            Limit(scope="namespace", most=1, within=HOUR),
            Limit(scope="workload", most=1, within=HOUR),
        )
        assert kept(actions.intend(intent, limits)).intent.pod == text.replace("\ud800", "?")
        assert isinstance(actions.intend(an_intent(1, project=text), limits), str)
        assert actions.send(text, NOW, "delete") is True
        assert actions.answered(text, text) == text.replace("\ud800", "?")
        assert len(actions.intents(text)) == len(actions.intents()) == 1

    # --- approvals ----------------------------------------------------------------------------------------------------

    def test_a_question_is_kept_once_and_waits_whatever_it_says_of_its_answer(self, actions: Actions) -> None:
        forged = a_question(state="approved", by="mallory", at=NOW, why="trust me")
        assert actions.ask(forged) == a_question()
        assert actions.ask(a_question(record_id="another", until=minutes(999))) == a_question()
        assert actions.approval("b-1") == a_question()
        assert actions.approval("b-2") is None
        assert actions.use("b-1", "k", NOW) is False

    def test_an_answer_names_who_when_and_why(self, actions: Actions) -> None:
        actions.ask(a_question())
        answer = actions.answer("b-1", approve=True, by="alice", why="looked", now=minutes(5))
        assert answer == actions.approval("b-1")
        assert (answer.state, answer.by, answer.why, answer.at) == ("approved", "alice", "looked", minutes(5))

    @pytest.mark.parametrize("approve", [True, False])
    def test_a_question_is_answered_once(self, actions: Actions, approve: bool) -> None:
        actions.ask(a_question())
        first = actions.answer("b-1", approve=approve, by="alice", why="", now=NOW)
        for again in (True, False):
            with pytest.raises(Refused, match="answered before"):
                actions.answer("b-1", approve=again, by="bob", why="", now=NOW)
        assert actions.approval("b-1") == actions.ask(a_question()) == first

    def test_an_answer_to_nothing_too_late_or_of_nobody_is_refused(self, actions: Actions) -> None:
        with pytest.raises(Refused, match="no question"):
            actions.answer("b-1", approve=True, by="alice", why="", now=NOW)
        actions.ask(a_question())
        with pytest.raises(Refused, match="time was over"):
            actions.answer("b-1", approve=True, by="alice", why="", now=NOW + HOUR)
        with pytest.raises(Refused, match="name"):
            actions.answer("b-1", approve=True, by=" ", why="", now=NOW)
        assert actions.approval("b-1") == a_question()
        assert actions.answer("b-1", approve=True, by="alice", why="", now=NOW + HOUR - INSTANT).state == "approved"

    def test_an_approval_is_spent_once_and_again_on_the_same_intent_alone(self, actions: Actions) -> None:
        approved(actions)
        assert actions.use("b-2", "key-1", NOW) is False
        assert actions.use("b-1", "key-1", NOW) is True
        assert actions.use("b-1", "key-2", NOW) is False
        assert actions.use("b-1", "key-1", minutes(999)) is True
        found = actions.approval("b-1")
        assert found is not None
        assert (found.state, found.by, found.at) == ("used", "alice", NOW)
        with pytest.raises(Refused):
            actions.answer("b-1", approve=True, by="bob", why="", now=NOW)

    def test_an_approval_that_waits_expired_or_was_rejected_is_spent_on_nothing(self, actions: Actions) -> None:
        actions.ask(a_question("waits"))
        approved(actions, "late")
        actions.ask(a_question("no"))
        actions.answer("no", approve=False, by="alice", why="", now=NOW)
        assert [actions.use("waits", "k", NOW), actions.use("no", "k", NOW)] == [False, False]
        assert actions.use("late", "k", NOW + HOUR) is False
        assert actions.use("late", "k", NOW + HOUR - INSTANT) is True

    def test_questions_that_wait_are_told_oldest_first(self, actions: Actions) -> None:
        for n, (at, record) in enumerate([(2, "r-1"), (0, "r-2"), (1, "r-1")]):
            actions.ask(a_question(f"b-{n}", asked_at=minutes(at), record_id=record))
        assert [one.binding for one in actions.waiting(NOW)] == ["b-1", "b-2", "b-0"]
        assert [one.binding for one in actions.waiting(NOW, "r-1")] == ["b-2", "b-0"]
        actions.answer("b-2", approve=False, by="alice", why="", now=NOW)
        assert [one.binding for one in actions.waiting(NOW)] == ["b-1", "b-0"]
        assert [one.binding for one in actions.waiting(NOW, "r-1")] == ["b-0"]
        assert actions.waiting(NOW, "r-3") == ()

    @pytest.mark.parametrize("record", ["", "r-1"])
    def test_open_questions_go_before_those_that_ran_out_which_are_told_for_a_day(
        self, actions: Actions, record: str
    ) -> None:
        for name, hours in (("long-ago", -24), ("a-day-ago", -23), ("just-now", 0), ("open", 1)):
            until = NOW + timedelta(hours=hours)
            actions.ask(a_question(name, asked_at=until - timedelta(hours=2), until=until))
        found = [one.binding for one in actions.waiting(NOW, record)]
        assert found == ["open", "a-day-ago", "just-now"]
        before = [one.binding for one in actions.waiting(NOW - HOUR, record)]
        assert before == ["just-now", "open", "long-ago", "a-day-ago"]

    def test_a_closed_store_opens_again(self, actions: Actions) -> None:
        key = began(actions)
        actions.close()
        assert actions.send(key, NOW, "delete") is True

    # --- several processes --------------------------------------------------------------------------------------------

    @pytest.mark.slow
    def test_eight_processes_with_one_key_keep_one_intent(self, place: str) -> None:
        found = race(place, opened_actions, _intend_it)
        assert len(set(found)) == 1
        store = opened_actions(place)
        assert [one.intent.record_id for one in store.intents()] == [found[0][0]]
        store.close()

    @pytest.mark.slow
    def test_of_eight_processes_with_pods_of_one_workload_one_begins(self, actions: Actions, place: str) -> None:
        assert sorted(race(place, opened_actions, _begin_one_of_a_workload)) == [False] * 7 + [True]
        assert len(actions.intents()) == 1

    @pytest.mark.slow
    def test_of_eight_processes_that_insist_one_answers_a_workload_and_its_image(
        self, actions: Actions, place: str
    ) -> None:
        began(actions, 99, owner=7)
        actions.settle(an_intent(99).key, "failed", "denied", NOW)
        assert sorted(race(place, opened_actions, _insist)) == [False] * 7 + [True]
        assert sum(one.sent_at is not None for one in actions.intents()) == 1

    @pytest.mark.slow
    def test_of_eight_processes_one_may_send(self, actions: Actions, place: str) -> None:
        began(actions)
        assert sorted(race(place, opened_actions, _send_it)) == [False] * 7 + [True]
        assert race(place, opened_actions, _send_it, 2) == [False, False]

    @pytest.mark.slow
    def test_of_eight_processes_one_spends_an_approval(self, actions: Actions, place: str) -> None:
        approved(actions)
        assert sorted(race(place, opened_actions, _use_it)) == [False] * 7 + [True]

    @pytest.mark.slow
    def test_of_eight_processes_one_answers_a_question(self, actions: Actions, place: str) -> None:
        actions.ask(a_question())
        (by,) = (one for one in race(place, opened_actions, _answer_it) if one)
        found = actions.approval("b-1")
        assert found is not None
        assert found.by == by

    @pytest.mark.slow
    def test_two_processes_with_200_intents_keep_exactly_three(self, actions: Actions, place: str) -> None:
        found = race(place, opened_actions, _storm, 2)
        keys = sorted(one.intent.key for one in actions.intents(limit=500))
        assert len(keys) == 3
        assert sorted(set(itertools.chain(*found))) == keys

    @pytest.mark.slow
    @pytest.mark.parametrize("pause", [0.0, 0.004, 0.009])
    def test_a_process_that_is_killed_while_it_intends_leaves_as_much_of_the_limit_as_it_did_not_use(
        self, actions: Actions, place: str, pause: float
    ) -> None:
        most = 60
        killed_while_it_intends(place, most=most, after=20, pause=pause)
        before = len(actions.intents(limit=500))
        assert 20 <= before < most
        limits = (Limit(scope="project", most=most, within=HOUR), Limit(scope="namespace", most=most, within=HOUR))
        found = [actions.intend(an_intent(n), limits) for n in range(most + 20)]
        assert [isinstance(one, Intended) for one in found] == [True] * most + [False] * 20
        assert len(actions.intents(limit=500)) == most

    @pytest.mark.slow
    def test_what_was_sent_by_a_process_that_ended_is_not_sent_again(self, actions: Actions, place: str) -> None:
        key = began(actions)
        code = (
            "import os, sys; from responder.stores.actions import opened_actions\n"
            "from tests.stores.actions_contract import NOW\n"
            "assert opened_actions(sys.argv[1]).send(sys.argv[2], NOW, 'delete'); os.kill(os.getpid(), 9)"
        )
        done = subprocess.run([sys.executable, "-c", code, place, key], cwd=ROOT, check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL
        assert actions.send(key, NOW, "delete") is False
        assert state(actions, key) == ("sent", "")
