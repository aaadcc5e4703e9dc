"""The command line as its users meet it: a process, its output, its exit code."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import jsonschema
import pytest

from lab.environment import ROOT, cleaned
from lab.scenario import load
from lab.server import serve
from responder import schema
from responder.cli import ExitCode
from responder.record import Record
from responder.stores.sqlite import SqliteRecords
from tests.builders import EVENT_TIME, TARGET, a_delivery, a_finding, a_record, a_recorded

SAMPLES = ROOT / "tests" / "samples"
SCENARIO = ROOT / "lab" / "scenarios" / "attack-web-pod.yaml"
HOSTILE = "a\x1b[2J\u202e[red]b"


class Cli:
    """Runs `responder` with a store of its own; `wire` is code that runs before it."""

    def __init__(self, folder: Path, *, wire: str = "") -> None:
        self.store = folder / "records.db"
        self.code = f"from responder import cli\n{wire}\ncli.main()"

    def __call__(
        self, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", self.code, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
            env={**cleaned({"PATH": "/usr/bin:/bin"}), "RESPONDER_STORE": str(self.store), "COLUMNS": "100", **environ},
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def saved(cli: Cli, *, key: str = "1/a", minutes: float = 0, args: tuple[str, ...] = ("gcc", "a.c")) -> str:
    """A record in the store, its id."""
    records = SqliteRecords(cli.store, now=lambda: datetime.now(UTC))
    finding = a_finding(key=key, args=args, event_time=EVENT_TIME + timedelta(minutes=minutes))
    record_id = records.admit(finding, TARGET, a_delivery()).record_id
    claim = records.claim(record_id, "m", timedelta(minutes=5), datetime.now(UTC))
    assert claim is not None
    records.save(a_record(record_id, findings=(a_recorded(finding),)), claim)
    records.release(claim, 1)
    records.close()
    return record_id


def assert_one_line(done: subprocess.CompletedProcess[str], code: ExitCode, *words: str) -> None:
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("responder: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_list_shows_the_newest_first_and_says_when_there_is_none(cli: Cli) -> None:
    empty = cli("records", "list")
    assert (empty.returncode, empty.stdout, empty.stderr) == (0, "", "no records\n")
    old, new = saved(cli), saved(cli, key="1/b", minutes=120, args=("gcc", HOSTILE))
    lines = cli("records", "list").stdout.splitlines()
    assert [line[:32] for line in lines] == [new, old]
    assert r"gcc a\x1b[2J\u202e[red]b in shop/" in lines[0]
    assert cli("records", "list", "--limit", "1").stdout.splitlines() == lines[:1]
    assert cli("records", "list", "--project", "another").stdout == ""
    assert cli("records", "list", "--since", "2026-11-20T10:00:00").stdout.splitlines() == lines[:1]


def test_a_list_as_json_is_one_object_a_line(cli: Cli) -> None:
    record_id = saved(cli)
    (line,) = map(json.loads, cli("records", "list", "--json").stdout.splitlines())
    assert (line["id"], line["stage"], line["subject"]["pod"]) == (record_id, "finished", TARGET.pod)
    assert datetime.fromisoformat(line["window_start"]) == EVENT_TIME


def test_a_record_is_shown_for_people_and_for_programs(cli: Cli) -> None:
    record_id = saved(cli, args=("gcc", HOSTILE))
    people = cli("records", "show", record_id)
    assert r"$ gcc a\x1b[2J\u202e[red]b" in people.stdout
    programs = cli("records", "show", record_id, "--json")
    assert Record.model_validate_json(programs.stdout).id == record_id


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_plain_locale_is_enough(cli: Cli, locale: dict[str, str]) -> None:
    record_id = saved(cli, args=("gcc", "naïve.c"))
    for arguments in (("records", "list"), ("records", "show", record_id), ("export", record_id, "--to", "html")):
        done = cli(*arguments, environ=locale)
        assert (done.returncode, done.stderr) == (0, ""), arguments


def test_a_review_is_added_and_a_stale_one_refused(cli: Cli) -> None:
    record_id = saved(cli)
    review = ("records", "review", record_id, "--note", "a build")
    assert_one_line(cli(*review, "--state", "closed"), ExitCode.USAGE, "--verdict", "false_positive")
    first = cli(*review, "--state", "acknowledged", "--by", "alice")
    assert (first.returncode, first.stdout) == (0, f"{record_id} is acknowledged, revision 2\n")
    closing = (*review, "--state", "closed", "--verdict", "false_positive", "--by", "bob")
    assert_one_line(cli(*closing, "--revision", "1"), ExitCode.STALE, "revision 2, not 1")
    assert cli(*closing, "--revision", "2").stdout == f"{record_id} is closed, false_positive, revision 3\n"
    shown = json.loads(cli("records", "show", record_id, "--json").stdout)["review"]
    assert [(e["by"], e["state"], e["verdict"]) for e in shown["history"]] == [
        ("alice", "acknowledged", None),
        ("bob", "closed", "false_positive"),
    ]


def test_a_record_that_is_not_there_is_said_to_be_so(cli: Cli) -> None:
    review = ("review", "f" * 32, "--state", "acknowledged", "--note", "n")
    for command in (("records", "show", "f" * 32), ("export", "f" * 32), ("records", *review)):
        assert_one_line(cli(*command), ExitCode.NOT_FOUND, "no record", "records list")


def test_a_store_that_fails_is_one_line(cli: Cli) -> None:
    assert_one_line(
        cli("records", "list", environ={"RESPONDER_STORE": "/no/such/r.db"}), ExitCode.FAILED, "/no/such/r.db"
    )
    cli.store.write_text("this is no database\n" * 500)
    assert_one_line(cli("records", "list"), ExitCode.FAILED, "SQLITE_NOTADB")


def test_a_setting_that_is_wrong_is_one_line(cli: Cli) -> None:
    assert_one_line(
        cli("records", "list", environ={"RESPONDER_SCC_PARNT": "x"}), ExitCode.SETTINGS, "RESPONDER_SCC_PARNT"
    )
    sample = str(SAMPLES / "CONSTRUCTED_ctd_v2_notification.json")
    assert_one_line(cli("investigate", sample), ExitCode.SETTINGS, "RESPONDER_SCC_PARENT")


# --- schema and help --------------------------------------------------------------------------------------------------


def test_the_schema_of_the_file_is_that_of_the_models_and_holds_for_a_record(cli: Cli, tmp_path: Path) -> None:
    printed = cli("schema").stdout
    assert printed == schema.PATH.read_text(encoding="utf-8")
    document = json.loads(a_record().model_dump_json())
    jsonschema.Draft202012Validator(json.loads(printed)).validate(document)
    assert list(document) == [
        *(
            "schema",
            "id",
            "findings",
            "evidence",
            "triage",
            "decision",
            "outcome",
            "plan",
            "owner",
            "timeline",
            "steps",
        ),
        *("links", "commands", "forecast", "capture", "artifacts", "actions", "notices", "review"),
        *("provenance", "redactions"),
    ]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"surprise": 1}, json.loads(printed))
    drifted = tmp_path / "s.json"
    drifted.write_text(printed + " ")
    assert schema.main(["--check"]) == 0
    assert schema.main(["--check", "--path", str(drifted)]) == 1


def test_help_names_every_exit_code_and_loads_nothing_heavy(cli: Cli) -> None:
    text = " ".join(cli("--help").stdout.split())
    assert all(f"{code.value} " in text for code in ExitCode)
    cli.code = (
        "import sys, atexit; from responder import cli\n"
        "heavy = {'google.auth', 'google.api_core', 'grpc', 'pydantic', 'requests', 'detect_secrets'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        "cli.main()"
    )
    assert cli("--help").stdout.endswith("[]\n")


# --- investigate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cannot be read"),
        (b"\x00\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"{}", "cannot be read"),
        (b'{"message": {"data": "%%%"}}', "not base64"),
        (SAMPLES / "CONSTRUCTED_cloudrun_same_category_notification.json", "not ours"),
    ],
)
def test_what_is_no_finding_of_ours_is_refused_in_one_line(cli: Cli, data: bytes | Path, words: str) -> None:
    given = data.read_bytes() if isinstance(data, Path) else data
    assert_one_line(cli("investigate", "-", stdin=given), ExitCode.REFUSED, words)


def test_one_of_file_and_again_must_be_given(cli: Cli) -> None:
    assert_one_line(cli("investigate"), ExitCode.USAGE, "FILE", "--again")
    assert_one_line(cli("investigate", "a.json", "--again", "x"), ExitCode.USAGE, "FILE", "--again")
    assert_one_line(cli("investigate", "/no/such.json"), ExitCode.NOT_FOUND, "/no/such.json")
    assert cli("investigate", "--nope").returncode == ExitCode.USAGE


def test_a_failure_that_nobody_foresaw_shows_its_type_and_not_its_text(tmp_path: Path) -> None:
    wire = (
        "from responder import wiring\n"
        "def world(settings):\n    raise LookupError('Bearer canary-5f1e')\n"
        "wiring.world = world"
    )
    sample = str(SAMPLES / "CONSTRUCTED_ctd_v2_notification.json")
    done = Cli(tmp_path, wire=wire)("investigate", sample, environ={"RESPONDER_SCC_PARENT": "organizations/1"})
    assert_one_line(done, ExitCode.FAILED, "LookupError")
    assert "canary" not in done.stderr


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """`responder` against a lab that has the finding."""
    scenario = load(SCENARIO)
    folder = tmp_path_factory.mktemp("google")
    with serve(scenario, json.loads(_notification())) as running:
        endpoints = folder / "endpoints.json"
        endpoints.write_text(running.endpoints.model_dump_json())
        wire = (
            "from lab.google import from_file\nfrom responder import wiring\n"
            f"google = from_file({str(endpoints)!r})\nwiring.install(google, now=google.now)"
        )
        yield Cli(folder, wire=wire)


def _notification() -> bytes:
    scenario = load(SCENARIO)
    return (SCENARIO.parent / str(scenario.notification)).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["bare", "list", "pulled"])
def test_what_gcloud_prints_is_read_too(google: Cli, form: str) -> None:
    whole = json.loads(_notification())
    message = {"message": {"data": base64.b64encode(_notification()).decode()}, "ackId": "x"}
    given = {"bare": whole["finding"], "list": [whole], "pulled": [message]}[form]
    parent = {"RESPONDER_SCC_PARENT": load(SCENARIO).scc_parent}
    done = google("investigate", "-", "--json", stdin=json.dumps(given).encode(), environ=parent)
    assert done.returncode == 0, done.stderr
    assert Record.model_validate_json(done.stdout).evidence.scc.status == "found"


@pytest.mark.slow
def test_a_file_a_push_body_and_another_look_end_in_the_same_record(google: Cli, tmp_path: Path) -> None:
    parent = {"RESPONDER_SCC_PARENT": load(SCENARIO).scc_parent}
    file = tmp_path / "with a space.json"
    file.write_bytes(_notification())
    people = google("investigate", str(file), environ=parent)
    assert (people.returncode, people.stderr) == (0, "")
    assert "$ gcc -static -o /tmp/.x/kworker /tmp/.x/k.c" in people.stdout
    body = {"message": {"data": base64.b64encode(_notification()).decode(), "messageId": "7"}, "subscription": "s"}
    record = json.loads(google("investigate", "-", "--json", stdin=json.dumps(body).encode(), environ=parent).stdout)
    assert record["provenance"]["stage"] == "finished"
    assert record["evidence"]["pod"]["status"] == "found"
    again = json.loads(google("investigate", "--again", record["id"], "--json", environ=parent).stdout)
    assert again["id"] == record["id"]
    assert again["provenance"]["revision"] > record["provenance"]["revision"]
    assert [line[:32] for line in google("records", "list").stdout.splitlines()] == [record["id"]]
    assert_one_line(google("investigate", "--again", "f" * 32, environ=parent), ExitCode.NOT_FOUND, "no record")
