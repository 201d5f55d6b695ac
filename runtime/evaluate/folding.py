"""Evaluates nodes whose results are known before running."""

from __future__ import annotations

import numpy as np

from ..errors import Error
from ..graph import subgraphs
from ..ops.inference import Step
from ..ops.registry import Tensor
from .reference import evaluate

GROWTH_LIMIT = 64 * 2**20
"""Bytes by which the constants of one graph may grow through folding."""


class Folder:
    """Folds nodes as long as the results do not outgrow what they were computed from by more than GROWTH_LIMIT. Weights
    are decompressed whatever their size."""

    def __init__(self) -> None:
        self.growth = 0

    def fold(self, step: Step) -> bool:
        """Sets the outputs' data (C-contiguous) where it can be known; whether it did.

        ModelError naming the node where its constants are bad, such as an index out of range.
        """
        if not self._foldable(step):
            return False
        arrays = [None if tensor is None else _elements(tensor) for tensor in step.ctx.inputs]
        try:
            found = evaluate(step.op, step.ctx, arrays)
        except (Error, ArithmeticError, LookupError, ValueError) as problem:
            raise step.ctx.error(f"cannot be computed from its constants: {problem}") from problem
        for tensor, array in zip(step.ctx.outputs, found, strict=True):
            if (array.shape, array.dtype) != (tensor.shape, tensor.dtype):
                raise step.ctx.error(
                    f"gives {array.dtype}{array.shape} where '{tensor.name}' is {tensor.dtype}{tensor.shape}"
                )
            tensor.data = array if array.flags.c_contiguous else array.copy(order="C")
        return True

    def _foldable(self, step: Step) -> bool:
        inputs = [tensor for tensor in step.ctx.inputs if tensor is not None]
        if any(subgraphs(step.node)):
            return False
        if not step.op.shape_only and any(tensor.data is None for tensor in inputs):
            return False
        growth = _bytes(step.ctx.outputs) - _bytes([tensor for tensor in inputs if tensor.data is not None])
        if growth > 0 and not step.op.decompresses:
            if self.growth + growth > GROWTH_LIMIT:
                return False
            self.growth += growth
        return True


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.size * tensor.dtype.itemsize for tensor in tensors)


def _elements(tensor: Tensor) -> np.ndarray:
    """The data, or zeros that take no memory for an operator that looks at the shape alone."""
    return np.broadcast_to(np.zeros((), tensor.dtype), tensor.shape) if tensor.data is None else tensor.data
