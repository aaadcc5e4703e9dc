"""Step 5: take the files out of the one proven container, in the order of their worth, under caps.

Touches the container through the collector and the evidence store through `Means.new`, nothing else. Before the first
command, after every fifth file and after the last it asks for the pod (`watching`); what came since the last good
answer is marked as unproven. Each command costs a connection and a process in the container, so tar is given several
paths at once; what does not come so is asked for alone, from one program after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final, Literal

from responder.capture.arrival import Facts
from responder.capture.artifacts import artifact, kept
from responder.capture.belt import Belt
from responder.capture.fetching import Enough, Fetched, Got, Plain, Plan
from responder.capture.members import Members
from responder.capture.tools import MOST_WORDS, NONE, UNTOLD, Toolbox, argv, kind, look, words_in_url
from responder.capture.wanted import Want
from responder.capture.watching import NOT_ASKED, Watch
from responder.errors import NoProgram, Unanswered
from responder.finding import Process
from responder.ports import Cell, Clock, Collector, Incoming
from responder.record import Artifact, Tool

MIB: Final = 1024 * 1024
CHECK_EVERY: Final = 5
"""So many files, or one command more, lie between two looks at the pod."""
TOGETHER: Final = 32
"""Paths that one tar is given at most."""
FOLLOWED: Final = "whether a link lies there was not told: this program follows links"
UNPROVEN: Final = "taken after the last proof that this was still the same container"

_ROOM: Final = 64 * 1024
"""Bytes of a tar's headers and padding, beside the files in it."""
_ROOM_FOR_ONE: Final = 4 * 1024
_LEAST_SECONDS: Final = 1.0
_LISTING: Final = 16 * 1024
_LISTING_SECONDS: Final = 10.0
_NO_READER: Final = "tar sends a link as a link, and the container has neither cat, dd nor base64"
_TAR_ALONE: Final = "a directory, and the container has no tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Where the taking stops, whichever comes first. `each` bounds the seconds of one command."""

    file: int = 64 * MIB
    total: int = 128 * MIB
    files: int = 64
    span: timedelta = timedelta(seconds=120)
    each: timedelta = timedelta(seconds=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What it is done with. `new` opens a sealed file for a number of ours (`0001`); `facts` looks into an ELF file.

    `ahead` is told how many files a command may bring, and prepares for them while that begins.
    """

    collector: Collector
    cell: Cell
    new: Callable[[str], Incoming]
    now: Clock
    monotonic: Callable[[], float]
    facts: Facts | None = None
    ahead: Callable[[int], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Every want, as taken or left out, in order. `impossible` says why nothing could be taken at all."""

    artifacts: tuple[Artifact, ...]
    tools: tuple[Tool, ...]
    impossible: str


def take(
    means: Means,
    wanted: Sequence[Want],
    *,
    caps: Caps | None = None,
    told: Sequence[Process] = (),
    watch: Watch | None = None,
    over: str = "",
) -> Taken:
    """Take what is wanted; `told` are the finding's processes, whose binaries SCC hashed.

    `watch` is that of commands before these, where there were any; `over` is why there is nothing to be taken now.
    Raises StoreError where the evidence store fails; nothing of the file in hand is left there then.
    """
    with Belt() as belt:
        taking = _Taking(
            means=means,
            caps=caps or Caps(),
            told=told,
            belt=belt,
            watch=watch or Watch(collector=means.collector, cell=means.cell),
            over=over,
            may_pass=over.startswith(NOT_ASKED),
            began=means.monotonic(),
        )
        return taking.all([_Turn(number=number, want=want) for number, want in enumerate(wanted)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A want in its turn. `alone`: it did not come with others, and is asked for by itself."""

    number: int
    want: Want
    alone: bool = False

    @property
    def may_join(self) -> bool:
        """Whether one tar may bring it with others."""
        return not (self.alone or self.want.is_directory or self.want.is_ours)

    @property
    def words(self) -> int:
        """Bytes of its path in a URL."""
        return words_in_url(self.want.path)


@dataclass(slots=True, kw_only=True)
class _Taking:
    """One run of `take`: what is spent, what is known of the container, what came."""

    means: Means
    caps: Caps
    told: Sequence[Process]
    belt: Belt
    watch: Watch
    began: float
    box: Toolbox = field(default_factory=Toolbox)
    artifacts: list[tuple[int, Artifact]] = field(default_factory=list)
    """In the order in which they came, with the number of their want."""
    files: int = 0
    total: int = 0
    proven: int = 0
    """So many of the artifacts came before the last good answer."""
    since: int = 0
    over: str = ""
    may_pass: bool = False
    """Whether what ended it may pass."""

    def all(self, turns: Sequence[_Turn]) -> Taken:
        """Every want, to its end."""
        waiting = list(turns)
        while waiting:
            some = self._some(waiting)
            waiting = [*self._step(some), *waiting[len(some) :]]
        self._check()
        return self._result()

    def _result(self) -> Taken:
        made = [
            (number, one.model_copy(update={"notes": (*one.notes, UNPROVEN)}))
            if n >= self.proven and one.status == "captured"
            else (number, one)
            for n, (number, one) in enumerate(self.artifacts)
        ]
        ordered = tuple(one for _, one in sorted(made, key=lambda pair: pair[0]))
        return Taken(artifacts=ordered, tools=tuple(self.box.used), impossible=self.over if not self.files else "")

    def _some(self, waiting: Sequence[_Turn]) -> list[_Turn]:
        """The next want, and those after it that one tar may bring too."""
        some: list[_Turn] = []
        words = 0
        for turn in waiting[: max(1, min(TOGETHER, self.caps.files - self.files))]:
            words += turn.words
            known = "tar" in self.box.missing or any(one.want.path == turn.want.path for one in some)
            if some and (known or words > MOST_WORDS or not (some[0].may_join and turn.may_join)):
                break
            some.append(turn)
        return some

    def _step(self, some: Sequence[_Turn]) -> Sequence[_Turn]:
        """Ask for them. Those that are to be asked for again."""
        if not self.over and (self.watch.first is None or self.since >= CHECK_EVERY):
            self._check()
        if reason := self.over or self._spent():
            for turn in some:
                self._leave(turn, "left_out", reason, passing=self.may_pass or self._is_late())
            return ()
        try:
            return self._together(some) if len(some) > 1 else self._alone(some[0])
        except Unanswered as error:
            # A no from the API server is a no for every file; what may pass is asked for when the record is made anew.
            # A pod that went or was replaced says no as well, in words that tell nothing of it.
            changed = self.watch.changed()
            self.over = changed or f"the API server refused: {error.why}: {error.detail}"
            self.may_pass = not changed or changed.startswith(NOT_ASKED)
            self._leave(some[0], "failed", self.over, passing=self.may_pass)
            return some[1:]

    def _check(self) -> None:
        """Whether it is still the container that it was."""
        if self.over and self.watch.first is None:
            return
        reason = self.watch.changed()
        if reason:
            self.may_pass = self.may_pass if self.over else reason.startswith(NOT_ASKED)
            self.over = self.over or reason
        else:
            self.proven, self.since = len(self.artifacts), 0

    def _left(self) -> float:
        return self.caps.span.total_seconds() - (self.means.monotonic() - self.began)

    def _is_late(self) -> bool:
        return self._left() < _LEAST_SECONDS

    def _spent(self) -> str:
        if self._is_late():
            return f"the time for the capture was over ({self.caps.span.total_seconds():.0f} s)"
        if self.files >= self.caps.files:
            return f"the cap of {self.caps.files} files was reached"
        if self.total >= self.caps.total:
            return f"the cap of {self.caps.total} bytes in all was reached"
        return ""

    # --- several wants, one tar ---------------------------------------------------------------------------------------

    def _together(self, some: Sequence[_Turn]) -> Sequence[_Turn]:
        """One tar for all of them; those that are to be asked for again, alone where it has nothing more to say."""
        try:
            fetched = self._run("tar", [turn.want for turn in some])
        except NoProgram:
            self.box.missing.add("tar")
            return some
        self.box.used["tar"] = None
        rest = [turn for turn in some if not self._settled(turn, fetched)]
        is_over = not (fetched.stopped or fetched.cut)
        if is_over or len(rest) == len(some):
            return [replace(turn, alone=True) for turn in rest]
        return rest

    def _settled(self, turn: _Turn, fetched: Fetched) -> bool:
        path = turn.want.path
        got = next((one for one in fetched.got if one.path == path), None)
        if got:
            self._keep(turn, "tar", got, fetched)
        elif path in fetched.followed:
            self._leave(turn, "failed", f"tar: {fetched.followed[path]}")
        elif path in fetched.said and not (fetched.problem or fetched.cut or fetched.stopped):
            # A tar that says in good order that there is nothing to send is believed.
            self._leave(turn, "failed", f"tar: {fetched.said[path].removeprefix('tar: ')}")
        else:
            return False
        return True

    # --- one want -----------------------------------------------------------------------------------------------------

    def _alone(self, turn: _Turn) -> Sequence[_Turn]:
        """Tool after tool, until one brings the file or says why there is none."""
        want, why = turn.want, ""
        lies = ""
        for tool in [one for one in self.box.left() if not (want.is_ours if one == "tar" else want.is_directory)]:
            lies = lies if tool == "tar" or want.is_ours else lies or self._look(want)
            if lies not in {"", "file", UNTOLD}:
                self._leave(turn, "failed", f"ls: a {lies} lies there: it is not followed")
                return ()
            if self._left() < _LEAST_SECONDS:
                break
            try:
                fetched = self._run(tool, [want])
            except NoProgram:
                self.box.missing.add(tool)
                continue
            if fetched.got and lies == UNTOLD:
                fetched.note(FOLLOWED)
            if self._brought(turn, tool, fetched):
                return ()
            followed = fetched.followed.get(want.path, "")
            said = followed or fetched.problem or "; ".join([*fetched.notes, *fetched.ending]) or "nothing came"
            why = f"{why}; {tool}: {said}" if why else f"{tool}: {said}"
            # A tar that says in good order that there is nothing to send is believed; one that sends garbage is not.
            if followed or not fetched.problem:
                self._leave(turn, "failed", why, notes=(*fetched.notes, *fetched.ending), passing=fetched.cut)
                return ()
        if self.box.empty:
            self.over = self.over or NONE
        else:
            why = why or self._no_way(want)
        self._leave(turn, "failed", why or self.over or self._spent(), passing=self._is_late())
        return ()

    def _no_way(self, want: Want) -> str:
        """Why no program that the container has can bring it; ``""`` where one can."""
        if want.is_directory:
            return _TAR_ALONE
        return _NO_READER if want.is_ours and self.box.missing >= {"cat", "dd", "base64"} else ""

    def _brought(self, turn: _Turn, tool: Tool, fetched: Fetched) -> bool:
        self.box.used[tool] = None
        for got in fetched.got:
            self._keep(turn, tool, got, fetched)
        return bool(fetched.got)

    def _look(self, want: Want) -> str:
        """What lies there, before a program that follows links is asked for it; `UNTOLD` where that is not told."""
        if self.box.has_no_ls:
            return UNTOLD
        data, seconds = bytearray(), max(_LEAST_SECONDS, min(self._left(), _LISTING_SECONDS))
        try:
            self.means.collector.run(
                self.means.cell, look(want.path), sink=data.extend, limit=_LISTING, seconds=seconds
            )
        except NoProgram:
            self.box.has_no_ls = True
        return kind(want.path, bytes(data))

    # --- a command, and what is kept of it ----------------------------------------------------------------------------

    def _run(self, tool: Tool, wants: Sequence[Want]) -> Fetched:
        before = self.files
        plan = Plan(
            paths=tuple(want.path for want in wants),
            directory=wants[0].is_directory,
            cap=self.caps.file,
            total=self.caps.total - self.total,
            files=self.caps.files - self.files,
            new=lambda n: self.means.new(f"{before + n + 1:04}"),
            facts=self.means.facts,
            belt=self.belt,
            told=self.told,
        )
        sink = Members(plan) if tool == "tar" else Plain(plan, decode=tool == "base64")
        seconds = min(self._left(), self.caps.each.total_seconds())
        if self.means.ahead:
            self.belt.write(partial(self.means.ahead, len(wants)))
        try:
            ran = self.means.collector.run(
                self.means.cell, argv(tool, *plan.paths), sink=sink.feed, limit=_limit(tool, plan), seconds=seconds
            )
        except Enough:
            ran = None
        except BaseException:
            sink.abort()
            raise
        self.since += len(wants)
        try:
            return sink.close(ran)
        except BaseException:
            sink.abort()
            raise

    def _keep(self, turn: _Turn, tool: Tool, got: Got, fetched: Fetched) -> None:
        self.files += 1
        self.total += got.arrived.size
        made = kept(turn.want, tool, got, notes=fetched.notes_of(got), at=self.means.now(), cut=fetched.cut)
        self.artifacts.append((turn.number, made))

    def _leave(
        self,
        turn: _Turn,
        status: Literal["left_out", "failed"],
        reason: str,
        *,
        notes: tuple[str, ...] = (),
        passing: bool = False,
    ) -> None:
        self.artifacts.append((turn.number, artifact(turn.want, status, reason, notes=notes, passing=passing)))


def _limit(tool: Tool, plan: Plan) -> int:
    """Bytes of output that are let through: one more than may be kept, so that a cut is seen."""
    if plan.directory:
        # Each file may be larger than what is kept of it; what is passed over is bounded too.
        return 2 * plan.total + plan.files * _ROOM_FOR_ONE + _ROOM
    most = min(plan.cap * len(plan.paths), plan.total) + 1
    if tool == "tar":
        return most + len(plan.paths) * _ROOM_FOR_ONE + _ROOM
    # base64: four characters for three bytes, and a line end for 57 of them.
    return most + most // 2 + _ROOM if tool == "base64" else most
