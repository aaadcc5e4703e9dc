"""Step 7: the policy that is in force. Reads policy.toml, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder import log
from responder.errors import PolicyError
from responder.reread import Reread

if TYPE_CHECKING:
    from pathlib import Path

    from responder.policy import Policy


class Policed(Reread["Policy"]):
    """What the file at `path` says, read again once a minute. `monotonic` is in seconds.

    A file that cannot be read, or has a mistake, is a Policy that allows nothing and says in `problem` why: what was
    right before is not in force any more, since nobody knows which part of it still is meant.
    """

    def _read(self, path: Path) -> Policy:
        policy = _policy(path)
        if policy.problem:
            # An alert waits for this line: deploy/terraform/alerts.tf.
            log.write("ERROR", "policy not in force", why=policy.problem)
        return policy


def _policy(path: Path) -> Policy:
    from responder.policy import MOST_BYTES, Policy, parse  # noqa: PLC0415 - pydantic only once it is needed

    try:
        with path.open("rb") as file:
            return parse(file.read(MOST_BYTES + 1))
    except OSError as error:
        return Policy(problem=f"policy.toml cannot be read: {type(error).__name__}")
    except PolicyError as error:
        return Policy(problem=f"policy.toml: {error}")
