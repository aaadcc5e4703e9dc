"""The calls that the Firestore store makes, and the only module that knows Google's client. Touches one database.

Every call has a timeout, and is tried again where that may help. No transaction: under contention the client's own end
in a bare ValueError after ten seconds. A commit writes all of its documents or none, and each of its preconditions (the
document is not there yet; it was last written then) is checked by the server: `Conflict` where one does not hold.
A commit whose answer was lost is sent again, so that a conflict may be with oneself: callers mark what they write.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from responder.errors import StoreDenied, StoreError
from responder.stores.firestore_errors import code, is_conflict, is_passing, said

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from responder.stores.firestore_queries import Query

PERMISSIONS: Final = ("datastore.entities.get", "datastore.entities.list")
"""What every read here takes; those that write declare theirs beside their queries."""
ROLE: Final = "reader"
"""Of a person who looks at records."""

T = TypeVar("T")
Path = tuple[str, ...]

_ATTEMPT_SECONDS: Final = 10.0
_TOTAL_SECONDS: Final = 30.0
_TRIES: Final = 5
_ROUNDS: Final = 40
"""How often a change is made anew because somebody else wrote first."""
AT_MOST_IN: Final = 30
"""Values of one `in` or `array-contains-any`; https://firebase.google.com/docs/firestore/query-data/queries."""


NOW: Final = object()
"""As the value of a field of a new document: the server's time."""


class Conflict(Exception):  # noqa: N818 - a statement about the document
    """A precondition does not hold: somebody wrote first, or this very commit did and its answer was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A document. `updated` is the precondition of a change; `created` when it was made; `cursor` where to go on."""

    id: str
    data: dict[str, Any]
    updated: Any
    created: Any
    cursor: Any = None


@dataclass(frozen=True, slots=True)
class Create:
    """A document that must not be there yet."""

    path: Path
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """Fields of a document that must not have been written since `row` was read."""

    path: Path
    row: Row
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Add:
    """A number to be added to a field, in a document that is made where it is not there."""

    path: Path
    data: dict[str, Any]
    field: str
    by: int


@dataclass(frozen=True, slots=True)
class Delete:
    """A document that need not be there any more."""

    path: Path


Write = Create | Change | Add | Delete
Times = tuple[Any, ...]
"""For each write of a commit, in their order: the document's last update, the precondition of its next change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The values of a query: one for each field of `equal`, for the array, for the first field of its order."""

    equal: tuple[Any, ...] = ()
    any_of: tuple[str, ...] = ()
    contains: str = ""
    contains_any: tuple[str, ...] = ()
    at_least: str | None = None
    above: str | None = None
    at_most: str | None = None
    below: str | None = None
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    after: Row | None = None
    limit: int = 0
    within: Path = ()


EVERYTHING: Final = Asked()


@dataclass(slots=True)
class Database:
    """One Firestore database, in native mode. Nothing is opened before the first call; safe from many threads."""

    project: str
    database: str
    sleep: Callable[[float], None] = time.sleep
    _guard: threading.RLock = field(default_factory=threading.RLock)
    _held: tuple[int, Client] | None = None

    def get(self, path: Path, fields: Sequence[str] = ()) -> Row | None:
        """One document, of which `fields` alone are read where any is named; None where it is not there."""
        return self.get_all([path], fields).get(path)

    def get_all(self, paths: Iterable[Path], fields: Sequence[str] = ()) -> dict[Path, Row]:
        """Those of the documents that are there, read in one call, by their paths."""
        wanted = list(paths)
        if not wanted:
            return {}

        def read() -> dict[Path, Row]:
            client = self._client()
            references = [client.document(*path) for path in wanted]
            found = client.get_all(references, fields or None, retry=_never(), timeout=_ATTEMPT_SECONDS)
            return {tuple(one.reference.path.split("/")): _row(one) for one in found if one.exists}

        return self._call("read", read)

    def ask(self, query: Query, asked: Asked = EVERYTHING) -> list[Row]:
        """The documents that a query finds, strongly consistent."""

        def read() -> list[Row]:
            found = build(self._client(), query, asked).stream(retry=_never(), timeout=_ATTEMPT_SECONDS)
            return [_row(one) for one in found]

        return self._call("query", read)

    def count(self, query: Query, asked: Asked = EVERYTHING) -> int:
        """How many documents a query finds, counted by the server, strongly consistent."""

        def read() -> int:
            counted: Any = build(self._client(), query, asked).count("n")
            return int(counted.get(retry=_never(), timeout=_ATTEMPT_SECONDS)[0][0].value)

        return self._call("count", read)

    def commit(self, *writes: Write) -> Times:
        """Write all of them or none; when each was last written then. `Conflict` where a precondition does not hold."""

        def write() -> Times:
            client = self._client()
            batch = client.batch()
            for one in writes:
                _put(client, batch, one)
            return tuple(told.update_time for told in batch.commit(retry=None, timeout=_ATTEMPT_SECONDS))

        return self._call("commit", write, conflicts=True)

    def rounds(self, what: str) -> Iterator[int]:
        """As many attempts at a change as are fair, with a pause between; StoreError after the last."""
        for number in range(_ROUNDS):
            if number:
                # Spread by the thread: those who collided would otherwise meet again.
                self.sleep(min(0.01 * 2**number, 0.5) * (1 + threading.get_ident() % 97 / 97))
            yield number
        message = f"{self} failed: too many write {what} at once"
        raise StoreError(message)

    def close(self) -> None:
        """Close the connections; the next call opens them again."""
        with self._guard:
            held, self._held = self._held, None
        if held is not None and held[0] == os.getpid():
            with self._errors("close"):
                held[1].close()  # type: ignore[no-untyped-call]  # it ships half of its types

    def __str__(self) -> str:
        return f"the record store firestore:{self.project}/{self.database}"

    def _client(self) -> Client:
        """The client; a child of fork makes its own, since gRPC's connections do not survive one."""
        with self._guard:
            if self._held is None or self._held[0] != os.getpid():
                from google.cloud.firestore import Client  # noqa: PLC0415 - heavy, and only where it is the store

                self._held = (os.getpid(), Client(project=self.project, database=self.database))
            return self._held[1]

    def _call(self, what: str, call: Callable[[], T], *, conflicts: bool = False) -> T:
        from google.api_core.retry import Retry  # noqa: PLC0415 - heavy, and only where it is the store

        tries = 0

        def is_worth_it(error: BaseException) -> bool:
            nonlocal tries
            tries += 1
            return is_passing(error) and tries < _TRIES

        retry = Retry(predicate=is_worth_it, initial=0.1, maximum=2.0, multiplier=2.0, timeout=_TOTAL_SECONDS)
        with self._errors(what, conflicts=conflicts):
            return retry(call)()

    @contextmanager
    def _errors(self, what: str, *, conflicts: bool = False) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # told apart by the table; what it does not know goes on as it is
            if conflicts and is_conflict(error):
                raise Conflict from None
            reason = said(error)
            if reason is None:
                raise
            message = f"{self} failed: {what}: {reason}"
            # `from None`: a traceback must not print the SDK's text.
            raise (StoreDenied if code(error) == "PERMISSION_DENIED" else StoreError)(message) from None


def build(client: Client, query: Query, asked: Asked) -> Any:
    """The client's own query. Ranges and cursors are on the order's fields, as `Query` has them."""
    from google.cloud.firestore import FieldFilter  # noqa: PLC0415 - heavy, and only where it is the store

    made: Any = client.collection(*asked.within, query.collection)
    conditions: list[tuple[str, str, Any]] = [
        *((name, "==", value) for name, value in zip(query.equal, asked.equal, strict=True)),
        (query.any_of, "in", list(asked.any_of)),
        (query.contains, "array_contains", asked.contains),
        (query.contains_any, "array_contains_any", list(asked.contains_any)),
    ]
    names = [name for name, _ in query.order]
    bounds = ((">=", asked.at_least), (">", asked.above), ("<=", asked.at_most), ("<", asked.below))
    conditions += [(names[0], operator, bound) for operator, bound in bounds if bound is not None]
    for name, operator, value in conditions:
        if name:
            made = made.where(filter=FieldFilter(name, operator, value))
    for name, direction in query.order:
        made = made.order_by(name, direction=direction)
    if asked.start:
        made = made.start_at(dict(zip(names, asked.start, strict=True)))
    if asked.end:
        made = made.end_at(dict(zip(names, asked.end, strict=True)))
    if asked.after is not None:
        made = made.start_after(asked.after.cursor)
    if query.fields:
        made = made.select(query.fields)
    return made.limit(asked.limit) if asked.limit else made


def _put(client: Client, batch: Any, write: Write) -> None:
    from google.cloud.firestore import SERVER_TIMESTAMP, Increment  # noqa: PLC0415 - heavy, and only where it is the store

    reference = client.document(*write.path)
    if isinstance(write, Create):
        timed = {name: SERVER_TIMESTAMP if value is NOW else value for name, value in write.data.items()}
        batch.create(reference, timed)
    elif isinstance(write, Change):
        batch.update(reference, write.data, option=client.write_option(last_update_time=write.row.updated))
    elif isinstance(write, Add):
        batch.set(reference, {**write.data, write.field: Increment(write.by)}, merge=True)
    else:
        batch.delete(reference)


def _row(snapshot: Any) -> Row:
    return Row(
        id=snapshot.id,
        data=snapshot.to_dict() or {},
        updated=snapshot.update_time,
        created=snapshot.create_time,
        cursor=snapshot,
    )


def _never() -> Any:
    """No retry of the client's own: begun anew in the middle of an answer, it starts after a document of nothing."""
    from google.api_core.retry import Retry  # noqa: PLC0415 - heavy, and only where it is the store

    return Retry(predicate=lambda _error: False)
