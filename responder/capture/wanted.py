"""Step 5: which files of the container tell what was compiled, and what came of it, in order of worth. Pure.

Google's page copies the executed binary, which here is nearly always the distribution's own compiler. So the products
come first, then the sources, then what told the compiler what to do, and the binary last. Paths are the attacker's
words: they are made absolute and plain by text alone, and what is no path of a file is left out with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from responder.compiler import Build, parse
from responder.evidence import ContainerState
from responder.finding import Process
from responder.record import RecordedFinding, Role

MOST_FILES: Final = 64
MOST_LEFT_OUT: Final = 200
"""Paths that are listed as left out; a last line counts the others."""

ResolvedBy = Literal["absolute", "proc_cwd", "working_dir", "unresolved", "found"]

_LONGEST: Final = 4096
"""PATH_MAX of Linux, in bytes, with the NUL."""
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_FILES: Final = ("/proc", "/sys", "/dev")
_IN_MEMORY: Final = "/dev/shm/"  # noqa: S108 - where intruders put what is to leave no trace, and files all the same
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"})
_EXPANDED: Final = re.compile(r"[*?$`{}\[]|^~")
_SYSTEM_SOURCES: Final = ("/usr/src/", "/usr/include/", "/usr/lib/gcc/")
_SYSTEM_PARTS: Final = re.compile(r"/(?:usr/)?lib(?:32|64|x32|exec)?/")
_TEMPORARY: Final = re.compile(r"(?:.*/)?cc[0-9A-Za-z]{6}\.(?:s|o|res|ld|c|le|cdtor\.[co])")
"""What a compiler driver makes between its own children, and removes."""
_HEADERS: Final = (".h", ".hh", ".hpp", ".hxx", ".inc", ".inl", ".ipp", ".tcc")
_GO_VERSION: Final = re.compile(r"v[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A file to take. `path` is absolute and has no `.` or `..`; `named` is as the command line has it.

    `is_directory`: the tool chose the names below it, and all of them are wanted. `is_ours`: we made the path from a
    number, /proc/PID/exe, and what the link there leads to is what is wanted.
    """

    path: str
    named: str
    role: Role
    resolved_by: ResolvedBy
    pid: int | None
    why: str
    is_directory: bool = False
    is_ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A name that is not taken, and why. `named` may be any text at all."""

    named: str
    role: Role
    pid: int | None
    reason: str
    resolved_by: ResolvedBy = "unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to take, best first, and what was left out on the way."""

    wants: tuple[Want, ...]
    left_out: tuple[LeftOut, ...]


class _Named(NamedTuple):
    """A name on a command line; `rank` orders it among all, lower first."""

    rank: int
    path: str
    role: Role
    why: str
    is_directory: bool = False


class _Base(NamedTuple):
    """What a relative path of one process is relative to."""

    path: str
    by: ResolvedBy


_PRODUCT, _PRODUCT_FOLDER, _RUN_BESIDE, _SOURCE, _HEADER, _READ, _LOADED, _OBJECT, _SOURCE_FOLDER, _SYSTEM, _BINARY = (
    range(11)
)


def wanted(findings: tuple[RecordedFinding, ...], container: ContainerState, cwd_of: Mapping[int, str]) -> Wanted:
    """What to take for these findings; `cwd_of` has what `/proc/PID/cwd` told, by the finding's pid.

    A relative path is taken from that; else from the directory that the command line names; else from the container's
    `workingDir`; else it is left out. A pid that is of the host's namespace is not in `cwd_of` or is another process's:
    whoever fills it compares the program first. Not wanted at all: what `-I` and `-l` name, the driver's temporaries,
    and the distribution's objects that a driver hands its linker.
    """
    listing = _Listing()
    for finding in findings:
        for process in _processes(finding):
            build = parse(process.args, exe=process.binary)
            bases = _bases(process, build, container, cwd_of)
            for one in (*_names(build, process.args), *_binary(process)):
                listing.add(one, bases, process.pid, build)
    return listing.result()


def plain(path: str) -> str:
    """An absolute path without `.`, `..` and doubled slashes, by text alone; links are not known here."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


@dataclass(slots=True)
class _Listing:
    """The wants by path: of two that name one file the better stays."""

    found: dict[str, tuple[int, Want]] = field(default_factory=dict)
    left: dict[tuple[str, str], LeftOut] = field(default_factory=dict)
    more: int = 0

    def add(self, one: _Named, bases: Sequence[_Base], pid: int | None, build: Build) -> None:
        reason = "" if one.rank == _BINARY else _no_word(one.path, build)
        resolved = None if reason else _resolved(one.path, bases)
        if resolved is None:
            self.leave(one, pid, reason or "it is relative, and to what is not known")
            return
        path, by = resolved
        is_ours = one.path == _exe(pid) and one.role == "compiler"
        reason = _no_file(path, is_ours=is_ours)
        if reason:
            self.leave(one, pid, reason, by)
            return
        want = Want(path=path, named=one.path, role=one.role, resolved_by=by, pid=pid, why=one.why,
                    is_directory=one.is_directory, is_ours=is_ours)  # fmt: skip
        old = self.found.get(path)
        if old is None or one.rank < old[0]:
            self.found[path] = (one.rank, want)

    def leave(self, one: _Named, pid: int | None, reason: str, by: ResolvedBy = "unresolved") -> None:
        if len(self.left) >= MOST_LEFT_OUT:
            self.more += 1
            return
        left = LeftOut(named=one.path[:_LONGEST], role=one.role, pid=pid, reason=reason, resolved_by=by)
        self.left.setdefault((left.named, reason), left)

    def result(self) -> Wanted:
        ordered = [want for _, want in sorted(self.found.values(), key=lambda pair: pair[0])]
        for want in ordered[MOST_FILES:]:
            named = _Named(0, want.path, want.role, "")
            self.leave(named, want.pid, f"more than {MOST_FILES} files are named", want.resolved_by)
        left = list(self.left.values())
        if self.more:
            left.append(LeftOut(named="", role="source", pid=None, reason=f"and {self.more} more"))
        return Wanted(wants=tuple(ordered[:MOST_FILES]), left_out=tuple(left))


# --- which names ------------------------------------------------------------------------------------------------------


def _processes(finding: RecordedFinding) -> Iterator[Process]:
    if finding.processes:
        yield from finding.processes
        return
    binary, arguments = finding.told.get("program_binary", ""), finding.told.get("arguments", ())
    if arguments and isinstance(arguments, tuple):
        yield Process(binary=binary if isinstance(binary, str) else "", args=arguments)


def _names(build: Build, argv: Sequence[str]) -> Iterator[_Named]:
    """What one command line names, each with its role; a child's temporaries are nobody's files."""
    for one in (*_products(build, argv), *_given(build)):
        is_childs = build.is_child and (_TEMPORARY.fullmatch(one.path) or one.rank == _SYSTEM)
        if one.path and one.path != "-" and not is_childs:
            yield one
    for word in build.beside:
        program = next(iter(word.split()), "")
        if "/" in program:
            yield _Named(_RUN_BESIDE, program, "dropped", "run by the same shell")


def _products(build: Build, argv: Sequence[str]) -> Iterator[_Named]:
    if build.mode in {"probe", "preprocess"} and not build.outputs:
        return
    for path in build.outputs:
        is_folder = path.endswith("/") or _is_folder(build, argv)
        why = f"{build.tool} writes what it makes below it" if is_folder else f"{build.tool} writes it"
        yield _Named(_PRODUCT_FOLDER if is_folder else _PRODUCT, path, "product", why, is_folder)
    if build.tool == "javac" and not build.outputs:
        for path in build.sources:
            if path.endswith(".java"):
                name = path.removesuffix(".java") + ".class"
                yield _Named(_PRODUCT, name, "product", "javac puts the class beside its source")
    if build.tool == "go" and build.mode == "build" and not build.outputs:
        yield from _go_products(build)


def _go_products(build: Build) -> Iterator[_Named]:
    """`go help build`: the executable has the last part of the package's path that is no version, in the directory."""
    for path in build.sources or (".",):
        parts = [part for part in path.rstrip("/").split("/") if not _GO_VERSION.fullmatch(part)]
        if parts and parts[-1] not in {"", ".", "..", "..."} and not path.endswith(".go"):
            yield _Named(_PRODUCT, parts[-1], "product", "go build names it after the package")
        elif not path.endswith(".go"):
            yield _Named(_SOURCE_FOLDER, ".", "product", "go build writes into it, named after the module", True)


def _is_folder(build: Build, argv: Sequence[str]) -> bool:
    """Where the tool chooses the names inside (`Build.outputs`)."""
    if build.tool == "cargo":
        return not any(word == "--bin" or word.startswith("--bin=") for word in argv)
    return build.tool in {"javac", "node-gyp"}


def _given(build: Build) -> Iterator[_Named]:
    for path in build.sources:
        yield _source(build, path)
    if build.tool in {"make", "gmake"} and build.mode in {"build", "install"} and not build.reads:
        yield _Named(_READ, "Makefile", "source", "make reads it where none is named")
    for path in build.reads:
        is_header = path.endswith(_HEADERS)
        rank = _SYSTEM if _SYSTEM_PARTS.match(path) else _HEADER if is_header else _READ
        yield _Named(rank, path, "header" if is_header else "response_file", f"{build.tool} reads it")
    for words in build.executes:
        path = next(iter(words.split()), "")  # `-wrapper` takes arguments as well
        if "/" in path:
            yield _Named(_LOADED, path, "dropped", f"{build.tool} was told to run or load it")
    for path in build.objects:
        yield _Named(_SYSTEM if _SYSTEM_PARTS.match(path) else _OBJECT, path, "source", f"{build.tool} links it")


def _source(build: Build, path: str) -> _Named:
    if build.tool in {"go", "cargo"} and not path.endswith((".go", ".rs")):
        folder = path.removesuffix("...").rstrip("/") or ("/" if path.startswith("/") else ".")
        if _is_place(path):
            return _Named(_SOURCE_FOLDER, folder, "source", f"{build.tool} builds what is below it", True)
    is_header = path.endswith(_HEADERS)
    rank = _SYSTEM if path.startswith(_SYSTEM_SOURCES) else _HEADER if is_header else _SOURCE
    return _Named(rank, path, "header" if is_header else "source", f"{build.tool} compiles it")


def _is_place(path: str) -> bool:
    """Whether it is a path to go and cargo, and not a name that they look up."""
    return path.startswith(("./", "../", "/")) or path in {".", "..", "..."} or path.endswith((".go", ".rs"))


def _binary(process: Process) -> Iterator[_Named]:
    """The program as it lies on the disk; and as it runs, should it still: it may have been replaced or removed."""
    if process.binary:
        yield _Named(_BINARY, process.binary, "compiler", "the executed program")
    if process.pid is not None and process.pid > 0:
        yield _Named(_BINARY, _exe(process.pid), "compiler", "the executed program, as it runs")


def _exe(pid: int | None) -> str:
    return f"/proc/{pid}/exe"


# --- which paths ------------------------------------------------------------------------------------------------------


def _bases(process: Process, build: Build, container: ContainerState, cwd_of: Mapping[int, str]) -> tuple[_Base, ...]:
    """The one base for relative paths; empty where none is known.

    A directory of the command line (`-C`, `cd DIR &&`) counts only where /proc does not tell: a process that went there
    has it as its cwd.
    """
    cwd = cwd_of.get(process.pid, "") if process.pid is not None else ""
    if cwd.startswith("/"):
        return (_Base(cwd, "proc_cwd"),)
    if build.directory.startswith("/"):
        return (_Base(build.directory, "absolute"),)
    if container.working_dir.startswith("/"):
        return (_Base(f"{container.working_dir}/{build.directory}", "working_dir"),)
    return ()


def _resolved(path: str, bases: Sequence[_Base]) -> tuple[str, ResolvedBy] | None:
    if path.startswith("/"):
        return plain(path), "absolute"
    for base in bases:
        return plain(f"{base.path}/{path}"), base.by
    return None


def _no_word(path: str, build: Build) -> str:
    """Why a word is no path as it stands; ``""`` where it is one."""
    if "[redacted:" in path:
        return "a part of it was taken out as a secret"
    if _EXPANDED.search(path) and any(word.partition(" ")[0] in _SHELLS for word in build.wrappers):
        return "a shell puts something else in its place"
    if build.tool in {"go", "cargo"} and path in build.sources and not _is_place(path):
        return f"{build.tool} looks it up by this name; it is no path"
    return ""


def _no_file(path: str, *, is_ours: bool) -> str:
    """Why an absolute path is not taken; ``""`` where it is. `is_ours`: we made it, from a number."""
    if is_ours:
        return ""
    if path == "/":
        return "it is the root of all files"
    if _CONTROL.search(path):
        return "it holds a control character"
    if len(path.encode("utf-8")) >= _LONGEST:
        return "it is longer than any path that Linux opens"
    inside = no_place(path)
    return f"it is below {inside}, where no files are" if inside else ""


def no_place(path: str) -> str:
    """Which of the trees without files an absolute, plain path is in; ``""`` where it is in none."""
    inside = next((place for place in _NO_FILES if path == place or path.startswith(f"{place}/")), "")
    return "" if path.startswith(_IN_MEMORY) else inside
