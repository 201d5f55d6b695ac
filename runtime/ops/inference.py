"""One node from its inputs to its outputs' shapes and dtypes, with everything about it checked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import prod

import msgspec
import numpy as np

from ..boxed import TEXT, is_boxed, name_of
from ..errors import ModelError
from ..graph import Node
from .attribute_types import check as check_attributes
from .registry import Context, DataNeeded, Inferred, Op, Shape, Tensor, find

TENSOR_LIMIT = 2**31
"""Bytes that one tensor must stay below: parameter blocks hold 32-bit offsets."""

RANK_LIMIT = 32


class Step(msgspec.Struct):
    """A node with its operator and its Context, whose outputs are set."""

    node: Node
    op: Op
    ctx: Context


def infer_node(node: Node, inputs: Sequence[Tensor | None]) -> Step:
    """The node with its operator, checked attributes and outputs, whose quantization is still to be set.

    A node may name fewer outputs than its operator gives. ModelError where the operator is unknown or does not take
    these inputs or attributes.
    """
    op, ctx, found = _inferred(node, inputs)
    if len(node.outputs) > len(found):
        raise ctx.error(f"has {len(node.outputs)} outputs, but {op.name} gives {len(found)}")
    ctx.outputs = [
        Tensor(name, tuple(map(int, shape)), np.dtype(dtype))
        for name, (shape, dtype) in zip(node.outputs, found, strict=False)
    ]
    for tensor in ctx.outputs:
        problem = size_problem(tensor)
        if problem:
            raise ctx.error(problem)
    return Step(node, op, ctx)


def infer_shapes(node: Node, inputs: Sequence[Tensor | None]) -> list[Shape]:
    """The shapes of all outputs that the operator has, however large. ModelError as of `infer_node`."""
    return [tuple(int(dim) for dim in shape) for shape, _ in _inferred(node, inputs)[2]]


def context_of(node: Node, op: Op, inputs: Sequence[Tensor | None]) -> Context:
    """The node's inputs and checked attributes. Of an operator that runs graphs, its graphs fit its inputs and outputs.
    ModelError where they do not."""
    ctx = Context(node, list(inputs), attrs=op.attributes(node))
    check_attributes(op, node, ctx.attrs)
    _check_boxed(op, ctx)
    if op.runs_graphs:
        with suppress(DataNeeded):
            op.infer(ctx)
    return ctx


def _check_boxed(op: Op, ctx: Context) -> None:
    for tensor in ctx.inputs:
        if tensor is None or not is_boxed(tensor.dtype) or op.runs_graphs:
            continue
        if not (op.text if tensor.dtype == TEXT else op.sequences):
            raise ctx.error(f"'{tensor.name}' is {name_of(tensor.dtype)}, which {op.name} does not take")


def _inferred(node: Node, inputs: Sequence[Tensor | None]) -> tuple[Op, Context, list[Inferred]]:
    op = find(node.op)
    if op is None:
        raise ModelError(f"{node}: this operator is not supported")
    ctx = context_of(node, op, inputs)
    return op, ctx, list(op.infer(ctx))


def size_problem(tensor: Tensor) -> str | None:
    """What is wrong with a tensor's shape: its rank, a negative dimension, or more bytes than 32-bit offsets reach."""
    shape = tensor.shape
    if len(shape) > RANK_LIMIT:
        return f"'{tensor.name}' has {len(shape)} dimensions; at most {RANK_LIMIT} are supported"
    if shape and min(shape) < 0:
        return f"'{tensor.name}' has a negative dimension: {shape}"
    # A tensor without elements may not have huge dimensions either: NumPy cannot count them.
    elements = prod(max(dim, 1) for dim in shape) if 0 in shape else prod(shape)
    if elements * tensor.dtype.itemsize >= TENSOR_LIMIT:
        return f"'{tensor.name}' of shape {shape} ({tensor.dtype}) takes 2 GiB or more"
    return None
