"""What the record store keeps as JSON, and back. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from responder import report
from responder.evidence import Evidence
from responder.finding import Finding
from responder.notices import ledger
from responder.notices.ledger import Told
from responder.ports import Precedent, RecordLine
from responder.record import WINDOW, Occurrence, Record, RecordedFinding, Review, ReviewEntry, Subject
from responder.stores.words import stamp

__all__ = [
    "WINDOW",
    "bare",
    "columns",
    "compose",
    "evidence_json",
    "finding_json",
    "findings_of",
    "line_of",
    "part",
    "precedent_of",
    "record_of",
    "review_json",
    "reviewed",
]

_FINDING = TypeAdapter(Finding)
_RECORD = TypeAdapter(Record)
_REVIEW = TypeAdapter(ReviewEntry)
_UNWRITABLE: Final = (PydanticSerializationError, UnicodeEncodeError)
_LINE_SUBJECT = ("project_id", "project_number", "cluster", "location", "namespace", "pod", "container")


def finding_json(finding: Finding) -> str:
    """A finding as it was admitted."""
    return _dump(_FINDING, finding)


def findings_of(
    rows: Iterable[tuple[str, str]], occurrences: Iterable[Sequence[str]], name: Callable[[str], str] = str
) -> tuple[RecordedFinding, ...]:
    """Rows of (JSON, sha256 of the raw notification) with the record's occurrences, by the `name` of their keys."""
    by_key = _by_key(occurrences)
    found = []
    for text, digest in rows:
        finding = _FINDING.validate_json(text)
        values = {field.name: getattr(finding, field.name) for field in fields(Finding)}
        found.append(RecordedFinding(**values, occurrences=by_key[name(finding.key)], raw_sha256=digest))
    return tuple(found)


def bare(record: Record) -> Record:
    """The record as its holder saves it: reviews, and what was told, are documents of their own."""
    return ledger.without(record).model_copy(update={"review": Review()})


def part(record: Record, names: frozenset[str]) -> bytes:
    """An object with those fields of the record, UTF-8."""
    return _dumped(_RECORD, record, include=set(names))


def evidence_json(evidence: Evidence) -> bytes:
    """The evidence of a record, UTF-8.

    Answer by answer, each by its own type: as a member of a union pydantic makes plain objects of it first, and text of
    those, which takes half as long again.
    """
    try:
        return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), _answer(value)) for name, value in evidence)
    except _UNWRITABLE:
        return _plain(evidence).encode()


def _answer(value: Any) -> bytes:
    if isinstance(value, BaseModel):
        return value.__pydantic_serializer__.to_json(value)
    if isinstance(value, dict):
        return b"{%b}" % b",".join(b"%b:%b" % (to_json(key), _answer(item)) for key, item in value.items())
    return to_json(value)


def columns(record: Record) -> dict[str, str | int | None]:
    """What a save writes beside the record itself: what is searched by, and what a list shows."""
    return {
        "stage": record.provenance.stage,
        "read": record.provenance.read,
        "due": stamp(record.provenance.due) if record.provenance.due else None,
        "act": record.provenance.act,
        "act_due": stamp(record.provenance.act_due) if record.provenance.act_due else None,
        "verdict": record.triage.verdict,
        "summary": report.summary(record),
        "gaps": len(ledger.without(record).provenance.gaps),
        "severity": record.triage.severity,
        "score": record.triage.score,
        "workload": "/".join(record.provenance.traits.owner.split("/")[-2:]),
    }


def record_of(text: str, evidence: str = "") -> Record:
    """The record as it was saved; `evidence` where that was kept apart."""
    return Record.model_validate_json(f'{text[:-1]},"evidence":{evidence}}}' if evidence else text)


def compose(
    record: Record, revision: int, reviews: Iterable[str], occurrences: Iterable[Sequence[str]], told: str = ""
) -> Record:
    """The record as it is now: at that revision, with its reviews and its findings' latest occurrences.

    `told` is the JSON of what was told of it.
    """
    record = ledger.shown(record, Told.model_validate_json(told)) if told else record
    by_key = _by_key(occurrences)
    findings = tuple(replace(f, occurrences=by_key[f.key] or f.occurrences) for f in record.findings)
    return reviewed(record.model_copy(update={"findings": findings}), revision, reviews)


def reviewed(record: Record, revision: int, reviews: Iterable[str]) -> Record:
    """The record at that revision, with its reviews."""
    history = tuple(ReviewEntry.model_validate_json(text) for text in reviews)
    review = Review(state=history[-1].state, verdict=history[-1].verdict, history=history) if history else Review()
    provenance = record.provenance.model_copy(update={"revision": revision})
    return record.model_copy(update={"review": review, "provenance": provenance})


def review_json(entry: ReviewEntry) -> str:
    """One act of a reviewer."""
    return _dump(_REVIEW, entry)


def line_of(row: Sequence[Any]) -> RecordLine:
    """A row of `tables.LINE`."""
    record_id, window_start, *rest = row
    count = len(_LINE_SUBJECT)
    verdict, state, summary, findings, gaps, stage, revision, severity, score, workload = rest[count:]
    return RecordLine(
        id=record_id,
        window_start=datetime.fromisoformat(window_start),
        subject=Subject(**dict(zip(_LINE_SUBJECT, rest[:count], strict=True))),
        verdict=verdict,
        state=state,
        summary=summary,
        findings=findings,
        gaps=gaps,
        stage=stage,
        revision=revision,
        severity=severity,
        score=score,
        workload=workload,
    )


def precedent_of(row: Sequence[Any]) -> Precedent:
    """A row of the store's question for precedents."""
    record_id, window_start, verdict, reviewed, image, owner, shape = row
    return Precedent(
        record_id=record_id,
        window_start=datetime.fromisoformat(window_start),
        verdict=verdict,
        reviewed=reviewed,
        same_image=bool(image),
        same_owner=bool(owner),
        same_shape=bool(shape),
    )


def _by_key(rows: Iterable[Sequence[str]]) -> defaultdict[str, tuple[Occurrence, ...]]:
    found: defaultdict[str, tuple[Occurrence, ...]] = defaultdict(tuple)
    for key, event_time, state, mute, message_id, received in rows:
        occurrence = Occurrence(
            event_time=datetime.fromisoformat(event_time),
            state=state,
            mute=mute,
            message_id=message_id,
            received=datetime.fromisoformat(received),
        )
        found[key] += (occurrence,)
    return found


def _dump(adapter: TypeAdapter[Any], value: Any) -> str:
    return _dumped(adapter, value).decode()


def _dumped(adapter: TypeAdapter[Any], value: Any, *, include: set[str] | None = None) -> bytes:
    try:
        return adapter.dump_json(value, include=include)
    except _UNWRITABLE:
        return _plain(value, include).encode()


def _plain(value: Any, include: Container[str] | None = None) -> str:
    """Lone surrogates, which JSON can carry and UTF-8 cannot: shown as a question mark, the rest is kept."""
    kept = {name: item for name, item in _without_surrogates(value).items() if include is None or name in include}
    return json.dumps(kept, default=to_jsonable_python, ensure_ascii=False)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, BaseModel):
        return _without_surrogates(value.model_dump(mode="python"))
    if is_dataclass(value) and not isinstance(value, type):
        return _without_surrogates(asdict(value))
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
