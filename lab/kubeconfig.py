"""A real Kubernetes API server in the place of the lab's: which one, and as whom it is asked. Closed by default.

`LAB_KUBECONFIG` names a kubeconfig file, whose user must be allowed to make the scenario's objects and to impersonate.
A server that is not on loopback is refused unless `LAB_KUBECONFIG_HOST` repeats its host: whoever has the wrong file in
their environment must not find a scenario's pods in production.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import yaml
import yarl
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config
from kubernetes.config.config_exception import ConfigException

VARIABLE: Final = "LAB_KUBECONFIG"
HOST_VARIABLE: Final = "LAB_KUBECONFIG_HOST"
_SECONDS: Final = 30.0
_RUNS_SOMETHING: Final = ("exec", "auth-provider", "username")
_OK: Final = 400


class KubeconfigError(Exception):
    """The server must not, or cannot, be used; the text says why and what mends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One API server: its address (https, no slash at the end), who signs it, and what our user shows."""

    url: str
    tls: ssl.SSLContext
    ca_pem: str
    authorization: str
    """The header's text; empty where a certificate, which is in `tls`, says who we are."""


def from_environment(environ: Mapping[str, str]) -> Upstream | None:
    """The server that the environment names, None where it names none; KubeconfigError where it is refused."""
    given = environ.get(VARIABLE, "")
    return read(Path(given), repeated=environ.get(HOST_VARIABLE, "")) if given else None


def read(path: Path, *, repeated: str = "") -> Upstream:
    """The current context of a kubeconfig; `repeated` is the host that is meant, where it is not loopback.

    Raises KubeconfigError for a file that cannot be read, a server that is neither on loopback nor repeated, one
    without a CA or without https, and a user whose token comes from a command: nothing is run for a file's sake.
    """
    try:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        users = [entry.get("user") or {} for entry in text.get("users") or ()]
        if any(key in user for user in users for key in _RUNS_SOMETHING):
            message = f"{path}: a user needs a client certificate or a token; exec, auth-provider, username are not run"
            raise KubeconfigError(message)
        found: Any = Configuration()
        load_kube_config(  # type: ignore[no-untyped-call]  # it ships no types
            config_file=str(path), client_configuration=found, persist_config=False
        )
    except (OSError, ValueError, AttributeError, TypeError, yaml.YAMLError, ConfigException) as error:
        message = f"{path}: no kubeconfig that can be read: {error}"
        raise KubeconfigError(message) from None
    _check(found, path, repeated)
    ca_pem = Path(found.ssl_ca_cert).read_text(encoding="ascii")
    context = ssl.create_default_context(cadata=ca_pem)
    if found.cert_file:
        context.load_cert_chain(found.cert_file, found.key_file)
    token = str(found.api_key.get("BearerToken") or "")  # with the scheme in front
    return Upstream(url=found.host.rstrip("/"), tls=context, ca_pem=ca_pem, authorization=token)


def _check(found: Any, path: Path, repeated: str) -> None:
    where = urlsplit(found.host)
    host = where.hostname or ""
    why = ""
    if where.scheme != "https" or not host:
        why = f"{found.host} is no https address"
    elif not found.verify_ssl or not found.ssl_ca_cert:
        why = "the cluster has no certificate-authority: it would not be known who answers"
    elif not _is_loopback(host) and repeated != host:
        why = f"{host} is not on loopback: where it is meant all the same, repeat it in {HOST_VARIABLE}"
    if why:
        message = f"{path}: {why}"
        raise KubeconfigError(message)


def _is_loopback(host: str) -> bool:
    """By its address alone: a name is whatever a resolver says, but for the one that RFC 6761 reserves."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- asking it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it came."""

    status: int
    data: bytes
    content_type: str

    @property
    def is_good(self) -> bool:
        """2xx or 3xx; redirects are not followed."""
        return self.status < _OK

    def json(self) -> dict[str, Any]:
        """The body; empty where it is no JSON object."""
        try:
            found = json.loads(self.data)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Api:
    """Requests to an upstream, on the running loop: as our user, or as whom our user may impersonate."""

    def __init__(self, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._session = session

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str = "",
        content_type: str = "application/json",
        data: bytes | None = None,
    ) -> Reply:
        """One request, sent once. `path` has its query; `data` goes as it is, in the place of `body`."""
        headers = {"Accept": "application/json"}
        if self._upstream.authorization:
            headers["Authorization"] = self._upstream.authorization
        if user:
            headers["Impersonate-User"] = user
        sent = data if body is None else json.dumps(body).encode()
        if sent:
            headers["Content-Type"] = content_type
        url = yarl.URL(f"{self._upstream.url}{path}", encoded=True)
        async with self._session.request(method, url, data=sent or None, headers=headers, allow_redirects=False) as got:
            return Reply(status=got.status, data=await got.read(), content_type=got.content_type)

    async def must(self, method: str, path: str, body: Any = None, *, merge: bool = False) -> dict[str, Any]:
        """The same as our user, whose every request has to succeed; KubeconfigError with the server's words else."""
        kind = "application/merge-patch+json" if merge else "application/json"
        reply = await self.call(method, path, body, content_type=kind)
        if not reply.is_good:
            said = reply.json().get("message") or reply.data[:200].decode(errors="replace")
            message = f"{method} {path.partition('?')[0]}: {reply.status} {said}"
            raise KubeconfigError(message)
        return reply.json()


@contextlib.asynccontextmanager
async def api(upstream: Upstream) -> AsyncIterator[Api]:
    """A client for the running loop; no proxy of the environment is used."""
    connector = aiohttp.TCPConnector(ssl=upstream.tls, limit=32)
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        yield Api(upstream, session)
    # aiohttp closes TLS connections on the loop's next turns.
    await asyncio.sleep(0)
