"""Reading ELF64 little-endian relocatable objects, as LLVM writes them for x86-64 and aarch64.

Layouts and constants: System V ABI, chapters 4 and 5 of the generic part.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from ..errors import Error

EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
SHDR: Final = struct.Struct("<IIQQQQIIQQ")
SYM: Final = struct.Struct("<IBBHQQ")
RELA: Final = struct.Struct("<QQq")

IDENT: Final = b"\x7fELF\x02\x01\x01"
ET_REL: Final = 1
MACHINES: Final = {62: "x86-64", 183: "aarch64"}

SHT_SYMTAB, SHT_RELA, SHT_NOBITS, SHT_REL, SHT_SYMTAB_SHNDX = 2, 4, 8, 9, 18
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_TLS = 0x1, 0x2, 0x4, 0x400
SHN_UNDEF, SHN_LORESERVE = 0, 0xFF00
STB_LOCAL: Final = 0
MAX_ALIGN: Final = 4096


class LinkError(Error):
    """Compiled kernels cannot be linked; the text names the object's symbol or section."""


@dataclass(frozen=True, slots=True)
class Relocation:
    """Patch at `offset` of its section: `kind` is the machine's relocation number, `symbol` an index."""

    offset: int
    kind: int
    symbol: int
    addend: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """section is an index, or, from SHN_LORESERVE on, says that there is none; value is an offset in that section."""

    name: str
    section: int
    value: int
    local: bool

    @property
    def defined(self) -> bool:
        return self.section != SHN_UNDEF


@dataclass(slots=True)
class Section:
    """data is empty for a section that occupies no file space (SHT_NOBITS); size is what it occupies in memory."""

    name: str
    kind: int
    flags: int
    align: int
    size: int
    data: memoryview
    relocations: list[Relocation] = field(default_factory=list)

    @property
    def executable(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR)


@dataclass(slots=True)
class Object:
    """One relocatable object; sections and symbols keep their ELF indices."""

    machine: str
    sections: list[Section]
    symbols: list[Symbol]


def parse(data: bytes) -> Object:
    """Reads an object file. Raises LinkError where it is no such object or is damaged."""
    try:
        return _parse(memoryview(data))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise LinkError(f"damaged object file: {error}") from error


def _parse(data: memoryview) -> Object:
    ident, kind, number, _, _, _, table, _, _, _, _, entry_size, count, names_index = EHDR.unpack_from(data)
    if not ident.startswith(IDENT) or kind != ET_REL or number not in MACHINES:
        raise LinkError("not a 64-bit little-endian relocatable ELF object for x86-64 or aarch64")
    if entry_size != SHDR.size or count == 0:
        raise LinkError("damaged object file: section headers of unknown size, or none")
    headers = [SHDR.unpack_from(_slice(data, table + i * SHDR.size, SHDR.size)) for i in range(count)]
    strings = _contents(data, headers[names_index])
    sections = []
    for name, section_kind, flags, _, _, size, _, _, align, _ in headers:
        if align & (align - 1) or align > MAX_ALIGN:
            raise LinkError(f"damaged object file: a section aligned to {align} bytes")
        sections.append(Section(_string(strings, name), section_kind, flags, max(align, 1), size, memoryview(b"")))
    for section, header in zip(sections, headers, strict=True):
        if section.kind != SHT_NOBITS and section.flags & SHF_ALLOC:
            section.data = _contents(data, header)
    machine = MACHINES[number]
    symbols = _symbols(data, headers)
    _read_relocations(data, headers, sections, len(symbols))
    return Object(machine, sections, symbols)


def _symbols(data: memoryview, headers: list[tuple[int, ...]]) -> list[Symbol]:
    tables = [header for header in headers if header[1] == SHT_SYMTAB]
    if any(header[1] == SHT_SYMTAB_SHNDX for header in headers):
        raise LinkError("object file with more than 65279 sections")
    if not tables:
        return []
    strings = _contents(data, headers[tables[0][6]])
    symbols = []
    for name, info, _, section, value, _ in SYM.iter_unpack(_contents(data, tables[0])):
        if section < SHN_LORESERVE and section >= len(headers):
            raise LinkError("damaged object file: symbol of a section that does not exist")
        symbols.append(Symbol(_string(strings, name), section, value, info >> 4 == STB_LOCAL))
    return symbols


def _read_relocations(
    data: memoryview, headers: list[tuple[int, ...]], sections: list[Section], symbol_count: int
) -> None:
    for header in headers:
        if header[1] == SHT_REL:
            raise LinkError("object file with relocations without addends")
        if header[1] != SHT_RELA:
            continue
        section = sections[header[7]]
        for offset, info, addend in RELA.iter_unpack(_contents(data, header)):
            symbol = info >> 32
            if symbol >= symbol_count or offset >= max(section.size, 1):
                raise LinkError(f"damaged object file: relocation out of range in {section.name}")
            section.relocations.append(Relocation(offset, info & 0xFFFFFFFF, symbol, addend))


def _contents(data: memoryview, header: tuple[int, ...]) -> memoryview:
    return _slice(data, header[4], header[5])


def _slice(data: memoryview, start: int, size: int) -> memoryview:
    if start + size > len(data):
        raise LinkError("damaged object file: it ends too early")
    return data[start : start + size]


def _string(table: memoryview, start: int) -> str:
    text = bytes(table[start:])
    return text[: text.index(b"\0")].decode() if b"\0" in text else text.decode()
