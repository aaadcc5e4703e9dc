"""Step 5 on the wire: a command in a container over WebSocket, as `kubectl exec`, `cp` and the Python client speak it.

Subprotocols `v5.channel.k8s.io` and `v4.channel.k8s.io`: binary messages whose first byte is the channel (0 stdin,
1 stdout, 2 stderr, 3 the final Status as JSON, 4 the terminal's size); v5 adds 255, which closes a channel
(kubernetes.io, KEP-4006). Text messages are taken too: the Python client sends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import WSMsgType, web

from lab import status
from lab.exec_files import Inside, NoSuchProgramError, Result
from lab.exec_real import Output, RealInside
from lab.objects import Object

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_CHUNK = 32 * 1024
_FLUSHED = 0.1  # seconds in which what was sent leaves before the connection is cut
_SHELLS = frozenset({"sh", "bash"})
_MAX_MESSAGE = 64 * 1024 * 1024


def outcome(code: int) -> Object:
    """The final Status of a command that ran, by its exit code."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def not_started(program: str) -> Object:
    """The final Status of a program that the image does not have, as the container runtime reports it."""
    where = (
        f"stat {program}: no such file or directory"
        if program.startswith("/")
        else "executable file not found in $PATH"
    )
    cause = (
        "error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec "
        f'failed: exec failed: unable to start container process: exec: "{program}": {where}: unknown'
    )
    details = {"causes": [{"message": cause}]}
    whole = status.status(
        code=500, reason="InternalError", message=f"Internal error occurred: {cause}", details=details
    )
    return {key: value for key, value in whole.items() if key not in {"kind", "apiVersion"}}


async def _at_once() -> None:
    """The command begins when the channel is open."""


async def serve(
    request: web.Request,
    inside: Inside,
    argv: list[str],
    *,
    stdin: bool,
    opened: Callable[[], Awaitable[None]] = _at_once,
) -> web.StreamResponse:
    """Upgrade, run, answer. A shell with stdin and no `-c` is a session: each line is run as it comes.

    `opened` is waited for once the channel is open, before the command begins.
    """

    async def run(socket: web.WebSocketResponse) -> Object:
        await opened()
        if stdin and argv[0].rpartition("/")[2] in _SHELLS and "-c" not in argv and inside.shell:
            return await _session(socket, inside, argv[0])
        given = b"".join([data async for data in _typed(socket)]) if stdin and _reads(argv) else b""
        result = inside.run(argv, given)
        await _send(socket, result)
        return outcome(result.code)

    return await _answered(request, run)


async def serve_real(request: web.Request, inside: RealInside, argv: list[str]) -> web.StreamResponse:
    """The same for a real program: streamed as it comes, cut as planned, killed when whoever asked has left."""

    async def run(socket: web.WebSocketResponse) -> Object:
        async with contextlib.aclosing(inside.run(argv)) as outputs:
            return await _stream(request, socket, inside, outputs)

    return await _answered(request, run)


async def _answered(
    request: web.Request, run: Callable[[web.WebSocketResponse], Awaitable[Object]]
) -> web.StreamResponse:
    """Upgrade, let `run` send what the command writes, and end with the Status that it returns."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise status.bad_request("Upgrade request required")
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=_MAX_MESSAGE, timeout=2.0)
    await socket.prepare(request)
    try:
        final = await run(socket)
    except NoSuchProgramError as error:
        final = not_started(str(error))
    except ConnectionError:
        return socket  # whoever asked has left, or was cut off
    await socket.send_bytes(bytes([_ERROR]) + json.dumps(final).encode())
    await socket.close()
    return socket


async def _stream(
    request: web.Request, socket: web.WebSocketResponse, inside: RealInside, outputs: AsyncIterator[Output]
) -> Object:
    """Send the output; the final Status. ConnectionResetError where the connection is cut as planned."""
    planned, sent, code = inside.planned, 0, 0
    async for output in outputs:
        data = output.data
        if output.channel == 0:
            code = output.code
            continue
        if output.channel == _STDOUT and planned.cut_after_bytes:
            data = data[: planned.cut_after_bytes - sent]
        if data:
            await socket.send_bytes(bytes([output.channel]) + data)
        sent += len(data) if output.channel == _STDOUT else 0
        if planned.cut_after_bytes and sent >= planned.cut_after_bytes:
            await asyncio.sleep(_FLUSHED)
            if request.transport:
                request.transport.abort()
            raise ConnectionResetError
        await asyncio.sleep(planned.piece_seconds)
    return outcome(code)


def _reads(argv: list[str]) -> bool:
    """Whether the command reads what is typed: none of the imitated programs does when it is given operands."""
    return argv[0].rpartition("/")[2] in {"cat", "sha256sum", "base64", "wc", "head"} and all(
        a.startswith("-") for a in argv[1:]
    )


async def _session(socket: web.WebSocketResponse, inside: Inside, shell: str) -> Object:
    code, rest = 0, b""
    async for data in _typed(socket):
        *lines, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            words = line.split()
            if words[:1] == [b"exit"]:
                return outcome(int(words[1]) if len(words) > 1 else code)
            result = inside.run([shell, "-c", line.decode(errors="replace")])
            await _send(socket, result)
            code = result.code
    if rest:
        result = inside.run([shell, "-c", rest.decode(errors="replace")])
        await _send(socket, result)
        code = result.code
    return outcome(code)


async def _typed(socket: web.WebSocketResponse) -> AsyncIterator[bytes]:
    """What comes on stdin until it is closed: by v5's close message, by Ctrl-D, or by the other side leaving."""
    async for message in socket:
        if message.type not in {WSMsgType.BINARY, WSMsgType.TEXT}:
            continue
        data = message.data.encode() if isinstance(message.data, str) else message.data
        if data[:2] == bytes([_CLOSE, _STDIN]):
            return
        if data[:1] == bytes([_STDIN]):
            ended = data.endswith(b"\x04")
            yield data[1:].rstrip(b"\x04") if ended else data[1:]
            if ended:
                return


async def _send(socket: web.WebSocketResponse, result: Result) -> None:
    for channel, data in ((_STDERR, result.stderr), (_STDOUT, result.stdout)):
        for at in range(0, len(data), _CHUNK):
            await socket.send_bytes(bytes([channel]) + data[at : at + _CHUNK])
            await asyncio.sleep(0)
