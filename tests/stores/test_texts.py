"""The text of a record across the saves of one claim."""

from __future__ import annotations

import json
from typing import Any

import pytest

from responder.evidence import Evidence
from responder.record import Record, ReviewEntry
from responder.stores import documents
from responder.stores.texts import Texts
from tests.builders import a_record
from tests.stores.contract import NOW


def read(text: bytes) -> Any:
    return json.loads(text)


def expected(record: Record, *, evidence: bool) -> Any:
    return json.loads(record.model_dump_json(exclude=None if evidence else {"evidence"}))


@pytest.mark.parametrize("evidence", [True, False])
def test_a_record_is_written_whole_the_first_time_and_each_time_after(evidence: bool) -> None:
    texts, first = Texts(evidence=evidence), a_record()
    provenance = first.provenance.model_copy(update={"stage": "finished", "read": 7})
    second = first.model_copy(update={"provenance": provenance, "timeline": first.timeline[:1]})
    third = second.model_copy(update={"links": {"a": "b"}})
    for record in (first, second, third, first):
        assert read(texts.of(record, 1)) == expected(record, evidence=evidence)


def test_evidence_that_changed_is_written_anew() -> None:
    texts, first = Texts(evidence=True), a_record()
    texts.of(first, 1)
    evidence = first.evidence.model_copy(update={"told": {}})
    changed = first.model_copy(update={"evidence": evidence})
    assert read(texts.of(changed, 1)) == expected(changed, evidence=True)


def test_reviews_are_no_part_of_the_text() -> None:
    record = a_record()
    reviewed = documents.reviewed(
        record,
        3,
        [
            documents.review_json(
                ReviewEntry(state="closed", verdict="false_positive", note="secret", by="alice", at=NOW)
            )
        ],
    )
    assert b"secret" not in Texts(evidence=True).of(reviewed, 1)


def test_what_stayed_the_same_is_written_out_once_for_each_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, record = Texts(evidence=True), a_record()
    written: list[Evidence] = []
    whole = documents.evidence_json

    def counted(evidence: Evidence) -> bytes:
        written.append(evidence)
        return whole(evidence)

    monkeypatch.setattr(documents, "evidence_json", counted)
    texts.of(record, 1)
    texts.of(record.model_copy(update={"timeline": ()}), 1)
    assert len(written) == 1
    texts.drop(record.id, 1)
    texts.of(record, 1)
    texts.of(record, 2)
    assert len(written) == 3


def test_no_more_than_a_hundred_records_are_held() -> None:
    texts = Texts(evidence=False)
    for n in range(150):
        texts.of(a_record(f"{n:032}"), 1)
    assert len(texts._kept) == 100
