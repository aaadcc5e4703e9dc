"""Step 5: the evidence store in a local folder, the embedded default. Touches that folder alone.

::

    incoming/RANDOM                 on its way; nothing of it is evidence
    records/RECORD/0001.zip         the place that a record names: made once, by a hard link
    sha256/ab/abcd....zip           the same file, by the hash of its bytes

Folders have mode 0700 and files 0400: nothing in there can run, and nobody else reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from responder.errors import StoreError
from responder.ports import Stored

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
        with self._errors("written"):
            return FolderIncoming(self, self._root, place)

    def open(self, place: str) -> Iterator[bytes]:
        """Its bytes, in pieces of 256 KiB. A link, a folder or a device at the place is a StoreError."""
        path = self._root / checked(place)
        with self._errors("read"):
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
        with self._errors("listed"):
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
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self}: a file cannot be {done}: {error.strerror}") from error


class FolderIncoming:
    """`ports.Incoming`: a file of `incoming/` until `commit` links it to its place."""

    def __init__(self, store: FolderEvidence, root: Path, place: str) -> None:
        self._store, self._root, self._place = store, root, place
        self._hash, self._size = hashlib.sha256(), 0
        self._path = _folder(root, "incoming") / secrets.token_hex(16)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        self._open = True

    def write(self, data: bytes) -> int:
        """The next bytes; their number."""
        with self._store._errors("written"):  # noqa: SLF001 - two classes of one store
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    def commit(self) -> Stored:
        """Keep it. The same bytes under that name already: fine. Other bytes: StoreError."""
        if not self._open:
            raise StoreError(f"{self._store}: {self._place} was ended before")
        digest = self._hash.hexdigest()
        try:
            with self._store._errors("kept"):  # noqa: SLF001 - two classes of one store
                os.fsync(self._file)
                self._link(self._place, digest)
                self._link(f"sha256/{digest[:2]}/{digest}{Path(self._place).suffix}", "")
        finally:
            self.abort()
        return Stored(place=self._place, sha256=digest, size=self._size)

    def abort(self) -> None:
        """Leave nothing in `incoming/`."""
        if self._open:
            self._open = False
            os.close(self._file)
            with contextlib.suppress(OSError):  # what is left in `incoming/` is no evidence
                self._path.unlink()

    def _link(self, place: str, digest: str) -> None:
        path = self._root / place
        folder = _folder(self._root, Path(place).parent.as_posix())
        try:
            # A hard link is create-only and whole at once; a rename would replace what is there.
            os.link(self._path, path, follow_symlinks=False)
        except FileExistsError:
            if digest and _digest(self._store.open(place)) != digest:
                raise StoreError(f"{self._store}: {place} is taken by other bytes") from None
        _synced(folder)


def _digest(pieces: Iterator[bytes]) -> str:
    made = hashlib.sha256()
    for piece in pieces:
        made.update(piece)
    return made.hexdigest()


def _folder(root: Path, below: str) -> Path:
    """The folder, made with all that is above it; each one that was made is in its parent for good."""
    for path in (root, *(root / Path(*Path(below).parts[:n]) for n in range(1, len(Path(below).parts) + 1))):
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=path == root, exist_ok=True)
            _synced(path.parent)
    return root / below


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
