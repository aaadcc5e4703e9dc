"""`make demo-web`: the demo's record in the review page, as `responder web` serves it, until it is ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lab.environment import ROOT, cleaned
from lab.serving import free_port, stop

FOLDER: Final = ROOT / ".demo"
_START_SECONDS: Final = 60.0


def demo_web() -> int:
    """Make the record where there is none yet, and serve it; 0 after Ctrl-C."""
    if newest(FOLDER / "records.db") is None:
        from lab.demo import demo  # noqa: PLC0415 - only where it was not run before

        status = demo()
        if status:
            return status
    with served(FOLDER) as (url, process):
        address = f"{url}/records/{newest(FOLDER / 'records.db')}"
        print(f"review page: {address}   (Ctrl-C ends it)", flush=True)
        if _has_display():
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()
    return 0


def newest(store: Path) -> str | None:
    """Id of the newest record of the store; None where there is no store, or nothing in it."""
    from responder.ports import RecordQuery  # noqa: PLC0415 - not needed for `--help`
    from responder.stores.sqlite import SqliteRecords  # noqa: PLC0415 - the same
    from responder.wiring import utc_now  # noqa: PLC0415 - the same

    if not store.exists():
        return None
    with contextlib.closing(SqliteRecords(store, now=utc_now)) as records:
        return next((line.id for line in records.list(RecordQuery(limit=1))), None)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`responder web` over what the demo left in the folder, once it answers: its address and its process."""
    port = free_port()
    environ = {"RESPONDER_STORE": "records.db", "RESPONDER_ACTIONS": "actions.db", "RESPONDER_POLICY": "policy.toml"}
    there = {name: str(folder / file) for name, file in environ.items() if (folder / file).exists()}
    command = [sys.executable, "-c", "from responder import cli; cli.main()", "web", "--port", str(port)]
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=cleaned(os.environ) | there, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url, process
    finally:
        stop(process)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            opener.open(f"{url}/", timeout=_START_SECONDS).close()
        except urllib.error.URLError:
            if time.monotonic() > until or process.poll() is not None:
                raise
            time.sleep(0.1)
        else:
            return


def _has_display() -> bool:
    """Whether a browser can be opened; on a machine without a screen a text browser would take the terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
