"""Firestore keeps the contract of the record store, on Google's own emulator where that is installed."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lab import emulators
from responder.errors import StaleClaim, StoreError
from responder.finding import Finding
from responder.ports import Records, Rejected
from responder.stores.firestore import FirestoreRecords
from responder.stores.firestore_admission import Arrival, Place
from responder.stores.firestore_calls import (
    EVERYTHING,
    Asked,
    Change,
    Conflict,
    Create,
    Database,
    Path,
    Row,
    Times,
)
from responder.stores.firestore_queries import Query
from tests.builders import TARGET, a_delivery, a_finding, a_record
from tests.stores.contract import LEASE, NOW, RecordsContract, Watch, admitted, claimed, entry, minutes, told

pytestmark = pytest.mark.skipif(not emulators.available("firestore"), reason=emulators.missing("firestore"))

_numbers = itertools.count()


@pytest.mark.usefixtures("firestore")
class TestFirestore(RecordsContract):
    @pytest.fixture
    def place(self) -> str:
        """A project of the test's own: the emulator keeps them apart."""
        return f"firestore:test-{next(_numbers)}/(default)"

    @pytest.fixture
    def other_place(self) -> str:
        return f"firestore:other-{next(_numbers)}/(default)"

    def fill(self, records: Records, findings: list[Finding]) -> str:
        """The documents that admitting them would make, two hundred findings to a commit: one by one takes minutes."""
        assert isinstance(records, FirestoreRecords)
        record_id = admitted(records, key=findings[0].key)
        admitted(records, key=findings[1].key, event_time=findings[1].event_time)
        admissions, database = records._admissions, records._database
        place = Place(record_id=record_id, window_start=Arrival(findings[0], TARGET, a_delivery(), "").moment, stage="")
        for at in range(2, len(findings), 200):
            arrivals = [Arrival(one, TARGET, a_delivery(), f"w{one.key}") for one in findings[at : at + 200]]
            database.commit(*(write for one in arrivals for write in admissions.writes(one, place, is_new=True)))
        return record_id


def test_records_that_wait_by_the_page_do_not_hide_those_that_act_is_wanted_for_now(
    firestore: emulators.Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert firestore.process.poll() is None
    monkeypatch.setattr("responder.stores.firestore._PAGE", 2)
    records = FirestoreRecords(Database(f"wanting-{next(_numbers)}", "(default)"), now=Watch())
    ids = [admitted(records, key=f"1/{n}", event_time=minutes(n * 61)) for n in range(7)]
    for n, record_id in enumerate(ids):
        due = None if n in {4, 6} else NOW + LEASE
        records.save(told(record_id, act="wanted", act_due=due), claimed(records, record_id, f"m-{n}"))
    assert records.wanting(NOW) == (ids[4], ids[6])
    assert records.wanting(NOW, limit=1) == (ids[4],)
    assert records.wanting(NOW + LEASE) == tuple(ids)
    records.close()


class Lossy(Database):
    """Each commit is sent again, as the client does where an answer is lost: its own writes are in its way then."""

    def commit(self, *writes: Any) -> Times:
        super().commit(*writes)
        return super().commit(*writes)


@pytest.fixture
def lossy(firestore: emulators.Emulator) -> Iterator[FirestoreRecords]:
    assert firestore.process.poll() is None
    store = FirestoreRecords(Lossy(f"lossy-{next(_numbers)}", "(default)"), now=Watch())
    yield store
    store.close()


def test_a_finding_whose_answer_was_lost_is_new_and_kept_once(lossy: FirestoreRecords) -> None:
    raw = b"r" * 1_500_000
    first = lossy.admit(a_finding(), TARGET, a_delivery(raw))
    muted = lossy.admit(a_finding(mute="MUTED"), TARGET, a_delivery())
    again = lossy.admit(a_finding(), TARGET, a_delivery())
    assert [one.kind for one in (first, muted, again)] == ["new", "update", "duplicate"]
    assert len({one.record_id for one in (first, muted, again)}) == 1
    assert lossy.raw(a_finding().key) == raw
    assert len(lossy.findings(first.record_id)[0].occurrences) == 2


def test_a_claim_whose_answers_were_lost_is_held_saved_renewed_and_given_back(lossy: FirestoreRecords) -> None:
    record_id = admitted(lossy)
    claim = claimed(lossy, record_id)
    assert claim.token == 1
    large = {"x": "x" * 2_000_000}
    assert lossy.save(a_record(record_id, links=large), claim).provenance.revision == 1
    assert lossy.save(a_record(record_id), claim).provenance.revision == 2
    claim = lossy.renew(claim, LEASE, NOW)
    assert lossy.release(claim, 0) is True
    assert lossy.release(claim, 1) is False
    assert claimed(lossy, record_id).token == 2


def test_a_review_and_a_reject_whose_answers_were_lost_are_there_once(lossy: FirestoreRecords) -> None:
    record_id = admitted(lossy)
    lossy.save(a_record(record_id), claimed(lossy, record_id))
    reviewed = lossy.review(record_id, entry(), revision=1)
    assert (len(reviewed.review.history), reviewed.provenance.revision) == (1, 2)
    lossy.published(record_id, 2)
    assert lossy.unpublished() == ()
    lossy.reject(Rejected(message_id="m", reason="r", data=b"x" * 2_000_000, received=NOW))
    assert len(lossy.rejected()) == 1


class Held(Database):
    """Stops before a commit, once, until it is told to go on."""

    def __init__(self, project: str) -> None:
        super().__init__(project, "(default)")
        self.armed = False
        self.reached, self.go_on = threading.Event(), threading.Event()

    def commit(self, *writes: Any) -> Times:
        if self.armed:
            self.armed = False
            self.reached.set()
            assert self.go_on.wait(30)
        return super().commit(*writes)


def test_a_worker_that_slept_between_the_fence_and_the_write_writes_nothing(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    watch, database = Watch(), Held(f"held-{next(_numbers)}")
    slow, other = (
        FirestoreRecords(database, now=watch),
        FirestoreRecords(Database(database.project, "(default)"), now=watch),
    )
    record_id = admitted(other)
    claim, said = claimed(slow, record_id), []

    def save() -> None:
        try:
            slow.save(a_record(record_id), claim)
        except StaleClaim as error:
            said.append(error)

    database.armed = True
    thread = threading.Thread(target=save)
    thread.start()
    assert database.reached.wait(30)
    taken = claimed(other, record_id, "m-2", NOW + LEASE)
    database.go_on.set()
    thread.join(30)
    assert len(said) == 1
    assert other.load(record_id) is None
    assert (taken.token, other.save(a_record(record_id), taken).provenance.revision) == (2, 1)


class Failing(Database):
    """Whose next change of a document fails, and so does whatever would come after."""

    failing = False

    def commit(self, *writes: Any) -> Times:
        if self.failing and any(isinstance(write, Change) for write in writes):
            raise StoreError("the network is gone")
        return super().commit(*writes)


def test_a_large_record_whose_save_failed_is_as_it_was_before(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    database = Failing(f"failing-{next(_numbers)}", "(default)")
    records = FirestoreRecords(database, now=Watch())
    record_id = admitted(records)
    claim = claimed(records, record_id)
    before = records.save(a_record(record_id, links={"x": "a" * 2_000_000}), claim)
    database.failing = True
    with pytest.raises(StoreError):
        records.save(a_record(record_id, links={"x": "b" * 3_000_000}), claim)
    assert records.load(record_id) == before


def test_a_burst_does_not_write_the_head_of_its_record(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    database = Database(f"burst-{next(_numbers)}", "(default)")
    records = FirestoreRecords(database, now=Watch())
    record_id = admitted(records)

    def written() -> list[Any]:
        rows = [database.get(path) for path in (("records", record_id), ("subjects", a_finding().subject(TARGET)))]
        return [row and row.updated for row in rows]

    admitted(records, key="1/second", event_time=minutes(1))  # it says that the first one is not alone any more
    before = written()
    for n in range(10):
        admitted(records, key=f"1/{n}", event_time=minutes(n))
    assert written() == before
    assert len(records.findings(record_id)) == 12


def test_one_that_joins_in_the_moment_of_letting_go_is_not_overlooked(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    database = Held(f"joining-{next(_numbers)}")
    slow = FirestoreRecords(database, now=Watch())
    other = FirestoreRecords(Database(database.project, "(default)"), now=Watch())
    record_id = admitted(slow)
    claim, said = claimed(slow, record_id), []
    database.armed = True
    thread = threading.Thread(target=lambda: said.append(slow.release(claim, 1)))
    thread.start()
    assert database.reached.wait(30)
    admitted(other, key="1/b", event_time=minutes(1))
    assert other.claim(record_id, "m-2", LEASE, NOW) is None
    database.go_on.set()
    thread.join(30)
    assert said == [True]
    assert slow.release(claim, 2) is False
    assert claimed(other, record_id, "m-2").token == 2


class Counting(Database):
    """Which calls were made."""

    def __init__(self, project: str) -> None:
        super().__init__(project, "(default)")
        self.calls: list[str] = []

    def get_all(self, paths: Iterable[Path], fields: Sequence[str] = ()) -> dict[Path, Row]:
        wanted = list(paths)
        self.calls += ["get"] * bool(wanted)
        return super().get_all(wanted, fields)

    def ask(self, query: Query, asked: Asked = EVERYTHING) -> list[Row]:
        self.calls.append("ask")
        return super().ask(query, asked)

    def count(self, query: Query, asked: Asked = EVERYTHING) -> int:
        self.calls.append("count")
        return super().count(query, asked)

    def commit(self, *writes: Any) -> Times:
        self.calls.append("commit")
        return super().commit(*writes)


def test_a_first_finding_costs_its_writes_alone(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    database = Counting(f"counting-{next(_numbers)}")
    records = FirestoreRecords(database, now=Watch())
    record_id = admitted(records)
    claim = claimed(records, record_id)
    records.save(a_record(record_id), claim)
    records.save(told(record_id), claim)
    assert records.release(claim, 1) is False
    records.release(claim, sys.maxsize)
    assert database.calls == ["commit"] * 5
    database.calls.clear()
    assert records.admit(a_finding(), TARGET, a_delivery()).finished
    assert database.calls == ["get", "get"]
    records.close()


def test_what_another_process_opened_is_tried_once_and_then_read(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    database = Counting(f"tried-{next(_numbers)}")
    one = FirestoreRecords(Database(database.project, "(default)"), now=Watch())
    other = FirestoreRecords(database, now=Watch())
    opened = one.admit(a_finding(), TARGET, a_delivery(b"first"))
    again = other.admit(a_finding(), TARGET, a_delivery(b"second"))
    assert (again.kind, again.record_id) == ("duplicate", opened.record_id)
    assert database.calls == ["commit", "get", "get"]
    joined = other.admit(a_finding(key="1/b"), TARGET, a_delivery())
    assert (joined.kind, joined.record_id) == ("new", opened.record_id)
    assert database.calls[3:] == ["get", "ask", "ask", "commit"]
    assert one.raw(a_finding().key) == b"first"


def test_a_second_container_of_one_finding_does_not_stumble_over_its_raw_bytes(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    database = Counting(f"second-{next(_numbers)}")
    records = FirestoreRecords(database, now=Watch())
    targets = [TARGET, replace(TARGET, container="sidecar")]
    ids = {records.admit(a_finding(), target, a_delivery(b"r")).record_id for target in targets}
    assert (len(ids), database.calls) == (2, ["commit", "commit"])
    assert records.raw(a_finding().key) == b"r"


def test_what_a_process_remembers_of_a_head_never_decides_against_a_claim(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    project = f"remembered-{next(_numbers)}"
    one, other = (FirestoreRecords(Database(project, "(default)"), now=Watch()) for _ in range(2))
    record_id = admitted(one)
    first = claimed(one, record_id)
    late = claimed(other, record_id, "m-2", NOW + LEASE)
    assert other.release(late, 1) is False
    # What `one` remembers says that its own claim runs, and until when.
    assert one.claim(record_id, "m-1", LEASE, NOW) == replace(first, token=3)
    assert other.claim(record_id, "m-2", LEASE, NOW) is None
    one.save(a_record(record_id), replace(first, token=3))
    other.review(record_id, entry(), revision=1)
    assert one.save(a_record(record_id), replace(first, token=3)).review.history == (entry(),)


def test_a_document_that_is_there_is_a_conflict_and_one_that_is_too_large_a_store_error(
    firestore: emulators.Emulator,
) -> None:
    assert firestore.process.poll() is None
    records = FirestoreRecords(Database(f"limits-{next(_numbers)}", "(default)"), now=Watch())
    record_id = admitted(records)
    database = records._database
    row = database.get(("records", record_id))
    assert row is not None
    with pytest.raises(Conflict):
        database.commit(Create(("records", record_id), {}))
    database.commit(Change(("records", record_id), row, {"gaps": 1}))
    with pytest.raises(Conflict):
        database.commit(Change(("records", record_id), row, {"gaps": 2}))
    with pytest.raises(StoreError, match=r"firestore:limits-\d+/\(default\) failed: commit: INVALID_ARGUMENT"):
        database.commit(Create(("records", "x"), {"body": b"x" * 1_100_000}))


def test_an_emulator_that_has_ended_is_a_store_error_that_names_the_store() -> None:
    waited: list[float] = []
    with emulators.running("firestore") as emulator:
        before = os.environ.get("FIRESTORE_EMULATOR_HOST")
        os.environ.update(emulator.environ)
    try:
        records = FirestoreRecords(Database("gone", "(default)", sleep=waited.append), now=Watch())
        with pytest.raises(StoreError, match=r"firestore:gone/\(default\) failed: query: UNAVAILABLE"):
            records.counters()
        assert timedelta(seconds=sum(waited)) < timedelta(seconds=30)
    finally:
        if before is None:
            del os.environ["FIRESTORE_EMULATOR_HOST"]
        else:
            os.environ["FIRESTORE_EMULATOR_HOST"] = before
