"""The way to Google: what the adapters' clients are built on. The only place that knows credentials and addresses.

The product has no option that points a client elsewhere: `LiveGoogle` is the default, and whoever wires another one (the
lab does) does so in code, through `wiring.install`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import requests

    from responder.ports import Access


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

    def http(self) -> requests.Session:
        """A session that authenticates as the responder; no proxies from the environment, no redirects followed."""

    def base_url(self, service: str) -> str:
        """`https://SERVICE.googleapis.com`, without a slash at the end."""

    def token(self) -> str:
        """A bearer token for a control plane, fresh."""

    def cluster(self, access: Access) -> Address:
        """The address behind an access."""
