"""The brake and a person's answer, by the command line, over real stores, a real topic and the lab's Google."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import pubsub_v1
from typer.testing import CliRunner, Result

from lab import pubsub
from lab.delivery import clients, pull
from lab.google import LabGoogle
from responder import wiring
from responder.cli import app
from responder.decision import binding
from responder.errors import StoreDenied
from responder.evidence import Evidence
from responder.ports import Approval, Brake
from responder.record import Decision, Record
from responder.stores.actions_sqlite import SqliteActions
from responder.stores.sqlite import SqliteRecords
from tests.builders import TARGET, a_delivery, a_finding, a_record
from tests.live.shop import open_shop
from tests.sheets import UID
from tests.test_decision import the_evidence

TOPIC = "projects/acme-sec/topics/act"
PROJECT, NUMBER, ANN = "acme-shop-prod", "421458901689", "ann@acme.example"
POLICY = f'[[project]]\nid = "{PROJECT}"\nnumber = "{NUMBER}"\nremediate = "approve"\napprovers = ["{ANN}"]\n'


@pytest.fixture(scope="module")
def google() -> Iterator[LabGoogle]:
    with pubsub.serve() as host, open_shop() as (_, shop), clients(host) as (publisher, _):
        publisher.create_topic(name=TOPIC)
        yield LabGoogle({**shop._endpoints, "pubsub": host})


class Desk:
    """A person at a command line: two stores, a policy, a topic."""

    def __init__(self, folder: Path, google: LabGoogle, subscriber: pubsub_v1.SubscriberClient, monkey: Any) -> None:
        self.folder, self.google, self.monkey = folder, google, monkey
        self.subscriber, self.subscription = subscriber, f"projects/acme-sec/subscriptions/act-{uuid.uuid4().hex}"
        self.policy = folder / "policy.toml"
        self.policy.write_text(POLICY)
        self.sits_down(ANN)
        self.sets(
            store=str(folder / "records.db"),
            actions=str(folder / "actions.db"),
            policy=str(self.policy),
            action_topic=TOPIC,
        )
        wiring.install(google, now=google.now)

    def sits_down(self, user: str) -> None:
        self.monkey.setenv("LOGNAME", user)

    def sets(self, **values: str) -> None:
        for name, value in values.items():
            self.monkey.setenv(f"RESPONDER_{name.upper()}", value)

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    @property
    def actions(self) -> SqliteActions:
        return SqliteActions(self.folder / "actions.db")

    def summoned(self) -> list[bytes]:
        return [one.message.data for one in pull(self.subscriber, self.subscription, 10, seconds=1)]

    def record(self, evidence: Evidence | None = None, *, bound: bool = True) -> Record:
        """A record in the store whose pod waits for an approval."""
        records = SqliteRecords(self.folder / "records.db", now=lambda: datetime.now(UTC))
        record_id = records.admit(a_finding(), TARGET, a_delivery()).record_id
        claim = records.claim(record_id, "act", timedelta(minutes=5), datetime.now(UTC))
        assert claim is not None
        record = a_record(record_id, evidence=evidence or the_evidence())
        decision = Decision(kind="await_approval", reasons=("x",), uid=UID, binding=binding(record) if bound else "")
        saved = records.save(record.model_copy(update={"decision": decision}), claim)
        records.close()
        return saved

    def question(self, record: Record, *, minutes: float = 60, asked: float = 0, **changes: Any) -> Approval:
        now = self.google.now()
        asked_at = now - timedelta(minutes=asked)
        values: dict[str, Any] = {"binding": binding(record), "record_id": record.id, "project": PROJECT, "uid": UID}
        until = now + timedelta(minutes=minutes)
        return self.actions.ask(Approval(**(values | {"asked_at": asked_at, "until": until} | changes)))


@pytest.fixture
def desk(tmp_path: Path, google: LabGoogle, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with clients(google._endpoints["pubsub"]) as (_, subscriber):
        made = Desk(tmp_path, google, subscriber, monkeypatch)
        subscriber.create_subscription(request={"name": made.subscription, "topic": TOPIC})
        yield made


# --- the brake --------------------------------------------------------------------------------------------------------


def test_a_brake_that_is_pulled_is_on_at_once_for_all_or_for_one_project_with_who_and_why(desk: Desk) -> None:
    assert desk("brake", "show").output == "no brake is on\n"
    done = desk("brake", "on", "--project", PROJECT, "--why", "a bad rule")
    assert (done.exit_code, done.output) == (0, f"the brake is on for {PROJECT}\n")
    found = desk.actions.brake(PROJECT)
    assert found is not None
    assert (found.project, found.why, found.by) == (PROJECT, "a bad rule", ANN)
    assert desk.actions.brake("another-project") is None
    desk("brake", "on", "--why", "stop")
    assert desk.actions.brake("another-project") is not None


def test_letting_go_of_one_brake_leaves_the_other_and_says_so(desk: Desk) -> None:
    desk("brake", "on", "--why", "stop all")
    desk("brake", "on", "--project", PROJECT, "--why", "stop one")
    done = desk("brake", "off", "--project", PROJECT, "--why", "mended")
    assert done.output == f"the brake is off for {PROJECT}\nbut that for all projects is on, and holds: stop all\n"
    assert json.loads(desk("brake", "show", "--json").output)["on"][0]["why"] == "stop all"
    assert desk("brake", "off", "--why", "mended", "--json").exit_code == 0
    assert desk.actions.brake(PROJECT) is None
    shown = desk("brake", "show").output.splitlines()
    assert shown[0] == "no brake is on"
    assert [line.split()[2] for line in shown[1:]] == ["on", "on", "off", "off"]


def test_a_brake_can_be_pulled_where_google_says_nothing_and_not_be_let_go_of(desk: Desk) -> None:
    wiring.install(LabGoogle({**desk.google._endpoints, "rest": "http://127.0.0.1:1"}))
    assert desk("brake", "on", "--why", "stop").exit_code == 0
    found = desk.actions.brake(PROJECT)
    assert found is not None
    assert found.by == f"{ANN} (the user of a machine; Google did not say who)"
    assert desk("brake", "off", "--why", "go on").exit_code == 6
    assert desk.actions.brake(PROJECT) is not None


@pytest.mark.parametrize(
    "words", [["--why", " "], ["--why", "x", "--project", "acme-*"], ["--why", "x", "--project", "ACME"], []]
)
def test_a_brake_without_a_reason_or_for_what_is_no_project_is_refused(desk: Desk, words: list[str]) -> None:
    assert desk("brake", "on", *words).exit_code == 2
    assert desk.actions.brakes() == ()


def test_a_store_that_cannot_be_read_or_is_not_named_ends_as_such(desk: Desk) -> None:
    (desk.folder / "actions.db").write_bytes(b"no database" * 100)
    assert desk("brake", "show").exit_code == 6
    desk.sets(actions="")
    unnamed = desk("brake", "on", "--why", "stop")
    assert unnamed.exit_code == 3
    assert "RESPONDER_ACTIONS" in unnamed.output


class Closed:
    """A second store that does not let this person in."""

    def brakes(self) -> tuple[Brake, ...]:
        raise StoreDenied("PERMISSION_DENIED")

    def close(self) -> None:
        """Nothing."""


def test_who_may_only_look_at_records_is_not_told_that_every_action_is_held(desk: Desk) -> None:
    desk.record()
    desk.monkey.setenv("FORCE_COLOR", "1")
    desk.monkey.setenv("COLUMNS", "200")
    wiring.install(desk.google, now=desk.google.now, wrap=lambda name, port: Closed() if name == "actions" else port)
    first = desk("records", "list").output.splitlines()[0]
    assert "You may not look at the brake: whether one is on is not said here" in first
    assert "counts as on" not in first


@pytest.mark.parametrize("command", [("records", "list"), ("records", "show")])
def test_a_brake_that_is_on_or_cannot_be_read_is_told_with_the_records_on_a_terminal(
    desk: Desk, command: tuple[str, ...]
) -> None:
    record = desk.record()
    words = command if command[-1] == "list" else (*command, record.id)
    desk.monkey.setenv("FORCE_COLOR", "1")
    desk.monkey.setenv("COLUMNS", "200")
    assert "brake" not in desk(*words).output
    desk("brake", "on", "--project", PROJECT, "--why", "a [bold]drill\x1b[2J")
    first = desk(*words).output.splitlines()[0]
    assert f"The brake is on for {PROJECT}: a [bold]drill\\x1b[2J" in first
    assert ANN in first
    (desk.folder / "actions.db").write_bytes(b"no database" * 100)
    assert "The brake cannot be read, which counts as on" in desk(*words).output
    desk.sets(actions="")
    assert "brake" not in desk(*words).output.lower()
    desk.sets(actions=str(desk.folder / "actions.db"))
    assert "brake" not in desk(*words, "--json").output.lower()
    desk.monkey.delenv("FORCE_COLOR")
    assert "brake" not in desk(*words).output.lower()


# --- approvals --------------------------------------------------------------------------------------------------------


def test_an_approver_sees_what_it_is_about_and_act_is_asked_to_look(desk: Desk) -> None:
    record = desk.record()
    asked = desk.question(record)
    done = desk("approve", record.id, "--why", "seen it")
    assert done.exit_code == 0
    subject = record.provenance.subject
    before, _, after = done.output.partition("expires")
    for told in (f"{subject.namespace}/{subject.pod}", UID, asked.binding):
        assert told in before
    assert f"approved by {ANN}" in after
    answered = desk.actions.approval(asked.binding)
    assert answered is not None
    assert (answered.state, answered.by, answered.why) == ("approved", ANN, "seen it")
    assert desk.summoned() == [record.id.encode()]


def test_an_approval_that_could_not_be_sent_says_so_and_is_sent_when_it_is_given_again(desk: Desk) -> None:
    record = desk.record()
    desk.question(record)
    desk.sets(action_topic="projects/acme-sec/topics/nowhere")
    unsent = desk("approve", record.id, "--why", "seen it")
    assert unsent.exit_code == 1
    assert "approved, not sent: run it again" in unsent.output
    desk.sets(action_topic=TOPIC)
    again = desk("approve", record.id, "--why", "again", "--json")
    assert again.exit_code == 0
    assert json.loads(again.output)["why"] == "seen it"
    assert desk.summoned() == [record.id.encode()]


def test_without_a_topic_nothing_is_approved(desk: Desk) -> None:
    asked = desk.question(record := desk.record())
    desk.sets(action_topic="")
    assert desk("approve", record.id, "--why", "seen it").exit_code == 3
    assert desk.actions.approval(asked.binding) == asked


@pytest.mark.parametrize("command", ["approve", "reject"])
@pytest.mark.parametrize("user", ["bob@acme.example", "Ann@acme.example", "ann"])
def test_whoever_is_no_approver_letter_by_letter_answers_nothing(desk: Desk, command: str, user: str) -> None:
    asked = desk.question(record := desk.record())
    desk.sits_down(user)
    done = desk(command, record.id, "--why", "seen it")
    assert done.exit_code == 1
    assert "is not one of the approvers" in done.output
    assert desk.actions.approval(asked.binding) == asked
    assert desk.summoned() == []


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (POLICY.replace(NUMBER, "1"), "does not name the project"),
        (POLICY.replace(PROJECT, "acme-shop-test"), "does not name the project"),
        (POLICY + 'capture = "true"\n', "no policy is in force: policy.toml: line 6"),
        ("", "does not name the project"),
    ],
)
def test_a_policy_that_is_wrong_or_names_another_project_lets_nobody_answer(
    desk: Desk, policy: str, words: str
) -> None:
    asked = desk.question(record := desk.record())
    desk.policy.write_text(policy)
    done = desk("approve", record.id, "--why", "seen it")
    assert done.exit_code == 1
    assert words in done.output
    assert desk.actions.approval(asked.binding) == asked


def test_a_question_whose_time_is_over_or_that_was_answered_is_not_answered_again(desk: Desk) -> None:
    record = desk.record()
    desk.question(record, minutes=-1, asked=30)
    late = desk("approve", record.id, "--why", "seen it")
    assert (late.exit_code, "its time was over" in late.output) == (1, True)
    renewed = desk.question(record, binding="b" * 64)
    assert desk("reject", record.id, "--why", "a build").exit_code == 0
    assert desk.actions.approval(renewed.binding) is not None
    assert desk("approve", record.id, "--why", "no, yes").exit_code == 1
    assert desk.summoned() == [record.id.encode()]


def test_a_rejection_is_passed_on_to_act_and_stands_where_it_cannot_be(desk: Desk) -> None:
    record = desk.record()
    asked = desk.question(record)
    desk.sets(action_topic="")
    unsent = desk("reject", record.id, "--why", "a build")
    assert (unsent.exit_code, "act looks when the time is over" in unsent.output) == (0, True)
    answered = desk.actions.approval(asked.binding)
    assert answered is not None
    assert (answered.state, desk.summoned()) == ("rejected", [])
    desk.sets(action_topic=TOPIC)
    assert desk("reject", record.id, "--why", "once more").exit_code == 0
    assert (desk.actions.approval(asked.binding), desk.summoned()) == (answered, [record.id.encode()])


def test_a_used_approval_is_not_sent_again(desk: Desk) -> None:
    asked = desk.question(record := desk.record())
    desk("approve", record.id, "--why", "seen it")
    assert desk.actions.use(asked.binding, "key", desk.google.now())
    assert desk("approve", record.id, "--why", "again").exit_code == 1
    assert desk.summoned() == [record.id.encode()]


def test_of_two_questions_the_one_that_the_record_is_bound_to_is_answered(desk: Desk) -> None:
    record = desk.record()
    asked = desk.question(record, asked=10)
    other = desk.question(record, binding="c" * 64)
    desk("approve", record.id, "--why", "seen it")
    assert desk.actions.approval(asked.binding) != asked
    assert desk.actions.approval(other.binding) == other


def test_a_question_stays_findable_when_an_investigation_has_written_the_record_anew(desk: Desk) -> None:
    asked = desk.question(record := desk.record(bound=False))
    assert desk("approve", record.id, "--why", "seen it").exit_code == 0
    desk.summoned()
    assert desk("approve", record.id, "--why", "again").exit_code == 0
    assert desk.actions.approval(asked.binding) != asked


def test_a_question_that_is_about_another_record_or_project_is_refused(desk: Desk) -> None:
    record = desk.record()
    asked = desk.question(record, record_id="f" * 32)
    assert desk("approve", record.id, "--why", "seen it").exit_code == 1
    foreign = desk.question(record, binding="d" * 64, project="another-project")
    assert desk("approve", record.id, "--why", "seen it").exit_code == 1
    assert (desk.actions.approval(asked.binding), desk.actions.approval(foreign.binding)) == (asked, foreign)


def test_what_is_not_asked_or_not_there_is_said_to_be_so(desk: Desk) -> None:
    record = desk.record()
    assert "no question to answer" in desk("approve", record.id, "--why", "seen it").output
    assert desk("reject", "0" * 32, "--why", "x").exit_code == 4


def test_what_waits_is_listed_and_what_is_too_late_is_marked(desk: Desk) -> None:
    assert desk("approvals").output == "nothing waits for an approval\n"
    record = desk.record()
    desk.question(record, minutes=-1, asked=30)
    desk.question(record, binding="b" * 64)
    first, second = desk("approvals").output.splitlines()
    assert ("expired" in first, "expired" in second) == (False, True)
    assert [json.loads(line)["expired"] for line in desk("approvals", "--json").output.splitlines()] == [False, True]


def test_nothing_that_a_record_or_a_reason_says_moves_the_terminal(desk: Desk) -> None:
    record = desk.record()
    desk.question(record)
    desk("brake", "on", "--why", "a\x1b[2J\u202e\nno brake is on")
    shown = desk("brake", "show").output
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 2
