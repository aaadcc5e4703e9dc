"""What stands between the pipeline and everything that costs money, time or a pod. Pure: Protocols and plain values.

Every method either answers or raises `errors.Unanswered(why, detail, mend)`; none lets an SDK's exception through.
Every call carries a timeout of its own, so that a thread that waits for it ends by itself. Safe from many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from responder.evidence import (
        AuditEntry,
        Cluster,
        KubeEvent,
        LogEntry,
        Namespace,
        Node,
        OwnerRef,
        Pod,
        Project,
        Window,
        Workload,
    )
    from responder.finding import ClusterRef, Finding, Target
    from responder.notices.config import ChannelConfig, Notices
    from responder.notices.ledger import Told
    from responder.policy import Policy
    from responder.record import (
        Method,
        Record,
        RecordedFinding,
        ReviewEntry,
        ReviewState,
        ReviewVerdict,
        Severity,
        Subject,
        Traits,
        Verdict,
    )
    from responder.settings import Settings
    from responder.triage import Tuning


# --- Security Command Center ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What SCC has around a finding: the finding itself, if it is there, and its neighbours in time.

    `unreadable` counts neighbours that SCC has and that could not be read.
    """

    findings: tuple[Finding, ...]
    filter: str
    truncated: bool
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A finding that SCC lists, and its `{finding, resource}` as JSON: what a notification of it would carry."""

    finding: Finding
    data: bytes


class SccFindings(Protocol):
    """SCC v2, below the parent that the responder is set up for."""

    def published(self, since: datetime, until: datetime, *, project: str = "") -> Iterator[Published]:
        """Our findings with an eventTime in that span (both ends included), oldest first, page by page."""

    def around(self, finding: Finding, window: Window) -> Around:
        """The finding by its name, and those of the cluster, the node VM and the project in the window: one query."""

    def named(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """Which of these SCC has, as it has them, by their names alone and of any time: a query for each twenty."""


# --- GKE and Kubernetes -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach a control plane, from the Container API alone. `ca_pem` empty: the system's CAs (DNS endpoint)."""

    kind: Literal["dns", "public", "private"]
    host: str
    ca_pem: str
    cluster: ClusterRef


class Clusters(Protocol):
    """The Container API."""

    def cluster(self, ref: ClusterRef, *, event_time: datetime) -> tuple[Cluster, Access | None]:
        """The cluster, and the way in; None where no endpoint of it can be used (`Cluster.endpoint.reason`)."""


class Kubernetes(Protocol):
    """Reads of one cluster. No method of this port changes anything."""

    def node(self, name: str, *, event_time: datetime) -> Node:
        """The node object."""

    def pod(self, namespace: str, name: str) -> Pod:
        """The pod that has the name now, which need not be the finding's."""

    def namespace(self, name: str) -> Namespace:
        """Labels and annotations of a namespace."""

    def pod_events(self, namespace: str, name: str) -> tuple[KubeEvent, ...]:
        """Events about a pod of that name, oldest first; of its predecessors too, as long as the cluster keeps them."""

    def created_pods(self, namespace: str, owner: OwnerRef, since: datetime) -> tuple[str, ...]:
        """Names of the pods that this owner made since then, by its own events, latest first; kept for an hour."""

    def workload(self, namespace: str, ref: OwnerRef) -> Workload:
        """A controller of any kind, custom resources included."""

    def replica_sets(self, namespace: str, pod_template_hash: str) -> tuple[Workload, ...]:
        """The ReplicaSets with that `pod-template-hash` label: how a pod that is gone is traced to its owner."""


class Connect(Protocol):
    """Opens the way to one cluster; cached by the implementation."""

    def __call__(self, access: Access) -> Kubernetes:
        """Reads of the cluster behind `access`."""


# --- Cloud Logging and the REST services ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCaps:
    """Where a log query stops, whichever comes first.

    `around` is the time that matters. Of a log with more than `entries` lines, half of them are the last before it, and
    half the first from then on; without it, and where no more could be read, they are the oldest of the query.
    """

    pages: int = 5
    entries: int = 1000
    seconds: float = 20.0
    around: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPages:
    """What was read of a query, oldest first; exactly one of the two kinds of entries is filled."""

    entries: tuple[LogEntry, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    pages: int
    truncated: bool


class Logs(Protocol):
    """Cloud Logging's `entries.list`. An empty page that has a next token is not the end."""

    def entries(self, project_id: str, filter_: str, caps: LogCaps) -> LogPages:
        """Container, node and serial console lines. Not redacted and not cut: that is done where they are kept."""

    def audit(self, project_id: str, filter_: str, caps: LogCaps) -> LogPages:
        """Admin activity entries, with principal, address, user agent and what was called on what."""


class Projects(Protocol):
    """Resource Manager v3 and Essential Contacts v1, over REST."""

    def project(self, id_or_number: str) -> Project:
        """Id, number, labels."""

    def owners(self, project_id: str) -> tuple[str, ...]:
        """The members that hold `roles/owner`, as IAM writes them (`user:…`, `group:…`)."""

    def security_contacts(self, project_id: str) -> tuple[str, ...]:
        """E-mail addresses of the contacts for SECURITY (and ALL) that hold for the project."""


class Instances(Protocol):
    """Compute Engine, over REST: one call, where the cluster does not tell of its node."""

    def node(self, project: str, zone: str, name: str, *, event_time: datetime) -> Node:
        """The VM as a `Node` with `known_by="compute"`."""


# --- step 5, under the collector's identity ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The one container that commands run in. `uid` is the pod's, proven before."""

    namespace: str
    pod: str
    container: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended. `code` None: no exit status came. `cut` says what ended it before it was done.

    `stderr` is its first 4 KiB. What it wrote to stdout went to the sink, `received` bytes of it.
    """

    code: int | None
    received: int
    stderr: bytes = b""
    cut: Literal["", "bytes", "seconds", "connection"] = ""


class Collector(Protocol):
    """Commands in containers of one cluster, over WebSocket; nothing else. argv only: no shell is put between.

    `run` raises NoProgram where the image lacks argv[0], Unanswered where the API server refuses (`denied`,
    `not_found`, `unavailable`), and returns a `Ran` in every other case, a cut connection included. The API has no
    precondition for a command: whoever calls reads the pod before and after, and compares its UID.
    """

    def pod(self, namespace: str, name: str) -> Pod:
        """The pod that has the name now, read as the collector."""

    def run(
        self, cell: Cell, argv: Sequence[str], *, sink: Callable[[bytes], object], limit: int, seconds: float
    ) -> Ran:
        """Run argv in the container; every piece of stdout goes to `sink`, at most `limit` bytes, within `seconds`.

        `sink` may raise to end the command; its exception is what the caller sees.
        """


class Collect(Protocol):
    """Opens the way to one cluster for the collector."""

    def __call__(self, access: Access) -> Collector:
        """Commands in the cluster behind `access`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file of the evidence store: its place, and what lies there."""

    place: str
    sha256: str
    size: int


class Incoming(Protocol):
    """A file on its way into the evidence store. Nothing is there before `commit`; `abort` leaves nothing."""

    def write(self, data: bytes) -> object:
        """The next bytes."""

    def commit(self) -> Stored:
        """All is written: keep it. StoreError where it cannot be kept, or its name is taken by other bytes."""

    def abort(self) -> None:
        """Leave nothing behind; safe to call at any time, and after `commit` it does nothing."""


class EvidenceStore(Protocol):
    """Where sealed files and manifests are kept: create-only; nothing in it is changed or removed by us.

    Every method raises StoreError where the store itself fails.
    """

    def new(self, name: str) -> Incoming:
        """A file to be written. `name` is ours (`RECORD/0001.zip`), never the container's; it is made once."""

    def open(self, place: str) -> Iterator[bytes]:
        """What lies at `Stored.place`, in pieces; StoreError where nothing does."""

    def names(self, record_id: str) -> tuple[str, ...]:
        """The places of a record's files, sorted."""


# --- step 7, under the remediator's identity --------------------------------------------------------------------------


class Remover(Protocol):
    """Deletes one pod of one cluster, by UID. Each call is one request, never repeated by us or by a library.

    Raises Refused where the API server said no (nothing happened), Unconfirmed where the request left and no readable
    answer came. An empty name or UID is a ValueError before anything is sent.
    """

    def rehearse(self, namespace: str, name: str, *, uid: str, grace_seconds: int, method: Method = "delete") -> None:
        """The same request as a dry run on the server: admission, precondition, and an eviction's budget."""

    def delete(self, namespace: str, name: str, *, uid: str, grace_seconds: int) -> None:
        """`DELETE` with `preconditions.uid`; returning means that the API server took it, not that the pod is gone."""

    def evict(self, namespace: str, name: str, *, uid: str, grace_seconds: int) -> None:
        """Eviction, with the same precondition; a disruption budget's no is Refused("quota", retry=True)."""


class Remove(Protocol):
    """Opens the way to one cluster for the remediator."""

    def __call__(self, access: Access) -> Remover:
        """Deletes in the cluster behind `access`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """Whether a brake is pulled. `project` empty: for all."""

    on: bool
    project: str
    why: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is about to be done, saved before it is. `key` is of cluster, namespace and pod UID: one action for each.

    `workload` is `project/location/cluster/namespace/Kind/name` of the top owner, `image_digest` that of the container.
    """

    key: str
    record_id: str
    project: str
    namespace: str
    workload: str
    image_digest: str
    pod: str
    uid: str
    method: Method
    at: datetime
    approval: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `most` intents with this `scope` (`project`, `namespace` or `workload`) within `within`."""

    scope: Literal["project", "namespace", "workload"]
    most: int
    within: timedelta


OPEN_FOR: Final = timedelta(minutes=80)
"""How long an intent may yet leave: the hour of its limits, and the time in which a late worker may yet send."""

ANOTHER_IS_OPEN: Final = "another pod of this workload is being answered"
SAME_WAS_SENT: Final = "this workload with this image was answered before"

IntentState = Literal["intended", "sent", "settled"]
"""`intended`: nothing has left us, or what left was refused for now. `sent`: the request may have left, and is not sent
again; its sender alone, who was told that nothing was done, may take it back. `settled`: it was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """An intent as it stands, when its request may first have left, and each step (`STATE: detail`), oldest first.

    `method` and `approval` are those of the request; until one is sent, those that were intended.
    """

    intent: Intent
    state: IntentState
    outcome: str
    steps: tuple[str, ...]
    method: Method
    approval: str = ""
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question to the project's approvers, and its answer. `binding` is of record, UID, action and evidence.

    `state`: waiting, approved, rejected, used. `until` is when it expires, approved or not.
    """

    binding: str
    record_id: str
    project: str
    uid: str
    asked_at: datetime
    until: datetime
    state: Literal["waiting", "approved", "rejected", "used"] = "waiting"
    by: str = ""
    at: datetime | None = None
    why: str = ""


class Actions(Protocol):
    """The second store: brakes, intents, rate tokens, approvals. `respond` and `sweep` have no right to write it.

    Every method raises StoreError where the store fails. Everything in it is append-only or moves one way.
    """

    def brake(self, project: str) -> Brake | None:
        """The brake that is on for this project (the one for all goes first), or None where none is."""

    def set_brake(self, brake: Brake) -> None:
        """Pull or let go; who, when and why stay in the history."""

    def brakes(self) -> tuple[Brake, ...]:
        """Every act on a brake, oldest first."""

    def intend(self, intent: Intent, limits: Sequence[Limit]) -> Intended | str:
        """Keep the intent once, in one step with the count of its limits: the intent, or why it is not kept.

        An intent of that key that is there already is returned as it stands, whatever the limits say. Else the limit
        that is used up is named; SAME_WAS_SENT where another one of this workload and image was sent, and not settled
        as failed or gone; ANOTHER_IS_OPEN where one of this workload, younger than OPEN_FOR, is not settled.
        """

    def intent(self, key: str) -> Intended | None:
        """The intent of a pod, if there is one."""

    def send(self, key: str, now: datetime, method: Method, approval: str = "") -> bool:
        """`intended` becomes `sent`: True for the one caller that may send the request, False for every other.

        `method` and `approval` (a binding, empty where nobody was asked) are those of this very request: policy and
        question may be others than when the intent was kept.
        """

    def unsend(self, key: str, sent_at: datetime, why: str, now: datetime) -> bool:
        """What this very caller made `sent` at `sent_at` becomes `intended`: it knows that nothing was done, and `why`.

        False where another sent it, or it is settled. Asked once: where the store fails it stays sent.
        """

    def settle(self, key: str, outcome: str, detail: str, now: datetime) -> None:
        """What was seen; the state becomes `settled` where the outcome is one that does not change any more."""

    def answered(self, workload: str, image_digest: str) -> str:
        """Key of an intent that was sent for this workload with this image, empty where there is none.

        One that is settled as failed or gone did nothing, and answers nothing.
        """

    def intents(self, project: str = "", limit: int = 100) -> tuple[Intended, ...]:
        """The latest, newest first."""

    def of_record(self, record_id: str) -> tuple[Intended, ...]:
        """Those of a record, oldest first: what was begun for it, whatever the record itself says."""

    def ask(self, approval: Approval) -> Approval:
        """Keep the question once; the one that is there with this binding is returned as it stands."""

    def approval(self, binding: str) -> Approval | None:
        """The question with this binding."""

    def waiting(self, now: datetime, record_id: str = "") -> tuple[Approval, ...]:
        """Questions that nobody answered: those that are open, then those that ran out within a day; oldest first."""

    def answer(self, binding: str, *, approve: bool, by: str, why: str, now: datetime) -> Approval:
        """Approve or reject; Refused where there is none, it was answered, or its time is over."""

    def use(self, binding: str, key: str, now: datetime) -> bool:
        """Spend an approval on the intent `key`: True for the first time before `until`, and for that key again."""

    def close(self) -> None:
        """Let go of files and connections."""


class WriteBack(Protocol):
    """What Security Command Center is told of the outcome. Marks of others are never touched."""

    def marks(self, name: str, canonical_name: str, marks: Mapping[str, str]) -> None:
        """Set these marks on the finding, and no other."""

    def external_system(self, name: str, canonical_name: str, *, uid: str, uri: str, status: str) -> None:
        """Where the record of the finding is."""


class Channel(Protocol):
    """A way to people. Sends one message; raises Unanswered where it was not taken. No address is in any text."""

    def send(self, body: Mapping[str, object], *, thread: str) -> None:
        """One card; `thread` groups the messages of one record where the channel can."""


# --- the store --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One Pub/Sub message: the bytes as they came, and the id that tells a redelivery of this very message."""

    data: bytes
    message_id: str
    received: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What became of a finding on arrival.

    `new`: not seen before, or known and ACTIVE at a later eventTime, which is an event of its own. `duplicate`: this
    eventTime, state and mute were seen. `update`: the finding is known, and its state or mute is new. `record_id` is
    the record that it stands in; `finished` whether that has an outcome.
    """

    kind: Literal["new", "duplicate", "update"]
    record_id: str
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to write one record until `expires`. `token` rises by one with each claim of the record."""

    record_id: str
    token: int
    holder: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A message that could not be read: nothing of it is lost."""

    message_id: str
    reason: str
    data: bytes
    received: datetime


Order = Literal["newest", "oldest", "score", "findings"]
"""By the window's start; or the highest score, or the most findings, first, and of those the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """Which records to list; empty means any.

    `text` occurs in what a line says of itself (id, places, workload, summary), whatever its case. `after` is the id of
    a record: those that follow it in that order, none where there is no such record. A store that has no index for
    `severity`, `text`, `order` or `after` looks through the newest `stores.listing.SEARCHED` that fit the rest.
    """

    project: str = ""
    verdict: Verdict | None = None
    state: ReviewState | None = None
    since: datetime | None = None
    limit: int = 50
    severity: Severity | None = None
    text: str = ""
    order: Order = "newest"
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLine:
    """A record in a list. `workload` is `Kind/name` of the top owner, empty where that is not known."""

    id: str
    window_start: datetime
    subject: Subject
    verdict: Verdict
    state: ReviewState
    summary: str
    findings: int
    gaps: int
    stage: str
    revision: int
    severity: Severity = "LOW"
    score: int = 0
    workload: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedent:
    """An earlier record that shares a trait; `reviewed` is the analyst's verdict, None while nobody has said."""

    record_id: str
    window_start: datetime
    verdict: Verdict
    reviewed: ReviewVerdict | None
    same_image: bool
    same_owner: bool
    same_shape: bool


class Records(Protocol):
    """The record store. Every method raises `StoreError` where the store itself fails."""

    def admit(self, finding: Finding, target: Target, delivery: Delivery) -> Admission:
        """Keep the finding once (create-if-absent), its raw bytes apart, and let it join its container's record.

        The record whose window (`record.WINDOW` from its first finding's eventTime) holds the eventTime is joined; else
        one is opened, with an id that is a hash of the subject and the window's start. Two that open it make one.
        """

    def claim(self, record_id: str, holder: str, lease: timedelta, now: datetime) -> Claim | None:
        """The right to write the record, or None while another's claim runs. The same `holder` raises `Busy`."""

    def renew(self, claim: Claim, lease: timedelta, now: datetime) -> Claim:
        """The same claim for longer; `StaleClaim` where it is no longer ours."""

    def save(self, record: Record, claim: Claim) -> Record:
        """Write the record and return it with its new revision; `StaleClaim` where the claim is no longer ours."""

    def release(self, claim: Claim, seen: int) -> bool:
        """Give the claim back, unless something joined since: then it is kept, and True.

        `seen` is how many occurrences of the record's findings the holder has read.
        """

    def load(self, record_id: str) -> Record | None:
        """The record with its reviews, or None where it was not saved yet."""

    def findings(self, record_id: str) -> tuple[RecordedFinding, ...]:
        """The record's findings with their occurrences, by eventTime."""

    def due(self, now: datetime, limit: int = 100) -> tuple[RecordLine, ...]:
        """Records that nobody holds and somebody must go on with: those that were tried last come last.

        Those that are not finished, those whose `provenance.due` has come, and those whose claim ran out before it was
        given back: something may have joined that its holder has not read.
        """

    def unknown(self, findings: Sequence[Finding]) -> frozenset[str]:
        """The keys of those findings that not all of their records tell of as they are: eventTime, state and mute.

        A finding has a record for each container that it names.
        """

    def unpublished(self, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records of which no revision, or an older one, was published; oldest first."""

    def published(self, record_id: str, revision: int) -> None:
        """Note that this revision went out; an older one than is noted changes nothing."""

    def wanting(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records that `act` is to be asked for: `provenance.act` is `wanted`, and its time has come.

        Its time is `provenance.act_due`; at once where that is None. Oldest first.
        """

    def untold(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Ids of finished records whose latest revision was not told, and whose time has come; newest first."""

    def tell(self, key: str, now: datetime, until: datetime) -> Told | None:
        """The right to tell until `until`, with what was told so far; None while another's right runs.

        `key` is a record's id, or the name of a digest.
        """

    def told(self, key: str, told: Told, *, until: datetime | None = None) -> None:
        """Keep what was told; the right is kept until `until`, or given back.

        Of a record it is noted too which revision was told and when the rest is due; `load` shows notices and gaps.
        """

    def findings_page(self, record_id: str, *, after: str = "", limit: int = 200) -> tuple[RecordedFinding, ...]:
        """At most `limit` of `findings`, those that follow the finding whose key is `after` (empty: the first).

        Pages hold a record of any number of findings in constant memory. An empty page is the end.
        """

    def raw(self, key: str) -> bytes | None:
        """The first notification of a finding, as it came."""

    def reject(self, rejected: Rejected) -> None:
        """Keep a message that could not be read."""

    def rejected(self, limit: int = 50) -> tuple[Rejected, ...]:
        """The latest of them."""

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""

    def counters(self) -> dict[str, int]:
        """All counters."""

    def review(self, record_id: str, entry: ReviewEntry, *, revision: int) -> Record:
        """Append a review; `StaleRevision` where the record's revision is not `revision` any more."""

    def previous(self, record_id: str) -> str:
        """The id of the record before it of the same container; empty where there is none."""

    def of_pod(self, subject: Subject, since: datetime) -> tuple[str, ...]:
        """Ids of the records of that pod, whichever its container, whose windows began at `since` or later.

        Those included that nobody has investigated yet; oldest first.
        """

    def history(self, traits: Traits, *, before: datetime, limit: int = 500) -> tuple[Precedent, ...]:
        """Finished records of windows that started earlier and share a trait, newest first."""

    def list(self, query: RecordQuery) -> Iterator[RecordLine]:
        """Records by the query, in its order."""

    def close(self) -> None:
        """Let go of files and connections."""


# --- the bundle -------------------------------------------------------------------------------------------------------


class Outbox(Protocol):
    """Where finished records go out to others."""

    def publish(self, record: Record) -> None:
        """Send one, at least once; returns when it was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many messages of a subscription were not acknowledged at `at`, UTC: those that wait, and those handed out."""

    count: int
    at: datetime


class Summons(Protocol):
    """Asks `act` to look at a record: the id of it, and nothing else, to the action topic."""

    def summon(self, record_id: str) -> None:
        """Send the id, at least once; returns when it was taken."""


class Clock(Protocol):
    """The time now, aware, UTC."""

    def __call__(self) -> datetime:
        """Now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """What `act` alone has. `collect` and `remove` are None where RESPONDER_READ_ONLY is set: they are not built."""

    actions: Actions
    evidence: EvidenceStore
    collect: Collect | None
    remove: Remove | None
    identity: str
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What is told, by which channels, and the way back to Security Command Center."""

    notices: Callable[[], Notices]
    channel: Callable[[ChannelConfig], Channel]
    write_back: WriteBack


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside, in one bundle: what `wiring` builds and the pipeline is handed."""

    settings: Settings
    scc: SccFindings
    clusters: Clusters
    connect: Connect
    logs: Logs
    projects: Projects
    instances: Instances
    records: Records
    now: Clock
    outbox: Outbox | None = None
    tuning: Callable[[], Tuning] | None = None
    policy: Callable[[], Policy] | None = None
    summons: Summons | None = None
    act: Acting | None = None
    telling: Telling | None = None
