"""The demo's scenario with a policy, and `act` in this process against the lab's servers.

Where `LAB_KUBECONFIG` names a real API server the cluster's objects are there, and RBAC is the server's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import kubeconfig
from lab.google import LabGoogle
from lab.rbac import COLLECTOR, REMEDIATOR
from lab.scenario import Scenario, load
from lab.server import Running, serve
from responder import act, notification, pipeline, wiring
from responder.ports import Delivery, RecordQuery, World
from responder.record import Record
from responder.settings import Settings

SCENARIOS = Path(__file__).parents[1] / "lab" / "scenarios"
POD = "checkout-7d9f8c5b4-x2k9p"
needs_kubelet = pytest.mark.skipif(
    bool(os.environ.get(kubeconfig.VARIABLE)),
    reason="commands need a kubelet, and the API server of LAB_KUBECONFIG is asked without one",
)
AUTO = {"remediate": '"auto"'}
APPROVE = {"remediate": '"approve"', "approvers": '["lead@acme.example"]'}


class Scene:
    """The demo's scenario with a policy; `record` is what `respond` wrote."""

    def __init__(self, running: Running, folder: Path, policy: dict[str, str], settings: dict[str, Any]) -> None:
        self.running, self.folder, self.lab = running, folder, running.lab
        self.policy(policy)
        wiring.install(LabGoogle(running.endpoints.model_dump(mode="json")), now=running.lab.now)
        given: dict[str, Any] = {"collector": COLLECTOR, "remediator": REMEDIATOR} | settings
        made = Settings(
            scc_parent="organizations/123456789012",
            store=str(folder / "records.db"),
            actions=str(folder / "actions.db"),
            evidence=str(folder / "evidence"),
            policy=str(folder / "policy.toml"),
            **given,
        )
        wiring.world(made)
        data = json.dumps(self.lab.notification).encode()
        finding = notification.read(data)
        assert finding is not None
        pipeline.respond(wiring.world(), finding, Delivery(data=data, message_id="1", received=running.lab.now()))
        (line,) = wiring.store().list(RecordQuery())
        self.id = line.id

    @property
    def uid(self) -> str:
        """The finding's pod: the scenario's UID, or the one that a real API server gave it."""
        return next(pod.uid for pod in self.lab.scenario.clusters[0].pods if pod.name == POD)

    def policy(self, lines: dict[str, str]) -> None:
        if not lines:
            (self.folder / "policy.toml").write_text("", encoding="utf-8")
            return
        body = "\n".join(f"{key} = {value}" for key, value in lines.items())
        text = f'[[project]]\nid = "acme-shop-prod"\nnumber = "421458901689"\n{body}\n'
        (self.folder / "policy.toml").write_text(text, encoding="utf-8")

    @property
    def record(self) -> Record:
        found = wiring.store().load(self.id)
        assert found is not None
        return found

    @property
    def world(self) -> World:
        """Sleeping moves the lab's clock on."""
        outside = wiring.acting()
        assert outside.act is not None

        def sleep(seconds: float) -> None:
            self.lab.advance(timedelta(seconds=seconds))

        return dataclasses.replace(outside, act=dataclasses.replace(outside.act, sleep=sleep))

    def act(self) -> Record:
        done = act.act(self.world, self.id)
        assert done is not None
        return done

    def deletes(self) -> list[str]:
        """UIDs of the pods that a request ended, in order: what happened, whatever was asked."""
        return [str(entry["uid"]) for entry in self.lab.calls("cluster.pod.terminating")]

    def commands(self) -> list[dict[str, Any]]:
        return self.lab.calls("kubernetes.*exec*")


@contextlib.contextmanager
def scene(
    folder: Path,
    policy: dict[str, str],
    *,
    changes: dict[str, Any] | None = None,
    told: dict[str, Any] | None = None,
    scc: Sequence[dict[str, Any]] = (),
    **settings: Any,
) -> Iterator[Scene]:
    """`told` is the notification, of nothing that other sources know of; `scc` what SCC has where it has more."""
    scenario = load(SCENARIOS / "attack-web-pod.yaml")
    if told is not None:
        has = [{"like": "nothing", "data": one} for one in scc or (told,)]
        changes = {"logs": [], "findings": has} | (changes or {})
    scenario = Scenario.model_validate(scenario.model_dump() | (changes or {}))
    data = (SCENARIOS / "attack-web-pod.notification.json").read_bytes()
    with serve(scenario, told or json.loads(data), upstream=kubeconfig.from_environment(os.environ)) as running:
        made = Scene(running, folder, policy, settings)
        yield made
        wiring.acting().act.actions.close()  # type: ignore[union-attr] # it was built
        wiring.store().close()
