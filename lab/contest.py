"""Head to head: a few situations in which a responder ends the wrong pod, that any responder can be put into.

A contestant is a command. It is started with `PORT`, where Pub/Sub's pushes are posted to it, and `LAB_ENDPOINTS`, a
file with the addresses and tokens of Google's and the cluster's stand-ins; it may do what it likes there. It is judged
by what happened in the cluster and by nothing that it says. docs/head-to-head.md tells of the cases.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lab import pubsub
from lab.answering import answering
from lab.environment import ROOT, cleaned
from lab.scenario import Scenario, load
from lab.server import Running, serve
from lab.serving import free_port, function, listening, post, push_body
from lab.state import Lab

_FILE: Final = ROOT / "lab" / "scenarios" / "attack-web-pod.yaml"
POD: Final = "checkout-7d9f8c5b4-x2k9p"
UID: Final = "5b0c7e7e-9a43-4f6e-8f3a-6d0f2c1b9e55"
CONTAINER: Final = "checkout"
_QUIET_SECONDS: Final = 4.0
_MOST_SECONDS: Final = 60.0

Contestant = Callable[[Path, dict[str, Any]], contextlib.AbstractContextManager[str]]
"""Folder and endpoints in; where to post, while the block runs."""


@dataclass(frozen=True, slots=True)
class Case:
    """One situation: the scenario's changes, how often the message comes, and what must have happened in the end."""

    name: str
    changes: Callable[[dict[str, Any]], dict[str, Any]]
    deliveries: int
    ended: tuple[str, ...]
    why: str


def _as_it_is(_: dict[str, Any]) -> dict[str, Any]:
    return {}


def _pod(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(cluster: dict[str, Any]) -> dict[str, Any]:
        first, *others = cluster["pods"]
        return {"clusters": [cluster | {"pods": [first | changes, *others]}]}

    return change


def _stateful(cluster: dict[str, Any]) -> dict[str, Any]:
    """The pod is a StatefulSet's, so that the next one has its name; the first reply to a delete is lost."""
    pods = [pod | {"owner": "StatefulSet/checkout"} for pod in cluster["pods"]]
    workload = {"kind": "StatefulSet", "name": "checkout", "namespace": "shop", "created": "-210d", "replicas": 3}
    fault = {"call": "kubernetes.delete.pods", "kind": "drop_reply", "match": POD, "times": 1}
    return {"clusters": [cluster | {"pods": pods, "workloads": [workload]}], "faults": [fault]}


def _metrics_first(cluster: dict[str, Any]) -> dict[str, Any]:
    """Three containers, of which the finding's is the last: whoever names none gets another."""
    first, *others = cluster["pods"]
    more = first["containers"][1] | {"name": "proxy"}
    containers = [first["containers"][1], more, first["containers"][0]]
    return {"clusters": [cluster | {"pods": [first | {"containers": containers}, *others]}]}


CASES: Final = (
    Case("the pod of the finding", _as_it_is, 1, (UID,), "the finding's pod is still there: it is ended, once"),
    Case(
        "a replaced pod",
        _pod(uid="99999999-0000-4000-8000-000000000000", created="+20s"),
        1,
        (),
        "another pod has the name: it was made after the event",
    ),
    Case("duplicate deliveries", _as_it_is, 5, (UID,), "one message, five times at once: one pod is ended, once"),
    Case(
        "a dropped reply", _stateful, 1, (UID,), "the delete worked, its reply was lost, and the next pod has the name"
    ),
    Case("the wrong container", _metrics_first, 1, (UID,), "three containers: commands run in the finding's alone"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case; `wrong` is empty where it was passed."""

    case: Case
    wrong: str


def contest(contestant: Contestant, cases: Sequence[Case] = CASES) -> Iterator[Result]:
    """Play the cases, each on a lab of its own."""
    for case in cases:
        made = load(_FILE)
        (cluster,) = made.model_dump()["clusters"]
        scenario = Scenario.model_validate(made.model_dump() | case.changes(cluster))
        data = (_FILE.parent / made.notification).read_bytes()
        with tempfile.TemporaryDirectory(prefix="contest-") as folder, serve(scenario, json.loads(data)) as running:
            yield Result(case, _played(contestant, case, running, data, Path(folder)))


def _played(contestant: Contestant, case: Case, running: Running, data: bytes, folder: Path) -> str:
    with pubsub.serve() as host:
        endpoints = running.endpoints.model_dump(mode="json") | {"pubsub": host}
        with contestant(folder, endpoints) as url:
            posts = [
                threading.Thread(target=post, args=(url, push_body(data, "1", attempt)))
                for attempt in range(1, case.deliveries + 1)
            ]
            for thread in posts:
                thread.start()
            for thread in posts:
                thread.join()
            _until_quiet(running.lab)
    return _wrong(case, running.lab)


def _until_quiet(lab: Lab) -> None:
    until, last, since = time.monotonic() + _MOST_SECONDS, -1, time.monotonic()
    while time.monotonic() < until and time.monotonic() - since < _QUIET_SECONDS:
        if len(lab.journal) != last:
            last, since = len(lab.journal), time.monotonic()
        time.sleep(0.1)


def _wrong(case: Case, lab: Lab) -> str:
    ended = tuple(entry["uid"] for entry in lab.calls("cluster.pod.terminating"))
    others = sorted({str(entry["container"]) for entry in lab.calls("cluster.exec")} - {CONTAINER})
    if others:
        return f"commands ran in {', '.join(others)}"
    if ended == case.ended:
        return ""
    if not ended:
        return "the pod was left"
    strangers = [uid for uid in ended if uid not in case.ended]
    return f"{len(strangers)} other pods were ended" if strangers else f"the pod was asked to end {len(ended)} times"


# --- contestants ------------------------------------------------------------------------------------------------------

_POLICY: Final = """
[[project]]
id = "acme-shop-prod"
number = "421458901689"
remediate = "auto"
capture = true
owner_kinds = ["Deployment", "StatefulSet"]
"""


@contextlib.contextmanager
def ours(folder: Path, endpoints: dict[str, Any]) -> Iterator[str]:
    """`respond` and `act` of main.py, in a project that opted in."""
    with answering(folder, endpoints, store=folder / "records.db", policy=_POLICY) as respond:
        yield respond.url


@contextlib.contextmanager
def naive(folder: Path, endpoints: dict[str, Any]) -> Iterator[str]:
    """The responder that everybody writes first: exec and delete by name."""
    source = ROOT / "lab" / "naive_deleter.py"
    with function(folder, endpoints, store=folder / "none", source=source) as served:
        yield served.url


def by_command(command: str) -> Contestant:
    """Whatever else: started with `PORT` and `LAB_ENDPOINTS`, and taken to be ready once it listens."""

    @contextlib.contextmanager
    def contestant(folder: Path, endpoints: dict[str, Any]) -> Iterator[str]:
        port, file = free_port(), folder / "endpoints.json"
        file.write_text(json.dumps(endpoints), encoding="utf-8")
        env = cleaned(os.environ) | {"PORT": str(port), "LAB_ENDPOINTS": str(file)}
        with listening(shlex.split(command), port, env=env, log=folder / "contestant.log"):
            yield f"http://127.0.0.1:{port}/"

    return contestant


def main(command: str) -> int:
    """Print the table; 0 where every case was passed."""
    known: dict[str, Contestant] = {"ours": ours, "naive": naive}
    failed = 0
    for result in contest(known.get(command) or by_command(command)):
        failed += bool(result.wrong)
        print(f"{result.case.name:24} {'FAILED: ' + result.wrong if result.wrong else 'passed'}", flush=True)
        print(f"{'':24} {result.case.why}", file=sys.stderr)
    print(f"{len(CASES) - failed} of {len(CASES)} passed")
    return 1 if failed else 0
