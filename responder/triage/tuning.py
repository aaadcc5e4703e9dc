"""What an operator may say without code: `triage.toml`. Pure: text in, values out.

Weights and thresholds, and the workloads that are expected to build. A file with an error in it is not in force at all:
the built-in rules judge, and the record says why.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from responder.errors import SettingsError
from responder.triage.rules import WEIGHTS, Rules

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_OWNER: Final = re.compile(r"[A-Z][A-Za-z]{1,62}/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def _plain(text: str) -> str:
    if any(mark in text for mark in "*?[]"):
        raise ValueError("no wildcards: name each one")
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Plain = Annotated[str, AfterValidator(_plain)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Builder(_Part):
    """A workload that is expected to compile. One of `workload` (`Kind/name`) and `image_digest` narrows it down."""

    project: Plain
    namespace: Plain
    workload: Plain = Field(default="-", description="Kind/name of the top owner")
    image_digest: Plain = Field(default="-", description="sha256:…")
    owner: Plain = Field(description="who answers for this entry")
    reason: Plain
    expires: date = Field(description="the last day on which it counts")

    @model_validator(mode="after")
    def _is_narrow(self) -> Builder:
        if self.workload == "-" and self.image_digest == "-":
            raise ValueError("give workload or image_digest: a whole namespace is too wide")
        if self.workload != "-" and not _OWNER.fullmatch(self.workload):
            raise ValueError("workload must be Kind/name, as in CronJob/nightly-build")
        if self.image_digest != "-" and not _DIGEST.fullmatch(self.image_digest):
            raise ValueError("image_digest must be sha256: and 64 hexadecimal digits")
        return self

    def is_expired(self, at: datetime) -> bool:
        """Whether its last day is over."""
        return at.astimezone(UTC).date() > self.expires

    def named(self) -> str:
        """The entry, in words for a record."""
        what = self.workload if self.workload != "-" else self.image_digest[:19]
        return (
            f"{self.namespace}/{what} (answered for by {self.owner}, until {self.expires.isoformat()}: {self.reason})"
        )


class _Thresholds(_Part):
    base: int | None = Field(default=None, ge=0, le=60)
    suspicious: int | None = Field(default=None, ge=1, le=100)
    malicious: int | None = Field(default=None, ge=1, le=100)
    benign: int | None = Field(default=None, ge=0, le=60)


class _File(_Part):
    weights: dict[str, Annotated[int, Field(ge=-100, le=100, strict=True)]] = Field(default_factory=dict)
    thresholds: _Thresholds = _Thresholds()
    expected_builders: tuple[Builder, ...] = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _is_sound(self) -> _File:
        for sign, weight in self.weights.items():
            if sign not in WEIGHTS:
                raise ValueError(f"weights.{sign}: there is no such sign; known: {', '.join(WEIGHTS)}")
            if WEIGHTS[sign] * weight < 0:
                raise ValueError(
                    f"weights.{sign}: its sign must stay {'positive' if WEIGHTS[sign] > 0 else 'negative'}"
                )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What a `triage.toml` says. `problem` is why it is not in force; then all else is empty."""

    sha256: str = ""
    problem: str = ""
    weights: tuple[tuple[str, int], ...] = ()
    base: int | None = None
    suspicious: int | None = None
    malicious: int | None = None
    benign: int | None = None
    builders: tuple[Builder, ...] = ()

    def said(self, at: datetime | None) -> str:
        """For the record: the file's hash, and what of it has expired; or why it is not in force."""
        if self.problem:
            return f"not in force: {self.problem}; the built-in rules judged"
        if not self.sha256:
            return ""
        expired = [one.named() for one in self.builders if at is not None and one.is_expired(at)]
        return f"sha256:{self.sha256}" + (f"; expired: {', '.join(expired)}" if expired else "")

    def builder(self, *, project: str, namespace: str, owner: str, digest: str, at: datetime | None) -> Builder | None:
        """The entry that holds for a workload at that time; `owner` as Kind/name, `digest` as sha256:…."""
        if at is None or not namespace:
            return None
        return next(
            (
                one
                for one in self.builders
                if (one.project, one.namespace) == (project, namespace)
                and one.workload in ("-", owner)
                and one.image_digest in ("-", digest)
                and not one.is_expired(at)
            ),
            None,
        )


NONE: Final = Tuning()


def parse(text: str) -> Tuning:
    """The file's text as `Tuning`; SettingsError names the place and what must stand there."""
    try:
        said = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"triage.toml is no TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError(f"triage.toml: {_first(error)}") from error
    lines = said.thresholds
    tuned = Tuning(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        weights=tuple(said.weights.items()),
        base=lines.base,
        suspicious=lines.suspicious,
        malicious=lines.malicious,
        benign=lines.benign,
        builders=said.expected_builders,
    )
    rules = applied(Rules(), tuned)
    if not rules.benign < rules.base < rules.suspicious < rules.malicious:
        raise SettingsError("triage.toml: thresholds must rise: benign < base < suspicious < malicious")
    return tuned


def read(text: str) -> Tuning:
    """The same, without an exception: an invalid file leaves the built-in rules in force and says so."""
    try:
        return parse(text)
    except SettingsError as error:
        return Tuning(problem=str(error))


def applied(rules: Rules, tuning: Tuning) -> Rules:
    """The rules with what the file changes."""
    changes = {name: getattr(tuning, name) for name in ("base", "suspicious", "malicious", "benign")}
    return replace(
        rules,
        weights={**rules.weights, **dict(tuning.weights)} if tuning.weights else rules.weights,
        **{name: value for name, value in changes.items() if value is not None},
    )


def _first(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_input=False)
    one = details[0]
    where = ".".join(str(part) for part in one["loc"]) or "the file"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{where}: {one['msg'].removeprefix('Value error, ')}{more}"
