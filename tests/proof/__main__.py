# ruff: noqa: T201 - a command line prints
"""`python -m tests.proof --events 3`: the long proof, its counts and the table of mistakes; fails for any doubt."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.proof.long import jobs, mistakes, played


def main() -> int:
    """Play, print, and tell whether all is as it must be. Each processor has a process."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--events", type=int, default=2, help="how many events a schedule has at most")
    events: int = parser.parse_args().events
    right = True
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        parts = [pool.submit(played, events, number) for number in range(len(jobs(events)))]
        for one in (*parts, pool.submit(mistakes)):
            text, is_right = one.result()
            print(text, flush=True)
            right &= is_right
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
