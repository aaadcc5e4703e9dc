"""The zip that is deployed: its size, and how long to its first answer, beside a function that does nothing."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lab import package
from lab.bench import client, ground
from lab.bench.hosts import Bench
from lab.bench.lines import Line, median, rounded, say

ZIP: Final = ("zip_mib", "zip_cold_start_vs_noop")


def zipped(bench: Bench) -> Iterator[Line]:
    """MiB of the zip; from spawn to the first answer to a foreign message, of its functions and the no-op, in turn."""
    content = package.packed()
    names = package.members()
    mib = len(content) / 2**20
    largest = max(names, key=lambda name: len(names[name]))
    more = {"files": len(names), "largest": largest, "rounds": [round(mib, 3)]}
    yield Line(name=ZIP[0], value=mib, unit="MiB", goal=5.0, more=more)
    folder = bench.folder / "zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    _first(bench, None)  # bytecode and the page cache are there from now on, as in an image that was built
    _first(bench, folder)
    nothing: list[float] = []
    ours: list[float] = []
    for turn in range(bench.sizes.rounds):
        say(f"the zip's cold start, round {turn + 1} of {bench.sizes.rounds}")
        nothing.append(_first(bench, None))
        ours.append(_first(bench, folder))
    ratios = [own / noop for own, noop in zip(ours, nothing, strict=True)]
    seconds = {"seconds": median(ours), "noop_seconds": median(nothing), "rounds": rounded(ratios)}
    yield Line(name=ZIP[1], value=median(ratios), unit="ratio", goal=1.25, more=seconds)


def _first(bench: Bench, folder: Path | None) -> float:
    environ = {"RESPONDER_SCC_PARENT": "organizations/1", "RESPONDER_STORE": str(bench.folder / "zip.db")}
    source = folder / "main.py" if folder else None
    environ |= {"PYTHONPATH": str(folder)} if folder else {}
    with bench.host(source=source, environ=environ if folder else None) as host:
        client.send(host.port, [client.pushed(ground.foreign(), "1")])
        return time.monotonic() - host.spawned
