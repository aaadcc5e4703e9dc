"""Step 7, the lab's side: the way to the lab for a program that knows Google's address alone. Serves on loopback.

gcloud has a setting that points a service elsewhere, but none for Essential Contacts. It takes a proxy, and a file of
CAs; so this is a proxy that ends the TLS itself, and hands what it reads to the lab's REST port. It connects nowhere
else: another host is refused.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from lab.tls import Authority

HOSTS: Final = ("essentialcontacts.googleapis.com",)
_SECONDS: Final = 60.0
_LINE: Final = 8192


class _Lines(Protocol):
    def readline(self, size: int = ..., /) -> bytes: ...


@contextlib.contextmanager
def proxy(rest: str, folder: Path) -> Iterator[dict[str, str]]:
    """Serve while the block runs; the environment that has gcloud go through it. `rest` is the lab's REST address."""
    home = folder / "proxy"
    home.mkdir(exist_ok=True)
    authority = Authority(home)
    context = authority.server(list(HOSTS))
    told = urlsplit(rest)
    lab = (str(told.hostname), int(told.port or 80))

    class Tunnel(socketserver.StreamRequestHandler):
        """One `CONNECT host:443`, and the one request inside."""

        timeout = _SECONDS

        def handle(self) -> None:
            """Refuse, or pass the request on."""
            line, *_ = _head(self.rfile)
            method, _, target = line.decode("ascii", "replace").partition(" ")
            if method != "CONNECT" or target.partition(":")[0] not in HOSTS:
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with contextlib.suppress(OSError), context.wrap_socket(self.connection, server_side=True) as inside:
                _pass_on(inside, lab)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield {
                "CLOUDSDK_PROXY_TYPE": "http",
                "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
                "CLOUDSDK_PROXY_PORT": str(server.server_address[1]),
                "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": str(authority.file),
            }
        finally:
            server.shutdown()


def _head(source: _Lines) -> list[bytes]:
    """The lines of a request before its body; one at least."""
    lines = [source.readline(_LINE)]
    while (line := source.readline(_LINE)).strip():
        lines.append(line)
    return lines


def _pass_on(inside: ssl.SSLSocket, lab: tuple[str, int]) -> None:
    """One GET to the lab, and its answer back; the connection ends with it."""
    with socket.create_connection(lab, timeout=_SECONDS) as outside, inside.makefile("rb") as asked:
        kept = [line for line in _head(asked) if not line.lower().startswith((b"connection:", b"keep-alive:"))]
        outside.sendall(b"".join([*kept, b"Connection: close\r\n\r\n"]))
        while part := outside.recv(65536):
            inside.sendall(part)
