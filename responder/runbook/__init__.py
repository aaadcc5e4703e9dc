"""Steps 1 to 7: the sheet that says, for each step of Google's runbook, what was done and how a person does it. Pure.

https://cloud.google.com/security-command-center/docs/findings/threats/launch-code-compiler-tool-in-container

A step is `done` where everything that the page asks for was found, `partly` where some of it was, `impossible` where
nothing could be had, and `human` where only a person can do it and has what is needed to. Steps 1 to 4 are answered by
evidence alone. Step 5 is `human` as long as no file is taken out of the container by the responder, and `impossible`
where the pod is gone, replaced or not known. Step 6 is `done` where the techniques and the plan stand on this record's
evidence, `partly` where the other findings are not known. Step 7 is `human`: somebody writes to the owner, and
somebody decides on the pod.

Give these functions the finding as the record has it: redacted. Paths of its command line become copy commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from responder.evidence import Evidence, OwnerContact
from responder.finding import Finding, Mitre, Target
from responder.record import Artifact, ByHand, Capture, Command, Plan, Step, StepStatus, Technique
from responder.runbook import commands as by_hand
from responder.runbook import links as pages
from responder.runbook import parts
from responder.runbook.known import LOG_WINDOW, Known, known
from responder.runbook.parts import Part

STEP_TITLES: Final = (
    "Review finding details",
    "Review cluster and node",
    "Review pod",
    "Check logs",
    "Investigate running container",
    "Research attack and response methods",
    "Implement your response",
)
TACTICS: Final = {
    # ATT&CK v19 split Defense Evasion: what is left under its number is called Stealth. SCC keeps the old word.
    "ATT&CK v18 and earlier": "TA0005 Defense Evasion",
    "ATT&CK v19 and later": "TA0005 Stealth",
}
_TECHNIQUES: Final = (
    # Id, name, address, and the name in `MitreAttack.Technique` of Security Command Center's v2 protos.
    ("T1027.004", "Compile After Delivery", pages.ATTACK, "COMPILE_AFTER_DELIVERY"),
    ("T1027", "Obfuscated Files or Information", pages.ATTACK_PARENT, "OBFUSCATED_FILES_OR_INFO"),
)


class Sheet(NamedTuple):
    """What a person needs to do each step by hand: made at once, since each part needs the others."""

    steps: tuple[Step, ...]
    links: dict[str, str]
    commands: tuple[Command, ...]
    plan: Plan


def sheet(
    finding: Finding,
    target: Target,
    evidence: Evidence,
    console: str,
    *,
    contacts: Sequence[OwnerContact] = (),
    log_window: timedelta = LOG_WINDOW,
) -> Sheet:
    """The seven steps in order, the links by the keys of `links.TITLES`, the commands in the order of the steps.

    `console` is the console's base address, `contacts` whom to ask, best first. A link is there only where all its
    parts are valid, and the commands that touch the pod only where its UID is known.
    """
    names = known(finding, target, evidence, console, contacts, log_window)
    made, urls = by_hand.commands(names), pages.links(names)
    return Sheet(steps=_steps(names, made, urls), links=urls, commands=made, plan=_plan(names))


def with_commands(
    finding: Finding,
    target: Target,
    evidence: Evidence,
    console: str,
    capture: Capture,
    artifacts: tuple[Artifact, ...],
) -> tuple[Capture, tuple[Artifact, ...]]:
    """The capture and its files with the lines that take them by hand; without, where no command may touch the pod."""
    names = known(finding, target, evidence, console, (), LOG_WINDOW)
    beside = by_hand.shell_beside(names)
    lines = (ByHand(title=beside.title, kind="command", value=beside.text),) if beside else ()
    told = []
    for number, one in enumerate(artifacts, start=1):
        # A pod that is gone has nothing that could be copied.
        line = None if one.uid else by_hand.copy_of(names, one.path, number=number)
        told.append(one.model_copy(update={"by_hand": line.text if line else ""}))
    return capture.model_copy(update={"by_hand": lines}), tuple(told)


def steps(
    finding: Finding,
    target: Target,
    evidence: Evidence,
    console: str,
    *,
    contacts: Sequence[OwnerContact] = (),
    log_window: timedelta = LOG_WINDOW,
) -> tuple[Step, ...]:
    """The seven steps alone."""
    return sheet(finding, target, evidence, console, contacts=contacts, log_window=log_window).steps


def links(
    finding: Finding,
    target: Target,
    evidence: Evidence,
    console: str,
    *,
    contacts: Sequence[OwnerContact] = (),
    log_window: timedelta = LOG_WINDOW,
) -> dict[str, str]:
    """The links alone."""
    return pages.links(known(finding, target, evidence, console, contacts, log_window))


def commands(
    finding: Finding,
    target: Target,
    evidence: Evidence,
    console: str,
    *,
    log_window: timedelta = LOG_WINDOW,
) -> tuple[Command, ...]:
    """The commands alone."""
    return by_hand.commands(known(finding, target, evidence, console, (), log_window))


def plan(finding: Finding, target: Target, evidence: Evidence, console: str) -> Plan:
    """Step 6 alone."""
    return _plan(known(finding, target, evidence, console))


def _steps(names: Known, made: Sequence[Command], urls: Mapping[str, str]) -> tuple[Step, ...]:
    parts_of = (parts.finding, parts.cluster, parts.pod, parts.logs)
    answered = [(_status(found), found) for found in (make(names) for make in parts_of)]
    answered += [_container(names), _research(names), _response(names)]
    return tuple(
        Step(
            n=n,
            title=STEP_TITLES[n - 1],
            status=status,
            detail=_detail(n, status, found, names),
            by_hand=_by_hand(n, made, urls),
            evidence=tuple(dict.fromkeys(part.pointer for part in found if part.found)),
            missing=(*(part.words for part in found if part.words), *_no_command(n, names)),
        )
        for n, (status, found) in enumerate(answered, 1)
    )


def _plan(names: Known) -> Plan:
    """ATT&CK's techniques and who names them; the actions need a verdict, and are `responder.plan`'s."""
    return Plan(
        techniques=tuple(
            Technique(id=id_, name=name, url=url, tactics=dict(TACTICS), said_by=_said_by(names.finding.mitre, told))
            for id_, name, url, told in _TECHNIQUES
        ),
        actions=(),
    )


def _status(found: Sequence[Part]) -> StepStatus:
    if all(part.found and not part.lack for part in found):
        return "done"
    return "partly" if any(part.found for part in found) else "impossible"


def _container(names: Known) -> tuple[StepStatus, list[Part]]:
    found = [parts.answer("the pod", "pod", names.evidence.pod), parts.proof(names)]
    if names.untouchable or not names.container:
        return "impossible", found
    return "human", [*found, parts.paths(names), parts.running(names)]


def _research(names: Known) -> tuple[StepStatus, list[Part]]:
    related = parts.answer("related findings", "related", names.evidence.related)
    found = [Part("the techniques and a proposed plan", "/plan", found=True), related]
    return _status(found), found


def _response(names: Known) -> tuple[StepStatus, list[Part]]:
    mail = any(contact.kind == "email" for contact in names.contacts)
    lack = "" if mail else "nobody with an e-mail address is known: see the cluster's and the project's own pages"
    return "human", [Part("the owner", "/owner", found=bool(names.contacts), lack=lack)]


def _detail(n: int, status: StepStatus, found: Sequence[Part], names: Known) -> str:
    have = ", ".join(part.label for part in found if part.found) or "nothing"
    told = {
        5: "The responder has not entered the container. " + _can_enter(names),
        6: f"T1027.004 Compile After Delivery, under T1027; SCC says {_scc_says(names.finding.mitre)}.",
        7: "Nothing was done to the pod. Write to the owner, then decide on the pod."
        + ("" if by_hand.may_not_delete(names) else " The delete command can hit no other pod."),
    }
    return (
        told.get(n)
        or {
            "done": f"Found: {have}.",
            "partly": f"Found: {have}. The rest is missing or not complete.",
            "impossible": "Nothing that this step asks for could be had.",
            "human": f"Found: {have}. The rest is for a person.",
        }[status]
    )


def _can_enter(names: Known) -> str:
    if names.untouchable:
        return f"Nobody can enter it by this record: {names.untouchable}."
    if not names.container:
        return "Which container of the pod it is, is not known."
    doubt = f" Mind that {names.doubt}." if names.doubt else ""
    return f"Get credentials, copy the files, then open a shell; each block first compares the pod's UID.{doubt}"


def _by_hand(n: int, made: Sequence[Command], urls: Mapping[str, str]) -> tuple[ByHand, ...]:
    own = [command for command in made if command.step == n]
    if n == 5 and own:  # noqa: PLR2004 - step
        # The page begins this step with the credentials; its commands are of no use without.
        own = [*(command for command in made if "get-credentials" in command.text), *own]
    return (
        *(ByHand(title=command.title, kind="command", value=command.text) for command in own),
        *(ByHand(title=pages.TITLES[k], kind="link", value=urls[k]) for k in pages.STEP_LINKS[n] if k in urls),
    )


def _no_command(n: int, names: Known) -> tuple[str, ...]:
    """Why a step has no command, or not all of them."""
    named = {1: ("scc name",), 2: ("project id", "location", "cluster", "node", "zone"), 3: ("namespace", "pod", "uid")}
    kinds = {**named, 4: (*named[2], *named[3], "instance id"), 5: ("container",)}.get(n, ())
    words = [text for text in names.refused if any(text.startswith(f"the {kind} is") for kind in kinds)]
    if n == 5:  # noqa: PLR2004 - step
        refused = by_hand.files_to_copy(names.finding)[1]
        words += [f"no command enters the pod: {names.untouchable}"] if names.untouchable else []
        words += [f"{refused} paths have no copy command: not absolute, not safe, or too many"] if refused else []
    if n == 7 and (why := by_hand.may_not_delete(names)):  # noqa: PLR2004 - step
        words.append(f"no command deletes the pod: {why}")
    return tuple(words)


def _said_by(mitre: Mitre, technique: str) -> str:
    if technique in (*mitre.primary_techniques, *mitre.additional_techniques):
        return "Security Command Center, and Google's runbook"
    if mitre.primary_techniques or mitre.additional_techniques:
        return "Google's runbook; Security Command Center names other techniques"
    return "Google's runbook; Security Command Center names no technique"


def _scc_says(mitre: Mitre) -> str:
    said = (mitre.primary_tactic, *mitre.primary_techniques, *mitre.additional_tactics, *mitre.additional_techniques)
    # Enum names of its protos; anything else in their place is not repeated.
    return ", ".join(word for word in said if word.isascii() and word.replace("_", "").isalnum()) or "nothing of it"
