"""Lowering of products of int8: in which form each is computed, onto kernels/conv.py."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from msgspec.structs import replace

from ..kernels.conv import REAL, conv_int8
from ..ops import quantized_node
from ..ops.quantized_node import Product
from ..ops.registry import Context
from ..program.bounds import int32
from ..program.builder import NOTHING, Builder
from ..program.view import Place
from ..simd.tile_layout import BYTE_PAIRS, NARROW, TileLayout, finish_of
from . import byte_pairs, wide_weights
from .function_form import FunctionForm
from .product import Geometry, leads_of, lines_of, product_ahead, product_arguments, product_blocks, shared
from .taken_again import most_again
from .tile_choice import WIDEST_OF_SEVERAL_ROWS, cheapest_tile, tile_cost
from .widening import banded, widens

FAR_WEIGHTS = 128 << 10
"""Bytes of int16 weights from which on they are kept as bytes: reading them takes longer than widening them."""
GAIN = 1.1
"""How much faster pairs of bytes have to be by estimate, as the steps that are taken again are overhead, too."""


class Requantization(msgspec.Struct, frozen=True):
    """scale: float32 per output channel; zero_point, low, high: int8 values of the output."""

    scale: np.ndarray
    zero_point: int
    low: int
    high: int


class Reals(msgspec.Struct, frozen=True):
    """float32 outputs. scale, offset: float32 per output channel. given: an input's step, float32, and its zero, int32.
    form: of the activation."""

    scale: np.ndarray
    offset: np.ndarray
    given: Place
    form: FunctionForm


def int8_product(ctx: Context, outputs: int) -> Product | None:
    """`quantized_node.product` of int8 tensors, which the kernels take."""
    found = quantized_node.product(ctx, outputs)
    narrow = all(tensor.dtype == np.int8 for tensor in (ctx.input(0), ctx.input(1), ctx.outputs[0]))
    return found if narrow else None


def side_by_side(b: Builder, g: Geometry, weights: np.ndarray, itemsize: int) -> int:
    """How many neighbouring pixels of bytes to compute as if they were channels of one: more than 1 where a pixel's
    channels fill less than half a vector and its neighbours' inputs overlap enough.

    Not for floats: a pixel's zero weights for its neighbours would make NaN of their infinities.

    itemsize: bytes of an output.
    """
    channels, rows, run = weights.shape
    layout, epilogue = b.tile_layout("i8"), tile_cost(b.target, "i8").epilogue[0]
    best, least = 1, float("inf")
    if g.taps > 1 or g.y_pixel != channels * itemsize:
        return 1
    for count in (1, 2, 4, 8):
        if count > 1 and (count * channels > layout.lanes or g.pixels % count):
            break
        steps = rows * layout.steps(run + (count - 1) * g.x_pixel)
        cost = (steps + epilogue) / count
        if cost < least:
            best, least = count, cost
    return best


def _join(g: Geometry, weights: np.ndarray, count: int) -> tuple[Geometry, np.ndarray]:
    """The geometry and weights (count * channels, kernel rows, longer run) of `count` pixels computed as one."""
    channels, rows, run = weights.shape
    step = g.x_pixel
    wide = np.zeros((count, channels, rows, run + (count - 1) * step), weights.dtype)
    for i in range(count):
        wide[i, ..., i * step : i * step + run] = weights
    joined = replace(
        g, pixels=g.pixels // count, x_pixel=g.x_pixel * count, y_pixel=g.y_pixel * count, run=wide.shape[-1]
    )
    return joined, wide.reshape(count * channels, rows, -1)


def fits_int8(weights: np.ndarray, bias: np.ndarray | None, scale: np.ndarray) -> bool:
    """Whether no accumulator can overflow, nor an output before it is saturated.

    weights: (channels, ...), differences from their zero point. bias: int32. scale: one, or one per channel.
    """
    total = np.abs(weights.reshape(len(weights), -1)).sum(1, dtype=np.int64) * 255
    start = 0 if bias is None else np.abs(bias.astype(np.int64))
    # The start of an accumulator holds the zero point times the weights, which may be as large as the products.
    return bool((2 * total + start < 2**31).all() and ((total + start) * scale < 2**31 - 2**16).all())


def emit_int8(
    b: Builder, g: Geometry, weights: np.ndarray, bias: np.ndarray | None, x_zero_point: int,
    out: Requantization | Reals,
) -> None:  # fmt: skip
    """weights: (channels, kernel_rows * taps, run), int16 differences from their zero point, for which `fits_int8`
    holds. bias: int32. Of Reals, whose zero is not known yet, bias and x_zero_point are not read."""
    itemsize, flip = 4 if isinstance(out, Reals) else 1, 128 if b.target.family == "x86" else 0
    of_channels = _of_channels(b, weights, bias, x_zero_point, out)
    count = side_by_side(b, g, weights, itemsize)
    if count > 1:
        g, weights = _join(g, weights, count)
        of_channels = {name: np.tile(numbers, count) for name, numbers in of_channels.items()}
    needed = _steps_again(b, weights)
    if needed is None:
        weights, g = _fit_int8(b.tile_layout("i8"), weights, g)
    channels = weights.shape[0]
    chosen = int8_tile(b, g, weights, needed)
    element, rows, columns, tall = chosen.element, chosen.rows, chosen.columns, chosen.tall
    b.tiles.made.add((element, rows, columns, tall))
    layout = b.tile_layout(element)
    if isinstance(out, Reals):
        # In the channels' own order: nothing is packed on the way to float32.
        layout = replace(layout, interleaved=False)
    steps, (packed, offsets) = layout.steps(g.run), _pack(g, layout, weights, chosen, needed)
    start = of_channels.pop("start")
    lists = {name: b.constant(layout.pack_channels(numbers, columns)) for name, numbers in of_channels.items()}
    again = 0 if offsets is None else offsets.shape[1]
    places = b.constant(int32("an offset", offsets)) if again else lists["scale"]
    work = g.lines * g.pixels * weights.size // 4
    widened = element != BYTE_PAIRS and widens(b, g, rows, tall, channels)
    g = shared(b, g, rows, work)
    x = wide = g.reads(1)
    band, reach = g.lines, 0
    if widened:
        found = banded(g, rows, tall)
        g, band, reach, wide = found.geometry, found.lines, found.reach, b.scratch(found.scratch)
    together, lines = product_blocks(b, g, packed, itemsize * channels, tall), -(-g.lines // tall)
    pitches = {"x": (g.x_row, g.x_pixel), "wide": (g.x_row, g.x_pixel), "y": (g.y_row, g.y_pixel)}
    if widened:
        # The geometry is of what is twice as wide, in scratch memory that does not move.
        pitches = {"x": (g.x_row // 2, g.x_pixel // 2), "y": pitches["y"]}
    # What is widened of a single line is all of it.
    whole = widened and g.lines == 1
    by_lines = None if whole else lines_of(g, rows, tall, len(packed) // together, pitches)
    leads: dict[str, int | None] = {}
    if together == len(packed) and not whole and (together == 1 or widened):
        read = {"x": x} if widened else {"x": x, "wide": wide}
        leads = leads_of(g, read, g.writes(itemsize * channels), pitches, rows, tall * (band if widened else 1))
    if isinstance(out, Reals):
        finish, form, given = REAL, out.form, out.given
        numbers = {"zero_point": 0, "low": 0, "high": 0}
    else:
        zero_point, low, high = out.zero_point + flip, out.low + flip, out.high + flip
        numbers = {"zero_point": zero_point, "low": low, "high": high}
        finish, form, given = finish_of(zero_point, low, high, flip > 0), FunctionForm(None), places
        lists |= {"offset": places, "sums": places}
    constants = {
        "rows": rows, "columns": columns, "tail": channels if channels < columns * layout.lanes else None,
        "finish": finish, "tall": tall, "ahead": product_ahead(b, g, layout, packed, rows, columns),
        "widened": widened, "element": element, "activation": form.function,
        "repeats": offsets is not None,
    }  # fmt: skip
    b.call(
        conv_int8, constants, len(packed) // together * lines, NOTHING, by_lines, leads,
        work=work, blocks=together, lines=lines, x=x, wide=wide, band=band, reach=reach, again=again, places=places,
        given=given, **lists, **numbers, **form.arguments(),
        **product_arguments(b, g, layout, packed, int32("a bias", start), columns, channels, itemsize, steps),
    )  # fmt: skip


def _pack(
    g: Geometry, layout: TileLayout, weights: np.ndarray, chosen: ChosenTile, needed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Packed weights, behind which those of steps lie that are taken again, and the offsets of what these read: None
    where there are none in this form. needed: as of int8_tile."""
    if needed is not None:
        wide = replace(layout, dtype=np.dtype(np.int16)).pack(weights, chosen.columns)
        return wide_weights.split(wide, g, layout.depth)
    packed = layout.pack(weights, chosen.columns)
    return byte_pairs.split(packed, g) if chosen.element == BYTE_PAIRS else (packed, None)


def _of_channels(
    b: Builder, weights: np.ndarray, bias: np.ndarray | None, x_zero_point: int, out: Requantization | Reals
) -> dict[str, np.ndarray]:
    """What the epilogue takes of each channel, and the start of its sum."""
    x86, scale = b.target.family == "x86", out.scale.astype(np.float32)
    if isinstance(out, Requantization):
        return {"start": started(weights, bias, x_zero_point + (128 if x86 else 0)), "scale": scale}
    sums = weights.reshape(len(weights), -1).sum(1, dtype=np.int64)
    # Arm's bytes are 128 less than the numbers of the zeros.
    start = sums * (0 if x86 else 128)
    return {"start": start, "scale": scale, "offset": out.offset, "sums": int32("a sum of weights", sums)}


class ChosenTile(msgspec.Struct, frozen=True):
    """element: of TileLayout. rows, columns, tall: of the tile. cycles: of the whole product, estimated."""

    element: str
    rows: int
    columns: int
    tall: int
    cycles: float


def _steps_again(b: Builder, weights: np.ndarray) -> np.ndarray | None:
    """`wide_weights.steps_again`, where that takes less than all steps again."""
    layout = b.tile_layout("i8")
    if not (b.target.family == "x86" and b.target.vnni) or np.abs(weights).max() <= 127:
        return None
    found = wide_weights.steps_again(weights, layout)
    most = most_again(found, layout, WIDEST_OF_SEVERAL_ROWS)
    return found if 0 < most <= wide_weights.WORTH * found.shape[1] else None


def int8_tile(b: Builder, g: Geometry, weights: np.ndarray, needed: np.ndarray | None = None) -> ChosenTile:
    """The form of product that takes the least estimated cycles. weights: (channels, segments, run), as `_fit_int8`
    gives them. needed: as of wide_weights.steps_again, where so many steps are taken again."""
    channels, segments, _ = weights.shape

    def tile(element: str, again: Callable[[int], int] | None = None) -> ChosenTile:
        steps = segments * b.tile_layout(element).steps(g.run)
        chosen, cycles = cheapest_tile(b.target, element, g.lines, g.pixels, channels, steps, again, b.tiles)
        return ChosenTile(element, *chosen, cycles)

    if needed is not None:
        layout = b.tile_layout("i8")
        return tile("i8", lambda columns: most_again(needed, layout, columns))
    bytes_ = g.passes == 1 and weights.min() >= -128 and weights.max() <= 127
    if b.tile_layout("i8").dtype != np.int16 or not bytes_:
        return tile("i8")
    layout = b.tile_layout(BYTE_PAIRS)
    twice = byte_pairs.steps_twice(weights, layout)
    pairs = tile(BYTE_PAIRS, lambda columns: most_again(twice, layout, columns))
    plain = tile(NARROW if 2 * weights.size >= FAR_WEIGHTS else "i8")
    return pairs if GAIN * pairs.cycles < plain.cycles else plain


def started(weights: np.ndarray, bias: np.ndarray | None, zero_point: int) -> np.ndarray:
    """What each channel's sum of products begins with: int64. zero_point: of the inputs, as stored."""
    total = np.zeros(len(weights), np.int64) if bias is None else bias.astype(np.int64)
    return total - zero_point * weights.reshape(len(weights), -1).sum(1, dtype=np.int64)


def _fit_int8(layout: TileLayout, weights: np.ndarray, g: Geometry) -> tuple[np.ndarray, Geometry]:
    """Weights that do not fit the tile's 8 bits become the sum of some that do, read against the same inputs."""
    if layout.dtype == np.int16:
        return weights, g
    parts = byte_parts(weights, -127 if layout.pairs else -128)
    channels, _, run = weights.shape
    return np.stack(parts, 2).reshape(channels, -1, run), replace(g, passes=len(parts))


def byte_parts(weights: np.ndarray, least: int = -128) -> list[np.ndarray]:
    """Arrays within least..127 whose sum the weights are: one where they fit, at most three for those of 8-bit
    integers with any zero point."""
    parts = [np.clip(weights, least, 127)]
    while (rest := weights - sum(parts)).any():
        parts.append(np.clip(rest, least, 127))
    return parts
