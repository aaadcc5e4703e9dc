"""The limits hold over many findings, over processes, and over one that is killed in the middle."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.environment import ROOT
from lab.google import LabGoogle
from lab.rbac import COLLECTOR, REMEDIATOR
from lab.scenario import Scenario, load
from lab.server import Running, serve
from responder import act, notification, pipeline, wiring
from responder.ports import Delivery, RecordQuery
from responder.record import Record
from responder.settings import Settings
from tests.scene import POD, SCENARIOS

WORKLOADS = 50
EACH = 4
POLICY = """
[[project]]
id = "acme-shop-prod"
number = "421458901689"
remediate = "auto"
least_verdict = "suspicious"
required_evidence = ["scc", "cluster", "node", "pod", "proof", "owners"]
[project.per_hour]
project = 3
namespace = 1000
workload = 1
"""


def name(n: int) -> str:
    return f"svc{n:02}-7d9f8c5b4-x2k9p"


def scenario() -> Scenario:
    """The demo's cluster with fifty Deployments of three replicas each, of which the first pod compiles."""
    made = load(SCENARIOS / "attack-web-pod.yaml").model_dump()
    (cluster,) = made["clusters"]
    first = next(pod for pod in cluster["pods"] if pod["name"] == POD)
    deployment, replica_set = cluster["workloads"]
    workloads, pods, findings = [], [], []
    for n in range(WORKLOADS):
        owner = f"svc{n:02}"
        workloads += [
            deployment | {"name": owner},
            replica_set | {"name": f"{owner}-7d9f8c5b4", "owner": f"Deployment/{owner}"},
        ]
        base = first | {"owner": f"ReplicaSet/{owner}-7d9f8c5b4", "uid": ""}
        pods += [base | {"name": name(n)}, *(base | {"name": f"{owner}-7d9f8c5b4-r{m}"} for m in range(2))]
        findings += [{"like": "nothing", "data": json.loads(data(n, m))} for m in range(EACH)]
    cluster |= {"workloads": workloads, "pods": pods, "events": []}
    return Scenario.model_validate(made | {"clusters": [cluster], "findings": findings, "logs": []})


def key(n: int, m: int) -> str:
    return f"{n:016x}{m:016x}"


def data(n: int, m: int) -> bytes:
    text = (SCENARIOS / "attack-web-pod.notification.json").read_text(encoding="utf-8")
    return text.replace(POD, name(n)).replace("0a1b2c3d4e5f60718293a4b5c6d7e8f9", key(n, m)).encode()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Running, dict[str, Any]]]:
    made = scenario()
    with serve(made, json.loads(data(0, 0))) as running:
        (tmp_path / "policy.toml").write_text(POLICY, encoding="utf-8")
        settings: dict[str, Any] = {
            "scc_parent": made.scc_parent,
            "store": str(tmp_path / "records.db"),
            "actions": str(tmp_path / "actions.db"),
            "evidence": str(tmp_path / "evidence"),
            "policy": str(tmp_path / "policy.toml"),
            "collector": COLLECTOR,
            "remediator": REMEDIATOR,
        }
        (tmp_path / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        (tmp_path / "endpoints.json").write_text(running.endpoints.model_dump_json(), encoding="utf-8")
        wiring.install(LabGoogle(running.endpoints.model_dump(mode="json")), now=running.lab.now)
        wiring.world(Settings(**settings))
        for n in range(WORKLOADS):
            for m in range(EACH):
                finding = notification.read(data(n, m))
                assert finding is not None
                delivery = Delivery(data=data(n, m), message_id=f"{n}-{m}", received=running.lab.now())
                pipeline.respond(wiring.world(), finding, delivery)
        yield running, settings
        wiring.store().close()


def records() -> list[Record]:
    found = [wiring.store().load(line.id) for line in wiring.store().list(RecordQuery(limit=500))]
    return [record for record in found if record is not None]


def right(running: Running) -> None:
    made = records()
    assert len(made) == WORKLOADS
    ended = Counter(entry["uid"] for entry in running.lab.calls("cluster.pod.terminating"))
    assert (len(ended), max(ended.values())) == (3, 1)
    kinds = Counter(record.outcome.kind for record in made)
    assert (kinds["deleted"], kinds["held"]) == (3, WORKLOADS - 3)
    held = [record for record in made if record.outcome.kind == "held"]
    assert all(any("3 in the project" in r or "limit" in r for r in record.decision.reasons) for record in held)


@pytest.mark.slow
def test_of_200_findings_over_50_workloads_three_an_hour_are_acted_on(
    place: tuple[Running, dict[str, Any]], tmp_path: Path
) -> None:
    running, _ = place
    ids = [record.id for record in records()]
    command = [sys.executable, "-m", "tests.races.worker", str(tmp_path / "endpoints.json")]
    command += [str(tmp_path / "settings.json")]
    both = [subprocess.Popen([*command, *order], cwd=ROOT, stdout=subprocess.DEVNULL) for order in (ids, ids[::-1])]
    until = time.monotonic() + 60
    while time.monotonic() < until and not running.lab.calls("cluster.pod.terminating"):
        time.sleep(0.02)
    # The first has just ended a pod, or is about to.
    both[0].send_signal(signal.SIGKILL)
    for process in both:
        process.wait(300)
    acting = wiring.acting()
    assert acting.act is not None
    running.lab.advance(act.LEASE)
    outside = dataclasses.replace(acting, act=dataclasses.replace(acting.act, sleep=lambda _: None))
    for record_id in ids:
        act.act(outside, record_id)
    right(running)
