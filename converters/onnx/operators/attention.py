"""Attention, and the normalizations around it, in the fused forms that onnxruntime's optimizer makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..call import Call
from ..handlers import MICROSOFT, handles
from ..job import Unsupported
from .quantization import dequantized

MASKED = -10000.0


def int64s(call: Call, numbers: Sequence[int], what: str = "shape") -> str:
    return call.add_constant(numbers, what, np.int64)


def give(call: Call, position: int, name: str) -> None:
    """A result of the node, where the model uses it."""
    if call.wants(position):
        hints = call.hints[position : position + 1]
        call.builder.emit("Identity", [name], [call.outputs[position]], {}, call.name, hints)


def _summed(call: Call, names: Sequence[str]) -> str:
    total = names[0]
    for name in names[1:]:
        total = call.make("Add", [total, name])
    return total


@handles("SkipLayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(call: Call) -> None:
    """Inputs: data, what skipped a layer, scale, bias of the norm, bias of the sum. Outputs: the norm, its mean and
    deviation, the sum."""
    total = _summed(call, [call.input(0), call.input(1), *([call.input(4)] if call.has(4) else [])])
    if call.wants(1) or call.wants(2):
        raise Unsupported("its mean and deviation are not supported")
    norm = [total, call.input(2), *([call.input(3)] if call.has(3) else [])]
    give(call, 0, call.make("LayerNormalization", norm, {"axis": -1, "epsilon": call.number("epsilon", 1e-12)}))
    give(call, 3, total)


@handles("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_simplified_layer_normalization(call: Call) -> None:
    """The same without a mean: inputs data, what skipped a layer, scale, bias of the sum."""
    total = _summed(call, [call.input(0), call.input(1), *([call.input(3)] if call.has(3) else [])])
    if call.wants(1) or call.wants(2):
        raise Unsupported("its mean and deviation are not supported")
    give(call, 0, _simplified(call, total, call.input(2), call.number("epsilon", 1e-6)))
    give(call, 3, total)


@handles("SimplifiedLayerNormalization", domain=MICROSOFT)
@handles("SimplifiedLayerNormalization")
def simplified_layer_normalization(call: Call) -> None:
    """Divided by the root of the mean square along the last axis, in float32."""
    if call.integer("axis", -1) not in (-1, (call.rank() or 0) - 1):
        raise Unsupported("it is supported along the last axis only")
    call.only_first_output()
    call.finish("Identity", [_simplified(call, call.input(0), call.input(1), call.number("epsilon", 1e-5))])


def _simplified(call: Call, x: str, scale: str, epsilon: float) -> str:
    dtype = call.value(x).dtype
    wide = x if dtype == np.float32 else call.make("Cast", [x], {"to": "float32"})
    mean = call.make("ReduceMean", [call.make("Mul", [wide, wide]), int64s(call, [-1], "axis")])
    root = call.make("Sqrt", [call.make("Add", [mean, call.add_constant(epsilon, "epsilon", np.float32)])])
    normal = call.make("Div", [wide, root])
    narrow = normal if dtype == np.float32 else call.make("Cast", [normal], {"to": dtype.name})
    return call.make("Mul", [narrow, scale])


@handles("EmbedLayerNormalization", domain=MICROSOFT)
def embed_layer_normalization(call: Call) -> None:
    """Inputs: words, segments, their tables and that of positions, scale, bias, mask, positions. Outputs: the norm, how
    long each sequence is by the mask, the sum."""
    words = call.make("Gather", [call.input(2), call.input(0)], {"axis": 0})
    if call.has(8):
        places = call.make("Gather", [call.input(3), call.input(8)], {"axis": 0})
    else:
        length = call.make("Shape", [call.input(0)], {"start": 1})
        zero, one = (call.add_constant(number, "number", np.int64) for number in (0, 1))
        count = call.make("Reshape", [length, int64s(call, [])])
        places = call.make("Gather", [call.input(3), call.make("Range", [zero, count, one])], {"axis": 0})
    parts = [words, places]
    if call.has(1) and call.has(4):
        parts.append(call.make("Gather", [call.input(4), call.input(1)], {"axis": 0}))
    total = _summed(call, parts)
    attrs = {"axis": -1, "epsilon": call.number("epsilon", 1e-12)}
    give(call, 0, call.make("LayerNormalization", [total, call.input(5), call.input(6)], attrs))
    if call.wants(1):
        if not call.has(7):
            raise Unsupported("without a mask there is no length of sequences")
        give(call, 1, call.make("ReduceSum", [call.input(7), int64s(call, [1], "axis")], {"keepdims": 0}))
    give(call, 2, total)


def head_count(call: Call) -> int:
    heads = call.integer("num_heads")
    if heads < 1:
        raise Unsupported(f"attribute 'num_heads' must be at least 1, not {heads}")
    return heads


def split_heads(call: Call, x: str, heads: int) -> str:
    """(batch, length, heads * size) -> (batch, heads, length, size)."""
    parted = call.make("Reshape", [x, int64s(call, [0, 0, heads, -1])])
    return call.make("Transpose", [parted], {"perm": [0, 2, 1, 3]})


def attended(call: Call, q: str, k: str, v: str, scale: float, masks: Sequence[str], causal: bool) -> str:
    """Of queries, keys and values (batch, heads, length, size): (batch, length, heads * size). masks: added to the
    scores (batch, heads, queries, keys)."""
    keys = call.make("Transpose", [k], {"perm": [0, 1, 3, 2]})
    scores = call.make("Mul", [call.make("MatMul", [q, keys]), call.add_constant(scale, "scale", call.value(q).dtype)])
    scores = _summed(call, [scores, *masks])
    if causal:
        scores = call.make("Add", [scores, _later(call, scores)])
    found = call.make("MatMul", [call.make("Softmax", [scores], {"axis": -1}), v])
    turned = call.make("Transpose", [found], {"perm": [0, 2, 1, 3]})
    return call.make("Reshape", [turned, int64s(call, [0, 0, -1])])


def _later(call: Call, scores: str) -> str:
    """(queries, keys): the least number for keys behind their query, 0 for others."""
    dtype = call.value(scores).dtype
    sizes = call.make("Shape", [scores], {"start": -2})
    least = call.add_constant(np.finfo(dtype).min, "least", dtype)
    return call.make("Trilu", [call.make("Expand", [least, sizes]), call.add_constant(1, "diagonal", np.int64)])


def mask_of(call: Call, index: int, dtype: np.dtype) -> list[str]:
    """What an attention mask adds to the scores: of 1 for what counts (batch, keys) or (batch, queries, keys)."""
    if not call.has(index):
        return []
    rank = call.known_rank(index)
    if rank not in (2, 3):
        raise Unsupported(f"a mask of rank {rank} is not supported")
    mask = call.make("Cast", [call.input(index)], {"to": dtype.name})
    off = call.make("Sub", [call.add_constant(1, "one", dtype), mask])
    value = call.add_constant(call.number("mask_filter_value", MASKED), "masked", dtype)
    added = call.make("Mul", [off, value])
    return [call.make("Unsqueeze", [added, int64s(call, [1, 2] if rank == 2 else [1], "axes")])]


def three(call: Call, joined: str, sizes: Sequence[int]) -> list[str]:
    """Queries, keys and values that lie side by side along the last axis."""
    outputs = [call.scope.job.unique(f"{call.name}.{what}") for what in ("queries", "keys", "values")]
    call.builder.emit("Split", [joined, int64s(call, sizes, "sizes")], outputs, {"axis": -1}, call.name)
    return outputs


@handles("Attention", "QAttention", domain=MICROSOFT)
def attention(call: Call) -> None:
    """Self-attention. Inputs: data (batch, length, features), weights (features, queries and keys and values), bias,
    mask, past, what is added to the scores. QAttention's data and weights are quantized, and their scales and zero
    points are inputs, too."""
    if call.op == "QAttention":
        x = dequantized(call, call.input(0), call.input(3), call.optional(6))
        w = dequantized(call, call.input(1), call.input(4), call.optional(7), axis=1)
        mask, past, added = 5, 8, 99
    else:
        x, w, mask, past, added = call.input(0), call.input(1), 3, 4, 5
    if call.has(past) or call.wants(1):
        raise Unsupported("a past of keys and values is not supported")
    if call.integer("do_rotary", 0):
        raise Unsupported("rotary embedding within it is not supported")
    joined = call.make("MatMul", [x, w])
    if call.has(2):
        joined = call.make("Add", [joined, call.input(2)])
    heads, shape = head_count(call), call.shape(1)
    if shape is None or len(shape) != 2 or not isinstance(shape[1], int):
        raise Unsupported("the size of its weights is not known")
    sizes = call.integers("qkv_hidden_sizes", [shape[1] // 3] * 3)
    if len(sizes) != 3 or sum(sizes) != shape[1] or any(size < 1 or size % heads for size in sizes):
        raise Unsupported(f"weights of shape {shape} do not fit {heads} heads")
    q, k, v = (split_heads(call, part, heads) for part in three(call, joined, sizes))
    scale = call.number("scale", 0.0) or (sizes[0] / heads) ** -0.5
    masks = mask_of(call, mask, call.value(q).dtype) + ([call.input(added)] if call.has(added) else [])
    del call.outputs[1:]
    call.finish("Identity", [attended(call, q, k, v, scale, masks, bool(call.integer("unidirectional", 0)))])


@handles("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(call: Call) -> None:
    """Inputs: queries, keys and values (batch, length, features), the bias of all three, a mask of keys, what is added
    to the scores."""
    if any(call.has(index) for index in (6, 7)) or call.wants(1) or call.wants(2):
        raise Unsupported("a past of keys and values is not supported")
    if not call.has(1) or not call.has(2) or call.known_rank(0) != 3 or call.known_rank(1) != 3:
        raise Unsupported("queries, keys and values packed into one are not supported")
    parts, heads = [call.input(index) for index in range(3)], head_count(call)
    shapes = [call.shape(index) for index in range(3)]
    sizes = [shape[-1] if shape else None for shape in shapes]
    if any(not isinstance(size, int) or size < 1 or size % heads for size in sizes):
        raise Unsupported(f"{sizes} features do not fit {heads} heads")
    if call.has(3):
        biases = three(call, call.input(3), [int(size or 0) for size in sizes])
        parts = [call.make("Add", [part, bias]) for part, bias in zip(parts, biases, strict=True)]
    q, k, v = (split_heads(call, part, heads) for part in parts)
    scale = call.number("scale", 0.0) or (int(sizes[0] or 0) / heads) ** -0.5
    masks = mask_of(call, 4, call.dtype()) + ([call.input(5)] if call.has(5) else [])
    call.only_first_output()
    call.finish("Identity", [attended(call, q, k, v, scale, masks, bool(call.integer("unidirectional", 0)))])


@handles("RotaryEmbedding", domain=MICROSOFT)
def rotary_embedding(call: Call) -> None:
    """Inputs: data (batch, heads, length, size), positions, cosines and sines (positions, size / 2): element i of one
    half and of the other are turned by angle i."""
    if call.known_rank() != 4 or call.integer("rotary_embedding_dim", 0) or call.integer("interleaved", 0):
        raise Unsupported("it is supported for whole heads (batch, heads, length, size), not interleaved")
    if call.known_rank(1) != 2:
        raise Unsupported("positions that count on from one are not supported")
    axes = int64s(call, [1], "axes")
    cosine, sine = (
        call.make("Unsqueeze", [call.make("Gather", [call.input(index), call.input(1)], {"axis": 0}), axes])
        for index in (2, 3)
    )
    halves = [call.scope.job.unique(f"{call.name}.half") for _ in range(2)]
    call.builder.emit("Split", [call.input(0)], halves, {"axis": -1, "num_outputs": 2}, call.name)
    first, second = halves
    left = call.make("Sub", [call.make("Mul", [first, cosine]), call.make("Mul", [second, sine])])
    right = call.make("Add", [call.make("Mul", [second, cosine]), call.make("Mul", [first, sine])])
    call.finish("Concat", [left, right], {"axis": -1})
