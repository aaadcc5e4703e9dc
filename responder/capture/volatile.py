"""Step 5: what is lost with the container: processes, sockets, executables written lately. Touches it by the collector.

`ls`, `cat` and `find` on /proc and writable folders, argv alone. What they tell is the attacker's word: it is parsed
strictly, where two readings are possible neither is kept, and every text is redacted and made printable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from responder.capture.arrival import printable
from responder.errors import NoProgram, Unanswered
from responder.ports import Cell, Collector
from responder.record import Process, Volatile
from responder.redact import Redactor

PROCESSES: Final = 64
SOCKETS: Final = 128
RECENT: Final = 64
ARGUMENTS: Final = 256
MINUTES: Final = 120
"""Executables that were written in the last so many minutes."""
FOLDERS: Final = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 - the container's, not ours

_LIMIT: Final = 1024 * 1024
_SECONDS: Final = 10.0
_LINK: Final = re.compile(rb" /proc/(\d{1,8})/(exe|cwd) -> ([^\n]+)$", re.MULTILINE)
_STATUS: Final = re.compile(rb"Name:\t[^\n\0]{0,256}\n(?:[A-Za-z_]{1,40}:[ \t][^\n\0]{0,4096}\n)++")
"""Every length has an end, so that what looks like a status a thousand times costs no more than its length."""
_FIELD: Final = re.compile(rb"^(Name|Pid|PPid):[ \t]+([^\n]*)$", re.MULTILINE)
_ROW: Final = re.compile(
    r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2}) "
)
# include/net/tcp_states.h
_STATES: Final = (
    "?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is lost, and the working folder of each process, unredacted, for what is relative to it."""

    volatile: Volatile
    cwd_of: Mapping[int, str]


def snapshot(
    collector: Collector,
    cell: Cell,
    *,
    redactor: Redactor,
    writable: Sequence[str] = (),
    monotonic: Callable[[], float],
) -> Snapshot:
    """Ask for all of it, within a minute; `writable` are mount paths beside the usual folders. Raises nothing."""
    asking = _Asking(collector=collector, cell=cell, monotonic=monotonic, until=monotonic() + 60.0)
    processes, cwd_of = _processes(asking, redactor)
    sockets = _sockets(asking)
    recent = tuple(redactor.text(path) for path in _recent(asking, writable))
    told = Volatile(processes=processes, sockets=sockets, recent=recent, missing=tuple(asking.missing))
    return Snapshot(volatile=told, cwd_of=cwd_of)


@dataclass(slots=True, kw_only=True)
class _Asking:
    """Commands, and why some told nothing."""

    collector: Collector
    cell: Cell
    monotonic: Callable[[], float]
    until: float
    missing: list[str] = field(default_factory=list)
    refused: bool = False

    def ask(self, what: str, *argv: str) -> bytes:
        """Its output, as far as it came; empty with a word in `missing` where nothing did."""
        left = self.until - self.monotonic()
        if self.refused or left < 1.0:
            self.missing.append(f"{what}: not asked any more")
            return b""
        data = bytearray()
        try:
            ran = self.collector.run(self.cell, argv, sink=data.extend, limit=_LIMIT, seconds=min(left, _SECONDS))
        except NoProgram:
            self.missing.append(f"{what}: the container has no {argv[0]}")
            return b""
        except Unanswered as error:
            self.refused = True
            self.missing.append(f"{what}: {error.why}: {error.detail}")
            return b""
        if ran.cut:
            self.missing.append(f"{what}: {argv[0]} was cut ({ran.cut})")
        elif not data and ran.code:
            said = printable(ran.stderr.strip().split(b"\n")[0], 200)
            self.missing.append(f"{what}: {argv[0]} ended with status {ran.code}: {said}")
        return bytes(data)


# --- processes --------------------------------------------------------------------------------------------------------


def _processes(asking: _Asking, redactor: Redactor) -> tuple[tuple[Process, ...], dict[int, str]]:
    listed = asking.ask("processes", "ls", "/proc").split()
    pids = sorted({int(word) for word in listed if word.isdigit() and len(word) < 9})  # noqa: PLR2004 - below 2^22 in Linux
    if len(pids) > PROCESSES:
        asking.missing.append(f"processes: {len(pids) - PROCESSES} of {len(pids)} were left out")
        # The first is what the image starts; the compiler's kin are among the newest.
        pids = [pids[0], *pids[1 - PROCESSES :]]
    if not pids:
        return (), {}
    links = [f"/proc/{pid}/{name}" for pid in pids for name in ("exe", "cwd")]
    where = _links(asking, asking.ask("exe and cwd of processes", "ls", "-l", "--", *links), pids)
    files = [f"/proc/{pid}/{name}" for pid in pids for name in ("status", "cmdline")]
    told = _told(asking, asking.ask("names and arguments of processes", "cat", "--", *files), pids)
    made = tuple(
        Process(
            pid=pid,
            parent=told[pid].parent,
            name=redactor.text(told[pid].name),
            exe=redactor.text(printable(where.get((pid, "exe"), b""), 4096)),
            cwd=redactor.text(printable(where.get((pid, "cwd"), b""), 4096)),
            argv=redactor.args(told[pid].argv),
        )
        for pid in pids
        if pid in told
    )
    cwd_of = {pid: os_path for pid in pids if (os_path := _usable(where.get((pid, "cwd"), b"")))}
    return made, cwd_of


def _usable(path: bytes) -> str:
    """A folder as a text; empty where it is none: not absolute, deleted, not UTF-8."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return ""
    return text if text.startswith("/") and not text.endswith(" (deleted)") and text.isprintable() else ""


def _links(asking: _Asking, listing: bytes, pids: Sequence[int]) -> dict[tuple[int, str], bytes]:
    """Where the links point. A name can hold a line end and so forge a line: what is told twice is not kept."""
    found: dict[tuple[int, str], bytes] = {}
    twice: set[tuple[int, str]] = set()
    for pid, name, aim in _LINK.findall(listing):
        key = int(pid), name.decode()
        if key in found:
            twice.add(key)
        found[key] = aim
    for pid, name in sorted(twice):
        asking.missing.append(f"{name} of process {pid}: told twice, so not kept")
    return {key: aim for key, aim in found.items() if key not in twice and key[0] in pids}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    name: str
    parent: int
    argv: tuple[str, ...]


def _told(asking: _Asking, output: bytes, pids: Sequence[int]) -> dict[int, _Told]:
    """The status of each process, and behind it its cmdline, up to the next status.

    An argument can look like a status, so a process that is told of twice is not kept.
    """
    wanted = set(pids)
    found: dict[int, _Told] = {}
    twice: set[int] = set()
    blocks = [(block, dict(_FIELD.findall(block[0]))) for block in _STATUS.finditer(output)]
    ours = [(block, fields) for block, fields in blocks if _pid(fields.get(b"Pid")) in wanted]
    ends = [*(block.start() for block, _ in ours), len(output)][1:]
    for (block, fields), end in zip(ours, ends, strict=True):
        pid = _pid(fields.get(b"Pid"))
        if pid in found:
            twice.add(pid)
        words = output[block.end() : end].rstrip(b"\0").split(b"\0")[:ARGUMENTS]
        argv = tuple(printable(word, 4096) for word in words) if words != [b""] else ()
        found[pid] = _Told(name=printable(fields[b"Name"], 64), parent=_pid(fields.get(b"PPid")), argv=argv)
    for pid in sorted(twice):
        asking.missing.append(f"process {pid}: told twice, so not kept")
    return {pid: told for pid, told in found.items() if pid not in twice}


def _pid(text: bytes | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 9 else 0  # noqa: PLR2004 - below 2^22 in Linux


# --- sockets ----------------------------------------------------------------------------------------------------------


def _sockets(asking: _Asking) -> tuple[str, ...]:
    rows: list[tuple[bool, str]] = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        text = asking.ask(f"{kind} sockets", "cat", f"/proc/net/{kind}").decode("ascii", "replace")
        rows += _rows(kind, text)
    rows.sort(key=lambda row: not row[0])  # those with a peer first; else as they came
    if len(rows) > SOCKETS:
        asking.missing.append(f"sockets: {len(rows) - SOCKETS} of {len(rows)} were left out")
    return tuple(text for _, text in rows[:SOCKETS])


def _rows(kind: str, text: str) -> Iterator[tuple[bool, str]]:
    """Whether the socket has a peer, and the line, for each line of /proc/net/KIND (proc(5))."""
    for line in text.split("\n"):
        if not (found := _ROW.match(line)) or len(found[1]) != len(found[3]):
            continue
        state = int(found[5], 16)
        # A UDP socket has the state ESTABLISHED when it is connected, CLOSE when it is not.
        name = _STATES[state] if state < len(_STATES) else "?"
        port = int(found[4], 16)
        yield port != 0, f"{kind[:3]} {_address(found[1])}:{int(found[2], 16)} -> {_address(found[3])}:{port} {name}"


def _address(digits: str) -> str:
    """An address: words of four bytes, each in the order of the machine, which on GKE is little-endian."""
    raw = bytes.fromhex(digits)
    turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if len(turned) == 4:  # noqa: PLR2004 - IPv4
        return str(IPv4Address(turned))
    address = IPv6Address(turned)
    return str(address.ipv4_mapped) if address.ipv4_mapped else f"[{address}]"


# --- what was written lately ------------------------------------------------------------------------------------------


def _recent(asking: _Asking, writable: Sequence[str]) -> list[str]:
    """Executables written lately. busybox knows `-mmin` as GNU does, and not `-newermt`."""
    more = [path for path in writable if path.startswith("/") and path.isprintable() and path not in {"/", "/proc"}]
    folders = [path for path in dict.fromkeys([*FOLDERS, *more]) if not path.startswith(("/proc/", "/sys"))]
    tests = ("-xdev", "-type", "f", "-perm", "/111", "-mmin", f"-{MINUTES}", "-print0")
    output = asking.ask("recent executables", "find", *folders, *tests)
    whole, _, _ = output.rpartition(b"\0")
    paths = [printable(path, 512) for path in whole.split(b"\0") if path.startswith(b"/")]
    if len(paths) > RECENT:
        asking.missing.append(f"recent executables: {len(paths) - RECENT} of {len(paths)} were left out")
    return paths[:RECENT]
