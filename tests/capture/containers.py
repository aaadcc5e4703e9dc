"""Collectors for tests: one that runs the machine's own tools below a folder, and those that lie."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from responder.errors import NoProgram
from responder.evidence import ContainerState, Pod
from responder.ports import Cell, Ran, Stored

NOW = datetime(2026, 11, 20, 9, 41, 40, tzinfo=UTC)
CELL = Cell(namespace="shop", pod="web-0", container="web", uid="uid-1")


def pod(uid: str = "uid-1", *, restarts: int = 0, state: str = "running") -> Pod:
    return Pod(
        namespace="shop",
        name="web-0",
        uid=uid,
        create_time=NOW,
        phase="Running",
        node_name="n",
        service_account="default",
        automount_token=False,
        host_network=False,
        host_pid=False,
        host_ipc=False,
        host_paths=(),
        owner=None,
        labels={},
        annotations={},
        containers=(
            ContainerState(
                name="web", kind="container", image="i", image_id="d", state=state, started_at=NOW, restarts=restarts
            ),
        ),
    )


class Box:
    """`ports.Collector` with real programs. A path below / becomes one below `root`; `lacks` are not in the image.

    `pods` are answered in turn, the last of them for ever. `piece` is how many bytes reach the sink at once.
    """

    def __init__(self, root: Path, *, lacks: Sequence[str] = (), pods: Sequence[Pod] = (), piece: int = 65536) -> None:
        self.root, self.lacks, self.piece = root, set(lacks), piece
        self.pods = list(pods) or [pod()]
        self.ran: list[tuple[str, ...]] = []

    def pod(self, namespace: str, name: str) -> Pod:
        assert (namespace, name) == ("shop", "web-0")
        return self.pods.pop(0) if len(self.pods) > 1 else self.pods[0]

    def mapped(self, argv: Sequence[str]) -> list[str]:
        if argv[0] == "tar":
            # Below another root, so that the names in the tar are those of the container.
            return [
                "tar",
                "-C",
                str(self.root),
                "-cf",
                "-",
                "--",
                *("." + path for path in argv[argv.index("--") + 1 :]),
            ]
        if argv[0] == "dd":
            return ["dd", f"if={self.root}{argv[1].removeprefix('if=')}", *argv[2:]]
        return [
            argv[0],
            *(f"{self.root}{word}" if word.startswith("/") and word != "/111" else word for word in argv[1:]),
        ]

    def run(
        self, cell: Cell, argv: Sequence[str], *, sink: Callable[[bytes], object], limit: int, seconds: float
    ) -> Ran:
        assert cell == CELL
        assert seconds > 0
        self.ran.append(tuple(argv))
        if argv[0] in self.lacks or shutil.which(argv[0]) is None:
            raise NoProgram(argv[0])
        with subprocess.Popen(self.mapped(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            received = 0
            try:
                while data := process.stdout.read(min(self.piece, limit - received)):
                    received += len(data)
                    sink(data)
            finally:
                cut = received >= limit and bool(process.stdout.read(1))
                if process.poll() is None and cut:
                    process.kill()
                process.stdout.close()
            stderr = process.stderr.read(4096)
            code = process.wait()
        return Ran(code=None if cut else code, received=received, stderr=stderr, cut="bytes" if cut else "")


class Said(Box):
    """A container whose programs say what they are told to, piece by piece."""

    def __init__(self, says: dict[str, Sequence[bytes]], *, ran: Ran | None = None, pods: Sequence[Pod] = ()) -> None:
        super().__init__(Path("/nonexistent"), pods=pods)
        self.says, self.how = says, ran or Ran(code=0, received=0)

    def run(
        self, cell: Cell, argv: Sequence[str], *, sink: Callable[[bytes], object], limit: int, seconds: float
    ) -> Ran:
        assert cell == CELL
        assert seconds > 0
        self.ran.append(tuple(argv))
        if argv[0] not in self.says:
            raise NoProgram(argv[0])
        received = 0
        for data in self.says[argv[0]]:
            part = data[: limit - received]
            received += len(part)
            sink(part)
            if received >= limit:
                return Ran(code=None, received=received, cut="bytes")
        return Ran(code=self.how.code, received=received, stderr=self.how.stderr, cut=self.how.cut)


class Kept:
    """An `Incoming` that keeps its bytes in `files`, and only on commit."""

    def __init__(self, files: dict[str, bytes], name: str) -> None:
        assert name not in files
        self.files, self.name, self.data = files, name, bytearray()

    def write(self, data: bytes) -> None:
        self.data += data

    def commit(self) -> Stored:
        self.files[self.name] = bytes(self.data)
        return Stored(place=self.name, sha256=hashlib.sha256(self.data).hexdigest(), size=len(self.data))

    def abort(self) -> None:
        self.data.clear()
