"""Step 7: deletes one pod by its UID. The one module that removes; each call is one request, never repeated.

A lost reply must not cost a second pod: nothing here, and nothing below, sends a request again. What is not a readable
answer of the API server is `Unconfirmed` from the moment on which the first byte has left, and `Refused` before it.
The token goes to the control plane alone: TLS is verified, no proxy of the environment is used, no redirect followed.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any, Final

from kubernetes.client import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTClientObject
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError

from responder import __version__, names
from responder.errors import PASSING, Refused, Unanswered, Unconfirmed
from responder.live import _errors, _reply
from responder.live._timely import response
from responder.live.google import Address
from responder.live.kubernetes import CONNECTING, Rule, tls
from responder.record import Method

PERMISSIONS: Final = CONNECTING

RULES: Final = (
    Rule("", "pods", ("get", "delete")),
    Rule("", "pods/eviction", ("create",)),
)
ROLE: Final = "remediator"
"""Bound in opted-in namespaces alone. Never `deletecollection`: it is what an empty name turns a delete into."""

_CONNECT_SECONDS: Final = 3.0
_BODY_BYTES: Final = 64 * 1024
_BODY_SECONDS: Final = 5.0
_LEAST_GRACE: Final = 1  # 0 removes the object at once, and nobody has seen its containers end
_MOST_GRACE: Final = 30
# k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go
_BUDGET: Final = re.compile(r"The disruption budget (\S{1,253}) needs (\d{1,9}) healthy pods and has (\d{1,9}) curr")


class Deleter:
    """One control plane, as the remediator. `token` is asked for each call, so that it may be renewed meanwhile.

    `answer_seconds` is how long the answer may take to come; admission webhooks are called within it.
    """

    def __init__(self, address: Address, token: Callable[[], str], *, answer_seconds: float = 15.0) -> None:
        if not address.url.startswith("https://"):
            message = "a control plane is asked over https alone"
            raise ValueError(message)
        self._address = address
        self._token = token
        self._timeout = (_CONNECT_SECONDS, answer_seconds)
        self._guard = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def rehearse(self, namespace: str, name: str, *, uid: str, grace_seconds: int, method: Method = "delete") -> None:
        """The same with `dryRun=All`: admission and precondition, and an eviction's budget, are asked; nothing is done.

        k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go: the budget is looked at and not taken from.
        """
        options = _options(namespace, name, uid, grace_seconds) | {"dryRun": ["All"]}
        if method == "evict":
            self._send("POST", namespace, name, "/eviction", _eviction(namespace, name, options))
        else:
            self._send("DELETE", namespace, name, "", options)

    def delete(self, namespace: str, name: str, *, uid: str, grace_seconds: int) -> None:
        """`DELETE` with `preconditions.uid`; returning means that the API server took it."""
        self._send("DELETE", namespace, name, "", _options(namespace, name, uid, grace_seconds))

    def evict(self, namespace: str, name: str, *, uid: str, grace_seconds: int) -> None:
        """`POST …/eviction` (policy/v1) with the same precondition; a budget's no is Refused("quota", retry=True)."""
        options = _options(namespace, name, uid, grace_seconds)
        self._send("POST", namespace, name, "/eviction", _eviction(namespace, name, options))

    def _send(self, method: str, namespace: str, name: str, sub: str, body: Mapping[str, Any]) -> None:
        """One request. Returns for 2xx, whatever its body is; a Status in the place of a Pod is no failure."""
        rule = "create pods/eviction" if sub else "delete pods"
        what, mend = f"{rule} {namespace}/{name}", f"{rule}: bind the remediator's role of deploy/rbac/ in {namespace}"
        headers = self._headers(what)
        url = f"{self._address.url}/api/v1/namespaces/{namespace}/pods/{name}{sub}"
        left = threading.Event()
        client: Any = self._client(left)  # the package is typed, its request method is not
        try:
            reply = client.request(method, url, headers=headers, body=body, _request_timeout=self._timeout).response
            with closing(reply):
                if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
                    return
                said = _status(reply)
        except (HTTPError, ApiException, OSError) as error:
            # By what has left, not by the error's type: over TLS a lost reply and a refused handshake look alike.
            nothing = Unanswered("unavailable", f"{what}: the connection failed")
            known = _errors.translate(error, what=what, mend=mend) or nothing
            if left.is_set():
                lost = "no answer in time" if known.why == "timeout" else "the connection was lost before the answer"
                raise Unconfirmed(f"{what}: {lost}") from None
            raise Refused("unavailable", known.detail, mend=known.mend, retry=True) from None
        finally:
            client.close()
        raise _meaning(reply.status, said, what=what, mend=mend, name=name)

    def _headers(self, what: str) -> dict[str, str]:
        try:
            with _errors.Asking(what, mend=""):
                token = self._token()
        except Unanswered as error:
            raise Refused(error.why, error.detail, mend=error.mend, retry=error.why in PASSING) from None
        return {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": f"gke-compiler-responder/{__version__}",
        }

    def _client(self, left: threading.Event) -> RESTClientObject:
        """A client for one request: a kept connection that the server has closed would lose it on its way."""
        configuration = Configuration(host=self._address.url)
        configuration.proxy = None  # it was taken from the environment
        configuration.retries = False  # None would be urllib3's default, which repeats a DELETE three times
        client = RESTClientObject(configuration)
        with self._guard:
            self._context = self._context or tls(self._address.ca_pem)
        client.pool_manager.connection_pool_kw["ssl_context"] = self._context
        client.pool_manager.pool_classes_by_scheme = {"https": _noting(left, self._timeout[1])}
        return client


def _noting(left: threading.Event, seconds: float) -> type[HTTPSConnectionPool]:
    """Connections that say when the first byte of a request leaves: the handshake is over by then."""

    class Connection(HTTPSConnection):
        response_class = response(seconds)

        def send(self, data: Any) -> None:
            left.set()
            super().send(data)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


def _eviction(namespace: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "Eviction",
        "apiVersion": "policy/v1",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": options,
    }


def _options(namespace: str, name: str, uid: str, grace_seconds: int) -> dict[str, Any]:
    """DeleteOptions, after everything that goes into the request was looked at; ValueError else."""
    for kind, text in (("namespace", namespace), ("pod", name), ("uid", uid)):
        if not names.is_valid(kind, text):
            message = f"not a {kind} that a pod to be deleted can have"
            raise ValueError(message)
    if isinstance(grace_seconds, bool) or not _LEAST_GRACE <= grace_seconds <= _MOST_GRACE:
        message = f"a grace is {_LEAST_GRACE} to {_MOST_GRACE} seconds"
        raise ValueError(message)
    return {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": grace_seconds,
        "preconditions": {"uid": uid},
    }


# --- what an answer means ---------------------------------------------------------------------------------------------


def _status(reply: Any) -> dict[str, Any]:
    """The answer's `Status`; empty where it is none, or could not be read: the HTTP status has been read already."""
    until, parts, size = time.monotonic() + _BODY_SECONDS, [], 0
    try:
        while size <= _BODY_BYTES and time.monotonic() < until and (part := reply.read1(_BODY_BYTES)):
            parts.append(part)
            size += len(part)
        said = json.loads(b"".join(parts))
    except (HTTPError, OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) and said.get("kind") == "Status" else {}


def _meaning(code: int, said: Mapping[str, Any], *, what: str, mend: str, name: str) -> Refused | Unconfirmed:
    """What an answer other than 2xx says: a no of the API server, or nothing that could be relied on."""
    plain = _errors.of_status(code, what=what, mend=mend)
    is_no = HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR and code != HTTPStatus.REQUEST_TIMEOUT
    if not is_no:
        return Unconfirmed(plain.detail)
    no = Refused("broken", plain.detail)
    match code:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            no = Refused("denied", plain.detail, mend=mend)
        # A 404 of something on the way, which knows nothing of pods, must not pass for "it is gone".
        case HTTPStatus.NOT_FOUND if _names(said, name):
            no = Refused("not_found", f"{what}: there is no pod of that name")
        case HTTPStatus.CONFLICT if "UID" in _text(said, "message"):
            no = Refused("not_found", f"{what}: the pod of that name has another UID")
        case HTTPStatus.CONFLICT:
            no = Refused("unavailable", plain.detail, retry=True)
        case HTTPStatus.TOO_MANY_REQUESTS:
            no = Refused("quota", _budget(said, what) or plain.detail, retry=True)
    return no


def _names(said: Mapping[str, Any], name: str) -> bool:
    """Whether a 404 is about the pod; that of an unknown path has no name in it."""
    return _text(said, "reason") == "NotFound" and _text(said, "details", "name") == name


def _budget(said: Mapping[str, Any], what: str) -> str:
    """Which disruption budget said no, in words of ours; empty where none did."""
    try:
        causes = _reply.items(said, "details", "causes")
    except _reply.WrongFormError:
        return ""
    for cause in causes:
        if _text(cause, "reason") == "DisruptionBudget":
            told = _BUDGET.match(_text(cause, "message"))
            if told and names.is_valid("workload", told[1]):
                return f"{what}: the disruption budget {told[1]} needs {told[2]} healthy pods and has {told[3]}"
            return f"{what}: a disruption budget does not allow it now"
    return ""


def _text(said: Mapping[str, Any], *path: str) -> str:
    try:
        return _reply.text(said, *path)
    except _reply.WrongFormError:
        return ""
