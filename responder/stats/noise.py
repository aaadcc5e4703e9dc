"""Workloads that come again and again, and what would make them quiet. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from responder.stats.model import HARMLESS, MOST, Workload

_NOISY: Final = 2
_ENOUGH: Final = 3
"""Words of analysts that all say "harmless" before it is proposed to expect a workload to build."""
_TOML: Final = re.compile(r"[A-Za-z0-9._/:-]+")


class Kept:
    """What is counted of one workload."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records = 0
        self.findings = 0
        self.words: Counter[str] = Counter()


def workloads(counted: Iterable[Kept]) -> tuple[Workload, ...]:
    """Those with more than one record, the most records first."""
    noisy = sorted((one for one in counted if one.records >= _NOISY), key=lambda one: (-one.records, one.name))
    made = []
    for one in noisy[:MOST]:
        attack, harmless = one.words["true_positive"], sum(one.words[word] for word in HARMLESS)
        mend, toml = _mend(one, attack, harmless)
        made.append(
            Workload(
                name=one.name,
                records=one.records,
                findings=one.findings,
                attack=attack,
                harmless=harmless,
                unreviewed=one.words["unreviewed"],
                mend=mend,
                toml=toml,
            )
        )
    return tuple(made)


def _mend(one: Kept, attack: int, harmless: int) -> tuple[str, str]:
    if attack:
        return "an analyst called it an attack: rebuild its image, and expect nothing of it", ""
    if harmless >= _ENOUGH:
        return "each that was reviewed was harmless: build in CI, or name it in triage.toml", _toml(one.name)
    if one.words["unreviewed"]:
        return "review some of its records: what analysts say is what the next ones are judged by", ""
    return "nothing yet: too few of its records were called harmless", ""


def _toml(name: str) -> str:
    """The entry for triage.toml, without who answers for it, why, and until when: a person has to say so."""
    project, _, _, namespace, kind, top = (name.split("/") + [""] * 6)[:6]
    if kind == "Pod" or not all(_TOML.fullmatch(part) for part in (project, namespace, kind, top)):
        return ""
    return f'[[expected_builders]]\nproject = "{project}"\nnamespace = "{namespace}"\nworkload = "{kind}/{top}"\n'
