"""Steps 1 to 5: what each step of the runbook asks for, and whether the evidence has it. Pure.

A part that is there but less than the page asks for (a log that was cut, a node without its id) has a `lack`: its step
is then not `done`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from responder.evidence import AuditExtract, Found, LogExtract, Missing
from responder.finding import TOLD_FIELDS
from responder.runbook.commands import files_to_copy
from responder.runbook.known import Known


class Part(NamedTuple):
    """One thing that a step asks for. `pointer` is a JSON pointer into the record."""

    label: str
    pointer: str
    found: bool
    lack: str = ""

    @property
    def words(self) -> str:
        """What is missing, with the reason; ``""`` where nothing is."""
        return f"{self.label}: {self.lack}" if self.lack else ""


def answer(label: str, field: str, given: Found[Any] | Missing, lack: str = "") -> Part:
    """The answer to one question of `Evidence`; `lack` is why a found one is less than was asked for."""
    pointer = f"/evidence/{field}"
    if isinstance(given, Found):
        return Part(label, pointer, found=True, lack=lack)
    mend = f"; to mend it: {given.mend}" if given.mend else ""
    again = f"; worth asking again after {_time(given.retry_at)}" if given.retry_at else ""
    return Part(label, pointer, found=False, lack=f"{given.why}: {given.detail}{mend}{again}")


def finding(known: Known) -> list[Part]:
    """Step 1: the nine fields, the finding as SCC has it, and the others of its time."""
    never = Missing(why="not_asked", detail="the notification was not read for it")
    evidence = known.evidence
    differ = {one.field: f"told differently by {' and '.join(one.values)}" for one in known.finding.conflicts}
    told = [answer(n, f"told/{n}", evidence.told.get(n, never), differ.pop(n, "")) for n in TOLD_FIELDS]
    told += [Part(field, "/findings", found=True, lack=lack) for field, lack in differ.items()]
    cut = isinstance(evidence.related, Found) and evidence.related.value.truncated
    related = answer("related findings", "related", evidence.related, "SCC has more than were read" if cut else "")
    return [*told, answer("the finding in SCC", "scc", evidence.scc), related]


def cluster(known: Known) -> list[Part]:
    """Step 2: the cluster with its owner's labels, the node with its instance id."""
    evidence = known.evidence
    newer = isinstance(evidence.cluster, Found) and evidence.cluster.value.newer_than_event
    made = answer(
        "the cluster",
        "cluster",
        evidence.cluster,
        "it was created after the event: another of the name" if newer else "",
    )
    lack = ""
    if isinstance(evidence.node, Found):
        node = evidence.node.value
        if node.recreated:
            lack = "it was created after the event: another of the name"
        elif not node.instance_id:
            lack = "it has no instance id, which the node's log is found by"
        elif node.known_by == "finding":
            lack = "only the finding tells of it"
    return [made, answer("the node", "node", evidence.node, lack)]


def pod(known: Known) -> list[Part]:
    """Step 3: the pod, that it is the finding's, and its owners to the top."""
    owners, lack = known.evidence.owners, ""
    if isinstance(owners, Found) and not owners.value.complete:
        lack = f"the chain is not complete: {owners.value.broken_by or 'a link is missing'}"
    return [
        answer("the pod", "pod", known.evidence.pod),
        proof(known),
        answer("the owner chain", "owners", owners, lack),
    ]


def proof(known: Known) -> Part:
    """Whether the pod in the cluster is the finding's."""
    given, lack = known.evidence.proof, ""
    if isinstance(given, Found) and given.value.verdict != "proven":
        lack = known.doubt or known.untouchable
    # Found or not, the label must not claim that it is: the check may have said no.
    return answer("whether it is the finding's pod", "proof", given, lack)


def logs(known: Known) -> list[Part]:
    """Step 4: the page's three queries, read to their end."""
    evidence = known.evidence
    return [
        answer("the pod's log", "pod_log", evidence.pod_log, _cut(evidence.pod_log)),
        answer("the audit log", "audit_log", evidence.audit_log, _cut(evidence.audit_log)),
        answer("the node's log", "node_log", evidence.node_log, _cut(evidence.node_log)),
    ]


def paths(known: Known) -> Part:
    """Step 5: what there is to copy."""
    count = len(files_to_copy(known.finding)[0])
    return Part(
        "paths to copy", "/findings", found=count > 0, lack="" if count else "no absolute path is in the finding"
    )


def running(known: Known) -> Part:
    """Step 5: whether the container runs, without which nobody can enter it."""
    given, lack = known.evidence.pod, ""
    if isinstance(given, Found):
        state = next((c.state for c in given.value.containers if c.name == known.container), "")
        if not state:
            lack = "the pod has no container of that name"
        elif state != "running":
            lack = f"its state is {state}: cp and exec work in a running container only"
        elif given.value.deletion_time:
            lack = f"the pod is being deleted since {_time(given.value.deletion_time)}: hurry"
    return answer("the container", "pod", given, lack)


def _cut(given: Found[LogExtract] | Found[AuditExtract] | Missing) -> str:
    if isinstance(given, Found) and given.value.truncated:
        return f"cut after {given.value.read} entries: there are more in the window"
    return ""


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
