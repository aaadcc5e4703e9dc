"""Steps 5 and 7, the lab's side: `act` in a chaos. Its policy, the points at which it may die, and what must hold.

The judge goes by the cluster's journal: which pods were asked to end and which ended, whatever a record says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lab.rbac import REMEDIATOR
from lab.scenario import Scenario

if TYPE_CHECKING:
    from responder.ports import Records

POINTS: Final = tuple(
    f"{call}.{side}"
    for call in (
        "actions.brake", "actions.intend", "actions.send", "actions.settle", "actions.of_record", "records.renew",
        "kubernetes.rehearse", "kubernetes.delete", "remove",
    )
    for side in ("before", "after")
)  # fmt: skip
"""The points that an answer passes, beyond those of an investigation."""

LEAST_ENDED: Final = 10
_NOT_NOW: Final = 429
_ALL: Final = 10_000_000
_PROJECT: Final = """
[[project]]
id = "{id}"
number = "{number}"
remediate = "auto"
least_verdict = "suspicious"
owner_kinds = ["Deployment", "StatefulSet"]
required_evidence = ["scc", "pod", "proof"]
finding_age_minutes = 1440
ready_replicas = 0
watch_minutes = 1
[project.per_hour]
project = 1000
namespace = 1000
workload = 100
"""


def policy(scenario: Scenario) -> str:
    """A policy.toml that lets `act` delete in every project."""
    return "".join(_PROJECT.format(id=one.id, number=one.number) for one in scenario.projects)


def of_their_own(scenario: Scenario) -> Scenario:
    """The scenario with a workload for each pod: one workload with one image is answered once.

    Every other one is a StatefulSet, so that what comes in a pod's place has its name. The pods have what the findings
    say of them, since a pod that is not proven is left alone.
    """
    made = scenario.model_dump()
    said = scenario.findings[0].data["finding"]["kubernetes"]["pods"][0]["containers"][0]
    for cluster in made["clusters"]:
        like = {workload["kind"]: workload for workload in cluster["workloads"]}
        workloads = []
        for n, pod in enumerate(cluster["pods"]):
            name = f"checkout{n}"
            pod["owner"] = f"StatefulSet/{name}" if n % 2 else f"ReplicaSet/{name}-7d9f8c5b4"
            pod["created"] = said["createTime"]
            pod["containers"] = [
                one | {"image": said["uri"], "image_id": said["imageId"], "started": said["createTime"]}
                for one in pod["containers"]
            ]
            workloads += (
                [
                    like["Deployment"] | {"kind": "StatefulSet", "name": name},
                ]
                if n % 2
                else [
                    like["Deployment"] | {"name": name},
                    like["ReplicaSet"] | {"name": f"{name}-7d9f8c5b4", "owner": f"Deployment/{name}"},
                ]
            )
        cluster["workloads"] = workloads
    return Scenario.model_validate(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a record says of its pod."""

    id: str
    outcome: str
    uids: tuple[str, ...]
    pod: str
    reasons: tuple[str, ...]


def answered(records: Records) -> tuple[Answered, ...]:
    """Every record's word."""
    from responder.ports import RecordQuery  # noqa: PLC0415 - heavy

    found = (records.load(line.id) for line in records.list(RecordQuery(limit=_ALL)))
    return tuple(
        Answered(
            id=record.id,
            outcome=record.outcome.kind,
            uids=tuple(action.uid for action in record.actions),
            pod=record.provenance.subject.pod,
            reasons=record.decision.reasons if record.outcome.kind == "held" else (),
        )
        for record in found
        if record is not None
    )


def problems(told: Sequence[Answered], journal: Iterable[Mapping[str, Any]]) -> list[str]:
    """What does not hold, in words: wrong pods, second deletes, and words that are not so.

    A pod is known by its UID: one that came in another's place is no finding's, whatever its name.
    """
    calls = list(journal)
    ended = {str(one["uid"]): str(one["name"]) for one in calls if one["call"] == "cluster.pod.terminating"}
    sent = [one for one in calls if not _is_rehearsal(one)]
    asked = Counter(str(one["name"]) for one in sent if one["call"] == "kubernetes.delete.pods")
    # A no for now was read, and nothing was done: such a request may be followed by another.
    asked -= Counter(str(one["name"]) for one in sent if one["call"] == "cluster.refused" and one["code"] == _NOT_NOW)
    others = {str(one["user"]) for one in calls if one["call"] == "kubernetes.delete.pods"} - {REMEDIATOR}
    born = {str(one["uid"]) for one in calls if one["call"] == "cluster.pod.created"}
    known = {uid for one in told for uid in one.uids}
    named = {one.pod for one in told}
    lies = [one.id for one in told if one.outcome == "deleted" and not set(one.uids) & ended.keys()]
    silent = [uid for uid in ended if uid not in known]
    return [
        *([f"only {len(ended)} pods were ended: nothing is proven"] if len(ended) < LEAST_ENDED else []),
        *([f"deletes were sent by {', '.join(sorted(others))}"] if others else []),
        *(f"{name} was asked to end {times} times" for name, times in asked.items() if times > 1),
        *(f"{name} was ended, and no finding names it" for name in ended.values() if name not in named),
        *(f"{ended[uid]} was ended by the UID {uid}, which came in its place" for uid in sorted(ended.keys() & born)),
        *(f"{uid} was ended, and no record says so" for uid in silent[:3]),
        *(f"record {one} says deleted, and nothing was" for one in lies[:3]),
    ]


def summary(told: Sequence[Answered], journal: Iterable[Mapping[str, Any]]) -> str:
    """How many ended, and what the records say."""
    ended = sum(one["call"] == "cluster.pod.terminating" for one in journal)
    kinds = Counter(one.outcome for one in told).most_common()
    why = Counter(reason for one in told for reason in one.reasons).most_common(4)
    said = f"{ended} pods ended; the records say {', '.join(f'{count} {kind}' for kind, count in kinds)}"
    return said + (f"; held for {'; '.join(f'{reason} ({count})' for reason, count in why)}" if why else "")


def _is_rehearsal(entry: Mapping[str, Any]) -> bool:
    body = entry.get("body")
    return isinstance(body, dict) and bool(body.get("dryRun"))
