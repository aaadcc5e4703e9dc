"""The taking, whole: the product's own exec, a lab with real programs in a throw-away root, and a sealing store.

What a hostile container sends reaches nothing but the store's own files, and what was taken is what lay there.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab import exec_real, rbac
from lab.exec_files import content
from responder.capture.elf import facts
from responder.capture.sealing import Sealed, unsealed
from responder.capture.taking import UNPROVEN, Caps, Means, Taken, take
from responder.capture.tools import NONE
from responder.live.exec import Exec
from responder.ports import Cell
from responder.stores.evidence_folder import FolderEvidence
from tests.capture.test_taking import want
from tests.lab.test_exec_real import pods, web

pytestmark = pytest.mark.skipif(not exec_real.is_allowed(), reason="user namespaces are not allowed on this machine")

MIB = 1024 * 1024
ALL = ("sh", "tar", "cat", "dd", "base64", "ls", "yes", "true", "head", "sleep")


@dataclass(frozen=True, slots=True)
class Came:
    """What was taken, and the bytes that were unsealed again, by their path in the container."""

    told: Taken
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def statuses(self) -> list[str]:
        return [one.status for one in self.told.artifacts]

    @property
    def reasons(self) -> list[str]:
        return [one.reason for one in self.told.artifacts]


def captured(
    collector: Exec, folder: Path, *paths: str, caps: Caps | None = None, pod: str = "web", container: str = "app"
) -> Came:
    """Take the paths into a store below `folder`, and open what it holds."""
    store = FolderEvidence(folder / "evidence")
    cell = Cell(namespace="shop", pod=pod, container=container, uid=collector.pod("shop", pod).uid)
    means = Means(
        collector=collector,
        cell=cell,
        new=lambda n: Sealed(store.new(f"REC/{n}.zip"), n),
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        facts=facts,
    )
    told = take(means, [want(path) for path in paths], caps=caps)
    kept = [one for one in told.artifacts if one.status == "captured"]
    assert store.names("REC") == tuple(sorted(one.stored for one in kept))
    files = {}
    for one in kept:
        zipped = b"".join(store.open(one.stored))
        assert hashlib.sha256(zipped).hexdigest() == one.stored_sha256
        files[one.path] = b"".join(unsealed(io.BytesIO(zipped), limit=one.size))
        assert (hashlib.sha256(files[one.path]).hexdigest(), len(files[one.path])) == (one.sha256, one.size)
    return Came(told, files)


def lacking(*programs: str) -> list[str]:
    return [name for name in ALL if name not in programs]


# --- whatever the image has -------------------------------------------------------------------------------------------


def test_sixty_mib_arrive_byte_for_byte_by_the_caps_that_act_uses_in_less_than_thirty_two(tmp_path: Path) -> None:
    store = FolderEvidence(tmp_path)
    with web(files={"/tmp/big": f"random:{60 * MIB}"}) as (_, app):
        cell = Cell(namespace="shop", pod="web", container="app", uid=app.pod("shop", "web").uid)
        app.run(cell, ["true"], sink=lambda _: None, limit=1, seconds=60)  # the root is made; what filled it is gone
        means = Means(
            collector=app, cell=cell, new=lambda n: Sealed(store.new(f"REC/{n}.zip"), n),
            now=lambda: datetime.now(UTC), monotonic=time.monotonic, facts=facts,
        )  # fmt: skip
        tracemalloc.start()
        try:
            told = take(means, [want("/tmp/big")])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    (one,) = told.artifacts
    expected = hashlib.sha256(content(f"random:{60 * MIB}")).hexdigest()
    assert (one.status, one.truncated, one.size, one.sha256, one.notes) == ("captured", False, 60 * MIB, expected, ())
    with (tmp_path / one.stored).open("rb") as zipped:
        got = hashlib.sha256()
        for piece in unsealed(zipped, limit=60 * MIB):
            got.update(piece)
    assert got.hexdigest() == expected
    assert peak < 32 * MIB


@pytest.mark.parametrize(
    ("lacks", "tool"), [((), "tar"), (("tar",), "cat"), (("tar", "cat"), "dd"), (("tar", "cat", "dd"), "base64")]
)
def test_whatever_program_the_image_has_brings_the_files(tmp_path: Path, lacks: tuple[str, ...], tool: str) -> None:
    files = {"/tmp/k": "random:300001", "/tmp/a \u202e'\"$(id)": "text\n", "/tmp/-rf": "", "/tmp/line\nfeed": "x"}
    with web(files=files, programs=lacking(*lacks)) as (_, app):
        came = captured(app, tmp_path, *files)
    assert came.files == {path: content(text) for path, text in files.items()}
    assert came.told.tools == (tool,)
    assert {one.notes for one in came.told.artifacts} == {()}


@pytest.mark.parametrize("image", [{"shell": False}, {"programs": ["sh", "true"]}], ids=["distroless", "no tool"])
def test_an_image_without_programs_is_impossible_and_says_so(tmp_path: Path, image: dict[str, Any]) -> None:
    with web(files={"/tmp/k": "x", "/tmp/l": "y"}, **image) as (_, app):
        came = captured(app, tmp_path, "/tmp/k", "/tmp/l")
    assert (came.told.impossible, came.files, came.told.tools) == (NONE, {}, ())
    assert set(came.reasons) == {NONE}


def test_of_three_containers_only_that_of_the_finding_is_entered(tmp_path: Path) -> None:
    three = [{"name": n, "real_root": True, "files": {"/who": n, f"/{n}": n}} for n in ("one", "two", "three")]
    with pods({"name": "web", "containers": three}) as (running, app):
        came = captured(app, tmp_path, "/who", "/two", "/one", container="two")
        entered = {call["container"] for call in running.lab.calls("cluster.exec")}
    assert came.files == {"/who": b"two", "/two": b"two"}
    assert came.statuses == ["captured", "captured", "failed"]
    assert entered == {"two"}


# --- what happens meanwhile -------------------------------------------------------------------------------------------

TWELVE = {f"/tmp/{n}": f"random:{20_000 + n}" for n in range(12)}


def test_a_container_that_is_restarted_meanwhile_ends_it_and_marks_what_is_unproven(tmp_path: Path) -> None:
    # The first command finds that there is no tar, and a file takes two: the 15th is the seventh file's, and the look
    # comes after the tenth file.
    with web(files=TWELVE, programs=lacking("tar"), exec={"restart_after": 15}) as (_, app):
        came = captured(app, tmp_path, *TWELVE)
    assert came.statuses == ["captured"] * 10 + ["left_out"] * 2
    assert [UNPROVEN in one.notes for one in came.told.artifacts] == [False] * 5 + [True] * 5 + [False] * 2
    assert set(came.reasons[10:]) == {"the container was restarted meanwhile"}


@pytest.mark.parametrize(("pod", "reason"), [("web", "the pod is gone"), ("db-0", "replaced under the same name")])
def test_a_pod_that_goes_half_way_ends_it_and_what_came_is_marked(tmp_path: Path, pod: str, reason: str) -> None:
    container = {"name": "app", "real_root": True, "files": TWELVE, "exec": {"remove_after": 7}}
    bare = {"name": "web", "containers": [container | {"programs": lacking("tar")}]}
    owned = {"name": "db-0", "owner": "StatefulSet/db", "containers": [container | {"programs": lacking("tar")}]}
    with pods(bare, owned) as (_, app):
        before = app.pod("shop", pod).uid
        came = captured(app, tmp_path, *TWELVE, pod=pod)
        if pod == "db-0":
            assert app.pod("shop", pod).uid != before
    taken = came.statuses.count("captured")
    assert taken in range(3, 6)
    assert all(UNPROVEN in one.notes for one in came.told.artifacts[:taken])
    assert all(came.files[f"/tmp/{n}"] == content(TWELVE[f"/tmp/{n}"]) for n in range(taken))
    assert {one.status for one in came.told.artifacts[taken:]} <= {"failed", "left_out"}
    assert all(reason in text for text in came.reasons[taken:])
    assert len(came.told.artifacts) == 12


@pytest.mark.parametrize("lacks", [(), ("tar",)], ids=["tar", "cat"])
def test_a_connection_that_is_cut_in_the_middle_gives_a_part_that_is_marked(
    tmp_path: Path, lacks: tuple[str, ...]
) -> None:
    files = {"/tmp/a": "random:50000", "/tmp/b": "random:300000", "/tmp/c": "random:60000"}
    with web(files=files, programs=lacking(*lacks), exec={"cut_after_bytes": 150_000}) as (_, app):
        came = captured(app, tmp_path, *files)
    a, b, c = came.told.artifacts
    assert [one.truncated for one in (a, b, c)] == [False, True, False]
    assert came.files["/tmp/b"] == content(files["/tmp/b"])[: b.size]
    assert 0 < b.size <= 150_000
    assert "the connection was cut in the middle" in b.notes
    assert (came.files["/tmp/a"], came.files["/tmp/c"]) == (content(files["/tmp/a"]), content(files["/tmp/c"]))


def test_exec_that_is_denied_leaves_nothing_and_names_the_right(tmp_path: Path) -> None:
    with web(files=TWELVE) as (running, app):
        other = Exec(app._address, lambda: rbac.REMEDIATOR_TOKEN)
        came = captured(other, tmp_path, *TWELVE)
        ran = running.lab.calls("cluster.exec")
    assert came.told.impossible.startswith("the API server refused: denied: ")
    assert (came.files, ran) == ({}, [])
    assert came.statuses == ["failed"] + ["left_out"] * 11


# --- programs of the attacker's ---------------------------------------------------------------------------------------


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", *, size: int = -1, **more: Any) -> bytes:
    """A header with its body; `size` is what it promises."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data) if size < 0 else size
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.PAX_FORMAT) + data + bytes(-len(data) % 512)


END = bytes(1024)
GOOD = member("tmp/k", data=b"good")
LIES: dict[str, Callable[[str], bytes]] = {
    "a link": lambda _: member("tmp/k", tarfile.SYMTYPE, linkname="/etc/shadow"),
    "a hard link": lambda _: member("tmp/k", tarfile.LNKTYPE, linkname="../../etc/shadow"),
    "a link, then a file through it": lambda at: member("tmp", tarfile.SYMTYPE, linkname=at) + GOOD,
    "absolute": lambda at: member(f"{at}/made", data=b"evil"),
    "upwards": lambda at: member("../" * 30 + f"{at}/made", data=b"evil"),
    "renamed by PAX": lambda at: member("tmp/k", data=b"evil", pax_headers={"path": f"{at}/made"}),
    "sparse": lambda _: member("tmp/k", tarfile.GNUTYPE_SPARSE, data=b"evil"),
    "sparse by PAX": lambda _: member("tmp/k", data=b"4\n0\n", pax_headers={"GNU.sparse.major": "1"}),
    "a device": lambda _: member("tmp/k", tarfile.CHRTYPE, devmajor=1, devminor=5),
    "a pipe": lambda _: member("tmp/k", tarfile.FIFOTYPE),
    "seven terabytes": lambda _: member("tmp/k", data=b"short", size=7 << 40),
    "a PAX size": lambda _: member("tmp/k", data=b"short", pax_headers={"size": "9" * 18}),
    "text": lambda _: b"tar: I would rather not\n" * 40,
}


@contextlib.contextmanager
def untouched(folder: Path) -> Iterator[Path]:
    """A folder that names of the container's point at; it is afterwards as it was."""
    canary = folder / "canary"
    canary.mkdir()
    (canary / "file").write_text("canary")
    yield canary
    assert [(path.name, path.read_text()) for path in canary.iterdir()] == [("file", "canary")]


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("lie", LIES)
def test_a_tar_of_the_attacker_s_makes_nothing_but_the_store_s_own_files(tmp_path: Path, lie: str) -> None:
    (tmp_path / "evidence").mkdir()
    with untouched(tmp_path) as canary:
        stream = LIES[lie](str(canary)) + (END if lie != "seven terabytes" else b"")
        files = {
            "/usr/bin/tar": "#!/bin/sh\nexec cat /lie\n",
            "/lie": "base64:" + base64.b64encode(stream).decode(),
            "/tmp/k": "what lies there",
        }
        with web(files=files, programs=ALL) as (_, app):
            came = captured(app, tmp_path, "/tmp/k", "/etc/hostname")
        evidence = [name for name in tree(tmp_path) if name != "canary/file"]
        places = {one.stored for one in came.told.artifacts if one.stored}
        copies = {
            f"evidence/sha256/{one.stored_sha256[:2]}/{one.stored_sha256}.zip"
            for one in came.told.artifacts
            if one.stored
        }
        assert set(evidence) == {f"evidence/{place}" for place in places} | copies
    # Where a size is a lie, the padding and the end of the archive count as the file's, and it is marked as cut.
    assert {data.rstrip(b"\0") for data in came.files.values()} <= {b"good", b"short", b"what lies there"}
    assert all(one.truncated for one in came.told.artifacts if came.files.get(one.path, b"").startswith(b"short"))
    assert all(one.status == "captured" or one.reason for one in came.told.artifacts)


ENDLESS = {
    "a file in tar": ("tar", "#!/bin/sh\ncat /header\nexec cat /dev/zero\n"),
    "headers in tar": ("tar", "#!/bin/sh\nwhile true; do cat /unasked; done\n"),
    "zeros after tar": ("tar", "#!/bin/sh\nexec cat /dev/zero\n"),
    "words of tar": ("tar", "#!/bin/sh\nexec yes\n"),
    "cat": ("cat", "#!/bin/sh\nexec yes\n"),
    "base64": ("base64", "#!/bin/sh\nexec yes QUJD\n"),
    "complaints": ("tar", "#!/bin/sh\nexec yes 'tar: /tmp/k: no' >&2\n"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_program_without_end_is_cut_and_memory_stays_small(tmp_path: Path, kind: str) -> None:
    program, script = ENDLESS[kind]
    header = base64.b64encode(b"\x7fELF".join([member("tmp/k", size=7 << 40), b""])).decode()
    files = {
        "/header": "base64:" + header,
        "/unasked": "base64:" + base64.b64encode(member("etc/x")).decode(),
        f"/usr/bin/{program}": script,
        "/tmp/k": "what lies there",
    }
    lacks = {"cat": ("tar",), "base64": ("tar", "cat", "dd")}.get(program, ())
    caps = Caps(file=4 * MIB, total=8 * MIB, each=Caps().each / 20)
    with web(files=files, programs=lacking(*lacks)) as (_, app):
        app.run(cell_of(app), ["true"], sink=lambda _: None, limit=1, seconds=60)
        tracemalloc.start()
        try:
            came = captured(app, tmp_path, "/tmp/k", caps=caps)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    (one,) = came.told.artifacts
    if one.size > 100:
        # Short lines of base64 meet the cap of its characters before that of the file.
        assert (one.size in range(3 * MIB, 4 * MIB + 1), one.truncated) == (True, True)
    else:
        assert came.files in ({}, {"/tmp/k": b"what lies there"})
        assert one.reason or one.tool != program
    assert peak < 32 * MIB
    assert one.notes or one.reason or one.truncated or one.tool != program


def cell_of(app: Exec) -> Cell:
    return Cell(namespace="shop", pod="web", container="app", uid=app.pod("shop", "web").uid)
