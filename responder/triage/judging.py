"""Steps 1 and 7: attack, build or unclear: what a senior analyst would say, with the reasons. Pure.

The score is `Rules.base` plus the weights of the signs, cut to 0-100; a verdict needs more than its score. *Malicious*
needs a decisive sign from outside the command line. *Benign* needs a named build that a second source confirms, or a
workload that two sources call a builder, and nothing strong against it. Whatever is missing is never taken for benign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from responder.record import RecordedFinding, Severity, Signal, Triage, Verdict
from responder.triage import captured, context, settle
from responder.triage.builds import Look, look, supported
from responder.triage.case import Case
from responder.triage.rules import BUILT_IN, TECHNIQUES, Rules
from responder.triage.sign import Sign, merged
from responder.triage.signals import of_activity
from responder.triage.tuning import NONE, Tuning, applied

__all__ = ["BUILT_IN", "NONE", "Case", "Rules", "Tuning", "judge", "telling"]

T1027_004: Final = "T1027.004"
STRONG: Final = 20
"""A sign of this weight stands against `benign` whatever else is known; from outside, one of 15 does."""
OUTSIDE: Final = 15

# What a command line looks like: explained where a workload is known to compile for a living. What it does is not.
_LOOKS: Final = frozenset({"A0", "A1", "A2", "A3", "A4", "A6", "A9", "A10", "A11", "A13", "A14", "T2", "W4", "P4"})

# Deeds that no build does: with them its name excuses nothing.
_UNDO: Final = frozenset({"R1", "R2", "P2", "P4", "P5", "A5", "A7", "L1", "L3", "H3"})


class _Judged(NamedTuple):
    verdict: Verdict
    rule: str
    severity: Severity


def telling(finding: RecordedFinding) -> int:
    """The score of one finding by its command lines alone: how much it says beside others of its record."""
    return judge(Case.of_commands((finding,))).score


def judge(case: Case, rules: Rules = BUILT_IN, tuning: Tuning = NONE) -> Triage:
    """The verdict on one record's findings together, or on one activity of a corpus."""
    rules = applied(rules, tuning)
    looks = look(case.execs)
    place = context.read(case, looks, tuning)
    confirmed = supported(looks, place.confirms, place.why)
    if confirmed != looks:
        looks, place = confirmed, context.read(case, confirmed, tuning)
    signs = merged((*of_activity(looks), *place.signs, *_builds(looks, place), *captured.signs(case.artifacts)))
    signals = _weighed(signs, rules, place)
    total = rules.base + sum(signal.weight for signal in signals)
    score = max(0, min(100, total))
    builds = _titles(looks)
    judged = _verdict(case, looks, signs, signals, score, rules, place)
    techniques: dict[str, None] = {T1027_004: None}
    if judged.verdict != "benign":
        excused = _LOOKS | place.explains if place.is_builder else frozenset[str]()
        for sign in signs:
            if sign.id not in excused:
                techniques.update(dict.fromkeys((*sign.techniques, *TECHNIQUES.get(sign.id, ()))))
    return Triage(
        verdict=judged.verdict,
        summary=_summary(judged, builds, signals, score),
        reasons=tuple(f"{signal.weight:+d} {signal.title}" for signal in signals if signal.weight),
        score=score,
        cut=score - total,
        base=rules.base,
        severity=judged.severity,
        rule=judged.rule,
        signals=signals,
        builds=builds,
        would_settle=settle.missing(case, looks, judged.verdict, place),
        techniques=tuple(techniques) if looks else (T1027_004,),
        rules=rules.version,
        tuning=tuning.said(case.now or case.start),
    )


# --- weighing ---------------------------------------------------------------------------------------------------------


def _weighed(signs: Sequence[Sign], rules: Rules, place: context.Place) -> tuple[Signal, ...]:
    weights = {sign.id: rules.weight(sign.id) for sign in signs}
    if place.is_builder:
        explained = sum(
            w for sign_id, w in weights.items() if w > 0 and (sign_id in _LOOKS or sign_id in place.explains)
        )
        weights["B3"] = -explained
        if explained:
            signs = [*signs, place.builder()]
    if weights.keys() & _UNDO:
        # A build's name is no excuse for a deed: it is still told, and weighs nothing.
        weights |= {sign_id: 0 for sign_id in ("B1", "B2") if sign_id in weights}
    if place.is_attack:
        weights = {sign_id: max(0, weight) for sign_id, weight in weights.items()}
    if place.reaches_node:
        against = sum(weight for weight in weights.values() if weight > 0) + weights.get("B3", 0)
        weights["X1"] = min(25, max(0, against) // 2)
    ordered = sorted(signs, key=lambda sign: (-abs(weights[sign.id]), sign.id))
    return tuple(
        Signal(
            id=sign.id,
            title=sign.text,
            weight=weights[sign.id],
            source=sign.source,
            evidence=sign.evidence,
            outside=sign.outside,
        )
        for sign in ordered
    )


def _builds(looks: Sequence[Look], place: context.Place) -> Iterator[Sign]:
    for one in _relevant(looks):
        named = one.named
        if named is None:
            continue
        at = (one.exec.pointer,) if one.exec.pointer else ()
        if named.believed:
            at = (*at, *(place.evidence if named.second == place.why else ()))
            yield Sign(id="B1", text=f"{named.title}: {named.second}", evidence=at, outside=True)
        elif not one.ancestors:
            text = f"looks like {named.title}, which the command line alone can pretend"
            yield Sign(id="B2", text=text, evidence=at)


def _relevant(looks: Sequence[Look]) -> tuple[Look, ...]:
    """What the verdict is about: what builds; else the probes; else what a driver that was not seen has started."""
    building = tuple(one for one in looks if one.is_judged)
    if building:
        return building
    probes = tuple(one for one in looks if one.build.tool and not one.build.is_child)
    return probes or tuple(one for one in looks if one.build.tool)


def _titles(looks: Sequence[Look]) -> tuple[str, ...]:
    """The builds that are believed, each once, in the order of the activity."""
    named = (one.named for one in _relevant(looks))
    return tuple(dict.fromkeys(one.title for one in named if one is not None and one.believed))[:8]


# --- the verdict ------------------------------------------------------------------------------------------------------


def _verdict(
    case: Case,
    looks: Sequence[Look],
    signs: Sequence[Sign],
    signals: Sequence[Signal],
    score: int,
    rules: Rules,
    place: context.Place,
) -> _Judged:
    del case
    decisive = any(sign.decisive for sign in signs)
    weights = {signal.id: signal.weight for signal in signals}
    if place.is_attack or (decisive and score >= rules.malicious):
        severity: Severity = "CRITICAL" if place.reaches_node or place.is_attack else "HIGH"
        return _Judged("malicious", "decisive evidence from outside the command line", severity)
    if score >= rules.suspicious:
        outside = any(signal.outside and signal.weight > 0 for signal in signals)
        rule = (
            "more speaks for an attack than for a build" if outside else "the command line alone; it proves no attack"
        )
        return _Judged("suspicious", rule, "HIGH" if place.reaches_node else "MEDIUM")
    excused = _LOOKS | place.explains if weights.get("B3", 0) else frozenset()
    against = _against(signals, excused)
    reason = _benign(looks, place)
    if reason and score <= rules.benign and not against:
        return _Judged("benign", reason, "LOW")
    rule = "a build is likely, and something stands against it" if reason else "nothing tells an attack from a build"
    return _Judged("insufficient_data", rule, "MEDIUM" if place.reaches_node else "LOW")


def _against(signals: Sequence[Signal], excused: frozenset[str]) -> bool:
    return any(
        signal.id not in excused
        and (signal.weight >= STRONG or (signal.outside and signal.weight >= OUTSIDE))
        and signal.id != "X1"
        for signal in signals
    )


def _benign(looks: Sequence[Look], place: context.Place) -> str:
    relevant = _relevant(looks)
    if relevant and all(one.is_explained for one in relevant):
        return "a named build, and a second source agrees"
    if relevant and place.is_builder:
        return "an expected builder, by two sources"
    return ""


def _summary(judged: _Judged, builds: Sequence[str], signals: Sequence[Signal], score: int) -> str:
    speaks = sorted(
        (s for s in signals if s.weight), key=lambda s: s.weight, reverse=judged.verdict in {"malicious", "suspicious"}
    )
    first = "; ".join(signal.title for signal in speaks[:2])
    what = f" ({', '.join(builds[:3])})" if builds else ""
    word = judged.verdict.replace("_", " ")
    return f"{word}{what}, score {score}: {first or judged.rule}"


def without(rules: Rules, sign: str) -> Rules:
    """The rules as if a sign did not exist: what it is worth."""
    return replace(rules, version=f"{rules.version} without {sign}", weights={**rules.weights, sign: 0})
