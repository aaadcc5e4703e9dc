"""Steps 1 and 7: what triage costs for each program of real builds, and for the longest command lines that may come.

CPU time of this process: nothing is asked of the lab, and a busy machine beside it does not count.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Final

from lab.bench.hosts import Bench
from lab.bench.lines import Line, median, rounded, say
from lab.environment import ROOT
from responder.triage import Case, judge
from responder.triage.evaluation import activities

EXECS: Final = "triage_us_per_exec"
LONG: Final = ("argv_1mb_ms", "argv_doubling")
_CORPUS: Final = ROOT / "tests" / "corpus" / "traced_execs.jsonl"
_MB: Final = 1_000_000
# How somebody might fill a command line: each is what some part of the reading looks at most closely.
_FILLINGS: Final[dict[str, Callable[[int], list[str]]]] = {
    "words": lambda size: ["gcc", *(["-DA=1"] * (size // 6))],
    "files": lambda size: ["gcc", "-shared", "-o", "/opt/x.so", *(f"/opt/.x/{n}.c" for n in range(size // 14))],
    "one_word": lambda size: ["gcc", "-c", "a" * size],
    "commas": lambda size: ["gcc", "x.c", "-Wl," + "-z," * (size // 3)],
    "shell": lambda size: ["sh", "-c", "gcc -o x x.c; " * (size // 14)],
    "quotes": lambda size: ["sh", "-c", "gcc 'x.c\" " * (size // 10)],
    "dots": lambda size: ["cc", "/." * (size // 2)],
    "eval": lambda size: ["sh", "-c", "eval " * (size // 5)],
}


def execs(bench: Bench) -> Iterator[Line]:
    """Microseconds for each program of the traced builds, reading its command line and judging the activity."""
    rows = (json.loads(line) for line in _CORPUS.read_text(encoding="utf-8").splitlines())
    units = activities(rows)
    programs = sum(len(unit.case.execs) for unit in units)
    seen: list[float] = []
    for turn in range(bench.sizes.rounds):
        say(f"triage, round {turn + 1} of {bench.sizes.rounds}")
        started = time.process_time()
        for unit in units:
            judge(unit.case)
        seen.append((time.process_time() - started) / programs * 1e6)
    more = {"programs": programs, "activities": len(units), "rounds": rounded(seen, 1)}
    yield Line(name=EXECS, value=median(seen, 1), unit="us", goal=200.0, more=more)


def longest(bench: Bench) -> Iterator[Line]:
    """Milliseconds for one command line of a megabyte, and how much dearer than half of it: 2 is linear."""
    whole: dict[str, list[float]] = {name: [] for name in _FILLINGS}
    growth: dict[str, list[float]] = {name: [] for name in _FILLINGS}
    for turn in range(bench.sizes.rounds):
        say(f"long command lines, round {turn + 1} of {bench.sizes.rounds}")
        for name, fill in _FILLINGS.items():
            half, full = _seconds(fill(_MB // 2)), _seconds(fill(_MB))
            whole[name].append(full * 1000)
            growth[name].append(full / max(half, _LEAST))
    slowest = max(whole, key=lambda name: median(whole[name]))
    each = {name: median(times, 1) for name, times in whole.items()}
    more = {"slowest": slowest, "each_ms": each, "rounds": rounded(whole[slowest], 1)}
    yield Line(name=LONG[0], value=median(whole[slowest], 1), unit="ms", goal=50.0, more=more)
    steepest = max(growth, key=lambda name: median(growth[name]))
    more = {"steepest": steepest, "rounds": rounded(growth[steepest])}
    yield Line(name=LONG[1], value=median(growth[steepest]), unit="ratio", goal=3.0, more=more)


_LEAST: Final = 0.001
"""Below a millisecond a clock's own grain would pass for growth."""


def _seconds(argv: list[str]) -> float:
    case = Case.of_execs([{"argv": argv, "exe": argv[0], "cwd": "/app", "parents": [argv]}])
    started = time.process_time()
    judge(case)
    return time.process_time() - started
