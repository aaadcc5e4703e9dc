"""What would settle it: the evidence that is missing, in order of worth. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from responder.evidence import Missing
from responder.record import Verdict
from responder.triage.builds import Look
from responder.triage.case import Case
from responder.triage.context import Place

_QUESTIONS: Final = (
    ("related", "the other findings of the container: did the product run, did a shell follow"),
    ("audit_log", "the cluster's audit log: did a person open a session in the container"),
    ("pod", "the pod's object: its image, its age, its rights"),
    ("owners", "the owner chain: what this workload is for"),
    ("pod_log", "the pod's log: what came before"),
    ("node_log", "the node's log"),
    ("namespace", "the namespace: what it is for"),
)


def missing(case: Case, looks: Sequence[Look], verdict: Verdict, place: Place) -> tuple[str, ...]:
    """Plain sentences; empty where nothing that is missing could change the verdict."""
    evidence = case.evidence
    found = list(_unanswered(case))
    if not any(one.ancestors for one in looks):
        found.insert(min(len(found), 2), "the parent process: who started the compiler is not known")
    if evidence is not None and case.history is None:
        found.append("earlier records of this image and owner: the store could not be asked")
    if verdict in {"suspicious", "insufficient_data"}:
        sources = [path for one in looks if one.is_judged and not one.is_explained for path in one.build.sources]
        if sources:
            found.append(f"the content of {', '.join(dict.fromkeys(sources[:3]))}: not captured")
        if not place.sources:
            found.append("the owner's word: is anything expected to compile here")
    if any(one.exec.truncated for one in looks):
        found.append("the whole command line: its arguments are cut in the finding")
    return tuple(found)


def _unanswered(case: Case) -> Iterator[str]:
    if case.findings and not case.target.has_pod:
        yield "which container it was: the finding names no pod, and without one there is nothing to ask for"
        return
    for name, what in _QUESTIONS if case.evidence is not None else ():
        answer = getattr(case.evidence, name)
        if isinstance(answer, Missing):
            yield f"{what} ({answer.why.replace('_', ' ')}: {answer.detail})"
