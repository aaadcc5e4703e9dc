"""`act` against the lab's clusters: what is taken and what is deleted, and above all what is not."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.rbac import COLLECTOR
from lab.scenario import load
from responder import act, notification, pipeline, removing, watching, wiring
from responder.capture import custody
from responder.errors import Unanswered
from responder.evidence import Project
from responder.policy import Policy
from responder.ports import Approval, Brake, Delivery
from responder.record import Record
from tests.scene import APPROVE, AUTO, POD, SCENARIOS, Scene, needs_kubelet, scene


def guard(record: Record, name: str) -> bool | None:
    return next(one.ok for one in record.decision.guards if one.name == name)


# --- what is deleted --------------------------------------------------------------------------------------------------


def test_where_a_project_opted_in_exactly_the_findings_pod_is_deleted_and_seen_gone(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        assert here.record.provenance.act == "wanted"
        assert (here.record.decision.kind, here.record.decision.would) == ("hold", "delete_pod")
        done = here.act()
        assert done.decision.kind == "delete_pod", done.decision.reasons
        assert all(one.ok for one in done.decision.guards)
        assert done.outcome.kind == "deleted"
        (action,) = done.actions
        assert (action.uid, action.pod, action.result) == (here.uid, POD, "deleted")
        assert here.deletes() == [here.uid]
        assert any(entry.lane == "action" for entry in done.timeline)


def test_what_the_owner_made_instead_is_seen_and_watched(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"watch_minutes": "7"}) as here:
        done = here.act()
        new = done.outcome.replacement
        assert new is not None
        (made,) = here.lab.calls("cluster.pod.created")
        assert (new.name, new.uid, new.same_image) == (made["name"], made["uid"], True)
        assert (new.compiles_again, done.provenance.act) == ("", "wanted")
        here.lab.advance(timedelta(minutes=8))
        over = here.act()
        assert (over.provenance.act, over.outcome.kind) == ("done", "deleted")
        assert over.outcome.replacement is not None
        assert over.outcome.replacement.seen_at > new.seen_at
        assert here.deletes() == [here.uid]


def joined(here: Scene, pod: str, minutes: int) -> str:
    """The id of the record that a finding of that pod joins or opens, so many minutes from now."""
    text = json.dumps(here.lab.notification).replace(POD, pod)
    text = text.replace(here.record.findings[0].key.rpartition("/")[2], "f" * 32)
    finding = notification.read(text.encode())
    assert finding is not None
    finding = dataclasses.replace(finding, event_time=here.lab.now() + timedelta(minutes=minutes))
    delivery = Delivery(data=b"", message_id="2", received=here.lab.now())
    return wiring.store().admit(finding, next(iter(finding.targets())), delivery).record_id


@pytest.mark.parametrize(
    ("which", "is_told"), [("the new pod", True), ("another replica", False), ("the old pod", False)]
)
def test_that_the_replacement_compiles_again_is_told_and_that_another_pod_does_is_not(
    tmp_path: Path, which: str, is_told: bool
) -> None:
    with scene(tmp_path, AUTO | {"watch_minutes": "7"}) as here:
        new = here.act().outcome.replacement
        assert new is not None
        pod = {"the new pod": new.name, "another replica": f"{POD[:-5]}8ccwd", "the old pod": POD}[which]
        record_id = joined(here, pod, 3)
        here.lab.advance(timedelta(minutes=8))
        over = here.act().outcome.replacement
        assert over is not None
        assert over.compiles_again == (record_id if is_told else "")


@pytest.mark.parametrize(("minutes", "is_told"), [(3, True), (-3, False)])
def test_what_a_stateful_set_makes_under_the_old_name_compiles_again_in_the_same_record(
    tmp_path: Path, minutes: int, is_told: bool
) -> None:
    with scene(tmp_path, AUTO) as here:
        made = here.act()
        assert made.outcome.replacement is not None
        again = made.outcome.replacement.model_copy(update={"name": POD, "created": here.lab.now()})
        assert joined(here, POD, minutes) == here.id
        assert watching.compiles_again(wiring.store(), made, again) == (here.id if is_told else "")


@pytest.mark.parametrize("again", range(3))
def test_a_message_that_comes_again_deletes_nothing_more(tmp_path: Path, again: int) -> None:
    with scene(tmp_path, AUTO) as here:
        here.act()
        for _ in range(again + 1):
            before = here.record
            assert here.act().outcome == before.outcome
        assert len(here.deletes()) == 1


def test_a_project_that_is_not_named_is_never_asked_for(tmp_path: Path) -> None:
    with scene(tmp_path, {}) as here:
        assert here.record.provenance.act == "none"
        assert here.act().outcome.kind == "held"
        assert (here.deletes(), here.commands()) == ([], [])


def test_shadow_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    with scene(tmp_path, {"remediate": '"shadow"'}) as here:
        assert here.record.decision.would == "delete_pod"
        assert here.record.provenance.act == "none"
        here.act()
        assert here.deletes() == []


# --- the brake and read-only ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", ["", "acme-shop-prod"])
def test_a_brake_holds_and_is_named(tmp_path: Path, project: str) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        acting = here.world.act
        assert acting is not None
        acting.actions.set_brake(Brake(on=True, project=project, why="drill", by="x@acme.example", at=here.lab.now()))
        done = here.act()
        assert (done.decision.kind, guard(done, "brake-off")) == ("hold", False)
        assert (here.deletes(), here.commands()) == ([], [])


def test_a_brake_that_holds_something_is_told_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scene(tmp_path, AUTO) as here:
        acting = here.world.act
        assert acting is not None
        acting.actions.set_brake(Brake(on=True, project="", why="drill", by="x@acme.example", at=here.lab.now()))
        done = here.act()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    lines = [one for one in said if one["message"] == "brake is on"]
    assert lines
    assert {(one["severity"], one["logging.googleapis.com/labels"]["record"]) for one in lines} == {
        ("WARNING", done.id)
    }
    assert {(one["by"], one["project"]) for one in lines} == {("x@acme.example", "all projects")}


def test_read_only_builds_nothing_that_could_delete_or_run_a_command(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}, read_only=True) as here:
        acting = here.world.act
        assert acting is not None
        assert (acting.collect, acting.remove) == (None, None)
        done = here.act()
        assert (done.decision.kind, guard(done, "not-read-only")) == ("hold", False)
        assert (here.deletes(), here.commands()) == ([], [])


def test_a_policy_that_cannot_be_read_holds_and_the_record_says_so(tmp_path: Path) -> None:
    with scene(tmp_path, {"remediate": '"always"'}) as here:
        assert guard(here.record, "policy-in-force") is False
        assert here.record.decision.policy.startswith("policy.toml: line 4: project.0.remediate: 'always' is none of")
        here.act()
        assert here.deletes() == []


def test_the_policy_that_counts_is_that_of_the_decision_not_that_of_before_the_capture(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        world = here.world
        assert world.policy is not None
        before = world.policy()
        after = Policy(project=(before.project[0].model_copy(update={"remediate": "off"}),), sha256="0" * 64)

        def policy() -> Policy:
            return after if here.commands() else before

        done = act.act(dataclasses.replace(world, policy=policy), here.id)
        assert done is not None
        assert here.commands() != []
        assert (done.decision.kind, done.decision.policy, here.deletes()) == ("hold", after.sha256, [])


# --- approval ---------------------------------------------------------------------------------------------------------


def asked(here: Scene) -> Approval:
    acting = here.world.act
    assert acting is not None
    (question,) = acting.actions.waiting(here.lab.now(), here.id)
    return question


def test_an_approval_is_waited_for_and_then_used_once(tmp_path: Path) -> None:
    with scene(tmp_path, APPROVE) as here:
        waiting = here.act()
        assert waiting.decision.kind == "await_approval"
        assert (here.deletes(), waiting.provenance.act) == ([], "wanted")
        question, acting = asked(here), here.world.act
        assert acting is not None
        assert (question.uid, question.binding) == (here.uid, waiting.decision.binding)
        here.lab.advance(timedelta(minutes=5))
        acting.actions.answer(question.binding, approve=True, by="lead@acme.example", why="seen", now=here.lab.now())
        done = here.act()
        assert (done.decision.kind, done.outcome.kind) == ("delete_pod", "deleted"), done.decision.reasons
        assert done.actions[0].approved_by == "lead@acme.example"
        assert done.actions[0].approved_at is not None
        assert here.act().outcome.kind == "deleted"
        assert len(here.deletes()) == 1


def test_an_answer_counts_as_soon_as_act_is_asked_again(tmp_path: Path) -> None:
    with scene(tmp_path, APPROVE) as here:
        waiting, acting = here.act(), here.world.act
        assert acting is not None
        due = waiting.provenance.act_due
        assert due is not None
        here.lab.advance(timedelta(seconds=5))
        assert here.lab.now() < due
        acting.actions.answer(asked(here).binding, approve=True, by="lead@acme.example", why="-", now=here.lab.now())
        assert (here.act().outcome.kind, here.deletes()) == ("deleted", [here.uid])


@pytest.mark.parametrize(
    ("approve", "by", "minutes", "word"),
    [
        (False, "lead@acme.example", 2, "rejected"),
        (True, "stranger@acme.example", 2, "not one of the project's approvers"),
    ],
)
def test_a_no_or_a_strangers_yes_holds(tmp_path: Path, approve: bool, by: str, minutes: int, word: str) -> None:
    with scene(tmp_path, APPROVE) as here:
        here.act()
        question, acting = asked(here), here.world.act
        assert acting is not None
        here.lab.advance(timedelta(minutes=minutes))
        acting.actions.answer(question.binding, approve=approve, by=by, why="-", now=here.lab.now())
        done = here.act()
        assert done.decision.kind == "hold"
        assert any(word in reason for reason in done.decision.reasons)
        assert here.deletes() == []


@pytest.mark.parametrize(
    ("approve", "word"), [(False, "the approval was rejected"), (None, "nobody answered in the time for an approval")]
)
def test_a_question_that_ended_says_how_also_when_it_is_looked_at_after_its_time(
    tmp_path: Path, approve: bool | None, word: str
) -> None:
    with scene(tmp_path, APPROVE) as here:
        here.act()
        question, acting = asked(here), here.world.act
        assert acting is not None
        if approve is not None:
            acting.actions.answer(
                question.binding, approve=approve, by="lead@acme.example", why="-", now=here.lab.now()
            )
        here.lab.advance(question.until - here.lab.now() + timedelta(seconds=1))
        done = here.act()
        assert (done.decision.kind, done.decision.reasons, here.deletes()) == ("hold", (word,), [])


def test_a_question_is_asked_anew_by_again_and_the_old_answer_counts_for_nothing(tmp_path: Path) -> None:
    with scene(tmp_path, APPROVE | {"approval_minutes": "10"}) as here:
        here.act()
        old, acting = asked(here), here.world.act
        assert acting is not None
        acting.actions.answer(old.binding, approve=True, by="lead@acme.example", why="-", now=here.lab.now())
        here.lab.advance(timedelta(minutes=11))
        assert here.act().decision.reasons == ("the time for an approval is over",)
        pipeline.again(here.world, here.id)
        waiting = here.act()
        assert (waiting.decision.kind, here.deletes()) == ("await_approval", [])
        new = asked(here)
        assert new.binding != old.binding
        assert new.until > here.lab.now()
        acting.actions.answer(new.binding, approve=True, by="lead@acme.example", why="-", now=here.lab.now())
        assert (here.act().outcome.kind, here.deletes()) == ("deleted", [here.uid])


def test_an_approval_of_before_again_lets_nothing_be_deleted_though_its_time_runs(tmp_path: Path) -> None:
    with scene(tmp_path, APPROVE) as here:
        here.act()
        old, acting = asked(here), here.world.act
        assert acting is not None
        acting.actions.answer(old.binding, approve=True, by="lead@acme.example", why="-", now=here.lab.now())
        pipeline.again(here.world, here.id)
        assert (here.act().decision.kind, here.deletes()) == ("await_approval", [])


def test_an_approval_that_nobody_gave_in_time_is_over(tmp_path: Path) -> None:
    with scene(tmp_path, APPROVE) as here:
        here.act()
        here.lab.advance(timedelta(minutes=61))
        done = here.act()
        assert (done.decision.kind, here.deletes()) == ("hold", [])


# --- what goes wrong --------------------------------------------------------------------------------------------------


def fault(kind: str, call: str = "kubernetes.delete.pods", **more: Any) -> dict[str, Any]:
    return {"faults": [{"call": call, "kind": kind, **more}]}


def test_where_resource_manager_has_no_answer_the_projects_number_is_nobodys_word_and_the_pod_stays(
    tmp_path: Path,
) -> None:
    with scene(tmp_path, AUTO, changes=fault("deny", "resourcemanager.GetProject")) as here:
        done = here.act()
        assert (done.decision.kind, guard(done, "project-agrees")) == ("hold", None)
        assert here.deletes() == []


def test_the_project_is_asked_for_anew_before_anything_is_done(tmp_path: Path) -> None:
    """What Resource Manager said when the record was made counts for nothing by then."""
    with scene(tmp_path, AUTO) as here:
        outside = here.world

        class Another:
            def __getattr__(self, name: str) -> Any:
                return getattr(outside.projects, name)

            def project(self, id_or_number: str) -> Project:
                raise Unanswered("unavailable", f"no answer about {id_or_number}")

        done = act.act(dataclasses.replace(outside, projects=Another()), here.id)
        assert done is not None
        assert (done.decision.kind, guard(done, "project-agrees")) == ("hold", None)
        assert here.deletes() == []


def test_a_lost_reply_is_looked_after_and_not_sent_again(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=fault("drop_reply", times=1)) as here:
        done = here.act()
        assert done.outcome.kind == "deleted"
        assert done.outcome.detail.endswith(removing.NOT_KNOWN)
        assert here.act().outcome.detail.endswith(removing.NOT_KNOWN)
        assert len(here.deletes()) == 1


def test_a_request_that_was_taken_leaves_no_doubt_of_who_ended_the_pod(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        assert removing.NOT_KNOWN not in here.act().outcome.detail
        assert removing.NOT_KNOWN not in here.act().outcome.detail


def test_a_right_that_is_missing_is_told_with_its_mend_and_nothing_was_done(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=fault("deny")) as here:
        done = here.act()
        assert done.outcome.kind == "failed"
        assert "bind the remediator's role" in done.outcome.detail
        assert done.provenance.act == "done"


def test_a_control_plane_that_does_not_answer_is_asked_again_and_nothing_is_claimed(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=fault("unavailable", times=1)) as here:
        first = here.act()
        assert (first.outcome.kind, first.provenance.act) == ("held", "wanted")
        here.lab.advance(timedelta(minutes=1))
        assert here.act().outcome.kind == "deleted"
        assert len(here.deletes()) == 1


def test_a_request_that_may_have_left_before_a_crash_is_never_sent_again(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO) as here:
        outside = here.world
        acting = outside.act
        assert acting is not None

        class Dies:
            def __getattr__(self, name: str) -> Any:
                return self.die if name in {"delete", "evict"} else lambda *_a, **_k: None

            def die(self, *_args: object, **_more: object) -> None:
                raise KeyboardInterrupt

        broken = dataclasses.replace(outside, act=dataclasses.replace(acting, remove=lambda _access: Dies()))
        with pytest.raises(KeyboardInterrupt):
            act.act(broken, here.id)
        here.lab.advance(timedelta(minutes=10))
        # It may leave yet: nobody knows that its sender is dead.
        assert here.act().outcome.kind == "unknown"
        here.lab.advance(timedelta(minutes=15))
        done = here.act()
        assert (done.outcome.kind, here.deletes()) == ("failed", [])
        assert "still there" in done.outcome.detail


def with_pod(**changes: Any) -> dict[str, Any]:
    """The scenario's first pod, changed."""
    (cluster,) = load(SCENARIOS / "attack-web-pod.yaml").model_dump()["clusters"]
    first, *others = cluster["pods"]
    return {"clusters": [cluster | {"pods": [first | changes, *others]}]}


def test_a_pod_that_is_younger_than_the_event_is_another_and_left_alone(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=with_pod(created="+10s")) as here:
        done = here.act()
        assert (done.decision.kind, guard(done, "pod-proven"), here.deletes()) == ("hold", False, [])


def test_a_pod_that_is_replaced_between_rehearsal_and_delete_is_left_alone(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=with_pod(swap_after=1)) as here:
        done = here.act()
        assert done.outcome.kind == "gone"
        assert "another UID" in done.outcome.detail
        assert here.deletes() == []


def test_a_pod_that_a_finalizer_holds_is_terminating_and_looked_at_again(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO, changes=with_pod(finalizer="acme.example/hold", finalized_after=120)) as here:
        done = here.act()
        assert (done.outcome.kind, done.provenance.act) == ("terminating", "wanted")
        here.lab.advance(timedelta(minutes=3))
        done = here.act()
        assert (done.outcome.kind, removing.NOT_KNOWN in done.outcome.detail) == ("deleted", False)
        assert here.deletes() == [here.uid]


# --- capture ----------------------------------------------------------------------------------------------------------


@needs_kubelet
def test_the_files_are_taken_sealed_and_verified_before_the_pod_goes(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        done = here.act()
        assert done.capture is not None
        assert done.capture.identity == COLLECTOR
        taken = {one.path: one for one in done.artifacts if one.status == "captured"}
        assert all(one.notes == () for one in taken.values())
        assert "/tmp/.x/k.c" in taken
        assert taken["/tmp/.x/k.c"].role == "source"
        assert "cp --container=checkout -- shop/checkout-7d9f8c5b4-x2k9p:/tmp/.x/k.c" in taken["/tmp/.x/k.c"].by_hand
        assert "--target=checkout" in done.capture.by_hand[0].value
        acting = here.world.act
        assert acting is not None
        assert {one.kind for one in custody.verify(done, acting.evidence)} == {"intact"}
        step = done.steps[4]
        assert step.status in {"done", "partly"}
        assert guard(done, "captures-kept") is True
        assert done.outcome.kind == "deleted"
        commands = len(here.commands())
        here.act()
        assert len(here.commands()) == commands


def test_without_a_collector_nothing_is_taken_and_nothing_is_deleted(tmp_path: Path) -> None:
    with scene(tmp_path, AUTO | {"capture": "true"}, collector="") as here:
        done = here.act()
        assert (done.capture, guard(done, "captures-kept"), here.deletes()) == (None, False, [])
