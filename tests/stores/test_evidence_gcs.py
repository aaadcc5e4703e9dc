"""The evidence store in a bucket, with Google's own client against a bucket on loopback."""

from __future__ import annotations

import gc
import hashlib
import os
import threading
import tracemalloc
from collections.abc import Iterator

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from responder.errors import StoreError
from responder.stores.evidence_gcs import BucketEvidence
from tests.stores.bucket import Bucket, bucket

MIB = 1024 * 1024


@pytest.fixture
def server() -> Iterator[Bucket]:
    with bucket() as made:
        yield made


@pytest.fixture
def store(server: Bucket) -> BucketEvidence:
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call] # the package ships no types
    client = Client(project="p", credentials=nobody, client_options={"api_endpoint": server.url})
    return BucketEvidence(client, "acme-evidence", "a/b", patience=0.5)


def kept(store: BucketEvidence, name: str, data: bytes) -> str:
    incoming = store.new(name)
    incoming.write(data)
    stored = incoming.commit()
    assert (stored.sha256, stored.size) == (hashlib.sha256(data).hexdigest(), len(data))
    return stored.place


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 3 * MIB + 17])
def test_a_file_of_any_size_is_read_back(server: Bucket, store: BucketEvidence, size: int) -> None:
    data = os.urandom(size)
    place = kept(store, "r1/0001.zip", data)
    assert server.objects == {f"a/b/{place}": data}
    assert b"".join(store.open(place)) == data


def test_nothing_is_asked_but_of_objects_and_no_thread_is_left(server: Bucket, store: BucketEvidence) -> None:
    before = set(threading.enumerate())
    place = kept(store, "r1/0001.zip", b"data")
    assert (b"".join(store.open(place)), store.names("r1")) == (b"data", (place,))
    with pytest.raises(StoreError):
        b"".join(store.open("records/r1/none.zip"))
    # Those that are left serve connections of the bucket on loopback.
    assert {
        thread.name for thread in threading.enumerate() if thread not in before and "request" not in thread.name
    } == set()
    assert server.paths
    assert all("/o" in path or path.startswith("/upload/") for path in server.paths), server.paths


def test_the_same_bytes_again_are_fine_and_others_are_refused(server: Bucket, store: BucketEvidence) -> None:
    place = kept(store, "r1/0001.zip", b"data")
    assert kept(store, "r1/0001.zip", b"data") == place
    with pytest.raises(StoreError, match="taken by other bytes"):
        kept(store, "r1/0001.zip", b"other")
    assert list(server.objects.values()) == [b"data"]


def test_an_object_that_came_meanwhile_is_not_replaced(server: Bucket, store: BucketEvidence) -> None:
    incoming = store.new("r1/0001.zip")
    incoming.write(os.urandom(2 * MIB))
    server.objects["a/b/records/r1/0001.zip"] = b"theirs"
    with pytest.raises(StoreError):
        incoming.commit()
    assert server.objects == {"a/b/records/r1/0001.zip": b"theirs"}


def test_an_aborted_upload_leaves_nothing(server: Bucket, store: BucketEvidence) -> None:
    incoming = store.new("r1/0001.zip")
    incoming.write(os.urandom(2 * MIB))
    assert len(server.uploads) == 1
    incoming.abort()
    incoming.abort()
    assert (server.objects, server.uploads) == ({}, {})
    with pytest.raises(StoreError):
        incoming.commit()


def test_an_upload_that_nobody_ends_makes_no_object(server: Bucket, store: BucketEvidence) -> None:
    incoming = store.new("r1/0001.zip")
    incoming.write(os.urandom(2 * MIB))
    del incoming
    gc.collect()
    assert server.objects == {}


def test_names_are_of_the_record_alone_sorted_over_all_pages(server: Bucket, store: BucketEvidence) -> None:
    for n in range(5):
        server.objects[f"a/b/records/r1/{n}"] = b""
    server.objects |= {"a/b/records/r10/1": b"", "records/r1/9": b""}
    assert store.names("r1") == tuple(f"records/r1/{n}" for n in range(5))


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_failure_is_a_store_error_without_the_body(server: Bucket, store: BucketEvidence, status: int) -> None:
    incoming = store.new("r1/0001.zip")
    server.fault = status
    for act in (lambda: list(store.open("records/r1/1")), lambda: store.names("r1"), incoming.commit):
        with pytest.raises(StoreError) as caught:
            act()
        assert "secret" not in str(caught.value)


def test_bytes_that_arrived_otherwise_than_they_left_are_a_store_error(server: Bucket, store: BucketEvidence) -> None:
    server.flips = True
    with pytest.raises(StoreError):
        kept(store, "r1/0001.zip", b"data")


def test_what_is_not_there_is_a_store_error(store: BucketEvidence) -> None:
    with pytest.raises(StoreError):
        list(store.open("records/r1/0001.zip"))


@pytest.mark.parametrize("name", ["../x/y", "r1/../../x", "/a/b", "r1/x?y"])
def test_a_name_that_is_not_ours_is_refused(store: BucketEvidence, name: str) -> None:
    with pytest.raises(StoreError):
        store.new(name)


def test_an_upload_is_never_held_in_memory(server: Bucket, store: BucketEvidence) -> None:
    piece = bytes(64 * 1024)
    incoming = store.new("r1/0001.zip")
    incoming.write(piece)
    tracemalloc.start()
    try:
        # Less what the bucket on loopback keeps itself, in the same process.
        for _ in range(20 * 16):
            incoming.write(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    held = sum(len(data) for _, data in server.uploads.values())
    incoming.abort()
    assert held == 20 * MIB
    assert server.largest == MIB
    assert peak - held < 8 * MIB
