from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from responder.cli_triage import replay, triage_app
from responder.triage import judge
from responder.triage.case import Case
from responder.triage.evaluation import activities, figures, report, run, split
from tests.builders import a_record

CORPUS = Path(__file__).parent / "corpus"
KEYS = ["activities", "malicious_called_benign", "benign_called_malicious", "malicious_flagged", "benign_called_benign", "benign_named"]  # fmt: skip  # noqa: E501


def rows(*names: str) -> list[dict[str, Any]]:
    return [json.loads(line) for name in names for line in (CORPUS / f"{name}.jsonl").read_text().splitlines() if line]


PUBLIC = ("malicious_atomic_red_team", "malicious_public_docs", "benign_public_logs", "benign_toolchain_install_lines", "traced_execs")  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(
    "names",
    [
        PUBLIC,
        ("own_benign", "own_malicious"),
        ("own_second_benign", "own_second_malicious"),
        ("own_third_benign", "own_third_malicious"),
        ("own_blind_benign", "own_blind_malicious", "own_blind_measured"),
        ("own_blind_second", "own_blind_third"),
    ],
)
def test_the_corpus_is_judged_within_its_bars(names: tuple[str, ...]) -> None:
    found = figures(run(activities(rows(*names))))
    assert found.malicious_called_benign == 0
    assert found.benign_called_malicious == 0
    assert found.malicious_flagged >= 0.80
    assert found.benign_called_benign >= 0.85
    assert found.benign_named >= 0.80


def test_real_builds_in_a_home_folder_are_told_as_unclear_and_never_as_an_attack() -> None:
    found = figures(run(activities(rows("own_blind_home"))))
    assert found.benign_called_malicious == 0
    assert found.benign_called_benign < 0.5


def test_without_parents_and_folders_no_line_of_the_corpus_is_malicious() -> None:
    units = activities(rows(*PUBLIC, "own_benign", "own_malicious"))
    bare = [Case.of_execs([{"argv": one.argv, "exe": one.exe} for one in unit.case.execs]) for unit in units]
    assert {judge(case).verdict for case in bare} <= {"suspicious", "insufficient_data"}


def test_rows_for_macos_and_rows_without_a_compiler_are_left_out_and_twins_count_once() -> None:
    line = {"label": "malicious", "execs": [{"argv": ["gcc", "x.c"]}]}
    found = activities([line, line, line | {"platforms": ["macos"]}, {"label": "benign", "command": "apk add gcc"}])
    assert len(found) == 1


def test_a_bare_make_is_undecidable_and_left_out_of_the_shares() -> None:
    units = activities([{"label": "malicious", "execs": [{"argv": ["make"]}]}])
    assert units[0].undecidable
    assert figures(run(units)).malicious_flagged == 1.0


def test_rows_of_one_scenario_are_one_activity_and_a_shape_counts_as_malicious() -> None:
    row = {"label": "malicious-shape", "scenario": "s", "cwd": "/tmp", "parents": []}
    units = activities([row | {"argv": ["gcc", "a.c"]}, row | {"argv": ["./a.out"]}])
    assert [(one.name, one.label, len(one.case.execs)) for one in units] == [("s", "malicious", 2)]


def test_a_command_is_split_as_a_shell_splits_it() -> None:
    assert split("echo 'a;b' | gcc -x c - -o x && ./x") == [
        ["echo", "a;b"],
        ["gcc", "-x", "c", "-", "-o", "x"],
        ["./x"],
    ]
    assert split("gcc 'a") == [["gcc", "'a"]]


def test_the_report_shows_matrix_misses_and_what_each_sign_is_worth() -> None:
    text = report(run(activities(rows("own_malicious", "own_benign"))))
    assert "insufficient_data" in text
    assert "misses:" in text
    assert "B1: " in text


def test_the_last_line_is_the_six_figures() -> None:
    said = CliRunner().invoke(triage_app, ["eval", str(CORPUS / "own_benign.jsonl"), "--json"])
    assert said.exit_code == 0
    assert list(json.loads(said.stdout.splitlines()[-1])) == KEYS


@pytest.mark.parametrize(("text", "code"), [("no json", 2), ("", 4), ('{"label": "other"}', 4)])
def test_a_file_that_holds_no_corpus_is_refused(tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    assert CliRunner().invoke(triage_app, ["eval", str(tmp_path)]).exit_code == code


def test_a_replay_reads_records_from_files(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(a_record().model_dump_json())
    (tmp_path / "new.toml").write_text("[thresholds]\nmalicious = 95\n")
    app = Typer()
    app.command()(replay)
    said = CliRunner().invoke(app, ["--rules", str(tmp_path / "new.toml"), str(tmp_path / "r.json")])
    assert said.exit_code == 0
    assert "of 1 verdicts would change" in said.stdout


def test_judging_is_fast_and_its_cost_grows_no_faster_than_the_activity() -> None:
    units = activities(rows("traced_execs"))
    count = sum(len(unit.case.execs) for unit in units)
    run(units)
    start = time.process_time()
    run(units)
    # The bar is 200 µs an exec on a quiet machine; here many things run at once.
    assert (time.process_time() - start) / count < 0.001


@given(st.lists(st.text(max_size=60), max_size=12), st.lists(st.lists(st.text(max_size=60), max_size=6), max_size=4))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_it_fail_or_is_called_benign_alone(argv: list[str], parents: list[list[str]]) -> None:
    found = judge(Case.of_execs([{"argv": argv}], parents=parents))
    assert found.score == max(0, min(100, found.base + sum(signal.weight for signal in found.signals)))
    assert judge(Case.of_execs([{"argv": argv}])).verdict != "malicious"
