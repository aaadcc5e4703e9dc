"""Step 1: what a finding told before it fired again stays beside what it tells now. Pure.

SCC has one finding under one id, and tells the last time that it fired. Whoever can make it fire again could so take
back what it told before; a record that was written by then still has it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from responder.burst import like
from responder.finding import Process
from responder.record import RecordedFinding
from responder.redact import Redactor

MOST: Final = 100
"""Processes of one finding; the latest are kept."""


def with_earlier(now: RecordedFinding, before: RecordedFinding | None) -> RecordedFinding:
    """The finding as SCC tells it now, followed by those processes that it told before; like ones once.

    `before` is the same finding in the record as it was saved, redacted; it has what was told before that as well.
    """
    if before is None or before.processes == now.processes:
        return now
    # What was saved is redacted, and what comes now is not yet: they are compared as they will stand in the record.
    shown = {_kind(one) for one in Redactor().finding(now).processes}
    earlier = {_kind(one): one for one in reversed(before.processes) if _kind(one) not in shown}
    kept = (*now.processes, *reversed(earlier.values()))
    left_out = len(kept) - MOST
    told = (f"{left_out} processes that the finding told earlier are left out",) if left_out > 0 else ()
    return replace(now, processes=kept[:MOST], problems=(*now.problems, *told))


def _kind(one: Process) -> tuple[str, str, str]:
    return one.name, *like(one)
