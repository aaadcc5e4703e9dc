"""What waits on the belt is bounded, what fails there is told, and nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from responder.capture.arrival import Arrival
from responder.capture.belt import FILES, PIECE, PIECES, Belt
from responder.capture.taking import take
from responder.errors import StoreError
from responder.ports import Stored
from tests.capture.containers import Box, Kept, Said
from tests.capture.test_taking import archive, means, want


class Slow(Kept):
    """A store whose writes wait for a word."""

    def __init__(self, files: dict[str, bytes], name: str, word: threading.Event) -> None:
        super().__init__(files, name)
        self.word = word

    def write(self, data: bytes) -> None:
        assert self.word.wait(20)
        super().write(data)


def test_a_store_that_is_slow_holds_up_whoever_receives() -> None:
    files: dict[str, bytes] = {}
    word, handed = threading.Event(), []
    with Belt() as belt:
        arrival = Arrival(belt, lambda: Slow(files, "0001", word), 1 << 40)

        def receive() -> None:
            for n in range(PIECES + 4):
                arrival.write(bytes([n]) * PIECE)
                handed.append(n)

        receiver = threading.Thread(target=receive)
        receiver.start()
        receiver.join(0.3)
        held_up_after = len(handed)
        word.set()
        receiver.join(20)
        arrived = arrival.commit(None).result().result()
    assert held_up_after == PIECES
    assert (arrived.size, files["0001"][::PIECE]) == ((PIECES + 4) * PIECE, bytes(range(PIECES + 4)))


def test_no_more_files_are_open_than_the_bound() -> None:
    files: dict[str, bytes] = {}
    word, opened = threading.Event(), []

    class Ending(Kept):
        def commit(self) -> Stored:
            assert word.wait(20)
            return super().commit()

    with Belt() as belt:

        def receive() -> None:
            for n in range(FILES + 2):
                arrival = Arrival(belt, partial(Ending, files, str(n)), 9)
                opened.append(n)
                arrival.commit(None)

        receiver = threading.Thread(target=receive)
        receiver.start()
        receiver.join(0.3)
        held_up_after = len(opened)
        word.set()
        receiver.join(20)
    assert (held_up_after, len(files)) == (FILES, FILES + 2)


class Full(Kept):
    """A store that fails after its first bytes."""

    aborted = 0

    def write(self, data: bytes) -> None:
        super().write(data)
        raise StoreError("the disk is full")

    def abort(self) -> None:
        type(self).aborted += 1
        super().abort()


class Many(Sequence[bytes]):
    """A tar of one file that never ends; `sent` counts its pieces."""

    def __init__(self, header: bytes) -> None:
        self.header, self.sent = header, 0

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, at: object) -> bytes:  # type: ignore[override] # no slices are asked for
        self.sent += 1
        return self.header if at == 0 else bytes(64 * 1024)


def test_a_store_that_fails_ends_the_command_soon_and_keeps_nothing() -> None:
    stream = Many(archive(("t/a", bytes(1 << 25)))[:512])
    files: dict[str, bytes] = {}
    Full.aborted = 0
    base = replace(means(Said({"tar": stream}), files), new=lambda name: Full(files, name))
    with pytest.raises(StoreError, match="full"):
        take(base, [want("/t/a"), want("/t/b")])
    assert (files, Full.aborted) == ({}, 1)
    assert stream.sent < 100


def test_a_store_that_fails_at_the_end_of_a_file_keeps_those_before_it_and_leaves_no_thread() -> None:
    class Refuses(Kept):
        def commit(self) -> Stored:
            if self.name == "0002":
                raise StoreError("0002 is taken by other bytes")
            return super().commit()

    files: dict[str, bytes] = {}
    box: Box = Said({"tar": [archive(("t/a", b"a"), ("t/b", b"b"))]})
    base = replace(means(box, files), new=lambda name: Refuses(files, name))
    before = threading.active_count()
    with pytest.raises(StoreError, match="other bytes"):
        take(base, [want("/t/a"), want("/t/b")])
    assert files == {"0001": b"a"}
    assert threading.active_count() == before
