"""The way to people: the message arrives, the address stays secret, and nothing goes anywhere else."""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from lab.google import LabGoogle
from lab.scenario import ScenarioFault
from lab.server import Running
from responder.errors import Unanswered
from responder.live import webhooks
from responder.live.google import LiveGoogle
from responder.live.webhooks import Webhooks
from responder.notices.config import ChannelConfig
from tests.live.shop import open_shop
from tests.notices.cases import channel

SECRET = "projects/acme-shop-prod/secrets/slack"
KEY = "T0CANARY/B0CANARY/canarycanary"
BODY = {"text": "Malicious", "blocks": []}


@pytest.fixture
def shop() -> Iterator[tuple[Running, LabGoogle]]:
    with open_shop(secrets={SECRET: "/_lab/hooks/security"}) as opened:
        yield opened


def by_environment(google: LabGoogle, path: str = f"/_lab/hooks/{KEY.rpartition('/')[2]}", kind: str = "slack") -> Any:
    address = f"{google.webhook_origin(kind)}{path}"
    return Webhooks(google, {"HOOK": address})(channel(kind=kind, webhook="env:HOOK"))


def by_secret(google: LabGoogle, **changes: Any) -> Any:
    return Webhooks(google, {})(channel(webhook=f"secret:{SECRET}/versions/latest", **changes))


def test_a_message_arrives_with_its_json_and_nothing_of_ours(shop: tuple[Running, LabGoogle]) -> None:
    running, google = shop
    by_environment(google).send(BODY, thread="a" * 32)
    (post,) = running.lab.calls("channel.*")
    assert (post["body"], post["query"]) == (BODY, "")
    assert "content-type" in post["headers"]
    assert not {"authorization", "cookie", "proxy-authorization"} & set(post["headers"])


def test_a_message_to_chat_is_in_the_thread_of_its_record(shop: tuple[Running, LabGoogle]) -> None:
    running, google = shop
    sender = by_environment(google, "/_lab/hooks/space?key=k&token=t", kind="chat")
    sender.send({"fallbackText": "x"}, thread="a" * 32)
    (post,) = running.lab.calls("channel.Post")
    assert post["body"] == {"fallbackText": "x", "thread": {"threadKey": "a" * 32}}
    assert post["query"] == "key=k&token=t&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"


def test_an_address_comes_from_secret_manager_and_is_read_once(shop: tuple[Running, LabGoogle]) -> None:
    running, google = shop
    sender = by_secret(google)
    sender.send(BODY, thread="a")
    sender.send(BODY, thread="b")
    assert [post["name"] for post in running.lab.calls("channel.Post")] == ["security", "security"]
    assert [call["path"] for call in running.lab.calls("secretmanager.*")] == [f"/v1/{SECRET}/versions/latest:access"]


def test_an_address_that_is_refused_is_read_anew() -> None:
    fault = ScenarioFault(call="channel.Post", kind="not_found", times=1)
    with open_shop(secrets={SECRET: "/_lab/hooks/security"}, faults=(fault,)) as (running, google):
        sender = by_secret(google)
        with pytest.raises(Unanswered):
            sender.send(BODY, thread="a")
        sender.send(BODY, thread="a")
        assert len(running.lab.calls("secretmanager.*")) == 2
        assert len(running.lab.calls("channel.Post")) == 1


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("deny", "denied"),
        ("quota", "quota"),
        ("not_found", "not_found"),
        ("unavailable", "unavailable"),
        ("reset", "unavailable"),
        ("drop_reply", "unavailable"),
    ],
)
def test_a_channel_that_fails_has_a_reason_and_is_asked_once(kind: Any, why: str) -> None:
    with open_shop(faults=(ScenarioFault(call="channel.Post", kind=kind),)) as (running, google):
        with pytest.raises(Unanswered) as failed:
            by_environment(google).send(BODY, thread="a")
        assert len(running.lab.calls("channel.*")) == 1
    assert failed.value.why == why
    assert "channel security" in failed.value.detail
    assert "canary" not in f"{failed.value} {failed.value.detail} {failed.value.mend}"


@pytest.mark.parametrize(("kind", "why"), [("deny", "denied"), ("unavailable", "unavailable"), ("lie", "broken")])
def test_a_secret_that_cannot_be_read_has_a_reason_and_nothing_is_sent(kind: Any, why: str) -> None:
    faults = (ScenarioFault(call="secretmanager.Access", kind=kind),)
    with open_shop(secrets={SECRET: "/_lab/hooks/security"}, faults=faults) as (running, google):
        with pytest.raises(Unanswered) as failed:
            by_secret(google).send(BODY, thread="a")
        assert running.lab.calls("channel.*") == []
    assert failed.value.why == why
    assert ("deploy/iam/notifier.yaml" in failed.value.mend) == (why == "denied")


def test_a_secret_that_is_not_there_is_not_found() -> None:
    with open_shop() as (_, google), pytest.raises(Unanswered) as failed:
        by_secret(google).send(BODY, thread="a")
    assert failed.value.why == "not_found"


def live(address: str, kind: str = "slack") -> Any:
    """A channel of the real hosts, which no test may reach: a refusal comes before any connection."""
    return Webhooks(LiveGoogle(), {"HOOK": address})(channel(kind=kind, webhook="env:HOOK"))


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (f"http://hooks.slack.com/services/{KEY}", "slack"),
        (f"https://hooks.slack.com.evil.test/services/{KEY}", "slack"),
        (f"https://evil.test/services/{KEY}", "slack"),
        (f"https://x@hooks.slack.com/services/{KEY}", "slack"),
        (f"https://hooks.slack.com@evil.test/services/{KEY}", "slack"),
        (f"https://hooks.slack.com:444/services/{KEY}", "slack"),
        (f"https://hooks.slack.com/services/{KEY}#x", "slack"),
        (f"https://hooks.slack.com/services/{KEY} x", "slack"),
        (f"https://hooks.slack.com/services/{KEY}\r\nHost: evil.test", "slack"),
        (f"https://chat.googleapis.com/v1/spaces/{KEY}", "slack"),
        (f"https://hooks.slack.com/services/{KEY}", "chat"),
        (f"https://[::1/{KEY}", "slack"),
        (f"http://127.0.0.1:1/services/{KEY}", "slack"),
        (f"https://metadata.google.internal/{KEY}", "chat"),
        ("https://hooks.slack.com/", "slack"),
    ],
)
def test_an_address_of_another_host_or_form_is_refused_before_anything_is_sent(
    address: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(Unanswered) as refused:
        live(address, kind).send(BODY, thread="a")
    assert refused.value.why == "invalid"
    assert "CANARY" not in str(refused.value)
    assert "evil.test" not in str(refused.value)


def refuse(*_: object, **__: object) -> Any:
    message = "no test may look up a host"
    raise AssertionError(message)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (f"https://hooks.slack.com/services/{KEY}", "slack"),
        ("https://chat.googleapis.com/v1/spaces/AAAA/messages?key=CANARY&token=b%3D", "chat"),
    ],
)
def test_an_address_of_its_kind_is_asked_and_what_fails_does_not_tell_it(
    address: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def unknown(host: str, port: int, *_: object, **__: object) -> Any:
        asked.append((host, port))
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unanswered) as failed:
        live(address, kind).send(BODY, thread="a")
    assert asked == [(address.split("/")[2], 443)]
    assert failed.value.why == "unavailable"
    assert "CANARY" not in str(failed.value)
    assert failed.value.__cause__ is None


@pytest.mark.parametrize("environ", [{}, {"HOOK": ""}, {"HOOK": "  "}])
def test_an_address_that_is_not_set_is_named_by_its_place(environ: dict[str, str]) -> None:
    with pytest.raises(Unanswered, match="env:HOOK is not set or empty") as failed:
        Webhooks(LiveGoogle(), environ)(channel(webhook="env:HOOK")).send(BODY, thread="a")
    assert failed.value.why == "not_found"


def test_no_log_line_has_the_address_even_where_everything_is_logged(
    shop: tuple[Running, LabGoogle], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    by_environment(shop[1]).send(BODY, thread="a")
    by_secret(shop[1]).send(BODY, thread="a")
    assert any("secrets/slack" in line.getMessage() for line in caplog.records)
    assert [line.getMessage() for line in caplog.records if "_lab/hooks" in line.getMessage()] == []


# --- the wire ---------------------------------------------------------------------------------------------------------


class Elsewhere:
    """The lab's Google, whose channels are at a server of the test's."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def webhook_origin(self, kind: str) -> str:
        assert kind == "slack"
        return self.origin

    def http(self) -> requests.Session:
        raise AssertionError("the responder's own session must not be used for a channel")


@contextmanager
def answering(status: int, headers: dict[str, str], size: int = 0) -> Iterator[tuple[str, list[str]]]:
    """A server that answers every POST so; and the paths that it was asked for."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(size))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def dripping() -> Iterator[str]:
    """A server whose answer comes a byte at a time, and has no end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Wait: " + b"x" * 200:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.02)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def elsewhere(origin: str) -> Any:
    config: ChannelConfig = channel(webhook="env:HOOK")
    return Webhooks(Elsewhere(origin), {"HOOK": f"{origin}/services/{KEY}"})(config)  # type: ignore[arg-type]  # the three methods that are used


def test_a_redirect_is_not_followed() -> None:
    with answering(200, {}) as (other, there), answering(307, {"Location": f"{other}/services/x"}) as (origin, here):
        with pytest.raises(Unanswered) as failed:
            elsewhere(origin).send(BODY, thread="a")
        assert (len(here), there) == (1, [])
    assert failed.value.why == "broken"


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, {}) as (proxy, through), answering(200, {}) as (origin, direct):
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        elsewhere(origin).send(BODY, thread="a")
        assert (through, direct) == ([], [f"/services/{KEY}"])


def test_credentials_of_a_netrc_are_not_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with open_shop() as (running, google):
        by_environment(google).send(BODY, thread="a")
        (post,) = running.lab.calls("channel.Post")
    assert "authorization" not in post["headers"]


def test_an_answer_without_end_is_not_waited_for() -> None:
    with answering(200, {}, size=10**12) as (origin, seen):
        started = time.monotonic()
        elsewhere(origin).send(BODY, thread="a")
        assert time.monotonic() - started < 5
        assert len(seen) == 1


def test_a_channel_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_TIMEOUT", (0.5, 0.5))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(Unanswered) as failed:
            elsewhere(f"http://127.0.0.1:{silent.getsockname()[1]}").send(BODY, thread="a")
    assert failed.value.why == "timeout"
    assert time.monotonic() - started < 3


def test_a_channel_that_answers_a_byte_at_a_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_ANSWER_SECONDS", 0.5)
    with dripping() as origin:
        started = time.monotonic()
        with pytest.raises(Unanswered) as failed:
            elsewhere(origin).send(BODY, thread="a")
        assert time.monotonic() - started < 3
    assert failed.value.why == "timeout"


def test_any_text_of_a_card_survives_the_wire(shop: tuple[Running, LabGoogle]) -> None:
    body = {"text": "\U0001f534 \u202e\ud800 \x00", "n": json.loads('"\\u0001"')}
    by_environment(shop[1]).send(body, thread="a")
    (post,) = shop[0].lab.calls("channel.Post")
    assert post["body"] == body
