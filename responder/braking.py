"""Step 7: the brake as people use it: pulled and let go of with a line in the log, and told wherever they look.

Asks the second store through its port. One that cannot be read counts as on, here as in `act`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from responder import log
from responder.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from responder.ports import Actions, Brake

UNREADABLE: Final = "The brake cannot be read, which counts as on"


def set_brake(actions: Actions, brake: Brake) -> None:
    """Pull it or let go: the history keeps why, the log says who and where. StoreError where the store fails."""
    actions.set_brake(brake)
    log.write("WARNING", "brake pulled" if brake.on else "brake released", by=brake.by, project=where(brake))


def on(acts: Iterable[Brake]) -> tuple[Brake, ...]:
    """Those that are on, of every act, oldest first (`ports.Actions.brakes`)."""
    return tuple(one for one in {act.project: act for act in acts}.values() if one.on)


def standing(actions: Actions | None) -> tuple[Brake, ...] | None:
    """Those that are on; None where they cannot be read, which counts as on. Without a second store there is none."""
    if actions is None:
        return ()
    try:
        return on(actions.brakes())
    except StoreError:
        return None


def told(brakes: tuple[Brake, ...] | None) -> tuple[str, ...]:
    """What `standing` found, a line each; the reason is somebody's words, and is made harmless by whoever shows it."""
    if brakes is None:
        return (f"{UNREADABLE}: every action is held.",)
    return tuple(
        f"The brake is on for {where(one)}: {one.why} ({one.by}, {one.at:%Y-%m-%d %H:%M} UTC)" for one in brakes
    )


def where(brake: Brake) -> str:
    """The project that it holds, or that it holds all."""
    return brake.project or "all projects"
