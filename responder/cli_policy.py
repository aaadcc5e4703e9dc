"""The command line of policy.toml: is the file right, and what does it allow? Reads one file and changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from responder.exits import ExitCode, said, stop

if TYPE_CHECKING:
    from responder.policy import Policy, ProjectPolicy

policy_app = typer.Typer(no_args_is_help=True, help="what each project allows: policy.toml")

_File = Annotated[Path, typer.Argument(metavar="FILE", help="a policy.toml")]


@policy_app.command()
def check(file: _File) -> None:
    """Say whether the file is right, and each project of it in a line. Exit code 2 where it is not."""
    policy = _read(file)
    for project in policy.project:
        captured = "captures" if project.capture else "captures nothing"
        typer.echo(f"{project.id} ({project.number}): {project.remediate}, {captured}")
    count = len(policy.project)
    typer.echo(f"{file}: right; {count or 'no'} project{'' if count == 1 else 's'} named; sha256 {policy.sha256}")


@policy_app.command()
def explain(
    project: Annotated[str, typer.Option(help="the project's id, exactly")],
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="default: that of RESPONDER_POLICY")] = None,
) -> None:
    """Say in sentences what the policy allows in one project."""
    with said():
        policy = _read(file or _of_the_settings())
        for named in policy.project:
            if named.id == project:
                for line in sentences(named):
                    typer.echo(line)
                return
        typer.echo(f"{project} is not named: nothing is deleted there, and no command runs in its containers.")


def _of_the_settings() -> Path:
    from responder import settings  # noqa: PLC0415 - read when a command runs, not when the module is imported

    named = settings.read_for_the_store(os.environ).policy
    if not named:
        stop(ExitCode.SETTINGS, "RESPONDER_POLICY is not set: nothing is allowed in any project; --file names another")
    return Path(named)


def sentences(project: ProjectPolicy) -> tuple[str, ...]:
    """What one entry means."""
    modes = {
        "off": "No pod is deleted.",
        "shadow": "No pod is deleted; each record says what would have been done.",
        "approve": f"A pod is deleted once one of {', '.join(project.approvers)} has approved, within"
        f" {project.approval_minutes} minutes of being asked.",
        "auto": "A pod is deleted without asking anybody, where every guard says yes.",
    }
    lines = [
        modes[project.remediate],
        "Sources and products are copied out of the container: commands are executed in it."
        if project.capture
        else "No command is executed in any container.",
    ]
    if project.remediate == "off":
        return tuple(lines)
    per = project.per_hour
    lines += [
        (
            f"Only for a verdict of at least {project.least_verdict}, and a finding of the last"
            f" {project.finding_age_minutes} minutes."
        ),
        (
            f"Only a pod owned by {' or '.join(project.owner_kinds)}, and only if {project.ready_replicas} of its"
            " workload stay ready."
        ),
        f"Only if these were answered: {', '.join(project.required_evidence)}.",
        (
            f"At most {per.project} times an hour in the project, {per.namespace} in a namespace,"
            f" {per.workload} in a workload."
        ),
        (
            f"By {'eviction, which honours disruption budgets' if project.gentle else 'deleting'}, with"
            f" {project.grace_seconds} seconds of grace."
        ),
    ]
    if project.protected_namespaces:
        lines.append(f"Never in the namespaces {', '.join(project.protected_namespaces)}.")
    for one in project.exemption:
        parts = (("cluster", one.cluster), ("namespace", one.namespace), ("kind", one.kind), ("name", one.name))
        what = ", ".join(f"{word} {value}" for word, value in parts if value)
        lines.append(f"Never for {what}: {one.why}")
    return tuple(lines)


def _read(file: Path) -> Policy:
    from responder.errors import PolicyError  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.policy import parse  # noqa: PLC0415 - the same

    try:
        return parse(file.read_bytes())
    except OSError as error:
        stop(ExitCode.USAGE, f"{file} cannot be read: {error.strerror}")
    except PolicyError as error:
        stop(ExitCode.USAGE, f"{file}: {error}")
