"""Step 7: the policy that is in force. Reads policy.toml, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from responder import log
from responder.errors import PolicyError

if TYPE_CHECKING:
    from responder.policy import Policy

SECONDS: Final = 60.0
"""How long what was read is in force: a project that is taken out of the file is left alone that soon."""


class Policed:
    """What the file at `path` says, read again once a minute. `monotonic` is in seconds.

    A file that cannot be read, or has a mistake, is a Policy that allows nothing and says in `problem` why: what was
    right before is not in force any more, since nobody knows which part of it still is meant.
    """

    def __init__(self, path: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._monotonic = monotonic
        self._read: Policy | None = None
        self._until = 0.0

    def __call__(self) -> Policy:
        """The policy in force."""
        now = self._monotonic()
        if self._read is None or now >= self._until:
            # Counted from before the reading: a slow disk does not make it longer.
            self._read, self._until = _read(self._path), now + SECONDS
            if self._read.problem:
                # An alert waits for this line: deploy/terraform/alerts.tf.
                log.write("ERROR", "policy not in force", why=self._read.problem)
        return self._read


def _read(path: Path) -> Policy:
    from responder.policy import MOST_BYTES, Policy, parse  # noqa: PLC0415 - pydantic only once it is needed

    try:
        with path.open("rb") as file:
            return parse(file.read(MOST_BYTES + 1))
    except OSError as error:
        return Policy(problem=f"policy.toml cannot be read: {type(error).__name__}")
    except PolicyError as error:
        return Policy(problem=f"policy.toml: {error}")
