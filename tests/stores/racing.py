"""Processes that do the same thing to one store at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any


def race(place: str, opened: Callable[[str], Any], act: Callable[[Any, int], Any], processes: int = 8) -> list[Any]:
    """What `act(store, n)` returned in each of them; each opens the store for itself, and waits for the others."""
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(processes), context.Queue()
    started = [context.Process(target=_one, args=(place, opened, gate, answers, act, n)) for n in range(processes)]
    for process in started:
        process.start()
    found = [answers.get(timeout=120) for _ in started]
    for process in started:
        process.join()
    return found


def _one(
    place: str, opened: Callable[[str], Any], gate: Any, answers: Any, act: Callable[[Any, int], Any], n: int
) -> None:
    store = opened(place)
    gate.wait()
    answers.put(act(store, n))
    store.close()
