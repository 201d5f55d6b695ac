"""ConvTranspose taken apart: outputs a stride apart are a convolution by some of the kernel's elements."""

from __future__ import annotations

from math import gcd

import msgspec
import numpy as np

from ..ops.conv_transpose import Spread

NONE = -1
MOST_MEMBERS = 16
"""Outputs that are computed together: what they are multiplied with grows with their square."""


class Phase(msgspec.Struct, frozen=True):
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
    """The outputs along an axis that read any input, as one phase per remainder of (output + begin) by the stride.

    The kernel's elements k of a phase are those with k * dilation = remainder (mod stride); such an element meets
    input i at output i * stride + k * dilation - begin.
    """
    stride, dilation, begin = spread.strides[axis], spread.dilations[axis], spread.begin[axis]
    met: dict[int, list[int]] = {}
    for k in range(spread.kernel[axis]):
        met.setdefault((k * dilation - begin) % stride, []).append(k)
    found = []
    for first in sorted(first for first in met if first < spread.output[axis]):
        taps = met[first]
        start = (first + begin) // stride - max(k * dilation // stride for k in taps)
        count = -(-(spread.output[axis] - first) // stride)
        reversed_taps = np.array([taps[::-1]], int)
        found.append(Phase(first, stride, count, start, dilation // gcd(stride, dilation), reversed_taps))
    return found


def covers(found: list[Phase], output: int) -> bool:
    """Whether every one of so many outputs is in a phase."""
    return sum(phase.count * phase.members for phase in found) == output


def joined(separate: list[Phase], size: int) -> list[Phase]:
    """The same outputs (of `size` in all) with all of a stride's computed together, those that read nothing included,
    and what is left of the last stride apart. An output lacks the inputs that only its neighbours read."""
    if not separate or separate[0].step > MOST_MEMBERS or size < separate[0].step:
        return separate
    stride = separate[0].step
    whole = size // stride
    start = min(phase.start for phase in separate)
    last = max(phase.start + (phase.taps.shape[1] - 1) * phase.dilation for phase in separate)
    taps = np.full((stride, last - start + 1), NONE)
    for phase in separate:
        at = phase.start - start + phase.dilation * np.arange(phase.taps.shape[1])
        taps[phase.first, at] = phase.taps[0]
    together = Phase(0, stride, whole, start, 1, taps)
    rest = [
        Phase(p.first + whole * p.step, p.step, p.count - whole, p.start + whole, p.dilation, p.taps)
        for p in separate
        if p.count > whole
    ]
    return [together, *rest]
