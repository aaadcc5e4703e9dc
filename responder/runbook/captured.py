"""Step 5, where the responder entered the container: what was taken, what was not, and how a person takes it. Pure.

`done`: everything that was wanted came, whole, with nothing odd on the way. `partly`: some of it. `impossible`: none.
A file is not missed where it is the running compiler (`/proc/PID/exe`), which has nearly always ended, and the
compiler was taken from the disk. Paths are the attacker's text: in words they are printable ASCII; in commands they are
quoted by whoever made the commands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from responder.record import Artifact, ByHand, Capture, Role, StepStatus, of_capture

MOST_COMMANDS: Final = 10
MOST_MISSING: Final = 20
MOST_EVIDENCE: Final = 20

_RUNNING: Final = re.compile(r"/proc/[0-9]+/exe")
_SHOWN: Final = 120
_ROLES: Final[dict[Role, tuple[str, str]]] = {
    "product": ("product", "products"),
    "source": ("source", "sources"),
    "header": ("header", "headers"),
    "response_file": ("response file", "response files"),
    "dropped": ("dropped program", "dropped programs"),
    "compiler": ("compiler", "compilers"),
}
"""In the order of their worth."""


class Told(NamedTuple):
    """What step 5 says: the fields of `record.Step` that the capture changes."""

    status: StepStatus
    detail: str
    by_hand: tuple[ByHand, ...]
    evidence: tuple[str, ...]
    missing: tuple[str, ...]


def captured(capture: Capture | None, artifacts: Sequence[Artifact]) -> Told | None:
    """Step 5's words; None where no capture was made, and the step is a person's."""
    if capture is None:
        return None
    taken = [n for n, one in enumerate(artifacts) if one.status == "captured" and not one.uid]
    old = [n for n, one in enumerate(artifacts) if one.uid]
    missing = _missing(capture, artifacts)
    return Told(
        status=_status(taken, missing),
        detail=_detail(capture, artifacts),
        by_hand=_by_hand(capture, artifacts),
        evidence=("/capture", *(f"/artifacts/{n}" for n in [*taken, *old][:MOST_EVIDENCE])),
        missing=missing,
    )


def _status(taken: Sequence[int], missing: Sequence[str]) -> StepStatus:
    if not taken:
        return "impossible"
    return "partly" if missing else "done"


# --- words ------------------------------------------------------------------------------------------------------------


def _detail(capture: Capture, artifacts: Sequence[Artifact]) -> str:
    taken = [one for one in of_capture(artifacts) if one.status == "captured"]
    old = sum(bool(one.uid) for one in artifacts)
    before = f" Of an earlier pod of this name {old} {'file is' if old == 1 else 'files are'} kept." if old else ""
    if not taken:
        why = _shown(capture.impossible) or "nothing that was wanted could be taken"
        digest = _shown(capture.image_digest)
        pull = f" What the image itself holds can be pulled by its digest: {digest}." if digest else ""
        return f"Nothing was taken out of the container: {why}.{pull}{before}"
    count = Counter(one.role for one in taken)
    kinds = ", ".join(f"{count[role]} {names[count[role] > 1]}" for role, names in _ROLES.items() if count[role])
    size = sum(one.size for one in taken)
    differ = sum(one.against_scc == "differs" for one in taken)
    warning = f" {differ} differ from what Security Command Center hashed." if differ else ""
    kept = " All of it is in the evidence store, sealed." if all(one.stored for one in taken) else ""
    return f"Taken: {kinds}, {size} bytes, as the container's own programs sent them.{kept}{warning}{before}"


def _missing(capture: Capture, artifacts: Sequence[Artifact]) -> tuple[str, ...]:
    words = [f"nothing more could be taken: {_shown(capture.impossible)}"] if capture.impossible else []
    words += [text for one in artifacts if (text := _lack(one, artifacts))]
    words += [f"a snapshot of what runs: {_shown(text)}" for text in capture.volatile.missing]
    if len(words) > MOST_MISSING:
        words = [*words[:MOST_MISSING], f"and {len(words) - MOST_MISSING} more"]
    return tuple(words)


def _lack(one: Artifact, artifacts: Sequence[Artifact]) -> str:
    """Why a file is less than was wanted; ``""`` where it is not."""
    name = _shown(one.path or one.named) or "files"
    if one.status != "captured":
        is_gone = "no such file" in one.reason.lower()
        is_spare = one.role == "compiler" and _RUNNING.fullmatch(one.path) and is_gone
        mine = of_capture(artifacts) if is_spare else ()
        if any(other.role == "compiler" and other.status == "captured" for other in mine):
            return ""
        how = "left out" if one.status == "left_out" else "failed"
        return f"{name}: {how}: {_shown(one.reason)}"
    if one.truncated:
        return f"{name}: cut after {one.size} bytes"
    return f"{name}: {_shown('; '.join(one.notes))}" if one.notes else ""


# --- by hand ----------------------------------------------------------------------------------------------------------


def _by_hand(capture: Capture, artifacts: Sequence[Artifact]) -> tuple[ByHand, ...]:
    """The capture's own lines, then a line for each file: those first that the responder has not, or not whole."""
    lacking = [one for one in artifacts if _lack(one, artifacts)]
    ordered = [*lacking, *(one for one in artifacts if one not in lacking)]
    lines: dict[str, ByHand] = {}
    for one in ordered:
        if one.by_hand and one.by_hand not in lines:
            again = "again" if one.status == "captured" else "by hand"
            title = f"Copy {_shown(one.path)} out of the container {again}"
            lines[one.by_hand] = ByHand(title=title, kind="command", value=one.by_hand)
    own = {line.value for line in capture.by_hand}
    return (*capture.by_hand, *[line for value, line in lines.items() if value not in own][:MOST_COMMANDS])


def _shown(text: str) -> str:
    """Printable ASCII, cut at its end."""
    plain = ascii(text[: 4 * _SHOWN])[1:-1]
    return plain if len(plain) <= _SHOWN else f"{plain[: _SHOWN - 3]}..."
