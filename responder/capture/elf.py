"""Step 5: what a captured ELF file says of itself: how it was linked, and by which compiler. Runs nothing.

The file is the attacker's. pyelftools decodes the structures; which of them are read, and how many bytes, is decided
here, since its own iterators follow the file's counts. Names and numbers: the System V ABI (gABI, chapters 4 and 5).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from responder.errors import SettingsError
from responder.record import ElfFacts

MAGIC: Final = b"\x7fELF"
MOST_SEGMENTS: Final = 512
MOST_SECTIONS: Final = 8192
MOST_DYNAMIC: Final = 1024
MOST_STRINGS: Final = 32
LONGEST: Final = 200
"""Characters of a string that is kept."""

_HEADER: Final = 64
_SIZES: Final = {32: (32, 40, 8), 64: (56, 64, 16)}
"""By class: bytes of a program header, a section header, a dynamic entry. The kernel takes no other program header."""
_TABLE: Final = 4096
"""Bytes of `.comment`, and of one segment or section of notes."""
_MOST_NOTES: Final = 64
_MOST_BLOCKS: Final = 16
"""Segments and sections of notes that are read; compilers make three or four."""
_BUILD_ID: Final = 3
"""NT_GNU_BUILD_ID."""
_LONGEST_ID: Final = 64
_COMMENT: Final = b".comment\0"
_ALLOC: Final = 0x2
_COMPRESSED: Final = 0x800
_PIE: Final = 0x08000000
"""DF_1_PIE of DT_FLAGS_1: what tells a position-independent program from a library."""

Kind = Literal["executable", "shared", "object", "core", "other"]


class Readable(Protocol):
    """What of a file object is used."""

    def seek(self, offset: int, /) -> object:
        """Go to that byte, which may lie behind the end."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


def facts(file: Readable) -> ElfFacts | None:
    """What the file says; None where it is no ELF file. SettingsError where pyelftools is not installed.

    At most some 700 KiB are read, in bounded time, whatever it claims. What could not be read is in `problem`; then
    `stripped` is False unless the section table was read whole. A note that was cut is no note.
    """
    elf = _Elf(file)
    if elf.read(0, len(MAGIC)) != MAGIC:
        return None
    structs = _structs()
    try:
        _look(elf, structs)
    except Exception as error:  # noqa: BLE001 - the library's exceptions on hostile bytes are of no one tree
        elf.problem(f"it cannot be read further ({type(error).__name__})")
    return ElfFacts(
        machine=elf.machine,
        kind=_kind(elf),
        static=_kind(elf) == "executable" and not elf.has_interpreter and not elf.has_needed and not elf.unsure,
        stripped=elf.sections_read and not elf.has_symbols,
        interpreter=elf.interpreter,
        needed=tuple(dict.fromkeys(elf.needed)),
        comments=tuple(dict.fromkeys(elf.comments)),
        build_id=elf.build_id,
        problem="; ".join(elf.problems),
    )


@dataclass(slots=True)
class _Elf:
    """The file, and what is known of it so far. `unsure`: how it is linked was not read to the end."""

    file: Readable
    machine: str = "unknown"
    type: str = ""
    entry: int = 0
    segments: list[Any] = field(default_factory=list)
    interpreter: str = ""
    has_interpreter: bool = False
    has_dynamic: bool = False
    has_needed: bool = False
    has_name: bool = False
    is_pie: bool = False
    unsure: bool = True
    sections_read: bool = False
    has_symbols: bool = False
    needed: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    build_id: str = ""
    note_blocks: int = 0
    problems: list[str] = field(default_factory=list)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes; fewer where the file ends, none where there is no such place."""
        if not 0 <= offset < 1 << 62:
            return b""
        self.file.seek(offset)
        return self.file.read(max(0, size))

    def text(self, offset: int, size: int = LONGEST) -> str:
        """A string that ends in NUL, cut at `size`."""
        return _printable(self.read(offset, min(size, LONGEST)).partition(b"\0")[0])

    def problem(self, text: str) -> None:
        """Say once what could not be read."""
        if text not in self.problems:
            self.problems.append(text)


def _look(elf: _Elf, structs: Any) -> None:
    first = elf.read(0, _HEADER)
    bits = {1: 32, 2: 64}.get(first[4] if len(first) > 5 else 0)  # noqa: PLR2004 - EI_CLASS and EI_DATA
    order = {1: True, 2: False}.get(first[5] if bits else 0)
    if bits is None or order is None or len(first) < (52 if bits == 32 else _HEADER):  # noqa: PLR2004 - of the header
        elf.problem("its header is cut, or of no class or byte order that there is")
        return
    layout = structs.ELFStructs(little_endian=order, elfclass=bits)
    layout.create_basic_structs()
    header = layout.Elf_Ehdr.parse(first)
    elf.machine, elf.type, elf.entry = _word(header.e_machine, "EM_"), str(header.e_type), header.e_entry
    layout.create_advanced_structs(header.e_type, header.e_machine, header.e_ident["EI_OSABI"])
    phsize, shsize, dynsize = _SIZES[bits]
    elf.segments = list(_entries(elf, layout.Elf_Phdr, _Table("program", header.e_phoff, header.e_phnum, phsize,
                                 header.e_phentsize, MOST_SEGMENTS)))  # fmt: skip
    _linking(elf, layout, dynsize)
    _sections(elf, layout, header, shsize)


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    offset: int
    count: int
    size: int
    claimed_size: int
    most: int


def _entries(elf: _Elf, layout: Any, table: _Table) -> Iterator[Any]:
    """The entries of a table of headers, as far as it is believable; each shortfall is a problem."""
    if not table.count or not table.offset:
        return
    if table.claimed_size != table.size:
        elf.problem(f"an entry of the {table.name} header table has {table.claimed_size} bytes, not {table.size}")
        return
    if table.count > table.most:
        elf.problem(f"{table.count} {table.name} headers: only {table.most} were read")
    count = min(table.count, table.most)
    data = elf.read(table.offset, count * table.size)
    whole = len(data) // table.size
    if whole < count:
        elf.problem(f"the {table.name} header table goes beyond the end of the file")
    for at in range(whole):
        yield layout.parse(data[at * table.size : (at + 1) * table.size])


# --- how it is linked -------------------------------------------------------------------------------------------------


def _linking(elf: _Elf, layout: Any, dynsize: int) -> None:
    dynamic = None
    for one in elf.segments:
        if one.p_type == "PT_INTERP":
            elf.has_interpreter = True
            elf.interpreter = elf.interpreter or elf.text(one.p_offset, one.p_filesz)
        elif one.p_type == "PT_DYNAMIC":
            dynamic = dynamic or one
        elif one.p_type == "PT_NOTE":
            _notes(elf, layout, one.p_offset, one.p_filesz, one.p_align)
    elf.unsure = bool(elf.problems)
    if dynamic is not None:
        elf.has_dynamic = True
        _dynamic(elf, layout, dynamic, dynsize)


def _dynamic(elf: _Elf, layout: Any, segment: Any, size: int) -> None:
    data = elf.read(segment.p_offset, min(segment.p_filesz, MOST_DYNAMIC * size))
    strings, names, ended = None, [], False
    for at in range(0, len(data) - size + 1, size):
        entry = layout.Elf_Dyn.parse(data[at : at + size])
        tag = entry.d_tag
        if tag == "DT_NULL":
            ended = True
            break
        if tag == "DT_STRTAB":
            strings = _place(elf.segments, entry.d_ptr)
        elif tag == "DT_NEEDED":
            names.append(entry.d_val)
        elif tag == "DT_FLAGS_1":
            elf.is_pie = bool(entry.d_val & _PIE)
        elf.has_name = elf.has_name or tag == "DT_SONAME"
    elf.has_needed = bool(names)
    if not ended:
        elf.problem("its dynamic entries have no end")
        elf.unsure = True
    if names and strings is None:
        elf.problem("the names of its libraries are in no segment")
        return
    if len(names) > MOST_STRINGS:
        elf.problem(f"{len(names)} libraries: only {MOST_STRINGS} were named")
    elf.needed = [elf.text((strings or 0) + name) for name in names[:MOST_STRINGS]]


def _place(segments: Sequence[Any], address: int) -> int | None:
    """Where in the file an address of the running program lies."""
    for one in segments:
        if one.p_type == "PT_LOAD" and 0 <= address - one.p_vaddr < one.p_filesz:
            return int(address - one.p_vaddr + one.p_offset)
    return None


def _kind(elf: _Elf) -> Kind:
    """A position-independent program and a library are one type, ET_DYN; libraries can have an interpreter as well."""
    if elf.type == "ET_DYN":
        is_program = elf.is_pie or (elf.has_interpreter and not elf.has_name) or (not elf.has_dynamic and elf.entry)
        return "executable" if is_program else "shared"
    kinds: dict[str, Kind] = {"ET_EXEC": "executable", "ET_REL": "object", "ET_CORE": "core"}
    return kinds.get(elf.type, "other")


def _notes(elf: _Elf, layout: Any, offset: int, size: int, align: int) -> None:
    """The GNU build id among the notes, as hex. Each note is padded to 4 bytes, or to 8 where its segment is."""
    elf.note_blocks += 1
    if elf.note_blocks > _MOST_BLOCKS:
        elf.problem(f"more than {_MOST_BLOCKS} blocks of notes: the others were not read")
        return
    data, at, step = elf.read(offset, min(size, _TABLE)), 0, 8 if align == 8 else 4  # noqa: PLR2004 - bytes
    for _ in range(_MOST_NOTES):
        if elf.build_id or at + 12 > len(data):
            return
        name_size, size_of, kind = (layout.Elf_word("").parse(data[at + n : at + n + 4]) for n in (0, 4, 8))
        name_end = at + 12 + name_size
        start = at + 12 + -(-name_size // 4) * 4 if step == 4 else -(-name_end // 8) * 8  # noqa: PLR2004 - bytes
        text = data[start : start + size_of]
        is_id = kind == _BUILD_ID and data[at + 12 : name_end] == b"GNU\0"
        if is_id and 0 < size_of <= _LONGEST_ID and len(text) == size_of:
            elf.build_id = text.hex()
        at = start + -(-size_of // step) * step


# --- what the linker leaves beside the program ------------------------------------------------------------------------


def _sections(elf: _Elf, layout: Any, header: Any, size: int) -> None:
    count, names_at = header.e_shnum, header.e_shstrndx
    if header.e_shoff and not count:
        # The count of 65,280 and more sections stands in the first of them.
        first = elf.read(header.e_shoff, size)
        count = layout.Elf_Shdr.parse(first).sh_size if len(first) == size else 1
    before = len(elf.problems)
    table = _Table("section", header.e_shoff, count, size, header.e_shentsize, MOST_SECTIONS)
    sections = list(_entries(elf, layout.Elf_Shdr, table))
    elf.sections_read = len(elf.problems) == before
    elf.has_symbols = any(one.sh_type == "SHT_SYMTAB" for one in sections)
    if names_at == "SHN_XINDEX" or names_at == 0xFFFF:  # noqa: PLR1714, PLR2004 - the library gives either
        names_at = sections[0].sh_link if sections else 0
    for one in sections:
        if one.sh_type == "SHT_NOTE" and not elf.build_id:
            _notes(elf, layout, one.sh_offset, one.sh_size, one.sh_addralign)
    if sections and not (isinstance(names_at, int) and 0 < names_at < len(sections)):
        elf.problem("its sections have no names")
        return
    if sections:
        _find_comments(elf, sections, sections[names_at].sh_offset)


def _find_comments(elf: _Elf, sections: Sequence[Any], names: int) -> None:
    for one in sections:
        # Names are read of the few sections alone that can be it.
        if one.sh_type != "SHT_PROGBITS" or one.sh_flags & _ALLOC:
            continue
        if elf.read(names + one.sh_name, len(_COMMENT)) == _COMMENT:
            _comments(elf, one)
            return


def _comments(elf: _Elf, section: Any) -> None:
    if section.sh_flags & _COMPRESSED:
        elf.problem("its .comment is compressed, and was not unpacked")
        return
    data = elf.read(section.sh_offset, min(section.sh_size, _TABLE))
    texts = [_printable(part) for part in data.split(b"\0") if part]
    if len(texts) > MOST_STRINGS or section.sh_size > _TABLE:
        elf.problem("its .comment is longer than any that compilers write: only its first was read")
    elf.comments = texts[:MOST_STRINGS]


def _printable(text: bytes) -> str:
    """Printable ASCII, everything else as an escape: neither terminal nor page is told anything. Cut at `LONGEST`."""
    return ascii(text[:LONGEST].decode("utf-8", "backslashreplace"))[1:-1][:LONGEST]


def _word(name: Any, prefix: str) -> str:
    """`EM_X86_64` as `x86_64`; a number that the library has no name for as `unknown-1234`."""
    return name.removeprefix(prefix).lower() if isinstance(name, str) else f"unknown-{name}"


def _structs() -> Any:
    if importlib.util.find_spec("elftools") is None:
        raise SettingsError("pyelftools is not installed, and ELF files need it: pip install '.[capture]'")
    import elftools.elf.structs  # noqa: PLC0415 - an extra: who captures nothing does without

    return elftools.elf.structs
