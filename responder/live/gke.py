"""Step 2: the cluster as the Container API has it, and the way to its control plane. Reads one cluster object.

The way in is taken from this answer alone, never from a finding: the responder's token is sent there.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, get_args

from google.cloud.container_v1 import Cluster as ClusterMessage

from responder import names
from responder.errors import Unanswered
from responder.evidence import Cluster, Endpoint
from responder.finding import ClusterRef
from responder.live._errors import Asking
from responder.live._patience import Patience
from responder.ports import Access

PERMISSIONS: Final = (
    "container.clusters.get",
    "container.clusters.connect",  # the DNS endpoint asks for it; the IP endpoints do not
)

Kind = Literal["dns", "public", "private"]
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_SECONDS: Final = 20.0
_ATTEMPT_SECONDS: Final = 8.0
_DNS: Final = re.compile(r"(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)+gke\.goog")
_DNS_LENGTH: Final = 253
_SELF_LINK: Final = re.compile(r"https://[a-z0-9.-]+/v1(?:beta1)?/projects/([^/]+)/.+")
_PORTS: Final = 65535


class _Way(NamedTuple):
    """An endpoint: `host` empty where it cannot be used, `reason` why that is so (or why it can)."""

    host: str
    reason: str


class Gke:
    """`client` is a `container_v1.ClusterManagerClient`; `endpoints` the kinds of endpoint to use, best first."""

    def __init__(self, client: Any, endpoints: tuple[str, ...]) -> None:
        self._client = client
        by_name: dict[str, Kind] = {kind: kind for kind in _KINDS}
        self._order = tuple(by_name[kind] for kind in endpoints)

    def cluster(self, ref: ClusterRef, *, event_time: datetime) -> tuple[Cluster, Access | None]:
        """GetCluster, once. `newer_than_event` says that it is another cluster of the same name."""
        is_project = names.is_valid("project_id", ref.project) or names.is_valid("project_number", ref.project)
        if not (is_project and names.is_valid("location", ref.location) and names.is_valid("cluster", ref.name)):
            raise Unanswered("invalid", "not a name that a GKE cluster can have")
        message = self._get(ref)
        if (message.name, message.location) != (ref.name, ref.location):
            raise Unanswered("broken", f"{PERMISSIONS[0]} on {ref.api_name}: the answer is another cluster")
        endpoint, access = _way_in(message, ref, self._order)
        return _cluster(message, endpoint, event_time), access

    def _get(self, ref: ClusterRef) -> Any:
        patience = Patience(total=_SECONDS, attempt=_ATTEMPT_SECONDS)
        mend = f"grant the responder {PERMISSIONS[0]} in project {ref.project} (roles/container.clusterViewer)"
        with Asking(f"{PERMISSIONS[0]} on {ref.api_name}", mend=mend):
            request = {"name": ref.api_name}
            reply = self._client.get_cluster(request=request, retry=patience.retry(), timeout=patience.timeout)
            return ClusterMessage.pb(reply)


def _cluster(message: Any, endpoint: Endpoint, event_time: datetime) -> Cluster:
    created = _time(message.create_time)
    ip = message.control_plane_endpoints_config.ip_endpoints_config
    self_link = _SELF_LINK.fullmatch(message.self_link)
    return Cluster(
        name=message.name,
        location=message.location,
        location_type="zone" if names.location_type(message.location) == "zone" else "region",
        project_id=self_link[1] if self_link else "",
        self_link=message.self_link,
        id=message.id,
        status=_enum(message, "status"),
        create_time=created,
        newer_than_event=created is not None and created > event_time,
        version=message.current_master_version,
        release_channel=_enum(message.release_channel, "channel"),
        autopilot=message.autopilot.enabled,
        dataplane_v2=_enum(message.network_config, "datapath_provider") == "ADVANCED_DATAPATH",
        network_policy=message.network_policy.enabled,
        workload_pool=message.workload_identity_config.workload_pool,
        private_nodes=message.private_cluster_config.enable_private_nodes
        or message.network_config.default_enable_private_nodes,
        authorized_networks=message.master_authorized_networks_config.enabled or ip.authorized_networks_config.enabled,
        endpoint=endpoint,
        labels=dict(message.resource_labels),
    )


def _way_in(message: Any, ref: ClusterRef, order: tuple[Kind, ...]) -> tuple[Endpoint, Access | None]:
    """The first kind of `order` that the cluster has; `reason` tells of each that was passed over."""
    ways = {"dns": _dns, "public": _public, "private": _private}
    passed: list[str] = []
    for kind in order:
        way = ways[kind](message)
        ca_pem = "" if kind == "dns" else _ca(message)
        if not way.host:
            passed.append(f"{kind}: {way.reason}")
        elif kind != "dns" and not ca_pem:
            # The system's CAs are no substitute: anybody's certificate would do.
            passed.append(f"{kind}: the answer holds no CA of the cluster")
        else:
            reason = "; ".join((way.reason, *passed))
            access = Access(kind=kind, host=way.host, ca_pem=ca_pem, cluster=ref)
            return Endpoint(kind=kind, host=way.host, reason=reason), access
    return Endpoint(kind="none", host="", reason="; ".join(passed) or "no kind of endpoint may be used"), None


def _dns(message: Any) -> _Way:
    config = message.control_plane_endpoints_config.dns_endpoint_config
    if not config.endpoint:
        return _Way("", "the cluster has no DNS endpoint")
    if not config.allow_external_traffic:
        return _Way("", "the DNS endpoint is closed to traffic from outside the cluster's network")
    if len(config.endpoint) > _DNS_LENGTH or not _DNS.fullmatch(config.endpoint):
        return _Way("", "not an address of a control plane")
    return _Way(config.endpoint, "DNS endpoint, open to traffic from outside; IAM decides")


def _public(message: Any) -> _Way:
    plane = message.control_plane_endpoints_config
    ip, private = plane.ip_endpoints_config, message.private_cluster_config
    if _is_off(plane):
        return _Way("", "the IP endpoints are switched off")
    if (ip.HasField("enable_public_endpoint") and not ip.enable_public_endpoint) or private.enable_private_endpoint:
        return _Way("", "the public endpoint is switched off")
    inside = {ip.private_endpoint, private.private_endpoint} - {""}
    named = ip.public_endpoint or private.public_endpoint or message.endpoint
    if not named or named in inside:
        return _Way("", "the cluster has no public endpoint")
    return _address(named, "public endpoint")


def _private(message: Any) -> _Way:
    plane = message.control_plane_endpoints_config
    if _is_off(plane):
        return _Way("", "the IP endpoints are switched off")
    private = message.private_cluster_config
    named = plane.ip_endpoints_config.private_endpoint or private.private_endpoint
    if not named and private.enable_private_endpoint:
        named = message.endpoint
    if not named:
        return _Way("", "the cluster has no private endpoint")
    return _address(named, "private endpoint, which takes a route into the cluster's network")


def _is_off(plane: Any) -> bool:
    """Whether the IP endpoints are off; a cluster whose answer does not speak of it is older than the switch."""
    return plane.ip_endpoints_config.HasField("enabled") and not plane.ip_endpoints_config.enabled


def _address(text: str, reason: str) -> _Way:
    """`text` as IPv4 with or without a port: no name, no path, no user, and no link-local metadata server."""
    host, colon, port = text.partition(":")
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return _Way("", "not an address of a control plane")
    is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _PORTS
    if (colon and not is_port) or address.is_link_local or address.is_multicast or address.is_unspecified:
        return _Way("", "not an address of a control plane")
    return _Way(text, reason)


def _ca(message: Any) -> str:
    """The CA of the cluster as PEM; empty where the answer has none that can be read."""
    try:
        pem = base64.b64decode(message.master_auth.cluster_ca_certificate, validate=True).decode("ascii")
    except (binascii.Error, UnicodeError):
        return ""
    return pem if pem.startswith("-----BEGIN CERTIFICATE-----") else ""


def _time(text: str) -> datetime | None:
    """The API writes RFC 3339 into a string field; None where it does not."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None


def _enum(message: Any, field: str) -> str:
    """The name of an enum's value; the number of one that is newer than the library."""
    number = getattr(message, field)
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number.get(number)
    return known.name if known else str(number)
