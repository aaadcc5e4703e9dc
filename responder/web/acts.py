"""What people do: review, answer an approval. Writes append-only documents to both stores, each with who and when."""

from __future__ import annotations

from typing import Final, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from responder.errors import Refused, StaleRevision
from responder.record import ReviewEntry, ReviewVerdict
from responder.web.approvals import may_answer
from responder.web.desk import Desk
from responder.web.people import Role
from responder.web.record_page import loaded
from responder.web.render import page

_VERDICTS: Final[tuple[ReviewVerdict, ...]] = get_args(ReviewVerdict)
_MOST_NOTE: Final = 2000


def review(request: Request, desk: Desk) -> Response:
    """Acknowledge, or close with a verdict; 409 where the record has changed since the form was made."""
    person, form = _allowed(request, "analyst"), request.state.form
    record_id, act = request.path_params["record_id"], form.get("act", "")
    verdict = next((one for one in _VERDICTS if one == act), None)
    if verdict is None and act != "acknowledge":
        raise HTTPException(400, "This form asks for nothing that can be done.")
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
    if desk.actions is None or not may_answer(desk, request.state.person, record):
        raise HTTPException(403, "The policy does not name you as an approver of this project.")
    act, why = form.get("act", ""), _text(form.get("why", ""))
    if act not in {"approve", "reject"}:
        raise HTTPException(400, "This form asks for nothing that can be done.")
    if record.provenance.revision != _revision(request) or record.decision.binding != form.get("binding", ""):
        return _stale(request, why)
    if not why:
        raise HTTPException(400, "Say why: it is kept with your answer.")
    try:
        desk.actions.answer(record.decision.binding, approve=act == "approve", by=person, why=why, now=desk.now())
    except Refused:
        return _stale(request, why)
    if act == "approve" and desk.summons is not None:
        desk.summons.summon(record.id)
    return RedirectResponse(f"/records/{record.id}#response", 303)


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
    text = given.strip()
    if len(text) > _MOST_NOTE:
        raise HTTPException(400, f"At most {_MOST_NOTE} characters.")
    return text


def _stale(request: Request, note: str) -> Response:
    return page(request, "stale.html", 409, record_id=request.path_params["record_id"], note=note)
