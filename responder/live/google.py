"""The way to Google: what the adapters' clients are built on. The only place that knows credentials and addresses.

The product has no option that points a client elsewhere: `LiveGoogle` is the default, and whoever wires another one
(the lab does) does so in code, through `wiring.install`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from responder.live._errors import Asking

if TYPE_CHECKING:
    import requests

    from responder.ports import Access

_EMAIL_SCOPE: Final = "https://www.googleapis.com/auth/userinfo.email"
SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform", _EMAIL_SCOPE)
"""Of every token. Without the second, a service account is its number to GKE, and RBAC binds its e-mail address:
kubernetes/cloud-provider-gcp, cmd/gke-gcloud-auth-plugin/default_credentials_token_provider.go; kubernetes#58141."""
PERMISSIONS: Final = ("iam.serviceAccounts.getAccessToken",)
ROLE: Final = "actor"
"""Of `act`, on the collector and the remediator alone: `token_as`."""

PERSON_SCOPES: Final = ("openid", _EMAIL_SCOPE)
"""A person's login has the scopes that it was made with; `gcloud auth application-default login` asks for both of these
unless it is told otherwise. A service account is given exactly these."""

_REFRESH_BEFORE: Final = timedelta(minutes=5)
_TOKEN_SECONDS: Final = 10.0
_ORIGINS: Final = {"slack": "https://hooks.slack.com", "chat": "https://chat.googleapis.com"}
_AS_SECONDS: Final = 600
_ACT_AS: Final = "roles/iam.serviceAccountTokenCreator on that service account"
ANSWER_SECONDS: Final = 20.0
"""An answer over REST may take so long, head and body."""
_POOL: Final = 200
"""Connections that are kept for each host: two calls of a hundred findings at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a control plane is asked: an https URL, and the CA that signs it (empty: the system's)."""

    url: str
    ca_pem: str


class Google(Protocol):
    """Builds clients; each is built once by whoever wires, and shared by all threads."""

    def securitycenter(self) -> Any:
        """`google.cloud.securitycenter_v2.SecurityCenterClient`."""

    def container(self) -> Any:
        """`google.cloud.container_v1.ClusterManagerClient`."""

    def logging(self) -> Any:
        """`google.cloud.logging_v2.services.logging_service_v2.LoggingServiceV2Client`."""

    def publisher(self) -> Any:
        """`google.pubsub_v1.PublisherClient`: one call for each message, with a timeout of its own."""

    def subscriber(self) -> Any:
        """`google.pubsub_v1.SubscriberClient`."""

    def http(self) -> requests.Session:
        """A session that authenticates as the responder; no proxies from the environment, no redirects followed."""

    def person(self) -> requests.Session:
        """The same, as whoever runs the command line, with the right to learn their e-mail address."""

    def base_url(self, service: str) -> str:
        """`https://SERVICE.googleapis.com`, without a slash at the end."""

    def webhook_origin(self, kind: str) -> str:
        """Where the address of a channel of this kind (`slack`, `chat`) must begin: scheme and host."""

    def token(self) -> str:
        """A bearer token for a control plane, fresh."""

    def token_as(self, email: str) -> str:
        """The same for another service account, which the responder may act as."""

    def cluster(self, access: Access) -> Address:
        """The address behind an access."""

    def as_account(self, account: str) -> Google:
        """The same as a service account, by a short token of its own; for the doctor, which asks what it may do."""


class LiveGoogle:
    """Google itself, with Application Default Credentials. Nothing is read before the first client is asked for.

    Every method raises Unanswered("denied") where there are no credentials. Clients are imported when they are built:
    whoever asks SCC only does not pay for the others.
    """

    def __init__(self, credentials: Callable[[], Any] | None = None) -> None:
        self._guard = threading.RLock()
        self._made: dict[str, Any] = {}
        self._found = credentials or _default

    def securitycenter(self) -> Any:
        """`SecurityCenterClient` of v2."""

        def build() -> Any:
            from google.cloud.securitycenter_v2 import SecurityCenterClient  # noqa: PLC0415 - heavy

            return SecurityCenterClient(credentials=self._credentials())

        return self._once("securitycenter", build)

    def container(self) -> Any:
        """`ClusterManagerClient`."""

        def build() -> Any:
            from google.cloud.container_v1 import ClusterManagerClient  # noqa: PLC0415 - heavy

            return ClusterManagerClient(credentials=self._credentials())

        return self._once("container", build)

    def logging(self) -> Any:
        """`LoggingServiceV2Client`, the low-level one."""

        def build() -> Any:
            from google.cloud.logging_v2.services.logging_service_v2 import (  # noqa: PLC0415 - heavy
                LoggingServiceV2Client,
            )

            return LoggingServiceV2Client(credentials=self._credentials())

        return self._once("logging", build)

    def publisher(self) -> Any:
        """`PublisherClient`, the low-level one.

        The other one sends from threads of its own, tries a message with an ordering key again without end, and goes
        where `PUBSUB_EMULATOR_HOST` says.
        """

        def build() -> Any:
            from google.pubsub_v1 import PublisherClient  # noqa: PLC0415 - heavy

            return PublisherClient(credentials=self._credentials())

        return self._once("publisher", build)

    def subscriber(self) -> Any:
        """`SubscriberClient`, the low-level one too."""

        def build() -> Any:
            from google.pubsub_v1 import SubscriberClient  # noqa: PLC0415 - heavy

            return SubscriberClient(credentials=self._credentials())

        return self._once("subscriber", build)

    def http(self) -> requests.Session:
        """`AuthorizedSession`: one retry of what did not connect and of 503, of 401 with a new token."""

        def build() -> Any:
            return _authorized(self._credentials())

        session: requests.Session = self._once("http", build)
        return session

    def person(self) -> requests.Session:
        """The same, whose token tells the address: a service account's does so by this scope alone."""

        def build() -> Any:
            import google.auth  # noqa: PLC0415 - heavy

            credentials, _project = google.auth.default(scopes=list(PERSON_SCOPES))
            return _authorized(credentials)

        session: requests.Session = self._once("person", build)
        return session

    def base_url(self, service: str) -> str:
        """The service's global endpoint."""
        return f"https://{service}.googleapis.com"

    def webhook_origin(self, kind: str) -> str:
        """Slack's and Google Chat's own."""
        return _ORIGINS[kind]

    def token(self) -> str:
        """A token that holds for five more minutes at least; one thread refreshes, the others wait for it."""
        with self._guard, Asking("an access token of the responder", mend=""):
            credentials = self._credentials()
            if not _is_fresh(credentials):
                credentials.refresh(self._once("refresh", _refresh_request))
            return str(credentials.token)

    def token_as(self, email: str) -> str:
        """A token of ten minutes, by `generateAccessToken`; whoever reads the audit log sees who acted as whom."""
        with self._guard, Asking(f"an access token of {email}", mend=_ACT_AS):
            credentials = self._once(f"as {email}", lambda: self._impersonated(email))
            if not _is_fresh(credentials):
                credentials.refresh(self._once("refresh", _refresh_request))
            return str(credentials.token)

    def _impersonated(self, email: str) -> Any:
        from google.auth.impersonated_credentials import Credentials  # noqa: PLC0415 - heavy

        make: Any = Credentials  # it ships no types
        return make(
            source_credentials=self._credentials(),
            target_principal=email,
            target_scopes=list(SCOPES),
            lifetime=_AS_SECONDS,
        )

    def cluster(self, access: Access) -> Address:
        """TLS, on the host that the Container API named, and nothing else."""
        return Address(url=f"https://{access.host}", ca_pem=access.ca_pem)

    def as_account(self, account: str) -> LiveGoogle:
        """The same, impersonated, for every client; whoever has `getAccessToken` on the account may."""
        return LiveGoogle(lambda: self._impersonated(account))

    def _credentials(self) -> Any:
        return self._once("credentials", self._found)

    def _once(self, name: str, build: Callable[[], Any]) -> Any:
        with self._guard:
            if name not in self._made:
                with Asking("the credentials of the responder", mend=""):
                    self._made[name] = build()
            return self._made[name]


def _default() -> Any:
    import google.auth  # noqa: PLC0415 - heavy

    credentials, _project = google.auth.default(scopes=list(SCOPES))
    return credentials


def _is_fresh(credentials: Any) -> bool:
    if not credentials.token:
        return False
    # google-auth writes naive UTC; None is a token that does not end.
    expiry = credentials.expiry
    return expiry is None or expiry.replace(tzinfo=UTC) - datetime.now(UTC) > _REFRESH_BEFORE


def _refresh_request() -> Any:
    from google.auth.transport.requests import Request  # noqa: PLC0415 - heavy

    # google-auth waits two minutes unless it is told otherwise.
    return partial(Request(_closed(_plain_session())), timeout=_TOKEN_SECONDS)


def _authorized(credentials: Any) -> Any:
    from google.auth.transport.requests import AuthorizedSession, Request  # noqa: PLC0415 - heavy

    session: Any = AuthorizedSession  # it ships no types
    return _closed(session(credentials, auth_request=Request(_closed(_plain_session()))))


def _plain_session() -> requests.Session:
    import requests  # noqa: PLC0415 - heavy

    return requests.Session()


def _closed(session: Any) -> Any:
    """The session without proxies and credentials of the environment, without redirects, with a pool of its own."""
    from responder.live._retries import once_more  # noqa: PLC0415 - heavy
    from responder.live._timely import adapter  # noqa: PLC0415 - heavy

    session.trust_env = False
    session.max_redirects = 0
    how = {"pool_connections": 8, "pool_maxsize": _POOL, "max_retries": once_more()}
    session.mount("https://", adapter(ANSWER_SECONDS, **how))
    return session
