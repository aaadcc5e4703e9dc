"""What was taken from the container, decided and done, in lines: one text for terminal, Markdown and page. Pure.

Paths and names are the attacker's text: whoever prints the lines makes them harmless for its own medium.
"""

from __future__ import annotations

from typing import Final

from responder.record import Artifact, Record

_HASH: Final = 12


def taken(record: Record) -> list[tuple[str, str]]:
    """Each file with its role, as (role, what is known of it): those that were taken first."""
    ordered = sorted(record.artifacts, key=lambda one: one.status != "captured")
    return [(one.role.replace("_", " "), _artifact(one)) for one in ordered]


def decided(record: Record) -> list[tuple[str, str]]:
    """Decision, guards that said no, what a delete leads to, what became of it, as (label, text)."""
    decision, outcome = record.decision, record.outcome
    lines = [("decision", f"{decision.kind}: {'; '.join(decision.reasons)}")]
    if decision.guards:
        yes = sum(one.ok is True for one in decision.guards)
        lines.append(("guards", f"{yes} of {len(decision.guards)} say yes, asked by {decision.made_by}"))
        said = {False: "no", None: "not answered"}
        lines += [("guard", f"{one.name}: {said[one.ok]}: {one.detail}") for one in decision.guards if not one.ok]
    if decision.approve_by is not None:
        lines.append(("approve by", f"{decision.approve_by:%Y-%m-%d %H:%M:%S} UTC"))
    lines += [("forecast", text) for text in record.forecast]
    lines.append(("outcome", f"{outcome.kind}: {outcome.detail}"))
    if outcome.replacement is not None:
        new = outcome.replacement
        image = {True: "the same image", False: "another image", None: "an image that is not told yet"}[new.same_image]
        again = f", and compiles again: record {new.compiles_again}" if new.compiles_again else ""
        lines.append(("replacement", f"{new.name} ({new.uid}), {new.phase}, of {image}{again}"))
    return lines


def next_command(record: Record) -> str:
    """What a person types next about the answer; empty where nothing is waited for."""
    if record.decision.kind != "await_approval":
        return ""
    return f"responder approve {record.id} --why TEXT    (or: responder reject {record.id} --why TEXT)"


def _artifact(one: Artifact) -> str:
    name = one.path or one.named
    if one.status != "captured":
        return f"{name}: {one.status.replace('_', ' ')}: {one.reason}"
    facts = [f"{one.size} bytes", f"sha256 {one.sha256[:_HASH]}"]
    if one.uid:
        facts.append(f"from an earlier pod, {one.uid}")
    if one.truncated:
        facts.append("cut")
    if one.elf is not None:
        words = [one.elf.kind, "static" if one.elf.static else "", "stripped" if one.elf.stripped else ""]
        facts.append(" ".join(word for word in words if word))
    elif one.content:
        facts.append(one.content)
    if one.against_scc in {"equal", "differs"}:
        facts.append("equal to what SCC hashed" if one.against_scc == "equal" else "differs from what SCC hashed")
    return ", ".join([name, *facts, *one.notes])
