"""The order of things, and the only order: admit, claim, verify in SCC, gather, compose, save, release.

Facts are kept, choices are made again: saved evidence is not gathered again when a message is delivered again. Only the
holder of the claim writes the record. Whatever is raised here means: deliver the message again.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from responder.compose import Material, compose, finish, noted
from responder.errors import StoreError
from responder.evidence import Found, Missing
from responder.finding import Finding, Target
from responder.gather import Ask, gather
from responder.ports import Admission, Claim, Delivery, World
from responder.record import Record, RecordedFinding, Redactions, Round

_MARGIN: Final = timedelta(seconds=30)
"""How much longer than the gathering's deadline a claim runs: saving, and a slow store."""


def respond(world: World, finding: Finding, delivery: Delivery) -> tuple[str, ...]:
    """Investigate a finding: the ids of its records, one for each container that it names.

    A finding whose records are finished and that says nothing new is counted and left. Raises `Busy` where another
    instance works on this very message, and `StoreError` where nothing could be saved.
    """
    return tuple(_respond(world, finding, target, delivery) for target in finding.targets())


def _respond(world: World, finding: Finding, target: Target, delivery: Delivery) -> str:
    admission = world.records.admit(finding, target, delivery)
    world.records.count(f"findings.{admission.kind}")
    if admission.kind == "duplicate" and admission.finished:
        return admission.record_id
    now = world.now()
    claim = world.records.claim(admission.record_id, delivery.message_id, _lease(world), now)
    if claim is None:
        # The finding is stored: whoever holds the claim looks for it before letting go.
        world.records.count("findings.left_to_holder")
        return admission.record_id
    _work(world, claim, target, admission)
    return admission.record_id


def again(world: World, record_id: str) -> Record | None:
    """Ask anew what a record is missing, and append: what is known is kept. None where there is no such record.

    Raises `Busy` where an instance is at work on it.
    """
    record = world.records.load(record_id)
    if record is None:
        return None
    subject = record.provenance.subject
    target = Target(namespace=subject.namespace, pod=subject.pod, container=subject.container)
    claim = world.records.claim(record_id, "again", _lease(world), world.now())
    if claim is None:
        raise StoreError("another instance is at work on this record; try again in a minute")
    with _held(world, claim):
        _investigate(world, claim, target, "missing")
    return world.records.load(record_id)


def _lease(world: World) -> timedelta:
    return world.settings.deadline + _MARGIN


@contextlib.contextmanager
def _held(world: World, claim: Claim) -> Iterator[None]:
    """Let go of the claim whatever happens, so that a redelivery need not wait for the lease to end."""
    try:
        yield
    finally:
        with contextlib.suppress(StoreError):
            world.records.release(claim, sys.maxsize)


def _work(world: World, claim: Claim, target: Target, admission: Admission) -> None:
    with _held(world, claim):
        if admission.kind == "update" and admission.finished:
            seen = _note(world, claim)
        else:
            seen = _investigate(world, claim, target, "scc" if admission.finished else "everything")
        while world.records.release(claim, seen):
            # Findings joined meanwhile: SCC is asked about them, the cluster's answers stand.
            seen = _investigate(world, claim, target, "scc")


def _note(world: World, claim: Claim) -> int:
    """A mute, a state change or our own marks: the occurrence is shown, nothing is investigated anew."""
    findings = world.records.findings(claim.record_id)
    record = world.records.load(claim.record_id)
    if record is not None:
        world.records.save(noted(record, findings), claim)
    return _read(findings)


def _investigate(world: World, claim: Claim, target: Target, ask: Ask) -> int:
    """One pass over the record: gather, save, finish, save. Returns how much of it was read."""
    findings = world.records.findings(claim.record_id)
    record = world.records.load(claim.record_id)
    if record is None or record.provenance.stage == "finished":
        record = _gather(world, claim, target, ask, findings, record)
    # Else a crash came after the gathering: the evidence is kept.
    world.records.save(finish(record, world.now()), claim)
    return _read(findings)


def _gather(
    world: World, claim: Claim, target: Target, ask: Ask, findings: tuple[RecordedFinding, ...], old: Record | None
) -> Record:
    started = world.now()
    if old is None:
        ask = "everything"
    elif isinstance(old.evidence.scc, Missing):
        ask = "missing"  # what waits for SCC's word is asked with it
    gathered = gather(world, findings[0], target, known=old.evidence if old else None, ask=ask)
    answered = tuple(name for name in gathered.asked if isinstance(getattr(gathered.evidence, name), Found))
    this = Round(at=started, asked=gathered.asked, answered=answered)
    unknown = [one.key for one in findings if gathered.known and one.key not in gathered.known]
    material = Material(
        id=claim.record_id,
        findings=findings,
        finding=gathered.finding,
        target=gathered.target,
        evidence=gathered.evidence,
        started=old.provenance.started if old else started,
        rounds=(*(old.provenance.rounds if old else ()), this),
        errors=tuple(f"SCC does not have finding {key}" for key in unknown),
        redactions=old.redactions if old else Redactions(),
    )
    return world.records.save(compose(material, world.settings), claim)


def _read(findings: tuple[RecordedFinding, ...]) -> int:
    return sum(len(one.occurrences) for one in findings)
