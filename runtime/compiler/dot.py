"""Dot products of int8 with int32 accumulation, per instruction set. Activations are u8 on x86, s8 on Arm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llvmlite import ir

from .tile_layout import TileLayout
from .vector import call_llvm, load_at, splat

if TYPE_CHECKING:
    from .target import Target

I8, I16, I32, I64 = (ir.IntType(width) for width in (8, 16, 32, 64))
Product = Callable[[ir.Value, ir.Value], ir.Value]


def dot_product(b: ir.IRBuilder, target: Target, layout: TileLayout, address: ir.Value) -> Product:
    """Reads `layout.depth` activations at address; the result adds their products with a vector of weights to an
    accumulator: (acc, weights as bytes) -> acc."""
    if target.family == "arm":
        return _sdot(b, layout, address) if target.dotprod else _smull_pairs(b, address)
    return _vpdpbusd(b, layout, address) if target.vnni else _pmaddwd(b, layout, address)


def _vpdpbusd(b: ir.IRBuilder, layout: TileLayout, address: ir.Value) -> Product:
    quad = splat(b, load_at(b, address, I32), layout.lanes)
    kind = ir.VectorType(I32, layout.lanes)
    name = f"llvm.x86.avx512.vpdpbusd.{32 * layout.lanes}"
    return lambda acc, w: call_llvm(b, name, kind, acc, quad, b.bitcast(w, kind))


def _pmaddwd(b: ir.IRBuilder, layout: TileLayout, address: ir.Value) -> Product:
    pair = b.zext(load_at(b, address, ir.VectorType(I8, 2)), ir.VectorType(I16, 2))
    words = ir.VectorType(I16, 2 * layout.lanes)
    left = b.bitcast(splat(b, b.bitcast(pair, I32), layout.lanes), words)
    return lambda acc, w: b.add(acc, pmaddwd(b, left, b.bitcast(w, words)))


def pmaddwd(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Sums of adjacent products of int16 lanes, int32 (x86)."""
    lanes = x.type.count // 2
    name = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}[lanes]
    return call_llvm(b, f"llvm.x86.{name}", ir.VectorType(I32, lanes), x, y)


def _sdot(b: ir.IRBuilder, layout: TileLayout, address: ir.Value) -> Product:
    kind, byte = ir.VectorType(I32, layout.lanes), ir.VectorType(I8, 4 * layout.lanes)
    quad = b.bitcast(splat(b, load_at(b, address, I32), layout.lanes), byte)
    return lambda acc, w: call_llvm(b, "llvm.aarch64.neon.sdot.v4i32.v16i8", kind, acc, w, quad)


def _smull_pairs(b: ir.IRBuilder, address: ir.Value) -> Product:
    """Two int8 products fit in int16 where no weight is -128; sadalp then widens their sums."""
    byte, words = ir.VectorType(I8, 8), ir.VectorType(I16, 8)
    pairs = [
        b.bitcast(splat(b, load_at(b, b.add(address, I64(2 * i)), I16), 4), byte) for i in range(2)
    ]

    def product(acc: ir.Value, w: ir.Value) -> ir.Value:
        total = None
        for i, pair in enumerate(pairs):
            half = b.shuffle_vector(w, w, ir.Constant(ir.VectorType(I32, 8), list(range(8 * i, 8 * i + 8))))
            part = call_llvm(b, "llvm.aarch64.neon.smull.v8i16", words, half, pair)
            total = part if total is None else b.add(total, part)
        return b.add(acc, call_llvm(b, "llvm.aarch64.neon.saddlp.v4i32.v8i16", acc.type, total))

    return product
