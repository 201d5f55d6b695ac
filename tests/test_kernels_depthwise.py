"""Depthwise convolutions as kernels against their NumPy references: integers bit for bit.

MILLIJOULE_FULL=1 tries many more shapes.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from kernel_cases import INTEGER_TARGETS, TARGETS, check_model, kernels_of
from product_cases import ATOL, DEPTHWISE_FLOATS, DEPTHWISE_INTEGERS, PADS, RTOL, Build, depthwise, random_conv

from millijoule.runtime.kernels.depthwise import depthwise_scan_int8
from millijoule.runtime.program.program import Call
from millijoule.runtime.session import load
from millijoule.runtime.simd.depthwise_layout import DepthwiseLayout
from millijoule.runtime.targets import target as targets
from millijoule.runtime.targets.target import named
from millijoule.tools.models.plans import plan_program

FULL = os.environ.get("MILLIJOULE_FULL") == "1"


def check(build: Build, target: str) -> list[str]:
    net = build()
    return check_model(net.model, net.feeds, target=target, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("name", DEPTHWISE_INTEGERS)
def test_integers(name: str, target: str) -> None:
    assert any(kernel.startswith("depthwise.") for kernel in check(DEPTHWISE_INTEGERS[name], target))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", DEPTHWISE_FLOATS)
def test_floats(name: str, target: str) -> None:
    assert any(kernel.startswith("depthwise.") for kernel in check(DEPTHWISE_FLOATS[name], target))


@pytest.mark.parametrize("target", INTEGER_TARGETS if FULL else TARGETS[-1:])
@pytest.mark.parametrize("index", range(150 if FULL else 5))
@pytest.mark.parametrize("quantized", [True, False], ids=["int8", "f32"])
def test_random_shapes(quantized: bool, index: int, target: str) -> None:
    check(random_conv(index, quantized, depth=True), target)


@pytest.mark.parametrize("target", INTEGER_TARGETS if FULL else TARGETS[-1:])
@pytest.mark.parametrize("channels", range(1, 71) if FULL else [11, 48])
def test_counts_of_channels_and_pixels(channels: int, target: str) -> None:
    check(depthwise((1, 4, 1 + channels % 33, channels), (3, 3), **PADS), target)
    check(depthwise((1, 4, 1 + channels % 33, channels), (3, 3), False, **PADS), target)


@pytest.mark.parametrize("target", TARGETS[-1:])
@pytest.mark.parametrize("quantized", [True, False], ids=["int8", "f32"])
@pytest.mark.parametrize("kernel", [(1, 90), (90, 1), (70, 3), (5, 41)])
def test_long_kernels_share_one_of_their_width(kernel: tuple[int, int], quantized: bool, target: str) -> None:
    """Only the shorter axis is unrolled: code does not grow with the longer one."""
    shape = (1, kernel[0] + 2, kernel[1] + 3, 24)
    names = check(depthwise(shape, kernel, quantized), target)
    assert any(f"kernel={min(kernel)}," in name for name in names)


@pytest.mark.parametrize("target", TARGETS[-1:])
@pytest.mark.parametrize("quantized", [True, False], ids=["int8", "f32"])
def test_wide_strides(quantized: bool, target: str) -> None:
    """No code is as long as a stride, and tiles of one output share their kernel whatever it is."""
    found = {
        tuple(sorted(check(depthwise((1, 1, 4 * stride, 24), (1, 3), quantized, strides=[1, stride]), target)))
        for stride in (90, 95)
    }
    assert len(found) == 1


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize(("value", "weight"), [(-128, -128), (127, -128), (-128, 127)])
def test_extremes(value: int, weight: int, target: str) -> None:
    net = depthwise((1, 4, 5, 24), (3, 3), w=np.full((24, 3, 3, 1), weight, np.int8), **PADS)()
    net.feeds["x0"][...] = value
    check_model(net.model, net.feeds, target=target)


@pytest.mark.parametrize("target", TARGETS)
def test_nan_and_infinity_stay_where_they_belong(target: str) -> None:
    net = depthwise((1, 5, 9, 19), (3, 3), False, **PADS)()
    data = net.feeds["x0"]
    data[0, 0, 0, 0], data[0, 4, 8, 18], data[0, 2, 4, 1] = np.nan, np.inf, -np.inf
    check_model(net.model, net.feeds, target=target, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("threads", [1, 2, 4, 8])
@pytest.mark.parametrize("rows", [3, 9, 25, 26])
def test_no_band_begins_below_the_last_row(rows: int, threads: int) -> None:
    """Eight bands of four rows are more than 25 rows, and a band reads two rows before it writes one."""
    net = depthwise((1, rows, 12, 64), (3, 3), **PADS)()
    shapes = {name: data.shape for name, data in net.feeds.items()}
    program, _ = plan_program(net.model, shapes, named("x86-64-v3"), threads)
    found = [dict(s.numbers) for s in program.steps if isinstance(s, Call) and s.kernel is depthwise_scan_int8]
    assert len(found) == 1
    assert (found[0]["bands"] - 1) * found[0]["lines"] < found[0]["rows"] <= found[0]["bands"] * found[0]["lines"]


@pytest.mark.parametrize("quantized", [True, False], ids=["int8", "f32"])
def test_threads_give_the_same_bits_from_the_same_kernels(quantized: bool) -> None:
    net = depthwise((1, 40, 41, 64), (3, 3), quantized, **PADS)()
    found = []
    for threads in (1, 2, 3):
        with load(net.model, threads=threads) as session:
            found.append((session.run(net.feeds)["y0"], set(kernels_of(session))))
    for result, kernels in found[1:]:
        np.testing.assert_array_equal(result, found[0][0])
        assert kernels == found[0][1]


@pytest.mark.parametrize("name", targets.TARGETS)
@pytest.mark.parametrize("kernel", [1, 3, 5, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_packed_weights_are_the_weights(stride: int, kernel: int, name: str) -> None:
    """Each output's products, each lane's channel: together every weight once, and zeros."""
    layout = DepthwiseLayout.of(targets.named(name), 70, kernel, stride, 1, False)
    weights = np.random.default_rng(0).integers(1, 120, (2, kernel, 70))
    packed = layout.pack(weights)
    assert packed.nbytes == len(layout.starts(70)) * 2 * layout.row_bytes
    for block, start in zip(packed, layout.starts(70), strict=True):
        for lane, channel in np.ndenumerate(layout.order()):
            for pixel in range(layout.pixels):
                mine = [i for i, (p, _) in enumerate(layout.products()) if p == pixel]
                found = np.sort(block[:, mine, lane[0], lane[1]].reshape(2, -1), axis=1)[:, -kernel:]
                np.testing.assert_array_equal(found, np.sort(weights[:, :, start + channel], axis=1))
