"""What people do: review, approve, brake. Writes append-only documents to both stores, each with who and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from responder import approving, braking, log, names
from responder.errors import Refused, StaleRevision, Unanswered
from responder.ports import Brake
from responder.record import ReviewEntry, ReviewVerdict
from responder.web.approvals import question, why_not
from responder.web.desk import Desk
from responder.web.people import Role
from responder.web.record_page import loaded
from responder.web.render import page

_VERDICTS: Final[tuple[ReviewVerdict, ...]] = get_args(ReviewVerdict)
_MOST_NOTE: Final = 2000
_NOTHING: Final = "This form asks for nothing that can be done."


def review(request: Request, desk: Desk) -> Response:
    """Acknowledge, or close with a verdict; 409 where the record has changed since the form was made."""
    person, form = _allowed(request, "analyst"), request.state.form
    record_id, act = request.path_params["record_id"], form.get("act", "")
    verdict = next((one for one in _VERDICTS if one == act), None)
    if verdict is None and act != "acknowledge":
        raise HTTPException(400, _NOTHING)
    entry = ReviewEntry(
        state="closed" if verdict else "acknowledged", verdict=verdict, note=_text(form.get("note", "")),
        by=person, at=desk.now(),
    )  # fmt: skip
    loaded(desk, record_id)
    try:
        desk.records.review(record_id, entry, revision=_revision(request))
    except StaleRevision:
        return _stale(request, entry.note)
    return RedirectResponse(f"/records/{record_id}#review", 303)


def answer(request: Request, desk: Desk) -> Response:
    """Approve or reject what the record waits for; 409 where it is not that any more."""
    person, form = _allowed(request, "approver"), request.state.form
    record = loaded(desk, request.path_params["record_id"])
    act, why = form.get("act", ""), _reason(form)
    refused = why_not(desk, request.state.person, record)
    if refused:
        raise HTTPException(403, f"You cannot answer: {refused}.")
    if act not in {"approve", "reject"}:
        raise HTTPException(400, _NOTHING)
    asked = question(desk, record)
    is_same = record.provenance.revision == _revision(request) and asked and asked.binding == form.get("binding", "")
    if desk.actions is None or asked is None or not is_same:
        return _stale(request, why)
    try:
        approving.answered(asked, desk.actions, approve=act == "approve", by=person, why=why, now=desk.now())
    except Refused:
        return _stale(request, why)
    _summoned(desk, record.id, act)
    return RedirectResponse(f"/records/{record.id}#response", 303)


def _summoned(desk: Desk, record_id: str, act: str) -> None:
    """`act` is asked to look: it does what was approved, and writes down what was rejected."""
    if desk.summons is None:
        return
    try:
        desk.summons.summon(record_id)
    except Unanswered as error:
        if act == "reject":
            # Nothing is to be done: `act` writes it down when the question's time is over.
            log.write("WARNING", "rejected, not sent", record=record_id, why=error.why)
            return
        log.write("ERROR", "approved, not sent", record=record_id, why=error.why)
        raise HTTPException(503, "It is approved, but nobody could be asked to do it: approve it again.") from None


def brake(request: Request, desk: Desk) -> Response:
    """Pull a brake or let it go; 409 where somebody did either since the form was made."""
    form = request.state.form
    act, project, why = form.get("act", ""), form.get("project", "").strip(), _reason(form)
    if act not in {"on", "off"}:
        raise HTTPException(400, _NOTHING)
    # Stopping is for everybody who works here; letting go is what something can be lost by.
    person = _allowed(request, "analyst" if act == "on" else "approver")
    if project and not names.is_valid("project_id", project):
        # A brake for a project that there cannot be would hold nothing.
        raise HTTPException(400, "This is no project id.")
    if desk.actions is None:
        raise HTTPException(404, "No second store is set: nothing is done to any pod, and there is no brake.")
    # Pulling it is never refused for being late.
    if act == "off" and form.get("seen", "") != str(len(desk.actions.brakes())):
        return page(request, "stale.html", 409, back="/health", note=why)
    braking.set_brake(desk.actions, Brake(on=act == "on", project=project, why=why, by=person, at=desk.now()))
    return RedirectResponse("/health#brake", 303)


def _allowed(request: Request, role: Role) -> str:
    person = request.state.person
    if not person.may(role):
        raise HTTPException(403, f"This needs the role {role}.")
    return str(person.name)


def _revision(request: Request) -> int:
    given = request.state.form.get("revision", "")
    if not (given.isascii() and given.isdecimal() and len(given) <= 9):  # noqa: PLR2004 - no revision is longer
        raise HTTPException(400, "The form does not say which revision was read.")
    return int(given)


def _text(given: str) -> str:
    # A browser sends a line's end as CR LF, and counts it as one character.
    text = given.replace("\r\n", "\n").strip()
    if len(text) > _MOST_NOTE:
        raise HTTPException(400, f"At most {_MOST_NOTE} characters.")
    return text


def _reason(form: Mapping[str, str]) -> str:
    why = _text(form.get("why", ""))
    if not any(letter.isalnum() for letter in why):
        raise HTTPException(400, "Say why, in words: it is kept.")
    return why


def _stale(request: Request, note: str) -> Response:
    return page(request, "stale.html", 409, back=f"/records/{request.path_params['record_id']}", note=note)
