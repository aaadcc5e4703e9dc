"""What would have been done, and what people said of it: figures, and one line of advice."""

from __future__ import annotations

import dataclasses
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from responder import wiring
from responder.cli import app
from responder.cli_shadow import lines
from responder.decision import BY_ACT
from responder.policy import PerHour
from responder.ports import Records
from responder.record import Artifact, Capture, Decision, Guard, Outcome, Record, Review, ReviewEntry, Traits
from responder.shadow import report
from responder.stores.sqlite import SqliteRecords
from tests.builders import TARGET, a_delivery, a_finding, a_record, a_recorded

PROJECT = "acme-shop-prod"
NUMBERS = itertools.count()


def decided(
    would: str,
    *noes: str,
    mode: str = "shadow",
    judged: str | None = None,
    n: int = 0,
    uid: str = "",
    workload: str = "",
    digest: str = "sha256:a",
    **more: Any,
) -> Record:
    """A record with its guards' answers, of a pod and a workload of its own where none is given."""
    own = f"own-{next(NUMBERS)}"
    guards = [Guard(name=name, ok=False, detail="no") for name in noes]
    guards += [Guard(name="brake-off", ok=None, detail=BY_ACT), Guard(name="one-pod", ok=True, detail="one")]
    decision = Decision.model_validate(
        {"would": would, "reasons": ("x",), "guards": guards, "mode": mode, "uid": uid or own}
    )
    review = Review.model_validate({"state": "closed" if judged else "open", "verdict": judged})
    made = a_record(f"{n:032x}", decision=decision, review=review, **more)
    traits = Traits(owner=workload or own, image_digest=digest)
    return made.model_copy(update={"provenance": made.provenance.model_copy(update={"traits": traits})})


def test_deleted_and_held_are_counted_by_what_reviewers_said_of_them() -> None:
    made = report(
        PROJECT,
        "shadow",
        [
            decided("delete_pod", judged="true_positive"),
            decided("delete_pod", judged="false_positive", n=7),
            decided("delete_pod"),
            decided("hold", "pod-proven", judged="benign_true_positive"),
            a_record(),
        ],
    )
    assert (made.records, made.decided) == (5, 4)
    assert made.deleted == {"false_positive": 1, "not_reviewed": 1, "true_positive": 1}
    assert made.held == {"benign_true_positive": 1}
    assert made.wrong == (f"{7:032x}",)


def test_a_guard_is_counted_once_for_each_record_that_it_held_and_never_where_only_act_can_answer() -> None:
    made = report(
        PROJECT,
        None,
        [
            decided("hold", "pod-proven"),
            decided("hold", "pod-proven", "verdict-high-enough"),
            decided("hold", "verdict-high-enough"),
            decided("hold", "not-bare", "pod-proven"),
            decided("delete_pod"),
        ],
    )
    assert [(no.guard, no.records, no.alone) for no in made.noes] == [
        ("pod-proven", 3, 1),
        ("verdict-high-enough", 2, 1),
        ("not-bare", 1, 0),
    ]
    assert made.mode == "shadow"


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        (None, "not_entered"),
        ((), "nothing"),
        (("failed", "left_out"), "nothing"),
        (("captured", "failed"), "in_part"),
        (("captured", "cut"), "in_part"),
        (("captured", "captured", "left_out"), "whole"),
        # What an earlier pod of the name held says nothing of this one.
        (("of another pod",), "nothing"),
        (("of another pod", "failed"), "nothing"),
    ],
)
def test_what_was_copied_before_a_pod_would_have_been_gone_is_counted(
    statuses: tuple[str, ...] | None, kind: str
) -> None:
    artifacts = tuple(
        Artifact.model_validate(
            {
                "path": f"/{n}",
                "role": "source",
                "status": "captured" if one in {"cut", "of another pod"} else one,
                "truncated": one == "cut",
                "uid": "another" if one == "of another pod" else "",
            }
        )
        for n, one in enumerate(statuses or ())
    )
    at = datetime(2026, 11, 20, tzinfo=UTC)
    given = dict.fromkeys(
        ("uid", "namespace", "pod", "container", "node", "image_digest", "identity", "responder"), "x"
    )
    capture = None if statuses is None else Capture.model_validate({"at": at, "finished": at, **given})
    made = report(PROJECT, "shadow", [decided("delete_pod", capture=capture, artifacts=artifacts), a_record()])
    assert made.captures == {kind: 1}
    (told,) = [line for line in lines(made) if line.startswith("captured: ")]
    assert ("capture = true in the policy" in told) == (statuses is None)


def right(count: int) -> list[Record]:
    return [decided("delete_pod", judged="true_positive") for _ in range(count)]


@pytest.mark.parametrize(
    ("mode", "records", "advice"),
    [
        ("shadow", [], "there is no record to judge by"),
        ("off", right(9), 'set remediate = "shadow"'),
        (None, [a_record()], 'set remediate = "shadow"'),
        ("shadow", [decided("hold", "not-bare")], "stay: nothing would have been deleted, 1 held; not-bare said no"),
        ("shadow", [decided("hold", "x", judged="true_positive")], "1 held, among them 1 true positives; x said no"),
        ("shadow", [*right(9), decided("delete_pod")], "review the 1 of 10"),
        ("shadow", [*right(9), decided("delete_pod", judged="undetermined")], "review the 1 of 10"),
        ("shadow", right(4), "stay: all 4 were true positives; 5 are wanted"),
        ("shadow", right(5), 'remediate = "approve" may be set'),
        ("shadow", [*right(9), decided("delete_pod", judged="benign_true_positive")], "stay: 1 of 10"),
        ("approve", right(19), "stay: all 19 were true positives; 20 are wanted"),
        ("approve", right(20), 'remediate = "auto" may be set'),
        ("auto", right(20), "stay: none was judged to be no attack"),
        ("auto", [*right(99), decided("delete_pod", judged="false_positive")], 'go back to remediate = "approve"'),
    ],
)
def test_a_rung_is_advised_by_judgements_alone_and_one_wrong_pod_is_enough_to_stay(
    mode: Any, records: list[Record], advice: str
) -> None:
    assert advice in report(PROJECT, mode, records).advice


# --- what the limits would have held ----------------------------------------------------------------------------------


def at(minute: int, *, workload: str = "", uid: str = "", namespace: str = "shop", **more: Any) -> Record:
    """A record that no guard held, of a pod of its own and of a workload of its own, `minute` after the first."""
    one = decided("delete_pod", n=minute, uid=uid or f"uid-{minute}", workload=workload or f"w{minute}", **more)
    subject = one.provenance.subject.model_copy(update={"namespace": namespace})
    start = one.provenance.window_start + timedelta(minutes=minute)
    provenance = one.provenance.model_copy(update={"subject": subject, "window_start": start})
    return one.model_copy(update={"provenance": provenance})


@pytest.mark.parametrize(
    ("records", "deleted", "limited"),
    [
        ([at(n, workload="one") for n in range(50)], 1, 49),
        ([at(n, namespace=f"ns{n}") for n in range(12)], 10, 2),
        ([at(n) for n in range(5)], 3, 2),
        # An hour later there is room again: the window is the store's, which ends with its 60th minute.
        ([at(0), at(1), at(2), at(59), at(60)], 4, 1),
        # What was held by a limit takes no room.
        ([at(n) for n in (0, 1, 2, 30, 61, 62, 63)], 6, 1),
        # The same pod by another record, and a record whose workload or image nobody knows.
        ([at(0, uid="same"), at(200, uid="same")], 1, 1),
        ([at(0, digest="")], 0, 1),
        # Another image of the workload is another answer, within the limits of the hour.
        ([at(0, workload="one"), at(30, workload="one", digest="sha256:b")], 1, 1),
        ([at(0, workload="one"), at(90, workload="one", digest="sha256:b")], 2, 0),
    ],
)
def test_what_the_limits_and_an_earlier_answer_would_hold_is_counted_apart_from_what_would_be_deleted(
    records: list[Record], deleted: int, limited: int
) -> None:
    made = report(PROJECT, "shadow", reversed(records))
    assert (sum(made.deleted.values()), sum(made.limited.values())) == (deleted, limited)
    assert made.decided == deleted + limited


def test_the_limits_are_those_of_the_policy() -> None:
    records = [at(n, workload="one", digest=f"sha256:{n}") for n in range(9)]
    made = report(PROJECT, "shadow", records, PerHour(project=2, namespace=5, workload=9))
    assert (made.deleted, made.limited) == ({"not_reviewed": 2}, {"not_reviewed": 7})


def test_what_a_limit_held_was_judged_all_the_same_and_counts_for_the_next_rung() -> None:
    right = [at(n, workload="one", judged="true_positive") for n in range(5)]
    made = report(PROJECT, "shadow", right)
    assert (made.deleted, made.limited) == ({"true_positive": 1}, {"true_positive": 4})
    assert 'remediate = "approve" may be set: all 5' in made.advice
    made = report(PROJECT, "shadow", [*right, at(7, workload="one", judged="false_positive")])
    assert made.wrong == (f"{7:032x}",)
    assert made.advice.startswith("stay: 1 of 6")
    assert "held by limits: 5 (1 false positive, 4 true positive)" in lines(made)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    store = tmp_path / "records.db"
    monkeypatch.setenv("RESPONDER_STORE", str(store))
    monkeypatch.delenv("RESPONDER_POLICY", raising=False)
    wiring.install(None)  # type: ignore[arg-type] # nothing of Google is asked
    return SqliteRecords(store, now=lambda: datetime.now(UTC))


def keep(records: Records, ago: timedelta, record: Record, *, judged: Any = None, pod: str = TARGET.pod) -> str:
    now = datetime.now(UTC)
    finding = a_finding(key=f"1/{ago.total_seconds():.0f}", event_time=now - ago)
    record_id = records.admit(finding, dataclasses.replace(TARGET, pod=pod), a_delivery()).record_id
    claim = records.claim(record_id, "m", timedelta(minutes=5), now)
    assert claim is not None
    provenance = record.provenance.model_copy(update={"window_start": now - ago})
    update = {"id": record_id, "findings": (a_recorded(finding),), "provenance": provenance}
    saved = records.save(record.model_copy(update=update), claim)
    records.release(claim, 1)
    if judged:
        entry = ReviewEntry(state="closed", verdict=judged, note="n", by="ann", at=now)
        records.review(record_id, entry, revision=saved.provenance.revision)
    return record_id


def test_the_command_reads_the_projects_records_since_then_with_their_reviews(records: Records) -> None:
    outcome = Outcome(kind="deleted", detail="gone")
    keep(records, timedelta(days=1), decided("delete_pod", outcome=outcome), judged="true_positive")
    wrong = keep(records, timedelta(days=2), decided("delete_pod"), judged="false_positive")
    keep(records, timedelta(days=3), decided("hold", "pod-proven"))
    keep(records, timedelta(days=20), decided("delete_pod"))
    done = CliRunner().invoke(app, ["shadow-report", "--project", PROJECT, "--since", "14d"])
    assert done.exit_code == 0, done.output
    first, *rest = done.output.splitlines()
    assert first.startswith(f"{PROJECT} since ")
    assert rest == [
        "3 records, 3 of them put to the guards",
        "would have been deleted: 2 (1 false positive, 1 true positive)",
        "held by limits: 0",
        "held: 1 (1 not reviewed)",
        "      1 by pod-proven, 1 by it alone",
        "captured: nothing, no container was entered (capture = true in the policy has it done)",
        f"judged to be no attack, and no guard held them: {wrong}",
        "what really happened: 1 deleted",
        "advice: stay: 1 of 2 were judged to be no attack; exempt what they share, or ask for more evidence",
    ]
    other = CliRunner().invoke(app, ["shadow-report", "--project", "acme-other", "--json"])
    assert json.loads(other.output)["records"] == 0


def test_the_mode_in_force_is_that_of_the_policy_where_one_is_named(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(records, timedelta(days=1), decided("delete_pod"), judged="true_positive")
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[[project]]\nid = "{PROJECT}"\nnumber = "421458901689"\nremediate = "off"\n')
    command = ["shadow-report", "--project", PROJECT, "--json"]
    assert json.loads(CliRunner().invoke(app, command).output)["mode"] == "shadow"
    monkeypatch.setenv("RESPONDER_POLICY", str(policy))
    assert json.loads(CliRunner().invoke(app, command).output)["mode"] == "off"


def test_the_command_takes_the_limits_of_the_policy_that_is_named(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(5):
        keep(records, timedelta(days=1, minutes=minute), decided("delete_pod"), pod=f"p{minute}")
    command = ["shadow-report", "--project", PROJECT]
    assert "held by limits: 2 (2 not reviewed)" in CliRunner().invoke(app, command).output.splitlines()
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[[project]]\nid = "{PROJECT}"\nnumber = "421458901689"\nper_hour = {{ project = 1 }}\n')
    monkeypatch.setenv("RESPONDER_POLICY", str(policy))
    assert "held by limits: 4 (4 not reviewed)" in CliRunner().invoke(app, command).output.splitlines()


def test_a_since_that_is_no_time_ends_with_2(records: Records) -> None:
    del records
    assert CliRunner().invoke(app, ["shadow-report", "--project", PROJECT, "--since", "soon"]).exit_code == 2
