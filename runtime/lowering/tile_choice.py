"""Which register tile computes a matrix product: what tiles cost on a core, and how many registers they take.

Arm's numbers are from llvm-mca 19 on the compiled loops; x86's from timings on an AMD Zen 3 and, of AVX512, on an Intel
Sapphire Rapids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from ..program.tiles import Tiles
from ..simd.tile_layout import BYTE_PAIRS, NARROW, TileLayout
from ..targets.target import Target

WIDEST = 8
WIDEST_OF_SEVERAL_ROWS = 4
"""Columns of a tile."""
TALLEST = 32
"""Rows of a tile."""
HARDLY, FEW = 0.93, 0.7
"""Of the estimated time, which is not known any better: what another kernel has to gain to be worth compiling; and
where sizes vary from run to run."""
NEAR = 32 << 10
"""Bytes of weights that the first cache holds beside activations, on any CPU whose cost does not say less."""


class TileCost(msgspec.Struct, frozen=True):
    """Tiles of rows x columns accumulator vectors, on one core, for one type of element. Times are estimated cycles.

    busy: for each resource of the core that may limit a step, how long an accumulator, a row and a column occupy it.
    latency: of a step, at least. epilogue: per accumulator, by columns; the last number holds for all wider tiles.
    overhead: per tile. far: of a step, per column, at least, where a block's weights are more than the `near` bytes
    that the first cache holds. besides: of a step, more, where they fit it and where they do not.
    room: rows * columns + row_room * rows + columns is at most that, and rows at most tallest, or accumulators are
    spilled.
    """

    busy: tuple[tuple[float, float, float], ...]
    latency: float
    epilogue: tuple[float, ...]
    overhead: float
    room: int
    row_room: int = 1
    tallest: int = TALLEST
    far: float = 0
    besides: tuple[float, float] = (0, 0)
    near: int = NEAR

    def fits(self, rows: int, columns: int) -> bool:
        return rows <= self.tallest and rows * columns + self.row_room * rows + columns <= self.room

    def cycles(self, rows: int, columns: int, steps: int, panel: int = 0) -> float:
        """One tile of `steps` steps. panel: bytes of a block's weights."""
        held = rows * columns
        step = max(self.latency, *(a * held + r * rows + c * columns for a, r, c in self.busy))
        if panel > self.near:
            step = max(step, self.far * columns)
        step += self.besides[panel > self.near]
        epilogue = self.epilogue[min(columns, len(self.epilogue)) - 1]
        return steps * step + held * epilogue + self.overhead


LANE_ROOM, SMULL_ROOM, SMMLA_ROOM = 30, 26, 35
_N1 = {
    "i8": TileCost(((0.5, 0, 0), (0, 0, 0.5)), 2, (6.3, 4.6, 5.1, 4.7), 8, LANE_ROOM),
    "i8mm": TileCost(((0.5, 0.25, 0),), 6, (6.7, 4.8, 5.3, 4.9), 8, SMMLA_ROOM),
    "f32": TileCost(((0.5, 0, 0), (0, 0, 0.5)), 4, (1.5, 1.2), 8, LANE_ROOM),
}
_A55 = {
    "i8": TileCost(((1, 0.25, 1.8),), 5, (9.5, 4.8, 6.3, 5.0), 15, LANE_ROOM),
    "f32": TileCost(((0.5, 0.1, 1.8),), 5, (7.5, 1.9), 25, LANE_ROOM),
}
_A57 = {
    "i8": TileCost(((2, 0, 0.25), (1.5, 1.5, 0)), 5, (6.8, 3.6, 4.6, 3.6), 10, SMULL_ROOM),
    "f32": TileCost(((1, 0, 0),), 4, (2.3, 2.1), 8, LANE_ROOM),
}
_A53 = {
    "i8": TileCost(((3, 3.5, 1.3),), 12, (12.3, 6.6, 8.0, 6.5), 15, SMULL_ROOM),
    "f32": TileCost(((1.35, 1.5, 0.5),), 10, (9.4, 2.4), 25, LANE_ROOM),
}
_ARM = {"cortex-a53": _A53, "cortex-a55": _A55, "neoverse-n1": _N1}

_X86_LOADS = (0.0, 1.4, 1.0)
_X86_LATENCY = {"f32": 8, "i8": 4, NARROW: 4, BYTE_PAIRS: 4}
"""A multiply-add of floats waits for the one before; of integers only the sum does, and the loop takes longer."""
_X86_BUSY = {
    "f32": ((1.0, 0.0, 0.0), (0.61, 0.61, 0.61), _X86_LOADS),
    "i8": ((1.0, 0.0, 0.0), (0.86, 0.43, 0.6), _X86_LOADS),
    NARROW: ((1.0, 0.0, 0.5), (0.86, 0.43, 0.6), _X86_LOADS),
    BYTE_PAIRS: ((1.35, 0.45, 0.9), (0.0, 1.0, 1.0)),
}
"""Of products, of all instructions, where loads of weights count more, and of loads. Fitted to an AMD Zen 3 whose front
end another thread shares: there 4x3 tiles of 64 x 384 x 1536 floats take 0.88 of the time of 4x2, and 6x2 tiles 0.94;
alone they differ by a fiftieth. 5x2 tiles of byte pairs, 49 x 320 x 1280, take 0.87 of the time of 7x1."""
_X86_BESIDES = {"f32": (0.6, 1.1), "i8": (0.4, 0.4)}
_X86_EPILOGUE = {"f32": (2.0,), "i8": (6.2, 5.2, 7.0, 4.5)}
_X86_OVERHEAD = {"f32": 12.0, "i8": 1.0}
_X86_FAR, _X86_NEAR = 3.0, 24 << 10
"""The first of 32 bytes. Fitted to an AMD Zen 3, where 4x2 tiles of a 12 x 1024 product of int8 take three quarters of
the time of 2x4."""
_AVX512_BUSY, _AVX512_FAR, _AVX512_BESIDES = ((1.0, 0.2, 0.0), (0.0, 1.5, 1.0)), 7.0, (2.0, 4.0)
"""Fitted to an Intel Sapphire Rapids, where 8x3 tiles of a 64 x 1280 product take two thirds of the time of 4x2."""


def tile_cost(target: Target, element: str) -> TileCost:
    """element: as of TileLayout."""
    if target.family == "arm":
        return _ARM.get(target.cpu, _A57)["i8mm" if target.i8mm and element == "i8" else element]
    kind = element.partition(" ")[0]
    # Without VNNI a register holds the products before they are added.
    apart = target.avx512 and not target.vnni and element != "f32"
    # Beside accumulators and weights: a row's activations, without VNNI products before they are added, and ones that
    # pairs of them are added by. Where there are 32 registers, LLVM loads others ahead.
    fused = target.vnni if element == "i8" else target.fma and element == "f32"
    few = (3 if target.fma else 5) if element == BYTE_PAIRS else 1 if fused else 2
    spare = few if target.vector_registers == 16 else 4 if apart else 3
    room = target.vector_registers - spare
    if target.vector_registers == 16 and element != BYTE_PAIRS:
        # Beside one column of weights, LLVM keeps several steps' loads in registers.
        tallest = 9 if kind == "i8" and not fused else 12
    else:
        tallest = 25 if apart else TALLEST
    wide = target.vector_bytes == 64
    # With VNNI a product is one instruction, as of floats.
    form = "f32" if element == "i8" and target.vnni else element
    busy = _AVX512_BUSY if wide and element in ("f32", "i8") else _X86_BUSY[form]
    far = _AVX512_FAR if wide else _X86_FAR * target.vector_bytes / 32
    besides = _AVX512_BESIDES if wide else _X86_BESIDES[kind]
    return TileCost(
        busy, _X86_LATENCY[form], _X86_EPILOGUE[kind], _X86_OVERHEAD[kind], room, 0, tallest,
        far / 2 if element == NARROW else far, besides, NEAR if wide else _X86_NEAR,
    )  # fmt: skip


def choose_tile(
    target: Target, element: str, lines: int, pixels: int, channels: int, steps: int
) -> tuple[int, int, int]:
    """Rows and columns of the register tile with the least estimated cycles for the whole product, and of how
    many lines its rows are: more than 1 where it takes them whole."""
    return cheapest_tile(target, element, lines, pixels, channels, steps)[0]


def product_cycles(target: Target, element: str, lines: int, pixels: int, channels: int, steps: int) -> float:
    """Of the whole product, estimated, with the tile that is chosen for it."""
    return cheapest_tile(target, element, lines, pixels, channels, steps)[1]


def cheapest_tile(
    target: Target, element: str, lines: int, pixels: int, channels: int, steps: int,
    again: Callable[[int], int] | None = None, tiles: Tiles | None = None,
    whole: bool = False,
) -> tuple[tuple[int, int, int], float]:  # fmt: skip
    """Both of the above. again: how many steps more a tile of so many columns takes. tiles: those that are there are
    preferred to what is hardly faster. whole: whether all columns must be full, but for channels of less than one."""
    layout, cost = TileLayout.of(target, element), tile_cost(target, element)
    best, least, tiles = (1, 1, 1), float("inf"), tiles or Tiles()
    worth = FEW if tiles.few else HARDLY
    for columns in range(1, WIDEST + 1):
        fewest = columns * layout.lanes if whole else (columns - 1) * layout.lanes + 1
        if columns > 1 and channels < fewest:
            break
        taken = steps + (again(columns) if again else 0)
        blocks, panel = len(layout.starts(channels, columns)), taken * layout.step_bytes(columns)
        for rows, tall in _heights(lines, pixels, cost.tallest):
            # Two rows share their accumulators where those are of row pairs.
            held = rows + rows % 2 if layout.row_pairs else rows
            if not cost.fits(held, columns) or (columns > WIDEST_OF_SEVERAL_ROWS and rows > 1):
                break
            if not tiles.allows(element, rows, columns, tall):
                continue
            count = blocks * -(-lines // tall) * -(-pixels * tall // rows)
            total = count * cost.cycles(held, columns, taken, panel)
            if (element, rows, columns, tall) in tiles.made:
                total *= worth
            if total < least * 0.999:
                best, least = (rows, columns, tall), total
    return best, least


def _heights(lines: int, pixels: int, tallest: int) -> Iterator[tuple[int, int]]:
    """Rows of tiles, and of how many lines: parts of one line, then several whole ones."""
    for rows in range(1, pixels + 1):
        yield rows, 1
    for tall in range(2, min(lines, tallest // pixels) + 1):
        yield tall * pixels, tall
