"""Step 4's adapter: pages, caps, and what is read of an entry."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.audit import audit_log_pb2
from google.cloud.logging_v2.types import ListLogEntriesResponse
from google.protobuf import json_format, struct_pb2

from lab.google import LabGoogle
from responder import filters
from responder.errors import Unanswered
from responder.live import _session
from responder.live.logs import CloudLogging
from responder.ports import LogCaps
from tests.live.shop import CLUSTER, EVENT_TIME, POD, WINDOW, open_shop

_api: Any = exceptions  # its constructors have no types
NO_QUOTA: Exception = _api.ResourceExhausted("x")
PROJECT = "acme-shop-prod"
RESOURCE = f"core/v1/namespaces/shop/pods/{POD}"
TIME = datetime(2026, 11, 20, 9, 41, 7, tzinfo=UTC)
POD_LOG = filters.pod_log(PROJECT, CLUSTER, "shop", POD, WINDOW)


class Pages:
    """A client whose answers are given: a page, or an error."""

    def __init__(self, *pages: ListLogEntriesResponse | Exception) -> None:
        self.pages = list(pages)
        self.requests: list[Any] = []

    def list_log_entries(self, *, request: Any, **_: Any) -> Any:
        self.requests.append(request)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page

        class Pager:
            pages = iter((page,))

        return Pager()


def page(*entries: dict[str, Any], token: str = "") -> ListLogEntriesResponse:
    made = [{"log_name": f"projects/{PROJECT}/logs/stdout", "timestamp": TIME, **entry} for entry in entries]
    return ListLogEntriesResponse(entries=made, next_page_token=token)


def an_audit_log(request: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    values = {"method_name": "io.k8s.core.v1.pods.exec.create", "resource_name": f"{RESOURCE}/exec"} | fields
    log = audit_log_pb2.AuditLog(**values)
    if request:
        log.request.CopyFrom(json_format.ParseDict(request, struct_pb2.Struct()))
    value = log.SerializeToString()
    return {"proto_payload": {"type_url": "type.googleapis.com/google.cloud.audit.AuditLog", "value": value}}


def test_the_pods_lines_are_read_oldest_first(google: LabGoogle) -> None:
    pages = CloudLogging(google.logging()).entries(PROJECT, POD_LOG, LogCaps())
    assert [(entry.text, entry.container) for entry in pages.entries] == [
        ("GET /", "checkout"),
        ("POST /run", "checkout"),
    ]
    assert (pages.pages, pages.truncated, pages.audit) == (1, False, ())


def test_who_ran_exec_is_read_from_the_admin_activity_log(google: LabGoogle) -> None:
    asked = filters.audit_log(PROJECT, CLUSTER, POD, WINDOW)
    (entry,) = CloudLogging(google.logging()).audit(PROJECT, asked, LogCaps()).audit
    assert (entry.method, entry.resource_name) == ("io.k8s.core.v1.pods.exec.create", f"{RESOURCE}/exec")
    assert (entry.principal, entry.caller_ip) == ("dev@acme.example", "203.0.113.7")
    assert (entry.session, entry.status) == ("exec", "OK")
    assert " ".join(entry.command) == "sh -c id"


def test_an_empty_page_with_a_token_is_not_the_end() -> None:
    with open_shop(faults=[{"call": "logging.ListLogEntries", "kind": "empty_page", "times": 2}]) as (_, google):
        pages = CloudLogging(google.logging()).entries(PROJECT, POD_LOG, LogCaps())
    assert [entry.text for entry in pages.entries] == ["GET /", "POST /run"]
    assert (pages.pages, pages.truncated) == (3, False)


def test_empty_pages_without_end_are_given_up_and_said_to_be_cut() -> None:
    client = Pages(*(page(token="more") for _ in range(5)))
    pages = CloudLogging(client).entries(PROJECT, POD_LOG, LogCaps())
    assert (pages.entries, pages.pages, pages.truncated) == ((), 5, True)


def test_no_more_entries_are_asked_for_than_the_cap_allows() -> None:
    client = Pages(
        page({"text_payload": "a"}, token="more"), page({"text_payload": "b"}, {"text_payload": "c"}, token="x")
    )
    pages = CloudLogging(client).entries(PROJECT, POD_LOG, LogCaps(entries=3))
    assert [entry.text for entry in pages.entries] == ["a", "b", "c"]
    assert pages.truncated
    assert [(r.page_size, r.page_token) for r in client.requests] == [(3, ""), (2, "more")]
    assert client.requests[0].resource_names == [f"projects/{PROJECT}"]
    assert client.requests[0].order_by == "timestamp asc"


def test_of_a_chatty_pod_the_lines_on_both_sides_of_the_event_are_read() -> None:
    logs = [{"time": f"{n:+}s", "text": f"GET /{n}", "pod": f"shop/{POD}/checkout"} for n in range(-3600, 3600, 3)]
    with open_shop(logs=logs, now="+3600s") as (running, google):
        pages = CloudLogging(google.logging()).entries(PROJECT, POD_LOG, LogCaps(around=EVENT_TIME))
        calls = len(running.lab.calls("logging.ListLogEntries"))
    assert [entry.text for entry in pages.entries] == [f"GET /{n}" for n in range(-1500, 1500, 3)]
    assert (pages.pages, pages.truncated, calls) == (3, True, 3)


def test_a_quiet_pod_is_one_call() -> None:
    client = Pages(page({"text_payload": "a"}))
    assert len(CloudLogging(client).entries(PROJECT, POD_LOG, LogCaps(around=EVENT_TIME)).entries) == 1
    assert len(client.requests) == 1


def test_of_a_chatty_pod_what_was_read_first_stays_where_there_is_no_quota_for_more() -> None:
    client = Pages(page({"text_payload": "a"}, token="more"), NO_QUOTA)
    pages = CloudLogging(client).entries(PROJECT, POD_LOG, LogCaps(entries=1, around=EVENT_TIME))
    assert ([entry.text for entry in pages.entries], pages.pages, pages.truncated) == (["a"], 1, True)


def test_a_later_page_without_quota_leaves_what_was_read() -> None:
    client = Pages(page({"text_payload": "a"}, token="more"), NO_QUOTA)
    pages = CloudLogging(client).entries(PROJECT, POD_LOG, LogCaps())
    assert ([entry.text for entry in pages.entries], pages.pages, pages.truncated) == (["a"], 1, True)


def test_a_later_page_without_quota_is_no_answer_where_nothing_was_read() -> None:
    with pytest.raises(Unanswered) as caught:
        CloudLogging(Pages(page(token="more"), NO_QUOTA)).entries(PROJECT, POD_LOG, LogCaps())
    assert caught.value.why == "quota"


@pytest.mark.parametrize(
    ("fault", "why", "calls"), [("deny", "denied", 1), ("quota", "quota", 1), ("lie", "broken", 1)]
)
def test_a_failing_log_is_a_reason_and_quota_is_not_asked_again(fault: str, why: str, calls: int) -> None:
    with open_shop(faults=[{"call": "logging.ListLogEntries", "kind": fault}]) as (running, google):
        with pytest.raises(Unanswered) as caught:
            CloudLogging(google.logging()).entries(PROJECT, POD_LOG, LogCaps())
        assert len(running.lab.calls("logging.ListLogEntries")) == calls
    assert caught.value.why == why


def test_a_log_that_hangs_costs_its_cap_and_no_more() -> None:
    with open_shop(faults=[{"call": "logging.ListLogEntries", "kind": "hang"}]) as (_, google):
        client = google.logging()
        started = time.monotonic()
        with pytest.raises(Unanswered) as caught:
            CloudLogging(client).entries(PROJECT, POD_LOG, LogCaps(seconds=0.5))
    assert caught.value.why == "timeout"
    assert time.monotonic() - started < 3


def test_a_project_that_is_no_id_is_not_asked() -> None:
    with pytest.raises(Unanswered) as caught:
        CloudLogging(Pages()).entries("421458901689", POD_LOG, LogCaps())
    assert caught.value.why == "invalid"


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"text_payload": "a line"}, "a line"),
        ({"json_payload": {"message": "structured", "level": "x"}}, "structured"),
        ({"json_payload": {"msg": "of a logger"}}, "of a logger"),
        ({"json_payload": {"log": "of docker"}}, "of docker"),
        ({"json_payload": {"a": 1.0, "b": ["é"]}}, '{"a":1.0,"b":["é"]}'),
        ({"json_payload": {"message": {"nested": True}}}, '{"message":{"nested":true}}'),
        (an_audit_log(), f"io.k8s.core.v1.pods.exec.create on {RESOURCE}/exec by "),
        ({"proto_payload": {"type_url": "type.googleapis.com/x.Y", "value": b""}}, "type.googleapis.com/x.Y"),
        ({}, ""),
    ],
)
def test_the_text_of_an_entry_is_its_message(entry: dict[str, Any], text: str) -> None:
    (line,) = CloudLogging(Pages(page(entry))).entries(PROJECT, POD_LOG, LogCaps()).entries
    assert line.text == text
    assert line.time == TIME


@pytest.mark.parametrize(
    ("method", "resource", "kind"),
    [
        ("io.k8s.core.v1.pods.exec.create", f"{RESOURCE}/exec", "exec"),
        ("io.k8s.core.v1.pods.exec.get", RESOURCE, "exec"),
        ("io.k8s.core.v1.pods.attach.create", RESOURCE, "attach"),
        ("io.k8s.core.v1.pods.portforward.create", RESOURCE, "portforward"),
        ("io.k8s.core.v1.pods.ephemeralcontainers.patch", RESOURCE, "debug"),
        ("io.k8s.core.v1.pods.patch", f"{RESOURCE}/ephemeralcontainers", "debug"),
        ("io.k8s.core.v1.pods.create", f"{RESOURCE}/exec?command=id", "exec"),
        ("io.k8s.core.v1.pods.delete", RESOURCE, None),
        ("io.k8s.core.v1.pods.create", "core/v1/namespaces/shop/pods/exec-1", None),
        ("io.k8s.core.v1.namespaces.delete", "core/v1/namespaces/shop", None),
    ],
)
def test_a_session_is_told_by_method_or_subresource(method: str, resource: str, kind: str | None) -> None:
    assert _session.kind_of(method, resource) == kind


@pytest.mark.parametrize(
    "entry",
    [
        an_audit_log({"command": ["sh", "-c", "id"]}),
        an_audit_log(
            {"requestURI": f"/api/v1/namespaces/shop/pods/{POD}/exec?command=sh&command=-c&command=id&stdin=true"}
        ),
        an_audit_log(resource_name=f"{RESOURCE}/exec?command=sh&command=-c&command=id"),
        an_audit_log(request_metadata={"request_attributes": {"query": "command=sh&command=-c&command=id"}}),
        an_audit_log() | {"labels": {"audit.k8s.io/requestURI": "/x?command=sh&command=-c&command=id"}},
        an_audit_log(
            {"spec": {"ephemeralContainers": [{"command": ["sh"], "args": ["-c", "id"]}]}},
            method_name="io.k8s.core.v1.pods.ephemeralcontainers.patch",
        ),
    ],
)
def test_the_command_is_found_wherever_an_entry_may_hold_it(entry: dict[str, Any]) -> None:
    (found,) = CloudLogging(Pages(page(entry))).audit(PROJECT, POD_LOG, LogCaps()).audit
    assert found.command == ("sh", "-c", "id")


def test_an_entry_that_is_no_audit_log_is_left_out_of_the_audit() -> None:
    broken = {"proto_payload": {"type_url": "type.googleapis.com/google.cloud.audit.AuditLog", "value": b"\xff\xff"}}
    client = Pages(page({"text_payload": "a"}, broken, an_audit_log(status={"code": 7})))
    (found,) = CloudLogging(client).audit(PROJECT, POD_LOG, LogCaps()).audit
    assert found.status == "PERMISSION_DENIED"


def test_a_time_that_is_none_is_broken() -> None:
    reply = page({"text_payload": "a"})
    ListLogEntriesResponse.pb(reply).entries[0].timestamp.seconds = 1 << 60
    with pytest.raises(Unanswered) as caught:
        CloudLogging(Pages(reply)).entries(PROJECT, POD_LOG, LogCaps())
    assert caught.value.why == "broken"
