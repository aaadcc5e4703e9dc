"""A bucket on loopback: as much of Cloud Storage's JSON API as resumable uploads, ranged reads and lists need."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c


class Bucket(ThreadingHTTPServer):
    """`objects` is what it holds, `largest` the longest body of one request, `paths` what was asked for.

    `fault` is answered to all where set. `flips`: a bit of what arrives is lost on the way.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str, bytearray]] = {}
        self.largest, self.fault, self.page, self.flips = 0, 0, 2, False
        self.paths: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def bucket() -> Iterator[Bucket]:
    """A bucket that answers until the end of the block."""
    with Bucket() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_POST(self) -> None:
        """Begins an upload."""
        body, query = self._asked()
        if self.server.fault:
            return self._answer(self.server.fault)
        name = query.get("name") or json.loads(body)["name"]
        if query.get("ifGenerationMatch") != "0":
            return self._answer(400)
        if name in self.server.objects:
            return self._answer(412)
        upload = str(len(self.server.uploads))
        self.server.uploads[upload] = (name, bytearray())
        return self._answer(200, Location=f"{self.server.url}/upload/{upload}")

    def do_PUT(self) -> None:
        """Takes a piece; with the last one, whose range has a total, the object is there."""
        body, _ = self._asked()
        name, data = self.server.uploads[self.path.rpartition("/")[2]]
        if self.server.fault:
            return self._answer(self.server.fault)
        data += bytes([body[0] ^ 1]) + body[1:] if self.server.flips else body
        total = self.headers["Content-Range"].rpartition("/")[2]
        if total == "*":
            return self._answer(308, Range=f"bytes=0-{len(data) - 1}")
        if name in self.server.objects:  # somebody was faster: the condition holds at the end too
            return self._answer(412)
        self.server.objects[name] = bytes(data)
        value: int = google_crc32c.value(bytes(data))
        checksum = base64.b64encode(value.to_bytes(4, "big")).decode()
        return self._answer(200, json.dumps({"name": name, "size": total, "crc32c": checksum}).encode())

    def do_DELETE(self) -> None:
        """Drops an upload."""
        self._asked()
        del self.server.uploads[self.path.rpartition("/")[2]]
        self._answer(499)

    def do_GET(self) -> None:
        """A range of an object, or a page of names."""
        _, query = self._asked()
        if self.server.fault:
            return self._answer(self.server.fault, b'{"error": {"message": "a token: ya29.secret"}}')
        path = urlsplit(self.path).path
        if not path.startswith("/download/"):
            return self._answer(200, json.dumps(self._listed(query)).encode())
        data = self.server.objects.get(unquote(path.rpartition("/o/")[2]))
        if data is None:
            return self._answer(404)
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        piece = data[int(first) : int(last) + 1]
        if not piece:
            return self._answer(416)
        return self._answer(206, piece, **{"Content-Range": f"bytes {first}-{int(first) + len(piece) - 1}/{len(data)}"})

    def _listed(self, query: dict[str, str]) -> dict[str, object]:
        names = sorted((n for n in self.server.objects if n.startswith(query.get("prefix", ""))), reverse=True)
        start = int(query.get("pageToken", 0))
        more = {"nextPageToken": str(start + self.server.page)} if start + self.server.page < len(names) else {}
        return {"items": [{"name": name} for name in names[start : start + self.server.page]], **more}

    def _asked(self) -> tuple[bytes, dict[str, str]]:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.paths.add(urlsplit(self.path).path)
        self.server.largest = max(self.server.largest, len(body))
        return body, {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
