"""Recurrent operators of TFLite, over several runs on end, against LiteRT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from tflite_builder import Model, Tensor, one_operator

import millijoule as mj

BATCH, STEPS, FEATURES, UNITS = 2, 3, 4, 5
NONE, RELU, TANH = 0, 1, 4


def weights(*shape: int, seed: int = 0) -> Tensor:
    data = np.random.default_rng(seed + sum(shape)).uniform(-1, 1, shape).astype(np.float32)
    return Tensor(f"w{seed}", shape, "float32", data)


def state(count: int = UNITS, name: str = "state") -> Tensor:
    return Tensor(name, (BATCH, count), "float32", variable=True)


def compare(model: Model, folder: Path, runs: int = 2) -> None:
    """Run after run of one session and of one interpreter."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    path = folder / "model.tflite"
    path.write_bytes(model.to_bytes())
    lite = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    lite.allocate_tensors()
    rng = np.random.default_rng(4)
    with mj.load(mj.convert(path), target="numpy") as session:
        names = list(session.input_info)
        for _ in range(runs):
            feeds = [drawn(rng, model.tensors[index]) for index in model.inputs]
            for details, feed in zip(lite.get_input_details(), feeds, strict=True):
                lite.set_tensor(details["index"], feed)
            lite.invoke()
            found = session.run(dict(zip(names, feeds, strict=True)))
            for got, details in zip(found.values(), lite.get_output_details(), strict=True):
                atol = 1 if got.dtype == np.int8 else 1e-5
                np.testing.assert_allclose(got, lite.get_tensor(details["index"]), rtol=1e-4, atol=atol)


def drawn(rng: np.random.Generator, tensor: Tensor) -> np.ndarray:
    if tensor.dtype == "int8":
        return rng.integers(-128, 128, tensor.shape).astype(np.int8)
    return rng.uniform(-1, 1, tensor.shape).astype(np.float32)


def model_of(
    kind: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], options: tuple[str, dict[str, Any]]
) -> Model:
    model = one_operator(kind, inputs, outputs, options)
    model.inputs = [index for index in model.inputs if not model.tensors[index].variable]
    return model


def cells(seed: int, coupled: bool = False, peepholes: bool = False) -> list[Tensor | None]:
    """Weights of the inputs and of the states, peepholes, biases, and no projection."""
    found: list[Tensor | None] = [weights(UNITS, FEATURES, seed=seed + n) for n in range(4)]
    found += [weights(UNITS, UNITS, seed=seed + 4 + n) for n in range(4)]
    found += [weights(UNITS, seed=seed + 8 + n) if peepholes else None for n in range(3)]
    found += [weights(UNITS, seed=seed + 12 + n) for n in range(4)]
    if coupled:
        for index in (0, 4, 8, 11):
            found[index] = None
    return [*found, None, None]


def sequence(time_major: bool, features: int, name: str) -> Tensor:
    return Tensor(name, (STEPS, BATCH, features) if time_major else (BATCH, STEPS, features), "float32")


@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize(("coupled", "peepholes"), [(False, False), (True, False), (True, True), (False, True)])
@pytest.mark.parametrize("clip", [0.0, 0.3])
def test_lstm_of_sequences(time_major: bool, coupled: bool, peepholes: bool, clip: float, tmp_path: Path) -> None:
    options = {"FusedActivationFunction": TANH, "TimeMajor": time_major, "CellClip": clip}
    inputs = [sequence(time_major, FEATURES, "x"), *cells(0, coupled, peepholes), state(), state(name="cell")]
    outputs = [sequence(time_major, UNITS, "y")]
    compare(model_of("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, outputs,
                     ("UnidirectionalSequenceLSTMOptions", options)), tmp_path)  # fmt: skip


def test_lstm_of_one_step(tmp_path: Path) -> None:
    x, y = Tensor("x", (BATCH, FEATURES), "float32"), Tensor("y", (BATCH, UNITS), "float32")
    inputs = [x, *cells(0), state(), state(name="cell")]
    compare(model_of("LSTM", inputs, [y], ("LSTMOptions", {"FusedActivationFunction": TANH})), tmp_path, 3)


def both_directions(merged: bool) -> Model:
    options = {"FusedActivationFunction": TANH, "TimeMajor": False, "MergeOutputs": merged}
    states = [state(name=name) for name in ("fw_h", "fw_c", "bw_h", "bw_c")]
    inputs = [sequence(False, FEATURES, "x"), *cells(0), *cells(20), *states, *[None] * 9]
    outputs = [sequence(False, 2 * UNITS, "y")] if merged else [sequence(False, UNITS, name) for name in "yz"]
    return model_of("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, outputs, ("BidirectionalSequenceLSTMOptions", options))


def test_lstm_of_both_directions(tmp_path: Path) -> None:
    compare(both_directions(False), tmp_path)


def test_merged_outputs_are_one_behind_the_other(tmp_path: Path) -> None:
    """Not held against LiteRT, which reads what it has not written where several sequences are merged: its results
    change with MALLOC_PERTURB_."""
    found = []
    x = drawn(np.random.default_rng(4), sequence(False, FEATURES, "x"))
    for merged in (False, True):
        path = tmp_path / f"{merged}.tflite"
        path.write_bytes(both_directions(merged).to_bytes())
        with mj.load(mj.convert(path), target="numpy") as session:
            found.append(list(session.run({"x": x}).values()))
    np.testing.assert_array_equal(np.concatenate(found[0], -1), found[1][0])


def simple(seed: int) -> list[Tensor]:
    return [weights(UNITS, FEATURES, seed=seed), weights(UNITS, UNITS, seed=seed + 1), weights(UNITS, seed=seed + 2)]


@pytest.mark.parametrize("activation", [NONE, RELU, TANH])
def test_rnn(activation: int, tmp_path: Path) -> None:
    x, y = Tensor("x", (BATCH, FEATURES), "float32"), Tensor("y", (BATCH, UNITS), "float32")
    options = ("RNNOptions", {"FusedActivationFunction": activation})
    compare(model_of("RNN", [x, *simple(0), state()], [y], options), tmp_path, 3)


@pytest.mark.parametrize("time_major", [False, True])
def test_rnn_of_sequences(time_major: bool, tmp_path: Path) -> None:
    options = ("SequenceRNNOptions", {"FusedActivationFunction": TANH, "TimeMajor": time_major})
    inputs = [sequence(time_major, FEATURES, "x"), *simple(0), state()]
    compare(model_of("UNIDIRECTIONAL_SEQUENCE_RNN", inputs, [sequence(time_major, UNITS, "y")], options), tmp_path)


@pytest.mark.parametrize("merged", [False, True])
def test_rnn_of_both_directions(merged: bool, tmp_path: Path) -> None:
    options = {"FusedActivationFunction": TANH, "TimeMajor": False, "MergeOutputs": merged}
    states = [state(name="fw"), state(name="bw")]
    inputs = [sequence(False, FEATURES, "x"), *simple(0), states[0], *simple(7), states[1], None, None, None]
    outputs = [sequence(False, 2 * UNITS, "y")] if merged else [sequence(False, UNITS, name) for name in "yz"]
    compare(model_of("BIDIRECTIONAL_SEQUENCE_RNN", inputs, outputs,
                     ("BidirectionalSequenceRNNOptions", options)), tmp_path)  # fmt: skip


@pytest.mark.parametrize("rank", [1, 2])
def test_svdf(rank: int, tmp_path: Path) -> None:
    filters, time = UNITS * rank, 3
    inputs = [
        Tensor("x", (BATCH, FEATURES), "float32"),
        weights(filters, FEATURES), weights(filters, time, seed=1), weights(UNITS, seed=2),
        state(filters * time),
    ]  # fmt: skip
    options = ("SVDFOptions", {"Rank": rank, "FusedActivationFunction": RELU})
    compare(model_of("SVDF", inputs, [Tensor("y", (BATCH, UNITS), "float32")], options), tmp_path, 4)


def test_quantized_svdf(tmp_path: Path) -> None:
    """State and weights of time have 16 bits."""
    rng, filters, time = np.random.default_rng(9), UNITS * 2, 3

    def integers(name: str, shape: tuple[int, ...], dtype: str, limit: int, scale: float) -> Tensor:
        return Tensor(name, shape, dtype, rng.integers(-limit, limit, shape).astype(dtype), scale)

    inputs = [
        Tensor("x", (BATCH, FEATURES), "int8", scale=0.02, zero_point=3),
        integers("wf", (filters, FEATURES), "int8", 120, 0.01),
        integers("wt", (filters, time), "int16", 30000, 2.0**-15),
        integers("b", (UNITS,), "int32", 20000, 2.0**-12 * 2.0**-15),
        Tensor("state", (BATCH, filters * time), "int16", scale=2.0**-12, variable=True),
    ]
    output = Tensor("y", (BATCH, UNITS), "int8", scale=0.1, zero_point=-7)
    options = ("SVDFOptions", {"Rank": 2, "FusedActivationFunction": RELU})
    compare(model_of("SVDF", inputs, [output], options), tmp_path, 4)
