"""Resize and its forerunner Upsample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..call import Call
from ..generic import known_attributes
from ..handlers import handles
from ..job import Unsupported
from ..layout import finish_first, spatial, to_last


@handles("Upsample")
def upsample_7(call: Call) -> None:
    scales = call.attrs.get("scales")
    if not isinstance(scales, list):
        raise Unsupported("attribute 'scales' is missing")
    _simple(call, call.add_constant(scales, "scales", np.float32))


@handles("Upsample", since=9)
@handles("Resize", since=10)
def upsample_9(call: Call) -> None:
    _simple(call, call.input(1))


def _simple(call: Call, scales: str) -> None:
    """Until operator set 10: output pixel i looks at i / scale, of which nearest takes the floor; where sizes shrink,
    onnxruntime takes the ceiling."""
    factors = call.builder.constant(scales)
    mode = call.text("mode", "nearest")
    mode = "linear" if mode == "bilinear" else mode
    shrinking = factors is not None and bool((factors < 1).any())
    if shrinking and mode == "nearest" and bool((np.asarray(factors) > 1).any()):
        raise Unsupported("it enlarges and shrinks at once, which operator set 10 leaves undefined")
    attrs = {
        "mode": mode,
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "ceil" if shrinking else "floor",
    }
    _resize(call, "", scales, "", attrs)


@handles("Resize", since=11)
def resize(call: Call) -> None:
    roi, scales, sizes = (_given(call, index) for index in (1, 2, 3))
    attrs = known_attributes(call, "Resize", skip=("axes",))
    if attrs.get("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize":
        roi = ""
    _resize(call, roi, scales, sizes, attrs)


def _given(call: Call, index: int) -> str:
    """The input at index; exporters give an empty tensor for an absent one."""
    data = call.constant(index)
    return "" if data is not None and data.size == 0 else call.optional(index)


def _resize(call: Call, roi: str, scales: str, sizes: str, attrs: dict[str, Any]) -> None:
    if bool(scales) == bool(sizes):
        raise Unsupported("needs either scales or sizes")
    rank = _rank(call, scales or sizes)
    if rank < 3:
        _finish_plain(call, rank, roi, scales, sizes, attrs)
        return
    perm = to_last(rank)
    if "axes" in call.attrs:
        axes = _axes(call, rank)
        attrs = {**attrs, "axes": [perm.index(axis) for axis in axes]}
        others = [roi, scales, sizes]
    else:
        others = [_reorder(call, roi, [*perm, *(rank + axis for axis in perm)], "roi")]
        others += [_reorder(call, scales, perm, "scales"), _reorder(call, sizes, perm, "sizes")]
    while not others[-1]:
        others.pop()
    finish_first(call, spatial(call, "Resize", call.input(0), rank, others, attrs), rank)


def _finish_plain(call: Call, rank: int, roi: str, scales: str, sizes: str, attrs: dict[str, Any]) -> None:
    axes = {"axes": _axes(call, rank)} if "axes" in call.attrs else {}
    call.finish("Resize", [call.input(0), roi, scales, sizes], {**attrs, **axes})


def _axes(call: Call, rank: int) -> list[int]:
    axes = call.integers("axes")
    if any(not -rank <= axis < rank for axis in axes):
        raise Unsupported(f"axes {axes} do not fit an input of rank {rank}")
    return [axis % rank for axis in axes]


def _rank(call: Call, factors: str) -> int:
    rank = call.rank()
    if rank is None and "axes" not in call.attrs:
        shape = call.value(factors).shape
        rank = shape[0] if shape and isinstance(shape[0], int) else None
    if rank is None:
        raise Unsupported("the rank of its input is not known")
    return rank


def _reorder(call: Call, name: str, order: Sequence[int], what: str) -> str:
    """A vector with its elements in another order."""
    if not name:
        return ""
    data = call.builder.constant(name)
    if data is None:
        return call.make("Gather", [name, call.add_constant(order, f"{what}.order", np.int64)], {"axis": 0})
    if data.shape != (len(order),):
        raise Unsupported(f"{what} of shape {data.shape} do not fit an input of {len(order)} dimensions")
    return call.add_constant(data[list(order)], what)
