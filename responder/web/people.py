"""Who asks, and what they may do. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from responder.settings import Settings

Role = Literal["viewer", "analyst", "approver", "raw"]
"""`viewer` reads. `analyst` reviews and pulls a brake. `approver` also answers approvals of the projects whose policy
names them, and lets a brake go. `raw` takes away notifications as they came, which nothing was redacted in.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who was let in. `name` is an e-mail address, or the user of this machine."""

    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Whether they have the role."""
        return role in self.roles


class Door(Protocol):
    """Tells who asks. Raises NotLetIn where that is not proven."""

    def __call__(self, headers: Mapping[str, str], /) -> str:
        """The person's name; headers by lower-case name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Who has which role: addresses, or `@DOMAIN` for everybody of a domain. `everybody` are roles of all let in."""

    viewers: tuple[str, ...] = ()
    analysts: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    everybody: frozenset[Role] = frozenset()

    @classmethod
    def of(cls, settings: Settings, *, everybody: frozenset[Role] = frozenset()) -> Roles:
        """As the settings name them."""
        return cls(
            viewers=settings.viewers, analysts=settings.analysts, approvers=settings.approvers,
            raw=settings.raw_readers, everybody=everybody,
        )  # fmt: skip

    def person(self, name: str) -> Person:
        """The person with that name, in any case. Nobody who is not named has a role; who may more may read."""
        roles = set(self.everybody)
        named: tuple[tuple[Role, tuple[str, ...]], ...] = (
            ("viewer", self.viewers), ("analyst", self.analysts), ("approver", self.approvers), ("raw", self.raw),
        )  # fmt: skip
        roles |= {role for role, names in named if _is_named(name, names)}
        if roles:
            roles.add("viewer")
        if "approver" in roles:
            roles.add("analyst")
        return Person(name=name, roles=frozenset(roles))


LOCAL: Final[frozenset[Role]] = frozenset({"viewer", "analyst"})
"""What whoever sits at this machine may do: no more than the command line lets them."""


def _is_named(name: str, names: tuple[str, ...]) -> bool:
    lower = name.lower()
    # The address is one that Google has proven; its last "@" begins the domain.
    domain = f"@{lower.rpartition('@')[2]}" if "@" in lower else ""
    return any(lower == one.lower() or (domain and domain == one.lower()) for one in names)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
