"""`make demo` as a new user runs it: the whole way, with real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from lab.environment import CLEARED, ROOT, cleaned

pytestmark = pytest.mark.slow

POISON = {
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
    "ALL_PROXY": "socks5://127.0.0.1:1",
    "GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent/key.json",
    "GOOGLE_CLOUD_PROJECT": "somebody-elses",
    "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
    "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
    "CLOUDSDK_CONFIG": "/nonexistent",
    "CLOUDSDK_CORE_PROJECT": "somebody-elses",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": "http://127.0.0.1:1/",
    "KUBECONFIG": "/nonexistent/config",
    "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
    "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
    "GCE_METADATA_HOST": "127.0.0.1:1",
    "RESPONDER_SCC_PARENT": "organizations/666",
    "RESPONDER_STORE": "/nonexistent/records.db",
    "PORT": "1",
}


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A copy of what is in the repository, below a path with spaces; nothing of it may still run afterwards."""
    folder = tmp_path / "a folder with spaces"
    for name in ("main.py", "responder", "lab", "deploy"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder / name)
    yield folder
    assert running_in(folder) == []


def running_in(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line:
            found.append(line)
    return found


def start(folder: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # PYTHONPATH is the caller's to keep; all the rest of the environment is as a person's shell might have it.
    env = {**os.environ, **environ, "PYTHONPATH": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "lab", "demo"], cwd=folder, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def test_the_demo_works_with_a_hostile_environment_in_a_path_with_spaces_twice_and_after_an_interrupt(
    tree: Path,
) -> None:
    environ = {**POISON, "LANG": "C", "LC_ALL": "C", "COLUMNS": "100"}
    interrupted = start(tree, environ)
    time.sleep(2.5)
    os.killpg(interrupted.pid, signal.SIGINT)
    interrupted.communicate(timeout=30)
    assert running_in(tree) == []
    for _ in range(2):
        process = start(tree, environ)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode(errors="replace")[-3000:]
        text = out.decode("ascii")  # LANG=C: whatever is shown must be plain
        assert "checkout-7d9f8c5b4-x2k9p" in text
        assert "hunter2" not in text + err.decode(errors="replace")
        record = json.loads((tree / ".demo" / "record.json").read_text(encoding="utf-8"))
        assert record["schema"] == "responder.investigation/v1"
        assert [step["n"] for step in record["steps"]] == [1, 2, 3, 4, 5, 6, 7]
        assert record["provenance"]["gaps"] == []
        assert (tree / ".demo" / "records.db").exists()


def test_every_poison_is_one_that_the_lab_clears() -> None:
    assert not set(POISON) & set(cleaned({**os.environ, **POISON}))
    assert len(CLEARED) > 5
