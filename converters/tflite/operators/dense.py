"""FULLY_CONNECTED, BATCH_MATMUL, EMBEDDING_LOOKUP."""

from __future__ import annotations

from ..handlers import handles
from ..importer import permuted
from ..operator import Operator
from ..weights import bias, weights


@handles("FULLY_CONNECTED")
def fully_connected(op: Operator) -> None:
    """Weights (O, I). The input is seen as rows of I numbers; the result keeps its leading dimensions if asked to."""
    if op.option("WeightsFormat", 0) != 0:
        raise op.unsupported("shuffled weights are not supported")
    x = op.input(0)
    inner = op.shape(1)[-1] if op.rank(1) == 2 else None
    if inner is None:
        raise op.error(f"weights of shape {op.shape(1)} are not a matrix")
    if op.option("KeepNumDims", False) and op.rank(0) > 2:
        w = weights(op, 1, x, (1, 0), "io")
        addend = bias(op, 2, x, w)
        op.finish("MatMul", [x, w, addend] if addend else [x, w])
        return
    if op.rank(0) != 2 or op.shape(0)[1] != inner:
        x = op.new("Reshape", [x, op.int64s([-1, inner], "rows")])
    w = weights(op, 1, x, (0, 1), "weights")
    addend = bias(op, 2, x, w)
    op.finish("Gemm", [x, w, addend] if addend else [x, w], transB=1)


@handles("BATCH_MATMUL")
def batch_matmul(op: Operator) -> None:
    x = _turned(op, 0, "AdjX")
    y = _turned(op, 1, "AdjY")
    if op.value(x).quant is None and op.value(x).dtype != op.value(y).dtype:
        y = op.real(y)
    op.finish("MatMul", [x, y])


def _turned(op: Operator, position: int, option: str) -> str:
    """The input with its last two axes swapped where the option says so."""
    name = op.input(position)
    if not op.option(option, False):
        return name
    rank = op.rank(position)
    if rank < 2:
        raise op.error(f"input {position} of rank {rank} is not a matrix")
    perm = [*range(rank - 2), rank - 1, rank - 2]
    turned = op.new("Transpose", [name], perm=perm)
    op.value(turned).quant = permuted(op.value(turned).quant, perm)
    return turned


@handles("EMBEDDING_LOOKUP")
def embedding_lookup(op: Operator) -> None:
    """Inputs: indices, table. A quantized table gives real numbers where the output is real."""
    table = op.input(1)
    if op.value(op.output()).quant is None:
        table = op.real(table)
    op.node("Gather", [table, op.input(0)], [op.output()], axis=0)
