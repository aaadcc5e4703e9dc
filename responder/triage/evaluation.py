"""How good the judgement is: a corpus judged, a confusion matrix, the misses, what each sign is worth. Pure.

The unit is one activity: a scenario, or a line. The parents and the working directory are second sources. Rows for
macOS alone and rows without a compiler are left out, identical rows count once, and a bare `make` is undecidable.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from responder import compiler
from responder.record import Triage, Verdict
from responder.triage.case import Case
from responder.triage.judging import judge, without
from responder.triage.rules import BUILT_IN, WEIGHTS, Rules

VERDICTS: Final[tuple[Verdict, ...]] = ("malicious", "suspicious", "insufficient_data", "benign")
_FLAGGED: Final = frozenset({"malicious", "suspicious"})
_SEPARATORS: Final = frozenset({"&&", "||", ";", "|", "&", "\n", "(", ")", ";;", "|&"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One unit: `label` is `malicious` or `benign`. `has_second`: somebody's parents are known."""

    name: str
    label: str
    kind: str
    case: Case
    has_second: bool
    undecidable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An activity and what was said of it."""

    activity: Activity
    triage: Triage


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The six figures: counts, then shares from 0 to 1 (1.0 where there was nothing to share)."""

    activities: int
    malicious_called_benign: int
    benign_called_malicious: int
    malicious_flagged: float
    benign_called_benign: float
    benign_named: float

    def as_json(self) -> str:
        """One line."""
        return json.dumps({name: getattr(self, name) for name in self.__dataclass_fields__})


def activities(rows: Iterable[Mapping[str, Any]]) -> tuple[Activity, ...]:
    """The units of a corpus, in its order."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for n, row in enumerate(rows):
        label = _label(row)
        if label and not _is_foreign(row):
            key = (label, "scenario", str(row["scenario"])) if row.get("scenario") else (label, "line", str(n))
            groups.setdefault(key, []).append(row)
    seen: set[str] = set()
    found: list[Activity] = []
    for (label, kind, name), members in groups.items():
        one = _activity(label, kind, name, members)
        print_of = repr((label, one.case.execs)) if one else ""
        if one is not None and print_of not in seen:
            seen.add(print_of)
            found.append(one)
    return tuple(found)


def run(units: Sequence[Activity], rules: Rules = BUILT_IN) -> tuple[Outcome, ...]:
    """Every unit judged."""
    return tuple(Outcome(activity=one, triage=judge(one.case, rules)) for one in units)


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """The six figures. Shares leave out what is undecidable, and among the benign the lone lines without parents."""
    bad = [one for one in outcomes if one.activity.label == "malicious"]
    good = [one for one in outcomes if one.activity.label == "benign"]
    decidable = [one for one in bad if not one.activity.undecidable]
    known = [one for one in good if one.activity.has_second and not one.activity.undecidable]
    return Figures(
        activities=len(outcomes),
        malicious_called_benign=sum(one.triage.verdict == "benign" for one in bad),
        benign_called_malicious=sum(one.triage.verdict == "malicious" for one in good),
        malicious_flagged=_share(decidable, [one for one in decidable if one.triage.verdict in _FLAGGED]),
        benign_called_benign=_share(known, [one for one in known if one.triage.verdict == "benign"]),
        benign_named=_share(known, [one for one in known if one.triage.builds]),
    )


def report(outcomes: Sequence[Outcome], rules: Rules = BUILT_IN) -> str:
    """For people: the matrix, each miss with its reasons, and what changes where a sign is left out."""
    lines = ["label      " + "".join(f"{verdict:>19}" for verdict in VERDICTS)]
    for label in ("malicious", "benign"):
        said = [one.triage.verdict for one in outcomes if one.activity.label == label]
        lines.append(f"{label:<11}" + "".join(f"{said.count(verdict):>19}" for verdict in VERDICTS))
    lines += ["", "misses:"]
    lines += [_miss(one) for one in outcomes if _is_miss(one)] or ["  none"]
    lines += ["", "left out: what changes in the six figures"]
    lines += _ablations([one.activity for one in outcomes], figures(outcomes), rules)
    return "\n".join(lines)


def _label(row: Mapping[str, Any]) -> str:
    label = str(row.get("label") or "")
    return "malicious" if label.startswith("malicious") else label if label == "benign" else ""


def _is_foreign(row: Mapping[str, Any]) -> bool:
    platforms = row.get("platforms")
    return bool(platforms) and "linux" not in {str(one).lower() for one in platforms or ()}


def _activity(label: str, kind: str, name: str, members: Sequence[Mapping[str, Any]]) -> Activity | None:
    execs = [one for row in members for one in _execs(row)]
    built = [compiler.parse(tuple(one["argv"]), exe=str(one.get("exe") or "")) for one in execs]
    if not any(build.tool for build in built):
        return None
    case = Case.of_execs(execs)
    tools = [one for one, build in zip(execs, built, strict=True) if build.tool]
    title = name if kind == "scenario" else str(members[0].get("name") or members[0].get("command") or name)
    return Activity(
        name=title,
        label=label,
        kind=kind,
        case=case,
        has_second=any(one["parents"] for one in execs),
        undecidable=len(tools) == 1 and len(tools[0]["argv"]) == 1 and built[execs.index(tools[0])].tool == "make",
    )


def _execs(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    cwd, parents = row.get("cwd"), row.get("parents") or ()
    if row.get("argv"):
        given: list[Mapping[str, Any]] = [row]
    else:
        given = list(row.get("execs") or ()) or [{"argv": argv} for argv in split(str(row.get("command") or ""))]
    return [
        {
            "argv": [str(word) for word in one.get("argv") or ()],
            "exe": str(one.get("exe") or one.get("binary") or ""),
            "cwd": one.get("cwd", cwd),
            "parents": one.get("parents", parents) or (),
        }
        for one in given
        if one.get("argv")
    ]


def split(command: str) -> list[list[str]]:
    """The programs of a shell's line, by the shell's own rules of quoting; what cannot be split is one program."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();|&\n")
    lexer.whitespace_split = True
    lexer.whitespace = " \t\r"
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        words = command.split()
    programs: list[list[str]] = [[]]
    for word in words:
        if word in _SEPARATORS:
            programs.append([])
        else:
            programs[-1].append(word)
    return [program for program in programs if program]


def _share(of: Sequence[Outcome], part: Sequence[Outcome]) -> float:
    return round(len(part) / len(of), 4) if of else 1.0


def _is_miss(one: Outcome) -> bool:
    activity, verdict = one.activity, one.triage.verdict
    if activity.label == "malicious":
        return verdict == "benign" or (verdict not in _FLAGGED and not activity.undecidable)
    return verdict == "malicious" or (activity.has_second and (verdict != "benign" or not one.triage.builds))


def _miss(one: Outcome) -> str:
    command = " ".join(one.activity.case.execs[0].argv)[:100]
    why = "; ".join(one.triage.reasons[:4]) or "no sign"
    said = f"{one.activity.label} called {one.triage.verdict} ({one.triage.score})"
    return f"  {said}: {one.activity.name}: {command}\n      {why}"


def _ablations(units: Sequence[Activity], before: Figures, rules: Rules) -> list[str]:
    lines = []
    for sign in WEIGHTS:
        after = figures(run(units, without(rules, sign)))
        changed = [
            f"{name} {getattr(before, name)} -> {getattr(after, name)}"
            for name in after.__dataclass_fields__
            if getattr(after, name) != getattr(before, name)
        ]
        if changed:
            lines.append(f"  {sign}: {', '.join(changed)}")
    return lines or ["  nothing"]
