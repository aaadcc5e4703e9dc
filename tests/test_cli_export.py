"""`responder export` as its users meet it: a process, its files, its exit code."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path

import pytest

from responder import export
from responder.exits import ExitCode
from tests.test_cli import HOSTILE, Cli, assert_one_line, saved


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.mark.parametrize(
    ("form", "start"), [("json", "{"), ("md", "# "), ("html", "<!doctype"), ("csv", '"record"'), ("ocsf", "{")]
)
def test_a_record_goes_to_stdout_in_each_form(cli: Cli, form: str, start: str) -> None:
    record_id = saved(cli, args=("gcc", HOSTILE))
    done = cli("export", record_id, "--to", form)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(start)
    assert record_id in done.stdout
    assert "\x1b" not in done.stdout


def test_a_query_is_one_stream_and_narrows_what_is_written(cli: Cli) -> None:
    old, new = saved(cli), saved(cli, key="1/b", minutes=120)
    assert [json.loads(line)["id"] for line in cli("export", "--all").stdout.splitlines()] == [new, old]
    rows = csv.DictReader(io.StringIO(cli("export", "--since", "2026-11-20T10:00", "--to", "csv").stdout, newline=""))
    assert [row["record"] for row in rows] == [new]
    assert cli("export", "--project", "another", "--to", "ocsf").stdout == ""
    uids = [
        json.loads(line)["metadata"]["correlation_uid"]
        for line in cli("export", "--project", "acme-shop-prod", "--to", "ocsf").stdout.splitlines()
    ]
    assert uids == [new, old]
    assert cli("export", "--all", "--to", "md").stdout.count("\n---\n") == 1


@pytest.mark.parametrize("form", export.FORMS)
def test_a_folder_has_a_file_for_each_record_that_its_owner_alone_reads(cli: Cli, tmp_path: Path, form: str) -> None:
    ids = {saved(cli), saved(cli, key="1/b", minutes=120)}
    folder = tmp_path / "out" / "deep"
    done = cli("export", "--all", "--to", form, "-o", str(folder))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"2 records written to {folder}\n")
    ending = {"ocsf": ".ocsf.json"}.get(form, f".{form}")
    assert {file.name for file in folder.iterdir()} == (
        {"records.csv"} if form == "csv" else {record_id + ending for record_id in ids}
    )
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert all(any(record_id in file.read_text() for file in folder.iterdir()) for record_id in ids)


def test_a_link_in_the_folder_is_replaced_and_what_it_points_to_stays(cli: Cli, tmp_path: Path) -> None:
    record_id = saved(cli)
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / f"{record_id}.json").symlink_to(precious)
    assert cli("export", record_id, "-o", str(tmp_path)).returncode == 0
    assert precious.read_text() == "mine"
    assert json.loads((tmp_path / f"{record_id}.json").read_text())["id"] == record_id


def test_what_is_asked_wrongly_is_one_line(cli: Cli, tmp_path: Path) -> None:
    record_id = saved(cli)
    assert_one_line(cli("export"), ExitCode.USAGE, "ID", "--all")
    assert_one_line(cli("export", record_id, "--all"), ExitCode.USAGE, "ID", "--all")
    assert_one_line(cli("export", "--since", "yesterday"), ExitCode.USAGE, "--since", "24h")
    assert_one_line(cli("export", "--all", "--to", "html"), ExitCode.FAILED, "-o DIR")
    (tmp_path / "file").write_text("")
    assert_one_line(cli("export", record_id, "-o", str(tmp_path / "file")), ExitCode.REFUSED, "cannot be written to")
