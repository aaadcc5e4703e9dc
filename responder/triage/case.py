"""Step 1, as triage judges it: what ran (the activity), and whatever else is known about it. Pure.

A case is made of a record, or of command lines alone (a corpus row). It holds facts, no opinion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from responder.evidence import Evidence, Found
from responder.finding import CATEGORY, Process, Target
from responder.ports import Precedent
from responder.record import Artifact, RecordedFinding, judged

MAX_ANCESTORS: Final = 8
"""How far a chain of parents is followed; longer ones are a loop or a nest of make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """One program that was started. `parents` are the ancestors' argv, nearest first; `pointer` leads into the record.

    `cwd` is None where nobody tells: Security Command Center never does.
    """

    argv: tuple[str, ...]
    exe: str = ""
    cwd: str | None = None
    parents: tuple[tuple[str, ...], ...] = ()
    time: datetime | None = None
    pointer: str = ""
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is judged. `history` None: the store could not be asked; an empty tuple: asked, and there was nothing."""

    execs: tuple[Exec, ...]
    findings: tuple[RecordedFinding, ...] = ()
    target: Target = field(default_factory=Target)
    evidence: Evidence | None = None
    history: tuple[Precedent, ...] | None = None
    now: datetime | None = None
    artifacts: tuple[Artifact, ...] = ()

    @classmethod
    def of_execs(cls, execs: Iterable[Mapping[str, Any]], *, cwd: str | None = None, parents: Any = ()) -> Case:
        """From rows of a corpus: `argv`, `exe` or `binary`, and `cwd` and `parents` of their own or of the activity."""
        return cls(execs=tuple(_of_row(row, cwd, parents) for row in execs))

    @classmethod
    def of_record(
        cls,
        findings: tuple[RecordedFinding, ...],
        target: Target,
        evidence: Evidence,
        history: tuple[Precedent, ...] | None = None,
        now: datetime | None = None,
    ) -> Case:
        """From the findings of one record: their processes, chained by pid, and their siblings that SCC lists.

        What SCC does not have is none of the case: whoever may publish could have written it.
        """
        own = _of_findings(findings)
        seen = {one.argv for one in own}
        related = tuple(one for one in _of_related(evidence) if one.argv not in seen)
        return cls(
            execs=(*own, *related),
            findings=judged(findings),
            target=target,
            evidence=evidence,
            history=history,
            now=now,
        )

    @classmethod
    def of_commands(cls, findings: tuple[RecordedFinding, ...]) -> Case:
        """From the findings' processes alone."""
        return cls(execs=_of_findings(findings))

    @property
    def start(self) -> datetime | None:
        """When the first finding of the record happened."""
        return min((one.event_time for one in self.findings), default=None)


def _of_row(row: Mapping[str, Any], cwd: str | None, parents: Any) -> Exec:
    argv = tuple(str(word) for word in row.get("argv") or ())
    own = row.get("parents")
    return Exec(
        argv=argv,
        exe=str(row.get("exe") or row.get("binary") or (argv[0] if argv else "")),
        cwd=row["cwd"] if row.get("cwd") is not None else cwd,
        parents=tuple(_words(parent) for parent in (own if own is not None else parents) or ()),
    )


def _words(parent: str | Sequence[str] | Mapping[str, Any]) -> tuple[str, ...]:
    if isinstance(parent, str):
        return tuple(parent.split())
    if isinstance(parent, Mapping):
        return tuple(str(word) for word in parent.get("argv") or ())
    return tuple(str(word) for word in parent)


def _of_findings(findings: tuple[RecordedFinding, ...]) -> tuple[Exec, ...]:
    by_pid: dict[int, Process] = {}
    for finding in judged(findings):
        for process in finding.processes:
            if process.pid is not None and _argv(process):
                by_pid.setdefault(process.pid, process)
    return tuple(
        Exec(
            argv=_argv(process),
            exe=process.binary,
            parents=_chain(process, by_pid),
            time=finding.event_time,
            pointer=f"/findings/{n}/processes/{m}",
            truncated=process.args_truncated,
        )
        for n, finding in enumerate(findings)
        if finding.confirmed != "no"
        for m, process in enumerate(finding.processes)
        if _argv(process)
    )


def _argv(process: Process) -> tuple[str, ...]:
    return process.args or ((process.binary,) if process.binary else ())


def _chain(process: Process, by_pid: dict[int, Process]) -> tuple[tuple[str, ...], ...]:
    chain: list[tuple[str, ...]] = []
    seen = {process.pid}
    pid = process.parent_pid
    while pid is not None and pid in by_pid and pid not in seen and len(chain) < MAX_ANCESTORS:
        seen.add(pid)
        chain.append(_argv(by_pid[pid]))
        pid = by_pid[pid].parent_pid
    return tuple(chain)


def _of_related(evidence: Evidence) -> Iterable[Exec]:
    if not isinstance(evidence.related, Found):
        return
    for n, one in enumerate(evidence.related.value.findings):
        if one.category == CATEGORY and one.closeness == "container" and (one.args or one.binary):
            yield Exec(
                argv=one.args or (one.binary,),
                exe=one.binary,
                time=one.event_time,
                pointer=f"/evidence/related/value/findings/{n}",
            )
