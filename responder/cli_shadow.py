"""The command line of the ladder off, shadow, approve, auto: what would have been done. Reads the records."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from responder import cli_store
from responder.exits import said

if TYPE_CHECKING:
    from responder.policy import ProjectPolicy
    from responder.shadow import ShadowReport


def register(app: typer.Typer) -> None:
    """Put `shadow-report` below `app`."""
    app.command("shadow-report")(shadow_report)


def shadow_report(
    project: Annotated[str, typer.Option(help="the project's id")],
    since: cli_store.Since = "14d",
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
) -> None:
    """Say what would have been deleted in a project, which guard held the rest, and how reviewers judged it."""
    with said(), cli_store.store() as records:
        from responder import report, shadow  # noqa: PLC0415 - `--help` must not load pydantic

        start = cli_store.moment("--since", since, datetime.now(UTC))
        asked = cli_store.query(project=project, verdict=None, state=None, since=since, limit=cli_store.EVERY)
        named = _named(project)
        mode, per_hour = (named.remediate, named.per_hour) if named else (None, None)
        made = shadow.report(project, mode, cli_store.loaded(records, asked), per_hour)
        if as_json:
            typer.echo(made.model_dump_json())
            return
        typer.echo(report.visible(f"{project} since {start:%Y-%m-%d %H:%M} UTC, now in mode {made.mode}"))
        for line in lines(made):
            typer.echo(line)


def lines(made: ShadowReport) -> tuple[str, ...]:
    """The figures for a person; every word is ours."""
    rows = [
        f"{made.records} records, {made.decided} of them put to the guards",
        f"would have been deleted: {_judged(made.deleted)}",
        f"held by limits: {_judged(made.limited)}",
        f"held: {_judged(made.held)}",
        *(f"  {no.records:5} by {no.guard}" + (f", {no.alone} by it alone" if no.alone else "") for no in made.noes),
    ]
    if made.captures.keys() - {"not_entered"}:
        rows.append(f"captured: {', '.join(f'{count} {_CAPTURED[kind]}' for kind, count in made.captures.items())}")
    elif made.decided:
        rows.append("captured: nothing, no container was entered (capture = true in the policy has it done)")
    if made.wrong:
        rows.append(f"judged to be no attack, and no guard held them: {', '.join(made.wrong)}")
    done = {kind: count for kind, count in made.outcomes.items() if kind != "held"}
    if done:
        rows.append(f"what really happened: {', '.join(f'{count} {kind}' for kind, count in done.items())}")
    return (*rows, f"advice: {made.advice}")


_CAPTURED: Final = {
    "whole": "with all that was wanted",
    "in_part": "in part",
    "nothing": "with nothing",
    "not_entered": "whose container was not entered",
}


def _judged(counts: dict[str, int]) -> str:
    told = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.items())
    return f"{sum(counts.values())}" + (f" ({told})" if told else "")


def _named(project: str) -> ProjectPolicy | None:
    """What the policy in force says of the project, where the policy can be read here."""
    from responder import settings, wiring  # noqa: PLC0415 - read when a command runs, not when the module is imported

    policy = wiring.policy(settings.read_for_the_store(os.environ))
    return next((one for one in policy().project if one.id == project), None) if policy else None
