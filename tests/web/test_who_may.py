"""Who is let in, what each may, and that a form comes from our own page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from google.auth import jwt
from google.auth.crypt import RSASigner, es

from responder.errors import NotLetIn, Unanswered
from responder.live.iap import HEADER, ISSUER, Iap
from responder.stores.sqlite import SqliteRecords
from responder.web.people import LOCAL, Roles, is_loopback
from tests.web.desks import HOST, ROLES, Browser, a_desk, a_store, kept

AUDIENCE = "/projects/123456789012/global/backendServices/42"
OURS = ec.generate_private_key(ec.SECP256R1())
THEIRS = ec.generate_private_key(ec.SECP256R1())


def public(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


class FixedKeys:
    """The proxy's keys, without a network; `asked` tells whether fresh ones were wanted, `fresh` are those."""

    def __init__(self, known: Mapping[str, str], fresh: Mapping[str, str] | None = None) -> None:
        self.known = known
        self.fresh = fresh or known
        self.asked: list[bool] = []

    def __call__(self, *, fresh: bool) -> Mapping[str, str]:
        self.asked.append(fresh)
        return self.fresh if fresh else self.known


def assertion(
    key: Any = OURS, *, key_id: str | None = "k1", header: dict[str, str] | None = None, **claims: Any
) -> str:
    now = int(time.time())
    payload = {
        "iss": ISSUER, "aud": AUDIENCE, "iat": now - 10, "exp": now + 590, "sub": "accounts.google.com:1",
        "email": "ana@acme.example",
    } | claims  # fmt: skip
    signer = es.EsSigner(key, key_id)
    encoded: bytes = jwt.encode(signer, payload, header=header, key_id=key_id)  # type: ignore[no-untyped-call]  # google-auth has no types
    return encoded.decode()


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    desk = a_desk(a_store(tmp_path), door=Iap(AUDIENCE, FixedKeys({"k1": public(OURS)})), secure=True)
    return Browser(desk, who="")


def status(browser: Browser, token: str) -> int:
    return browser.get("/", **{HEADER: token}).status_code


def test_who_comes_through_the_proxy_is_let_in_under_their_address(browser: Browser) -> None:
    shown = browser.get("/", **{HEADER: assertion()})
    assert shown.status_code == 200
    assert "ana@acme.example" in shown.text


def test_nobody_gets_in_without_the_signed_header_or_by_writing_plain_ones(browser: Browser) -> None:
    assert browser.get("/").status_code == 401
    plain = {
        "x-goog-authenticated-user-email": "accounts.google.com:ana@acme.example",
        "x-goog-authenticated-user-id": "accounts.google.com:1",
        "who": "ana@acme.example",
    }
    for path in ("/", "/health", "/static/page.css", "/records/0123"):
        assert browser.get(path, **plain).status_code == 401


NOW = int(time.time())
REFUSED = {
    "signed with another key": assertion(THEIRS),
    "of a key that is not known": assertion(key_id="k2"),
    "without a key's id": assertion(key_id=None),
    "expired": assertion(iat=NOW - 7200, exp=NOW - 3600),
    "not valid yet": assertion(iat=NOW + 3600, exp=NOW + 7200),
    "for another audience": assertion(aud="/projects/123456789012/global/backendServices/43"),
    "for a list of audiences": assertion(aud=[AUDIENCE, "x"]),
    "of another issuer": assertion(iss="https://accounts.google.com"),
    "without an address": assertion(email=None),
    "with two addresses in one": assertion(email="ana@acme.example@evil.example"),
    "without an end": assertion(exp=None),
    "text": "ana@acme.example",
    "empty parts": "..",
    "too long": "a" * 9000,
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
def test_a_header_is_refused_that_is(browser: Browser, token: str) -> None:
    assert status(browser, token) == 401


def test_a_changed_claim_breaks_the_signature(browser: Browser) -> None:
    head, _, signature = assertion(email="eve@acme.example").split(".")
    _, payload, _ = assertion().split(".")
    assert status(browser, f"{head}.{payload}.{signature}") == 401


def test_no_other_algorithm_is_taken(browser: Browser) -> None:
    head, payload, _ = assertion(header={"alg": "none"}).split(".")
    assert status(browser, f"{head}.{payload}.") == 401
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600, "email": "ana@acme.example"}
    signer = RSASigner.from_string(private.decode(), "k1")  # type: ignore[no-untyped-call]  # the same
    forged = jwt.encode(signer, claims, key_id="k1").decode()  # type: ignore[no-untyped-call]  # the same
    assert status(browser, forged) == 401
    # Even a key that is known vouches for nothing in another way than the proxy signs.
    with pytest.raises(NotLetIn):
        Iap(AUDIENCE, FixedKeys({"k1": public(key)}))({HEADER: forged})


def test_keys_are_asked_for_anew_where_the_proxy_has_changed_them() -> None:
    keys = FixedKeys({"k1": public(THEIRS)}, fresh={"k2": public(OURS)})
    door = Iap(AUDIENCE, keys)
    assert door({HEADER: assertion(key_id="k2")}) == "ana@acme.example"
    assert keys.asked == [False, True]
    with pytest.raises(NotLetIn):
        door({HEADER: assertion(THEIRS, key_id="k3")})


def test_nobody_is_let_in_while_the_keys_cannot_be_read(tmp_path: Path) -> None:
    def silent(*, fresh: bool) -> Mapping[str, str]:
        raise Unanswered("unavailable", f"no keys, fresh {fresh}")

    browser = Browser(a_desk(a_store(tmp_path), door=Iap(AUDIENCE, silent), secure=True), who="")
    assert status(browser, assertion()) == 503


# --- roles ------------------------------------------------------------------------------------------------------------


def test_a_role_is_of_those_who_are_named_by_address_or_by_domain() -> None:
    roles = Roles(viewers=("@acme.example",), analysts=("Ana@acme.example",), raw=("rae@other.example",))
    assert roles.person("ana@acme.example").roles == {"viewer", "analyst"}
    assert roles.person("zoe@acme.example").roles == {"viewer"}
    assert roles.person("rae@other.example").roles == {"viewer", "raw"}
    for stranger in ("ana@evil.example", "ana@sub.acme.example", "x@notacme.example", "acme.example", ""):
        assert roles.person(stranger).roles == frozenset(), stranger


def test_who_has_no_role_sees_nothing_and_a_viewer_changes_nothing(tmp_path: Path) -> None:
    records = a_store(tmp_path)
    record = kept(records)
    page, action = f"/records/{record.id}", f"/records/{record.id}/review"
    assert Browser(a_desk(records), who="mallory@evil.example").get("/").status_code == 403
    ana, eve = Browser(a_desk(records)), Browser(a_desk(records), who="eve@acme.example")
    assert f'action="{action}"' not in eve.get(page).text
    fields = ana.fields(page, action) | {"act": "true_positive"}
    assert eve.send(action, fields).status_code == 403
    assert _reviews(records, record.id) == 0


def test_whoever_sits_at_the_machine_reads_and_reviews_and_no_more() -> None:
    person = Roles(everybody=LOCAL).person("root")
    assert person.roles == {"viewer", "analyst"}


def test_only_addresses_of_this_machine_are_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost")))
    everywhere = "0.0.0.0"  # noqa: S104 - the very address that is refused
    assert not any(map(is_loopback, (everywhere, "::", "10.0.0.1", "localhost.evil.example", "example.com", "")))


def test_a_page_under_another_name_that_leads_to_this_machine_is_not_let_in(tmp_path: Path) -> None:
    records = a_store(tmp_path)
    desk = a_desk(records, hosts=frozenset({"127.0.0.1:8080"}))
    assert Browser(desk, host="127.0.0.1:8080").get("/").status_code == 200
    assert Browser(desk, host="rebound.evil.example:8080").get("/").status_code == 421


# --- forms ------------------------------------------------------------------------------------------------------------


def _reviews(records: SqliteRecords, record_id: str) -> int:
    found = records.load(record_id)
    assert found
    return len(found.review.history)


def test_a_form_is_refused_that_our_own_page_did_not_send(tmp_path: Path) -> None:
    records = a_store(tmp_path)
    record = kept(records)
    page, action = f"/records/{record.id}", f"/records/{record.id}/review"
    ana, bob = Browser(a_desk(records)), Browser(a_desk(records), who="bob@acme.example")
    good = ana.fields(page, action) | {"act": "true_positive"}
    without = {name: value for name, value in good.items() if name != "token"}
    foreign = bob.fields(page, action)["token"]
    refused = {
        "no token": ana.send(action, without),
        "an empty token": ana.send(action, good | {"token": ""}),
        "a token of somebody else": ana.send(action, good | {"token": foreign}),
        "a token that is no ASCII": ana.send(action, good | {"token": "\u00e9" * 64}),
        "another origin": ana.send(action, good, origin="http://evil.example"),
        "an origin that begins like ours": ana.send(action, good, origin=f"http://{HOST}.evil.example"),
        "the opaque origin": ana.send(action, good, origin="null"),
        "no origin": ana.send(action, good, origin=None),
        "another site": ana.send(action, good, **{"sec-fetch-site": "cross-site"}),
    }
    assert {name: answer.status_code for name, answer in refused.items()} == dict.fromkeys(refused, 403)
    assert ana.call("POST", action, json=good, headers={"origin": ana.origin}).status_code == 415
    assert ana.send(action, good | {"note": "x" * 70_000}).status_code == 413
    assert _reviews(records, record.id) == 0
    assert ana.send(action, good).status_code == 303
    assert _reviews(records, record.id) == 1


def test_a_token_is_of_one_form_and_of_one_cookie(tmp_path: Path) -> None:
    records = a_store(tmp_path)
    record = kept(records)
    page, action = f"/records/{record.id}", f"/records/{record.id}/review"
    ana = Browser(a_desk(records))
    fields = ana.fields(page, action)
    assert ana.send("/brake", fields | {"act": "on", "why": "odd"}).status_code == 403
    rae = Browser(a_desk(records, roles=Roles(analysts=("@acme.example",))), who="rae@acme.example")
    rae.cookies = ana.cookies  # the same browser, in somebody else's name
    assert rae.send(action, fields | {"act": "true_positive"}).status_code == 403
    ana.cookies.clear()
    assert ana.send(action, fields | {"act": "true_positive"}).status_code == 403
    assert _reviews(records, record.id) == 0


def test_the_cookie_is_bound_to_the_host_where_the_page_is_reached_over_https(tmp_path: Path) -> None:
    records = a_store(tmp_path)
    given = Browser(a_desk(records, secure=True)).get("/").headers
    assert given["set-cookie"].startswith("__Host-responder=")
    assert all(word in given["set-cookie"] for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "strict-transport-security" in given
    assert "strict-transport-security" not in Browser(a_desk(records)).get("/").headers


def test_nothing_but_reading_and_forms_is_answered(tmp_path: Path) -> None:
    browser = Browser(a_desk(a_store(tmp_path)))
    assert browser.call("PUT", "/").status_code == 405
    assert browser.call("DELETE", "/records/0123").status_code == 405
    assert ROLES.person("eve@acme.example").may("viewer")
