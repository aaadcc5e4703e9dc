"""Coming back after removal: docs/operate.md takes in what was left, by its own names."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from lab.environment import ROOT
from tests.deploy.plans import of

PAGE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")


def imported() -> dict[str, str]:
    """The id by the address, of each line of the page."""
    lines = re.findall(r"^terraform import .+$", PAGE, flags=re.MULTILINE)
    words = [shlex.split(line.replace("YOUR_PROJECT", "acme-sec")) for line in lines]
    return {address.removeprefix("module.responder."): name for _, _, address, name in words}


@pytest.mark.slow
def test_everything_that_removal_leaves_is_taken_in_again_by_its_own_name(plans: dict[str, Any]) -> None:
    left = {
        f"{kind}.{address}": f"projects/acme-sec/databases/{one['name']}" if "firestore" in kind else one["name"]
        for kind in ("google_firestore_database", "google_storage_bucket")
        for address, one in of(plans["organization"], kind).items()
        if one["deletion_policy"] == "ABANDON"
    }
    bucket = "google_storage_bucket.evidence[0]"
    assert imported() == left | {bucket: f"acme-sec/{left[bucket]}"}
