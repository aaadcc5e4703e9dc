"""Step 5: the evidence store in a local folder, the embedded default. Touches that folder alone.

::

    incoming/RANDOM                 on its way; nothing of it is evidence
    records/RECORD/0001.zip         the place that a record names: made once, by a hard link
    sha256/ab/abcd....zip           the same file, by the hash of its bytes

Folders have mode 0700 and files 0400: nothing in there can run, and nobody else reads it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from responder.errors import StoreError
from responder.ports import Stored
from responder.stores.incoming import Arriving

T = TypeVar("T")

PIECE: Final = 256 * 1024
"""Bytes that are read at once."""

_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}/){1,4}[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_RECORD: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_RECORDS: Final = "records/"


def checked(name: str) -> str:
    """The name, where it is one of ours; else StoreError. No part is empty or begins with a dot."""
    if not _NAME.fullmatch(name):
        raise StoreError("that is no name of a file of the evidence store")
    return name


def checked_record(record_id: str) -> str:
    """The id of a record, where it can be one; else StoreError."""
    if not _RECORD.fullmatch(record_id):
        raise StoreError("that is no id of a record")
    return record_id


class FolderEvidence:
    """`ports.EvidenceStore` below `root`, which is made at the first file."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return f"the evidence store {self._root}"

    def new(self, name: str) -> FolderIncoming:
        """A file that will lie at `records/NAME`."""
        place = _RECORDS + checked(name)
        with self.errors("written"):
            return FolderIncoming(self, self._root, place)

    def open(self, place: str) -> Iterator[bytes]:
        """Its bytes, in pieces of 256 KiB. A link, a folder or a device at the place is a StoreError."""
        path = self._root / checked(place)
        with self.errors("read"):
            # O_NONBLOCK: a pipe that somebody put there must not hold the reader.
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(file, "rb", buffering=0) as opened:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise StoreError(f"{self}: a place holds no regular file")
                while piece := opened.read(PIECE):
                    yield piece

    def names(self, record_id: str) -> tuple[str, ...]:
        """Every path below the record's folder that is not a folder, links and strangers' files included."""
        folder = self._root / _RECORDS / checked_record(record_id)
        with self.errors("listed"):
            if not folder.exists():
                return ()
            # os.walk swallows errors unless it is told; a folder that cannot be listed must not look empty.
            found = [
                Path(at) / name
                for at, below, files in os.walk(folder, onerror=_raised)
                for name in files + _links(at, below)
            ]
        return tuple(sorted(path.relative_to(self._root).as_posix() for path in found))

    @contextmanager
    def errors(self, done: str) -> Iterator[None]:
        """What the file system says, as a StoreError."""
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self}: a file cannot be {done}: {error.strerror}") from error


class FolderIncoming(Arriving):
    """A file of `incoming/` until `commit` links it to its place."""

    def __init__(self, store: FolderEvidence, root: Path, place: str) -> None:
        super().__init__(store, place)
        self._errors, self._root = store.errors, root
        self._path = root / "incoming" / secrets.token_hex(16)
        self._file = _within(root, self._path.parent, self._created)

    def _created(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)

    def _take(self, data: bytes) -> None:
        with self._errors("written"):
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]

    def _keep(self, stored: Stored) -> None:
        try:
            with self._errors("kept"):
                os.fsync(self._file)
                if not self._link(self._place):
                    self._compare(stored)
                self._link(f"sha256/{stored.sha256[:2]}/{stored.sha256}{Path(self._place).suffix}")
        finally:
            self._drop()

    def _drop(self) -> None:
        os.close(self._file)
        with contextlib.suppress(OSError):  # what is left in `incoming/` is no evidence
            self._path.unlink()

    def _link(self, place: str) -> bool:
        """False where the place is taken."""
        path, made = self._root / place, True
        try:
            # A hard link is create-only and whole at once; a rename would replace what is there.
            _within(self._root, path.parent, partial(os.link, self._path, path, follow_symlinks=False))
        except FileExistsError:
            made = False
        _synced(path.parent)
        return made


def _within(root: Path, folder: Path, make: Callable[[], T]) -> T:
    """What `make` makes in the folder. The folder is made where it is missing; asking each time would cost more."""
    try:
        return make()
    except FileNotFoundError:
        _folder(root, folder)
        return make()


def _folder(root: Path, folder: Path) -> None:
    """The folder, with all that is between; each one that was made is in its parent for good."""
    for path in reversed((folder, *(one for one in folder.parents if one.is_relative_to(root)))):
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=path == root, exist_ok=True)
            _synced(path.parent)


def _synced(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _raised(error: OSError) -> None:
    raise error


def _links(at: str, below: list[str]) -> list[str]:
    """Links to folders: os.walk names them among the folders, and does not enter them."""
    return [name for name in below if (Path(at) / name).is_symlink()]
