"""Who runs the command line: Google's word, for an address that is verified, and nobody's otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lab.google import LabGoogle
from responder.errors import Unanswered
from responder.live.google import LiveGoogle
from responder.live.person import email
from tests.live.test_rest import OneAnswer, as_json


class Somebody(OneAnswer):
    def person(self) -> requests.Session:
        return self.http()


@pytest.mark.parametrize(("user", "address"), [("ann", "ann@lab.example"), ("ann@acme.example", "ann@acme.example")])
def test_the_lab_takes_the_user_of_the_environment(
    google: LabGoogle, monkeypatch: pytest.MonkeyPatch, user: str, address: str
) -> None:
    monkeypatch.setenv("LOGNAME", user)
    assert email(google) == address


def test_the_address_is_asked_for_at_the_userinfo_endpoint_and_taken_as_it_is() -> None:
    with Somebody(as_json({"sub": "1", "email": "Ann@acme.example", "email_verified": True})).serve() as google:
        assert email(google) == "Ann@acme.example"
        assert google.seen == [("GET", "/openidconnect/v1/userinfo", b"")]


@pytest.mark.parametrize(
    ("document", "status", "why"),
    [
        ({"sub": "1"}, 200, "denied"),  # a login without the scope
        ({"email": "ann@acme.example"}, 200, "denied"),
        ({"email": "ann@acme.example", "email_verified": False}, 200, "denied"),
        ({"email": "ann@acme.example", "email_verified": "true"}, 200, "denied"),
        ({"email": "ann@acme.example\nbob@acme.example", "email_verified": True}, 200, "denied"),
        ({"email": 1, "email_verified": True}, 200, "broken"),
        ([], 200, "broken"),
        ({}, 302, "broken"),
        ({}, 401, "denied"),
        ({}, 503, "unavailable"),
    ],
)
def test_without_a_verified_address_nobody_is_named(document: object, status: int, why: str) -> None:
    with Somebody(as_json(document, status)).serve() as google, pytest.raises(Unanswered) as caught:
        email(google)
    assert caught.value.why == why
    assert "bob" not in str(caught.value)


def key_of_a_service_account() -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    named = {"client_email": "ci@acme-sec.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token"}
    return named | {"type": "service_account", "private_key": pem, "private_key_id": "1"}


@pytest.mark.parametrize(
    ("login", "scopes"),
    [
        # A person's login has the scopes that it was made with, whatever is asked for later.
        ({"type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x"}, None),
        (key_of_a_service_account(), ["openid", "https://www.googleapis.com/auth/userinfo.email"]),
    ],
    ids=["person", "service account"],
)
def test_the_session_is_of_the_login_in_the_environment_and_goes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: dict[str, str], scopes: list[str] | None
) -> None:
    (tmp_path / "login.json").write_text(json.dumps(login))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    session: Any = LiveGoogle().person()
    assert session.credentials.scopes == scopes
    assert (session.trust_env, session.max_redirects) == (False, 0)
