"""Step 1, weighed: who started the compiler, and what else the same shell does. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from responder.triage.builds import Look
from responder.triage.deeds import short
from responder.triage.oddities import runs_product
from responder.triage.sign import Sign

_FETCHES: Final = re.compile(
    r"\b(?:curl|wget|fetch|lwp-download|aria2c|scp|ftp|tftp)\b|/dev/tcp/|\bgit clone\b|\bnc(?:at)? "
)
_FETCHED_FROM: Final = re.compile(
    r"https?://(?:\d{1,3}\.){3}\d{1,3}|/dev/tcp/|\b(?:paste|transfer\.sh|ngrok|gist|0x0\.st)"
)
_DECODES: Final = re.compile(
    r"base64 (?:-d|--decode|-D)|xxd -r|openssl (?:enc|base64) |\b(?:gunzip|zcat)\b.*\||"
    r"\beval\b[^\n]{0,200}\b(?:xz|gzip|zcat|base64|openssl)\b"
)
_PRELOADS: Final = re.compile(r"ld\.so\.preload|\bLD_PRELOAD=[\"']?(?:/tmp|/dev/shm|/var/tmp|\.|/\S*/\.)")
_CALLS_BACK: Final = re.compile(r"/dev/(?:tcp|udp)/|\bnc(?:at)? [^|;]*-e\b|\bmkfifo\b[^\n]{0,200}\bsh\b")
_PERSISTS: Final = re.compile(r">>?\s*/etc/(?:pam\.d|cron|profile|rc\.local)|pam_\w+\.so|authorized_keys")
_MINES: Final = re.compile(r"stratum\+|minexmr|supportxmr|nanopool|--donate-level|monero|\bxmr", re.IGNORECASE)
_ARMS: Final = (
    # What it is, in words, its technique, and whether it counts inside a named build too.
    (_PRELOADS, "puts a library before all others", "T1574.006", True),
    (re.compile(r"\binsmod\b|\bmodprobe\b"), "loads a kernel module", "T1547.006", False),
    (re.compile(r"\bchmod \S*(?:[4-7][0-7]{3}\b|[ugoa]*\+\S*s)"), "sets the setuid bit", "T1548.001", True),
    (re.compile(r"\bsetcap\b"), "gives a file capabilities", "T1548.001", False),
    (_CALLS_BACK, "opens a shell over the network", "T1059.004", True),
    (re.compile(r"\bnohup\b|\bsetsid\b|>/dev/null 2>&1 ?&|\bdisown\b"), "detaches what it starts", "T1564", False),
    (re.compile(r"unset HISTFILE|history -c|HISTFILE=/dev/null"), "hides its history", "T1070.003", True),
    (_PERSISTS, "touches logins or start-up files", "T1556.003", False),
    (_MINES, "speaks to a mining pool", "T1496", True),
)  # fmt: skip


def of_parents(looks: tuple[Look, ...]) -> Iterator[Sign]:
    """P2 to P5, and A2 where the same shell runs the product."""
    for one in looks:
        at = (one.exec.pointer,) if one.exec.pointer else ()
        if not one.build.tool:
            if one.itself.role in {"shell", "interactive"}:
                yield from _script(one, one.itself.script, at, is_parent=True)
            continue
        yield from _chain(one, at)
        for parent in one.ancestors:
            yield from _script(one, parent.script, at, is_parent=True)
        if one.build.wrappers and not one.itself.script:
            continue
        yield from _script(one, one.itself.script, at, is_parent=False)


def _chain(one: Look, at: tuple[str, ...]) -> Iterator[Sign]:
    shell = False
    # CI runners feed their scripts to a bare shell on its standard input.
    is_ci = any(parent.role == "ci" for parent in one.ancestors)
    for parent in one.ancestors:
        if parent.role in {"shell", "interactive"}:
            shell = True
            if parent.role == "interactive" and not is_ci and not one.is_explained_by_runner:
                text = f"an interactive shell started it: {short(parent.text)}"
                yield Sign(id="P3", text=text, evidence=at, outside=True)
        elif parent.pty:
            yield Sign(id="P3", text=f"a terminal was made for it: {short(parent.text)}", evidence=at, outside=True)
        elif parent.role == "web" and shell:
            text = f"{parent.name} answers strangers, and a shell was started under it"
            yield Sign(id="P2", text=text, evidence=at, outside=True, decisive=True)
        elif parent.role == "application" and shell and not _is_its_own(one):
            text = f"an application ({short(parent.text)}) started a shell"
            yield Sign(id="P4", text=text, evidence=at, outside=True)


def _is_its_own(one: Look) -> bool:
    """Whether an application compiles by itself or installs: a project's build is nothing that a server starts."""
    return one.is_explained and one.named is not None and one.named.family.kind != "project"


def _script(one: Look, script: str, at: tuple[str, ...], *, is_parent: bool) -> Iterator[Sign]:
    if not script:
        return
    said: list[str] = []
    techniques: list[str] = []
    for pattern, words, technique, always in _ARMS:
        if (always or not one.is_explained) and pattern.search(script):
            said.append(words)
            techniques.append(technique)
    if _DECODES.search(script) and not one.is_explained:
        said.append("decodes what it is given")
        techniques.append("T1140")
    if _FETCHES.search(script) and (not one.is_explained or _FETCHED_FROM.search(script)):
        said.append("fetches from elsewhere")
        techniques.append("T1105")
    if said:
        text = f"the shell that started it also {', '.join(said)}: {short(script)}"
        yield Sign(id="P5", text=text, evidence=at, outside=is_parent, techniques=tuple(dict.fromkeys(techniques)))
    if not one.is_explained and runs_product(one.build, script):
        yield Sign(id="A2", text=f"the same shell runs the product: {short(script)}", evidence=at, outside=is_parent)
