"""Steps 1 to 4: what an SDK's exception means for the record. Touches nothing.

The one place that translates. Classes are named by their full names and looked up along the exception's MRO, so that
no SDK is imported before it is used. Nothing of a reply goes into the text: an error message of a server may hold
what it was sent, a token included. What the text says is what we asked, and the name of the status.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from responder.errors import Unanswered, Why
from responder.live._reply import WrongFormError

if TYPE_CHECKING:
    from types import TracebackType

# Canonical codes: google/rpc/code.proto says what each means, and which are worth another try.
STATUSES: Final[dict[str, Why]] = {
    "CANCELLED": "unavailable",
    "UNKNOWN": "unavailable",
    "INVALID_ARGUMENT": "broken",
    "DEADLINE_EXCEEDED": "timeout",
    "NOT_FOUND": "not_found",
    "ALREADY_EXISTS": "broken",
    "PERMISSION_DENIED": "denied",
    "RESOURCE_EXHAUSTED": "quota",
    "FAILED_PRECONDITION": "broken",
    "ABORTED": "unavailable",
    "OUT_OF_RANGE": "broken",
    "UNIMPLEMENTED": "broken",
    "INTERNAL": "unavailable",
    "UNAVAILABLE": "unavailable",
    "DATA_LOSS": "unavailable",
    "UNAUTHENTICATED": "denied",
}

HTTP: Final[dict[int, Why]] = {
    401: "denied",
    403: "denied",
    404: "not_found",
    408: "timeout",
    410: "not_found",
    429: "quota",
    499: "unavailable",
    501: "broken",
    504: "timeout",
}
"""Those that do not follow their hundred: other 5xx are `unavailable`; other 4xx, 3xx and 1xx are `broken`."""

LOGIN: Final = "give the responder credentials: its service account, or gcloud auth application-default login"
UNDECODED: Final = "Exception deserializing response!"
"""What grpc itself, on our side, calls a reply that is not the protobuf message that it should be; code INTERNAL."""
TLS: Final = "the certificate of the other side is not signed by the CA that the Container API names"

CLASSES: Final[dict[str, tuple[Why, str, str]]] = {
    # name of the class: (why, what happened, mend). The first that is met along the MRO counts.
    "google.api_core.exceptions.RetryError": ("timeout", "no answer in time", ""),
    "google.auth.exceptions.DefaultCredentialsError": ("denied", "there are no credentials", LOGIN),
    "google.auth.exceptions.RefreshError": ("denied", "the credentials were refused", LOGIN),
    "google.auth.exceptions.TimeoutError": ("timeout", "no token in time", ""),
    "google.auth.exceptions.TransportError": ("unavailable", "the token service could not be reached", ""),
    "google.auth.exceptions.GoogleAuthError": ("denied", "the credentials cannot be used", LOGIN),
    "requests.exceptions.Timeout": ("timeout", "no answer in time", ""),
    "requests.exceptions.SSLError": ("broken", "TLS was refused", TLS),
    "requests.exceptions.TooManyRedirects": ("broken", "redirected elsewhere, which is not followed", ""),
    "requests.exceptions.JSONDecodeError": ("broken", "the answer is not JSON", ""),
    "requests.exceptions.RequestException": ("unavailable", "the connection failed", ""),
    # A refused connection is, in urllib3, a kind of timeout.
    "urllib3.exceptions.NewConnectionError": ("unavailable", "the connection failed", ""),
    "urllib3.exceptions.TimeoutError": ("timeout", "no answer in time", ""),
    "urllib3.exceptions.SSLError": ("broken", "TLS was refused", TLS),
    "urllib3.exceptions.LocationValueError": ("broken", "the address cannot be used", ""),
    "urllib3.exceptions.HTTPError": ("unavailable", "the connection failed", ""),
    "json.decoder.JSONDecodeError": ("broken", "the answer is not JSON", ""),
    "builtins.UnicodeDecodeError": ("broken", "the answer is not UTF-8", ""),
    "builtins.OverflowError": ("broken", "the answer holds a time that is none", ""),
    "builtins.RecursionError": ("broken", "the answer is nested too deeply", ""),
    "pydantic_core._pydantic_core.ValidationError": ("broken", "the answer has another form", ""),
    "ssl.SSLError": ("broken", "TLS was refused", TLS),
    "builtins.TimeoutError": ("timeout", "no answer in time", ""),
    "builtins.ConnectionError": ("unavailable", "the connection failed", ""),
    "socket.gaierror": ("unavailable", "the name could not be resolved", ""),
}

_WRAPPED: Final = {
    # These carry the real reason in an attribute; without one, their own row (or that of their base) counts.
    "google.api_core.exceptions.RetryError": "cause",
    "urllib3.exceptions.MaxRetryError": "reason",
}
_CODED: Final = {
    # These carry a status.
    "google.api_core.exceptions.GoogleAPICallError",
    "grpc.RpcError",
    "kubernetes.client.exceptions.ApiException",
}


class Asking:
    """``with Asking("get pods shop/web-1", mend="…"):`` - what an SDK raises inside leaves as `Unanswered`.

    `what` says what was asked, in words of ours and validated names; `mend` which grant a denied answer lacks.
    An exception that no table knows is a bug of ours and goes on as it is.
    """

    def __init__(self, what: str, *, mend: str) -> None:
        self._what = what
        self._mend = mend

    def __enter__(self) -> None:
        return

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, Unanswered):
            unanswered = translate(error, what=self._what, mend=self._mend)
            if unanswered is not None:
                # `from None`: a traceback must not print the SDK's text.
                raise unanswered from None

    def status(self, code: int) -> Unanswered:
        """What an HTTP answer other than 2xx means."""
        return of_status(code, what=self._what, mend=self._mend)

    def late(self) -> Unanswered:
        """An answer that began and did not end in time."""
        return Unanswered("timeout", f"{self._what}: no answer in time")

    def endless(self) -> Unanswered:
        """A list that says after many pages that more comes."""
        return Unanswered("unavailable", f"{self._what}: the list was cut short before its end")

    def broken(self, detail: str) -> Unanswered:
        """An answer that came, and is not what was asked for."""
        return Unanswered("broken", f"{self._what}: {detail}")


def translate(error: BaseException, *, what: str, mend: str) -> Unanswered | None:
    """What `error` means, or None where it is not of an SDK: then it is a bug, and must be seen as one."""
    if isinstance(error, WrongFormError):
        return Unanswered("broken", f"{what}: the answer has another form at {error}")
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]
    for name in names:
        inner = getattr(error, _WRAPPED.get(name, ""), None)
        known = translate(inner, what=what, mend=mend) if isinstance(inner, Exception) else None
        if known is not None:
            return known
    if any(name in _CODED for name in names):
        return _of_code(error, what=what, mend=mend)
    row = next((CLASSES[name] for name in names if name in CLASSES), None)
    if row is None:
        return None
    why, happened, own_mend = row
    if why == "denied" and getattr(error, "retryable", False):  # google.auth says that the token service may recover
        why, own_mend = "unavailable", ""
    return Unanswered(why, f"{what}: {happened}", mend=own_mend)


def of_status(code: int, *, what: str, mend: str) -> Unanswered:
    """What an HTTP status other than 2xx means."""
    why = HTTP.get(code)
    if why is None:
        why = "unavailable" if code >= HTTPStatus.INTERNAL_SERVER_ERROR else "broken"
    try:
        phrase = HTTPStatus(code).phrase
    except ValueError:
        phrase = "no such status"
    return Unanswered(why, f"{what}: HTTP {code} {phrase}", mend=mend if why == "denied" else "")


def _of_code(error: BaseException, *, what: str, mend: str) -> Unanswered:
    status = _canonical(error)
    if status:
        why = STATUSES[status]
        if getattr(error, "message", "") == UNDECODED:
            return Unanswered("broken", f"{what}: the answer cannot be decoded")
        if why == "denied" and getattr(error, "reason", None) == "SERVICE_DISABLED":
            return Unanswered(why, f"{what}: SERVICE_DISABLED", mend="switch the API on: gcloud services enable")
        own_mend = LOGIN if status == "UNAUTHENTICATED" else mend
        return Unanswered(why, f"{what}: {status}", mend=own_mend if why == "denied" else "")
    number = getattr(error, "status", None) or getattr(error, "code", None)
    if isinstance(number, int) and number:
        return of_status(int(number), what=what, mend=mend)
    # The Kubernetes client turns a failed TLS handshake into status 0.
    return Unanswered("broken", f"{what}: TLS was refused", mend=TLS)


def _canonical(error: BaseException) -> str:
    """The canonical code's name of a gRPC or gapic error; empty where it has none."""
    code = getattr(error, "grpc_status_code", None)
    if code is None and not hasattr(error, "grpc_status_code"):
        code = getattr(error, "code", None)
        code = code() if callable(code) else None
    name = getattr(code, "name", "")
    return name if name in STATUSES else ""
