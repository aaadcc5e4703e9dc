"""`make demo`: a notification in, an investigation record out, with every part real but Google and the cluster."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Final

from lab.environment import ROOT
from lab.scenario import load
from lab.server import serve
from lab.serving import function, post, push_body

_FOLDER: Final = ROOT / ".demo"
_SCENARIO: Final = ROOT / "lab" / "scenarios" / "attack-web-pod.yaml"


def demo() -> int:
    """Run it; 0 where a record was made."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"demo {time.monotonic() - started:5.1f} s  {text}", file=sys.stderr, flush=True)

    _FOLDER.mkdir(exist_ok=True)
    store = _FOLDER / "records.db"
    for old in _FOLDER.glob("records.db*"):
        old.unlink()
    scenario = load(_SCENARIO)
    notification = (_SCENARIO.parent / scenario.notification).read_bytes()
    say("starting the lab: Security Command Center, GKE, Kubernetes, Cloud Logging on loopback")
    with serve(scenario, json.loads(notification)) as running:
        say("starting functions-framework on the function `respond` of main.py")
        with function(_FOLDER, running.endpoints.model_dump(mode="json"), store=store) as served:
            say("posting the notification as Pub/Sub pushes it")
            status = post(served.url, push_body(notification, "1"))
            say(f"answered {status}; the lab was called {len(running.lab.journal)} times")
    if status not in {200, 204}:
        say(f"the function failed; its log is {_shown(_FOLDER / 'function.log')}")
        return 1
    return _show(store)


def _show(store: Path) -> int:
    from responder.ports import RecordQuery  # noqa: PLC0415 - not needed where the function failed
    from responder.stores.sqlite import SqliteRecords  # noqa: PLC0415 - the same
    from responder.terminal import print_record, standard_output  # noqa: PLC0415 - the same
    from responder.wiring import utc_now  # noqa: PLC0415 - the same

    records = SqliteRecords(store, now=utc_now)
    lines = list(records.list(RecordQuery()))
    record = records.load(lines[0].id) if lines else None
    records.close()
    if record is None:
        print("demo: no record was made", file=sys.stderr)
        return 1
    print_record(record, standard_output())
    file = _FOLDER / "record.json"
    file.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(f"\nrecord: {_shown(file)}\nstore:  {_shown(store)}")
    return 0


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
