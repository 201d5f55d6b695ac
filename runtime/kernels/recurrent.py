"""LSTM, GRU and RNN over time: each step is one product of the states with the recurrent weights, whose sums stay in
registers until the gates' functions have made the next states of them.

The products of all steps' inputs were computed before, as one matrix product. Units are padded to whole blocks of
vectors, of which a block's gates lie together, so that a register tile holds all gates of its units. Sequences of a
batch are computed `rows` at a time; a chunk is so many sequences in one direction, from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..simd.cell_tile import Cell, Numbers
    from ..simd.isa import Isa
    from ..simd.traced import Traced

GATES = {"LSTM": 4, "GRU": 3, "GRU, reset first": 3, "RNN": 1}
"""Cells by name. In "GRU, reset first" the reset gate multiplies the states before they meet the hidden gate's weights,
so that a step is two products."""
PEEPHOLES = 3


def recurrent(
    isa: Isa, cell: str, rows: int, groups: int, activations: Sequence[str], clipped: bool, peepholes: bool
) -> Callable[..., None]:
    """activations: the cell's, in ONNX's order, from kernels/functions.py. clipped: sums are kept within clip, and an
    LSTM's cells within cell_clip. peepholes: of an LSTM.

    x: products of the inputs, of `blocks` blocks for each step, sequence and direction. w, constants: of each block,
    one direction behind the other; constants are an LSTM's peepholes of the input, output and forget gate, or GRU's
    bias of the states' products with the hidden gate's weights. h, c: the states before; y, h_last, c_last: what the
    steps give. lengths: int32 of each sequence, within 0..steps, all the same unless rows is 1. turned: the direction
    that runs from the last step to the first, or -1. parts: chunks of a direction. memory: 4 states of `rows`
    sequences, of whole blocks. Pitches are in bytes; w_direction and constants_direction are bytes of one direction.
    """
    from ..simd.isa import scalar_load

    step, width = _step(isa, cell, rows, groups, activations, clipped, peepholes)
    move_row, fill, load = isa.move_row(), isa.fill(), scalar_load("i32")
    cells = cell == "LSTM"

    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, constants: Ptr, h: Ptr, c: Ptr, y: Ptr, h_last: Ptr, c_last: Ptr,
        lengths: Ptr, memory: Ptr, steps: Int, batch: Int, parts: Int, units: Int, blocks: Int, turned: Int,
        x_step: Int, x_batch: Int, x_direction: Int, y_step: Int, y_batch: Int, y_direction: Int, h_batch: Int,
        h_direction: Int, c_batch: Int, c_direction: Int, last_batch: Int, last_direction: Int, w_direction: Int,
        constants_direction: Int, clip: Float, cell_clip: Float,
    ) -> None:  # fmt: skip
        size, pitch = 4 * units, blocks * width
        second = memory + 2 * rows * pitch
        for chunk in range(start, stop):
            direction = chunk // parts
            first = min((chunk - direction * parts) * rows, batch - rows)
            hidden: int = memory
            following: int = memory + rows * pitch
            for row in range(rows):
                move_row(h + direction * h_direction + (first + row) * h_batch, hidden + row * pitch, size)
                if cells:
                    move_row(c + direction * c_direction + (first + row) * c_batch, second + row * pitch, size)
            length = load(lengths + 4 * first)
            products = x + direction * x_direction + first * x_batch
            target = y + direction * y_direction + first * y_batch
            for at in range(length, steps):
                fill(target + at * y_step, size, 0)
            for time in range(length):
                at = length - 1 - time if direction == turned else time
                step(
                    products + at * x_step, x_batch, hidden, following, second, pitch, w + direction * w_direction,
                    constants + direction * constants_direction, units, blocks, clip, cell_clip,
                )  # fmt: skip
                for row in range(rows):
                    move_row(following + row * pitch, target + at * y_step + row * y_batch, size)
                hidden, following = following, hidden
            last = direction * last_direction + first * last_batch
            for row in range(rows):
                move_row(hidden + row * pitch, h_last + last + row * last_batch, size)
                if cells:
                    move_row(second + row * pitch, c_last + last + row * last_batch, size)

    return kernel


def _step(
    isa: Isa, cell: str, rows: int, groups: int, activations: Sequence[str], clipped: bool, peepholes: bool
) -> tuple[Any, int]:
    """step(products, their pitch, hidden, following, second, pitch, weights, constants, units, blocks, clip,
    cell_clip): one step of all units; and the bytes of a block of units."""
    from ..simd.cell_tile import CellTile

    functions = _functions(activations)
    if cell == "GRU, reset first":
        gates = _blocks(isa, CellTile(isa.target, rows, groups, 2), _reset(functions, clipped), 3, 0)
        tile = CellTile(isa.target, rows, groups, 1)
        new, vector = _blocks(isa, tile, _hidden_after_reset(functions, clipped), 3, 0), tile.vector_bytes
        offset = 2 * groups * vector

        @isa.inline
        def in_two(  # type: ignore[no-untyped-def]
            x, x_pitch, hidden, following, second, pitch, weights, constants, units, blocks, clip, cell_clip
        ):
            gated = second + rows * pitch
            weights = gates(
                x, x_pitch, hidden, hidden, gated, second, pitch, weights, constants, units, blocks, clip, cell_clip
            )
            new(
                x + offset, x_pitch, gated, hidden, following, second, pitch, weights, constants, units, blocks, clip,
                cell_clip,
            )  # fmt: skip

        return in_two, groups * vector
    made = {
        "LSTM": lambda: _lstm(functions, clipped, peepholes),
        "GRU": lambda: _gru(functions, clipped),
        "RNN": lambda: _rnn(functions, clipped),
    }[cell]()
    tile = CellTile(isa.target, rows, groups, GATES[cell], apart=1 if cell == "GRU" else 0)
    whole = _blocks(isa, tile, made, GATES[cell], PEEPHOLES if peepholes else tile.apart)

    @isa.inline
    def in_one(  # type: ignore[no-untyped-def]
        x, x_pitch, hidden, following, second, pitch, weights, constants, units, blocks, clip, cell_clip
    ):
        whole(x, x_pitch, hidden, hidden, following, second, pitch, weights, constants, units, blocks, clip, cell_clip)

    return in_one, groups * tile.vector_bytes


def _blocks(isa: Isa, tile: Any, cell: Cell, gates: int, constant_vectors: int) -> Any:
    """One product of `left` with the weights of all blocks; gates: of a block in x. Returns the end of the weights."""
    init, run, finish = tile.init, tile.run, tile.finish(cell)
    width = tile.groups * tile.vector_bytes
    x_block, constants_block = gates * width, constant_vectors * width

    @isa.inline
    def blocks_of(  # type: ignore[no-untyped-def]
        x, x_pitch, left, hidden, following, second, pitch, weights, constants, units, blocks, clip, cell_clip
    ):
        for _ in range(blocks):
            acc, weights = run(init(x, x_pitch, constants), left, pitch, 0, weights, units, 0)
            finish(acc, x, x_pitch, hidden, following, second, pitch, constants, clip, cell_clip)
            x = x + x_block
            constants = constants + constants_block
            hidden = hidden + width
            following = following + width
            second = second + width
        return weights

    return blocks_of


def _functions(names: Sequence[str]) -> list[Callable[[Traced], Traced]]:
    from .functions import bind

    return [bind(name).compute for name in names]


def _within(x: Traced, bound: Traced, clipped: bool) -> Traced:
    from . import transcendental as t

    return t.clip(x, -bound, bound) if clipped else x


def _lstm(functions: Sequence[Any], clipped: bool, peepholes: bool) -> Cell:
    from ..simd.traced import fma

    f, g, h = functions

    def cell(gates: Sequence[Traced], numbers: Numbers) -> Sequence[Traced]:
        into, out, forget, new = gates
        held = numbers.second()
        if peepholes:
            into, forget = fma(held, numbers.constant(0), into), fma(held, numbers.constant(2), forget)
        into, forget, new = (_within(gate, numbers.clip, clipped) for gate in (into, forget, new))
        held = _within(fma(f(forget), held, f(into) * g(new)), numbers.cell_clip, clipped)
        if peepholes:
            out = fma(held, numbers.constant(1), out)
        return f(_within(out, numbers.clip, clipped)) * h(held), held

    return cell


def _gru(functions: Sequence[Any], clipped: bool) -> Cell:
    """The third sum is of the states alone."""
    from ..simd.traced import fma

    f, g = functions

    def cell(gates: Sequence[Traced], numbers: Numbers) -> Sequence[Traced]:
        update, reset = (f(_within(gate, numbers.clip, clipped)) for gate in gates[:2])
        new = g(_within(fma(reset, gates[2], numbers.product(2)), numbers.clip, clipped))
        return (fma(update, numbers.hidden() - new, new),)

    return cell


def _reset(functions: Sequence[Any], clipped: bool) -> Cell:
    """The states times the reset gate, and the update gate."""
    f, _ = functions

    def cell(gates: Sequence[Traced], numbers: Numbers) -> Sequence[Traced]:
        update, reset = (f(_within(gate, numbers.clip, clipped)) for gate in gates)
        return reset * numbers.hidden(), update

    return cell


def _hidden_after_reset(functions: Sequence[Any], clipped: bool) -> Cell:
    from ..simd.traced import fma

    _, g = functions

    def cell(gates: Sequence[Traced], numbers: Numbers) -> Sequence[Traced]:
        new = g(_within(gates[0], numbers.clip, clipped))
        return (fma(numbers.second(), numbers.hidden() - new, new),)

    return cell


def _rnn(functions: Sequence[Any], clipped: bool) -> Cell:
    (f,) = functions
    return lambda gates, numbers: (f(_within(gates[0], numbers.clip, clipped)),)
