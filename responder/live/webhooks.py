"""After step 7: sends one message to a channel of Slack or Google Chat, by its incoming webhook. Posts, and no more.

The address is the key: whoever has it can write into the channel. It comes from the environment or from Secret Manager,
never from a finding; it must be of the one host that its kind has; it stands in no error and in no log. The session
carries no credentials, asks no proxy of the environment, follows no redirect and sends nothing a second time.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from responder.errors import Unanswered
from responder.live import _reply
from responder.live._errors import Asking

if TYPE_CHECKING:
    import requests

    from responder.live.google import Google
    from responder.notices.config import ChannelConfig

PERMISSIONS: Final = ("secretmanager.versions.access",)
ROLE: Final = "notifier"
"""Granted on each secret that holds an address, never on a project."""

_TIMEOUT: Final = (3.05, 10.0)  # seconds to connect, seconds between two bytes
_ANSWER_SECONDS: Final = 15.0
"""An answer's head may take so long, however it comes."""
_KEPT_SECONDS: Final = 600.0
"""How long an address is used before it is read anew: a secret may get a new version."""
_PATH: Final = re.compile(r"/[A-Za-z0-9/_.~-]{10,500}")
_QUERY: Final = re.compile(r"[A-Za-z0-9=&_.~%+-]{0,1000}")
_MOST: Final = 2000
_REPLY: Final = "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
# https://developers.google.com/workspace/chat/quickstart/webhooks has it, beside the thread's key in the body.
_OK: Final = 200


class Webhooks:
    """The channels of notices.toml. `environ` is where `env:NAME` is looked up; nothing is read before a message."""

    def __init__(self, google: Google, environ: Mapping[str, str]) -> None:
        self._google = google
        self._environ = environ
        self._guard = threading.Lock()
        self._sessions: dict[str, requests.Session] = {}
        self._addresses: dict[str, tuple[float, str]] = {}

    def __call__(self, channel: ChannelConfig) -> Webhook:
        """The way to one channel."""
        return Webhook(self, channel)

    def post(self, channel: ChannelConfig, body: Mapping[str, object], query: str) -> None:
        """POST `body` to the channel's address; Unanswered where it was not taken."""
        asking = Asking(f"channel {channel.name}", mend=f"look at the webhook of channel {channel.name}")
        address = self._address(channel)
        url = f"{address}{'&' if '?' in address else '?'}{query}" if query else address
        data = json.dumps(body, ensure_ascii=True).encode()
        with asking:
            # `stream`: what is answered is of no interest, however long it is.
            with self._session("plain").post(
                url,
                data=data,
                headers={"Content-Type": "application/json; charset=utf-8"},
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as reply:
                status = reply.status_code
            if status != _OK:
                with self._guard:
                    self._addresses.pop(channel.webhook, None)  # it may have been replaced
                raise asking.status(status)

    def _address(self, channel: ChannelConfig) -> str:
        with self._guard:
            until, address = self._addresses.get(channel.webhook, (0.0, ""))
        if time.monotonic() < until:
            return address
        kind, _, place = channel.webhook.partition(":")
        address = (self._environ.get(place, "") if kind == "env" else self._secret(place)).strip()
        self._check(channel, address)
        with self._guard:
            self._addresses[channel.webhook] = (time.monotonic() + _KEPT_SECONDS, address)
        return address

    def _check(self, channel: ChannelConfig, address: str) -> None:
        """Refuse what is not an address of its kind. Not a character of it is told."""
        if not address:
            raise Unanswered("not_found", f"channel {channel.name}: {channel.webhook} is not set or empty")
        detail = f"channel {channel.name}: {channel.webhook} holds no address of a {channel.kind} webhook"
        refused = Unanswered("invalid", detail)
        try:
            parts = urlsplit(address)
        except ValueError:
            raise refused from None
        is_ours = f"{parts.scheme}://{parts.netloc}" == self._google.webhook_origin(channel.kind)
        is_plain = _PATH.fullmatch(parts.path) and _QUERY.fullmatch(parts.query) and not parts.fragment
        if not (is_ours and is_plain and len(address) <= _MOST):
            raise refused
        _Quiet.hide(parts.path)

    def _secret(self, name: str) -> str:
        """The text of a secret's version, `projects/P/secrets/S/versions/V`."""
        what = f"{PERMISSIONS[0]} on {name}"
        mend = f"grant the responder {PERMISSIONS[0]} on {name.rpartition('/versions/')[0]} (deploy/iam/notifier.yaml)"
        asking = Asking(what, mend=mend)
        url = f"{self._google.base_url('secretmanager')}/v1/{name}:access"
        with asking:
            reply = self._session("google").get(url, timeout=_TIMEOUT, allow_redirects=False)
            if reply.status_code != _OK:
                raise asking.status(reply.status_code)
            document = reply.json()
        if not isinstance(document, dict):
            raise asking.broken("the answer is not a JSON object")
        with asking:
            data = _reply.text(document, "payload", "data")
        try:
            return base64.b64decode(data, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            raise asking.broken("the secret is no text") from None

    def _session(self, kind: str) -> requests.Session:
        with self._guard:
            if kind not in self._sessions:
                # The responder's token goes to Secret Manager alone, never to a channel.
                self._sessions[kind] = self._google.http() if kind == "google" else _bare_session()
            return self._sessions[kind]


class Webhook:
    """`ports.Channel` over one webhook."""

    def __init__(self, webhooks: Webhooks, channel: ChannelConfig) -> None:
        self._webhooks = webhooks
        self._channel = channel

    def send(self, body: Mapping[str, object], *, thread: str) -> None:
        """One message. Chat groups those of one `thread`; Slack's webhooks have no threads."""
        if self._channel.kind == "slack":
            self._webhooks.post(self._channel, body, "")
        else:
            self._webhooks.post(self._channel, {**body, "thread": {"threadKey": thread}}, _REPLY)


class _Quiet(logging.Filter):
    """Keeps addresses out of what urllib3 logs, which writes the path of each request where debugging is on."""

    _paths: Final[set[str]] = set()
    _logger: Final = logging.getLogger("urllib3.connectionpool")

    @classmethod
    def hide(cls, path: str) -> None:
        """From now on no line with this path is written."""
        if not cls._paths:
            cls._logger.addFilter(cls())
        cls._paths.add(path)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line may be written."""
        told = record.getMessage()
        return not any(path in told for path in self._paths)


def _bare_session() -> Any:
    """A session that carries nothing of ours, and sends each request once."""
    import requests  # noqa: PLC0415 - heavy

    from responder.live._timely import adapter  # noqa: PLC0415 - heavy

    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    for scheme in ("https://", "http://"):  # the second is a stand-in's: `_check` lets nothing else through
        session.mount(scheme, adapter(_ANSWER_SECONDS, pool_connections=4, pool_maxsize=8, max_retries=0))
    return session
