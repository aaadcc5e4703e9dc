"""One thing that was seen, and where: what triage weighs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from responder.record import SignalSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One thing that was seen; what it weighs is the rules' business. `techniques` are those that it shows."""

    id: str
    text: str
    source: SignalSource = "process"
    evidence: tuple[str, ...] = ()
    outside: bool = False
    techniques: tuple[str, ...] = ()
    decisive: bool = False


def merged(signs: Iterable[Sign]) -> tuple[Sign, ...]:
    """One sign of each kind: the first one's words, everyone's evidence."""
    found: dict[str, Sign] = {}
    for sign in signs:
        old = found.get(sign.id)
        if old is None:
            found[sign.id] = sign
            continue
        found[sign.id] = Sign(
            id=old.id,
            text=old.text if old.outside or not sign.outside else sign.text,
            source=old.source,
            evidence=tuple(dict.fromkeys((*old.evidence, *sign.evidence)))[:20],
            outside=old.outside or sign.outside,
            techniques=tuple(dict.fromkeys((*old.techniques, *sign.techniques))),
            decisive=old.decisive or sign.decisive,
        )
    return tuple(found.values())
