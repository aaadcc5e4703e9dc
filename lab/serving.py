"""Starts functions-framework on main.py's handler against a lab, posts as Pub/Sub pushes, and leaves no process."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lab.environment import ROOT, cleaned

_STOP_SECONDS: Final = 5.0


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def push_body(data: bytes, message_id: str, attempt: int = 1) -> dict[str, Any]:
    """What Pub/Sub posts to a push endpoint with the default wrapper."""
    encoded = base64.b64encode(data).decode("ascii")
    message = {"data": encoded, "messageId": message_id, "publishTime": "2026-11-20T09:41:10.000Z"}
    return {"message": message, "subscription": "projects/acme-sec/subscriptions/responder", "deliveryAttempt": attempt}


def post(url: str, body: object, *, timeout: float = 600.0, headers: Mapping[str, str] | None = None) -> int:
    """POST JSON (or bytes as they are); the status, whatever it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8")
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json", **(headers or {})})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@dataclass(frozen=True, slots=True)
class Function:
    """A running function."""

    url: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def function(
    folder: Path, endpoints: Mapping[str, Any], *, store: Path, environ: Mapping[str, str] | None = None,
    source: Path = ROOT / "lab" / "function.py", target: str = "respond",
) -> Iterator[Function]:  # fmt: skip
    """The function host on a free port; its log is `FOLDER/function.log`, and its processes end with the block."""
    port = free_port()
    file = folder / "endpoints.json"
    file.write_text(json.dumps(dict(endpoints)), encoding="utf-8")
    env = cleaned(os.environ) | {
        "LAB_ENDPOINTS": str(file),
        "RESPONDER_SCC_PARENT": str(endpoints.get("scc_parent", "")),
        "RESPONDER_STORE": str(store),
        **(environ or {}),
    }
    command = [sys.executable, "-m", "functions_framework", "--target", target, "--source", str(source)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with listening(command, port, env=env, log=folder / "function.log") as process:
        yield Function(f"http://127.0.0.1:{port}/", process)


@contextlib.contextmanager
def listening(
    command: Sequence[str], port: int, *, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A program once it listens on the port; it and what it started end with the block."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
        try:
            _wait(process, port, log)
            yield process
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, seconds: float = 60.0) -> None:
    """Until somebody listens; RuntimeError with the end of its log where nobody does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return
        time.sleep(0.02)
    text = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    message = f"functions-framework did not start:\n{text}"
    raise RuntimeError(message)
