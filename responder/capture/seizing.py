"""Step 5 as one act: the snapshot, the files, the manifest. What comes back goes into the record as it is.

Each attempt has names of its own in the evidence store, since every seal has a salt of its own; what an attempt that
was broken off left behind is named by the next one's manifest, so that nothing in the store is nobody's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from responder import __version__
from responder.capture import custody, earlier, elf
from responder.capture.arrival import printable
from responder.capture.artifacts import artifact
from responder.capture.digest import digest
from responder.capture.links import Chain, chains
from responder.capture.sealing import Keys, Sealed
from responder.capture.taking import Caps, Means, take
from responder.capture.volatile import Snapshot, snapshot
from responder.capture.wanted import LeftOut, Want, Wanted, plain, wanted
from responder.capture.watching import Watch
from responder.evidence import ContainerState, Pod
from responder.ports import Acting, Cell, Clock, Collector, EvidenceStore, Incoming
from responder.record import NOT_RUNNING, Artifact, BrokenOff, Capture, Record, RecordedFinding, Volatile, may_come
from responder.redact import Redactor

_NUMBER: Final = re.compile(r"([0-9]{1,6})-[^/]+")
MOST_TRIES: Final = 3
_MOST_DROPPED: Final = 16


def seize(
    collector: Collector,
    acting: Acting,
    record: Record,
    findings: tuple[RecordedFinding, ...],
    pod: Pod,
    *,
    now: Clock,
    caps: Caps | None = None,
) -> tuple[Capture, tuple[Artifact, ...]]:
    """Capture from the container of the record's subject in `pod`, whose UID is proven.

    `findings` are as the store has them: a redacted path leads nowhere. What comes back is redacted, and has what
    was taken before. StoreError where the evidence store fails: nothing is said then, and the next attempt tells of
    what this one left behind.
    """
    subject, at, redactor, evidence = record.provenance.subject, now(), Redactor(), acting.evidence
    container = next((one for one in pod.containers if one.name == subject.container), None)
    attempt, left = _attempt(evidence, record)
    capture = Capture(
        at=at,
        finished=at,
        uid=pod.uid,
        namespace=subject.namespace,
        pod=subject.pod,
        container=subject.container,
        node=pod.node_name,
        image_digest=container.image_id if container else "",
        identity=acting.identity,
        responder=__version__,
        broken_off=left,
        tries=_tries(record, pod.uid) + 1,
    )
    if container is None or container.state != "running":
        state = f"{NOT_RUNNING}: the container is {container.state}" if container else "the pod has no such container"
        over = {"impossible": state, "volatile": _volatile(record, pod.uid, Volatile())}
        stays = (*earlier.all_told(record, pod.uid), *earlier.of_others(record, pod.uid))
        return _kept(evidence, record, capture.model_copy(update=over), stays, attempt)
    cell = Cell(namespace=subject.namespace, pod=subject.pod, container=container.name, uid=pod.uid)
    watch = Watch(collector=collector, cell=cell)
    seen, changed = _seen(watch, redactor, _writable(container))
    listed = wanted(findings, container, _cwd_of(findings, seen))
    before = earlier.brought(record, pod.uid)
    have = {one.path for one in before}
    wants = tuple(one for one in (*listed.wants, *_dropped(listed, seen.volatile)) if one.path not in have)

    keys = Keys()

    def new(number: str) -> Incoming:
        return Sealed(evidence.new(f"{record.id}/{attempt}-{number}.zip"), number, keys)

    means = Means(
        collector=collector,
        cell=cell,
        new=new,
        now=now,
        monotonic=time.monotonic,
        facts=elf.facts,
        ahead=keys.ahead,
    )
    told = tuple(process for one in findings for process in one.processes)
    among = {} if changed else chains(collector, cell, wants)
    apart = [artifact(one, "left_out", among[one.path].reason) for one in wants if _leads_away(one, among)]
    wants = tuple(one for one in wants if not _leads_away(one, among))
    taken = take(means, wants, caps=caps, told=told, watch=watch, over=changed)
    artifacts = (*(_linked(one, wants, among) for one in taken.artifacts), *apart,
                 *(_left_out(one) for one in listed.left_out))  # fmt: skip
    update = {
        "finished": now(),
        "tools": taken.tools,
        "volatile": _volatile(record, pod.uid, seen.volatile),
        "impossible": taken.impossible,
    }
    clean = tuple(_redacted(one, redactor) for one in artifacts)
    stays = (*earlier.parts(record, pod.uid, clean), *earlier.of_others(record, pod.uid))
    return _kept(evidence, record, capture.model_copy(update=update), (*before, *clean, *stays), attempt)


def _seen(watch: Watch, redactor: Redactor, writable: tuple[str, ...]) -> tuple[Snapshot, str]:
    """The snapshot, and why nothing more is to be asked of the container: it is, or may be, another one.

    A command goes to whatever pod has the name. What another one told is not kept.
    """
    seen = Snapshot(volatile=Volatile(), cwd_of={})
    changed = watch.changed()
    if not changed:
        seen = snapshot(watch.collector, watch.cell, redactor=redactor, writable=writable, monotonic=time.monotonic)
        changed = watch.changed()
    if changed:
        seen = Snapshot(volatile=Volatile(missing=(f"nothing that is lost with it is kept: {changed}",)), cwd_of={})
    return seen, changed


def _attempt(evidence: EvidenceStore, record: Record) -> tuple[int, tuple[BrokenOff, ...]]:
    """This attempt's number, and what lies there that neither the record nor a manifest names."""
    names = evidence.names(record.id)
    numbers = [int(found[1]) for place in names if (found := _NUMBER.fullmatch(PurePosixPath(place).name))]
    added = {one.place for one in custody.verify(record, evidence) if one.kind == "added"}
    left = tuple(BrokenOff(place=place, sha256=digest(evidence.open(place))) for place in names if place in added)
    return max(numbers, default=0) + 1, left


def _kept(
    evidence: EvidenceStore, record: Record, capture: Capture, artifacts: tuple[Artifact, ...], attempt: int
) -> tuple[Capture, tuple[Artifact, ...]]:
    """Write the manifest, chained to the record's one before it."""
    previous = record.capture.manifest_sha256 if record.capture else ""
    file = evidence.new(f"{record.id}/{attempt}-manifest.json")
    try:
        file.write(custody.manifest(capture, artifacts, record.id, previous))
    except BaseException:
        file.abort()
        raise
    stored = file.commit()
    return capture.model_copy(update={"manifest": stored.place, "manifest_sha256": stored.sha256}), artifacts


# --- another try ------------------------------------------------------------------------------------------------------


def is_worth_another(record: Record) -> bool:
    """Whether what was not taken may come at another try, and there is one left."""
    capture = record.capture
    return capture is not None and may_come(record) and _tries(record, capture.uid) < MOST_TRIES


def _tries(record: Record, uid: str) -> int:
    """Tries at this pod; whoever asks for an investigation anew has them begin anew."""
    capture = record.capture
    asked = any(one.kind == "again" and capture and one.at > capture.finished for one in record.provenance.rounds)
    return 0 if capture is None or capture.uid != uid or asked else capture.tries


def _volatile(record: Record, uid: str, now: Volatile) -> Volatile:
    """What is lost with the container: as an earlier try at this pod was told it, where nothing is told any more."""
    is_told = now.processes or now.sockets or now.recent
    return now if is_told or record.capture is None or record.capture.uid != uid else record.capture.volatile


# --- what is wanted ---------------------------------------------------------------------------------------------------


def _cwd_of(findings: Sequence[RecordedFinding], seen: Snapshot) -> dict[int, str]:
    """The working folder of each of the findings' processes that still runs.

    A pid may be of the host's namespace, or long another process's: it counts only where the program is the same.
    """
    runs = {one.pid: one.exe for one in seen.volatile.processes}
    told = ((one.pid, one.binary) for finding in findings for one in finding.processes if one.pid and one.binary)
    return {pid: seen.cwd_of[pid] for pid, binary in told if pid in seen.cwd_of and runs.get(pid) == binary}


def _dropped(listed: Wanted, volatile: Volatile) -> Iterator[Want]:
    """Executables that were written lately and that no command line names."""
    known = {one.path for one in listed.wants}
    found = dict.fromkeys(plain(path) for path in volatile.recent if path.startswith("/"))
    for path in [path for path in found if path not in known][:_MOST_DROPPED]:
        why = "an executable that was written lately"
        yield Want(path=path, named=path, role="dropped", resolved_by="found", pid=None, why=why)


def _writable(container: ContainerState) -> tuple[str, ...]:
    return tuple(path for one in container.mounts if (path := one.partition(" <- ")[0]).startswith("/"))


def _leads_away(want: Want, among: Mapping[str, Chain]) -> bool:
    return want.path in among and bool(among[want.path].reason)


def _linked(one: Artifact, wants: Sequence[Want], among: Mapping[str, Chain]) -> Artifact:
    """With the links among the folders of the want that it came for."""
    if one.status != "captured":
        return one
    inside = [want for want in wants if want.is_directory and one.path.startswith(f"{want.path.rstrip('/')}/")]
    path = one.path if one.path in among else next((want.path for want in inside), "")
    notes = among[path].notes if path in among else ()
    return one.model_copy(update={"notes": (*one.notes, *notes)}) if notes else one


def _left_out(one: LeftOut) -> Artifact:
    return Artifact(
        path="",
        named=printable(one.named, 4096),
        resolved_by=one.resolved_by,
        role=one.role,
        status="left_out",
        reason=one.reason,
    )


def _redacted(one: Artifact, redactor: Redactor) -> Artifact:
    texts = {name: redactor.text(printable(getattr(one, name), 4096)) for name in ("path", "named", "reason")}
    return one.model_copy(update={**texts, "notes": tuple(redactor.text(note) for note in one.notes)})
