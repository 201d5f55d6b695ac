"""Copies of installed packages whose libraries ask not the CPU what it has, but who handles an invalid instruction.

Only the copies are changed: a folder of links to the package's files, in which libraries that contain the instruction
`cpuid` are files of their own.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import capstone

from .cpuid_mask import CPUID, REPLACED

EXECUTABLE: Final = 1
BEFORE: Final = range(40, 72)
"""Bytes before a place at which disassembling starts: of so many starts most have found to the true beginnings of
instructions by then, as x86 code synchronizes within a few."""
SHARE: Final = 1 / 3
"""Of those starts that see an instruction there. In the engines' libraries at least half do where objdump sees one, and
an eighth at most elsewhere."""


def copy_patched(package: Path, folder: Path) -> int:
    """Makes folder/NAME of a package's folder, beside it what auditwheel put into NAME.libs. How many instructions were
    replaced. OSError where files cannot be read or written."""
    libraries = package.with_name(f"{package.name}.libs")
    return sum(_copy(each, folder / each.name) for each in (package, libraries) if each.is_dir())


def _copy(source: Path, target: Path) -> int:
    target.mkdir(parents=True)
    count = 0
    for entry in sorted(source.iterdir()):
        if entry.is_dir() and entry.name != "__pycache__":
            count += _copy(entry, target / entry.name)
        elif ".so" in entry.suffixes:
            data = bytearray(entry.read_bytes())
            places = list(cpuid_places(bytes(data)))
            for place in places:
                data[place : place + len(CPUID)] = REPLACED
            if places:
                (target / entry.name).write_bytes(data)
            else:
                os.symlink(entry.resolve(), target / entry.name)
            count += len(places)
        else:
            os.symlink(entry.resolve(), target / entry.name)
    return count


def cpuid_places(library: bytes) -> Iterator[int]:
    """Offsets of the instruction in a 64-bit ELF file."""
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    for begin, end in _code(library):
        place = library.find(CPUID, begin, end)
        while place >= 0:
            if _is_instruction(disassembler, library, begin, place):
                yield place
            place = library.find(CPUID, place + 1, end)


def _is_instruction(disassembler: capstone.Cs, library: bytes, begin: int, place: int) -> bool:
    starts = [place - back for back in BEFORE if place - back >= begin]
    seen = 0
    for start in starts:
        code = library[start : place + len(CPUID)]
        seen += any(start + at == place for at, *_ in disassembler.disasm_lite(code, 0))
    return not starts or seen > SHARE * len(starts)


def _code(library: bytes) -> Iterator[tuple[int, int]]:
    """Beginnings and ends of what is mapped as executable."""
    if library[:5] != b"\x7fELF\x02":
        return
    (table,) = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    for i in range(count):
        kind, flags, offset = struct.unpack_from("<IIQ", library, table + i * size)
        (length,) = struct.unpack_from("<Q", library, table + i * size + 32)
        if kind == 1 and flags & EXECUTABLE:
            yield offset, offset + length
