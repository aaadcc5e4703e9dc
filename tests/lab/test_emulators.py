"""The real emulators are started, answer, and leave nothing behind; where they are not, that is said by name."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import emulators
from lab.environment import ROOT

NAMES: tuple[emulators.Name, ...] = ("firestore", "pubsub")


class Broken(Exception):  # noqa: N818 - what a block may end with
    """Whatever a test may raise."""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_emulator_is_ready_when_it_is_handed_out_and_gone_afterwards(name: emulators.Name) -> None:
    if not emulators.available(name):
        pytest.skip(emulators.missing(name))
    seen: list[emulators.Emulator] = []

    def use() -> None:
        with emulators.running(name) as emulator:
            seen.append(emulator)
            assert dict(emulator.environ) == {f"{name.upper()}_EMULATOR_HOST": emulator.host}
            emulator.reset("some-project")
            assert os.getpgid(emulator.process.pid) == emulator.process.pid != os.getpgid(0)
            raise Broken

    with pytest.raises(Broken):
        use()
    assert seen[0].process.poll() is not None
    host, port = seen[0].host.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=2)


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_without_java_says_so_in_one_line(
    name: emulators.Name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not emulators.available(name)
    assert emulators.missing(name) == f"the {name} emulator is not run: there is no java on the PATH"


@pytest.mark.slow
def test_an_emulator_does_not_outlive_a_process_that_was_killed() -> None:
    if not emulators.available("pubsub") or shutil.which("setpriv") is None:
        pytest.skip(emulators.missing("pubsub") or "there is no setpriv on the PATH")
    code = (
        "import time; from lab import emulators\n"
        "with emulators.running('pubsub') as emulator: print(emulator.host, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout is not None
        host, port = owner.stdout.readline().split(":")
        owner.kill()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("it is still there")


@pytest.mark.parametrize("name", NAMES)
def test_an_emulator_that_is_there_and_does_not_start_is_an_error_and_no_skip(
    name: emulators.Name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not emulators.available(name):
        pytest.skip(emulators.missing(name))
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'no room for the heap' >&2\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert emulators.available(name)
    with (
        pytest.raises(RuntimeError, match=rf"the {name} emulator did not start:\nno room for the heap"),
        emulators.running(name),
    ):
        pass
