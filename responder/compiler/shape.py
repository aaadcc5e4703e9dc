"""Step 1: a command line without what changes from run to run, so that the same build is known again. Pure.

Directories go, since build trees are moved and temporary; of names, what `mktemp` and hashes make goes too. Options
stay as they are: `-O2` and `-O3`, `-static` and `-shared` are different builds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_MAX: Final = 2000
_READ: Final = 16_384
_REMEMBERED: Final = 128

# Each alternative starts where a word starts and never gives back what it took: linear on any text.
_CHANGING: Final = re.compile(
    r"(?<![0-9A-Za-z_])(?:"
    r"_?tmp[0-9a-z_]{8}(?![0-9A-Za-z_])"  # Python's tempfile
    r"|(?:cc|rustc|tmp)[0-9A-Za-z]{6}(?![0-9A-Za-z_])(?=\.|-|$)"  # gcc's, rustc's and other temporary names
    r"|([A-Za-z_]*+[0-9][0-9A-Za-z_]*+)"  # any word with a digit
    r")",
)
_RUN: Final = re.compile(r"[0-9]++|[^0-9]++")
_KEPT_LETTERS: Final = frozenset("fmOWsglcEpxuXnrShqvwdtbea")
_SHORT: Final = 20
_HASH_RUNS: Final = 5
_HASH_LENGTH: Final = 20


def shape(argv: Sequence[str]) -> str:
    """At most 2,000 characters of plain ASCII; a longer one ends in a digest of all of it.

    Of what lies beyond the first 16,384 characters only the digits are left out.
    """
    left, steady = _READ, [argv[0].rpartition("/")[2][:_REMEMBERED]] if argv else []
    for position, argument in enumerate(argv[1:], 1):
        left -= len(argument) + 1
        if left < 0:
            rest = "\0".join(argv[position:]).encode("raw_unicode_escape").translate(None, b"0123456789")
            steady.append("~" + hashlib.blake2b(rest, digest_size=8).hexdigest())
            break
        steady.append(_known(argument) if len(argument) <= _REMEMBERED else _shorn(argument))
    text = " ".join(steady)
    if not text.isascii():
        text = text.encode("ascii", "backslashreplace").decode("ascii")
    if len(text) <= _MAX:
        return text
    digest = hashlib.blake2b(text.encode("ascii"), digest_size=8).hexdigest()
    return f"{text[: _MAX - 20]} ~{digest}"


@lru_cache(maxsize=4096)
def _known(argument: str) -> str:
    """A build says the same flags hundreds of times."""
    return _shorn(argument)


def _shorn(argument: str) -> str:
    if argument[:1] == "-":
        if "/" in argument:
            head, _, tail = argument.rpartition("/")
            if "-prefix" in head or "compilation-dir" in head:  # -ffile-prefix-map=/build/x=. names the build's place
                return head.partition("=")[0]
            cut = max(head.rfind("="), head.rfind(",")) + 1
            return head[: cut or 2] + _steady(tail)
        # A short option says what is done, digits and all; jobs, definitions and long options carry counts and hashes.
        if len(argument) <= _SHORT and argument[1:2] in _KEPT_LETTERS:
            return argument
        return _steady(argument)
    if "/" in argument:
        if " " in argument or "\n" in argument:  # a shell's text
            return " ".join(map(_shorn, argument.split()))
        head, _, argument = argument.rpartition("/")
        argument = head[: head.find("=") + 1] + argument
    return _steady(argument)


def _steady(name: str) -> str:
    return _CHANGING.sub(_without, name) if not name.isalpha() else name


def _without(match: re.Match[str]) -> str:
    word: str | None = match[1]
    if word is None:
        return "*"
    runs = _RUN.findall(word)
    if len(runs) >= _HASH_RUNS or len(word) >= _HASH_LENGTH:
        return "*"
    return "".join("0" if run[0].isdigit() else run for run in runs)
