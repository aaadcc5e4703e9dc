"""Steps 1 to 7, by hand: the attacker's words made harmless where a person will paste them. Pure.

Three languages: a bash line, a Logging (and Security Command Center) filter, a part of an https address. Quoting is the
second layer: names are validated first (`responder.names`). What comes out is printable ASCII, so that neither a
terminal escape nor a bidirectional override reaches the reader's eye.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from responder.errors import Unanswered

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+:,./=-]+")
_PROGRAM: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_.+/-]*")
_SINGLE_QUOTED: Final = re.compile(r"[ -&(-~]+")  # printable ASCII without the single quote
# bash(1), RESERVED WORDS: quoting is what makes such a word an ordinary one.
_RESERVED: Final = re.compile(
    r"case|coproc|done?|elif|else|esac|fi|for|function|if|in|select|then|time|until|while",
)
_IN_DOLLAR: Final = {
    # By number and not as \' and \!: an interactive bash looks for history expansions before it parses $'…'.
    0x27: r"\x27",
    0x21: r"\x21",
    0x5C: r"\\",
    0x0A: r"\n",
    0x09: r"\t",
}


def shell(argv: Sequence[str]) -> str:
    r"""One bash line that runs `argv` with exactly these words, in any locale, interactive or not.

    Plain words stay bare; other printable ASCII goes into ``'…'``; everything else into ``$'…'`` with each byte of its
    UTF-8 as ``\xNN``, which gives the same bytes in LANG=C, unlike ``\uNNNN``. Raises Unanswered("invalid") for what no
    argument can hold: NUL, a lone surrogate, or no word at all.
    """
    if not argv:
        raise Unanswered("invalid", "a command has no words")
    program, *arguments = argv
    # A first word such as `A=b`, `if` or `%1` is more to bash than the name of a program.
    head = program if _PROGRAM.fullmatch(program) and not _RESERVED.fullmatch(program) else _quoted(program)
    return " ".join((head, *(word if _PLAIN.fullmatch(word) else _quoted(word) for word in arguments)))


def lql(text: str) -> str:
    r"""`text` as a literal of the Logging query language: in double quotes, ``"`` and ``\`` escaped by a backslash.

    Security Command Center's filters take the same form. Raises Unanswered("invalid") for anything but printable ASCII:
    no name that is asked for holds any, and how other characters are escaped is documented for neither language.
    """
    if not all(" " <= character <= "~" for character in text):
        raise Unanswered("invalid", "a filter may hold printable ASCII only")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def url_part(text: str) -> str:
    """`text` percent-encoded for one part of a console address; nothing but letters, digits and ``_.-~`` stays.

    The console's addresses carry their parameters in the path (``;query=…;timeRange=…``), so that ``/ ; = ( )`` must be
    encoded as well (github.com/vvakame/gcplogurl). Raises Unanswered("invalid") for a lone surrogate, and for the
    whole parts ``.`` and ``..``, which a browser would resolve.
    """
    if text in {".", ".."}:
        raise Unanswered("invalid", "an address may not hold the part . or ..")
    return quote(_utf8(text), safe="")


def _quoted(word: str) -> str:
    if not word or _SINGLE_QUOTED.fullmatch(word):
        return f"'{word}'"
    return "$'" + "".join(_escaped(byte) for byte in _utf8(word)) + "'"


def _escaped(byte: int) -> str:
    if byte == 0:
        raise Unanswered("invalid", "an argument cannot hold NUL")
    if byte in _IN_DOLLAR:
        return _IN_DOLLAR[byte]
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"  # noqa: PLR2004 - printable ASCII


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Unanswered("invalid", "a lone surrogate is no character") from None
