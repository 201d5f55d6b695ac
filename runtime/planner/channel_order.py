"""Channels between two int8 convolutions in an order in which the second's weights can be multiplied as pairs of bytes.

Where x86 has no VNNI, a pair of weights for neighbouring channels that is too large together is taken twice
(lowering/byte_pairs.py). Which channels are neighbours is of no concern to anybody where only one node reads them and
nobody sees them: the convolution that makes them writes them in another order, and what lies between works on each
channel by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from ..evaluate.shapes import Step
from ..graph import Quantization
from ..lowering.byte_pairs import HOLDS, too_large
from ..ops.registry import Tensor
from ..targets.target import Target

LOOKED_AT = ((0, 4), (4, 16), (16, 48))
"""Channels among which each one's neighbour is looked for, from the easiest on, some at a time until one fits."""
TOGETHER = 16
"""Outputs that take a step twice together, about."""
FEW = 1 / 64
"""The share of pairs, of so many outputs, that may be too large."""
FEWEST = 16
"""Channels below which there is hardly anything to choose from, or to gain."""
MOST, MOST_WEIGHTS = 1 << 15, 1 << 22
"""Channels that are ordered in one program, and weights of one node: some tens of microseconds for each channel."""
POOLS = ("MaxPool", "AveragePool", "GlobalAveragePool")


def order_channels(steps: Sequence[Step], names: Iterable[str], target: Target) -> None:
    """Changes the constants of steps. names: of values that are seen."""
    if target.family != "x86" or target.vnni:
        return
    readers = Counter(tensor.name for step in steps for tensor in step.ctx.inputs if tensor is not None)
    readers.update(names)
    makers = {step.ctx.outputs[0].name: step for step in steps if len(step.ctx.outputs) == 1}
    left = MOST
    for step in steps:
        if not (_is_product(step) and _pointwise(step)):
            continue
        weights = _weights(step)
        if not FEWEST <= weights.shape[1] <= left or weights.size > MOST_WEIGHTS:
            continue
        chain = _chain(step, readers, makers)
        order = better_order(weights) if chain else None
        if order is not None:
            left -= len(order)
            _take(step, 1, order, axis=-1)
            for each in chain:
                if each.op.name == "Conv":
                    _take(each, 1, order, axis=0)
                    _take(each, 2, order, axis=0)


def better_order(weights: np.ndarray) -> np.ndarray | None:
    """Of channels, so that fewer pairs are too large for some of the outputs; None where few are as they are. weights:
    (outputs, channels) int8."""
    outputs, channels = weights.shape
    large = too_large(weights[:, : channels // 2 * 2].reshape(outputs, -1, 2))
    if np.logical_or.reduceat(large, range(0, outputs, TOGETHER)).mean() < FEW:
        return None
    columns = np.ascontiguousarray(weights.T, np.int16)
    above, below, size = np.maximum(columns, 0), np.minimum(columns, 0), abs(columns)
    # The channels that are hardest to please choose first, among those that are easiest to live with.
    left = np.lexsort((-size.sum(1, dtype=np.int64), -size.max(1)))
    fitting, others = list[int](), list[int]()
    while len(left) > 1:
        first, taken, least = left[0], 0, outputs + 1
        for begin, end in LOOKED_AT:
            candidates = left[max(1, len(left) - end) : len(left) - begin]
            wrong = above[candidates] + above[first] > HOLDS
            wrong |= below[candidates] + below[first] < -HOLDS
            counts = wrong.sum(1)
            if counts.size and counts.min() < least:
                least = int(counts.min())
                taken = len(left) - begin - len(candidates) + int(counts.argmin())
            if not least:
                break
        (others if least else fitting).extend((int(first), int(left[taken])))
        left = np.delete(left, [0, taken])
    return np.array([*fitting, *others, *left.tolist()])


def _is_product(step: Step) -> bool:
    """Whether it is a convolution of int8 with constant weights and nothing that is added to its result."""
    ctx = step.ctx
    if step.op.name != "Conv" or ctx.optional(3) is not None:
        return False
    x, w, bias = ctx.input(0), ctx.input(1), ctx.optional(2)
    if w.data is None or w.quant is None or w.quant.zero_point.any() or (bias is not None and bias.data is None):
        return False
    return all(tensor.dtype == np.int8 and tensor.quant is not None for tensor in (x, w, ctx.outputs[0]))


def _weights(step: Step) -> np.ndarray:
    data = step.ctx.input(1).data
    assert data is not None
    return data.reshape(len(data), -1)


def _pointwise(step: Step) -> bool:
    w = step.ctx.input(1)
    return step.ctx.attrs["group"] == 1 and w.size == w.shape[0] * w.shape[-1]


def _chain(step: Step, readers: Counter[str], makers: dict[str, Step]) -> list[Step]:
    """The convolution that makes the step's input, and what lies between; empty where another order would be seen."""
    chain = list[Step]()
    while True:
        name = step.ctx.input(0).name
        maker = makers.get(name)
        if maker is None or readers[name] > 1:
            return []
        chain.append(maker)
        if _is_product(maker):
            group = maker.ctx.attrs["group"]
            if group == 1:
                return chain
            if group != maker.ctx.input(0).shape[-1] or group != maker.ctx.outputs[0].shape[-1]:
                return []
        elif not _by_channel(maker):
            return []
        step = maker


def _by_channel(step: Step) -> bool:
    """Whether every channel of the result is the same function of the input's."""
    given = [tensor for tensor in step.ctx.inputs if tensor is not None]
    return step.op.name in POOLS or (step.op.elementwise and all(tensor.size == 1 for tensor in given[1:]))


def _take(step: Step, index: int, order: np.ndarray, axis: int) -> None:
    """Reorders a constant input, and its scales where these are along that axis."""
    tensor = step.ctx.optional(index)
    if tensor is None:
        return
    assert tensor.data is not None
    data = np.ascontiguousarray(tensor.data.take(order, axis))
    quant, along = tensor.quant, axis % len(tensor.shape)
    if quant is not None and quant.axis is not None and quant.axis % len(tensor.shape) == along:
        quant = Quantization(quant.scale[order], quant.zero_point[order], quant.axis)
    # A name of its own, as others may read the constant as it was.
    reordered = Tensor(f"{tensor.name} for {step.node.name}", tensor.shape, tensor.dtype, quant, data)
    step.ctx.inputs[index] = reordered
