"""Bytes of any size in documents of at most one megabyte: inline, or in parts of a document's own. Touches a database.

Parts are written before the document that names them, under a name that no other write uses: a reader sees the old
body or the new one, and never half. https://firebase.google.com/docs/firestore/quotas has the limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from responder.errors import StoreError
from responder.stores.firestore_calls import Conflict, Create, Delete

if TYPE_CHECKING:
    from responder.stores.firestore_calls import Database, Path, Row

INLINE: Final = 700_000
"""Bytes up to which a body lies in its own document, beside what else that holds."""
PART: Final = 900_000
_PARTS_IN_ONE_COMMIT: Final = 4
"""A commit takes ten megabytes, and that of the emulator four."""
_LOOKS: Final = 5

FIELDS: Final = ("body", "parts", "part_count")


def is_large(body: bytes) -> bool:
    """Whether it needs parts."""
    return len(body) > INLINE


def fields(database: Database, owner: Path, body: bytes, *, written: str) -> dict[str, Any]:
    """The fields that stand for `body` in the document `owner`; its parts, where it needs any, are written by now.

    `written` is the name of this write, and of no other.
    """
    if not is_large(body):
        return {"body": body, "parts": "", "part_count": 0}
    parts = [body[at : at + PART] for at in range(0, len(body), PART)]
    writes = [
        Create(path, {"body": part}) for path, part in zip(_paths(owner, written, len(parts)), parts, strict=True)
    ]
    for at in range(0, len(writes), _PARTS_IN_ONE_COMMIT):
        with suppress(Conflict):  # nobody else has the name: they are there, and the answer that said so was lost
            database.commit(*writes[at : at + _PARTS_IN_ONE_COMMIT])
    return {"body": b"", "parts": written, "part_count": len(parts)}


def whole(database: Database, owner: Path, row: Row) -> bytes:
    """The body of a document that was read with `FIELDS`.

    Its parts are gone where it was written anew meanwhile: then it is read again.
    """
    for _ in range(_LOOKS):
        if not row.data.get("parts"):
            return bytes(row.data.get("body") or b"")
        paths = list(_paths(owner, row.data["parts"], row.data["part_count"]))
        found = database.get_all(paths)
        if len(found) == len(paths):
            return b"".join(found[path].data["body"] for path in paths)
        again = database.get(owner, FIELDS)
        if again is None:
            break
        row = again
    message = f"{database} failed: parts of {'/'.join(owner)} are missing"
    raise StoreError(message)


def drop_parts(database: Database, owner: Path, named: Mapping[str, Any]) -> None:
    """Remove the parts of a body that nobody will read any more: those that `named` (fields of a document) names."""
    if not named.get("parts"):
        return
    with suppress(StoreError):  # what is left takes room, and is read by nobody
        database.commit(*(Delete(path) for path in _paths(owner, named["parts"], named["part_count"])))


def _paths(owner: Path, written: str, count: int) -> Iterator[Path]:
    return ((*owner, "parts", f"{written}-{number:04}") for number in range(count))
