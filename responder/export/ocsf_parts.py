"""The objects of an OCSF Detection Finding: the finding, the processes, where they ran. Pure.

`clean` of `responder.export.ocsf` takes out what is empty, so that each object is written here with all it may have.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from responder.evidence import Found
from responder.finding import Container, Process
from responder.record import Record, RecordedFinding, Technique, judged, judged_first

_MOST: Final = 50
"""Entries of one list; a SIEM's limit for an event is a few hundred kilobytes."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MAIL: Final = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)


def millis(moment: datetime | None) -> int | None:
    """OCSF's `timestamp_t`."""
    return round(moment.timestamp() * 1000) if moment else None


def located(location: str) -> dict[str, str]:
    """Region and zone of a location: `europe-west1-b` is a zone, `europe-west1` a region."""
    zonal = location.count("-") > 1
    return {"region": location.rpartition("-")[0] if zonal else location, "zone": location if zonal else ""}


def finding_info(record: Record) -> dict[str, Any]:
    """What was detected, by which rule. `uid` is the name of the record's first finding."""
    first = next(iter(judged_first(record.findings)), None)
    triage = record.triage
    return {
        "uid": first.name if first else record.id,
        "uid_alt": record.id,
        "title": first.category if first else "",
        "desc": first.description if first else "",
        "types": [first.finding_class] if first else [],
        "created_time": millis(first.create_time) if first else None,
        "first_seen_time": millis(record.provenance.window_start),
        "last_seen_time": millis(max((f.last_event_time or f.event_time for f in record.findings), default=None)),
        "src_url": first.external_uri if first else "",
        "analytic": {
            "name": triage.rule or "no rule",
            "uid": triage.rule or "none",
            "type_id": 1,
            "type": "Rule",
            "version": triage.rules,
        },
        "attacks": [_attack(technique) for technique in record.plan.techniques[:_MOST]],
        "related_events": _related(record),
        "product": {"name": "Security Command Center", "vendor_name": "Google Cloud"},
    }


def _attack(technique: Technique) -> dict[str, Any]:
    layouts = list(technique.tactics.items())
    return {
        "technique": {"uid": technique.id, "name": technique.name, "src_url": technique.url},
        "tactic": {"name": layouts[0][1]} if layouts else {},
        "version": layouts[0][0] if layouts else "",
    }


def _related(record: Record) -> list[dict[str, Any]]:
    """The record's other findings, and SCC's neighbours of them."""
    own = [
        {"uid": f.name, "title": f.category, "first_seen_time": millis(f.event_time)}
        for f in judged(record.findings)[1:]
    ]
    related = record.evidence.related
    near = related.value.findings if isinstance(related, Found) else ()
    theirs = [
        {"uid": one.name, "title": one.category, "severity": one.severity, "first_seen_time": millis(one.event_time)}
        for one in near
    ]
    return (own + theirs)[:_MOST]


def evidences(record: Record) -> list[dict[str, Any]]:
    """One for each process of the findings that were judged.

    A process without a pid is not one to OCSF, and is told by its file and command line.
    """
    container = _container(record)
    found = []
    for finding in judged(record.findings)[:_MOST]:
        for process in finding.processes:
            file, command = _file(process), " ".join(process.args)
            whole: dict[str, Any] = {
                "pid": process.pid,
                "name": process.name,
                "cmd_line": command,
                "file": file,
                "user": {"uid": str(process.user_id)} if process.user_id is not None else {},
                "parent_process": {"pid": process.parent_pid} if process.parent_pid is not None else {},
                "container": container,
            }
            bare = {"file": file, "data": {"cmd_line": command} if command else {}, "container": container}
            if process.pid is not None or file or command:
                found.append({"uid": finding.key} | ({"process": whole} if process.pid is not None else bare))
    return found[:_MOST]


def _file(process: Process) -> dict[str, Any]:
    """`binary_sha256` is of the whole file only where SCC does not say that it hashed a part of it."""
    path = process.binary
    name = path.rpartition("/")[2] or process.name
    whole = _SHA256.fullmatch(process.binary_sha256) and not process.partially_hashed
    hashes = [{"algorithm_id": 3, "algorithm": "SHA-256", "value": process.binary_sha256}] if whole else []
    if not name:
        return {}
    return {"name": name, "path": path, "type_id": 1, "size": process.binary_size, "hashes": hashes}


def _container(record: Record) -> dict[str, Any]:
    subject, pod = record.provenance.subject, record.evidence.pod
    uid = pod.value.uid if isinstance(pod, Found) else ""
    named = next(
        (c for f in judged_first(record.findings) for c in _containers(f) if c.name == subject.container), None
    )
    image = named.image_id or named.image if named else ""
    return (
        {
            "name": subject.container,
            "image": {"uid": image, "name": named.image if named else ""} if image else {},
            "orchestrator": "Kubernetes",
            "pod_uuid": uid if _UUID.fullmatch(uid) else "",
        }
        if subject.container
        else {}
    )


def _containers(finding: RecordedFinding) -> tuple[Container, ...]:
    return (*(c for pod in finding.pods for c in pod.containers), *finding.containers)


def resources(record: Record) -> list[dict[str, Any]]:
    """Cluster, workload and pod, from the widest to the narrowest."""
    subject, evidence = record.provenance.subject, record.evidence
    project = subject.project_id or subject.project_number
    cluster = f"//container.googleapis.com/projects/{project}/locations/{subject.location}/clusters/{subject.cluster}"
    where = {"provider": "GCP", **located(subject.location)}
    place: dict[str, Any] = where | {"namespace": subject.namespace, "owner": _owner(record)}
    top = (
        evidence.owners.value.links[-1] if isinstance(evidence.owners, Found) and evidence.owners.value.links else None
    )
    inside = f"{cluster}/k8s/namespaces/{subject.namespace}"
    found: list[dict[str, Any]] = []
    if subject.cluster:
        found.append(where | {"type": "cluster", "name": subject.cluster, "uid": cluster})
    if top:
        uid = f"{inside}/{top.kind.lower()}s/{top.name}"
        found.append(place | {"type": top.kind, "name": top.name, "uid": uid, "uid_alt": top.uid})
    if subject.pod:
        known = evidence.pod.value.uid if isinstance(evidence.pod, Found) else ""
        found.append(
            place | {"type": "Pod", "name": subject.pod, "uid": f"{inside}/pods/{subject.pod}", "uid_alt": known}
        )
    return found


def _owner(record: Record) -> dict[str, Any]:
    contact = next(iter(record.owner.contacts), None)
    if contact is None:
        return {}
    return {"name": contact.value, "email_addr": contact.value if _MAIL.fullmatch(contact.value) else ""}


def observables(record: Record) -> list[dict[str, Any]]:
    """Command lines and whole hashes, each with the path of the attribute that holds it."""
    found: list[dict[str, Any]] = []
    for n, evidence in enumerate(evidences(record)):
        process = evidence.get("process", {})
        file, at = (process or evidence).get("file", {}), f"evidences[{n}]" + (".process" if process else "")
        if process.get("cmd_line"):
            found.append(
                {"name": f"{at}.cmd_line", "type_id": 13, "type": "Command Line", "value": process["cmd_line"]}
            )
        found += [
            {"name": f"{at}.file.hashes[0].value", "type_id": 8, "type": "Hash", "value": one["value"]}
            for one in file.get("hashes", ())
        ]
    return found[:_MOST]
