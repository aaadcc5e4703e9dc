"""What is taken away as a file: exports, and bytes as they came. A browser shows none of it, whatever is in it."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from responder import export, log
from responder.web import health
from responder.web.desk import Desk
from responder.web.record_page import loaded


def exported(request: Request, desk: Desk) -> Response:
    """`/records/ID/export/FORM`: the record in one of the forms of `responder export`."""
    form = next((one for one in export.FORMS if one == request.path_params["form"]), None)
    if form is None:
        raise HTTPException(404, f"There is no such form: {', '.join(export.FORMS)}.")
    record = loaded(desk, request.path_params["record_id"])
    # A lone surrogate, which JSON can carry and UTF-8 cannot, is written out.
    return _away(export.one(record, form).encode("utf-8", "backslashreplace"), export.file_name(record.id, form))


def raw(request: Request, desk: Desk) -> Response:
    """`/records/ID/raw/N`: the first notification of the record's N-th finding, as it came."""
    _only_named(request)
    record, number = loaded(desk, request.path_params["record_id"]), request.path_params["n"]
    data = desk.records.raw(record.findings[number].key) if number < len(record.findings) else None
    if data is None:
        raise HTTPException(404, "There is no such notification.")
    return _logged(request, data, f"notification-{record.id}-{number}.bin")


def rejected(request: Request, desk: Desk) -> Response:
    """`/health/rejected/SHA256`: the bytes of one of the latest messages that could not be read."""
    _only_named(request)
    wanted = request.path_params["digest"]
    found = next((one for one in desk.records.rejected(health.MOST) if health.digest(one) == wanted), None)
    if found is None:
        raise HTTPException(404, "It is not among the latest.")
    return _logged(request, found.data, f"rejected-{wanted[:16]}.bin")


def _only_named(request: Request) -> None:
    if not request.state.person.may("raw"):
        raise HTTPException(403, "This needs the role raw: nothing in it is redacted.")


def _logged(request: Request, data: bytes, name: str) -> Response:
    log.write("INFO", "raw bytes taken away", by=request.state.person.name, file=name, bytes=len(data))
    return _away(data, name)


def _away(data: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type="application/octet-stream", headers=headers)
