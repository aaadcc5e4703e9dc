"""The command line of the doctor: is all there that a finding needs, and nothing granted beside it? Reads only."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Final

import typer

from responder.exits import CODES, ExitCode, said, stop

if TYPE_CHECKING:
    from responder.doctor.lines import Line
    from responder.doctor.ports import Case

_WORDS: Final = {"ok": "ok", "advice": "advice", "wrong": "WRONG", "not_checked": "not checked"}


def register(app: typer.Typer) -> None:
    """Add `doctor`."""
    app.command(
        help=f"Check the deployment step by step, each with its mend; it reads, but for --send-test.\n\n{CODES}"
    )(doctor)


def doctor(
    project: Annotated[
        list[str] | None, typer.Option(help="a project with clusters; may be repeated. Default: the policy's")
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option(help="a namespace in which act may act; may be repeated")
    ] = None,
    send_test: Annotated[
        bool,
        typer.Option("--send-test", help="then publish a marked finding, which can never act, and await its record"),
    ] = False,
    wait: Annotated[int, typer.Option(min=5, max=900, help="seconds for which the record is awaited")] = 180,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Every check is a line; the exit code says the worst of them."""
    with said():
        from responder import settings, wiring  # noqa: PLC0415 - `--help` must not load Google's clients
        from responder.doctor.examine import examine  # noqa: PLC0415 - the same
        from responder.doctor.trial import run  # noqa: PLC0415 - the same

        read = settings.read(os.environ)
        if send_test and not os.environ.get("RESPONDER_STORE", "").strip():
            stop(ExitCode.USAGE, "--send-test looks for the record: set RESPONDER_STORE as the functions have it")
        case = wiring.doctor(read, tuple(project or ()), tuple(namespace or ()))
        case = _with_projects(case, project)
        found: Counter[str] = Counter()
        test = run(case, wiring.trial(read, wait)) if send_test else ()
        for line in chain(examine(case), test):
            found[line.outcome] += 1
            typer.echo(json.dumps(asdict(line)) if as_json else shown(line))
        if not as_json:
            typer.echo(", ".join(f"{found[outcome]} {word.lower()}" for outcome, word in _WORDS.items()))
    raise typer.Exit(ending(found))


def ending(found: Counter[str]) -> ExitCode:
    """The exit code: a fault outweighs what could not be checked."""
    if found["wrong"]:
        return ExitCode.UNWELL
    return ExitCode.UNSURE if found["not_checked"] else ExitCode.OK


def shown(line: Line) -> str:
    """For a person: the outcome, what of what, and the mend below it. Names that Google sent are text."""
    from responder import report  # noqa: PLC0415 - `--help` must not load pydantic

    head = f"{_WORDS[line.outcome]:11}  {line.check}  {report.visible(line.about)}: {report.visible(line.detail)}"
    return f"{head}\n             mend: {report.visible(line.mend)}" if line.mend else head


def _with_projects(case: Case, given: list[str] | None) -> Case:
    from dataclasses import replace  # noqa: PLC0415 - only here

    from responder import names  # noqa: PLC0415 - `--help` must not load it
    from responder.doctor.own import policy_of  # noqa: PLC0415 - the same

    kind, _, own = case.settings.scc_parent.partition("/")
    projects = given or [one.id for one in policy_of(case).project] or ([own] if kind == "projects" else [])
    for name in projects:
        if not names.is_valid("project_id", name):
            stop(ExitCode.USAGE, f"{name} is not a project id")
    if not projects:
        stop(ExitCode.USAGE, "name the projects with clusters: --project ID, once for each")
    return replace(case, projects=tuple(projects))
