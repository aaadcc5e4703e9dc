"""The real emulators of the Google Cloud CLI, started from their jars on loopback: Firestore and Pub/Sub.

Started without the CLI's wrapper: it takes twice as long and leaves its java child behind when it is ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lab.environment import cleaned
from lab.serving import free_port, stop

Name = Literal["firestore", "pubsub"]

_START_SECONDS: Final = 60.0
_TRIES: Final = 3  # a port that was free may be another's a moment later


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    jar: str
    main_class: str
    variable: str
    heap: str


_KINDS: Final[dict[Name, _Kind]] = {
    "firestore": _Kind(
        jar="cloud-firestore-emulator/cloud-firestore-emulator*.jar",
        main_class="com.google.cloud.datastore.emulator.firestore.CloudFirestore",
        variable="FIRESTORE_EMULATOR_HOST",
        heap="384m",
    ),
    "pubsub": _Kind(
        jar="pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
        main_class="com.google.cloud.pubsub.testing.v1.Main",
        variable="PUBSUB_EMULATOR_HOST",
        heap="128m",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A running emulator at `host` (`127.0.0.1:PORT`); `environ` is what points Google's clients at it."""

    name: Name
    host: str
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes]

    def reset(self, project: str = "", database: str = "(default)") -> None:
        """Forget everything: all of Pub/Sub; of Firestore the documents of one database of `project`."""
        if self.name == "pubsub":
            request = urllib.request.Request(f"http://{self.host}/reset", data=b"", method="POST")
        else:
            path = f"emulator/v1/projects/{project}/databases/{database}/documents"
            request = urllib.request.Request(f"http://{self.host}/{path}", method="DELETE")
        with _opener().open(request, timeout=30.0):
            pass


def missing(name: Name) -> str:
    """Why an emulator cannot be started here, in one line; empty where it can."""
    if shutil.which("java") is None:
        return f"the {name} emulator is not run: there is no java on the PATH"
    if _jar(name) is None:
        return f"the {name} emulator is not run: no Google Cloud CLI on this machine has its jar"
    return ""


def available(name: Name) -> bool:
    """Whether an emulator can be started here."""
    return not missing(name)


@contextlib.contextmanager
def running(name: Name, *, heap: str = "") -> Iterator[Emulator]:
    """An emulator on a free port, ready; it and whatever it started end with the block. RuntimeError where it fails.

    Enter it in a thread that lives as long as the block: the emulator is tied to the thread that starts it.
    """
    with tempfile.TemporaryDirectory(prefix=f"{name}-emulator-") as folder:
        log = Path(folder) / "log"
        for left in reversed(range(_TRIES)):
            process, host = _start(name, heap or _KINDS[name].heap, log)
            try:
                if not _is_ready(process, host):
                    if left:
                        continue
                    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                    message = f"the {name} emulator did not start:\n{said}"
                    raise RuntimeError(message)
                yield Emulator(name=name, host=host, environ={_KINDS[name].variable: host}, process=process)
                return
            finally:
                stop(process)


def _start(name: Name, heap: str, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    kind, port, jar = _KINDS[name], free_port(), _jar(name)
    # Ends with us even where we are killed and no block is left; the tool is util-linux', and not on every machine.
    tied = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    command = [
        *tied,
        "java",
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        str(jar),
        kind.main_class,
    ]
    command += ["--host=127.0.0.1", f"--port={port}"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=log.parent, env=cleaned(os.environ), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    return process, f"127.0.0.1:{port}"


def _is_ready(process: subprocess.Popen[bytes], host: str) -> bool:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            _opener().open(f"http://{host}/", timeout=2.0) as said,
        ):
            # Somebody else's port may answer too.
            if said.read(3).strip() == b"Ok":
                return process.poll() is None
        time.sleep(0.05)
    return False


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _jar(name: Name) -> Path | None:
    """The jar below the first installation of the Google Cloud CLI that has it."""
    roots = [Path("/usr/lib/google-cloud-sdk"), Path("/usr/share/google-cloud-sdk"), Path("/opt/google-cloud-sdk")]
    gcloud = shutil.which("gcloud")
    if gcloud:
        roots.insert(0, Path(gcloud).resolve().parent.parent)
    found = (jar for root in roots for jar in sorted((root / "platform").glob(_KINDS[name].jar)))
    return next(found, None)
