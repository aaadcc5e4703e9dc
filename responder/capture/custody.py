"""Step 5: custody. What was taken, from where, by whom, and the proof that it is still that. Pure but for the store.

A manifest is canonical JSON: sorted keys, no spaces, ASCII, no floats. Its entries are a chain: `prev` is the sha256 of
the entry before, the first one's that of the manifest's own facts, and `head` that of the last. The record keeps the
manifest's place and sha256; `previous` is the sha256 of the record's manifest before that one, or empty.

Everything here trusts one thing, the record: whoever can rewrite the record, manifest and files together is not found.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any, Final, Literal

from responder.capture.digest import digest
from responder.capture.sealing import unsealed
from responder.errors import StoreError, Tampered
from responder.ports import EvidenceStore
from responder.record import Artifact, Capture, Record

SCHEMA: Final = "responder.manifest/v1"
_LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a manifest that are read at most."""

Kind = Literal["intact", "changed", "removed", "added", "reordered", "swapped", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What became of one file or entry. `place` is its place in the store, or the artefact's number in the record."""

    place: str
    kind: Kind
    detail: str

    @property
    def ok(self) -> bool:
        """Whether it is what it was."""
        return self.kind == "intact"


def manifest(capture: Capture, artifacts: Sequence[Artifact], record_id: str, previous: str) -> bytes:
    """The manifest of one capture. The artefacts must be as the record will have them, redaction included."""
    facts = {"schema": SCHEMA, "record": record_id, "previous": previous, "capture": _facts(capture)}
    entries: list[dict[str, Any]] = []
    prev = _sha256(_canonical(facts))
    for number, artifact in enumerate(artifacts, start=1):
        entry = {"number": number, "prev": prev, "artifact": _fields(artifact), "source": _source(capture, artifact)}
        prev = _sha256(_canonical(entry))
        entries.append(entry)
    return _canonical({**facts, "entries": entries, "head": prev})


def intact(record: Record, store: EvidenceStore) -> bool:
    """Whether manifest and sealed files read back with the record's hashes. False too where nothing can be said."""
    capture = record.capture
    if capture is None or not capture.manifest or not capture.manifest_sha256:
        return False
    kept = [(one.stored, one.stored_sha256) for one in record.artifacts if one.stored or one.status == "captured"]
    try:
        return all(
            digest(store.open(place)) == sha256
            for place, sha256 in ((capture.manifest, capture.manifest_sha256), *kept)
        )
    except StoreError:
        return False


def verify(record: Record, store: EvidenceStore) -> tuple[Verified, ...]:
    """Read everything back: the manifest first, then each artefact in the record's order, then what nobody names.

    One answer for each; a file may have two. A record without a capture has one that says so. StoreError only where the
    store cannot be listed.
    """
    capture = record.capture
    names = store.names(record.id)
    if capture is None or not capture.manifest:
        bare = [Verified(place=place, kind="added", detail="the record has no manifest") for place in names]
        lost = [
            Verified(
                place=one.stored or f"artifact {n}", kind="changed", detail="the record has no manifest that names it"
            )
            for n, one in enumerate(record.artifacts, start=1)
            if one.status == "captured"
        ]
        return (*bare, *lost) or (Verified(place=record.id, kind="intact", detail="nothing was captured"),)
    told = [*_manifest(record, capture, store, names), *_files(record, store, names)]
    named = {capture.manifest, *(one.stored for one in record.artifacts)}
    left = [(one.place, one.sha256) for one in capture.broken_off]
    for place, sha256 in dict.fromkeys((*left, *_earlier(capture, store, names))):
        named.add(place)
        told.append(_outer(place, sha256, store, names))
    told += [
        Verified(place=place, kind="added", detail="no manifest names it") for place in names if place not in named
    ]
    return tuple(told)


def _manifest(record: Record, capture: Capture, store: EvidenceStore, names: Sequence[str]) -> Iterator[Verified]:
    place = capture.manifest
    try:
        data = _read(store, place)
    except (StoreError, Tampered) as error:
        yield _unread(place, names, error)
        return
    if _sha256(data) != capture.manifest_sha256:
        yield Verified(place=place, kind="changed", detail="the manifest's sha256 is not the record's")
    found = list(_differences(record, capture, data))
    yield from found
    if not found and _sha256(data) == capture.manifest_sha256:
        yield Verified(place=place, kind="intact", detail=f"the manifest, {len(record.artifacts)} entries")


def _differences(record: Record, capture: Capture, data: bytes) -> Iterator[Verified]:
    """Where the manifest says other things than the record, or its chain is broken."""
    place = capture.manifest
    try:
        told = json.loads(data)
        entries, previous = told["entries"], str(told["previous"])
        artifacts = [entry["artifact"] for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError):
        yield Verified(place=place, kind="changed", detail="the manifest cannot be read")
        return
    ours = [_fields(artifact) for artifact in record.artifacts]
    if artifacts != ours:
        yield from _entries(ours, artifacts)
    elif manifest(capture, record.artifacts, record.id, previous) != data:
        # The artefacts agree, so it is the facts around them, or the chain, that somebody wrote anew.
        facts = told.get("capture") != _facts(capture) or told.get("record") != record.id
        what = "the capture's facts differ from the record's" if facts else "the chain of its entries is broken"
        yield Verified(place=place, kind="changed", detail=what)


def _entries(ours: list[dict[str, Any]], theirs: list[Any]) -> Iterator[Verified]:
    for number, mine in enumerate(ours, start=1):
        place = mine["stored"] or f"artifact {number}"
        other = theirs[number - 1] if number <= len(theirs) else None
        if mine == other:
            continue
        if mine in theirs:
            detail = f"entry {theirs.index(mine) + 1} of the manifest, {number} in the record"
            yield Verified(place=place, kind="reordered", detail=detail)
        elif isinstance(other, dict) and other.get("stored") == mine["stored"]:
            keys = ", ".join(sorted(key for key in mine if mine[key] != other.get(key)))
            yield Verified(place=place, kind="changed", detail=f"record and manifest differ in {keys}")
        else:
            yield Verified(place=place, kind="removed", detail=f"artefact {number} has no entry in the manifest")
    for number, other in enumerate(theirs, start=1):
        stored = other.get("stored") if isinstance(other, dict) else None
        if other not in ours and stored not in [mine["stored"] for mine in ours]:
            yield Verified(place=f"entry {number}", kind="added", detail="the manifest has it, the record has not")


def _files(record: Record, store: EvidenceStore, names: Sequence[str]) -> Iterator[Verified]:
    owners = {one.stored_sha256: one.stored for one in record.artifacts if one.stored}
    for number, artifact in enumerate(record.artifacts, start=1):
        if not artifact.stored:
            if artifact.status == "captured":
                detail = "captured, and the record names no place for it"
                yield Verified(place=f"artifact {number}", kind="removed", detail=detail)
            continue
        with tempfile.TemporaryFile() as copy:
            outer = _outer(artifact.stored, artifact.stored_sha256, store, names, owners, copy)
            # What is not the file that was sealed is not opened: a zip is a format for attackers.
            yield _inner(artifact, copy) if outer.ok else outer


def _outer(
    place: str,
    sha256: str,
    store: EvidenceStore,
    names: Sequence[str],
    owners: Mapping[str, str] = MappingProxyType({}),
    copy: IO[bytes] | None = None,
) -> Verified:
    """The file as the store has it. Its bytes go to `copy`, so that what was hashed is what is opened then."""
    try:
        found = digest(_copied(store.open(place), copy))
    except StoreError as error:
        return _unread(place, names, error)
    if found == sha256:
        return Verified(place=place, kind="intact", detail=f"sha256 {sha256}")
    if found in owners:
        return Verified(place=place, kind="swapped", detail=f"it holds what belongs to {owners[found]}")
    return Verified(place=place, kind="changed", detail="its sha256 is not the record's")


def _copied(pieces: Iterator[bytes], copy: IO[bytes] | None) -> Iterator[bytes]:
    for piece in pieces:
        if copy is not None:
            copy.write(piece)
        yield piece


def _inner(artifact: Artifact, copy: IO[bytes]) -> Verified:
    """The file inside the seal; the sealed file itself has the right hash already."""
    place = artifact.stored
    made, size = hashlib.sha256(), 0
    try:
        for piece in unsealed(copy, limit=artifact.size):
            made.update(piece)
            size += len(piece)
    except Tampered as error:
        return Verified(place=place, kind="unreadable", detail=str(error))
    if (made.hexdigest(), size) != (artifact.sha256, artifact.size):
        return Verified(place=place, kind="changed", detail="the file inside is not the one that the record names")
    return Verified(place=place, kind="intact", detail=f"{size} bytes, sha256 {artifact.sha256}")


def _earlier(capture: Capture, store: EvidenceStore, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The manifests before this one, with all that they name, as (place, sha256).

    They are looked up by `previous`, from the record's own on. Where that one is not what it was, nothing is told of
    those before it, and what they name is then what no manifest names.
    """
    manifests = {_sha256(data): (place, data) for place, data in _manifests(store, names)}
    sha256 = capture.manifest_sha256
    # Popped, so that it ends whatever the files say.
    while (found := manifests.pop(sha256, None)) is not None:
        try:
            told = json.loads(found[1])
            previous = str(told["previous"])
            kept = [(str(one["artifact"]["stored"]), str(one["artifact"]["stored_sha256"])) for one in told["entries"]]
            kept += [(str(one["place"]), str(one["sha256"])) for one in told["capture"]["broken_off"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if sha256 != capture.manifest_sha256:
            yield found[0], sha256
            yield from (one for one in kept if one[0])
        sha256 = previous
    if sha256 and sha256 != capture.manifest_sha256:
        yield f"the manifest with sha256 {sha256}", sha256


def _manifests(store: EvidenceStore, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for place in names:
        if place.endswith(".json"):
            # One that cannot be read is not among them: what it is to the record is told elsewhere.
            with contextlib.suppress(StoreError, Tampered):
                yield place, _read(store, place)


def _unread(place: str, names: Sequence[str], error: Exception) -> Verified:
    if place not in names:
        return Verified(place=place, kind="removed", detail="it is not in the store")
    return Verified(place=place, kind="unreadable", detail=str(error))


def _facts(capture: Capture) -> dict[str, Any]:
    return capture.model_dump(mode="json", exclude={"manifest", "manifest_sha256", "by_hand"})


def _source(capture: Capture, artifact: Artifact) -> dict[str, str]:
    """What makes an entry readable on its own; an earlier pod's file has the rest in the manifest of its capture."""
    keys = {"uid", "namespace", "pod", "container"}
    keys |= set() if artifact.uid else {"node", "image_digest", "identity", "responder"}
    told = {key: str(value) for key, value in capture.model_dump(mode="json", include=keys).items()}
    return told | ({"uid": artifact.uid} if artifact.uid else {})


def _fields(artifact: Artifact) -> dict[str, Any]:
    # A manifest of before there was a `uid` has none.
    return artifact.model_dump(mode="json", exclude={"by_hand"} if artifact.uid else {"by_hand", "uid"})


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(store: EvidenceStore, place: str) -> bytes:
    data = bytearray()
    for piece in store.open(place):
        data += piece
        if len(data) > _LARGEST:
            raise Tampered("a manifest is larger than any of ours")
    return bytes(data)
