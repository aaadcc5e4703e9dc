"""What a message of another category costs, and how long first answers take, beside a function that does nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from lab.bench import client, ground
from lab.bench.hosts import Bench, Lab
from lab.bench.latency import request
from lab.bench.lines import Line, median, rounded, say

THROUGHPUT: Final = "foreign_throughput_vs_noop"
COLD: Final = ("cold_start_vs_noop", "cold_first_record")


def throughput(bench: Bench) -> Iterator[Line]:
    """Answers per second to a foreign message of 8 kB, both servers alive, one after the other in each round."""
    sizes, foreign = bench.sizes, client.pushed(ground.foreign(), "1")
    seen: dict[str, list[float]] = {"noop": [], "ours": []}
    micros: dict[str, list[float]] = {"noop": [], "ours": []}
    with bench.host() as noop, bench.host(bench.lab(slow=True)) as ours:
        both = {"noop": noop, "ours": ours}
        for host in both.values():
            client.soak(host.port, foreign, seconds=min(1.0, sizes.soak_seconds))
        for turn in range(sizes.rounds):
            say(f"throughput, round {turn + 1} of {sizes.rounds}")
            for name, host in both.items():
                before, started = host.cpu(), time.monotonic()
                rate = client.soak(host.port, foreign, seconds=sizes.soak_seconds)
                seen[name].append(rate)
                micros[name].append((host.cpu() - before) / (rate * (time.monotonic() - started)) * 1e6)
    ratios = [own / nothing for own, nothing in zip(seen["ours"], seen["noop"], strict=True)]
    more = {
        "aim": 0.90,
        "per_second": round(median(seen["ours"])),
        "noop_per_second": round(median(seen["noop"])),
        "cpu_us": round(median(micros["ours"])),
        "noop_cpu_us": round(median(micros["noop"])),
        "rounds": rounded(ratios),
    }
    yield Line(name=THROUGHPUT, value=median(ratios), unit="ratio", goal=0.85, at_least=True, more=more)


def cold(bench: Bench) -> Iterator[Line]:
    """From spawn to the first answer: the no-op, ours to a foreign message, ours to a finding, in turn."""
    lab = bench.lab(slow=True)
    path, _ = ground.critical_path()
    foreign, finding = client.pushed(ground.foreign(), "1"), request(0)
    _first(bench, None, foreign)  # bytecode and the page cache are there from now on
    _first(bench, lab, finding)
    nothing: list[float] = []
    light: list[float] = []
    full: list[float] = []
    for turn in range(bench.sizes.rounds):
        say(f"cold start, round {turn + 1} of {bench.sizes.rounds}")
        nothing.append(_first(bench, None, foreign))
        light.append(_first(bench, lab, foreign))
        full.append(_first(bench, lab, finding) - path)
    pairs = zip(light, full, nothing, strict=True)
    starts, firsts = zip(*((one / noop, record / noop) for one, record, noop in pairs), strict=True)
    seconds = {"seconds": median(light), "noop_seconds": median(nothing), "rounds": rounded(starts)}
    yield Line(name=COLD[0], value=median(starts), unit="ratio", goal=1.25, more=seconds)
    more = {"aim": 4.0, "seconds_beyond_path": median(full), "noop_seconds": median(nothing), "rounds": rounded(firsts)}
    yield Line(name=COLD[1], value=median(firsts), unit="ratio", goal=6.0, more=more)


def _first(bench: Bench, lab: Lab | None, message: bytes) -> float:
    with bench.host(lab) as host:
        client.send(host.port, [message])
        return time.monotonic() - host.spawned
