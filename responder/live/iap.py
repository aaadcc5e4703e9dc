"""Review: Identity-Aware Proxy's signed header, verified. Touches the address of Google's public keys alone.

The proxy signs who it let in with ES256 (https://cloud.google.com/iap/docs/signed-headers-howto). The plain headers
beside it (`x-goog-authenticated-user-email`) prove nothing and are never read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import requests
from google.auth import exceptions, jwt

from responder.errors import NotLetIn, Unanswered

HEADER: Final = "x-goog-iap-jwt-assertion"
ISSUER: Final = "https://cloud.google.com/iap"
KEYS: Final = "https://www.gstatic.com/iap/verify/public_key"
PERMISSIONS: Final[tuple[str, ...]] = ()
"""The keys are public."""

_SKEW_SECONDS: Final = 30
"""As the page says: clocks differ by that much."""
_LONGEST: Final = 8192
_KEEP_SECONDS: Final = 3600.0
_AGAIN_SECONDS: Final = 60.0
_TIMEOUT: Final = (3.05, 10.0)


class Keys(Protocol):
    """The proxy's public keys."""

    def __call__(self, *, fresh: bool) -> Mapping[str, str]:
        """PEM texts by key id; `fresh` where a key id is not among those that were known. Unanswered on failure."""


class GoogleKeys:
    """The keys as Google publishes them, kept for an hour; asked again for an unknown key, once a minute at most."""

    def __init__(self, address: str = KEYS, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._known: dict[str, str] = {}
        self._asked: float | None = None

    def __call__(self, *, fresh: bool) -> Mapping[str, str]:
        """The keys by id."""
        with self._guard:
            now, limit = self._monotonic(), _AGAIN_SECONDS if fresh else _KEEP_SECONDS
            if self._asked is None or now - self._asked >= limit:
                self._known, self._asked = self._read(), now
            return self._known

    def _read(self) -> dict[str, str]:
        try:
            with requests.Session() as session:
                response = session.get(self._address, timeout=_TIMEOUT, allow_redirects=False)
                # A redirect is no failure for `raise_for_status`.
                document = response.json() if response.status_code == requests.codes.ok else None
        except (requests.RequestException, ValueError) as error:
            raise Unanswered("unavailable", f"the proxy's keys cannot be read: {type(error).__name__}") from None
        if not isinstance(document, dict):
            raise Unanswered("broken", f"the proxy's keys are no JSON object (status {response.status_code})")
        return {str(name): pem for name, pem in document.items() if isinstance(pem, str)}


class Iap:
    """A door: who comes through the proxy with a signed, current header for this very service.

    `audience` is `/projects/NUMBER/global/backendServices/ID`, or `/projects/NUMBER/locations/REGION/services/NAME`.
    """

    def __init__(self, audience: str, keys: Keys) -> None:
        if not audience.startswith("/projects/"):
            raise ValueError("the audience of Identity-Aware Proxy begins with /projects/")
        self._audience = audience
        self._keys = keys

    def __call__(self, headers: Mapping[str, str]) -> str:
        """The e-mail address that the proxy vouches for, letter by letter; NotLetIn where it does not."""
        given = headers.get(HEADER, "")
        if not given:
            raise NotLetIn("no signed header: this page is reached through Identity-Aware Proxy alone")
        if len(given) > _LONGEST or not given.isascii():
            raise NotLetIn("the signed header cannot be one")
        try:
            claims = self._claims(given)
        except (exceptions.GoogleAuthError, ValueError, TypeError, KeyError, AttributeError):
            # The library's texts quote the token.
            raise NotLetIn("the signed header is forged, has expired, or is for another service") from None
        if claims.get("iss") != ISSUER:
            raise NotLetIn("the signed header is of another issuer")
        email = claims.get("email")
        if not isinstance(email, str) or email.count("@") != 1 or not email.isprintable() or " " in email:
            raise NotLetIn("the signed header names nobody")
        return email

    def _claims(self, token: str) -> Mapping[str, Any]:
        head = jwt.decode_header(token)  # type: ignore[no-untyped-call]  # google-auth has no types here
        # Named here, since the library takes RS256 as well; and without a key id it would try every key.
        if head.get("alg") != "ES256" or not isinstance(head.get("kid"), str):
            raise ValueError("not signed as the proxy signs")
        known = self._keys(fresh=False)
        if head["kid"] not in known:
            known = self._keys(fresh=True)
        claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]  # the same
            token, certs=dict(known), audience=self._audience, clock_skew_in_seconds=_SKEW_SECONDS
        )
        return claims
