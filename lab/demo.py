"""`make demo`: a notification in, an investigation record out, with every part real but Google and the cluster.

The demo's project opted in: `act` takes the files out of the container, and asks an approver before it deletes.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab import pubsub
from lab.answering import answering
from lab.environment import ROOT
from lab.scenario import load
from lab.server import serve
from lab.serving import post, push_body

if TYPE_CHECKING:
    from responder.record import Record

_FOLDER: Final = ROOT / ".demo"
_SCENARIO: Final = ROOT / "lab" / "scenarios" / "attack-web-pod.yaml"


_POLICY: Final = """\
[[project]]
id = "acme-shop-prod"
number = "421458901689"
capture = true
remediate = "approve"
approvers = ["{approver}"]
"""
_WAIT_SECONDS: Final = 60.0


def demo() -> int:
    """Run it; 0 where a record was made and `act` was done with it."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"demo {time.monotonic() - started:5.1f} s  {text}", file=sys.stderr, flush=True)

    store = _emptied() / "records.db"
    scenario = load(_SCENARIO)
    notification = (_SCENARIO.parent / scenario.notification).read_bytes()
    say("starting the lab: Security Command Center, GKE, Kubernetes, Cloud Logging, Pub/Sub on loopback")
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(serve(scenario, json.loads(notification)))
        host = stack.enter_context(pubsub.serve())
        endpoints = running.endpoints.model_dump(mode="json") | {"pubsub": host}
        policy = _POLICY.format(approver=f"{getpass.getuser()}@lab.example")
        say("starting functions-framework on the functions `respond` and `act` of main.py")
        served = stack.enter_context(answering(_FOLDER, endpoints, store=store, policy=policy))
        say("posting the notification as Pub/Sub pushes it")
        status = post(served.url, push_body(notification, "1"))
        say(f"answered {status}: a record, and its id on the action topic, since the project opted in")
        if status not in {200, 204}:
            say(f"the function failed; its log is {_shown(_FOLDER / 'respond' / 'function.log')}")
            return 1
        record = _acted(store)
        say(f"`act` has looked; the lab was called {len(running.lab.journal)} times")
    if record is None:
        say(f"`act` did not end; its log is {_shown(_FOLDER / 'act' / 'function.log')}")
        return 1
    return _show(record, store)


def _emptied() -> Path:
    """The demo's folder, without what an earlier run left: it is ours alone."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir()
    return _FOLDER


def _acted(store: Path) -> Record | None:
    """The record once `act` has written its own decision; None where it does not."""
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        for record in _records(store):
            if record.decision.made_by == "act":
                return record
        time.sleep(0.1)
    return None


def _records(store: Path) -> list[Record]:
    from responder.ports import RecordQuery  # noqa: PLC0415 - not needed where the function failed
    from responder.stores.sqlite import SqliteRecords  # noqa: PLC0415 - the same
    from responder.wiring import utc_now  # noqa: PLC0415 - the same

    records = SqliteRecords(store, now=utc_now)
    try:
        return [record for line in records.list(RecordQuery()) if (record := records.load(line.id)) is not None]
    finally:
        records.close()


def _show(record: Record, store: Path) -> int:
    from responder.terminal import print_record, standard_output  # noqa: PLC0415 - not needed before

    print_record(record, standard_output())
    file = _FOLDER / "record.json"
    file.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(f"\nrecord:   {_shown(file)}\nstore:    {_shown(store)}\nevidence: {_shown(_FOLDER / 'evidence')}")
    print("page:     make demo-web")
    return 0


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
