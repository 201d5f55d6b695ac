"""Damaged .onnx models convert or raise ModelError: never another exception, never much work."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import helper
from onnx_models import graph_of, model_of, node

from millijoule.converters.onnx.convert import convert
from millijoule.runtime.errors import ModelError

ZOO = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).parents[2] / "shared" / "zoo"))
MUTANTS = int(os.environ.get("MILLIJOULE_FUZZ", "1000"))
SECONDS = 5
"""Of this thread's processor time, for one model."""
NUMBERS = [-1, 0, 1, 2, 3, 7, -(1 << 63), (1 << 63) - 1, 1 << 31]


def small_model() -> onnx.ModelProto:
    """Images, shapes computed at run time, quantization, a subgraph, a function and constants of several kinds."""
    branch = graph_of([node("Neg", "p", "t")], {}, "t")
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1], strides=[1, 2]),
        node("MaxPool", "c", "p", kernel_shape=[2, 2], auto_pad="SAME_UPPER"),
        node("Shape", "p", "s"),
        node("Slice", "s zero two", "head"),
        node("Constant", "", "rest", value_ints=[-1]),
        node("Concat", "head rest", "target", axis=0),
        node("If", "flag", "i", then_branch=branch, else_branch=branch),
        node("Reshape", "p target", "r"),
        node("QuantizeLinear", "r scale point", "q"),
        node("DequantizeLinear", "q scale point", "d", axis=1),
        node("Twice", "d", "f", domain="local", by=3.0),
        node("Resize", "x - - sizes", "u", mode="linear"),
        node("Softmax", "f", "y", axis=-1),
    ]
    body = node("Mul", "a k", "b")
    amount = node("Constant", "", "k")
    amount.attribute.add(name="value_float", ref_attr_name="by", type=onnx.AttributeProto.FLOAT)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    function = helper.make_function("local", "Twice", ["a"], ["b"], [amount, body], opsets[:1], ["by"])
    constants = {
        "w": np.ones((2, 3, 3, 3), np.float32),
        "scale": np.float32(0.1),
        "point": np.int8(1),
        "zero": np.array([0]),
        "two": np.array([2]),
        "sizes": np.array([1, 3, 4, 4]),
    }
    inputs = {"x": (("n", 3, 6, 6), "float32"), "flag": ((), "bool")}
    return model_of(nodes, inputs, "y u", constants, opsets=opsets, functions=[function])


def damage_bytes(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        kind, place = rng.randrange(6), rng.randrange(len(data))
        if kind < 2:
            data[place] = rng.randrange(256)
        elif kind == 2:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 3:
            del data[place : place + rng.randrange(1, 40)]
        elif kind == 4:
            other = rng.randrange(len(data))
            data[place:place] = data[other : other + rng.randrange(1, 100)]
        else:
            del data[max(place, 8) :]
        if not data:
            break
    return bytes(data)


def change_attribute(made: onnx.NodeProto, rng: random.Random) -> None:
    attr = rng.choice(made.attribute)
    if attr.type == attr.INT:
        attr.i = rng.choice(NUMBERS)
    elif attr.type == attr.INTS and attr.ints:
        attr.ints[rng.randrange(len(attr.ints))] = rng.choice(NUMBERS)
    elif attr.type == attr.STRING:
        attr.s = rng.choice([b"", b"\xff", b"VALID", b"cubic"])
    else:
        attr.type = rng.randrange(15)  # type: ignore[assignment]


def of_an_old_operator_set(version: int) -> onnx.ModelProto:
    """Which onnx's own converter brings up to date, and what becomes of a shape that is no attribute any more."""
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("Add", "c k", "a", broadcast=1, axis=1) if version < 7 else node("Relu", "c", "a"),
        node("Dropout", "a", "d", **({"is_test": 1} if version < 7 else {})),
        node("Reshape", "d", "r", shape=[1, -1]) if version < 5 else node("Flatten", "d", "r"),
        node("Softmax", "r", "y"),
    ]
    constants = {"w": np.ones((2, 3, 3, 3), np.float32), "k": np.ones(2, np.float32)}
    return model_of(nodes, {"x": ((1, 3, 6, 6), "float32")}, "y", constants, opsets=[helper.make_opsetid("", version)])


def damage_model(model: onnx.ModelProto, rng: random.Random) -> None:
    """One change that keeps the file well-formed."""
    graph = model.graph
    made = rng.choice(graph.node)
    names = [info.name for info in graph.input] + [item.name for item in graph.initializer] + ["", "nothing"]
    ops = [item.op_type for item in graph.node] + [
        "Gather",
        "TopK",
        "Split",
        "Pad",
        "LSTM",
        "Loop",
        "BatchNormalization",
    ]
    changes: list[Callable[[], object]] = [
        lambda: setattr(made, "op_type", rng.choice(ops)),
        lambda: made.input.append(rng.choice(names)),
        lambda: made.input.__setitem__(rng.randrange(len(made.input)), rng.choice(names)),
        lambda: made.input.__delitem__(0),
        lambda: made.output.append(rng.choice(names)),
        lambda: made.attribute.__delitem__(0),
        lambda: change_attribute(made, rng),
        lambda: made.attribute.append(
            helper.make_attribute(rng.choice(["axis", "perm", "to", "axes"]), rng.choice([1, 9.5, "a"]))
        ),
        lambda: setattr(rng.choice(model.opset_import), "version", rng.choice([0, 3, 6, 7, 9, 11, 13, 18, 99])),
        lambda: setattr(graph.input[0].type.tensor_type, "elem_type", rng.randrange(28)),
        lambda: setattr(rng.choice(graph.input[0].type.tensor_type.shape.dim), "dim_value", rng.choice(NUMBERS)),
        lambda: graph.input[0].type.tensor_type.shape.dim.pop(),
        lambda: setattr(rng.choice(graph.initializer), "data_type", rng.randrange(28)),
        lambda: rng.choice(graph.initializer).dims.append(rng.choice(NUMBERS)),
        lambda: graph.initializer.pop(rng.randrange(len(graph.initializer))),
        lambda: graph.node.pop(rng.randrange(len(graph.node))),
        lambda: model.functions.__delitem__(0),
    ]
    try:
        rng.choice(changes)()
    except (IndexError, ValueError):
        return  # There is nothing of the kind to change.


def outcome(source: Path | onnx.ModelProto) -> str:
    started = time.thread_time()
    try:
        convert(source)
        found = "converted"
    except ModelError as error:
        assert str(error)
        found = "refused"
    assert time.thread_time() - started < SECONDS
    return found


def test_damaged_files(tmp_path: Path) -> None:
    rng = random.Random(5)
    sources = [small_model().SerializeToString()]
    sources += [path.read_bytes() for path in sorted(ZOO.glob("*.onnx")) if path.stat().st_size < 120_000]
    path, outcomes = tmp_path / "mutant.onnx", []
    for _ in range(MUTANTS):
        path.write_bytes(damage_bytes(rng.choice(sources), rng))
        outcomes.append(outcome(path))
    assert outcomes.count("refused") > MUTANTS // 4


def test_models_changed_in_one_place_or_a_few() -> None:
    rng = random.Random(6)
    outcomes = []
    for _ in range(MUTANTS):
        model = small_model()
        for _ in range(rng.choice((1, 1, 2, 3))):
            damage_model(model, rng)
        outcomes.append(outcome(model))
    assert outcomes.count("refused") > MUTANTS // 4


def test_models_of_old_operator_sets() -> None:
    rng = random.Random(7)
    outcomes = [outcome(of_an_old_operator_set(version)) for version in range(1, 7)]
    for _ in range(MUTANTS):
        model = of_an_old_operator_set(rng.randrange(1, 7))
        damage_model(model, rng)
        outcomes.append(outcome(model))
    assert outcomes.count("converted") > MUTANTS // 20
    assert outcomes.count("refused") > MUTANTS // 4
