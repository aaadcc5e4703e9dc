"""Real programs behind the lab's exec, asked by the product's own client."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab import exec_real, rbac
from lab.exec_files import content
from lab.google import LabGoogle
from lab.server import Running
from responder.errors import NoProgram, Unanswered
from responder.live.exec import Exec
from responder.live.gke import Gke
from responder.ports import Cell, Ran
from tests.live.shop import CLUSTER, EVENT_TIME, SCENARIO, open_shop

pytestmark = pytest.mark.skipif(not exec_real.is_allowed(), reason="user namespaces are not allowed on this machine")

MIB = 1024 * 1024
CANARY = "/etc/passwd"


@contextlib.contextmanager
def pods(*given: dict[str, Any]) -> Iterator[tuple[Running, Exec]]:
    """A shop with these pods, and the collector."""
    scenario = json.loads(json.dumps(SCENARIO))
    cluster = scenario["clusters"][0]
    cluster["workloads"].append({"kind": "StatefulSet", "name": "db", "namespace": "shop", "replicas": 1})
    cluster["pods"] = [{"namespace": "shop", "node": cluster["nodes"][0]["name"], **pod} for pod in given]
    with open_shop(clusters=scenario["clusters"]) as (running, google):
        yield running, Exec(the_way(google), lambda: rbac.COLLECTOR_TOKEN)


def the_way(google: LabGoogle) -> Any:
    _, access = Gke(google.container(), ("public",)).cluster(CLUSTER, event_time=EVENT_TIME)
    assert access is not None
    return google.cluster(access)


@contextlib.contextmanager
def web(**more: Any) -> Iterator[tuple[Running, Exec]]:
    """One pod `web` with one container `app` that has a root of its own."""
    with pods({"name": "web", "containers": [{"name": "app", "real_root": True, **more}]}) as opened:
        yield opened


def ran(
    collector: Exec, *argv: str, pod: str = "web", container: str = "app", limit: int = MIB, seconds: float = 20.0
) -> tuple[Ran, bytes]:
    out = bytearray()
    cell = Cell(namespace="shop", pod=pod, container=container, uid="")
    return collector.run(cell, argv, sink=out.extend, limit=limit, seconds=seconds), bytes(out)


def test_real_programs_leave_their_output_and_exit_codes() -> None:
    with web(files={"/tmp/k.c": "int main(){}\n"}, working_dir="/src") as (_, app):
        assert ran(app, "cat", "/tmp/k.c") == (Ran(code=0, received=13), b"int main(){}\n")
        assert ran(app, "sh", "-c", "pwd; exit 3") == (Ran(code=3, received=5), b"/src\n")
        assert ran(app, "base64", "/tmp/k.c")[1] == b"aW50IG1haW4oKXt9Cg==\n"
        assert ran(app, "dd", "if=/tmp/k.c", "bs=4", "skip=1", "count=1", "status=none")[1] == b"main"
        done, _ = ran(app, "cat", "/none")
        assert (done.code, done.stderr) == (1, b"cat: /none: No such file or directory\n")
        with tarfile.open(fileobj=io.BytesIO(ran(app, "tar", "cf", "-", "--", "/tmp/k.c")[1])) as archive:
            assert archive.getnames() == ["tmp/k.c"]


def test_sixty_mib_arrive_byte_for_byte_and_memory_stays_flat() -> None:
    expected = hashlib.sha256(content(f"random:{60 * MIB}")).hexdigest()
    with web(files={"/tmp/big": f"random:{60 * MIB}"}) as (_, app):
        assert ran(app, "true")[0].code == 0
        got = hashlib.sha256()
        cell = Cell(namespace="shop", pod="web", container="app", uid="")
        tracemalloc.start()
        try:
            done = app.run(cell, ["cat", "/tmp/big"], sink=got.update, limit=64 * MIB, seconds=120)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (done, got.hexdigest()) == (Ran(code=0, received=60 * MIB), expected)
    assert peak < 32 * MIB


def test_nothing_of_the_host_can_be_read_or_changed() -> None:
    assert Path(CANARY).exists()
    with web() as (_, app):
        assert ran(app, "cat", CANARY)[0].code == 1
        assert ran(app, "ls", "-A", "/.lab/host")[1] == b""
        mounts = ran(app, "cat", "/proc/self/mountinfo")[1].decode().splitlines()
        assert {line.split()[4] for line in mounts} == {"/", "/proc", "/dev/null", "/dev/zero", "/dev/urandom"}
        # The host's processes and their roots are in reach of none: only those of the namespace are there.
        pids = ran(app, "sh", "-c", "echo /proc/[0-9]*")[1].split()
        assert len(pids) <= 2
        ran(app, "sh", "-c", "echo x > /etc-canary; cd /; cd ../../../..; echo x > tmp/climbed")
        assert ran(app, "cat", "/tmp/climbed")[1] == b"x\n"
    assert not Path("/etc-canary").exists()
    assert not Path("/tmp/climbed").exists()


def test_a_path_that_climbs_out_of_the_root_is_no_program_of_the_host() -> None:
    with web() as (_, app), pytest.raises(NoProgram):
        ran(app, "/../../../../../../usr/bin/python3")


@pytest.mark.parametrize(("programs", "lacking"), [([], "sh"), (["cat", "sh"], "tar")])
def test_a_container_has_the_programs_of_its_scenario_and_no_others(programs: list[str], lacking: str) -> None:
    with web(programs=programs) as (_, app):
        for name in programs:
            assert ran(app, name, "/dev/null")[0].code == 0
        with pytest.raises(NoProgram):
            ran(app, lacking)


def test_a_file_of_the_scenario_may_be_the_attacker_s_own_tar() -> None:
    with web(files={"/usr/bin/tar": "#!/bin/sh\necho lies\n"}) as (_, app):
        assert ran(app, "tar", "cf", "-", "/x")[1] == b"lies\n"


def test_three_containers_of_a_pod_have_three_roots_and_the_journal_tells_them_apart() -> None:
    containers = [{"name": n, "real_root": True, "files": {"/who": f"{n}\n"}} for n in ("one", "two", "three")]
    with pods({"name": "web", "containers": containers}) as (running, collector):
        for name in ("three", "one", "two"):
            assert ran(collector, "cat", "/who", container=name)[1] == f"{name}\n".encode()
        uid = collector.pod("shop", "web").uid
        calls = [(c["uid"], c["container"], c["argv"]) for c in running.lab.calls("cluster.exec")]
    assert calls == [(uid, name, ["cat", "/who"]) for name in ("three", "one", "two")]


def test_a_connection_is_cut_after_so_many_bytes() -> None:
    with web(files={"/f": "random:500000"}, exec={"cut_after_bytes": 100_000}) as (_, app):
        done, out = ran(app, "cat", "/f")
    assert (done.code, done.cut, out) == (None, "connection", content("random:500000")[:100_000])


def test_a_command_without_end_is_killed_when_its_listener_leaves() -> None:
    with web() as (_, app):
        done, out = ran(app, "yes", limit=100_000)
        assert (done.cut, out) == ("bytes", b"y\n" * 50_000)
        assert ran(app, "sleep", "600", seconds=0.5)[0].cut == "seconds"
        until = time.monotonic() + 5
        while (left := commands()) and time.monotonic() < until:
            time.sleep(0.05)
    assert left == []


def commands() -> list[str]:
    """The programs of roots that run below this process."""
    children = psutil.Process().children(recursive=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        return [name for c in children if (name := c.name()) in {"yes", "sleep", "unshare"}]
    return ["one that has just ended"]


def test_the_container_s_variables_reach_its_programs_and_none_of_the_host() -> None:
    with web(env={"DB": "x", "LD_PRELOAD": "/nothing.so", "PATH": "/nowhere"}) as (_, app):
        done, out = ran(app, "/usr/bin/printenv")
    assert {b"DB=x", b"HOSTNAME=web", b"PATH=/nowhere"} <= set(out.splitlines())
    assert b"/nothing.so" in done.stderr
    assert done.stderr.count(b"ld.so") == 1


def test_slow_output_is_cut_at_its_seconds() -> None:
    with web(files={"/f": "random:500000"}, exec={"piece_seconds": 0.3}) as (_, app):
        done, out = ran(app, "cat", "/f", seconds=0.8)
    assert done.cut == "seconds"
    assert 0 < len(out) < 500_000


def test_a_container_that_restarts_has_a_new_root_and_a_new_start() -> None:
    with web(exec={"restart_after": 2}) as (running, app):
        ran(app, "sh", "-c", "echo x > /tmp/written")
        assert ran(app, "cat", "/tmp/written")[1] == b"x\n"
        settle(running, "cluster.container.restarted")
        assert ran(app, "cat", "/tmp/written")[0].code == 1


def test_a_pod_that_is_removed_between_commands_is_gone_or_another_under_its_name() -> None:
    container = {"name": "app", "real_root": True, "exec": {"remove_after": 1}}
    bare, owned = {"name": "web", "containers": [container]}, {"name": "db-0", "owner": "StatefulSet/db"}
    with pods(bare, owned | {"containers": [container]}) as (running, app):
        before = app.pod("shop", "db-0").uid
        assert ran(app, "true")[0].code == ran(app, "true", pod="db-0")[0].code == 0
        settle(running, "cluster.pod.terminating", times=2)
        with pytest.raises(Unanswered) as raised:
            ran(app, "true")
        assert raised.value.why == "not_found"
        assert app.pod("shop", "db-0").uid != before


def settle(running: Running, call: str, times: int = 1) -> None:
    until = time.monotonic() + 5
    while len(running.lab.calls(call)) < times and time.monotonic() < until:
        time.sleep(0.02)
    assert len(running.lab.calls(call)) == times


def test_many_commands_at_once_do_not_mix() -> None:
    with web(files={f"/{n}": f"random:{200_000 + n}" for n in range(6)}) as (_, app):
        got: dict[int, bytes] = {}

        def one(number: int) -> None:
            got[number] = ran(app, "cat", f"/{number}")[1]

        threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == {n: content(f"random:{200_000 + n}") for n in range(6)}


@pytest.mark.parametrize(("token", "may"), [(rbac.COLLECTOR_TOKEN, True), (rbac.REMEDIATOR_TOKEN, False)])
def test_the_collector_may_run_commands_and_the_remediator_may_not(token: str, may: bool) -> None:
    with web() as (_, app):
        other = Exec(app._address, lambda: token)
        assert other.pod("shop", "web").name == "web"
        if may:
            assert ran(other, "true")[0].code == 0
        else:
            with pytest.raises(Unanswered) as raised:
                ran(other, "true")
            assert raised.value.why == "denied"
