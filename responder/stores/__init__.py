"""The record store, between steps: SQLite, the embedded default, or Firestore. Opens what the setting names."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from responder.errors import SettingsError

if TYPE_CHECKING:
    from responder.ports import Clock, Records

_FIRESTORE: Final = "firestore:"


def opened(place: str, *, now: Clock) -> Records:
    """The store at `place`: `firestore:PROJECT/DATABASE`, or the path of a SQLite file. Nothing is asked of it yet."""
    if not place.startswith(_FIRESTORE):
        from responder.stores.sqlite import SqliteRecords  # noqa: PLC0415 - one of the two is ever needed

        return SqliteRecords(place, now=now)
    if importlib.util.find_spec("google.cloud.firestore") is None:
        message = (
            f"RESPONDER_STORE is {place!r}, and google-cloud-firestore is not installed: pip install '.[firestore]'"
        )
        raise SettingsError(message)
    from responder.stores.firestore import FirestoreRecords  # noqa: PLC0415 - one of the two is ever needed
    from responder.stores.firestore_calls import Database  # noqa: PLC0415 - the same

    project, _, database = place.removeprefix(_FIRESTORE).partition("/")
    return FirestoreRecords(Database(project, database), now=now)
