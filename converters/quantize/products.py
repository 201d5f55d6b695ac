"""Conv, ConvTranspose, Gemm and MatMul as what they all are: sums of inputs times weights, in groups."""

from __future__ import annotations

from math import prod

import numpy as np

from ...runtime.graph import Graph, Node
from ...runtime.ops.activation import real_range
from ...runtime.ops.window import pad, patches, slide
from ..rewrites.framework.products import PRODUCTS, has_input

RECURRENT = frozenset({"RNN", "GRU", "LSTM"})
ROWS = 1 << 13
"""Positions of one sample's output that rounding looks at, at most."""


def is_product(graph: Graph, node: Node) -> bool:
    """Whether integer kernels can compute it: constant weights, a constant bias per output, a clamp at most."""
    if node.op not in PRODUCTS or has_input(node, 3):
        return False
    if (node.attrs.get("alpha", 1), node.attrs.get("beta", 1), node.attrs.get("transA", 0)) != (1, 1, 0):
        return False
    w, x = graph.constant(node.inputs[1]), graph.values[node.inputs[0]]
    if w is None or w.dtype != np.float32 or w.ndim < 2 or not w.size or x.data is not None or x.dtype != np.float32:
        return False
    if (
        not np.isfinite(w).all()
        or real_range(node.attrs.get("activation"), node.attrs.get("activation_params", ())) is None
    ):
        return False
    if not has_input(node, 2):
        return True
    b = graph.constant(node.inputs[2])
    return (
        b is not None
        and b.size == (b.shape or (1,))[-1]
        and b.size in (1, outputs(node, w))
        and bool(np.isfinite(b).all())
    )


def stored_weights(graph: Graph, node: Node) -> list[int]:
    """The places of a node's constant weights, which may be stored in fewer bits: of a product, and of a recurrent
    layer, which computes in float."""
    if is_product(graph, node):
        return [1]
    if node.op not in RECURRENT or node.attrs.get("rounded"):
        return []
    found = [graph.constant(name) for name in node.inputs[1:3]]
    usable = all(w is not None and w.dtype == np.float32 and w.size and np.isfinite(w).all() for w in found)
    return [1, 2] if usable else []


def bias_of(graph: Graph, node: Node) -> np.ndarray | None:
    """The bias per output; None where the node has none."""
    w, b = graph.constant(node.inputs[1]), graph.constant(node.inputs[2]) if has_input(node, 2) else None
    return None if b is None or w is None else np.broadcast_to(b.reshape(-1), (outputs(node, w),)).astype(np.float32)


def outputs(node: Node, w: np.ndarray) -> int:
    if node.op == "ConvTranspose":
        return int(w.shape[-1]) * int(node.attrs.get("group", 1))
    return int(w.shape[output_axis(node, w)])


def output_axis(node: Node, w: np.ndarray) -> int:
    """The weights' axis of output channels (of a ConvTranspose in groups: of those of one group)."""
    if node.op == "Conv" or (node.op == "Gemm" and node.attrs.get("transB")):
        return 0
    return w.ndim - 1


def per_channel(node: Node) -> bool:
    """Whether weights may have a scale for each output: integers of a ConvTranspose's bias have only one."""
    return node.op != "ConvTranspose"


def has_matrix(node: Node, w: np.ndarray) -> bool:
    """Whether `matrix` and `rows` know the node."""
    return node.op in ("Conv", "Gemm") or (node.op == "MatMul" and w.ndim == 2)


def takes_rows(graph: Graph, node: Node) -> bool:
    """Whether a product multiplies rows of activations by one matrix, as linear layers do."""
    w, shape = graph.constant(node.inputs[1]), graph.values[node.inputs[0]].shape
    return node.op in ("Gemm", "MatMul") and w is not None and w.ndim == 2 and shape is not None and len(shape) > 1


def matrix(node: Node, w: np.ndarray) -> np.ndarray:
    """The weights as (groups, outputs of one, inputs of one)."""
    if node.op == "Conv":
        return w.reshape(int(node.attrs.get("group", 1)), -1, prod(w.shape[1:]))
    return (w if node.op == "Gemm" and node.attrs.get("transB") else w.T)[None]


def weights(node: Node, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`matrix` back in the node's own form."""
    if node.op == "Conv":
        return matrix.reshape(shape)
    return np.ascontiguousarray(matrix[0] if node.op == "Gemm" and node.attrs.get("transB") else matrix[0].T)


def rows(node: Node, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """What single outputs read of an input, (groups, positions, inputs of one group): all of the positions, or as many
    of them, evenly spread, as ROWS and memory allow."""
    if node.op != "Conv":
        flat = x.reshape(1, -1, x.shape[-1])
        return flat[:, :: max(1, -(-flat.shape[1] // ROWS))]
    a = node.attrs
    group, rank = int(a.get("group", 1)), w.ndim - 2
    window = slide(
        x.shape[1:-1], w.shape[1:-1], a.get("strides", ()), a.get("dilations", ()), a.get("pads", ()),
        a.get("auto_pad", "NOTSET"),
    )  # fmt: skip
    seen = np.moveaxis(patches(pad(x, window, 0), window), rank + 1, -1)
    step = max(1, round((prod(window.output) / ROWS) ** (1 / max(rank, 1))))
    chosen = (slice(None), *[slice(None, None, step)] * rank)
    seen = seen[chosen]
    positions, taps = prod(seen.shape[: rank + 1]), prod(window.kernel)
    grouped = seen.reshape(positions, taps, group, x.shape[-1] // group)
    return np.ascontiguousarray(grouped.transpose(2, 0, 1, 3)).reshape(group, positions, -1)


def without_activation(node: Node) -> Node:
    """The sums of a product, with room for a bias."""
    attrs = {key: value for key, value in node.attrs.items() if not key.startswith("activation")}
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    return Node(node.op, [*node.inputs[:2], bias or "bias"], node.outputs, attrs, node.name)
