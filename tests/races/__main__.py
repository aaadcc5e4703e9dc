# ruff: noqa: T201 - a command line prints
"""`python -m tests.races`: each happening at each call, then 1,000 seeded races; fails for any that is wrong."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from lab.staging import TooMuch
from tests.races.race import HAPPENS, Told, play, seeded


def main() -> int:
    """Play, print, and tell whether all is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.races", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    quiet = _quiet(lambda folder: play(folder, {}))
    if quiet.record.outcome.kind != "deleted":
        # Where nothing can be deleted no race can go wrong, and nothing would be proven.
        print(f"undisturbed, the pod is not deleted: {quiet.record.outcome.detail}", flush=True)
        return 1
    calls = quiet.calls
    started = time.monotonic()
    single = [(number, what) for number in range(len(calls)) for what in HAPPENS]
    seeds = range(given.first, given.first + given.count)
    with ProcessPoolExecutor(2) as pool:
        right = _told(f"{len(calls)} calls, {len(HAPPENS)} happenings", pool.map(_single, single))
        right = _told(f"{given.count} seeds from {given.first}", pool.map(_seeded, seeds)) and right
    print(f"{time.monotonic() - started:.0f} s", flush=True)
    return 0 if right else 1


def _told(what: str, results: Iterator[tuple[str, str, str]]) -> bool:
    outcomes: Counter[str] = Counter()
    wrong = []
    for outcome, mistake, story in results:
        outcomes[outcome] += 1
        if mistake:
            wrong.append(f"  {mistake}\n    {story}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in outcomes.most_common())
    print(f"{what}: {outcomes.total()} races ({kinds}), {len(wrong)} wrong", flush=True)
    print("\n".join(wrong[:20]), end="\n" if wrong else "", flush=True)
    return not wrong


def _single(happening: tuple[int, str]) -> tuple[str, str, str]:
    return _played(lambda folder: play(folder, dict([happening])))


def _seeded(seed: int) -> tuple[str, str, str]:
    return _played(lambda folder: seeded(folder, seed))


def _played(race: Callable[[Path], Told]) -> tuple[str, str, str]:
    try:
        told = _quiet(race)
    except TooMuch:
        return "not for this API server", "", ""
    return told.record.outcome.kind, told.wrong, " | ".join(told.story)


def _quiet(race: Callable[[Path], Told]) -> Told:
    # The product's log lines of a thousand races are nobody's.
    with (
        tempfile.TemporaryDirectory(prefix="race-") as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        return race(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
