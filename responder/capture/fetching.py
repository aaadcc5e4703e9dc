"""Step 5: one command, and what came of it: files that arrive, what was told and not followed, how it ended. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from responder.capture.arrival import Arrival, Arrived, Facts, printable
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


class Enough(Exception):  # noqa: N818 - no error: it ends a command that has nothing more to give
    """Raised in a sink: what comes now is not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one command may bring: so many files, each of `cap` bytes, `total` in all. `new` opens the n-th of them.

    `told` are the finding's processes.
    """

    path: str
    directory: bool
    cap: int
    total: int
    files: int
    new: Callable[[int], Incoming]
    facts: Facts | None
    told: Sequence[Process] = ()

    def of_scc(self, path: str) -> tuple[Process, ...]:
        """What SCC says of a binary at this path."""
        return tuple(one for one in self.told if one.binary == path)


@dataclass(slots=True, kw_only=True)
class Got:
    """One file of a command. `told` is the name that tar gave it, empty for other programs."""

    told: str
    notes: tuple[str, ...]
    arrived: Arrived


@dataclass(slots=True)
class Fetched:
    """What came of a command. `followed` names what lies at the path and is no file; `problem` what was wrong."""

    got: list[Got] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    followed: str = ""
    problem: str = ""

    def note(self, text: str) -> None:
        """Keep a note, as long as there is room."""
        if len(self.notes) < _NOTES and text not in self.notes:
            self.notes.append(text)


class Sink(Protocol):
    """Where the output of a command goes."""

    result: Fetched

    def feed(self, data: bytes) -> None:
        """The next bytes; raises Enough where no more are wanted."""

    def close(self, ran: Ran | None) -> Fetched:
        """The command is over; None where Enough ended it."""

    def abort(self) -> None:
        """Leave nothing that is not kept yet."""


def sink_for(tool: Tool, plan: Plan) -> Sink:
    """The reader of what `tool` writes."""
    return Members(plan) if tool == "tar" else Plain(plan, decode=tool == "base64")


class Plain:
    """One file whose bytes are the whole output, as `cat` and `dd` write it, or in base64."""

    def __init__(self, plan: Plan, *, decode: bool) -> None:
        self.result = Fetched()
        self._plan = plan
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
        if self._decoder:
            self._decoder.close()
            self.result.problem = self._decoder.problem
        _ending(self.result, ran)
        clean = ran is not None and ran.code == 0 and not ran.cut
        if self.result.problem and not (self._arrival and self._arrival.size):
            self.abort()
            return self.result
        if self._arrival is None and clean:
            self._arrival = self._open()
        if self._arrival is not None:
            if not clean or self.result.problem:
                self._arrival.truncated = True
            arrived = self._arrival.commit(self._plan.facts)
            self._arrival = None
            self.result.got.append(Got(told="", notes=(), arrived=arrived))
        return self.result

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._arrival:
            self._arrival.abort()
            self._arrival = None

    def _open(self) -> Arrival:
        told = self._plan.of_scc(self._plan.path)
        return Arrival(lambda: self._plan.new(0), min(self._plan.cap, self._plan.total), told)

    def _write(self, data: bytes) -> None:
        if not data:
            return
        self._arrival = self._arrival or self._open()
        self._arrival.write(data)
        if self._arrival.truncated:
            raise Enough


class Members:
    """The files of a tar: one at the path that was asked for, or those below a directory."""

    def __init__(self, plan: Plan) -> None:
        self.result = Fetched()
        self._plan = plan
        self._reader = TarReader(self)
        self._arrival: Arrival | None = None
        self._told = ""
        self._sum = 0

    def feed(self, data: bytes) -> None:
        """The next bytes of the tar."""
        self._reader.feed(data)
        if self._reader.full:
            raise Enough

    def close(self, ran: Ran | None) -> Fetched:
        """Keep what came."""
        if self._arrival is not None and ran is None:
            self.end(0)  # cut by us, at the cap: what is there is kept, and marked as cut
        self._reader.close()
        self.result.problem = self._reader.problem if ran is not None or self._reader.full else ""
        if self._reader.full and not self._reader.problem:
            self.result.note("tar went on after the end of its archive")
        _ending(self.result, ran)
        return self.result

    def abort(self) -> None:
        """Leave nothing that is not kept yet."""
        if self._arrival:
            self._arrival.abort()
            self._arrival = None

    def begin(self, member: Member) -> bool:
        """`tar.Into`: whether the file is one that was asked for."""
        told, path = printable(member.name), self._plan.path
        if member.kind == "directory" and self._plan.directory:
            return False
        if member.kind != "file":
            aim = f" to {printable(member.link)}" if member.link else ""
            self.result.note(f"{told} is a {member.kind}{aim}: not followed")
            if not self._plan.directory and not self.result.got:
                self.result.followed = f"a {member.kind}{aim} lies there: it is not followed"
            return False
        if not _belongs(member.name, path, directory=self._plan.directory):
            self.result.note(f"tar sent {told}, which was not asked for")
            return False
        if len(self.result.got) >= (self._plan.files if self._plan.directory else 1):
            self.result.note(f"there are more files than may be taken: {told} and what follows")
            raise Enough
        if self._sum >= self._plan.total:
            self.result.note(f"the total is used up: {told} and what follows was left out")
            raise Enough
        number = len(self.result.got)
        cap = min(self._plan.cap, self._plan.total - self._sum)
        # Below a directory the path is tar's own word; elsewhere it is that which was asked for.
        scc = self._plan.of_scc("/" + told.lstrip("/") if self._plan.directory else path)
        self._arrival, self._told = Arrival(lambda: self._plan.new(number), cap, scc), told
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
        try:
            arrived = arrival.commit(self._plan.facts)
        except BaseException:
            arrival.abort()
            raise
        self._sum += arrived.size
        self.result.got.append(Got(told=self._told, notes=notes, arrived=arrived))


def _belongs(name: bytes, path: str, *, directory: bool) -> bool:
    """Whether tar's name is that of the path, or one below it. tar takes the slash off the front."""
    parts = [part for part in name.split(b"/") if part not in {b"", b"."}]
    asked = [part for part in path.encode("utf-8", "surrogateescape").split(b"/") if part not in {b"", b"."}]
    if b".." in parts:
        return False
    return parts[: len(asked)] == asked if directory else parts == asked


def _ending(result: Fetched, ran: Ran | None) -> None:
    """How the command ended, in words."""
    if ran is None:
        return
    said = printable(ran.stderr.strip().split(b"\n")[0]) if ran.stderr.strip() else ""
    if b"changed as we read it" in ran.stderr or b"shrank" in ran.stderr:
        result.note("the file changed while it was read")
    if ran.cut:
        result.note(_CUTS[ran.cut])
    if ran.code:
        result.note(f"the program ended with status {ran.code}" + (f": {said}" if said else ""))
    elif ran.code is None and not ran.cut:
        result.note("the program told no status")
