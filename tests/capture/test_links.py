"""Links among the folders of a path: what they lead to is told, and none leads the capture into /proc."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import exec_real
from responder.capture import seizing
from responder.capture.links import UNTOLD, chains
from responder.record import Artifact
from responder.stores.evidence_folder import FolderEvidence
from tests.builders import a_finding, a_record, a_recorded
from tests.capture.containers import CELL, Said, pod
from tests.capture.test_taking import want
from tests.lab.test_exec_real import ran, web

MODE = b"lrwxrwxrwx 1 root root 9 Nov 20 09:41 "
FOLDER = b"drwxr-xr-x 2 root root 40 Nov 20 09:41 "
PROGRAMS = [*exec_real.PROGRAMS, "ln"]

real = pytest.mark.skipif(not exec_real.is_allowed(), reason="user namespaces are not allowed on this machine")


def seized(collector: Any, folder: Path, *paths: str) -> dict[str, Artifact]:
    record = a_record()
    subject = record.provenance.subject.model_copy(update={"namespace": "shop", "pod": "web", "container": "app"})
    record = record.model_copy(update={"provenance": record.provenance.model_copy(update={"subject": subject})})
    container = pod().containers[0].model_copy(update={"name": "app"})
    at = pod().model_copy(update={"name": "web", "containers": (container,), "uid": collector.pod("shop", "web").uid})
    acting: Any = SimpleNamespace(evidence=FolderEvidence(folder), identity="act@x")
    findings = (a_recorded(a_finding(args=("gcc", *paths))),)
    _, artifacts = seizing.seize(collector, acting, record, findings, at, now=lambda: datetime.now(UTC))
    return {one.path: one for one in artifacts}


@real
def test_a_link_among_the_folders_is_told_and_none_leads_into_proc(tmp_path: Path) -> None:
    with web(files={"/tmp/real/token.c": "t", "/tmp/plain/a.c": "a"}, programs=PROGRAMS) as (_, app):
        for target, link in (("real", "/tmp/lnk"), ("lnk", "/tmp/twice"), ("/proc/1", "/tmp/x"), ("../proc", "/tmp/y"),
                             ("y/1", "/tmp/z")):  # fmt: skip
            assert ran(app, "ln", "-s", target, link)[0].code == 0
        names = ("/tmp/lnk/token.c", "/tmp/twice/token.c", "/tmp/plain/a.c")
        hidden = ("/tmp/x/environ", "/tmp/y/1/environ", "/tmp/z/environ")
        came = seized(app, tmp_path, *names, *hidden)
    assert {path: came[path].status for path in names} == dict.fromkeys(names, "captured")
    assert came["/tmp/lnk/token.c"].notes == ("/tmp/lnk is a link to real",)
    assert came["/tmp/twice/token.c"].notes == ("/tmp/twice is a link to lnk", "/tmp/lnk is a link to real")
    assert came["/tmp/plain/a.c"].notes == ()
    for path in hidden:
        assert (came[path].status, came[path].passing) == ("left_out", False)
        assert "leads below /proc: not followed" in came[path].reason


def told(*lines: bytes) -> Said:
    return Said({"ls": [b"\n".join(lines) + b"\n"]})


@pytest.mark.parametrize(
    ("lines", "notes", "reason"),
    [
        ((FOLDER + b"/tmp",), (), ""),
        ((MODE + b"/tmp -> /dev/shm",), ("/tmp is a link to /dev/shm", UNTOLD), ""),
        ((MODE + b"/tmp -> /dev",), (), "/tmp is a link to /dev, which leads below /dev: not followed"),
        ((MODE + b"/tmp -> sys",), (), "/tmp is a link to sys, which leads below /sys: not followed"),
        ((MODE + b"/tmp -> tmp",), (), "more than 40 links lie among its folders"),
        ((MODE + b"/tmp -> /a", FOLDER + b"/tmp"), (UNTOLD,), ""),
        ((b"nonsense",), (UNTOLD,), ""),
    ],
)
def test_what_ls_tells_of_a_folder(lines: Sequence[bytes], notes: tuple[str, ...], reason: str) -> None:
    chain = chains(told(*lines), CELL, [want("/tmp/a")])["/tmp/a"]
    assert (chain.notes if not chain.reason else (), chain.reason) == (notes, reason)


def test_without_ls_it_is_asked_once_and_told() -> None:
    box = Said({})
    assert chains(box, CELL, [want("/tmp/a"), want("/b/c")])["/b/c"].notes == (UNTOLD,)
    assert len(box.ran) == 1


def test_a_thousand_folders_are_asked_for_with_four_commands_at_most() -> None:
    box = told(FOLDER + b"/tmp")
    chains(box, CELL, [want(f"/tmp/{n:0200}/a") for n in range(1000)])
    assert len(box.ran) == 4
    assert all(sum(len(word) for word in words) < 5000 for words in box.ran)
