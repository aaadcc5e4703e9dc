"""Step 7: what the pod's owner will do once the pod is deleted, in sentences. Pure.

Told from this record's facts alone; what was not read is said to be unknown. What each controller does is from
Kubernetes' documentation of its kind; what a delete loses and keeps, from that of pods and volumes.
"""

from __future__ import annotations

from typing import Final

from responder.evidence import Evidence, Found, Missing, OwnerChain, Pod, Workload

NOT_CURED: Final = (
    "This does not cure a poisoned image or entry point: the replacement starts from the same image and the same spec, "
    "and what compiled here compiles again if it comes from there."
)


def forecast(evidence: Evidence) -> tuple[str, ...]:
    """One sentence or two for each thing that follows a delete: the owner's act, the service, what is lost, no cure."""
    if isinstance(evidence.pod, Missing):
        return (f"What follows a delete cannot be told: the pod was not read ({evidence.pod.why}).",)
    pod = evidence.pod.value
    if pod.static or (pod.owner is not None and pod.owner.kind == "Node"):
        return (f"Deleting does nothing: a static pod is the kubelet's on node {pod.node_name}, this is its mirror.",)
    if pod.owner is None:
        return ("Nobody makes the pod again: it is a bare pod, and is gone for good.", *_lost(pod))
    owners = evidence.owners
    links = owners.value.links if isinstance(owners, Found) else ()
    told = (*_remade(pod, links), *_unread(owners), *_serving(links))
    return (*told, *_kept(pod), *_lost(pod), *_images(pod), NOT_CURED)


def _remade(pod: Pod, links: tuple[Workload, ...]) -> tuple[str, ...]:
    """What the direct controller does, and the one above it where that adds something."""
    assert pod.owner is not None  # noqa: S101 - bare pods were told of before; tells the type checker
    kind, name = pod.owner.kind, pod.owner.name
    top = links[-1] if links else None
    if kind == "ReplicaSet":
        above = f" (of {top.kind} {top.name})" if top and top.kind != kind else ""
        return (f"ReplicaSet {name}{above} makes another pod at once, under another name, from the same image.",)
    if kind == "StatefulSet":
        after = "once the old one is gone, under the same name and with the same volumes"
        return (f"StatefulSet {name} makes the pod again {after}: {pod.name} is then another pod.",)
    if kind == "DaemonSet":
        return (f"DaemonSet {name} makes another pod on the same node, {pod.node_name}.",)
    if kind == "Job":
        return _job(name, top)
    return (f"{kind} {name} decides what comes in the pod's place; what it does is not known here.",)


def _job(name: str, top: Workload | None) -> tuple[str, ...]:
    limit = (
        "The deleted pod may count as a failure: once its backoffLimit (not read) is reached, the Job fails for good."
    )
    told = (f"Job {name} starts another pod, and its work begins anew.", limit)
    if top is not None and top.kind == "CronJob":
        return (*told, f"CronJob {top.name} starts the next Job at its time, whatever becomes of this one.")
    return told


def _unread(owners: Found[OwnerChain] | Missing) -> tuple[str, ...]:
    if isinstance(owners, Missing):
        return (f"The owner itself was not read ({owners.why}): if it is gone, nobody makes the pod again.",)
    if not owners.value.complete:
        return ("The owner chain was not read to its top: what stands above may do otherwise.",)
    return ()


def _serving(links: tuple[Workload, ...]) -> tuple[str, ...]:
    """How many replicas are left meanwhile; nothing where the owner keeps no such number."""
    if not links or links[-1].kind not in {"Deployment", "ReplicaSet", "StatefulSet"}:
        return ()
    counted = next((link for link in reversed(links) if link.replicas is not None), None)
    if counted is None or counted.ready_replicas is None:
        return ("How many replicas serve meanwhile is not known.",)
    whole, ready = f"{counted.kind} {counted.name}", counted.ready_replicas
    left = max(ready - 1, 0)
    if left == 0:
        return (f"{whole} has {ready} of {counted.replicas} replicas ready: none may serve until the new one is.",)
    return (f"{whole} has {ready} of {counted.replicas} replicas ready: {left} serve until the new one is.",)


def _mounted(pod: Pod, *kinds: str) -> dict[str, list[str]]:
    """`kind:name` of each volume of these kinds, with the paths at which the containers have it."""
    found: dict[str, list[str]] = {}
    for container in pod.containers:
        for mount in container.mounts:
            # From the right: a path may itself hold an arrow.
            path, _, source = mount.rpartition(" <- ")
            if source.partition(":")[0] in kinds:
                found.setdefault(source, []).append(f"{path} in {container.name}")
    return found


def _kept(pod: Pod) -> tuple[str, ...]:
    outlives = _mounted(pod, "persistentVolumeClaim", "hostPath")
    return tuple(
        f"{source} ({', '.join(paths)}) outlives the pod, with all that was written to it."
        for source, paths in outlives.items()
    )


def _lost(pod: Pod) -> tuple[str, ...]:
    scratch = _mounted(pod, "emptyDir")
    lost = tuple(f"{source} ({', '.join(paths)}) is lost with the pod." for source, paths in scratch.items())
    return (*lost, "Memory, processes and whatever was written to the containers' own layers are lost.")


def _images(pod: Pod) -> tuple[str, ...]:
    images = dict.fromkeys(c.image_id or c.image for c in pod.containers if c.kind == "container")
    named = ", ".join(image for image in images if image)
    return (f"The same image is: {named}.",) if named else ()
