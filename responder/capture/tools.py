"""Step 5: which of the container's own programs brings a file out: tar, else cat, else dd, else base64.

Found out by doing, since asking for a version costs a command and proves nothing. argv alone: no shell is put between,
and every path is absolute, so that none can be taken for an option. All of these programs may be the attacker's.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from responder.record import NO_PROGRAM, Tool

TOOLS: Final[tuple[Tool, ...]] = ("tar", "cat", "dd", "base64")
NONE: Final = NO_PROGRAM

MOST_WORDS: Final = 4096
"""Bytes of the paths of one command, as they stand in the URL: front ends take some 8 KiB of one."""
_BLANKS: Final = b" \t\r\n"


def words_in_url(path: str) -> int:
    """Bytes of a command's path in a URL."""
    return len(quote(path, errors="surrogateescape"))


def argv(tool: Tool, *paths: str) -> tuple[str, ...]:
    """The command that writes the files at `paths` to stdout; tar alone takes several.

    ValueError for a path that is not absolute.
    """
    if any(not path.startswith("/") or "\0" in path for path in paths):
        raise ValueError("a path of a container is absolute")
    if tool == "tar":
        return ("tar", "cf", "-", "--", *paths)
    (path,) = paths
    return ("dd", f"if={path}", "bs=65536") if tool == "dd" else (tool, "--", path)


_LISTED: Final = rb"([-bcdlps])[-rwxsStT]{9}[^\n]*"
"""A line of `ls -l`, up to the name (POSIX, `ls`, "STDOUT")."""
_KINDS: Final = {
    b"b": "block device", b"c": "character device", b"d": "directory", b"l": "symlink", b"p": "fifo", b"s": "socket"
}  # fmt: skip


def look(path: str) -> tuple[str, ...]:
    """The command that says what lies at a path, and follows no link."""
    return ("ls", "-ld", "--", path)


UNTOLD: Final = "untold"


def kind(path: str, listing: bytes) -> str:
    """What lies at a path: `file`, or what else it is. `UNTOLD` where `listing` is not clearly of that one file.

    It is the word of a program of the container, as all the rest.
    """
    if other := re.match(_LISTED, listing):
        whole = re.fullmatch(_LISTED + re.escape(path.encode(errors="surrogateescape")) + rb"\n", listing)
        return _KINDS.get(other[1], "file" if whole else UNTOLD)
    return UNTOLD


@dataclass(slots=True)
class Toolbox:
    """What one container was found to have; `used` is in the order of first use."""

    missing: set[Tool] = field(default_factory=set)
    used: dict[Tool, None] = field(default_factory=dict)
    has_no_ls: bool = False

    def left(self) -> Iterator[Tool]:
        """The programs that are still worth a try, best first."""
        return (tool for tool in TOOLS if tool not in self.missing)

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return self.missing >= set(TOOLS)


class Base64:
    """Decodes base64 as it comes, whatever the line ends. `problem` says why it stopped; the rest is dropped."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._held = b""
        self._over = False
        self.problem = ""

    def feed(self, data: bytes) -> None:
        """The next characters."""
        text = self._held + data.translate(None, _BLANKS)
        whole = len(text) - len(text) % 4
        self._held = text[whole:]
        if self.problem or not text:
            return
        if self._over:
            self.problem = "there is more after the end of the base64"
            return
        if not whole:
            return
        try:
            decoded = binascii.a2b_base64(text[:whole], strict_mode=True)
        except binascii.Error:
            self.problem = "it is no base64"
            return
        self._over = text[:whole].endswith(b"=")
        self._write(decoded)

    def close(self) -> None:
        """No more will come."""
        if self._held and not self.problem:
            self.problem = "the base64 stops in the middle"
