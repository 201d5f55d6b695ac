"""memcpy, memmove and memset for blobs, which have no C library: LLVM calls them for copies in kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import llvmlite.binding as llvm
from llvmlite import ir

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
WIDE: Final = ir.VectorType(I8, 16)
# machine -> triple and least CPU, as any target of the machine may link these
BASELINES: Final = {
    "x86-64": ("x86_64-unknown-linux-gnu", "x86-64"),
    "aarch64": ("aarch64-unknown-linux-gnu", "generic"),
}


@cache
def memory_functions_object(machine: str) -> bytes:
    """An ELF object that defines memcpy, memmove and memset for machine "x86-64" or "aarch64"."""
    triple, cpu = BASELINES[machine]
    module = ir.Module(name="memory_functions")
    module.triple = triple
    _define_memcpy(module)
    _define_memmove(module)
    _define_memset(module)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target_machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, reloc="pic", codemodel="small")
    # LLVM must not turn these loops back into calls of the very functions that they define. No optimizer pass that
    # would runs here; the attribute, which llvmlite's builder does not know, holds for any that might.
    text = str(module).replace(")\n{", ') nounwind "no-builtins"\n{')
    result: bytes = target_machine.emit_object(llvm.parse_assembly(text))
    return result


def _define_memcpy(module: ir.Module) -> None:
    function, builder = _function(module, "memcpy", I64)
    _copy(builder, *function.args, backward=False)
    builder.ret(function.args[0])


def _define_memmove(module: ir.Module) -> None:
    function, builder = _function(module, "memmove", I64)
    to, source, size = function.args
    overtakes = builder.icmp_unsigned("<", builder.sub(to, source), size)
    with builder.if_else(overtakes) as (backward, forward):
        with backward:
            _copy(builder, to, source, size, backward=True)
        with forward:
            _copy(builder, to, source, size, backward=False)
    builder.ret(to)


def _define_memset(module: ir.Module) -> None:
    function, builder = _function(module, "memset", I32)
    to, value, size = function.args
    byte = builder.trunc(value, I8)
    single = builder.insert_element(ir.Constant(WIDE, ir.Undefined), byte, I32(0))
    wide = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(I32, 16), [0] * 16))

    def fill(filling: ir.Value, kind: ir.Type) -> Callable[[ir.Value], None]:
        def body(left: ir.Value) -> None:
            address = builder.add(to, builder.sub(size, left))
            builder.store(filling, builder.inttoptr(address, kind.as_pointer()), align=1)

        return body

    _count_down(builder, _count_down(builder, size, 16, fill(wide, WIDE)), 1, fill(byte, I8))
    builder.ret(to)


def _function(module: ir.Module, name: str, second: ir.Type) -> tuple[ir.Function, ir.IRBuilder]:
    """Pointers are 64-bit integers to the calling convention of either machine, and spare a cast each here."""
    function = ir.Function(module, ir.FunctionType(I64, [I64, second, I64]), name=name)
    return function, ir.IRBuilder(function.append_basic_block())


def _copy(builder: ir.IRBuilder, to: ir.Value, source: ir.Value, size: ir.Value, *, backward: bool) -> None:
    """16 bytes at a time, then single ones; loads precede stores, so operands may overlap in the right direction."""

    def piece(kind: ir.Type, width: int) -> Callable[[ir.Value], None]:
        def body(left: ir.Value) -> None:
            at = builder.sub(left, I64(width)) if backward else builder.sub(size, left)
            value = builder.load(builder.inttoptr(builder.add(source, at), kind.as_pointer()), align=1)
            builder.store(value, builder.inttoptr(builder.add(to, at), kind.as_pointer()), align=1)

        return body

    _count_down(builder, _count_down(builder, size, 16, piece(WIDE, 16)), 1, piece(I8, 1))


def _count_down(builder: ir.IRBuilder, left: ir.Value, step: int, body: Callable[[ir.Value], None]) -> ir.Value:
    """Calls body(left) and takes step from left while left >= step; returns what remains of left."""
    before = builder.block
    head, inside, after = (builder.append_basic_block() for _ in range(3))
    builder.branch(head)
    builder.position_at_end(head)
    current = builder.phi(I64)
    current.add_incoming(left, before)
    builder.cbranch(builder.icmp_unsigned(">=", current, I64(step)), inside, after)
    builder.position_at_end(inside)
    body(current)
    current.add_incoming(builder.sub(current, I64(step)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return current
