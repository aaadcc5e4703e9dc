"""Step 1: the commands in a shell's text, as far as they can be told without running it. Pure.

What would need a shell to know (substitutions, loops, functions, here documents) is said, not guessed.
"""

from __future__ import annotations

import shlex
from itertools import islice
from typing import Final, NamedTuple

from responder.compiler.build import several

MAX_TEXT: Final = 8_192
"""Characters of a shell's text that are read (the standard library's lexer: a third of a microsecond each)."""

_MAX_TOKENS: Final = 2_048
_MAX_COMMANDS: Final = 128
_SEPARATORS: Final = frozenset({";", "&", "&&", "||", "|", "|&", "\n", "(", ")", ";;", "((", "))"})
_WORDS: Final = several("if then else elif fi do done while until for case esac in { } ! [[ ]] function select")
_LOOPS: Final = several("while until for case select function")


class Command(NamedTuple):
    """One simple command: its words, `NAME=value` before them, the file on its standard input, whether a pipe is."""

    words: list[str]
    variables: list[tuple[str, str]]
    stdin: str


def commands(text: str) -> tuple[list[Command], list[str]]:
    """The simple commands in order, and what was not understood."""
    notes = []
    if len(text) > MAX_TEXT:
        notes.append(f"the shell's text beyond {MAX_TEXT} characters was not read")
    tokens = _tokens(text[:MAX_TEXT], notes)
    if "$" in text or "`" in text:
        notes.append("the shell's text has variables or substitutions, whose values are not known")
    if "<<" in text:
        notes.append("the shell's text has a here document, which is read as if it were commands")
    found: list[Command] = []
    simple: list[str] = []
    for token in [*tokens, ";"]:
        if token not in _SEPARATORS and token.strip(";&|\n()"):
            simple.append(token)
            continue
        if simple and len(found) < _MAX_COMMANDS:
            if simple[0] in _LOOPS:
                notes.append("the shell's text has a loop, a case or a function")
            command = _simple(simple)
            if command.words or command.variables:
                found.append(command)
        simple = []
    if len(found) == _MAX_COMMANDS:
        notes.append(f"no more than {_MAX_COMMANDS} commands of the shell's text were read")
    return found, notes


def split(text: str) -> list[str]:
    """The words of `env -S 'text'`; by white space where its quotes do not match."""
    try:
        return shlex.split(text[:MAX_TEXT])
    except ValueError:
        return text[:MAX_TEXT].split()


def is_variable(word: str) -> bool:
    """Whether a word is `NAME=value`."""
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


def _tokens(text: str, notes: list[str]) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    tokens: list[str] = []
    try:
        tokens.extend(islice(lexer, _MAX_TOKENS))
    except ValueError:  # a quote or a backslash without its end
        notes.append("the shell's text has a quote without its end")
    if len(tokens) == _MAX_TOKENS:
        notes.append(f"no more than {_MAX_TOKENS} words of the shell's text were read")
    return tokens


def _simple(tokens: list[str]) -> Command:
    """Words without keywords before, and without redirections."""
    words: list[str] = []
    variables: list[tuple[str, str]] = []
    stdin = ""
    rest = iter(tokens)
    for word in rest:
        if word.startswith(("<", ">")):
            target = next(rest, "")
            if word == "<":
                stdin = target
            if words and words[-1].isdigit() and len(words[-1]) == 1:
                words.pop()  # the 2 of `2>`
        elif not words and word in _WORDS:
            continue
        elif not words and is_variable(word):
            name, _, value = word.partition("=")
            variables.append((name, value))
        else:
            words.append(word)
    return Command(words, variables, stdin)
