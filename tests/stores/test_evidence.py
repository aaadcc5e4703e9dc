"""The evidence store in a folder: made once, never changed, and no name leads out of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

import pytest

from responder.errors import StoreError
from responder.stores.evidence import opened_evidence
from responder.stores.evidence_folder import FolderEvidence


def kept(store: FolderEvidence, name: str, data: bytes) -> str:
    incoming = store.new(name)
    incoming.write(data[:3])
    incoming.write(data[3:])
    stored = incoming.commit()
    assert (stored.sha256, stored.size) == (hashlib.sha256(data).hexdigest(), len(data))
    return stored.place


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())


def test_a_file_is_read_back_and_lies_by_its_hash_too(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path / "evidence")
    data = os.urandom(700_000)
    place = kept(store, "r1/0001.zip", data)
    assert b"".join(store.open(place)) == data
    digest = hashlib.sha256(data).hexdigest()
    assert files(tmp_path / "evidence") == [place, f"sha256/{digest[:2]}/{digest}.zip"]


def test_folders_are_0700_and_files_0400(tmp_path: Path) -> None:
    root = tmp_path / "evidence"
    kept(FolderEvidence(root), "r1/0001.zip", b"data")
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (root, *root.rglob("*"))}
    assert modes == {(True, 0o700), (False, 0o400)}


def test_folders_that_went_meanwhile_are_made_again(tmp_path: Path) -> None:
    root = tmp_path / "evidence"
    store = FolderEvidence(root)
    kept(store, "r1/0001.zip", b"data")
    incoming = store.new("r1/0002.zip")
    for gone in ("records", "sha256"):
        shutil.rmtree(root / gone)
    incoming.write(b"more")
    assert b"".join(store.open(incoming.commit().place)) == b"more"
    shutil.rmtree(root)
    kept(store, "r1/0003.zip", b"data")
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (root, *root.rglob("*"))}
    assert modes == {(True, 0o700), (False, 0o400)}


def test_nothing_is_there_before_commit_and_nothing_after_abort(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    incoming = store.new("r1/0001.zip")
    incoming.write(b"data")
    assert store.names("r1") == ()
    incoming.abort()
    incoming.abort()
    assert files(tmp_path) == []
    with pytest.raises(StoreError):
        incoming.commit()


def test_abort_after_commit_leaves_the_file(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    incoming = store.new("r1/0001.zip")
    incoming.commit()
    incoming.abort()
    assert store.names("r1") == ("records/r1/0001.zip",)


def test_the_same_bytes_again_are_fine_and_others_are_refused(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    place = kept(store, "r1/0001.zip", b"data")
    assert kept(store, "r1/0001.zip", b"data") == place
    with pytest.raises(StoreError, match="taken by other bytes"):
        kept(store, "r1/0001.zip", b"other")
    assert b"".join(store.open(place)) == b"data"
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize(
    "name",
    ["", "a", "../a/b", "/etc/passwd", "r1/../../x", "r1//x", "r1/.hidden", "r1/a b", "r1/x\n", "r1/x\0", "r1/é"],
)
def test_a_name_that_is_not_ours_is_refused(tmp_path: Path, name: str) -> None:
    store = FolderEvidence(tmp_path)
    with pytest.raises(StoreError):
        store.new(name)
    with pytest.raises(StoreError):
        list(store.open(name))
    assert files(tmp_path) == []


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "nothing"])
def test_only_a_regular_file_is_read(tmp_path: Path, kind: str) -> None:
    store = FolderEvidence(tmp_path)
    kept(store, "r1/0001.zip", b"data")
    path = tmp_path / "records/r1/0002.zip"
    if kind == "link":
        path.symlink_to(tmp_path / "records/r1/0001.zip")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(StoreError):
        list(store.open("records/r1/0002.zip"))


def test_a_record_sees_its_own_files_alone_sorted(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    for name in ("r1/0002.zip", "r1/0001.zip", "r10/0001.zip"):
        kept(store, name, name.encode())
    assert store.names("r1") == ("records/r1/0001.zip", "records/r1/0002.zip")
    assert store.names("r2") == ()
    with pytest.raises(StoreError):
        store.names("..")


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        FolderEvidence(tmp_path / "file").new("r1/0001.zip")


def test_a_path_opens_a_folder_and_touches_nothing(tmp_path: Path) -> None:
    assert isinstance(opened_evidence(str(tmp_path / "e")), FolderEvidence)
    assert list(tmp_path.iterdir()) == []
