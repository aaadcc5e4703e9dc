"""The command line of what did not come by itself: sweep, backfill, dead letters. Touches what `wiring` builds.

`sweep` and `backfill` are commands of the main app, `dead_letters_app` goes below it as `dead-letters`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from responder.cli_store import WHEN_HELP, moment
from responder.errors import Redeliver
from responder.exits import CODES, ExitCode, said, stop

if TYPE_CHECKING:
    from responder.live.dead_letters import DeadLetter, DeadLetters
    from responder.pipeline import Progress
    from responder.ports import World

_SAY_EVERY: Final = 1.0

dead_letters_app = typer.Typer(
    help=f"Messages that Pub/Sub gave up on, with rights of your own.\n\n{CODES}", no_args_is_help=True
)

Subscription = Annotated[
    str,
    typer.Option(metavar="NAME", help="projects/P/subscriptions/S of the dead-letter topic, or RESPONDER_DEAD_LETTERS"),
]


# --- sweep and backfill -----------------------------------------------------------------------------------------------


def sweep() -> None:
    """Sweep once: go on with what was left, ask anew, look again, find what never came."""
    with said():
        world = _world()
        swept = _counted(world, lambda world: _pipeline().sweep(world))
        late = f"{swept.published} records had still to be sent out, {swept.told} to be told"
        typer.echo(f"{swept.due} records were due, {swept.found} findings were new, {late}")
        if swept.cut:
            typer.echo("its time ran out: the next sweep goes on from there", err=True)
        if swept.scc:
            stop(ExitCode.FAILED, f"Security Command Center could not be asked for what never came: {swept.scc}")


def backfill(
    since: Annotated[str, typer.Option(metavar="WHEN", help=WHEN_HELP)],
    until: Annotated[str, typer.Option(metavar="WHEN", help="the same; default: now")] = "",
    project: Annotated[str, typer.Option(help="project id or number; default: every one below the parent")] = "",
) -> None:
    """Investigate what Security Command Center has and the store has not: it repeats nothing that it once published.

    It may be broken off, and run again: what is recorded is not asked about again.
    """
    with said():
        from responder import names  # noqa: PLC0415 - read when a command runs

        if project and not (names.is_valid("project_id", project) or names.is_valid("project_number", project)):
            stop(ExitCode.USAGE, "--project must be a project's id or number")
        world = _world()
        start, end = moment("--since", since, world.now()), moment("--until", until or "0m", world.now())
        if start >= end:
            stop(ExitCode.USAGE, "--since must be before --until")
        seen = _Seen()
        try:
            _counted(world, lambda world: _pipeline().backfill(world, start, end, project=project, told=seen))
        except KeyboardInterrupt:
            stop(ExitCode.FAILED, f"broken off: {seen.line()}. The same command goes on from there")
        typer.echo(seen.line())


class _Seen:
    """How far a backfill is, said on stderr once a second."""

    def __init__(self) -> None:
        self._latest: Progress | None = None
        self._said = 0.0

    def __call__(self, progress: Progress) -> None:
        self._latest = progress
        if time.monotonic() - self._said >= _SAY_EVERY:
            self._said = time.monotonic()
            typer.echo(f"{progress.at:%Y-%m-%d %H:%M:%S}  {self.line()}", err=True)

    def line(self) -> str:
        """The counts so far."""
        listed, found = (self._latest.listed, self._latest.found) if self._latest else (0, 0)
        return f"{listed} findings in Security Command Center, {found} of them were new and are recorded now"


def _counted(world: World, run: Callable[[World], Any]) -> Any:
    from responder import wiring  # noqa: PLC0415 - `--help` must not load Google's clients
    from responder.tally import counts  # noqa: PLC0415 - read when a command runs

    try:
        return run(world)
    finally:
        counts.save(wiring.store(), now=True)


# --- dead letters -----------------------------------------------------------------------------------------------------


@dead_letters_app.command("list", help="Show what waits, and give it back: nothing is taken.")
def list_dead_letters(
    subscription: Subscription = "", limit: Annotated[int, typer.Option(min=1, max=1000)] = 20
) -> None:
    """All are given back at the end: one that was given back before would be pulled again."""
    with said():
        letters = _letters(subscription)
        found: list[DeadLetter] = []
        try:
            with closing(letters.pull(limit)) as pulled:
                for letter in pulled:
                    found.append(letter)
                    typer.echo(_line(letter))
        finally:
            letters.give_back(*found)
        if not found:
            _say_nothing()


@dead_letters_app.command(help="Take each as if it had just been delivered; acknowledged once it is recorded.")
def replay(subscription: Subscription = "", limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """What fails is given back at the end, and the others go on."""
    with said():
        letters, world = _letters(subscription), _world()
        left: list[DeadLetter] = []
        try:
            taken = _counted(world, lambda _: _replay(letters, limit, left))
        except KeyboardInterrupt:
            stop(ExitCode.FAILED, "broken off: what was not replayed still waits there")
        finally:
            letters.give_back(*left)
        if left:
            stop(ExitCode.FAILED, f"{len(left)} of {taken + len(left)} were not replayed and still wait there")
        if not taken:
            _say_nothing()


def _replay(letters: DeadLetters, limit: int, left: list[DeadLetter]) -> int:
    """How many were taken; those in `left` were not."""
    from responder import intake  # noqa: PLC0415 - `--help` must not load Google's clients

    taken = 0
    # One at a time: an investigation may take minutes, and what is held longer than ten is handed to somebody else.
    with closing(letters.pull(limit, at_once=1)) as pulled:
        for letter in pulled:
            left.append(letter)
            try:
                became = intake.replay(letter.data, letter.message_id)
            except Redeliver as error:
                typer.echo(f"{_line(letter)}  not replayed: {error}", err=True)
                continue
            letters.acknowledge(letter)
            left.remove(letter)
            taken += 1
            typer.echo(f"{_line(letter)}  {became}")
    return taken


def _letters(given: str) -> DeadLetters:
    from responder import settings, wiring  # noqa: PLC0415 - `--help` must not load Google's clients

    subscription = given or settings.read_for_the_store(os.environ).dead_letters
    if not settings.SUBSCRIPTION.fullmatch(subscription):
        stop(ExitCode.USAGE, "--subscription must be projects/PROJECT/subscriptions/NAME")
    return wiring.dead_letters(subscription)


def _line(letter: DeadLetter) -> str:
    """What is known of it, and what is in it, in words of ours: the bytes may be anything."""
    when = f"{letter.published:%Y-%m-%d %H:%M:%S}" if letter.published else "?"
    return f"{letter.message_id}  {when}  {letter.attempts or '?':>3} attempts  {_content(letter.data)}"


def _content(data: bytes) -> str:
    from responder import notification, report  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.errors import MalformedNotification  # noqa: PLC0415 - the same

    try:
        told = notification.classify(data)
    except MalformedNotification as error:
        return f"cannot be read ({error})"
    return f"not ours ({told})" if isinstance(told, notification.Foreign) else report.visible(f"finding {told.key}")


def _say_nothing() -> None:
    from responder.live.dead_letters import WAIT_SECONDS  # noqa: PLC0415 - `--help` must not load Google's clients

    typer.echo(f"nothing came within {2 * WAIT_SECONDS:g} seconds", err=True)


# --- what they share --------------------------------------------------------------------------------------------------


def _pipeline() -> Any:
    from responder import pipeline  # noqa: PLC0415 - `--help` must not load pydantic

    return pipeline


def _world() -> World:
    from responder import settings, wiring  # noqa: PLC0415 - `--help` must not load pydantic

    return wiring.world(settings.read(os.environ))
