"""Relocations of x86-64 objects. Numbers and formulas: System V ABI, AMD64 supplement, tables 4.9 and B.1."""

from __future__ import annotations

import struct
from typing import Final

from .elf import LinkError

R_NONE, R_64, R_PC32, R_PLT32, R_GOTPCREL, R_32, R_32S = 0, 1, 2, 4, 9, 10, 11
R_PC64, R_GOTOFF64, R_GOTPC32, R_GOT64, R_GOTPC64, R_PLTOFF64 = 24, 25, 26, 27, 29, 31
R_GOTPCRELX, R_REX_GOTPCRELX = 41, 42

ABSOLUTE: Final = frozenset({R_64, R_32, R_32S})
DISTANCE_32: Final = frozenset({R_PC32, R_PLT32})
LOADS_FROM_GOT: Final = frozenset({R_GOTPCREL, R_GOTPCRELX, R_REX_GOTPCRELX})
# There is no global offset table, so its address can be any: code only ever adds a distance from it back to it.
GOT_ADDRESS: Final = 0

MOV_LOAD, LEA, CALL_NEAR, JUMP_NEAR, ADDRESS_SIZE, NOP = 0x8B, 0x8D, 0xE8, 0xE9, 0x67, 0x90
CALL_INDIRECT, JUMP_INDIRECT = b"\xff\x15", b"\xff\x25"


def relocate(code: bytearray, place: int, kind: int, symbol: int, addend: int) -> None:
    """Patches code at offset place. symbol: offset of what is referred to. LinkError where no distance will do."""
    if kind in DISTANCE_32:
        _put32(code, place, symbol + addend - place)
    elif kind in LOADS_FROM_GOT:
        _relax(code, place, symbol, addend)
    elif kind == R_PC64:
        _put64(code, place, symbol + addend - place)
    elif kind in (R_GOTOFF64, R_PLTOFF64):
        _put64(code, place, symbol + addend - GOT_ADDRESS)
    elif kind == R_GOTPC32:
        _put32(code, place, GOT_ADDRESS + addend - place)
    elif kind == R_GOTPC64:
        _put64(code, place, GOT_ADDRESS + addend - place)
    elif kind in ABSOLUTE:
        raise LinkError(
            "an absolute address, which code mapped anywhere cannot hold; compile with reloc='pic', codemodel='small', "
            "and keep tables of pointers out of kernels"
        )
    elif kind == R_GOT64:
        raise LinkError(
            "an address table, which would have to be filled in at load time; compile with codemodel='small'"
        )
    elif kind != R_NONE:
        raise LinkError(f"relocation type {kind} of x86-64 is not known")


def _relax(code: bytearray, place: int, symbol: int, addend: int) -> None:
    """Rewrites an instruction that fetches an address from the table into one that computes it (ABI, B.2)."""
    if addend != -4 or place < 2:
        raise LinkError("a table entry with an offset, which cannot be computed in place")
    instruction = bytes(code[place - 2 : place])
    if instruction[0] == MOV_LOAD and instruction[1] & 0xC7 == 0x05:
        code[place - 2] = LEA
        _put32(code, place, symbol - 4 - place)
    elif instruction == CALL_INDIRECT:
        code[place - 2 : place] = bytes((ADDRESS_SIZE, CALL_NEAR))
        _put32(code, place, symbol - 4 - place)
    elif instruction == JUMP_INDIRECT:
        code[place - 2] = JUMP_NEAR
        _put32(code, place - 1, symbol - 4 - (place - 1))
        code[place + 3] = NOP
    else:
        raise LinkError("an instruction that reads an address from memory other than to load, call or jump to it")


def _put32(code: bytearray, place: int, value: int) -> None:
    _put(code, "<i", place, value)


def _put64(code: bytearray, place: int, value: int) -> None:
    _put(code, "<q", place, value)


def _put(code: bytearray, layout: str, place: int, value: int) -> None:
    try:
        struct.pack_into(layout, code, place, value)
    except struct.error as error:
        raise LinkError(f"distance {value} at {place} does not fit") from error
