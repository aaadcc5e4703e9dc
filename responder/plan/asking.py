"""Steps 6 and 7: whom to ask, what is missing and how to get it, and what to change where it was a build. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from responder.errors import PASSING
from responder.evidence import Found, Missing
from responder.plan.case import (
    TASKS,
    Case,
    clock,
    digest_of,
    owner_words,
    pointers,
    reason_pointers,
    reasons,
    said,
    the_container,
)
from responder.plan.pages import REMOVE_TOOLS
from responder.record import PlannedAction
from responder.runbook.links import RUNBOOK

EXPECTED_FOR: Final = timedelta(days=90)
"""How long a proposed expected-builder entry holds: a quarter, after which somebody looks again."""

_UNQUOTED: Final = re.compile(r'["\\*?\[\]]')

GAPS: Final = {
    # Fields of `Evidence`, by how much an answer would say of attack or build: what each is, and how the title of the
    # command begins that asks it by hand.
    "scc": ("the finding in Security Command Center", "The finding as Security Command Center"),
    "related": ("the other findings of the container", "Other findings at a similar time"),
    "audit_log": ("the cluster's audit log", "The cluster's admin activity"),
    "pod": ("the pod's object", "The pod that has the name now"),
    "pod_log": ("the pod's log", "The pod's log"),
    "owners": ("the owner chain", "The owner"),
    "cluster": ("the cluster", "The cluster"),
    "node_log": ("the node's log", "The node's log"),
    "node": ("the node", "The node"),
    "namespace": ("the namespace", "The namespace"),
    "project": ("the project", ""),
    "essential_contacts": ("the project's security contacts", ""),
}


def contact(case: Case, verb: str, why: str) -> PlannedAction:
    """Write to the best contact that has an address, or find one; `verb` and `why` are the verdict's."""
    impact = "None: a message."
    if not case.contacts:
        gap = "Neither workload, namespace, project nor Security Command Center names anybody who could be asked."
        return PlannedAction(
            title="Find the owner: nobody is named",
            why=f"{gap} {why}",
            impact=impact,
            evidence=("/owner",),
            command=case.command("The namespace"),
            source=RUNBOOK,
        )
    mails = [index for index, one in enumerate(case.contacts) if one.kind == "email"]
    index = mails[0] if mails else 0
    best, first = case.contacts[index], case.contacts[0]
    team = f" The team is {said(first.value)}, by the {said(first.source)}." if index and first.kind == "team" else ""
    return PlannedAction(
        title=f"{verb} {said(best.value)}",
        why=f"Named by the {said(best.source)}.{team} {why}",
        impact=impact,
        evidence=(f"/owner/contacts/{index}", *(("/links/contact",) if mails and "contact" in case.links else ())),
        source=RUNBOOK,
    )


def expect(case: Case) -> PlannedAction:
    """An expected-builder entry, as narrow as the record allows, with a last day."""
    until = (case.names.finding.event_time + EXPECTED_FOR).date().isoformat()
    what = said(case.triage.builds[0]) if case.triage.builds else "this build"
    entry = _entry(case, what, until)
    told = f"In triage.toml: {entry}" if entry else "But neither owner nor digest was read: first get those."
    return PlannedAction(
        title=f"Expect {what} here: an expected-builder entry until {until}",
        why=f"{reasons(case)} {told}",
        impact="None for the service. An attack that hides in this very workload is judged more kindly until then.",
        evidence=pointers(*reason_pointers(case), "/evidence/owners", "/evidence/namespace"),
        source=RUNBOOK,
    )


def _entry(case: Case, what: str, until: str) -> str:
    """The entry in TOML; ``""`` where it would hold for a whole namespace.

    By the image where the owner has a name for this one run: the next run has another.
    """
    _, container = the_container(case)
    owners = case.evidence.owners
    top = owners.value.links[-1] if isinstance(owners, Found) and owners.value.links else None
    narrow = {"image_digest": digest_of(container.image_id) if container else ""}
    if top and top.kind not in TASKS:
        narrow = {"workload": said(f"{top.kind}/{top.name}", 320)}
    mails = (contact.value for contact in case.contacts if contact.kind == "email")
    words = {
        "project": case.names.project,
        "namespace": case.names.namespace,
        **narrow,
        "owner": next(mails, "") or "who answers for it",
        "reason": what,
    }
    if not all(words.values()):
        return ""
    # What could end a TOML string is no part of any name.
    given = ", ".join(f'{key} = "{_UNQUOTED.sub(" ", text)}"' for key, text in words.items())
    return f"expected_builders = [{{{given}, expires = {until}}}]"


def elsewhere(case: Case) -> PlannedAction:
    """Where the build belongs: it stays where a workload is made for building, and moves to CI otherwise."""
    if _is_builder(case):
        title = f"Leave the build where it is, and keep namespace {case.names.namespace} apart from what serves"
        why = (
            "It is made for building: its own node pool and service account keep a build that was tampered with small."
        )
        impact = "None for this run: the next ones start elsewhere."
    else:
        title = f"Build in CI instead of in {case.where}, and ship an image without the compiler"
        why = "A container that compiles while it runs needs a compiler in its image: the next finding looks the same."
        impact = f"A rollout of {owner_words(case)}, when it suits; nothing before it."
    return PlannedAction(
        title=title,
        why=why,
        impact=impact,
        evidence=pointers("/evidence/pod", "/evidence/owners"),
        command=case.owner_command(),
        source=REMOVE_TOOLS,
    )


def _is_builder(case: Case) -> bool:
    """Whether a controller that exists to run a task owns it, or triage knew the pod for a place where builds run."""
    owners = case.evidence.owners
    kinds = {link.kind for link in owners.value.links} if isinstance(owners, Found) else set()
    told = any(signal.source == "pod" and signal.weight < 0 for signal in case.triage.signals)
    return told or bool(kinds & {*TASKS, "CronJob"})


def gaps(case: Case) -> list[PlannedAction]:
    """One action for each way to mend a gap that somebody can mend, in the order of what it would settle."""
    ways: dict[str, list[tuple[str, Missing]]] = {}
    missing = case.evidence.missing()
    for name in sorted((n for n in missing if n in GAPS), key=lambda n: _worth(case, n)):
        gap = missing[name]
        if gap.mend or gap.why in PASSING or gap.why == "broken":
            ways.setdefault(gap.mend or gap.why, []).append((name, gap))
    return [_mend(case, gaps) for gaps in ways.values()]


def _worth(case: Case, name: str) -> tuple[int, int]:
    label = GAPS[name][0].removeprefix("the ")
    told = [n for n, text in enumerate(case.triage.would_settle) if label in text or name.replace("_", " ") in text]
    return (told[0] if told else len(case.triage.would_settle), list(GAPS).index(name))


def _mend(case: Case, gaps: list[tuple[str, Missing]]) -> PlannedAction:
    name, gap = gaps[0]
    what = ", ".join(GAPS[other][0] for other, _ in gaps[:4])
    again = f" It is asked again after {clock(gap.retry_at)}." if gap.retry_at else ""
    way = f" To mend it: {said(gap.mend, 300)}." if gap.mend else ""
    return PlannedAction(
        title=f"Get {what}",
        why=f"Missing ({gap.why}): {said(gap.detail, 200)}.{way}{again} Without it the verdict stays open.",
        impact="None: it is read. A grant lets the responder read more from then on."
        if gap.mend
        else "None: it is read.",
        evidence=tuple(f"/evidence/{other}" for other, _ in gaps),
        command=case.command(GAPS[name][1]),
        source=RUNBOOK,
    )


def settle(case: Case) -> Iterator[PlannedAction]:
    """What triage says would settle it, where that is no gap that a grant or time mends."""
    if case.triage.would_settle:
        first, *rest = (said(text, 200).rstrip(".") for text in case.triage.would_settle[:3])
        yield PlannedAction(
            title=f"Find out what would settle it: {first}",
            why=f"Then: {'; '.join(rest)}." if rest else "Nothing else is open.",
            impact="None: it is read.",
            evidence=("/triage/would_settle",),
            command=case.command("The pod's log"),
            source=RUNBOOK,
        )
