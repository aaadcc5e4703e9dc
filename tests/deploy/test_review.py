"""The image of the review page: what it is built from, and that `responder web` starts with that and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import yaml

from lab import package
from lab.environment import ROOT, cleaned
from lab.serving import free_port, stop
from lab.terraform import rooms
from tests.deploy.conftest import ASKED
from tests.deploy.test_zip import interpreter
from tests.lab.test_package import LOCK, pins

REQUIREMENTS = package.REVIEW / "requirements.txt"
DOCKERFILE = (package.REVIEW / "Dockerfile").read_text(encoding="utf-8")


def test_its_requirements_are_those_of_the_lock_with_their_hashes_and_no_address() -> None:
    of_page, of_lock = pins(REQUIREMENTS), pins(LOCK)
    assert {"starlette", "typer", "google-cloud-firestore"} <= {name.partition("==")[0] for name in of_page}
    assert {name: hashes for name, hashes in of_page.items() if of_lock.get(name) != hashes or not hashes} == {}
    assert re.findall(r"^\s*-(?!-hash)\S+|https?://", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE) == []


def test_its_base_has_a_whole_version_packages_come_by_hash_and_nobody_is_root() -> None:
    (base,) = re.findall(r"^FROM (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:3\.13\.\d+-slim-\w+(?:@sha256:[0-9a-f]{64})?", base)
    assert "--require-hashes --only-binary :all: -r requirements.txt" in DOCKERFILE
    assert re.findall(r"^USER (\d+)", DOCKERFILE, flags=re.MULTILINE) == ["65532"]
    assert re.findall(r"^COPY (\S+)", DOCKERFILE, flags=re.MULTILINE) == ["requirements.txt", "responder"]
    build = yaml.safe_load((package.REVIEW / "cloudbuild.yaml").read_text(encoding="utf-8"))
    assert build["images"] == ["$_IMAGE"]
    assert "--tag=$_IMAGE" in build["steps"][0]["args"]


def test_what_is_laid_out_is_the_package_with_its_pages_and_no_build_product(tmp_path: Path) -> None:
    out = tmp_path / "review"
    (out / "old").mkdir(parents=True)
    package.laid_out(out)
    assert {path.name for path in out.iterdir()} == {"Dockerfile", "LICENSE", "requirements.txt", "responder"}
    assert (out / "responder" / "web" / "templates").is_dir()
    assert (out / "responder" / "web" / "static").is_dir()
    assert list(out.rglob("*.pyc")) == []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the Dockerfile makes it: `bin/python` with the requirements alone, and the package beside it."""
    if ASKED not in os.environ:
        pytest.skip("only `make deploy-check` runs it: it installs all packages anew")
    folder = tmp_path_factory.mktemp("review") / "srv"
    package.laid_out(folder)
    python = str(folder / "env" / "bin" / "python")
    rooms.run(rooms.uv(), "venv", "-q", "--python", interpreter(), str(folder / "env"))
    rooms.run(
        rooms.uv(), "pip", "install", "-q", "--python", python, "--require-hashes", "--only-binary", ":all:",
        "-r", str(folder / "requirements.txt"),
    )  # fmt: skip
    script = re.search(r"printf '%s\\n' (.+) > /usr/local/bin/responder", DOCKERFILE)
    assert script, "the Dockerfile writes the command"
    lines = [line.replace("/usr/local/bin/python", python) for line in re.findall(r"'([^']+)'", script[1])]
    command = folder / "env" / "bin" / "responder"
    command.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command.chmod(0o755)
    return folder


def answered(folder: Path, host: str, environ: dict[str, str]) -> int:
    """The status of the page's front, by the command of the image with another port."""
    port = free_port()
    command = [str(folder / "env" / "bin" / "responder"), "web", f"--host={host}", f"--port={port}"]
    given = {"RESPONDER_SCC_PARENT": "organizations/1", "RESPONDER_STORE": str(folder / "records.db")} | environ
    env = cleaned(os.environ) | {"PYTHONPATH": str(folder)} | given
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as reply:
                    return int(reply.status)
            except HTTPError as error:
                return error.code
            except (URLError, ConnectionError):
                assert process.poll() is None, "the page ended"
                assert time.monotonic() < until, "the page does not answer"
                time.sleep(0.2)
    finally:
        stop(process)


@pytest.mark.slow
def test_the_command_of_the_image_serves_the_page_and_behind_iap_lets_nobody_in_unsigned(built: Path) -> None:
    assert answered(built, "127.0.0.1", {}) == 200
    audience = {"RESPONDER_IAP_AUDIENCE": "/projects/1/locations/europe-west1/services/responder-review"}
    everywhere = re.findall(r"--host=([\d.]+)", DOCKERFILE)[0]
    assert answered(built, everywhere, audience) in {401, 403}


@pytest.mark.slow
def test_the_image_has_what_its_settings_need(built: Path) -> None:
    modules = "responder.stores.firestore, responder.live.iap, responder.live.summons, responder.policy"
    rooms.run("env", f"PYTHONPATH={built}", str(built / "env" / "bin" / "python"), "-c", f"import {modules}")
    assert ROOT not in built.parents
