# ruff: noqa: ARG002 - a mistake does not look at what it is handed
"""The unsafe variants of `act`, of its store and of its request, each found by a few orders of events."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Final

from responder import act, compose, removing
from responder.ports import Intended
from tests.proof import light_act
from tests.proof.actions import MemoryActions
from tests.proof.mutants import SOURCES, Mutant, edited, variant
from tests.proof.play import InCluster, Subject
from tests.proof.schedule import Event


def acting(pipeline: ModuleType, *edits: tuple[str, str]) -> ModuleType:
    """`responder.act` and `responder.removing` around that pipeline, each old text replaced that stands in them."""
    for old, _ in edits:
        assert any(old in SOURCES[one] for one in (act, removing)), f"the source has changed: it has no {old!r}"
    rest, module = edited(removing, edits), edited(act, edits)
    _put(rest, light_act.parts_of_removing(compose))
    _put(module, light_act.parts(pipeline, rest))
    return module


def _put(made: ModuleType, stand_ins: dict[str, object]) -> None:
    for name, stand_in in stand_ins.items():
        assert hasattr(made, name), f"{made.__name__} has changed: it calls no {name}"
        setattr(made, name, stand_in)


class SentAgain(MemoryActions):
    """A request that may have left is sent again."""

    def _may_send(self, found: Intended) -> bool:
        return True


class ByName(InCluster):
    """The request ends whichever pod has the name."""

    def _is_there(self, uid: str) -> None:
        if self._play.uid:
            super()._is_there(self._play.uid)


_ALONE: Final[tuple[tuple[Event, ...], ...]] = (("act",),)
_MISTAKES: Final[dict[str, tuple[tuple[str, str], tuple[tuple[Event, ...], ...]]]] = {
    "the request is sent and not noted before": (
        (
            "mine, taken = acting.actions.send(key, sent_at, decision.method, decision.binding), False",
            "mine, taken = True, False",
        ),
        _ALONE,
    ),
    "the brake is not asked in the last moment": (("    _let_go(acting, record)", "    pass"), (("act", "brake"),)),
    "a request that was sent is taken for done": (
        (
            "outcome = _looked(world, acting, kube, record, done, mine=mine)",
            'outcome = Outcome(kind="deleted", detail="it was sent", at=world.now())',
        ),
        _ALONE,
    ),
    "a request without an answer is taken for failed": (
        (
            'world.records.count("act.unconfirmed")',
            'return _refused(world, acting, claim, record, Refused("broken", "no answer"))',
        ),
        _ALONE,
    ),
    "a request without an answer is sent again": (
        (
            'world.records.count("act.unconfirmed")',
            'return _put_off(world, acting, claim, record, Refused("unavailable", "no answer", retry=True), sent_at)',
        ),
        _ALONE,
    ),
    "a no for now is taken for the last word": (("            if error.retry:\n", "            if False:\n"), _ALONE),
    "what was refused for now is not taken back": (
        ("    acting.actions.unsend(key, sent_at, error.detail, world.now())\n", ""),
        _ALONE,
    ),
    "the policy is not read again before the decision": (
        ("not by that of before the capture.\n    policy = policy_of(world)", "not by another."),
        (("act", "policy off"),),
    ),
    "what was seen for good is looked at anew": (
        ('    if done.state == "settled":\n        outcome = _settled', "    if False:\n        outcome = _settled"),
        (("act", "pod replaced"),),
    ),
}


def mutants() -> Iterator[Mutant]:
    """All of them."""
    pipeline = variant()
    sound = acting(pipeline)
    name = (SentAgain.__doc__ or "").rstrip(".")
    subject = Subject(name=name, pipeline=pipeline, acting=sound, actions=SentAgain, swept=True)
    yield Mutant(subject, (("act", "act overtaken"),))
    name = (ByName.__doc__ or "").rstrip(".")
    subject = Subject(name=name, pipeline=pipeline, acting=sound, remover=ByName, swept=True)
    yield Mutant(subject, (("act", "pod replaced"),))
    # What was taken is saved twice before the request: at once, and with the decision.
    name = "what was taken is saved with the outcome"
    edits = (("removing.kept(world, claim, taken)", "pass"), ("record = _about_to_send(world, claim, record)", "pass"))
    subject = Subject(name=name, pipeline=pipeline, acting=acting(pipeline, *edits), swept=True)
    yield Mutant(subject, _ALONE)
    for name, (edit, orders) in _MISTAKES.items():
        yield Mutant(Subject(name=name, pipeline=pipeline, acting=acting(pipeline, edit), swept=True), orders)
