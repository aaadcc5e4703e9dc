"""What goes wrong in a race: at a numbered call to a port, before or after it, something happens.

A worker is the ports of one process. Once it is killed every further call of it dies too, as after a kill -9: nothing
is released, nothing is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from responder.errors import Unconfirmed
from responder.ports import World

WATCHED: Final = frozenset(
    {
        "records.claim", "records.renew", "records.save", "records.release", "actions.brake", "actions.intent",
        "actions.intend", "actions.approval", "actions.ask", "actions.use", "actions.send", "actions.settle",
        "actions.answered", "actions.of_record",
        "remover.rehearse", "remover.delete", "remover.evict", "clusters.cluster",
    }
)  # fmt: skip
"""The calls that are counted: those with an effect, and those that stand before one."""


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Worker:
    """One process. `plan` maps a call's number to what happens around it: before it is made, or after."""

    before: dict[int, Callable[[], None]] = field(default_factory=dict)
    after: dict[int, Callable[[], None]] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    """Requests to the control plane whose effect happens and whose reply does not come."""
    is_dead: bool = False
    calls: list[str] = field(default_factory=list)

    def die(self) -> None:
        """Kill it."""
        self.is_dead = True
        raise Killed

    def call(self, name: str, make: Callable[[], Any]) -> Any:
        """One call, with whatever is planned around it."""
        if self.is_dead:
            raise Killed
        if name not in WATCHED:
            return make()
        number = len(self.calls)
        self.calls.append(name)
        self.before.get(number, _nothing)()
        made = make()
        self.after.get(number, _nothing)()
        if number in self.lost and name.startswith("remover."):
            raise Unconfirmed("the reply was lost")
        return made


def _nothing() -> None:
    pass


class Around:
    """A port whose every call goes through a worker; what its methods return is left as it is."""

    def __init__(self, name: str, port: Any, worker: Worker) -> None:
        self._name, self._port, self._worker = name, port, worker

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._worker.call(f"{self._name}.{method}", lambda: found(*args, **kwargs))

        return call


def around(world: World, worker: Worker, requests: list[str]) -> World:
    """The world of one worker. `requests` gets a line for each delete or eviction that leaves, of any worker."""
    acting = world.act
    assert acting is not None
    remove = acting.remove
    assert remove is not None

    class Counted:
        def __init__(self, port: Any) -> None:
            self._port = port

        def __getattr__(self, method: str) -> Any:
            found = getattr(self._port, method)

            def call(*args: Any, **kwargs: Any) -> Any:
                if method in {"delete", "evict"}:
                    requests.append(f"{method} {kwargs['uid']}")
                return found(*args, **kwargs)

            return call

    return dataclasses.replace(
        world,
        records=Around("records", world.records, worker),
        clusters=Around("clusters", world.clusters, worker),
        act=dataclasses.replace(
            acting,
            actions=Around("actions", acting.actions, worker),
            remove=lambda access: Around("remover", Counted(remove(access)), worker),
        ),
    )
