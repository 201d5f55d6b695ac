"""Products of a row's int8 with vectors of packed weights, accumulated in int32, per instruction set.

Activations are u8 on x86, s8 on Arm. A step is `layout.depth` of them against one vector of weights per column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir

from .tile_layout import TileLayout
from .vector import ELEMENTS, call_llvm, load_at, shuffle, splat

if TYPE_CHECKING:
    from ..targets.target import Target

I8, I16, I32, I64 = (ir.IntType(width) for width in (8, 16, 32, 64))


def operands(
    b: ir.IRBuilder, target: Target, layout: TileLayout, address: ir.Value, count: int, widened: bool = False
) -> list[ir.Value]:
    """The activations of `count` steps at address, each step's as `accumulate` takes them. widened: they are int16 in
    memory already, on x86 without VNNI."""
    if target.dotprod and count > 1:
        quads = load_at(b, address, ir.VectorType(I32, count))
        return [shuffle(b, quads, quads, [i] * layout.lanes) for i in range(count)]
    if target.dotprod or target.vnni or widened:
        return [splat(b, load_at(b, address, I32), layout.lanes)]
    if target.family == "arm":
        return [_two_pairs(b, address)]
    if layout.depth == 4:
        return [splat(b, load_at(b, address, I32), layout.lanes)]
    pair = b.zext(load_at(b, address, ir.VectorType(I8, 2)), ir.VectorType(I16, 2))
    return [splat(b, b.bitcast(pair, I32), layout.lanes)]


def accumulate(
    b: ir.IRBuilder, target: Target, layout: TileLayout, acc: ir.Value, left: ir.Value, w: ir.Value
) -> ir.Value:
    """acc + the products of one step's activations with a vector of weights, given as bytes."""
    lanes, kind = layout.lanes, acc.type
    if target.dotprod:
        return call_llvm(b, "llvm.aarch64.neon.sdot.v4i32.v16i8", kind, acc, w, b.bitcast(left, w.type))
    if target.family == "arm":
        return _smull_pairs(b, acc, b.bitcast(left, w.type), w)
    if target.vnni:
        return call_llvm(b, f"llvm.x86.avx512.vpdpbusd.{32 * lanes}", kind, acc, left, b.bitcast(w, kind))
    words = ir.VectorType(I16, 2 * lanes)
    if layout.depth == 4:
        pairs = _pmaddubsw(b, b.bitcast(left, w.type), w)
        return b.add(acc, pmaddwd(b, pairs, splat(b, I16(1), 2 * lanes)))
    wide = b.sext(w, words) if w.type.count == 2 * lanes else b.bitcast(w, words)
    return b.add(acc, pmaddwd(b, b.bitcast(left, words), wide))


def pmaddwd(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Sums of adjacent products of int16 lanes, int32 (x86)."""
    lanes = x.type.count // 2
    name = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}[lanes]
    return call_llvm(b, f"llvm.x86.{name}", ir.VectorType(I32, lanes), x, y)


def _pmaddubsw(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Sums of adjacent products of unsigned and signed bytes, saturated to int16 (x86)."""
    name = {16: "ssse3.pmadd.ub.sw.128", 32: "avx2.pmadd.ub.sw", 64: "avx512.pmaddubs.w.512"}[x.type.count]
    return call_llvm(b, f"llvm.x86.{name}", ir.VectorType(I16, x.type.count // 2), x, y)


def _two_pairs(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Four activations: the first two four times, then the last two four times.

    One tbl on a loaded register. Loads that duplicate are scheduled so early by LLVM that accumulators are spilled.
    """
    float4 = ir.VectorType(ELEMENTS["f32"], 4)
    quad = b.insert_element(ir.Constant(float4, ir.Undefined), load_at(b, address, ELEMENTS["f32"]), I32(0))
    words = b.bitcast(quad, ir.VectorType(I16, 8))
    return shuffle(b, words, words, [0] * 4 + [1] * 4)


def _smull_pairs(b: ir.IRBuilder, acc: ir.Value, left: ir.Value, w: ir.Value) -> ir.Value:
    """smull and smlal2, the sum of two products, fit in int16 where no weight is -128; sadalp widens and adds two."""
    words = ir.VectorType(I16, 8)
    halves = [[shuffle(b, v, v, [8 * half + i for i in range(8)]) for v in (w, left)] for half in range(2)]
    products = [call_llvm(b, "llvm.aarch64.neon.smull.v8i16", words, *half) for half in halves]
    sums = call_llvm(b, "llvm.aarch64.neon.saddlp.v4i32.v8i16", acc.type, b.add(*products))
    return b.add(acc, sums)
