"""Kubernetes' own error objects: a `Status`, with the texts that a real API server writes. Touches nothing.

The texts are those of k8s.io/apimachinery/pkg/api/errors and k8s.io/apiserver's RBAC responses.
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer that is not a success; `body` is the whole `Status`."""

    def __init__(self, code: int, reason: str, message: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body = status(code=code, reason=reason, message=message, details=details)


def status(
    *,
    code: int,
    reason: str = "",
    message: str = "",
    details: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A `Status`: Failure from 400 on, else Success."""
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure" if code >= 400 else "Success",
    }
    if message:
        body["message"] = message
    if reason:
        body["reason"] = reason
    if details:
        body["details"] = details
    if code >= 400:
        body["code"] = code
    return body


def qualified(resource: str, group: str) -> str:
    """`pods`, `deployments.apps`: how error texts name a resource."""
    return f"{resource}.{group}" if group else resource


def _details(name: str, group: str, kind: str) -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}


def unauthorized() -> ApiError:
    """401: no bearer token, or one that nobody knows."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(*, user: str, verb: str, resource: str, group: str, namespace: str, name: str) -> ApiError:
    """403, as RBAC says it; `resource` may have a subresource (`pods/exec`)."""
    plural = resource.partition("/")[0]
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    subject = qualified(plural, group) + (f' "{name}"' if name else "")
    message = f'{subject} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}"{where}'
    return ApiError(403, "Forbidden", message, details=_details(name, group, plural))


def not_found(resource: str, name: str, *, group: str = "") -> ApiError:
    """404 for an object."""
    message = f'{qualified(resource, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(name, group, resource))


def no_such_path() -> ApiError:
    """404 for a resource that the server does not have."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def conflict(name: str, *, precondition: str, wanted: str, have: str) -> ApiError:
    """409 for a delete whose precondition (`UID`, `ResourceVersion`) does not hold for the pod."""
    what = f"the {precondition} in the precondition ({wanted}) does not match the {precondition} in record ({have})"
    message = (
        f'Operation cannot be fulfilled on Pod "{name}": {what}. The object might have been deleted and then recreated'
    )
    return ApiError(409, "Conflict", message, details={"name": name, "kind": "Pod"})


def too_many() -> ApiError:
    """429, as priority and fairness says it."""
    message = "the server has received too many requests and has asked us to try again later"
    return ApiError(429, "TooManyRequests", message, details={"retryAfterSeconds": 1})


def unavailable() -> ApiError:
    """503."""
    return ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request")


def unsupported(content_type: str) -> ApiError:
    """415: the lab reads JSON alone (`kubectl auth can-i` sends protobuf)."""
    accepted = "accepted media types include: application/json"
    message = f"the body of the request was in an unknown format - {accepted}; not {content_type}"
    return ApiError(415, "UnsupportedMediaType", message)


def number(text: str, *, name: str) -> int | None:
    """A whole number of a query, None where it is not given; ApiError (400) for anything else."""
    if not text:
        return None
    if not text.isascii() or not text.isdecimal():
        message = f"strconv.ParseInt: parsing {text!r}: invalid syntax: {name}"
        raise bad_request(message)
    return int(text)
