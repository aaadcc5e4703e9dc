"""Steps 6 and 7: what to do next about this record, in order, each action with its reasons and its price. Pure.

Step 6 of Google's runbook asks for a response plan made of the investigation and of MITRE's research; step 7 says what
an answer is: write to the owner, stop or delete the pod. Nothing of it is done by the responder. Every action names
facts of this record; a fact that was not read is not guessed at. Texts of a log, a label or a command line are the
attacker's: they are cut, and their control characters are written out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from responder.evidence import Evidence, OwnerContact
from responder.finding import Finding, Target
from responder.plan.asking import contact, elsewhere, expect, gaps, settle
from responder.plan.case import Case
from responder.plan.pod import contain, credentials, keep, rebuild, refusal
from responder.plan.way_in import elsewhere_seen, siblings, way_in
from responder.record import Command, PlannedAction, Triage
from responder.runbook.known import known

MOST: Final = 6
"""Actions that a plan has at most: more is a list that nobody works through."""


def plan(
    triage: Triage,
    finding: Finding,
    target: Target,
    evidence: Evidence,
    commands: tuple[Command, ...],
    links: dict[str, str],
    contacts: Sequence[OwnerContact],
) -> tuple[PlannedAction, ...]:
    """Three to six actions, in order. `evidence` of each are JSON pointers into the record that all this is of.

    `commands` and `links` are those of the record (`runbook.commands`, `runbook.links`), `contacts` its owner's, best
    first: an action's command is one of them, letter for letter, or ``""``. All of it redacted.
    """
    names = known(finding, target, evidence, "", contacts)
    case = Case(triage=triage, names=names, commands=commands, links=links, contacts=tuple(contacts))
    match triage.verdict:
        case "malicious":
            made = _malicious(case)
        case "suspicious":
            made = _suspicious(case)
        case "benign":
            made = _benign(case)
        case "insufficient_data":
            made = _insufficient(case)
        case _:
            assert_never(triage.verdict)
    return tuple(itertools.islice(made, MOST))


def _malicious(case: Case) -> Iterator[PlannedAction]:
    yield contact(
        case, "Tell", "An attack in their workload is theirs to know first: they say what may stop, and when."
    )
    yield contain(case)
    yield from credentials(case)
    yield way_in(case)
    yield rebuild(case)
    yield siblings(case)


def _suspicious(case: Case) -> Iterator[PlannedAction]:
    yield contact(case, "Ask", "Only they know whether something is expected to compile here; that answer settles it.")
    yield keep(case)
    yield from (gaps(case) or list(settle(case)))[:1]
    yield way_in(case)
    yield siblings(case)
    if not refusal(case):
        yield contain(case, condition="If the owner does not know of it: ")


def _benign(case: Case) -> Iterator[PlannedAction]:
    yield contact(
        case, "Confirm with", "The machine takes it for a build; an entry that expects it needs a person's word."
    )
    yield expect(case)
    yield elsewhere(case)
    if elsewhere_seen(case):
        yield siblings(case)


def _insufficient(case: Case) -> Iterator[PlannedAction]:
    missing = gaps(case) or list(settle(case))
    yield from missing[:3]
    yield keep(case)
    yield contact(case, "Ask", "While the evidence is not there, the owner's word is the quickest answer to be had.")
    if len(missing) < 3:  # noqa: PLR2004 - as many as are given above
        yield way_in(case)
