"""After step 7: what was told of a record, and what is still to be tried. Kept beside the record, not in it.

A finished record is written by the holder of its claim alone; messages go out when nobody holds one. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from responder.evidence import Model
from responder.record import Gap, Notice, Record

QUESTIONS: Final = frozenset({"notices", "write_back"})
"""The gaps that stand here, and are shown among those of the record."""

_RETRIES: Final = tuple(timedelta(minutes=n) for n in (1, 2, 5, 10))
PATIENCE: Final = timedelta(hours=24)
"""How long a channel that fails is tried again, from when the record was finished."""


class Told(Model):
    """The messages and write-backs of one record, or of one digest.

    `revision` is the last of which everything was told, or given up; `marks` has for each finding what was written to
    it (a hash). `tries` counts the attempts of this revision that left something over; `due` is the next.
    """

    revision: int = 0
    notices: tuple[Notice, ...] = ()
    marks: dict[str, str] = Field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    tries: int = 0
    due: datetime | None = None

    @property
    def is_new(self) -> bool:
        """Whether nobody has looked at the record for this yet."""
        return self == Told()

    def with_notice(self, notice: Notice) -> Told:
        """One more, in the place of an earlier attempt at the same."""
        kept = tuple(one for one in self.notices if one.id != notice.id)
        return self.model_copy(update={"notices": (*kept, notice)})

    def whole(self, revision: int) -> Told:
        """Everything of this revision was told."""
        return self.model_copy(update={"revision": revision, "tries": 0, "due": None})

    def again(self, revision: int, now: datetime, until: datetime) -> Told:
        """Something is left over: when it is tried again; given up where that would be after `until`."""
        at = now + _RETRIES[min(self.tries, len(_RETRIES) - 1)]
        if at > until:
            return self.whole(revision)
        return self.model_copy(update={"tries": self.tries + 1, "due": at})


def shown(record: Record, told: Told) -> Record:
    """The record with what was told of it."""
    gaps = (*(gap for gap in record.provenance.gaps if gap.question not in QUESTIONS), *told.gaps)
    provenance = record.provenance.model_copy(update={"gaps": gaps})
    return record.model_copy(update={"notices": told.notices, "provenance": provenance})


def without(record: Record) -> Record:
    """The record as its holder saves it: what was told stands elsewhere."""
    return shown(record, Told()) if record.notices or _has_own_gaps(record) else record


def _has_own_gaps(record: Record) -> bool:
    return any(gap.question in QUESTIONS for gap in record.provenance.gaps)
