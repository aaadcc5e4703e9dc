"""Findings and evidence in, the record out: redacted first, so that everything derived from it is clean. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from responder import __version__, runbook
from responder.decision import Situation, would
from responder.evidence import LATER, Evidence, Found, Missing
from responder.finding import Finding, Target
from responder.forecast import forecast
from responder.owner import owner
from responder.plan import plan
from responder.policy import NONE as NO_POLICY
from responder.policy import Policy
from responder.ports import Precedent, World
from responder.record import (
    FINAL,
    Decision,
    Gap,
    Outcome,
    Provenance,
    Record,
    RecordedFinding,
    Redactions,
    Round,
    Step,
    Subject,
    Traits,
)
from responder.record import WINDOW as RECORD_WINDOW
from responder.redact import TAKEN_OUT, Redactor
from responder.runbook.captured import captured
from responder.settings import Settings
from responder.timeline import acts, closed, timeline
from responder.triage import NONE, Case, Tuning, judge
from responder.triage.likeness import traits as traits_of

_LINE: Final = 1000
_RETRIES: Final = (timedelta(minutes=1), timedelta(minutes=3), timedelta(minutes=8))
"""How long after each round the gaps are asked again: three times, within a quarter of an hour."""
_PATIENCE: Final = timedelta(minutes=15)
_SECOND_LOOK: Final = timedelta(minutes=15)
_LOOKED_FOR: Final = frozenset({"scc", "pod_log", "audit_log"})
"""What must answer at a look. `deletion` is read from the audit log, and a pod that is there has none."""
_STEP_OF_THE_CONTAINER: Final = 5
NOTHING_DONE: Final = "nothing was done to the pod"


class Material(NamedTuple):
    """What a record is made of. `finding` is the first one as SCC confirmed it; `rounds` says when was asked what.

    `findings` are groups with SCC's word on each (`confirming.confirm`).

    `old` is the record as it was saved before: what was taken from the container and done to the pod stays.
    """

    id: str
    findings: tuple[RecordedFinding, ...]
    finding: Finding
    target: Target
    evidence: Evidence
    started: datetime
    rounds: tuple[Round, ...]
    read: int
    errors: tuple[str, ...] = ()
    previous: str = ""
    old: Record | None = None


Precedents = Callable[[Traits], tuple[Precedent, ...] | None]
"""Earlier records that share a trait; None where they cannot be asked for."""


def policy_of(world: World) -> Policy:
    """The policy that is in force now; one that allows nothing where none is set."""
    return world.policy() if world.policy else NO_POLICY


def compose(
    material: Material,
    settings: Settings,
    precedents: Precedents,
    tuning: Tuning = NONE,
    policy: Policy = NO_POLICY,
) -> Record:
    """The record of the material at stage `gathered`."""
    record = _investigated(material, settings, precedents, tuning)
    project = policy.of_subject(record.provenance.subject)
    wanted = project is not None and (project.capture or project.remediate in {"approve", "auto"})
    acted_on = _acted_on(material.old)
    # What became of a request that left, or may have left, is looked for, whatever the policy says by now.
    wanted = wanted or any(action.result not in FINAL for action in record.actions)
    wanted = wanted or (acted_on is not None and record.outcome.kind not in FINAL)
    provenance = record.provenance.model_copy(update={"act": "wanted" if wanted else "none"})
    record = record.model_copy(update={"provenance": provenance, "forecast": forecast(record.evidence)})
    decided = acted_on or would(Situation(record=record, policy=policy, now=material.rounds[-1].at))
    return record.model_copy(update={"decision": decided})


def _acted_on(old: Record | None) -> Decision | None:
    """The decision by which a request left, or is about to: it is not made again once the pod is gone.

    `act` saves it before it sends, and makes another where nothing was sent: a delete that is held is still open.
    """
    return old.decision if old and old.decision.kind == "delete_pod" else None


def _investigated(material: Material, settings: Settings, precedents: Precedents, tuning: Tuning) -> Record:
    redactor = Redactor()
    findings = tuple(_recorded(redactor, one) for one in material.findings)
    finding = redactor.finding(material.finding)
    latest = material.rounds[-1].at
    evidence = settled(redacted(material.evidence, redactor), material.rounds, material.started, latest)
    told = (finding, material.target, evidence, settings.console)
    whose = owner(finding, evidence, settings.owner_keys)
    sheet = runbook.sheet(*told, contacts=whose.contacts, log_window=settings.log_window)
    old = material.old
    if old is not None and old.capture is not None:
        capture, artifacts = runbook.with_commands(*told, old.capture, old.artifacts)
        old = old.model_copy(update={"capture": capture, "artifacts": artifacts})
    artifacts = old.artifacts if old else ()
    case = Case.of_record(findings, material.target, evidence, None, latest)
    traits = traits_of(case)
    triage = judge(replace(case, history=precedents(traits), artifacts=artifacts), tuning=tuning)
    actions = plan(triage, finding, material.target, evidence, sheet.commands, sheet.links, whose.contacts)
    record = Record(
        id=material.id,
        findings=findings,
        evidence=evidence,
        triage=triage,
        decision=Decision(reasons=("not decided yet",)),
        outcome=old.outcome if old else Outcome(detail=NOTHING_DONE),
        plan=sheet.plan.model_copy(update={"actions": actions}),
        owner=whose,
        timeline=timeline(findings, evidence, material.started, None),
        steps=_entered(sheet.steps, old),
        links=sheet.links,
        commands=sheet.commands,
        capture=old.capture if old else None,
        artifacts=artifacts,
        actions=old.actions if old else (),
        notices=old.notices if old else (),
        provenance=_provenance(material, evidence, traits),
    )
    return counted(record)


def _entered(steps: tuple[Step, ...], old: Record | None) -> tuple[Step, ...]:
    """The steps, of which the fifth says what was taken where the responder entered the container."""
    told = captured(old.capture, old.artifacts) if old else None
    if told is None:
        return steps
    return tuple(
        step.model_copy(
            update={
                "status": told.status,
                "detail": told.detail,
                "by_hand": (*told.by_hand, *step.by_hand),
                "evidence": told.evidence,
                "missing": told.missing,
            }
        )
        if step.n == _STEP_OF_THE_CONTAINER
        else step
        for step in steps
    )


def finish(record: Record, now: datetime) -> Record:
    """The record with its outcome, and `due`: when it is to be looked at again, if ever."""
    rounds = record.provenance.rounds
    # The first time counts: a round that was finished is not done later because the record was written again.
    rounds = (*rounds[:-1], *(one.model_copy(update={"done": one.done or now}) for one in rounds[-1:]))
    update = {"stage": "finished", "finished": now, "due": due(record), "rounds": rounds}
    told = closed((*record.timeline, *acts(record.actions, record.capture)), now)
    provenance = record.provenance.model_copy(update=update)
    return record.model_copy(update={"provenance": provenance, "timeline": told})


def due(record: Record) -> datetime | None:
    """The next of: a gap whose time comes, the second look, the last look. None where the record is final."""
    gaps = [gap.retry_at for gap in record.evidence.missing().values() if gap.retry_at]
    look = next_look(record)
    return min([*gaps, *([look] if look else [])], default=None)


def next_look(record: Record) -> datetime | None:
    """When sources are asked next about what came later: 15 minutes after the event, and at the window's end.

    None once both looks were made, or where SCC never confirmed a finding. Only a round that asked all of `LATER` was
    one: a finding that joined, a gap or `act` between a look's time and the sweep takes nothing away. A look that had
    no answer is made again, as a gap is: three times, then it is given up, and its rounds say what did not answer.
    """
    rounds = record.provenance.rounds
    if not any("scc" in one.answered for one in rounds):
        return None
    looked = max((one.at for one in rounds if _looked(one, record.evidence)), default=rounds[0].at)
    first = record.provenance.window_start
    for at in (first + _SECOND_LOOK, record.provenance.window_end):
        tried = [one.at for one in rounds if one.kind == "look" and one.at >= at]
        if at > looked and not tried:
            return at
        if at > looked and len(tried) <= len(_RETRIES):
            return tried[-1] + _RETRIES[len(tried) - 1]
    return None


def _looked(one: Round, evidence: Evidence) -> bool:
    """Whether a round told what came later. What will never answer (a missing grant) is not waited for."""
    if one.kind != "look" and not set(one.asked) >= LATER:
        return False
    silent = (getattr(evidence, name) for name in _LOOKED_FOR - set(one.answered))
    return all(isinstance(answer, Missing) and not answer.passing for answer in silent)


def settled(evidence: Evidence, rounds: tuple[Round, ...], started: datetime, now: datetime) -> Evidence:
    """Each passing gap with the time to ask again; with none where it was asked often or long enough: it is final.

    One that this round did not ask keeps its time: findings that keep joining put nothing off.
    """
    # What else SCC knows comes with its word for the finding, in every round.
    asked = {*rounds[-1].asked, "related"}
    tries = sum(one.kind == "gaps" for one in rounds)
    is_over = tries >= len(_RETRIES) or now >= started + _PATIENCE
    again = None if is_over else now + _RETRIES[tries]
    changed = {
        name: gap.model_copy(update={"retry_at": again})
        for name, gap in evidence.missing().items()
        if gap.passing and name in asked
    }
    return evidence.model_copy(update=changed)


def noted(record: Record, read: int) -> Record:
    """The record as it was loaded, with its findings' latest occurrences; SCC's words and all that follows stay."""
    told = timeline(record.findings, record.evidence, record.provenance.started, None)
    ended = record.provenance.finished or record.provenance.started
    told = closed((*told, *acts(record.actions, record.capture)), ended)
    provenance = record.provenance.model_copy(update={"read": read})
    return record.model_copy(update={"timeline": told, "provenance": provenance})


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
    changed["told"] = {name: _told(redactor, answer) for name, answer in evidence.told.items()}
    return evidence.model_copy(update=changed)


# Where free text stands in each answer: a field, or a field of each item of a tuple. `args` are argument lists.
_TEXTS: Final[dict[str, dict[str, Any]]] = {
    "scc": {"marks": "words"},
    "related": {"findings": {"args": "args", "binary": "text"}},
    "cluster": {"labels": "words"},
    "node": {"labels": "words"},
    "project": {"labels": "words"},
    "pod": {"labels": "words", "annotations": "words", "containers": {"command": "args", "args": "args"}},
    "owners": {"links": {"labels": "words", "annotations": "words"}},
    "namespace": {"labels": "words", "annotations": "words"},
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


def _told(redactor: Redactor, answer: Found[str | tuple[str, ...]] | Missing) -> Found[str | tuple[str, ...]] | Missing:
    return answer if isinstance(answer, Missing) else answer.model_copy(update={"value": redactor.told(answer.value)})


def _line(redactor: Redactor, text: str) -> str:
    """Redacted before it is cut: a secret that the cut would halve is still one."""
    return redactor.text(text, limit=_LINE * 4)[:_LINE]


_WAYS: Final[dict[str, Any]] = {"text": Redactor.text, "line": _line, "args": Redactor.args, "words": Redactor.words}


def _provenance(material: Material, evidence: Evidence, traits: Traits) -> Provenance:
    finding, target = material.finding, material.target
    start = min(one.event_time for one in material.findings)
    # A finding that fires again has a later eventTime, and moves nothing of the window that it stands in.
    start = min(start, material.old.provenance.window_start) if material.old else start
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
        traits=traits,
        read=material.read,
        previous=material.previous,
        errors=tuple(dict.fromkeys((*material.errors, *(p for one in material.findings for p in _problems(one))))),
    )


def _problems(finding: Finding) -> tuple[str, ...]:
    left_out = finding.targets_left_out
    told = (f"{left_out} more containers are named in the finding: they have no record",) if left_out else ()
    return (*finding.problems, *told)


def counted(record: Record) -> Record:
    """The record with the places of it where a secret was taken out, as they are now: no round is counted twice.

    Only what was read is looked at; commands, steps and the like say it again.
    """
    read = record.model_dump_json(include={"findings", "evidence", "capture", "artifacts"})
    classes = dict(sorted(Counter(TAKEN_OUT.findall(read)).items()))
    return record.model_copy(update={"redactions": Redactions(count=sum(classes.values()), classes=classes)})
