"""Whom a cluster sees behind the tokens of `LiveGoogle`: RBAC binds e-mail addresses, and GKE may see a number."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

from lab import rbac
from lab.google import LabGoogle
from lab.server import Running
from responder.errors import Refused, Unanswered
from responder.live import google as google_module
from responder.live.gke import Gke
from responder.live.google import Address, LiveGoogle
from responder.live.kubernetes import Cluster
from responder.live.remover import Deleter
from tests.live.shop import CLUSTER, EVENT_TIME, POD, SCENARIO, open_shop

UID = "6f7a5b4e-c6a7-5774-a871-7bb2126b4615"
TOO_NARROW = ("https://www.googleapis.com/auth/cloud-platform",)


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[Running, LabGoogle]]:
    projects = [*SCENARIO["projects"], {"id": "acme-sec", "number": "733120045567"}]
    with open_shop(projects=projects, deployment={"act": True}) as opened:
        yield opened


def control_plane(google: LabGoogle) -> Address:
    _, access = Gke(google.container(), ("public",)).cluster(CLUSTER, event_time=EVENT_TIME)
    assert access is not None
    return google.cluster(access)


class ToTheLab:
    """google-auth's transport, with the lab where Google's IAM Credentials are."""

    def __init__(self, rest: str) -> None:
        session = requests.Session()
        session.trust_env = False
        self._rest, self._send = rest, Request(session)

    def __call__(self, url: str, **asked: Any) -> Any:
        google = "https://iamcredentials.googleapis.com"
        assert url.startswith(f"{google}/")
        return self._send(url=self._rest + url.removeprefix(google), **asked)


@pytest.fixture
def act(deployed: tuple[Running, LabGoogle], monkeypatch: pytest.MonkeyPatch) -> LiveGoogle:
    """The product's own way to tokens, as the account of `act`."""
    transport = ToTheLab(deployed[0].endpoints.rest)
    monkeypatch.setattr(google_module, "_refresh_request", lambda: transport)
    until = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    own = Credentials(token=rbac.ACT_TOKEN, expiry=until)  # type: ignore[no-untyped-call] # google-auth
    return LiveGoogle(lambda: own)


def last_user(running: Running) -> str:
    return str(running.lab.calls("kubernetes.*")[-1]["user"])


@pytest.mark.parametrize("email", [rbac.COLLECTOR, rbac.REMEDIATOR])
def test_the_hands_of_act_are_their_email_addresses_to_the_cluster(
    deployed: tuple[Running, LabGoogle], act: LiveGoogle, email: str
) -> None:
    running, lab = deployed
    Cluster(control_plane(lab), lambda: act.token_as(email)).pod("shop", POD)
    assert last_user(running) == email


def test_whom_the_doctor_asks_as_is_its_email_address_too(deployed: tuple[Running, LabGoogle], act: LiveGoogle) -> None:
    running, lab = deployed
    Cluster(control_plane(lab), act.as_account(rbac.REMEDIATOR).token).pod("shop", POD)
    assert last_user(running) == rbac.REMEDIATOR


def test_a_token_that_may_not_tell_the_email_is_of_a_number_that_rbac_does_not_know(
    deployed: tuple[Running, LabGoogle], act: LiveGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_module, "SCOPES", TOO_NARROW)
    running, lab = deployed
    way = control_plane(lab)
    with pytest.raises(Unanswered) as unread:
        Cluster(way, lambda: act.token_as(rbac.COLLECTOR)).pod("shop", POD)
    assert unread.value.why == "denied"
    assert last_user(running) == rbac.unique_id(rbac.COLLECTOR)
    with pytest.raises(Refused) as kept:
        Deleter(way, lambda: act.token_as(rbac.REMEDIATOR)).delete("shop", POD, uid=UID, grace_seconds=3)
    assert kept.value.why == "denied"
    assert last_user(running) == rbac.unique_id(rbac.REMEDIATOR)


# --- the account of a function ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def metadata_server() -> Iterator[str]:
    """Cloud Run's, whose account is the investigator: the token is for the scopes that are asked for, and no others."""
    account = {"email": rbac.INVESTIGATOR, "aliases": ["default"], "scopes": list(TOO_NARROW)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body: Any = "acme-sec"
            if url.path.endswith("/token"):
                scopes = parse_qs(url.query).get("scopes", [",".join(TOO_NARROW)])[0].split(",")
                token = rbac.scoped(rbac.INVESTIGATOR_TOKEN, scopes)
                body = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
            elif "/service-accounts/" in url.path:
                body = account
            raw = body if isinstance(body, str) else json.dumps(body)
            self.send_response(200)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Type", "application/text" if raw is body else "application/json")
            self.end_headers()
            self.wfile.write(raw.encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_functions_own_account_is_its_email_address_to_the_cluster(
    deployed: tuple[Running, LabGoogle], tmp_path: Path
) -> None:
    running, lab = deployed
    with metadata_server() as host:
        # google-auth reads where the server is when it is imported.
        given = {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        asked = "from responder.live.google import LiveGoogle; print(LiveGoogle().token())"
        ran = subprocess.run(
            [sys.executable, "-c", asked], env=given, capture_output=True, text=True, check=False, timeout=60
        )
    assert ran.returncode == 0, ran.stderr
    token = ran.stdout.strip()
    Cluster(control_plane(lab), lambda: token).pod("shop", POD)
    assert last_user(running) == rbac.INVESTIGATOR
