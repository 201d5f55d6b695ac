"""Channels that only one convolution reads may lie in another order; results are as before, and what is seen stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from kernel_cases import TARGETS, check_model
from product_cases import Net

from millijoule.runtime.evaluate.shapes import instantiate
from millijoule.runtime.lowering.byte_pairs import too_large
from millijoule.runtime.planner import channel_order
from millijoule.runtime.planner.channel_order import FEW, better_order, order_channels
from millijoule.runtime.session import load
from millijoule.runtime.targets.target import TARGETS as KNOWN

BYTES, VNNI, ARM = (KNOWN[name] for name in ("x86-64-v3", "x86-64-v3-vnni", "aarch64-neon"))
CHANNELS = 38


def wide(net: Net, kernel: tuple[int, int] = (3, 3)) -> str:
    return net.conv(net.feed(1, 7, 6, 5), CHANNELS, kernel, pads=[kernel[0] // 2] * 4)


def middle(net: Net, x: str) -> str:
    return net.conv(x, CHANNELS, (3, 3), pads=[1] * 4, group=CHANNELS)


def simple(net: Net, x: str, op: str, **attrs: object) -> str:
    return net._node(op, [x], CHANNELS, net.graph.values[x].quant, attrs)


def last(net: Net, x: str) -> str:
    return net.conv(x, 21, (1, 1), w_spread=40.0)


REORDERED: dict[str, Callable[[Net], list[str]]] = {
    "conv": lambda net: [last(net, wide(net))],
    "without bias": lambda net: [net.conv(wide(net), 21, (1, 1), bias=False)],
    "depthwise": lambda net: [last(net, middle(net, wide(net)))],
    "two depthwise": lambda net: [last(net, middle(net, middle(net, wide(net, (1, 1)))))],
    "pool": lambda net: [last(net, simple(net, wide(net), "MaxPool", kernel_shape=[2, 2], strides=[2, 2]))],
    "mean": lambda net: [last(net, simple(net, middle(net, wide(net)), "GlobalAveragePool"))],
    "twice": lambda net: [last(net, net.conv(middle(net, wide(net)), 30, (1, 1), w_spread=40.0))],
}


def seen(net: Net) -> list[str]:
    x = wide(net)
    return [x, last(net, x)]


def read_twice(net: Net) -> list[str]:
    x = middle(net, wide(net))
    return [last(net, x), simple(net, x, "MaxPool", kernel_shape=[2, 2])]


def added_to(net: Net) -> list[str]:
    x = wide(net)
    return [last(net, net.conv(x, CHANNELS, (1, 1), residual=x))]


def grouped(net: Net) -> list[str]:
    x = net.conv(wide(net), CHANNELS, (1, 1), group=2)
    return [net.conv(x, 20, (1, 1), group=2)]


AS_THEY_WERE: dict[str, Callable[[Net], list[str]]] = {
    "an output": seen,
    "read twice": read_twice,
    "in groups": grouped,
    "fed": lambda net: [net.conv(net.feed(1, 5, 5, 40), 20, (1, 1))],
    "a larger kernel": lambda net: [net.conv(wide(net), 20, (3, 3))],
}


def built(build: Callable[[Net], list[str]], seed: int = 0) -> Net:
    net = Net(True, seed)
    return net.done(*build(net))


def changed(net: Net, target: object = BYTES) -> int:
    """How many constants are in another order."""
    graph = net.model.graph
    steps = instantiate(graph, {name: data.shape for name, data in net.feeds.items()}).steps
    before = [list(step.ctx.inputs) for step in steps]
    order_channels(steps, graph.outputs, target)  # type: ignore[arg-type]
    pairs = [(a, b) for old, step in zip(before, steps, strict=True) for a, b in zip(old, step.ctx.inputs, strict=True)]
    return sum(a is not b for a, b in pairs)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", REORDERED)
def test_results_are_the_same_in_another_order(case: str, target: str) -> None:
    for seed in range(3):
        net = built(REORDERED[case], seed)
        check_model(net.model, net.feeds, target=target)


@pytest.mark.parametrize("case", REORDERED)
def test_channels_of_one_reader_are_reordered(case: str) -> None:
    net = built(REORDERED[case])
    assert changed(net) >= 2
    assert not changed(net, VNNI) and not changed(net, ARM)


@pytest.mark.parametrize("case", AS_THEY_WERE)
def test_others_stay(case: str) -> None:
    net = built(AS_THEY_WERE[case])
    assert not changed(net)
    check_model(net.model, net.feeds)


def test_a_program_spends_no_end_of_time_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    net = built(REORDERED["twice"])
    assert changed(net) == 7
    with monkeypatch.context() as patch:
        patch.setattr(channel_order, "MOST", CHANNELS + 1)  # for the first product alone
        assert 0 < changed(net) < 7
    for bound, value in (("MOST", 20), ("MOST_WEIGHTS", 1), ("FEWEST", CHANNELS + 1)):
        with monkeypatch.context() as patch:
            patch.setattr(channel_order, bound, value)
            assert not changed(net)


def test_a_sum_is_not_made_in_another_order() -> None:
    net = built(added_to)
    assert not changed(net)


def test_what_is_asked_for_is_in_the_models_order() -> None:
    net = built(REORDERED["two depthwise"])
    names = [node.outputs[0] for node in net.graph.nodes]
    with load(net.model, threads=1) as session, load(net.model, target="numpy") as reference:
        for asked in ([name] for name in names):
            found, wanted = (each.run(net.feeds, outputs=asked)[asked[0]] for each in (session, reference))
            np.testing.assert_array_equal(found, wanted)
        session.run(net.feeds)


@pytest.mark.parametrize("channels", [2, 7, 64, 145, 960])
@pytest.mark.parametrize("spread", [10.0, 30.0, 90.0])
def test_an_order_has_every_channel_once_and_fewer_large_pairs(channels: int, spread: float) -> None:
    random = np.random.default_rng(channels)
    weights = np.clip(np.rint(random.normal(0, spread, (24, channels))), -127, 127).astype(np.int8)

    def large(w: np.ndarray) -> int:
        return int(too_large(w[:, : channels // 2 * 2].reshape(24, -1, 2)).any(0).sum())

    order = better_order(weights)
    if order is None:
        assert large(weights) <= 2 * FEW * (channels // 2)  # of 24 outputs, which are two times 16 or a part
        return
    assert sorted(order) == list(range(channels))
    assert large(weights[:, order]) <= large(weights)
    if spread == 30 and channels > 100:
        assert large(weights[:, order]) < 0.1 * large(weights)
