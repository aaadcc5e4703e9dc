"""Step 5: what it costs to take files out of a container as evidence, beside the raw bytes over the same exec channel.

The lab runs real programs in a throw-away root, in a process of its own. The product's side is a process too, on the
server's core: `python -m lab.bench.capture ENDPOINTS FOLDER ROUNDS`, which prints one line of JSON.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lab import exec_real
from lab.bench.hosts import Bench, run, served
from lab.bench.lines import Line, Skipped, median, rounded, say
from lab.google import LabGoogle
from lab.rbac import COLLECTOR_TOKEN
from lab.scenario import Scenario
from responder.capture.elf import facts
from responder.capture.sealing import Sealed
from responder.capture.taking import Caps, Means, take
from responder.capture.wanted import Want
from responder.evidence import Pod
from responder.finding import ClusterRef
from responder.live.exec import Exec
from responder.live.gke import Gke
from responder.ports import Cell, Ran
from responder.stores.evidence_folder import FolderEvidence

SPEED: Final = "capture_vs_raw"
MEMORY: Final = "capture_memory"
FILES: Final = 20
MIB: Final = 1024 * 1024
BIG: Final = 80 * MIB

_ROOM: Final = 1024 * MIB
_SECONDS: Final = 120.0
_EVENT: Final = "2026-11-20T09:41:07Z"
_BIG: Final = "/data/big"
_PATHS: Final = tuple(f"/data/{n:02}.bin" for n in range(FILES))


def scenario() -> dict[str, Any]:
    """One pod with a root of its own, `FILES` files of 1 MiB and one of `BIG` bytes."""
    # Random bytes by the seed `random:N`: other numbers of bytes, so that no two files are alike.
    files = {path: f"random:{MIB + n}" for n, path in enumerate(_PATHS)} | {_BIG: f"random:{BIG}"}
    node = {"name": "bench-node", "zone": "europe-west1-b"}
    pod = {"name": "web", "namespace": "shop", "node": node["name"],
           "containers": [{"name": "app", "real_root": True, "files": files}]}  # fmt: skip
    cluster = {"name": "shop-prod", "project": "acme-shop-prod", "location": "europe-west1-b", "nodes": [node],
               "namespaces": [{"name": "shop"}], "pods": [pod]}  # fmt: skip
    project = {"id": "acme-shop-prod", "number": "421458901689", "display_name": "Shop"}
    return {"title": "files to take", "event_time": _EVENT, "projects": [project], "clusters": [cluster]}


def speed(bench: Bench) -> Iterator[Line | Skipped]:
    """Seconds of taking, hashing, sealing and keeping the files / those of one `cat` of all of them, in turn."""
    told = _told(bench, "speed", bench.sizes.rounds)
    if told is None:
        yield Skipped(name=SPEED, reason=_NO_NAMESPACES)
        return
    ratios = [ours / raw for ours, raw in zip(told["ours"], told["raw"], strict=True)]
    more = {
        "files": FILES,
        "mib": told["mib"],
        "seconds": median(told["ours"]),
        "raw_seconds": median(told["raw"]),
        "commands": told["commands"],
        "rounds": rounded(ratios),
    }
    yield Line(name=SPEED, value=median(ratios), unit="ratio", goal=1.5, more=more)


def memory(bench: Bench) -> Iterator[Line | Skipped]:
    """MiB at the peak of taking one large file, above the same process before it, which had taken small ones."""
    told = _told(bench, "memory", bench.sizes.rounds)
    if told is None:
        yield Skipped(name=MEMORY, reason=_NO_NAMESPACES)
        return
    more = {"file_mib": BIG // MIB, "idle_mib": told["idle"], "rounds": told["above"]}
    yield Line(name=MEMORY, value=max(told["above"]), unit="MiB", goal=32.0, more=more)


_NO_NAMESPACES: Final = "this machine allows no user namespaces, and real programs run nowhere else"


def _told(bench: Bench, what: str, rounds: int) -> dict[str, Any] | None:
    if not exec_real.is_allowed():
        return None
    folder = bench.folder / f"capture-{what}"
    folder.mkdir()
    say(f"capture: {what}, {rounds} rounds")
    module = [sys.executable, "-m", "lab.bench.capture"]
    with served(bench, [*module, "lab"], f"lab-capture-{what}") as lab:
        endpoints = folder / "endpoints.json"
        endpoints.write_text(json.dumps(lab.endpoints), encoding="utf-8")
        said = run(bench, [*module, what, str(endpoints), str(folder / "evidence"), str(rounds)])
    told: dict[str, Any] = json.loads(said)
    return told


# --- the process that is measured -------------------------------------------------------------------------------------


class _Side:
    """The product's side of one lab."""

    def __init__(self, endpoints: Path, store: Path) -> None:
        google = LabGoogle(json.loads(endpoints.read_text(encoding="utf-8")))
        reference = ClusterRef(project="acme-shop-prod", location="europe-west1-b", name="shop-prod")
        _, access = Gke(google.container(), ("public",)).cluster(reference, event_time=datetime.fromisoformat(_EVENT))
        if access is None:
            raise RuntimeError("the lab has no such cluster")
        self.collector = Exec(google.cluster(access), lambda: COLLECTOR_TOKEN)
        uid = self.collector.pod("shop", "web").uid
        self.cell = Cell(namespace="shop", pod="web", container="app", uid=uid)
        self._store = FolderEvidence(store)
        self._records = itertools.count(1)
        self.commands = 0

    def raw(self) -> int:
        """Bytes of one `cat` of all files; nothing is done with them."""
        sizes: list[int] = []
        ran = self.collector.run(
            self.cell, ("cat", "--", *_PATHS), sink=lambda data: sizes.append(len(data)), limit=_ROOM, seconds=_SECONDS
        )
        if ran.code != 0 or ran.cut:
            raise RuntimeError(f"cat ended with {ran}")
        return sum(sizes)

    def run(self, *given: Any, **more: Any) -> Ran:
        """`ports.Collector.run`, counted."""
        self.commands += 1
        return self.collector.run(*given, **more)

    def pod(self, namespace: str, name: str) -> Pod:
        """`ports.Collector.pod`."""
        return self.collector.pod(namespace, name)

    def taken(self, *paths: str) -> int:
        """Bytes that the product took and sealed as one record; RuntimeError unless all of them came whole."""
        record = f"rec-{next(self._records)}"
        means = Means(
            collector=self,
            cell=self.cell,
            new=lambda number: Sealed(self._store.new(f"{record}/{number}.zip"), number),
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            facts=facts,
        )
        wants = [_want(path) for path in paths]
        told = take(means, wants, caps=Caps(file=BIG + MIB, total=2 * BIG))
        if not all(one.status == "captured" and not one.truncated for one in told.artifacts):
            raise RuntimeError(f"not all came: {[(one.path, one.reason, one.notes) for one in told.artifacts]}")
        return sum(one.size for one in told.artifacts)


def _want(path: str) -> Want:
    return Want(path=path, named=path, role="product", resolved_by="absolute", pid=None, why="the bench wants it")


def _speed(side: _Side, rounds: int) -> dict[str, Any]:
    ours: list[float] = []
    raw: list[float] = []
    size = side.taken(*_PATHS)  # the first command makes the container's root
    if side.raw() != size:
        raise RuntimeError("the two sides do not move the same bytes")
    side.commands = 0
    for _ in range(rounds):
        started = time.monotonic()
        side.raw()
        between = time.monotonic()
        side.taken(*_PATHS)
        raw.append(between - started)
        ours.append(time.monotonic() - between)
    return {"ours": ours, "raw": raw, "mib": round(size / MIB, 1), "commands": side.commands // rounds}


def _memory(side: _Side, rounds: int) -> dict[str, Any]:
    side.taken(*_PATHS[:4])
    idle, above = _status("VmRSS"), []
    for _ in range(rounds):
        # "5" sets the peak back to what is resident now (proc(5), clear_refs).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        side.taken(_BIG)
        above.append(round(_status("VmHWM") - idle, 1))
    return {"idle": round(idle, 1), "above": above}


def _status(name: str) -> float:
    """MiB of this process, as the kernel has them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def main(arguments: list[str]) -> int:
    """`lab`: serve until SIGTERM; else the measurement, as one line of JSON."""
    if arguments == ["lab"]:
        from lab.server import run as serve  # noqa: PLC0415 - the measured process must not hold the servers

        serve(Scenario.model_validate(scenario()), {}, ready=lambda told: print(told.model_dump_json(), flush=True))
        return 0
    what, endpoints, store, rounds = arguments
    side = _Side(Path(endpoints), Path(store))
    print(json.dumps({"speed": _speed, "memory": _memory}[what](side, int(rounds))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
