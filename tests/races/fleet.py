"""Fifty Deployments of which the first pod of each compiles four times: two hundred findings, fifty records."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.google import LabGoogle
from lab.rbac import COLLECTOR, REMEDIATOR
from lab.scenario import Scenario, load
from lab.server import Running, serve
from responder import notification, pipeline, wiring
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
project = {}
namespace = 1000
workload = 1
"""


def name(n: int) -> str:
    """The pod that compiles."""
    return f"svc{n:02}-7d9f8c5b4-x2k9p"


def scenario(each: int) -> Scenario:
    """The demo's cluster with fifty Deployments of three replicas each."""
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
        findings += [{"like": "nothing", "data": json.loads(data(n, m))} for m in range(each)]
    cluster |= {"workloads": workloads, "pods": pods, "events": []}
    return Scenario.model_validate(made | {"clusters": [cluster], "findings": findings, "logs": []})


def key(n: int, m: int) -> str:
    """The m-th finding of the n-th workload."""
    return f"{n:016x}{m:016x}"


def data(n: int, m: int) -> bytes:
    """Its notification."""
    text = (SCENARIOS / "attack-web-pod.notification.json").read_text(encoding="utf-8")
    return text.replace(POD, name(n)).replace("0a1b2c3d4e5f60718293a4b5c6d7e8f9", key(n, m)).encode()


@contextlib.contextmanager
def fleet(tmp_path: Path, *, each: int = EACH, most: int = 3) -> Iterator[Running]:
    """The lab with it, and the records that `respond` made; `most` actions an hour are allowed.

    `FOLDER/endpoints.json` and `settings.json` are what another process needs to act too.
    """
    made = scenario(each)
    with serve(made, json.loads(data(0, 0))) as running:
        (tmp_path / "policy.toml").write_text(POLICY.format(most), encoding="utf-8")
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
            for m in range(each):
                finding = notification.read(data(n, m))
                assert finding is not None
                delivery = Delivery(data=data(n, m), message_id=f"{n}-{m}", received=running.lab.now())
                pipeline.respond(wiring.world(), finding, delivery)
        yield running
        wiring.store().close()


def records() -> list[Record]:
    """All of them, as they are."""
    found = [wiring.store().load(line.id) for line in wiring.store().list(RecordQuery(limit=500))]
    return [record for record in found if record is not None]
