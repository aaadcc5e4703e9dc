"""What is lost with a container is told by its own tools: parsed strictly, redacted, capped, and never twice."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from responder.capture.volatile import PROCESSES, SOCKETS, Snapshot, snapshot
from responder.errors import Unanswered
from responder.ports import Ran
from responder.redact import Redactor
from tests.capture.containers import CELL, Box, Said

TCP = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0700000A:A112 076433C6:115C 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
"""
TCP6 = b"""  sl  local_address                         remote_address                        st
   0: 0000000000000000FFFF00000700000A:0050 0000000000000000FFFF0000076433C6:C350 01 00000000:00000000
   1: B80D0120000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
"""


class Proc(Said):
    """A container whose programs answer by what they are asked for: the last word, or the first where that is more."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        super().__init__({})
        self.answers = answers

    def run(self, cell: object, argv: object, **how: object) -> Ran:
        assert isinstance(argv, tuple)
        key = " ".join(argv[:2])
        for start, data in self.answers.items():
            if key.startswith(start) or " ".join(argv).startswith(start):
                self.says = {argv[0]: [data]}
                break
        else:
            self.says = {}
        return super().run(cell, argv, **how)  # type: ignore[arg-type] # the same


def shot(box: Box, *writable: str) -> Snapshot:
    return snapshot(box, CELL, redactor=Redactor(), writable=writable, monotonic=time.monotonic)


def status(pid: int, name: str = "cc1", parent: int = 1) -> bytes:
    return f"Name:\t{name}\nUmask:\t0022\nPid:\t{pid}\nPPid:\t{parent}\nSeccomp:\t0\n".encode()


def test_processes_have_name_parent_links_and_arguments() -> None:
    links = (
        b"lrwxrwxrwx 1 root root 0 Nov 22 06:25 /proc/1/cwd -> /srv\n"
        b"lrwxrwxrwx 1 root root 0 Nov 22 06:25 /proc/1/exe -> /usr/bin/sh\n"
        b"lrwxrwxrwx 1 root root 0 Nov 22 06:25 /proc/7/exe -> /tmp/x (deleted)\n"
        b"lrwxrwxrwx 1 root root 0 Nov 22 06:25 /proc/7/cwd -> /tmp/gone (deleted)\n"
    )
    told = status(1, "sh", 0) + b"sh\0-c\0make all\0" + status(7) + b"/tmp/x\0--password\0hunter2hunter2\0"
    box = Proc({"ls /proc": b"1\n7\ncpuinfo\nself\n", "ls -l": links, "cat -- /proc/1": told})
    found = shot(box)
    one, seven = found.volatile.processes
    assert (one.pid, one.name, one.parent, one.exe, one.cwd) == (1, "sh", 0, "/usr/bin/sh", "/srv")
    assert one.argv == ("sh", "-c", "make all")
    assert (seven.parent, seven.exe, seven.argv[:2]) == (1, "/tmp/x (deleted)", ("/tmp/x", "--password"))
    assert "hunter2" not in found.volatile.model_dump_json()
    assert found.cwd_of == {1: "/srv"}


def test_a_process_or_link_that_is_told_twice_is_not_kept() -> None:
    forged = b"x\0" + status(7, "innocent") + b"y\0" + status(7, "evil") + b"evil\0"
    links = b"l /proc/1/cwd -> /a\nl /proc/7/cwd -> /b\nl /proc/1/cwd -> /c\n"
    box = Proc({"ls /proc": b"1 7", "ls -l": links, "cat -- /proc/1": status(1) + forged})
    found = shot(box)
    assert [one.pid for one in found.volatile.processes] == [1]
    assert found.cwd_of == {7: "/b"}
    assert "process 7: told twice, so not kept" in found.volatile.missing
    assert "cwd of process 1: told twice, so not kept" in found.volatile.missing


def test_too_many_processes_and_sockets_are_counted_and_the_connected_ones_stay() -> None:
    pids = range(1, PROCESSES + 11)
    idle = TCP.splitlines()[1] + b"\n"
    box = Proc(
        {
            "ls /proc": b"\n".join(b"%d" % pid for pid in pids),
            "cat -- /proc/1": b"".join(status(pid) + b"x\0" for pid in pids),
            "cat /proc/net/tcp6": b"",
            "cat /proc/net/tcp": idle * SOCKETS + TCP,
        }
    )
    found = shot(box).volatile
    assert [one.pid for one in found.processes] == [1, *range(12, PROCESSES + 11)]
    assert f"processes: 10 of {PROCESSES + 10} were left out" in found.missing
    assert found.sockets[0] == "tcp 10.0.0.7:41234 -> 198.51.100.7:4444 ESTABLISHED"
    assert (len(found.sockets), f"sockets: 2 of {SOCKETS + 2} were left out" in found.missing) == (SOCKETS, True)


def test_addresses_of_both_families_and_their_states_are_read() -> None:
    box = Proc({"cat /proc/net/tcp6": TCP6, "cat /proc/net/tcp": TCP})
    assert set(shot(box).volatile.sockets) == {
        "tcp 10.0.0.7:41234 -> 198.51.100.7:4444 ESTABLISHED",
        "tcp 10.0.0.7:80 -> 198.51.100.7:50000 ESTABLISHED",
        "tcp 0.0.0.0:8080 -> 0.0.0.0:0 LISTEN",
        "tcp [2001:db8::1]:80 -> [::]:0 LISTEN",
    }


def test_executables_written_lately_are_found_and_old_ones_and_others_are_not(tmp_path: Path) -> None:
    for folder in ("tmp", "data"):
        (tmp_path / folder).mkdir()
        for name, mode, age in (("new\nline", 0o755, 0), ("old", 0o755, 9000), ("plain", 0o644, 0)):
            file = tmp_path / folder / name
            file.touch()
            file.chmod(mode)
            os.utime(file, (time.time() - age, time.time() - age))
    found = shot(Box(tmp_path, lacks=["ls", "cat"]), "/data", "/proc", "relative").volatile
    assert [path.removeprefix(str(tmp_path)) for path in found.recent] == ["/tmp/new?line", "/data/new?line"]


def test_the_processes_of_a_real_proc_are_read() -> None:
    class Here(Box):
        def mapped(self, argv: object) -> list[str]:
            assert isinstance(argv, tuple)
            mine = {f"/proc/{os.getpid()}/{name}" for name in ("exe", "cwd", "status", "cmdline")}
            if argv == ("ls", "/proc"):
                return ["printf", "%s\n", str(os.getpid())]
            return [word for word in argv if not word.startswith("/proc/") or word in mine or "net" in word]

    found = shot(Here(Path("/")))
    (me,) = found.volatile.processes
    assert (me.pid, me.parent, me.cwd) == (os.getpid(), os.getppid(), str(Path.cwd()))
    assert me.exe == str(Path("/proc/self/exe").readlink())
    assert found.cwd_of == {os.getpid(): str(Path.cwd())}


def test_each_missing_tool_is_named_and_nothing_is_made_up(tmp_path: Path) -> None:
    found = shot(Box(tmp_path, lacks=["ls", "cat", "find"]))
    assert (found.volatile.processes, found.volatile.sockets, found.volatile.recent, found.cwd_of) == ((), (), (), {})
    assert {"processes: the container has no ls", "tcp sockets: the container has no cat"} <= set(
        found.volatile.missing
    )


def test_a_refusal_ends_the_asking(tmp_path: Path) -> None:
    class Denied(Box):
        def run(self, *_args: object, **_kwargs: object) -> Ran:
            self.ran.append(("tried",))
            raise Unanswered("denied", "pods/exec in shop")

    box = Denied(tmp_path)
    assert "processes: denied: pods/exec in shop" in shot(box).volatile.missing
    assert len(box.ran) == 1


@given(
    st.binary(max_size=400)
    | st.lists(st.sampled_from([status(1), status(7), b"x\0", b"l /proc/7/cwd -> /b\n", TCP])).map(b"".join)
)
def test_whatever_the_programs_say_it_is_a_snapshot_of_printable_words(data: bytes) -> None:
    found = shot(Said({"ls": [b"1 7 ", data], "cat": [data], "find": [data]})).volatile
    words = [
        *found.recent,
        *found.missing,
        *(word for one in found.processes for word in (one.name, one.exe, *one.argv)),
    ]
    assert not any(ord(char) < 32 for word in words for char in word)
    assert len({one.pid for one in found.processes}) == len(found.processes)


def test_a_flood_of_half_a_status_is_read_in_a_moment() -> None:
    began = time.process_time()
    for flood in (b"Name:\t" * 170_000, b"Name:\tx\nA:\t" * 90_000, b" /proc/1/exe -> " * 60_000, b"9" * 1_000_000):
        shot(Said({"ls": [b"1 7 ", flood], "cat": [flood], "find": [flood]}))
    assert time.process_time() - began < 20
