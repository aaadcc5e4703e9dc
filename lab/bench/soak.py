"""`python -m lab.bench --soak`: a steady stream through Pub/Sub for minutes, and memory over thousands of findings.

Published by the client, delivered by the bridge (Google's emulator strands messages in push mode), answered with the
latencies of `ground`. The time of a record is its own `provenance.finished`, by the lab's clock, as the publishing is.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from lab.bench import client, ground
from lab.bench.hosts import Bench, Host, Lab, memory_kind
from lab.bench.lines import Line, say
from lab.bridge import bridge
from lab.delivery import broker, topics
from responder.ports import RecordQuery
from responder.stores.sqlite import SqliteRecords
from responder.wiring import utc_now

A_MINUTE: Final = 120
FINDINGS: Final = 5000
_AT_ONCE: Final = 10
_STREAM_AT_ONCE: Final = 40
_LINES: Final = 5
_PATIENCE: Final = 120.0
_MIB: Final = 1024 * 1024
_SAMPLES: Final = 5
"""The first so many parts of all findings, and the last, are compared."""


def soak(bench: Bench, *, minutes: float, findings: int) -> Iterator[Line]:
    """Both, one after the other."""
    yield from _stream(bench, max(1, round(A_MINUTE * minutes)))
    yield _memory(bench, findings)


def _stream(bench: Bench, count: int) -> Iterator[Line]:
    """So many new findings, two a second: the seconds from publishing to the record, and what was lost."""
    say(f"soak: a lab of {count} pods")
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(bench.own_lab(pods=count, lines=_LINES, slow=True))
        host = stack.enter_context(bench.host(lab))
        where, what = stack.enter_context(broker())
        say(f"soak: {count} findings in {count / A_MINUTE:.1f} minutes, delivered by {what}")
        made = stack.enter_context(topics(where, "soak", attempts=100, deadline=60, backoff=(0.5, 4.0)))
        bridged = stack.enter_context(
            bridge(made.subscriber, made.subscription, [f"http://127.0.0.1:{host.port}/"], at_once=_STREAM_AT_ONCE)
        )
        published: dict[str, datetime] = {}
        started = time.monotonic()
        for index in range(count):
            time.sleep(max(0.0, started + index * 60 / A_MINUTE - time.monotonic()))
            published[ground.message(index)["finding"]["name"].rpartition("/")[2]] = _now(lab)
            made.publish(json.dumps(ground.message(index)).encode())
        until = time.monotonic() + _PATIENCE
        while bridged.acknowledged < count and time.monotonic() < until:
            time.sleep(0.5)
        taken = _taken(host, published)
        statuses = {str(status): number for status, number in sorted(bridged.statuses.items())}
    lost = len(published) - len(taken)
    seconds = sorted(taken) or [0.0]
    more = {
        "findings": count,
        "minutes": round(count / A_MINUTE, 1),
        "p50": round(statistics.median(seconds), 2),
        "max": round(seconds[-1], 2),
        "critical_path": round(ground.critical_path()[0], 2),
        "statuses": statuses,
        "broker": what,
    }
    p95 = seconds[min(len(seconds) - 1, round(len(seconds) * 0.95))]
    yield Line(name="soak_p95_seconds", value=round(p95, 2), unit="s", goal=10.0, more=more)
    yield Line(name="soak_lost", value=float(lost), unit="findings", goal=0.0, more={"findings": count})


def _now(lab: Lab) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=float(lab.endpoints["clock_offset_seconds"]))


def _taken(host: Host, published: dict[str, datetime]) -> list[float]:
    """Seconds from publishing to the finished record, of each finding that has one."""
    found: list[float] = []
    with contextlib.closing(SqliteRecords(host.store, now=utc_now)) as records:
        for line in records.list(RecordQuery(limit=1_000_000)):
            record = records.load(line.id)
            finished = record.provenance.finished if record else None
            keys = [one.key.rpartition("/")[2] for one in records.findings(line.id)]
            found += [(finished - published[key]).total_seconds() for key in keys if finished and key in published]
    return found


def _memory(bench: Bench, findings: int) -> Line:
    """Memory over the first part of the findings, once warm, and over the last: the medians, and by how much it grew.

    Each finding is new, on a pod of its own.
    """
    say(f"soak: memory over {findings} findings")
    part = max(_AT_ONCE, findings // _SAMPLES)
    seen: list[float] = []
    own: list[float] = []
    with bench.own_lab(pods=findings, lines=1, slow=False) as lab, bench.host(lab) as host:
        for start in range(0, findings, _AT_ONCE):
            end = min(start + _AT_ONCE, findings)
            requests = [
                client.pushed(json.dumps(ground.message(index)).encode(), f"soak-{index}")
                for index in range(start, end)
            ]
            client.stream(host.port, requests, at_once=_AT_ONCE)
            seen.append(host.memory() / _MIB)
            own.append(host.own_memory() / _MIB)
            if not end % part:
                say(f"soak: {end} findings, {seen[-1]:.0f} MiB")
        with contextlib.closing(SqliteRecords(host.store, now=utc_now)) as records:
            made = sum(1 for line in records.list(RecordQuery(limit=findings + 1)) if line.stage == "finished")
    if made != findings:
        raise RuntimeError(f"{findings} findings made {made} finished records")
    first, last = _ends(seen, part // _AT_ONCE)
    own_first, own_last = _ends(own, part // _AT_ONCE)
    more = {
        "findings": findings,
        "counts": memory_kind(),
        "first_mib": round(first, 1),
        "last_mib": round(last, 1),
        # What no file is behind: the rest of it moves with whoever else on the machine maps the same libraries.
        "own_first_mib": round(own_first, 1),
        "own_last_mib": round(own_last, 1),
        "own_growth": round(own_last / own_first, 3),
        "course_mib": [round(value) for value in seen[part // _AT_ONCE - 1 :: max(1, part // _AT_ONCE)]],
    }
    return Line(name="soak_memory_growth", value=round(last / first, 3), unit="ratio", goal=1.05, more=more)


def _ends(seen: list[float], count: int) -> tuple[float, float]:
    """The medians of the first so many and of the last."""
    return statistics.median(seen[:count]), statistics.median(seen[-count:])
