"""Step 5: what it costs to take files out of a container as evidence, beside the raw bytes over the same exec channel.

The lab runs real programs in a throw-away root, in a process of its own. The product's side is a process too, on the
server's core: `python -m lab.bench.capture WHAT ENDPOINTS FOLDER ROUNDS`, which prints one line of JSON.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lab import exec_real
from lab.bench import ground
from lab.bench.hosts import Bench, run, served
from lab.bench.lines import Line, Skipped, median, rounded, say
from lab.google import LabGoogle
from lab.rbac import COLLECTOR_TOKEN
from lab.scenario import Scenario
from responder.capture.arrival import HELD
from responder.capture.belt import PIECE
from responder.capture.elf import facts
from responder.capture.sealing import Keys, Sealed
from responder.capture.taking import Caps, Means, take
from responder.capture.wanted import Want
from responder.capture.winzip import Zip
from responder.evidence import Pod
from responder.finding import ClusterRef
from responder.live.exec import Exec
from responder.live.gke import Gke
from responder.ports import Cell, Ran
from responder.stores.evidence_folder import FolderEvidence

SPEED: Final = "capture_vs_raw"
LOOPBACK: Final = "capture_vs_raw_loopback"
MEMORY: Final = "capture_memory"
FILES: Final = 20
MIB: Final = 1024 * 1024
BIG: Final = 80 * MIB
PACE: Final = 0.001
"""Seconds for each 32 KiB of output: some 30 MB/s. People tell of 4 to 7 MB/s for a cluster's exec from outside of it
(github.com/kubernetes/kubectl/issues/1361); loopback gives ten times that of ours, and no cluster does."""

_ROOM: Final = 1024 * MIB
_SECONDS: Final = 120.0
_EVENT: Final = "2026-11-20T09:41:07Z"
_BIG, _ELF = "/data/big", "/data/elf"
_PATHS: Final = tuple(f"/data/{n:02}.bin" for n in range(FILES))


def scenario(*, slow: bool) -> Scenario:
    """One pod with a root of its own, `FILES` files of 1 MiB and two large ones.

    `slow`: with the bench's latencies for each call of the cluster, and the output no faster than `PACE` lets it.
    """
    # Random bytes by the seed `random:N`: other numbers of bytes, so that no two files are alike.
    files = {path: f"random:{MIB + n}" for n, path in enumerate(_PATHS)}
    files |= {_BIG: f"random:{BIG}", _ELF: "base64:" + base64.b64encode(_largest_elf()).decode()}
    node = {"name": "bench-node", "zone": "europe-west1-b"}
    container = {"name": "app", "real_root": True, "files": files, "exec": {"piece_seconds": PACE if slow else 0}}
    pod = {"name": "web", "namespace": "shop", "node": node["name"], "containers": [container]}
    cluster = {"name": "shop-prod", "project": "acme-shop-prod", "location": "europe-west1-b", "nodes": [node],
               "namespaces": [{"name": "shop"}], "pods": [pod]}  # fmt: skip
    faults = [
        {"call": call, "kind": "latency", "match": match, "seconds": milliseconds / 1000}
        for call, match, milliseconds in ground.LATENCIES_MS["kubernetes"]
    ]
    return Scenario.model_validate(
        {
            "title": "files to take",
            "event_time": _EVENT,
            "projects": [{"id": "acme-shop-prod", "number": "421458901689", "display_name": "Shop"}],
            "clusters": [cluster],
            "faults": faults if slow else [],
        }
    )


def _largest_elf() -> bytes:
    """A program as large as one may be to be looked into whole: it is held in memory until then."""
    program = shutil.which("tar") or sys.executable
    return Path(program).read_bytes()[:HELD].ljust(HELD, b"\0")


def speed(bench: Bench) -> Iterator[Line | Skipped]:
    """Seconds of taking, hashing, sealing and keeping the files / those of one `cat` of all of them, in turn.

    `least` is the ratio of a program that never waited, on this one core, and did nothing besides receiving but the
    arithmetic of AES zips with known hashes; `least_kept` that of one which wrote them to the store's disk as well.
    """
    for name, lab in ((SPEED, "slow"), (LOOPBACK, "fast")):
        told = _told(bench, "speed", lab)
        if told is None:
            yield Skipped(name=name, reason=_NO_NAMESPACES)
            continue
        ratios = [ours / raw for ours, raw in zip(told["ours"], told["raw"], strict=True)]
        more = {
            "files": FILES,
            "mib": told["mib"],
            "raw_mib_per_second": round(told["mib"] / median(told["raw"]), 1),
            "seconds": median(told["ours"]),
            "raw_seconds": median(told["raw"]),
            "cpu_seconds": median(told["cpu"]),
            "raw_cpu_seconds": median(told["raw_cpu"]),
            **{
                name: rounded([max(one) / one[0] for one in zip(told["raw"], told[name], strict=True)])
                for name in ("least", "least_kept")
            },
            "commands": told["commands"],
            "rounds": rounded(ratios),
        }
        yield Line(name=name, value=median(ratios), unit="ratio", goal=1.5, more=more)


def memory(bench: Bench) -> Iterator[Line | Skipped]:
    """MiB at the peak of taking the large files, above the same process before it, which had taken small ones."""
    told = _told(bench, "memory", "fast")
    if told is None:
        yield Skipped(name=MEMORY, reason=_NO_NAMESPACES)
        return
    more = {"file_mib": BIG // MIB, "elf_mib": HELD // MIB, "idle_mib": told["idle"], "rounds": told["above"]}
    yield Line(name=MEMORY, value=max(told["above"]), unit="MiB", goal=32.0, more=more)


_NO_NAMESPACES: Final = "this machine allows no user namespaces, and real programs run nowhere else"


def _told(bench: Bench, what: str, lab: str) -> dict[str, Any] | None:
    if not exec_real.is_allowed():
        return None
    folder = bench.folder / f"capture-{what}-{lab}"
    folder.mkdir()
    say(f"capture: {what}, {lab} lab, {bench.sizes.rounds} rounds")
    module = [sys.executable, "-m", "lab.bench.capture"]
    with served(bench, [*module, lab], f"lab-capture-{what}-{lab}") as running:
        endpoints = folder / "endpoints.json"
        endpoints.write_text(json.dumps(running.endpoints), encoding="utf-8")
        said = run(bench, [*module, what, str(endpoints), str(folder / "evidence"), str(bench.sizes.rounds)])
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
        keys = Keys()
        means = Means(
            collector=self,
            cell=self.cell,
            new=lambda number: Sealed(self._store.new(f"{record}/{number}.zip"), number, keys),
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            facts=facts,
            ahead=keys.ahead,
        )
        wants = [_want(path) for path in paths]
        told = take(means, wants, caps=Caps(file=BIG + MIB, total=2 * BIG))
        if not all(one.status == "captured" and not one.truncated for one in told.artifacts):
            raise RuntimeError(f"not all came: {[(one.path, one.reason, one.notes) for one in told.artifacts]}")
        return sum(one.size for one in told.artifacts)

    def keep(self, pieces: list[bytes], count: int) -> None:
        """Hash, seal and keep so many files that are there already, one after the other."""
        record, keys = f"rec-{next(self._records)}", Keys()
        for number in range(count):
            sealed, file = Sealed(self._store.new(f"{record}/{number:04}.zip"), f"{number:04}", keys), hashlib.sha256()
            for piece in pieces:
                file.update(piece)
                sealed.write(piece)
            sealed.commit()


def _want(path: str) -> Want:
    return Want(path=path, named=path, role="product", resolved_by="absolute", pid=None, why="the bench wants it")


def _speed(side: _Side, rounds: int) -> dict[str, Any]:
    ours, raw, least, kept = _Clock(), _Clock(), _Clock(), _Clock()
    pieces = [bytes(PIECE)] * (MIB // PIECE)
    size = side.taken(*_PATHS)  # the first command makes the container's root
    if side.raw() != size:
        raise RuntimeError("the two sides do not move the same bytes")
    side.commands = 0
    for _ in range(rounds):
        with raw:
            side.raw()
        with ours:
            side.taken(*_PATHS)
        with least:
            for _ in _PATHS:
                _seal(pieces)
        with kept:
            side.keep(pieces, len(_PATHS))
    return {
        "ours": ours.seconds,
        "raw": raw.seconds,
        "cpu": ours.cpu,
        "raw_cpu": raw.cpu,
        "least": [receiving + sealing for receiving, sealing in zip(raw.cpu, least.cpu, strict=True)],
        "least_kept": [receiving + keeping for receiving, keeping in zip(raw.cpu, kept.cpu, strict=True)],
        "mib": round(size / MIB, 1),
        "commands": side.commands // rounds,
    }


def _seal(pieces: list[bytes]) -> None:
    """The arithmetic of one sealed file: its hash, its key, its cipher with the code that proves it, the zip's hash."""
    file, sealed = hashlib.sha256(), hashlib.sha256()
    made = Zip(sealed.update, "0001", Keys().next())
    for piece in pieces:
        file.update(piece)
        made.write(piece)
    made.close()


class _Clock:
    """Seconds and CPU seconds of this process, of one block after the other."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self._began = (0.0, 0.0)

    def __enter__(self) -> None:
        self._began = (time.monotonic(), time.process_time())

    def __exit__(self, *_: object) -> None:
        seconds, cpu = self._began
        self.seconds.append(time.monotonic() - seconds)
        self.cpu.append(time.process_time() - cpu)


def _memory(side: _Side, rounds: int) -> dict[str, Any]:
    side.taken(*_PATHS[:4])
    idle, above = _status("VmRSS"), []
    for _ in range(rounds):
        # "5" sets the peak back to what is resident now (proc(5), clear_refs).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        side.taken(_BIG, _ELF)
        above.append(round(_status("VmHWM") - idle, 1))
    return {"idle": round(idle, 1), "above": above}


def _status(name: str) -> float:
    """MiB of this process, as the kernel has them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def main(arguments: list[str]) -> int:
    """`slow` or `fast`: that lab, until SIGTERM; else the measurement, as one line of JSON."""
    if arguments in (["slow"], ["fast"]):
        from lab.server import run as serve  # noqa: PLC0415 - the measured process must not hold the servers

        lab = scenario(slow=arguments == ["slow"])
        serve(lab, {}, ready=lambda told: print(told.model_dump_json(), flush=True))
        return 0
    what, endpoints, store, rounds = arguments
    side = _Side(Path(endpoints), Path(store))
    print(json.dumps({"speed": _speed, "memory": _memory}[what](side, int(rounds))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
