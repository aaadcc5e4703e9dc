"""Forms that only our own page can send. Pure.

A random cookie stays in the browser; each form carries a token that is made of it, of the person and of the form's own
path. A page of another origin can neither read the cookie nor make the token, and a token of one person, or of one
form, is worth nothing for another. Nothing is kept on the server, so that several instances need no shared secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

_COOKIE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def cookie_name(*, secure: bool) -> str:
    """Over https the name binds the cookie to this very host: no neighbour below the same domain can set it."""
    return "__Host-responder" if secure else "responder"


def fresh_cookie() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def is_cookie(text: str) -> bool:
    """Whether it can be one of ours."""
    return _COOKIE.fullmatch(text) is not None


def token(cookie: str, person: str, path: str) -> str:
    """What the form at `path` carries for that person."""
    told = f"{person}\n{path}".encode("utf-8", "surrogatepass")
    return hmac.new(cookie.encode(), told, hashlib.sha256).hexdigest()


def is_token(given: str, cookie: str, person: str, path: str) -> bool:
    """Whether the form came from our page; in constant time."""
    return is_cookie(cookie) and hmac.compare_digest(given.encode(), token(cookie, person, path).encode())
