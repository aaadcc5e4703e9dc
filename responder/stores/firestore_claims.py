"""The claim, between steps: who may write a record in Firestore, and until when. Touches heads of records.

Compare-and-set on the head document's last update, and a token that rises with each claim: whoever was late finds the
head changed. Nobody writes the head for a finding that joins, so letting go takes two writes: the claim is marked as
being released, and from then on another may take it; then the occurrences are counted; then it is cleared, or kept
where something had joined. A finding that joins after the count finds a claim that it can take; one that joined before
is counted; and whoever dies in between leaves a claim that runs out like any other.

Most records have one finding. `alone` says so, and the first that joins writes the head once, to say so no more: it is
never true again. While it is true there is nothing to count, and the write that clears the claim fails if it is not.

A head that this process wrote last need not be read again: what it then was is the precondition of the next write, and
the server refuses that where somebody else wrote since. So such a head decides for a write, and never against one.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from responder.errors import Busy, StaleClaim, StoreError
from responder.ports import Claim
from responder.stores.firestore_calls import Asked, Change, Conflict, Row
from responder.stores.firestore_queries import OCCURRENCES
from responder.stores.words import clean, name_of, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from responder.stores.firestore_calls import Database, Path

_FIELDS: Final = (
    *("token", "holder", "expires", "releasing", "claimed", "written"),
    *("stage", "due", "read", "revision", "reviews", "published", "told", "has_told", "alone", "previous", "tried"),
)
_PARTS: Final = ("parts", "part_count")
_HEADS: Final = 256
"""So many heads are remembered: of the records that are worked on, and some."""
_ID_DIGITS: Final = frozenset("0123456789abcdef")
_ID_LENGTH: Final = 32

FREE: Final[dict[str, Any]] = {"holder": "", "expires": "", "releasing": False}

AT_ONCE: Final = "0"
"""As `wake`, which says from when on somebody must go on with a record: while it is held, when its claim runs out; else
at once where it is not finished or has not read all that joined, when it is due where it has, and never (empty) where
it is final. What is to be gone on with at once and was claimed before has the time of that, `tried`: it comes last."""


def _is_held(head: Row, now: datetime) -> bool:
    return bool(head.data["holder"] and head.data["expires"] > stamp(now) and not head.data["releasing"])


def _is_of(head: Row, claim: Claim) -> bool:
    return bool(head.data["token"] == claim.token and head.data["holder"] == clean(claim.holder))


def is_alone(head: Row) -> bool:
    """Whether one occurrence is all that the record has."""
    return bool(head.data.get("alone"))


def _wake(head: dict[str, Any], joined: int) -> str:
    if head["stage"] == "finished" and head["read"] >= joined:
        return str(head["due"])
    return str(head.get("tried") or AT_ONCE)  # heads of an earlier version lack it


def path_of(record_id: str) -> Path:
    """The head document of a record."""
    return ("records", record_id)


def raw_path(key: str) -> Path:
    """The first notification of a finding."""
    return ("raw", name_of(key))


def is_id(record_id: str) -> bool:
    """Whether it can be the id of a record at all; what cannot is never made into a document's name."""
    return len(record_id) == _ID_LENGTH and set(record_id) <= _ID_DIGITS


@dataclass(slots=True)
class Heads:
    """The heads that this process wrote last, by record."""

    _kept: dict[str, Row] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def get(self, record_id: str) -> Row | None:
        """The head as it was written, where it is remembered."""
        with self._guard:
            return self._kept.get(record_id)

    def keep(self, record_id: str, data: dict[str, Any], updated: Any) -> Row:
        """The head was written, and is remembered: what a claim needs of it."""
        kept: dict[str, Any] = {name: data[name] for name in (*_FIELDS, *_PARTS) if name in data}
        row = Row(id=record_id, data=kept, updated=updated, created=None)
        with self._guard:
            self._kept.pop(record_id, None)
            self._kept[record_id] = row
            while len(self._kept) > _HEADS:
                self._kept.pop(next(iter(self._kept)))
        return row

    def drop(self, record_id: str) -> None:
        """Somebody else wrote it."""
        with self._guard:
            self._kept.pop(record_id, None)


class Claims:
    """Claims of the records in one database. `new_name` gives each write a name of its own."""

    def __init__(self, database: Database, new_name: Callable[[], str]) -> None:
        self._database = database
        self._new_name = new_name
        self._busy: set[tuple[str, int]] = set()
        self.heads = Heads()

    def claim(self, record_id: str, holder: str, lease: timedelta, now: datetime) -> Claim | None:
        """As `ports.Records.claim`."""
        name, wanted = self._new_name(), Claim(record_id=record_id, token=0, holder=holder, expires=now + lease)
        known = self.heads.get(record_id)
        if known and not _is_held(known, now) and (claim := self._take(known, wanted, name, now)):
            return claim
        for _ in self._database.rounds(f"record {record_id}"):
            head = self.head(record_id)
            if head.data["claimed"] == name:  # by an attempt whose answer was lost
                return replace(wanted, token=head.data["token"])
            if _is_held(head, now):
                if head.data["holder"] == clean(holder):
                    message = f"record {record_id} is being worked on for this same message"
                    raise Busy(message)
                return None
            if claim := self._take(head, wanted, name, now):
                return claim
        return None  # unreachable: `rounds` raises

    def _take(self, head: Row, wanted: Claim, name: str, now: datetime) -> Claim | None:
        claim = replace(wanted, token=head.data["token"] + 1)
        expires = stamp(claim.expires)
        taken = {"token": claim.token, "holder": clean(claim.holder), "expires": expires, "releasing": False}
        data = {**taken, "wake": expires, "tried": stamp(now), "claimed": name}
        is_ours = self.change(head, claim.record_id, data)
        return claim if is_ours else None

    def renew(self, claim: Claim, lease: timedelta, now: datetime) -> Claim:
        """As `ports.Records.renew`."""
        renewed = replace(claim, expires=now + lease)
        expires = stamp(renewed.expires)
        for _ in self._database.rounds(f"record {claim.record_id}"):
            if self.change(self.held(claim, now), claim.record_id, {"expires": expires, "wake": expires}):
                break
        return renewed

    def release(self, claim: Claim, seen: int) -> bool:
        """As `ports.Records.release`."""
        mine = self._mine(claim)
        if mine and seen and is_alone(mine) and self._free(mine, claim.record_id, joined=1):
            return False
        work = (claim.record_id, claim.token)
        if work in self._busy and seen < sys.maxsize:
            # Findings keep joining: looked for before the head is written for nothing.
            if self._read(claim) and self.count(claim.record_id) > seen:
                return True
            self._busy.discard(work)
        if not self._set(claim, {"releasing": True}):
            return False
        count = self.count(claim.record_id)
        if count > seen:
            self._busy.add(work)
            return self._set(claim, {"releasing": False})
        self._busy.discard(work)
        for _ in self._database.rounds(f"record {claim.record_id}"):
            head = self._mine(claim)
            if head is None or self._free(head, claim.record_id, joined=count):
                break
        return False

    def _free(self, head: Row, record_id: str, *, joined: int) -> bool:
        """Nobody holds the record any more, which has so many occurrences."""
        return self.change(head, record_id, {**FREE, "wake": _wake(head.data, joined)})

    def head(self, record_id: str) -> Row:
        """What a record's head says of its claim and its revision; StoreError where there is no such record."""
        head = self._database.get(path_of(record_id), (*_FIELDS, *_PARTS)) if is_id(record_id) else None
        if head is None:
            message = f"there is no record {clean(record_id)}"
            raise StoreError(message)
        return head

    def held(self, claim: Claim, now: datetime) -> Row:
        """The fence: the head, while it has this claim and it runs; else StaleClaim. Write with `change` only."""
        head = self._mine(claim)
        if head is not None and head.data["expires"] <= stamp(now):
            head = self._read(claim)
        if head is None or head.data["expires"] <= stamp(now):
            message = f"claim {claim.token} of record {claim.record_id} has expired or was taken over"
            raise StaleClaim(message)
        return head

    def change(self, head: Row, record_id: str, data: dict[str, Any]) -> bool:
        """Write fields of the head, unless somebody did since it was read: False then."""
        try:
            (updated,) = self._database.commit(Change(path_of(record_id), head, data))
        except Conflict:
            self.heads.drop(record_id)
            return False
        self.heads.keep(record_id, head.data | data, updated)
        return True

    def _set(self, claim: Claim, data: dict[str, Any]) -> bool:
        """Write fields of the head while it has this claim; False where another has taken it over, or it is free."""
        for _ in self._database.rounds(f"record {claim.record_id}"):
            head = self._mine(claim)
            if head is None:
                return False
            if self.change(head, claim.record_id, data):
                return True
        return False  # unreachable: `rounds` raises

    def _mine(self, claim: Claim) -> Row | None:
        """The head while it has this claim, as it was written here last or as it is; a write will tell which."""
        known = self.heads.get(claim.record_id)
        if known is None or known.data["token"] < claim.token:
            return self._read(claim)
        # A token only rises, and a claim that was given back is not taken again: what is known to be over is over.
        return known if _is_of(known, claim) else None

    def _read(self, claim: Claim) -> Row | None:
        head = self._database.get(path_of(claim.record_id), (*_FIELDS, *_PARTS)) if is_id(claim.record_id) else None
        return head if head and _is_of(head, claim) else None

    def count(self, record_id: str) -> int:
        """How many occurrences a record has."""
        return self._database.count(OCCURRENCES, Asked(equal=(record_id,)))
