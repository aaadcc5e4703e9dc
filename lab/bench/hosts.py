"""The processes of the bench: the lab, and the function host under test, each on its own core and in its own group.

Everything that is started ends with its block, also after Ctrl-C. CPU and memory are those of the whole process tree.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import psutil

from lab.bench import client, ground
from lab.environment import ROOT, cleaned
from lab.serving import free_port, stop

THREADS: Final = 120
_START_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which cores the server under test may use, and which the lab and the client; all, where there is one only."""

    server: frozenset[int]
    rest: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The first for the server; nothing is pinned where the system has no such call."""
        if not hasattr(os, "sched_getaffinity"):
            return cls(server=frozenset(), rest=frozenset())
        first, *rest = sorted(os.sched_getaffinity(0))
        return cls(server=frozenset({first}), rest=frozenset(rest or {first}))


@contextlib.contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """This thread, and what it starts, on these cores while the block runs."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(slots=True, kw_only=True)
class Host:
    """A function host: `spawned` by the monotonic clock, before it answers anything."""

    port: int
    process: subprocess.Popen[bytes]
    spawned: float
    store: Path

    def tree(self) -> list[psutil.Process]:
        """The process and all that it has started."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def cpu(self) -> float:
        """CPU seconds of the tree until now."""
        return sum(sum(one.cpu_times()[:2]) for one in self.tree())

    def memory(self) -> int:
        """Bytes of the tree: what is shared counts by its share (PSS), where the system tells."""
        return sum(_memory(one) for one in self.tree())

    def own_memory(self) -> int:
        """The part of `memory` that no file is behind. The other part moves with whoever else maps the same files."""
        return sum(_memory(one, "Pss_Anon:") for one in self.tree())


def memory_kind() -> str:
    """What `Host.memory` counts here."""
    return "PSS" if Path("/proc/self/smaps_rollup").exists() else "USS"


def _memory(process: psutil.Process, part: str = "Pss:") -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith(part):
                return int(line.split()[1]) * 1024
    return int(process.memory_full_info().uss)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured. `warm` findings come first in each new process: one for each cluster's connections."""

    rounds: int = 5
    warm: int = ground.CLUSTERS
    singles: int = 3
    some: int = 10
    many: int = 100
    by_hand: int = 3
    soak_seconds: float = 3.0
    cpu_findings: int = 30
    memory_first: int = 20
    memory_all: int = 100
    at_once: int = 80
    burst: int = 800
    burst_duplicates: int = 200
    quota_pods: int = 20
    quota_findings: int = 40
    store_cycles: int = 20
    queue_records: tuple[int, int] = (1_000, 100_000)
    queue_requests: int = 5

    @property
    def pods(self) -> int:
        """How many pods the lab must have."""
        return self.warm + max(self.singles + self.some + self.many, self.memory_all, self.at_once, self.cpu_findings)


QUICK: Final = Sizes(
    rounds=1, singles=1, some=2, many=4, by_hand=1, soak_seconds=0.5, cpu_findings=3, memory_first=2, memory_all=6,
    at_once=4, burst=16, burst_duplicates=4, quota_pods=2, quota_findings=3, store_cycles=2,
    queue_records=(20, 200), queue_requests=1,
)  # fmt: skip


@dataclass(slots=True)
class Bench:
    """The machine while the bench runs: its cores, and the labs, each started when it is first needed.

    Everything is written to `folder`, which is removed at the end; it stays, with the logs, where something failed.
    """

    cores: Cores
    sizes: Sizes
    folder: Path
    is_rehearsed: bool = False
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _labs: dict[bool, Lab] = field(default_factory=dict)
    _count: int = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stack.enter_context(on(self.cores.rest))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._stack.close()
        if kind is None or issubclass(kind, KeyboardInterrupt):
            shutil.rmtree(self.folder)

    def own_lab(self, *, pods: int, lines: int, slow: bool) -> contextlib.AbstractContextManager[Lab]:
        """A lab that ends with the block, with so many pods and log lines for each of a finding's queries."""
        return _lab(self, slow=slow, pods=pods, lines=lines)

    def lab(self, *, slow: bool) -> Lab:
        """The lab with the latencies, or the one that answers at once."""
        if slow not in self._labs:
            self._labs[slow] = self._stack.enter_context(_lab(self, slow=slow, pods=self.sizes.pods))
        return self._labs[slow]

    @contextlib.contextmanager
    def host(
        self, lab: Lab | None = None, *, environ: Mapping[str, str] | None = None, source: Path | None = None
    ) -> Iterator[Host]:
        """functions-framework on the product's function against a lab, with an empty store; on a no-op without one.

        `environ` goes before what it is given otherwise; `source` is another file with a function `respond`.
        """
        self._count += 1
        store, log = self.folder / f"records-{self._count}.db", self.folder / "function.log"
        (self.folder / "endpoints.json").write_text(json.dumps(lab.endpoints if lab else {}), encoding="utf-8")
        env = cleaned(os.environ) | {"THREADS": str(THREADS), "WORKERS": "1"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        if lab:
            env |= {
                "LAB_ENDPOINTS": str(self.folder / "endpoints.json"),
                "RESPONDER_SCC_PARENT": lab.endpoints["scc_parent"],
                "RESPONDER_STORE": str(store),
            }
        source = source or ROOT / "lab" / ("function.py" if lab else "bench/noop.py")
        port = free_port()
        command = [sys.executable, "-m", "functions_framework", "--target", "respond", "--source", str(source)]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as output:
            spawned = time.monotonic()
            with _started(command, env | dict(environ or {}), self.cores.server, output) as process:
                yield Host(port=port, process=process, spawned=spawned, store=store)


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that serves from a process of its own."""

    endpoints: dict[str, Any]
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """CPU seconds until now."""
        return float(sum(psutil.Process(self.process.pid).cpu_times()[:2]))

    def journal(self) -> list[dict[str, Any]]:
        """What the lab was asked, in order."""
        port = int(self.endpoints["rest"].rpartition(":")[2])
        reply = client.get(port, "/_lab/journal")
        calls: list[dict[str, Any]] = json.loads(reply)["journal"]
        return calls


@contextlib.contextmanager
def _lab(bench: Bench, *, slow: bool, pods: int, lines: int = ground.LINES) -> Iterator[Lab]:
    command = [sys.executable, "-m", "lab.bench.ground", "--pods", str(pods), "--lines", str(lines)]
    command += ["--slow"] if slow else []
    with served(bench, command, f"lab-{'slow' if slow else 'fast'}-{pods}-{lines}") as lab:
        yield lab


@contextlib.contextmanager
def served(bench: Bench, command: list[str], name: str) -> Iterator[Lab]:
    """The lab that `command` serves on the other core, once it prints its endpoints; its log is `NAME.log`."""
    log = bench.folder / f"{name}.log"
    with log.open("wb") as output, _started(command, cleaned(os.environ), bench.cores.rest, output) as process:
        until = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < until:
            told, complete, _ = log.read_text(encoding="utf-8").rpartition("\n")
            if complete and told.startswith("{"):
                yield Lab(json.loads(told), process)
                return
            time.sleep(0.05)
        raise RuntimeError(f"the lab did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")


@contextlib.contextmanager
def _started(
    command: list[str], environ: Mapping[str, str], cores: frozenset[int], output: Any
) -> Iterator[subprocess.Popen[bytes]]:
    with on(cores):
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        stop(process)


def run(bench: Bench, command: list[str], *, timeout: float = 300.0) -> str:
    """A program on the server's core; what it printed. CalledProcessError where it failed."""
    with on(bench.cores.server):
        done = subprocess.run(
            command, cwd=ROOT, env=cleaned(os.environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            check=True, timeout=timeout,
        )  # fmt: skip
    return done.stdout.decode()
