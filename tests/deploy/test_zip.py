"""The zip, unpacked in an environment with its own hashed requirements alone: the functions start and answer."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import package
from lab.bench import client, ground
from lab.bench.hosts import Bench, Cores, Sizes
from lab.bench.latency import request
from lab.environment import ROOT, cleaned
from lab.serving import free_port, stop
from lab.terraform import rooms
from tests.deploy.conftest import ASKED

pytestmark = pytest.mark.slow
ENVIRON = {"RESPONDER_SCC_PARENT": "organizations/1", "THREADS": "4", "WORKERS": "1"}


def interpreter() -> str:
    """Python 3.13, which is the functions' runtime and the page's; skips where uv finds none."""
    # A shim of pyenv is no interpreter until it is told of which version.
    environ = os.environ | {"PYENV_VERSION": "3.13"}
    found = subprocess.run(
        [rooms.uv(), "python", "find", "3.13"], env=environ, capture_output=True, text=True, check=False
    )
    path = found.stdout.strip()
    if found.returncode == 0 and says(path) == "3.13":
        return path
    pytest.skip("there is no Python 3.13, which is the functions' runtime")


def says(python: str) -> str:
    """The version of an interpreter: major and minor."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_no_other_python_stands_in_for_that_of_the_functions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert says(interpreter()) == "3.13"
    monkeypatch.setattr(rooms, "uv", lambda: str(tmp_path / "uv"))
    (tmp_path / "uv").write_text("#!/bin/sh\nexit 2\n", encoding="utf-8")
    (tmp_path / "uv").chmod(0o755)
    with pytest.raises(pytest.skip.Exception, match=r"no Python 3\.13"):
        interpreter()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the zip's files, and with `bin/python`, which knows what requirements.txt says and no more."""
    if ASKED not in os.environ:
        pytest.skip("only `make deploy-check` runs it: it installs all packages anew")
    folder = tmp_path_factory.mktemp("zip")
    (folder / "functions.zip").write_bytes(package.packed())
    with zipfile.ZipFile(folder / "functions.zip") as archive:
        archive.extractall(folder / "code")
    rooms.run(rooms.uv(), "venv", "-q", "--python", interpreter(), str(folder / "env"))
    rooms.run(
        rooms.uv(), "pip", "install", "-q", "--python", str(folder / "env" / "bin" / "python"), "--require-hashes",
        "--only-binary", ":all:", "--no-binary", "cloudevents", "-r", str(folder / "code" / "requirements.txt"),
    )  # fmt: skip
    return folder


@contextmanager
def started(folder: Path, target: str, environ: dict[str, str], source: str = "") -> Iterator[int]:
    """The port of the function host, with that function of the zip."""
    port, log = free_port(), folder / f"{target}.log"
    path = f"{folder / 'code'}:{ROOT}" if source else str(folder / "code")
    command = [str(folder / "env" / "bin" / "python"), "-m", "functions_framework", "--target", target]
    command += ["--source", source or str(folder / "code" / "main.py"), "--host", "127.0.0.1", "--port", str(port)]
    env = cleaned(os.environ) | ENVIRON | environ | {"PYTHONPATH": path, "RESPONDER_STORE": str(folder / "records.db")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield port
        finally:
            stop(process)


def test_its_environment_has_the_functions_packages_and_none_of_the_tests(unpacked: Path) -> None:
    listed = subprocess.run(
        [rooms.uv(), "pip", "list", "--format=json", "--python", str(unpacked / "env" / "bin" / "python")],
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    names = {one["name"].lower() for one in json.loads(listed.stdout)}
    assert {"functions-framework", "kubernetes", "pydantic", "google-cloud-firestore"} <= names
    assert not names & {"pytest", "typer", "mypy", "gke-compiler-responder"}


@pytest.mark.parametrize("target", ["respond", "act"])
def test_the_function_host_starts_it_and_it_answers_a_message_of_another_kind(unpacked: Path, target: str) -> None:
    with started(unpacked, target, {}) as port:
        client.send(port, [client.pushed(ground.foreign(), "1")])  # raises unless the answer is 2xx
    assert "Traceback" not in (unpacked / f"{target}.log").read_text(encoding="utf-8")


def records(folder: Path) -> int:
    with sqlite3.connect(folder / "records.db") as store:
        count: int = store.execute("SELECT count(*) FROM records").fetchone()[0]
    return count


def test_a_finding_becomes_a_record_and_the_sweep_finds_the_one_whose_message_never_came(
    unpacked: Path, tmp_path: Path
) -> None:
    with (
        Bench(Cores.of_this_machine(), Sizes(), tmp_path / "bench") as bench,
        bench.own_lab(pods=2, lines=3, slow=False) as lab,
    ):
        endpoints = unpacked / "endpoints.json"
        endpoints.write_text(json.dumps(lab.endpoints), encoding="utf-8")
        environ = {"LAB_ENDPOINTS": str(endpoints), "RESPONDER_SCC_PARENT": lab.endpoints["scc_parent"]}
        with started(unpacked, "respond", environ, str(ROOT / "lab" / "function.py")) as port:
            client.send(port, [request(0)])
        assert records(unpacked) == 1
        with started(unpacked, "sweep", environ, str(ROOT / "lab" / "function.py")) as port:
            client.send(port, [client.pushed(b"{}", "2")])
        assert records(unpacked) == 2
    assert "finding answered" in (unpacked / "respond.log").read_text(encoding="utf-8")
