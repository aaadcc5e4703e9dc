"""Steps 1 and 3: is the message's finding SCC's finding, and is the cluster's pod the finding's pod? Pure.

A notification is a hint: whoever can publish to the topic can write one. Identity is what SCC says when asked, and
what the cluster shows. SCC gives no UID of a pod, so that it is the same pod must be proven by what both know.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from responder import names
from responder.evidence import Check, ContainerState, Difference, Missing, Pod, Proof, SccFinding
from responder.finding import TOLD_FIELDS, Conflict, Container, Finding, PodRef, Target

if TYPE_CHECKING:
    from responder.ports import Around

START_TOLERANCE: Final = timedelta(seconds=120)
"""SCC's `createTime` is when the runtime created the container, the kubelet's `startedAt` when it started it: the same
container has both within seconds, and two minutes on a node that is short of everything. A restart takes the old
container's place only after it ended, so a longer gap is taken for another container."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ENUM: Final = re.compile(r"[A-Z][A-Z_]{0,39}")
_UNSET: Final = frozenset({"", "UNDEFINED", "MUTE_UNSPECIFIED"})


# --- the message against SCC ------------------------------------------------------------------------------------------


def verify(message: Finding, around: Around, target: Target) -> SccFinding | Missing:
    """The finding as SCC has it; `Missing` where SCC has none of that key, or one that names something else.

    Only a difference in identity (category, cluster, pod, container) is a contradiction. That state, mute, severity or
    eventTime moved on since the message is told in `changed`.
    """
    scc = known(message, around)
    if scc is None:
        if around.truncated:
            # SCC said neither yes nor no. Whatever does not touch a cluster is asked all the same.
            return Missing(why="unavailable", detail="SCC's answer was cut short before the finding was seen in it")
        return Missing(
            why="not_found",
            detail="SCC has no such finding below the parent that the responder is set up for",
            mend="Check that RESPONDER_SCC_PARENT covers the finding's project; if it does, the message is not SCC's.",
        )
    wrong = contradiction(message, scc, target)
    if wrong:
        return Missing(
            why="unverified",
            detail=wrong,
            mend="Look the finding up in the console; whoever may publish to the topic can write such a message.",
        )
    return SccFinding(
        name=scc.name,
        canonical_name=scc.canonical_name,
        state=scc.state,
        mute=scc.mute,
        severity=scc.severity,
        event_time=scc.event_time,
        marks=scc.marks,
        identity_from_message=only_in_message(message, scc),
        changed=_changed(message, scc),
    )


def known(message: Finding, around: Around) -> Finding | None:
    """SCC's own version of the message's finding, the latest where it is answered twice; None where it has none."""
    same = [finding for finding in around.findings if finding.key == message.key]
    return max(same, key=lambda finding: finding.event_time, default=None)


def confirmed(message: Finding, scc: Finding) -> Finding:
    """The finding to work with: SCC's, and of the message only what SCC says nothing about.

    `read_from` begins with ``SCC: `` where the value is SCC's. Contacts, marks, state and mute are SCC's alone: nobody
    is written to because a message said so.
    """
    told = {**message.told, **scc.told}
    containers = scc.containers or (() if any(pod.containers for pod in scc.pods) else message.containers)
    return replace(
        scc,
        canonical_name=scc.canonical_name or message.canonical_name,
        provider=scc.provider or message.provider,
        shape=message.shape,
        notification_config=message.notification_config,
        description=scc.description or message.description,
        external_uri=scc.external_uri or message.external_uri,
        resource_name=scc.resource_name or message.resource_name,
        resource_type=scc.resource_type or message.resource_type,
        project_id=scc.project_id or message.project_id,
        project_number=scc.project_number or message.project_number,
        cluster=scc.cluster or message.cluster,
        processes=scc.processes or message.processes,
        pods=tuple(_with_containers(pod, message, scc) for pod in scc.pods) or message.pods,
        containers=tuple(_completed(c, _containers(message)) for c in containers),
        nodes=scc.nodes or message.nodes,
        told=told,
        read_from={
            **message.read_from,
            **{name: f"SCC: {path}" for name, path in scc.read_from.items()},
        },
        absent={name: why for name, why in scc.absent.items() if name not in told},
        conflicts=_conflicts(message, scc),
        problems=tuple(dict.fromkeys((*message.problems, *(f"SCC: {problem}" for problem in scc.problems)))),
    )


def contradiction(message: Finding, scc: Finding, target: Target) -> str:
    """Why SCC's finding is not the one that the message tells of; empty where it is."""
    if scc.category != message.category:
        return "SCC's finding is of another category"
    return _other_place(message, scc) or _other_pod(scc, target)


def _other_place(message: Finding, scc: Finding) -> str:
    if scc.cluster and message.cluster:
        if scc.same_cluster(message) is False:
            place = scc.cluster
            return (
                f"SCC's finding names another cluster: {_shown('cluster', place.name)} "
                f"in {_shown('location', place.location)} of {_shown('project_id', scc.project_id or place.project)}"
            )
    elif scc.resource_name and message.resource_name and scc.resource_name != message.resource_name:
        return "SCC's finding names another resource"
    if scc.same_project(message) is False:
        return f"SCC's finding names another project: {_shown('project_id', scc.project_id)}"
    return ""


def _other_pod(scc: Finding, target: Target) -> str:
    """Only where both name a pod: SCC itself says that container information is best effort and can be dropped."""
    if not target.has_pod or not scc.pods:
        return ""
    pod = scc.pod(target)
    if pod is None:
        other = scc.pods[0]
        return (
            f"SCC's finding names another pod: {_shown('pod', other.name)} "
            f"in namespace {_shown('namespace', other.namespace)}"
        )
    containers = [c.name for c in (pod.containers or scc.containers) if c.name]
    if target.container and containers and target.container not in containers:
        return f"SCC's finding names another container: {_shown('container', containers[0])}"
    return ""


def only_in_message(message: Finding, scc: Finding) -> tuple[str, ...]:
    """The identity fields that `confirmed` has to take from the message."""
    fields = ["resource_name", "cluster", "project_id", "project_number", "processes", "pods", "nodes"]
    only = [name for name in fields if getattr(message, name) and not getattr(scc, name)]
    merged = confirmed(message, scc)
    if set(_containers(merged)) - set(_containers(scc)):
        only.append("containers")
    return tuple(only)


def _changed(message: Finding, scc: Finding) -> tuple[Difference, ...]:
    pairs = [
        ("state", message.state, scc.state),
        ("mute", *("UNDEFINED" if mute in _UNSET else mute for mute in (message.mute, scc.mute))),
        ("severity", message.severity, scc.severity),
    ]
    changed = [
        Difference(field=n, message=_enum(ours), scc=_enum(theirs)) for n, ours, theirs in pairs if ours != theirs
    ]
    if message.event_time != scc.event_time:
        times = (message.event_time.isoformat(), scc.event_time.isoformat())
        changed.append(Difference(field="event_time", message=times[0], scc=times[1]))
    return tuple(changed)


def _conflicts(message: Finding, scc: Finding) -> tuple[Conflict, ...]:
    between = [
        Conflict(
            field=name,
            values={
                f"message: {message.read_from.get(name, '')}": _text(message.told[name]),
                f"SCC: {scc.read_from.get(name, '')}": _text(scc.told[name]),
            },
        )
        for name in TOLD_FIELDS
        if name in message.told and name in scc.told and message.told[name] != scc.told[name]
        # The spelling of a cluster's name may differ; whether it is the same cluster is a matter of `verify`.
        if name != "resource_full_name" or not message.same_cluster(scc)
    ]
    inside = [c for c in message.conflicts if c not in scc.conflicts]
    return (*scc.conflicts, *inside, *between)


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else " ".join(value)


def _with_containers(pod: PodRef, message: Finding, scc: Finding) -> PodRef:
    twin = message.pod(Target(namespace=pod.namespace, pod=pod.name))
    containers = pod.containers
    if not containers and not scc.containers and twin:
        containers = twin.containers
    return replace(
        pod,
        labels=pod.labels or (twin.labels if twin else {}),
        containers=tuple(_completed(c, twin.containers if twin else ()) for c in containers),
    )


def _completed(container: Container, others: tuple[Container, ...]) -> Container:
    twin = next((c for c in others if c.name == container.name), None)
    if twin is None:
        return container
    return replace(
        container,
        image=container.image or twin.image,
        image_id=container.image_id or twin.image_id,
        create_time=container.create_time or twin.create_time,
    )


def _containers(finding: Finding) -> tuple[Container, ...]:
    return (*(c for pod in finding.pods for c in pod.containers), *finding.containers)


def _shown(kind: str, text: str) -> str:
    """A name that is one; anything else is the attacker's text and is not repeated."""
    return text if names.is_valid(kind, text) else "(not a valid name)"


def _enum(text: str) -> str:
    return text if not text or _ENUM.fullmatch(text) else "(unreadable)"


# --- the finding against the cluster ----------------------------------------------------------------------------------


def prove(finding: Finding, target: Target, pod: Pod, node_name: str) -> Proof:
    """Whether `pod` is the pod that the finding is about, check by check.

    `node_name` is the finding's node (`VM_Instance_Name`), ``""`` where it names none. A check that cannot be answered
    counts as a no, save the container's creation time: where SCC gives none, that check is not made.
    """
    named = Check(
        name="same namespace and name",
        ok=(pod.namespace, pod.name) == (target.namespace, target.pod) and target.has_pod,
        detail="the pod was asked for by the finding's namespace and name",
    )
    created = _created(pod, finding.event_time)
    checks = [named, created, _on_node(pod, node_name), *_same_container(finding, target, pod)]
    if named.ok and created.ok is False:
        return Proof(verdict="replaced", uid=pod.uid, checks=tuple(checks))
    verdict = "proven" if all(check.ok for check in checks) else "unproven"
    return Proof(verdict=verdict, uid=pod.uid, checks=tuple(checks))


def _created(pod: Pod, event_time: datetime) -> Check:
    """Kubernetes rounds `creationTimestamp` down to a second: within the event's own second nobody can tell."""
    created, event = pod.create_time.replace(microsecond=0), event_time.replace(microsecond=0)
    ok = None if created == event else created < event
    told = {
        True: "the pod is older than the event",
        False: "the pod was created after the event: another pod has taken the name",
        None: "the pod was created in the very second of the event; Kubernetes tells no finer",
    }[ok]
    return Check(name="created before the event", ok=ok, detail=f"{told} (created {created.isoformat()})")


def _on_node(pod: Pod, node_name: str) -> Check:
    name = "on the finding's node"
    if not node_name:
        return Check(name=name, ok=None, detail="the finding names no node")
    if not pod.node_name:
        return Check(name=name, ok=None, detail="the pod is on no node yet")
    ok = pod.node_name == node_name
    where = "the pod runs on the node of the finding" if ok else "the pod runs on another node than the finding's"
    return Check(name=name, ok=ok, detail=f"{where} ({_shown('node', pod.node_name)})")


def _same_container(finding: Finding, target: Target, pod: Pod) -> list[Check]:
    exists, image, started = "has the container", "same image digest", "container started before the event"
    if not target.container:
        why = "the finding names no container"
        return [Check(name=name, ok=None, detail=why) for name in (exists, image, started)]
    state = next((c for c in pod.containers if c.name == target.container), None)
    if state is None:
        why = "the pod has no container of that name"
        return [
            Check(name=exists, ok=False, detail=why),
            *(Check(name=name, ok=None, detail=why) for name in (image, started)),
        ]
    given = finding.container(target) or Container(name=target.container)
    checks = [
        Check(name=exists, ok=True, detail="the pod has a container of that name"),
        _same_image(image, given, state),
        _started(started, state, finding.event_time),
    ]
    if given.create_time is not None:
        checks.append(_same_start(given.create_time, state))
    return checks


def _same_image(name: str, given: Container, state: ContainerState) -> Check:
    wanted = _DIGEST.search(given.image_id) or _DIGEST.search(given.image)
    running = _DIGEST.search(state.image_id)
    if wanted is None:
        return Check(name=name, ok=None, detail="the finding gives no digest of the image")
    if running is None:
        return Check(name=name, ok=None, detail="the node reports no digest of the running image")
    if wanted[0] == running[0]:
        return Check(name=name, ok=True, detail=f"the container runs the image of the finding ({running[0]})")
    return Check(name=name, ok=False, detail=f"the container runs {running[0]}, the finding names {wanted[0]}")


def _started(name: str, state: ContainerState, event_time: datetime) -> Check:
    """The kubelet's `startedAt` is rounded down to a second as well."""
    if state.started_at is None:
        return Check(name=name, ok=None, detail="the container is not running, and its start is not told")
    started, event = state.started_at.replace(microsecond=0), event_time.replace(microsecond=0)
    ok = None if started == event else started < event
    told = {
        True: "the container has run since before the event",
        False: "the container was restarted after the event: what ran is gone",
        None: "the container was started in the very second of the event; Kubernetes tells no finer",
    }[ok]
    return Check(name=name, ok=ok, detail=f"{told} (started {started.isoformat()})")


def _same_start(create_time: datetime, state: ContainerState) -> Check:
    name = "container start matches SCC's"
    if state.started_at is None:
        return Check(name=name, ok=None, detail="the container is not running, and its start is not told")
    gap = abs(state.started_at - create_time)
    ok = gap <= START_TOLERANCE
    told = (
        f"started {gap.total_seconds():.0f} s from when SCC says that it was created; "
        f"up to {START_TOLERANCE.total_seconds():.0f} s counts as the same container"
    )
    return Check(name=name, ok=ok, detail=told)
