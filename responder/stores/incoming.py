"""Step 5: what both evidence stores do with a file on its way: measure it, end it once, keep what is there. Pure."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

from responder.capture.digest import digest
from responder.errors import StoreError
from responder.ports import Stored


class _Readable(Protocol):
    def open(self, place: str) -> Iterator[bytes]:
        """What lies at a place."""


class Arriving(ABC):
    """`ports.Incoming` for a store; `str(store)` names it in errors. What a store does itself is in its subclass."""

    def __init__(self, store: _Readable, place: str) -> None:
        self._store, self._place = store, place
        self._hash, self._size, self._open = hashlib.sha256(), 0, True

    def write(self, data: bytes) -> int:
        """The next bytes; their number."""
        self._take(data)
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    def commit(self) -> Stored:
        """Keep it. The same bytes under that name already: fine. Other bytes: StoreError."""
        if not self._open:
            raise StoreError(f"{self._store}: {self._place} was ended before")
        self._open = False
        stored = Stored(place=self._place, sha256=self._hash.hexdigest(), size=self._size)
        self._keep(stored)
        return stored

    def abort(self) -> None:
        """Leave nothing behind; after the end of it, nothing."""
        if self._open:
            self._open = False
            self._drop()

    def _compare(self, stored: Stored) -> None:
        """The name is taken: StoreError unless it is by these very bytes."""
        if digest(self._store.open(self._place)) != stored.sha256:
            raise StoreError(f"{self._store}: {self._place} is taken by other bytes")

    @abstractmethod
    def _take(self, data: bytes) -> None: ...

    @abstractmethod
    def _keep(self, stored: Stored) -> None: ...

    @abstractmethod
    def _drop(self) -> None: ...
