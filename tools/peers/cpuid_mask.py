"""Answers of the `cpuid` instruction with bits left out, for code in which it was replaced by an invalid one.

A handler of SIGILL carries the instruction out and takes out of the answer what a target does not have. It is machine
code, as it runs while libraries are loaded, before or in the middle of anything of Python's.
"""

from __future__ import annotations

import ctypes
import signal
from typing import TYPE_CHECKING, Any, Final

import llvmlite.binding as llvm

if TYPE_CHECKING:
    from ...runtime.targets.target import Target

CPUID: Final = b"\x0f\xa2"
REPLACED: Final = b"\x0f\x04"
"""This is no instruction of any x86-64 CPU."""

Bits = dict[tuple[int, int], tuple[int, int, int, int]]
"""(leaf, subleaf) -> bits of eax, ebx, ecx and edx."""


def _bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


AMX: Final[Bits] = {(7, 0): (0, 0, 0, _bits(22, 24, 25)), (7, 1): (_bits(21), 0, 0, _bits(8, 19))}
BEYOND_VBMI: Final[Bits] = {(7, 0): (0, 0, 0, _bits(2, 3, 8, 23)), (7, 1): (_bits(5), 0, 0, 0)}
VBMI: Final[Bits] = {(7, 0): (0, _bits(21), _bits(1, 6, 12, 14), 0)}
VNNI_512: Final[Bits] = {(7, 0): (0, 0, _bits(11), 0)}
AVX512: Final[Bits] = {(7, 0): (0, _bits(16, 17, 26, 27, 28, 30, 31), 0, 0)}
VNNI_256: Final[Bits] = {(7, 1): (_bits(4, 23), 0, 0, _bits(4, 5, 10))}
AVX: Final[Bits] = {
    (1, 0): (0, 0, _bits(12, 28, 29), 0),
    (7, 0): (0, _bits(3, 5, 8), _bits(9, 10), 0),
    (0x80000001, 0): (0, 0, _bits(11, 16), 0),
}
"""With what is encoded alike: FMA, F16C, BMI, XOP."""

MASKS: Final[dict[str, tuple[Bits, ...]]] = {
    "x86-64-v4-vnni": (AMX, BEYOND_VBMI, VBMI, VNNI_256),
    "x86-64-v4": (AMX, BEYOND_VBMI, VBMI, VNNI_256, VNNI_512),
    "x86-64-v3-vnni": (AMX, BEYOND_VBMI, VBMI, VNNI_512, AVX512),
    "x86-64-v3": (AMX, BEYOND_VBMI, VBMI, VNNI_512, AVX512, VNNI_256),
    "x86-64-v2": (AMX, BEYOND_VBMI, VBMI, VNNI_512, AVX512, VNNI_256, AVX),
}
"""By target, what it does not have."""

# Places in Linux's ucontext_t.
REGISTERS: Final = {"eax": 144, "ebx": 128, "ecx": 152, "edx": 136}
ADDRESS: Final = 168
SA_SIGINFO, SA_NODEFER = 4, 0x40000000


class _Action(ctypes.Structure):
    """glibc's struct sigaction."""

    _fields_ = (("handler", ctypes.c_void_p), ("mask", ctypes.c_byte * 128), ("flags", ctypes.c_int),
                ("restorer", ctypes.c_void_p))  # fmt: skip


_installed: list[Any] = []
"""What the handler's code lives in, which is never freed."""


def answer_cpuid_as(target: Target) -> None:
    """From now on, in this process, REPLACED is cpuid without what the target does not have. OSError where the handler
    cannot be installed."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    library = ctypes.CDLL(None, use_errno=True)
    default = ctypes.cast(library.signal, ctypes.c_void_p).value
    module = llvm.parse_assembly(_handler(_merged(target.base), default or 0))
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    action = _Action(engine.get_function_address("handle"), (ctypes.c_byte * 128)(), SA_SIGINFO | SA_NODEFER, None)
    if library.sigaction(int(signal.SIGILL), ctypes.byref(action), None):
        raise OSError(ctypes.get_errno(), "SIGILL cannot be handled")
    _installed.append(engine)


def _merged(base: str) -> Bits:
    found: Bits = {}
    for bits in MASKS[base]:
        for leaf, masks in bits.items():
            known = found.get(leaf, (0, 0, 0, 0))
            found[leaf] = tuple(a | b for a, b in zip(known, masks, strict=True))  # type: ignore[assignment]
    return found


def _handler(masks: Bits, default: int) -> str:
    """LLVM's assembly of the handler. default: address of signal(), which lets other invalid instructions end us."""
    invalid = int.from_bytes(REPLACED, "little")
    lines = [
        "define void @handle(i32 %number, ptr %info, ptr %context) {",
        f"%at = getelementptr i8, ptr %context, i64 {ADDRESS}",
        "%address = load i64, ptr %at",
        "%place = inttoptr i64 %address to ptr",
        "%code = load i16, ptr %place, align 1",
        f"%ours = icmp eq i16 %code, {invalid}",
        "br i1 %ours, label %emulate, label %other",
        "emulate:",
        *(f"%{name}.at = getelementptr i8, ptr %context, i64 {offset}" for name, offset in REGISTERS.items()),
        "%leaf = load i32, ptr %eax.at",
        "%subleaf = load i32, ptr %ecx.at",
        '%all = call {i32, i32, i32, i32} asm sideeffect "cpuid", "={ax},={bx},={cx},={dx},{ax},{cx}"'
        "(i32 %leaf, i32 %subleaf)",
    ]
    for i, name in enumerate(REGISTERS):
        lines.append(f"%{name}.0 = extractvalue {{i32, i32, i32, i32}} %all, {i}")
    for step, ((leaf, subleaf), values) in enumerate(masks.items()):
        lines.append(f"%leaf.{step} = icmp eq i32 %leaf, {leaf}")
        # Only leaf 7 of those has subleaves; others may be asked with anything in ecx.
        same = f"icmp eq i32 %subleaf, {subleaf}" if leaf == 7 else "icmp eq i32 0, 0"
        lines += [f"%sub.{step} = {same}", f"%both.{step} = and i1 %leaf.{step}, %sub.{step}"]
        for name, mask in zip(REGISTERS, values, strict=True):
            lines.append(f"%{name}.less.{step} = and i32 %{name}.{step}, {~mask & 0xFFFFFFFF}")
            lines.append(
                f"%{name}.{step + 1} = select i1 %both.{step}, i32 %{name}.less.{step}, i32 %{name}.{step}"
            )
    for name in REGISTERS:
        lines += [f"%{name}.wide = zext i32 %{name}.{len(masks)} to i64", f"store i64 %{name}.wide, ptr %{name}.at"]
    lines += [
        f"%next = add i64 %address, {len(CPUID)}",
        "store i64 %next, ptr %at",
        "ret void",
        "other:",
        f"%signal = inttoptr i64 {default} to ptr",
        "%before = call ptr %signal(i32 %number, ptr null)",
        "ret void",
        "}",
    ]
    return "\n".join(lines)
