"""Kernels that do nothing but multiply and add in a register tile, on operands in the first cache: what a target's
instructions allow. Int8 activations are there as a product takes them, so that widening them costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...runtime.compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ...runtime.simd.isa import Isa


def peak_int8(isa: Isa, rows: int, columns: int, source: str) -> Callable[..., None]:
    """A chunk is `steps` steps of the tile. acc: the accumulators, which are read before a chunk and written after it,
    so that no product is left out. source: a digest of these files, as the cache's keys know the runtime's alone."""
    from .peak_tile import PeakTile

    return _kernel(PeakTile(isa, "i8", rows, columns))


def peak_f32(isa: Isa, rows: int, columns: int, source: str) -> Callable[..., None]:
    from .peak_tile import PeakTile

    return _kernel(PeakTile(isa, "f32", rows, columns))


def _kernel(tile: Any) -> Callable[..., None]:
    load, run, keep = tile.load, tile.run, tile.keep

    def kernel(start: Int, stop: Int, x: Ptr, w: Ptr, acc: Ptr, pitch: Int, steps: Int) -> None:
        for _ in range(start, stop):
            found, _ = run(load(acc), x, pitch, 0, w, steps, 0)
            keep(found, acc)

    return kernel
