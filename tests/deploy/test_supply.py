"""The bill of materials names every package, and an audit that was told nothing is never a good one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lab import supply
from tests.deploy.conftest import ASKED


def dependency(name: str, *advisories: str, skipped: bool = False) -> dict[str, Any]:
    if skipped:
        return {"name": name, "skip_reason": "Dependency not found on PyPI and could not be audited"}
    return {"name": name, "version": "1.0", "vulns": [{"id": one, "fix_versions": []} for one in advisories]}


def test_only_an_audit_of_everything_that_finds_nothing_is_a_good_one() -> None:
    clean = supply.read({"dependencies": [dependency("a"), dependency("b")]}, 2)
    assert (clean.code, clean.said) == (0, "2 of 2 packages audited, 0 advisories")
    bad = supply.read({"dependencies": [dependency("a", "GHSA-1", "PYSEC-2"), dependency("b")]}, 2)
    assert bad.code == 1
    assert bad.said.splitlines() == ["2 of 2 packages audited, 2 advisories", "a 1.0 GHSA-1", "a 1.0 PYSEC-2"]


@pytest.mark.parametrize(
    "dependencies",
    [[], [dependency("a")], [dependency("a"), dependency("b", skipped=True)]],
    ids=["none", "fewer", "skipped"],
)
def test_an_audit_that_was_not_told_of_every_package_says_so(dependencies: list[dict[str, Any]]) -> None:
    partial = supply.read({"dependencies": dependencies}, 2)
    assert partial.code == supply.UNREACHED
    assert "could not be reached" in partial.said


def test_nothing_at_all_is_not_a_good_audit_either() -> None:
    assert supply.read({"dependencies": []}, 0).code == supply.UNREACHED


@pytest.mark.slow
def test_the_bill_of_materials_names_each_package_with_its_hashes_and_is_the_same_twice(tmp_path: Path) -> None:
    if ASKED not in os.environ:
        pytest.skip("only `make deploy-check` runs it: it fetches a tool that the project does not need otherwise")
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert supply.sbom(first) == supply.sbom(second) == supply.pinned() >= 70
    bill = json.loads(first.read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "gke-compiler-responder"
    assert all(one["purl"].startswith("pkg:pypi/") for one in bill["components"])
    assert all(one["externalReferences"][0]["hashes"] for one in bill["components"])
    assert first.read_bytes() == second.read_bytes()
