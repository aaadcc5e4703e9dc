"""What `act` calls, at its least: two guards, a capture of nothing, and a verdict of none. Its order is its own.

`responder.act`, `responder.removing` and `responder.looking` are the product's; what they call in between is not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, Final

from responder.decision import Situation
from responder.evidence import Found, Pod
from responder.policy import Policy, ProjectPolicy
from responder.ports import Access, Acting, World
from responder.record import Artifact, Capture, Decision, Record
from tests.builders import EVENT_TIME
from tests.proof import light

_SUBJECT: Final = light.TEMPLATE.provenance.subject
_PROJECT: Final = ProjectPolicy(
    id=_SUBJECT.project_id, number=_SUBJECT.project_number, remediate="auto", watch_minutes=1
)
POLICY: Final = Policy(project=(_PROJECT,))
_CAPTURE: Final = Capture(
    at=EVENT_TIME, finished=EVENT_TIME, uid="", namespace="shop", pod="checkout", container="app", node="node",
    image_digest="", identity="collector", responder="test",
)  # fmt: skip


def decide(situation: Situation) -> Decision:
    """Brake, finding, pod, capture, and what was done before; the other guards are asked elsewhere."""
    record, evidence = situation.record, situation.record.evidence
    uid = evidence.proof.value.uid if isinstance(evidence.proof, Found) else ""
    says = {
        "policy": situation.policy.of_subject(record.provenance.subject) is not None,
        "brake": situation.brake_known and situation.brake is None,
        "finding": isinstance(evidence.scc, Found),
        "pod": uid != "" and isinstance(evidence.pod, Found) and evidence.pod.value.uid == uid,
        "capture": record.capture is not None and record.capture.uid == uid and situation.captures_intact is True,
        "before": situation.acted_before is False and situation.answered_before == "",
    }
    no = tuple(name for name, ok in says.items() if not ok)
    kind = {"kind": "hold"} if no else {"kind": "delete_pod", "uid": uid}
    return _DECISION.model_copy(update=kind | {"reasons": no or ("all say yes",)})


_DECISION: Final = Decision(reasons=(), mode="auto", made_by="act", grace_seconds=5)


def may_enter(situation: Situation) -> tuple[str, ...]:
    """Why the pod is not to be entered."""
    return () if situation.brake_known and situation.brake is None else ("brake",)


def seize(
    collector: Callable[[str], None], _acting: Acting, _record: Record, _findings: object, pod: Pod, *, now: Any
) -> tuple[Capture, tuple[Artifact, ...]]:
    """A capture that took nothing."""
    collector(pod.uid)
    at: datetime = now()
    return _CAPTURE.model_copy(update={"uid": pod.uid, "at": at, "finished": at}), ()


def access(_world: World, _record: Record) -> Access:
    """The way into the only cluster."""
    return light.ACCESS


def _none(*_: Any, **__: Any) -> Any:
    return None


def parts(pipeline: ModuleType, removing: ModuleType) -> dict[str, Any]:
    """What takes the place of what `responder.act` imports."""
    return {
        "pipeline": pipeline,
        "removing": removing,
        "gather": light.gather,
        "custody": SimpleNamespace(intact=lambda *_: True),
        "seizing": SimpleNamespace(seize=seize, is_worth_another=lambda _: False),
        "log": SimpleNamespace(write=_none),
        "decide": decide,
        "may_enter": may_enter,
        "binding": lambda _: "binding",
    }


def parts_of_removing(made: ModuleType) -> dict[str, Any]:
    """What takes the place of what `responder.removing` imports; `made` is `responder.compose`."""
    return {
        "finish": partial(light.finish, made),
        "access": access,
        "replacement": _none,
        "compiles_again": lambda *_: "",
    }
