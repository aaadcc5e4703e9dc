"""Arrival: each finding kept once in Firestore, and joined to its container's record. Touches everything but claims.

An occurrence is a document whose name is a hash of what it is: of two that bring the same one, one makes it. It is
written in one commit with the finding's own document and, where a record is opened, with the record's head and the
subject's document. That last one is changed by whoever opens a record and by nobody else: of two that open one for the
same container, one finds it changed, looks again and joins. A finding that joins writes no document that another
writes, so a burst of them is as fast as Firestore is.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from responder.ports import Admission
from responder.stores import documents, firestore_bodies
from responder.stores.documents import WINDOW
from responder.stores.firestore_calls import NOW, Asked, Change, Conflict, Create
from responder.stores.firestore_claims import AT_ONCE, FREE, is_alone, path_of, raw_path
from responder.stores.firestore_queries import KNOWN, NEAR
from responder.stores.words import (
    clean,
    fires_again,
    id_of_record,
    known_record,
    name_of,
    shifted,
    short,
    stamp,
    subject_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from responder.finding import Finding, Target
    from responder.ports import Delivery
    from responder.stores.firestore_calls import Database, Path, Row, Write
    from responder.stores.firestore_claims import Claims

_SEEN: Final = 1000
_SORTED: Final = 300
"""Characters by which keys are sorted: a longer value would not be indexed whole."""


@dataclass(frozen=True)
class Arrival:
    """One finding on its way into the record of one container, and the names of its documents."""

    finding: Finding
    target: Target
    delivery: Delivery
    written: str

    @cached_property
    def subject(self) -> str:
        """`Finding.subject`."""
        return self.finding.subject(self.target)

    @cached_property
    def moment(self) -> str:
        """The stamp of its eventTime."""
        return stamp(self.finding.event_time)

    @cached_property
    def subject_key(self) -> str:
        """The finding within its subject, in whichever record."""
        return name_of(self.subject, self.finding.key)

    @cached_property
    def occurrence(self) -> str:
        """The name of the document that says that it was published at this time, in this state."""
        return name_of(self.subject, self.finding.key, self.moment, self.finding.state, self.finding.mute)

    @cached_property
    def digest(self) -> str:
        """Of the notification."""
        return hashlib.sha256(self.delivery.data).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Place:
    """The record that a finding joins, and what is written to it: all of it where it is not there yet.

    Where it is finished and nobody holds it, that there is something to read: else nobody would know, should whoever
    brought the finding end here. And where it has one finding, that it has another. Only the first of a burst has to
    say so.
    """

    record_id: str
    window_start: str
    stage: str
    writes: tuple[Write, ...] = ()
    head: dict[str, Any] | None = None
    """Of a record that is opened; the second of `writes` makes it."""


class Seen:
    """Paths of documents that were there when this process met them, the last thousand; safe from many threads."""

    def __init__(self) -> None:
        self._paths: dict[Path, None] = {}
        self._guard = threading.Lock()

    def __contains__(self, path: Path) -> bool:
        return path in self._paths

    def add(self, path: Path) -> None:
        """This one is there."""
        with self._guard:
            self._paths.pop(path, None)
            self._paths[path] = None
            while len(self._paths) > _SEEN:
                self._paths.pop(next(iter(self._paths)))


class Admissions:
    """`admit` of one database. `new_name` gives each write a name of its own."""

    def __init__(self, database: Database, claims: Claims, new_name: Callable[[], str]) -> None:
        self._database = database
        self._claims = claims
        self._new_name = new_name
        self._there = Seen()

    def admit(self, finding: Finding, target: Target, delivery: Delivery) -> Admission:
        """As `ports.Records.admit`, with SQLite's rules for what joins what."""
        this = Arrival(finding, target, delivery, self._new_name())
        kind: Literal["new", "update"] = "new"
        if opened := self._opened_unasked(this):
            return opened
        paths = [("occurrences", this.occurrence), ("subjects", this.subject), raw_path(finding.key)]
        for _ in self._database.rounds(f"subject {this.subject}"):
            same, lock, raw = map(self._database.get_all(paths, ("record_id", "written", "last")).get, paths)
            if lock:
                self._there.add(("subjects", this.subject))
            if same is not None:
                record_id = same.data["record_id"]
                # One's own, where an earlier attempt of this very call was written and the answer was lost.
                return Admission(
                    kind=kind if same.data["written"] == this.written else "duplicate",
                    record_id=record_id,
                    finished=self._is_told(record_id),
                )
            # Whoever opens a record writes the subject's document: without it there is none, and nothing to look for.
            known = self._known(this) if lock else []
            place = self._place(this, known, lock)
            ours = [row.data for row in known if row.data["record_id"] == place.record_id]
            seen = [(one["event_time"], one["state"]) for one in ours]
            kind = "new" if fires_again(seen, this.moment, clean(finding.state)) or not seen else "update"
            writes = [*place.writes, *self.writes(this, place, is_new=not seen)]
            if not seen and raw is None:
                writes += self._raw(this)
            if self._written(place, writes):
                return Admission(kind=kind, record_id=place.record_id, finished=place.stage == "finished")
        raise AssertionError  # unreachable: `rounds` raises StoreError

    def _opened_unasked(self, this: Arrival) -> Admission | None:
        """A new record, where its container has none: most have none, and the commit itself finds out.

        None where it has one. Not tried for what this process saw there: a burst would try it again and again.
        """
        subject = ("subjects", this.subject)
        if subject in self._there:
            return None
        self._there.add(subject)
        place = self._open(this, Create(subject, {"last": this.moment}))
        raw = [] if raw_path(this.finding.key) in self._there else self._raw(this)
        if not self._written(place, [*place.writes, *self.writes(this, place, is_new=True), *raw]):
            return None
        self._there.add(raw_path(this.finding.key))
        return Admission(kind="new", record_id=place.record_id, finished=False)

    def _written(self, place: Place, writes: list[Write]) -> bool:
        """Whether all of it was written: False where somebody wrote first, or this very commit did before."""
        try:
            times = self._database.commit(*writes)
        except Conflict:
            return False
        if place.head:
            self._claims.heads.keep(place.record_id, place.head, times[1])
        return True

    def _known(self, this: Arrival) -> list[Row]:
        """The finding's occurrences in all records of the subject, those of the latest window first, then as kept."""
        rows = sorted(self._database.ask(KNOWN, Asked(equal=(this.subject_key,))), key=lambda row: row.created)
        return sorted(rows, key=lambda row: row.data["window_start"], reverse=True)

    def _place(self, this: Arrival, known: list[Row], lock: Row | None) -> Place:
        seen = [(row.data["record_id"], row.data["event_time"]) for row in known]
        record_id = known_record(seen, this.moment, clean(this.finding.state))
        if record_id is not None:
            head = self._database.get(path_of(record_id), NEAR.fields)
            if head is not None:
                return _joined(head)
        path = ("subjects", this.subject)
        if lock is None:
            return self._open(this, Create(path, {"last": this.moment}))
        # Whoever opened a record since the subject's document was read makes the commit fail; before, it shows now.
        last = str(lock.data.get("last", ""))
        changes = {"opened": this.moment, "last": max(last, this.moment)}
        return self._near(this) or self._open(this, Change(path, lock, changes), last=last)

    def _near(self, this: Arrival) -> Place | None:
        """The record whose window holds the moment, else the nearest that the moment precedes by less than a window."""
        at = this.finding.event_time
        bounds = Asked(equal=(this.subject,), above=shifted(at, -WINDOW), at_most=shifted(at, WINDOW))
        rows = self._database.ask(NEAR, bounds)
        holding = [row for row in rows if row.data["window_start"] <= this.moment]
        chosen = holding[-1:] or rows[:1]
        return next(map(_joined, chosen), None)

    def _open(self, this: Arrival, lock: Write, last: str = "") -> Place:
        """`last` is the start of the latest window so far."""
        record_id = id_of_record(this.subject, this.moment)
        words = {name: short(word) for name, word in subject_words(this.finding, this.target).items()}
        head: dict[str, Any] = {
            **words,
            **FREE,
            "subject": this.subject,
            "window_start": this.moment,
            "projects": sorted({words["project_id"], words["project_number"]} - {""}),
            "stage": "admitted",
            "verdict": "insufficient_data",
            "state": "open",
            "summary": "not investigated yet",
            "gaps": 0,
            "severity": "LOW",
            "score": 0,
            "workload": "",
            "revision": 0,
            "reviews": 0,
            "reviewed": None,
            "token": 0,
            "claimed": "",
            "written": "",
            "is_saved": False,
            "alone": True,
            "previous": id_of_record(this.subject, last) if "" < last < this.moment else "",
            "due": "",
            "wake": AT_ONCE,
            "tried": "",
            "published": 0,
            "read": 0,
            "outgoing": False,
        }
        opens = (lock, Create(path_of(record_id), head))
        return Place(record_id=record_id, window_start=this.moment, stage="admitted", writes=opens, head=head)

    def writes(self, this: Arrival, place: Place, *, is_new: bool) -> Iterator[Write]:
        """The documents that make the finding part of the record."""
        finding, key = this.finding, name_of(this.finding.key)
        sort = {"finding_time": this.moment, "finding_key": clean(finding.key)[:_SORTED]}
        path = (*path_of(place.record_id), "findings", key)
        if is_new:
            body = documents.finding_json(finding).encode()
            yield Create(
                path,
                {
                    "event_time": sort["finding_time"],
                    "key": sort["finding_key"],
                    "raw_sha256": this.digest,
                    **firestore_bodies.fields(self._database, path, body, written=self._new_name()),
                },
            )
        else:
            kept = self._database.get(path, ("event_time",))
            sort["finding_time"] = kept.data["event_time"] if kept else this.moment
        yield Create(
            ("occurrences", this.occurrence),
            {
                **sort,
                "record_id": place.record_id,
                "window_start": place.window_start,
                "subject_key": this.subject_key,
                "key_hash": key,
                "event_time": this.moment,
                "state": short(finding.state),
                "mute": short(finding.mute),
                "message_id": short(this.delivery.message_id),
                "received": stamp(this.delivery.received),
                "written": this.written,
            },
        )

    def _raw(self, this: Arrival) -> Iterator[Write]:
        """The first notification's bytes, with the finding; before it where they need parts, which a loser removes."""
        path, delivery = raw_path(this.finding.key), this.delivery
        body = firestore_bodies.fields(self._database, path, delivery.data, written=this.written)
        told = {"message_id": short(delivery.message_id), "received": stamp(delivery.received), "sha256": this.digest}
        keep = Create(path, {**told, **body, "written": this.written, "at": NOW})
        if not body["parts"]:
            yield keep
            return
        try:
            self._database.commit(keep)
        except Conflict:
            kept = self._database.get(path, ("written",))
            if kept is None or kept.data["written"] != this.written:
                firestore_bodies.drop_parts(self._database, path, body)

    def _is_told(self, record_id: str) -> bool:
        """Whether the record is finished, and tells of all that joined it."""
        head = self._claims.head(record_id)
        if head.data["stage"] != "finished":
            return False
        return bool(head.data["read"] >= (1 if is_alone(head) else self._claims.count(record_id)))


def _joined(head: Row) -> Place:
    is_left = head.data["stage"] == "finished" and not head.data["holder"] and head.data["wake"] != AT_ONCE
    says: dict[str, Any] = {"wake": AT_ONCE} if is_left else {}
    says |= {"alone": False} if is_alone(head) else {}
    writes = (Change(path_of(head.id), head, says),) if says else ()
    return Place(record_id=head.id, window_start=head.data["window_start"], stage=head.data["stage"], writes=writes)
