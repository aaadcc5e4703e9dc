"""JSON over the responder's own session, for APIs whose client libraries cost more than one call is worth."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import requests

    from responder.live._errors import Asking
    from responder.live.google import Google

_TIMEOUT: Final = (3.05, 10.0)  # seconds to connect, seconds between two bytes
_OK: Final = 200


class Rest:
    """JSON over the responder's authenticated session; nothing is redirected, everything has a timeout."""

    def __init__(self, google: Google) -> None:
        self._google = google
        self._guard = threading.Lock()
        self._made: requests.Session | None = None

    def _session(self) -> requests.Session:
        with self._guard:
            if self._made is None:
                self._made = self._google.http()
            return self._made

    def ask(self, method: str, service: str, path: str, asking: Asking, **kwargs: Any) -> dict[str, Any]:
        """The JSON object behind `path`; Unanswered as `asking` words it."""
        url = f"{self._google.base_url(service)}{path}"
        with asking:
            reply = self._session().request(method, url, timeout=_TIMEOUT, allow_redirects=False, **kwargs)
            if reply.status_code != _OK:
                raise asking.status(reply.status_code)
            document = reply.json()
        if not isinstance(document, dict):
            raise asking.broken("the answer is not a JSON object")
        return document
