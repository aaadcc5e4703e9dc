"""The three queries of step 4, held to Google's page clause by clause."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder import filters
from responder.errors import Unanswered
from responder.evidence import Window
from responder.finding import ClusterRef

PROJECT, NAMESPACE, POD = "acme-shop-prod", "shop", "checkout-7d9f8c5b4-x2k9p"
CLUSTER = ClusterRef(project=PROJECT, location="europe-west1-b", name="shop-prod")
START = datetime(2026, 11, 20, 8, 41, 7, 482113, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=2))
TIMES = ['timestamp>="2026-11-20T08:41:07.482113Z"', 'timestamp<="2026-11-20T10:41:07.482113Z"']

# As the page has them, one clause a line; its placeholders are filled below.
PAGE_POD = """\
resource.type="k8s_container"
resource.labels.project_id="RESOURCE.PROJECT_DISPLAY_NAME"
resource.labels.location="LOCATION"
resource.labels.cluster_name="CLUSTER_NAME"
resource.labels.namespace_name="POD_NAMESPACE"
resource.labels.pod_name="POD_NAME"
"""
PAGE_AUDIT = """\
logName="projects/RESOURCE.PROJECT_DISPLAY_NAME/logs/cloudaudit.googleapis.com%2Factivity"
resource.type="k8s_cluster"
resource.labels.project_id="RESOURCE.PROJECT_DISPLAY_NAME"
resource.labels.location="LOCATION"
resource.labels.cluster_name="CLUSTER_NAME"
POD_NAME
"""
PAGE_NODE = """\
resource.type="gce_instance"
resource.labels.instance_id="INSTANCE_ID"
"""
FILLED = {
    "RESOURCE.PROJECT_DISPLAY_NAME": PROJECT,
    '"LOCATION"': '"europe-west1-b"',
    "CLUSTER_NAME": "shop-prod",
    "POD_NAMESPACE": NAMESPACE,
    "POD_NAME": POD,
    "INSTANCE_ID": "8108478110475488564",
}


def clauses_of_the_page(text: str) -> list[str]:
    for placeholder, value in FILLED.items():
        text = text.replace(placeholder, value)
    return text.splitlines()


def test_the_pod_query_is_the_pages_own_with_a_window() -> None:
    ours = filters.pod_log(PROJECT, CLUSTER, NAMESPACE, POD, WINDOW).split(" AND ")
    assert ours == [*clauses_of_the_page(PAGE_POD), *TIMES]


def test_the_audit_query_is_the_pages_own_with_a_window_and_quotes_around_the_pods_name() -> None:
    ours = filters.audit_log(PROJECT, CLUSTER, POD, WINDOW).split(" AND ")
    page = clauses_of_the_page(PAGE_AUDIT)
    assert ours == [*page[:-1], f'"{page[-1]}"', *TIMES]


def test_the_node_query_is_the_pages_own_with_a_window() -> None:
    ours = filters.node_log("8108478110475488564", WINDOW).split(" AND ")
    assert ours == [*clauses_of_the_page(PAGE_NODE), *TIMES]


def test_times_are_written_in_utc_whatever_zone_they_came_in() -> None:
    shifted = START.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert filters.timestamp(shifted) == filters.timestamp(START) == "2026-11-20T08:41:07.482113Z"


def test_a_time_without_a_zone_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="zone"):
        filters.timestamp(datetime(2026, 11, 20))  # noqa: DTZ001 - that is the mistake


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        'web" OR resource.type="gce_instance',
        "web\n--",
        "$(x)",
        "`x`",
        "../web",
        "web\x1b[0m",
        "Web",
        "a" * 254,
        "web\u202e",
        "web-",
    ],
)
def test_a_name_that_is_none_is_never_asked_for(hostile: str) -> None:
    asked: list[Callable[[], str]] = [
        lambda: filters.pod_log(PROJECT, CLUSTER, NAMESPACE, hostile, WINDOW),
        lambda: filters.pod_log(PROJECT, CLUSTER, hostile, POD, WINDOW),
        lambda: filters.pod_log(hostile, CLUSTER, NAMESPACE, POD, WINDOW),
        lambda: filters.audit_log(PROJECT, CLUSTER, hostile, WINDOW),
        lambda: filters.audit_log(PROJECT, ClusterRef(project="", location=hostile, name="c"), POD, WINDOW),
        lambda: filters.audit_log(PROJECT, ClusterRef(project="", location="europe-west1", name=hostile), POD, WINDOW),
        lambda: filters.node_log(hostile, WINDOW),
    ]
    for ask in asked:
        with pytest.raises(Unanswered) as refused:
            ask()
        assert refused.value.why == "invalid"
        # What was refused is not repeated to whoever reads the reason.
        assert not hostile or hostile not in refused.value.detail


def test_the_projects_number_is_refused_since_the_label_holds_the_id() -> None:
    with pytest.raises(Unanswered):
        filters.pod_log("421458901689", CLUSTER, NAMESPACE, POD, WINDOW)


@given(st.text(), st.text())
def test_no_text_leaves_its_literal(namespace: str, pod: str) -> None:
    try:
        ours = filters.pod_log(PROJECT, CLUSTER, namespace, pod, WINDOW)
    except Unanswered:
        return
    literals = re.findall(r'"([^"\\]*)"', ours)
    assert len(ours.split(" AND ")) == len(literals) == 8
    assert literals[4:6] == [namespace, pod]


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True))
def test_every_valid_name_is_asked_for(name: str) -> None:
    assert f'pod_name="{name}"' in filters.pod_log(PROJECT, CLUSTER, name, name, WINDOW)
