"""Findings of one command in one group: what the guards ask of each is asked of those that joined a group as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from responder import notification, pipeline
from responder.finding import TEST_MARK
from responder.ports import Delivery
from responder.record import Record
from tests.scene import AUTO, SCENARIOS, Scene, scene

FIRST = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
SUSPICIOUS = AUTO | {"least_verdict": '"suspicious"'}


def like_the_first(key: str = "b" * 32, **changes: Any) -> dict[str, Any]:
    """The demo's notification under another id, with `changes` to its finding."""
    text = (SCENARIOS / "attack-web-pod.notification.json").read_text(encoding="utf-8")
    told: dict[str, Any] = json.loads(text.replace(FIRST, key))
    told["finding"] |= changes
    return told


def two_pods() -> dict[str, Any]:
    kubernetes = like_the_first()["finding"]["kubernetes"]
    (pod,) = kubernetes["pods"]
    return {"kubernetes": kubernetes | {"pods": [pod, pod | {"name": "checkout-7d9f8c5b4-q7l2m"}]}}


def joins(here: Scene, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    finding = notification.read(data)
    assert finding is not None
    pipeline.respond(here.world, finding, Delivery(data=data, message_id="2", received=here.lab.now()))
    assert sum(one.count for one in here.record.findings) == 2


def noes(record: Record) -> list[str]:
    return [one.name for one in record.decision.guards if one.ok is not True]


def test_a_second_finding_that_is_like_the_first_in_all_is_of_its_group_and_holds_nothing(tmp_path: Path) -> None:
    first, second = like_the_first(FIRST), like_the_first()
    with scene(tmp_path, SUSPICIOUS, told=first, scc=[first, second]) as here:
        joins(here, second)
        assert (len(here.record.findings), noes(here.act())) == (1, [])
        assert here.deletes() == [here.uid]


@pytest.mark.parametrize(
    ("second", "guard"),
    [
        (like_the_first(mute="MUTED"), "finding-active"),
        (like_the_first(state="INACTIVE"), "finding-active"),
        (like_the_first(**two_pods()), "one-pod"),
        (like_the_first(TEST_MARK + "0" * 19), "not-a-test"),
    ],
    ids=["muted", "not active", "names two pods", "a test"],
)
def test_a_second_finding_of_the_same_command_hides_nothing_that_a_guard_asks(
    tmp_path: Path, second: dict[str, Any], guard: str
) -> None:
    first = like_the_first(FIRST)
    with scene(tmp_path, SUSPICIOUS, told=first, scc=[first, second]) as here:
        joins(here, second)
        assert guard in noes(here.act())
        assert here.deletes() == []


def test_a_second_finding_that_was_muted_in_scc_and_not_published_as_such_holds_too(tmp_path: Path) -> None:
    first = like_the_first(FIRST)
    with scene(tmp_path, SUSPICIOUS, told=first, scc=[first, like_the_first(mute="MUTED")]) as here:
        joins(here, like_the_first())
        assert noes(here.act()) == ["finding-active"]
        assert here.deletes() == []
