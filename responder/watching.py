"""Step 7, after a pod is gone: what its owner made in its place, and whether that compiles too. Reads alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from responder.burst import pages_of
from responder.errors import Unanswered
from responder.evidence import Found, OwnerRef, Pod
from responder.ports import Clock, Kubernetes, Records
from responder.record import Record, Replacement

_TRIES: Final = 3
_BETWEEN: Final = 2.0  # seconds; a ReplicaSet's controller makes the next pod as soon as one is marked for deletion


def replacement(
    kube: Kubernetes, record: Record, *, since: datetime, now: Clock, sleep: Callable[[float], object]
) -> Replacement | None:
    """The pod that the owner made since then; None where there is none yet, no owner, or the cluster does not answer.

    Of a record that has found one before, it is read by that name again.
    """
    namespace, before = record.provenance.subject.namespace, record.outcome.replacement
    pod, gone = record.evidence.pod, record.actions[-1].uid if record.actions else ""
    owner = pod.value.owner if isinstance(pod, Found) else None
    for n in range(_TRIES):
        if n:
            sleep(_BETWEEN)
        try:
            found = _read(kube, namespace, before.name) if before else _made(kube, namespace, owner, since, gone)
        except Unanswered:
            return before
        if found is not None:
            return _told(found, record, now())
        if owner is None:
            break
    return before


def compiles_again(records: Records, record: Record, new: Replacement) -> str:
    """Id of the record that tells of a compiler in the replacement itself; empty where none does.

    One of another name has a record of its own. What a StatefulSet makes has the old name, and joins the old one's.
    """
    subject = record.provenance.subject
    if new.created is None:
        return new.compiles_again
    its = subject.model_copy(update={"pod": new.name})
    later = [one for one in records.of_pod(its, new.created) if one != record.id]
    if later or new.name != subject.pod:
        return next(iter(later), "")
    found = (one for page in pages_of(records, record.id) for one in page)
    return record.id if any(one.event_time > new.created for one in found) else ""


def _made(kube: Kubernetes, namespace: str, owner: OwnerRef | None, since: datetime, gone: str) -> Pod | None:
    if owner is None:
        return None
    for name in kube.created_pods(namespace, owner, since):
        pod = _read(kube, namespace, name)
        # An event's text is not proof: the pod itself says whose it is.
        is_its = pod is not None and pod.owner is not None and pod.owner.uid == owner.uid
        if is_its and pod is not None and pod.uid != gone:
            return pod
    return None


def _read(kube: Kubernetes, namespace: str, name: str) -> Pod | None:
    try:
        return kube.pod(namespace, name)
    except Unanswered as error:
        if error.why == "not_found":
            return None
        raise


def _told(pod: Pod, record: Record, at: datetime) -> Replacement:
    wanted = record.provenance.traits.image_digest.rpartition("@")[2]
    container = next((one for one in pod.containers if one.name == record.provenance.subject.container), None)
    has = container.image_id.rpartition("@")[2] if container else ""
    return Replacement(
        name=pod.name,
        uid=pod.uid,
        phase=pod.phase,
        same_image=has == wanted if has and wanted else None,
        created=pod.create_time,
        seen_at=at,
    )
