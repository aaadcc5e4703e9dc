"""Hostile streams without end against the taking: `python -m tests.capture.fuzz --seconds 300 --seed 1`.

Each turn makes a tar as a hostile container might: real members and lies, in several formats, then cut, spliced and
flipped; or base64, or plain bytes. It is sent in pieces of odd sizes as the answer to every command, and the whole of
the taking runs on it. What must hold is in `checked`. One JSON object with the figures is printed at the end; the first
turn that breaks a rule ends the run, and its number with the seed makes it again.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import random
import sys
import tarfile
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from responder.capture import elf
from responder.capture.sealing import Sealed, unsealed
from responder.capture.taking import Caps, Means, Taken, take
from responder.capture.wanted import Want
from responder.errors import NoProgram
from responder.evidence import Pod
from responder.ports import Cell, Ran
from responder.stores.evidence_folder import FolderEvidence
from tests.capture.containers import CELL, NOW, Kept, pod

CAPS: Final = Caps(file=200_000, total=500_000, files=12)
STORED_EVERY: Final = 25
"""Every so often the real store and the sealing are used: a disk's syncs take most of a turn."""
MOST_MEMORY: Final = 32 * 1024 * 1024

CUTS: Final[tuple[Literal["", "connection", "seconds"], ...]] = ("", "", "", "connection", "seconds")

_PATHS: Final = ("/tmp/a", "/tmp/b", "/srv/out", "/usr/bin/gcc", "/tmp/ü")
_NAMES: Final = (
    *("tmp/a", "/tmp/a", "tmp//b", "./tmp/b", "tmp/../tmp/a", "srv/out", "srv/out/x", "srv/out/../../etc/x"),
    *("usr/bin/gcc", "../" * 9 + "etc/passwd", "/etc/cron.d/x", "", "/", "tmp/ü", "x" * 300, "tmp/a\n\x1b[2J\u202e"),
)
_KINDS: Final = (
    *(tarfile.REGTYPE,) * 12, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE,
    tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"V", b"Z",
)  # fmt: skip
_SIZES: Final = (0, 1, 511, 512, 513, 4096, 70_000, 300_000)
_LIES: Final = (-1, 0, 1, 511, 1 << 33, 1 << 62)
_HEAD: Final = Path("/bin/true").read_bytes()[:20_000] if Path("/bin/true").exists() else b"\x7fELF"


class Hostile:
    """`ports.Collector` of a container whose programs answer everything with one stream."""

    def __init__(self, random_: random.Random, stream: bytes, lacks: Sequence[str]) -> None:
        self.random, self.stream, self.lacks = random_, stream, lacks
        self.sent = 0

    def pod(self, namespace: str, name: str) -> Pod:
        assert (namespace, name) == ("shop", "web-0")
        return pod()

    def run(
        self, cell: Cell, argv: Sequence[str], *, sink: Callable[[bytes], object], limit: int, seconds: float
    ) -> Ran:
        assert (cell, seconds > 0) == (CELL, True)
        if argv[0] in self.lacks:
            raise NoProgram(argv[0])
        at = 0
        piece = self.random.choice((1 << 20, 32767, 513, 97))
        while at < min(len(self.stream), limit):
            data = self.stream[at : min(at + piece, limit)]
            at += len(data)
            self.sent += len(data)
            sink(data)
        if len(self.stream) > limit:
            return Ran(code=None, received=at, cut="bytes")
        cut = self.random.choice(CUTS)
        stderr = self.random.choice((b"", b"tar: /tmp/a: file changed as we read it\n", self.random.randbytes(99)))
        return Ran(code=None if cut else self.random.choice((0, 0, 1, 2, None)), received=at, stderr=stderr, cut=cut)


# --- streams ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stream:
    """What is sent. `members` are the names and bytes of all files of a tar that is neither a lie nor broken."""

    data: bytes
    members: tuple[tuple[str, bytes], ...] | None = None


def stream_of(rand: random.Random) -> Stream:
    """A stream as a hostile container might send it."""
    kind = rand.random()
    if kind < 0.05:
        return Stream(rand.randbytes(rand.choice(_SIZES)))
    if kind < 0.15:
        text = base64.encodebytes(body(rand))
        return Stream(mangled(rand, text) if rand.random() < 0.5 else text)
    lies = rand.random() < 0.6
    made = [member(rand, lies=lies) for _ in range(rand.randrange(1, 9))]
    whole = b"".join(data for data, _ in made)
    whole += rand.choice((b"", bytes(512), bytes(1024), bytes(10240), bytes(1_100_000)))
    if lies:
        return Stream(mangled(rand, whole) if rand.random() < 0.8 else whole)
    return Stream(whole, tuple(told for _, told in made if told))


def member(rand: random.Random, *, lies: bool) -> tuple[bytes, tuple[str, bytes] | None]:
    """A header, with what comes before and after it, its checksum right; and the file's name and bytes where it is one.

    Where it `lies`, its size or its PAX records may be others than the truth.
    """
    info = tarfile.TarInfo(rand.choice(_NAMES))
    info.type = rand.choice(_KINDS)
    data = body(rand) if info.type in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE} else b""
    info.size = len(data)
    info.linkname = rand.choice(("", "/etc/shadow", "../../x", "tmp/a"))
    if lies and rand.random() < 0.3:
        keys = ("path", "linkpath", "size", "GNU.sparse.major", "GNU.sparse.name", "comment")
        info.pax_headers = {rand.choice(keys): rand.choice((*_NAMES, "7", "-1", "9" * 30))}
    if lies and rand.random() < 0.3:
        info.size = max(0, rand.choice(_LIES) if rand.random() < 0.5 else len(data) + rand.choice(_LIES[:4]))
    form: Literal[0, 1, 2] = rand.choice((0, 1, 2))  # ustar, GNU, PAX
    try:
        header = info.tobuf(form, errors="surrogateescape")
    except ValueError:  # a name or a number that this format cannot have
        header = info.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")
    is_file = info.type in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
    return header + data + bytes(-len(data) % 512), (info.name, data) if is_file else None


def body(rand: random.Random) -> bytes:
    size = rand.choice(_SIZES)
    head = rand.choice((b"", b"", _HEAD, b"\x7fELF", b"#!/bin/sh\n"))
    return (head + rand.randbytes(size))[:size]


def mangled(rand: random.Random, data: bytes) -> bytes:
    """Flipped, cut, spliced, doubled; headers' fields written anew, with a right checksum or without."""
    made = bytearray(data)
    for _ in range(rand.randrange(1, 6)):
        at = rand.randrange(len(made) + 1)
        change = rand.randrange(6)
        if change == 0 and made:
            made[at % len(made)] ^= 1 << rand.randrange(8)
        elif change == 1:
            del made[at:]
        elif change == 2:
            made[at:at] = rand.randbytes(rand.choice((1, 511, 512)))
        elif change == 3:
            del made[at : at + rand.choice((1, 512, 4096))]
        elif change == 4:
            made += made[at : at + 4096]
        elif len(made) >= 512:
            start = at // 512 * 512 % (len(made) // 512 * 512)
            rewritten(rand, made, start)
    return bytes(made)


def rewritten(rand: random.Random, made: bytearray, start: int) -> None:
    """One field of the block at `start`, and its checksum."""
    first, last = rand.choice(((0, 100), (124, 136), (156, 157), (157, 257), (257, 265), (345, 500)))
    made[start + first : start + last] = rand.choice((rand.randbytes, bytes))(last - first)
    if rand.random() < 0.8:
        made[start + 148 : start + 156] = b" " * 8
        made[start + 148 : start + 156] = b"%06o\0 " % sum(made[start : start + 512])


# --- what must hold ---------------------------------------------------------------------------------------------------


def checked(told: Taken, wants: Sequence[Want], files: dict[str, bytes], stream: Stream) -> None:
    """Each want has an answer; what is kept is what was sent for its path, under the caps, and each file once."""
    kept = [one for one in told.artifacts if one.status == "captured"]
    assert sorted(one.stored for one in kept) == sorted(files)
    assert len(kept) <= CAPS.files
    assert sum(one.size for one in kept) <= CAPS.total
    plain = base64_of(stream.data)
    wanted_paths = {want.path for want in wants}
    for one in kept:
        data = files[one.stored]
        assert (one.sha256, one.size) == (hashlib.sha256(data).hexdigest(), len(data))
        assert len(data) <= CAPS.file
        assert data in stream.data or (one.tool == "base64" and plain.startswith(data))
        parts = parts_of(one.path)
        assert one.path in wanted_paths or (parts[:2] == ["srv", "out"] and ".." not in parts)
        assert one.path.isprintable()
        if one.tool == "tar" and stream.members is not None:
            sent = [data for name, data in stream.members if parts_of(name) == parts]
            assert any(whole == data or (one.truncated and whole.startswith(data)) for whole in sent)
        assert all(note.isprintable() and len(note) < 3000 for note in one.notes)
    singles = [want.path for want in wants if not want.is_directory]
    answers = Counter(one.path for one in told.artifacts if one.path in singles)
    assert all(answers[path] >= 1 for path in singles)
    assert all(one.reason for one in told.artifacts if one.status != "captured")


def parts_of(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def base64_of(stream: bytes) -> bytes:
    """What its longest beginning that is base64 says."""
    text = stream.translate(None, b" \t\r\n")
    fits, breaks = 0, len(text) // 4 + 1
    while breaks - fits > 1:
        middle = (fits + breaks) // 2
        fits, breaks = (middle, breaks) if is_base64(text[: 4 * middle]) else (fits, middle)
    return base64.b64decode(text[: 4 * fits])


def is_base64(text: bytes) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def turns(seed: int) -> Iterator[tuple[int, random.Random]]:
    number = 0
    while True:
        yield number, random.Random(f"{seed}/{number}")  # noqa: S311 - a test's choices
        number += 1


def one_turn(rand: random.Random, root: Path | None) -> tuple[Taken, int, int]:
    """One taking on one stream, the bytes that were sent, and those that were held at most; the rules are checked."""
    paths = rand.sample(_PATHS, rand.randrange(1, len(_PATHS) + 1))
    wants = [
        Want(path=path, named=path, role="product", resolved_by="absolute", pid=None, why="",
             is_directory=path == "/srv/out")
        for path in paths
    ]  # fmt: skip
    stream = stream_of(rand)
    lacks = rand.choice(((), (), (), ("tar",), ("tar", "cat"), ("tar", "cat", "dd")))
    files: dict[str, bytes] = {}
    box = Hostile(rand, stream.data, lacks)
    store = FolderEvidence(root) if root else None
    means = Means(
        collector=box,
        cell=CELL,
        new=lambda n: Sealed(store.new(f"REC/{n}.zip"), n) if store else Kept(files, n),
        now=lambda: NOW,
        monotonic=lambda: 0.0,
        facts=elf.facts,
    )
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    told = take(means, wants, caps=CAPS)
    peak = tracemalloc.get_traced_memory()[1] - before
    if store and root:
        files = {one.stored: opened(store, one.stored, one.size) for one in told.artifacts if one.stored}
        made = {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}
        copies = {f"sha256/{h[:2]}/{h}.zip" for one in told.artifacts if (h := one.stored_sha256)}
        assert made == set(files) | copies
    checked(told, wants, files, stream)
    return told, box.sent, peak


def opened(store: FolderEvidence, place: str, size: int) -> bytes:
    return b"".join(unsealed(io.BytesIO(b"".join(store.open(place))), limit=size))


def main() -> int:
    """0 where every turn kept the rules."""
    parser = argparse.ArgumentParser(prog="python -m tests.capture.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the turn to begin with")
    given = parser.parse_args()
    ends = time.monotonic() + given.seconds
    came: Counter[str] = Counter()
    sent = done = peak = 0
    tracemalloc.start()
    for number, rand in turns(given.seed):
        if number < given.first:
            continue
        if time.monotonic() > ends:
            break
        try:
            with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
                told, more, held = one_turn(rand, Path(folder) if number % STORED_EVERY == 0 else None)
        except Exception:
            sys.stderr.write(f"turn {number} of seed {given.seed}\n")
            raise
        came.update(one.status for one in told.artifacts)
        came["cut"] += sum(one.truncated for one in told.artifacts)
        sent, done, peak = sent + more, done + 1, max(peak, held)
        assert peak < MOST_MEMORY
    figures = {"turns": done, "mib_sent": round(sent / 2**20), **came, "peak_mib": round(peak / 2**20, 1)}
    sys.stdout.write(json.dumps({"seed": given.seed, **figures}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
