"""Steps 6 and 7: the record that a plan is made of, and how its facts are put into words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from responder.evidence import ContainerState, Evidence, Found, OwnerContact, Pod
from responder.record import Command, Triage
from responder.runbook.known import Known

_SHOWN: Final = 120

TASKS: Final = frozenset({"Job", "TaskRun", "PipelineRun", "Workflow", "EphemeralRunner"})
"""Kinds whose objects stand for one run: the next run has another name. A CronJob's name stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One record, as a plan reads it; `names` holds the finding, the evidence and the validated names."""

    triage: Triage
    names: Known
    commands: tuple[Command, ...]
    links: dict[str, str]
    contacts: tuple[OwnerContact, ...]

    @property
    def evidence(self) -> Evidence:
        """The answers to the runbook's questions."""
        return self.names.evidence

    @property
    def pod(self) -> Pod | None:
        """The finding's pod; None where it was not read, or is another one by now."""
        answer = self.evidence.pod
        return answer.value if isinstance(answer, Found) and not self.names.untouchable else None

    @property
    def where(self) -> str:
        """The pod, in words."""
        return (
            f"{self.names.namespace}/{self.names.pod}" if self.names.pod else "the pod, which the finding does not name"
        )

    def owner_command(self) -> str:
        """The command that shows the topmost owner; ``""`` where there is none."""
        return next((c.text for c in reversed(self.commands) if c.title.startswith("The owner: ")), "")

    def command(self, begins: str) -> str:
        """The text of the record's first command whose title begins so; ``""`` where it has none."""
        return next((c.text for c in self.commands if begins and c.title.startswith(begins)), "")


def the_container(case: Case) -> tuple[int, ContainerState | None]:
    """The finding's container and its index in the pod; None where the pod was not read."""
    containers = case.pod.containers if case.pod else ()
    found = ((n, c) for n, c in enumerate(containers) if c.name == case.names.container)
    return next(found, (0, None))


def digest_of(image_id: str) -> str:
    """`sha256:…` of an image id; ``""`` where it has none."""
    match = re.search(r"sha256:[0-9a-f]{64}", image_id)
    return match[0] if match else ""


def owner_words(case: Case) -> str:
    """Kind and name of the topmost owner that was read."""
    owners = case.evidence.owners
    links = owners.value.links if isinstance(owners, Found) else ()
    if links:
        return f"{word(links[-1].kind)} {word(links[-1].name)}"
    return "whatever makes this pod"


def on_the_node(case: Case) -> str:
    """How the pod reaches its node, in words; ``""`` where nothing says that it does."""
    pod = case.pod
    if pod is None:
        return ""
    ways = [
        "a privileged container" if any(c.privileged for c in pod.containers) else "",
        "the node's processes" if pod.host_pid else "",
        "the node's network" if pod.host_network else "",
        f"the node's {', '.join(word(path) for path in pod.host_paths[:3])}" if pod.host_paths else "",
        "an escape that was found" if escapes(case) else "",
    ]
    return ", ".join(way for way in ways if way)


def escapes(case: Case) -> tuple[str, ...]:
    """Pointers to the findings of an escape from this container or pod."""
    related = case.evidence.related
    return tuple(
        f"/evidence/related/value/findings/{n}"
        for n, one in enumerate(related.value.findings if isinstance(related, Found) else ())
        if one.closeness in {"container", "pod"} and "container escape" in one.category.lower()
    )


def reasons(case: Case) -> str:
    """The two heaviest signals that point the way of the verdict, those from outside the command line first."""
    titles = "; ".join(said(title, 140).rstrip(".") for title, _ in _weighty(case))
    return f"{titles}." if titles else said(case.triage.summary, 200)


def reason_pointers(case: Case) -> tuple[str, ...]:
    """Where the evidence of `reasons` stands."""
    return tuple(dict.fromkeys(pointer for _, found in _weighty(case) for pointer in found))[:6]


def _weighty(case: Case) -> list[tuple[str, tuple[str, ...]]]:
    way = -1 if case.triage.verdict == "benign" else 1
    ours = [signal for signal in case.triage.signals if signal.weight * way > 0]
    ours.sort(key=lambda signal: (not signal.outside, -abs(signal.weight)))
    return [(signal.title, signal.evidence) for signal in ours[:2]]


def pointers(*given: str) -> tuple[str, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(given))


def said(text: str, limit: int = _SHOWN) -> str:
    """Text of others in one line: what is not printable is written out, and a long one is cut."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def word(text: str) -> str:
    """A name in a sentence."""
    return said(text, 80)


def clock(time: datetime) -> str:
    """The time of day: all of a record is of about one hour."""
    return f"{time:%H:%M:%S} UTC"
