"""Step 5: the links among the folders of the paths that are to be taken, before any program follows them.

One `ls -ld` of all those folders tells; what a link leads to is asked for twice more at most. It is the word of a
program of the container, and the container may put a link there afterwards.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from responder.capture.arrival import printable
from responder.capture.tools import MOST_WORDS, words_in_url
from responder.capture.wanted import Want, no_place, plain
from responder.errors import NoProgram, Unanswered
from responder.ports import Cell, Collector

UNTOLD: Final = "whether links lie among its folders was not told"
_ROUNDS: Final = 3
_MOST_COMMANDS: Final = 4
_MOST_LINKS: Final = 40
"""Linux follows no more (path_resolution(7))."""
_LISTING: Final = 64 * 1024
_SECONDS: Final = 10.0
_LINE: Final = re.compile(r"([-bcdlps])[-rwxsStT]{9}\S? +(?:[^ /]\S* +){4,8}(/.*)")
"""A line of `ls -l` (POSIX, `ls`, "STDOUT"); the name is absolute, as it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What is known of a path's folders: `reason` says why it is not to be taken, `notes` are for what is."""

    reason: str = ""
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """Folders of which nothing was told."""


def chains(collector: Collector, cell: Cell, wants: Sequence[Want]) -> dict[str, Chain]:
    """The chain of folders of each want, by its path. Runs four commands at most; no answer is told as a note."""
    told: dict[str, str] = {}
    asked: set[str] = set()
    paths = {want.path for want in wants if not no_place(want.path)}  # what we made ourselves lies in /proc
    commands, end = 0, time.monotonic() + _SECONDS
    for _ in range(_ROUNDS):
        new = sorted({one for path in paths for one in _chain(path, told).unknown} - asked)
        for folders in _batches(new):
            left = end - time.monotonic()
            if commands == _MOST_COMMANDS or left <= 0:
                break
            commands += 1
            asked.update(folders)
            data = bytearray()
            try:
                collector.run(cell, ("ls", "-ld", "--", *folders), sink=data.extend, limit=_LISTING, seconds=left)
            except (NoProgram, Unanswered):
                commands = _MOST_COMMANDS
                break
            told |= _told(bytes(data), folders)
    return {path: _chain(path, told) for path in paths}


def _batches(folders: Sequence[str]) -> Iterator[list[str]]:
    some: list[str] = []
    words = 0
    for folder in folders:
        size = words_in_url(folder)
        if some and words + size > MOST_WORDS:
            yield some
            some, words = [], 0
        some.append(folder)
        words += size
    if some:
        yield some


def _told(listing: bytes, folders: Sequence[str]) -> dict[str, str]:
    """The target of each folder that is a link, ``""`` for what is none. What is told twice is not told."""
    found: dict[str, list[str]] = {}
    for line in listing.decode(errors="surrogateescape").split("\n"):
        if match := _LINE.fullmatch(line):
            for folder in folders:
                if match[1] == "l" and match[2].startswith(f"{folder} -> "):
                    found.setdefault(folder, []).append(match[2].removeprefix(f"{folder} -> "))
                elif match[1] != "l" and match[2] == folder:
                    found.setdefault(folder, []).append("")
    return {folder: targets[0] for folder, targets in found.items() if len(targets) == 1}


def _chain(path: str, told: Mapping[str, str]) -> Chain:
    """Follow the folders of a path by what was told of them, as Linux does."""
    *folders, name = path.strip("/").split("/")
    here, links, unknown = "/", [], []
    waiting = folders[::-1]
    while waiting:
        place = plain(f"{here}/{waiting.pop()}")
        target = told.get(place, "")
        if target:
            links.append(f"{printable(place)} is a link to {printable(target)}")
            here = "/" if target.startswith("/") else here
            waiting += [part for part in target.split("/") if part][::-1]
        else:
            here = place
            unknown += [place] if place != "/" and place not in told else []
        inside = no_place(f"{here}/{name}") if here != "/dev" or not waiting else ""
        if links and inside:
            return Chain(reason=f"{links[-1]}, which leads below {inside}: not followed")
        if len(links) > _MOST_LINKS:
            return Chain(reason=f"more than {_MOST_LINKS} links lie among its folders")
    if links and (inside := no_place(plain(f"{here}/{name}"))):
        return Chain(reason=f"{links[-1]}, which leads below {inside}: not followed")
    notes = (*dict.fromkeys(links), *([UNTOLD] if unknown else []))
    return Chain(notes=notes, unknown=tuple(unknown))
