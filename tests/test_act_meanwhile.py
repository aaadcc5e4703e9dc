"""What happens around `act`: a changed policy, respond telling the record anew, a late brake, a store that fails."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.scenario import load
from responder import act, notification, pipeline, removing, wiring
from responder.capture import custody, seizing, taking
from responder.compose import NOTHING_DONE
from responder.errors import Refused, StoreError, Unanswered
from responder.evidence import Found, Missing, Pod
from responder.notices import cards
from responder.notices.routing import state_of
from responder.policy import NONE, parse
from responder.ports import ANOTHER_IS_OPEN, Access, Brake, Cell, Delivery, Intended, Intent, Ran, RecordQuery, World
from responder.record import Record
from tests.scene import APPROVE, AUTO, POD, SCENARIOS, Scene, needs_kubelet, scene
from tests.test_act import fault, with_pod

HELD_BY_A_FINALIZER = with_pod(finalizer="acme.example/hold", finalized_after=120)


def with_file(path: str) -> dict[str, Any]:
    """The scenario, with one more file in the finding's container."""
    (cluster,) = load(SCENARIOS / "attack-web-pod.yaml").model_dump()["clusters"]
    first = cluster["pods"][0]["containers"][0]
    first["files"] = first["files"] | {path: "#define A 1\n"}
    return {"clusters": [cluster]}


class Instead:
    """Another's methods, but for those that are given."""

    def __init__(self, other: Any, **methods: Any) -> None:
        self._other = other
        for name, method in methods.items():
            setattr(self, name, method)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)


def with_actions(world: World, **methods: Any) -> World:
    assert world.act is not None
    actions: Any = Instead(world.act.actions, **methods)
    return dataclasses.replace(world, act=dataclasses.replace(world.act, actions=actions))


def actions(here: Scene) -> Any:
    assert here.world.act is not None
    return here.world.act.actions


def acted(world: World, here: Scene) -> Record:
    done = act.act(world, here.id)
    assert done is not None
    return done


# --- what was decided stays on the record -----------------------------------------------------------------------------


def test_once_the_pod_is_gone_the_guards_that_let_it_go_are_still_told(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"watch_minutes": "7"}) as here:
        decided = here.act().decision
        here.lab.advance(timedelta(minutes=8))
        assert here.act().decision == decided
        pipeline.again(here.world, here.id)
        assert here.record.decision == decided
        assert (decided.kind, decided.made_by) == ("delete_pod", "act")


def test_a_project_that_is_taken_out_of_the_policy_still_learns_what_became_of_its_pod(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=HELD_BY_A_FINALIZER) as here:
        assert here.act().outcome.kind == "terminating"
        without = dataclasses.replace(here.world, policy=lambda: NONE)
        pipeline.again(without, here.id)
        told = [here.record.provenance.act]
        here.lab.advance(timedelta(minutes=5))
        over = acted(without, here)
        assert (over.outcome.kind, over.provenance.act) == ("deleted", "done")
        # All is known now, and nobody is asked to look any more.
        pipeline.again(without, here.id)
        assert [*told, here.record.provenance.act] == ["wanted", "none"]
        assert here.deletes() == [here.uid]


def test_what_cannot_be_seen_is_looked_at_ever_more_seldom_and_a_week_after_the_request_for_the_last_time(
    tmp_path: Path,
) -> None:
    with scene(tmp_path, AUTO, changes=HELD_BY_A_FINALIZER) as here:
        done, sent, looks = here.act(), here.lab.now(), 0
        assert done.outcome.kind == "terminating"

        def no_way(*_args: object) -> Any:
            raise Unanswered("unavailable", "the cluster is gone")

        connect: Any = no_way
        gone = dataclasses.replace(here.world, connect=connect)
        while done.provenance.act_due is not None and looks < 100:
            here.lab.advance(done.provenance.act_due - here.lab.now())
            done, looks = acted(gone, here), looks + 1
        assert (done.outcome.kind, done.provenance.act) == ("unknown", "done")
        assert done.outcome.detail.endswith("; a week after the request it is not looked at any more")
        assert timedelta(days=7) <= here.lab.now() - sent < timedelta(days=9)
        assert 20 < looks < 50
        # Who asks for the record anew has it looked at once more.
        pipeline.again(here.world, here.id)
        assert acted(here.world, here).outcome.kind == "deleted"


def test_what_was_to_be_tried_again_is_not_promised_once_a_guard_says_no(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=fault("unavailable", times=1)) as here:
        assert "not done yet" in here.act().outcome.detail
        actions(here).set_brake(Brake(on=True, project="", why="an outage", by="lead@acme.example", at=here.lab.now()))
        here.lab.advance(timedelta(minutes=1))
        done = here.act()
        assert (done.provenance.act, done.outcome.kind) == ("done", "held")
        assert "not done yet" not in done.outcome.detail


# --- the last moment --------------------------------------------------------------------------------------------------


def test_a_brake_that_is_pulled_after_the_rehearsal_while_the_store_is_slow_holds(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        brake = Brake(on=True, project="", why="an outage", by="lead@acme.example", at=here.lab.now())

        def renew(*args: Any) -> Any:
            actions(here).set_brake(brake)
            return here.world.records.renew(*args)

        slow: Any = Instead(here.world.records, renew=renew)
        done = acted(dataclasses.replace(here.world, records=slow), here)
        assert (done.decision.kind, done.decision.reasons[0]) == ("hold", "the brake was pulled")
        assert here.deletes() == []


@pytest.mark.parametrize("call", ["brake", "intent", "answered", "approval", "intend", "send"])
def test_an_action_store_that_fails_at_any_moment_lets_no_pod_go(tmp_path: Path, call: str) -> None:
    with scene(tmp_path, AUTO) as here:

        def fails(*_args: object, **_more: object) -> Any:
            raise StoreError("the store is down")

        broken = with_actions(here.world, **{call: fails})
        if call == "brake":
            assert acted(broken, here).decision.kind == "hold"
        else:
            with pytest.raises(StoreError):
                act.act(broken, here.id)
        assert here.deletes() == []


def test_a_store_that_fails_after_the_request_left_is_made_up_for_and_nothing_is_sent_again(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:

        def fails(*_args: object) -> Any:
            raise StoreError("the store is down")

        with pytest.raises(StoreError):
            act.act(with_actions(here.world, settle=fails), here.id)
        assert here.record.outcome.kind == "held"
        here.lab.advance(timedelta(minutes=1))
        done = here.act()
        assert (done.outcome.kind, here.deletes()) == ("deleted", [here.uid])


def test_an_outcome_that_was_settled_and_not_saved_is_told_by_the_next_call(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:

        def settle(*args: Any) -> None:
            actions(here).settle(*args)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            act.act(with_actions(here.world, settle=settle), here.id)
        done = here.act()
        assert (done.outcome.kind, [one.result for one in done.actions]) == ("deleted", ["deleted"])
        assert here.deletes() == [here.uid]


def test_a_no_to_the_rehearsal_does_not_settle_what_another_record_of_the_pod_has_sent(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:

        def rehearse(*_args: object, **_more: object) -> None:
            (mine,) = actions(here).of_record(here.id)
            # The other one's request is on its way.
            assert actions(here).send(mine.intent.key, here.lab.now(), "delete")
            raise Refused("denied", "no right to it")

        acting = here.world.act
        assert acting is not None
        remover: Any = Instead(None, rehearse=rehearse)
        beside = dataclasses.replace(here.world, act=dataclasses.replace(acting, remove=lambda _access: remover))
        done = acted(beside, here)
        (mine,) = actions(here).of_record(here.id)
        assert (mine.state, done.outcome.kind) == ("sent", "unknown")


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "ends"), [(59, True), (61, False)])
def test_what_waited_longer_than_its_limits_hour_is_not_made_up_for(tmp_path: Path, minutes: int, ends: bool) -> None:
    policy = AUTO | {"finding_age_minutes": "1440"}
    with scene(tmp_path, policy, changes=fault("unavailable", times=1)) as here:
        assert "not done yet" in here.act().outcome.detail
        here.lab.advance(timedelta(minutes=minutes))
        done = here.act()
        assert here.deletes() == ([here.uid] if ends else [])
        assert any("within the hour" in reason for reason in done.decision.reasons) is not ends
        (intended,) = actions(here).of_record(here.id)
        assert isinstance(intended, Intended)
        assert (intended.sent_at is not None) is ends


# --- a no for now -----------------------------------------------------------------------------------------------------


BUDGET = Refused("quota", "create pods/eviction: the disruption budget web needs 2 healthy pods and has 2", retry=True)


def test_a_budgets_no_to_the_request_itself_is_waited_out_and_the_pod_ends_by_one_request(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        for turn in range(3):
            done = acted(refusing(here, BUDGET), here)
            assert done.outcome.kind == "held", turn
            assert done.outcome.detail.endswith("needs 2 healthy pods and has 2")
            assert (done.provenance.act, done.actions) == ("wanted", ())
            here.lab.advance(timedelta(minutes=2))
        done = here.act()
        assert (done.outcome.kind, [one.result for one in done.actions]) == ("deleted", ["deleted"])
        assert here.deletes() == [here.uid]
        (mine,) = actions(here).of_record(here.id)
        assert [step.partition(":")[0] for step in mine.steps] == [
            "intended",
            *["sent", "intended"] * 3,
            "sent",
            "settled",
        ]


def test_a_budget_that_says_no_for_an_hour_is_left_to_a_person(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"finding_age_minutes": "1440"}) as here:
        acted(refusing(here, BUDGET), here)
        here.lab.advance(timedelta(minutes=61))
        done = acted(refusing(here, BUDGET), here)
        assert (done.decision.kind, done.provenance.act, here.deletes()) == ("hold", "done", [])
        assert any("within the hour" in reason for reason in done.decision.reasons)


def test_a_brake_that_is_pulled_while_a_budget_is_waited_out_holds(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        acted(refusing(here, BUDGET), here)
        actions(here).set_brake(Brake(on=True, project="", why="stop", by="lead@acme.example", at=here.lab.now()))
        here.lab.advance(timedelta(minutes=2))
        done = here.act()
        assert (done.decision.kind, done.outcome.detail, here.deletes()) == ("hold", NOTHING_DONE, [])


def test_what_was_seen_while_a_refused_worker_slept_stands(tmp_path: Path) -> None:
    """Another one took it for dead, waited until nothing could leave any more, and said so."""
    with scene(tmp_path, AUTO) as here:

        def unsend(key: str, *_: object) -> bool:
            actions(here).settle(key, "failed", "the pod is still there", here.lab.now())
            return False

        done = acted(with_actions(refusing(here, BUDGET), unsend=unsend), here)
        assert done.outcome.kind == "failed"
        assert done.outcome.detail.endswith(": the pod is still there")
        assert done.provenance.act == "done"


def test_where_a_no_cannot_be_taken_back_nothing_is_sent_again(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:

        def fails(*_: object) -> bool:
            raise StoreError("the action store is away")

        with pytest.raises(StoreError):
            act.act(with_actions(refusing(here, BUDGET), unsend=fails), here.id)
        assert here.act().outcome.kind == "unknown"
        here.lab.advance(timedelta(minutes=25))
        assert (here.act().outcome.kind, here.deletes()) == ("failed", [])


def test_an_outcome_that_another_told_of_a_request_that_was_refused_is_taken_back_with_it(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        sent = here.lab.now()

        def crash(*_: object) -> bool:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            act.act(with_actions(refusing(here, BUDGET), unsend=crash), here.id)
        told = here.act()
        assert (told.outcome.kind, len(told.actions)) == ("unknown", 1)
        (mine,) = actions(here).of_record(here.id)
        assert mine.sent_at is not None
        assert mine.sent_at >= sent
        assert actions(here).unsend(mine.intent.key, mine.sent_at, BUDGET.detail, here.lab.now())
        actions(here).set_brake(Brake(on=True, project="", why="stop", by="lead@acme.example", at=here.lab.now()))
        here.lab.advance(timedelta(minutes=2))
        done = here.act()
        assert (done.decision.kind, done.outcome.detail, done.actions) == ("hold", NOTHING_DONE, ())


OTHER = POD[:-5] + "aaaaa"
SEVERAL = AUTO | {"least_verdict": '"suspicious"', "ready_replicas": "2", "per_hour": "{workload = 5}"}


def with_a_second_pod(here: Scene) -> str:
    """One more record: the finding once more, with an id of its own, of another pod of the same workload."""
    text = json.dumps(here.lab.notification).replace(POD, OTHER)
    data = text.replace(here.record.findings[0].key.rpartition("/")[2], "f" * 32).encode()
    finding = notification.read(data)
    assert finding is not None
    pipeline.respond(wiring.world(), finding, Delivery(data=data, message_id="2", received=here.lab.now()))
    return next(one.id for one in wiring.store().list(RecordQuery()) if one.subject.pod == OTHER)


def two_pods() -> dict[str, Any]:
    """The scenario with a second pod of the first one's workload, and its finding."""
    made = load(SCENARIOS / "attack-web-pod.yaml").model_dump()
    (cluster,) = made["clusters"]
    first = next(pod for pod in cluster["pods"] if pod["name"] == POD)
    text = (SCENARIOS / "attack-web-pod.notification.json").read_text()
    key = json.loads(text)["finding"]["name"].rpartition("/")[2]
    both = [text, text.replace(POD, OTHER).replace(key, "f" * 32)]
    return {
        "clusters": [cluster | {"pods": [*cluster["pods"], first | {"name": OTHER, "uid": ""}]}],
        "findings": [{"like": "nothing", "data": json.loads(one)} for one in both],
    }


def meanwhile(here: Scene, do: Callable[[], None]) -> World:
    """A world in which `do` happens within the rehearsal, once."""
    world, done = here.world, list[bool]()
    assert world.act is not None
    opened: Any = world.act.remove

    def remove(access: Any) -> Any:
        remover = opened(access)

        def rehearse(*args: Any, **more: Any) -> None:
            if not done:
                done.append(True)
                do()
            remover.rehearse(*args, **more)

        return Instead(remover, rehearse=rehearse)

    return dataclasses.replace(world, act=dataclasses.replace(world.act, remove=remove))


def refusing(here: Scene, error: Exception) -> World:
    """A world in which the request itself is refused, and its rehearsal is not."""
    world = here.world
    assert world.act is not None
    opened: Any = world.act.remove

    def refuse(*_args: object, **_more: object) -> None:
        raise error

    remove: Any = lambda access: Instead(opened(access), delete=refuse, evict=refuse)  # noqa: E731 - one use
    return dataclasses.replace(world, act=dataclasses.replace(world.act, remove=remove))


class _CrashError(BaseException):
    pass


def crashed(here: Scene, at: str) -> World:
    """A world whose worker ends in this call of the action store, before anything of it is done."""

    def crash(*_args: object, **_more: object) -> None:
        raise _CrashError

    return with_actions(here.world, **{at: crash})


@pytest.mark.parametrize("joined", [False, True])
def test_a_crash_after_the_request_takes_away_nothing_of_what_let_the_pod_go(tmp_path: Path, joined: bool) -> None:
    with scene(tmp_path, APPROVE) as here:
        approve(here, here.act(), "lead@acme.example")
        with pytest.raises(_CrashError):
            act.act(crashed(here, "settle"), here.id)
        assert here.deletes() == [here.uid]
        between = here.record
        assert (between.outcome.kind, between.actions, between.provenance.act) == ("held", (), "wanted")
        assert between.outcome.detail == "the request is about to leave; whether it did is seen next"
        if joined:
            here.policy({})
            pipeline.again(under(here, {}), here.id)
            assert here.record.provenance.act == "wanted"
        done = here.act()
        assert (done.outcome.kind, done.decision) == ("deleted", between.decision)
        assert (done.decision.kind, done.decision.made_by) == ("delete_pod", "act")
        assert all(one.ok for one in done.decision.guards)
        assert done.actions[0].approved_by == "lead@acme.example"


def test_after_a_crash_before_the_request_it_is_decided_anew(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        with pytest.raises(_CrashError):
            act.act(crashed(here, "send"), here.id)
        between = here.record
        assert (state_of(between), cards.answer(between)) == ("held", "To be deleted, and not seen gone yet")
        world = under(here, {"remediate": '"shadow"'})
        pipeline.again(world, here.id)
        done = acted(world, here)
        assert (done.decision.kind, done.decision.made_by, done.provenance.act) == ("hold", "act", "done")
        assert (done.outcome.kind, done.outcome.detail) == ("held", "nothing was done to the pod")
        assert (done.actions, here.deletes()) == ((), [])


def test_a_question_that_is_asked_after_a_try_tells_of_no_try(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        with pytest.raises(_CrashError):
            act.act(crashed(here, "send"), here.id)
        here.lab.advance(timedelta(minutes=2))
        done = acted(under(here, APPROVE), here)
        assert (done.decision.kind, done.provenance.act) == ("await_approval", "wanted")
        assert done.outcome.detail == "nothing was done to the pod"


def test_the_approval_that_was_spent_is_told_and_not_the_one_that_was_intended(tmp_path: Path) -> None:
    two = {"remediate": '"approve"', "approvers": '["lead@acme.example", "second@acme.example"]'}
    with scene(tmp_path, two) as here:
        approve(here, here.act(), "lead@acme.example")
        assert acted(refusing(here, BUDGET), here).outcome.kind == "held"
        here.lab.advance(timedelta(minutes=2))
        pipeline.again(here.world, here.id)
        approve(here, here.act(), "second@acme.example")
        done = here.act()
        assert [(one.result, one.approved_by) for one in done.actions] == [("deleted", "second@acme.example")]


def test_who_approved_is_told_where_it_was_intended_without_asking(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        assert acted(refusing(here, BUDGET), here).outcome.kind == "held"
        here.lab.advance(timedelta(minutes=2))
        approve(here, acted(under(here, APPROVE), here), "lead@acme.example")
        done = acted(under(here, APPROVE), here)
        assert [(one.result, one.approved_by) for one in done.actions] == [("deleted", "lead@acme.example")]


def test_a_delete_is_told_as_one_where_an_eviction_was_intended(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"gentle": "true"}) as here:
        assert acted(refusing(here, BUDGET), here).outcome.kind == "held"
        here.lab.advance(timedelta(minutes=2))
        done = acted(under(here, AUTO), here)
        assert [(one.result, one.kind) for one in done.actions] == [("deleted", "delete")]
        (mine,) = actions(here).of_record(here.id)
        assert (mine.intent.method, mine.method) == ("evict", "delete")


def test_a_refusal_before_anything_left_is_told_by_what_was_decided_last(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"gentle": "true"}) as here:
        assert acted(refusing(here, BUDGET), here).outcome.kind == "held"
        here.lab.advance(timedelta(minutes=2))
        world = under(here, APPROVE)
        approve(here, acted(world, here), "lead@acme.example")
        assert world.act is not None
        opened: Any = world.act.remove

        def rehearse(*_args: object, **_more: object) -> None:
            raise Refused("denied", "no right to it")

        remove: Any = lambda access: Instead(opened(access), rehearse=rehearse)  # noqa: E731 - one use
        done = acted(dataclasses.replace(world, act=dataclasses.replace(world.act, remove=remove)), here)
        (told,) = done.actions
        assert (told.result, told.kind, told.approved_by) == ("failed", "delete", "lead@acme.example")


def under(here: Scene, lines: dict[str, str]) -> World:
    """The world with another policy in force, at once."""
    here.policy(lines)
    policy = parse((here.folder / "policy.toml").read_bytes())
    return dataclasses.replace(here.world, policy=lambda: policy)


def approve(here: Scene, waiting: Record, by: str) -> None:
    assert waiting.decision.kind == "await_approval"
    here.lab.advance(timedelta(seconds=5))
    actions(here).answer(waiting.decision.binding, approve=True, by=by, why="-", now=here.lab.now())


def test_of_two_pods_of_one_workload_that_two_workers_answer_at_once_one_is_deleted(tmp_path: Path) -> None:
    with scene(tmp_path, SEVERAL, changes=two_pods()) as here:
        other, seen = with_a_second_pod(here), list[Record | None]()
        first = acted(meanwhile(here, lambda: seen.append(act.act(here.world, other))), here)
        (second,) = seen
        assert second is not None
        assert (first.outcome.kind, here.deletes()) == ("deleted", [here.uid])
        # The other one's turn comes again, and then its guard says why not.
        assert (second.outcome.detail, second.provenance.act) == (f"not done yet: {ANOTHER_IS_OPEN}", "wanted")
        here.lab.advance(timedelta(minutes=1))
        over = act.act(here.world, other)
        assert over is not None
        assert (over.decision.kind, over.provenance.act, len(here.deletes())) == ("hold", "done", 1)
        assert any(reason.startswith("not-answered-before") for reason in over.decision.reasons)


def test_a_pod_that_could_not_be_deleted_does_not_stand_before_the_next_one_of_its_workload(tmp_path: Path) -> None:
    with scene(tmp_path, SEVERAL, changes=two_pods()) as here:
        other = with_a_second_pod(here)
        assert acted(refusing(here, Refused("denied", "no right to it")), here).outcome.kind == "failed"
        done = act.act(here.world, other)
        assert done is not None
        assert (done.outcome.kind, len(here.deletes())) == ("deleted", 1), done.decision.reasons


# --- two records of one pod, and what only act may touch --------------------------------------------------------------


def test_an_intent_of_another_record_of_the_pod_is_sent_once_and_its_end_is_seen_by_this_one(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=HELD_BY_A_FINALIZER) as here:
        others: list[str] = []

        def intend(intent: Intent, limits: Any) -> Any:
            others.append(intent.key)
            return actions(here).intend(dataclasses.replace(intent, record_id="of-another-container"), limits)

        assert acted(with_actions(here.world, intend=intend), here).outcome.kind == "terminating"
        here.lab.advance(timedelta(minutes=5))
        over = here.act()
        assert (over.outcome.kind, over.decision.kind) == ("deleted", "delete_pod")
        assert [one.result for one in over.actions] == ["deleted"]
        assert (here.deletes(), actions(here).intent(others[0]).state) == ([here.uid], "settled")


def test_respond_and_sweep_have_nothing_to_act_with_and_never_open_the_second_store(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        outside = wiring.world()
        assert pipeline.sweep(outside).scc == ""
        assert outside.act is None
        assert not (tmp_path / "actions.db").exists()
        with pytest.raises(StoreError, match="nothing to act with"):
            act.act(outside, here.id)
        # What act opened stays act's.
        here.act()
        assert (tmp_path / "actions.db").exists()
        assert wiring.world().act is None


# --- what the pod's other containers hold is lost with it -------------------------------------------------------------

BOTH_CAPTURED = AUTO | {"capture": "true", "least_verdict": '"suspicious"'}


def two_containers() -> dict[str, Any]:
    """The scenario with a compiler in the pod's other container too, and its finding."""
    made = load(SCENARIOS / "attack-web-pod.yaml").model_dump()
    (cluster,) = made["clusters"]
    first = next(pod for pod in cluster["pods"] if pod["name"] == POD)
    main, beside = first["containers"]
    beside |= {"files": dict(main["files"]), "image_id": main["image_id"]}
    text = (SCENARIOS / "attack-web-pod.notification.json").read_text()
    return {
        "clusters": [cluster],
        "findings": [*made["findings"], {"like": "nothing", "data": in_the_other_container(text)}],
    }


def in_the_other_container(text: str) -> Any:
    data = json.loads(text.replace(json.loads(text)["finding"]["name"].rpartition("/")[2], "e" * 32))
    data["finding"]["kubernetes"]["pods"][0]["containers"][0] |= {"name": "metrics"}
    return data


def with_its_record(here: Scene) -> str:
    data = json.dumps(in_the_other_container(json.dumps(here.lab.notification))).encode()
    finding = notification.read(data)
    assert finding is not None
    pipeline.respond(wiring.world(), finding, Delivery(data=data, message_id="2", received=here.lab.now()))
    return next(one.id for one in wiring.store().list(RecordQuery()) if one.subject.container == "metrics")


def captured(record: Record | None) -> bool:
    return record is not None and any(one.status == "captured" for one in record.artifacts)


@needs_kubelet
def test_a_pod_stays_until_each_of_its_containers_that_a_finding_names_was_captured(tmp_path: Path) -> None:
    with scene(tmp_path, BOTH_CAPTURED, changes=two_containers()) as here:
        other = with_its_record(here)
        first = here.act()
        assert (first.decision.kind, here.deletes(), captured(first)) == ("hold", [], True)
        assert first.decision.reasons == (
            f"others-captured: of the pod's record {other} nothing was captured yet, and it goes first",
        )
        assert first.provenance.act == "wanted"
        second = act.act(here.world, other)
        assert second is not None
        assert (captured(second), second.outcome.kind, here.deletes()) == (True, "deleted", [here.uid])
        # The first one tells what became of its pod as well, and by whom.
        here.lab.advance(timedelta(minutes=1))
        over = here.act()
        assert (over.outcome.kind, here.deletes()) == ("deleted", [here.uid])
        assert over.decision.reasons == (f"another record of the pod acted on it: {other}",)
        assert captured(over)


@needs_kubelet
def test_a_record_of_the_pod_that_is_only_now_investigated_is_waited_for(tmp_path: Path) -> None:
    with scene(tmp_path, BOTH_CAPTURED, changes=two_containers()) as here:
        finding = notification.read(json.dumps(in_the_other_container(json.dumps(here.lab.notification))).encode())
        assert finding is not None
        delivery = Delivery(data=b"", message_id="2", received=here.lab.now())
        wiring.store().admit(finding, next(iter(finding.targets())), delivery)
        done = here.act()
        assert (done.decision.kind, done.provenance.act, here.deletes()) == ("hold", "wanted", [])


@needs_kubelet
def test_a_record_of_the_pod_from_which_nothing_can_be_taken_is_not_waited_for(tmp_path: Path) -> None:
    changes = two_containers()
    pod = next(one for one in changes["clusters"][0]["pods"] if one["name"] == POD)
    pod["containers"] = [one for one in pod["containers"] if one["name"] == "checkout"]
    with scene(tmp_path, BOTH_CAPTURED, changes=changes) as here:
        other = with_its_record(here)
        assert not captured(act.act(here.world, other))
        assert here.act().outcome.kind == "deleted", here.record.decision.reasons


@needs_kubelet
def test_another_record_stands_before_nothing_where_a_guard_holds_the_pod_anyway(tmp_path: Path) -> None:
    with scene(tmp_path, BOTH_CAPTURED | {"remediate": '"off"'}, changes=two_containers()) as here:
        with_its_record(here)
        done = here.act()
        assert (done.decision.kind, done.provenance.act) == ("hold", "done")


# --- what act has to know, and cannot ---------------------------------------------------------------------------------


def test_where_nothing_answers_in_time_what_was_known_before_lets_no_pod_go(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        hasty = dataclasses.replace(here.world.settings, deadline=timedelta(0))
        done = acted(dataclasses.replace(here.world, settings=hasty), here)
        assert isinstance(done.evidence.pod, Missing)
        assert (done.decision.kind, here.deletes()) == ("hold", [])


@needs_kubelet
def test_an_evidence_store_that_fails_in_the_middle_keeps_the_pod_until_it_is_back(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        acting, opened = here.world.act, []
        assert acting is not None

        def new(name: str) -> Any:
            opened.append(name)
            if len(opened) > 1:
                raise StoreError("the evidence store is down")
            return acting.evidence.new(name)

        evidence: Any = Instead(acting.evidence, new=new)
        down = dataclasses.replace(here.world, act=dataclasses.replace(acting, evidence=evidence))
        with pytest.raises(StoreError):
            act.act(down, here.id)
        assert (here.deletes(), here.record.capture) == ([], None)
        done = here.act()
        assert (done.outcome.kind, here.deletes()) == ("deleted", [here.uid])
        assert custody.intact(done, acting.evidence)


@needs_kubelet
def test_what_was_captured_and_cannot_be_read_back_keeps_the_pod(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        acting = here.world.act
        assert acting is not None

        def fails(_place: str) -> Any:
            raise StoreError("the evidence store is down")

        evidence: Any = Instead(acting.evidence, open=fails)
        done = acted(dataclasses.replace(here.world, act=dataclasses.replace(acting, evidence=evidence)), here)
        assert done.capture is not None
        assert (done.decision.kind, here.deletes()) == ("hold", [])
        assert any(reason.startswith("captures-kept") for reason in done.decision.reasons)


@needs_kubelet
def test_a_secret_in_the_path_of_a_captured_file_is_neither_in_the_record_nor_in_its_manifest(tmp_path: Path) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6" * 3
    with scene(tmp_path, AUTO | {"capture": "true"}, changes=with_file(f"/tmp/{secret}.h")) as here:
        acting, record = here.world.act, here.record
        assert acting is not None
        assert acting.collect is not None
        assert isinstance(record.evidence.pod, Found)
        told = here.world.records.findings_page(here.id)
        processes = tuple(dataclasses.replace(one, args=(*one.args, f"/tmp/{secret}.h")) for one in told[0].processes)
        named = (dataclasses.replace(told[0], processes=processes), *told[1:])
        collector = acting.collect(removing.access(here.world, record))
        pod = record.evidence.pod.value
        capture, artifacts = seizing.seize(collector, acting, record, named, pod, now=here.lab.now)
        taken = [one for one in artifacts if one.path.startswith("/tmp/[redacted")]
        assert [one.status for one in taken] == ["captured"]
        manifest = b"".join(acting.evidence.open(capture.manifest))
        assert secret not in f"{capture}{artifacts}"
        assert secret.encode() not in manifest


@needs_kubelet
def test_a_secret_in_the_name_of_what_was_captured_is_counted_and_no_round_counts_it_again(tmp_path: Path) -> None:
    path = f"/tmp/ghp_{'a1B2c3D4e5F6' * 3}.h"
    told = json.loads((SCENARIOS / "attack-web-pod.notification.json").read_bytes())
    told["finding"]["processes"][0]["args"].append(path)
    with scene(tmp_path, AUTO | {"capture": "true"}, changes=with_file(path), told=told) as here:
        before = here.record.redactions
        done = here.act()
        assert [one.status for one in done.artifacts if one.path == "/tmp/[redacted:github-token].h"] == ["captured"]
        assert done.redactions.count > before.count > 0
        here.lab.advance(timedelta(minutes=16))
        pipeline.sweep(here.world)
        assert "look" in {one.kind for one in here.record.provenance.rounds}
        assert here.record.redactions == done.redactions


def test_a_summons_just_before_the_sweep_takes_no_look_away(tmp_path: Path) -> None:
    with scene(tmp_path, APPROVE) as here:
        here.lab.advance(here.record.provenance.window_start + timedelta(minutes=15, seconds=5) - here.lab.now())
        here.act()
        here.lab.advance(timedelta(seconds=20))
        pipeline.sweep(here.world)
        rounds = here.record.provenance.rounds
        assert "act" in {one.kind for one in rounds}
        (look,) = (one for one in rounds if one.kind == "look")
        assert {"pod_log", "audit_log"} <= set(look.asked)


def test_scc_being_silent_while_act_asks_takes_no_look_away(tmp_path: Path) -> None:
    with scene(tmp_path, APPROVE) as here:
        here.lab.advance(here.record.provenance.started + timedelta(minutes=16) - here.lab.now())
        silent: Any = Instead(here.world.scc, around=_silent)
        acted(dataclasses.replace(here.world, scc=silent), here)
        assert here.record.provenance.due is not None
        here.lab.advance(timedelta(seconds=20))
        pipeline.sweep(here.world)
        (look,) = (one for one in here.record.provenance.rounds if one.kind == "look")
        assert {"scc", "pod_log", "audit_log"} <= set(look.answered)


def _silent(*_: object) -> None:
    raise Unanswered("unavailable", "down")


# --- whose container it is --------------------------------------------------------------------------------------------


def with_collector(world: World, **methods: Any) -> World:
    """The world with a collector some of whose methods are others."""
    assert world.act is not None
    real = world.act.collect
    assert real is not None

    def collect(access: Access) -> Any:
        return Instead(real(access), **methods)

    return dataclasses.replace(world, act=dataclasses.replace(world.act, collect=collect))


def another(here: Scene, after: int) -> tuple[World, list[str]]:
    """A world in which the pod of that name is another one once so many commands ran, and what ran."""
    assert here.world.act is not None
    assert here.world.act.collect is not None
    real = here.world.act.collect(removing.access(here.world, here.record))
    ran: list[str] = []

    def pod(namespace: str, name: str) -> Pod:
        found = real.pod(namespace, name)
        return found if len(ran) < after else found.model_copy(update={"uid": "99999999-0000-4000-8000-000000000000"})

    def run(cell: Cell, argv: Sequence[str], **more: Any) -> Ran:
        ran.append(argv[0])
        return real.run(cell, argv, **more)

    return with_collector(here.world, pod=pod, run=run), ran


@needs_kubelet
def test_no_command_runs_in_another_pod_of_the_same_name(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        world, ran = another(here, 0)
        done = acted(world, here)
        assert done.capture is not None
        assert (ran, done.capture.impossible) == ([], "the pod was replaced under the same name")


@needs_kubelet
def test_what_another_pod_may_have_told_of_itself_is_not_kept(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        world, ran = another(here, 1)
        done = acted(world, here)
        assert done.capture is not None
        volatile = done.capture.volatile
        assert (volatile.processes, volatile.sockets, volatile.recent) == ((), (), ())
        assert volatile.missing == ("nothing that is lost with it is kept: the pod was replaced under the same name",)
        assert not {"tar", "dd", "base64"} & set(ran)
        assert {one.status for one in done.artifacts} == {"left_out"}
        assert here.deletes() == []


@needs_kubelet
@pytest.mark.parametrize(
    "lines", [{"exemption": '[{namespace = "shop", why = "a drill"}]'}, {"finding_age_minutes": "1"}]
)
def test_a_container_is_not_entered_for_what_is_never_answered(tmp_path: Path, lines: dict[str, str]) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"} | lines) as here:
        here.lab.advance(timedelta(minutes=2))
        done = here.act()
        assert (done.capture, done.decision.kind, here.commands()) == (None, "hold", [])


# --- another try ------------------------------------------------------------------------------------------------------


def failing(here: Scene, why: Any, words: str = "") -> World:
    """A world in which every command that has `words` among its arguments is refused."""
    assert here.world.act is not None
    assert here.world.act.collect is not None
    real = here.world.act.collect(removing.access(here.world, here.record))

    def run(cell: Cell, argv: Sequence[str], **more: Any) -> Ran:
        if any(words in one for one in argv):
            raise Unanswered(why, "exec: a test", mend="")
        return real.run(cell, argv, **more)

    return with_collector(here.world, run=run)


@needs_kubelet
@pytest.mark.parametrize("why", ["denied", "unavailable"])
def test_a_capture_that_was_refused_is_tried_again_and_the_pod_stays_until_then(tmp_path: Path, why: str) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        held = acted(failing(here, why), here)
        assert (held.decision.kind, held.provenance.act, here.deletes()) == ("hold", "wanted", [])
        assert held.provenance.act_due is not None
        here.lab.advance(timedelta(seconds=61))
        done = here.act()
        assert (done.decision.kind, len(here.deletes())) == ("delete_pod", 1)
        assert done.capture is not None
        assert done.capture.tries == 2
        assert custody.intact(done, here.world.act.evidence)  # type: ignore[union-attr] # it is there


@needs_kubelet
def test_a_capture_that_is_always_refused_is_tried_three_times_and_the_pod_stays(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true", "finding_age_minutes": "1440"}) as here:
        for number in (1, 2, 3):
            done = acted(failing(here, "denied"), here)
            assert done.capture is not None
            assert (done.capture.tries, done.provenance.act) == (number, "done" if number == 3 else "wanted")
            here.lab.advance(timedelta(seconds=61))
        assert here.deletes() == []
        pipeline.again(here.world, here.id)
        done = here.act()
        assert done.capture is not None
        assert (done.capture.tries, done.decision.kind, len(here.deletes())) == (1, "delete_pod", 1)


@needs_kubelet
def test_what_came_before_a_refusal_stays_and_the_pod_stays_until_the_rest_is_there(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        whole = failing(here, "unavailable", "k.c")
        held = acted(whole, here)
        came = {one.path: one.stored for one in held.artifacts if one.status == "captured"}
        missed = {one.path for one in held.artifacts if one.passing}
        assert "/tmp/.x/k.c" in missed
        assert (held.decision.kind, here.deletes()) == ("hold", [])
        assert "captures-kept" in " ".join(held.decision.reasons)
        here.lab.advance(timedelta(seconds=61))
        done = here.act()
        kept = {one.path: one.stored for one in done.artifacts if one.status == "captured"}
        assert came.items() <= kept.items()
        assert "/tmp/.x/k.c" in kept
        assert (done.decision.kind, len(here.deletes())) == ("delete_pod", 1)
        assert all(one.ok for one in custody.verify(done, here.world.act.evidence))  # type: ignore[union-attr] # it is there


def ended(here: Scene) -> World:
    """A world in which the pod's containers have ended."""
    assert here.world.act is not None
    assert here.world.act.collect is not None
    real_connect = here.world.connect

    def connect(access: Access) -> Any:
        real = real_connect(access)

        def pod(*args: str) -> Pod:
            told = real.pod(*args)
            over = tuple(one.model_copy(update={"state": "terminated"}) for one in told.containers)
            return told.model_copy(update={"containers": over})

        return Instead(real, pod=pod)

    return dataclasses.replace(here.world, connect=connect)


@needs_kubelet
def test_what_was_taken_before_the_container_ended_stays_in_the_record_and_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "TOGETHER", 1)  # a command for each file, of which one is refused
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        first = acted(failing(here, "unavailable", "/tmp/.x/k.c"), here)
        taken = [one for one in first.artifacts if one.status == "captured"]
        assert (first.decision.kind, len(taken) > 0, first.capture is not None) == ("hold", True, True)
        here.lab.advance(timedelta(minutes=2))
        done = acted(ended(here), here)
        assert done.capture is not None
        assert first.capture is not None
        assert (done.capture.tries, done.capture.impossible.partition(":")[0]) == (2, "not running")
        # Nothing more will come; all that came is named, and what did not come is told.
        assert [one.path for one in done.artifacts] == [one.path for one in first.artifacts]
        assert [one for one in done.artifacts if one.status == "captured"] == taken
        assert not any(one.passing for one in done.artifacts)
        assert done.capture.volatile == first.capture.volatile
        assert here.world.act is not None
        assert all(one.ok for one in custody.verify(done, here.world.act.evidence))
        (step,) = (one for one in done.steps if one.n == 5)
        assert step.status == "partly"
        assert any("not running" in line for line in step.missing)


@needs_kubelet
def test_what_an_earlier_pod_of_the_name_held_stays_in_the_record_under_its_uid(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true", "remediate": '"off"'}) as here:
        acting, record = here.world.act, here.record
        assert acting is not None
        assert acting.collect is not None
        assert isinstance(record.evidence.pod, Found)
        told, pod = here.world.records.findings_page(here.id), record.evidence.pod.value
        collector = acting.collect(removing.access(here.world, record))
        capture, artifacts = seizing.seize(collector, acting, record, told, pod, now=here.lab.now)
        taken = [one for one in artifacts if one.status == "captured"]
        assert taken
        record = record.model_copy(update={"capture": capture, "artifacts": artifacts})
        for turn, uid in enumerate(("another", "a-third"), start=1):
            new = pod.model_copy(update={"uid": uid})
            capture, artifacts = seizing.seize(collector, acting, record, told, new, now=here.lab.now)
            record = record.model_copy(update={"capture": capture, "artifacts": artifacts})
            earlier = [one for one in artifacts if one.uid]
            assert [one.model_copy(update={"uid": ""}) for one in earlier] == taken, turn
            assert {one.uid for one in earlier} == {pod.uid}
            assert all(one.ok for one in custody.verify(record, acting.evidence))
            (lines,) = ([entry for entry in manifest_of(acting, capture) if entry["artifact"].get("uid")],)
            assert {entry["source"]["uid"] for entry in lines} == {pod.uid}
            assert all("node" not in entry["source"] for entry in lines)


def manifest_of(acting: Any, capture: Any) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(b"".join(acting.evidence.open(capture.manifest)))["entries"]
    return entries
