"""The claim, between steps: who may write a record in Firestore, and until when. Touches heads of records.

Compare-and-set on the head document's last update, and a token that rises with each claim: whoever was late finds the
head changed. Nobody writes the head for a finding that joins, so letting go takes two writes: the claim is marked as
being released, and from then on another may take it; then the occurrences are counted; then it is cleared, or kept
where something had joined. A finding that joins after the count finds a claim that it can take; one that joined before
is counted; and whoever dies in between leaves a claim that runs out like any other.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from responder.errors import Busy, StaleClaim, StoreError
from responder.ports import Claim
from responder.stores.firestore_calls import Asked, Change, Conflict
from responder.stores.firestore_queries import OCCURRENCES
from responder.stores.words import clean, name_of, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from responder.stores.firestore_calls import Database, Path, Row

_FIELDS: Final = (
    *("token", "holder", "expires", "releasing", "claimed", "written"),
    *("stage", "due", "read", "revision", "reviews", "published", "told", "has_told"),
)
_PARTS: Final = ("parts", "part_count")
_ID_DIGITS: Final = frozenset("0123456789abcdef")
_ID_LENGTH: Final = 32

FREE: Final[dict[str, Any]] = {"holder": "", "expires": "", "releasing": False}

AT_ONCE: Final = "0"
"""As `wake`, which says from when on somebody must go on with a record: while it is held, when its claim runs out; else
at once where it is not finished or has not read all that joined, when it is due where it has, and never (empty) where
it is final."""


def _wake(head: dict[str, Any], joined: int) -> str:
    return str(head["due"]) if head["stage"] == "finished" and head["read"] >= joined else AT_ONCE


def path_of(record_id: str) -> Path:
    """The head document of a record."""
    return ("records", record_id)


def raw_path(key: str) -> Path:
    """The first notification of a finding."""
    return ("raw", name_of(key))


def is_id(record_id: str) -> bool:
    """Whether it can be the id of a record at all; what cannot is never made into a document's name."""
    return len(record_id) == _ID_LENGTH and set(record_id) <= _ID_DIGITS


class Claims:
    """Claims of the records in one database. `new_name` gives each write a name of its own."""

    def __init__(self, database: Database, new_name: Callable[[], str]) -> None:
        self._database = database
        self._new_name = new_name

    def claim(self, record_id: str, holder: str, lease: timedelta, now: datetime) -> Claim | None:
        """As `ports.Records.claim`."""
        name, holder_, expires = self._new_name(), clean(holder), now + lease
        for _ in self._database.rounds(f"record {record_id}"):
            head = self.head(record_id)
            claim = Claim(record_id=record_id, token=head.data["token"], holder=holder, expires=expires)
            if head.data["claimed"] == name:
                return claim
            if head.data["holder"] and head.data["expires"] > stamp(now) and not head.data["releasing"]:
                if head.data["holder"] == holder_:
                    message = f"record {record_id} is being worked on for this same message"
                    raise Busy(message)
                return None
            claim = replace(claim, token=claim.token + 1)
            taken = {"token": claim.token, "holder": holder_, "expires": stamp(expires), "releasing": False}
            taken["wake"] = taken["expires"]
            if self.change(head, record_id, {**taken, "claimed": name}):
                return claim
        return None  # unreachable: `rounds` raises

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
        if seen < sys.maxsize and self._mine(claim) is not None and self.count(claim.record_id) > seen:
            return True
        if not self._set(claim, {"releasing": True}):
            return False
        count = self.count(claim.record_id)
        if count > seen:
            return self._set(claim, {"releasing": False})
        self._set(claim, FREE, joined=count)
        return False

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
        if head is None or head.data["expires"] <= stamp(now):
            message = f"claim {claim.token} of record {claim.record_id} has expired or was taken over"
            raise StaleClaim(message)
        return head

    def change(self, head: Row, record_id: str, data: dict[str, Any]) -> bool:
        """Write fields of the head, unless somebody did since it was read: False then."""
        try:
            self._database.commit(Change(path_of(record_id), head, data))
        except Conflict:
            return False
        return True

    def _set(self, claim: Claim, data: dict[str, Any], *, joined: int | None = None) -> bool:
        """Write fields of the head while it has this claim; False where another has taken it over, or it is free.

        `joined`: how many occurrences the record has, where nobody will hold it afterwards.
        """
        for _ in self._database.rounds(f"record {claim.record_id}"):
            head = self._mine(claim)
            if head is None:
                return False
            when = {} if joined is None else {"wake": _wake(head.data, joined)}
            if self.change(head, claim.record_id, data | when):
                return True
        return False  # unreachable: `rounds` raises

    def _mine(self, claim: Claim) -> Row | None:
        head = self._database.get(path_of(claim.record_id), (*_FIELDS, *_PARTS)) if is_id(claim.record_id) else None
        is_mine = head and head.data["token"] == claim.token and head.data["holder"] == clean(claim.holder)
        return head if is_mine else None

    def count(self, record_id: str) -> int:
        """How many occurrences a record has."""
        return self._database.count(OCCURRENCES, Asked(equal=(record_id,)))
