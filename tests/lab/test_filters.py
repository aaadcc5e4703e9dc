"""The two filter languages that the lab evaluates."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import securitycenter_v2
from google.protobuf import json_format

from lab import logging_filter, scc_filter

SHOP = "//container.googleapis.com/projects/acme-shop-prod/zones/europe-west1-b/clusters/shop-prod"
RESULT = json_format.ParseDict(
    {
        "finding": {
            "name": "organizations/1/sources/2/locations/global/findings/f",
            "parent": "organizations/1/sources/2/locations/global",
            "resourceName": SHOP,
            "category": 'Say "hi"',
            "state": "ACTIVE",
            "severity": "LOW",
            "eventTime": "2026-11-20T09:41:07.482113Z",
            "securityMarks": {"marks": {"owner": "web"}},
        },
        "resource": {
            "name": SHOP,
            "displayName": "shop-prod",
            "type": "google.container.Cluster",
            "gcpMetadata": {"projectDisplayName": "acme-shop-prod", "folders": [{"resourceFolder": "folders/5"}]},
        },
    },
    securitycenter_v2.ListFindingsResponse.ListFindingsResult.pb()(),
)
ENTRY: dict[str, Any] = {
    "logName": "projects/acme-shop-prod/logs/cloudaudit.googleapis.com%2Factivity",
    "timestamp": "2026-11-20T09:40:00.250Z",
    "severity": "NOTICE",
    "insertId": "i1",
    "resource": {"type": "k8s_cluster", "labels": {"project_id": "acme-shop-prod", "cluster_name": "shop-prod"}},
    "labels": {"authorization.k8s.io/decision": "allow", "command.gke.io/command": "sh -i"},
    "protoPayload": {
        "resourceName": "core/v1/namespaces/shop/pods/checkout-7d9f8c5b4-x2k9p/exec",
        "methodName": "io.k8s.core.v1.pods.exec.create",
        "status": {"code": 7},
        "authorizationInfo": [{"permission": "a"}, {"permission": "b"}],
    },
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ('state="ACTIVE"', True),
        ('state = "INACTIVE"', False),
        ('-state="INACTIVE"', True),
        ('NOT state="INACTIVE" AND severity="LOW"', True),
        (f'resource_name="{SHOP}" OR resource_name="x"', True),
        ('resource_name:"/clusters/shop"', True),
        ('resource.display_name="shop-prod" AND resource.project_display_name="acme-shop-prod"', True),
        ('resource.folders.resource_folder:"folders/5"', True),
        ('security_marks.marks.owner="web"', True),
        (r'category="Say \"hi\""', True),
        ('event_time>="2026-11-20T09:41:07.482113Z" AND event_time<="2026-11-20T10:41:07+01:00"', False),
        ('event_time>="2026-11-20T08:41:07Z" AND event_time<="2026-11-20T10:41:07Z"', True),
        ("event_time > 1560208038000", True),
        # OR binds tighter: (state OR severity) AND category.
        ('state="ACTIVE" OR severity="LOW" AND category="no"', False),
        ('state="ACTIVE" OR (severity="LOW" AND category="no")', True),
    ],
)
def test_a_filter_of_scc_lets_through_what_its_reference_says(text: str, *, expected: bool) -> None:
    assert scc_filter.parse(text)(RESULT) is expected


@pytest.mark.parametrize(
    "text",
    [
        'kubernetes.pods.name="x"',
        'name:"findings/f"',
        "state=ACTIVE",
        'state="ACTIVE',
        'state="ACTIVE" severity="LOW"',
        '(state="ACTIVE"',
        'state="ACTIVE")',
        'state>"ACTIVE"',
        'event_time>"yesterday"',
        'event_time>"2026-11-20T09:41:07"',
        'event_time:"2026"',
        'AND state="ACTIVE"',
        'state="ACTIVE" AND',
        'category="\\q"',
        'state="A"; drop',
    ],
)
def test_a_filter_that_scc_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(scc_filter.FilterError):
        scc_filter.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  \n-- nothing but a comment\n", True),
        ('resource.type="k8s_cluster"', True),
        ("resource.type=k8s_cluster", True),
        ('resource.type="K8S_CLUSTER"', True),
        ('resource.type!="k8s_cluster"', False),
        ('resource.type="k8s_cluster"\nresource.labels.cluster_name="other"', False),
        ('resource.type="k8s_cluster" -- a "comment"\nresource.labels.cluster_name="shop-prod"', True),
        ('logName="projects/acme-shop-prod/logs/cloudaudit.googleapis.com%2Factivity"', True),
        ('log_name:"cloudaudit"', True),
        ('"CHECKOUT-7d9f8c5b4-x2k9p"', True),
        ("checkout-7d9f8c5b4", True),
        ('"checkout-7d9f8c5b4-x2k9q"', False),
        ('NOT "checkout"', False),
        ('-"checkout"', False),
        ('labels."authorization.k8s.io/decision"="allow"', True),
        ('labels."command.gke.io/command":"sh"', True),
        ('protoPayload.methodName=~"pods\\\\.exec"', True),
        ('protoPayload.methodName=~"PODS"', False),
        ('protoPayload.methodName!~"delete"', True),
        ("protoPayload.status.code>=7", True),
        ("protoPayload.status.code=8", False),
        ('protoPayload.authorizationInfo.permission="b"', True),
        ("protoPayload.request:*", False),
        ("protoPayload.status:*", True),
        ('protoPayload.missing!="x"', False),
        ('NOT protoPayload.missing="x"', True),
        ("severity>=NOTICE", True),
        ("severity>WARNING", False),
        ('timestamp>="2026-11-20T09:40:00.25Z" AND timestamp<="2026-11-20T10:40:00.250+01:00"', True),
        ('timestamp>"2026-11-20T09:40:00.250Z"', False),
        ('resource.labels.cluster_name=("other" OR "shop-prod")', True),
        # NOT, then OR, then AND.
        ("checkout OR nothing AND nowhere", False),
        ("checkout OR (nothing AND nowhere)", True),
    ],
)
def test_a_filter_of_cloud_logging_lets_through_what_its_language_says(text: str, *, expected: bool) -> None:
    assert logging_filter.parse(text)(logging_filter.Fields.of(ENTRY)) is expected


@pytest.mark.parametrize(
    "text",
    [
        'resource.type="k8s_cluster',
        "resource.type=",
        "a:b:c",
        'pod_name="x"',
        'timestamp>"yesterday"',
        'timestamp>"2026-11-20T09:40:00"',
        "severity>=LOUD",
        '(resource.type="a"',
        'resource.type="a")',
        'AND resource.type="a"',
        'resource.type="a" OR',
        'resource.type=~"("',
        '"a\\q"',
        "$(id)",
        "`id`",
        'SEARCH("x")',
        "resource.",
    ],
)
def test_a_filter_that_cloud_logging_cannot_parse_is_refused(text: str) -> None:
    with pytest.raises(logging_filter.FilterError):
        logging_filter.parse(text)
