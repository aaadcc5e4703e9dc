"""`python -m lab.supply sbom|audit`: what the functions are made of, and whether any of it is known to be vulnerable.

Both read deploy/requirements.txt, which is what is installed, by its hashes. The tools live in a room of their own
(`.deploy-check/supply`, from `lab/terraform/supply.lock`); the project never depends on them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lab.environment import ROOT
from lab.package import REQUIREMENTS
from lab.terraform import rooms

OUT: Final = ROOT / "dist" / "sbom.cdx.json"
UNREACHED: Final = 2
"""The exit code where the source of advisories told nothing of some package: that is not the same as harmless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How many packages there are, how many an advisory source told of, and what it said: `name version id`."""

    packages: int
    told: int
    found: tuple[str, ...]

    @property
    def code(self) -> int:
        """0 only where every package was audited and none is known to be vulnerable."""
        if self.found:
            return 1
        return 0 if 0 < self.packages == self.told else UNREACHED

    @property
    def said(self) -> str:
        """One line, and one for each advisory."""
        head = f"{self.told} of {self.packages} packages audited, {len(self.found)} advisories"
        if self.told < self.packages:
            head += "; the source of advisories could not be reached for the others, of which nothing is known"
        return "\n".join((head, *self.found))


def pinned(path: Path = REQUIREMENTS) -> int:
    """How many packages the file pins."""
    return len(re.findall(r"^[a-z0-9][\w.-]*==", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


def read(report: dict[str, Any], packages: int) -> Audit:
    """pip-audit's JSON. A package with a `skip_reason` was not audited."""
    told = [one for one in report["dependencies"] if "skip_reason" not in one]
    found = (f"{one['name']} {one['version']} {bad['id']}" for one in told for bad in one["vulns"])
    return Audit(packages=packages, told=len(told), found=tuple(sorted(found)))


def audit() -> Audit:
    """pip-audit, strictly; where it stops at a package that it is told nothing of, a second time for the count."""
    command = [str(rooms.room("supply") / "pip-audit"), "--disable-pip", "--require-hashes", "--progress-spinner=off"]
    command += ["--format=json", "-r", str(REQUIREMENTS)]
    for strictly in (["--strict"], []):
        done = subprocess.run([*command, *strictly], capture_output=True, check=False)
        if done.stdout.strip().startswith(b"{"):
            return read(json.loads(done.stdout), pinned())
    return Audit(packages=pinned(), told=0, found=())


def sbom(out: Path) -> int:
    """Writes CycloneDX JSON, without times, so that the same requirements are the same bytes; how many components."""
    out.parent.mkdir(parents=True, exist_ok=True)
    rooms.run(
        str(rooms.room("supply") / "cyclonedx-py"), "requirements", "--output-reproducible", "--output-format=JSON",
        "--spec-version=1.6", f"--pyproject={ROOT / 'pyproject.toml'}", f"--output-file={out}", str(REQUIREMENTS),
    )  # fmt: skip
    return len(json.loads(out.read_bytes())["components"])


def main() -> int:
    """0, or what `Audit.code` says."""
    parser = argparse.ArgumentParser(prog="python -m lab.supply", description="what the functions are made of")
    parser.add_argument("what", choices=("sbom", "audit"))
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if given.what == "sbom":
        print(f"{sbom(given.out)} components: {given.out.name}")
        return 0
    done = audit()
    print(done.said)
    return done.code


if __name__ == "__main__":
    sys.exit(main())
