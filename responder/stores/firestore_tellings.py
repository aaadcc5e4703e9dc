"""What was told of records, in Firestore: who may tell, what went out, what is left. Touches the records' database.

`tellings/{hash}` is made by whoever tells first, and changed by compare-and-set; the record's head says only whether
there is something to tell, and when.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from responder.stores.firestore_calls import Asked, Change, Conflict, Create
from responder.stores.firestore_claims import Claims, is_id, path_of
from responder.stores.firestore_queries import UNTOLD
from responder.stores.words import name_of, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from responder.notices.ledger import Told
    from responder.stores.firestore_calls import Database, Path, Row

_PAGE: Final = 100
_NOTHING: Final = b"{}"


def telling_path(key: str) -> Path:
    """The document with what was told of a record, or of a digest."""
    return ("tellings", name_of(key))


def text_of(row: Row | None) -> str:
    """The JSON of what was told; empty where nothing was."""
    return row.data["body"].decode() if row else ""


class FirestoreTellings:
    """`untold`, `tell` and `told` of `ports.Records`."""

    def __init__(self, database: Database, claims: Claims) -> None:
        self._database = database
        self._claims = claims

    def untold(self, now: datetime, limit: int) -> tuple[str, ...]:
        """As `ports.Records.untold`. Those that wait for their time are read and passed over."""
        found: list[str] = []
        asked = Asked(equal=(True,), limit=_PAGE)
        while len(found) < limit:
            rows = self._database.ask(UNTOLD, asked)
            found += [row.id for row in rows if row.data["tell_due"] <= stamp(now)]
            if len(rows) < _PAGE:
                break
            asked = replace(asked, after=rows[-1])
        return tuple(found[: max(limit, 0)])

    def tell(self, key: str, now: datetime, until: datetime) -> Told | None:
        """As `ports.Records.tell`."""
        from responder.notices.ledger import Told  # noqa: PLC0415 - pydantic only once it is needed

        path = telling_path(key)
        row = self._database.get(path)
        if row is not None and row.data["until"] > stamp(now):
            return None
        taken = {"until": stamp(until)}
        try:
            if row is None:
                self._database.commit(Create(path, {**taken, "body": _NOTHING}))
            else:
                self._database.commit(Change(path, row, taken))
        except Conflict:
            return None  # another was first, or the answer was lost: then it may be told once this right has ended
        return Told.model_validate_json(text_of(row) or "{}")

    def told(self, key: str, told: Told, until: datetime | None) -> None:
        """As `ports.Records.told`."""
        path = telling_path(key)
        data = {"until": stamp(until) if until else "", "body": told.model_dump_json().encode()}
        for _ in self._database.rounds(f"what was told of {key}"):
            row = self._database.get(path, ("until",))
            try:
                self._database.commit(Change(path, row, data) if row else Create(path, data))
                break
            except Conflict:
                continue
        if is_id(key) and until is None:
            self._note(key, told)

    def _note(self, record_id: str, told: Told) -> None:
        if self._database.get(path_of(record_id), ("stage",)) is None:
            return
        for _ in self._database.rounds(f"record {record_id}"):
            head = self._claims.head(record_id)
            latest = max(head.data.get("told", 0), told.revision)
            is_left = head.data["stage"] == "finished" and latest < head.data["revision"]
            due = stamp(told.due) if told.due else ""
            data = {"told": latest, "untold": is_left, "tell_due": due, "has_told": True}
            if self._claims.change(head, record_id, data):
                return
