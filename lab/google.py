"""The product's way to Google, with loopback at its end: the same clients, wired to a lab's servers.

Imports nothing of Google at the top, as `lab/function.py` stands in for `main.py` in measurements of cold starts.
"""

from __future__ import annotations

import getpass
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

    from responder.live.google import Address
    from responder.ports import Access


PERSON = "person:"
"""How the token of a person in the lab begins; their address follows."""


class LabGoogle:
    """`responder.live.google.Google` over the endpoints that a lab prints."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        self._endpoints = endpoints
        self._channel_lock = threading.Lock()
        self._channel: Any = None
        self._pubsub_channel: Any = None

    def now(self) -> datetime:
        """The lab's clock: as far ahead of ours as it was when the lab printed its endpoints, and the leaps since.

        Leaps are told by the file that `ahead_file` names, where there is one: `lab.clock`.
        """
        ahead = float(self._endpoints["clock_offset_seconds"])
        if "ahead_file" in self._endpoints:
            ahead += float(Path(self._endpoints["ahead_file"]).read_text(encoding="ascii"))
        return datetime.now(UTC) + timedelta(seconds=ahead)

    def channel(self) -> Any:
        """One plain gRPC channel to the lab, for all services."""
        import grpc  # noqa: PLC0415 - heavy

        with self._channel_lock:
            if self._channel is None:
                # Google's own transports set no limit either; gRPC's is 4 MB.
                options = [("grpc.max_receive_message_length", -1)]
                self._channel = grpc.insecure_channel(self._endpoints["grpc"], options=options)
            return self._channel

    def securitycenter(self) -> Any:
        """SCC's own client on the lab's channel."""
        from google.cloud.securitycenter_v2 import SecurityCenterClient  # noqa: PLC0415 - heavy

        return _client(SecurityCenterClient, self.channel())

    def container(self) -> Any:
        """The Container API's own client on the lab's channel."""
        from google.cloud.container_v1 import ClusterManagerClient  # noqa: PLC0415 - heavy

        return _client(ClusterManagerClient, self.channel())

    def logging(self) -> Any:
        """Cloud Logging's own low-level client on the lab's channel."""
        from google.cloud.logging_v2.services.logging_service_v2 import (  # noqa: PLC0415 - heavy
            LoggingServiceV2Client,
        )

        return _client(LoggingServiceV2Client, self.channel())

    def publisher(self) -> Any:
        """Pub/Sub's own low-level client on the channel to the endpoint `pubsub`."""
        from google.pubsub_v1 import PublisherClient  # noqa: PLC0415 - heavy

        return _client(PublisherClient, self._pubsub())

    def subscriber(self) -> Any:
        """The same for who pulls."""
        from google.pubsub_v1 import SubscriberClient  # noqa: PLC0415 - heavy

        return _client(SubscriberClient, self._pubsub())

    def _pubsub(self) -> Any:
        """Pub/Sub is beside the lab: an endpoint of its own, and a port where nothing listens where none is named."""
        import grpc  # noqa: PLC0415 - heavy

        with self._channel_lock:
            if self._pubsub_channel is None:
                self._pubsub_channel = grpc.insecure_channel(str(self._endpoints.get("pubsub") or "127.0.0.1:1"))
            return self._pubsub_channel

    def http(self) -> requests.Session:
        """A session with the lab's token."""
        import requests  # noqa: PLC0415 - heavy

        from responder.live._timely import adapter  # noqa: PLC0415 - heavy
        from responder.live.google import ANSWER_SECONDS  # noqa: PLC0415 - heavy

        session = requests.Session()
        session.trust_env = False
        session.max_redirects = 0
        session.mount("http://", adapter(ANSWER_SECONDS, pool_connections=4, pool_maxsize=200))
        session.headers["Authorization"] = f"Bearer {self.token()}"
        return session

    def person(self) -> requests.Session:
        """A session as the user of this environment: `ann` is `ann@lab.example`, and an address is itself."""
        user = getpass.getuser()
        session = self.http()
        session.headers["Authorization"] = f"Bearer {PERSON}{user if '@' in user else f'{user}@lab.example'}"
        return session

    def base_url(self, service: str) -> str:  # noqa: ARG002 - every service answers on one port, told by its path
        """The lab's REST port."""
        return str(self._endpoints["rest"])

    def webhook_origin(self, kind: str) -> str:  # noqa: ARG002 - every kind is answered on one port, told by its path
        """The lab's REST port."""
        return str(self._endpoints["rest"])

    def token(self) -> str:
        """The investigator's token in the lab."""
        return str(self._endpoints["token"])

    def token_as(self, email: str) -> str:
        """The lab's token of that service account; whom the lab does not know has none that it takes."""
        from lab import rbac  # noqa: PLC0415 - heavy

        return {rbac.COLLECTOR: rbac.COLLECTOR_TOKEN, rbac.REMEDIATOR: rbac.REMEDIATOR_TOKEN}.get(email, "nobody")

    def as_account(self, account: str) -> LabGoogle:
        """Google's own library for impersonation, which asks the lab's IAM Credentials."""
        return _Impersonating(self._endpoints, self.token(), account)

    def cluster(self, access: Access) -> Address:
        """The control plane's port on loopback; what the lab does not serve is a port where nothing listens."""
        from responder.live.google import Address  # noqa: PLC0415 - heavy

        host = access.host if access.host.startswith("127.0.0.1:") else self._endpoints["hosts"].get(access.host)
        ca_pem = Path(self._endpoints["ca_pem_file"]).read_text(encoding="ascii")
        return Address(url=f"https://{host or '127.0.0.1:1'}", ca_pem=ca_pem)


class _Impersonating(LabGoogle):
    """The same as a service account; the token is fetched when it is first needed."""

    def __init__(self, endpoints: Mapping[str, Any], own: str, account: str) -> None:
        super().__init__(endpoints)
        self._own = own
        self._account = account
        self._credentials: Any = None

    def token(self) -> str:
        """A token of the account, by `generateAccessToken`."""
        from google.auth import impersonated_credentials  # noqa: PLC0415 - heavy
        from google.auth.transport.requests import Request  # noqa: PLC0415 - heavy
        from google.oauth2.credentials import Credentials  # noqa: PLC0415 - heavy

        from responder.live._errors import Asking  # noqa: PLC0415 - heavy
        from responder.live.google import SCOPES  # noqa: PLC0415 - heavy

        if self._credentials is None:
            base = f"{self._endpoints['rest']}/v1/projects/-/serviceAccounts/{self._account}:generateAccessToken"
            source: Any = Credentials(token=self._own)  # type: ignore[no-untyped-call]  # it ships no types
            kind: Any = impersonated_credentials.Credentials
            self._credentials = kind(source, self._account, list(SCOPES), lifetime=600, iam_endpoint_override=base)
        with Asking("an access token of the account", mend=""):
            if not self._credentials.valid:
                import requests  # noqa: PLC0415 - heavy

                session = requests.Session()
                session.trust_env = False
                self._credentials.refresh(Request(session))
        return str(self._credentials.token)


def _client(kind: Any, channel: Any) -> Any:
    return kind(transport=kind.get_transport_class("grpc")(channel=channel))


def from_file(path: str) -> LabGoogle:
    """The endpoints in a JSON file, as `python -m lab serve` prints them."""
    return LabGoogle(json.loads(Path(path).read_text(encoding="utf-8")))
