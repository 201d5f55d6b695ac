"""Register tiles: rows x columns vectors of accumulators that stay in registers through a matrix product's inner loop.

A tile is one numba value whose data model is an LLVM array of vectors. Its memory formats are those of
tile_layout.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import register_model

from ..targets.target import Target
from .dot import accumulate, operands
from .real_store import real_store
from .requantize import requantize_store
from .tile_layout import LINE, TileLayout
from .vector import Vector, load_at, prefetch, primitive, read_addresses, row_addresses, store_at, unseen

if TYPE_CHECKING:
    from .traced import VectorFunction

I8, I64 = ir.IntType(8), ir.IntType(64)


class TileType(types.Type):
    """rows x columns vectors of `lanes` elements, row by row; those of the last column may be shorter."""

    def __init__(self, element: str, rows: int, columns: int, lanes: int, last: int | None = None) -> None:
        self.vector = Vector(element, lanes)
        self.last = Vector(element, lanes if last is None else last)
        self.rows, self.columns = rows, columns
        super().__init__(name=f"tile({rows}x{columns} {self.vector.name} {self.last.name})")

    @property
    def llvm(self) -> ir.LiteralStructType:
        row = [self.vector.llvm] * (self.columns - 1) + [self.last.llvm]
        return ir.LiteralStructType(row * self.rows)

    def pack(self, b: ir.IRBuilder, vectors: Sequence[ir.Value]) -> ir.Value:
        tile = ir.Constant(self.llvm, ir.Undefined)
        for i, value in enumerate(vectors):
            tile = b.insert_value(tile, value, i)
        return tile

    def unpack(self, b: ir.IRBuilder, tile: ir.Value) -> list[ir.Value]:
        return [b.extract_value(tile, i) for i in range(self.rows * self.columns)]


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: TileType) -> None:
        super().__init__(manager, kind, kind.llvm)


Step = Callable[[ir.IRBuilder, ir.Value, ir.Value, ir.Value, ir.Value, ir.Value, int], ir.Value]
"""(builder, tile, a, pitch, turn, b, count) -> tile after `count` steps."""


def one_by_one(kind: TileType, emit: Step, a_bytes: int, b_bytes: int) -> Step:
    """Several steps of x86 one after the other. LLVM is kept from mixing them, which takes more registers than there
    are: from loading for a step what follows it, and from adding up the products of several before their sum."""

    def steps(
        b: ir.IRBuilder, tile: ir.Value, a: ir.Value, pitch: ir.Value, turn: ir.Value, w: ir.Value, count: int
    ) -> ir.Value:
        tile = emit(b, tile, a, pitch, turn, w, 1)
        for i in range(1, count):
            b.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], True)
            if kind.vector.element == "i32":
                tile = kind.pack(b, [unseen(b, acc) for acc in kind.unpack(b, tile)])
            tile = emit(b, tile, b.add(a, I64(i * a_bytes)), pitch, turn, b.add(w, I64(i * b_bytes)), 1)
        return tile

    return steps


def over_steps(
    target: Target, kind: TileType, emit: Step, unroll: int, a_bytes: int, b_bytes: int, ahead: int = 0
) -> Any:
    """run(tile, a, pitch, turn, b, steps, distance) -> tile, end of b: the inner loop, `unroll` steps at once, a power
    of two, and then the rest one by one. a_bytes, b_bytes: what a step reads of a row and of b. ahead: lines that the
    former also ask the second cache for, `distance` bytes behind their part of b."""
    if target.family == "x86":
        emit = one_by_one(kind, emit, a_bytes, b_bytes)

    def steps_of(count: int) -> Any:
        def generate(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, a: ir.Value, pitch: ir.Value, turn: ir.Value, w: ir.Value,
            distance: ir.Value,
        ) -> ir.Value:  # fmt: skip
            for i in range(ahead if count == unroll else 0):
                prefetch(b, b.add(b.add(w, distance), I64(LINE * i)))
            return emit(b, tile, a, pitch, turn, w, count)

        return primitive(lambda tile, a, pitch, turn, b, distance: kind, generate)

    one, several = steps_of(1), steps_of(unroll)
    shift, mask = unroll.bit_length() - 1, unroll - 1

    def run(tile, a, pitch, turn, b, steps, distance):  # type: ignore[no-untyped-def]
        for _ in range(steps):
            tile = one(tile, a, pitch, turn, b, distance)
            a = a + a_bytes
            b = b + b_bytes
        return tile, b

    def run_unrolled(tile, a, pitch, turn, b, steps, distance):  # type: ignore[no-untyped-def]
        for _ in range(steps >> shift):
            tile = several(tile, a, pitch, turn, b, distance)
            a = a + (a_bytes << shift)
            b = b + (b_bytes << shift)
        for _ in range(steps & mask):
            tile = one(tile, a, pitch, turn, b, distance)
            a = a + a_bytes
            b = b + b_bytes
        return tile, b

    return njit(inline="always")(run if unroll == 1 else run_unrolled)


class Int8Tile:
    """Primitives on tiles of int32 accumulators of int8 products.

    init(bias) -> tile: every row is the vectors at address bias.
    run(tile, a, pitch, turn, b, steps, distance) -> tile, end of b: adds the products of steps * `layout.depth`
        elements of each row (the first at a, others as `row_addresses`) with the packed weights at b
        (`layout.step_bytes` bytes a step; group_bytes: what steps that are done at once read). ahead, distance: see
        `over_steps`.
    one(tile, a, pitch, turn, b) -> tile: a single step.
    keep(tile, m, pitch): writes rows of accumulators as they are, in the channel order of the layout, the first at m.
    store(tile, y, pitch, turn, ...): see `store`.
    across: rows of one line of pixels; a tile of more goes on in the next line. widened: see `operands`. element: see
        TileLayout.
    """

    def __init__(
        self, target: Target, rows: int, columns: int, across: int | None = None, ahead: int = 0,
        widened: bool = False, element: str = "i8",
    ) -> None:  # fmt: skip
        self.layout = TileLayout.of(target, element)
        self.target, self.rows, self.columns, self.across = target, rows, columns, across or rows
        self.widened, a_bytes = widened, self.layout.depth * (2 if widened else 1)
        self.kind = TileType("i32", self._held_rows(), columns, self.layout.lanes)
        self.step_bytes = self.layout.step_bytes(columns)
        self.init = primitive(lambda bias: self.kind, self._init)
        self.one = primitive(lambda tile, a, pitch, turn, b: self.kind, self._one)
        self.keep = primitive(lambda tile, m, pitch: types.none, self._keep)
        unroll = self.layout.at_once(target, rows)
        self.group_bytes = unroll * self.step_bytes
        self.run = over_steps(target, self.kind, self._step, unroll, a_bytes, self.step_bytes, ahead)

    def _held_rows(self) -> int:
        """Rows for which there are accumulators."""
        return self.rows

    def _init(self, b: ir.IRBuilder, c: Any, k: Any, bias: ir.Value) -> ir.Value:
        return self.kind.pack(b, self._bias(b, bias) * self.rows)

    def _bias(self, b: ir.IRBuilder, bias: ir.Value) -> list[ir.Value]:
        size = 4 * self.layout.lanes
        return [load_at(b, b.add(bias, I64(v * size)), self.kind.vector.llvm) for v in range(self.columns)]

    def _step(
        self, b: ir.IRBuilder, tile: ir.Value, a: ir.Value, pitch: ir.Value, turn: ir.Value, w: ir.Value, count: int
    ) -> ir.Value:
        acc, size = self.kind.unpack(b, tile), self.layout.vector_bytes
        rows: Iterable[list[ir.Value]] = self._rows(b, a, pitch, turn, count)
        if self.target.family == "arm":
            # LLVM's schedulers for Arm spill accumulators unless all rows are loaded first.
            rows = list(rows)
        for step in range(count):
            at = [step * self.step_bytes + v * size for v in range(self.columns)]
            weights = [load_at(b, b.add(w, I64(offset)), ir.VectorType(I8, size)) for offset in at]
            for row, left in enumerate(rows):
                for v in range(self.columns):
                    i = row * self.columns + v
                    acc[i] = accumulate(b, self.target, self.layout, acc[i], left[step], weights[v])
        return self.kind.pack(b, acc)

    def _one(
        self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, a: ir.Value, pitch: ir.Value, turn: ir.Value, w: ir.Value
    ) -> ir.Value:
        return self._step(b, tile, a, pitch, turn, w, 1)

    def _rows(
        self, b: ir.IRBuilder, a: ir.Value, pitch: ir.Value, turn: ir.Value, count: int
    ) -> Iterator[list[ir.Value]]:
        for address in read_addresses(b, self.target, a, pitch, self.rows, self.across, turn):
            yield operands(b, self.target, self.layout, address, count, self.widened)

    def _result(self, b: ir.IRBuilder, tile: ir.Value) -> list[ir.Value]:
        """rows x columns vectors of accumulators in the channel order of the layout."""
        return self.kind.unpack(b, tile)

    def _keep(self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, m: ir.Value, pitch: ir.Value) -> ir.Value:
        acc, size = self._result(b, tile), 4 * self.layout.lanes
        for row, address in enumerate(row_addresses(b, m, pitch, self.rows, self.rows, pitch)):
            for v in range(self.columns):
                store_at(b, acc[row * self.columns + v], b.add(address, I64(v * size)))
        return c.get_dummy_value()

    def store(self, tail: int | None, finish: str) -> Any:
        """store(tile, y, pitch, turn, scale, zero_point, low, high): requantizes (see requantize.py) and writes bytes.

        scale: address of float32 per column. tail: channels written where they are fewer than the tile's.
        """

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, y: ir.Value, pitch: ir.Value, turn: ir.Value,
            *rest: ir.Value,
        ) -> ir.Value:  # fmt: skip
            rows = row_addresses(b, y, pitch, self.rows, self.across, turn)
            requantize_store(b, self.target, self.rows, self.columns, self._result(b, tile), rows, rest, tail, finish)
            return c.get_dummy_value()

        return primitive(lambda tile, y, pitch, turn, scale, zero_point, low, high: types.none, emit)

    def store_real(self, tail: int | None, function: VectorFunction, same: bool) -> Any:
        """store_real(tile, y, pitch, turn, scale, bias, sums, row_scale, row_zero, *numbers): writes rows of float32.

        Of a tile whose weights' channels are packed in their order; see real_store.py. same: of all rows, one scale.
        """

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, y: ir.Value, pitch: ir.Value, turn: ir.Value,
            *rest: ir.Value,
        ) -> ir.Value:  # fmt: skip
            rows = row_addresses(b, y, pitch, self.rows, self.across, turn)
            real_store(b, self.target, self.columns, self._result(b, tile), rows, rest, tail, function, same)
            return c.get_dummy_value()

        return primitive(
            lambda tile, y, pitch, turn, scale, bias, sums, row_scale, row_zero, first, second: types.none, emit
        )
