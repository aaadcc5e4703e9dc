"""Step 7's adapter against servers that drop, refuse, redirect and lie: what was sent, how often, and what it says."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab import status
from lab.tls import Authority
from responder.errors import Refused, Unanswered, Unconfirmed
from responder.live import remover
from responder.live.google import Address
from responder.live.remover import Deleter

TOKEN = "ya29.canary"
UID = "6f7a5b4e-c6a7-5774-a871-7bb2126b4615"
OTHER = "11111111-2222-3333-4444-555555555555"
GIVEN: dict[str, Any] = {"uid": UID, "grace_seconds": 5}
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web-1", "namespace": "shop", "uid": UID}}
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """A control plane that answers as told, and everything that arrived at it."""

    address: Address
    authority: Authority
    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    @property
    def deleter(self) -> Deleter:
        return Deleter(self.address, lambda: TOKEN, answer_seconds=1.0)


@contextlib.contextmanager
def serving(folder: Path, answer: Answer) -> Iterator[Server]:
    authority = Authority(folder)
    server: Server

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.tokens.append(self.headers.get("Authorization"))
            server.seen.append((self.command, self.path, json.loads(body) if body else None))
            with contextlib.suppress(OSError):
                answer(self)

        do_GET = do_DELETE = do_POST = _take  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.socket = authority.server([]).wrap_socket(listening.socket, server_side=True)
    listening.handle_error = lambda *_: None  # type: ignore[method-assign] # a refused handshake is what is tested
    server = Server(Address(url=f"https://127.0.0.1:{listening.server_port}", ca_pem=authority.pem), authority)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def saying(body: object, code: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def refusing(error: status.ApiError) -> Answer:
    return saying(error.body, error.code)


def dropping(handler: BaseHTTPRequestHandler) -> None:
    """The request was read, so its effect has happened; the connection ends without a byte of an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def budget(message: str) -> status.ApiError:
    causes = [{"reason": "DisruptionBudget", "message": message}]
    text = "Cannot evict pod as it would violate the pod's disruption budget."
    return status.ApiError(429, "TooManyRequests", text, details={"causes": causes})


def refused(do: Callable[[], None]) -> Refused:
    with pytest.raises(Refused) as caught:
        do()
    assert TOKEN not in str(caught.value)
    return caught.value


def answered(folder: Path, answer: Answer, *, evict: bool = False) -> Refused:
    """The refusal that this answer makes; it was asked for exactly once."""
    with serving(folder, answer) as server:
        do = server.deleter.evict if evict else server.deleter.delete
        error = refused(lambda: do("shop", "web-1", **GIVEN))
        assert len(server.seen) == 1
    return error


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_a_delete_names_the_uid_and_the_grace_and_is_one_request(tmp_path: Path) -> None:
    with serving(tmp_path, saying(POD)) as server:
        server.deleter.delete("shop", "web-1", **GIVEN)
        ((method, path, body),) = server.seen
    assert (method, path) == ("DELETE", "/api/v1/namespaces/shop/pods/web-1")
    assert body == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 5,
        "preconditions": {"uid": UID},
    }


def test_a_rehearsal_is_the_same_request_as_a_dry_run(tmp_path: Path) -> None:
    with serving(tmp_path, saying(POD)) as server:
        server.deleter.rehearse("shop", "web-1", **GIVEN)
        server.deleter.delete("shop", "web-1", **GIVEN)
        rehearsed, done = server.seen
    assert rehearsed == (done[0], done[1], done[2] | {"dryRun": ["All"]})


def test_an_eviction_carries_the_same_precondition(tmp_path: Path) -> None:
    with serving(tmp_path, saying(status.status(code=201), 201)) as server:
        server.deleter.evict("shop", "web-1", **GIVEN)
        ((method, path, body),) = server.seen
    assert (method, path) == ("POST", "/api/v1/namespaces/shop/pods/web-1/eviction")
    assert (body["apiVersion"], body["kind"], body["metadata"]["name"]) == ("policy/v1", "Eviction", "web-1")
    assert body["deleteOptions"]["preconditions"] == {"uid": UID}
    assert body["deleteOptions"]["gracePeriodSeconds"] == 5


@pytest.mark.parametrize(
    ("namespace", "name", "uid", "grace"),
    [
        ("", "web-1", UID, 5),
        ("shop", "", UID, 5),
        ("shop", "web-1", "", 5),
        ("shop", "web-1", "1", 5),
        ("shop", "web-1", UID.upper(), 5),
        ("shop", ".", UID, 5),
        ("shop", "..", UID, 5),
        ("shop", "web-1/eviction", UID, 5),
        ("shop", "web-1?x=y", UID, 5),
        ("shop", "web-1\n", UID, 5),
        ("shop/../kube-system", "web-1", UID, 5),
        ("shop", "web-1", UID, 0),
        ("shop", "web-1", UID, -1),
        ("shop", "web-1", UID, 31),
        ("shop", "web-1", UID, True),
    ],
)
def test_a_name_uid_or_grace_that_is_not_one_is_refused_before_anything_is_sent(
    tmp_path: Path, namespace: str, name: str, uid: str, grace: int
) -> None:
    with serving(tmp_path, saying(POD)) as server:
        for do in (server.deleter.rehearse, server.deleter.delete, server.deleter.evict):
            with pytest.raises(ValueError, match=r"that a pod to be deleted can have|a grace is 1 to 30"):
                do(namespace, name, uid=uid, grace_seconds=grace)
        assert server.seen == []


def test_the_grace_may_be_its_least_and_its_most(tmp_path: Path) -> None:
    with serving(tmp_path, saying(POD)) as server:
        for grace in (1, 30):
            server.deleter.delete("shop", "web-1", uid=UID, grace_seconds=grace)
        assert [body["gracePeriodSeconds"] for _, _, body in server.seen] == [1, 30]


def test_the_rules_have_no_collection_and_nothing_but_pods_in_them() -> None:
    assert [(rule.resource, rule.verbs) for rule in remover.RULES] == [
        ("pods", ("get", "delete")),
        ("pods/eviction", ("create",)),
    ]


# --- never twice ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["rehearse", "delete", "evict"])
def test_a_dropped_reply_is_unconfirmed_and_the_request_is_not_sent_again(tmp_path: Path, call: str) -> None:
    with serving(tmp_path, dropping) as server:
        with pytest.raises(Unconfirmed, match="the connection was lost before the answer"):
            getattr(server.deleter, call)("shop", "web-1", **GIVEN)
        time.sleep(0.3)  # urllib3 would have sent the next one by now
        assert len(server.seen) == 1


def test_a_reply_that_does_not_come_in_time_is_unconfirmed_and_not_asked_for_again(tmp_path: Path) -> None:
    over = threading.Event()

    def waiting(_: BaseHTTPRequestHandler) -> None:
        over.wait(5)

    with serving(tmp_path, waiting) as server:
        with pytest.raises(Unconfirmed, match="no answer in time"):
            server.deleter.delete("shop", "web-1", **GIVEN)
        over.set()
        assert len(server.seen) == 1


def test_a_reply_that_comes_a_byte_at_a_time_is_unconfirmed_and_not_asked_for_again(tmp_path: Path) -> None:
    def dripping(handler: BaseHTTPRequestHandler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Wait: " + b"x" * 200:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.03)

    with serving(tmp_path, dripping) as server:
        started = time.monotonic()
        with pytest.raises(Unconfirmed, match="no answer in time"):
            server.deleter.delete("shop", "web-1", **GIVEN)
        assert time.monotonic() - started < 3
        assert len(server.seen) == 1


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
def test_an_answer_that_says_nothing_of_the_effect_is_unconfirmed_and_not_asked_for_again(
    tmp_path: Path, code: int
) -> None:
    with serving(tmp_path, saying(status.status(code=500), code, {"Retry-After": "0"})) as server:
        with pytest.raises(Unconfirmed, match=f"HTTP {code}"):
            server.deleter.delete("shop", "web-1", **GIVEN)
        assert len(server.seen) == 1


def test_a_server_that_ends_kept_connections_costs_no_request(tmp_path: Path) -> None:
    with serving(tmp_path, saying(POD, headers={"Connection": "close"})) as server:
        deleter = server.deleter
        for _ in range(3):
            deleter.delete("shop", "web-1", **GIVEN)
        assert len(server.seen) == 3


# --- what an answer means ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [POD, status.status(code=200), b"", b"<html>", b"{"], ids=str)
def test_any_success_is_taken_for_one_whatever_its_body(tmp_path: Path, body: object) -> None:
    with serving(tmp_path, saying(body)) as server:
        server.deleter.delete("shop", "web-1", **GIVEN)
        assert len(server.seen) == 1


def test_a_success_whose_body_is_cut_off_is_one_still(tmp_path: Path) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        saying(b'{"kind": "Pod"', headers={"Content-Length": "5000"})(handler)
        dropping(handler)

    with serving(tmp_path, cut) as server:
        server.deleter.delete("shop", "web-1", **GIVEN)
        assert len(server.seen) == 1


def test_another_uid_under_the_name_is_told_as_such(tmp_path: Path) -> None:
    error = answered(tmp_path, refusing(status.conflict("web-1", precondition="UID", wanted=UID, have=OTHER)))
    assert (error.why, error.retry) == ("not_found", False)
    assert "has another UID" in error.detail


def test_a_conflict_about_something_else_is_not_told_as_another_pod(tmp_path: Path) -> None:
    error = answered(tmp_path, refusing(status.ApiError(409, "Conflict", "please try again")))
    assert (error.why, error.retry) == ("unavailable", True)


def test_a_pod_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    error = answered(tmp_path, refusing(status.not_found("pods", "web-1")))
    assert (error.why, error.retry) == ("not_found", False)


@pytest.mark.parametrize(
    "answer",
    [saying(b"<html>no such backend</html>", 404), refusing(status.no_such_path())],
    ids=["a proxy's page", "an unknown path"],
)
def test_a_404_that_is_not_about_the_pod_does_not_say_that_it_is_gone(tmp_path: Path, answer: Answer) -> None:
    assert answered(tmp_path, answer).why == "broken"


@pytest.mark.parametrize(("evict", "rule"), [(False, "delete pods"), (True, "create pods/eviction")])
@pytest.mark.parametrize("code", [401, 403])
def test_a_denial_names_the_rule_that_is_missing(tmp_path: Path, code: int, rule: str, *, evict: bool) -> None:
    error = answered(tmp_path, saying(status.status(code=code, message="secret words"), code), evict=evict)
    assert (error.why, error.retry) == ("denied", False)
    assert error.mend == f"{rule}: bind the remediator's role of deploy/rbac/ in shop"
    assert "secret words" not in str(error)


def test_a_disruption_budgets_no_names_the_budget_and_may_be_asked_again(tmp_path: Path) -> None:
    no = budget("The disruption budget web needs 2 healthy pods and has 2 currently")
    error = answered(tmp_path, refusing(no), evict=True)
    assert (error.why, error.retry) == ("quota", True)
    assert error.detail.endswith("the disruption budget web needs 2 healthy pods and has 2")


@pytest.mark.parametrize("message", ["", "<b>x</b>", "The disruption budget <b> needs 2 healthy pods and has 2 curr"])
def test_a_budgets_words_are_not_taken_over_where_they_are_not_the_servers(tmp_path: Path, message: str) -> None:
    error = answered(tmp_path, refusing(budget(message)), evict=True)
    assert error.detail == "create pods/eviction shop/web-1: a disruption budget does not allow it now"


def test_too_many_requests_may_be_asked_again(tmp_path: Path) -> None:
    error = answered(tmp_path, refusing(status.too_many()))
    assert (error.why, error.retry, "budget" in error.detail) == ("quota", True, False)


@pytest.mark.parametrize("body", [b"{", b"[" * 50_000, json.dumps(["x"]).encode(), b"x" * 1_000_000, b""], ids=len)
def test_a_refusal_whose_body_cannot_be_read_is_a_refusal_still(tmp_path: Path, body: bytes) -> None:
    assert answered(tmp_path, saying(body, 429)).why == "quota"


@pytest.mark.parametrize("causes", ["x", [1], [{"reason": 1}], {}])
def test_a_refusal_of_the_wrong_form_is_a_refusal_still(tmp_path: Path, causes: object) -> None:
    error = status.ApiError(429, "TooManyRequests", "no", details={"causes": causes})
    assert answered(tmp_path, refusing(error), evict=True).why == "quota"


# --- before anything has left -----------------------------------------------------------------------------------------


def test_a_refused_connection_did_nothing_and_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = refused(
        lambda: Deleter(Address(url=f"https://127.0.0.1:{port}", ca_pem=""), lambda: TOKEN).delete("a", "b", **GIVEN)
    )
    assert (error.why, error.retry) == ("unavailable", True)


def test_a_name_that_does_not_resolve_did_nothing() -> None:
    address = Address(url="https://control-plane.invalid", ca_pem="")
    error = refused(lambda: Deleter(address, lambda: TOKEN).delete("shop", "web-1", **GIVEN))
    assert (error.why, error.retry) == ("unavailable", True)


def test_a_control_plane_of_another_ca_is_refused_before_the_token_is_sent(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with serving(tmp_path, saying(POD)) as server:
        address = Address(url=server.address.url, ca_pem=Authority(tmp_path / "other").pem)
        error = refused(lambda: Deleter(address, lambda: TOKEN).delete("shop", "web-1", **GIVEN))
        assert (error.why, error.retry) == ("unavailable", True)
        assert "TLS" in error.detail
        assert server.seen == []


def test_a_connection_that_ends_in_the_handshake_did_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        address = Address(url=f"https://127.0.0.1:{listening.getsockname()[1]}", ca_pem="")
        error = refused(lambda: Deleter(address, lambda: TOKEN).delete("shop", "web-1", **GIVEN))
        thread.join(5)
    assert (error.why, error.retry) == ("unavailable", True)


@pytest.mark.parametrize(("why", "retry"), [("denied", False), ("timeout", True)])
def test_without_a_token_nothing_is_sent(tmp_path: Path, why: Any, *, retry: bool) -> None:
    def token() -> str:
        raise Unanswered(why, "no token")

    with serving(tmp_path, saying(POD)) as server:
        error = refused(lambda: Deleter(server.address, token).delete("shop", "web-1", **GIVEN))
        assert (error.why, error.retry, server.seen) == (why, retry, [])


# --- the token goes to nobody else ------------------------------------------------------------------------------------


def test_plain_http_is_refused_when_it_is_built() -> None:
    with pytest.raises(ValueError, match="https alone"):
        Deleter(Address(url="http://127.0.0.1:1", ca_pem=""), lambda: TOKEN)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_other_host_hears_nothing(tmp_path: Path, code: int) -> None:
    for name in ("evil", "own"):
        (tmp_path / name).mkdir()
    with serving(tmp_path / "evil", saying(POD)) as evil:
        elsewhere = saying(b"", code, {"Location": f"{evil.address.url}/api/v1/namespaces/shop/pods/web-1"})
        with serving(tmp_path / "own", elsewhere) as server:
            with pytest.raises(Unconfirmed, match=f"HTTP {code}"):
                server.deleter.delete("shop", "web-1", **GIVEN)
            assert (server.tokens, evil.seen) == ([f"Bearer {TOKEN}"], [])


def test_a_redirect_to_itself_deletes_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path, saying(b"", 307, {"Location": "/api/v1/namespaces/shop/pods/"})) as server:
        with pytest.raises(Unconfirmed):
            server.deleter.delete("shop", "web-1", **GIVEN)
        assert len(server.seen) == 1


def test_a_proxy_of_the_environment_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy, serving(tmp_path, saying(POD)) as server:
        proxy.settimeout(0.2)
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        server.deleter.delete("shop", "web-1", **GIVEN)
        assert server.tokens == [f"Bearer {TOKEN}"]
        with pytest.raises(TimeoutError):
            proxy.accept()
