"""Step 4: container, node and admin activity logs. Reads `entries.list`, which allows 60 calls a minute and project.

The low-level client is used: `google.cloud.logging.Client` adds a window of its own to a filter that has none.
Messages are read as plain protobuf, not through proto-plus, which costs several times as much for a page of a thousand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from google.cloud.audit import audit_log_pb2
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse
from google.logging.type import log_severity_pb2
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from responder import filters, names
from responder.errors import PASSING, Unanswered
from responder.evidence import AuditEntry, LogEntry
from responder.live import _session
from responder.live._errors import Asking
from responder.live._patience import Patience
from responder.ports import LogCaps, LogPages

PERMISSIONS: Final = ("logging.logEntries.list",)

_T = TypeVar("_T")

_PAGE: Final = 1000  # above that the API refuses
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AUDIT: Final = "google.cloud.audit.AuditLog"
_MESSAGE_KEYS: Final = ("message", "msg", "log")
"""Where a structured line has its text: Google's own agents write `message`, common loggers `msg`, Docker `log`."""


class _Asked(NamedTuple):
    project_id: str
    filter: str
    order: str


class CloudLogging:
    """`client` is a `LoggingServiceV2Client`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def entries(self, project_id: str, filter_: str, caps: LogCaps) -> LogPages:
        """Lines of any log. The text is that of a structured line's message, or the whole of it as compact JSON."""
        found, pages, truncated = self._read(project_id, filter_, caps, _line)
        return LogPages(entries=tuple(found), pages=pages, truncated=truncated)

    def audit(self, project_id: str, filter_: str, caps: LogCaps) -> LogPages:
        """Entries that hold an AuditLog; others are left out."""
        found, pages, truncated = self._read(project_id, filter_, caps, _audit)
        return LogPages(audit=tuple(found), pages=pages, truncated=truncated)

    def _read(
        self, project_id: str, filter_: str, caps: LogCaps, read: Callable[[Any], _T | None]
    ) -> tuple[list[_T], int, bool]:
        """The entries, oldest first, how many pages were read, and whether there was more.

        A log with few entries is one call. One with more than the cap is read twice more, to each side of the time
        that matters: its oldest may all be from long before. Where that fails, what was read first stays.
        """
        if not names.is_valid("project_id", project_id):
            raise Unanswered("invalid", "the project id is not one that Google would give")
        patience = Patience(total=caps.seconds, attempt=caps.seconds)
        asked = _Asked(project_id, filter_, "timestamp asc")
        first, pages, truncated = self._ordered(asked, caps, patience, read)
        if not truncated or len(first) < caps.entries or caps.around is None or not patience.left:
            return first, pages, truncated
        half = replace(caps, entries=max(1, caps.entries // 2))
        earlier = _Asked(project_id, filters.before(filter_, caps.around), "timestamp desc")
        later = _Asked(project_id, filters.since(filter_, caps.around), "timestamp asc")
        try:
            after, pages_after, more_after = self._ordered(later, half, patience, read)
            before, pages_before, more_before = self._ordered(earlier, half, patience, read)
        except Unanswered:
            return first, pages, True
        return before[::-1] + after, pages + pages_before + pages_after, more_before or more_after

    def _ordered(
        self, asked: _Asked, caps: LogCaps, patience: Patience, read: Callable[[Any], _T | None]
    ) -> tuple[list[_T], int, bool]:
        """The entries page by page in the order asked for, how many pages were read, and whether there was more.

        An empty page that has a token is followed like any other. A later page that fails for a passing reason ends the
        reading with what is there, but not where that is nothing: "no lines" must not be said of lines never seen.
        """
        found: list[_T] = []
        token = ""
        for page in range(1, caps.pages + 1):
            try:
                size = min(_PAGE, caps.entries - len(found))
                reply = self._page(asked, token, size, patience)
                with Asking(f"{PERMISSIONS[0]} in project {asked.project_id}", mend=""):
                    found.extend(entry for entry in map(read, reply.entries) if entry is not None)
            except Unanswered as error:
                if found and error.why in PASSING:
                    return found, page - 1, True
                raise
            token = reply.next_page_token
            if not token or len(found) >= caps.entries or not patience.left:
                return found, page, bool(token)
        return found, caps.pages, True

    def _page(self, asked: _Asked, token: str, size: int, patience: Patience) -> Any:
        what = f"{PERMISSIONS[0]} in project {asked.project_id}"
        mend = f"grant the responder {PERMISSIONS[0]} in project {asked.project_id} (roles/logging.viewer)"
        request = ListLogEntriesRequest(
            resource_names=[f"projects/{asked.project_id}"],
            filter=asked.filter,
            order_by=asked.order,
            page_size=size,
            page_token=token,
        )
        with Asking(what, mend=mend):
            pager = self._client.list_log_entries(request=request, retry=patience.retry(), timeout=patience.timeout)
            return ListLogEntriesResponse.pb(next(iter(pager.pages)))


def _line(entry: Any) -> LogEntry:
    return LogEntry(
        time=_time(entry),
        severity=_severity(entry.severity),
        log_name=entry.log_name,
        insert_id=entry.insert_id,
        container=entry.resource.labels.get("container_name", ""),
        text=_text(entry),
    )


def _text(entry: Any) -> str:
    kind = entry.WhichOneof("payload")
    if kind == "text_payload":
        return str(entry.text_payload)
    if kind == "json_payload":
        fields = entry.json_payload.fields
        for key in _MESSAGE_KEYS:
            if key in fields and fields[key].string_value:
                return str(fields[key].string_value)
        # Sorted, since a map on the wire has no order: the same line must be the same text each time.
        return json.dumps(_plain(entry.json_payload), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if kind == "proto_payload":
        log = _audit_log(entry)
        if log is not None:
            return f"{log.method_name} on {log.resource_name} by {log.authentication_info.principal_email}"
        return str(entry.proto_payload.type_url)
    return ""


def _audit(entry: Any) -> AuditEntry | None:
    log = _audit_log(entry)
    if log is None:
        return None
    session = _session.kind_of(log.method_name, log.resource_name)
    return AuditEntry(
        time=_time(entry),
        method=log.method_name,
        resource_name=log.resource_name,
        principal=log.authentication_info.principal_email,
        caller_ip=log.request_metadata.caller_ip,
        user_agent=log.request_metadata.caller_supplied_user_agent,
        status=_session.status_name(log.status.code),
        session=session,
        # Most calls are no sessions, and to read a Struct costs more than all the rest.
        command=_session.command_of(log, _plain(log.request), _plain(log.metadata), dict(entry.labels))
        if session
        else (),
    )


def _audit_log(entry: Any) -> Any:
    """The AuditLog of an entry; None where it has none, or one that cannot be read."""
    if entry.WhichOneof("payload") != "proto_payload" or not entry.proto_payload.type_url.endswith(f"/{_AUDIT}"):
        return None
    log = audit_log_pb2.AuditLog()
    try:
        log.ParseFromString(entry.proto_payload.value)
    except DecodeError:
        return None
    return log


def _plain(struct: Any) -> dict[str, Any]:
    """A Struct as a dict; empty where it holds what JSON cannot (a number that is none)."""
    try:
        value: dict[str, Any] = json_format.MessageToDict(struct)
    except (json_format.Error, ValueError):
        return {}
    return value


def _time(entry: Any) -> datetime:
    """When it was written; when it was received, where the first is absent."""
    stamp = entry.timestamp if entry.HasField("timestamp") else entry.receive_timestamp
    # Not ToDatetime(): this is called for every line, and costs a third.
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


@lru_cache(maxsize=64)
def _severity(number: int) -> str:
    known = log_severity_pb2.LogSeverity.DESCRIPTOR.values_by_number.get(number)
    return known.name if known else str(number)
