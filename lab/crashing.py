"""Every step, the lab's side: the function's ports, wrapped so that the process dies at a named point when told to.

A point is `PORT.METHOD.before` or `.after`: just before a call goes out, or just after its effect and before anybody
knew of it. Points are armed by files in one folder, so that whoever drives the test decides when, over all worker
processes and all restarts: the first process to reach an armed point takes the file away, writes down that it dies, and
kills itself with SIGKILL. Nothing in the product knows of it.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_METHODS: Final = {
    "records": ("admit", "claim", "findings_page", "load", "save", "release", "reject"),
    "scc": ("around",),
    "clusters": ("cluster",),
    "kubernetes": ("node", "pod", "namespace", "pod_events", "workload"),
    "logs": ("entries", "audit"),
    "projects": ("project", "owners", "security_contacts"),
}
"""What one investigation of a pod that exists calls, and one malformed message (`reject`)."""

POINTS: Final = tuple(
    f"{port}.{method}.{side}"
    for port, methods in _METHODS.items()
    for method in methods
    for side in ("before", "after")
)
"""The points that ordinary messages reach. Calls beyond these can be armed as well, by the same names."""

_LOG: Final = "died"


class Fuses:
    """The folder with the armed points; one in the driver, one in each worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def arm(self, point: str, times: int = 1) -> None:
        """The next `times` that any process reaches the point, it dies there."""
        for _ in range(times):
            (self._folder / f"{point}.{os.getpid()}-{next(self._numbers)}").touch()

    def armed(self) -> list[str]:
        """The points that nobody has reached yet, once for each time that they are armed."""
        return sorted(path.name.rpartition(".")[0] for path in self._folder.iterdir() if path.name != _LOG)

    def disarm(self) -> None:
        """Nobody dies from here on."""
        for path in self._folder.iterdir():
            if path.name != _LOG:
                path.unlink(missing_ok=True)

    def died(self) -> list[str]:
        """The points at which a process died, oldest first."""
        log = self._folder / _LOG
        return log.read_text(encoding="ascii").split() if log.exists() else []

    def reach(self, point: str) -> None:
        """Die here, if the point is armed; not to be survived by anything."""
        for file in self._folder.iterdir():
            if file.name.rpartition(".")[0] != point:
                continue
            try:
                file.unlink()
            except FileNotFoundError:
                continue  # another process took it
            self._die(point)

    def _die(self, point: str) -> None:
        with (self._folder / _LOG).open("a", encoding="ascii") as log:
            log.write(point + "\n")
            log.flush()
            os.fsync(log.fileno())
        os.kill(os.getpid(), signal.SIGKILL)


class Fused:
    """A port each of whose calls passes two points."""

    def __init__(self, name: str, port: Any, reach: Callable[[str], None]) -> None:
        self._name, self._port, self._reach = name, port, reach

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._port, method)
        if not callable(call):
            return call

        def fused(*args: Any, **kwargs: Any) -> Any:
            self._reach(f"{self._name}.{method}.before")
            answer = call(*args, **kwargs)
            self._reach(f"{self._name}.{method}.after")
            return answer

        return fused

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Opening the way to a cluster: what is behind it has points as well."""
        self._reach(f"{self._name}.before")
        opened = self._port(*args, **kwargs)
        self._reach(f"{self._name}.after")
        return Fused("kubernetes", opened, self._reach)


def fuse(folder: Path) -> Callable[[str, Any], Any]:
    """What `wiring.install` takes as `wrap`."""
    fuses = Fuses(folder)
    return lambda name, port: Fused(name, port, fuses.reach)


def warm() -> None:
    """Import what the adapters will: a worker that is killed again and again must not import for seconds each time.

    For the host's first process, before it forks. Imports only: no client, no channel, which do not survive a fork.
    """
    for name in ("gke", "google", "kubernetes", "logs", "rest", "scc"):
        importlib.import_module(f"responder.live.{name}")
    for name in ("responder.pipeline", "responder.stores.sqlite", "responder.stores.documents", *_CLIENTS):
        importlib.import_module(name)


_CLIENTS: Final = (
    "google.cloud.container_v1",
    "google.cloud.logging_v2.services.logging_service_v2",
    "google.cloud.securitycenter_v2",
)
