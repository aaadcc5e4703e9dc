"""The record, between steps: findings, claims, records and reviews in one SQLite file. Touches that file alone.

The embedded default: several processes on one machine may share it (WAL), several machines may not. Nothing here
imports pydantic before a finding is admitted, so that a message that is only counted or rejected stays cheap.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from weakref import WeakValueDictionary

from responder.errors import Busy, StaleClaim, StaleRevision, StoreError
from responder.ports import Admission, Claim, Rejected
from responder.stores import sqlite_listing, tables
from responder.stores.file import File
from responder.stores.sqlite_tellings import SqliteTellings, text_of
from responder.stores.words import (
    clean,
    fires_again,
    id_of_record,
    known_record,
    publication,
    publications,
    shifted,
    stamp,
    subject_words,
    trait_pairs,
)

if TYPE_CHECKING:
    from types import ModuleType

    from responder.evidence import Evidence
    from responder.finding import Finding, Target
    from responder.notices.ledger import Told
    from responder.ports import Clock, Delivery, Precedent, RecordLine, RecordQuery
    from responder.record import Record, RecordedFinding, ReviewEntry, Subject, Traits
    from responder.stores.texts import Texts


class SqliteRecords:
    """`ports.Records` over the file at `path`, which is made (readable by its owner alone) on first use.

    `now` tells whether a claim still runs where the caller gives no time of its own.
    """

    def __init__(self, path: str | Path, *, now: Clock) -> None:
        self._file = File(Path(path))
        self._tellings = SqliteTellings(self._file)
        self._now = now
        # The evidence that is in the file, by record and token: while a claim holds, nobody else writes it.
        self._written: WeakValueDictionary[tuple[str, int], Evidence] = WeakValueDictionary()

    @cached_property
    def _texts(self) -> Texts:
        from responder.stores.texts import Texts  # noqa: PLC0415 - imports pydantic

        return Texts(evidence=False)

    # --- arrival ------------------------------------------------------------------------------------------------------

    def admit(self, finding: Finding, target: Target, delivery: Delivery) -> Admission:
        """Keep the finding once, its raw bytes apart, and let it join its container's record.

        A record is joined from one window before its start to one window after it, since findings arrive out of order;
        the one whose own window holds the eventTime comes first. A change of a finding that is known (another state or
        mute of the same eventTime, or no longer active) stays with the record that has it, however late it comes.
        """
        subject = finding.subject(target)
        key, moment, state, mute = publication(finding)
        with self._file.errors():
            # Most of what comes twice is finished: told without the writers' lock, which all others wait for.
            told = self._file.db().execute(_TOLD, (subject, key, moment, state, mute)).fetchone()
        if told is not None:
            return Admission(kind="duplicate", record_id=told[0], finished=True)
        with self._file.transaction() as db:
            known = db.execute(_OCCURRENCES_OF_KEY, (subject, key)).fetchall()
            for record_id, seen_moment, seen_state, seen_mute in known:
                if (seen_moment, seen_state, seen_mute) == (moment, state, mute):
                    is_told = _finished(db, record_id) and not _unread(db, record_id)
                    return Admission(kind="duplicate", record_id=record_id, finished=is_told)
            record_id = known_record([row[:2] for row in known], moment, state) or _joinable(
                db, subject, finding.event_time
            )
            if record_id is None:
                record_id = _open_record(db, finding, target, subject)
            seen = [row[1:3] for row in known if row[0] == record_id]
            if not seen:
                self._keep(db, record_id, finding, delivery)
            occurrence = (record_id, key, moment, state, mute, clean(delivery.message_id), stamp(delivery.received))
            db.execute("INSERT INTO occurrences VALUES (?, ?, ?, ?, ?, ?, ?)", occurrence)
            kind: Literal["new", "update"] = "new" if fires_again(seen, moment, state) or not seen else "update"
            return Admission(kind=kind, record_id=record_id, finished=_finished(db, record_id))

    @staticmethod
    def _keep(db: sqlite3.Connection, record_id: str, finding: Finding, delivery: Delivery) -> None:
        digest = hashlib.sha256(delivery.data).hexdigest()
        key = clean(finding.key)
        raw = (key, delivery.data, digest, clean(delivery.message_id), stamp(delivery.received))
        db.execute("INSERT INTO raw VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", raw)
        row = (record_id, key, stamp(finding.event_time), digest, _documents().finding_json(finding))
        db.execute("INSERT INTO findings VALUES (?, ?, ?, ?, ?)", row)
        db.execute("UPDATE records SET findings = findings + 1 WHERE id = ?", (record_id,))

    # --- the claim ----------------------------------------------------------------------------------------------------

    def claim(self, record_id: str, holder: str, lease: timedelta, now: datetime) -> Claim | None:
        """The right to write the record, or None while another's claim runs. The same `holder` raises `Busy`."""
        expires = now + lease
        with self._file.transaction() as db:
            row = db.execute(
                "UPDATE records SET token = token + 1, holder = ?1, expires = ?2, tried = ?4"
                " WHERE id = ?3 AND (holder = '' OR expires <= ?4) RETURNING token",
                (clean(holder), stamp(expires), clean(record_id), stamp(now)),
            ).fetchone()
            if row is not None:
                return Claim(record_id=record_id, token=row[0], holder=holder, expires=expires)
            current = _column(db, record_id, "holder")
        if current == clean(holder):
            message = f"record {record_id} is being worked on for this same message"
            raise Busy(message)
        return None

    def renew(self, claim: Claim, lease: timedelta, now: datetime) -> Claim:
        """The same claim for longer; `StaleClaim` where it has expired or was taken over."""
        expires = now + lease
        with self._file.transaction() as db:
            renew = f"UPDATE records SET expires = ? WHERE {_MINE}"  # noqa: S608 - our own column names
            if not db.execute(renew, (stamp(expires), *_mine(claim, now))).rowcount:
                raise _stale(claim)
        return replace(claim, expires=expires)

    def save(self, record: Record, claim: Claim) -> Record:
        """Write the record and return it with its new revision and its reviews; findings are as they were handed in.

        The revision is the store's, not the one in `record`: a review may have raised it since the record was read, and
        must not make the holder's work stale.
        """
        documents = _documents()
        if record.id != claim.record_id:
            message = f"a claim of {claim.record_id} cannot write {record.id}"
            raise StaleClaim(message)
        # Written out before the transaction begins: everybody else waits for its end.
        columns = {**documents.columns(record), "json": self._texts.of(record, claim.token).decode()}
        names = ", ".join(f"{name} = ?" for name in columns)
        # The fence and the write in one statement. Not RETURNING: SQLite keeps a copy of the row for it.
        save = f"UPDATE records SET {names}, revision = revision + 1 WHERE {_MINE}"  # noqa: S608 - our own column names
        work = (record.id, claim.token)
        is_known = self._written.get(work) is record.evidence
        evidence = b"" if is_known else documents.evidence_json(record.evidence)
        with self._file.transaction() as db:
            if not db.execute(save, (*columns.values(), *_mine(claim, self._now()))).rowcount:
                raise _stale(claim)
            if evidence:
                db.execute("INSERT OR REPLACE INTO evidence VALUES (?, CAST(? AS TEXT))", (record.id, evidence))
            db.execute("DELETE FROM traits WHERE record_id = ?", (record.id,))
            rows = [(record.id, kind, value) for kind, value in trait_pairs(record.provenance.traits)]
            db.executemany("INSERT INTO traits VALUES (?, ?, ?)", rows)
            revision = _column(db, record.id, "revision")
            reviews = [text for (text,) in db.execute(_REVIEWS, (record.id,))]
        self._written[work] = record.evidence
        saved: Record = documents.reviewed(record, revision, reviews)
        return saved

    def release(self, claim: Claim, seen: int) -> bool:
        """Give the claim back, unless findings joined since `seen` of their occurrences were read: True then.

        `seen` is the sum over all findings of the record. False too where another has taken the claim over
        meanwhile: whatever joined is the other's to see.
        """
        with self._file.transaction() as db:
            row = db.execute(
                "SELECT (SELECT COUNT(*) FROM occurrences WHERE record_id = id) > ? FROM records"
                " WHERE id = ? AND token = ? AND holder <> ''",
                (seen, claim.record_id, claim.token),
            ).fetchone()
            if row is None:
                return False
            if row[0]:
                return True
            db.execute("UPDATE records SET holder = '', expires = '' WHERE id = ?", (claim.record_id,))
        self._texts.drop(claim.record_id, claim.token)
        return False

    # --- reading ------------------------------------------------------------------------------------------------------

    def load(self, record_id: str) -> Record | None:
        """The record with its reviews and each finding's latest occurrences, or None where it was not saved yet."""
        with self._file.errors():
            db = self._file.db()
            row = db.execute(_SAVED, (clean(record_id),)).fetchone()
            return None if row is None else self._compose(db, _documents().record_of(*row))

    @staticmethod
    def _compose(db: sqlite3.Connection, record: Record) -> Record:
        revision = _column(db, record.id, "revision")
        reviews = [text for (text,) in db.execute(_REVIEWS, (record.id,))]
        occurrences = db.execute(_OCCURRENCES, (record.id,)).fetchall()
        composed: Record = _documents().compose(record, revision, reviews, occurrences, text_of(db, record.id))
        return composed

    def findings(self, record_id: str) -> tuple[RecordedFinding, ...]:
        """The record's findings as they were admitted (not redacted), with their occurrences, by eventTime."""
        with self._file.errors():
            db = self._file.db()
            rows = db.execute(
                "SELECT json, raw_sha256 FROM findings WHERE record_id = ? ORDER BY event_time, key",
                (clean(record_id),),
            ).fetchall()
            occurrences = db.execute(_OCCURRENCES, (clean(record_id),)).fetchall()
        found: tuple[RecordedFinding, ...] = _documents().findings_of(rows, occurrences)
        return found

    def findings_page(self, record_id: str, *, after: str = "", limit: int = 200) -> tuple[RecordedFinding, ...]:
        """At most `limit` of `findings`, those that follow the finding whose key is `after` (empty: the first)."""
        with self._file.errors():
            db = self._file.db()
            rows = db.execute(_FINDINGS_AFTER, (clean(record_id), clean(after), limit)).fetchall()
            if not rows:
                return ()
            keys = [row[2] for row in rows]
            marks = ", ".join("?" * len(keys))
            occurrences = db.execute(_OCCURRENCES_OF_PAGE.format(keys=marks), (record_id, *keys)).fetchall()
        found: tuple[RecordedFinding, ...] = _documents().findings_of([row[:2] for row in rows], occurrences)
        return found

    def raw(self, key: str) -> bytes | None:
        """The first notification of a finding, as it came."""
        with self._file.errors():
            row = self._file.db().execute("SELECT data FROM raw WHERE key = ?", (clean(key),)).fetchone()
            return None if row is None else bytes(row[0])

    def list(self, query: RecordQuery) -> Iterator[RecordLine]:
        """Records by the query, those included that nobody has investigated yet (stage `admitted`)."""
        with self._file.snapshot() as db:
            rows = sqlite_listing.rows(db, query)
        return map(_documents().line_of, rows)

    def due(self, now: datetime, limit: int = 100) -> tuple[RecordLine, ...]:
        """Records that nobody holds and somebody must go on with: unfinished ones, and those whose time has come.

        The one that was claimed last comes last, so that those that always fail keep no other from its turn.
        """
        statement = (
            f"SELECT {tables.LINE} FROM records WHERE (holder = '' OR expires <= ?1)"  # noqa: S608 - our own column names
            f" AND (stage <> 'finished' OR due <= ?1 OR holder <> '' OR {_HAS_UNREAD})"
            " ORDER BY tried, window_start, id LIMIT ?2"
        )
        with self._file.errors():
            rows = self._file.db().execute(statement, (stamp(now), limit)).fetchall()
        return tuple(_documents().line_of(row) for row in rows)

    def unknown(self, findings: Sequence[Finding]) -> frozenset[str]:
        """The keys of those findings that not all of their records tell of as they are: eventTime, state and mute."""
        wanted = {published: finding.key for finding, published in publications(findings)}
        keys = {key for _, key, *_ in wanted}
        with self._file.errors():
            known = self._file.db().execute(_PUBLISHED.format(keys=", ".join("?" * len(keys))), tuple(keys)).fetchall()
        return frozenset(wanted[one] for one in wanted.keys() - set(known))

    def wanting(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records that `act` is to be asked for, and whose time for it has come; oldest first."""
        with self._file.errors():
            rows = self._file.db().execute(_WANTING, (stamp(now), max(limit, 0)))
            return tuple(row[0] for row in rows.fetchall())

    def unpublished(self, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records whose latest revision was not published; oldest first."""
        with self._file.errors():
            rows = self._file.db().execute(
                "SELECT id FROM records WHERE stage = 'finished' AND published < revision"
                " ORDER BY window_start, id LIMIT ?",
                (limit,),
            )
            return tuple(row[0] for row in rows.fetchall())

    def published(self, record_id: str, revision: int) -> None:
        """Note that this revision went out; an older one than is noted changes nothing."""
        with self._file.transaction() as db:
            db.execute("UPDATE records SET published = MAX(published, ?) WHERE id = ?", (revision, record_id))

    def untold(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records whose latest revision was not told, and whose time has come; newest first."""
        return self._tellings.untold(now, limit)

    def tell(self, key: str, now: datetime, until: datetime) -> Told | None:
        """The right to tell until `until`, with what was told so far; None while another's right runs."""
        return self._tellings.tell(key, now, until)

    def told(self, key: str, told: Told, *, until: datetime | None = None) -> None:
        """Keep what was told; the right is kept until `until`, or given back."""
        self._tellings.told(key, told, until)

    def previous(self, record_id: str) -> str:
        """The id of the record before it of the same container; empty where there is none."""
        with self._file.errors():
            row = self._file.db().execute(_PREVIOUS, (clean(record_id),)).fetchone()
        return "" if row is None else str(row[0])

    def of_pod(self, subject: Subject, since: datetime) -> tuple[str, ...]:
        """Ids of the records of that pod, whichever its container, whose windows began then or later; oldest first."""
        place = (clean(word) for word in (subject.namespace, subject.pod, subject.cluster, subject.location))
        project = clean(subject.project_id), clean(subject.project_number)
        with self._file.errors():
            rows = self._file.db().execute(_OF_POD, (stamp(since), *place, *project))
            return tuple(row[0] for row in rows.fetchall())

    def history(self, traits: Traits, *, before: datetime, limit: int = 500) -> tuple[Precedent, ...]:
        """Finished records of windows that started earlier and share a trait, newest first."""
        shared = trait_pairs(traits)
        if not shared:
            return ()
        wanted = ", ".join("(?, ?)" for _ in shared)
        with self._file.errors():
            rows = self._file.db().execute(
                _PRECEDENTS.format(wanted=wanted),
                (*(word for pair in shared for word in pair), stamp(before), limit),
            )
            return tuple(_documents().precedent_of(row) for row in rows.fetchall())

    # --- reviews, rejects, counters -----------------------------------------------------------------------------------

    def review(self, record_id: str, entry: ReviewEntry, *, revision: int) -> Record:
        """Append a review; `StaleRevision` where the record's revision is not `revision` any more."""
        with self._file.transaction() as db:
            current = _column(db, record_id, "revision")
            if current != revision:
                message = f"record {record_id} is at revision {current}, not {revision}: read it again"
                raise StaleRevision(message)
            db.execute(
                "INSERT INTO reviews (record_id, json) VALUES (?, ?)", (record_id, _documents().review_json(entry))
            )
            db.execute(
                "UPDATE records SET state = ?, revision = revision + 1 WHERE id = ?",
                (entry.state, record_id),
            )
        record = self.load(record_id)
        if record is None:
            message = f"record {record_id} has a review and no investigation yet"
            raise StoreError(message)
        return record

    def reject(self, rejected: Rejected) -> None:
        """Keep a message that could not be read."""
        row = (clean(rejected.message_id), clean(rejected.reason), rejected.data, stamp(rejected.received))
        with self._file.transaction() as db:
            db.execute("INSERT INTO rejected (message_id, reason, data, received) VALUES (?, ?, ?, ?)", row)

    def rejected(self, limit: int = 50) -> tuple[Rejected, ...]:
        """The latest of them, newest first."""
        with self._file.errors():
            rows = self._file.db().execute(
                "SELECT message_id, reason, data, received FROM rejected ORDER BY seq DESC LIMIT ?", (limit,)
            )
            return tuple(
                Rejected(message_id=row[0], reason=row[1], data=bytes(row[2]), received=datetime.fromisoformat(row[3]))
                for row in rows.fetchall()
            )

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter. Visible at once and safe from a killed process; a power cut may lose the last ones."""
        with self._file.errors(), self._file.turns():
            db = self._file.db()
            # A foreign message must cost next to nothing, and its count is not worth the wait for the disk.
            db.execute("PRAGMA synchronous = NORMAL")
            try:
                db.execute(
                    "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name)"
                    " DO UPDATE SET value = value + excluded.value",
                    (clean(name), by),
                )
            finally:
                db.execute("PRAGMA synchronous = FULL")

    def counters(self) -> dict[str, int]:
        """All counters."""
        with self._file.errors():
            return dict(self._file.db().execute("SELECT name, value FROM counters ORDER BY name").fetchall())

    def close(self) -> None:
        """Let go of the file, in every thread; the next use opens it again."""
        self._file.close()


_MINE: Final = "id = ? AND token = ? AND holder = ? AND expires > ?"
"""The fence: only the latest token writes, and only before it expires. `_mine` has its values."""
_REVIEWS: Final = "SELECT json FROM reviews WHERE record_id = ? ORDER BY seq"
_SAVED: Final = (
    "SELECT r.json, e.json FROM records AS r JOIN evidence AS e ON e.record_id = r.id"
    " WHERE r.id = ? AND r.json IS NOT NULL"
)
_WANTING: Final = (
    # "+": else the index by stage is taken, which is of every record that is finished.
    "SELECT id FROM records WHERE act = 'wanted' AND +stage = 'finished' AND (act_due IS NULL OR act_due <= ?)"
    " ORDER BY window_start, id LIMIT ?"
)
_HAS_UNREAD: Final = "read < (SELECT COUNT(*) FROM occurrences WHERE record_id = records.id)"
_OCCURRENCES: Final = (
    "SELECT key, event_time, state, mute, message_id, received FROM occurrences WHERE record_id = ? ORDER BY rowid"
)
_OCCURRENCES_OF_PAGE: Final = (
    "SELECT key, event_time, state, mute, message_id, received FROM occurrences"
    " WHERE record_id = ? AND key IN ({keys}) ORDER BY rowid"
)
_PUBLISHED: Final = (
    "SELECT r.subject, o.key, o.event_time, o.state, o.mute FROM findings AS f JOIN records AS r ON r.id = f.record_id"
    " JOIN occurrences AS o ON o.record_id = f.record_id AND o.key = f.key WHERE f.key IN ({keys})"
)
_FINDINGS_AFTER: Final = (
    "SELECT json, raw_sha256, key FROM findings WHERE record_id = ?1 AND (event_time, key) >"
    " (COALESCE((SELECT event_time FROM findings WHERE record_id = ?1 AND key = ?2), ''), ?2)"
    " ORDER BY event_time, key LIMIT ?3"
)
_PREVIOUS: Final = (
    "SELECT p.id FROM records AS r JOIN records AS p ON p.subject = r.subject AND p.window_start < r.window_start"
    " WHERE r.id = ? ORDER BY p.window_start DESC LIMIT 1"
)
_OF_POD: Final = (
    "SELECT id FROM records WHERE window_start >= ? AND namespace = ? AND pod = ? AND cluster = ? AND location = ?"
    " AND (project_id <> '' AND project_id = ? OR project_number <> '' AND project_number = ?)"
    " ORDER BY window_start, id"
)
_PRECEDENTS: Final = (
    "SELECT r.id, r.window_start, r.verdict, (SELECT json_extract(v.json, '$.verdict') FROM reviews AS v"
    " WHERE v.record_id = r.id AND json_extract(v.json, '$.verdict') IS NOT NULL ORDER BY v.seq DESC LIMIT 1),"
    " MAX(t.kind = 'image'), MAX(t.kind = 'owner'), MAX(t.kind = 'shape')"
    " FROM traits AS t JOIN records AS r ON r.id = t.record_id"
    " WHERE (t.kind, t.value) IN (VALUES {wanted}) AND r.window_start < ? AND r.stage = 'finished'"
    " GROUP BY r.id ORDER BY r.window_start DESC LIMIT ?"
)
_TOLD: Final = (
    # "+": else the index by stage is taken, and each arrival costs more the more records are finished.
    "SELECT id FROM records JOIN occurrences AS o ON record_id = id"
    " WHERE subject = ? AND o.key = ? AND o.event_time = ? AND o.state = ? AND o.mute = ? AND +stage = 'finished'"
    " AND read >= (SELECT COUNT(*) FROM occurrences WHERE record_id = records.id) LIMIT 1"
)
_OCCURRENCES_OF_KEY: Final = (
    "SELECT r.id, o.event_time, o.state, o.mute FROM records AS r JOIN occurrences AS o ON o.record_id = r.id"
    " WHERE r.subject = ? AND o.key = ? ORDER BY r.window_start DESC"
)


@cache
def _documents() -> ModuleType:
    """What knows pydantic, imported when the first document is read or written."""
    from responder.stores import documents  # noqa: PLC0415 - a rejected or counted message must not pay for pydantic

    return documents


def _joinable(db: sqlite3.Connection, subject: str, event_time: datetime) -> str | None:
    """The record whose window holds the moment, else the nearest that the moment precedes by less than a window."""
    window = _documents().WINDOW
    moment, before, after = stamp(event_time), shifted(event_time, -window), shifted(event_time, window)
    select = "SELECT id FROM records WHERE subject = ?"
    row = db.execute(
        f"{select} AND window_start > ? AND window_start <= ? ORDER BY window_start DESC LIMIT 1",
        (subject, before, moment),
    ).fetchone()
    row = (
        row
        or db.execute(
            f"{select} AND window_start > ? AND window_start <= ? ORDER BY window_start LIMIT 1",
            (subject, moment, after),
        ).fetchone()
    )
    return None if row is None else str(row[0])


def _open_record(db: sqlite3.Connection, finding: Finding, target: Target, subject: str) -> str:
    start = stamp(finding.event_time)
    opened = id_of_record(subject, start)
    db.execute(
        "INSERT INTO records (id, subject, window_start, project_id, project_number, cluster, location, namespace,"
        " pod, container) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (opened, subject, start, *subject_words(finding, target).values()),
    )
    return opened


def _unread(db: sqlite3.Connection, record_id: str) -> bool:
    """Whether something joined that the record does not tell of: its holder died before it looked once more."""
    row = db.execute(f"SELECT {_HAS_UNREAD} FROM records WHERE id = ?", (record_id,)).fetchone()  # noqa: S608 - ours
    return bool(row[0])


def _finished(db: sqlite3.Connection, record_id: str) -> bool:
    return bool(_column(db, record_id, "stage") == "finished")


def _column(db: sqlite3.Connection, record_id: str, name: str) -> Any:
    row = db.execute(f"SELECT {name} FROM records WHERE id = ?", (clean(record_id),)).fetchone()  # noqa: S608 - our own column names
    if row is None:
        message = f"there is no record {clean(record_id)}"
        raise StoreError(message)
    return row[0]


def _mine(claim: Claim, now: datetime) -> tuple[str | int, ...]:
    """The values of `_MINE`."""
    return claim.record_id, claim.token, clean(claim.holder), stamp(now)


def _stale(claim: Claim) -> StaleClaim:
    return StaleClaim(f"claim {claim.token} of record {claim.record_id} has expired or was taken over")
