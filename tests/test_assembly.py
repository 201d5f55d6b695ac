"""What the compiler makes of the kernels: the instructions meant, accumulators in registers, real atomics.

MILLIJOULE_FULL=1 compiles every tile that may be chosen.
"""

from __future__ import annotations

import os
import re
from math import prod
from typing import Any

import pytest
from assembly_text import compiled, count, instructions, loop_of, spilled, stacked
from product_cases import depthwise

from millijoule.runtime.kernels import conv, execute, softmax_split
from millijoule.runtime.kernels.depthwise import depthwise_f32, depthwise_int8
from millijoule.runtime.lowering.tile_choice import WIDEST, WIDEST_OF_SEVERAL_ROWS, choose_tile, tile_cost
from millijoule.runtime.simd.tile_layout import BYTE_PAIRS, NARROW, TileLayout
from millijoule.runtime.targets.target import TARGETS, Target
from millijoule.tools.models.plans import plan_program

FULL = os.environ.get("MILLIJOULE_FULL") == "1"
PRODUCTS = {
    ("x86-64-v2", "i8"): r"pmaddwd %xmm",
    ("x86-64-v3", "i8"): r"vpmaddwd .*%ymm",
    ("x86-64-v2", NARROW): r"pmaddwd %xmm",
    ("x86-64-v3", NARROW): r"vpmaddwd .*%ymm",
    ("x86-64-v2", BYTE_PAIRS): r"pmaddubsw .*%xmm",
    ("x86-64-v3", BYTE_PAIRS): r"vpmaddubsw .*%ymm",
    ("x86-64-v4", BYTE_PAIRS): r"vpmaddubsw .*%zmm",
    ("x86-64-v3-vnni", "i8"): r"\{vex\} vpdpbusd .*%ymm",
    ("x86-64-v4", "i8"): r"vpmaddwd .*%zmm",
    ("x86-64-v4-vnni", "i8"): r"vpdpbusd .*%zmm",
    ("x86-64-v2", "f32"): r"mulps %xmm",
    ("x86-64-v3", "f32"): r"vfmadd\d+ps .*%ymm",
    ("x86-64-v4-vnni", "f32"): r"vfmadd\d+ps .*%zmm",
    ("aarch64-neon", "i8"): r"smlal2 v\d+.8h",
    ("cortex-a53", "i8"): r"smlal2 v\d+.8h",
    ("cortex-a72", "i8"): r"smlal2 v\d+.8h",
    ("cortex-a55", "i8"): r"sdot v\d+.4s, v\d+.16b, v\d+.4b\[\d\]",
    ("aarch64-dotprod", "i8"): r"sdot v\d+.4s, v\d+.16b, v\d+.4b\[\d\]",
    ("aarch64-i8mm", "i8"): r"smmla v\d+.4s",
    ("aarch64-neon", "f32"): r"fmla v\d+.4s, v\d+.4s, v\d+.s\[\d\]",
    ("cortex-a53", "f32"): r"fmla v\d+.4s, v\d+.4s, v\d+.s\[\d\]",
    ("cortex-a55", "f32"): r"fmla v\d+.4s, v\d+.4s, v\d+.s\[\d\]",
    ("aarch64-dotprod", "f32"): r"fmla v\d+.4s, v\d+.4s, v\d+.s\[\d\]",
}
"""(target, element) -> the instruction that does the multiplying, once for each accumulator and step."""

SHAPES = [(2304, 8, 16), (144, 64, 64), (9, 256, 256), (1, 640, 128), (3136, 144, 24), (49, 960, 160)]
"""Pixels, products in one output, channels: layers of MobileNets."""


def tiles(target: Target, element: str) -> list[tuple[int, int]]:
    """Every tile that fits the registers by the book, or the largest two of those chosen for the shapes above."""
    layout, cost = TileLayout.of(target, element), tile_cost(target, element)
    if not FULL:
        chosen = {choose_tile(target, element, 1, m, n, -(-k // layout.depth))[:2] for m, k, n in SHAPES}
        return sorted(chosen, key=prod)[-2:]
    return [
        (rows, columns)
        for columns in range(1, WIDEST + 1)
        for rows in range(1, 33 if columns <= WIDEST_OF_SEVERAL_ROWS else 2)
        if cost.fits(rows + rows % 2 if layout.row_pairs else rows, columns)
    ]


@pytest.mark.parametrize(("name", "element"), PRODUCTS)
def test_tiles_stay_in_registers(name: str, element: str) -> None:
    target, pattern = TARGETS[name], PRODUCTS[name, element]
    for rows, columns in tiles(target, element):
        constants: dict[str, Any] = {"rows": rows, "columns": columns, "tail": None}
        if element == "f32":
            text = compiled(conv.conv_f32, target, **constants, activation="Relu", residual=False)
        else:
            text = compiled(conv.conv_int8, target, **constants, finish="clamp", element=element)
        loop = loop_of(text, pattern)
        held = (rows + rows % 2 if TileLayout.of(target, element).row_pairs else rows) * columns
        products = count(loop, pattern)
        assert products > 0 and products % held == 0, (rows, columns, products)
        # Loops of small tiles are unrolled at will.
        assert held < 8 or not stacked(loop), (rows, columns)


def test_plain_neon_widens_pairs_of_products() -> None:
    """Four bytes times four channels take smull, smlal2 and sadalp, and for a row one tbl."""
    target = TARGETS["cortex-a57"]
    loop = loop_of(compiled(conv.conv_int8, target, rows=4, columns=4, tail=None, finish="shift"), "smlal2")
    for pattern in (r"smull v\d+.8h", r"smlal2 v\d+.8h", r"sadalp v\d+.4s"):
        assert count(loop, pattern) == 16
    assert count(loop, "tbl") == 4
    assert count(loop, "(ext|dup|mov) v") == 0


@pytest.mark.parametrize("element", ["i8", "f32"])
def test_arm_loads_four_steps_of_a_row_at_once(element: str) -> None:
    target = TARGETS["aarch64-dotprod"]
    pattern = PRODUCTS["aarch64-dotprod", element]
    constants: dict[str, Any] = {"rows": 8, "columns": 2, "tail": None}
    if element == "i8":
        text = compiled(conv.conv_int8, target, **constants, finish="shift")
    else:
        text = compiled(conv.conv_f32, target, **constants, activation=None, residual=False)
    loop = loop_of(text, pattern)
    assert count(loop, pattern) == 64
    assert count(loop, "(ld1r|dup)") == 0


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("x86-64-v3", "vpmaddwd .*%ymm"), ("x86-64-v4-vnni", "vpdpbusd .*%zmm"), ("aarch64-dotprod", r"sdot v\d+.4s")],
)
def test_depthwise_integers(name: str, pattern: str) -> None:
    constants: dict[str, Any] = {
        "channels": 64, "kernel": 3, "stride": 2, "dilation": 1, "narrow": False, "repeat": 2, "dense": False,
        "joined": 1, "parts": 1, "finish": "shift",
    }  # fmt: skip
    loop = loop_of(compiled(depthwise_int8, TARGETS[name], **constants), pattern)
    assert count(loop, pattern) > 0
    assert not stacked(loop)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [4, 8, 16, 24, 96])
def test_depthwise_integers_in_16_registers(channels: int, stride: int, kernel: int) -> None:
    """Of the tiles that are chosen, which three kernel rows or more are added to."""
    target, pattern = TARGETS["x86-64-v3-vnni"], r"\{vex\} vpdpbusd .*%ymm"
    net = depthwise((1, 12, 12, channels), (kernel, kernel), pads=[kernel // 2] * 4, strides=[stride, stride])()
    program, _ = plan_program(net.model, {name: data.shape for name, data in net.feeds.items()}, target, 1)
    chosen = [(f, c) for f, c in program.kernels().values() if f.__module__ == depthwise_int8.__module__]
    assert len(chosen) == 1
    loop = loop_of(compiled(chosen[0][0], target, **chosen[0][1]), pattern)
    assert count(loop, pattern) > 0
    assert not stacked(loop)


def test_plain_neon_multiplies_the_halves_of_registers() -> None:
    """Nothing moves between widening a pixel and its products."""
    constants: dict[str, Any] = {
        "channels": 16, "kernel": 3, "stride": 2, "dilation": 1, "narrow": False, "repeat": 4, "dense": False,
        "joined": 1, "parts": 1, "finish": "shift",
    }  # fmt: skip
    loop = loop_of(compiled(depthwise_int8, TARGETS["cortex-a57"], **constants), "smlal")
    assert (count(loop, "smlal v"), count(loop, "smlal2 v"), count(loop, "sshll v")) == (24, 24, 18)
    assert not count(loop, "(zip|uzp|xtn|ext|mov|dup|ushll|sshr)") and not stacked(loop)


@pytest.mark.parametrize(
    ("name", "lanes"),
    [("x86-64-v3", 8), ("x86-64-v4-vnni", 16), ("aarch64-neon", 4), ("cortex-a53", 4), ("cortex-a55", 4)],
)
def test_depthwise_floats(name: str, lanes: int) -> None:
    constants: dict[str, Any] = {"lanes": lanes, "kernel": 3, "stride": 1, "count": 6, "activation": None}
    loop = loop_of(compiled(depthwise_f32, TARGETS[name], **constants), "(vfmadd|fmla)")
    assert count(loop, "(vfmadd|fmla)") == 18
    assert not spilled(loop)


@pytest.mark.parametrize(
    ("name", "factory", "constants"),
    [("x86-64-v3", softmax_split.totals, {}), ("x86-64-v3", softmax_split.write, {"streaming": False})],
)
def test_exponentials_with_a_table_of_8_powers(name: str, factory: Any, constants: dict[str, Any]) -> None:
    """Seven operations of the multipliers each, and all constants in registers."""
    loop = loop_of(compiled(factory, TARGETS[name], **constants), "vfm")
    assert count(loop, "vfm|vmul") == 7 * count(loop, "vperm") > 0
    assert not stacked(loop) and not count(loop, "vbroadcast")


@pytest.mark.parametrize("name", ["aarch64-neon", "cortex-a72", "aarch64-dotprod"])
def test_arm_computes_exponentials_side_by_side(name: str) -> None:
    for factory, constants in ((softmax_split.totals, {}), (softmax_split.write, {"streaming": False})):
        loop = loop_of(compiled(factory, TARGETS[name], **constants), "fml")
        kinds = [line.split()[0] for line in loop]
        # Those of a second vector stand before the last of the first: no store comes between.
        assert count(loop, "fml") >= 16 and not stacked(loop)
        assert not any(kind.startswith("st") for kind in kinds[: len(kinds) - kinds[::-1].index("fmla")])


def test_three_steps_by_themselves_become_four() -> None:
    """As of the first layer of most networks for images. Zero weights add nothing to integers; floats may be NaN."""
    target = TARGETS["aarch64-dotprod"]
    assert [TileLayout.of(target, "i8").steps(run) for run in (4, 9, 13, 25, 29)] == [1, 4, 4, 8, 8]
    assert [TileLayout.of(target, "f32").steps(run) for run in (3, 7)] == [3, 7]
    assert TileLayout.of(TARGETS["aarch64-i8mm"], "i8").steps(24) == 3


def test_requantization_is_not_fused() -> None:
    """A fused multiply-add would round accumulator * scale + zero point once instead of twice."""
    tuned = {"cortex-a53", "cortex-a55", "cortex-a57", "cortex-a72"}
    for target in (target for name, target in TARGETS.items() if FULL or name not in tuned):
        text = compiled(conv.conv_int8, target, rows=1, columns=1, tail=None, finish="clamp")
        assert count(instructions(text), "(vfn?m(add|sub)|fmla|fmadd|fmls)") == 0, target


EXCHANGES = {"aarch64-neon": {"ldaxr", "stlxr"}, "aarch64-dotprod": {"casal", "ldaddal"}}
"""Exclusive loads that acquire and exclusive stores that release; instructions of ARMv8.1 that do both."""


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize(
    ("factory", "more"),
    [(execute.lead, {"ldar", "stlr"}), (execute.assist, {"ldar"}), (execute.dismiss, {"stlr"})],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_arm_atomics_acquire_and_release(factory: Any, more: set[str], name: str) -> None:
    """Emulation on x86 cannot show what lacks an order: every access of x86 has one."""
    found = {line.split()[0] for line in instructions(compiled(factory, TARGETS[name])) if is_atomic(line)}
    adds_only = factory is execute.dismiss
    assert found == more | (EXCHANGES[name] - {"casal"} if adds_only else EXCHANGES[name])


def is_atomic(line: str) -> bool:
    """An Arm instruction on memory that is exclusive, ordered or atomic."""
    pattern = r"lda(r|p|x)|ldx|stl|stx|cas|swp|(ld|st)(add|clr|eor|set|[su]max|[su]min)"
    return re.match(pattern, line) is not None


@pytest.mark.parametrize("name", ["x86-64-v2", "x86-64-v3", "x86-64-v4-vnni"])
def test_x86_atomics_are_locked(name: str) -> None:
    for factory, stores in ((execute.lead, True), (execute.assist, False), (execute.dismiss, True)):
        lines = instructions(compiled(factory, TARGETS[name]))
        assert count(lines, "(cmpxchg|xadd|mfence)") == 0
        assert count(lines, "lock (inc|add|xadd)") > 0
        assert (count(lines, "xchgq") > 0) == stores
        assert (count(lines, "lock cmpxchgq") > 0) == (factory is not execute.dismiss)
