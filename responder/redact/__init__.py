"""Secrets out of arguments, log lines and audit commands, before anything is kept or shown. Pure.

Two kinds of rules. Tokens with a shape of their own are found by the detectors of bc-detect-secrets, through
`analyze_string` alone: their `analyze_line` reads global settings and may ask the network whether a secret works.
What has no shape is found by what stands before it: a name (`DB_PASSWORD=`), an option (`--token X`), a header, a URL.
Its keyword detector is not used, since in a log line it takes everything up to the end.

A bare random string is left alone: digests, ids and what an attacker encoded are evidence.
"""

from __future__ import annotations

import re
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, TypeVar

from responder.errors import ResponderError
from responder.finding import Conflict, Finding, PodRef, Process
from responder.redact.rules import (
    BEARER,
    CAPITAL_HINTS,
    COOKIE,
    ENV_PAIR,
    HEAD,
    HEADER,
    HINTS,
    KEY_LINE,
    KEY_LINE_LONGEST,
    MARKED_HINTS,
    NAME_AND_VALUE,
    OPTION,
    PRIVATE_KEY,
    PROGRAM,
    PROGRAMS,
    SHAPE_HINTS,
    SHAPES,
    SPELT_SHAPES,
    URL_PASSWORD,
    URL_TOKEN,
    VALUE,
    WORDS,
    is_secret_name,
    is_secret_value,
    is_token,
)

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

LIMIT: Final = 16_384
"""Characters of one text that are looked at; the rest is dropped, since what was not looked at must not be shown."""

TAKEN_OUT: Final = re.compile(r"\[redacted:([a-z0-9-]+)\]")
"""What stands in the place of a secret; its class."""

F = TypeVar("F", bound=Finding)
_Take = Callable[[str, str], str]


class Redactor:
    """Takes secrets out of one record's texts, and counts them. Safe from many threads.

    What is taken out reads ``[redacted:CLASS]``. `counts` tells different secrets, not places: one that stands in the
    arguments and in the log is one.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    @property
    def counts(self) -> dict[str, int]:
        """How many different secrets were taken out, by class."""
        with self._lock:
            return dict(sorted(Counter(kind for kind, _ in self._seen).items()))

    def text(self, text: str, *, limit: int = LIMIT) -> str:
        """`text` without secrets, cut at `limit` characters before anything else; lone surrogates become ``?``."""
        text = _cut(text, limit)
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()
        lower = text.lower()
        if _has_hint(text, lower):
            return self._redacted(text, lower)
        return text

    def args(self, args: Sequence[str]) -> tuple[str, ...]:
        """Arguments without secrets: those that are the value of an option in the argument before them, too."""
        words = list(args)
        words = self._key_words(words)
        words = _by_option(words, self._take)
        done: list[str] = []
        for before, word in zip(["", *words], words, strict=False):
            named = NAME_AND_VALUE.match(word)
            # `NAME=VALUE` is one argument, with whatever its value holds; a script (`sh -c`) is many.
            if named and not _is_script(before) and is_secret_value(named["name"], named["value"], "="):
                done.append(word[: named.start("value")] + self._take("named", named["value"]))
            else:
                done.append(self.text(word))
        return tuple(done)

    def finding(self, finding: F) -> F:
        """The finding without secrets. What names it (keys, resource names, pods) stays as it is."""
        return replace(
            finding,
            description=self.text(finding.description),
            external_uri=self.text(finding.external_uri),
            processes=tuple(map(self._process, finding.processes)),
            pods=tuple(map(self._pod, finding.pods)),
            marks=self.words(finding.marks),
            told={name: self.told(said) for name, said in finding.told.items()},
            conflicts=tuple(map(self._conflict, finding.conflicts)),
            problems=tuple(map(self.text, finding.problems)),
        )

    def _process(self, process: Process) -> Process:
        return replace(
            process,
            name=self.text(process.name),
            binary=self.text(process.binary),
            args=self.args(process.args),
            script=self.text(process.script),
            libraries=tuple(map(self.text, process.libraries)),
        )

    def _pod(self, pod: PodRef) -> PodRef:
        return replace(pod, labels=self.words(pod.labels))

    def words(self, words: Mapping[str, str]) -> dict[str, str]:
        """Labels, annotations or marks without secrets: the name of each tells what its value is."""
        return {name: self._value(name, text) for name, text in words.items()}

    def told(self, said: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """A value of the finding's sheet: a text, or an argument list."""
        return self.text(said) if isinstance(said, str) else self.args(said)

    def _conflict(self, conflict: Conflict) -> Conflict:
        return replace(conflict, values={where: self.text(said) for where, said in conflict.values.items()})

    def _value(self, name: str, text: str) -> str:
        """The value of a pair that is kept apart from its name."""
        name = name.rpartition("/")[2]  # what stands before the slash is whose label it is
        whole = NAME_AND_VALUE.match(f"{name}={text}")
        if whole and is_secret_value(whole["name"], text, "="):
            return self._take("named", text)
        return self.text(text)

    def _take(self, kind: str, secret: str) -> str:
        with self._lock:
            self._seen.add((kind, hash(secret)))
        return f"[redacted:{kind}]"

    def _redacted(self, text: str, lower: str) -> str:
        """The slow way, for a text that has some sign of a secret."""
        take = self._take
        if "private key" in lower:
            text = PRIVATE_KEY.sub(lambda found: take("private-key", found[0]), text)
        if '"value' in lower:
            text = ENV_PAIR.sub(self._env, text)
        if KEY_LINE.fullmatch(text):
            return take("key-line", text)
        if "://" in text and "@" in text:
            text = URL_PASSWORD.sub(lambda found: found[1] + take("url-password", found[2]), text)
            text = URL_TOKEN.sub(lambda found: found[1] + take("url-token", found[2]), text)
        for kind, pattern in SPELT_SHAPES.items():
            text = pattern.sub(lambda found, kind=kind: take(kind, found[0]), text)  # type: ignore[misc] # a lambda's default
        text = self._by_header(text, lower)
        text = self._by_name(text)
        text = self._by_shape(text, lower)
        if (" -" in text or text.startswith("-")) and (
            PROGRAM.search(text) or any(is_secret_name(o[0]) for o in OPTION.finditer(text))
        ):
            # Words stand at the odd places, the gaps between them are kept as they are.
            parts = WORDS.split(text)
            parts[1::2] = _by_option(parts[1::2], take)
            text = "".join(parts)
        return text

    def _env(self, found: re.Match[str]) -> str:
        return found[1] + found[2] + self._take("env", found[3]) + found[4] if found[3] else found[0]

    def _by_header(self, text: str, lower: str) -> str:
        def header(found: re.Match[str]) -> str:
            if not found[2] and not is_token(found[3]):
                return found[0]
            return found[1] + found[2] + self._take("authorization", found[3])

        def bearer(found: re.Match[str]) -> str:
            return found[1] + self._take("bearer", found[2]) if is_token(found[2]) else found[0]

        if "authorization" in lower:
            text = HEADER.sub(header, text)
        if "bearer" in lower or "basic" in lower:
            text = BEARER.sub(bearer, text)
        if "cookie" in lower:
            text = COOKIE.sub(lambda found: found[1] + self._take("cookie", found[2]), text)
        return text

    def _by_name(self, text: str) -> str:
        out: list[str] = []
        done = at = 0
        while (head := HEAD.search(text, at)) is not None:
            at = head.end()
            value = VALUE.match(text, at)
            if value is None:
                continue
            group = "bare" if value["bare"] is not None else "quoted"
            if is_secret_value(head["name"], value[group], head["joint"]):
                out += text[done : value.start(group)], self._take("named", value[group])
                done = at = value.end(group)
        return "".join([*out, text[done:]])

    def _by_shape(self, text: str, lower: str) -> str:
        for shape in SHAPES:
            if not any(hint in lower for hint in shape.hints):
                continue
            for found in dict.fromkeys(_detector(shape.detector).analyze_string(text)):
                # Some detectors take the quotes and spaces around a secret with it.
                secret = found.strip(" \t\r\n\"'=:")
                if len(secret) >= _SHORTEST_SHAPE:
                    text = text.replace(secret, self._take(shape.kind, secret))
        return text

    def _key_words(self, words: list[str]) -> list[str]:
        """A private key that a shell split into words (`echo -----BEGIN RSA PRIVATE KEY----- MII… -----END …`)."""
        if not any("PRIVATE" in word for word in words) or "KEY-----" not in words:
            return words
        start = words.index("KEY-----") + 1
        end = next((n for n in range(start, len(words)) if words[n].startswith("-----END")), len(words))
        return [*words[:start], *(self._take("private-key", word) for word in words[start:end]), *words[end:]]


def scrub(error: BaseException) -> str:
    """What an error log may say of `error`: type, our own words, and where in our code; never a foreign text.

    The text of an SDK's exception can carry bodies, headers and tokens; that of ours is written to carry none.
    """
    words = f": {Redactor().text(str(error), limit=500)}" if isinstance(error, ResponderError) else ""
    cause = error.__cause__ or error.__context__
    origin = f" (from {type(cause).__name__})" if cause is not None else ""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if PurePath(frame.filename).parent.name in _OUR_FOLDERS]
    where = f" at {PurePath(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{words}{origin}{where}"


_OUR_FOLDERS: Final = frozenset({"responder", "live", "stores"})
_SHORTEST_SHAPE: Final = 12
"""What a detector names is no secret on its own where it is shorter: a prefix, an empty group."""


def _has_hint(text: str, lower: str) -> bool:
    # Plain loops: `any()` costs twice as much, and nearly every line comes through here.
    for hint in HINTS:
        if hint in lower:
            return True
    for mark, hints in MARKED_HINTS:
        if mark in lower and any(hint in lower for hint in hints):
            return True
    for mark, hints in CAPITAL_HINTS:
        if mark in text and any(hint in text for hint in hints):
            return True
    if "://" in text and "@" in text:
        return True
    return _has_shape(text)


def _has_shape(text: str) -> bool:
    for part, shape in SHAPE_HINTS:
        if part.search(text) is not None and shape.search(text) is not None:
            return True
    return len(text) <= KEY_LINE_LONGEST and KEY_LINE.fullmatch(text) is not None


@cache
def _detector(name: str) -> BasePlugin:
    """A detector by the name of its module and class, imported when a text first needs it: the package is heavy."""
    module, _, kind = name.partition(":")
    detector: Any = getattr(import_module(f"detect_secrets.plugins.{module}"), kind)
    return detector()  # type: ignore[no-any-return] # the package's plugins are found by name


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters, not ending within a word: a secret cut in two would no longer be known as one."""
    if len(text) <= limit:
        return text
    text = text[:limit]
    kept = max(text.rfind(" "), text.rfind("\n"))
    # A word as long as this has no place to be cut at; its last part goes.
    return text[: max(kept, limit - min(512, limit // 2))] + " [cut]"


def _is_script(option: str) -> bool:
    return re.fullmatch(r"-[a-z]{0,4}c|-e|--command|--eval|eval", option) is not None


def _by_option(words: list[str], take: _Take) -> list[str]:
    """`words` with the values of secret options taken out; the program decides what `-p`, `-u` and `-a` mean."""
    out = list(words)
    program = ""
    for n, word in enumerate(words):
        bare = word.strip("'\"")
        name = PurePath(bare).name if "/" in bare else bare
        if name in PROGRAMS:
            program = name
        elif word in {"|", "&&", "||", ";"}:
            program = ""
        following = words[n + 1] if n + 1 < len(words) else ""
        if OPTION.fullmatch(bare) and is_secret_value(bare, following.strip("'\""), " "):
            out[n + 1] = take("option", following)
        for spec in PROGRAMS.get(program, ()):
            _short(out, n, spec, take)
    return out


def _short(out: list[str], n: int, spec: str, take: _Take) -> None:
    """The value of one option of `PROGRAMS` at place `n`: `-pX`, `-p X`, `-u USER:X`, `--user=USER:X`."""
    option, mark = (spec[:-1], spec[-1]) if spec[-1] in "+:%" else (spec, "")
    word, joint = out[n], "=" if option.startswith("--") else ""
    if word == option and mark != "+" and n + 1 < len(out):
        place, head, value = n + 1, "", out[n + 1]
    elif word.startswith(option + joint) and word != option:
        place, head = n, option + joint
        value = word[len(head) :]
    else:
        return
    if mark and mark in ":%":
        user, parted, value = value.partition(mark)
        head += user + parted
    bare = value.strip("'\"")
    if is_secret_value("--password", bare, " "):
        out[place] = head + take("option", bare)
