"""Step 5: one command, and what came of it: files that arrive, what was told and not followed, how it ended. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from responder.capture.arrival import Arrival, Arrived, Facts, printable
from responder.capture.belt import Belt
from responder.capture.tools import Base64
from responder.finding import Process
from responder.ports import Incoming, Ran

_NOTES: Final = 16
"""So many notes of one command are kept; a tar can tell of thousands of links."""
_CUTS: Final = {
    "bytes": "it was cut at the cap",
    "seconds": "it was cut when its time was over",
    "connection": "the connection was cut in the middle",
}
CHANGED: Final = re.compile(r"changed as we read it|shrank|removed before we read it")
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
            if CHANGED.search(line) and not named:
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


def _is_named(path: str, line: str) -> bool:
    """Whether a line of a program's speaks of the path, and not of one that begins or ends like it."""
    told = re.escape(printable(path))
    return re.search(f"(?:^|{_BEFORE})/?{told.removeprefix('/')}{_AFTER}", line) is not None
