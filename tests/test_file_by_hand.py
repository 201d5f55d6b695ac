"""Files that no converter would write: each is refused with an error that names the file or the node, or runs and gives
what the reference does, between guard pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_operators import difference
from hand_written import Hand, Scale, of

import millijoule as mj
from millijoule.runtime.engine import run_budget
from millijoule.runtime.evaluate import reference
from millijoule.runtime.model import Model
from millijoule.runtime.ops import control_flow

Q, OTHER, U = (0.1, 3), (0.2, -5), (0.1, 128)
REAL = {"x": of("float32", [2, 3])}
INTEGERS = {"x": of("int8", [2, 3], Q)}
PLAIN = {"x": of("int8", [2, 3])}
IMAGE = {"x": of("uint8", [1, 4, 4, 3], U)}
CONDITION = {"c": of("bool", [])}
BRANCHES = "then_branch", "else_branch"
BYTES = np.arange(-24, 24, dtype=np.int8).reshape(4, 2, 2, 3)
EDGE = 2**31 - 1


def one(op: str, inputs: Mapping[str, Any], *more: str, y: Any = None, constants: Any = None, **attrs: Any) -> Hand:
    """y = op(inputs, more)."""
    return Hand(inputs, [(op, [*inputs, *more], ["y"], attrs)], ["y"], constants or {}, {"y": y or of("float32")})


def conv(inputs: Mapping[str, Any], weights: Any, y: Any, *more: str, **constants: Any) -> Hand:
    return one("Conv", inputs, "w", *more, y=y, constants={"w": weights, **constants})


def branch(kind: Any, op: str = "Identity", source: str = "x") -> Hand:
    return Hand({}, [(op, [source], ["t"], {})], ["t"], types={"t": kind})


def chosen(inputs: Mapping[str, Any], kind: Any, *branches: Hand) -> Hand:
    attrs = dict(zip(BRANCHES, branches, strict=True))
    return Hand({**CONDITION, **inputs}, [("If", ["c"], ["y"], attrs)], ["y"], types={"y": kind})


def hiding(**condition: Any) -> Hand:
    """Two Ifs whose branches have values of one name, which hide one of the graph around them."""

    def branch(op: str, by: float) -> Hand:
        nodes = [
            (op, ["x"], ["h"], {}),
            ("If", ["c"], ["i"], dict(zip(BRANCHES, (inner("Relu"), inner("Neg")), strict=True))),
        ]
        return Hand({}, [*nodes, ("Mul", ["i", "w"], ["r"], {})], ["r"], {"w": np.float32(by)})

    def inner(op: str) -> Hand:
        return Hand({}, [(op, ["h"], ["r"], {}), ("Exp", ["r"], ["e"], {})], ["e"])

    nodes: list[Any] = [("Abs", ["x"], ["h"], {})]
    for result, by in (("a", 2), ("b", 3)):
        nodes.append(("If", ["c"], [result], dict(zip(BRANCHES, (branch("Neg", by), branch("Sin", by)), strict=True))))
    nodes += [("Sub", ["a", "b"], ["d"], {}), ("Add", ["d", "h"], ["s"], {}), ("Mul", ["s", "w"], ["y"], {})]
    inputs = REAL if condition else {**CONDITION, **REAL}
    return Hand(inputs, nodes, ["y"], {"w": np.float32(5), **condition})


def loop(inside: Scale, outside: Scale, y: Scale, trips: int = 2, stacks: int = 0) -> Hand:
    """Identity of x, again and again, and in stacks. inside, outside, y: what the body, its input and results mean."""
    held = of("int8", [2, 3], inside)
    body = Hand(
        {"i": of("int64", []), "going": of("bool", []), "v": held},
        [("Identity", ["going"], ["goes"], {}), ("Identity", ["v"], ["again"], {})],
        ["goes", "again", *["again"] * stacks], types={"goes": of("bool"), "again": held},
    )  # fmt: skip
    results = ["y", *(f"stack{i}" for i in range(stacks))]
    return Hand(
        {"x": of("int8", [2, 3], outside)}, [("Loop", ["n", "", "x"], results, {"body": body})], results,
        {"n": np.array(trips)}, dict.fromkeys(results, of("int8", None, y)),
    )  # fmt: skip


def scan(**attrs: Any) -> Hand:
    row = of("float32", [3])
    body = Hand({"s": row, "e": row}, [("Add", ["s", "e"], ["o"], {}), ("Neg", ["o"], ["p"], {})], ["o", "p"])
    return Hand(
        {"s": row, "x": of("float32", [4, 3])},
        [("Scan", ["s", "x"], ["y", "z"], {"body": body, "num_scan_inputs": 1, **attrs})], ["y", "z"],
    )  # fmt: skip


RUNS: dict[str, Hand] = {
    "uint8 convolution": conv(IMAGE, (BYTES.view(np.uint8), (0.02, 120)), of("uint8", None, (0.2, 100))),
    "uint8 by int8": conv(IMAGE, (BYTES, (0.02, 0)), of("uint8", None, (0.2, 100))),
    "weights with zero points": conv(
        {"x": of("int8", [1, 4, 4, 3], Q)},
        (BYTES, {"scale": [0.01, 0.02, 0.03, 0.04], "zero_point": [1, -2, 3, 0], "axis": 0}), of("int8", None, OTHER),
    ),
    "bias of another scale": conv(IMAGE, (BYTES, (0.02, 0)), of("uint8", None, U), "b",
                                  b=(np.arange(4, dtype=np.int32), (0.5, 7))),
    "largest bias": conv(IMAGE, (BYTES, (0.02, 0)), of("uint8", None, U), "b",
                         b=(np.array([EDGE, -EDGE - 1, EDGE, 0], np.int32), (0.002, 0))),
    "mover with another scale": one("Transpose", INTEGERS, y=of("int8", None, OTHER), perm=[1, 0]),
    "scales along an axis that is moved": one(
        "Transpose", {"x": of("int8", [3, 3], {"scale": [0.1, 0.2, 0.4], "axis": 1})}, perm=[1, 0],
        y=of("int8", [3, 3], {"scale": [0.1, 0.2, 0.4], "axis": 1}),
    ),
    "scales of another size": one("Requantize", {"x": of("int8", [5], (1e38, 0))}, y=of("int8", None, (1e-38, 0))),
    "negative scale": one("QuantizeLinear", REAL, "s", "z", y=of("int8"),
                          constants={"s": np.float32(-0.1), "z": np.int8(3)}),
    "denormal scale": one("QuantizeLinear", REAL, "s", "z", y=of("int8"),
                          constants={"s": np.float32(1e-45), "z": np.int8(3)}),
    "infinite weights": one("DynamicMatMul", REAL, "w", "s", constants={
        "w": np.ones((3, 2), np.int8), "s": np.array([np.inf, 0], np.float32)}),
    "bounds of Clip turned round": one("Clip", REAL, "a", "b", constants={"a": np.float32(5), "b": np.float32(-5)}),
    "bounds of int64": one("Slice", REAL, "a", "b", "i", "s", constants={
        "a": np.array([2**63 - 1]), "b": np.array([-(2**63)]), "i": np.array([0]), "s": np.array([-1])}),
    "nothing at all": Hand({}, [], []),
    "node without outputs": Hand(REAL, [("Relu", ["x"], [], {}), ("Exp", ["x"], ["y"], {})], ["y"]),
    "first output left out": Hand(REAL, [("TopK", ["x", "k"], ["", "y"], {})], ["y"], {"k": np.array([2])},
                                  {"y": of("int64")}),
    "branches that hide values": hiding(),
    "known branches that hide values": hiding(c=np.array(True)),
    "scan": scan(scan_output_directions=[1]),
    "loop of integers": loop(None, None, None),
}  # fmt: skip
PLACES = "holds no numbers of"
TREES = {
    "feature": np.zeros(3, int), "limit": np.zeros(3, np.float32), "yes": np.array([1, 0, 0]),
    "no": np.array([2, 0, 0]), "mode": np.array([1, 0, 0]), "leaf": np.array([0, 0, 1]),
    "weights": np.ones((2, 1), np.float32), "root": np.array([0]),
}  # fmt: skip
REFUSED: dict[str, tuple[Hand, str]] = {
    "plain bytes convolved": (conv({"x": of("uint8", [1, 4, 4, 3])}, BYTES.view(np.uint8), of("uint8")),
                              "'n0': input 'x' is uint8"),
    "scale of what is plain": (one("Relu", PLAIN, y=of("int8", None, Q)), "'n0': 'x' holds plain integers"),
    "plain of what has a scale": (one("Relu", INTEGERS, y=of("int8")), "'n0': 'y' holds plain integers"),
    "float of what has a scale": (one("Relu", INTEGERS), "'n0': gives int8, but 'y' is declared float32"),
    "places that are quantized": (one("ArgMax", INTEGERS, y=of("int64", None, Q)), f"'n0': 'y'.*{PLACES}"),
    "sizes that are quantized": (one("Shape", INTEGERS, y=of("int64", None, Q)), f"'n0': 'y'.*{PLACES}"),
    "found places that are quantized": (one("NonZero", INTEGERS, y=of("int64", None, Q)), f"'n0': 'y'.*{PLACES}"),
    "cast to integers with a scale": (one("Cast", INTEGERS, to="int8", y=of("int8", None, OTHER)), "gives plain numb"),
    "cast of nothing but the same": (one("Cast", INTEGERS, to="int8", y=of("int8", None, Q)), "gives plain numbers"),
    "bits with a scale": (one("BitCast", INTEGERS, to="uint8", y=of("uint8", None, U)), "gives plain numbers"),
    "dequantized to integers": (one("DequantizeLinear", PLAIN, "s", output_dtype="int8", y=of("int8"),
                                    constants={"s": np.float32(0.1)}), "'n0': cannot dequantize to int8"),
    "declared dtype of what waits": (one("Unique", REAL, y=of("float64")), "'n0': gives float32.*declared float64"),
    "declared shape of what waits": (one("NonZero", REAL, y=of("int64", [7, 7])), "'n0': gives shape .*declared"),
    "branch that is quantized": (chosen(INTEGERS, of("int8"), branch(of("int8", None, Q)), branch(of("int8", None, Q))),
                                 "'n0': 'y' and 't' within it are one value"),
    "quantized by its branches": (chosen(INTEGERS, of("int8", None, Q), branch(of("int8", None, Q)),
                                         branch(of("int8", None, OTHER))), "'n0': 'y' is quantized, but nothing that"),
    "branches of two dtypes": (chosen(REAL, of("float32"), branch(of("int64"), "Size"), branch(of("int64"), "Size")),
                               "gives int64, but 'y' is declared float32"),
    "carried as plain": (loop(None, Q, None), "'n0': 'y' holds plain integers"),
    "carried out with another scale": (loop(Q, Q, OTHER), "'n0': 'n' holds plain integers"),
    "boolean axis": (one("Softmax", REAL, axis=True), "'n0': attribute 'axis' must be int, not True"),
    "boolean among integers": (one("Transpose", REAL, perm=[True, False]), "'n0': attribute 'perm' must be"),
    "boolean slope": (one("LeakyRelu", REAL, alpha=True), "'n0': attribute 'alpha' must be float"),
    "axes of a scan": (scan(scan_input_axes=[0, 0]), "'n0': scan_input_axes has 2 entries"),
    "directions of a scan": (scan(scan_output_directions=[0, 0]), "'n0': scan_output_directions has 2 entries"),
    "axis of a scan": (scan(scan_input_axes=[7]), "'n0': axis 7 is out of range"),
    "output axis of a scan": (scan(scan_output_axes=[9]), "'n0' cannot be computed on these inputs: axis 9"),
    "branch that reads its own node": (chosen(REAL, of("float32"), branch(of("float32"), source="y"),
                                              branch(of("float32"))), "input 'y' is not produced"),
    "trees that go round": (one("TreeEnsemble", REAL, *TREES, constants=TREES | {"yes": np.zeros(3, int)}),
                            "'n0': a node of its trees leads back"),
    "tree's feature beyond": (one("TreeEnsemble", REAL, *TREES, constants=TREES | {"feature": np.array([2**40, 0, 0])}),
                              "'n0': its features lie in"),
    "stride that wraps": (one("ConvTranspose", {"x": of("float32", [1, 4, 4, 2])}, "w", strides=[2**62, 1],
                              constants={"w": np.ones((2, 2, 2, 3), np.float32)}), "'n0': 'y' of shape .*2 GiB"),
}  # fmt: skip


def feeds(model: Model) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {name: [int(dim) for dim in info.shape or ()] for name, info in model.inputs.items()}
    return {
        name: rng.integers(0, 2 if info.dtype == np.bool_ else 100, shapes[name]).astype(info.dtype)
        for name, info in model.inputs.items()
    }


@pytest.fixture(autouse=True)
def guard_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_GUARD", "1")


@pytest.mark.parametrize("name", RUNS)
def test_it_runs_as_the_reference_does(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hand.mj"
    path.write_bytes(RUNS[name].file())
    model = Model.load(path)
    given = feeds(model)
    wanted = reference.run(model.graph, given)
    for target in ("numpy", None):
        with mj.load(path, target=target, threads=1, verify=target is None, progress=False) as session:
            found = session.run(given)
            assert found.keys() == wanted.keys()
            for output, array in wanted.items():
                assert difference(found[output], array) == ""


def refusal(path: Path, target: str | None = "numpy") -> str:
    """What the error says, behind the kind of error."""
    with pytest.raises(mj.ModelError) as caught, mj.load(path, target=target, threads=1, progress=False) as session:
        session.run(feeds(session.model))
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_an_error_that_names_the_node(name: str, tmp_path: Path) -> None:
    hand, problem = REFUSED[name]
    path = tmp_path / "hand.mj"
    path.write_bytes(hand.file())
    for target in ("numpy", None):
        text = refusal(path, target)
        assert re.search(problem, text), text
        assert len(text.splitlines()) == 1


def test_a_loop_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_budget, "RUNS", 10)
    path = tmp_path / "hand.mj"
    path.write_bytes(loop(None, None, None, trips=2**62).file())
    assert refusal(path) == f"Loop 'n0': the graphs within nodes have run {10 + 6} times, and it asks for more"


def test_a_loop_of_a_large_body_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_budget, "RUNS", 10)
    path, model = tmp_path / "hand.mj", loop(None, None, None, trips=2**62)
    body = model.nodes[0][3]["body"]
    body.nodes += [("Identity", ["v"], [f"unread{i}"], {}) for i in range(126)]
    body.types.update({f"unread{i}": of("int8") for i in range(126)})
    path.write_bytes(model.file())
    assert f"Loop 'n0': the graphs within nodes have run {(10 + 6) // 3} times" in refusal(path)


def test_a_loop_that_stacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_flow, "TENSOR_LIMIT", 60)
    path = tmp_path / "hand.mj"
    path.write_bytes(loop(None, None, None, trips=9, stacks=1).file())
    with mj.load(path, target="numpy", progress=False) as session:
        assert session.run(feeds(session.model))["stack0"].nbytes == 9 * 6
    path.write_bytes(loop(None, None, None, trips=10, stacks=1).file())
    assert "'n0' cannot be computed on these inputs: what its body gives takes 2 GiB or more" in refusal(path)
