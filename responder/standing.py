"""Step 7: what the guards ask of each finding of a record. Pure.

Findings of which one guard would say yes and another no are never of one group: a group shows its first alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from responder.finding import TEST_MARK
from responder.record import RecordedFinding

_NOT_MUTED: Final = frozenset({"", "MUTE_UNSPECIFIED", "UNDEFINED", "UNMUTED"})


class Standing(NamedTuple):
    """Whether a finding is ACTIVE, is muted, is a test of the doctor's, and the (namespace, name) of its pods."""

    active: bool
    muted: bool
    test: bool
    pods: frozenset[tuple[str, str]]


def standing(one: RecordedFinding) -> Standing:
    """By the latest that was published of it, and by SCC's own word where SCC confirms it: the worse of the two."""
    words = [_latest(one), *([(one.state, one.mute)] if one.confirmed == "yes" else [])]
    return Standing(
        active=all(state == "ACTIVE" for state, _ in words),
        muted=any(is_muted(mute) for _, mute in words),
        test=any(key.rpartition("/")[2].startswith(TEST_MARK) for key in (one.key, *one.more)),
        pods=frozenset((pod.namespace, pod.name) for pod in one.pods),
    )


def is_muted(mute: str) -> bool:
    """Whether that value of a finding's `mute` keeps it from being acted on; one that is not known does."""
    return mute not in _NOT_MUTED


def _latest(one: RecordedFinding) -> tuple[str, str]:
    # A mute leaves eventTime as it is: the one that came last tells; an older eventTime that comes late does not.
    last = max(one.occurrences, key=lambda seen: (seen.event_time, seen.received), default=None)
    return (last.state, last.mute) if last else (one.state, one.mute)
