"""A small shop on the lab's wire, for the tests of the adapters: two logs, one pod, one neighbour, one owner."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.google import LabGoogle
from lab.scenario import Scenario
from lab.server import Running, serve
from responder.evidence import Window
from responder.finding import ClusterRef, Finding
from responder.notification import classify

SAMPLE = Path(__file__).parents[1] / "samples" / "CONSTRUCTED_ctd_v2_notification.json"
NOTIFICATION: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
EVENT_TIME = datetime(2026, 11, 20, 9, 41, 7, 482113, tzinfo=UTC)
WINDOW = Window(EVENT_TIME - timedelta(hours=1), EVENT_TIME + timedelta(hours=1))
CLUSTER = ClusterRef(project="acme-shop-prod", location="europe-west1-b", name="shop-prod")
NODE = "gke-shop-prod-default-pool-7d6bb7c7-0rru"
POD = "checkout-7d9f8c5b4-x2k9p"

SCENARIO: dict[str, Any] = {
    "title": "a shop",
    "event_time": "2026-11-20T09:41:07.482113Z",
    "projects": [
        {
            "id": "acme-shop-prod",
            "number": "421458901689",
            "display_name": "Shop, production",
            "labels": {"team": "shop"},
            "owners": ["user:lead@acme.example", "group:shop@acme.example"],
            "security_contacts": ["security@acme.example"],
        }
    ],
    "findings": [{"like": "notification"}, {"category": "Added Binary Executed", "event_time": "+5s"}],
    "clusters": [
        {
            "name": "shop-prod",
            "project": "acme-shop-prod",
            "location": "europe-west1-b",
            "labels": {"team": "shop"},
            "nodes": [{"name": NODE, "zone": "europe-west1-b"}],
            "namespaces": [{"name": "shop", "labels": {"team": "shop"}, "annotations": {"owner": "shop@acme.example"}}],
            "workloads": [
                {"kind": "Rollout", "name": "front", "namespace": "shop", "api_version": "argoproj.io/v1alpha1"}
            ],
            "pods": [
                {
                    "name": POD,
                    "namespace": "shop",
                    "node": NODE,
                    "owner": "Deployment/checkout",
                    "secrets": ["db"],
                    "host_paths": ["/var/run"],
                    "containers": [
                        {
                            "name": "checkout",
                            "env": {"DB_PASSWORD": "hunter2-canary"},
                            "privileged": True,
                            "run_as_user": 0,
                        }
                    ],
                }
            ],
            "events": [{"pod": f"shop/{POD}", "reason": "Pulled", "time": "-1m"}],
        }
    ],
    "logs": [
        {"time": "-20s", "text": "GET /", "pod": f"shop/{POD}/checkout"},
        {"time": "-10s", "text": "POST /run", "pod": f"shop/{POD}/checkout"},
        {"time": "-9s", "audit": "pods.exec.create", "on": f"shop/{POD}", "command": ["sh", "-c", "id"]},
    ],
}


@contextlib.contextmanager
def open_shop(**changes: Any) -> Iterator[tuple[Running, LabGoogle]]:
    """The shop, with changes to its scenario, and the way to it."""
    with serve(Scenario.model_validate(SCENARIO | changes), NOTIFICATION) as running:
        yield running, LabGoogle(running.endpoints.model_dump(mode="json"))


def the_finding(document: Mapping[str, Any] = NOTIFICATION) -> Finding:
    """What the notification says."""
    finding = classify(json.dumps(document).encode())
    assert isinstance(finding, Finding)
    return finding
