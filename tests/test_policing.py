"""The policy in force: read again once a minute, and never in force with a mistake in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from responder import wiring
from responder.policing import Policed
from responder.reread import SECONDS
from responder.settings import Settings

GOOD = b'[[project]]\nid = "acme-shop-prod"\nnumber = "415104041262"\nremediate = "auto"\n'


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "policy.toml"
    made.write_bytes(GOOD)
    return made


def test_a_project_that_is_taken_out_of_the_file_is_allowed_nothing_within_a_minute(file: Path) -> None:
    hand = Hand()
    policed = Policed(str(file), monotonic=hand)
    assert policed().of("acme-shop-prod", "415104041262") is not None
    file.write_bytes(b"")
    hand.at += SECONDS
    assert policed().of("acme-shop-prod", "415104041262") is None
    assert SECONDS <= 60


def test_within_that_minute_the_file_is_not_read_again(file: Path) -> None:
    hand = Hand()
    policed = Policed(str(file), monotonic=hand)
    first = policed()
    file.unlink()
    hand.at += SECONDS - 1
    assert policed() is first


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (GOOD + b'capture = "true"\n', "policy.toml: line 5: project.0.capture: write true or false"),
        (b"\xff", "policy.toml: line 1: not UTF-8"),
        (b"#" * (1024 * 1024 + 1), "policy.toml: the file has"),
        (None, "policy.toml cannot be read: FileNotFoundError"),
    ],
)
def test_a_file_with_a_mistake_replaces_what_was_right_before_and_allows_nothing(
    file: Path, data: bytes | None, problem: str
) -> None:
    hand = Hand()
    policed = Policed(str(file), monotonic=hand)
    assert policed().problem == ""
    file.unlink() if data is None else file.write_bytes(data)
    hand.at += SECONDS
    held = policed()
    assert held.problem.startswith(problem)
    assert (held.project, held.sha256) == ((), "")


def test_a_file_with_a_mistake_is_told_in_the_log_each_time_that_it_is_read(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hand = Hand()
    policed = Policed(str(file), monotonic=hand)
    policed()
    assert capsys.readouterr().out == ""
    file.write_bytes(b"[")
    for _ in range(2):
        hand.at += SECONDS
        policed()
        policed()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["severity"], line["message"]) for line in lines] == [("ERROR", "policy not in force")] * 2
    assert lines[0]["why"].startswith("policy.toml: ")


def test_a_mended_file_is_in_force_again(file: Path) -> None:
    hand = Hand()
    file.write_bytes(b"[")
    policed = Policed(str(file), monotonic=hand)
    assert policed().problem
    file.write_bytes(GOOD)
    hand.at += SECONDS
    assert policed().problem == ""
    assert len(policed().project) == 1


def test_a_world_has_a_policy_where_one_is_named_and_none_elsewhere(file: Path, tmp_path: Path) -> None:
    for given in ("", str(file)):
        wiring.install(None)  # type: ignore[arg-type] # nothing of Google is asked
        world = wiring.world(Settings(scc_parent="organizations/1", store=str(tmp_path / "records.db"), policy=given))
        assert (world.policy is not None) == bool(given)
    assert world.policy is not None
    assert world.policy().of("acme-shop-prod", "415104041262") is not None
    world.records.close()
