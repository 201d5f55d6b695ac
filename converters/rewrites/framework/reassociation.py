"""The proof that every rewrite asks for which computes a chain of operations in another order.

(x - 1.6e9) / 86400 is exact where x is near 1.6e9; x * (1 / 86400) - 1.6e9 / 86400 loses all but a few digits, although
both are the same in real numbers. So a rewrite that merges or moves constants is made only where the following holds.

**The bound.** Let an operation of float type be charged u * |its result| (`runtime/ops/rounding.py`), multiplied by
what later operations multiply it with. Sums of n products are charged n * u * the sum of their magnitudes, as the order
in which they are made is nobody's. B(x) is the sum of all charges of the operations before the rewrite. After it the
result differs from the one in real numbers by at most a small multiple of B(x), for every x that can be: LIMIT for each
constant that is rounded anew. Where the operations before the rewrite neither overflow nor lose digits to denormal
numbers, those after it don't either; a sum of products counts as overflowing where the sum of their magnitudes does.
Results below the smallest normal number may differ by a few of the smallest steps that there are.

**What follows from it**, c being the constants in float64, which are rounded once, to the tensor's type:

- x * a * b -> x * c: the charges are 2 u |x c|, the error is 2 u |x c|. What remains are overflow and denormals on the
  way: a and b have to be both at least 1 or both at most 1 in magnitude (`merged_factor`).
- x + a + b -> x + c: the error is u |c|, and the charges are u |x + a| + u |x + a + b| >= u |b|. So |c| may be at most
  LIMIT times |b|, or c is a number of the type, as then nothing is rounded anew (`merged_offset`).
- (x + a) * b -> x * b + a * b: the error is u |x b| + u |a b|, but where x is -a the charges are 0. Nothing can be
  proved, unless more is known of x (`keeps_digits`):
  - x carries the rounding of what computed it, so that u |x| is charged too; |a| <= |x| + |x + a| does the rest. This
    is what lets BatchNormalization behind a convolution go into the convolution. Numbers that come from the graph's
    inputs by moving, selecting or exact operations carry none; a sum counts as rounded only where one of its terms is.
  - x is an 8-bit integer made a float32: then |x| + |a| is at most 3 times the largest |x + a| that there can be, and
    steps between neighbours keep 16 bits. This is what image preprocessing is.
- products: a factor goes into weights where all of them keep their digits; an offset behind the product into its bias
  as x + a + b does, x being a sum of rounded products; an offset before it as (x + a) * b does.

The statistics of BatchNormalization say what x is like (`near_zero`): a mean of at most SPREADS standard deviations
loses no more than the bits that SPREADS has.
"""

from __future__ import annotations

import numpy as np

from ....runtime.graph import Node
from ....runtime.ops.registry import find
from ....runtime.ops.rounding import exact_sum, long, modest, narrowed, normal, powers_of_two, scales_exactly_enough
from .constants import evaluated, is_fixed
from .indexed import IndexedGraph

LIMIT = 4.0
"""How many times the bound of what is charged anyway a constant's rounding may cost."""

HEADROOM = 16.0
"""How far a factor may raise again what became denormal before it: by so many of the smallest steps."""

SPREADS = 16.0
DEEPEST = 24

ROUNDED = frozenset(
    (
        *("Sigmoid", "Tanh", "Exp", "Erf", "Sqrt", "Sin", "Cos", "Gelu", "SiLU", "HardSwish", "Mish", "Softmax"),
        *("LogSoftmax", "LayerNormalization", "InstanceNormalization", "BatchNormalization", "LpNormalization"),
    )
)
"""Operators whose results are hardly ever exact, whatever they read."""

PASSING = frozenset(("Relu", "LeakyRelu", "PRelu", "Neg", "Abs", "AveragePool", "GlobalAveragePool", "ReduceMean"))
"""Operators on whose results the rounding of what they read can still be seen, besides those that move data."""

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
LINES = ("Add", "Sub", "Mul", "Div")


def merged_factor(a: np.ndarray, b: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """c in the tensor's type so that x * c may stand for x * a * b; None where it may not. a, b: float64."""
    with np.errstate(all="ignore"):
        both = a * b
        low, high = np.abs(a), np.abs(b)
        same_side = ((low <= 1) | (high >= 1)) & ((low >= 1) | (high <= HEADROOM))
        fits = normal(both, dtype) & ((both != 0) | (a == 0) | (b == 0)) & np.isfinite(a) & np.isfinite(b)
    return narrowed(both, dtype) if (same_side & fits).all() else None


def merged_offset(graph: IndexedGraph, x: str, a: np.ndarray, b: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """c in the tensor's type so that x + c may stand for x + a + b; None where it may not. a, b: float64."""
    return narrowed(a + b, dtype) if sums_merge(a, b, dtype, carries_rounding(graph, x)) else None


def sums_merge(a: np.ndarray, b: np.ndarray, dtype: np.dtype, rounded: bool) -> bool:
    """Whether x + (a + b) may stand for x + a + b; rounded: where u |x| is charged anyway."""
    if not (modest(a, dtype) and modest(b, dtype)):
        return False
    return bool((exact_sum(a, b, dtype) | (np.abs(a + b) <= LIMIT * np.abs(b)) | rounded).all())


def distributed(
    graph: IndexedGraph, x: str, a: np.ndarray, b: np.ndarray, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray] | None:
    """(factor, offset) so that x * factor + offset may stand for (x + a) * b; None where nothing may. a, b: float64."""
    with np.errstate(all="ignore"):
        wide = a * b
    if not (modest(a, dtype) and modest(wide, dtype) and normal(b, dtype).all() and keeps_digits(graph, x, a)):
        return None
    factor, offset = narrowed(b, dtype), narrowed(wide, dtype)
    return None if factor is None or offset is None else (factor, offset)


def keeps_digits(graph: IndexedGraph, x: str, a: np.ndarray | float) -> bool:
    """Whether x * b + a * b is as good as (x + a) * b, whatever b is."""
    return not np.any(a) or carries_rounding(graph, x) or _from_8_bits(graph, x)


def near_zero(mean: np.ndarray, deviation: np.ndarray) -> bool:
    """Whether numbers of these statistics keep their digits where the mean is subtracted after scaling."""
    return bool((np.abs(mean) <= SPREADS * deviation).all())


def sums_rounded(graph: IndexedGraph, node: Node) -> bool:
    """Whether a product with constant weights rounds what it adds up. Products of float16 add in float32."""
    return _rounding_weights(graph, node) and graph.dtype(node.inputs[1]) != np.float16


def scales(graph: IndexedGraph, w: str, factor: np.ndarray, outputs: int | None) -> bool:
    """Whether the constant w times factor keeps its digits; both as `rounding.scales_exactly_enough` has them."""
    data = evaluated(graph, w)
    return data is not None and scales_exactly_enough(data, factor, outputs)


def carries_rounding(graph: IndexedGraph, name: str) -> bool:
    """Whether the value was rounded when it was computed, so that its last digits mean nothing."""
    return _carries(graph, name, 0, {})


def _carries(graph: IndexedGraph, name: str, depth: int, found: dict[str, bool]) -> bool:
    """found: results so far, as a value read along several ways must not be searched once for each."""
    if name not in found:
        found[name] = False
        node = graph.producer(name)
        if node is not None and depth <= DEEPEST and graph.is_float(name):
            found[name] = _rounds(graph, node, depth, found)
    return found[name]


def _rounds(graph: IndexedGraph, node: Node, depth: int, found: dict[str, bool]) -> bool:
    op, after = find(node.op), node.attrs.get("activation")
    if op is None or (after is not None and after not in PASSING and after not in ROUNDED):
        return False
    if node.op in ROUNDED or after in ROUNDED:
        return True
    if node.op == "DequantizeLinear":
        return _is_8_bit(graph, node.inputs[0]) or _long(graph, node.inputs[1])
    if node.op in PRODUCTS and _rounding_weights(graph, node):
        return True
    if _long_factor(graph, node):
        return True
    sources = [source for source in op.data_inputs(node) if source]
    if node.op in PRODUCTS or node.op in LINES:
        return any(_carries(graph, source, depth + 1, found) for source in sources)
    passes = op.moves_data or node.op in PASSING
    return passes and bool(sources) and all(_carries(graph, source, depth + 1, found) for source in sources)


def _rounding_weights(graph: IndexedGraph, node: Node) -> bool:
    w = evaluated(graph, node.inputs[1]) if is_fixed(graph, node.inputs[1]) else None
    return w is not None and w.dtype.kind == "f" and not powers_of_two(w)


def _long_factor(graph: IndexedGraph, node: Node) -> bool:
    if node.op == "Div":
        return _long(graph, node.inputs[1])
    return node.op == "Mul" and any(_long(graph, source) for source in node.inputs)


def _long(graph: IndexedGraph, name: str) -> bool:
    data = evaluated(graph, name) if is_fixed(graph, name) else None
    return data is not None and data.dtype.kind == "f" and data.size > 0 and bool(data.any()) and long(data)


def _from_8_bits(graph: IndexedGraph, name: str, depth: int = 0) -> bool:
    """Whether the value is an 8-bit integer made a float32 or float64, perhaps moved."""
    node = graph.producer(name)
    op = None if node is None else find(node.op)
    if node is None or op is None or depth > DEEPEST or graph.dtype(name) not in (np.float32, np.float64):
        return False
    if node.op == "Cast":
        return _is_8_bit(graph, node.inputs[0])
    return op.rearranges and _from_8_bits(graph, node.inputs[0], depth + 1)


def _is_8_bit(graph: IndexedGraph, name: str) -> bool:
    dtype = graph.dtype(name)
    return dtype is not None and dtype.kind in "iu" and dtype.itemsize == 1
