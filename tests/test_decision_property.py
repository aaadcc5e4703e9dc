"""For any finding, evidence and policy: deleted exactly where an oracle of plain facts says that all is so.

The oracle knows the facts that a situation was made of, and nothing of the guards: it is written against the policy's
words, not against the code that reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from responder.decision import Situation, decide, would
from responder.evidence import Missing, OwnerChain, Project, Workload
from responder.policy import Exemption, Policy
from responder.ports import Brake
from responder.record import NO_PROGRAM, Confirmed, Triage
from tests.builders import EVENT_TIME, TARGET, a_recorded
from tests.sheets import UID, a_cluster, a_pod, a_proof, found
from tests.test_decision import (
    LINK,
    NOW,
    TOP,
    a_capture,
    a_link,
    a_project,
    a_situation,
    an_artifact,
    named,
    the_evidence,
)

REASONS = ("denied", "not_found", "timeout", "unavailable", "quota", "unverified", "broken", "not_asked")
ASKED = ("scc", "cluster", "project", "pod", "proof", "owners")
CONFIRMED: dict[str, tuple[Confirmed, ...]] = {
    "all": ("yes",),
    "many": ("yes",) * 250,
    "and a forged one": ("yes", "no"),
    "and one not asked": ("yes", "not_known"),
    "and many not asked": (*("yes",) * 100, *("not_known",) * 150),
    "a forged one alone": ("no",),
    "none asked": ("not_known",),
    "none": (),
}
"""SCC's word on each finding of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is so."""

    missing: frozenset[str]
    why: Any
    state: str
    mute: str
    minutes_old: int
    id: str
    number: str
    cluster_project: str
    newer: bool
    verdict: Any
    proof: Any
    other_uid: bool
    ending: bool
    static: bool
    kind: str
    ready: int | None
    mode: Any
    least: Any
    kinds: frozenset[str]
    age: int
    floor: int
    needs: frozenset[str]
    captures: bool
    capture: str
    intact: bool | None
    others: tuple[str, ...] | None
    namespace_protected: bool
    exempt: str
    sha256: str
    read_only: bool
    brake: str
    verified: int | None
    answered: str | None
    acted: bool | None
    confirmed: str
    project: str


GOOD: dict[str, Any] = {
    "missing": frozenset(), "why": "denied", "state": "ACTIVE", "mute": "UNDEFINED", "minutes_old": 10,
    "id": "acme-shop-prod", "number": "421458901689", "cluster_project": "acme-shop-prod", "newer": False,
    "verdict": "malicious", "proof": "proven", "other_uid": False, "ending": False, "static": False,
    "kind": "Deployment", "ready": 3, "mode": "auto", "least": "malicious", "kinds": frozenset({"Deployment"}),
    "age": 30, "floor": 1, "needs": frozenset({"scc", "pod", "proof"}), "captures": True, "capture": "kept",
    "intact": True, "others": (), "namespace_protected": False, "exempt": "", "sha256": "ab" * 32, "read_only": False,
    "brake": "off", "verified": 20, "answered": "", "acted": False, "confirmed": "all", "project": "the same",
}  # fmt: skip
OTHERS: dict[str, tuple[Any, ...]] = {
    "missing": tuple(frozenset({one}) for one in ASKED),
    "state": ("INACTIVE",),
    "mute": ("MUTED",),
    "minutes_old": (0, 29, 30, 31, 59, 60, 61, 1441),
    "id": ("acme-shop-test",),
    "number": ("421458901680",),
    "cluster_project": ("acme-shop-test",),
    "newer": (True,),
    "verdict": ("suspicious", "benign", "insufficient_data"),
    "proof": ("unproven", "replaced"),
    "other_uid": (True,),
    "ending": (True,),
    "static": (True,),
    "kind": ("StatefulSet", "DaemonSet"),
    "ready": (None, 0, 1, 2),
    "mode": ("off", "shadow", "approve"),
    "capture": ("none", "other pod", "denied", "distroless"),
    "intact": (False, None),
    "others": (("ab" * 16,), None),
    "namespace_protected": (True,),
    "exempt": ("namespace", "workload", "other"),
    "sha256": ("",),
    "read_only": (True,),
    "brake": ("on", "unknown"),
    "verified": (None, 119, 120, 121),
    "answered": (None, "another"),
    "acted": (None, True),
    "confirmed": tuple(CONFIRMED),
    "project": ("another id", "another number"),
}
"""What a fact may be instead; each is drawn alone or with one more, so that no guard hides behind another."""

POLICY = st.fixed_dictionaries(
    {
        "why": st.sampled_from(REASONS),
        "least": st.sampled_from(["suspicious", "malicious"]),
        "kinds": st.sampled_from([frozenset({"Deployment"}), frozenset({"Deployment", "StatefulSet", "DaemonSet"})]),
        "age": st.sampled_from([30, 60, 1440]),
        "floor": st.sampled_from([0, 1, 2]),
        "needs": st.sampled_from([frozenset(ASKED), frozenset({"scc", "pod", "proof"})]),
        "captures": st.booleans(),
    }
)


@st.composite
def drawn(draw: st.DrawFn) -> Facts:
    """Any policy, and a situation in which none, one or two facts are not good."""
    names = draw(st.lists(st.sampled_from(sorted(OTHERS)), max_size=2, unique=True))
    changed = {name: draw(st.sampled_from(OTHERS[name])) for name in names}
    return Facts(**(GOOD | draw(POLICY) | changed))


def situation(facts: Facts) -> Situation:
    """The facts as evidence, policy and what `act` asked."""
    top = TOP if facts.kind == "Deployment" else a_link(facts.kind, "checkout")
    top = top.model_copy(update={"ready_replicas": facts.ready})
    middle = a_link("ReplicaSet", "checkout-7d9f8c5b4", owner=named(top), replicas=None)
    links: tuple[Workload, ...] = (middle, top) if facts.kind == "Deployment" else (top,)
    pod = a_pod(
        owner=named(links[0]),
        static=facts.static,
        deletion_time=NOW if facts.ending else None,
        **({"uid": "99999999-0000-4000-8000-000000000000"} if facts.other_uid else {}),
    )
    link = LINK.replace("acme-shop-prod", facts.cluster_project)
    cluster = a_cluster(self_link=link, project_id=facts.cluster_project, newer_than_event=facts.newer)
    answers: dict[str, Any] = {
        "pod": found(pod),
        "cluster": found(cluster),
        "owners": found(OwnerChain(links=links, complete=True)),
        "proof": found(a_proof(verdict=facts.proof)),
        "project": found(
            Project(
                project_id="acme-other" if facts.project == "another id" else "acme-shop-prod",
                number="1" if facts.project == "another number" else "421458901689",
                display_name="",
                state="ACTIVE",
                labels={},
            )
        ),
    }
    evidence = the_evidence(**answers)
    scc = evidence.scc.value.model_copy(update={"state": facts.state, "mute": facts.mute})  # type: ignore[union-attr] # it is Found
    gone = Missing(why=facts.why, detail="a test")
    evidence = evidence.model_copy(update={"scc": found(scc)} | dict.fromkeys(facts.missing, gone))
    exemption = {
        "": (),
        "namespace": (Exemption(namespace="shop", why="x"),),
        "workload": (Exemption(kind=facts.kind, name="checkout", why="x"),),
        "other": (Exemption(namespace="ci", why="x"),),
    }[facts.exempt]
    project = a_project(id=facts.id, number=facts.number).model_copy(
        update={
            "remediate": facts.mode,
            "least_verdict": facts.least,
            "owner_kinds": tuple(sorted(facts.kinds)),
            "finding_age_minutes": facts.age,
            "ready_replicas": facts.floor,
            "required_evidence": tuple(sorted(facts.needs)),
            "capture": facts.captures,
            "protected_namespaces": ("shop",) if facts.namespace_protected else (),
            "exemption": exemption,
        }
    )
    captures = {
        "kept": a_capture(),
        "none": None,
        "other pod": a_capture(uid="88888888-0000-4000-8000-000000000000"),
        "denied": a_capture(impossible="the API server refused: denied: exec"),
        "distroless": a_capture(impossible=NO_PROGRAM),
    }
    base, now = a_situation(), EVENT_TIME + timedelta(minutes=facts.minutes_old)
    words = CONFIRMED[facts.confirmed]
    record = base.record.model_copy(
        update={
            "findings": tuple(a_recorded(key=f"1/{n}", confirmed=word) for n, word in enumerate(words)),
            "evidence": evidence,
            "triage": Triage(verdict=facts.verdict, summary="it is"),
            "capture": captures[facts.capture],
            "artifacts": (an_artifact("captured"),) if facts.capture == "kept" else (),
        }
    )
    brake = Brake(on=True, project="", why="drill", by="x@y.test", at=now) if facts.brake == "on" else None
    return replace(
        base,
        record=record,
        policy=Policy(project=(project,), sha256=facts.sha256),
        now=now,
        verified_at=None if facts.verified is None else now - timedelta(seconds=facts.verified),
        read_only=facts.read_only,
        brake_known=facts.brake != "unknown",
        brake=brake,
        answered_before=facts.answered,
        acted_before=facts.acted,
        captures_intact=facts.intact,
        others_waiting=facts.others,
    )


def all_is_so(f: Facts) -> bool:
    """The oracle: what the policy's reader would say, of the facts alone."""
    rank = {"malicious": 2, "suspicious": 1}
    # No fewer than none remain, even where this pod was not ready either.
    remain = None if f.ready is None else max(f.ready - 1, 0)
    # A container without the programs holds its pod: whoever is root there can remove them.
    captured = f.capture == "kept"
    return all(
        (
            (f.id, f.number) == ("acme-shop-prod", "421458901689"),
            f.cluster_project == "acme-shop-prod" and not f.newer and f.project == "the same",
            # Something was judged, and all of it is SCC's; what SCC does not have was not judged.
            f.confirmed in {"all", "many", "and a forged one"},
            not f.missing,
            (f.state, f.mute) == ("ACTIVE", "UNDEFINED"),
            f.minutes_old <= f.age,
            rank.get(f.verdict, 0) >= rank[f.least],
            f.proof == "proven" and not f.other_uid,
            not f.ending and not f.static,
            f.kind in f.kinds,
            f.kind == "DaemonSet" or (remain is not None and remain >= f.floor),
            not f.namespace_protected and f.exempt in {"", "other"},
            bool(f.sha256) and not f.read_only and f.brake == "off",
            f.verified is not None and f.verified <= 120,
            f.answered == "" and f.acted is False,
            not f.captures or (captured and f.intact is True and f.others == ()),
        )
    )


@settings(max_examples=2000, deadline=None)
@given(drawn())
@example(Facts(**(GOOD | {"ready": 0, "floor": 0})))
@example(Facts(**(GOOD | {"ready": 0, "floor": 1})))
def test_deleted_exactly_where_all_is_so(facts: Facts) -> None:
    s = situation(facts)
    decision = decide(s)
    is_so = all_is_so(facts)
    event("all is so" if is_so else "held")
    assert (decision.kind == "delete_pod") == (is_so and facts.mode == "auto"), (facts, decision.reasons)
    assert (decision.kind == "await_approval") == (is_so and facts.mode == "approve"), (facts, decision.reasons)
    if decision.kind == "delete_pod":
        assert decision.uid == UID
        assert all(guard.ok is True for guard in decision.guards)
    # What respond writes is never an effect, whatever is so.
    assert would(s).kind == "hold"


def test_the_oracle_lets_a_situation_through_whose_every_fact_is_good() -> None:
    good = Facts(**GOOD)
    assert all_is_so(good)
    assert decide(situation(good)).kind == "delete_pod", decide(situation(good)).reasons
    assert a_recorded().pods[0].name == TARGET.pod
