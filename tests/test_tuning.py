from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from responder.errors import SettingsError
from responder.triage import judge
from responder.triage.case import Case
from responder.triage.rules import BUILT_IN
from responder.triage.tuning import NONE, applied, parse, read

ENTRY = """
[[expected_builders]]
project = "acme-ci"
namespace = "wheels"
workload = "CronJob/nightly"
owner = "build@acme.example"
reason = "nightly wheels"
expires = 2027-06-30
"""
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_the_example_that_is_deployed_changes_nothing() -> None:
    tuned = parse((Path(__file__).parents[1] / "deploy" / "triage.toml").read_text())
    assert applied(BUILT_IN, tuned) == BUILT_IN
    assert tuned.builders == ()


def test_the_example_is_valid_where_its_comments_are_taken_away() -> None:
    text = (Path(__file__).parents[1] / "deploy" / "triage.toml").read_text()
    lines = [
        line.removeprefix("# ")
        for line in text.splitlines()
        if line.startswith(("# [", "# ")) and ("=" in line or "[" in line)
    ]
    lines = [line for line in lines if line.startswith("[") or line.split(" ")[1:2] == ["="]]
    assert len(parse("\n".join(lines)).builders) == 1


def test_weights_and_thresholds_are_changed() -> None:
    rules = applied(BUILT_IN, parse("[weights]\nP1 = 5\n[thresholds]\nsuspicious = 55\n"))
    assert (rules.weight("P1"), rules.suspicious, rules.weight("P2")) == (5, 55, BUILT_IN.weight("P2"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[weights]\nQ9 = 1", "there is no such sign"),
        ("[weights]\nP1 = -5", "must stay positive"),
        ('[weights]\nP1 = "5"', "weights.P1"),
        ("[thresholds]\nbenign = 60", "must rise"),
        ("[thresholds]\nevil = 60", "evil"),
        ("colour = 1", "colour"),
        ("[weights", "no TOML"),
        (ENTRY.replace('wheels"', '*"', 1), "no wildcards"),
        (ENTRY.replace('workload = "CronJob/nightly"\n', ""), "too wide"),
        (ENTRY.replace("CronJob/nightly", "nightly"), "Kind/name"),
        (ENTRY.replace('owner = "build@acme.example"\n', ""), "owner"),
        (ENTRY.replace("expires = 2027-06-30\n", ""), "expires"),
        (ENTRY.replace("nightly wheels", " "), "must not be empty"),
        (ENTRY + 'image_digest = "sha256:12"', "64 hexadecimal"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse(text)


def test_an_invalid_file_leaves_the_built_in_rules_in_force_and_the_record_says_so() -> None:
    tuned = read("[weights]\nQ9 = 1")
    triage = judge(Case.of_execs([{"argv": ["gcc", "a.c"]}]), BUILT_IN, tuned)
    assert applied(BUILT_IN, tuned) == BUILT_IN
    assert "not in force" in triage.tuning
    assert triage.score == judge(Case.of_execs([{"argv": ["gcc", "a.c"]}])).score


def test_a_builder_holds_for_its_own_project_namespace_and_workload_until_its_last_day() -> None:
    tuned = parse(ENTRY)
    place = {"project": "acme-ci", "namespace": "wheels", "owner": "CronJob/nightly", "digest": ""}
    assert tuned.builder(**place, at=NOW) is not None
    assert tuned.builder(**place, at=datetime(2027, 6, 30, 23, tzinfo=UTC)) is not None
    assert tuned.builder(**place, at=datetime(2027, 7, 1, tzinfo=UTC)) is None
    for key in ("project", "namespace", "owner"):
        assert tuned.builder(**(place | {key: "another"}), at=NOW) is None
    assert "nightly wheels" in tuned.said(datetime(2028, 1, 1, tzinfo=UTC))
    assert NONE.said(NOW) == ""
