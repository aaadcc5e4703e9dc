"""The judge of a chaos in which `act` deletes: it knows a pod by its UID, and says what is not so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lab import acting
from lab.acting import Answered
from lab.rbac import REMEDIATOR


def _journal(count: int, *more: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    ended = [_ended(f"u{number}", f"p{number}") for number in range(count)]
    asked = [_asked(f"p{number}") for number in range(count)]
    return [*ended, *asked, *more]


def _ended(uid: str, name: str) -> Mapping[str, Any]:
    return {"call": "cluster.pod.terminating", "uid": uid, "name": name}


def _asked(name: str, user: str = REMEDIATOR) -> Mapping[str, Any]:
    return {"call": "kubernetes.delete.pods", "name": name, "user": user, "body": {}}


def _told(count: int) -> list[Answered]:
    one = Answered(id="", outcome="deleted", uids=(), pod="", reasons=())
    return [replace(one, id=f"r{number}", uids=(f"u{number}",), pod=f"p{number}") for number in range(count)]


def test_what_is_so_is_no_problem() -> None:
    born = {"call": "cluster.pod.created", "uid": "next", "name": "p0"}
    assert acting.problems(_told(12), _journal(12, born)) == []


def test_a_pod_that_came_in_anothers_place_is_no_findings_whatever_its_name() -> None:
    born = {"call": "cluster.pod.created", "uid": "next", "name": "p0"}
    told = [*_told(12), replace(_told(1)[0], id="other", uids=("next",))]
    found = acting.problems(told, _journal(12, born, _ended("next", "p0")))
    assert found == ["p0 was ended by the UID next, which came in its place"]


def test_each_lie_and_each_second_request_is_said() -> None:
    assert acting.problems(_told(3), _journal(3)) == ["only 3 pods were ended: nothing is proven"]
    assert acting.problems(_told(12), _journal(12, _asked("p1"))) == ["p1 was asked to end 2 times"]
    assert acting.problems(_told(12), _journal(12, _asked("p99", "other@acme"))) == [
        "deletes were sent by other@acme",
    ]
    assert acting.problems(_told(12), _journal(11)) == ["record r11 says deleted, and nothing was"]
    assert acting.problems(_told(12), _journal(13)) == [
        "p12 was ended, and no finding names it",
        "u12 was ended, and no record says so",
    ]


def test_a_request_after_one_that_was_refused_for_now_is_the_first_and_a_third_is_the_second() -> None:
    no = {"call": "cluster.refused", "name": "p1", "code": 429, "body": {}}
    assert acting.problems(_told(12), _journal(12, no, _asked("p1"))) == []
    assert acting.problems(_told(12), _journal(12, no, _asked("p1"), _asked("p1"))) == ["p1 was asked to end 2 times"]
    for other in (no | {"code": 503}, no | {"code": 403}, no | {"name": "p2"}, no | {"body": {"dryRun": ["All"]}}):
        found = acting.problems(_told(12), _journal(12, other, _asked("p1")))
        assert found == ["p1 was asked to end 2 times"], other


def test_every_other_pod_is_of_a_kind_whose_next_has_its_name() -> None:
    from lab.turmoil import scenario, traffic  # noqa: PLC0415 - heavy

    made = acting.of_their_own(scenario(traffic(1, 200)))
    owners = [pod.owner.partition("/")[0] for cluster in made.clusters for pod in cluster.pods]
    assert {"StatefulSet", "ReplicaSet"} == set(owners)
