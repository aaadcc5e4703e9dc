"""Step 7: what one project allows, as values that are strict before anything acts on them. Pure."""

from __future__ import annotations

import difflib
from typing import Annotated, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from responder import names
from responder.evidence import Evidence, Model
from responder.record import Mode, Subject

OwnerKind = Literal["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"]
"""What may own a pod that is deleted. A bare pod has no owner and cannot be named: it would be gone for good."""

_QUESTIONS: Final = frozenset(Evidence.model_fields) - {"told"}
NEEDED: Final = ("scc", "pod", "proof")
"""Evidence without which no pod is deleted: SCC still has the finding, the pod is there, and it is the finding's."""


def _exact(kind: str) -> AfterValidator:
    """A name of that kind as the rest of the responder has it: another could never be equal to one in a finding."""

    def check(text: str) -> str:
        if not names.is_valid(kind, text):
            raise ValueError(NOT_EXACT.format(text))
        return text

    return AfterValidator(check)


NOT_EXACT: Final = "{!r} is no exact name: write it out in full, without * or ?"


def nearest(word: str, known: frozenset[str]) -> str:
    """The mend of a misspelt word: the one that was meant, else all that are known."""
    near = difflib.get_close_matches(word, sorted(known), 1)
    return f": did you mean {near[0]}?" if near else f": known are {', '.join(sorted(known))}"


def _no_zero_first(text: str) -> str:
    if text.startswith("0"):
        raise ValueError(f"{text!r} is no project number: write it as Google does, without a zero before it")
    return text


def _is_said(text: str) -> str:
    """A reason has a word in it: blanks, `-` and `~` are none."""
    if not any(letter.isalnum() for letter in text):
        raise ValueError("say why in words")
    return text


def _question(text: str) -> str:
    if text not in _QUESTIONS:
        raise ValueError(f"there is no {text!r}{nearest(text, _QUESTIONS)}")
    return text


_KINDS: Final = (*get_args(OwnerKind), "Pod")
_MISSPELT: Final = 0.85
"""How like a known kind another one must be to be taken for it: `CloneSet` and the like are kinds of their own."""


def _kind(text: str) -> str:
    """A misspelt kind would match nothing, and what was to be exempt would not be."""
    near = difflib.get_close_matches(text, _KINDS, 1, _MISSPELT)
    if near and text not in _KINDS:
        raise ValueError(f"there is no kind {text!r}: did you mean {near[0]}?")
    return text


ProjectId = Annotated[str, _exact("project_id")]
ProjectNumber = Annotated[str, _exact("project_number"), AfterValidator(_no_zero_first)]
Cluster = Annotated[str, _exact("cluster")]
Namespace = Annotated[str, _exact("namespace")]
Name = Annotated[str, _exact("workload")]
Kind = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$"), AfterValidator(_kind)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s*?]+@[^@\s*?]+\.[^@\s*?]+$")]
Reason = Annotated[str, AfterValidator(_is_said)]
Question = Annotated[str, AfterValidator(_question)]


class _Strict(Model):
    """No text becomes a number or a truth: `"true"` is not true."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PerHour(_Strict):
    """How many actions may be taken within an hour."""

    project: int = Field(default=10, ge=1, le=1000)
    namespace: int = Field(default=3, ge=1, le=1000)
    workload: int = Field(default=1, ge=1, le=100)


class Exemption(_Strict):
    """What is never acted on: everything that is given must be equal; what is not given may be any."""

    cluster: Cluster | None = None
    namespace: Namespace | None = None
    kind: Kind | None = None
    name: Name | None = None
    why: Reason

    @model_validator(mode="after")
    def _names_something(self) -> Exemption:
        if not any((self.cluster, self.namespace, self.kind, self.name)):
            raise ValueError("an exemption names a cluster, a namespace, a kind or a name")
        return self


class ProjectPolicy(_Strict):
    """What one project allows. Both `id` and `number` must agree with what SCC and the cluster say."""

    id: ProjectId
    number: ProjectNumber
    remediate: Mode = "off"
    capture: bool = False
    # Whoever is root in the container can remove the four programs that files come out by.
    capture_may_be_empty: bool = Field(default=False, description="a container without them holds no pod, where True")
    least_verdict: Literal["suspicious", "malicious"] = "malicious"
    owner_kinds: tuple[OwnerKind, ...] = ("Deployment",)
    exemption: tuple[Exemption, ...] = ()
    protected_namespaces: tuple[Namespace, ...] = ()
    finding_age_minutes: int = Field(default=60, ge=1, le=1440)
    per_hour: PerHour = PerHour()
    ready_replicas: int = Field(default=1, ge=0, le=1000, description="ready ones that remain, without this pod")
    required_evidence: tuple[Question, ...] = (
        "scc",
        "cluster",
        "node",
        "pod",
        "proof",
        "owners",
        "pod_log",
        "audit_log",
    )
    gentle: bool = Field(default=False, description="evict, which honours disruption budgets, where True")
    # 0 is refused: the API server then forgets the pod at once, and nobody has seen its containers end.
    grace_seconds: int = Field(default=5, ge=1, le=30)
    approvers: tuple[Email, ...] = ()
    approval_minutes: int = Field(default=60, ge=1, le=1440)
    watch_minutes: int = Field(default=10, ge=1, le=60)

    @field_validator("required_evidence")
    @classmethod
    def _is_enough(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        mode, lacking = info.data.get("remediate"), [name for name in NEEDED if name not in value]
        if mode in {"approve", "auto"} and lacking:
            listed = ", ".join(f'"{name}"' for name in lacking)
            raise ValueError(f'remediate = "{mode}" deletes nothing that is not proven: add {listed}')
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> ProjectPolicy:
        if self.remediate == "approve" and not self.approvers:
            raise ValueError('remediate = "approve" needs approvers = ["somebody@example.com"]')
        return self


class Policy(_Strict):
    """What policy.toml says; `sha256` is of the file's bytes. `problem` is why it is not in force."""

    project: tuple[ProjectPolicy, ...] = ()
    sha256: str = ""
    problem: str = ""

    def of(self, project_id: str, number: str) -> ProjectPolicy | None:
        """The project's entry where id and number both agree; None where it is not named, or one of them differs."""
        for project in self.project:
            if (project.id, project.number) == (project_id, number):
                return project
        return None

    def of_subject(self, subject: Subject) -> ProjectPolicy | None:
        """The same for the project of a record."""
        return self.of(subject.project_id, subject.project_number)


NONE: Final = Policy()
"""No policy is set: nothing is allowed."""
