"""The requantizing epilogue: int32 accumulators to 8 bits.

float32(acc) * scale, rounded half to even to int32, saturated to int16, the zero point added with saturation, saturated
to 8 bits, clamped. |acc * scale| must be below 2^31: whoever emits the call proves it from the weights. Bytes are
unsigned (q + 128, and so is the zero point) on x86, signed on Arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llvmlite import ir

from .vector import ELEMENTS, call_llvm, load_at, shuffle, splat, store_at

if TYPE_CHECKING:
    from ..targets.target import Target

I8, I16, I32, I64 = (ir.IntType(width) for width in (8, 16, 32, 64))


def requantize_store(
    b: ir.IRBuilder,
    target: Target,
    rows: int,
    columns: int,
    acc: list[ir.Value],
    addresses: list[ir.Value],
    operands: Sequence[ir.Value],
    tail: int | None,
    finish: str,
    lanes: int | None = None,
) -> None:
    """acc: rows x columns vectors of int32, in the channel order of TileLayout.

    addresses: of the rows. operands: address of float32 scales per lane, zero point, low, high.
    finish: "clamp" to low..high; "shift" where that is all of 8 bits; "plain" where besides the zero point, as stored,
    is 0.
    tail: channels to write, where fewer than all. lanes: of a vector, where fewer than the target's.
    """
    scale, zero_point, low, high = operands
    lanes = target.vector_bytes // 4 if lanes is None else lanes
    floats = ir.VectorType(ELEMENTS["f32"], lanes)
    scales = [load_at(b, b.add(scale, I64(4 * lanes * v)), floats) for v in range(columns)]
    words = [
        round_to_int(b, target, b.fmul(b.sitofp(acc[r * columns + v], floats), scales[v]))
        for r in range(rows)
        for v in range(columns)
    ]
    bounds = (low, high) if finish == "clamp" else None
    narrow = _Narrow(b, target, max(lanes, 4), zero_point, bounds, finish != "plain")
    if lanes < 4:
        for r in range(rows):
            _store_row_short(b, target, words[r * columns : (r + 1) * columns], addresses[r], zero_point, low, high)
    elif target.family == "arm":
        for r in range(rows):
            _store_row_arm(b, narrow, words[r * columns : (r + 1) * columns], addresses[r], tail)
    else:
        _store_rows_x86(b, narrow, rows, columns, words, addresses, tail)


def round_to_int(b: ir.IRBuilder, target: Target, value: ir.Value) -> ir.Value:
    """float32 to int32, half to even."""
    lanes = value.type.count
    if lanes < 4:
        wide = shuffle(b, value, value, [min(i, lanes - 1) for i in range(4)])
        rounded = round_to_int(b, target, wide)
        return shuffle(b, rounded, rounded, list(range(lanes)))
    kind = ir.VectorType(I32, lanes)
    if target.family == "arm":
        return call_llvm(b, f"llvm.aarch64.neon.fcvtns.v{lanes}i32.v{lanes}f32", kind, value)
    if lanes == 16:
        zero = ir.Constant(kind, None)
        return call_llvm(b, "llvm.x86.avx512.mask.cvtps2dq.512", kind, value, zero, I16(-1), I32(4))
    return call_llvm(b, {4: "llvm.x86.sse2.cvtps2dq", 8: "llvm.x86.avx.cvt.ps2dq.256"}[lanes], kind, value)


def saturated(
    b: ir.IRBuilder,
    target: Target,
    words: list[ir.Value],
    zero_point: ir.Value,
    low: ir.Value,
    high: ir.Value,
    signed: bool,
) -> list[ir.Value]:
    """Vectors of int32, saturated as above, as vectors of bytes in the same order.

    zero_point, low, high: int64, in terms of the signed or unsigned bytes that are made.
    """
    lanes, arm = words[0].type.count, target.family == "arm"
    if signed != arm:
        shift = I64(128 if signed else -128)
        zero_point, low, high = (b.add(x, shift) for x in (zero_point, low, high))
    narrow = _Narrow(b, target, lanes, zero_point, (low, high), True)
    together = 2 if arm else 4
    found = []
    for first in range(0, len(words), together):
        part = words[first : first + together]
        v = [*part, *[part[-1]] * 3]
        if arm:
            packed = narrow.bytes(narrow.words(v[0], v[1]))
        else:
            packed = narrow.bytes(narrow.words(v[0], v[1]), narrow.words(v[2], v[3]))
            # Within each 16 bytes lie four elements of every vector.
            order = [4 * j + i for i in range(len(part)) for j in range(lanes // 4)]
            quads = b.bitcast(packed, ir.VectorType(I32, lanes))
            packed = b.bitcast(shuffle(b, quads, quads, order), ir.VectorType(I8, 4 * len(order)))
        if packed.type.count > lanes * len(part):
            packed = shuffle(b, packed, packed, list(range(lanes * len(part))))
        found.append(packed if signed == arm else b.xor(packed, splat(b, I8(128), packed.type.count)))
    return found


class _Narrow:
    """Saturating int32 -> int16 -> + zero point -> 8 bits -> clamp."""

    def __init__(
        self,
        b: ir.IRBuilder,
        target: Target,
        lanes: int,
        zero_point: ir.Value,
        bounds: tuple[ir.Value, ir.Value] | None,
        shift: bool,
    ) -> None:
        self.b, self.arm, self.lanes = b, target.family == "arm", lanes
        self.shift = shift
        self.zero_point = splat(b, b.trunc(zero_point, I16), 8 if self.arm else 2 * lanes)
        count = 8 if self.arm else 4 * lanes
        self.bounds = None if bounds is None else [splat(b, b.trunc(x, I8), count) for x in bounds]

    def words(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """Two int32 vectors to one of int16 with the zero point added; in-lane order on x86."""
        b, lanes = self.b, self.lanes
        kind = ir.VectorType(I16, 2 * lanes)
        if self.arm:
            half = ir.VectorType(I16, lanes)
            parts = [call_llvm(b, "llvm.aarch64.neon.sqxtn.v4i16", half, v) for v in (x, y)]
            packed = shuffle(b, parts[0], parts[1], list(range(2 * lanes)))
            add = "aarch64.neon.sqadd.v8i16"
        else:
            name = {4: "sse2.packssdw.128", 8: "avx2.packssdw", 16: "avx512.packssdw.512"}[lanes]
            packed = call_llvm(b, f"llvm.x86.{name}", kind, x, y)
            add = f"sadd.sat.v{2 * lanes}i16"
        return call_llvm(b, f"llvm.{add}", kind, packed, self.zero_point) if self.shift else packed

    def bytes(self, x: ir.Value, y: ir.Value | None = None) -> ir.Value:
        """int16 to 8 bits: two vectors to one of unsigned bytes on x86, one to one of signed bytes on Arm."""
        b = self.b
        if self.arm:
            kind = ir.VectorType(I8, 8)
            packed = call_llvm(b, "llvm.aarch64.neon.sqxtn.v8i8", kind, x)
        else:
            kind = ir.VectorType(I8, 4 * self.lanes)
            name = {4: "sse2.packuswb.128", 8: "avx2.packuswb", 16: "avx512.packuswb.512"}[self.lanes]
            packed = call_llvm(b, f"llvm.x86.{name}", kind, x, x if y is None else y)
        if self.bounds is not None:
            sign = "s" if self.arm else "u"
            suffix = f"v{kind.count}i8"
            packed = call_llvm(b, f"llvm.{sign}max.{suffix}", kind, packed, self.bounds[0])
            packed = call_llvm(b, f"llvm.{sign}min.{suffix}", kind, packed, self.bounds[1])
        return packed


def _store_rows_x86(
    b: ir.IRBuilder,
    narrow: _Narrow,
    rows: int,
    columns: int,
    words: list[ir.Value],
    addresses: list[ir.Value],
    tail: int | None,
) -> None:
    lanes = narrow.lanes
    for first in range(0, columns, 4):
        width = min(4, columns - first)
        count = width * lanes
        if tail is not None:
            count = max(0, min(count, tail - first * lanes))
        if count == 0:
            continue
        together = {1: 4, 2: 2}.get(width, 1)
        for row in range(0, rows, together):
            members = [min(row + i, rows - 1) for i in range(together)]
            vectors = [words[r * columns + first + v] for r in members for v in range(width)]
            vectors += [vectors[-1]] * (4 - len(vectors))
            packed = narrow.bytes(narrow.words(*vectors[:2]), narrow.words(*vectors[2:]))
            quads = b.bitcast(packed, ir.VectorType(I32, lanes))
            # Quad 4j + i*width + v of the packed vector holds channels 4*(width*j + v).. of row i.
            order = [4 * j + i * width + v for i in range(together) for j in range(lanes // 4) for v in range(width)]
            if order != list(range(lanes)):
                quads = shuffle(b, quads, quads, order)
            flat = b.bitcast(quads, ir.VectorType(I8, 4 * len(order)))
            for i, r in enumerate(members):
                if row + i < rows:
                    at = i * width * lanes
                    part = shuffle(b, flat, flat, list(range(at, at + count)))
                    store_at(b, part, b.add(addresses[r], I64(first * lanes)))


def _store_row_arm(
    b: ir.IRBuilder, narrow: _Narrow, words: list[ir.Value], address: ir.Value, tail: int | None
) -> None:
    lanes = narrow.lanes
    total = len(words) * lanes if tail is None else tail
    for v in range(0, len(words), 2):
        count = min(2 * lanes, total - v * lanes, (len(words) - v) * lanes)
        if count <= 0:
            return
        packed = narrow.bytes(narrow.words(words[v], words[min(v + 1, len(words) - 1)]))
        if count < 2 * lanes:
            packed = shuffle(b, packed, packed, list(range(count)))
        store_at(b, packed, b.add(address, I64(v * lanes)))


def _store_row_short(
    b: ir.IRBuilder,
    target: Target,
    words: list[ir.Value],
    address: ir.Value,
    zero_point: ir.Value,
    low: ir.Value,
    high: ir.Value,
) -> None:
    """One row of vectors of one or two lanes, in plain arithmetic."""
    for v, value in enumerate(words):
        lanes = value.type.count
        bounds = (-32768, 32767), (0, 255) if target.family == "x86" else (-128, 127)
        value = _clamp(b, value, *(splat(b, I32(x), lanes) for x in bounds[0]))
        value = b.add(value, splat(b, b.trunc(zero_point, I32), lanes))
        value = _clamp(b, value, *(splat(b, I32(x), lanes) for x in bounds[1]))
        value = _clamp(b, value, *(splat(b, b.trunc(x, I32), lanes) for x in (low, high)))
        store_at(b, b.trunc(value, ir.VectorType(I8, lanes)), b.add(address, I64(v * lanes)))


def _clamp(b: ir.IRBuilder, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    suffix = f"v{value.type.count}i32"
    raised = call_llvm(b, f"llvm.smax.{suffix}", value.type, value, low)
    return call_llvm(b, f"llvm.smin.{suffix}", value.type, raised, high)
