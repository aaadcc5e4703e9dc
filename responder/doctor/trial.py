"""A synthetic finding all the way: published as SCC would, then awaited in the store. Touches both by its ports.

It can never lead to an action. Its id begins with `finding.TEST_MARK`, for which the guard `not-a-test` says no, and it
is not in Security Command Center, whose word every other step waits for. Both hold without the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from responder.doctor import detector
from responder.doctor.facts import NotificationConfig
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.errors import StoreError
from responder.evidence import Found
from responder.finding import CATEGORY, TEST_MARK
from responder.ports import RecordQuery, Records
from responder.record import Record

_EVERY: Final = 2.0
"""Seconds between two looks into the store."""
_NAMESPACE: Final = "responder-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`publish` takes a topic and bytes, and raises Unanswered. `token` is 32 hexadecimal digits of its own.

    `seconds` is how long the record is waited for; `monotonic` and `sleep` are the clock for that.
    """

    publish: Callable[[str, bytes], None]
    records: Callable[[], Records]
    token: str
    seconds: float
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


def notification(parent: str, project: str, token: str, now: datetime) -> bytes:
    """What SCC publishes for a finding of ours, in the form of v2; its cluster and its pod are nobody's."""
    source = f"{parent}/sources/0/locations/global"
    time = now.isoformat().replace("+00:00", "Z")
    pod = {"ns": _NAMESPACE, "name": _pod(token), "containers": [{"name": "none"}]}
    finding: dict[str, Any] = {
        "name": f"{source}/findings/{TEST_MARK}{token}",
        "parent": source,
        "parentDisplayName": "Container Threat Detection",
        "resourceName": f"//container.googleapis.com/projects/{project}/locations/europe-west1/clusters/{_NAMESPACE}",
        "state": "ACTIVE",
        "category": CATEGORY,
        "severity": "LOW",
        "findingClass": "THREAT",
        "eventTime": time,
        "createTime": time,
        "description": "A test of the responder's doctor: no program ran.",
        "processes": [{"name": "gcc", "binary": {"path": "/usr/bin/gcc"}, "args": ["gcc", "--version"]}],
        "kubernetes": {"pods": [pod]},
    }
    resource = {"name": finding["resourceName"], "type": "google.container.Cluster"}
    return json.dumps({"finding": finding, "resource": resource}).encode()


def run(case: Case, trial: Trial) -> Iterator[Line]:
    """Publish to the topic of the notification config, and wait."""
    configs = [one for one in detector.configs(case) if isinstance(one, NotificationConfig)]
    check = Check("test.publish", configs[0].pubsub_topic if configs else case.settings.scc_parent)
    if not configs:
        yield check.unchecked("there is no notification config that names a topic", "mend what is wrong above first")
        return
    sent: list[bool] = []

    def ask() -> Iterator[Line]:
        data = notification(case.settings.scc_parent, case.projects[0], trial.token, case.now())
        trial.publish(configs[0].pubsub_topic, data)
        sent.append(True)
        yield check.ok(f"a marked finding was published: {TEST_MARK}{trial.token}")

    yield from check.asking(ask, gone=("the topic is not there", "create it, or name another in the config"))
    if sent:
        yield _waited(case, trial)


def _waited(case: Case, trial: Trial) -> Line:
    check = Check("test.record", f"{TEST_MARK}{trial.token}")
    began = trial.monotonic()
    while trial.monotonic() - began < trial.seconds:
        try:
            record = _found(trial, case.projects[0])
        except StoreError as error:
            return check.unchecked(str(error), "grant yourself the role reader, and run it again")
        if record is not None:
            return _judged(check, record, trial.monotonic() - began)
        trial.sleep(_EVERY)
    detail = f"no record of it within {trial.seconds:g} s: what is published does not arrive, or is not recorded"
    return check.wrong(detail, "look at the function's log, then at the dead letters: responder dead-letters list")


def _found(trial: Trial, project: str) -> Record | None:
    """The finished record of the trial's pod, whose name nobody else has."""
    records = trial.records()
    for line in records.list(RecordQuery(project=project, limit=50)):
        if line.subject.pod == _pod(trial.token) and line.stage == "finished":
            return records.load(line.id)
    return None


def _judged(check: Check, record: Record, seconds: float) -> Line:
    if record.decision.kind != "hold" or record.decision.would != "hold" or isinstance(record.evidence.scc, Found):
        mend = "pull the brake (responder brake on --why …) and report it: a test must be held"
        return check.wrong(f"record {record.id} of a test was not held", mend)
    return check.ok(f"record {record.id} after {seconds:.0f} s, held: SCC does not have it, as it must be")


def _pod(token: str) -> str:
    return f"{_NAMESPACE}-{token}"
