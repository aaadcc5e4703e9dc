"""The record, between steps: `ports.Records` in this process's memory, for schedules that are played by the thousand.

Touches nothing outside. Every method is one atomic step; frozen values are kept as they are and handed out again.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from responder import report
from responder.errors import Busy, StaleClaim, StaleRevision, StoreError
from responder.finding import Finding, Target
from responder.notices.ledger import Told, shown, without
from responder.ports import Admission, Claim, Clock, Delivery, Precedent, RecordLine, RecordQuery, Rejected
from responder.record import WINDOW, Occurrence, Record, RecordedFinding, Review, ReviewEntry, Subject, Traits
from responder.stores import documents, listing, words

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)
_FIELDS: Final = tuple(one.name for one in fields(Finding))
_stamp = lru_cache(maxsize=1024)(words.stamp)


@dataclass(slots=True)
class Row:
    """What is kept of one record. `seen` are the occurrences of each finding, by its key, in order of arrival.

    `joined` is how many there are of all findings.
    """

    id: str
    subject: str
    start: datetime
    words: dict[str, str]
    findings: dict[str, tuple[Finding, str]] = field(default_factory=dict)
    seen: dict[str, tuple[Occurrence, ...]] = field(default_factory=dict)
    joined: int = 0
    token: int = 0
    holder: str = ""
    expires: datetime = _NEVER
    tried: datetime = _NEVER
    record: Record | None = None
    revision: int = 0
    reviews: list[ReviewEntry] = field(default_factory=list)
    published: int = 0

    @property
    def stage(self) -> str:
        """`admitted` until something was saved."""
        return self.record.provenance.stage if self.record else "admitted"

    @property
    def review(self) -> Review:
        """Where the review stands."""
        last = self.reviews[-1] if self.reviews else None
        return Review(state=last.state, verdict=last.verdict, history=tuple(self.reviews)) if last else Review()

    def precedes(self, other: datetime) -> bool:
        """Whether its window starts less than one window before the moment, or at it."""
        return _shifted(other, -WINDOW) < self.start <= other


class MemoryRecords:
    """`ports.Records` in memory. `now` tells whether a claim still runs where the caller gives no time of its own.

    What a variant may do differently is a small method of its own: `_unread`, `_holds`, `_free`, `_joinable` and so on.
    """

    def __init__(self, *, now: Clock) -> None:
        self._now = now
        self._lock = threading.RLock()
        self.rows: dict[str, Row] = {}
        self._tellings: dict[str, tuple[datetime, Told]] = {}
        self._raw: dict[str, bytes] = {}
        self._rejected: list[Rejected] = []
        self._counts: Counter[str] = Counter()

    # --- arrival ------------------------------------------------------------------------------------------------------

    def admit(self, finding: Finding, target: Target, delivery: Delivery) -> Admission:
        """Keep the finding once, its raw bytes apart, and let it join its container's record."""
        subject, key = finding.subject(target), words.clean(finding.key)
        told = (finding.event_time, words.clean(finding.state), words.clean(finding.mute))
        with self._lock:
            known = [(row, one) for row in self._of(subject) for one in row.seen.get(key, ())]
            for row, one in known:
                if self._same(told, one):
                    done = self._finished(row) and not self._unread(row)
                    return Admission(kind="duplicate", record_id=row.id, finished=done)
            moments = [(row.id, _stamp(one.event_time)) for row, one in known]
            joined = words.known_record(moments, _stamp(told[0]), told[1])
            row = self.rows[joined] if joined else self._joinable(subject, told[0]) or self._open(finding, target)
            seen = [(_stamp(one.event_time), one.state) for one in row.seen.get(key, ())]
            again = words.fires_again(seen, _stamp(told[0]), told[1])
            kind: Literal["new", "update"] = "new" if again or not seen else "update"
            if not seen:
                self._raw.setdefault(key, delivery.data)
                row.findings[key] = (_readable(finding), hashlib.sha256(delivery.data).hexdigest())
            event_time, state, mute = told
            message_id = words.clean(delivery.message_id)
            once = Occurrence(
                event_time=event_time, state=state, mute=mute, message_id=message_id, received=delivery.received
            )
            row.seen[key] = (*row.seen.get(key, ()), once)
            row.joined += 1
            return Admission(kind=kind, record_id=row.id, finished=self._finished(row))

    def _of(self, subject: str) -> list[Row]:
        return sorted((row for row in self.rows.values() if row.subject == subject), key=_start, reverse=True)

    def _same(self, told: tuple[datetime, str, str], one: Occurrence) -> bool:
        return told == (one.event_time, one.state, one.mute)

    def _finished(self, row: Row) -> bool:
        return row.stage == "finished"

    def _unread(self, row: Row) -> bool:
        """Whether something joined that the record does not tell of: it is still to be done, whoever brings it."""
        return row.record is None or row.record.provenance.read < row.joined

    def _joinable(self, subject: str, moment: datetime) -> Row | None:
        """The record whose window holds the moment, else the nearest that the moment precedes by less than a window."""
        rows = self._of(subject)
        after = _shifted(moment, WINDOW)
        holding = next((row for row in rows if row.precedes(moment)), None)
        return holding or next((row for row in reversed(rows) if moment < row.start <= after), None)

    def _open(self, finding: Finding, target: Target) -> Row:
        subject, start = finding.subject(target), finding.event_time
        row = Row(self._id(subject, start), subject, start, words.subject_words(finding, target))
        self.rows[row.id] = row
        return row

    def _id(self, subject: str, start: datetime) -> str:
        return words.id_of_record(subject, _stamp(start))

    # --- the claim ----------------------------------------------------------------------------------------------------

    def claim(self, record_id: str, holder: str, lease: timedelta, now: datetime) -> Claim | None:
        """The right to write the record, or None while another's claim runs. The same `holder` raises `Busy`."""
        name = words.clean(holder)
        with self._lock:
            row = self._row(record_id)
            if self._free(row, now):
                row.token, row.holder, row.expires, row.tried = self._token(row), name, now + lease, now
                return Claim(record_id=record_id, token=row.token, holder=holder, expires=row.expires)
            if row.holder == name:
                raise Busy(f"record {record_id} is being worked on for this same message")
            return None

    def _free(self, row: Row, now: datetime) -> bool:
        return not row.holder or row.expires <= now

    def _token(self, row: Row) -> int:
        return row.token + 1

    def _holds(self, row: Row, claim: Claim, now: datetime) -> bool:
        """The fence: only the latest token writes, and only before it expires."""
        return (row.token, row.holder) == (claim.token, words.clean(claim.holder)) and row.expires > now

    def _fence(self, claim: Claim, now: datetime) -> Row:
        row = self._row(claim.record_id)
        if not self._holds(row, claim, now):
            raise StaleClaim(f"claim {claim.token} of record {claim.record_id} has expired or was taken over")
        return row

    def renew(self, claim: Claim, lease: timedelta, now: datetime) -> Claim:
        """The same claim for longer; `StaleClaim` where it has expired or was taken over."""
        with self._lock:
            self._fence(claim, now).expires = now + lease
        return replace(claim, expires=now + lease)

    def save(self, record: Record, claim: Claim) -> Record:
        """Write the record and return it with its new revision and its reviews."""
        if record.id != claim.record_id:
            raise StaleClaim(f"a claim of {claim.record_id} cannot write {record.id}")
        with self._lock:
            row = self._fence(claim, self._now())
            row.record = record
            row.revision += 1
            return self._composed(row, record)

    def release(self, claim: Claim, seen: int) -> bool:
        """Give the claim back, unless something joined that the holder has not read: True then."""
        with self._lock:
            row = self._row(claim.record_id)
            if not self._may_release(row, claim):
                return False
            if self._joined(row, seen):
                return True
            row.holder, row.expires = "", _NEVER
            return False

    def _may_release(self, row: Row, claim: Claim) -> bool:
        return row.token == claim.token and row.holder != ""

    def _joined(self, row: Row, seen: int) -> bool:
        return row.joined > seen

    # --- reading ------------------------------------------------------------------------------------------------------

    def _row(self, record_id: str) -> Row:
        row = self.rows.get(record_id)
        if row is None:
            raise StoreError(f"there is no record {record_id}")
        return row

    def _composed(self, row: Row, record: Record) -> Record:
        findings = tuple(replace(one, occurrences=row.seen.get(one.key) or one.occurrences) for one in record.findings)
        provenance = record.provenance.model_copy(update={"revision": row.revision})
        return record.model_copy(update={"findings": findings, "review": row.review, "provenance": provenance})

    def load(self, record_id: str) -> Record | None:
        """The record with its reviews and each finding's latest occurrences, or None where it was not saved yet."""
        with self._lock:
            row = self.rows.get(record_id)
            return shown(self._composed(row, row.record), self._told(row.id)) if row and row.record else None

    def findings(self, record_id: str) -> tuple[RecordedFinding, ...]:
        """The record's findings as they were admitted, with their occurrences, by eventTime."""
        return self.findings_page(record_id, limit=sys.maxsize)

    def due(self, now: datetime, limit: int = 100) -> tuple[RecordLine, ...]:
        """Records that nobody holds and somebody must go on with: those that were tried last come last.

        Not finished, or joined by what it does not tell of; or `provenance.due` has come, or a claim ran out.
        """
        with self._lock:
            rows = sorted(self.rows.values(), key=lambda row: (row.tried, row.start, row.id))
            due = [row for row in rows if self._free(row, now) and self._is_due(row, now)]
            return tuple(_line(row) for row in due[:limit])

    def _is_due(self, row: Row, now: datetime) -> bool:
        due = row.record.provenance.due if row.record else None
        is_left = row.holder != "" or not self._finished(row) or self._unread(row)
        return is_left or (due is not None and due <= now)

    def unknown(self, findings: Sequence[Finding]) -> frozenset[str]:
        """The keys of those findings that not all of their records tell of as they are: eventTime, state and mute."""
        with self._lock:
            known = {
                (row.subject, key, _stamp(one.event_time), one.state, one.mute)
                for row in self.rows.values()
                for key, seen in row.seen.items()
                for one in seen
            }
        return frozenset(one.key for one, published in words.publications(findings) if published not in known)

    def wanting(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records that `act` is to be asked for, and whose time for it has come; oldest first."""
        with self._lock:
            rows = sorted(self.rows.values(), key=lambda row: (row.start, row.id))
            said = [(row.id, row.record.provenance) for row in rows if row.record and self._finished(row)]
        wanted = [one for one, told in said if told.act == "wanted" and (told.act_due is None or told.act_due <= now)]
        return tuple(wanted[: max(limit, 0)])

    def unpublished(self, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records of which no revision, or an older one, was published; oldest first."""
        with self._lock:
            rows = sorted(self.rows.values(), key=lambda row: (row.start, row.id))
            return tuple(row.id for row in rows if row.stage == "finished" and row.published < row.revision)[:limit]

    def published(self, record_id: str, revision: int) -> None:
        """Note that this revision went out; an older one than is noted changes nothing."""
        with self._lock:
            row = self._row(record_id)
            row.published = max(row.published, revision)

    def untold(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records whose latest revision was not told, and whose time has come; newest first."""
        with self._lock:
            rows = sorted(self.rows.values(), key=lambda row: row.id)
            rows.sort(key=lambda row: row.start, reverse=True)
            left = [row for row in rows if row.stage == "finished" and self._told(row.id).revision < row.revision]
            return tuple(row.id for row in left if (self._told(row.id).due or now) <= now)[: max(limit, 0)]

    def tell(self, key: str, now: datetime, until: datetime) -> Told | None:
        """The right to tell until `until`, with what was told so far; None while another's right runs."""
        with self._lock:
            running, told = self._tellings.get(key, (_NEVER, Told()))
            if running > now:
                return None
            self._tellings[key] = (until, told)
            return told

    def told(self, key: str, told: Told, *, until: datetime | None = None) -> None:
        """Keep what was told; the right is kept until `until`, or given back."""
        with self._lock:
            self._tellings[key] = (until or _NEVER, told)

    def _told(self, key: str) -> Told:
        return self._tellings.get(key, (_NEVER, Told()))[1]

    def findings_page(self, record_id: str, *, after: str = "", limit: int = 200) -> tuple[RecordedFinding, ...]:
        """At most `limit` of `findings`, those that follow the finding whose key is `after` (empty: the first)."""
        with self._lock:
            row = self.rows.get(record_id)
            if row is None:
                return ()
            keys = sorted(row.findings, key=lambda key: (row.findings[key][0].event_time, key))
            first = keys.index(words.clean(after)) + 1 if words.clean(after) in row.findings else 0
            return tuple(_recorded(*row.findings[key], row.seen[key]) for key in keys[first : first + limit])

    def raw(self, key: str) -> bytes | None:
        """The first notification of a finding, as it came."""
        return self._raw.get(words.clean(key))

    def list(self, query: RecordQuery) -> Iterator[RecordLine]:
        """Records by the query, newest first, those included that nobody has investigated yet (stage `admitted`)."""
        with self._lock:
            rows = sorted(self.rows.values(), key=lambda row: row.id)
            lines = [_line(row) for row in sorted(rows, key=_start, reverse=True)]
        wanted = (
            line
            for line in lines
            if query.project in {"", line.subject.project_id, line.subject.project_number}
            and query.verdict in {None, line.verdict}
            and query.state in {None, line.state}
            and (query.since is None or line.window_start >= query.since)
        )
        return listing.arranged(wanted, query)

    def previous(self, record_id: str) -> str:
        """The id of the record before it of the same container; empty where there is none."""
        with self._lock:
            this = self.rows.get(record_id)
            before = [
                row for row in self.rows.values() if this and row.subject == this.subject and row.start < this.start
            ]
            return max(before, key=_start).id if before else ""

    def of_pod(self, subject: Subject, since: datetime) -> tuple[str, ...]:
        """Ids of the records of that pod, whichever its container, whose windows began then or later; oldest first."""
        place = subject.model_dump(exclude={"container", "project_id", "project_number"})
        project = {subject.project_id, subject.project_number} - {""}
        with self._lock:
            rows = [
                row
                for row in self.rows.values()
                if place.items() <= row.words.items()
                and project & {row.words["project_id"], row.words["project_number"]}
                and row.start >= since
            ]
        return tuple(row.id for row in sorted(rows, key=lambda row: (row.start, row.id)))

    def history(self, traits: Traits, *, before: datetime, limit: int = 500) -> tuple[Precedent, ...]:
        """Finished records of windows that started earlier and share a trait, newest first."""
        shared = set(words.trait_pairs(traits))
        with self._lock:
            rows = sorted(self.rows.values(), key=_start, reverse=True)
            found = [
                _precedent(row, {kind for kind, _ in same})
                for row in rows
                if row.record and row.stage == "finished" and row.start < before
                if (same := shared & set(words.trait_pairs(row.record.provenance.traits)))
            ]
        return tuple(found[:limit])

    # --- reviews, rejects, counters -----------------------------------------------------------------------------------

    def review(self, record_id: str, entry: ReviewEntry, *, revision: int) -> Record:
        """Append a review; `StaleRevision` where the record's revision is not `revision` any more."""
        with self._lock:
            row = self._row(record_id)
            if row.revision != revision:
                raise StaleRevision(f"record {record_id} is at revision {row.revision}, not {revision}: read it again")
            row.reviews.append(entry)
            row.revision += 1
            record = self.load(record_id)
        if record is None:
            raise StoreError(f"record {record_id} has a review and no investigation yet")
        return record

    def reject(self, rejected: Rejected) -> None:
        """Keep a message that could not be read."""
        self._rejected.append(rejected)

    def rejected(self, limit: int = 50) -> tuple[Rejected, ...]:
        """The latest of them, newest first."""
        return tuple(reversed(self._rejected))[:limit]

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[words.clean(name)] += by

    def counters(self) -> dict[str, int]:
        """All counters."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def close(self) -> None:
        """Nothing is open."""


def _start(row: Row) -> datetime:
    return row.start


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """Another moment, or the end of time where the finding claims to be close to it."""
    try:
        return moment + by
    except OverflowError:
        return _NEVER if by < timedelta(0) else _END


def _readable(finding: Finding) -> Finding:
    """The finding without lone surrogates, which UTF-8 cannot hold; the same where there are none."""
    if "\\ud" not in repr(finding):
        return finding
    (read,) = documents.findings_of([(documents.finding_json(finding), "")], ())
    return Finding(**{name: getattr(read, name) for name in _FIELDS})


def _recorded(finding: Finding, digest: str, occurrences: tuple[Occurrence, ...]) -> RecordedFinding:
    values = {name: getattr(finding, name) for name in _FIELDS}
    return RecordedFinding(**values, occurrences=occurrences, raw_sha256=digest)


def _line(row: Row) -> RecordLine:
    record = row.record
    return RecordLine(
        id=row.id,
        window_start=row.start,
        subject=Subject(**row.words),
        verdict=record.triage.verdict if record else "insufficient_data",
        state=row.review.state,
        summary=report.summary(record) if record else "not investigated yet",
        findings=len(row.findings),
        gaps=len(without(record).provenance.gaps) if record else 0,
        stage=row.stage,
        revision=row.revision,
        severity=record.triage.severity if record else "LOW",
        score=record.triage.score if record else 0,
        workload="/".join(record.provenance.traits.owner.split("/")[-2:]) if record else "",
    )


def _precedent(row: Row, same: set[str]) -> Precedent:
    assert row.record is not None
    said = [entry.verdict for entry in row.reviews if entry.verdict is not None]
    return Precedent(
        record_id=row.id,
        window_start=row.start,
        verdict=row.record.triage.verdict,
        reviewed=said[-1] if said else None,
        same_image="image" in same,
        same_owner="owner" in same,
        same_shape="shape" in same,
    )
