"""Primitives of the step loop: indirect calls, atomics, futexes and the floating-point mode.

Atomics follow the C++11 memory model through LLVM; see kernels/execute.py for the protocol they serve.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from .vector import call_llvm, pointer, primitive

if TYPE_CHECKING:
    from ..targets.target import Target

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
VOID = ir.VoidType()


def _call(
    b: ir.IRBuilder, c: Any, k: Any, code: ir.Value, bases: ir.Value, params: ir.Value, *span: ir.Value
) -> ir.Value:
    kind = ir.FunctionType(VOID, [I64.as_pointer(), I32.as_pointer(), I64, I64])
    b.call(pointer(b, code, kind), [pointer(b, bases, I64), pointer(b, params, I32), *span])
    return c.get_dummy_value()


call_kernel = primitive(lambda code, bases, params, start, stop: types.none, _call)
"""call_kernel(code address, bases, params, start, stop)."""


def _load(b: ir.IRBuilder, c: Any, k: Any, address: ir.Value) -> ir.Value:
    return b.load_atomic(pointer(b, address, I64), "seq_cst", 8)


def _store(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value, address: ir.Value) -> ir.Value:
    b.store_atomic(value, pointer(b, address, I64), "seq_cst", 8)
    return c.get_dummy_value()


def _publish(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value, address: ir.Value) -> ir.Value:
    b.store_atomic(value, pointer(b, address, I64), "release", 8)
    return c.get_dummy_value()


def _add(b: ir.IRBuilder, c: Any, k: Any, address: ir.Value, value: ir.Value) -> ir.Value:
    return b.atomic_rmw("add", pointer(b, address, I64), value, "seq_cst")


def _exchange(b: ir.IRBuilder, c: Any, k: Any, address: ir.Value, old: ir.Value, new: ir.Value) -> ir.Value:
    pair = b.cmpxchg(pointer(b, address, I64), old, new, "seq_cst", "seq_cst")
    return b.extract_value(pair, 1)


atomic_load = primitive(lambda address: types.int64, _load)
atomic_store = primitive(lambda value, address: types.none, _store)
publish = primitive(lambda value, address: types.none, _publish)
"""publish(value, address): whoever sees the value sees what was written before it. Waits for no other core."""
atomic_add = primitive(lambda address, value: types.int64, _add)
"""atomic_add(address, value) -> the value before."""
compare_exchange = primitive(lambda address, old, new: types.boolean, _exchange)
"""compare_exchange(address, old, new) -> whether it was old, and now is new."""


@cache
def pause(target: Target) -> Any:
    """pause(): tells the core that this is a spin loop."""

    def emit(b: ir.IRBuilder, c: Any, k: Any) -> ir.Value:
        if target.family == "x86":
            call_llvm(b, "llvm.x86.sse2.pause", VOID)
        else:
            call_llvm(b, "llvm.aarch64.hint", VOID, I32(1))
        return c.get_dummy_value()

    return primitive(lambda: types.none, emit)


# futex(address, operation, value) as machine code: llvmlite carries an assembler for its own machine only.
# x86: xor r10d, r10d; xor r8d, r8d; xor r9d, r9d; mov eax, 202; syscall; ret
# arm: mov x3, 0; mov x4, 0; mov x5, 0; mov x8, 98; svc 0; ret
_FUTEX = {
    "x86": bytes.fromhex("4531d2 4531c0 4531c9 b8ca000000 0f05 c3"),
    "arm": bytes.fromhex("030080d2 040080d2 050080d2 480c80d2 010000d4 c0035fd6"),
}


@cache
def futex(target: Target) -> Any:
    """futex(address, operation, value) -> the system call's result; waits without a time limit."""
    code = _FUTEX[target.family]
    kind = ir.FunctionType(I64, [I64, I64, I64])

    def emit(b: ir.IRBuilder, c: Any, k: Any, *arguments: ir.Value) -> ir.Value:
        routine = b.module.globals.get("futex_code")
        if routine is None:
            array = ir.ArrayType(I8, len(code))
            routine = ir.GlobalVariable(b.module, array, "futex_code")
            routine.linkage, routine.global_constant, routine.align = "internal", True, 16
            routine.initializer = ir.Constant(array, bytearray(code))
        return b.call(b.bitcast(routine, kind.as_pointer()), arguments)

    return primitive(lambda address, operation, value: types.int64, emit)


X86_FTZ_DAZ, ARM_FZ = 0x8040, 1 << 24


@cache
def flush_denormals(target: Target) -> Any:
    """flush_denormals() -> the floating-point mode before: denormals count as zero from now on."""

    def emit(b: ir.IRBuilder, c: Any, k: Any) -> ir.Value:
        mode = _read_mode(b, target)
        _write_mode(b, target, b.or_(mode, I64(X86_FTZ_DAZ if target.family == "x86" else ARM_FZ)))
        return mode

    return primitive(lambda: types.int64, emit)


@cache
def restore_mode(target: Target) -> Any:
    """restore_mode(mode)."""

    def emit(b: ir.IRBuilder, c: Any, k: Any, mode: ir.Value) -> ir.Value:
        _write_mode(b, target, mode)
        return c.get_dummy_value()

    return primitive(lambda mode: types.none, emit)


def _read_mode(b: ir.IRBuilder, target: Target) -> ir.Value:
    if target.family == "arm":
        return call_llvm(b, "llvm.aarch64.get.fpcr", I64)
    slot = b.alloca(I32)
    call_llvm(b, "llvm.x86.sse.stmxcsr", VOID, b.bitcast(slot, I8.as_pointer()))
    return b.zext(b.load(slot), I64)


def _write_mode(b: ir.IRBuilder, target: Target, mode: ir.Value) -> None:
    if target.family == "arm":
        call_llvm(b, "llvm.aarch64.set.fpcr", VOID, mode)
        return
    slot = b.alloca(I32)
    b.store(b.trunc(mode, I32), slot)
    call_llvm(b, "llvm.x86.sse.ldmxcsr", VOID, b.bitcast(slot, I8.as_pointer()))
