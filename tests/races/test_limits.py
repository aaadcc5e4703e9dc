"""The limits hold over many findings, over processes, and over one that is killed; a brake holds at once."""

from __future__ import annotations

import dataclasses
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.environment import ROOT
from lab.server import Running
from responder import act, wiring
from responder.ports import Brake
from tests.races.fleet import WORKLOADS, fleet, records
from tests.scene import AUTO, needs_kubelet, scene


def right(running: Running, *, most_lost: int) -> None:
    """Three intents, at most so many of which a killed worker took with it; all others are held, and say why."""
    made, acting = records(), wiring.acting().act
    assert acting is not None
    assert len(made) == WORKLOADS
    uids = {one.intent.uid for one in acting.actions.intents()}
    ended = Counter(entry["uid"] for entry in running.lab.calls("cluster.pod.terminating"))
    assert (len(uids), max(ended.values()), set(ended) <= uids) == (3, 1, True)
    kinds = Counter(record.outcome.kind for record in made)
    # Killed after it had the right to send, and before it sent: nobody sends in its place, and the pod is still there.
    lost = 3 - len(ended)
    assert lost <= most_lost
    assert kinds == Counter({"held": WORKLOADS - 3, "deleted": len(ended)}) + Counter({"failed": lost})
    held = [record for record in made if record.outcome.kind == "held"]
    assert all(any("the limit is used up" in reason for reason in record.decision.reasons) for record in held)


def at_work(folder: Path, ids: list[str]) -> list[subprocess.Popen[bytes]]:
    """Two processes that act on all records, one from each end."""
    command = [
        sys.executable,
        "-m",
        "tests.races.worker",
        str(folder / "endpoints.json"),
        str(folder / "settings.json"),
    ]
    return [subprocess.Popen([*command, *order], cwd=ROOT, stdout=subprocess.DEVNULL) for order in (ids, ids[::-1])]


@pytest.mark.slow
def test_of_200_findings_over_50_workloads_exactly_three_an_hour_are_acted_on(tmp_path: Path) -> None:
    with fleet(tmp_path) as running:
        ids = [record.id for record in records()]
        # 1: a record was the other process's when it was this one's turn.
        assert {process.wait(300) for process in at_work(tmp_path, ids)} <= {0, 1}
        running.lab.advance(timedelta(minutes=1))
        for record_id in ids:
            act.act(waiting(lambda _: None), record_id)
        right(running, most_lost=0)


@pytest.mark.slow
def test_with_one_of_two_processes_killed_in_the_middle_no_fourth_pod_takes_the_place_of_one(tmp_path: Path) -> None:
    with fleet(tmp_path) as running:
        ids = [record.id for record in records()]
        both = at_work(tmp_path, ids)
        until = time.monotonic() + 60
        while time.monotonic() < until and not running.lab.calls("cluster.pod.terminating"):
            time.sleep(0.02)
        # The first has just ended a pod, or is about to.
        both[0].send_signal(signal.SIGKILL)
        for process in both:
            process.wait(300)
        # Once for what the killed one's claim held, and once more when what it had sent cannot be on its way any more.
        for minutes in (9, 21):
            running.lab.advance(timedelta(minutes=minutes))
            for record_id in ids:
                act.act(waiting(lambda _: None), record_id)
        right(running, most_lost=1)


def waiting(sleep: Any) -> Any:
    acting = wiring.acting()
    assert acting.act is not None
    return dataclasses.replace(acting, act=dataclasses.replace(acting.act, sleep=sleep))


@pytest.mark.slow
def test_a_brake_that_is_pulled_in_the_middle_holds_all_that_come_after(tmp_path: Path) -> None:
    with fleet(tmp_path, each=1, most=1000) as running:
        ids, world = [record.id for record in records()], waiting(lambda _: None)
        worker = threading.Thread(target=lambda: [act.act(world, record_id) for record_id in ids])
        worker.start()
        while len(running.lab.calls("cluster.pod.terminating")) < 3:
            time.sleep(0.01)
        pulled = running.lab.now()
        world.act.actions.set_brake(Brake(on=True, project="", why="drill", by="x@acme.example", at=pulled))
        worker.join()
        ended = [datetime.fromisoformat(entry["at"]) for entry in running.lab.calls("cluster.pod.terminating")]
        assert 3 <= len(ended) < WORKLOADS
        assert max(ended) <= pulled + timedelta(seconds=1)
        # Those that came after say why.
        held = [record for record in records() if record.outcome.kind == "held"]
        assert len(held) == WORKLOADS - len(ended)
        assert all(any("brake" in reason for reason in record.decision.reasons) for record in held)


@needs_kubelet
def test_all_that_act_sends_goes_to_google_and_to_the_control_plane_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[Any] = set()
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        called.add(address)
        connect(self, address)

    with scene(tmp_path, AUTO | {"capture": "true"}) as here:
        monkeypatch.setattr(socket.socket, "connect", noted)
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert here.act().outcome.kind == "deleted"
        endpoints = here.running.endpoints
        known = {endpoints.rest.rpartition(":")[2], *(host.rpartition(":")[2] for host in endpoints.hosts.values())}
        assert called
        assert {str(address[1]) for address in called if isinstance(address, tuple)} <= known
