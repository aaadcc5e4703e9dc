"""`responder web` as its users start it: what it listens on, and what it refuses before it does."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lab.environment import cleaned
from lab.serving import free_port
from responder.exits import ExitCode
from tests.web.desks import a_store, kept

AUDIENCE = "/projects/123456789012/global/backendServices/42"
CODE = "from responder import cli; cli.main()"
pytestmark = pytest.mark.slow


def started(folder: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    env = cleaned({"PATH": "/usr/bin:/bin"}) | {"RESPONDER_STORE": str(folder / "records.db"), **environ}
    return subprocess.Popen(
        [sys.executable, "-c", CODE, "web", *arguments],
        env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def refused(folder: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    process = started(folder, *arguments, **environ)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def status(port: int, **headers: str) -> int:
    """Of the queue, once the page answers at all."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers=headers)
    for _ in range(600):
        try:
            with opener.open(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError("it does not answer")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "review.example"])  # noqa: S104 - what is refused
def test_an_address_that_others_reach_is_refused_without_the_proxy(tmp_path: Path, host: str) -> None:
    code, said = refused(tmp_path, "--host", host)
    assert code == ExitCode.SETTINGS
    assert "RESPONDER_IAP_AUDIENCE" in said


def test_an_audience_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    code, said = refused(tmp_path, RESPONDER_IAP_AUDIENCE="https://review.example")
    assert code == ExitCode.SETTINGS
    assert "backendServices" in said


def test_on_loopback_it_lets_in_whoever_is_here_and_under_no_other_name(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    kept(store)
    store.close()
    port = free_port()
    process = started(tmp_path, "--port", str(port))
    try:
        assert status(port) == 200
        assert status(port, Host="review.evil.example") == 421
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode in {0, 130, -15}


def test_behind_the_proxy_nobody_is_let_in_without_its_signature_on_loopback_either(tmp_path: Path) -> None:
    port = free_port()
    named = {"RESPONDER_IAP_AUDIENCE": AUDIENCE, "RESPONDER_VIEWERS": "@acme.example"}
    process = started(tmp_path, "--port", str(port), **named)
    try:
        plain = {"x-goog-authenticated-user-email": "accounts.google.com:ana@acme.example"}
        assert status(port) == 401
        assert status(port, **plain) == 401
    finally:
        process.terminate()
        process.communicate(timeout=30)
