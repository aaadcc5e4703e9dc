"""The lab's answers that are no data: errors in Google's words, planned faults, and where a listing stands."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import Final, TypeVar

import grpc
from aiohttp import web

from lab.state import FaultError

T = TypeVar("T")
GARBAGE: Final = b"<html><body>Please log in</body></html>"
"""What a lie answers: the page of a captive portal, which is no protobuf and no JSON."""


class ApiError(Exception):
    """An answer that is an error: a gRPC status and Google's text."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Lied(Exception):  # noqa: N818 - a statement about the answer
    """The answer must be of the wrong form."""


class Dropped(Exception):  # noqa: N818 - a statement about the connection
    """The connection must be closed without an answer."""


class Dripping(Exception):  # noqa: N818 - a statement about the answer
    """An answer must begin, and never end."""


async def drip(request: web.Request) -> web.Response:
    """A byte a second, until whoever asked has left."""
    transport = request.transport
    for byte in chain(b"HTTP/1.1 200 OK\r\nX-Wait: ", repeat(ord("x"))):
        if transport is None or transport.is_closing():
            break
        transport.write(bytes([byte]))
        await asyncio.sleep(1.0)
    return web.Response()


def fail(fault: FaultError, *, denied: str, missing: str, quota: str) -> Exception:
    """The planned fault in Google's words, to be raised; `empty_page` is not for here."""
    match fault.kind:
        case "deny":
            return ApiError(grpc.StatusCode.PERMISSION_DENIED, denied)
        case "quota":
            message = (
                f"Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of {quota}."
            )
            return ApiError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        case "not_found":
            return ApiError(grpc.StatusCode.NOT_FOUND, missing)
        case "unavailable":
            return ApiError(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")
        case kind:
            return {"lie": Lied, "drip": Dripping}.get(kind, Dropped)()


def permission(name: str, resource: str) -> str:
    """Google's text for a denied permission; `resource` is a full resource name."""
    return f"Permission '{name}' denied on resource '{resource}' (or it may not exist)."


def exhausted(consumer: str) -> ApiError:
    """Google's text for a quota of reads that is used up."""
    metric = "quota metric 'Read requests' and limit 'Read requests per minute'"
    return ApiError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"Quota exceeded for {metric} of {consumer}.")


def invalid(message: str) -> ApiError:
    """INVALID_ARGUMENT."""
    return ApiError(grpc.StatusCode.INVALID_ARGUMENT, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where a listing stands. `until` is the moment of its first page: later entries do not shift the later pages."""

    offset: int
    until: datetime
    query: str

    @classmethod
    def of(cls, token: str, query: Sequence[str], now: datetime) -> Page:
        """The page that `token` asks for; INVALID_ARGUMENT where it is not ours, or of another query."""
        digest = hashlib.sha256(json.dumps(list(query)).encode()).hexdigest()[:16]
        if not token:
            return cls(offset=0, until=now, query=digest)
        try:
            offset, until, query_then = json.loads(base64.urlsafe_b64decode(token.encode()))
            page = cls(offset=int(offset), until=datetime.fromisoformat(until), query=query_then)
        except (ValueError, TypeError, binascii.Error) as error:
            message = "Invalid page token."
            raise invalid(message) from error
        if page.query != digest:
            message = "The page token does not belong to this request: its parent, filter or order has changed."
            raise invalid(message)
        return page

    def token(self, offset: int) -> str:
        """The token of the page that starts at `offset`."""
        return base64.urlsafe_b64encode(json.dumps([offset, self.until.isoformat(), self.query]).encode()).decode()

    def cut(self, items: Sequence[T], size: int) -> tuple[Sequence[T], str]:
        """The items of this page, and the next one's token."""
        end = self.offset + size
        return items[self.offset : end], self.token(end) if end < len(items) else ""


def page_size(asked: int, default: int) -> int:
    """The size of a page; 0 asks for the default, a negative one is INVALID_ARGUMENT."""
    if asked < 0:
        message = f"page_size must not be negative: {asked}."
        raise invalid(message)
    return asked or default
