"""Random nodes that multiply by weights, for operator_draws.py: convolutions and matrix products, also of what is
quantized on the way."""

from __future__ import annotations

import numpy as np
from operator_source import FLOATS, RARELY, Draw, Drawn, Operand

from millijoule.runtime.graph import Quantization
from millijoule.runtime.ops.registry import Op


def conv(d: Draw, op: Op) -> Drawn:
    shape = d.image()
    channels, kernel = shape[-1], [d.kin.choice([1, 1, 2, 3, 3, 5]) for _ in shape[1:-1]]
    groups = [n for n in range(1, channels + 1) if channels % n == 0] or [1]
    group = [1, 1, groups[-1], d.rng.choice(groups)][d.kin.randrange(4)]
    outputs = group * d.rng.choice([1, 1, 2]) if group > 1 else d.dim()
    transposed = op.name == "ConvTranspose"
    each = (outputs // group) if transposed else (channels // group)
    weights = [channels, *kernel, each] if transposed else [outputs, *kernel, each]
    x = d.tensor(shape, None if d.quantized else d.dtype(FLOATS))
    w, b = _weights(d, x, weights, len(weights) - 1 if transposed else 0, outputs, group if transposed else 1)
    operands: list[Operand | None] = [x, w, b]
    if not transposed and b is not None and d.chance(0.15):
        operands.append(d.tensor([shape[0], *shape[1:-1], outputs], x.data.dtype.name))
    attrs = d.window(shape, kernel) | ({"group": d.number(group, group)} if group > 1 or d.chance(0.2) else {})
    if transposed and d.chance(0.2):
        attrs["output_padding"] = d.some(len(kernel), 0, 2)
    if transposed and d.chance(0.1):
        attrs["output_shape"] = d.some(len(kernel), 1, 20)
    return Drawn(operands, d.attributes(op, **attrs))


def _weights(
    d: Draw, x: Operand, shape: list[int], axis: int, outputs: int, group: int = 1
) -> tuple[Operand, Operand | None]:
    """Weights and perhaps a bias for an input, quantized where that is. axis: along which scales may differ."""
    constant = not d.chance(2 * RARELY)
    d.special = False  # what padding times an infinite weight is, is nowhere said
    if x.quant is None:
        w = d.tensor(shape, x.data.dtype.name, False)
        b = d.tensor([outputs], x.data.dtype.name, False) if d.chance(0.6) else None
    else:
        apart = d.chance(0.5)
        count, along = (shape[axis] * (group if d.chance(0.5) else 1) if apart else 1), axis if apart else None
        quant = Quantization(
            d.numbers.uniform(1e-3, 2e-2, max(count, 0)).astype("f4"), np.zeros(count, np.int32), along
        )
        w = Operand(d.integers(d.fit(list(shape)), "int8"), quant)
        sums = Quantization(x.quant.scale * quant.scale, np.zeros(count, np.int32), 0 if apart else None)
        b = Operand(d.integers([outputs], "int32") // 2**8, sums) if d.chance(0.6) else None
    w.constant = constant
    if b is not None:
        b.constant = not d.chance(RARELY)
    return w, b


def product(d: Draw, op: Op) -> Drawn:
    rows, inner, outputs = d.dim(), d.dim(), d.dim()
    lead = d.fit([*(d.dim() for _ in range(d.rng.choice([0, 0, 1, 2]))), rows])[:-1] if op.name == "MatMul" else []
    attrs = d.attributes(op)
    x = d.tensor([*lead, *d.fit([rows, inner])], None if d.quantized else d.dtype([*FLOATS, "int32"]))
    inner = x.data.shape[-1]
    flips = {name: attrs.pop(name, 0) for name in ("transA", "transB")} if op.name == "Gemm" else {}
    if flips.get("transA") and d.chance(0.8):
        x.data = np.ascontiguousarray(x.data.T)
    shape = [outputs, inner] if flips.get("transB") else [inner, outputs]
    w, b = _weights(d, x, shape, 0 if flips.get("transB") else 1, outputs)
    if op.name == "MatMul" and x.quant is None and d.chance(0.3):
        # Of two tensors that are both fed, some of whose leading dimensions are the same.
        leading = [1 if d.chance(0.3) else n for n in x.data.shape[:-2]][d.rng.randint(0, 2) :]
        w = d.tensor([*leading, inner, outputs], x.data.dtype.name, False)
    return Drawn([x, w, b], attrs | flips)


def whole(d: Draw, op: Op) -> Drawn:
    """No numbers that kernels take for zero: rounded over their own range they would be the largest bytes."""
    x = d.tensor(d.shape(), "float32")
    x.data = np.where(np.abs(x.data) < np.finfo(np.float32).tiny * 256, np.float32(0), x.data).astype(np.float32)
    return Drawn([x], d.attributes(op), outputs=3)


def dynamic_conv(d: Draw, op: Op) -> Drawn:
    """Weights beyond 8 bits now and then, and scales that are inputs."""
    shape = d.image()
    channels, kernel = shape[-1], [d.kin.choice([1, 1, 2, 3, 3, 5]) for _ in shape[1:-1]]
    group = d.rng.choice([1, 1, channels, *(n for n in range(1, channels + 1) if channels % n == 0)]) or 1
    outputs = group * d.rng.choice([1, 1, 2]) if group > 1 else d.dim()
    w = Operand(d.integers([outputs, *kernel, channels // group], "int8"))
    x = d.tensor(shape, "float32")
    d.special = False  # depthwise, weights are scaled before products are added up
    operands = [w, d.tensor([outputs], "float32", False), d.tensor([outputs], "float32", False)]
    constant = not d.chance(RARELY)
    for operand in operands:
        operand.constant = constant
    attrs = d.window(shape, kernel) | ({"group": group} if group > 1 else {})
    attrs |= {"w_zero_point": d.rng.randint(-128, 127)} if d.chance(0.3) else {}
    return Drawn([x, *operands[: d.number(2, 3)]], d.attributes(op, **attrs))


def dynamic(d: Draw, op: Op) -> Drawn:
    """Rows of any number, now and then without a number, and int8 weights."""
    rows, outputs = d.dim(), d.dim()
    x = d.tensor([*(d.dim() for _ in range(d.rng.choice([0, 0, 1]))), *d.fit([rows, d.dim()])], "float32")
    inner, constant = x.data.shape[-1], not d.chance(RARELY)
    w, scale = Operand(d.integers([inner, outputs], "int8")), d.tensor([outputs], "float32", False)
    if d.chance(0.8):
        w.data = np.maximum(w.data, -127)
    bias = d.tensor([outputs], "float32", False) if d.chance(0.6) else None
    for operand in (w, scale, bias):
        if operand is not None:
            operand.constant = constant
    return Drawn([x, w, scale, bias], d.attributes(op))
