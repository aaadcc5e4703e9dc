"""The real Terraform core for the tests of deploy/: they fetch packages, so that only `make deploy-check` runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.terraform import core as real
from tests.deploy.plans import EXAMPLES, folder, options

ASKED = "DEPLOY_CHECK"


@pytest.fixture(scope="session")
def core() -> Iterator[real.Core]:
    """Terraform, with a provider of every type that deploy/terraform uses."""
    if ASKED not in os.environ:
        pytest.skip("only `make deploy-check` runs it: it fetches packages that the project does not need otherwise")
    with real.attached() as attached:
        yield attached


def copied(to: Path) -> Path:
    """A copy of the module, with a zip where the examples look for one."""
    copy = real.copied(to)
    (to / "dist").mkdir()
    (to / "dist" / "functions.zip").write_bytes(b"functions")
    return copy


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The same, to be changed."""
    return copied(tmp_path)


@pytest.fixture(scope="session")
def plans(core: real.Core, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The plan of each example, made once."""
    copy = copied(tmp_path_factory.mktemp("plans"))
    return {name: core.planned(folder(copy, name), *options(name)) for name in EXAMPLES}
