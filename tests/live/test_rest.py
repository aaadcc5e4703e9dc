"""The adapters over REST against the lab, and against a server that answers what it likes."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from lab.google import LabGoogle
from responder.errors import Unanswered
from responder.live.rest import Compute, ResourceManager
from tests.live.shop import EVENT_TIME, NODE, open_shop

PROJECT = "acme-shop-prod"
Answer = tuple[int, dict[str, str], bytes]


class OneAnswer:
    """A Google whose every REST call is answered the same; `seen` has method, path and body of each."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[str, str, bytes]] = []
        self.port = 0

    @contextlib.contextmanager
    def serve(self) -> Iterator[Any]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.seen.append((self.command, self.path, sent))
                status, headers, body = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: Any) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.port = server.server_port
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def http(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        return session

    def base_url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.port}/{service}"


def as_json(document: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


@pytest.mark.parametrize("asked", [PROJECT, "421458901689"])
def test_a_project_is_known_by_id_and_by_number(google: LabGoogle, asked: str) -> None:
    project = ResourceManager(google).project(asked)
    assert (project.project_id, project.number, project.labels) == (PROJECT, "421458901689", {"team": "shop"})


def test_the_holders_of_owner_are_read_as_iam_writes_them(google: LabGoogle) -> None:
    assert ResourceManager(google).owners(PROJECT) == ("user:lead@acme.example", "group:shop@acme.example")


def test_the_security_contacts_are_read(google: LabGoogle) -> None:
    assert ResourceManager(google).security_contacts(PROJECT) == ("security@acme.example",)


def test_a_node_is_known_by_its_vm(google: LabGoogle) -> None:
    node = Compute(google).node(PROJECT, "europe-west1-b", NODE, event_time=EVENT_TIME)
    assert (node.name, node.known_by, node.instance_id) == (NODE, "compute", "8108478110475488564")
    assert (node.node_pool, node.machine_type, node.recreated) == ("default-pool", "e2-standard-4", False)


def test_a_vm_that_is_younger_than_the_event_is_another(google: LabGoogle) -> None:
    long_ago = EVENT_TIME - timedelta(days=400)
    assert Compute(google).node(PROJECT, "europe-west1-b", NODE, event_time=long_ago).recreated


def test_what_is_not_there_is_not_found(google: LabGoogle) -> None:
    with pytest.raises(Unanswered) as caught:
        Compute(google).node(PROJECT, "europe-west1-b", "gone", event_time=EVENT_TIME)
    assert caught.value.why == "not_found"


@pytest.mark.parametrize(
    ("fault", "why"), [("deny", "denied"), ("quota", "quota"), ("unavailable", "unavailable"), ("lie", "broken")]
)
def test_a_failing_service_is_a_reason_and_a_denied_one_names_the_grant(fault: str, why: str) -> None:
    faults = [
        {"call": f"{service}.*", "kind": fault} for service in ("resourcemanager", "essentialcontacts", "compute")
    ]
    with open_shop(faults=faults) as (_, google):
        projects, instances = ResourceManager(google), Compute(google)
        for ask, permission in (
            (lambda: projects.project(PROJECT), "resourcemanager.projects.get "),
            (lambda: projects.owners(PROJECT), "resourcemanager.projects.getIamPolicy "),
            (lambda: projects.security_contacts(PROJECT), "essentialcontacts.contacts.list "),
            (
                lambda: instances.node(PROJECT, "europe-west1-b", NODE, event_time=EVENT_TIME),
                "compute.instances.get ",
            ),
        ):
            with pytest.raises(Unanswered) as caught:
                ask()
            assert caught.value.why == why
            assert (permission in caught.value.mend) == (why == "denied")


def test_the_policy_is_asked_for_in_version_3_and_only_owners_are_taken() -> None:
    bindings = [
        {"role": "roles/editor", "members": ["user:no@acme.example"]},
        {"role": "roles/owner", "members": ["user:a@acme.example"], "condition": {"title": "for a week"}},
        {"role": "roles/owner", "members": ["user:a@acme.example", "group:b@acme.example"]},
    ]
    with OneAnswer(as_json({"version": 3, "bindings": bindings})).serve() as google:
        assert ResourceManager(google).owners(PROJECT) == ("user:a@acme.example", "group:b@acme.example")
    ((method, path, body),) = google.seen
    assert (method, path) == ("POST", f"/cloudresourcemanager/v3/projects/{PROJECT}:getIamPolicy")
    assert json.loads(body) == {"options": {"requestedPolicyVersion": 3}}


def test_contacts_are_read_page_by_page_without_those_that_are_invalid() -> None:
    first = {
        "contacts": [{"email": "a@acme.example"}, {"email": "no@acme.example", "validationState": "INVALID"}],
        "nextPageToken": "t/2",
    }
    with OneAnswer(as_json(first), as_json({"contacts": [{"email": "b@acme.example"}]})).serve() as google:
        assert ResourceManager(google).security_contacts(PROJECT) == ("a@acme.example", "b@acme.example")
    paths = [path for _, path, _ in google.seen]
    asked = "notificationCategories=SECURITY&notificationCategories=ALL&pageSize=100"
    assert paths[0] == f"/essentialcontacts/v1/projects/{PROJECT}/contacts:compute?{asked}"
    assert paths[1] == f"{paths[0]}&pageToken=t%2F2"


def test_nobody_to_ask_is_an_answer() -> None:
    with OneAnswer(as_json({})).serve() as google:
        assert ResourceManager(google).owners(PROJECT) == ()
        assert ResourceManager(google).security_contacts(PROJECT) == ()


def test_a_redirect_is_not_followed() -> None:
    with OneAnswer((302, {"Location": "/elsewhere"}, b"")).serve() as google, pytest.raises(Unanswered) as caught:
        ResourceManager(google).project(PROJECT)
    assert caught.value.why == "broken"
    assert len(google.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"<html>Please log in</html>"),
        as_json([]),
        as_json({"projectId": 7}),
        as_json({"projectId": "other-project", "name": "projects/1"}),
        as_json({"projectId": PROJECT, "name": "projects/1", "labels": "none"}),
        as_json({"projectId": PROJECT, "name": "projects/1", "labels": {"a": 1}}),
    ],
)
def test_an_answer_of_another_form_is_broken_and_not_empty(answer: Answer) -> None:
    with OneAnswer(answer).serve() as google, pytest.raises(Unanswered) as caught:
        ResourceManager(google).project(PROJECT)
    assert caught.value.why == "broken"


@pytest.mark.parametrize("bad", ["", "../x", "a/b", "acme-shop-prod?x=1", "acme shop"])
def test_a_name_that_no_project_can_have_is_not_asked_for(bad: str) -> None:
    with OneAnswer(as_json({})).serve() as google:
        projects, instances = ResourceManager(google), Compute(google)
        for ask in (
            lambda: projects.project(bad),
            lambda: projects.owners(bad),
            lambda: projects.security_contacts(bad),
            lambda: instances.node(bad, "europe-west1-b", NODE, event_time=EVENT_TIME),
            lambda: instances.node(PROJECT, bad, NODE, event_time=EVENT_TIME),
            lambda: instances.node(PROJECT, "europe-west1-b", bad, event_time=EVENT_TIME),
        ):
            with pytest.raises(Unanswered) as caught:
                ask()
            assert caught.value.why == "invalid"
    assert google.seen == []
