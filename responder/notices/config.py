"""After step 7: notices.toml, which channels there are, whom each one serves, and from which verdict on. Pure.

A channel's address is a secret: whoever has it can write into the channel. The file names the place of each one, and an
address in the file itself is refused. A file with an error is not in force: nobody is told, and each record says why.
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from responder.errors import NoticesError
from responder.evidence import Model
from responder.record import Audience, Verdict

MOST_BYTES: Final = 256 * 1024
_MOST_CHANNELS: Final = 100

_PLACE: Final = re.compile(
    r"env:(?!RESPONDER_)[A-Z][A-Z0-9_]{0,99}"  # those are settings, and one that is not known is refused
    r"|secret:projects/[a-z0-9.:-]{1,100}/secrets/[A-Za-z0-9_-]{1,255}/versions/(?:[0-9]{1,9}|latest)"
)
_PAGE: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/?&=-]*\{record\}[A-Za-z0-9._~/?&=-]*")
_RANKS: Final[dict[Verdict, int]] = {"benign": 0, "insufficient_data": 1, "suspicious": 2, "malicious": 3}
_LEAST: Final[dict[Audience, Verdict]] = {"team": "suspicious", "owner": "malicious"}


def rank(verdict: Verdict) -> int:
    """How grave a verdict is: benign, insufficient data, suspicious, malicious."""
    return _RANKS[verdict]


def _place(text: str) -> str:
    if not _PLACE.fullmatch(text):
        # The text is not repeated: it may be the address itself.
        raise ValueError('name the place of the address: "env:NAME" or "secret:projects/P/secrets/S/versions/V"')
    return text


def _page(text: str) -> str:
    if text and not _PAGE.fullmatch(text):
        raise ValueError("write an https:// address with {record} once, where the record's id goes")
    return text


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Contact = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Strict(Model):
    """No text becomes a number or a truth."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ChannelConfig(_Strict):
    """One channel. `owners` are the contacts of records that it serves; empty: it serves those that no other does."""

    name: Name
    kind: Literal["slack", "chat"]
    webhook: Annotated[str, AfterValidator(_place)]
    audience: Audience = "team"
    least_verdict: Verdict | None = Field(default=None, description="None: suspicious for team, malicious for owner")
    owners: tuple[Contact, ...] = ()

    @property
    def least(self) -> Verdict:
        """The verdict from which on it is told."""
        return self.least_verdict or _LEAST[self.audience]

    @model_validator(mode="after")
    def _serves_owners(self) -> ChannelConfig:
        if self.owners and self.audience != "owner":
            raise ValueError('owners are for a channel with audience = "owner"')
        return self


class Notices(_Strict):
    """What notices.toml says. `problem` is why it is not in force.

    `digest_hour` is the hour, UTC, at which the team is told of what was too little for a message. `record_page` is
    where a record can be read, with `{record}` for its id; `write_back` whether Security Command Center is told.
    """

    channel: tuple[ChannelConfig, ...] = Field(default=(), max_length=_MOST_CHANNELS)
    digest_hour: int = Field(default=7, ge=0, le=23)
    record_page: Annotated[str, AfterValidator(_page)] = ""
    write_back: bool = False
    problem: str = ""

    @model_validator(mode="after")
    def _names_once(self) -> Notices:
        names = [channel.name for channel in self.channel]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"channel {twice[0]} is named twice: give each a name of its own")
        return self

    def page(self, record_id: str) -> str:
        """Where the record can be read; empty where no place is known."""
        return self.record_page.replace("{record}", record_id)


NONE: Final = Notices()
"""Nobody is told."""


def parse(data: bytes) -> Notices:
    """The bytes of a notices.toml; NoticesError, with key and mend, where anything in it is not exactly right."""
    if len(data) > MOST_BYTES:
        raise NoticesError(f"the file has {len(data)} bytes; at most {MOST_BYTES} are read")
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise NoticesError("not UTF-8: save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        # Its text names line and column, and nothing of the file.
        raise NoticesError(f"no TOML: {error}") from None
    except RecursionError:
        raise NoticesError("no TOML: nested too deeply") from None
    if "problem" in table:
        raise NoticesError("problem is not a key of this file: remove it")
    try:
        return Notices.model_validate(_frozen(table))
    except ValidationError as error:
        raise NoticesError(_problem(error)) from None


def _frozen(value: Any) -> Any:
    """Lists as tuples, since strict models take no list for one."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, dict) else value


_MENDS: Final = {
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "string_type": 'write a text in quotes: "…"',
    "tuple_type": 'write a list: ["…"]',
    "missing": "add it",
    "string_pattern_mismatch": "write small letters, digits and dashes, a letter first, at most 40",
}


def _problem(error: ValidationError) -> str:
    """Where the first mistake stands and how it is mended. Never what is written there: it may be an address."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    kind, more = first["type"], error.error_count() - 1
    if kind == "extra_forbidden":
        known = ChannelConfig if first["loc"][0] == "channel" else Notices
        told = f"not a key: known are {', '.join(sorted(set(known.model_fields) - {'problem'}))}"
    elif kind == "value_error":
        told = str(first["ctx"]["error"])
    elif kind == "literal_error":
        told = f"write one of {first['ctx']['expected']}"
    else:
        told = _MENDS.get(kind, first["msg"].removeprefix("Input "))
    return ": ".join(filter(None, (where, told))) + (f" (and {more} more)" if more else "")
