"""What a finding costs in CPU, and what the function's processes hold in memory."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from typing import Final

import psutil

from lab.bench import client
from lab.bench.hosts import Bench, Host, memory_kind, run
from lab.bench.latency import rehearsed, request, warmed
from lab.bench.lines import Line, median, rounded, say

CPU: Final = "cpu_per_finding_vs_fetch"
MEMORY: Final = ("rss_mib_after_100", "rss_growth_20_to_100_percent")
PEAK: Final = "rss_mib_peak_80_at_once"
_MIB: Final = 1024 * 1024
_AT_ONCE: Final = 10


def cpu(bench: Bench) -> Iterator[Line]:
    """CPU of the whole tree for warm findings, one after another / CPU of sending their calls again, replies parsed."""
    sizes, lab = bench.sizes, bench.lab(slow=False)
    indices = range(sizes.warm, sizes.warm + sizes.cpu_findings)
    ours: list[float] = []
    fetch: list[float] = []
    read: list[float] = []
    told: dict[str, float] = {}
    for turn in range(sizes.rounds):
        say(f"CPU, round {turn + 1} of {sizes.rounds}")
        with bench.host(lab) as host:
            warmed(bench, host)
            before, calls = host.cpu(), len(lab.journal())
            for index in indices:
                client.send(host.port, [request(index)])
            ours.append((host.cpu() - before) / len(indices) * 1000)
        endpoints, noted = bench.folder / "endpoints.json", bench.folder / "calls.json"
        endpoints.write_text(json.dumps(lab.endpoints), encoding="utf-8")
        noted.write_text(json.dumps(lab.journal()[calls:]), encoding="utf-8")
        command = [sys.executable, "-m", "lab.bench.fetch", str(endpoints), str(noted)]
        told = json.loads(run(bench, command))
        fetch.append(told["fetch_seconds"] / len(indices) * 1000)
        read.append(told["read_seconds"] / len(indices) * 1000)
    ratios = [own / theirs for own, theirs in zip(ours, fetch, strict=True)]
    more = {
        "ms": median(ours, 1),
        "fetch_ms": median(fetch, 1),
        # The same, with each log entry read through the clients' own wrappers, as their documentation does.
        "fetch_and_read_ms": median(read, 1),
        "calls": round(told["calls"] / len(indices), 1),
        "body_bytes": round(told["bytes"] / len(indices)),
        "entry_bytes": round(told["entry_bytes"]),
        "rounds": rounded(ratios),
    }
    yield Line(name=CPU, value=median(ratios), unit="ratio", goal=1.5, more=more)


def memory(bench: Bench) -> Iterator[Line]:
    """Memory after the first findings and after all of them, ten at once; it must not grow with their number.

    Growth is a share of what there was after the first ones. What Python holds does not grow; what the allocators keep
    does a little, as each of the threads that come and go takes pages of an arena that the C library gives back late
    (a page is given back once nothing at all is left on it). A tenth is room for that, and a leak of one record's
    evidence, 0.3 MiB of text and about 1 MiB as objects, is several tenths after eighty findings.
    """
    sizes, lab = bench.sizes, bench.lab(slow=False)
    after: list[float] = []
    growth: list[float] = []
    course: list[float] = []
    for turn in range(sizes.rounds):
        say(f"memory, round {turn + 1} of {sizes.rounds}")
        with bench.host(lab) as host:
            course = []
            first = 0.0
            for start in range(0, sizes.memory_all, _AT_ONCE):
                end = min(start + _AT_ONCE, sizes.memory_all)
                client.send(host.port, [request(index) for index in range(start, end)])
                course.append(host.memory() / _MIB)
                if start < sizes.memory_first <= end:
                    first = course[-1]
            after.append(course[-1])
            growth.append((course[-1] / first - 1) * 100)
    more = {"counts": memory_kind(), "rounds": rounded(after, 1)}
    yield Line(name=MEMORY[0], value=median(after, 1), unit="MiB", goal=256.0, more=more)
    more = {"counts": memory_kind(), "rounds": rounded(growth, 1), "every_ten_findings": rounded(course, 1)}
    yield Line(name=MEMORY[1], value=median(growth, 1), unit="%", goal=10.0, more=more)


def peak(bench: Bench) -> Iterator[Line]:
    """The highest memory while findings come all at once, with the latencies."""
    sizes, lab = bench.sizes, rehearsed(bench)
    peaks: list[float] = []
    for turn in range(sizes.rounds):
        say(f"peak memory, round {turn + 1} of {sizes.rounds}")
        with bench.host(lab) as host:
            warmed(bench, host)
            with _watched(host) as seen:
                indices = range(sizes.warm, sizes.warm + sizes.at_once)
                client.send(host.port, [request(index) for index in indices])
            peaks.append(max(seen))
    more = {"counts": memory_kind(), "at_once": sizes.at_once, "rounds": rounded(peaks, 1)}
    yield Line(name=PEAK, value=median(peaks, 1), unit="MiB", goal=512.0, more=more)


@contextlib.contextmanager
def _watched(host: Host) -> Iterator[list[float]]:
    """MiB of the host's tree, twenty times a second."""
    seen = [host.memory() / _MIB]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            with contextlib.suppress(psutil.NoSuchProcess):
                seen.append(host.memory() / _MIB)

    thread = threading.Thread(target=watch, name="memory")
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
