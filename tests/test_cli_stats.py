"""`responder stats` as its users meet it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from responder.exits import ExitCode
from tests.builders import EVENT_TIME
from tests.test_cli import Cli, assert_one_line, saved


def test_the_figures_are_for_people_for_programs_and_for_paper(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    saved(cli)
    saved(cli, key="1/b", minutes=120)
    days = f"{(datetime.now(UTC) - EVENT_TIME).days + 2}d"
    assert "2 records of 2 findings" in cli("stats", "--since", days).stdout
    figures = json.loads(cli("stats", "--since", days, "--json").stdout)
    assert (figures["records"], figures["verdicts"]) == (2, {"insufficient_data": 2})
    assert cli("stats", "--since", days, "--html").stdout.startswith("<!doctype html>")
    assert json.loads(cli("stats", "--since", "0m", "--json").stdout)["records"] == 0
    assert json.loads(cli("stats", "--since", days, "--project", "another", "--json").stdout)["records"] == 0
    assert_one_line(cli("stats", "--json", "--html"), ExitCode.USAGE, "--html")
