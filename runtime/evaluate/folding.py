"""Evaluates nodes whose results are known before running."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..boxed import is_boxed
from ..errors import Error
from ..ops.inference import Step
from ..ops.registry import Tensor
from .budget import Budget
from .cost import cost_of
from .reference import evaluate


class Folder:
    """Folds nodes as long as the budget lasts. What is left then is computed at every run, like any other node."""

    def __init__(self, constants: int) -> None:
        """constants: bytes of the graph's."""
        self._budget = Budget(constants)
        self._read = set[str]()

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
        if step.op.runs_graphs or any(is_boxed(tensor.dtype) for tensor in (*inputs, *step.ctx.outputs)):
            return False
        if not step.op.shape_only and any(tensor.data is None for tensor in inputs):
            return False
        # What several nodes read, or one node twice, does not make room for the result of each.
        fresh = {tensor.name: tensor for tensor in inputs if tensor.data is not None and tensor.name not in self._read}
        growth = _bytes(step.ctx.outputs) - _bytes(fresh.values())
        if not self._budget.spend(cost_of(step.op, step.ctx), growth, step.op.decompresses):
            return False
        self._read.update(fresh)
        return True


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.size * tensor.dtype.itemsize for tensor in tensors)


def _elements(tensor: Tensor) -> np.ndarray:
    """The data, or zeros that take no memory for an operator that looks at the shape alone."""
    return np.broadcast_to(np.zeros((), tensor.dtype), tensor.shape) if tensor.data is None else tensor.data
