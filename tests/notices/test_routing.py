"""Who is told of what, and that nobody is told twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import pytest

from responder.evidence import OwnerContact
from responder.notices.routing import Planned, digest, due_notices
from responder.ports import RecordLine
from responder.record import Action, Decision, Notice, Owner, Record, Verdict
from tests.builders import EVENT_TIME, a_subject
from tests.notices.cases import AT, BOTH, OWNERS, TEAM, channel, config, notice, told


def names(planned: tuple[Planned, ...]) -> list[str]:
    return [one.channel.name for one in planned]


def owned(*contacts: str) -> Record:
    named = tuple(OwnerContact(value=contact, kind="team", source="label") for contact in contacts)
    return told(owner=Owner(contacts=named, missing=()))


def kept(planned: tuple[Planned, ...], **changes: Any) -> tuple[Notice, ...]:
    return tuple(one.notice(AT, sent=True).model_copy(update=changes) for one in planned)


@pytest.mark.parametrize(
    ("verdict", "outcome", "expected"),
    [
        ("benign", "held", []),
        ("insufficient_data", "held", []),
        ("suspicious", "held", ["security"]),
        ("malicious", "held", ["security", "owners"]),
        ("benign", "gone", []),
        ("benign", "replaced", []),
        ("benign", "deleted", ["security", "owners"]),
        ("benign", "unknown", ["security", "owners"]),
        ("insufficient_data", "terminating", ["security", "owners"]),
        ("suspicious", "failed", ["security", "owners"]),
    ],
)
def test_the_team_hears_of_suspicious_records_owners_of_malicious_ones_and_both_of_every_action(
    verdict: Verdict, outcome: str, expected: list[str]
) -> None:
    assert names(due_notices(told(verdict, outcome), BOTH, ())) == expected


def test_an_action_that_was_tried_and_a_question_to_an_approver_are_told_whatever_the_verdict() -> None:
    action = Action(id="1", kind="delete", uid="u", namespace="n", pod="p", at=AT, result="gone")
    assert names(due_notices(told("benign", "gone", actions=(action,)), BOTH, ())) == ["security", "owners"]
    asked = told("benign", decision=Decision(kind="await_approval", reasons=("asked",)))
    planned = due_notices(asked, BOTH, ())
    assert [(one.channel.name, one.outcome) for one in planned] == [
        ("security", "await_approval"),
        ("owners", "await_approval"),
    ]


def test_what_was_sent_is_not_sent_again_and_what_failed_is() -> None:
    record = told()
    planned = due_notices(record, BOTH, ())
    assert due_notices(record, BOTH, kept(planned)) == ()
    assert due_notices(record, BOTH, kept(planned, sent=False)) == planned
    assert names(due_notices(record, BOTH, kept(planned[:1]))) == ["owners"]


def test_an_id_is_of_record_audience_channel_verdict_and_outcome() -> None:
    ids = {
        one.id
        for verdict in get_args(Verdict)
        for outcome in ("deleted", "unknown", "terminating")
        for record in (told(verdict, outcome), told(verdict, outcome).model_copy(update={"id": "b" * 32}))
        for one in due_notices(record, config(TEAM, OWNERS, channel("second")), ())
    }
    assert len(ids) == 4 * 3 * 2 * 3
    assert [one.id for one in due_notices(told(), BOTH, ())] == [one.id for one in due_notices(told(), BOTH, ())]


def test_a_risen_verdict_is_a_second_message_in_the_same_thread_and_a_fallen_one_is_none() -> None:
    first = due_notices(told("suspicious"), config(TEAM), ())
    (second,) = due_notices(told("malicious"), config(TEAM), kept(first))
    assert (second.thread, second.thread) == (first[0].thread, "a" * 32)
    assert second.id != first[0].id
    assert "The verdict rose from suspicious." in str(second.body)
    assert due_notices(told("suspicious"), config(TEAM), (*kept(first), *kept((second,)))) == ()
    assert due_notices(told("benign"), config(TEAM), kept(first)) == ()


def test_a_changed_outcome_is_a_second_message_also_where_the_verdict_has_fallen() -> None:
    first = due_notices(told("malicious"), config(TEAM), ())
    (second,) = due_notices(told("benign", "deleted"), config(TEAM), kept(first))
    assert (second.outcome, second.verdict) == ("deleted", "benign")
    assert "News of the pod: the pod was deleted." in str(second.body)


def test_an_outcome_that_comes_back_is_not_told_again() -> None:
    said: tuple[Notice, ...] = ()
    seen = []
    for minute, outcome in enumerate(("unknown", "terminating", "unknown", "deleted", "deleted")):
        planned = due_notices(told("malicious", outcome), config(TEAM), said)
        seen.append(len(planned))
        said += tuple(one.notice(AT + timedelta(minutes=minute), sent=True) for one in planned)
    assert seen == [1, 1, 0, 1, 0]


def asking(*, at: int = 0, **changes: Any) -> Record:
    """A record whose question waits; `at` is the minute until which."""
    until = AT + timedelta(minutes=at)
    decision = {"kind": "await_approval", "reasons": ("an approver is asked",), "made_by": "act", "approve_by": until}
    return told("malicious", decision=Decision.model_validate(decision | changes))


def ended(reason: str) -> Record:
    return asking(kind="hold", reasons=(reason,))


def sent_in_turn(*records: Record) -> list[str]:
    """What the team's channel says of each in turn; empty where nothing."""
    said: tuple[Notice, ...] = ()
    texts = []
    for minute, record in enumerate(records):
        planned = due_notices(record, config(TEAM), said)
        texts.append(" ".join(str(one.body) for one in planned))
        said += tuple(one.notice(AT + timedelta(minutes=minute), sent=True) for one in planned)
    return texts


def test_that_a_question_was_rejected_or_ran_out_is_told_after_it_though_the_pod_was_held_before() -> None:
    for reason in ("the approval was rejected", "nobody answered in the time for an approval"):
        first, question, end, again = sent_in_turn(told(), asking(), ended(reason), ended(reason))
        assert (bool(first), "Waits for an approver" in question, again) == (True, True, "")
        assert f"The question to the approvers is over: {reason}." in end


def test_each_question_and_its_end_are_told_once() -> None:
    over = ended("nobody answered in the time for an approval")
    texts = sent_in_turn(told(), asking(), asking(), over, asking(at=9), asking(at=9), over, over)
    assert [bool(one) for one in texts] == [True, True, False, True, True, False, True, False]


def test_a_question_that_an_investigation_wrote_the_record_anew_over_has_not_ended() -> None:
    anew = told(decision=Decision(reasons=("the pod would be deleted after an approval",)))
    between = anew.model_copy(update={"provenance": anew.provenance.model_copy(update={"act": "wanted"})})
    assert [bool(one) for one in sent_in_turn(told(), asking(), between, asking())] == [True, True, False, False]


def test_another_channels_messages_are_no_reason_to_be_silent() -> None:
    assert names(due_notices(told(), config(TEAM), (notice(channel="other"),))) == ["security"]


SHOP = channel("shop", audience="owner", owners=("Team-Shop", "shop@acme.example"))
BANK = channel("bank", audience="owner", owners=("bank",))


@pytest.mark.parametrize(
    ("contacts", "expected"),
    [
        (("team-shop",), "shop"),
        (("shop@ACME.example",), "shop"),
        (("nobody", "bank", "team-shop"), "bank"),
        (("nobody",), "owners"),
        ((), "owners"),
        (("https://evil.test/hook", "env:SLACK_SECURITY"), "owners"),
    ],
)
def test_the_first_contact_that_has_a_channel_is_told_there_else_the_default(
    contacts: tuple[str, ...], expected: str
) -> None:
    assert names(due_notices(owned(*contacts), config(SHOP, BANK, OWNERS), ())) == [expected]


def test_without_a_default_an_owner_that_no_channel_serves_is_not_told() -> None:
    assert due_notices(owned("nobody"), config(SHOP), ()) == ()


# --- the digest -------------------------------------------------------------------------------------------------------


def line(n: int = 0, verdict: Verdict = "benign", **changes: Any) -> RecordLine:
    values: dict[str, Any] = {
        "id": f"{n:032x}", "window_start": EVENT_TIME + timedelta(minutes=n), "subject": a_subject(),
        "verdict": verdict, "state": "open", "summary": "gcc a.c in shop/<!channel>", "findings": 1, "gaps": 0,
        "stage": "finished", "revision": 1,
    }  # fmt: skip
    return RecordLine(**(values | changes))


DAY = (AT - timedelta(days=1), AT)


def test_the_digest_has_what_was_too_little_for_a_message_and_nothing_else() -> None:
    lines = [
        line(1),
        line(2, "insufficient_data"),
        line(3, "suspicious"),
        line(4, "malicious"),
        line(5, stage="gathered"),
    ]
    planned = digest(lines, *DAY, TEAM)
    assert planned is not None
    said = str(planned.body)
    assert [f"{n:032x}" in said for n in range(1, 6)] == [True, True, False, False, False]
    assert "1 not enough data, 1 benign" in said
    assert "<!channel>" not in said


def test_there_is_no_digest_of_nothing_and_none_for_owners() -> None:
    assert digest([line(1, "malicious")], *DAY, TEAM) is None
    assert digest([line(1)], *DAY, OWNERS) is None


def test_a_day_has_one_digest_for_each_channel() -> None:
    first, again = digest([line(1)], *DAY, TEAM), digest([line(1), line(2)], *DAY, TEAM)
    other = digest([line(1)], *DAY, channel("second"))
    later = digest([line(1)], AT, AT + timedelta(days=1), TEAM)
    assert first is not None and again is not None and other is not None and later is not None  # noqa: PT018 - for mypy
    assert first.id == again.id
    assert f"message {first.id[:12]}" in str(first.body)
    assert len({first.id, other.id, later.id}) == 3


def test_a_digest_of_a_thousand_records_names_some_and_counts_all() -> None:
    planned = digest([line(n) for n in range(1000)], *DAY, TEAM)
    assert planned is not None
    said = str(planned.body)
    assert "1000 records" in said
    assert "and 985 more" in said
    assert len(said) < 20_000
