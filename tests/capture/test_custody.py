"""Whatever is done to evidence is found, and named."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.capture import custody
from responder.capture.sealing import Sealed
from responder.record import Artifact, Capture, Record
from responder.stores.evidence_folder import FolderEvidence
from tests.builders import EVENT_TIME, a_record

ID = "0" * 32
FILES = {"/tmp/.x/k.c": b"int main(void) { return 0; }\n", "/tmp/.x/kworker": b"\x7fELF" + bytes(900), "/e": b""}


def a_capture(**changes: Any) -> Capture:
    values: dict[str, Any] = {
        "at": EVENT_TIME,
        "finished": EVENT_TIME + timedelta(seconds=2),
        "uid": "5d0c",
        "namespace": "shop",
        "pod": "checkout-7d9f8c5b4-x2k9p",
        "container": "checkout",
        "node": "gke-1",
        "image_digest": "sha256:" + "62" * 32,
        "identity": "collector@acme.test",
        "responder": "0.1.0",
        "tools": ("tar",),
    }
    return Capture(**(values | changes))


def taken(store: FolderEvidence, number: int, path: str, data: bytes) -> Artifact:
    file = Sealed(store.new(f"{ID}/{number:04}.zip"), f"{number:04}")
    file.write(data)
    stored = file.commit()
    return Artifact(
        path=path, role="source", status="captured", sha256=hashlib.sha256(data).hexdigest(), size=len(data),
        tool="tar", stored=stored.place, stored_sha256=stored.sha256, taken_at=EVENT_TIME,
    )  # fmt: skip


def with_manifest(
    store: FolderEvidence, artifacts: tuple[Artifact, ...], name: str = "manifest", previous: str = ""
) -> Record:
    capture = a_capture()
    incoming = store.new(f"{ID}/{name}.json")
    incoming.write(custody.manifest(capture, artifacts, ID, previous))
    kept = incoming.commit()
    capture = capture.model_copy(update={"manifest": kept.place, "manifest_sha256": kept.sha256})
    return a_record(ID, capture=capture, artifacts=artifacts)


def captured(root: Path) -> tuple[Record, FolderEvidence]:
    store = FolderEvidence(root)
    artifacts = tuple(taken(store, n, path, data) for n, (path, data) in enumerate(FILES.items(), start=1))
    left = Artifact(path="/big", role="product", status="left_out", reason="larger than the cap")
    return with_manifest(store, (*artifacts, left)), store


def overwritten(path: Path, data: bytes) -> None:
    """As root of the machine would: 0400 is no wall."""
    path.chmod(0o600)
    path.write_bytes(data)


def findings(record: Record, store: FolderEvidence) -> list[tuple[str, str]]:
    return [(one.kind, one.place) for one in custody.verify(record, store) if not one.ok]


def place(name: str) -> str:
    return f"records/{ID}/{name}"


def rewritten(record: Record, root: Path, change: Callable[[list[Artifact]], object], *, rehashed: bool) -> Record:
    """The manifest anew from changed artefacts, its chain right again; the record's hash of it too where `rehashed`."""
    assert record.capture is not None
    artifacts = list(record.artifacts)
    change(artifacts)
    data = custody.manifest(record.capture, artifacts, ID, "")
    overwritten(root / record.capture.manifest, data)
    if not rehashed:
        return record
    digest = hashlib.sha256(data).hexdigest()
    return record.model_copy(update={"capture": record.capture.model_copy(update={"manifest_sha256": digest})})


def test_what_nobody_touched_is_intact(tmp_path: Path) -> None:
    record, store = captured(tmp_path)
    told = custody.verify(record, store)
    assert [one.kind for one in told] == ["intact"] * 4
    assert custody.intact(record, store)


def test_the_record_survives_its_json(tmp_path: Path) -> None:
    record, store = captured(tmp_path)
    assert findings(Record.model_validate_json(record.model_dump_json()), store) == []


def test_the_manifest_is_canonical_and_each_entry_stands_on_the_one_before() -> None:
    artifacts = [Artifact(path=f"/tmp/\u202e{n}", role="source", status="captured", size=n) for n in range(3)]
    data = custody.manifest(a_capture(), artifacts, ID, "ab")
    told = json.loads(data)
    assert data == json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    prevs = [entry["prev"] for entry in told["entries"]] + [told["head"]]
    for entry, after in zip(told["entries"], prevs[1:], strict=True):
        canonical = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
        assert hashlib.sha256(canonical).hexdigest() == after
    assert told["previous"] == "ab"
    assert told["entries"][0]["source"]["uid"] == "5d0c"


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_one_byte_flipped_anywhere_is_found(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        record, store = captured(Path(folder))
        name = data.draw(st.sampled_from(store.names(ID)))
        path = Path(folder) / name
        found = bytearray(path.read_bytes())
        found[data.draw(st.integers(0, len(found) - 1))] ^= data.draw(st.integers(1, 255))
        overwritten(path, bytes(found))
        assert {at for _, at in findings(record, store)} >= {name}
        assert not custody.intact(record, store)


def test_a_flipped_file_is_named_alone(tmp_path: Path) -> None:
    record, store = captured(tmp_path)
    path = tmp_path / place("0002.zip")
    overwritten(path, path.read_bytes()[:-1] + b"\xff")
    assert findings(record, store) == [("changed", place("0002.zip"))]


@pytest.mark.parametrize("name", ["0002.zip", "manifest.json"])
def test_a_removed_file_is_named(tmp_path: Path, name: str) -> None:
    record, store = captured(tmp_path)
    (tmp_path / place(name)).unlink()
    assert findings(record, store) == [("removed", place(name))]
    assert not custody.intact(record, store)


def test_two_swapped_files_are_named_with_each_other(tmp_path: Path) -> None:
    record, store = captured(tmp_path)
    one, two = tmp_path / place("0001.zip"), tmp_path / place("0002.zip")
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    assert findings(record, store) == [("swapped", place("0001.zip")), ("swapped", place("0002.zip"))]
    assert place("0002.zip") in next(said.detail for said in custody.verify(record, store) if not said.ok)


def test_a_file_put_beside_is_named(tmp_path: Path) -> None:
    record, store = captured(tmp_path)
    (tmp_path / place("0009.zip")).write_bytes(b"planted")
    (tmp_path / place("link")).symlink_to("/etc/passwd")
    assert findings(record, store) == [("added", place("0009.zip")), ("added", place("link"))]


@pytest.mark.parametrize("rehashed", [False, True])
def test_reordered_entries_are_named_though_the_chain_was_made_anew(tmp_path: Path, *, rehashed: bool) -> None:
    record, store = captured(tmp_path)
    record = rewritten(record, tmp_path, lambda entries: entries.insert(0, entries.pop(1)), rehashed=rehashed)
    found = findings(record, store)
    assert [("reordered", place("0001.zip")), ("reordered", place("0002.zip"))] == [
        at for at in found if at[0] == "reordered"
    ]
    assert (("changed", place("manifest.json")) in found) is not rehashed


@pytest.mark.parametrize("rehashed", [False, True])
def test_an_entry_taken_out_of_the_manifest_is_named(tmp_path: Path, *, rehashed: bool) -> None:
    record, store = captured(tmp_path)
    record = rewritten(record, tmp_path, lambda entries: entries.pop(2), rehashed=rehashed)
    assert ("removed", place("0003.zip")) in findings(record, store)


def test_a_manifest_that_was_exchanged_is_named(tmp_path: Path) -> None:
    record, store = captured(tmp_path)
    other = record.artifacts[0].model_copy(update={"path": "/usr/bin/true"})
    record = rewritten(record, tmp_path, lambda entries: entries.__setitem__(0, other), rehashed=False)
    found = findings(record, store)
    assert found == [("changed", place("manifest.json")), ("changed", place("0001.zip"))]
    assert not custody.intact(record, store)


@pytest.mark.parametrize("change", [{"truncated": True}, {"size": 3}, {"path": "/x"}, {"sha256": "0" * 64}])
def test_a_fact_changed_in_the_record_is_named(tmp_path: Path, change: dict[str, Any]) -> None:
    record, store = captured(tmp_path)
    changed = (record.artifacts[0].model_copy(update=change), *record.artifacts[1:])
    told = custody.verify(record.model_copy(update={"artifacts": changed}), store)
    assert any(one.place == place("0001.zip") and next(iter(change)) in one.detail for one in told if not one.ok)


def test_another_pod_in_the_record_is_named(tmp_path: Path) -> None:
    record, store = captured(tmp_path)
    assert record.capture is not None
    record = record.model_copy(update={"capture": record.capture.model_copy(update={"uid": "other"})})
    assert findings(record, store) == [("changed", place("manifest.json"))]


def test_a_zip_with_another_file_inside_is_found_though_every_outer_hash_is_right(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    artifact = taken(store, 1, "/a", b"other bytes").model_copy(update={"sha256": "1" * 64})
    record = with_manifest(store, (artifact,))
    assert custody.intact(record, store)
    assert findings(record, store) == [("changed", place("0001.zip"))]


def test_a_second_manifest_stands_on_the_first(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    first = with_manifest(store, (taken(store, 1, "/a", b"a"),))
    assert first.capture is not None
    second = with_manifest(store, (taken(store, 2, "/b", b"b"),), "manifest-2", first.capture.manifest_sha256)
    assert findings(second, store) == []
    (tmp_path / place("manifest.json")).unlink()
    assert {kind for kind, _ in findings(second, store)} == {"removed", "added"}


def test_a_file_of_an_earlier_manifest_is_watched_too(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    first = with_manifest(store, (taken(store, 1, "/a", b"a"),))
    assert first.capture is not None
    second = with_manifest(store, (taken(store, 2, "/b", b"b"),), "manifest-2", first.capture.manifest_sha256)
    overwritten(tmp_path / place("0001.zip"), b"x")
    assert findings(second, store) == [("changed", place("0001.zip"))]


def test_a_record_without_a_capture_is_no_proof_of_anything(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    assert findings(a_record(ID), store) == []
    assert not custody.intact(a_record(ID), store)
    taken(store, 1, "/a", b"a")
    assert findings(a_record(ID), store) == [("added", place("0001.zip"))]
