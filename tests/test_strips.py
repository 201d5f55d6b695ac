"""Chains of calls in strips: the same bits as of whole calls, in less memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_cases import INTEGER_TARGETS, TARGETS, program_of
from product_cases import PADS, SAME, Build, Net

from millijoule.device_profiles import Profile
from millijoule.runtime.planner.layout import lower_bound
from millijoule.runtime.planner.strips import GAIN
from millijoule.runtime.program.program import Call, Program
from millijoule.runtime.session import load
from millijoule.runtime.targets.target import resolve
from millijoule.tools.measure.profile import describe_steps, profile_steps
from millijoule.tools.models.kernels import needed_anywhere, write_kernels

FULL = os.environ.get("MILLIJOULE_FULL") == "1"
WHOLE = 1 << 40
KERNELS = {"3x3": (3, 3), "5x5": (5, 5), "1x1": (1, 1), "3x1": (3, 1), "1x5": (1, 5), "2x2": (2, 2)}

Layer = Callable[[Net, str], str]


def dense(outputs: int, kernel: str = "1x1", **options: Any) -> Layer:
    return lambda net, x: net.conv(x, outputs, KERNELS[kernel], **options)


def deep(kernel: str = "3x3", **options: Any) -> Layer:
    return lambda net, x: net.conv(x, net.channels[x], KERNELS[kernel], group=net.channels[x], **options)


def chain(shape: tuple[int, ...], *layers: Layer) -> Callable[[bool], Build]:
    """A network of these layers one after the other, and a last one that nothing follows."""

    def build(quantized: bool) -> Build:
        def made() -> Net:
            net = Net(quantized)
            value = net.feed(*shape)
            for layer in layers:
                value = layer(net, value)
            return net.done(value)

        return made

    return build


CHAINS: dict[str, Callable[[bool], Build]] = {
    "two pointwise": chain((1, 96, 96, 8), dense(40), dense(8)),
    "into a padded one": chain((1, 40, 40, 8), dense(40), deep(**PADS)),
    "an inverted bottleneck": chain((1, 41, 37, 8), dense(40), deep(**PADS), dense(12)),
    "two bottlenecks": chain((1, 48, 24, 8), dense(48), deep(**PADS), dense(24), dense(48), deep(**PADS), dense(9)),
    "a stride": chain((1, 64, 36, 8), dense(40), deep(strides=[2, 2], **SAME), dense(12)),
    "a stride that skips lines": chain((1, 63, 20, 8), dense(40), deep("1x1", strides=[3, 1]), dense(12)),
    "wide windows": chain((1, 50, 30, 8), dense(40), deep("5x5", **SAME), dense(12)),
    "windows without padding": chain((1, 50, 30, 8), dense(40), deep("3x3"), dense(12)),
    "flat windows": chain((1, 50, 30, 8), dense(40), deep("1x5", pads=[0, 2, 0, 2]), dense(12)),
    "uneven padding": chain((1, 50, 30, 8), dense(40), deep(pads=[2, 0, 1, 3]), dense(12)),
    "more padding than window": chain((1, 44, 30, 8), dense(40), deep("2x2", pads=[1, 1, 1, 1]), dense(12)),
    "dilation": chain((1, 60, 30, 8), dense(40), deep(dilations=[2, 2], pads=[2, 2, 2, 2]), dense(12)),
    "full windows": chain((1, 64, 32, 8), dense(40, "3x3"), dense(30, "5x5", **SAME), dense(40, "3x3", strides=[2, 2])),
    "a column": chain((1, 4000, 1, 4), dense(40), dense(30)),
}


def residual(quantized: bool) -> Net:
    """What is added is what the chain begins with."""
    assert not quantized
    net = Net(quantized)
    x = net.feed(1, 40, 30, 16)
    value = deep(**PADS)(net, dense(64)(net, x))
    return net.done(net.conv(value, 16, (1, 1), residual=x))


def run(
    net: Net, strip_bytes: int, monkeypatch: pytest.MonkeyPatch, target: str = "host", threads: int = 1
) -> tuple[dict[str, np.ndarray], Program]:
    """The outputs of a second run, which finds memory as the first has left it."""
    monkeypatch.setattr(Profile, "strip_bytes", property(lambda _: strip_bytes))
    with load(net.model, target=target, threads=threads) as session:
        session.run(net.feeds)
        return {name: array.copy() for name, array in session.run(net.feeds).items()}, program_of(session)


def check(net: Net, strip_bytes: int, monkeypatch: pytest.MonkeyPatch, target: str = "host") -> Program:
    """The program in strips, whose outputs are those of the whole one; every value lies between guard pages."""
    monkeypatch.setenv("MILLIJOULE_GUARD", "1")
    wanted, whole = run(net, WHOLE, monkeypatch, target)
    found, program = run(net, strip_bytes, monkeypatch, target)
    assert not any(isinstance(step, Call) and step.part_of for step in whole.steps)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
    assert lower_bound(program.storages) <= lower_bound(whole.storages)
    return program


def room(net: Net) -> int:
    """Less than what passes between the layers, which have five times as many channels, and enough for a few lines."""
    return 3 * max(data.nbytes for data in net.feeds.values())


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("name", CHAINS)
def test_integers(name: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = CHAINS[name](True)()
    program = check(net, room(net), monkeypatch, target)
    if resolve(target).vnni:  # else lines are as long as the bands that are widened at once
        assert len(program.layers()) < len(program.steps)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", CHAINS)
def test_floats(name: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = CHAINS[name](False)()
    program = check(net, room(net), monkeypatch, target)
    assert len(program.layers()) < len(program.steps)


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_chain_begins_with_is_added(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = residual(False)
    program = check(net, room(net), monkeypatch, target)
    assert len(program.layers()) < len(program.steps)


def random_chain(index: int, quantized: bool) -> Net:
    rng = np.random.default_rng([index, quantized])
    net = Net(quantized, index)
    size = np.array([int(rng.integers(8, 70)), int(rng.integers(1, 40))])
    value = net.feed(1, *map(int, size), int(rng.integers(3, 20)))
    for _ in range(int(rng.integers(2, 6))):
        kernel = KERNELS[str(rng.choice([*KERNELS]))]
        options: dict[str, Any] = {"pads": [int(rng.integers(0, size)) for size in (*kernel, *kernel)]}
        options["strides"] = [int(rng.choice([1, 1, 1, 2])) for _ in kernel]
        channels, group = net.channels[value], net.channels[value]
        if rng.random() >= 0.5:
            channels, group, options = int(rng.integers(3, 50)), 1, {}
            kernel = (1, 1) if rng.random() < 0.7 else kernel
        padded = size + np.reshape(options.get("pads", [0, 0, 0, 0]), (2, 2)).sum(0)
        if (padded < kernel).any():  # windows that do not fit are no network
            continue
        value = net.conv(value, channels, kernel, group=group, **options)
        size = (padded - kernel) // options.get("strides", [1, 1]) + 1
    return net.done(value)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("index", range(200 if FULL else 8))
@pytest.mark.parametrize("quantized", [True, False], ids=["int8", "f32"])
def test_random_chains(quantized: bool, index: int, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = random_chain(index, quantized)
    for strip_bytes in (1 << 10, 8 << 10, 40 << 10):
        check(net, strip_bytes, monkeypatch, target)


def test_memory_is_that_of_a_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    net = CHAINS["an inverted bottleneck"](False)()
    _, whole = run(net, WHOLE, monkeypatch)
    program = check(net, 100 << 10, monkeypatch)
    edges = sum(view.storage.size for view in (*program.inputs.values(), *program.outputs.values()))
    assert program.lower_bound <= edges + (100 << 10) + 4096
    assert lower_bound(whole.storages) > GAIN * program.lower_bound


def test_only_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    net = chain((1, 96, 96, 16), dense(96), deep(**PADS), dense(16))(False)()
    wanted, _ = run(net, WHOLE, monkeypatch)
    found, program = run(net, 40 << 10, monkeypatch, threads=2)
    assert program.shared and len(program.layers()) == len(program.steps)
    np.testing.assert_array_equal(found["y2"], wanted["y2"])


def test_what_others_read_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(kept: bool) -> Net:
        net = Net(False)
        middle = dense(40)(net, net.feed(1, 40, 40, 8))
        last = deep(**PADS)(net, middle)
        return net.done(last, *([middle] if kept else [dense(5)(net, middle)]))

    for kept in (True, False):
        program = check(made(kept), 40 << 10, monkeypatch)
        assert len(program.layers()) == len(program.steps)


def test_steps_are_listed_by_what_they_are_parts_of(monkeypatch: pytest.MonkeyPatch) -> None:
    net = CHAINS["an inverted bottleneck"](False)()
    _, whole = run(net, WHOLE, monkeypatch)
    _, program = run(net, 100 << 10, monkeypatch)
    rows = [(row["operator"], row["kernel"], row["macs"]) for row in describe_steps(whole)]
    listed = describe_steps(program)
    moved = [row for row in listed if row["kernel"].startswith("copy.copy")]
    assert sorted((row["operator"], row["kernel"], row["macs"]) for row in listed if row not in moved) == sorted(rows)
    assert [row["index"] for row in listed] == list(range(len(listed)))
    assert {row["node"] for row in moved} <= {"y0", "y1"} and all(row["strips"] > 1 for row in listed if row["macs"])
    with load(net.model, threads=1) as session:
        timed = profile_steps(session, net.feeds, 0.01)
    assert [row["node"] for row in timed] == [row["node"] for row in listed]
    assert sum(row["seconds"] for row in timed) > 0


def test_a_kernel_file_serves_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = CHAINS["an inverted bottleneck"](False)()
    wanted, _ = run(net, WHOLE, monkeypatch)
    target = resolve("host")
    shapes = {name: data.shape for name, data in net.feeds.items()}
    path = tmp_path / "kernels.mjk"
    write_kernels({target: needed_anywhere(net.model, [shapes], target)}, str(path))
    monkeypatch.setattr(Profile, "strip_bytes", property(lambda _: 100 << 10))
    with load(net.model, kernels=path, threads=1) as session:
        found = session.run(net.feeds)
        assert len(program_of(session).layers()) < len(program_of(session).steps)
    np.testing.assert_array_equal(found["y2"], wanted["y2"])
