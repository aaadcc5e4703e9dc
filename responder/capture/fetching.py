"""Step 5: one command, and what came of it: files that arrive, what was told and not followed, how it ended. Pure.

tar brings several files at once where they are named one by one: each member is matched with the one path that was
asked for under its name, and counts once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Protocol

from responder.capture.arrival import Arrival, Arrived, Facts, printable
from responder.capture.belt import Belt
from responder.capture.tar import Member, TarReader
from responder.capture.tools import Base64
from responder.finding import Process
from responder.ports import Incoming, Ran
from responder.record import Tool

_NOTES: Final = 16
"""So many notes of one command are kept; a tar can tell of thousands of links."""
_CUTS: Final = {
    "bytes": "it was cut at the cap",
    "seconds": "it was cut when its time was over",
    "connection": "the connection was cut in the middle",
}
_CHANGED: Final = re.compile(r"changed as we read it|shrank|removed before we read it")
_BEFORE, _AFTER = "[\\s'\"`\u2018]", "['\"`\u2019:,]"
"""What stands around a path where a program names it."""


class Enough(Exception):  # noqa: N818 - no error: it ends a command that has nothing more to give
    """Raised in a sink: what comes now is not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one command may bring: so many files, each of `cap` bytes, `total` in all. `new` opens the n-th of them.

    `paths` are those of files, all different; or that of one `directory`. `told` are the finding's processes.
    """

    paths: tuple[str, ...]
    directory: bool
    cap: int
    total: int
    files: int
    new: Callable[[int], Incoming]
    facts: Facts | None
    belt: Belt
    told: Sequence[Process] = ()

    def arrival(self, number: int, path: str, taken: int) -> Arrival:
        """The n-th file, after so many bytes of the others."""
        scc = tuple(one for one in self.told if one.binary == path)
        return Arrival(self.belt, lambda: self.new(number), min(self.cap, self.total - taken), scc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One file of a command. `path` is the one that was asked for; below a directory tar's own word."""

    path: str
    notes: tuple[str, ...]
    arrived: Arrived


@dataclass(slots=True)
class Fetched:
    """What came of a command.

    `followed` says of a path that what lies there is no file, `said` what the program said of it. `problem` is
    what was wrong with the whole, `ending` how it ended. It was `cut` before its end, or the reader `stopped` it.
    """

    paths: tuple[str, ...]
    got: list[Got] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    followed: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    ending: list[str] = field(default_factory=list)
    cut: bool = False
    stopped: bool = False

    def note(self, text: str) -> None:
        """Keep a note, as long as there is room."""
        if len(self.notes) < _NOTES and text not in self.notes:
            self.notes.append(text)

    def notes_of(self, got: Got) -> tuple[str, ...]:
        """What was odd on the way of one file.

        A cut does not concern those of several files that had come whole before it.
        """
        is_untouched = self.cut and len(self.paths) > 1 and not got.arrived.truncated
        ending = () if is_untouched else (*self.ending, *filter(None, [self.problem]))
        return (*got.notes, *self.notes, *ending)

    def ends(self, ran: Ran | None) -> None:
        """How the command ended, in words; None where Enough ended it."""
        self.stopped = ran is None
        if ran is None:
            return
        lines = [printable(line) for line in ran.stderr.strip().split(b"\n") if line]
        for line in lines:
            named = [path for path in self.paths if _is_named(path, line)] if len(self.paths) > 1 else []
            self.said |= {path: self.said.get(path, line) for path in named}
            if _CHANGED.search(line) and not named:
                self.note("the file changed while it was read")
        if ran.cut:
            self.cut = True
            self.ending.append(_CUTS[ran.cut])
        if ran.code and not self.said:
            self.ending.append(f"the program ended with status {ran.code}" + (f": {lines[0]}" if lines else ""))
        elif ran.code is None and not ran.cut:
            self.ending.append("the program told no status")


class Sink(Protocol):
    """Where the output of a command goes."""

    def feed(self, data: bytes) -> None:
        """The next bytes; raises Enough where no more are wanted."""

    def close(self, ran: Ran | None) -> Fetched:
        """The command is over; None where Enough ended it. Waits until all that came is kept."""

    def abort(self) -> None:
        """Leave nothing that is not kept yet."""


def sink_for(tool: Tool, plan: Plan) -> Sink:
    """The reader of what `tool` writes."""
    return Members(plan) if tool == "tar" else Plain(plan, decode=tool == "base64")


class Plain:
    """One file whose bytes are the whole output, as `cat` and `dd` write it, or in base64."""

    def __init__(self, plan: Plan, *, decode: bool) -> None:
        self._result = Fetched(paths=plan.paths)
        self._plan = plan
        (self._path,) = plan.paths
        self._arrival: Arrival | None = None
        self._decoder = Base64(self._write) if decode else None

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        if self._decoder is None:
            self._write(data)
            return
        self._decoder.feed(data)
        if self._decoder.problem:
            raise Enough

    def close(self, ran: Ran | None) -> Fetched:
        """Keep what came, where anything did or the command says that all is well."""
        result = self._result
        if self._decoder:
            self._decoder.close()
            result.problem = self._decoder.problem
        result.ends(ran)
        clean = ran is not None and ran.code == 0 and not ran.cut
        if result.problem and not (self._arrival and self._arrival.size):
            self.abort()
            return result
        if self._arrival is None and clean:
            self._arrival = self._open()
        if self._arrival is not None:
            if not clean or result.problem:
                self._arrival.truncated = True
            coming = self._arrival.commit(self._plan.facts)
            self._arrival = None
            result.got.append(Got(path=self._path, notes=(), arrived=coming.result().result()))
        return result

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._arrival:
            self._arrival.abort()
            self._arrival = None

    def _open(self) -> Arrival:
        return self._plan.arrival(0, self._path, 0)

    def _write(self, data: bytes) -> None:
        if not data:
            return
        self._arrival = self._arrival or self._open()
        self._arrival.write(data)
        if self._arrival.truncated:
            raise Enough


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coming:
    """A member that has arrived and is being kept."""

    path: str
    notes: tuple[str, ...]
    arrived: Future[Future[Arrived]]


class Members:
    """The files of a tar: those at the paths that were asked for, or those below a directory."""

    def __init__(self, plan: Plan) -> None:
        self._result = Fetched(paths=plan.paths)
        self._plan = plan
        self._reader = TarReader(self)
        self._asked = {_parts(path.encode("utf-8", "surrogateescape")): path for path in plan.paths}
        self._arrival: Arrival | None = None
        self._path = ""
        self._coming: list[_Coming] = []
        self._sum = 0

    def feed(self, data: bytes) -> None:
        """The next bytes of the tar."""
        self._reader.feed(data)
        if self._reader.full:
            raise Enough

    def close(self, ran: Ran | None) -> Fetched:
        """Keep what came."""
        result = self._result
        if self._arrival is not None and ran is None:
            self.end(0)  # cut by us, at the cap: what is there is kept, and marked as cut
        self._reader.close()
        result.problem = self._reader.problem if ran is not None or self._reader.full else ""
        if self._reader.full and not self._reader.problem:
            result.note("tar went on after the end of its archive")
        result.ends(ran)
        result.got += [
            Got(path=one.path, notes=(*one.notes, *self._own(one.path)), arrived=one.arrived.result().result())
            for one in self._coming
        ]
        return result

    def abort(self) -> None:
        """Leave nothing that is not kept yet."""
        if self._arrival:
            self._arrival.abort()
            self._arrival = None

    def begin(self, member: Member) -> bool:
        """`tar.Into`: whether the file is one that was asked for."""
        told = printable(member.name)
        if member.kind == "directory" and self._plan.directory:
            return False
        path = self._path_of(member.name)
        if member.kind != "file":
            self._passed_over(member, told, path)
            return False
        if path is None:
            self._result.note(f"tar sent {told}, which was not asked for")
            return False
        if not self._plan.directory and any(one.path == path for one in self._coming):
            self._result.note(f"tar sent {told} more than once: the first of them counts")
            return False
        if len(self._coming) >= self._plan.files:
            self._result.note(f"there are more files than may be taken: {told} and what follows")
            raise Enough
        if self._sum >= self._plan.total:
            self._result.note(f"the total is used up: {told} and what follows was left out")
            raise Enough
        self._arrival, self._path = self._plan.arrival(len(self._coming), path, self._sum), path
        return True

    def write(self, data: bytes) -> None:
        """`tar.Into`."""
        if self._arrival is None:
            return
        self._arrival.write(data)
        if self._arrival.truncated and not self._plan.directory:
            raise Enough

    def end(self, missing: int) -> None:
        """`tar.Into`."""
        arrival, self._arrival = self._arrival, None
        if arrival is None:
            return
        notes = (f"tar promised {missing} bytes more than it sent",) if missing else ()
        arrival.truncated = arrival.truncated or bool(missing)
        self._sum += arrival.size
        self._coming.append(_Coming(path=self._path, notes=notes, arrived=arrival.commit(self._plan.facts)))

    def _path_of(self, name: bytes) -> str | None:
        """The path that a member belongs to; None where it was not asked for. tar takes the slash off the front."""
        parts = _parts(name)
        if not self._plan.directory:
            return self._asked.get(parts)
        (asked,) = self._asked
        is_below = parts[: len(asked)] == asked and b".." not in parts
        return f"/{printable(name, _LONGEST).lstrip('/')}" if is_below else None

    def _passed_over(self, member: Member, told: str, path: str | None) -> None:
        """What is no file is noted where it belongs."""
        aim = f" to {printable(member.link)}" if member.link else ""
        if self._plan.directory or path is None:
            self._result.note(f"{told} is a {member.kind}{aim}: not followed")
        elif (member.kind != "link" or len(self._asked) == 1) and not any(one.path == path for one in self._coming):
            # Of several names of one file tar sends all but one as links to it; asked for alone, each comes whole.
            self._result.followed[path] = f"a {member.kind}{aim} lies there: it is not followed"

    def _own(self, path: str) -> Iterator[str]:
        if line := self._result.said.get(path):
            changed = _CHANGED.search(line)
            yield "the file changed while it was read" if changed else f"tar: {line.removeprefix('tar: ')}"


_LONGEST: Final = 4096


def _parts(name: bytes) -> tuple[bytes, ...]:
    """A path by its parts, as text alone: `..` stays, and is no part of any path that is asked for."""
    return tuple(part for part in name.split(b"/") if part not in {b"", b"."})


def _is_named(path: str, line: str) -> bool:
    """Whether a line of a program's speaks of the path, and not of one that begins or ends like it."""
    told = re.escape(printable(path))
    return re.search(f"(?:^|{_BEFORE})/?{told.removeprefix('/')}{_AFTER}", line) is not None
