"""The record: one investigation, what the security team reviews. Pure.

`RECORD_SCHEMA` names the JSON; `docs/record.schema.json` is generated from these models. The record is written by the
holder of its claim alone; reviews are documents of their own, shown in `review`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import ConfigDict, Field

from responder.errors import Why
from responder.evidence import Evidence, Model, OwnerContact
from responder.finding import Finding

RECORD_SCHEMA: Final = "responder.investigation/v1"
WINDOW: Final = timedelta(minutes=60)
"""A record takes the findings of one container for this long, from its first by eventTime."""

Stage = Literal["admitted", "gathered", "finished"]
Verdict = Literal["malicious", "suspicious", "benign", "insufficient_data"]


class Occurrence(Model):
    """One time that a finding was published: eventTime, state and mute tell one from another."""

    event_time: datetime
    state: str
    mute: str
    message_id: str
    received: datetime


Confirmed = Literal["yes", "no", "not_known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFinding(Finding):
    """A finding of the record, redacted, with each time that it was published.

    `confirmed` is SCC's word: `yes`, what is told is SCC's; `no`, SCC does not have it, or has something else under its
    name, and it is shown and not judged; `not_known`, SCC was not asked, or does not tell all of it. `doubt` says why.

    It stands for `count` findings of like processes, itself included, the last of them at `last_event_time`; `more` are
    the keys of the next ones. The store has every one of them.
    """

    occurrences: tuple[Occurrence, ...] = ()
    raw_sha256: str = ""
    count: int = 1
    last_event_time: datetime | None = None
    more: tuple[str, ...] = ()
    confirmed: Confirmed = "not_known"
    doubt: str = ""


def judged(findings: Iterable[RecordedFinding]) -> tuple[RecordedFinding, ...]:
    """Those that count for the verdict: all but what SCC does not have."""
    return tuple(one for one in findings if one.confirmed != "no")


def judged_first(findings: Iterable[RecordedFinding]) -> tuple[RecordedFinding, ...]:
    """All of them, those that SCC does not have last: a record is headed by none of these."""
    return tuple(sorted(findings, key=lambda one: one.confirmed == "no"))


class Subject(Model):
    """What the record is about, in words."""

    project_id: str
    project_number: str
    cluster: str
    location: str
    namespace: str
    pod: str
    container: str


SignalSource = Literal["process", "session", "pod", "related", "logs", "history", "capture", "policy"]
Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]


class Signal(Model):
    """One thing that speaks for an attack (`weight` above zero) or for a build (below).

    `evidence` are JSON pointers into the record. `outside` is True where it does not rest on the command line alone.
    """

    id: str
    title: str
    weight: int
    source: SignalSource
    evidence: tuple[str, ...]
    outside: bool


class Triage(Model):
    """The machine's verdict; true or false positive is a person's word, never the machine's.

    `score` is 0 to 100: `base` plus the signals' weights plus `cut`, which is what the two ends take off. `severity` is
    re-scored by `rule`. `would_settle` lists the missing evidence in order of worth; `techniques` are the ATT&CK ids
    that the evidence supports. `builds` names what was recognised (`pip building psutil`). `rules` is the version
    of the rules that judged.
    """

    verdict: Verdict
    summary: str
    reasons: tuple[str, ...] = ()
    score: int = 0
    base: int = 0
    cut: int = 0
    severity: Severity = "LOW"
    rule: str = ""
    signals: tuple[Signal, ...] = ()
    builds: tuple[str, ...] = ()
    would_settle: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    rules: str = ""
    tuning: str = Field(default="", description="sha256 of triage.toml, or why it is not in force")


Mode = Literal["off", "shadow", "approve", "auto"]
Method = Literal["delete", "evict"]


class Guard(Model):
    """One condition of an action and its answer. `ok` None: it could not be answered, which counts as a no."""

    name: str
    ok: bool | None
    detail: str


class Decision(Model):
    """What may be done, with every guard that was asked. `respond` says what would be done; only `act` decides.

    `would` is what the guards alone allow: it differs from `kind` in mode `shadow`, while an approval is waited for,
    and where `respond` made it. `uid` is the one pod that may be deleted. `policy` is the sha256 of policy.toml, or why
    none is in force. `binding` is what an approval is bound to (`act.binding`), empty where none is asked for.
    """

    kind: Literal["hold", "await_approval", "delete_pod"] = "hold"
    would: Literal["hold", "delete_pod"] = "hold"
    reasons: tuple[str, ...]
    guards: tuple[Guard, ...] = ()
    mode: Mode = "off"
    uid: str = ""
    method: Method = "delete"
    grace_seconds: int = 0
    made_by: Literal["respond", "act"] = "respond"
    made_at: datetime | None = None
    policy: str = ""
    binding: str = ""
    approve_by: datetime | None = Field(default=None, description="when an approval that is waited for expires")


class Replacement(Model):
    """The pod that its owner made in the place of the deleted one, as the cluster showed it."""

    name: str
    uid: str
    phase: str
    same_image: bool | None = Field(description="None: the cluster does not tell its digest yet")
    created: datetime | None = None
    seen_at: datetime
    compiles_again: str = Field(default="", description="id of the record in which it does")


OutcomeKind = Literal["held", "deleted", "terminating", "gone", "replaced", "failed", "unknown"]
FINAL: Final[frozenset[OutcomeKind]] = frozenset({"deleted", "gone", "replaced", "failed"})
"""Outcomes that do not change any more."""


class Outcome(Model):
    """What really happened to the pod.

    `deleted`: seen gone after our request. `terminating`: marked for deletion, still there (a finalizer, or its grace).
    `gone`: it was not there any more before we did anything. `replaced`: its name is another pod's. `failed`: refused,
    nothing happened. `unknown`: the request left, and what became of it could not be seen yet.
    """

    kind: OutcomeKind = "held"
    detail: str
    at: datetime | None = None
    replacement: Replacement | None = None


Lane = Literal["finding", "related", "audit", "pod", "pod_log", "node", "cluster", "action", "responder"]


class TimelineEntry(Model):
    """One moment; `ref` is a JSON pointer to its evidence in this record."""

    time: datetime
    lane: Lane
    text: str
    ref: str


StepStatus = Literal["done", "partly", "impossible", "human"]


class ByHand(Model):
    """How a person does it: a command to paste into bash, or a link."""

    title: str
    kind: Literal["command", "link"]
    value: str


class Step(Model):
    """One of the seven steps of Google's runbook."""

    n: int
    title: str
    status: StepStatus
    detail: str
    by_hand: tuple[ByHand, ...]
    evidence: tuple[str, ...] = Field(default=(), description="JSON pointers into this record")
    missing: tuple[str, ...] = Field(default=(), description="what is missing, with why and mend, in words")


class Command(Model):
    """Lines to paste into bash; the first compares the pod's UID where a pod is touched."""

    title: str
    step: int
    text: str


class Technique(Model):
    """An ATT&CK technique, with the tactic's names in both layouts (v18 and earlier; v19 and later)."""

    id: str
    name: str
    url: str
    tactics: dict[str, str]
    said_by: str


class PlannedAction(Model):
    """One thing to do. `impact` is what it does to the service; `source` ATT&CK's or Google's page."""

    title: str
    why: str
    impact: str
    evidence: tuple[str, ...] = ()
    command: str = ""
    source: str = ""


class Plan(Model):
    """What to do next: ATT&CK's words, and the actions in order."""

    techniques: tuple[Technique, ...]
    actions: tuple[PlannedAction, ...]


class Owner(Model):
    """Whom to ask, best first, and what could not be read on the way."""

    contacts: tuple[OwnerContact, ...]
    missing: tuple[str, ...]


ReviewState = Literal["open", "acknowledged", "closed"]
ReviewVerdict = Literal["true_positive", "benign_true_positive", "false_positive", "undetermined"]


class ReviewEntry(Model):
    """One act of a reviewer; never changed, never removed."""

    state: Literal["acknowledged", "closed"]
    verdict: ReviewVerdict | None
    note: str
    by: str
    at: datetime


class Review(Model):
    """Where the review stands; `history` has every act, oldest first."""

    state: ReviewState = "open"
    verdict: ReviewVerdict | None = None
    history: tuple[ReviewEntry, ...] = ()


Role = Literal["compiler", "source", "header", "response_file", "product", "dropped"]
"""What a file was to the compiler; `dropped`: an executable that was written recently, whoever wrote it."""

Tool = Literal["tar", "cat", "dd", "base64"]


class ElfFacts(Model):
    """What an ELF file says of itself. `comments` are the compilers' names: the pod's own gcc means built in place."""

    machine: str
    kind: Literal["executable", "shared", "object", "core", "other"]
    static: bool
    stripped: bool
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    build_id: str = ""
    problem: str = Field(default="", description="why the rest could not be read")


class Artifact(Model):
    """A file of the container: taken, or left out with its reason.

    Everything is `reported_by_container`: the programs that sent it are the attacker's. `sha256` and `size` are of what
    arrived; `truncated` says that the file went on. `stored` is its place in the evidence store, `stored_sha256` that
    of the sealed zip there. `path` is as the container has it, `named` as the command line has it.
    `uid` is empty for a file of the record's capture: one that has it was taken from an earlier pod of the name.
    """

    path: str
    named: str = ""
    resolved_by: Literal["absolute", "proc_cwd", "working_dir", "unresolved", "found"] = "absolute"
    role: Role
    status: Literal["captured", "left_out", "failed"]
    reason: str = Field(default="", description="why it was left out, or what failed")
    trust: Literal["reported_by_container"] = "reported_by_container"
    sha256: str = ""
    size: int = 0
    truncated: bool = False
    tool: Tool | None = None
    against_scc: Literal["equal", "differs", "not_comparable", "not_given"] = "not_given"
    content: Literal["", "elf", "script", "text", "other"] = ""
    elf: ElfFacts | None = None
    notes: tuple[str, ...] = Field(default=(), description="what was odd on the way: a link, a lying size, a change")
    stored: str = ""
    stored_sha256: str = ""
    taken_at: datetime | None = None
    passing: bool = Field(default=False, description="another try may bring it: a refusal, a cut, or the time was over")
    by_hand: str = Field(default="", description="the line that takes it by hand")
    uid: str = Field(default="", description="the pod that it was taken from, where that is not the capture's")


class Process(Model):
    """A process of the container, from /proc."""

    pid: int
    parent: int
    name: str
    exe: str
    cwd: str
    argv: tuple[str, ...] = ()


class Volatile(Model):
    """What is lost with the container, as its own tools told it; `missing` says what they could not."""

    processes: tuple[Process, ...] = ()
    sockets: tuple[str, ...] = Field(default=(), description="`tcp 10.0.0.7:41234 -> 198.51.100.7:4444 ESTABLISHED`")
    recent: tuple[str, ...] = Field(default=(), description="executables written lately below writable paths")
    missing: tuple[str, ...] = ()


class BrokenOff(Model):
    """A file in the evidence store that an attempt left behind before it was broken off."""

    place: str
    sha256: str


NO_PROGRAM: Final = "the container has none of tar, cat, dd and base64"
NOT_RUNNING: Final = "not running"
NOTHING_TO_TAKE: Final = (NO_PROGRAM, NOT_RUNNING)
"""How `Capture.impossible` begins where it is as good as it gets. One that was denied or broke may yet be had."""


class Capture(Model):
    """One capture: from which container, by whom, how, and its manifest. `impossible` says why nothing was taken."""

    at: datetime
    finished: datetime
    uid: str
    namespace: str
    pod: str
    container: str
    node: str
    image_digest: str
    identity: str
    responder: str
    tools: tuple[str, ...] = ()
    volatile: Volatile = Volatile()
    broken_off: tuple[BrokenOff, ...] = ()
    manifest: str = Field(default="", description="its place in the evidence store")
    manifest_sha256: str = ""
    impossible: str = ""
    tries: int = Field(default=1, description="how often it was tried since an analyst asked for it anew")
    by_hand: tuple[ByHand, ...] = ()


def of_capture(artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """Those of the capture's own pod: what an earlier pod of the name held says nothing of this one."""
    return tuple(one for one in artifacts if not one.uid)


def may_come(record: Record) -> bool:
    """Whether something that was to be captured did not come for a reason that may pass."""
    capture = record.capture
    if capture is None or capture.impossible.startswith(NOTHING_TO_TAKE):
        return False
    told = of_capture(record.artifacts)
    return any(one.passing for one in told) or bool(capture.impossible and not told)


class Action(Model):
    """One effect on the cluster that was tried, and what became of it. Written from what happened."""

    id: str
    kind: Method
    uid: str
    namespace: str
    pod: str
    at: datetime
    result: str
    approved_by: str = Field(default="", description="the approver's address; empty where none was asked")
    approved_at: datetime | None = None


Audience = Literal["team", "owner"]


class Notice(Model):
    """One message to people. `id` is the same each time that it is sent: at least once, told apart by it."""

    id: str
    audience: Audience
    channel: str = Field(description="the channel's name in notices.toml, never its address")
    verdict: Verdict
    outcome: str
    at: datetime
    sent: bool
    detail: str = ""


class Gap(Model):
    """An answer that is missing, for the list that a person reads."""

    question: str
    why: Why
    detail: str
    mend: str


class Traits(Model):
    """What makes a record like another.

    The image's digest, the top owner (`project/location/cluster/namespace/Kind/name`), and the shapes of its command
    lines (`compiler.Build.shape`).
    """

    image_digest: str = ""
    owner: str = ""
    shapes: tuple[str, ...] = ()


RoundKind = Literal["first", "joined", "gaps", "look", "again", "act"]


class Round(Model):
    """One time that sources were asked: why, which questions, and which of them got an answer.

    `gaps`: what had no answer was asked again. `look`: what follows a compiler comes later, and was looked for. `act`:
    finding and pod were verified anew before anything was done to the pod.
    """

    kind: RoundKind = "first"
    at: datetime
    asked: tuple[str, ...]
    answered: tuple[str, ...]
    done: datetime | None = Field(default=None, description="when the record that tells of it was finished")
    count: int = Field(
        default=1, description="rounds of joined findings like this one, one after the other; `at` is the last's"
    )


class Provenance(Model):
    """Who wrote this, when, from what. `revision` rises with every save and every review."""

    responder: str
    stage: Stage
    revision: int
    subject: Subject
    window_start: datetime
    window_end: datetime
    started: datetime
    finished: datetime | None
    gaps: tuple[Gap, ...] = ()
    rounds: tuple[Round, ...] = ()
    traits: Traits = Traits()
    due: datetime | None = Field(default=None, description="when sources are asked again; None: the record is final")
    read: int = Field(default=0, description="occurrences of findings that this record tells of")
    act: Literal["none", "wanted", "done"] = Field(
        default="none", description="whether `act` is to look at this revision: its project opted in"
    )
    act_due: datetime | None = Field(default=None, description="when `act` is asked again: it waits for something")
    errors: tuple[str, ...] = ()
    previous: str = Field(default="", description="the record of the same container whose window came before this one")


class Redactions(Model):
    """In how many places of findings, evidence and what was captured a secret was taken out, by class of detector.

    One secret may have stood in several. The text itself is nowhere.
    """

    count: int = 0
    classes: dict[str, int] = Field(default_factory=dict)


class Record(Model):
    """One investigation. Its JSON has exactly these names at the top (`schema_` is written `schema`)."""

    schema_: Literal["responder.investigation/v1"] = Field(default=RECORD_SCHEMA, alias="schema")
    id: str
    findings: tuple[RecordedFinding, ...]
    evidence: Evidence
    triage: Triage
    decision: Decision
    outcome: Outcome
    plan: Plan
    owner: Owner
    timeline: tuple[TimelineEntry, ...]
    steps: tuple[Step, ...]
    links: dict[str, str]
    commands: tuple[Command, ...]
    forecast: tuple[str, ...] = Field(default=(), description="what the pod's owner does once it is deleted")
    capture: Capture | None = None
    artifacts: tuple[Artifact, ...] = ()
    actions: tuple[Action, ...] = ()
    notices: tuple[Notice, ...] = ()
    review: Review = Review()
    provenance: Provenance
    redactions: Redactions = Redactions()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)
