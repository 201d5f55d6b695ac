"""Which operators have kernels. An operator that is not here, or whose lowering declines a node, runs in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..ops.registry import Context
    from ..program.builder import Builder
    from ..program.view import Border

Lower = Callable[["Context", "Builder"], bool]
WantedBorder = Callable[["Context"], "tuple[Border, int] | None"]


@dataclass(frozen=True, slots=True)
class Lowering:
    """lower: appends kernel calls to the Builder and returns True; or returns False, having emitted no step, where no
    kernel serves the node. border: padding that the operator wants around its first input's elements in memory, and
    its value (of quantized integers: the zero point); None where it wants none."""

    lower: Lower
    border: WantedBorder | None = None


_lowerings: dict[str, Lowering] = {}


def lowers(*names: str, border: WantedBorder | None = None) -> Callable[[Lower], Lower]:
    def add(lower: Lower) -> Lower:
        for name in names:
            if name in _lowerings:
                raise ValueError(f"operator {name} is lowered twice")
            _lowerings[name] = Lowering(lower, border)
        return lower

    return add


def find(name: str) -> Lowering | None:
    from . import catalogue  # noqa: F401  imports every file

    return _lowerings.get(name)
