"""Steps 2 to 4: reads JSON that somebody else wrote. Touches nothing.

What is absent is empty; what has another form than its owner documents is `WrongFormError`, which becomes an answer
of why `broken`: a reply of the wrong form must not look like an empty one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

_ANNOTATIONS: Final = 50
_ANNOTATION_CHARACTERS: Final = 500
_LABELS: Final = 100
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class WrongFormError(Exception):
    """A part of a reply has another form than documented; `str()` is its path."""


def mapping(reply: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at `path`; empty where there is none."""
    value: Mapping[str, Any] = reply
    for key in path:
        inner = value.get(key)
        if inner is None:
            return {}
        if not isinstance(inner, dict):
            raise WrongFormError(".".join(path))
        value = inner
    return value


def items(reply: Mapping[str, Any], *path: str) -> list[dict[str, Any]]:
    """The list of objects at `path`; empty where there is none."""
    value = mapping(reply, *path[:-1]).get(path[-1])
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise WrongFormError(".".join(path))
    return value


def text(reply: Mapping[str, Any], *path: str) -> str:
    """The string at `path`; empty where there is none."""
    value = mapping(reply, *path[:-1]).get(path[-1])
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WrongFormError(".".join(path))
    return value


def texts(reply: Mapping[str, Any], *path: str) -> tuple[str, ...]:
    """The list of strings at `path`; empty where there is none."""
    value = mapping(reply, *path[:-1]).get(path[-1])
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise WrongFormError(".".join(path))
    return tuple(value)


def number(reply: Mapping[str, Any], *path: str) -> int | None:
    """The integer at `path`, or None."""
    value = mapping(reply, *path[:-1]).get(path[-1])
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongFormError(".".join(path))
    return value


def flag(reply: Mapping[str, Any], *path: str) -> bool | None:
    """The boolean at `path`, or None."""
    value = mapping(reply, *path[:-1]).get(path[-1])
    if value is None:
        return None
    if not isinstance(value, bool):
        raise WrongFormError(".".join(path))
    return value


def moment(reply: Mapping[str, Any], *path: str) -> datetime | None:
    """The RFC 3339 time at `path`, UTC; None where there is none."""
    written = text(reply, *path)
    if not written:
        return None
    try:
        value = datetime.fromisoformat(written)
    except ValueError:
        raise WrongFormError(".".join(path)) from None
    if value.tzinfo is None:
        raise WrongFormError(".".join(path))
    return value.astimezone(UTC)


def labels(reply: Mapping[str, Any], *path: str) -> dict[str, str]:
    """The string map at `path`, its first hundred entries."""
    value = mapping(reply, *path)
    if not all(isinstance(item, str) for item in value.values()):
        raise WrongFormError(".".join(path))
    return dict(islice(value.items(), _LABELS))


def kept_annotations(reply: Mapping[str, Any], *path: str) -> dict[str, str]:
    """The annotations at `path`: the first fifty, each cut at 500 characters.

    `last-applied-configuration` is dropped: it repeats the whole object, the values of its environment included.
    """
    value = mapping(reply, *path)
    if not all(isinstance(item, str) for item in value.values()):
        raise WrongFormError(".".join(path))
    kept = ((key, item[:_ANNOTATION_CHARACTERS]) for key, item in value.items() if key != _LAST_APPLIED)
    return dict(islice(kept, _ANNOTATIONS))
