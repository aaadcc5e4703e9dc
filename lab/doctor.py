"""`python -m lab doctor`: the doctor against a healthy deployment, or one with something changed."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lab.environment import ROOT
from lab.google import LabGoogle
from lab.rbac import DOCTOR_TOKEN
from lab.scenario import Scenario, load
from lab.server import serve

_POLICY: Final = """[[project]]
id = "acme-shop-prod"
number = "421458901689"
remediate = "approve"
capture = true
approvers = ["lead@acme.example"]
"""


def doctor(change: str) -> int:
    """Print what a person sees. `change` is JSON: path -> what is merged over it, as in a scenario's `deployment`."""
    from responder import settings, wiring  # noqa: PLC0415 - after the environment was cleaned
    from responder.cli_doctor import shown  # noqa: PLC0415 - the same
    from responder.doctor.examine import examine  # noqa: PLC0415 - the same

    scenario = _changed(load(ROOT / "lab" / "deployment.yaml"), json.loads(change) if change else {})
    assert scenario.deployment is not None
    environ = {"RESPONDER_SCC_PARENT": scenario.scc_parent, "RESPONDER_POLICY": "policy.toml"}
    with serve(scenario) as running, tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.toml"
        policy.write_text(_POLICY, encoding="utf-8")
        wiring.install(LabGoogle(running.endpoints.model_dump(mode="json") | {"token": DOCTOR_TOKEN}))
        case = wiring.doctor(settings.read(environ), ("acme-shop-prod",), ("shop",))
        # The lab has no Firestore of its own: what lies in the database is not asked here.
        case = replace(case, store=lambda _: None, brakes=lambda _: (), file=lambda _: policy.read_bytes())
        outcomes = []
        for line in examine(case):
            outcomes.append(line.outcome)
            sys.stdout.write(f"{shown(line)}\n")
    return int("wrong" in outcomes)


def _changed(scenario: Scenario, change: dict[str, Any]) -> Scenario:
    assert scenario.deployment is not None
    deployment = scenario.deployment.model_copy(update={"change": change})
    return scenario.model_copy(update={"deployment": deployment})
