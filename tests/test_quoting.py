"""What the quoting promises, held against the real bash."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responder.errors import Unanswered
from responder.quoting import lql, shell, url_part

# A stand-in for kubectl that writes down its words, each ended by NUL, after their number.
STUB = """#!/bin/sh
printf '%s\\0' "$#" "$@" >>"$SEEN"
"""
HOSTILE = (
    "",
    " ",
    "-",
    "--",
    "--output=x",
    "-o",
    "~",
    "~root",
    "a=~",
    "a=b",
    "if",
    "!",
    "!!",
    "!-1",
    "it's !!",
    "^a^b",
    "#",
    "a # b",
    "*",
    "?",
    "[a-z]*",
    "{a,b}",
    "{1..9}",
    "$HOME",
    "${HOME}",
    "$(touch pwned)",
    "`touch pwned`",
    "<(touch pwned)",
    "$((1+1))",
    "a;touch pwned",
    "a&&touch pwned",
    "a|touch pwned",
    "a&touch pwned",
    ">pwned",
    "<pwned",
    "2>pwned",
    "'",
    "''",
    "'\"'\"'",
    '"',
    '"$(touch pwned)"',
    "\\",
    "\\\\",
    "\\'",
    "\\n",
    "\\x41",
    "\\u0041",
    "$'",
    "$'\\x41'",
    "';touch pwned;'",
    "\n",
    "a\ntouch pwned\n",
    "a\r\nb",
    "a\rb",
    "\t",
    "a\tb",
    "\x01",
    "\x03",
    "\x04",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x7f",
    "\x80",
    "\x9b31m",
    "\xa0",
    "é",
    "é1",
    "日本語",
    "\u202egnp.exe",
    "\u2066a\u2069",
    "\u200b",
    "\ufeff",
    "\uffff",
    "\U0001f600",
    "\U0010ffff",
    "%s%n",
    "%1",
    "a" * 5000,
    "'" * 500,
)
LOCALES = ("C", "C.UTF-8")
# Everything that an argument can hold: no NUL, no surrogate.
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=24) | st.text(
    "'\"\\$`!~ \n\t;&|<>(){}[]*?#^=-x41u\x1b\u202eé", max_size=16
)


def seen_by_bash(lines: list[str], *, locale: str = "C", interactive: bool = False) -> list[list[str]]:
    """What the words were that a program got from each line, pasted into one bash."""
    with tempfile.TemporaryDirectory() as folder:
        stub, seen = Path(folder, "kubectl"), Path(folder, "seen")
        stub.write_text(STUB)
        stub.chmod(0o755)
        seen.touch()
        # What makes an interactive bash differ: history expansion and brace expansion, before a line is parsed.
        prelude = ["set -o history -o histexpand -o braceexpand", "echo earlier line >/dev/null"] if interactive else []
        done = subprocess.run(
            ["bash", "--norc", "--noprofile", "-s"],
            input="\n".join([*prelude, *lines, ""]).encode("ascii"),
            cwd=folder,
            env={"PATH": f"{folder}:/usr/bin:/bin", "SEEN": str(seen), "LC_ALL": locale, "HISTFILE": "/dev/null"},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == b""
        assert sorted(path.name for path in Path(folder).iterdir()) == ["kubectl", "seen"]
        return _split(seen.read_bytes())


def _split(data: bytes) -> list[list[str]]:
    parts = iter(data.decode().split("\0")[:-1])
    return [list(itertools.islice(parts, int(count))) for count in parts]


@pytest.mark.slow
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("interactive", [False, True])
def test_hostile_words_reach_the_program_unchanged_in_every_locale(locale: str, *, interactive: bool) -> None:
    pairs = [f"{a}{b}" for a, b in itertools.product(HOSTILE[:-2], repeat=2)]
    argvs = [["get", *pairs[start : start + 40]] for start in range(0, len(pairs), 40)] + [["get", *HOSTILE]]
    lines = [shell(["kubectl", *argv]) for argv in argvs]
    assert seen_by_bash(lines, locale=locale, interactive=interactive) == argvs


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
@given(st.lists(st.lists(WORDS, min_size=5, max_size=5), min_size=5, max_size=5), st.booleans())
def test_any_words_reach_the_program_unchanged(argvs: list[list[str]], interactive: bool) -> None:
    # 400 times 25 words: ten thousand strings.
    assert seen_by_bash([shell(["kubectl", *argv]) for argv in argvs], interactive=interactive) == argvs


@settings(max_examples=1000, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=8))
def test_a_line_is_one_line_of_printable_ascii(argv: list[str]) -> None:
    assert all(" " <= character <= "~" for character in shell(argv))


def test_plain_words_stay_bare_for_the_reader() -> None:
    argv = ["kubectl", "--context=gke_acme_europe-west1-b_shop", "get", "pod", "web-1", "--output=yaml"]
    assert shell(argv) == "kubectl --context=gke_acme_europe-west1-b_shop get pod web-1 --output=yaml"


def test_printable_words_are_in_single_quotes_and_all_others_in_dollar_quotes() -> None:
    assert shell(["kubectl", "a b", "it's", "é"]) == r"kubectl 'a b' $'it\x27s' $'\xc3\xa9'"


@pytest.mark.parametrize("program", ["A=b", "if", "time", "%1", "!", "{", "~/bin/x", ""])
def test_a_first_word_is_a_program_and_nothing_else_to_bash(program: str) -> None:
    assert shell([program, "x"]).startswith("'")


@pytest.mark.parametrize("argv", [[], ["a\0b"], ["kubectl", "\ud800"]])
def test_what_no_argument_can_hold_is_refused(argv: list[str]) -> None:
    with pytest.raises(Unanswered) as refused:
        shell(argv)
    assert refused.value.why == "invalid"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_filter_literal_reads_back_as_the_text(text: str) -> None:
    literal = lql(text)
    assert literal[0] == literal[-1] == '"'
    inner = iter(literal[1:-1])
    read = [next(inner) if character == "\\" else character for character in inner]
    assert "".join(read) == text
    # No quote inside stands without a backslash of its own.
    assert '"' not in literal[1:-1].replace("\\\\", "").replace('\\"', "")


@pytest.mark.parametrize("text", ["a\nb", "\x00", "\x1b[0m", "é", "\u202e", "\ud800", "\x7f"])
def test_a_filter_literal_holds_printable_ascii_only(text: str) -> None:
    with pytest.raises(Unanswered):
        lql(text)


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text not in {".", ".."}))
def test_a_part_of_an_address_reads_back_and_has_none_of_its_separators(text: str) -> None:
    part = url_part(text)
    assert unquote(part) == text
    assert not set(part) & set('/;=()?#&+:@ "\n') and part.isascii()  # noqa: PT018 - one statement about the part


@pytest.mark.parametrize("text", [".", "..", "\ud800"])
def test_a_part_that_a_browser_would_resolve_or_that_is_no_text_is_refused(text: str) -> None:
    with pytest.raises(Unanswered):
        url_part(text)
