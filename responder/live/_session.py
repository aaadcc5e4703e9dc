"""Step 4: who opened a session into the pod, and what was run there, as the admin activity log tells. Touches nothing.

Where GKE writes the command of an exec is documented nowhere; every place that an audit entry can hold it is read:
the request object (`PodExecOptions`), the request's URI in the metadata, the entry's labels, the resource's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from google.rpc import code_pb2

from responder.evidence import SessionKind

_SUBRESOURCES: Final[dict[str, SessionKind]] = {
    "exec": "exec",
    "attach": "attach",
    "portforward": "portforward",
    "ephemeralcontainers": "debug",
}
_URI_KEYS: Final = ("requestURI", "requestUri", "request_uri", "uri", "url", "path")
_ARGUMENTS: Final = 256
_CHARACTERS: Final = 4096


def kind_of(method: str, resource_name: str) -> SessionKind | None:
    """The kind of session by `methodName` (`io.k8s.core.v1.pods.exec.create`) or the subresource in `resourceName`."""
    _, _, called = method.rpartition("pods.")
    by_method = _SUBRESOURCES.get(called.split(".", 1)[0]) if "pods." in method else None
    return by_method or _SUBRESOURCES.get(resource_name.partition("?")[0].rpartition("/")[2])


@lru_cache(maxsize=64)
def status_name(code: int) -> str:
    """The canonical name of a `google.rpc.Status`: `OK`, `PERMISSION_DENIED`."""
    known = code_pb2.Code.DESCRIPTOR.values_by_number.get(code)
    return known.name if known else str(code)


def command_of(
    log: Any, request: Mapping[str, Any], metadata: Mapping[str, Any], labels: Mapping[str, str]
) -> tuple[str, ...]:
    """The argv of the session, as the first place that has one says; empty where none does."""
    for found in _places(log, request, metadata, labels):
        words = _words(found)
        if words:
            return words
    return ()


def _places(
    log: Any, request: Mapping[str, Any], metadata: Mapping[str, Any], labels: Mapping[str, str]
) -> Iterator[Any]:
    yield request.get("command")
    for container in reversed(_ephemeral(request)):
        yield [*_list(container.get("command")), *_list(container.get("args"))]
    yield metadata.get("command")
    for source in (request, metadata, labels):
        for key, value in source.items():
            if key.rpartition("/")[2] in _URI_KEYS:
                yield _query(value)
    attributes = log.request_metadata.request_attributes
    yield _query(f"?{attributes.query}")
    yield _query(attributes.path)
    yield _query(log.resource_name)
    for key, value in labels.items():
        if key.rpartition("/")[2] == "command":
            yield value


def _ephemeral(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    spec = request.get("spec")
    listed = _list(spec.get("ephemeralContainers")) if isinstance(spec, dict) else []
    return [container for container in listed if isinstance(container, dict)]


def _query(uri: Any) -> list[str]:
    """`command=` of a URI, each once per word: that is how kubectl sends an argv."""
    if not isinstance(uri, str) or "command=" not in uri:
        return []
    try:
        return parse_qs(urlsplit(uri).query, max_num_fields=_ARGUMENTS * 2).get("command", [])
    except ValueError:
        return []


def _words(found: Any) -> tuple[str, ...]:
    listed = [found] if isinstance(found, str) else _list(found)
    words = tuple(word[:_CHARACTERS] for word in listed[:_ARGUMENTS] if isinstance(word, str))
    return words if any(words) else ()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
