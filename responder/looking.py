"""Step 7: what became of a pod after it was asked to go. Reads alone, through what it is handed; changes nothing.

The request's own answer proves nothing: a pod that was deleted terminates first, and a lost reply tells neither way.
Only a 404, seen twice, or another UID under its name is proof that it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from responder.errors import Unanswered
from responder.evidence import Pod
from responder.ports import Clock
from responder.record import Outcome, Replacement

STILL_RUNS: Final = timedelta(seconds=60)
"""How long an API server may work on a request that it has not answered (kube-apiserver, `--request-timeout`)."""

MAY_YET_SEND: Final = timedelta(minutes=20)
"""How long a worker that was taken for dead may yet send its request: twice what a function's request may last here."""

_EVERY: Final = 1.0  # seconds between two reads
_MOST_READS: Final = 300


def look(
    read: Callable[[], Pod],
    *,
    uid: str,
    until: datetime,
    now: Clock,
    sleep: Callable[[float], object],
    quiet: datetime | None = None,
    image_digest: str = "",
) -> Outcome:
    """Read the pod until it is gone, or until `until`; it is read at least once.

    `read` returns the pod that has the name now, or raises Unanswered, of why `not_found` where there is none. `quiet`
    is until when a request that had no answer may yet be at work: a pod that is untouched says nothing before.
    `image_digest` is what the replacement's containers are compared with.
    """
    if not uid:
        message = "whose end is looked for must be told by its UID"
        raise ValueError(message)
    marked: Outcome | None = None
    seen, was_gone = Outcome(kind="unknown", detail="it was not looked at"), False
    for _ in range(_MOST_READS):
        seen = _seen(read, uid, now, quiet, image_digest)
        if seen.kind == "replaced" or (seen.kind == "deleted" and was_gone):
            return seen
        was_gone = seen.kind == "deleted"
        if was_gone:
            # It is said for good: one answer that is wrong must not do.
            sleep(_EVERY)
            continue
        marked = seen if seen.kind == "terminating" else marked
        left = (until - now()).total_seconds()
        if left <= 0:
            break
        sleep(min(_EVERY, left))
    if was_gone:
        seen = Outcome(kind="unknown", detail="the cluster had no pod of that name, and was asked once", at=now())
    # A mark of deletion is never taken back: what could not be read afterwards does not undo it.
    return marked or seen


def _seen(read: Callable[[], Pod], uid: str, now: Clock, quiet: datetime | None, image_digest: str) -> Outcome:
    """What one read says."""
    try:
        pod = read()
    except Unanswered as error:
        if error.why == "not_found":
            return Outcome(kind="deleted", detail="the cluster has no pod of that name any more", at=now())
        return Outcome(kind="unknown", detail=f"the pod could not be read: {error}", at=now())
    return _told(pod, uid, now(), quiet, image_digest)


def _told(pod: Pod, uid: str, at: datetime, quiet: datetime | None, image_digest: str) -> Outcome:
    """What the pod that has the name tells of the one with this UID."""
    if not pod.uid:
        return Outcome(kind="unknown", detail="the cluster told no UID of the pod", at=at)
    if pod.uid != uid:
        detail = f"the pod {uid} is gone; its name is the pod {pod.uid}'s now"
        return Outcome(kind="replaced", detail=detail, at=at, replacement=_replacement(pod, at, image_digest))
    if pod.deletion_time is not None:
        detail = f"marked for deletion, to end by {pod.deletion_time:%H:%M:%S} UTC, and still there"
        if at > pod.deletion_time:
            detail += ": its grace is over, so a finalizer or its node holds it"
        return Outcome(kind="terminating", detail=detail, at=at)
    if quiet is not None and at < quiet:
        return Outcome(kind="unknown", detail="it is untouched, but the request may still be at work", at=at)
    return Outcome(kind="failed", detail="the pod is still there, and is not marked for deletion", at=at)


def _replacement(pod: Pod, at: datetime, image_digest: str) -> Replacement:
    digests = {one.image_id.rpartition("@")[2] for one in pod.containers if one.image_id}
    same = image_digest.rpartition("@")[2] in digests if image_digest and digests else None
    return Replacement(name=pod.name, uid=pod.uid, phase=pod.phase, same_image=same, seen_at=at)
