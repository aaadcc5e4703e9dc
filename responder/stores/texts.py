"""The text of a record that is saved again and again, most of which stays the same. Pure; imports pydantic.

A record is saved once with what was gathered and once with what follows. Between the two, its holder changes little;
the rest is written out once. What is the same is told by identity: nothing in a record changes in its place.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from responder.stores import documents

if TYPE_CHECKING:
    from responder.record import Record

_CHANGING: Final = frozenset({"provenance", "timeline", "notices", "review"})
"""The parts of a record that a later save has anew."""
_MOST: Final = 100
"""Records whose texts are held at once: those that are worked on. A claim that is given back drops its own."""

Work = tuple[str, int]
"""A record and the token of the claim that it is written with."""


class Texts:
    """The records that are being worked on, as text. Safe from many threads."""

    def __init__(self, *, evidence: bool) -> None:
        """`evidence`: whether the text has it; a store may keep it apart."""
        self._kept: dict[Work, tuple[tuple[Any, ...], bytes]] = {}
        self._guard = threading.Lock()
        self._evidence = evidence

    def of(self, record: Record, token: int) -> bytes:
        """The JSON of the record without its reviews, UTF-8."""
        bare = documents.bare(record)
        same = frozenset(type(bare).model_fields) - _CHANGING - {"evidence"}
        values = tuple(getattr(bare, name) for name in type(bare).model_fields if name in same)
        values += (bare.evidence,) if self._evidence else ()
        with self._guard:
            kept = self._kept.get((record.id, token))
        if kept is None or any(ours is not theirs for ours, theirs in zip(values, kept[0], strict=True)):
            kept = values, self._written(bare, same)
            with self._guard:
                self._kept[record.id, token] = kept
                while len(self._kept) > _MOST:
                    self._kept.pop(next(iter(self._kept)))
        return b"%b,%b" % (kept[1], documents.part(bare, _CHANGING)[1:])

    def _written(self, bare: Record, names: frozenset[str]) -> bytes:
        text = documents.part(bare, names)[:-1]
        return b'%b,"evidence":%b' % (text, documents.evidence_json(bare.evidence)) if self._evidence else text

    def drop(self, record_id: str, token: int) -> None:
        """The claim is given back."""
        with self._guard:
            self._kept.pop((record_id, token), None)
