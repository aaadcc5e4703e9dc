"""Step 5: take the files out of the one proven container, in the order of their worth, under caps.

Touches the container through the collector and the evidence store through `Means.new`, nothing else. Before the first
command, after every fifth file and after the last it asks for the pod: another UID, or a container that was started
again, ends the taking, and what came since the last good answer is marked as unproven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from responder.capture.arrival import Facts, printable
from responder.capture.fetching import Enough, Fetched, Got, Plan, sink_for
from responder.capture.tools import NONE, Toolbox, argv
from responder.capture.wanted import Want
from responder.errors import NoProgram, Unanswered
from responder.finding import Process
from responder.ports import Cell, Clock, Collector, Incoming
from responder.record import Artifact, Tool

MIB: Final = 1024 * 1024
CHECK_EVERY: Final = 5
"""Files between two looks at the pod."""
UNPROVEN: Final = "taken after the last proof that this was still the same container"

_ROOM: Final = 64 * 1024
"""Bytes of a tar's headers and padding, beside the files in it."""
_ROOM_FOR_ONE: Final = 4 * 1024
_LEAST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Where the taking stops, whichever comes first. `each` bounds the seconds of one command."""

    file: int = 32 * MIB
    total: int = 128 * MIB
    files: int = 64
    span: timedelta = timedelta(seconds=120)
    each: timedelta = timedelta(seconds=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What it is done with. `new` opens a sealed file for a number of ours (`0001`); `facts` looks into an ELF file."""

    collector: Collector
    cell: Cell
    new: Callable[[str], Incoming]
    now: Clock
    monotonic: Callable[[], float]
    facts: Facts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Every want, as taken or left out, in order. `impossible` says why nothing could be taken at all."""

    artifacts: tuple[Artifact, ...]
    tools: tuple[Tool, ...]
    impossible: str


def take(means: Means, wanted: Sequence[Want], *, caps: Caps | None = None, told: Sequence[Process] = ()) -> Taken:
    """Take what is wanted; `told` are the finding's processes, whose binaries SCC hashed.

    Raises StoreError where the evidence store fails; nothing of the file in hand is left there then.
    """
    taking = _Taking(means=means, caps=caps or Caps(), told=told, began=means.monotonic())
    for want in wanted:
        taking.one(want)
    taking.check()
    return taking.result()


@dataclass(slots=True, kw_only=True)
class _Taking:
    """One run of `take`: what is spent, what is known of the container, what came."""

    means: Means
    caps: Caps
    told: Sequence[Process]
    began: float
    box: Toolbox = field(default_factory=Toolbox)
    artifacts: list[Artifact] = field(default_factory=list)
    files: int = 0
    total: int = 0
    proven: int = 0
    """So many of the artifacts came before the last good answer."""
    since: int = 0
    first: tuple[datetime | None, int] | None = None
    over: str = ""

    def result(self) -> Taken:
        made = [
            one.model_copy(update={"notes": (*one.notes, UNPROVEN)})
            if n >= self.proven and one.status == "captured"
            else one
            for n, one in enumerate(self.artifacts)
        ]
        impossible = self.over if not self.files else ""
        return Taken(artifacts=tuple(made), tools=tuple(self.box.used), impossible=impossible)

    def one(self, want: Want) -> None:
        """One want, to its end."""
        if not self.over and (self.first is None or self.since >= CHECK_EVERY):
            self.check()
        if reason := self.over or self._spent():
            self.artifacts.append(self._artifact(want, "left_out", reason))
            return
        try:
            made = self._fetch(want)
        except Unanswered as error:
            # A no from the API server is a no for every file; what may pass is asked for when the record is made anew.
            self.over = f"the API server refused: {error.why}: {error.detail}"
            made = [self._artifact(want, "failed", self.over)]
        self.since += 1
        self.artifacts += made

    def check(self) -> None:
        """Whether it is still the container that it was."""
        if self.over and self.first is None:
            return
        reason = self._changed()
        if reason:
            self.over = self.over or reason
        else:
            self.proven, self.since = len(self.artifacts), 0

    def _changed(self) -> str:
        cell = self.means.cell
        try:
            pod = self.means.collector.pod(cell.namespace, cell.pod)
        except Unanswered as error:
            return "the pod is gone" if error.why == "not_found" else f"the pod could not be asked for: {error.why}"
        if pod.uid != cell.uid:
            return "the pod was replaced under the same name"
        state = next((one for one in pod.containers if one.name == cell.container), None)
        if state is None or state.state != "running":
            return "the container is not running"
        mark = (state.started_at, state.restarts)
        self.first = self.first or mark
        return "" if mark == self.first else "the container was restarted meanwhile"

    def _left(self) -> float:
        return self.caps.span.total_seconds() - (self.means.monotonic() - self.began)

    def _spent(self) -> str:
        if self._left() < _LEAST_SECONDS:
            return f"the time for the capture was over ({self.caps.span.total_seconds():.0f} s)"
        if self.files >= self.caps.files:
            return f"the cap of {self.caps.files} files was reached"
        if self.total >= self.caps.total:
            return f"the cap of {self.caps.total} bytes in all was reached"
        return ""

    # --- one want -----------------------------------------------------------------------------------------------------

    def _fetch(self, want: Want) -> list[Artifact]:
        """Tool after tool, until one brings the file or says why there is none."""
        why = ""
        for tool in list(self.box.left()):
            if want.is_directory and tool != "tar":
                return [self._artifact(want, "failed", why or "a directory, and the container has no tar")]
            if self._left() < _LEAST_SECONDS:
                break
            try:
                fetched = self._run(tool, want)
            except NoProgram:
                self.box.missing.add(tool)
                continue
            self.box.used[tool] = None
            if fetched.got:
                return list(self._captured(want, tool, fetched))
            why = self._why(tool, fetched, why)
            # A tar that says in good order that there is nothing to send is believed; one that sends garbage is not.
            if fetched.followed or not fetched.problem:
                return [self._artifact(want, "failed", why, notes=tuple(fetched.notes))]
        if self.box.empty:
            self.over = self.over or NONE
        return [self._artifact(want, "failed", why or self.over or self._spent())]

    def _run(self, tool: Tool, want: Want) -> Fetched:
        plan = Plan(
            path=want.path,
            directory=want.is_directory,
            cap=self.caps.file,
            total=self.caps.total - self.total,
            files=self.caps.files - self.files,
            new=lambda n: self.means.new(f"{self.files + n + 1:04}"),
            facts=self.means.facts,
            told=self.told,
        )
        sink = sink_for(tool, plan)
        seconds = min(self._left(), self.caps.each.total_seconds())
        try:
            ran = self.means.collector.run(
                self.means.cell, argv(tool, want.path), sink=sink.feed, limit=_limit(tool, plan), seconds=seconds
            )
        except Enough:
            ran = None
        except BaseException:
            sink.abort()
            raise
        try:
            return sink.close(ran)
        except BaseException:
            sink.abort()
            raise

    @staticmethod
    def _why(tool: Tool, fetched: Fetched, before: str) -> str:
        said = fetched.followed or fetched.problem or "; ".join(fetched.notes) or "nothing came"
        return f"{before}; {tool}: {said}" if before else f"{tool}: {said}"

    def _captured(self, want: Want, tool: Tool, fetched: Fetched) -> Iterator[Artifact]:
        notes = [*fetched.notes, *([fetched.problem] if fetched.problem else [])]
        for got in fetched.got:
            self.files += 1
            self.total += got.arrived.size
            yield self._kept(want, tool, got, (*got.notes, *notes))

    def _kept(self, want: Want, tool: Tool, got: Got, notes: tuple[str, ...]) -> Artifact:
        arrived = got.arrived
        path = "/" + got.told.lstrip("/") if want.is_directory else want.path
        return self._artifact(want, "captured", "", notes=notes).model_copy(
            update={
                "path": printable(path, 4096),
                "sha256": arrived.sha256,
                "size": arrived.size,
                "truncated": arrived.truncated,
                "tool": tool,
                "against_scc": arrived.against_scc,
                "content": arrived.content,
                "elf": arrived.elf,
                "stored": arrived.stored.place,
                "stored_sha256": arrived.stored.sha256,
                "taken_at": self.means.now(),
            }
        )

    @staticmethod
    def _artifact(
        want: Want, status: Literal["captured", "left_out", "failed"], reason: str, *, notes: tuple[str, ...] = ()
    ) -> Artifact:
        return Artifact(
            path=want.path,
            named=want.named,
            resolved_by=want.resolved_by,
            role=want.role,
            status=status,
            reason=reason,
            notes=notes,
        )


def _limit(tool: Tool, plan: Plan) -> int:
    """Bytes of output that are let through: one more than may be kept, so that a cut is seen."""
    if plan.directory:
        # Each file may be larger than what is kept of it; what is passed over is bounded too.
        return 2 * plan.total + plan.files * _ROOM_FOR_ONE + _ROOM
    most = min(plan.cap, plan.total) + 1
    if tool == "tar":
        return most + _ROOM
    # base64: four characters for three bytes, and a line end for 57 of them.
    return most + most // 2 + _ROOM if tool == "base64" else most
