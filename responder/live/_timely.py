"""Every step over HTTP: connections whose answer comes under one deadline, from its first byte to its last.

A read timeout holds for each packet alone: who sends a byte a second is listened to for as long as it likes.
"""

from __future__ import annotations

import http.client
import io
import time
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter


class _Stream(io.RawIOBase):
    """What comes from `sock`. A read waits as long as the socket's own timeout, and until the deadline at most."""

    def __init__(self, sock: Any, until: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._until = until

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """The next bytes; 0 where the other side has closed. TimeoutError past the deadline."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        own = self._sock.gettimeout()
        self._sock.settimeout(left if own is None else min(own, left))
        taken: int | None = self._raw.readinto(buffer)
        return taken

    def close(self) -> None:
        """The socket lives on where its connection keeps it."""
        self._raw.close()
        super().close()


class _Answering:
    """What `http.client` reads an answer from: of a socket it wants a file, and nothing else."""

    def __init__(self, sock: Any, seconds: float) -> None:
        self._sock = sock
        self._seconds = seconds

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The clock begins now: the request has left."""
        return io.BufferedReader(_Stream(self._sock, time.monotonic() + self._seconds))


def response(seconds: float) -> type[http.client.HTTPResponse]:
    """For a connection's `response_class`: an answer, head and body, may take so many seconds."""

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(_Answering(sock, seconds), *args, **kwargs)  # type: ignore[arg-type] # it has what is used

    return Response


def pools(seconds: float) -> dict[str, type[HTTPConnectionPool]]:
    """The same for `PoolManager.pool_classes_by_scheme`."""
    timely = response(seconds)

    class Plain(HTTPConnection):
        response_class = timely

    class Secured(HTTPSConnection):
        response_class = timely

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecuredPool(HTTPSConnectionPool):
        ConnectionCls = Secured

    return {"http": PlainPool, "https": SecuredPool}


def adapter(seconds: float, **how: Any) -> HTTPAdapter:
    """The same for a session of requests; `how` is what `HTTPAdapter` takes."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - heavy

    made = HTTPAdapter(**how)
    made.poolmanager.pool_classes_by_scheme = pools(seconds)
    return made
