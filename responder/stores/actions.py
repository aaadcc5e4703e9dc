"""Step 7: opens the second store that the setting names, which `respond` and `sweep` have no right to write."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from responder.errors import SettingsError

if TYPE_CHECKING:
    from responder.ports import Actions

_FIRESTORE: Final = "firestore:"


def opened_actions(place: str) -> Actions:
    """The store at `place`: `firestore:PROJECT/DATABASE`, or the path of a SQLite file. Nothing is asked of it yet."""
    if not place.startswith(_FIRESTORE):
        from responder.stores.actions_sqlite import SqliteActions  # noqa: PLC0415 - one of the two is ever needed

        return SqliteActions(place)
    if importlib.util.find_spec("google.cloud.firestore") is None:
        message = (
            f"RESPONDER_ACTIONS is {place!r}, and google-cloud-firestore is not installed: pip install '.[firestore]'"
        )
        raise SettingsError(message)
    from responder.stores.actions_firestore import (  # noqa: PLC0415 - one of the two is ever needed
        ActionsDatabase,
        FirestoreActions,
    )

    project, _, database = place.removeprefix(_FIRESTORE).partition("/")
    return FirestoreActions(ActionsDatabase(project, database))
