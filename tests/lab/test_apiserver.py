"""Both processes of a server that is started for a command end with it, and with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import apiserver, kubeconfig

# A shell, since the path of an interpreter in a folder with a space can stand behind no `#!`.
FAKE = """#!/bin/sh
touch "{folder}/$$"
exec sleep 60
"""


def environ(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name not in {kubeconfig.VARIABLE, *apiserver.BINARIES}}
    return {**kept, "TMPDIR": str(folder), **more}


def run(*argv: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "lab.apiserver", *argv]
    return subprocess.run(asked, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_without_the_binaries_nothing_is_run_and_what_is_lacking_is_said(tmp_path: Path) -> None:
    done = run("touch", str(tmp_path / "ran"), environ=environ(tmp_path, ETCD=sys.executable))
    assert done.returncode == apiserver.LACKS
    assert "KUBE_APISERVER names no program (it is not set), and LAB_KUBECONFIG names none" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_server_that_is_named_is_taken_and_the_commands_exit_code_is_ours(tmp_path: Path) -> None:
    named = environ(tmp_path, LAB_KUBECONFIG="/etc/a-kubeconfig")
    done = run(sys.executable, "-c", "import os; print(os.environ['LAB_KUBECONFIG']); exit(7)", environ=named)
    assert (done.returncode, done.stdout.strip()) == (7, "/etc/a-kubeconfig")


@pytest.mark.slow
def test_a_sigterm_ends_what_was_started_and_leaves_no_folder(tmp_path: Path) -> None:
    pids, temporary = tmp_path / "pids", tmp_path / "tmp"
    pids.mkdir()
    temporary.mkdir()
    fake = tmp_path / "fake"
    fake.write_text(FAKE.format(folder=pids), encoding="utf-8")
    fake.chmod(0o755)
    given = environ(temporary, ETCD=str(fake), KUBE_APISERVER=str(fake))
    ours = subprocess.Popen([sys.executable, "-m", "lab.apiserver", "true"], env=given)
    try:
        until = time.monotonic() + 30
        while len(list(pids.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        started = [int(one.name) for one in pids.iterdir()]
        assert len(started) == 2
    finally:
        ours.send_signal(signal.SIGTERM)
        assert ours.wait(30) == 128 + signal.SIGTERM
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list(temporary.iterdir()) == []
