"""A convolution of an image's r x r phases, stacked as channels, is a convolution of the image by a larger kernel.

The "focus" of YOLO slices the image four times and concatenates; the larger kernel needs as many multiplications.
"""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.constants import concrete
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import Perm, inverse, to_channels_first, transpose, transposed_from
from .framework.rewriter import rewrite_of


@rewrite_of("Conv")
def focus_to_conv(graph: IndexedGraph, node: Node) -> Patch | None:
    """Conv(Concat(x[0::r, 0::r], x[1::r, 0::r], ...)) over two or more spatial axes, channels-first or channels-last.

    w'[o, r*i + a, r*j + b, c] = w[o, i, j, place of phase (a, b) * C + c]; stride and padding grow by r.
    """
    name, perm = node.inputs[0], None
    source = transposed_from(graph, name)
    if source is not None:
        name, perm = source
    concat = graph.producer_of(name, "Concat")
    rank = graph.rank(name)
    w = graph.constant(node.inputs[1])
    if concat is None or rank is None or rank < 3 or w is None or w.dtype.kind != "f":
        return None
    if perm is not None and perm != inverse(to_channels_first(rank)):
        return None
    spatial = list(range(1, rank - 1)) if perm is None else list(range(2, rank))
    if concat.attrs["axis"] % rank != (rank - 1 if perm is None else 1) or concat.attrs.get("activation"):
        return None
    phases = [_phase(graph, part, spatial) for part in concat.inputs]
    found = [phase for phase in phases if phase is not None]
    if len(found) != len(phases) or node.attrs.get("group", 1) != 1 or len({phase[0] for phase in found}) != 1:
        return None
    if node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or any(
        d != 1 for d in node.attrs.get("dilations") or []
    ):
        return None
    kernel = _spread(w, [phase[1] for phase in found], found[0][2])
    shape = concrete(graph.shape(found[0][0]))
    if (
        kernel is None
        or shape is None
        or any(shape[axis] % step for axis, step in zip(spatial, found[0][2], strict=True))
    ):
        return None
    return _enlarged(graph, node, found[0][0], perm, kernel, found[0][2])


def _enlarged(
    graph: IndexedGraph, node: Node, x: str, perm: Perm | None, kernel: np.ndarray, steps: tuple[int, ...]
) -> Patch:
    patch = Patch(graph, [node])
    source = x if perm is None else transpose(patch, x, perm)
    strides = node.attrs.get("strides") or [1] * len(steps)
    pads = node.attrs.get("pads") or [0] * (2 * len(steps))
    attrs = node.attrs | {
        "strides": [stride * step for stride, step in zip(strides, steps, strict=True)],
        "pads": [pad * step for pad, step in zip(pads, (*steps, *steps), strict=True)],
    }
    inputs = [source, patch.constant(node.inputs[1], kernel), *node.inputs[2:]]
    patch.add.append(Node("Conv", inputs, list(node.outputs), attrs, node.name))
    return patch


def _phase(graph: IndexedGraph, name: str, spatial: list[int]) -> tuple[str, tuple[int, ...], tuple[int, ...]] | None:
    """(x, starts, steps) along the spatial axes where name is made of x by Slices that go to the end."""
    starts, steps = dict.fromkeys(spatial, 0), dict.fromkeys(spatial, 1)
    while (node := graph.producer_of(name, "Slice")) is not None:
        shape = concrete(graph.shape(node.inputs[0]))
        numbers = [graph.constant(source) for source in node.inputs[1:]]
        if shape is None or len(numbers) != 4 or any(number is None for number in numbers):
            return None
        for start, end, axis, step in zip(
            *(number.reshape(-1).tolist() for number in numbers if number is not None), strict=True
        ):
            axis %= len(shape)
            if axis not in starts or start < 0 or step < 1 or end < shape[axis] or steps[axis] != 1:
                return None
            starts[axis], steps[axis] = start, step
        name = node.inputs[0]
    return name, tuple(starts.values()), tuple(steps.values())


def _spread(w: np.ndarray, phases: list[tuple[int, ...]], steps: tuple[int, ...]) -> np.ndarray | None:
    """The larger kernel; None where the phases are not all there, each once."""
    if sorted(phases) != sorted(np.ndindex(*steps)) or max(steps) < 2:
        return None
    channels = w.shape[-1] // len(phases)
    if channels * len(phases) != w.shape[-1]:
        return None
    sizes = [size * step for size, step in zip(w.shape[1:-1], steps, strict=True)]
    kernel = np.zeros((w.shape[0], *sizes, channels), w.dtype)
    for place, phase in enumerate(phases):
        index = (slice(None), *(slice(start, None, step) for start, step in zip(phase, steps, strict=True)))
        kernel[index] = w[..., place * channels : (place + 1) * channels]
    return kernel
