"""Every query that the Firestore store asks, as data, and the indexes that production needs for them. Pure.

Firestore answers a query from an index or not at all; its emulator asks for none. Queries are therefore built from
these values alone (`firestore_calls.Database.ask`), and `deploy/firestore.indexes.json` is generated from the same:
`python -m responder.stores.firestore_queries > deploy/firestore.indexes.json`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any, Final, Literal

Direction = Literal["ASCENDING", "DESCENDING"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The structure of one query; its values are given when it is asked.

    `equal` are fields that equal a value, `any_of` one that equals one of several; `contains` is an array that holds a
    value, `contains_any` one that holds one of several.
    `order` is how it is sorted, and the only place of a range and of a cursor. `fields` is what comes back.
    """

    collection: str
    equal: tuple[str, ...] = ()
    any_of: str = ""
    contains: str = ""
    contains_any: str = ""
    order: tuple[tuple[str, Direction], ...] = ()
    fields: tuple[str, ...] = ()

    def index(self) -> dict[str, Any] | None:
        """The composite index that it needs, as the Firebase CLI writes it; None where the automatic ones do.

        https://firebase.google.com/docs/firestore/query-data/index-overview: equalities are merged, one field is
        ranged and sorted without; any mixture needs an index of its own.
        """
        array = self.contains or self.contains_any
        equal: list[dict[str, str]] = [
            {"fieldPath": name, "order": "ASCENDING"} for name in (*self.equal, self.any_of) if name
        ]
        held = [{"fieldPath": array, "arrayConfig": "CONTAINS"}] if array else []
        order = [{"fieldPath": name, "order": direction} for name, direction in self.order]
        if not order or len(order) + len(equal) + len(held) == 1:
            return None
        return {"collectionGroup": self.collection, "queryScope": "COLLECTION", "fields": [*held, *equal, *order]}


LINE: Final = (
    "window_start",
    "project_id",
    "project_number",
    "cluster",
    "location",
    "namespace",
    "pod",
    "container",
    "verdict",
    "state",
    "summary",
    "gaps",
    "stage",
    "revision",
    "severity",
    "score",
    "workload",
)
"""The fields of a record's head that a line in a list shows."""

OCCURRENCE: Final = ("key_hash", "event_time", "state", "mute", "message_id", "received")

KNOWN: Final = Query(
    collection="occurrences",
    equal=("subject_key",),
    fields=("record_id", "window_start", "event_time", "state", "mute", "written"),
)
"""When a finding was seen before, in whichever record of its subject."""

NEAR: Final = Query(
    collection="records",
    equal=("subject",),
    order=(("window_start", "ASCENDING"),),
    fields=("window_start", "stage", "holder", "wake", "alone"),
)
"""The records of a subject around a moment."""

OF_POD: Final = Query(
    collection="records",
    equal=("cluster", "location", "namespace", "pod"),
    order=(("window_start", "ASCENDING"),),
    fields=("window_start", "projects"),
)
"""The records of a pod's containers since a moment; `projects` has the id and the number, as far as they are known."""

OCCURRENCES: Final = Query(collection="occurrences", equal=("record_id",), fields=OCCURRENCE)

_BY_TIME: Final[tuple[tuple[str, Direction], ...]] = (("finding_time", "ASCENDING"), ("finding_key", "ASCENDING"))
OCCURRENCES_BETWEEN: Final = Query(collection="occurrences", equal=("record_id",), order=_BY_TIME, fields=OCCURRENCE)
"""Those of one page of findings."""

FINDINGS: Final = Query(collection="findings", order=(("event_time", "ASCENDING"), ("key", "ASCENDING")))
"""Below one record, whole."""

PRECEDENTS: Final = Query(
    collection="records",
    equal=("stage",),
    contains_any="traits",
    order=(("window_start", "DESCENDING"),),
    fields=("window_start", "verdict", "reviewed", "traits"),
)

DUE: Final = Query(collection="records", order=(("wake", "ASCENDING"),), fields=(*LINE, "wake"))
"""Records that somebody must go on with; `wake` is empty where nobody must."""

UNPUBLISHED: Final = Query(
    collection="records", equal=("outgoing",), order=(("window_start", "ASCENDING"),), fields=("window_start",)
)

UNTOLD: Final = Query(
    collection="records",
    equal=("untold",),
    order=(("window_start", "DESCENDING"),),
    fields=("window_start", "tell_due"),
)
"""Finished records whose latest revision was not told; `tell_due` is empty where that is due at once."""

WANTING: Final = Query(
    collection="records",
    equal=("act_wanted",),
    order=(("window_start", "ASCENDING"),),
    fields=("window_start", "act_due"),
)
"""Finished records that `act` is to be asked for; `act_due` is empty where that is at once."""

OF_KEYS: Final = Query(
    collection="occurrences", any_of="key_hash", fields=("subject_key", "event_time", "state", "mute")
)
"""All that records tell of some findings, those of one finding in whichever subject."""

REJECTED: Final = Query(
    collection="rejected",
    order=(("at", "DESCENDING"),),
    fields=("at", "message_id", "reason", "received", "body", "parts", "part_count"),
)

COUNTERS: Final = Query(collection="counters", fields=("name", "value"))

_LISTED: Final = ("project", "verdict", "state")


def listing(given: frozenset[str]) -> Query:
    """Records, newest first, by those of project, verdict and state that are given."""
    equal = tuple(name for name in _LISTED if name in given and name != "project")
    return Query(
        collection="records",
        equal=equal,
        contains="projects" if "project" in given else "",
        order=(("window_start", "DESCENDING"),),
        fields=LINE,
    )


QUERIES: Final = (
    KNOWN,
    NEAR,
    OF_POD,
    OCCURRENCES,
    OCCURRENCES_BETWEEN,
    FINDINGS,
    PRECEDENTS,
    DUE,
    UNPUBLISHED,
    UNTOLD,
    WANTING,
    OF_KEYS,
    REJECTED,
    COUNTERS,
    *(
        listing(frozenset(given))
        for given in chain.from_iterable(combinations(_LISTED, n) for n in range(len(_LISTED) + 1))
    ),
)
"""All of them."""

UNINDEXED: Final = (
    ("records", "body"),
    ("records", "summary"),
    ("findings", "body"),
    ("raw", "body"),
    ("rejected", "body"),
    ("reviews", "body"),
    ("parts", "body"),
    ("tellings", "body"),
)
"""Fields of a group of collections that are only ever read: indexed, each would cost two more writes and its room."""


def declared() -> dict[str, Any]:
    """What `deploy/firestore.indexes.json` holds."""
    indexes = [index for query in QUERIES if (index := query.index())]
    overrides = [{"collectionGroup": group, "fieldPath": field, "indexes": []} for group, field in UNINDEXED]
    return {"indexes": indexes, "fieldOverrides": overrides}


def index_keys() -> tuple[tuple[str, ...], ...]:
    """Each composite index as (collection, "field ORDER", …), to be held against those of a database."""
    indexes = (index for query in QUERIES if (index := query.index()))
    return tuple(
        (one["collectionGroup"], *(f"{f['fieldPath']} {f.get('order') or f['arrayConfig']}" for f in one["fields"]))
        for one in indexes
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(declared(), indent=2) + "\n")
