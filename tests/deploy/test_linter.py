"""An independent linter (checkov) has nothing to say of deploy/ that has no answer here."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from lab.terraform import rooms
from lab.terraform.core import Core
from tests.deploy.plans import EXAMPLES, folder

pytestmark = pytest.mark.slow

SKIPPED = {
    ("CKV_K8S_21", "Role"): "the file names no namespace: each overlay puts it in one that opted in",
    ("CKV_K8S_21", "RoleBinding"): "the same",
    (
        "CKV_GCP_62",
        "google_storage_bucket.evidence[0]",
    ): "usage logs of a bucket are best effort and go to a second bucket"
    " with the same question; Cloud Audit Logs tell who read evidence: google_project_iam_audit_config.evidence",
    ("CKV_GCP_62", "google_storage_bucket.source"): "the source is in this repository: who read it does not matter",
    ("CKV_GCP_78", "google_storage_bucket.evidence[0]"): "no identity can replace an object (there is no"
    " storage.objects.delete), and a retention policy keeps what is there",
}
"""What is accepted: the check and the resource, or its kind, and why."""


def failed(module: Path) -> tuple[dict[str, set[str]], int]:
    """The resources of all that can be asked for, by the check that they fail, and how many checks passed."""
    variables = folder(module, "everything") / EXAMPLES["everything"][0]
    linter = rooms.room("linter") / "checkov"
    done = subprocess.run(
        [str(linter), "-d", str(module.parent), "--var-file", str(variables),
         "--framework", "terraform", "kubernetes", "--skip-download", "--quiet",
         "--compact", "-o", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    found: dict[str, set[str]] = defaultdict(set)
    passed = 0
    for report in json.loads(done.stdout):
        passed += report["summary"]["passed"]
        assert report["summary"]["parsing_errors"] == 0
        for one in report["results"]["failed_checks"]:
            resource = one["resource"].removeprefix("module.responder.")
            kind = resource.partition(".")[0]
            found[one["check_id"]].add(resource if kind.startswith("google_") else kind)
    return found, passed


def test_everything_that_it_says_has_an_answer_and_no_answer_is_left_over(core: Core, module: Path) -> None:
    assert core.command  # only where `make deploy-check` runs
    found, passed = failed(module)
    assert passed >= 80
    assert {(check, resource) for check, resources in found.items() for resource in resources} == set(SKIPPED)


def test_it_finds_a_bucket_that_anybody_could_be_let_into(core: Core, module: Path) -> None:
    assert core.command
    stores = module / "act.tf"
    text = stores.read_text(encoding="utf-8")
    right = '  public_access_prevention    = "enforced"\n'
    assert right in text
    stores.write_text(text.replace(right, ""), encoding="utf-8")
    found, _ = failed(module)
    assert found["CKV_GCP_114"] == {"google_storage_bucket.evidence[0]"}
