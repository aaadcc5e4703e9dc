"""The real gcloud, where it is installed: what it has against a command, which it does not run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from lab.environment import cleaned

GCLOUD: Final = shutil.which("gcloud")


def parsed(lines: list[str], folder: Path) -> list[str]:
    """What kind of error gcloud finds in each command, without running it; empty where it finds none."""
    (folder / "commands.json").write_text(json.dumps([{"command_string": line} for line in lines]), encoding="utf-8")
    environ = cleaned(os.environ) | {"CLOUDSDK_CONFIG": str(folder), "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1"}
    done = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={folder / 'commands.json'}"],
        env=environ, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [one["error_type"] or "" for one in json.loads(done.stdout)]
