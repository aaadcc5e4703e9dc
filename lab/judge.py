"""Every step, the lab's side: what must hold after a bad day, told from the store and the lab's journal. Reads only.

The judge believes nothing that the function says of itself: what was published is known, what was done to the lab is in
its journal, and the store is read by its own means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lab.turmoil import Traffic

if TYPE_CHECKING:
    from responder.ports import Records

_DELETE: Final = "kubernetes.delete.pods"
_READING: Final = frozenset({"get", "list", "watch"})
_SHOWN: Final = 3
_SHOWN_BYTES: Final = 40
_ALL: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecord:
    """A record as the store has it: the findings that joined it, and how many its saved text tells of."""

    id: str
    keys: frozenset[str]
    shown: int
    finished: bool
    pod_found: str = ""
    """The pod that its evidence shows, empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """All that a store has."""

    records: tuple[KeptRecord, ...]
    rejected: frozenset[bytes]


def kept_in(records: Records) -> Kept:
    """What is in the product's store."""
    from responder.ports import RecordQuery  # noqa: PLC0415 - a naive function's store is judged without the product's

    found = []
    for line in records.list(RecordQuery(limit=_ALL)):
        record = records.load(line.id)
        pod = getattr(record.evidence.pod, "value", None) if record else None
        found.append(
            KeptRecord(
                id=line.id,
                keys=frozenset(one.key for one in records.findings(line.id)),
                shown=sum(one.count for one in record.findings) if record else 0,
                finished=record is not None and record.provenance.stage == "finished",
                pod_found=pod.name if pod is not None else "",
            )
        )
    return Kept(records=tuple(found), rejected=frozenset(one.data for one in records.rejected(_ALL)))


def problems(plan: Traffic, kept: Kept, journal: Sequence[Mapping[str, Any]], *, may_delete: bool = False) -> list[str]:
    """What does not hold, in words; empty where nothing was lost and nothing done twice."""
    stands = Counter(key for record in kept.records for key in record.keys)
    short = {record.id for record in kept.records if record.finished and record.shown < len(record.keys)}
    return [
        *_some("findings are in no record", plan.keys - stands.keys()),
        *_some("findings are in several records", {key for key, times in stands.items() if times > 1}),
        *_some("findings in a record were never published", stands.keys() - plan.keys),
        *_some("finished records tell of fewer findings than have joined them", short),
        *_some("records are not finished", {record.id for record in kept.records if not record.finished}),
        *_some("unreadable messages are not in `rejected`", map(_shown_bytes, plan.malformed - kept.rejected)),
        *_some("readable messages are in `rejected`", map(_shown_bytes, kept.rejected - plan.malformed)),
        *_some("calls changed something in a cluster", changing(journal) - ({_DELETE} if may_delete else set())),
        *_some("records show a pod that nobody asked for", _unasked(kept, journal)),
    ]


def changing(journal: Iterable[Mapping[str, Any]]) -> set[str]:
    """The calls of the journal that are no reads of Kubernetes."""
    calls = (str(entry["call"]).split(".") for entry in journal)
    return {".".join(call) for call in calls if call[0] == "kubernetes" and call[1] not in _READING}


def _unasked(kept: Kept, journal: Iterable[Mapping[str, Any]]) -> set[str]:
    asked = " ".join({str(entry.get("path", "")) for entry in journal if entry["call"] == "kubernetes.get.pods"})
    return {record.pod_found for record in kept.records if record.pod_found and record.pod_found not in asked}


def _some(what: str, which: Iterable[str]) -> list[str]:
    named = sorted(which)
    return (
        [f"{len(named)} {what}: {', '.join(named[:_SHOWN])}" + (", …" if len(named) > _SHOWN else "")] if named else []
    )


def _shown_bytes(data: bytes) -> str:
    return repr(data if len(data) <= _SHOWN_BYTES else data[:_SHOWN_BYTES] + b"...")
