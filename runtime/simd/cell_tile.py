"""Register tiles of a recurrent cell: the products of its states with its weights, and its gates' functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir
from numba.core import types

from .float_tile import FloatTile
from .traced import Traced
from .vector import load_at, primitive, splat, store_at

if TYPE_CHECKING:
    from ..targets.target import Target

I64 = ir.IntType(64)


class Numbers(NamedTuple):
    """What a cell's function may ask for beside its gates' sums, each one vector of a sequence's units. Loads are
    emitted as they are asked for.

    hidden(), second(): the states before the step. product(gate): of the inputs, without those of the states.
    constant(index): the block's constants. clip, cell_clip: numbers.
    """

    hidden: Callable[[], Traced]
    second: Callable[[], Traced]
    product: Callable[[int], Traced]
    constant: Callable[[int], Traced]
    clip: Traced
    cell_clip: Traced


Cell = Callable[[Sequence[Traced], Numbers], Sequence[Traced]]
"""The gates' sums -> the states after the step: the hidden one, and a second where there is one."""


class CellTile:
    """Primitives on a block of `groups` vectors of units of each of the gates, for `rows` sequences at once.

    In memory, a block's numbers are gates x groups vectors; so are its packed weights, unit by unit.

    init(x, pitch, constants) -> tile: the products of the inputs at x + row * pitch; of the last `apart` gates, the
        constants at the same place instead.
    run(tile, states, pitch, 0, weights, units, 0) -> tile, end of weights: adds the products of the states.
    """

    def __init__(self, target: Target, rows: int, groups: int, gates: int, apart: int = 0) -> None:
        self.target, self.rows, self.groups, self.gates, self.apart = target, rows, groups, gates, apart
        tile = FloatTile(target, rows, gates * groups, None)
        self.kind, self.run, self.vector_bytes = tile.kind, tile.run, 4 * tile.lanes
        self.init = primitive(lambda x, pitch, constants: self.kind, self._init)

    def finish(self, cell: Cell) -> Any:
        """finish(tile, x, x_pitch, hidden, following, second, pitch, constants, clip, cell_clip): writes the states
        after the step to following and to second; x and constants as for `init`."""

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, x: ir.Value, x_pitch: ir.Value, hidden: ir.Value,
            following: ir.Value, second: ir.Value, pitch: ir.Value, constants: ir.Value, *clips: ir.Value,
        ) -> ir.Value:  # fmt: skip
            sums, lanes = self.kind.unpack(b, tile), self.kind.vector.lanes
            clip, cell_clip = (Traced(b, splat(b, number, lanes), self.target) for number in clips)
            for row in range(self.rows):
                for group in range(self.groups):
                    hidden_at, second_at = (partial(self._traced, b, place, group) for place in (hidden, second))
                    product_at, constant_at = (partial(self._traced_of, b, place, group) for place in (x, constants))
                    numbers = Numbers(hidden_at, second_at, product_at, constant_at, clip, cell_clip)
                    first = row * self.gates * self.groups + group
                    gates = [Traced(b, sums[first + gate * self.groups], self.target) for gate in range(self.gates)]
                    for address, state in zip((following, second), cell(gates, numbers), strict=False):
                        store_at(b, state.value, self._at(b, address, group))
                hidden, following, second = (b.add(address, pitch) for address in (hidden, following, second))
                x = b.add(x, x_pitch)
            return c.get_dummy_value()

        return primitive(
            lambda tile, x, x_pitch, hidden, following, second, pitch, constants, clip, cell_clip: types.none, emit
        )

    def _init(self, b: ir.IRBuilder, c: Any, k: Any, x: ir.Value, pitch: ir.Value, constants: ir.Value) -> ir.Value:
        vectors = []
        taken = (self.gates - self.apart) * self.groups
        for _ in range(self.rows):
            vectors += [self._load(b, x, place) for place in range(taken)]
            vectors += [self._load(b, constants, place) for place in range(self.apart * self.groups)]
            x = b.add(x, pitch)
        return self.kind.pack(b, vectors)

    def _traced(self, b: ir.IRBuilder, address: ir.Value, place: int) -> Traced:
        return Traced(b, self._load(b, address, place), self.target)

    def _traced_of(self, b: ir.IRBuilder, address: ir.Value, group: int, index: int) -> Traced:
        """Of a gate, or of one of the constants."""
        return self._traced(b, address, index * self.groups + group)

    def _load(self, b: ir.IRBuilder, address: ir.Value, place: int) -> ir.Value:
        return load_at(b, self._at(b, address, place), self.kind.vector.llvm)

    def _at(self, b: ir.IRBuilder, address: ir.Value, place: int) -> ir.Value:
        return b.add(address, I64(self.vector_bytes * place)) if place else address
