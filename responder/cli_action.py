"""The command line of answering: the brake, and what a person says to a question. Touches the second store.

Nothing here deletes anything: an approval is written down, and `act` is asked to look.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from responder.exits import CODES, ExitCode, said, stop

if TYPE_CHECKING:
    from responder.ports import Actions, Approval
    from responder.record import Record
    from responder.settings import Settings

brake_app = typer.Typer(no_args_is_help=True, help=f"Stop every action at its next decision, or let go.\n\n{CODES}")

_Why = Annotated[str, typer.Option("--why", help="the reason, in words; it is kept")]
_Project = Annotated[str, typer.Option("--project", help="the id of one project; default: all")]
_Json = Annotated[bool, typer.Option("--json", help="print JSON")]
_RecordId = Annotated[str, typer.Argument(metavar="RECORD", help="the id of the record")]


def register(app: typer.Typer) -> None:
    """Put the commands below `app`."""
    app.add_typer(brake_app, name="brake")
    app.command()(approve)
    app.command()(reject)
    app.command()(approvals)


# --- the brake --------------------------------------------------------------------------------------------------------


@brake_app.command("on")
def brake_on(why: _Why, project: _Project = "", as_json: _Json = False) -> None:
    """Pull it: nothing is deleted and no command is executed from the next decision on, in every instance."""
    _checked(why, project)
    with said(), _opened() as (_, actions):
        _pull(actions, on=True, project=project, why=why, by=_anybody(), as_json=as_json)


@brake_app.command("off")
def brake_off(why: _Why, project: _Project = "", as_json: _Json = False) -> None:
    """Let go of it. The brake for all projects and that of one are two: each is let go of by itself."""
    from responder import wiring  # noqa: PLC0415 - `--help` must not load pydantic

    _checked(why, project)
    with said(), _opened() as (_, actions):
        _pull(actions, on=False, project=project, why=why, by=wiring.email(), as_json=as_json)


@brake_app.command("show")
def brake_show(as_json: _Json = False) -> None:
    """Say which brakes are on, and who pulled or let go of which. Unreadable is on: exit code 6."""
    from responder import braking  # noqa: PLC0415 - read when a command runs

    with said(), _opened() as (_, actions):
        acts = actions.brakes()
        on = braking.on(acts)
        if as_json:
            _echo(_json({"on": [asdict(one) for one in on], "acts": [asdict(act) for act in acts]}))
            return
        for one in on:
            _echo(f"on for {braking.where(one)}: {one.why}")
        if not on:
            _echo("no brake is on")
        for act in acts:
            state = "on " if act.on else "off"
            _echo(f"  {act.at:%Y-%m-%d %H:%M:%S}  {state}  {braking.where(act)}, {act.by}: {act.why}")


def _pull(actions: Actions, *, on: bool, project: str, why: str, by: str, as_json: bool) -> None:
    from responder import braking, wiring  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.ports import Brake  # noqa: PLC0415 - the same

    brake = Brake(on=on, project=project, why=why, by=by, at=wiring.now())
    actions.set_brake(brake)  # the person is told here, and `act` logs whose brake holds something
    left = actions.brake(project)
    if as_json:
        _echo(_json(asdict(brake) | {"holds": left is not None}))
        return
    _echo(f"the brake is {'on' if on else 'off'} for {braking.where(brake)}")
    if not on and left is not None:
        _echo(f"but that for {braking.where(left)} is on, and holds: {left.why}")


def _checked(why: str, project: str) -> None:
    from responder import names  # noqa: PLC0415 - read when a command runs

    if not any(letter.isalnum() for letter in why):
        stop(ExitCode.USAGE, "--why is empty: say it in words")
    if project and not names.is_valid("project_id", project):
        # A brake for a project that there cannot be would hold nothing.
        stop(ExitCode.USAGE, f"{project!r} is no project id")


def _anybody() -> str:
    """Whoever it is: a brake is pulled also where Google cannot be asked who pulls it."""
    from responder import wiring  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.errors import Unanswered  # noqa: PLC0415 - the same

    try:
        return wiring.email()
    except Unanswered:
        return f"{getpass.getuser()} (the user of a machine; Google did not say who)"


# --- approvals --------------------------------------------------------------------------------------------------------


def approve(record_id: _RecordId, why: _Why, as_json: _Json = False) -> None:
    """Say yes to deleting exactly the pod of RECORD, and ask `act` to look at it. Again: asks it again.

    Only an approver of the project in policy.toml may; every guard is asked once more before anything is done.
    """
    from responder import approving, wiring  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.errors import Unanswered  # noqa: PLC0415 - the same

    _checked(why, "")
    with said(), _opened() as (settings, actions):
        summons = wiring.summons(settings)  # before the answer: one that cannot be sent is not given
        record, asked, by = _asked(settings, actions, record_id, quiet=as_json)
        answered = approving.answered(asked, actions, approve=True, by=by, why=why, now=wiring.now())
        try:
            summons.summon(record.id)
        except Unanswered as error:
            stop(ExitCode.REFUSED, f"approved, not sent: run it again ({error})", cause=error)
        _told(record, answered, f"approved by {answered.by}, and act is asked to look", as_json=as_json)


def reject(record_id: _RecordId, why: _Why, as_json: _Json = False) -> None:
    """Say no: the pod of RECORD is not deleted, and `act` is asked to write it down. Again: asks it again.

    Only an approver of the project in policy.toml may.
    """
    from responder import approving, wiring  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.errors import SettingsError, Unanswered  # noqa: PLC0415 - the same

    _checked(why, "")
    with said(), _opened() as (settings, actions):
        record, asked, by = _asked(settings, actions, record_id, quiet=as_json)
        answered = approving.answered(asked, actions, approve=False, by=by, why=why, now=wiring.now())
        words = f"rejected by {answered.by}, and act is asked to write it down"
        try:
            wiring.summons(settings).summon(record.id)
        except (SettingsError, Unanswered) as error:
            words = f"rejected by {answered.by}; not sent, and act looks when the time is over ({error})"
        _told(record, answered, words, as_json=as_json)


def approvals(as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False) -> None:
    """List the questions that wait for an answer, oldest first, then those that ran out within a day, marked."""
    from responder import wiring  # noqa: PLC0415 - `--help` must not load pydantic

    with said(), _opened() as (_, actions):
        now = wiring.now()
        waiting = actions.waiting(now)
        for one in waiting:
            late = now >= one.until
            until = f"{'expired' if late else 'until'} {one.until:%Y-%m-%d %H:%M}"
            line = f"{one.record_id}  {one.project}  pod uid {one.uid}  asked {one.asked_at:%Y-%m-%d %H:%M}  {until}"
            _echo(_json(asdict(one) | {"expired": late}) if as_json else line)
        if not waiting and not as_json:
            typer.echo("nothing waits for an approval", err=True)


def _asked(settings: Settings, actions: Actions, record_id: str, *, quiet: bool) -> tuple[Record, Approval, str]:
    """Record, question and who answers; told before anything is answered."""
    from responder import approving, wiring  # noqa: PLC0415 - `--help` must not load pydantic
    from responder.policy import NONE  # noqa: PLC0415 - the same

    records = wiring.store(settings)
    try:
        record = records.load(record_id)
    finally:
        records.close()
    if record is None:
        stop(ExitCode.NOT_FOUND, f"there is no record {record_id}: `responder approvals` has what waits")
    asked = approving.question(record, actions, wiring.now())
    if not quiet:
        subject = record.provenance.subject
        _echo(f"pod      {subject.namespace}/{subject.pod} in {subject.project_id}, uid {asked.uid}")
        _echo(f"verdict  {record.triage.verdict}: {record.triage.summary}")
        _echo(f"binding  {asked.binding}")
        _echo(f"expires  {asked.until:%Y-%m-%d %H:%M:%S} UTC")
    by = wiring.email()
    policy = wiring.policy(settings)
    approving.only_approvers(record, policy() if policy else NONE, by)
    return record, asked, by


def _told(record: Record, answered: Approval, words: str, *, as_json: bool) -> None:
    pod = f"{record.provenance.subject.namespace}/{record.provenance.subject.pod}"
    _echo(_json(asdict(answered) | {"pod": pod}) if as_json else words)


# --- what they share --------------------------------------------------------------------------------------------------


@contextmanager
def _opened() -> Iterator[tuple[Settings, Actions]]:
    from responder import settings, wiring  # noqa: PLC0415 - `--help` must not load pydantic

    chosen = settings.read_for_the_store(os.environ)
    actions = wiring.actions(chosen)
    try:
        yield chosen, actions
    finally:
        actions.close()


def _json(document: dict[str, Any]) -> str:
    def moment(value: object) -> str:
        assert isinstance(value, datetime)  # noqa: S101 - the only value of ours that JSON does not know
        return value.isoformat()

    return json.dumps(document, default=moment)


def _echo(text: str) -> None:
    """Names and reasons are somebody else's words: they are shown, and do nothing to the terminal."""
    from responder import report  # noqa: PLC0415 - `--help` must not load pydantic

    typer.echo(report.visible(text))
