"""Step 5: a want and what came of it, as the record's artifact. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from responder.capture.arrival import printable
from responder.capture.fetching import Got
from responder.capture.wanted import Want
from responder.record import Artifact, Tool

_LONGEST = 4096
"""Characters of a path: PATH_MAX of Linux."""


def artifact(
    want: Want,
    status: Literal["captured", "left_out", "failed"],
    reason: str = "",
    *,
    notes: Iterable[str] = (),
    passing: bool = False,
) -> Artifact:
    """A want of which nothing is kept, or not yet."""
    return Artifact(
        path=want.path,
        named=want.named,
        resolved_by=want.resolved_by,
        role=want.role,
        status=status,
        reason=reason,
        notes=tuple(notes),
        passing=passing,
    )


def kept(want: Want, tool: Tool, got: Got, *, notes: Iterable[str], at: datetime, cut: bool) -> Artifact:
    """A file that is in the evidence store; below a directory its path is the one that tar told.

    `cut`: the command was, and the rest of a file that is not whole may come at another try.
    """
    arrived = got.arrived
    return artifact(want, "captured", notes=notes, passing=cut and arrived.truncated).model_copy(
        update={
            "path": printable(got.path, _LONGEST) if want.is_directory else want.path,
            "sha256": arrived.sha256,
            "size": arrived.size,
            "truncated": arrived.truncated,
            "tool": tool,
            "against_scc": arrived.against_scc,
            "content": arrived.content,
            "elf": arrived.elf,
            "stored": arrived.stored.place,
            "stored_sha256": arrived.stored.sha256,
            "taken_at": at,
        }
    )
