"""What every record store agrees on: how moments, texts and identities are written. Pure; standard library only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from responder.finding import Finding, Target
    from responder.record import Traits

_SHORT: Final = 10_000


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC at a fixed width, so that text sorts as time does."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def shifted(moment: datetime, by: timedelta) -> str:
    """The stamp of another moment, or of the end of time where the finding claims to be close to it."""
    try:
        return stamp(moment + by)
    except OverflowError:
        return "0000" if by < timedelta(0) else "9999-12-31T23:59:59.999999Z"


def clean(text: str) -> str:
    """`text` without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def id_of_record(subject: str, window_start: str) -> str:
    """The id of a record: a hash of its subject and the stamp of its window's start, 32 hexadecimal digits."""
    return hashlib.sha256(f"{subject}\x1f{window_start}".encode()).hexdigest()[:32]


def subject_words(finding: Finding, target: Target) -> dict[str, str]:
    """What a record is about, for lists; keys are those of `record.Subject`."""
    cluster = finding.cluster
    words = {
        "project_id": finding.project_id,
        "project_number": finding.project_number,
        "cluster": cluster.name if cluster else "",
        "location": cluster.location if cluster else "",
        "namespace": target.namespace,
        "pod": target.pod,
        "container": target.container,
    }
    return {name: clean(word) for name, word in words.items()}


def trait_pairs(traits: Traits) -> list[tuple[str, str]]:
    """Each trait once, by its kind (`image`, `owner`, `shape`); what is not known is no trait."""
    pairs = [("image", traits.image_digest), ("owner", traits.owner), *(("shape", shape) for shape in traits.shapes)]
    return list(dict.fromkeys((kind, clean(value)) for kind, value in pairs if value))


def known_record(known: Iterable[tuple[str, str]], moment: str, state: str) -> str | None:
    """The record that a change of a known finding belongs to; None for an event of its own.

    `known` has the record and the eventTime's stamp of each occurrence, those of the latest window first.
    """
    for record, seen in known:
        if seen == moment or state != "ACTIVE":
            return record
    return None


def fires_again(known: Iterable[tuple[str, str]], moment: str, state: str) -> bool:
    """Whether a finding that is known tells of an event of its own: ACTIVE, later than each time that it was before.

    `known` has the eventTime's stamp and the state of each occurrence that its record tells of.
    """
    return state == "ACTIVE" and all(seen < moment for seen, was in known if was == "ACTIVE")


def publication(finding: Finding) -> tuple[str, str, str, str]:
    """What tells one publication of a finding from another: key, eventTime, state, mute."""
    return clean(finding.key), stamp(finding.event_time), clean(finding.state), clean(finding.mute)


def publications(findings: Iterable[Finding]) -> Iterator[tuple[Finding, tuple[str, str, str, str, str]]]:
    """Each finding once for each container that it names, with what tells this: the subject, and its `publication`."""
    for finding in findings:
        for target in finding.targets():
            yield finding, (finding.subject(target), *publication(finding))


def name_of(*texts: str) -> str:
    """A document's name for texts of whoever sent a finding: slashes, dots and length mean nothing in it."""
    joined = "\x1f".join(f"{len(text)}:{text}" for text in map(clean, texts))
    return hashlib.sha256(joined.encode()).hexdigest()


def short(text: str) -> str:
    """A text where its length must have an end, 10,000 characters; the JSON of finding and record has it whole."""
    return clean(text)[:_SHORT]
