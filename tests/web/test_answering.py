"""Approvals, the brake, health and files: who may do what, and what stays of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.errors import StoreError, Unanswered
from responder.policy import Policy, ProjectPolicy
from responder.ports import Approval, Brake, Rejected
from responder.record import Decision, Record
from responder.stores.actions_sqlite import SqliteActions
from responder.web import Desk, tokens
from responder.web.health import gaps
from tests.doubles import Failing
from tests.web.desks import NOW, Browser, a_desk, a_store, kept

BINDING = "b" * 64
RAW = b'{"finding": "<script>alert(1)</script>"}'
BOB = "bob@acme.example"


def a_policy(*approvers: str, problem: str = "") -> Callable[[], Policy]:
    project = ProjectPolicy(
        id="acme-shop-prod", number="421458901689", remediate="approve", approvers=approvers or (BOB,)
    )
    return lambda: Policy(project=(project,), problem=problem)


class Summoned:
    """The way to `act`: whom it was asked to look at."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def summon(self, record_id: str) -> None:
        self.ids.append(record_id)


class Case:
    """A record that waits for an approval, and a desk over it."""

    def __init__(self, folder: Path) -> None:
        self.records = a_store(folder)
        self.actions = SqliteActions(folder / "actions.db")
        decision = Decision(
            kind="await_approval", would="delete_pod", reasons=("an approver is asked",), mode="approve", uid="uid-1",
            binding=BINDING,
        )  # fmt: skip
        self.record: Record = kept(self.records, decision=decision, data=RAW)
        self.summoned = Summoned()
        self.actions.ask(
            Approval(
                binding=BINDING, record_id=self.record.id, project="acme-shop-prod", uid="uid-1", asked_at=NOW,
                until=NOW + timedelta(hours=1),
            )
        )  # fmt: skip
        self.page, self.action = f"/records/{self.record.id}", f"/records/{self.record.id}/approval"

    def desk(self, **changes: Any) -> Desk:
        values = {"actions": self.actions, "policy": a_policy(), "summons": self.summoned}
        return a_desk(self.records, **(values | changes))

    def state(self) -> str:
        found = self.actions.approval(BINDING)
        assert found
        return found.state


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_an_approver_of_the_project_approves_with_a_reason_and_act_is_asked(case: Case) -> None:
    bob = Browser(case.desk(), who=BOB)
    fields = bob.fields(case.page, case.action)
    assert "uid-1" in bob.get(case.page).text
    assert bob.send(case.action, fields | {"act": "approve", "why": "?!"}).status_code == 400
    assert bob.send(case.action, fields | {"act": "approve", "why": "it is an attack"}).status_code == 303
    found = case.actions.approval(BINDING)
    assert found
    assert (found.state, found.by, found.why, found.at) == ("approved", BOB, "it is an attack", NOW)
    assert case.summoned.ids == [case.record.id]
    assert "it is an attack" in bob.get(case.page).text


def test_a_rejection_is_kept_and_act_is_asked_to_write_it_down(case: Case) -> None:
    bob = Browser(case.desk(), who=BOB)
    bob.send(case.action, bob.fields(case.page, case.action) | {"act": "reject", "why": "not now"})
    assert case.state() == "rejected"
    assert case.summoned.ids == [case.record.id]


def test_a_rejection_that_could_not_be_passed_on_stands(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    silent = Browser(case.desk(summons=Failing(Unanswered("unavailable", "topic"))), who=BOB)
    fields = silent.fields(case.page, case.action) | {"act": "reject", "why": "not now"}
    assert (silent.send(case.action, fields).status_code, case.state()) == (303, "rejected")
    assert "rejected, not sent" in capsys.readouterr().out


def test_who_is_not_an_approver_in_the_policy_in_force_cannot_answer(case: Case) -> None:
    fields = Browser(case.desk(), who=BOB).fields(case.page, case.action) | {"act": "approve", "why": "please"}
    elsewhere = ProjectPolicy(id="acme-other", number="1", remediate="approve", approvers=(BOB,))
    refusing = {
        "another is named": case.desk(policy=a_policy("zoe@acme.example")),
        "a policy that is not in force": case.desk(policy=a_policy(problem="line 1: no TOML")),
        "no policy": case.desk(policy=None),
        "the policy of another project": case.desk(policy=lambda: Policy(project=(elsewhere,))),
    }
    for why, desk in refusing.items():
        bob = Browser(desk, who=BOB)
        assert f'action="{case.action}"' not in bob.get(case.page).text, why
        bob.cookies.set("responder", "a" * 43, domain="review.test")
        token = tokens.token("a" * 43, BOB, case.action)
        assert bob.send(case.action, fields | {"token": token}).status_code == 403, why
    ana = Browser(case.desk(policy=a_policy("ana@acme.example")))  # named by the policy, without the role
    assert f'action="{case.action}"' not in ana.get(case.page).text
    assert case.state() == "waiting"


def test_an_approval_of_what_was_shown_before_is_refused(case: Case) -> None:
    bob, ana = Browser(case.desk(), who=BOB), Browser(case.desk())
    fields = bob.fields(case.page, case.action) | {"act": "approve", "why": "it is an attack"}
    assert bob.send(case.action, fields | {"binding": "c" * 64}).status_code == 409
    review = f"{case.page}/review"
    ana.send(review, ana.fields(case.page, review) | {"act": "false_positive"})
    assert bob.send(case.action, fields).status_code == 409
    assert case.state() == "waiting"


def test_an_approval_after_its_time_is_refused(case: Case) -> None:
    fields = Browser(case.desk(), who=BOB).fields(case.page, case.action) | {"act": "approve", "why": "late"}
    late = Browser(case.desk(now=lambda: NOW + timedelta(hours=2)), who=BOB)
    assert f'action="{case.action}"' not in late.get(case.page).text
    late.cookies.set("responder", "a" * 43, domain="review.test")
    assert late.send(case.action, fields | {"token": tokens.token("a" * 43, BOB, case.action)}).status_code == 409
    assert case.state() == "waiting"


def test_an_approval_that_could_not_be_passed_on_says_so_and_can_be_sent_again(case: Case) -> None:
    silent = Browser(case.desk(summons=Failing(Unanswered("unavailable", "topic"))), who=BOB)
    fields = silent.fields(case.page, case.action) | {"act": "approve", "why": "it is an attack"}
    answer = silent.send(case.action, fields)
    assert (answer.status_code, case.state()) == (503, "approved")
    assert "approve it again" in answer.text
    bob = Browser(case.desk(), who=BOB)
    again = bob.fields(case.page, case.action) | {"act": "approve", "why": "once more"}
    assert bob.send(case.action, again).status_code == 303
    assert case.summoned.ids == [case.record.id]


# --- the brake and health ---------------------------------------------------------------------------------------------


def test_an_analyst_pulls_the_brake_and_an_approver_lets_it_go(case: Case) -> None:
    ana, bob = Browser(case.desk()), Browser(case.desk(), who=BOB)
    pulled = ana.fields("/health", "/brake") | {"act": "on", "project": "", "why": "something is odd"}
    assert ana.send("/brake", pulled).status_code == 303
    held = case.actions.brake("acme-shop-prod")
    assert held
    assert (held.by, held.why) == ("ana@acme.example", "something is odd")
    assert "something is odd" in ana.get("/health").text
    off = ana.fields("/health", "/brake") | {"act": "off", "project": "", "why": "fine"}
    assert ana.send("/brake", off).status_code == 403
    stale = bob.fields("/health", "/brake") | {"act": "off", "project": "", "why": "fine"}
    assert ana.send("/brake", pulled | {"why": "still odd"}).status_code == 303
    assert bob.send("/brake", stale).status_code == 409
    fresh = bob.fields("/health", "/brake") | {"act": "off", "project": "", "why": "fine"}
    assert bob.send("/brake", fresh).status_code == 303
    assert case.actions.brake("acme-shop-prod") is None
    assert [act.on for act in case.actions.brakes()] == [True, True, False]


def test_a_brake_for_no_project_or_without_a_reason_is_refused_and_a_viewer_has_none(case: Case) -> None:
    ana, eve = Browser(case.desk()), Browser(case.desk(), who="eve@acme.example")
    fields = ana.fields("/health", "/brake") | {"act": "on", "why": "odd", "project": ""}
    for wrong in ({"project": "Not A Project"}, {"why": " "}, {"act": "perhaps"}):
        assert ana.send("/brake", fields | wrong).status_code == 400
    assert 'action="/brake"' not in eve.get("/health").text
    assert case.actions.brakes() == ()


def test_health_tells_what_is_wrong(case: Case) -> None:
    case.records.count("gaps.pod_log.quota", 3)
    case.records.count("gaps.node.quota", 1)
    case.records.count("gaps.pod.denied", 2)
    case.records.reject(Rejected(message_id="m-9", reason="not JSON", data=b"<b>", received=NOW))
    text = Browser(case.desk(policy=a_policy(problem="line 3: no TOML"))).get("/health").text
    assert text.index("pod_log 3, node 1") < text.index("pod 2")
    for words in ("line 3: no TOML", "m-9", "not JSON", f"{case.page}#response"):
        assert words in text
    assert "It names no project" not in text


def test_what_can_still_be_answered_stands_before_what_expired_today_and_no_older_one_is_listed(case: Case) -> None:
    for name, ago in (("old", timedelta(days=30)), ("mon", timedelta(hours=20)), ("late", timedelta(hours=2))):
        case.actions.ask(
            Approval(
                binding=name, record_id=name, project="p", uid=name, asked_at=NOW - ago - timedelta(hours=1),
                until=NOW - ago,
            )
        )  # fmt: skip
    text = Browser(case.desk()).get("/health").text
    assert re.findall(r"pod uid (\S+)</a>, (open until|expired)", text) == [
        ("uid-1", "open until"), ("mon", "expired"), ("late", "expired"),
    ]  # fmt: skip


def test_gaps_are_told_by_reason_most_first() -> None:
    counted = {"gaps.pod.denied": 2, "gaps.pod_log.quota": 3, "gaps.node.quota": 1, "received": 9, "gaps.odd": 5}
    assert gaps(counted) == (("quota", 4, "pod_log 3, node 1"), ("denied", 2, "pod 2"))


def test_a_second_store_that_does_not_answer_is_told_and_not_taken_for_no_brake(case: Case) -> None:
    text = Browser(case.desk(actions=Failing(StoreError("gone")))).get("/health").text
    assert "does not answer" in text
    assert "No brake is on" not in text


def test_a_brake_that_is_on_stands_on_every_page(case: Case) -> None:
    places = ("/", case.page, "/health", "/stats", "/records/none")
    ana = Browser(case.desk())
    for place in places:
        assert "The brake" not in ana.get(place).text, place
    case.actions.set_brake(Brake(on=True, project="acme-other", why="<b>odd</b>", by=BOB, at=NOW))
    case.actions.set_brake(Brake(on=True, project="", why="stop", by=BOB, at=NOW))
    for place in places:
        text = ana.get(place).text
        assert "The brake is on for all projects" in text, place
        assert "The brake is on for acme-other" in text, place
        assert "&lt;b&gt;odd&lt;/b&gt;" in text, place
    case.actions.set_brake(Brake(on=False, project="", why="go on", by=BOB, at=NOW))
    assert "for all projects" not in ana.get(case.page).text


def test_a_brake_that_cannot_be_read_counts_as_on_on_every_page(case: Case) -> None:
    ana = Browser(case.desk(actions=Failing(StoreError("gone"))))
    for place in ("/", "/health", "/stats", "/records/none"):
        assert "The brake cannot be read, which counts as on" in ana.get(place).text, place
    assert "The brake" not in Browser(case.desk(actions=None)).get("/").text


def test_pulling_a_brake_and_letting_go_are_told_in_the_log_with_who_and_where(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    bob = Browser(case.desk(), who=BOB)
    for act in ("on", "off"):
        project = "acme-shop-prod" if act == "on" else ""
        bob.send("/brake", bob.fields("/health", "/brake") | {"act": act, "project": project, "why": "a drill"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "brake " in line]
    assert [(one["severity"], one["message"], one["by"], one["project"]) for one in lines] == [
        ("WARNING", "brake pulled", BOB, "acme-shop-prod"),
        ("WARNING", "brake released", BOB, "all projects"),
    ]
    assert "a drill" not in str(lines)


# --- files ------------------------------------------------------------------------------------------------------------


def test_raw_bytes_are_for_who_is_named_alone_and_are_never_shown(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.records.reject(Rejected(message_id="m", reason="not JSON", data=b"<script>", received=NOW))
    rae = Browser(case.desk(), who="rae@acme.example")
    shown = rae.get("/health").text
    digest = shown.partition('href="/health/rejected/')[2].partition('"')[0]
    for path, data in ((f"{case.page}/raw/0", RAW), (f"/health/rejected/{digest}", b"<script>")):
        for who in ("ana@acme.example", BOB, "eve@acme.example"):
            assert Browser(case.desk(), who=who).get(path).status_code == 403
        file = rae.get(path)
        assert file.content == data
        assert file.headers["content-disposition"].startswith("attachment;")
        assert file.headers["content-type"] == "application/octet-stream"
        assert file.headers["x-content-type-options"] == "nosniff"
    assert rae.get(f"{case.page}/raw/7").status_code == 404
    assert rae.get(f"/health/rejected/{'0' * 64}").status_code == 404
    assert capsys.readouterr().out.count("rae@acme.example") == 2


def test_a_record_is_taken_away_in_each_form_as_a_file(case: Case) -> None:
    eve = Browser(case.desk(), who="eve@acme.example")
    for form in ("json", "md", "html", "csv", "ocsf"):
        file = eve.get(f"{case.page}/export/{form}")
        assert file.status_code == 200
        assert file.headers["content-disposition"].startswith(f'attachment; filename="{case.record.id}.')
        assert file.headers["content-type"] == "application/octet-stream"
    assert json.loads(eve.get(f"{case.page}/export/json").text)["id"] == case.record.id
    assert eve.get(f"{case.page}/export/exe").status_code == 404
