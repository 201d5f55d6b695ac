"""The epilogue of integer products that give real numbers: int32 accumulators to float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llvmlite import ir

from .traced import applied
from .vector import ELEMENTS, load_at, shuffle, splat, store_at

if TYPE_CHECKING:
    from ..targets.target import Target
    from .traced import VectorFunction

I32, I64, F32 = ir.IntType(32), ir.IntType(64), ELEMENTS["f32"]


def real_store(
    b: ir.IRBuilder,
    target: Target,
    columns: int,
    acc: Sequence[ir.Value],
    addresses: Sequence[ir.Value],
    parameters: Sequence[ir.Value],
    tail: int | None,
    function: VectorFunction,
    same: bool,
) -> None:
    """Writes function(float32(acc - row zero * column sum) * (row scale * column scale) + bias), each step rounded, so
    that targets agree.

    acc: `columns` vectors of int32 for each row, channels in their order. addresses: of the rows. parameters: addresses
    of the columns' scales, biases and sums of weights, and of the rows' scales and zeros, then the function's numbers.
    tail: channels to write, where fewer than all. same: one scale and zero are those of all rows.
    """
    scale, bias, total, row_scale, row_zero, *numbers = parameters
    lanes = target.vector_bytes // 4
    floats, ints = ir.VectorType(F32, lanes), ir.VectorType(I32, lanes)
    scales, biases = ([load_at(b, b.add(x, I64(4 * lanes * v)), floats) for v in range(columns)] for x in (scale, bias))
    sums = [load_at(b, b.add(total, I64(4 * lanes * v)), ints) for v in range(columns)]
    for row, address in enumerate(addresses):
        if not row or not same:
            factor = splat(b, load_at(b, b.add(row_scale, I64(4 * row)), F32), lanes)
            zero = splat(b, load_at(b, b.add(row_zero, I64(4 * row)), I32), lanes)
        for v in range(columns):
            centred = b.sub(acc[row * columns + v], b.mul(zero, sums[v]))
            value = b.fmul(b.sitofp(centred, floats), b.fmul(factor, scales[v]))
            value = applied(b, target, function, b.fadd(value, biases[v]), numbers)
            count = lanes if tail is None else min(lanes, tail - lanes * v)
            if count > 0:
                if count < lanes:
                    value = shuffle(b, value, value, list(range(count)))
                store_at(b, value, b.add(address, I64(4 * lanes * v)))
