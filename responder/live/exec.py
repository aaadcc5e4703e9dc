"""Step 5: one command in one container, over WebSocket, as the collector. It starts that command and changes no object.

The subprotocols are `v5.channel.k8s.io` and `v4.channel.k8s.io` (KEP-4006): the first byte of a message is its channel,
1 stdout, 2 stderr, 3 the final Status as JSON. Nothing is shared with the client that reads objects: the Python client
turns the calls of other threads into WebSocket ones while it opens a stream.

The token goes to the address of the Container API alone: the connection is opened here, and TLS verified on it before
anything is sent, so that neither a proxy of the environment nor a redirect can lead elsewhere.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import websocket

from responder import __version__, names
from responder.errors import NoProgram, Unanswered
from responder.evidence import Pod
from responder.live._errors import Asking
from responder.live.google import Address
from responder.live.kubernetes import CONNECTING, Cluster, Rule, tls
from responder.ports import Cell, Ran

ROLE: Final = "collector"
PERMISSIONS: Final = CONNECTING
RULES: Final = (
    Rule("", "pods", ("get",)),
    # WebSocket opens with GET; newer API servers check `create` too.
    Rule("", "pods/exec", ("get", "create")),
)
_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_MEND: Final = "get and create pods/exec, for the collector: apply deploy/rbac/collector.yaml"
_CONNECT: Final = 3.0  # seconds
_OPENING: Final = 10.0  # seconds until the handshake is over; fewer where the command's own are fewer
_OPENING_BYTES: Final = 64 * 1024
_AFTER_STATUS: Final = 2.0  # seconds of silence in which output that the Status has overtaken may still come
_RECORD: Final = 16 * 1024  # bytes; TLS has no larger ones
_FRAME: Final = 1024 * 1024
_STDERR: Final = 4096
_STATUS: Final = 64 * 1024
_NO_PROGRAM: Final = re.compile(
    # runc, crun and gVisor. A working directory that is not there has the same ending, and is another matter.
    r"executable file .{0,4200}not found|error finding executable|stat .{0,4200}: no such file or directory"
    r"|exec: .{0,8400}: no such file or directory|failed to load .{0,4200}: no such file or directory",
    re.DOTALL,
)


class Exec:
    """Commands in the containers of one control plane; a `ports.Collector`. Safe from many threads: it holds no socket.

    `token` is asked for each call. Closing the connection is all that ends a command: one that neither reads nor
    writes may live on in the container, since the kubelet has no call that would end it.
    """

    def __init__(self, address: Address, token: Callable[[], str]) -> None:
        self._address = address
        self._token = token
        self._objects = Cluster(address, token)
        self._context: ssl.SSLContext | None = None

    def pod(self, namespace: str, name: str) -> Pod:
        """The pod that has the name now, read as the collector."""
        return self._objects.pod(namespace, name)

    def run(
        self, cell: Cell, argv: Sequence[str], *, sink: Callable[[bytes], object], limit: int, seconds: float
    ) -> Ran:
        """As `ports.Collector.run`. The API takes no UID as a precondition: the caller reads the pod before and after.

        A Status that cannot be read, or has no exit code, is `code=None, cut="connection"`.
        """
        until = time.monotonic() + seconds
        path = _path(cell, argv)
        asking = Asking(f"exec in {cell.namespace}/{cell.pod}/{cell.container} of the cluster", mend=_MEND)
        with closing(_connect(self._address, self._tls, path, self._token, asking, until)) as line:
            heard = _Heard(line=line, sink=sink, limit=limit, until=until)
            return heard.to_the_end(argv[0])

    def _tls(self) -> ssl.SSLContext:
        """One for all commands: each new one reads and parses the CAs again. Two threads may make it; either does."""
        if self._context is None:
            self._context = tls(self._address.ca_pem)
        return self._context


def _path(cell: Cell, argv: Sequence[str]) -> str:
    """The path and query of the call; Unanswered("invalid") for what may not be asked for."""
    for kind, name in (("namespace", cell.namespace), ("pod", cell.pod), ("container", cell.container)):
        if not names.is_valid(kind, name):
            raise Unanswered("invalid", f"not a name that a {kind} can have")
    if not argv or not argv[0] or any("\0" in word for word in argv):
        raise Unanswered("invalid", "not a command: it names no program, or an argument holds a NUL")
    query = [
        ("container", cell.container),
        ("stdin", "false"),
        ("stdout", "true"),
        ("stderr", "true"),
        ("tty", "false"),
    ]
    try:
        # Linux's file names are bytes: one that Python escaped in decoding goes out as the byte that it was.
        command = urlencode([("command", word) for word in argv], errors="surrogateescape", quote_via=quote)
    except UnicodeEncodeError:
        raise Unanswered("invalid", "an argument is not text") from None
    return f"/api/v1/namespaces/{cell.namespace}/pods/{cell.pod}/exec?{urlencode(query)}&{command}"


# --- the connection ---------------------------------------------------------------------------------------------------


class _Line:
    """A verified TLS connection under a deadline that holds for all of it, not for each packet.

    It has what websocket-client asks of a socket. `budget` is how many bytes may still come; None: no bound.
    """

    def __init__(self, tls: ssl.SSLSocket, *, until: float) -> None:
        self._tls = tls
        self._record, self._at = b"", 0
        self.until = until
        self.budget: int | None = _OPENING_BYTES

    def recv(self, size: int) -> bytes:
        """At most `size` bytes, never none: the library's parser would ask for ever. TimeoutError past the deadline."""
        if self._at == len(self._record):
            # A whole record of TLS: the parser asks for a few bytes at a time, and each call to OpenSSL has its price.
            self._tls.settimeout(self.gettimeout())
            self._record, self._at = self._tls.recv(_RECORD), 0
        data = self._record[self._at : self._at + size]
        self._at += len(data)
        if not data:
            raise websocket.WebSocketConnectionClosedException
        if self.budget is not None:
            self.budget -= len(data)
            if self.budget < 0:
                raise websocket.WebSocketProtocolException("too long")
        return data

    def send(self, data: bytes) -> int:
        """All of `data`."""
        self._tls.settimeout(self.gettimeout())
        self._tls.sendall(data)
        return len(data)

    def gettimeout(self) -> float:
        """Seconds that are left; TimeoutError where none are."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def fileno(self) -> int:
        """The file descriptor, for select."""
        return self._tls.fileno()

    def close(self) -> None:
        """Close at once. No farewell is sent: the other side may not read any more."""
        self._tls.close()


def _connect(
    address: Address,
    context: Callable[[], ssl.SSLContext],
    path: str,
    token: Callable[[], str],
    asking: Asking,
    until: float,
) -> _Line:
    """The connection after its handshake; Unanswered as `asking` words it. The caller closes it."""
    where = urlsplit(address.url)
    if where.scheme != "https" or not where.hostname or where.username is not None:
        raise asking.broken("the address is not https")
    until = min(until, time.monotonic() + _OPENING)
    with asking:
        bearer = token()
        line = _secured(where.hostname, where.port or 443, context(), asking, until)
        try:
            _handshake(line, f"wss://{where.netloc}{path}", bearer, asking)
        except BaseException:
            line.close()
            raise
    line.budget = None
    return line


def _secured(host: str, port: int, context: ssl.SSLContext, asking: Asking, until: float) -> _Line:
    left = until - time.monotonic()
    if left <= 0:
        raise asking.late()
    try:
        plain = socket.create_connection((host, port), timeout=min(_CONNECT, left))
        try:
            plain.settimeout(max(until - time.monotonic(), 0.001))
            return _Line(context.wrap_socket(plain, server_hostname=host), until=until)
        except BaseException:
            plain.close()
            raise
    except (TimeoutError, ssl.SSLError, socket.gaierror, ConnectionError):
        raise  # the table of `asking` knows them
    except OSError:  # no route, no permission of a firewall: errno alone tells them apart
        raise Unanswered("unavailable", "exec: the connection failed") from None


def _handshake(line: _Line, url: str, bearer: str, asking: Asking) -> None:
    """Upgrade. The library's own texts are not used: they hold headers and the body of the answer."""
    client: Any = websocket.WebSocket()  # the package is typed, this method of it is not
    header = [f"Authorization: Bearer {bearer}", f"User-Agent: gke-compiler-responder/{__version__}"]
    try:
        client.connect(
            url, socket=line, header=header, subprotocols=list(_PROTOCOLS), suppress_origin=True, redirect_limit=0
        )
    except websocket.WebSocketBadStatusException as error:
        raise asking.status(error.status_code) from None
    except websocket.WebSocketTimeoutException:
        raise asking.late() from None
    except websocket.WebSocketConnectionClosedException:
        raise Unanswered("unavailable", "exec: the connection was closed in the handshake") from None
    except (websocket.WebSocketException, ValueError):  # ValueError: a header that is not one
        raise asking.broken("the answer is no WebSocket of Kubernetes, or a redirect, which is not followed") from None


# --- what comes -------------------------------------------------------------------------------------------------------


class _Frames(websocket.frame_buffer):
    """The library's parser, which would take a frame of any size into memory, and gathers each number byte by byte."""

    def recv_strict(self, bufsize: int) -> bytes:
        """Exactly so many bytes: what is there already, as a rule."""
        parts, left = [], bufsize
        while left:
            parts.append(self.recv(left))
            left -= len(parts[-1])
        return b"".join(parts)

    def recv_length(self) -> None:
        super().recv_length()
        if self.length is not None and self.length > _FRAME:
            raise websocket.WebSocketProtocolException("too long")


class _Piece(NamedTuple):
    """A part of a channel's data. `end` is set, and the rest empty, where nothing more comes."""

    channel: int = -1
    data: bytes = b""
    end: Literal["", "closed", "late", "lost"] = ""


@dataclass(slots=True, kw_only=True)
class _Heard:
    """One command's output, piece by piece; never more than a frame of it is held."""

    line: _Line
    sink: Callable[[bytes], object]
    limit: int
    until: float
    received: int = 0
    stderr: bytearray = field(default_factory=bytearray)
    status: bytearray = field(default_factory=bytearray)
    _channel: int | None = None
    """Of the message whose fragments are coming."""

    def to_the_end(self, program: str) -> Ran:
        """Until the command has ended or a bound is met; NoProgram where it never began.

        The sink is called outside of every `except`: its exceptions are the caller's.
        """
        frames = _Frames(self.line.recv, skip_utf8_validation=True)
        self.line.until = self.until
        while True:
            piece = self._next(frames)
            if piece.end:
                return self._ended(piece.end, program)
            match piece.channel:
                case 1:
                    kept = piece.data[: self.limit - self.received]
                    self.received += len(kept)
                    if kept:
                        self.sink(kept)
                    if len(kept) < len(piece.data):
                        return self._ran(None, "bytes")
                case 2:
                    self.stderr += piece.data[: _STDERR - len(self.stderr)]
                case 3:
                    # One byte more than may be read: a Status that is too long is none.
                    self.status += piece.data[: _STATUS + 1 - len(self.status)]
            if self.status:
                # Renewed with each piece: a slow rest is not a lost one.
                self.line.until = min(self.until, time.monotonic() + _AFTER_STATUS)

    def _next(self, frames: _Frames) -> _Piece:
        try:
            frame: Any = frames.recv_frame()
            if frame.opcode == websocket.ABNF.OPCODE_PING:
                pong = websocket.ABNF.create_frame(frame.data, websocket.ABNF.OPCODE_PONG)
                self.line.send(pong.format())
        except (TimeoutError, websocket.WebSocketTimeoutException):
            return _Piece(end="late")
        except websocket.WebSocketConnectionClosedException:
            return _Piece(end="closed")
        except (OSError, websocket.WebSocketException):
            return _Piece(end="lost")
        if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
            return _Piece(end="closed")
        if frame.opcode in {websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG}:
            return _Piece()
        return self._piece(frame.opcode, frame.data, final=bool(frame.fin))

    def _piece(self, opcode: int, data: bytes, *, final: bool) -> _Piece:
        """The channel is the first byte of a message; what continues one has none of its own."""
        if (opcode == websocket.ABNF.OPCODE_CONT) is (self._channel is None):
            return _Piece(end="lost")
        if self._channel is None:
            # An empty message is nobody's; -1 keeps the fragments of one together.
            channel, data = (data[0], data[1:]) if data else (-1, b"")
        else:
            channel = self._channel
        self._channel = None if final else channel
        return _Piece(channel, data)

    def _ended(self, end: Literal["closed", "late", "lost"], program: str) -> Ran:
        if not self.status:
            return self._ran(None, "seconds" if end == "late" else "connection")
        code = _exit_code(bytes(self.status), program)
        if code is None or end == "lost":
            return self._ran(code, "connection")
        return self._ran(code, "seconds" if end == "late" and time.monotonic() >= self.until else "")

    def _ran(self, code: int | None, cut: Literal["", "bytes", "seconds", "connection"]) -> Ran:
        return Ran(code=code, received=self.received, stderr=bytes(self.stderr), cut=cut)


def _exit_code(data: bytes, program: str) -> int | None:
    """The exit code in a Status (`details.causes`, reason ExitCode); None where it has none or is none.

    NoProgram where the runtime says that the program is not there.
    """
    try:
        said = json.loads(data) if len(data) <= _STATUS else None
    except (ValueError, RecursionError):
        return None
    match said:
        case {"status": "Success"}:
            return 0
        case {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [*causes]}}:
            for cause in causes:
                match cause:
                    case {"reason": "ExitCode", "message": str(code)} if re.fullmatch(r"[0-9]{1,3}", code):
                        return int(code)
        case {"status": "Failure", "message": str(text)} if _NO_PROGRAM.search(text) and "chdir to cwd" not in text:
            raise NoProgram(f"the container has no {program.rpartition('/')[2][:80]!r}")
    return None
