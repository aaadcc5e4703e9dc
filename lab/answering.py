"""Steps 5 and 7, the lab's side: the functions `respond` and `act` as a deployment has them, around one policy.toml."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lab.delivery import topics
from lab.rbac import COLLECTOR, REMEDIATOR
from lab.serving import Function, function

NAME: Final = "actions"
TOPIC: Final = f"projects/acme-sec/topics/{NAME}"


def of_all(folder: Path, policy: str) -> dict[str, str]:
    """What each function is given; the policy is written to `FOLDER/policy.toml`."""
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    return {"RESPONDER_POLICY": str(folder / "policy.toml"), "RESPONDER_ACTION_TOPIC": TOPIC}


def of_act(folder: Path) -> dict[str, str]:
    """What `act` alone is given besides."""
    return {
        "RESPONDER_ACTIONS": str(folder / "actions.db"),
        "RESPONDER_EVIDENCE": str(folder / "evidence"),
        "RESPONDER_COLLECTOR": COLLECTOR,
        "RESPONDER_REMEDIATOR": REMEDIATOR,
    }


@contextlib.contextmanager
def answering(folder: Path, endpoints: Mapping[str, Any], *, store: Path, policy: str) -> Iterator[Function]:
    """`respond`, with `act` behind the action topic of the Pub/Sub that `endpoints` name.

    Their logs are `FOLDER/respond/function.log` and `FOLDER/act/function.log`.
    """
    environ = of_all(folder, policy)
    for name in ("respond", "act"):
        (folder / name).mkdir()
    with (
        function(folder / "respond", endpoints, store=store, environ=environ) as respond,
        function(folder / "act", endpoints, store=store, environ=environ | of_act(folder), target="act") as act,
        topics(str(endpoints["pubsub"]), NAME, push_to=act.url + TOPIC, backoff=(1, 5)),
    ):
        yield respond
