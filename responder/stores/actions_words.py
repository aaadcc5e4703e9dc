"""What both action stores agree on: scopes of limits, steps, final outcomes, and rows as values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from responder.errors import Refused, StoreError
from responder.ports import OPEN_FOR, Approval, Brake, Intended, Intent
from responder.stores.words import clean, shifted, short, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responder.ports import Limit
    from responder.record import Method

INTENT: Final = tuple(one.name for one in fields(Intent))
APPROVAL: Final = tuple(one.name for one in fields(Approval))
BRAKE: Final = ("on", "project", "why", "by", "at")
_TIMES: Final = frozenset({"at", "asked_at", "until"})


def written(value: Intent | Approval | Brake) -> dict[str, str | bool | None]:
    """The fields of a value as a store keeps them: moments as stamps, texts without lone surrogates, a short `why`."""
    kept = {one.name: _written(getattr(value, one.name)) for one in fields(value)}
    return kept | ({"why": short(str(kept["why"]))} if "why" in kept else {})


def _written(value: Any) -> str | bool | None:
    if isinstance(value, datetime):
        return stamp(value)
    return clean(value) if isinstance(value, str) else value


def intended_of(row: Mapping[str, Any], steps: Iterable[str]) -> Intended:
    """An intent as it stands; StoreError where what is kept cannot be one."""
    with _readable("an intent"):
        intent = Intent(**_values(row, INTENT))
        sent = row.get("sent_at")  # Firestore has no such field before it is sent
        # One that was sent by a version that did not keep this was sent as it was intended.
        method: Any = row.get("sent_method") if sent else ""
        return Intended(
            intent=intent,
            state=row["state"],
            outcome=row["outcome"],
            steps=tuple(steps),
            method=method or intent.method,
            approval=row["sent_approval"] if method else intent.approval,
            sent_at=datetime.fromisoformat(sent) if sent else None,
        )


def approval_of(row: Mapping[str, Any]) -> Approval:
    """A question and its answer; StoreError where what is kept cannot be one."""
    with _readable("an approval"):
        return Approval(**_values(row, APPROVAL))


def brake_of(row: Mapping[str, Any]) -> Brake:
    """An act on a brake; StoreError where what is kept cannot be one."""
    with _readable("a brake"):
        return Brake(**{**_values(row, BRAKE), "on": bool(row["on"])})


def _values(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _value(name, row[name]) for name in names}


def _value(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name in _TIMES and value is not None else value


@contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        message = f"the action store holds {what} that cannot be read: {type(error).__name__}"
        raise StoreError(message) from error


# --- limits -----------------------------------------------------------------------------------------------------------


def scope_of(intent: Intent, limit: Limit) -> tuple[str, ...]:
    """What a limit counts: `(kind, value, ...)`. A namespace and a workload are always of their project."""
    values = {"project": (), "namespace": (intent.namespace,), "workload": (intent.workload,)}[limit.scope]
    return (limit.scope, *map(clean, (intent.project, *values)))


def used_up(limit: Limit) -> str:
    """Why an intent was not kept: `project: 3 within 60 minutes`."""
    return f"{limit.scope}: {limit.most} within {limit.within.total_seconds() / 60:g} minutes"


NOTHING_WAS_DONE: Final = ("failed", "gone")
"""Outcomes of intents that answer nothing: the next pod of the workload may follow."""


def is_open(row: Mapping[str, Any] | None, key: str, now: datetime) -> bool:
    """Whether another intent, as it is kept, may yet leave or is not settled yet."""
    if row is None or row["key"] == clean(key) or row["state"] == "settled":
        return False
    return bool(row["at"] > shifted(now, -OPEN_FOR))


# --- steps ------------------------------------------------------------------------------------------------------------


def intended_step(intent: Intent) -> str:
    """The first step of an intent."""
    return short(f"intended: {intent.method} {intent.namespace}/{intent.pod} uid {intent.uid} at {stamp(intent.at)}")


def sent_step(method: Method, now: datetime) -> str:
    """The step after which it is never sent again."""
    return f"sent: {method} at {stamp(now)}"


def unsent_step(now: datetime, why: str) -> str:
    """The step after which it may be sent once more."""
    return short(f"intended: refused for now at {stamp(now)}: {why}")


def seen_step(state: str, outcome: str, detail: str, now: datetime) -> str:
    """What was seen, and the state that it left."""
    return short(f"{state}: {outcome} at {stamp(now)}: {detail}")


# --- approvals --------------------------------------------------------------------------------------------------------


def asked(approval: Approval) -> dict[str, str | bool | None]:
    """A question as it is kept: it waits, whatever the one who asks says of its answer."""
    return written(approval) | {"state": "waiting", "by": "", "at": None, "why": ""}


EXPIRED: Final = timedelta(days=1)
"""How long a question that ran out is told of."""


def waiting(found: Iterable[Approval], now: datetime) -> tuple[Approval, ...]:
    """Those that are open, then those that ran out lately; each oldest first."""
    lately = (one for one in found if one.until > now - EXPIRED)
    return tuple(sorted(lately, key=lambda one: (now >= one.until, one.asked_at, one.binding)))


_ANEW: Final = "ask for it anew: responder investigate --again {}"


def may_answer(found: Approval | None, by: str, now: datetime) -> None:
    """Refused where there is nothing to answer, or nobody who does."""
    if found is None:
        raise Refused("not_found", "there is no question with this binding")
    if found.state != "waiting":
        raise Refused("invalid", f"it was answered before: {found.state} by {found.by}")
    if now >= found.until:
        raise Refused("invalid", f"its time was over at {stamp(found.until)}", mend=_ANEW.format(found.record_id))
    if not by.strip():
        raise Refused("invalid", "an answer has the name of whoever gives it")


def may_use(found: Approval | None, used_by: str, key: str, now: datetime) -> bool | None:
    """True where `key` has spent it before, None where it may be spent now, False where it may not."""
    if found is None:
        return False
    if found.state == "used":
        # The same key again: whoever spent it ended before it did anything with it.
        return used_by == clean(key)
    return None if found.state == "approved" and now < found.until else False
