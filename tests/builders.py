"""Small builders of findings and records: plain, complete values, of which a test names only what it is about."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from responder.evidence import Evidence, Found, Missing, OwnerContact, Related, RelatedFinding
from responder.finding import CATEGORY, ClusterRef, Container, Finding, NodeRef, PodRef, Process, Target
from responder.ports import Delivery
from responder.record import (
    ByHand,
    Command,
    Decision,
    Gap,
    Occurrence,
    Outcome,
    Owner,
    Plan,
    Provenance,
    Record,
    RecordedFinding,
    Step,
    Subject,
    TimelineEntry,
    Triage,
)

EVENT_TIME = datetime(2026, 11, 20, 9, 41, 7, 482113, tzinfo=UTC)
ARGS = ("gcc", "-static", "-o", "/tmp/.x/kworker", "/tmp/.x/k.c")
IMAGE = "europe-docker.pkg.dev/acme-shop-prod/web/checkout:1.9.2"
TARGET = Target(namespace="shop", pod="checkout-7d9f8c5b4-x2k9p", container="checkout")
TITLES = ("Finding", "Cluster and node", "Pod", "Logs", "Running container", "MITRE ATT&CK", "Response")


def a_finding(*, key: str = "1750894040330370653/0a1b2c3d", args: tuple[str, ...] = ARGS, **changes: Any) -> Finding:
    """A finding of one compiler in one container; `changes` are fields of `Finding`."""
    container = Container(name="checkout", image=IMAGE, image_id=f"{IMAGE}@sha256:{'62' * 32}")
    values: dict[str, Any] = {
        "key": key,
        "name": f"organizations/123456789012/sources/{key.replace('/', '/locations/global/findings/')}",
        "category": CATEGORY,
        "state": "ACTIVE",
        "mute": "UNDEFINED",
        "severity": "LOW",
        "event_time": EVENT_TIME,
        "project_id": "acme-shop-prod",
        "project_number": "421458901689",
        "cluster": ClusterRef(project="acme-shop-prod", location="europe-west1-b", name="shop-prod"),
        "processes": (Process(name="gcc", binary="/usr/bin/x86_64-linux-gnu-gcc-12", args=args, pid=53),),
        "pods": (PodRef(namespace="shop", name=TARGET.pod, containers=(container,)),),
        "containers": (container,),
        "nodes": (NodeRef(name="gke-shop-prod-default-pool-7d6bb7c7-0rru"),),
        "told": {"arguments": args, "Container_Image_Uri": IMAGE},
    }
    return Finding(**(values | changes))


def a_recorded(finding: Finding | None = None, **changes: Any) -> RecordedFinding:
    """The same finding as a record has it, published once."""
    finding = finding or a_finding()
    values = {field.name: getattr(finding, field.name) for field in fields(Finding)}
    seen = Occurrence(
        event_time=finding.event_time,
        state=finding.state,
        mute=finding.mute,
        message_id="m-1",
        received=finding.event_time + timedelta(seconds=3),
    )
    return RecordedFinding(**({**values, "occurrences": (seen,), "raw_sha256": "ab" * 32} | changes))


def a_delivery(data: bytes = b'{"finding": {}}', *, message_id: str = "m-1") -> Delivery:
    """A Pub/Sub message."""
    return Delivery(data=data, message_id=message_id, received=EVENT_TIME + timedelta(seconds=3))


def a_related(**changes: Any) -> RelatedFinding:
    """A neighbour of the finding, nine seconds later in the same container."""
    values: dict[str, Any] = {
        "name": "organizations/123456789012/sources/1/findings/abc",
        "category": "Added Binary Executed",
        "severity": "HIGH",
        "state": "ACTIVE",
        "finding_class": "THREAT",
        "event_time": EVENT_TIME + timedelta(seconds=9),
        "offset_seconds": 9.0,
        "closeness": "container",
        "adds": "what was compiled was run",
    }
    return RelatedFinding(**(values | changes))


def a_record(record_id: str = "0" * 32, **changes: Any) -> Record:
    """A finished record with a gap, a neighbour, commands and an owner; `changes` are fields of `Record`."""
    window = timedelta(minutes=60)
    related = Related(
        window_start=EVENT_TIME - window, window_end=EVENT_TIME + window, filter="f", findings=(a_related(),)
    )
    pod = Missing(why="denied", detail="pods.get on shop", mend="grant roles/container.viewer")
    steps = tuple(
        Step(n=n, title=title, status="done", detail=f"detail of {title}", by_hand=(_link(n),))
        for n, title in enumerate(TITLES, start=1)
    )
    values: dict[str, Any] = {
        "id": record_id,
        "findings": (a_recorded(),),
        "evidence": Evidence(related=Found(value=related, source="SCC"), pod=pod),
        "triage": Triage(verdict="insufficient_data", summary="no verdict is given yet"),
        "decision": Decision(reasons=("answering is not switched on",)),
        "outcome": Outcome(detail="nothing was done to the pod"),
        "plan": Plan(techniques=(), actions=()),
        "owner": Owner(
            contacts=(OwnerContact(value="checkout@shop.test", kind="email", source="namespace annotation owner"),),
            missing=("Essential Contacts: denied",),
        ),
        "timeline": (TimelineEntry(time=EVENT_TIME, lane="finding", text="gcc started", ref="/findings/0"),),
        "steps": steps,
        "links": {"finding": "https://console.cloud.google.com/security/command-center/findingsv2"},
        "commands": (
            Command(title="look at the pod", step=3, text="kubectl -n shop get pod checkout-7d9f8c5b4-x2k9p"),
        ),
        "provenance": Provenance(
            responder="0.1.0",
            stage="finished",
            revision=0,
            subject=a_subject(),
            window_start=EVENT_TIME,
            window_end=EVENT_TIME + window,
            started=EVENT_TIME + timedelta(seconds=4),
            finished=EVENT_TIME + timedelta(seconds=9),
            gaps=(Gap(question="pod", why=pod.why, detail=pod.detail, mend=pod.mend),),
        ),
    }
    return Record(**(values | changes))


def a_subject(**changes: str) -> Subject:
    """What `TARGET` is about, in words."""
    values = {
        "project_id": "acme-shop-prod",
        "project_number": "421458901689",
        "cluster": "shop-prod",
        "location": "europe-west1-b",
        "namespace": TARGET.namespace,
        "pod": TARGET.pod,
        "container": TARGET.container,
    }
    return Subject(**(values | changes))


def _link(n: int) -> ByHand:
    return ByHand(title=f"step {n} by hand", kind="link", value=f"https://console.cloud.google.com/step/{n}")
