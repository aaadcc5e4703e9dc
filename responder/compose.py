"""Findings and evidence in, the record out: redacted first, so that everything derived from it is clean. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from responder import __version__, runbook
from responder.evidence import Evidence, Found, Missing
from responder.finding import Finding, Target
from responder.owner import owner
from responder.record import WINDOW as RECORD_WINDOW
from responder.record import (
    Decision,
    Gap,
    Outcome,
    Provenance,
    Record,
    RecordedFinding,
    Redactions,
    Round,
    Subject,
    Triage,
)
from responder.redact import Redactor
from responder.settings import Settings
from responder.timeline import timeline

_LINE: Final = 1000
_NO_TRIAGE: Final = "not judged: this version gathers the evidence and leaves the verdict to a person"
_NO_ANSWER: Final = "this version investigates only: it deletes and isolates nothing"


class Material(NamedTuple):
    """What a record is made of. `finding` is the first one as SCC confirmed it; `rounds` says when was asked what."""

    id: str
    findings: tuple[RecordedFinding, ...]
    finding: Finding
    target: Target
    evidence: Evidence
    started: datetime
    rounds: tuple[Round, ...]
    errors: tuple[str, ...] = ()
    redactions: Redactions = Redactions()


def compose(material: Material, settings: Settings) -> Record:
    """The record of the material at stage `gathered`; `redactions` of an earlier save are added to."""
    redactor = Redactor()
    findings = tuple(_recorded(redactor, one) for one in material.findings)
    finding = redactor.finding(material.finding)
    evidence = redacted(material.evidence, redactor)
    told = (finding, material.target, evidence, settings.console)
    whose = owner(finding, evidence, settings.owner_keys)
    return Record(
        id=material.id,
        findings=findings,
        evidence=evidence,
        triage=Triage(verdict="insufficient_data", summary=_NO_TRIAGE, reasons=(_NO_TRIAGE,)),
        decision=Decision(reasons=_hold(finding, material.target, evidence)),
        outcome=Outcome(detail="nothing was done to the pod"),
        plan=runbook.plan(*told),
        owner=whose,
        timeline=timeline(findings, evidence, material.started, None),
        steps=runbook.steps(*told, contacts=whose.contacts, log_window=settings.log_window),
        links=runbook.links(*told, contacts=whose.contacts, log_window=settings.log_window),
        commands=runbook.commands(*told, log_window=settings.log_window),
        provenance=_provenance(material, evidence),
        redactions=_added(material.redactions, redactor.counts),
    )


def finish(record: Record, now: datetime) -> Record:
    """The record with its outcome: nothing more is to be done."""
    provenance = record.provenance.model_copy(update={"stage": "finished", "finished": now})
    told = timeline(record.findings, record.evidence, record.provenance.started, now)
    return record.model_copy(update={"provenance": provenance, "timeline": told})


def noted(record: Record, findings: tuple[RecordedFinding, ...]) -> Record:
    """The record with its findings' latest occurrences; the evidence and what follows from it stay."""
    redactor = Redactor()
    clean = tuple(_recorded(redactor, one) for one in findings)
    told = timeline(clean, record.evidence, record.provenance.started, record.provenance.finished)
    return record.model_copy(update={"findings": clean, "timeline": told})


def _recorded(redactor: Redactor, one: RecordedFinding) -> RecordedFinding:
    clean = redactor.finding(one)
    assert isinstance(clean, RecordedFinding)  # noqa: S101 - replace() keeps the class; this tells the type checker
    return clean


def redacted(evidence: Evidence, redactor: Redactor) -> Evidence:
    """The evidence without secrets: every text that a process, a person or a log line wrote."""
    changed: dict[str, Any] = {}
    for name in type(evidence).model_fields:
        answer = getattr(evidence, name)
        if isinstance(answer, Found) and name in _TEXTS:
            changed[name] = answer.model_copy(update={"value": _clean(answer.value, _TEXTS[name], redactor)})
    told = evidence.told.get("arguments")
    if isinstance(told, Found) and isinstance(told.value, tuple):
        clean = told.model_copy(update={"value": redactor.args(told.value)})
        changed["told"] = {**evidence.told, "arguments": clean}
    return evidence.model_copy(update=changed)


# Where free text stands in each answer: a field, or a field of each item of a tuple. `args` are argument lists.
_TEXTS: Final[dict[str, dict[str, Any]]] = {
    "related": {"findings": {"args": "args", "binary": "text"}},
    "pod": {"annotations": "words", "containers": {"command": "args", "args": "args"}},
    "owners": {"links": {"annotations": "words"}},
    "namespace": {"annotations": "words"},
    "pod_events": {"": {"message": "text"}},
    "pod_log": {"entries": {"text": "line"}},
    "node_log": {"entries": {"text": "line"}},
    "audit_log": {"entries": {"command": "args", "user_agent": "text"}},
    "deletion": {"user_agent": "text"},
}


def _clean(value: Any, texts: dict[str, Any], redactor: Redactor) -> Any:
    """A copy of a model, or of a tuple of models, with its free text redacted; the same object where nothing was."""
    if isinstance(value, tuple):
        return tuple(_clean(item, texts.get("", texts), redactor) for item in value)
    update: dict[str, Any] = {}
    for name, kind in texts.items():
        old = getattr(value, name)
        new = _clean(old, kind, redactor) if isinstance(kind, dict) else _WAYS[kind](redactor, old)
        if new != old:
            update[name] = new
    return value.model_copy(update=update) if update else value


def _words(redactor: Redactor, words: dict[str, str]) -> dict[str, str]:
    return {key: redactor.text(text) for key, text in words.items()}


def _line(redactor: Redactor, text: str) -> str:
    """Redacted before it is cut: a secret that the cut would halve is still one."""
    return redactor.text(text, limit=_LINE * 4)[:_LINE]


_WAYS: Final[dict[str, Any]] = {"text": Redactor.text, "line": _line, "args": Redactor.args, "words": _words}


def _hold(finding: Finding, target: Target, evidence: Evidence) -> tuple[str, ...]:
    reasons = [_NO_ANSWER]
    if isinstance(evidence.scc, Missing):
        reasons.append(f"SCC did not confirm the finding: {evidence.scc.detail}")
    else:
        if evidence.scc.value.state != "ACTIVE":
            reasons.append(f"the finding is {evidence.scc.value.state or 'without a state'} in SCC")
        if evidence.scc.value.mute == "MUTED":
            reasons.append("the finding is muted in SCC")
    if isinstance(evidence.cluster, Found) and evidence.cluster.value.newer_than_event:
        reasons.append("the cluster was created after the event: it is another one of the same name")
    if not target.has_pod:
        reasons.append("the finding names no pod")
    elif len(finding.pods) > 1:
        reasons.append(f"the finding names {len(finding.pods)} pods")
    proof = evidence.proof
    if isinstance(proof, Found) and proof.value.verdict != "proven":
        reasons.append(f"the pod is not proven to be the finding's: {proof.value.verdict}")
    elif isinstance(proof, Missing) and target.has_pod:
        reasons.append(f"the pod is not proven to be the finding's: {proof.detail}")
    return tuple(reasons)


def _provenance(material: Material, evidence: Evidence) -> Provenance:
    finding, target = material.finding, material.target
    start = min(one.event_time for one in material.findings)
    gaps = (
        Gap(question=name, why=gap.why, detail=gap.detail, mend=gap.mend)
        for name, gap in evidence.missing().items()
        if gap.why != "not_asked"
    )
    return Provenance(
        responder=__version__,
        stage="gathered",
        revision=0,
        subject=Subject(
            project_id=finding.project_id,
            project_number=finding.project_number,
            cluster=finding.cluster.name if finding.cluster else "",
            location=finding.cluster.location if finding.cluster else "",
            namespace=target.namespace,
            pod=target.pod,
            container=target.container,
        ),
        window_start=start,
        window_end=start + RECORD_WINDOW,
        started=material.started,
        finished=None,
        gaps=tuple(gaps),
        rounds=material.rounds,
        errors=(*material.errors, *(p for one in material.findings for p in one.problems)),
    )


def _added(old: Redactions, counts: dict[str, int]) -> Redactions:
    classes = dict(old.classes)
    for name, count in counts.items():
        classes[name] = classes.get(name, 0) + count
    return Redactions(count=sum(classes.values()), classes=classes)
