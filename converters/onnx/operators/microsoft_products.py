"""Products with weights of few bits, and other quantized operators of onnxruntime's own domain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..call import Call
from ..generic import known_attributes, pass_through
from ..handlers import MICROSOFT, handles
from ..job import Unsupported
from .quantization import dequantized, finish_quantized

handles("Trilu", "GatherND", "Range", domain=MICROSOFT)(pass_through)


def _plus(call: Call, y: str, index: int) -> None:
    call.finish("Add", [y, call.input(index)]) if call.has(index) else call.finish("Identity", [y])


@handles("MatMulIntegerToFloat", domain=MICROSOFT)
def matmul_integer_to_float(call: Call) -> None:
    """Inputs a, b, their scales, their zero points, bias."""
    a = dequantized(call, call.input(0), call.input(2), call.optional(4), axis=-1)
    b = dequantized(call, call.input(1), call.input(3), call.optional(5), axis=-1)
    _plus(call, call.make("MatMul", [a, b]), 6)


@handles("DynamicQuantizeMatMul", domain=MICROSOFT)
def dynamic_quantize_matmul(call: Call) -> None:
    """Inputs a (float), b, its scale and zero point, bias. a is rounded to 8 bits over its own range."""
    a = rounded(call, call.input(0))
    b = dequantized(call, call.input(1), call.input(2), call.optional(3), axis=-1)
    _plus(call, call.make("MatMul", [a, b]), 4)


def rounded(call: Call, x: str) -> str:
    """The real numbers that DynamicQuantizeLinear's integers stand for."""
    names = [call.scope.job.unique(f"{call.name}.{what}") for what in ("integers", "step", "zero_point")]
    call.builder.emit("DynamicQuantizeLinear", [x], names, {}, call.name)
    return call.make("DequantizeLinear", names)


@handles("DynamicQuantizeLSTM", domain=MICROSOFT)
def dynamic_quantize_lstm(call: Call) -> None:
    """Inputs as LSTM's, but weights (directions, features, 4 * units) of integers, and behind all others their scales
    and zero points. Data and states are rounded to 8 bits, too, which a network may amplify step by step."""
    inputs = [call.optional(index) for index in range(8)]
    for index, scale in ((1, 8), (2, 10)):
        axis = 2 if call.rank(scale) == 2 else 0
        w = _of_directions(call, call.input(index), call.input(scale), call.optional(scale + 1), axis)
        inputs[index] = call.make("Transpose", [w], {"perm": [0, 2, 1]})
    call.finish("LSTM", inputs, {**known_attributes(call, "LSTM"), "rounded": 1})


def _of_directions(call: Call, w: str, scale: str, zero_point: str, axis: int) -> str:
    """Integers with a scale for each direction, or for each direction and column, as real numbers."""
    shape = [-1, 1, 1] if axis == 0 else [1, 1, -1]
    data = call.make("Cast", [w], {"to": "float32"})
    if axis == 2:
        unsqueezed = call.add_constant([1], "axes", np.int64)
        factors = call.make("Unsqueeze", [scale, unsqueezed])
        offset = call.make("Unsqueeze", [zero_point, unsqueezed]) if zero_point else ""
    else:
        spread = call.add_constant(shape, "spread", np.int64)
        factors = call.make("Reshape", [scale, spread])
        offset = call.make("Reshape", [zero_point, spread]) if zero_point else ""
    if offset:
        data = call.make("Sub", [data, call.make("Cast", [offset], {"to": "float32"})])
    return call.make("Mul", [data, factors])


@handles("MatMulNBits", domain=MICROSOFT)
def matmul_n_bits(call: Call) -> None:
    """Inputs a, b (columns, blocks, bytes), scales, zero points, group indices, bias: integers of 2, 4 or 8 bits, of
    which each block of a column has a scale. They are held as bytes and widened when the model is loaded."""
    rows, columns = call.integer("K"), call.integer("N")
    bits, block = call.integer("bits", 4), call.integer("block_size")
    if bits not in (2, 4, 8) or block < 1 or call.has(4):
        raise Unsupported(f"{bits} bits in blocks of {block}, or reordered groups, are not supported")
    if rows < 1 or columns < 1:
        raise Unsupported(f"weights of {rows} by {columns} have no element")
    packed, scales = call.constant(1), call.constant(2)
    if packed is None or scales is None or (call.has(3) and call.constant(3) is None):
        raise Unsupported("weights that are computed are not supported")
    blocks = -(-rows // block)
    if packed.dtype != np.uint8 or packed.size != columns * blocks * (-(-block * bits // 8)):
        raise Unsupported(f"weights {packed.dtype}{packed.shape} are not {columns} columns of {blocks} blocks in bytes")
    if scales.size != columns * blocks:
        raise Unsupported(f"scales of shape {scales.shape} are not one a block of {columns} columns of {blocks} blocks")
    weights = unpacked(packed.reshape(columns, -1), bits, blocks * block)[:, :rows]
    points = call.constant(3)
    middle = np.full((columns, blocks), 1 << (bits - 1), np.uint8)
    if points is not None and points.dtype != np.uint8:
        raise Unsupported(f"zero points that are {points.dtype} are not supported")
    if points is not None:
        if points.size != columns * -(-blocks * bits // 8):
            raise Unsupported(f"zero points of shape {points.shape} are not {columns} columns of {blocks} in bytes")
        middle = unpacked(points.reshape(columns, -1), bits, blocks)
    names = [
        call.add_constant(np.ascontiguousarray(data), what)
        for data, what in ((weights, "weights"), (scales.reshape(columns, blocks), "scales"), (middle, "zero_points"))
    ]
    held = call.make("DequantizeLinear", names, {"axis": 1, "block_size": block})
    b = call.make("Transpose", [held], {"perm": [1, 0]})
    _plus(call, call.make("MatMul", [call.input(0), b]), 5)


def unpacked(data: np.ndarray, bits: int, count: int) -> np.ndarray:
    """(rows, bytes) -> (rows, count) of numbers that lie in bytes, the lowest bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    found = ((data[..., None] >> shifts) & np.uint8((1 << bits) - 1)).reshape(len(data), -1)
    if found.shape[1] < count:
        raise Unsupported(f"{found.shape[1]} numbers of {bits} bits are fewer than {count}")
    return found[:, :count]


@handles("NhwcMaxPool", domain=MICROSOFT)
def nhwc_max_pool(call: Call) -> None:
    """Channels lie last, as in the graph."""
    call.finish("MaxPool", call.inputs, known_attributes(call, "MaxPool"))


@handles("QLinearWhere", domain=MICROSOFT)
def q_linear_where(call: Call) -> None:
    """Inputs: condition, x with scale and zero point, y with those, those of the result."""
    x = dequantized(call, call.input(1), call.input(2), call.optional(3))
    y = dequantized(call, call.input(4), call.input(5), call.optional(6))
    finish_quantized(call, call.make("Where", [call.input(0), x, y]), call.input(7), call.optional(8))


@handles("ExpandDims", domain=MICROSOFT)
def expand_dims(call: Call) -> None:
    axes = call.make("Reshape", [call.input(1), call.add_constant([-1], "flat", np.int64)])
    call.finish("Unsqueeze", [call.input(0), call.make("Cast", [axes], {"to": "int64"})])


@handles("Pad", domain=MICROSOFT)
def pad(call: Call) -> None:
    _only(call.text("mode", "constant"), ("constant", "reflect", "edge"))
    call.finish("Pad", call.inputs, {"mode": call.text("mode", "constant")})


def _only(found: str, known: Sequence[str]) -> None:
    if found not in known:
        raise Unsupported(f"mode '{found}' is none of {', '.join(known)}")
