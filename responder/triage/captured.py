"""Steps 1 and 5, weighed: what the files that were taken out of the container say for an attack. Pure.

The programs that sent these files are the container's own, and may be the attacker's: a file can speak against the
container and never for it, so that no weight here is below zero. The weights are modest: none decides a verdict alone.
Nothing here is read of a file's text, since the record has none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from responder.record import Artifact
from responder.triage.sign import Sign, merged
from responder.triage.whereabouts import is_hidden, place

_OPEN: Final = frozenset({"temporary", "memory", "web"})
_SOURCES: Final = (".c", ".cc", ".cpp", ".cxx", ".go", ".rs", ".java", ".h", ".hpp")
_SHOWN: Final = 80


def signs(artifacts: Sequence[Artifact]) -> tuple[Sign, ...]:
    """One sign of each kind, with JSON pointers to every file that shows it; of files that were taken alone."""
    taken = [(f"/artifacts/{n}", one) for n, one in enumerate(artifacts) if one.status == "captured"]
    compilers = {(one.uid, text) for _, one in taken if one.role == "compiler" and one.elf for text in one.elf.comments}
    return merged(
        sign
        for pointer, one in taken
        for sign in _of(one, pointer, {text for uid, text in compilers if uid == one.uid})
    )


def _of(one: Artifact, pointer: str, compilers: set[str]) -> Iterator[Sign]:
    name, elf = _shown(one.path), one.elf
    where = place(one.path)
    if one.role in {"product", "dropped"} and elf is not None:
        if elf.kind == "executable" and elf.static and elf.stripped and (where in _OPEN or is_hidden(one.path)):
            yield _sign("C1", f"{name} is static and stripped, where anybody can write or few look", pointer)
        same = sorted(compilers & set(elf.comments))
        if one.role == "product" and same:
            yield _sign("C3", f"{name} was built in place: it and the compiler say {_shown(same[0])}", pointer)
    if one.role == "compiler" and one.against_scc == "differs":
        text = f"{name} is not the program that Security Command Center hashed when it ran"
        yield _sign("C2", text, pointer, "T1036.005")
    is_program = one.content == "script" or (elf is not None and elf.kind == "executable")
    if one.role == "dropped" and is_program and (where == "memory" or is_hidden(one.path)):
        yield _sign("C4", f"{name} is a program in a place that is hidden or leaves no trace on a disk", pointer)
    if one.role in {"source", "header"} and elf is not None and one.path.endswith(_SOURCES):
        yield _sign("C5", f"{name} has the name of a source and is an ELF file", pointer, "T1036")


def _sign(id_: str, text: str, pointer: str, *techniques: str) -> Sign:
    return Sign(id=id_, text=text, source="capture", evidence=(pointer,), outside=True, techniques=techniques)


def _shown(text: str) -> str:
    """Printable ASCII, its end where it is long: the name says more than the folders."""
    plain = ascii(text[-4 * _SHOWN :])[1:-1]
    return plain if len(plain) <= _SHOWN else f"...{plain[3 - _SHOWN :]}"
