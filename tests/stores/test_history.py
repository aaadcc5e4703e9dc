from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from responder.record import ReviewEntry, Traits
from responder.stores.sqlite import SqliteRecords
from tests.builders import EVENT_TIME, TARGET, a_delivery, a_finding, a_record

NOW = EVENT_TIME + timedelta(days=40)
IMAGE = Traits(image_digest="sha256:aa", owner="acme/eu/shop-prod/shop/Deployment/checkout", shapes=("gcc -c N.c",))


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqliteRecords]:
    store = SqliteRecords(tmp_path / "records.db", now=lambda: NOW)
    yield store
    store.close()


def finished(records: SqliteRecords, days_before: int, traits: Traits) -> str:
    """A finished record of that many days before the event, with those traits."""
    finding = a_finding(key=f"1/{days_before}", event_time=EVENT_TIME - timedelta(days=days_before))
    record_id = records.admit(finding, TARGET, a_delivery()).record_id
    claim = records.claim(record_id, "m", timedelta(minutes=1), NOW)
    assert claim is not None
    record = a_record(record_id)
    provenance = record.provenance.model_copy(update={"traits": traits, "stage": "finished"})
    records.save(record.model_copy(update={"provenance": provenance}), claim)
    records.release(claim, 10)
    return record_id


def test_earlier_records_that_share_a_trait_are_told_newest_first_with_what_they_share(records: SqliteRecords) -> None:
    old = finished(records, 9, Traits(image_digest="sha256:aa", shapes=("gcc -c N.c", "ld")))
    new = finished(records, 2, Traits(owner=IMAGE.owner))
    finished(records, 3, Traits(image_digest="sha256:bb", owner="another"))
    found = records.history(IMAGE, before=EVENT_TIME)
    assert [one.record_id for one in found] == [new, old]
    assert [(one.same_image, one.same_owner, one.same_shape) for one in found] == [
        (False, True, False),
        (True, False, True),
    ]


def test_what_came_later_or_is_the_record_itself_is_no_precedent(records: SqliteRecords) -> None:
    finished(records, 0, IMAGE)
    assert records.history(IMAGE, before=EVENT_TIME) == ()
    assert len(records.history(IMAGE, before=EVENT_TIME + timedelta(seconds=1))) == 1


def test_the_latest_verdict_of_a_reviewer_comes_with_the_precedent(records: SqliteRecords) -> None:
    record_id = finished(records, 1, IMAGE)
    for revision, verdict in ((1, "true_positive"), (2, "benign_true_positive")):
        entry = ReviewEntry.model_validate(
            {"state": "closed", "verdict": verdict, "note": "", "by": "a@acme.example", "at": NOW}
        )
        records.review(record_id, entry, revision=revision)
    acknowledged = ReviewEntry(state="acknowledged", verdict=None, note="", by="b@acme.example", at=NOW)
    records.review(record_id, acknowledged, revision=3)
    (found,) = records.history(IMAGE, before=EVENT_TIME)
    assert found.reviewed == "benign_true_positive"


def test_a_record_that_is_saved_again_has_its_latest_traits_only(records: SqliteRecords) -> None:
    record_id = finished(records, 1, IMAGE)
    claim = records.claim(record_id, "m2", timedelta(minutes=1), NOW)
    assert claim is not None
    record = records.load(record_id)
    assert record is not None
    provenance = record.provenance.model_copy(update={"traits": Traits(image_digest="sha256:cc")})
    records.save(record.model_copy(update={"provenance": provenance}), claim)
    assert records.history(IMAGE, before=EVENT_TIME) == ()
    assert len(records.history(Traits(image_digest="sha256:cc"), before=EVENT_TIME)) == 1


def test_without_a_trait_there_is_no_precedent_and_the_limit_holds(records: SqliteRecords) -> None:
    for days in range(1, 6):
        finished(records, days, IMAGE)
    assert records.history(Traits(), before=EVENT_TIME) == ()
    assert len(records.history(IMAGE, before=EVENT_TIME, limit=3)) == 3
