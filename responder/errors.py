"""Every exception that crosses a module border. Pure.

::

    ResponderError
    ├── MalformedNotification   the bytes are not a notification: kept in `rejected`, acknowledged
    ├── Unanswered              a source gave no answer: becomes `Missing` in the record
    ├── SettingsError           the environment is wrong: said once, at start
    ├── PolicyError             policy.toml is wrong: every action is held, investigating goes on
    ├── NoticesError            notices.toml is wrong: nobody is told, and each record says so
    ├── NoProgram               the container has no such program: another way is tried
    ├── Refused                 an effect was refused: nothing happened
    ├── Unconfirmed             an effect was asked for and no answer came: look before saying anything
    ├── Tampered                evidence is not what its manifest says
    ├── NotLetIn                it is not proven who asks: nothing is shown
    ├── StoreError              the store failed: the message is delivered again
    │   ├── StaleClaim          the claim was taken over: this worker may write nothing more
    │   └── StaleRevision       somebody saved since it was read: read again, then decide
    ├── Busy                    another instance works on this very message: deliver again
    └── Redeliver               anything else that failed: deliver again; carries a type name, never a text
"""

from __future__ import annotations

from typing import Literal

Why = Literal[
    "denied",  # the identity lacks a permission; `mend` names the grant
    "not_found",  # asked, and it does not exist (any more)
    "invalid",  # a name in the finding is not one that may be asked for
    "quota",  # may answer later
    "timeout",  # may answer later
    "unavailable",  # may answer later
    "unverified",  # not asked of a cluster, since SCC did not confirm the finding; may change later
    "not_asked",  # nothing to ask with, or nothing that needed asking
    "broken",  # the source answered something that cannot be read, or our own code failed
]
"""Why an answer is missing. `quota`, `timeout`, `unavailable` and `unverified` may change; the others are final."""

PASSING: frozenset[Why] = frozenset({"quota", "timeout", "unavailable", "unverified"})


class ResponderError(Exception):
    """The root; never raised itself."""


class MalformedNotification(ResponderError):  # noqa: N818 - a statement about the bytes
    """The bytes cannot be read as a notification; `str()` is the reason, in words of ours alone."""


class Unanswered(ResponderError):  # noqa: N818 - a statement about the source
    """A source gave no answer. `detail` and `mend` carry no body, header or token of the reply."""

    def __init__(self, why: Why, detail: str, *, mend: str = "") -> None:
        super().__init__(f"{why}: {detail}")
        self.why: Why = why
        self.detail = detail
        self.mend = mend


class SettingsError(ResponderError):
    """A setting is absent or wrong; `str()` names the variable and what it must hold."""


class PolicyError(ResponderError):
    """policy.toml is wrong; `str()` names the line, the key and the mend."""


class NoticesError(ResponderError):
    """notices.toml is wrong; `str()` names the key and the mend, and repeats nothing that may be an address."""


class NoProgram(ResponderError):  # noqa: N818 - a statement about the container
    """The container has no such program (distroless, or another tool set)."""


class Refused(ResponderError):  # noqa: N818 - a statement about the effect
    """The API refused before anything happened. `why` as in Unanswered; `retry` where it may be allowed later."""

    def __init__(self, why: Why, detail: str, *, mend: str = "", retry: bool = False) -> None:
        super().__init__(f"{why}: {detail}")
        self.why: Why = why
        self.detail = detail
        self.mend = mend
        self.retry = retry


class Unconfirmed(ResponderError):  # noqa: N818 - a statement about the effect
    """The request left and its answer did not come: the effect may or may not have happened."""


class Tampered(ResponderError):  # noqa: N818 - a statement about the evidence
    """A sealed file or a manifest is not what it was; `str()` names what was changed, removed, reordered or swapped."""


class NotLetIn(ResponderError):  # noqa: N818 - a statement about who asks
    """It is not proven who asks; `str()` says which proof is lacking, in words of ours alone."""


class StoreError(ResponderError):
    """The record store failed; nothing was acknowledged."""


class StoreDenied(StoreError):  # noqa: N818 - a statement about who asks
    """The record store does not let whoever asks in."""


class StaleClaim(StoreError):  # noqa: N818 - a statement about the claim
    """The claim has expired or was taken over; nothing was written."""


class StaleRevision(StoreError):  # noqa: N818 - a statement about the revision
    """The record has changed since it was read; nothing was written."""


class Busy(ResponderError):  # noqa: N818 - a statement about the record
    """Another instance holds the claim for this same message."""


class Redeliver(ResponderError):  # noqa: N818 - an order to Pub/Sub
    """Deliver the message again. Its text is the type name of what went wrong, since frameworks print it."""
