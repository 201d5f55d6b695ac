"""What this CPU can do, under LLVM's feature names: CPUID on x86, the auxiliary vector on Arm."""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal

from ..errors import TargetError
from ..system.executable import ExecutableMemoryError, map_bytes

Registers = tuple[int, int, int, int]
Cpuid = Callable[[int, int], Registers]

# void cpuid(uint32 leaf /*edi*/, uint32 subleaf /*esi*/, uint32 out[4] /*rdx*/): rbx must survive the call.
CPUID_CODE: Final = bytes.fromhex("53 4989d0 89f8 89f1 0fa2 418900 41895804 41894808 4189500c 5b c3")
# uint64 xgetbv(void): XCR0, the register states that the operating system saves.
XGETBV_CODE: Final = bytes.fromhex("31c9 0f01d0 48c1e220 4809d0 c3")
XGETBV_OFFSET: Final = 64

EAX, EBX, ECX, EDX = range(4)
# feature -> (leaf, subleaf, register, bit); Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
CPUID_BITS: Final = {
    "sse3": (1, 0, ECX, 0),
    "ssse3": (1, 0, ECX, 9),
    "fma": (1, 0, ECX, 12),
    "cx16": (1, 0, ECX, 13),
    "sse4.1": (1, 0, ECX, 19),
    "sse4.2": (1, 0, ECX, 20),
    "movbe": (1, 0, ECX, 22),
    "popcnt": (1, 0, ECX, 23),
    "avx": (1, 0, ECX, 28),
    "f16c": (1, 0, ECX, 29),
    "bmi": (7, 0, EBX, 3),
    "avx2": (7, 0, EBX, 5),
    "bmi2": (7, 0, EBX, 8),
    "avx512f": (7, 0, EBX, 16),
    "avx512dq": (7, 0, EBX, 17),
    "avx512cd": (7, 0, EBX, 28),
    "avx512bw": (7, 0, EBX, 30),
    "avx512vl": (7, 0, EBX, 31),
    "avx512vbmi": (7, 0, ECX, 1),
    "avx512vnni": (7, 0, ECX, 11),
    "avxvnni": (7, 1, EAX, 4),
    "sahf": (0x80000001, 0, ECX, 0),
    "lzcnt": (0x80000001, 0, ECX, 5),
}
OSXSAVE: Final = 1 << 27
XCR0_AVX: Final = 0b110
XCR0_AVX512: Final = 0b11100110
NEED_AVX_STATE: Final = frozenset({"avx", "avx2", "avxvnni", "f16c", "fma"})

# Linux's names for the same, where they differ.
PROC_NAMES: Final = {"pni": "sse3", "sse4_1": "sse4.1", "sse4_2": "sse4.2", "lahf_lm": "sahf", "bmi1": "bmi",
                     "abm": "lzcnt", "avx512_vnni": "avx512vnni", "avx_vnni": "avxvnni"}  # fmt: skip

AT_HWCAP, AT_HWCAP2 = 16, 26
# feature -> bits that must all be set; Linux, arch/arm64/include/uapi/asm/hwcap.h.
HWCAP_BITS: Final = {"neon": (1,), "lse": (8,), "fullfp16": (9, 10), "rdm": (12,), "rcpc": (15,), "dotprod": (20,)}
HWCAP2_BITS: Final = {"i8mm": (13,)}

# Part numbers of MIDR_EL1 with implementer 0x41 (Arm), for the cores that have a tuned target.
ARM_PARTS: Final = {0xD03: "cortex-a53", 0xD05: "cortex-a55", 0xD07: "cortex-a57", 0xD08: "cortex-a72"}


@cache
def host_machine() -> Literal["x86-64", "aarch64"]:
    """The machine that this process's code is for; TargetError where no kernels can run."""
    machine = platform.machine().lower()
    known: dict[str, Literal["x86-64", "aarch64"]] = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "aarch64"}
    if not sys.platform.startswith("linux"):
        raise TargetError(f"compiled kernels need Linux, this is {sys.platform}; NumPy runs the operators")
    if machine not in known or sys.maxsize < 2**32:
        bits = 8 * struct.calcsize("P")
        raise TargetError(f"there are no kernels for a {bits}-bit process on {machine}; NumPy runs the operators")
    return known[machine]


@cache
def host_features() -> frozenset[str]:
    """The features of this CPU that some target may need and that the operating system lets programs use."""
    if host_machine() == "aarch64":
        return decode_hwcap(_auxiliary(AT_HWCAP), _auxiliary(AT_HWCAP2))
    try:
        return _cpuid_features()
    except ExecutableMemoryError:
        return decode_proc_flags(Path("/proc/cpuinfo").read_text())


def decode_cpuid(cpuid: Cpuid, xgetbv: Callable[[], int]) -> frozenset[str]:
    """The features that CPUID reports, less those whose registers XCR0 says the system does not save."""
    highest, extended = cpuid(0, 0)[EAX], cpuid(0x80000000, 0)[EAX]
    subleaves = {7: cpuid(7, 0)[EAX] if highest >= 7 else 0}
    xcr0 = xgetbv() if cpuid(1, 0)[ECX] & OSXSAVE else 0
    found = set()
    for feature, (leaf, subleaf, register, bit) in CPUID_BITS.items():
        known = leaf <= (extended if leaf >= 0x80000000 else highest) and subleaf <= subleaves.get(leaf, 0)
        if known and cpuid(leaf, subleaf)[register] >> bit & 1:
            found.add(feature)
    if xcr0 & XCR0_AVX != XCR0_AVX:
        found -= NEED_AVX_STATE
    if xcr0 & XCR0_AVX512 != XCR0_AVX512:
        found = {feature for feature in found if not feature.startswith("avx512")}
    return frozenset(found)


def decode_proc_flags(text: str) -> frozenset[str]:
    """The features in the flags line of an x86 /proc/cpuinfo; the kernel leaves out what it does not enable."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            names = {PROC_NAMES.get(flag, flag) for flag in value.split()}
            return frozenset(names & CPUID_BITS.keys())
    return frozenset()


def decode_hwcap(hwcap: int, hwcap2: int) -> frozenset[str]:
    """The features in AT_HWCAP and AT_HWCAP2 of aarch64 Linux."""
    return frozenset((*_set_bits(HWCAP_BITS, hwcap), *_set_bits(HWCAP2_BITS, hwcap2)))


def arm_core(root: Path = Path("/sys/devices/system/cpu")) -> str | None:
    """The core's name where all cores are alike and a tuned target exists for it, else None. It never adds features."""
    parts = set()
    for path in root.glob("cpu[0-9]*/regs/identification/midr_el1"):
        try:
            midr = int(path.read_text(), 16)
        except (OSError, ValueError):
            return None
        parts.add((midr >> 24 & 0xFF, midr >> 4 & 0xFFF))
    if len(parts) != 1:
        return None
    implementer, part = parts.pop()
    return ARM_PARTS.get(part) if implementer == 0x41 else None


def _set_bits(table: Mapping[str, tuple[int, ...]], value: int) -> Iterable[str]:
    return (feature for feature, bits in table.items() if all(value >> bit & 1 for bit in bits))


def _auxiliary(kind: int) -> int:
    getauxval = ctypes.CDLL(None).getauxval
    getauxval.argtypes, getauxval.restype = [ctypes.c_ulong], ctypes.c_ulong
    return int(getauxval(kind))


def _cpuid_features() -> frozenset[str]:
    code = map_bytes(CPUID_CODE.ljust(XGETBV_OFFSET, b"\xcc") + XGETBV_CODE)
    try:
        call = code.function(ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)))
        xgetbv = code.function(ctypes.CFUNCTYPE(ctypes.c_uint64), XGETBV_OFFSET)

        def cpuid(leaf: int, subleaf: int) -> Registers:
            out = (ctypes.c_uint32 * 4)()
            call(leaf, subleaf, out)
            return out[0], out[1], out[2], out[3]

        return decode_cpuid(cpuid, xgetbv)
    finally:
        code.close()
