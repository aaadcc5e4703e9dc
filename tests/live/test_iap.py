"""The proxy's public keys, read from a server on loopback as from Google."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from responder.errors import Unanswered
from responder.live import iap


class Server:
    """Answers with what it is told to; `asked` counts the requests."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, json.dumps({"k1": "PEM", "odd": 7}), 0
        server = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                self.send_response(server.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(server.body.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}/public_key"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


def test_the_keys_are_read_once_and_asked_again_only_after_their_time(server: Server) -> None:
    seconds = [1000.0]
    keys = iap.GoogleKeys(server.address, monotonic=lambda: seconds[0])
    for fresh in (False, False, True):
        assert keys(fresh=fresh) == {"k1": "PEM"}
    assert server.asked == 1  # unknown keys, made up by whoever likes, are no way to have Google asked all the time
    seconds[0] += 61
    keys(fresh=False)
    assert server.asked == 1
    keys(fresh=True)
    assert server.asked == 2
    seconds[0] += 3601
    keys(fresh=False)
    assert server.asked == 3


@pytest.mark.parametrize(("status", "body"), [(500, "{}"), (302, "{}"), (200, "<html>"), (200, "[]")])
def test_keys_that_cannot_be_read_are_an_answer_that_is_missing_and_are_asked_for_again(
    server: Server, status: int, body: str
) -> None:
    keys = iap.GoogleKeys(server.address)
    good, server.status, server.body = server.body, status, body
    with pytest.raises(Unanswered):
        keys(fresh=False)
    server.status, server.body = 200, good
    assert keys(fresh=False) == {"k1": "PEM"}


def test_nobody_can_be_the_audience_of_another_kind() -> None:
    with pytest.raises(ValueError, match="/projects/"):
        iap.Iap("https://review.example", iap.GoogleKeys())
