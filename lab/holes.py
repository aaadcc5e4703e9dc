"""Steps 1 to 4, the lab's side: `python -m lab holes`. Each service in turn accepts every call and never answers.

The function must answer within its deadline and a little, with a record that is finished, partial, and says what is
missing; and the threads that waited must end by themselves. What goes out meets the same in `silence`.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from lab import silence, stored
from lab.points import FIRST_POD, day_of
from lab.pubsub import ACKNOWLEDGED
from lab.server import Running, serve_lab
from lab.serving import Function, function
from lab.stored import Store
from lab.turmoil import finding, key_of, scenario
from lab.waiting import SLACK, HoledLab, Say, back, posted, record_of, settled

HOLES: Final[dict[str, tuple[str, ...]]] = {
    "scc": ("scc.*",),
    "gke": ("gke.*",),
    "kubernetes": ("kubernetes.*",),
    "logging": ("logging.*",),
    "resourcemanager": ("resourcemanager.*",),
    "essentialcontacts": ("essentialcontacts.*",),
    "compute": ("compute.*",),
    "everything": ("*",),
}
_DENIED: Final = {"compute": ("kubernetes.get.nodes",)}
"""Compute is asked where the cluster does not tell of its node, and only there."""
_WARM: Final = 3
_PUBLISHING: Final = 20.0
"""Seconds that a publishing may take (`responder.live.outbox`)."""


def holes(store: Store, say: Say) -> list[str]:
    """All of them in turn, on one warm worker; what does not hold, in words."""
    documents = [finding(FIRST_POD + number, 0) for number in range(_WARM + len(HOLES))]
    lab = HoledLab(scenario(day_of(documents)))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holes-")))
        running = stack.enter_context(serve_lab(lab))
        environ = {
            **store.environ,
            "RESPONDER_STORE": store.place,
            "RESPONDER_DEADLINE_SECONDS": stored.DEADLINE,
            "THREADS": "1",  # the host makes its own threads when they are needed: one of them is easier to count
        }
        endpoints = running.endpoints.model_dump(mode="json")
        host = stack.enter_context(function(folder, endpoints, store=Path(store.place), environ=environ))
        warm = [posted(host, document) for document in documents[:_WARM]]
        found = [] if all(status in ACKNOWLEDGED for status, _ in warm) else [f"without any hole: {warm}"]
        least = settled(host)
        for name, document in zip(HOLES, documents[_WARM:], strict=True):
            lab.hole, lab.denied = HOLES[name], _DENIED.get(name, ())
            problems, told = _one(host, running, store, document)
            lab.mend()
            left, seconds = back(host, least)
            problems += [f"{left} threads {seconds:.0f} s later, {least} before"] if left > least else []
            say(f"{store.name}: {name} never answers: {told}; {left} threads after {seconds:.0f} s, {least} before")
            found += [f"{store.name}: {name} never answers: {problem}" for problem in problems]
    return found


def unheard(store: Store, say: Say) -> list[str]:
    """The topic for finished records accepts connections and never answers; what does not hold, in words.

    The record is made in its time and stays to be sent; the message is acknowledged within what a publishing may take
    beyond that.
    """
    document = finding(FIRST_POD, 0)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unheard-")))
        running = stack.enter_context(serve_lab(HoledLab(scenario(day_of([document])))))
        hole = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        endpoints = running.endpoints.model_dump(mode="json") | {"pubsub": f"127.0.0.1:{hole.getsockname()[1]}"}
        environ = {
            **store.environ,
            "RESPONDER_STORE": store.place,
            "RESPONDER_DEADLINE_SECONDS": stored.DEADLINE,
            "RESPONDER_RECORDS_TOPIC": "projects/acme-sec/topics/records",
        }
        host = stack.enter_context(function(folder, endpoints, store=Path(store.place), environ=environ))
        status, seconds = posted(host, document)
        with stored.opened(running, store) as records:
            record, waiting = record_of(records, key_of(document)), records.unpublished()
    budget = float(stored.DEADLINE) + _PUBLISHING + SLACK
    found = [] if status in ACKNOWLEDGED else [f"status {status}"]
    found += [f"answered after {seconds:.1f} s, which is more than {budget:.0f}"] if seconds > budget else []
    is_made = record is not None and record.provenance.stage == "finished"
    found += [] if is_made else ["the record is not finished"]
    found += [] if record is not None and waiting == (record.id,) else ["nothing is left to be sent: nothing is proven"]
    say(f"{store.name}: the topic never answers: answered in {seconds:.1f} s, the record is there and waits to be sent")
    return [f"{store.name}: the topic never answers: {problem}" for problem in found]


def _one(host: Function, running: Running, store: Store, document: dict[str, Any]) -> tuple[list[str], str]:
    """What does not hold of one finding, and what was seen."""
    status, seconds = posted(host, document)
    budget = float(stored.DEADLINE) + SLACK
    found = [] if status in ACKNOWLEDGED else [f"status {status}"]
    found += [f"answered after {seconds:.1f} s, which is more than {budget:.0f}"] if seconds > budget else []
    with stored.opened(running, store) as records:
        record = record_of(records, key_of(document))
    if record is None:
        return [*found, "no record"], f"no record, after {seconds:.1f} s"
    missing = {name: gap.why for name, gap in record.evidence.missing().items() if gap.why != "not_asked"}
    passing = sorted(name for name, why in missing.items() if why in {"timeout", "unavailable", "unverified"})
    found += [] if record.provenance.stage == "finished" else [f"the record is {record.provenance.stage}"]
    found += [] if passing else [f"the record says nothing of it: {missing}"]
    return found, f"answered in {seconds:.1f} s, {len(passing)} answers missing ({', '.join(passing[:3])})"


def run(which: str) -> int:
    """The command: 0 where all of it holds."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"holes {time.monotonic() - started:6.1f} s  {text}", flush=True)

    with stored.stores(which or stored.SQLITE) as found:
        failed = [problem for store in found for problem in holes(store.of("holes"), say)]
        failed += [problem for store in found for problem in unheard(store.of("unheard"), say)]
        failed += [problem for store in found for problem in silence.untold(store.of("untold"), say)]
        failed += [problem for store in found for problem in silence.unended(store.of("unended"), say)]
    for problem in failed:
        say(f"FAILED: {problem}")
    return 1 if failed else 0
