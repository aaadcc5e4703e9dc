"""The bench's HTTP client: one thread, plain sockets, so that it never is what is measured."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Final

from lab.serving import push_body

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ACKNOWLEDGED: Final = (b" 200 ", b" 204 ")
_TIMEOUT: Final = 300.0
_START_SECONDS: Final = 60.0


def pushed(data: bytes, message_id: str) -> bytes:
    """The whole HTTP request with which Pub/Sub pushes `data`."""
    body = json.dumps(push_body(data, message_id)).encode()
    head = f"POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def send(port: int, requests: Sequence[bytes]) -> list[float]:
    """Send all at once, each on a connection of its own; the seconds that each took. RuntimeError on a refusal."""
    taken: dict[int, float] = {}
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        started: dict[int, float] = {}
        for number, request in enumerate(requests):
            connection = stack.enter_context(connect(port))
            started[number] = time.monotonic()
            connection.sendall(request)
            selector.register(connection, selectors.EVENT_READ, (number, bytearray()))
        until = time.monotonic() + _TIMEOUT
        while len(taken) < len(requests) and time.monotonic() < until:
            for key, _ in selector.select(1.0):
                number, read = key.data
                if _complete(key.fileobj, read):
                    taken[number] = time.monotonic() - started[number]
                    selector.unregister(key.fileobj)
    if len(taken) < len(requests):
        raise RuntimeError(f"{len(requests) - len(taken)} of {len(requests)} requests were not answered")
    return [taken[number] for number in range(len(requests))]


def stream(port: int, requests: Sequence[bytes], *, at_once: int) -> float:
    """Send all, so many at a time, each on a connection of its own; seconds until the last answer.

    RuntimeError on a refusal.
    """
    left = iter(requests)
    open_ = 0
    started = time.monotonic()
    with selectors.DefaultSelector() as selector:

        def send_next() -> int:
            request = next(left, None)
            if request is None:
                return 0
            connection = connect(port)
            connection.sendall(request)
            selector.register(connection, selectors.EVENT_READ, bytearray())
            return 1

        open_ = sum(send_next() for _ in range(at_once))
        until = started + _TIMEOUT
        while open_ and time.monotonic() < until:
            for key, _ in selector.select(1.0):
                if _complete(key.fileobj, key.data):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]  # a socket; typeshed allows a file number
                    open_ += send_next() - 1
    if open_:
        raise RuntimeError(f"{open_} requests were not answered")
    return time.monotonic() - started


def soak(port: int, *requests: bytes, seconds: float, connections: int = 16) -> float:
    """Answers per second to the requests in turn, the next on each connection as soon as the last was answered."""
    answered, turn = 0, itertools.cycle(requests)
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for _ in range(connections):
            connection = stack.enter_context(connect(port))
            connection.sendall(next(turn))
            selector.register(connection, selectors.EVENT_READ, bytearray())
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            for key, _ in selector.select(1.0):
                if _complete(key.fileobj, key.data):
                    answered += 1
                    key.data.clear()
                    key.fileobj.sendall(next(turn))  # type: ignore[union-attr]  # a socket; typeshed allows a file number
        return answered / (time.monotonic() - started)


def get(port: int, path: str) -> bytes:
    """The body behind a path."""
    with connect(port) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        read = bytearray()
        while not _complete(connection, read):
            pass
    return bytes(read.partition(b"\r\n\r\n")[2])


def connect(port: int) -> socket.socket:
    """A connection, as soon as somebody listens."""
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.001)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection


def _complete(connection: object, read: bytearray) -> bool:
    """Read what is there; whether the answer is whole. RuntimeError where it is not an acknowledgement."""
    assert isinstance(connection, socket.socket)
    part = connection.recv(262144)
    read += part
    head, end, body = read.partition(b"\r\n\r\n")
    if not end:
        if not part:
            raise RuntimeError("the connection was closed without an answer")
        return False
    if not any(status in head[:16] for status in _ACKNOWLEDGED):
        raise RuntimeError(f"refused: {head.splitlines()[0].decode(errors='replace')}")
    length = _LENGTH.search(b"\r\n" + bytes(head))
    if length is None and not part:
        return True
    return len(body) >= int(length[1]) if length else b" 204 " in head[:16]
