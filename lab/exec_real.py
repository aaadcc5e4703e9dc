"""Step 5: the host's real programs behind the lab's exec, inside a throw-away root. Nothing of the host is in reach.

A container with `real_root: true` gets a directory with its files and copies of the programs that it has. A command
runs there in namespaces of its own (user, mount, pid, network, ipc, uts), after `pivot_root`; the host's root is
unmounted before the program starts, so that there is no way out as there is of a chroot. It needs user namespaces:
`is_allowed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import weakref
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from lab.exec_files import PATH, NoSuchProgramError, content
from lab.scenario import ScenarioContainer

PROGRAMS: Final = (
    *("sh", "tar", "cat", "dd", "base64", "ls", "ps", "readlink", "find", "head", "wc", "sha256sum", "stat", "id"),
    *("env", "printenv", "test", "echo", "true", "false", "sleep", "yes"),
)
PIECE: Final = 32 * 1024
_DEVICES: Final = ("null", "zero", "urandom")
_UNSHARE: Final = (
    *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts"),
    *("--fork", "--kill-child=KILL", "--"),
)
# $1 root, $2 working directory, the container's NAME=VALUEs, `--`, argv. Past pivot_root there is only what lies in the
# root: hence a umount of its own, off the PATH. The container's variables come last: none of them (LD_PRELOAD, PATH)
# may touch a program of the host.
_ENTER: Final = f"""
set -e; root=$1 work=$2; shift 2
mount --bind "$root" "$root"
for d in {" ".join(_DEVICES)}; do mount --bind /dev/$d "$root/dev/$d"; done
mount -t proc proc "$root/proc"
cd "$root"; pivot_root . .lab/host
/.lab/umount -l /.lab/host
cd "$work"
unset root work d PWD OLDPWD
while [ "$1" != -- ]; do export "$1"; shift; done
shift; exec "$@"
"""
_HOST: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


@functools.cache
def is_allowed() -> bool:
    """Whether this machine lets a user make namespaces and mount in them."""
    if not all(shutil.which(name, path=_HOST["PATH"]) for name in ("unshare", "mount", "umount", "pivot_root", "ldd")):
        return False
    try:
        with _Root(ScenarioContainer()) as root:
            tried = subprocess.run(root.argv(["true"], {}), capture_output=True, timeout=20, check=False, env=_HOST)
    except (OSError, subprocess.SubprocessError):
        return False
    return tried.returncode == 0


@functools.cache
def _libraries(program: str) -> tuple[Path, ...]:
    """The shared libraries of a program of the host, its loader included."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return tuple(Path(found) for found in re.findall(r"(/\S+) \(0x", said))


class _Root:
    """A throw-away root; it goes with this object, or with `with`."""

    def __init__(self, container: ScenarioContainer) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="lab-root-"))
        self._end = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        self._work = container.working_dir or "/"
        self._fill(container)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _fill(self, container: ScenarioContainer) -> None:
        for name in ("proc", "dev", "tmp", "usr/bin", ".lab/host", self._work.lstrip("/")):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        (self.path / "bin").symlink_to("usr/bin")
        for name in _DEVICES:
            (self.path / "dev" / name).touch()
        programs = PROGRAMS if container.programs is None else container.programs
        for name in programs if container.shell else ():
            self._copy(name, self.path / "usr/bin" / name)
        self._copy("umount", self.path / ".lab/umount")
        # Last: a file of the scenario may be the attacker's own `tar`.
        for name, text in container.files.items():
            file = self.path / self._within(name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.write_bytes(content(text))
            file.chmod(0o755)

    def _within(self, name: str) -> str:
        if ".." in Path(name).parts or not name.startswith("/"):
            message = f"{name}: a file of a container has an absolute path without `..`"
            raise ValueError(message)
        return name.lstrip("/")

    def _copy(self, program: str, to: Path) -> None:
        found = shutil.which(program, path=_HOST["PATH"])
        if found is None:
            message = f"this machine has no {program}"
            raise FileNotFoundError(message)
        shutil.copyfile(Path(found).resolve(), to)
        to.chmod(0o755)
        for library in _libraries(found):
            there = self.path / library.relative_to("/")
            if not there.exists():
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(library.resolve(), there)
                there.chmod(0o755)

    def argv(self, argv: list[str], env: Mapping[str, str]) -> list[str]:
        """What runs argv inside, with `env` and nothing else; NoSuchProgramError where the root has no such program."""
        places = [argv[0]] if "/" in argv[0] else [f"{folder}/{argv[0]}" for folder in env.get("PATH", PATH).split(":")]
        for place in places:
            # Looked up by text alone: a link in the root must not lead this process out of it.
            path = self.path / place.lstrip("/")
            if not path.is_symlink() and path.is_file() and path.resolve().is_relative_to(self.path.resolve()):
                given = [f"{key}={value}" for key, value in env.items()]
                enter = [*_UNSHARE, "/bin/sh", "-c", _ENTER, "sh", str(self.path), self._work]
                return [*enter, *given, "--", *argv]
        raise NoSuchProgramError(argv[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A piece of stdout (1) or stderr (2), or, with channel 0, the exit code."""

    channel: int
    data: bytes = b""
    code: int = 0


@dataclass(slots=True)
class Rooted:
    """What a pod keeps of a container with `real_root`: its root, made at the first command, and the count of those."""

    real: RealInside | None = None
    count: int = 0
    making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def inside(self, container: ScenarioContainer, hostname: str) -> RealInside:
        """The running container."""
        async with self.making:
            if self.real is None:
                self.real = await asyncio.to_thread(RealInside, container, hostname)
            return self.real


class RealInside:
    """A running container with a root of its own. Each start of a container is a new one."""

    def __init__(self, container: ScenarioContainer, hostname: str) -> None:
        self.planned = container.exec
        self._root = _Root(container)
        self._env = {"PATH": PATH, "HOSTNAME": hostname, "LC_ALL": "C.UTF-8", **container.env}

    @property
    def path(self) -> Path:
        """The root as the host sees it, for tests."""
        return self._root.path

    async def run(self, argv: list[str]) -> AsyncGenerator[Output, None]:
        """The output as it comes, the exit code last. Whoever stops listening kills the command and its children."""
        process = await asyncio.create_subprocess_exec(
            *self._root.argv(argv, self._env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_HOST,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        # Two pieces at most wait: the command is held up by whoever listens slowly, as in a cluster.
        pieces: asyncio.Queue[Output | None] = asyncio.Queue(2)
        readers = [
            asyncio.create_task(_read(pieces, number, pipe))
            for number, pipe in ((1, process.stdout), (2, process.stderr))
        ]
        try:
            open_pipes = len(readers)
            while open_pipes:
                piece = await pieces.get()
                if piece is None:
                    open_pipes -= 1
                else:
                    yield piece
            code = await process.wait()
            yield Output(channel=0, code=code if code >= 0 else 128 - code)
        finally:
            for reader in readers:
                reader.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _read(pieces: asyncio.Queue[Output | None], channel: int, pipe: asyncio.StreamReader) -> None:
    while data := await pipe.read(PIECE):
        await pieces.put(Output(channel=channel, data=data))
    await pieces.put(None)
