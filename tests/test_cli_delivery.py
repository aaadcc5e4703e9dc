"""Sweep, backfill and dead letters as their users meet them: a process, its output, its exit code."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import pubsub_v1

from lab import pubsub
from lab.delivery import PROJECT, clients, pull
from lab.environment import ROOT, cleaned
from lab.scenario import Scenario, load
from lab.server import serve
from responder.exits import ExitCode
from responder.ports import RecordQuery
from responder.stores.sqlite import SqliteRecords

SCENARIO = load(ROOT / "lab" / "scenarios" / "attack-web-pod.yaml")
NOTIFICATION = (ROOT / "lab" / "scenarios" / str(SCENARIO.notification)).read_bytes()
FOREIGN = (ROOT / "tests" / "samples" / "sumologic_v2_gke_threat_etd.repaired-data.json").read_bytes()
TOPIC = f"{PROJECT}/topics/records"


@dataclass
class Ground:
    """`responder` against a lab and a Pub/Sub, with a store of its own."""

    folder: Path
    publisher: pubsub_v1.PublisherClient
    subscriber: pubsub_v1.SubscriberClient
    environ: dict[str, str]
    called: Callable[[], set[str]]
    minutes_later: int = 0

    def __call__(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command, env = self.command(*arguments, **environ)
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)

    def command(self, *arguments: str, **environ: str) -> tuple[list[str], dict[str, str]]:
        code = (
            "from datetime import timedelta\nfrom lab.google import from_file\nfrom responder import cli, wiring\n"
            f"google = from_file({str(self.folder / 'endpoints.json')!r})\n"
            f"wiring.install(google, now=lambda: google.now() + timedelta(minutes={self.minutes_later}))\ncli.main()"
        )
        return [sys.executable, "-c", code, *arguments], {**self.environ, **environ}

    @contextmanager
    def records(self) -> Iterator[SqliteRecords]:
        store = SqliteRecords(self.folder / "records.db", now=lambda: datetime.now(UTC))
        try:
            yield store
        finally:
            store.close()

    def stages(self) -> list[str]:
        with self.records() as records:
            return [line.stage for line in records.list(RecordQuery())]

    def dead_topic(self) -> tuple[str, str]:
        """A dead-letter topic, and its subscription."""
        name = f"dead-{uuid.uuid4().hex}"
        topic, subscription = f"{PROJECT}/topics/{name}", f"{PROJECT}/subscriptions/{name}"
        self.publisher.create_topic(name=topic)
        self.subscriber.create_subscription(request={"name": subscription, "topic": topic})
        return topic, subscription

    def waiting(self, subscription: str) -> list[bytes]:
        """What can be pulled; it is held afterwards."""
        return sorted(bytes(one.message.data) for one in pull(self.subscriber, subscription, 20, seconds=4))


@contextmanager
def ground(folder: Path, **changes: Any) -> Iterator[Ground]:
    scenario = Scenario.model_validate(SCENARIO.model_dump() | changes)
    with (
        serve(scenario, json.loads(NOTIFICATION)) as running,
        pubsub.serve() as host,
        clients(host) as (publisher, subscriber),
    ):
        endpoints = running.endpoints.model_dump(mode="json") | {"pubsub": host}
        (folder / "endpoints.json").write_text(json.dumps(endpoints), encoding="utf-8")
        publisher.create_topic(name=TOPIC)
        environ = {
            **cleaned({"PATH": "/usr/bin:/bin"}),
            "RESPONDER_STORE": str(folder / "records.db"),
            "RESPONDER_SCC_PARENT": SCENARIO.scc_parent,
        }
        yield Ground(folder, publisher, subscriber, environ, lambda: {call["call"] for call in running.lab.journal})


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path) as opened:
        yield opened


def assert_refused(done: subprocess.CompletedProcess[str], code: ExitCode, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("responder: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


# --- backfill ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_backfill_records_what_scc_has_and_a_second_one_finds_nothing_new(here: Ground) -> None:
    first = here("backfill", "--since", "7d")
    assert (first.returncode, first.stdout) == (
        0, "3 findings in Security Command Center, 3 of them were new and are recorded now\n",
    )  # fmt: skip
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  1 findings in", first.stderr, re.MULTILINE)
    assert here.stages() == ["finished"]
    second = here("backfill", "--since", "7d", "--project", "acme-shop-prod")
    assert second.stdout == "3 findings in Security Command Center, 0 of them were new and are recorded now\n"
    assert here.stages() == ["finished"]


@pytest.mark.slow
def test_a_backfill_keeps_to_its_span_and_its_project(here: Ground) -> None:
    event = SCENARIO.event_time
    before = (event - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    assert here("backfill", "--since", "2020-01-01", "--until", before).stdout.startswith("0 findings")
    assert here("backfill", "--since", before, "--project", "another-project").stdout.startswith("0 findings")
    assert here.stages() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "--since"),
        (("--since", "1h", "--until", "2h"), "before"),
        (("--since", "1h", "--project", 'x" OR "'), "--project"),
    ],
)
def test_a_backfill_of_no_span_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    environ = {**cleaned({"PATH": "/usr/bin"}), "RESPONDER_SCC_PARENT": "organizations/1"}
    environ["RESPONDER_STORE"] = str(tmp_path / "r.db")
    command = [sys.executable, "-c", "from responder import cli; cli.main()", "backfill", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=ROOT)
    assert_refused(done, ExitCode.USAGE, words)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_backfill_can_be_broken_off_and_run_again(tmp_path: Path, number: int) -> None:
    fault = {"call": "gke.GetCluster", "kind": "hang", "times": 1}
    with ground(tmp_path, faults=[fault]) as here:
        command, env = here.command("backfill", "--since", "7d")
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        until = time.monotonic() + 30
        # Not before it hangs: one that is told to stop in the moment of claiming leaves its claim to the lease's end.
        while "gke.GetCluster" not in here.called() and time.monotonic() < until:
            time.sleep(0.05)
        assert here.stages() == ["admitted"]
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (ExitCode.FAILED, "")
        assert "broken off" in err
        assert "Traceback" not in err
        assert here("sweep").returncode == 0
        assert here.stages() == ["finished"], "its claim was let go of, and the sweep goes on"


@pytest.mark.slow
def test_scc_that_refuses_is_one_line_with_the_grant(tmp_path: Path) -> None:
    with ground(tmp_path, faults=[{"call": "scc.ListFindings", "kind": "deny"}]) as here:
        done = here("backfill", "--since", "7d")
        assert_refused(done, ExitCode.FAILED, "denied", "securitycenter.findings.list")
        swept = here("sweep")
        assert swept.returncode == ExitCode.FAILED
        assert swept.stdout.startswith("0 records were due")
        assert "denied" in swept.stderr


# --- sweep ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_sweep_finds_what_never_came_and_sends_it_out(here: Ground) -> None:
    subscription = f"{PROJECT}/subscriptions/siem"
    here.subscriber.create_subscription(request={"name": subscription, "topic": TOPIC})
    assert "0 findings were new" in here("sweep").stdout, "their messages may still be on their way"
    here.minutes_later = 10
    done = here("sweep", RESPONDER_RECORDS_TOPIC=TOPIC)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "0 records were due, 3 findings were new, 0 records had still to be sent out, 0 to be told\n"
    *_, message = here.waiting(subscription)
    with here.records() as records:
        (line,) = records.list(RecordQuery())
        assert records.counters()["decisions.hold"] >= 1
    assert json.loads(message)["id"] == line.id
    assert "0 findings were new" in here("sweep", RESPONDER_RECORDS_TOPIC=TOPIC).stdout


# --- dead letters -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_dead_letters_are_listed_and_left(here: Ground) -> None:
    topic, subscription = here.dead_topic()
    for data in (NOTIFICATION, FOREIGN, b"\x1b[2J no json"):
        here.publisher.publish(topic, data, CloudPubSubDeadLetterSourceDeliveryCount="5").result(10)
    listed = here("dead-letters", "list", "--subscription", subscription)
    assert listed.returncode == 0, listed.stderr
    lines = sorted(line.split("attempts  ")[1] for line in listed.stdout.splitlines())
    assert [line.split()[0] for line in lines] == ["cannot", "finding", "not"]
    assert "  5 attempts" in listed.stdout
    assert "\x1b" not in listed.stdout
    assert len(here.waiting(subscription)) == 3
    assert here.stages() == []


@pytest.mark.slow
def test_replayed_letters_are_recorded_rejected_or_passed_over_and_taken(here: Ground) -> None:
    topic, subscription = here.dead_topic()
    for data in (NOTIFICATION, FOREIGN, b"no json"):
        here.publisher.publish(topic, data).result(10)
    done = here("dead-letters", "replay", "--subscription", subscription)
    assert (done.returncode, done.stderr) == (0, "")
    became = sorted(line.split(": ", 1)[0].split()[-1] for line in done.stdout.splitlines())
    assert became == ["ours", "recorded", "rejected"]
    assert here.waiting(subscription) == []
    with here.records() as records:
        assert [one.data for one in records.rejected()] == [b"no json"]
        assert records.counters()["foreign.other_category"] == 1
    assert here.stages() == ["finished"]


@pytest.mark.slow
def test_a_letter_that_cannot_be_recorded_stays_there_and_the_others_go_on(here: Ground) -> None:
    topic, subscription = here.dead_topic()
    for data in (NOTIFICATION, FOREIGN):
        here.publisher.publish(topic, data).result(10)
    done = here("dead-letters", "replay", "--subscription", subscription, RESPONDER_OWNER_KEYS="owner")
    assert done.returncode == 0
    here.publisher.publish(topic, NOTIFICATION).result(10)
    here.publisher.publish(topic, FOREIGN).result(10)
    (here.folder / "records.db").unlink()
    for name in ("records.db-wal", "records.db-shm"):
        (here.folder / name).unlink(missing_ok=True)
    (here.folder / "records.db").mkdir()
    failed = here("dead-letters", "replay", "--subscription", subscription)
    assert failed.returncode == ExitCode.FAILED
    assert "not replayed" in failed.stderr
    assert "1 of 2 were not replayed" in failed.stderr
    assert "not ours" in failed.stdout
    assert here.waiting(subscription) == [NOTIFICATION]


@pytest.mark.slow
def test_no_letters_are_said_to_be_none_and_a_wrong_name_is_refused(here: Ground) -> None:
    _, subscription = here.dead_topic()
    for command in ("list", "replay"):
        done = here("dead-letters", command, RESPONDER_DEAD_LETTERS=subscription)
        assert (done.returncode, done.stdout) == (0, "")
        assert "nothing came within" in done.stderr
    assert_refused(here("dead-letters", "list", "--subscription", "dead"), ExitCode.USAGE, "projects/PROJECT")
    assert_refused(here("dead-letters", "list"), ExitCode.USAGE, "projects/PROJECT")
    nowhere = f"{PROJECT}/subscriptions/nowhere"
    assert_refused(here("dead-letters", "list", "--subscription", nowhere), ExitCode.FAILED, "not_found")
