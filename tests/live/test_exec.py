"""Step 5's exec against the lab, and against API servers that are hostile or break off."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import socket
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from lab import rbac
from lab.google import LabGoogle
from lab.tls import Authority
from responder.errors import NoProgram, Unanswered
from responder.live.exec import Exec
from responder.live.gke import Gke
from responder.live.google import Address
from responder.ports import Cell, Ran
from tests.live.shop import CLUSTER, EVENT_TIME, POD, open_shop

TOKEN = "ya29.canary"
UID = "6f7a5b4e-c6a7-5774-a871-7bb2126b4615"
CELL = Cell(namespace="shop", pod="web", container="app", uid=UID)
IN_SHOP = Cell(namespace="shop", pod=POD, container="checkout", uid=UID)
SUCCESS = b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode()
MIB = 1024 * 1024
Script = Callable[[web.WebSocketResponse], Awaitable[None]]


class FullDiskError(OSError):
    """What a sink may raise; of a kind that sockets raise too."""


def nothing(_: bytes) -> None:
    return


def the_way(google: LabGoogle) -> Address:
    _, access = Gke(google.container(), ("public",)).cluster(CLUSTER, event_time=EVENT_TIME)
    assert access is not None
    return google.cluster(access)


def ran(collector: Exec, *argv: str, cell: Cell = CELL, limit: int = MIB, seconds: float = 10.0) -> tuple[Ran, bytes]:
    out = bytearray()
    done = collector.run(cell, argv or ("cat", "/f"), sink=out.extend, limit=limit, seconds=seconds)
    assert done.received == len(out)
    return done, bytes(out)


@contextlib.contextmanager
def hostile(folder: Path, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Iterator[Served]:
    """An API server over TLS in a thread, which answers each call as told."""
    seen: list[web.Request] = []

    async def noted(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await answer(request)

    async def start() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", noted)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server([])).start()
        return runner, runner.addresses[0][1]

    authority = Authority(folder)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield Served(Address(url=f"https://127.0.0.1:{port}", ca_pem=authority.pem), seen)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Served:
    """A hostile server: its address, and the requests that came."""

    def __init__(self, address: Address, seen: list[web.Request]) -> None:
        self.address = address
        self.seen = seen
        self.collector = Exec(address, lambda: TOKEN)


def playing(script: Script) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        opened = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"), timeout=0.5)
        await opened.prepare(request)
        with contextlib.suppress(ConnectionError):
            await script(opened)
        await opened.close()
        return opened

    return answer


def sending(*messages: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def script(opened: web.WebSocketResponse) -> None:
        for message in messages:
            await opened.send_bytes(message)

    return playing(script)


def raw(after: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handshake, then these bytes as they are, then the end without a farewell."""

    async def answer(request: web.Request) -> web.StreamResponse:
        opened = web.WebSocketResponse(protocols=("v5.channel.k8s.io",), timeout=0.1)
        await opened.prepare(request)
        assert request.transport is not None
        request.transport.write(after)
        await asyncio.sleep(0.2)
        request.transport.close()
        return opened

    return answer


def status_of(**more: Any) -> bytes:
    return b"\x03" + json.dumps({"metadata": {}, "status": "Failure"} | more).encode()


# --- the lab's API server ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def admin() -> Iterator[Exec]:
    files = {"/tmp/k.c": "int main(){}\n", "/tmp/-o x&command=id": "odd\n"}
    with shop_with(files) as google:
        yield Exec(the_way(google), lambda: rbac.ADMIN_TOKEN)


@contextlib.contextmanager
def shop_with(files: dict[str, str], **changes: Any) -> Iterator[LabGoogle]:
    from tests.live.shop import SCENARIO  # noqa: PLC0415 - its own copy, changed here

    scenario = json.loads(json.dumps(SCENARIO))
    scenario["clusters"][0]["pods"][0]["containers"][0]["files"] = files
    with open_shop(clusters=scenario["clusters"], **changes) as (_, google):
        yield google


def test_a_command_leaves_its_output_and_its_exit_code(admin: Exec) -> None:
    assert ran(admin, "cat", "/tmp/k.c", cell=IN_SHOP) == (Ran(code=0, received=13), b"int main(){}\n")
    assert ran(admin, "sh", "-c", "exit 3", cell=IN_SHOP) == (Ran(code=3, received=0), b"")
    done, _ = ran(admin, "cat", "/none", cell=IN_SHOP)
    assert (done.code, done.stderr) == (1, b"cat: /none: No such file or directory\n")


def test_an_argument_stays_one_argument_whatever_it_holds(admin: Exec) -> None:
    assert ran(admin, "cat", "--", "/tmp/-o x&command=id", cell=IN_SHOP)[1] == b"odd\n"


def test_a_program_that_the_image_lacks_is_no_program(admin: Exec) -> None:
    for program in ("gcc", "/opt/gcc"):
        with pytest.raises(NoProgram):
            ran(admin, program, cell=IN_SHOP)


def test_the_pod_is_read_as_the_collector(admin: Exec) -> None:
    assert admin.pod("shop", POD).name == POD


def test_a_refused_command_names_the_grant_and_neither_token_nor_body() -> None:
    with shop_with({}) as google, pytest.raises(Unanswered) as raised:
        ran(Exec(the_way(google), google.token), cell=IN_SHOP)
    assert (raised.value.why, "pods/exec" in raised.value.mend) == ("denied", True)
    assert "investigator" not in str(raised.value)


def test_a_pod_that_is_gone_is_not_found_and_a_wrong_token_denied(admin: Exec) -> None:
    gone = Cell(namespace="shop", pod="gone", container="app", uid=UID)
    with pytest.raises(Unanswered) as raised:
        ran(admin, cell=gone)
    assert raised.value.why == "not_found"
    with pytest.raises(Unanswered) as refused:
        ran(Exec(admin._address, lambda: "stale"), cell=IN_SHOP)
    assert (refused.value.why, "stale" in str(refused.value)) == ("denied", False)


# --- what the server may send -----------------------------------------------------------------------------------------


def test_sixty_mib_arrive_byte_for_byte_and_memory_stays_flat(tmp_path: Path) -> None:
    piece = random.Random(5).randbytes(MIB)  # noqa: S311 - a file's content
    expected, got = hashlib.sha256(piece * 60).hexdigest(), hashlib.sha256()

    async def script(opened: web.WebSocketResponse) -> None:
        for _ in range(60):
            for at in range(0, MIB, 32768):
                await opened.send_bytes(b"\x01" + piece[at : at + 32768])
        await opened.send_bytes(SUCCESS)

    with hostile(tmp_path, playing(script)) as served:
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            done = served.collector.run(CELL, ["cat", "/f"], sink=got.update, limit=64 * MIB, seconds=120)
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
    assert (done, got.hexdigest()) == (Ran(code=0, received=60 * MIB), expected)
    assert peak < 8 * MIB


def test_the_call_is_as_kubernetes_wants_it(tmp_path: Path) -> None:
    with hostile(tmp_path, sending(SUCCESS)) as served:
        ran(served.collector, "cat", "--", "/tmp/a b\udcff")
        (request,) = served.seen
    assert request.path == "/api/v1/namespaces/shop/pods/web/exec"
    assert "command=cat&command=--&command=%2Ftmp%2Fa%20b%FF" in request.raw_path
    assert {k: request.query[k] for k in ("container", "stdin", "stdout", "stderr", "tty")} == {
        "container": "app",
        "stdin": "false",
        "stdout": "true",
        "stderr": "true",
        "tty": "false",
    }
    assert request.headers["Sec-WebSocket-Protocol"] == "v5.channel.k8s.io,v4.channel.k8s.io"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(("limit", "expected"), [(5, (b"01234", "bytes", None)), (10, (b"0123456789", "", 0))])
def test_more_than_the_limit_is_cut_and_the_limit_itself_is_not(
    tmp_path: Path, limit: int, expected: tuple[bytes, str, int | None]
) -> None:
    with hostile(tmp_path, sending(b"\x01", b"\x010123", b"\x01456789", SUCCESS)) as served:
        done, out = ran(served.collector, limit=limit)
    assert (out, done.cut, done.code) == expected


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["fast", "dripping"])
def test_a_program_without_end_is_cut_at_its_seconds_and_no_thread_stays(tmp_path: Path, pause: float) -> None:
    async def script(opened: web.WebSocketResponse) -> None:
        while True:
            await opened.send_bytes(b"\x01" + b"y\n" * (1 if pause else 4096))
            await asyncio.sleep(pause)

    with hostile(tmp_path, playing(script)) as served:
        threads = threading.active_count()
        begun = time.monotonic()
        done = served.collector.run(CELL, ["yes"], sink=nothing, limit=1 << 40, seconds=0.6)
        assert 0.5 < time.monotonic() - begun < 3
        assert threading.active_count() == threads
    assert (done.code, done.cut, done.received > 0) == (None, "seconds", True)


def test_a_frame_that_drips_byte_by_byte_is_cut_at_its_seconds_too(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        opened = web.WebSocketResponse(protocols=("v5.channel.k8s.io",), timeout=0.1)
        await opened.prepare(request)
        for byte in b"\x82\x7e\xff\xff" + b"\x01" * 60:
            assert request.transport is not None
            request.transport.write(bytes([byte]))
            await asyncio.sleep(0.1)
        return opened

    with hostile(tmp_path, answer) as served:
        begun = time.monotonic()
        done, out = ran(served.collector, seconds=0.7)
    assert (done.cut, out, time.monotonic() - begun < 3) == ("seconds", b"", True)


def test_a_connection_that_is_lost_in_the_middle_is_a_cut_without_a_code(tmp_path: Path) -> None:
    with hostile(tmp_path, raw(b"\x82\x05\x01half\x82\x7e\x10\x00\x01more")) as served:
        done, out = ran(served.collector)
    assert (done, out) == (Ran(code=None, received=4, cut="connection"), b"half")


def test_an_orderly_end_without_a_status_is_a_cut_too(tmp_path: Path) -> None:
    with hostile(tmp_path, sending(b"\x01all?")) as served:
        assert ran(served.collector) == (Ran(code=None, received=4, cut="connection"), b"all?")


def test_a_frame_larger_than_a_mebibyte_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    with hostile(tmp_path, raw(b"\x82\x7f" + (1 << 40).to_bytes(8, "big") + b"\x01" * 1000)) as served:
        assert ran(served.collector) == (Ran(code=None, received=0, cut="connection"), b"")


def test_a_whole_frame_larger_than_a_mebibyte_reaches_no_sink(tmp_path: Path) -> None:
    with hostile(tmp_path, sending(b"\x01" + b"x" * 2 * MIB, SUCCESS)) as served:
        assert ran(served.collector, limit=4 * MIB) == (Ran(code=None, received=0, cut="connection"), b"")


def test_fragments_of_a_message_belong_to_its_channel_and_a_ping_between_is_answered(tmp_path: Path) -> None:
    frames = b"\x02\x03\x01ab\x89\x01p\x00\x02\x02c\x80\x01d\x82" + bytes([len(SUCCESS)]) + SUCCESS + b"\x88\x00"
    with hostile(tmp_path, raw(frames)) as served:
        assert ran(served.collector) == (Ran(code=0, received=5), b"ab\x02cd")


def test_unknown_channels_and_empty_messages_are_passed_over(tmp_path: Path) -> None:
    with hostile(tmp_path, sending(b"", b"\x09evil", b"\x00in", b"\xff\x01", b"\x01ok", b"\x04{}", SUCCESS)) as served:
        assert ran(served.collector) == (Ran(code=0, received=2), b"ok")


def test_stderr_is_kept_to_its_first_four_kib(tmp_path: Path) -> None:
    with hostile(tmp_path, sending(*[b"\x02" + b"e" * 3000] * 5, SUCCESS)) as served:
        done, _ = ran(served.collector)
    assert done == Ran(code=0, received=0, stderr=b"e" * 4096)


def test_output_that_the_status_overtook_is_not_lost(tmp_path: Path) -> None:
    with hostile(tmp_path, sending(b"\x01be", SUCCESS, b"\x01hind")) as served:
        assert ran(served.collector) == (Ran(code=0, received=6), b"behind")


@pytest.mark.parametrize(
    "status",
    [
        b"\x03garbage \xff\xfe",
        b"\x03[" + b"[" * 60_000,
        b"\x03" + b" " * 70_000 + SUCCESS[1:],
        b"\x03null",
        b'\x03{"status": "Success or not"}',
        status_of(reason="NonZeroExitCode", details={"causes": [{"reason": "ExitCode", "message": "-1e9"}]}),
        status_of(reason="NonZeroExitCode", details={"causes": [None, 3]}),
        status_of(reason="InternalError", message="task not found: unknown"),
        status_of(
            reason="InternalError",
            message='chdir to cwd ("/gone") set in config.json failed: no such file or directory',
        ),
    ],
    ids=["bytes", "deep", "long", "null", "word", "no number", "no causes", "other", "no directory"],
)
def test_a_status_that_says_no_exit_code_is_a_cut_and_never_a_success(tmp_path: Path, status: bytes) -> None:
    with hostile(tmp_path, sending(b"\x01x", status)) as served:
        done, _ = ran(served.collector)
    assert (done.code, done.cut, done.received) == (None, "connection", 1)


@pytest.mark.parametrize(
    "text",
    [
        'OCI runtime exec failed: exec: "tar": executable file not found in $PATH: unknown',
        'exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown',
        "executable file `tar` not found in $PATH: No such file or directory",
        'error finding executable "tar" in PATH [/bin]: no such file or directory',
    ],
)
def test_each_runtime_s_words_for_a_missing_program_are_no_program(tmp_path: Path, text: str) -> None:
    status = status_of(reason="InternalError", message=text)
    with hostile(tmp_path, sending(status)) as served, pytest.raises(NoProgram) as raised:
        ran(served.collector, "tar")
    assert str(raised.value) == "the container has no 'tar'"


def test_a_sink_that_fails_ends_the_command_with_its_own_exception(tmp_path: Path) -> None:
    left = threading.Event()

    async def script(opened: web.WebSocketResponse) -> None:
        try:
            while True:
                await opened.send_bytes(b"\x01" + b"y" * 4096)
                await asyncio.sleep(0)
        finally:
            left.set()

    def full(_: bytes) -> None:
        raise FullDiskError

    with hostile(tmp_path, playing(script)) as served:
        with pytest.raises(FullDiskError):
            served.collector.run(CELL, ["yes"], sink=full, limit=MIB, seconds=10)
        assert left.wait(5)


# --- where the token goes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_redirect_is_not_followed_and_nothing_reaches_its_target(tmp_path: Path, scheme: str, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        target = f"{scheme}://127.0.0.1:{elsewhere.getsockname()[1]}/"

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=code, headers={"Location": target})

        with hostile(tmp_path, answer) as served, pytest.raises(Unanswered) as raised:
            ran(served.collector, seconds=2)
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert (raised.value.why, len(served.seen)) == ("broken", 1)


def test_plain_http_is_refused_and_the_token_not_even_asked_for() -> None:
    asked: list[str] = []

    def token() -> str:
        asked.append("asked")
        return TOKEN

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = Address(url=f"http://127.0.0.1:{listening.getsockname()[1]}", ca_pem="")
        with pytest.raises(Unanswered) as raised:
            ran(Exec(address, token))
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert (raised.value.why, asked) == ("broken", [])


def test_a_server_that_another_ca_signed_sees_no_request(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with hostile(tmp_path, sending(SUCCESS)) as served, pytest.raises(Unanswered) as raised:
        ran(Exec(Address(url=served.address.url, ca_pem=other.pem), lambda: TOKEN))
    assert (raised.value.why, served.seen) == ("broken", [])


def test_neither_a_proxy_nor_a_ca_bundle_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy, hostile(tmp_path, sending(SUCCESS)) as served:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "wss_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(tmp_path / "nothing"))
        assert ran(served.collector)[0].code == 0
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize(
    ("code", "why"), [(401, "denied"), (403, "denied"), (404, "not_found"), (500, "unavailable"), (200, "broken")]
)
def test_a_refused_handshake_says_why_without_what_the_server_said(tmp_path: Path, code: int, why: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=f"you sent {TOKEN}")

    with hostile(tmp_path, answer) as served, pytest.raises(Unanswered) as raised:
        ran(served.collector)
    assert (raised.value.why, "pods/exec" in raised.value.mend) == (why, why == "denied")
    assert "canary" not in f"{raised.value} {raised.value.mend} {raised.value.__cause__}"


def test_a_handshake_without_end_is_neither_waited_for_nor_kept(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 101 Yes\r\n" + b"X: y\r\n" * 40_000)
        await asyncio.sleep(5)
        return web.Response()

    with hostile(tmp_path, answer) as served, pytest.raises(Unanswered) as raised:
        ran(served.collector)
    assert raised.value.why == "broken"


def test_a_server_that_never_answers_is_a_timeout_within_the_seconds(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    begun = time.monotonic()
    with hostile(tmp_path, answer) as served, pytest.raises(Unanswered) as raised:
        ran(served.collector, seconds=0.5)
    assert (raised.value.why, time.monotonic() - begun < 5) == ("timeout", True)


def test_a_port_that_refuses_is_unavailable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(Unanswered) as raised:
            ran(Exec(Address(url=f"https://127.0.0.1:{held.getsockname()[1]}", ca_pem=""), lambda: TOKEN))
    assert raised.value.why == "unavailable"


@pytest.mark.parametrize(
    ("cell", "argv"),
    [
        (Cell(namespace="..", pod="web", container="app", uid=UID), ["id"]),
        (Cell(namespace="shop", pod="", container="app", uid=UID), ["id"]),
        (Cell(namespace="shop", pod="web", container="app&stdin=1", uid=UID), ["id"]),
        (CELL, []),
        (CELL, [""]),
        (CELL, ["cat", "a\0b"]),
        (CELL, ["cat", "\ud800"]),
    ],
)
def test_what_may_not_be_asked_for_is_refused_before_anything_is_sent(
    tmp_path: Path, cell: Cell, argv: list[str]
) -> None:
    with hostile(tmp_path, sending(SUCCESS)) as served, pytest.raises(Unanswered) as raised:
        served.collector.run(cell, argv, sink=nothing, limit=1, seconds=5)
    assert (raised.value.why, served.seen) == ("invalid", [])
