"""Policy, brake and approval by the command line, against the functions as they run: processes, topic, stores, lab."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import pubsub
from lab.delivery import clients, pull
from lab.environment import ROOT, cleaned
from lab.rbac import COLLECTOR, REMEDIATOR
from lab.scenario import load
from lab.server import Running, serve
from lab.serving import function, post, push_body

pytestmark = pytest.mark.slow

SCENARIO = ROOT / "lab" / "scenarios" / "attack-web-pod.yaml"
NOTIFICATION = SCENARIO.with_suffix(".notification.json").read_bytes()
UID = "5b0c7e7e-9a43-4f6e-8f3a-6d0f2c1b9e55"
ANN = "ann@acme.example"
HEAD = '[[project]]\nid = "acme-shop-prod"\nnumber = "421458901689"\n'
APPROVE = HEAD + f'remediate = "approve"\napprovers = ["{ANN}"]\n'
AUTO = HEAD + 'remediate = "auto"\n'
CLI = """
import os
from lab.google import from_file
from responder import cli, wiring
google = from_file(os.environ["LAB_ENDPOINTS"])
wiring.install(google, now=google.now)
cli.main()
"""


class Site:
    """The functions `respond` and `act` of one deployment, and a person at a shell beside them."""

    def __init__(self, folder: Path, running: Running, endpoints: dict[str, Any], topic: str) -> None:
        self.folder, self.running, self.endpoints, self.topic = folder, running, endpoints, topic
        self.store = folder / "records.db"
        self.environ = {
            "RESPONDER_ACTIONS": str(folder / "actions.db"),
            "RESPONDER_EVIDENCE": str(folder / "evidence"),
            "RESPONDER_POLICY": str(folder / "policy.toml"),
            "RESPONDER_ACTION_TOPIC": topic,
            "RESPONDER_COLLECTOR": COLLECTOR,
            "RESPONDER_REMEDIATOR": REMEDIATOR,
        }

    def __call__(self, *words: str, user: str = ANN) -> subprocess.CompletedProcess[str]:
        endpoints = str(self.folder / "endpoints.json")
        given = {"LAB_ENDPOINTS": endpoints, "LOGNAME": user, "RESPONDER_STORE": str(self.store)}
        return subprocess.run(
            [sys.executable, "-c", CLI, *words],
            env=cleaned(os.environ) | self.environ | given,
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )

    def answers(self, target: str, *messages: bytes) -> list[int]:
        """Runs one function for these messages; the statuses."""
        with function(self.folder, self.endpoints, store=self.store, environ=self.environ, target=target) as served:
            return [post(served.url, push_body(message, uuid.uuid4().hex)) for message in messages]

    def record(self, record_id: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("records", "show", record_id.decode(), "--json").stdout)
        return found

    def deleted(self) -> list[str]:
        return [entry["uid"] for entry in self.running.lab.calls("cluster.pod.terminating")]


@contextlib.contextmanager
def site(folder: Path, policy: str) -> Iterator[tuple[Site, Any]]:
    """A site where a finding was investigated, and what pulls the ids of records from its action topic."""
    (folder / "policy.toml").write_text(policy)
    topic = f"projects/acme-sec/topics/act-{uuid.uuid4().hex}"
    subscription = topic.replace("/topics/", "/subscriptions/")
    with (
        pubsub.serve() as host,
        clients(host) as (publisher, subscriber),
        serve(load(SCENARIO), json.loads(NOTIFICATION)) as running,
    ):
        publisher.create_topic(name=topic)
        subscriber.create_subscription(request={"name": subscription, "topic": topic})
        made = Site(folder, running, running.endpoints.model_dump(mode="json") | {"pubsub": host}, topic)
        assert made.answers("respond", NOTIFICATION) == [200]

        def summoned() -> list[bytes]:
            got = pull(subscriber, subscription, 10, seconds=2)
            if got:
                ids = [one.ack_id for one in got]
                subscriber.acknowledge(request={"subscription": subscription, "ack_ids": ids})
            return [one.message.data for one in got]

        yield made, summoned


def test_a_person_approves_by_the_command_line_and_the_running_function_deletes_that_pod_once(tmp_path: Path) -> None:
    with site(tmp_path, APPROVE) as (here, summoned):
        (asked,) = summoned()
        assert here.answers("act", asked) == [200]
        assert here.deleted() == []
        (question,) = (json.loads(line) for line in here("approvals", "--json").stdout.splitlines())
        assert (question["record_id"], question["uid"]) == (asked.decode(), UID)
        stranger = here("approve", asked.decode(), "--why", "looks bad", user="bob@acme.example")
        assert (stranger.returncode, summoned()) == (1, [])
        yes = here("approve", asked.decode(), "--why", "looks bad")
        assert yes.returncode == 0, yes.stderr
        (again,) = summoned()
        assert again == asked
        assert here.answers("act", again, again, asked) == [200, 200, 200]
        assert here.deleted() == [UID]
        record = here.record(asked)
        assert (record["outcome"]["kind"], record["actions"][0]["approved_by"]) == ("deleted", ANN)


def test_a_brake_that_is_pulled_by_the_command_line_holds_the_running_function(tmp_path: Path) -> None:
    with site(tmp_path, AUTO) as (here, summoned):
        (asked,) = summoned()
        assert here("brake", "on", "--project", "acme-shop-prod", "--why", "drill").returncode == 0
        assert here.answers("act", asked) == [200]
        assert here.deleted() == []
        record = here.record(asked)
        assert any("brake-off" in reason for reason in record["decision"]["reasons"])


def test_a_policy_that_check_refuses_holds_the_running_function_and_the_record_says_why(tmp_path: Path) -> None:
    with site(tmp_path, AUTO) as (here, summoned):
        (asked,) = summoned()
        (tmp_path / "policy.toml").write_text(AUTO + 'gentle = "true"\n')
        refused = here("policy", "check", str(tmp_path / "policy.toml"))
        assert refused.returncode == 2
        assert "line 5" in refused.stderr
        assert here.answers("act", asked) == [200]
        assert here.deleted() == []
        assert here.record(asked)["decision"]["policy"].startswith(
            "policy.toml: line 5: project.0.gentle: write true or"
        )
