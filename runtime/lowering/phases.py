"""ConvTranspose taken apart: outputs a stride apart are a convolution by some of the kernel's elements."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from ..ops.conv_transpose import Spread

NONE = -1


@dataclass(frozen=True, slots=True)
class Phase:
    """Outputs `first`, first + step, ... (count of them) along one axis.

    The i-th reads the inputs start + i + t * dilation, which may lie outside. taps (members, t): the kernel's element
    that meets each of them, or NONE, for each of `members` neighbouring outputs that are computed together.
    """

    first: int
    step: int
    count: int
    start: int
    dilation: int
    taps: np.ndarray

    @property
    def members(self) -> int:
        return int(self.taps.shape[0])

    @property
    def reach(self) -> tuple[int, int]:
        """The first and the last input read; (0, 0) where none is."""
        width = self.taps.shape[1]
        return (self.start, self.start + self.count - 1 + (width - 1) * self.dilation) if width else (0, 0)


def phases(spread: Spread, axis: int) -> list[Phase]:
    """The outputs along an axis as one phase per remainder of (output + begin) by the stride, empty ones left out.

    The kernel's elements k of a phase are those with k * dilation = remainder (mod stride); such an element meets
    input i at output i * stride + k * dilation - begin.
    """
    stride, dilation, begin = spread.strides[axis], spread.dilations[axis], spread.begin[axis]
    found = []
    for first in range(min(stride, spread.output[axis])):
        remainder = (first + begin) % stride
        met = [k for k in range(spread.kernel[axis]) if k * dilation % stride == remainder]
        behind = [(k * dilation - remainder) // stride for k in met]
        start = (first + begin) // stride - max(behind, default=0)
        count = -(-(spread.output[axis] - first) // stride)
        taps = np.array([met[::-1]], int).reshape(1, len(met))
        found.append(Phase(first, stride, count, start, dilation // gcd(stride, dilation), taps))
    return found


def joined(separate: list[Phase], size: int) -> list[Phase]:
    """The same outputs (`size` of them) with all of a stride's computed together, and what is left of the last stride
    apart. An output lacks the inputs that only its neighbours read."""
    whole = size // len(separate)
    used = [phase for phase in separate if phase.taps.size]
    if whole == 0 or not used:
        return separate
    start = min(phase.start for phase in used)
    last = max(phase.start + (phase.taps.shape[1] - 1) * phase.dilation for phase in used)
    taps = np.full((len(separate), last - start + 1), NONE)
    for member, phase in enumerate(separate):
        at = phase.start - start + phase.dilation * np.arange(phase.taps.shape[1])
        taps[member, at] = phase.taps[0]
    together = Phase(0, len(separate), whole, start, 1, taps)
    rest = [
        Phase(p.first + whole * p.step, p.step, p.count - whole, p.start + whole, p.dilation, p.taps)
        for p in separate
        if p.count > whole
    ]
    return [together, *rest]
