"""Step 5: the evidence store in a Cloud Storage bucket. Creates, reads and lists objects; changes and deletes none.

An object is made with `ifGenerationMatch=0`: an object that is there is never replaced
(https://cloud.google.com/storage/docs/request-preconditions). It is sent in pieces by a resumable upload, and is in the
bucket only when the last piece is. What was begun and not ended, Cloud Storage drops after a week.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import requests
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.fileio import BlobWriter
from google.cloud.storage.retry import DEFAULT_RETRY

from responder.errors import StoreError
from responder.ports import Stored
from responder.stores.evidence_folder import checked, checked_record
from responder.stores.incoming import Arriving

if TYPE_CHECKING:
    from google.cloud.storage import Client

PERMISSIONS: Final = ("storage.objects.create", "storage.objects.get", "storage.objects.list")
ROLE: Final = "evidence"

_PIECE: Final = 1024 * 1024
"""Bytes of a request; a multiple of 256 KiB, as resumable uploads want it."""

_SECONDS: Final = 30.0
"""How long one request may take."""


class BucketEvidence:
    """`ports.EvidenceStore` in `bucket`, below `prefix` (`a/b`, or empty).

    `patience`: seconds for which a request that failed for now is sent again.
    """

    def __init__(self, client: Client, bucket: str, prefix: str = "", *, patience: float = 60.0) -> None:
        # Safe to repeat: reads, pieces that carry their offset, and a creation that asks for generation 0.
        self._retry = DEFAULT_RETRY.with_timeout(patience)
        # The client would ask for the bucket itself, in a thread, for traces that nobody collects: a right that is not
        # granted, denied in the audit log again and again (github.com/googleapis/google-cloud-python/issues/17650).
        client._bucket_metadata_cache = None  # noqa: SLF001 - it looks for None; its own switch is the environment's
        self._client, self._bucket = client, client.bucket(bucket)
        self._prefix = f"{prefix.strip('/')}/" if prefix else ""
        self._name = f"the evidence store gs://{bucket}/{prefix}"

    def __str__(self) -> str:
        return self._name

    def new(self, name: str) -> BucketIncoming:
        """An object that will lie at `records/NAME`."""
        return BucketIncoming(self, f"records/{checked(name)}")

    def open(self, place: str) -> Iterator[bytes]:
        """Its bytes, in pieces of 1 MiB; Cloud Storage is asked for the next one when it is wanted."""
        blob = self._bucket.blob(self._prefix + checked(place))
        with self.errors(), blob.open("rb", chunk_size=_PIECE, timeout=_SECONDS, retry=self._retry) as opened:
            while piece := opened.read(_PIECE):
                yield piece

    def names(self, record_id: str) -> tuple[str, ...]:
        """Every object below the record's folder."""
        below = f"{self._prefix}records/{checked_record(record_id)}/"
        with self.errors():
            listed = self._client.list_blobs(self._bucket, prefix=below, timeout=_SECONDS, retry=self._retry)
            found = [blob.name for blob in listed]
        return tuple(sorted(name.removeprefix(self._prefix) for name in found))

    def upload(self, place: str) -> _Upload:
        """A file object that sends what is written to it; nothing is asked of Cloud Storage yet."""
        return _Upload(
            self._bucket.blob(self._prefix + place),
            chunk_size=_PIECE, ignore_flush=True, if_generation_match=0, timeout=_SECONDS, retry=self._retry,
            content_type="application/octet-stream",
        )  # fmt: skip

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What the client says, as a StoreError that names the kind of failure and repeats no body."""
        try:
            yield
        except NotFound as error:
            raise StoreError(f"{self}: there is no such object or bucket") from error
        except GoogleAPICallError as error:
            raise StoreError(f"{self}: {type(error).__name__} ({error.code})") from error
        except InvalidResponse as error:
            raise StoreError(f"{self}: HTTP {error.response.status_code}") from error
        except (RetryError, GoogleAuthError, DataCorruption, requests.RequestException, OSError) as error:
            raise StoreError(f"{self}: {type(error).__name__}") from error


class BucketIncoming(Arriving):
    """A resumable upload that ends at `commit`. At most some 2 MiB of it are held."""

    def __init__(self, store: BucketEvidence, place: str) -> None:
        super().__init__(store, place)
        self._errors, self._writer = store.errors, store.upload(place)

    def _take(self, data: bytes) -> None:
        """It is sent as soon as it fills a request."""
        view = memoryview(data)
        with self._errors():
            for start in range(0, len(view), _PIECE):
                self._writer.write(bytes(view[start : start + _PIECE]))

    def _keep(self, stored: Stored) -> None:
        """Send what is left."""
        with self._errors():
            try:
                self._writer.close()
            except (PreconditionFailed, InvalidResponse) as error:
                if _status(error) != PreconditionFailed.code:
                    raise
                self._compare(stored)

    def _drop(self) -> None:
        """Where that fails, Cloud Storage drops it by itself."""
        with contextlib.suppress(StoreError), self._errors():
            self._writer.drop()


class _Upload(BlobWriter):  # type: ignore[misc] # the package ships no types
    """The client's writer, but for two things that would break "nothing is there before `commit`"."""

    def __del__(self) -> None:
        """Nothing. A file object closes itself when it is collected, and to close is to make the object of a part."""

    def drop(self) -> None:
        """End the upload. The client's own `terminate` asks the address that uploads begin at, not this upload's."""
        begun = self._upload_and_transport
        self._buffer.close()
        if begun:
            upload, transport = begun
            transport.delete(upload.resumable_url, timeout=_SECONDS)


def _status(error: Any) -> int:
    return int(error.response.status_code) if isinstance(error, InvalidResponse) else int(error.code)
