"""Between steps: what the record store costs beside the raw driver that makes the same writes with ready texts.

One cycle is what one finding does to the store: admit, claim, save what was gathered, save what was decided, release.
The raw driver is handed every value as it is to be written, asks nothing and checks nothing. On Firestore it is handed
the very fields that our cycle wrote, in as many commits.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from lab import stored
from lab.bench import client, ground
from lab.bench.hosts import Bench
from lab.bench.latency import request
from lab.bench.lines import Line, Skipped, median, rounded, say
from lab.emulators import missing
from responder import notification
from responder.finding import Finding
from responder.ports import Delivery, RecordQuery, Records
from responder.record import Record
from responder.stores import documents, opened, tables
from responder.stores.firestore import FirestoreRecords
from responder.stores.firestore_calls import NOW, Change, Create, Database, Times, Write
from responder.stores.sqlite import SqliteRecords
from responder.stores.texts import Texts
from responder.stores.words import stamp, subject_words, trait_pairs
from responder.wiring import utc_now

RAW: Final = ("store_vs_raw_sqlite", "store_vs_raw_firestore")
_LEASE: Final = timedelta(minutes=2)
_BYTES: Final = 300_000
_GOAL: Final = 1.5
Prepared = Callable[[], object]
Prepare = Callable[[Finding, bytes, Record], Prepared]


def raw(bench: Bench) -> Iterator[Line | Skipped]:
    """Seconds of our cycle / seconds of the raw driver's, each in turn, on SQLite and on Firestore's emulator."""
    record = _large(bench)
    path = bench.folder / "ours.db"
    yield _line(bench, RAW[0], record, opened(str(path), now=utc_now), _sqlite(bench.folder / "raw.db"))
    if missing("firestore"):
        yield Skipped(name=RAW[1], reason=missing("firestore"))
        return
    with stored.stores(stored.FIRESTORE) as (store,):
        os.environ.update(store.environ)
        try:
            database = _Recorded("acme-sec", "deliveries")
            yield _line(bench, RAW[1], record, FirestoreRecords(database, now=utc_now), _firestore(database))
        finally:
            for name in store.environ:
                del os.environ[name]


def _large(bench: Bench) -> Record:
    """A record that the product made, with log lines again until it is as large as the goal says."""
    with bench.host(bench.lab(slow=False)) as host:
        client.send(host.port, [request(0)])
        with contextlib.closing(SqliteRecords(host.store, now=utc_now)) as records:
            (line,) = records.list(RecordQuery())
            record = records.load(line.id)
    if record is None or record.evidence.pod_log.status != "found":
        raise RuntimeError("the bench's record has no log")
    log = record.evidence.pod_log
    entries = log.value.entries
    lacks = max(0, _BYTES - len(record.model_dump_json()))
    more = entries * (1 + lacks // max(1, sum(len(entry.model_dump_json()) for entry in entries)))
    evidence = record.evidence.model_copy(
        update={"pod_log": log.model_copy(update={"value": log.value.model_copy(update={"entries": more})})}
    )
    return record.model_copy(update={"evidence": evidence})


def _line(bench: Bench, name: str, record: Record, records: Records, prepare: Prepare) -> Line:
    sizes = bench.sizes
    ours: list[float] = []
    theirs: list[float] = []
    number = 0
    gc.freeze()  # as the function does with what was imported: the collector would walk through it again and again
    for turn in range(sizes.rounds + 1):  # the first is for warming up, and not counted
        say(f"{name}, round {turn} of {sizes.rounds}")
        taken = {True: 0.0, False: 0.0}
        for _ in range(sizes.store_cycles):
            for is_ours in (True, False):
                number += 1
                data = json.dumps(ground.message(number)).encode()
                finding = notification.read(data)
                assert finding is not None
                started = time.perf_counter()
                if is_ours:
                    _cycle(records, finding, data, record)
                    taken[is_ours] += time.perf_counter() - started
                else:
                    id_ = hashlib.sha256(data).hexdigest()[:32]
                    run = prepare(finding, data, record.model_copy(update={"id": id_}))
                    started = time.perf_counter()
                    run()
                    taken[is_ours] += time.perf_counter() - started
        ours.append(taken[True])
        theirs.append(taken[False])
    records.close()
    ratios = [own / other for own, other in zip(ours[1:], theirs[1:], strict=True)]
    more = {
        "record_bytes": len(record.model_dump_json()),
        "ms": round(median(ours[1:]) / sizes.store_cycles * 1000, 1),
        "raw_ms": round(median(theirs[1:]) / sizes.store_cycles * 1000, 1),
        "rounds": rounded(ratios),
    }
    return Line(name=name, value=median(ratios), unit="ratio", goal=_GOAL, more=more)


def _cycle(records: Records, finding: Finding, data: bytes, record: Record) -> None:
    (target,) = finding.targets()
    now = utc_now()
    admission = records.admit(finding, target, Delivery(data=data, message_id=finding.key, received=now))
    claim = records.claim(admission.record_id, finding.key, _LEASE, now)
    assert claim is not None
    mine = record.model_copy(update={"id": admission.record_id})
    gathered = mine.model_copy(update={"provenance": mine.provenance.model_copy(update={"stage": "gathered"})})
    saved = records.save(gathered, claim)
    records.save(saved.model_copy(update={"provenance": mine.provenance}), claim)
    assert not records.release(claim, 1)


# --- the raw drivers --------------------------------------------------------------------------------------------------


def _sqlite(path: Path) -> Prepare:
    """The same rows of the same tables, in as many transactions, each as safe on the disk."""
    db = sqlite3.connect(path, isolation_level=None)
    tables.prepare(db, tries=1)

    def write(finding: Finding, data: bytes, record: Record) -> Prepared:
        (target,) = finding.targets()
        id_, moment, digest = record.id, stamp(finding.event_time), hashlib.sha256(data).hexdigest()
        columns = {**documents.columns(record), "json": Texts(evidence=False).of(record, 1).decode()}
        evidence, text = documents.evidence_json(record.evidence).decode(), documents.finding_json(finding)
        traits = [(id_, kind, value) for kind, value in trait_pairs(record.provenance.traits)]
        words = tuple(subject_words(finding, target).values())
        names = ", ".join(f"{name} = ?" for name in columns)
        save = (f"UPDATE records SET {names}, revision = revision + 1 WHERE id = ?", (*columns.values(), id_))  # noqa: S608 - our own column names
        drop = ("DELETE FROM traits WHERE record_id = ?", (id_,))
        kept = [("INSERT INTO traits VALUES (?, ?, ?)", one) for one in traits]
        marks = ", ".join("?" * (3 + len(words)))
        opening = (
            f"INSERT INTO records (id, subject, window_start, {', '.join(subject_words(finding, target))}) VALUES ({marks})",  # noqa: E501, S608 - our own column names
            (id_, finding.subject(target), moment, *words),
        )
        admitted = [
            opening,
            ("INSERT INTO raw VALUES (?, ?, ?, ?, ?)", (finding.key, data, digest, "m", moment)),
            ("INSERT INTO findings VALUES (?, ?, ?, ?, ?)", (id_, finding.key, moment, digest, text)),
            ("UPDATE records SET findings = findings + 1 WHERE id = ?", (id_,)),
            ("INSERT INTO occurrences VALUES (?, ?, ?, ?, ?, ?, ?)",
             (id_, finding.key, moment, finding.state, finding.mute, "m", moment)),
        ]  # fmt: skip
        claim = ("UPDATE records SET token = 1, holder = ?, expires = ? WHERE id = ?", ("m", moment, id_))
        free = ("UPDATE records SET holder = '', expires = '' WHERE id = ?", (id_,))
        whole = ("INSERT INTO evidence VALUES (?, ?)", (id_, evidence))

        def run() -> None:
            for statements in (admitted, [claim], [save, whole, drop, *kept], [save, drop, *kept], [free]):
                db.execute("BEGIN IMMEDIATE")
                for statement, values in statements:
                    db.execute(statement, values)
                db.execute("COMMIT")

        return run

    return write


class _Recorded(Database):
    """Remembers what was written, commit by commit."""

    def __init__(self, project: str, database: str) -> None:
        super().__init__(project, database)
        self.commits: list[list[Create | Change]] = []

    def commit(self, *writes: Write) -> Times:
        self.commits.append([one for one in writes if isinstance(one, Create | Change)])
        assert len(self.commits[-1]) == len(writes), "the cycle adds nothing and deletes nothing"
        return super().commit(*writes)


def _firestore(recorded: _Recorded) -> Prepare:
    """What our last cycle wrote, field by field and commit by commit, written again to another project."""
    from google.cloud.firestore import Client  # noqa: PLC0415 - where there is an emulator

    client = Client(project="acme-raw", database=recorded.database)

    def prepare(_finding: Finding, _data: bytes, _record: Record) -> Prepared:
        commits = [[(type(one), one.path, _fields(one)) for one in writes] for writes in recorded.commits]
        recorded.commits.clear()

        def run() -> None:
            for writes in commits:
                batch = client.batch()
                for kind, where, fields in writes:
                    put = batch.create if kind is Create else batch.update
                    put(client.document(*where), fields)
                batch.commit()

        return run

    return prepare


def _fields(write: Create | Change) -> dict[str, Any]:
    from google.cloud.firestore import SERVER_TIMESTAMP  # noqa: PLC0415 - where there is an emulator

    return {name: SERVER_TIMESTAMP if value is NOW else value for name, value in write.data.items()}
