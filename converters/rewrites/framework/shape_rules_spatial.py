"""Symbolic shapes of the spatial operators, which are channels-last."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from ....runtime.graph import Dim
from .indexed import Shape
from .shape_rules import Query, rule


def window(query: Query, spatial: Shape, kernel: Sequence[int]) -> list[Dim]:
    """Output sizes of a sliding window: floor((x + pads - extent) / stride) + 1."""
    count = len(spatial)
    strides = query.attrs.get("strides") or [1] * count
    dilations = query.attrs.get("dilations") or [1] * count
    pads = query.attrs.get("pads") or [0] * (2 * count)
    result: list[Dim] = []
    for axis, dim in enumerate(spatial):
        offset = pads[axis] + pads[count + axis] - (dilations[axis] * (kernel[axis] - 1) + 1)
        if query.attrs["auto_pad"] in ("SAME_UPPER", "SAME_LOWER"):
            offset = -1
        elif query.attrs["auto_pad"] == "VALID":
            offset = -(dilations[axis] * (kernel[axis] - 1) + 1)
        elif query.attrs.get("ceil_mode"):
            result.append(query.fresh(axis + 1))
            continue
        result.append(_steps(query, dim, offset, strides[axis]))
    return result


def _steps(query: Query, dim: Dim, offset: int, stride: int) -> Dim:
    if isinstance(dim, int):
        return (dim + offset) // stride + 1
    if stride == 1:
        return dim if offset == -1 else query.symbol(f"{dim}{offset + 1:+d}")
    return query.symbol(f"({dim}{offset:+d})//{stride}+1")


@rule("Conv", "DynamicConv")
def conv(query: Query) -> list[Shape | None]:
    x, w = query.shape(0), query.shape(1)
    if x is None or w is None or len(x) != len(w):
        return []
    kernel = [dim for dim in w[1:-1] if isinstance(dim, int)]
    return [(x[0], *window(query, x[1:-1], kernel), w[0])] if len(kernel) == len(w) - 2 else []


@rule("MaxPool", "AveragePool")
def pool(query: Query) -> list[Shape | None]:
    x = query.shape(0)
    if x is None:
        return []
    shape = (x[0], *window(query, x[1:-1], query.attrs["kernel_shape"]), x[-1])
    return [shape] * len(query.node.outputs)


@rule("GlobalAveragePool", "GlobalMaxPool")
def global_pool(query: Query) -> list[Shape | None]:
    x = query.shape(0)
    return [] if x is None else [(x[0], *[1] * (len(x) - 2), x[-1])]


@rule("ConvTranspose")
def conv_transpose(query: Query) -> list[Shape | None]:
    x, w = query.shape(0), query.shape(1)
    if x is None or w is None or not isinstance(w[-1], int):
        return []
    unknown = [query.fresh(axis + 1) for axis in range(len(x) - 2)]
    return [(x[0], *unknown, w[-1] * query.attrs["group"])]


@rule("Resize")
def resize(query: Query) -> list[Shape | None]:
    x = query.shape(0)
    if x is None:
        return []
    sizes = query.dims(3)
    if sizes is not None and len(sizes) == len(x):
        return [sizes]
    scales = query.graph.constant(query.node.inputs[2]) if query.has(2) else None
    if scales is None or scales.size != len(x):
        return [(x[0], *[query.fresh(axis + 1) for axis in range(len(x) - 2)], x[-1])]
    scaled: list[Dim] = []
    for dim, scale in zip(x, scales.reshape(-1), strict=True):
        if isinstance(dim, int):
            scaled.append(floor(dim * scale))
        else:
            scaled.append(dim if scale == 1 else query.symbol(f"floor({dim}*{scale})"))
    return [tuple(scaled)]


@rule("SpaceToDepth", "DepthToSpace")
def blocks(query: Query) -> list[Shape | None]:
    x, block = query.shape(0), query.attrs["blocksize"]
    if x is None or not isinstance(x[-1], int):
        return []
    if query.node.op == "SpaceToDepth":
        spatial: list[Dim] = [d // block if isinstance(d, int) else query.symbol(f"{d}//{block}") for d in x[1:-1]]
        return [(x[0], *spatial, x[-1] * block ** (len(x) - 2))]
    spatial = [d * block if isinstance(d, int) else query.symbol(f"{d}*{block}") for d in x[1:-1]]
    return [(x[0], *spatial, x[-1] // block ** (len(x) - 2))]
