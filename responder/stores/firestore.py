"""The record, between steps: findings, claims, records and reviews in Firestore, which any number of instances share.

Touches one database. What lies where::

    records/{id}                       the head: claim, stage, what a list shows; the JSON if it is small
    records/{id}/parts/{write}-{n}     the JSON where it is not
    records/{id}/findings/{key}        a finding as it was admitted
    records/{id}/reviews/{n}           an act of a reviewer; made once, never changed
    occurrences/{hash}                 one time that a finding was published
    subjects/{hash}                    changed by whoever opens a record of a container
    raw/{key}, rejected/{name}         notifications as they came
    counters/{name}-{shard}            a part of a counter
    tellings/{hash}                    what was told of a record, or of a digest, and who may tell

The head is written by the holder of its claim, and by a review; a burst of findings does not touch it, since Firestore
takes about one write a second on one document. Names of documents are hashes or our own: nothing of a finding is one.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from responder.errors import StaleClaim, StaleRevision, StoreError
from responder.ports import Rejected
from responder.stores import firestore_bodies, firestore_queries, listing
from responder.stores.firestore_calls import AT_MOST_IN, NOW, Add, Asked, Change, Conflict, Create, Database, Row
from responder.stores.firestore_claims import Claims, is_id, path_of, raw_path
from responder.stores.firestore_tellings import FirestoreTellings, telling_path, text_of
from responder.stores.words import clean, name_of, publications, short, stamp, trait_pairs

if TYPE_CHECKING:
    from types import ModuleType

    from responder.finding import Finding, Target
    from responder.notices.ledger import Told
    from responder.ports import Admission, Claim, Clock, Delivery, Precedent, RecordLine, RecordQuery
    from responder.record import Record, RecordedFinding, ReviewEntry, Subject, Traits
    from responder.stores.firestore_admission import Admissions
    from responder.stores.firestore_calls import Path
    from responder.stores.texts import Texts

PERMISSIONS: Final = (
    "datastore.entities.create",
    "datastore.entities.delete",
    "datastore.entities.get",
    "datastore.entities.list",
    "datastore.entities.update",
)
"""What commits and queries take; no transaction is begun. https://firebase.google.com/docs/firestore/security/iam"""
ROLE: Final = "records"

_PAGE: Final = 100
"""Documents that are held in memory at once when a list is long."""
_COUNTING: Final = 8
"""Threads that count the findings of a list's records."""
_SHARDS: Final = 16
_MOST_TRAITS: Final = 2_000
"""Of one record: each is an entry of an index, and a document has room for 40,000."""


def _new_name() -> str:
    return uuid.uuid4().hex


class FirestoreRecords:
    """`ports.Records` over a database. Nothing is opened before the first call.

    `now` tells whether a claim still runs where the caller gives no time of its own; `new_name` names each write.
    """

    def __init__(self, database: Database, *, now: Clock, new_name: Callable[[], str] = _new_name) -> None:
        self._database = database
        self._now = now
        self._new_name = new_name
        self._claims = Claims(self._database, new_name)
        self._tellings = FirestoreTellings(self._database, self._claims)

    # --- arrival and claim --------------------------------------------------------------------------------------------

    @cached_property
    def _texts(self) -> Texts:
        from responder.stores.texts import Texts  # noqa: PLC0415 - imports pydantic

        return Texts(evidence=True)

    @cached_property
    def _admissions(self) -> Admissions:
        from responder.stores.firestore_admission import Admissions  # noqa: PLC0415 - imports pydantic

        return Admissions(self._database, self._claims, self._new_name)

    def admit(self, finding: Finding, target: Target, delivery: Delivery) -> Admission:
        """Keep the finding once, its raw bytes apart, and let it join its container's record, as SQLite does."""
        return self._admissions.admit(finding, target, delivery)

    def claim(self, record_id: str, holder: str, lease: timedelta, now: datetime) -> Claim | None:
        """The right to write the record, or None while another's claim runs. The same `holder` raises `Busy`."""
        return self._claims.claim(record_id, holder, lease, now)

    def renew(self, claim: Claim, lease: timedelta, now: datetime) -> Claim:
        """The same claim for longer; `StaleClaim` where it has expired or was taken over."""
        return self._claims.renew(claim, lease, now)

    def release(self, claim: Claim, seen: int) -> bool:
        """Give the claim back, unless findings joined since `seen` of their occurrences were read: True then."""
        if self._claims.release(claim, seen):
            return True
        self._texts.drop(claim.record_id, claim.token)
        return False

    def save(self, record: Record, claim: Claim) -> Record:
        """Write the record and return it with its new revision and its reviews; a review meanwhile does no harm.

        Findings are as they were handed in.
        """
        if record.id != claim.record_id:
            message = f"a claim of {claim.record_id} cannot write {record.id}"
            raise StaleClaim(message)
        columns, text = _documents().columns(record), self._texts.of(record, claim.token)
        path, written = path_of(record.id), self._new_name()
        if firestore_bodies.is_large(text):
            self._claims.held(claim, self._now())  # before it is sent for nothing
        # Should the save fail, the parts stay: it may have been written all the same, and its answer lost.
        body = firestore_bodies.fields(self._database, path, text, written=written)
        traits = [name_of(*pair) for pair in trait_pairs(record.provenance.traits)][:_MOST_TRAITS]
        columns |= {"due": columns["due"] or "", "act_due": columns["act_due"] or ""}
        own = {"summary": short(columns["summary"]), "traits": traits, "is_saved": True, "written": written}
        own["outgoing"] = columns["stage"] == "finished"
        own |= {"untold": own["outgoing"], "tell_due": ""}
        own["act_wanted"] = own["outgoing"] and columns["act"] == "wanted"
        for _ in self._database.rounds(f"record {record.id}"):
            head = self._claims.held(claim, self._now())
            if head.data["written"] == written:  # by an attempt whose answer was lost
                break
            data = {**columns, **body, **own, "revision": head.data["revision"] + 1}
            if self._claims.change(head, record.id, data):
                firestore_bodies.drop_parts(self._database, path, head.data)
                head = replace(head, data=head.data | data)
                break
        saved: Record = _documents().reviewed(record, head.data["revision"], self._reviews(record.id, head)[0])
        return saved

    # --- reading ------------------------------------------------------------------------------------------------------

    def load(self, record_id: str) -> Record | None:
        """The record with its reviews and each finding's latest occurrences, or None where it was not saved yet."""
        path = path_of(record_id)
        fields = ("is_saved", "revision", "reviews", "has_told", *firestore_bodies.FIELDS)
        head = self._database.get(path, fields) if is_id(record_id) else None
        if head is None or not head.data["is_saved"]:
            return None
        text = firestore_bodies.whole(self._database, path, head).decode()
        return self._compose(_documents().record_of(text), head)

    def _compose(self, record: Record, head: Row) -> Record:
        telling = telling_path(record.id)
        # Asked for with the reviews, and only where there is one: a document that is not there is paid for too.
        reviews, found = self._reviews(record.id, head, [telling] if head.data.get("has_told") else [])
        occurrences = self._database.ask(firestore_queries.OCCURRENCES, Asked(equal=(record.id,)))
        keys = {name_of(finding.key): finding.key for finding in record.findings}
        rows = _occurrence_rows(occurrences, keys)
        told = text_of(found.get(telling))
        composed: Record = _documents().compose(record, head.data["revision"], reviews, rows, told)
        return composed

    def _reviews(self, record_id: str, head: Row, others: Iterable[Path] = ()) -> tuple[list[str], dict[Path, Row]]:
        """The texts of a record's reviews; and of other documents, read in the same call, those that are there."""
        paths = [(*path_of(record_id), "reviews", _number(n)) for n in range(1, head.data["reviews"] + 1)]
        found = self._database.get_all([*paths, *others])
        return [found[path].data["body"].decode() for path in paths], found

    def findings(self, record_id: str) -> tuple[RecordedFinding, ...]:
        """The record's findings as they were admitted (not redacted), with their occurrences, by eventTime."""
        found: list[RecordedFinding] = []
        after: Row | None = None
        while is_id(record_id):
            page, after = self._page(record_id, after, _PAGE)
            found += page
            if after is None:
                break
        return tuple(found)

    def findings_page(self, record_id: str, *, after: str = "", limit: int = 200) -> tuple[RecordedFinding, ...]:
        """At most `limit` of `findings`, those that follow the finding whose key is `after` (empty: the first)."""
        if not is_id(record_id) or limit <= 0:
            return ()
        path = (*path_of(record_id), "findings", name_of(after))
        row = self._database.get(path, ("event_time", "key")) if after else None
        return self._page(record_id, row, limit)[0]

    def _page(self, record_id: str, after: Row | None, limit: int) -> tuple[tuple[RecordedFinding, ...], Row | None]:
        """Findings, and the last one's row where there may be more."""
        within = path_of(record_id)
        rows = self._database.ask(firestore_queries.FINDINGS, Asked(within=within, after=after, limit=limit))
        if not rows:
            return (), None
        first, last = ((row.data["event_time"], row.data["key"]) for row in (rows[0], rows[-1]))
        occurrences = self._database.ask(
            firestore_queries.OCCURRENCES_BETWEEN, Asked(equal=(record_id,), start=first, end=last)
        )
        texts = [firestore_bodies.whole(self._database, (*within, "findings", row.id), row).decode() for row in rows]
        digests = [row.data["raw_sha256"] for row in rows]
        found: tuple[RecordedFinding, ...] = _documents().findings_of(
            zip(texts, digests, strict=True), _occurrence_rows(occurrences), name_of
        )
        return found, rows[-1] if len(rows) == limit else None

    def raw(self, key: str) -> bytes | None:
        """The first notification of a finding, as it came."""
        path = raw_path(key)
        row = self._database.get(path, firestore_bodies.FIELDS)
        return None if row is None else firestore_bodies.whole(self._database, path, row)

    def list(self, query: RecordQuery) -> Iterator[RecordLine]:
        """Records by the query, those included that nobody has investigated yet (stage `admitted`).

        Read a page at a time, as it is iterated; the findings of each are counted then. Project, verdict, state and
        time are asked of an index; for all else the newest `listing.SEARCHED` of those are looked through.
        """
        wanted = {"project": short(query.project), "verdict": query.verdict, "state": query.state}
        given = {name: value for name, value in wanted.items() if value}
        asked = Asked(
            equal=tuple(value for name, value in given.items() if name != "project"),
            contains=given.get("project", ""),
            at_least=stamp(query.since) if query.since else None,
        )
        asks = firestore_queries.listing(frozenset(given))
        if listing.is_plain(query):
            return self._lines(asks, asked, query.limit)
        return listing.arranged(self._lines(asks, asked, listing.SEARCHED), query)

    def _lines(self, query: firestore_queries.Query, asked: Asked, left: int) -> Iterator[RecordLine]:
        while left > 0:
            limit = min(left, _PAGE)
            rows = self._database.ask(query, replace(asked, limit=limit))
            yield from self._lines_of(rows)
            if len(rows) < limit:
                return
            left, asked = left - limit, replace(asked, after=rows[-1])

    def _lines_of(self, rows: Sequence[Row]) -> Iterator[RecordLine]:
        with ThreadPoolExecutor(_COUNTING) as pool:
            counts = list(pool.map(self._count_findings, [row.id for row in rows]))
        for row, count in zip(rows, counts, strict=True):
            yield _documents().line_of([row.id, *_line(row, count)])

    def _count_findings(self, record_id: str) -> int:
        return self._database.count(firestore_queries.FINDINGS, Asked(within=path_of(record_id)))

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
        head = self._claims.heads.get(record_id)
        if head is None or "previous" not in head.data:
            head = self._database.get(path_of(record_id), ("previous",)) if is_id(record_id) else None
        return str(head.data.get("previous", "")) if head else ""

    def of_pod(self, subject: Subject, since: datetime) -> tuple[str, ...]:
        """Ids of the records of that pod, whichever its container, whose windows began then or later; oldest first."""
        place = (subject.cluster, subject.location, subject.namespace, subject.pod)
        asked = Asked(equal=tuple(short(clean(word)) for word in place), at_least=stamp(since))
        project = {short(clean(word)) for word in (subject.project_id, subject.project_number)} - {""}
        rows = [row for row in self._database.ask(firestore_queries.OF_POD, asked) if project & {*row.data["projects"]}]
        return tuple(row.id for row in sorted(rows, key=lambda row: (row.data["window_start"], row.id)))

    def history(self, traits: Traits, *, before: datetime, limit: int = 500) -> tuple[Precedent, ...]:
        """Finished records of windows that started earlier and share a trait, newest first."""
        names = {
            kind: [name_of(k, v) for k, v in trait_pairs(traits) if k == kind] for kind in ("image", "owner", "shape")
        }
        wanted = [name for several in names.values() for name in several]
        found: dict[str, Row] = {}
        for at in range(0, len(wanted), AT_MOST_IN):
            some = tuple(wanted[at : at + AT_MOST_IN])
            asked = Asked(equal=("finished",), contains_any=some, below=stamp(before), limit=limit)
            found |= {row.id: row for row in self._database.ask(firestore_queries.PRECEDENTS, asked)}
        newest = sorted(found.values(), key=lambda row: row.data["window_start"], reverse=True)[:limit]
        return tuple(
            _documents().precedent_of(
                [row.id, row.data["window_start"], row.data["verdict"], row.data["reviewed"]]
                + [bool(set(several) & set(row.data["traits"])) for several in names.values()]
            )
            for row in newest
        )

    # --- what is left to do -------------------------------------------------------------------------------------------

    def due(self, now: datetime, limit: int = 100) -> tuple[RecordLine, ...]:
        """Records that nobody holds and somebody must go on with: those first that have waited the longest for it.

        What failed waits since it was tried, so that what always fails keeps no other from its turn.
        """
        rows = self._database.ask(firestore_queries.DUE, Asked(above="", at_most=stamp(now), limit=limit))
        rows.sort(key=lambda row: (row.data["wake"], row.data["window_start"], row.id))
        return tuple(self._lines_of(rows))

    def unknown(self, findings: Sequence[Finding]) -> frozenset[str]:
        """The keys of those findings that not all of their records tell of as they are: eventTime, state and mute."""
        wanted = {}
        for finding, (subject, key, moment, state, mute) in publications(findings):
            wanted[name_of(subject, key), moment, short(state), short(mute)] = finding.key
        names = tuple({name_of(finding.key) for finding in findings})
        for at in range(0, len(names), AT_MOST_IN):
            asked = Asked(any_of=names[at : at + AT_MOST_IN])
            for row in self._database.ask(firestore_queries.OF_KEYS, asked):
                wanted.pop(tuple(row.data[name] for name in firestore_queries.OF_KEYS.fields), None)
        return frozenset(wanted.values())

    def wanting(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records that `act` is to be asked for, and whose time for it has come; oldest first.

        Those that wait for their time are read and passed over: they are few, those with a question to an approver.
        """
        found: list[str] = []
        asked = Asked(equal=(True,), limit=_PAGE)
        while len(found) < limit:
            rows = self._database.ask(firestore_queries.WANTING, asked)
            found += [row.id for row in rows if row.data["act_due"] <= stamp(now)]
            if len(rows) < _PAGE:
                break
            asked = replace(asked, after=rows[-1])
        return tuple(found[: max(limit, 0)])

    def unpublished(self, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records whose latest revision was not published; oldest first."""
        asked = Asked(equal=(True,), limit=limit)
        return tuple(row.id for row in self._database.ask(firestore_queries.UNPUBLISHED, asked))

    def published(self, record_id: str, revision: int) -> None:
        """Note that this revision went out; an older one than is noted changes nothing."""
        for _ in self._database.rounds(f"record {record_id}"):
            head = self._claims.head(record_id)
            latest = max(head.data["published"], revision)
            outgoing = head.data["stage"] == "finished" and latest < head.data["revision"]
            if self._claims.change(head, record_id, {"published": latest, "outgoing": outgoing}):
                return

    # --- reviews, rejects, counters -----------------------------------------------------------------------------------

    def review(self, record_id: str, entry: ReviewEntry, *, revision: int) -> Record:
        """Append a review; `StaleRevision` where the record's revision is not `revision` any more."""
        written, path = self._new_name(), path_of(record_id)
        body = _documents().review_json(entry).encode()
        for _ in self._database.rounds(f"record {record_id}"):
            head = self._claims.head(record_id)
            number = (*path, "reviews", _number(head.data["reviews"]))
            last = self._database.get(number, ("written",)) if head.data["reviews"] else None
            if last and last.data["written"] == written:  # by an attempt whose answer was lost
                break
            current = head.data["revision"]
            if current != revision:
                message = f"record {record_id} is at revision {current}, not {revision}: read it again"
                raise StaleRevision(message)
            count = head.data["reviews"] + 1
            data = {"state": entry.state, "revision": revision + 1, "reviews": count}
            data["outgoing"] = data["untold"] = head.data["stage"] == "finished"
            data["tell_due"] = ""
            data |= {"reviewed": entry.verdict} if entry.verdict else {}
            act = Create((*path, "reviews", _number(count)), {"body": body, "written": written})
            with contextlib.suppress(Conflict):
                self._database.commit(act, Change(path, head, data))
                break
        record = self.load(record_id)
        if record is None:
            message = f"record {record_id} has a review and no investigation yet"
            raise StoreError(message)
        return record

    def reject(self, rejected: Rejected) -> None:
        """Keep a message that could not be read."""
        path = ("rejected", self._new_name())
        body = firestore_bodies.fields(self._database, path, rejected.data, written=path[1])
        told = {"message_id": short(rejected.message_id), "reason": short(rejected.reason)}
        with contextlib.suppress(Conflict):  # nobody else has the name: it is there, and the answer was lost
            self._database.commit(Create(path, {**told, **body, "received": stamp(rejected.received), "at": NOW}))

    def rejected(self, limit: int = 50) -> tuple[Rejected, ...]:
        """The latest of them, newest first."""
        rows = self._database.ask(firestore_queries.REJECTED, Asked(limit=limit)) if limit > 0 else []
        rows.sort(key=lambda row: row.created, reverse=True)  # `at` is the server's time in milliseconds
        return tuple(
            Rejected(
                message_id=row.data["message_id"],
                reason=row.data["reason"],
                data=firestore_bodies.whole(self._database, ("rejected", row.id), row),
                received=datetime.fromisoformat(row.data["received"]),
            )
            for row in rows
        )

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter. Counted twice, perhaps, where the answer was lost."""
        write = self._new_name()
        shard = int(write, 16) % _SHARDS
        self._database.commit(Add(("counters", f"{name_of(name)}-{shard}"), {"name": clean(name)}, "value", by))

    def counters(self) -> dict[str, int]:
        """All counters."""
        found: dict[str, int] = {}
        for row in self._database.ask(firestore_queries.COUNTERS):
            found[row.data["name"]] = found.get(row.data["name"], 0) + row.data["value"]
        return dict(sorted(found.items()))

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        self._database.close()


def _number(n: int) -> str:
    return f"{n:06}"


def _occurrence_rows(rows: Iterable[Row], keys: Mapping[str, str] | None = None) -> list[tuple[str, ...]]:
    """As `documents` reads them, in the order in which they were kept.

    A key stands there by its name; where `keys` are given, those findings' alone, by the keys themselves.
    """
    kept = sorted(rows, key=lambda row: row.created)
    named = [(row.data["key_hash"], [row.data[name] for name in firestore_queries.OCCURRENCE[1:]]) for row in kept]
    if keys is not None:
        named = [(keys[name], values) for name, values in named if name in keys]
    return [(name, *values) for name, values in named]


def _line(row: Row, findings: int) -> Iterator[Any]:
    """A record's head in the order of `tables.LINE`, without the id."""
    for name in firestore_queries.LINE:
        if name == "gaps":
            yield findings
        # Heads of an earlier version lack what came later.
        yield row.data.get(name, _LATER[name]) if name in _LATER else row.data[name]


_LATER: Final[dict[str, str | int]] = {"severity": "LOW", "score": 0, "workload": ""}


@cache
def _documents() -> ModuleType:
    """What knows pydantic, imported when the first document is read or written."""
    from responder.stores import documents  # noqa: PLC0415 - a rejected or counted message must not pay for pydantic

    return documents
