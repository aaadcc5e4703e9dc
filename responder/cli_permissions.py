"""The command line of permissions: which roles a feature takes, as YAML for gcloud and kubectl. Touches nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from responder.exits import ExitCode, said, stop

if TYPE_CHECKING:
    from responder.permissions import Grant


def register(app: typer.Typer) -> None:
    """Add `permissions`."""
    app.command(help="Print the IAM and RBAC roles that the features take, as YAML; asks nobody.")(permissions)


def permissions(
    feature: Annotated[list[str] | None, typer.Option(help="one feature's alone; may be repeated")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="each permission with its step and its reason")] = False,
) -> None:
    """All features, unless told which."""
    with said():
        from responder import permissions as declared  # noqa: PLC0415 - imports every adapter

        chosen = tuple(feature or declared.features())
        unknown = sorted(set(chosen) - set(declared.features()))
        if unknown:
            stop(ExitCode.USAGE, f"{unknown[0]} is not a feature; there are: {', '.join(declared.features())}")
        found = tuple(g for g in declared.grants() if declared.ROLES[g.role].feature in chosen)
        typer.echo(_json(found) if as_json else _yaml(found), nl=False)


def _json(found: tuple[Grant, ...]) -> str:
    from responder.permissions import ROLES, why  # noqa: PLC0415 - imports every adapter

    lines = []
    for grant in found:
        role, (step, reason) = ROLES[grant.role], why(grant) or ("", "")
        line = {"feature": role.feature, "role": grant.role, "permission": grant.shown, "step": step, "why": reason}
        lines.append(json.dumps(line) + "\n")
    return "".join(lines)


def _yaml(found: tuple[Grant, ...]) -> str:
    """A stream of documents, each below a comment that says who holds the role and where it is bound."""
    import yaml  # noqa: PLC0415 - only for this command

    from responder.permissions import ROLES, iam_role, rbac_role  # noqa: PLC0415 - imports every adapter

    parts = []
    for name in dict.fromkeys(grant.role for grant in found):
        role = ROLES[name]
        for kind, document in (("IAM", iam_role(name, found)), ("RBAC", rbac_role(name, found))):
            if document:
                head = f"# {kind}, {role.feature}: {name}, for {role.holder}\n# bound to: {role.bound}\n"
                parts.append(head.replace("`", "") + _dumped(yaml, document))
    return "---\n".join(parts)


def _dumped(yaml: Any, document: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120)
    return text
