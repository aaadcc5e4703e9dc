"""What lies in deploy/ is what somebody wrote: nothing that a tool makes, and no text that the code has overtaken."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lab.environment import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DEPLOY = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")


def listed(*arguments: str) -> list[str]:
    """What git names."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is no checkout of git")
    return done.stdout.splitlines()


def test_nothing_is_committed_that_a_tool_makes() -> None:
    assert listed("ls-files", "-ci", "--exclude-standard") == []
    assert [name for name in listed("ls-files") if Path(name).name == "plan" or ".terraform" in Path(name).parts] == []


@pytest.mark.parametrize("role", sorted(path.stem for path in (ROOT / "deploy" / "rbac").glob("*.yaml")))
def test_no_role_that_is_bound_is_called_unused(role: str) -> None:
    text = (ROOT / "deploy" / "rbac" / f"{role}.yaml").read_text(encoding="utf-8")
    row = next(line for line in DEPLOY.splitlines() if line.startswith(f"| [rbac/{role}.yaml]"))
    assert not re.search(r"uses it yet|nothing (?:of this version|uses)|nowhere yet", f"{' '.join(text.split())} {row}")


def test_the_readmes_say_what_the_code_does_now() -> None:
    assert not re.search(
        r"In this version always|acts on it yet|nothing uses it|before something acts", README + DEPLOY
    )
    entries = set(re.findall(r"^def (\w+)\(", (ROOT / "main.py").read_text(encoding="utf-8"), flags=re.MULTILINE))
    section = DEPLOY.partition("\n## The functions\n")[2].partition("\n## ")[0]
    assert entries >= {"respond", "sweep", "act"}
    assert set(re.findall(r"^- `(\w+)`:", section, flags=re.MULTILINE)) == {"respond", "sweep", "act"}


def test_no_row_of_the_targets_means_the_one_above_it() -> None:
    rows = re.findall(r"^\| `make ([\w-]+)` \| (.*) \|$", README, flags=re.MULTILINE)
    assert len(rows) >= 10
    assert [name for name, text in rows if text.startswith("the same")] == []
