"""How the clients of Google are made: late, once, and without the environment's proxies."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.oauth2 import credentials as oauth2

from lab.tls import Authority
from responder.errors import PASSING, Unanswered
from responder.live import google as google_module
from responder.live._errors import Asking
from responder.live.google import Address, LiveGoogle
from responder.ports import Access
from tests.live.shop import CLUSTER


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home, and no metadata server; returns where the credentials may be put."""
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-sec")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    return tmp_path


def log_in(folder: Path) -> None:
    given = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    (folder / "application_default_credentials.json").write_text(json.dumps(given), encoding="utf-8")


class Renewing(oauth2.Credentials):
    """Credentials whose token is renewed without a network; `renewed` counts."""

    def __init__(self, *, expires_in: timedelta) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        super().__init__(token="first", expiry=now + expires_in)  # type: ignore[no-untyped-call] # google-auth
        self.renewed = 0

    def refresh(self, _: Any) -> None:
        self.renewed += 1
        self.token = f"renewed-{self.renewed}"
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)


class Known(LiveGoogle):
    """LiveGoogle with credentials that are given."""

    def __init__(self, credentials: Any) -> None:
        super().__init__()
        self.given = credentials

    def _credentials(self) -> Any:
        return self.given


CLIENTS: list[Callable[[LiveGoogle], object]] = [
    LiveGoogle.securitycenter,
    LiveGoogle.container,
    LiveGoogle.logging,
    LiveGoogle.publisher,
    LiveGoogle.subscriber,
    LiveGoogle.http,
]


@pytest.mark.parametrize("ask", [*CLIENTS, LiveGoogle.token])
def test_nothing_is_read_before_a_client_is_asked_for_and_then_missing_credentials_are_a_reason(
    ask: Callable[[LiveGoogle], object],
) -> None:
    google = LiveGoogle()
    with pytest.raises(Unanswered) as caught:
        ask(google)
    assert caught.value.why == "denied"
    assert "gcloud auth application-default login" in caught.value.mend


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_client_is_made_once_for_all_threads(no_surroundings: Path, ask: Callable[[LiveGoogle], object]) -> None:
    log_in(no_surroundings)
    google = LiveGoogle()
    made: list[object] = []
    threads = [threading.Thread(target=lambda: made.append(ask(google))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len({id(client) for client in made}) == 1


def test_the_session_uses_no_proxy_follows_no_redirect_and_has_room_for_a_hundred(no_surroundings: Path) -> None:
    log_in(no_surroundings)
    session = LiveGoogle().http()
    assert (session.trust_env, session.max_redirects) == (False, 0)
    settings = session.merge_environment_settings("https://compute.googleapis.com/", {}, None, None, None)
    assert not settings["proxies"]
    adapter: Any = session.get_adapter("https://compute.googleapis.com/")
    assert adapter._pool_maxsize >= 100
    assert adapter.max_retries.is_retry("GET", 503)
    assert not adapter.max_retries.is_retry("POST", 503)
    assert not adapter.max_retries.is_retry("GET", 429)


@pytest.mark.parametrize(("minutes", "token", "renewed"), [(60, "first", 0), (4, "renewed-1", 1), (-1, "renewed-1", 1)])
def test_a_token_holds_for_five_minutes_at_least(minutes: int, token: str, renewed: int) -> None:
    credentials = Renewing(expires_in=timedelta(minutes=minutes))
    google = Known(credentials)
    assert [google.token(), google.token()] == [token, token]
    assert credentials.renewed == renewed


def test_a_control_plane_is_asked_over_tls_at_the_host_of_the_access_and_google_at_its_own() -> None:
    access = Access(kind="public", host="203.0.113.7", ca_pem="PEM", cluster=CLUSTER)
    google = LiveGoogle()
    assert google.cluster(access) == Address(url="https://203.0.113.7", ca_pem="PEM")
    assert google.base_url("compute") == "https://compute.googleapis.com"


def test_pubsub_is_google_itself_whatever_the_environment_says(
    no_surroundings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(no_surroundings)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    google = LiveGoogle()
    assert google.publisher().transport.host == google.subscriber().transport.host == "pubsub.googleapis.com:443"


class TokenService:
    """IAM Credentials as google-auth asks it: answers with a token for an hour, and keeps what it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    def __call__(self, *, url: str, method: str, headers: dict[str, str], body: bytes, **_: Any) -> TokenService:
        assert method == "POST"
        self.asked.append((url, headers, json.loads(body)))
        return self

    @property
    def data(self) -> bytes:
        until = datetime.now(UTC) + timedelta(hours=1)
        return json.dumps({"accessToken": "theirs", "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()


def test_as_another_account_the_token_is_that_accounts_and_the_responders_own_pays_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = TokenService()
    monkeypatch.setattr(google_module, "_refresh_request", lambda: service)
    google = Known(Renewing(expires_in=timedelta(hours=1)))
    account = "act@acme-sec.iam.gserviceaccount.com"
    theirs = google.as_account(account)
    assert service.asked == []
    assert (theirs.token(), theirs.token(), google.token()) == ("theirs", "theirs", "first")
    ((url, headers, body),) = service.asked
    assert url == f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    assert {name.lower(): text for name, text in headers.items()}["authorization"] == "Bearer first"
    assert (body["scope"], body["lifetime"]) == (list(google_module.SCOPES), "600s")


def test_an_account_that_may_not_be_taken_is_a_reason_and_the_reply_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(google_module, "_refresh_request", lambda: TokenService(status=403))
    google = Known(Renewing(expires_in=timedelta(hours=1))).as_account("act@acme-sec.iam.gserviceaccount.com")
    with pytest.raises(Unanswered) as error:
        google.token()
    assert error.value.why == "denied"
    assert "theirs" not in str(error.value)


def test_an_answer_that_comes_a_byte_at_a_time_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_module, "ANSWER_SECONDS", 0.5)
    authority = Authority(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Wait: " + b"x" * 200:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.02)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = authority.server([]).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    session = Known(Renewing(expires_in=timedelta(hours=1))).http()
    session.verify = str(authority.file)
    started = time.monotonic()
    with pytest.raises(Unanswered) as given_up, Asking("it", mend=""):
        session.get(f"https://127.0.0.1:{server.server_port}/", timeout=(3, 10))
    assert given_up.value.why in PASSING
    assert time.monotonic() - started < 3
    server.shutdown()
    server.server_close()
