"""The doctor against the lab's deployment, as it is and with one thing changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lab.environment import ROOT
from lab.google import LabGoogle
from lab.rbac import DOCTOR_TOKEN
from lab.scenario import Scenario, load
from lab.server import serve
from lab.state import Lab
from responder import settings, wiring
from responder.doctor.examine import examine
from responder.doctor.lines import Line
from responder.doctor.ports import Case
from responder.errors import StoreDenied, StoreError

POLICY = """
[[project]]
id = "acme-shop-prod"
number = "421458901689"
remediate = "approve"
capture = true
approvers = ["lead@acme.example"]
"""
PROJECT = "acme-shop-prod"


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One fault. `scenario` is merged over the file's deployment, `files` and `store` are what the settings lead to."""

    change: Mapping[str, Any] = field(default_factory=dict)
    withheld: tuple[Mapping[str, str], ...] = ()
    granted: tuple[Mapping[str, str], ...] = ()
    scenario: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    store: Callable[[], object] = lambda: None
    brakes: Callable[[], Any] = tuple
    namespaces: tuple[str, ...] = ("shop",)


def down() -> object:
    """A store that cannot be reached."""
    message = "the record store firestore:acme-sec/records failed: query: DEADLINE_EXCEEDED"
    raise StoreError(message)


def denied() -> Any:
    """A store that lets the functions in, and not the person who asks."""
    message = "the record store firestore:acme-sec/records failed: query: PERMISSION_DENIED"
    raise StoreDenied(message)


def scenario(planted: Planted) -> Scenario:
    """The healthy deployment with the fault in it."""
    healthy = load(ROOT / "lab" / "deployment.yaml")
    deployment: dict[str, Any] = {
        "act": True, "change": planted.change, "withheld": planted.withheld, "granted": planted.granted,
    }  # fmt: skip
    given: dict[str, Any] = healthy.model_dump() | dict(planted.scenario)
    return Scenario.model_validate(given | {"deployment": deployment | given.pop("own", {})})


@contextlib.contextmanager
def case_of(planted: Planted) -> Iterator[tuple[Case, Lab]]:
    """What the doctor is handed, and the lab, which serves while the block runs."""
    made = scenario(planted)
    environ = {"RESPONDER_SCC_PARENT": made.scc_parent, "RESPONDER_POLICY": "policy.toml"} | dict(planted.settings)
    files = {"policy.toml": POLICY.encode(), **planted.files}

    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    with serve(made) as running:
        endpoints = running.endpoints.model_dump(mode="json") | {"token": DOCTOR_TOKEN}
        google = LabGoogle(endpoints)
        wiring.install(google, now=running.lab.now)
        case = wiring.doctor(settings.read(environ), (PROJECT,), planted.namespaces)
        yield replace(case, store=lambda _: planted.store(), brakes=lambda _: planted.brakes(), file=read), running.lab


def examined(planted: Planted) -> list[Line]:
    """Every line."""
    with case_of(planted) as (case, _):
        return list(examine(case))
