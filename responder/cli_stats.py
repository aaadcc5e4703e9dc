"""The command line of the team's figures. Touches the store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from responder import cli_store
from responder.exits import CODES, ExitCode, said, stop

if TYPE_CHECKING:
    from responder.stats import Stats


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help="How fast records, verdicts and outcomes come, where triage and analysts differ, what is noisy."
        f"\n\n{CODES}"
    )(stats)


def stats(
    *,
    since: cli_store.Since = "30d",
    project: cli_store.Project = "",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
    as_html: Annotated[bool, typer.Option("--html", help="a page of HTML that needs nothing else")] = False,
) -> None:
    """Of the records of a time."""
    if as_json and as_html:
        stop(ExitCode.USAGE, "give either --json or --html")
    from responder.stats import stats as counted  # noqa: PLC0415 - `--help` must not load pydantic

    query = cli_store.query(project=project, verdict=None, state=None, since=since, limit=cli_store.EVERY)
    with said(), cli_store.store() as records:
        figures = counted(cli_store.loaded(records, query))
        if as_json:
            typer.echo(figures.model_dump_json(indent=2))
        elif as_html:
            from responder.export import stats_page  # noqa: PLC0415 - only where a page is asked for

            sys.stdout.buffer.write(stats_page.page(figures).encode("utf-8", "backslashreplace"))
            sys.stdout.flush()
        else:
            _print(figures)


def _print(figures: Stats) -> None:
    from responder import stats_text  # noqa: PLC0415 - `--help` must not load it
    from responder.terminal import standard_output  # noqa: PLC0415 - the same

    stats_text.print_stats(figures, standard_output())
