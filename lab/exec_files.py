"""Step 5: what runs inside a container of the lab when somebody executes a command there. Touches nothing real.

A container is its files. The few programs that an analyst or `kubectl cp` uses are imitated on them; a container whose
scenario says `shell: false` has none, like a distroless image.
"""

from __future__ import annotations

import base64
import hashlib
import io
import random
import re
import shlex
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from lab.scenario import ScenarioContainer

PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class NoSuchProgramError(Exception):
    """The image has no such program; `str()` is its name."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left."""

    stdout: bytes = b""
    stderr: bytes = b""
    code: int = 0


def content(text: str) -> bytes:
    """A file of the scenario: text, `base64:…`, or `random:N`."""
    if re.fullmatch(r"random:[0-9]{1,9}", text):
        return random.Random(text).randbytes(int(text.removeprefix("random:")))  # noqa: S311 - a file's content
    return base64.b64decode(text.removeprefix("base64:")) if text.startswith("base64:") else text.encode()


@dataclass(slots=True, kw_only=True)
class Inside:
    """A running container."""

    hostname: str
    files: dict[str, bytes]
    env: dict[str, str] = field(default_factory=dict)
    argv: tuple[str, ...] = ("app",)
    working_dir: str = "/"
    user_id: int = 0
    shell: bool = True
    started: datetime | None = None

    @classmethod
    def of(cls, container: ScenarioContainer, hostname: str, started: datetime | None = None) -> Inside:
        """The container as the scenario has it."""
        return cls(
            hostname=hostname,
            files={path: content(text) for path, text in container.files.items()},
            env={"HOSTNAME": hostname, "PATH": PATH, **container.env},
            argv=(*container.command, *container.args) or (f"/app/{container.name}",),
            working_dir=container.working_dir or "/",
            user_id=container.run_as_user or 0,
            shell=container.shell,
            started=started,
        )

    def run(self, argv: list[str], stdin: bytes = b"") -> Result:
        """Run argv, without a shell; NoSuchProgramError where the image lacks the program."""
        directory, _, name = argv[0].rpartition("/")
        program = _PROGRAMS.get(name)
        if program is None or not self.shell or directory not in {"", "/bin", "/usr/bin"}:
            raise NoSuchProgramError(argv[0])
        return program(self, argv[1:], stdin)

    def path(self, name: str) -> str:
        """An absolute path without `.` and `..`."""
        parts: list[str] = []
        for part in PurePosixPath(self.working_dir, name).parts[1:]:
            if part == "..":
                parts[-1:] = []
            elif part != ".":
                parts.append(part)
        return "/" + "/".join(parts)

    def below(self, directory: str) -> dict[str, bytes]:
        """The files in a directory, at any depth."""
        prefix = directory.rstrip("/") + "/"
        return {path: data for path, data in sorted(self.files.items()) if path.startswith(prefix)}


# --- programs ---------------------------------------------------------------------------------------------------------


def _each(inside: Inside, name: str, paths: list[str], stdin: bytes, work: Callable[[str, bytes], bytes]) -> Result:
    """Work on each file named, or on stdin; a file that is not there makes the exit code 1."""
    out, err = b"", b""
    for given in paths or ["-"]:
        path = inside.path(given)
        if given == "-":
            out += work("-", stdin)
        elif path in inside.files:
            out += work(given, inside.files[path])
        else:
            problem = "Is a directory" if inside.below(path) else "No such file or directory"
            err += f"{name}: {given}: {problem}\n".encode()
    return Result(out, err, 1 if err else 0)


def _operands(args: list[str]) -> list[str]:
    if "--" in args:
        cut = args.index("--")
        return [a for a in args[:cut] if not a.startswith("-")] + args[cut + 1 :]
    return [a for a in args if a == "-" or not a.startswith("-")]


def _cat(inside: Inside, args: list[str], stdin: bytes) -> Result:
    return _each(inside, "cat", _operands(args), stdin, lambda _, data: data)


def _sha256sum(inside: Inside, args: list[str], stdin: bytes) -> Result:
    def line(name: str, data: bytes) -> bytes:
        return f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()

    return _each(inside, "sha256sum", _operands(args), stdin, line)


def _base64(inside: Inside, args: list[str], stdin: bytes) -> Result:
    decode = bool({"-d", "--decode"} & set(args))
    width = 0 if "-w0" in args or "--wrap=0" in args or ("-w" in args and args[args.index("-w") + 1] == "0") else 76
    names = [a for a in _operands(args) if a != "0"]

    def turn(_: str, data: bytes) -> bytes:
        if decode:
            return base64.b64decode(data)
        text = base64.b64encode(data)
        lines = [text[at : at + width] for at in range(0, len(text), width)] if width else [text]
        return b"\n".join(lines) + (b"\n" if width else b"")

    return _each(inside, "base64", names, stdin, turn)


def _dd(inside: Inside, args: list[str], stdin: bytes) -> Result:
    given = dict(a.split("=", 1) for a in args if "=" in a)
    size = int(given.get("bs", "512"))
    read = _each(inside, "dd", [given["if"]] if "if" in given else [], stdin, lambda _, data: data)
    if read.code:
        return read
    start = size * int(given.get("skip", "0"))
    end = start + size * int(given["count"]) if "count" in given else None
    data = read.stdout[start:end]
    whole, rest = divmod(len(data), size)
    records = f"{whole}+{int(bool(rest))} records"
    return Result(data, f"{records} in\n{records} out\n".encode())


def _head(inside: Inside, args: list[str], stdin: bytes) -> Result:
    count = int(args[args.index("-c") + 1]) if "-c" in args else None
    names = [a for a in _operands(args) if not a.isdigit()]

    def cut(_: str, data: bytes) -> bytes:
        return data[:count] if count is not None else b"".join(data.splitlines(keepends=True)[:10])

    return _each(inside, "head", names, stdin, cut)


def _wc(inside: Inside, args: list[str], stdin: bytes) -> Result:
    return _each(inside, "wc", _operands(args), stdin, lambda _, data: f"{len(data)}\n".encode())


def _ls(inside: Inside, args: list[str], _: bytes) -> Result:
    flags = "".join(a[1:] for a in args if a.startswith("-") and a != "--")
    out, err = "", ""
    for given in _operands(args) or ["."]:
        path = inside.path(given)
        if path in inside.files:
            out += _ls_line(given, inside.files[path], flags)
            continue
        entries = inside.below(path)
        if not entries and path not in {"/", "/tmp"}:  # noqa: S108 - a path in the lab's container
            err += f"ls: cannot access '{given}': No such file or directory\n"
            continue
        if "d" in flags:
            out += _ls_line(given, None, flags)
            continue
        shown = sorted({name[len(path.rstrip("/")) + 1 :].split("/")[0] for name in entries})
        for name in shown:
            if not name.startswith(".") or "a" in flags or "A" in flags:
                out += _ls_line(name, entries.get(f"{path.rstrip('/')}/{name}"), flags)
    return Result(out.encode(), err.encode(), 2 if err else 0)


def _ls_line(name: str, data: bytes | None, flags: str) -> str:
    if "l" not in flags:
        return f"{name}\n"
    mode, size = ("drwxr-xr-x", 4096) if data is None else ("-rwxr-xr-x", len(data))
    return f"{mode} 1 root root {size:>8} Nov 20 09:41 {name}\n"


def _tar(inside: Inside, args: list[str], _: bytes) -> Result:
    """`tar cf - [-C DIR] [--] PATH…`: what `kubectl cp` runs. Extracting is not imitated."""
    flags = args[0].lstrip("-") if args else ""
    if "c" not in flags:
        return Result(stderr=b"tar: this tar only creates\n", code=2)
    base = args[args.index("-C") + 1] if "-C" in args else inside.working_dir
    names = [a for a in _operands(args[1:]) if a not in {"-", base}]
    buffer, err = io.BytesIO(), ""
    with tarfile.open(fileobj=buffer, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for given in names:
            path = inside.path(str(PurePosixPath(base, given)))
            found = {path: inside.files[path]} if path in inside.files else inside.below(path)
            if given.startswith("/"):
                err += "tar: Removing leading `/' from member names\n"
            if not found:
                err += f"tar: {given}: Cannot stat: No such file or directory\n"
            for name, data in found.items():
                shown = given.rstrip("/") + name.removeprefix(path)
                member = tarfile.TarInfo(shown.lstrip("/"))
                member.size, member.mode = len(data), 0o755
                archive.addfile(member, io.BytesIO(data))
    failed = "Cannot stat" in err
    if failed:
        err += "tar: Exiting with failure status due to previous errors\n"
    return Result(buffer.getvalue(), err.encode(), 2 if failed else 0)


def _ps(inside: Inside, _: list[str], __: bytes) -> Result:
    started = inside.started.strftime("%H:%M") if inside.started else "00:00"
    lines = ["UID PID PPID STIME CMD", f"{inside.user_id} 1 0 {started} {' '.join(inside.argv)}"]
    return Result("".join(f"{line}\n" for line in lines).encode())


def _id(inside: Inside, args: list[str], _: bytes) -> Result:
    number = inside.user_id
    name = "root" if number == 0 else "app"
    whole = f"uid={number}({name}) gid={number}({name}) groups={number}({name})"
    return Result(f"{number if '-u' in args else whole}\n".encode())


def _test(inside: Inside, args: list[str], _: bytes) -> Result:
    match args:
        case ["-f" | "-e" | "-r" | "-s" | "-x", name]:
            return Result(code=0 if inside.path(name) in inside.files else 1)
        case ["-d", name]:
            return Result(code=0 if inside.below(inside.path(name)) else 1)
    return Result(code=0 if args else 1)


def _env(inside: Inside, _: list[str], __: bytes) -> Result:
    return Result("".join(f"{name}={value}\n" for name, value in inside.env.items()).encode())


def _sh(inside: Inside, args: list[str], stdin: bytes) -> Result:
    """`sh -c TEXT`, or TEXT on stdin: words, quotes, `|`, `;`, `&&`, `||`, `2>/dev/null`, `exit N`."""
    text = args[args.index("-c") + 1] if "-c" in args else stdin.decode(errors="replace").replace("\n", ";")
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    total, code, pipe = Result(), 0, stdin if "-c" in args else b""
    words: list[str] = []
    run = True
    for word in [*lexer, ";"]:
        if word not in {"|", ";", "&&", "||"}:
            words.append(word)
            continue
        if words and run:
            if words[0] == "exit":
                return Result(total.stdout, total.stderr, int(words[1]) if len(words) > 1 else code)
            done = _simple(inside, words, pipe)
            code = done.code
            kept = b"" if word == "|" else done.stdout
            pipe = done.stdout if word == "|" else b""
            total = Result(total.stdout + kept, total.stderr + done.stderr, code)
        words = []
        run = {"&&": code == 0, "||": code != 0}.get(word, True)
    return Result(total.stdout, total.stderr, code)


def _simple(inside: Inside, words: list[str], stdin: bytes) -> Result:
    quiet = "2>/dev/null" in words
    argv = [w for w in words if w != "2>/dev/null"]
    try:
        done = inside.run(argv, stdin)
    except NoSuchProgramError:
        done = Result(stderr=f"sh: 1: {argv[0]}: not found\n".encode(), code=127)
    return Result(done.stdout, b"" if quiet else done.stderr, done.code)


def _says(text: Callable[[Inside], str]) -> Callable[[Inside, list[str], bytes], Result]:
    return lambda inside, _, __: Result(f"{text(inside)}\n".encode())


_PROGRAMS: Final[dict[str, Callable[[Inside, list[str], bytes], Result]]] = {
    "cat": _cat,
    "tar": _tar,
    "ls": _ls,
    "sh": _sh,
    "bash": _sh,
    "base64": _base64,
    "dd": _dd,
    "head": _head,
    "wc": _wc,
    "ps": _ps,
    "sha256sum": _sha256sum,
    "id": _id,
    "env": _env,
    "printenv": _env,
    "test": _test,
    "[": lambda inside, args, stdin: _test(inside, args[:-1], stdin),
    "whoami": _says(lambda inside: "root" if inside.user_id == 0 else "app"),
    "hostname": _says(lambda inside: inside.hostname),
    "pwd": _says(lambda inside: inside.working_dir),
    "uname": _says(lambda _: "Linux"),
    "echo": lambda _, args, __: Result(f"{' '.join(args)}\n".encode()),
    "true": lambda *_: Result(),
    "false": lambda *_: Result(code=1),
}
