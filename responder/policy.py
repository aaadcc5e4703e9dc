"""Step 7: what each project allows. Pure, and nothing is allowed unless a project is named.

policy.toml is a platform owner's word. Nothing in a cluster or on a project grants or blocks anything: labels and
annotations may be the attacker's. An error names its line and its mend; a file with an error is not in force.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from responder import names
from responder.errors import PolicyError
from responder.evidence import Evidence, Model
from responder.record import Mode

OwnerKind = Literal["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"]
"""What may own a pod that is deleted. A bare pod has no owner and cannot be named: it would be gone for good."""

MOST_BYTES: Final = 1024 * 1024
_QUESTIONS: Final = frozenset(Evidence.model_fields) - {"told"}


def _exact(kind: str) -> AfterValidator:
    """A name of that kind as the rest of the responder has it: another could never be equal to one in a finding."""

    def check(text: str) -> str:
        if not names.is_valid(kind, text):
            raise ValueError(_NOT_EXACT.format(text))
        return text

    return AfterValidator(check)


_NOT_EXACT: Final = "{!r} is no exact name: write it out in full, without * or ?"

ProjectId = Annotated[str, _exact("project_id")]
ProjectNumber = Annotated[str, _exact("project_number")]
Cluster = Annotated[str, _exact("cluster")]
Namespace = Annotated[str, _exact("namespace")]
Name = Annotated[str, _exact("workload")]
Kind = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s*?]+@[^@\s*?]+\.[^@\s*?]+$")]


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
    why: str = Field(min_length=1)

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
    least_verdict: Literal["suspicious", "malicious"] = "malicious"
    owner_kinds: tuple[OwnerKind, ...] = ("Deployment",)
    exemption: tuple[Exemption, ...] = ()
    protected_namespaces: tuple[Namespace, ...] = ()
    finding_age_minutes: int = Field(default=60, ge=1, le=1440)
    per_hour: PerHour = PerHour()
    ready_replicas: int = Field(default=1, ge=0, le=1000, description="ready ones that remain, without this pod")
    required_evidence: tuple[str, ...] = ("scc", "cluster", "node", "pod", "proof", "owners", "pod_log", "audit_log")
    gentle: bool = Field(default=False, description="evict, which honours disruption budgets, where True")
    # 0 is refused: the API server then forgets the pod at once, and nobody has seen its containers end.
    grace_seconds: int = Field(default=5, ge=1, le=30)
    approvers: tuple[Email, ...] = ()
    approval_minutes: int = Field(default=60, ge=1, le=1440)
    watch_minutes: int = Field(default=10, ge=1, le=60)

    @model_validator(mode="after")
    def _is_whole(self) -> ProjectPolicy:
        if self.remediate == "approve" and not self.approvers:
            raise ValueError('remediate = "approve" needs approvers = ["somebody@example.com"]')
        unknown = sorted(set(self.required_evidence) - _QUESTIONS)
        if unknown:
            raise ValueError(f"required_evidence: there is no {unknown[0]!r}{_nearest(unknown[0], _QUESTIONS)}")
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


NONE: Final = Policy()
"""No policy is set: nothing is allowed."""


def parse(data: bytes) -> Policy:
    """The bytes of a policy.toml. PolicyError, with line and mend, where anything in it is not exactly right."""
    if len(data) > MOST_BYTES:
        raise PolicyError(f"the file has {len(data)} bytes; at most {MOST_BYTES} are read")
    try:
        text = data.decode("utf-8")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PolicyError(f"line {line}: not UTF-8: save the file as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"no TOML: {error}") from None
    for ours in sorted({"sha256", "problem"} & set(table)):
        raise PolicyError(f"line {_line(text, (ours,))}: {ours} is not a key of this file: remove it")
    try:
        policy = Policy.model_validate(_frozen(table))
    except ValidationError as error:
        raise PolicyError(_problem(text, error)) from None
    _only_once(text, policy)
    return policy.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})


def _frozen(value: Any) -> Any:
    """Lists as tuples, since strict models take no list for one."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, dict) else value


def _only_once(text: str, policy: Policy) -> None:
    seen: dict[str, int] = {}
    for index, project in enumerate(policy.project):
        for key, value in (("id", project.id), ("number", project.number)):
            if value in seen:
                line, first = _line(text, ("project", index, key)), _line(text, ("project", seen[value], key))
                message = f"line {line}: project {value} is named twice, first at line {first}: keep one of the two"
                raise PolicyError(message)
            seen[value] = index


# --- errors, in words -------------------------------------------------------------------------------------------------

_MENDS: Final[Mapping[str, str]] = {
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "string_type": 'write a text in quotes: "…"',
    "tuple_type": 'write a list: ["…"]',
    "missing": "add it: a project needs both its id and its number",
    "model_type": "write a table with keys of its own",
    "model_attributes_type": "write a table with keys of its own",
}


def _problem(text: str, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place, kind = first["loc"], first["type"]
    where = ".".join(str(part) for part in place)
    more = error.error_count() - 1
    told = f"line {_line(text, place)}: {where}: {_said(first)}"
    if kind == "extra_forbidden":
        known = _known(place)
        told = f"line {_line(text, place)}: {where} is not a key{_nearest(str(place[-1]), known)}"
    return told + (f" (and {more} more)" if more else "")


def _said(error: Any) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in _MENDS:
        return _MENDS[kind]
    if kind == "literal_error":
        return f"{given!r} is none of {context['expected']}"
    if kind in {"greater_than_equal", "less_than_equal"}:
        return f"{given!r} is out of range: {error['msg'].removeprefix('Input should be ')}"
    if kind == "string_pattern_mismatch":
        return _NOT_EXACT.format(given)
    return str(error["msg"])


def _known(place: tuple[int | str, ...]) -> frozenset[str]:
    """The keys that are known where the last one of `place` stands."""
    if "per_hour" in place:
        return frozenset(PerHour.model_fields)
    if "exemption" in place:
        return frozenset(Exemption.model_fields)
    return frozenset(ProjectPolicy.model_fields if len(place) > 1 else {"project"})


def _nearest(word: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), 1)
    return f": did you mean {near[0]}?" if near else f": known are {', '.join(sorted(known))}"


_HEADER: Final = re.compile(r"^\s*\[(\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")


def _line(text: str, place: tuple[int | str, ...]) -> int:
    """The line on which a key stands, else that of its table. tomllib tells none: the text is looked through."""
    wanted = [part for part in place if isinstance(part, str)]
    numbers = [part for part in place if isinstance(part, int)]
    project, table, best = -1, "", 1
    key = re.compile(rf"""(?:^|[{{,\s.])["']?{re.escape(wanted[-1])}["']?\s*[=.]""") if wanted else None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = header[2].replace(" ", "")
            project += table == "project"
        if numbers and project != numbers[0]:
            continue
        if header and best == 1 and wanted[0] == "project":
            best = number
        inside = not header and key is not None and key.search(line.partition("#")[0])
        if header and table == ".".join(wanted):
            best = number
        elif inside and (table.split(".")[-1] in {*wanted[:-1], ""} or len(wanted) == 1):
            return number
    return best
