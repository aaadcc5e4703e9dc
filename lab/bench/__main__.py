"""`python -m lab.bench`: measure, and print one JSON object a line. See the package's docstring."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from importlib.metadata import version
from types import FrameType
from typing import Final

from lab.bench import capture, cost, delivery, ground, latency, light, review, soak, stores, triage, zipped
from lab.bench.hosts import QUICK, THREADS, Bench, Cores, Sizes
from lab.bench.lines import Line, Skipped, say
from lab.environment import ROOT, clean_this_process

FOLDER: Final = ROOT / ".bench"
Measure = Callable[[Bench], Iterator[Line | Skipped]]
MEASURES: Final[tuple[tuple[tuple[str, ...], Measure], ...]] = (
    ((triage.EXECS,), triage.execs),
    (triage.LONG, triage.longest),
    # The short ones first; those with the lab's latencies together, so that each lab is started once.
    (light.COLD, light.cold),
    (zipped.ZIP, zipped.zipped),
    ((light.THROUGHPUT,), light.throughput),
    (latency.LATENCY, latency.latency),
    ((latency.BY_HAND,), latency.by_hand),
    ((cost.PEAK,), cost.peak),
    ((cost.CPU,), cost.cpu),
    (cost.MEMORY, cost.memory),
    (stores.RAW, stores.raw),
    ((review.QUEUE,), review.queue),
    ((capture.SPEED, capture.LOOPBACK), capture.speed),
    ((capture.MEMORY,), capture.memory),
    ((delivery.DUPLICATES,), delivery.duplicates),
    ((delivery.LOG_READS,), delivery.log_reads),
    ((delivery.BURST,), delivery.burst),
)
"""The names of the lines that each measurement prints."""
NAMES: Final = tuple(name for names, _ in MEASURES for name in names)
_BEGIN_SECONDS: Final = 420.0
"""When the whole is measured, nothing is begun after this long: it ends within ten minutes on a slow machine too."""
_PACKAGES: Final = ("functions-framework", "gunicorn", "grpcio", "kubernetes", "pydantic", "google-cloud-logging")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.bench", description="speed and memory, as ratios in one run")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, help="default: 5")
    parser.add_argument("--quick", action="store_true", help="one round of small sizes: shows that it works, no more")
    parser.add_argument("--soak", action="store_true", help="the long ones instead: a steady stream, and memory")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the stream; default: 10")
    parser.add_argument(
        "--findings", type=int, default=soak.FINDINGS, help="over which memory is watched; default: 5000"
    )
    return parser.parse_args()


def main() -> int:
    """0 whether goals are met or not; 130 after Ctrl-C."""
    arguments = _arguments()
    clean_this_process()
    # SIGTERM unwinds like Ctrl-C, so that every process that was started ends with this one.
    signal.signal(signal.SIGTERM, _interrupt)
    sizes = QUICK if arguments.quick else Sizes()
    if arguments.rounds:
        sizes = replace(sizes, rounds=arguments.rounds)
    wanted = tuple(arguments.only or NAMES)
    try:
        with Bench(Cores.of_this_machine(), sizes, FOLDER / f"run-{os.getpid()}") as bench:
            if arguments.soak:
                print(json.dumps(_setup(bench, quick=arguments.quick)), flush=True)
                for figure in soak.soak(bench, minutes=arguments.minutes, findings=arguments.findings):
                    print(figure.json(), flush=True)
                return 0
            begin = float("inf") if arguments.only else _BEGIN_SECONDS
            for line in measured(bench, wanted, quick=arguments.quick, begin=begin):
                print(line, flush=True)
    except KeyboardInterrupt:
        return 130
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def measured(bench: Bench, wanted: tuple[str, ...], *, quick: bool, begin: float = float("inf")) -> Iterator[str]:
    """The lines, `setup` first, each as soon as it is known. After `begin` seconds no measurement is begun any more."""
    yield json.dumps(_setup(bench, quick=quick))
    started = time.monotonic()
    missed: list[str] = []
    for names, measure in MEASURES:
        if not set(names) & set(wanted):
            continue
        if time.monotonic() - started > begin:
            late = "the whole run must end within ten minutes: measure it by --only"
            yield from (Skipped(name=name, reason=late).json() for name in names if name in wanted)
            continue
        for line in measure(bench):
            if line.name in wanted:
                yield line.json()
                if isinstance(line, Line) and not line.ok:
                    missed.append(line.name)
    say(f"{time.monotonic() - started:.0f} s; missed: {', '.join(missed) or 'nothing'}")


def _setup(bench: Bench, *, quick: bool) -> dict[str, object]:
    """What the figures stand on."""
    path, way = ground.critical_path()
    return {
        "name": "setup",
        "latency_ms": ground.latencies(),
        "critical_path_ms": round(path * 1000),
        "critical_path": list(way),
        "log_entries": f"3 x {ground.LINES} of about 1.5 kB",
        "notification_bytes": len(json.dumps(ground.message(0))),
        "foreign_bytes": len(ground.foreign()),
        "threads": THREADS,
        "sizes": asdict(bench.sizes),
        "quick": quick,
        "cores": {"server": sorted(bench.cores.server), "lab_and_client": sorted(bench.cores.rest)},
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in _PACKAGES},
    }


if __name__ == "__main__":
    sys.exit(main())
