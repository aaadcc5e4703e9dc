"""Step 5, at another try: what of the record's capture stays in it. Pure.

What was taken stays named, whatever the next try brings: of this pod by the same entry, of an earlier pod of the name
with its UID. What was to come at another try, and cannot any more, is told as what did not come.
"""

from __future__ import annotations

from collections.abc import Sequence

from responder.record import Artifact, Record, of_capture


def brought(record: Record, uid: str) -> tuple[Artifact, ...]:
    """What earlier tries at this pod brought whole: it is not taken again."""
    return tuple(one for one in _of(record, uid) if one.status == "captured" and not one.passing)


def all_told(record: Record, uid: str) -> tuple[Artifact, ...]:
    """All that was told of this pod, where nothing more can come."""
    return tuple(_over(one) for one in _of(record, uid))


def parts(record: Record, uid: str, now: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """What earlier tries at this pod brought in part, where `now` has no more of it."""
    had = {one.path for one in now if one.status == "captured"}
    cut = (one for one in _of(record, uid) if one.status == "captured" and one.passing)
    return tuple(_over(one) for one in cut if one.path not in had)


def of_others(record: Record, uid: str) -> tuple[Artifact, ...]:
    """What was taken from earlier pods of the name, each with the UID of its own."""
    owner = record.capture.uid if record.capture else ""
    taken = ((one, one.uid or owner) for one in record.artifacts if one.status == "captured")
    return tuple(_over(one).model_copy(update={"uid": whose}) for one, whose in taken if whose != uid)


def _of(record: Record, uid: str) -> tuple[Artifact, ...]:
    if record.capture is None or record.capture.uid != uid:
        return ()
    return of_capture(record.artifacts)


def _over(one: Artifact) -> Artifact:
    return one.model_copy(update={"passing": False})
