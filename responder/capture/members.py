"""Step 5: the files of one tar, as they come. Pure.

tar brings several files at once where they are named one by one: each member is matched with the one path that was
asked for under its name, and counts once.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from responder.capture.arrival import Arrival, Arrived, printable
from responder.capture.fetching import CHANGED, Enough, Fetched, Got, Plan
from responder.capture.tar import Member, TarReader
from responder.ports import Ran

_LONGEST: Final = 4096


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
            changed = CHANGED.search(line)
            yield "the file changed while it was read" if changed else f"tar: {line.removeprefix('tar: ')}"


def _parts(name: bytes) -> tuple[bytes, ...]:
    """A path by its parts, as text alone: `..` stays, and is no part of any path that is asked for."""
    return tuple(part for part in name.split(b"/") if part not in {b"", b"."})
