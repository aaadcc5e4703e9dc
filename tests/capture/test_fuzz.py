"""The first turns of the long run: it is kept able to run, and its rules hold for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from lab.environment import ROOT, cleaned
from tests.capture import fuzz


@pytest.mark.parametrize("seed", range(4))
def test_the_rules_hold_for_the_first_turns(tmp_path: Path, seed: int) -> None:
    came: Counter[str] = Counter()
    for number, rand in islice(fuzz.turns(seed), 8):
        told, sent, _ = fuzz.one_turn(rand, tmp_path / str(number) if number < 2 else None)
        came.update(one.status for one in told.artifacts)
        came["sent"] += sent
    assert came["captured"] > 5
    assert came["failed"] > 5


def test_a_turn_is_the_same_each_time() -> None:
    (_, first), *_ = islice(fuzz.turns(7), 1)
    (_, again), *_ = islice(fuzz.turns(7), 1)
    assert fuzz.stream_of(first) == fuzz.stream_of(again)


def test_the_program_prints_its_figures() -> None:
    command = [sys.executable, "-m", "tests.capture.fuzz", "--seconds", "0.5", "--seed", "3", "--first", "40"]
    done = subprocess.run(
        command, cwd=ROOT, env=cleaned(os.environ), stdout=subprocess.PIPE, check=True, timeout=120
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["seed"], told["turns"] > 0, 0 < told["peak_mib"] < 32) == (3, True, True)
