"""`verify RECORD`: exit code 0 where evidence is intact, 1 where it is not, with a line for each file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from responder import cli_verify
from tests.capture.test_custody import ID, captured, overwritten, place


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.callback()(lambda: None)
    cli_verify.register(made)
    return made


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    record, _ = captured(tmp_path / "evidence")
    (tmp_path / "record.json").write_text(record.model_dump_json())
    return ["verify", ID, "--evidence", str(tmp_path / "evidence"), "--record", str(tmp_path / "record.json")]


def test_intact_evidence_ends_with_0_and_a_line_for_each_file(app: typer.Typer, given: list[str]) -> None:
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["intact"] * 4


def test_tampered_evidence_ends_with_1_and_is_named(app: typer.Typer, given: list[str], tmp_path: Path) -> None:
    overwritten(tmp_path / "evidence" / place("0001.zip"), b"x")
    done = CliRunner().invoke(app, [*given, "--json"])
    assert done.exit_code == 1
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["kind"], one["place"]) for one in told if one["kind"] != "intact"] == [("changed", place("0001.zip"))]


def test_a_planted_name_cannot_write_to_the_terminal(app: typer.Typer, given: list[str], tmp_path: Path) -> None:
    (tmp_path / "evidence" / place("\x1b]0;x\n.zip")).write_bytes(b"")
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize("what", ["no file", "no record", "another record"])
def test_wrong_usage_ends_with_2(app: typer.Typer, given: list[str], tmp_path: Path, what: str) -> None:
    if what == "no file":
        (tmp_path / "record.json").unlink()
    elif what == "no record":
        (tmp_path / "record.json").write_text("{}")
    else:
        given[1] = "1" * 32
    assert CliRunner().invoke(app, given).exit_code == 2


def test_without_a_place_the_setting_names_it_and_a_wrong_one_ends_with_3(
    app: typer.Typer, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unplaced = [*given[:2], *given[4:]]
    monkeypatch.setenv("RESPONDER_EVIDENCE", str(tmp_path / "evidence"))
    assert CliRunner().invoke(app, unplaced).exit_code == 0
    monkeypatch.setenv("RESPONDER_EVIDENCE", str(tmp_path / "nothing"))
    assert CliRunner().invoke(app, unplaced).exit_code == 1
    monkeypatch.setenv("RESPONDER_EVIDENCE", "gs:acme")
    assert CliRunner().invoke(app, unplaced).exit_code == 3
