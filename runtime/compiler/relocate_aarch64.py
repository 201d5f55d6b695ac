"""Relocations of aarch64 objects. Numbers and formulas: ELF for the Arm 64-bit Architecture (aaelf64), 5.7.

ADRP is always rewritten to ADR, which reaches 1 MiB: no blob of kernels is larger, and the Cortex-A53 can miscompute an
address when ADRP stands at the end of a page (erratum 843419).
"""

from __future__ import annotations

import struct
from typing import Final

from .elf import LinkError

R_NONE, R_NONE_OLD, R_ABS64, R_ABS32, R_ABS16, R_PREL64, R_PREL32 = 0, 256, 257, 258, 259, 260, 261
R_LD_PREL_LO19, R_ADR_PREL_LO21, R_ADR_PREL_PG_HI21, R_ADR_PREL_PG_HI21_NC = 273, 274, 275, 276
R_ADD_ABS_LO12_NC, R_JUMP26, R_CALL26 = 277, 282, 283
R_ADR_GOT_PAGE, R_LD64_GOT_LO12_NC, R_PLT32 = 311, 312, 314

ABSOLUTE: Final = frozenset({R_ABS64, R_ABS32, R_ABS16})
# relocation -> log2 of the access size that the instruction scales its offset by
LOAD_STORE_LO12: Final = {278: 0, 284: 1, 285: 2, 286: 3, 299: 4}

LOAD64_MASK, LOAD64, ADD64 = 0xFFC00000, 0xF9400000, 0x91000000
ADRP_MASK, ADRP, ADRP_BIT = 0x9F000000, 0x90000000, 1 << 31
ZERO_REGISTER: Final = 31


def relocate(code: bytearray, place: int, kind: int, symbol: int, addend: int) -> None:
    """Patches code at offset place. symbol: offset of what is referred to. LinkError where no distance will do."""
    value = symbol + addend
    distance = value - place
    if kind in (R_CALL26, R_JUMP26):
        _insert(code, place, _words(distance, 26), 26, 0)
    elif kind in (R_ADR_PREL_PG_HI21, R_ADR_PREL_PG_HI21_NC, R_ADR_GOT_PAGE):
        _page_address(code, place, value)
    elif kind == R_ADR_PREL_LO21:
        _insert_adr(code, place, distance)
    elif kind == R_ADD_ABS_LO12_NC:
        _insert(code, place, value & 0xFFF, 12, 10)
    elif kind in LOAD_STORE_LO12:
        _insert(code, place, _scaled(value & 0xFFF, LOAD_STORE_LO12[kind]), 12, 10)
    elif kind == R_LD64_GOT_LO12_NC:
        _relax_load(code, place, value)
    elif kind == R_LD_PREL_LO19:
        _insert(code, place, _words(distance, 19), 19, 5)
    elif kind in (R_PREL32, R_PLT32):
        _put(code, "<i", place, distance)
    elif kind == R_PREL64:
        _put(code, "<q", place, distance)
    elif kind in ABSOLUTE:
        raise LinkError(
            "an absolute address, which code mapped anywhere cannot hold; compile with reloc='pic', codemodel='small', "
            "and keep tables of pointers out of kernels"
        )
    elif kind not in (R_NONE, R_NONE_OLD):
        raise LinkError(f"relocation type {kind} of aarch64 is not known")


def _page_address(code: bytearray, place: int, value: int) -> None:
    """ADRP becomes ADR of the target's 4 KiB page; blobs are page-aligned, so offsets have the addresses' low bits."""
    word = _word(code, place)
    if word & ADRP_MASK != ADRP:
        raise LinkError("a page address in an instruction other than adrp")
    struct.pack_into("<I", code, place, word & ~ADRP_BIT)
    _insert_adr(code, place, (value & ~0xFFF) - place)


def _relax_load(code: bytearray, place: int, value: int) -> None:
    """A load of an address from the global offset table becomes the addition that computes it."""
    word = _word(code, place)
    if word & LOAD64_MASK != LOAD64 or word & 0x1F == ZERO_REGISTER:
        raise LinkError("a table entry read by an instruction other than a 64-bit load")
    registers = word & 0x3FF
    struct.pack_into("<I", code, place, ADD64 | (value & 0xFFF) << 10 | registers)


def _insert_adr(code: bytearray, place: int, distance: int) -> None:
    if not -(1 << 20) <= distance < 1 << 20:
        raise LinkError("farther than 1 MiB away; link fewer kernels into one blob")
    _insert(code, place, distance & 3, 2, 29)
    _insert(code, place, distance >> 2, 19, 5)


def _words(distance: int, bits: int) -> int:
    if distance % 4 or not -(1 << bits + 1) <= distance < 1 << bits + 1:
        raise LinkError(f"distance {distance} is out of the instruction's reach")
    return distance >> 2


def _scaled(offset: int, shift: int) -> int:
    if offset % (1 << shift):
        raise LinkError(f"an access of {1 << shift} bytes at an offset that is no multiple of that")
    return offset >> shift


def _insert(code: bytearray, place: int, value: int, bits: int, shift: int) -> None:
    mask = ((1 << bits) - 1) << shift
    struct.pack_into("<I", code, place, _word(code, place) & ~mask | value << shift & mask)


def _word(code: bytearray, place: int) -> int:
    word: int = struct.unpack_from("<I", code, place)[0]
    return word


def _put(code: bytearray, layout: str, place: int, value: int) -> None:
    try:
        struct.pack_into(layout, code, place, value)
    except struct.error as error:
        raise LinkError(f"distance {value} at {place} does not fit") from error
