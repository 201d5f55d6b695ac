"""RNN, GRU and LSTM against onnxruntime: directions, sequence lengths, peepholes, clipping, activations; and what
onnxruntime does not do, against the same layer asked otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference

from millijoule.runtime.errors import ModelError

pytest.importorskip("onnxruntime")

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS, BATCH, INPUTS, UNITS = 5, 3, 4, 6


def layer(op: str, directions: int, lengths: bool = False, peepholes: bool = False) -> list[np.ndarray | None]:
    rng, gates = np.random.default_rng(3), GATES[op]

    def numbers(*shape: int) -> np.ndarray:
        return rng.normal(scale=0.7, size=shape).astype(np.float32)

    inputs: list[np.ndarray | None] = [
        numbers(STEPS, BATCH, INPUTS), numbers(directions, gates * UNITS, INPUTS),
        numbers(directions, gates * UNITS, UNITS), numbers(directions, 2 * gates * UNITS),
        np.array([5, 2, 3], np.int32) if lengths else None, numbers(directions, BATCH, UNITS),
    ]  # fmt: skip
    if op == "LSTM":
        inputs.append(numbers(directions, BATCH, UNITS))
        if peepholes:
            inputs.append(numbers(directions, 3 * UNITS))
    return inputs


FORMS: list[tuple[str, dict[str, Any], dict[str, bool]]] = [
    *((op, {"direction": way}, {}) for op in GATES for way in ("forward", "reverse", "bidirectional")),
    *((op, {"direction": "bidirectional"}, {"lengths": True}) for op in GATES),
    *((op, {"clip": 0.3}, {}) for op in GATES),
    ("LSTM", {}, {"peepholes": True, "lengths": True}),
    ("LSTM", {"input_forget": 1}, {}),
    ("GRU", {"linear_before_reset": 1, "direction": "reverse"}, {"lengths": True}),
    ("LSTM", {"activations": ["HardSigmoid", "Softsign", "Elu"], "activation_alpha": [0.3, 0.9],
              "activation_beta": [0.4]}, {}),
    ("GRU", {"activations": ["Sigmoid", "ScaledTanh"], "activation_alpha": [0.8], "activation_beta": [1.2]}, {}),
    ("RNN", {"activations": ["Affine", "LeakyRelu"], "activation_alpha": [0.6, 0.2], "activation_beta": [0.1],
             "direction": "bidirectional"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "attrs", "form"), FORMS, ids=[f"{op}-{index}" for index, (op, _, _) in enumerate(FORMS)]
)
def test_as_in_onnxruntime(op: str, attrs: dict[str, Any], form: dict[str, bool]) -> None:
    directions = 2 if attrs.get("direction") == "bidirectional" else 1
    inputs, count = layer(op, directions, **form), 3 if op == "LSTM" else 2
    wanted = run_onnxruntime(op, *inputs, outputs=count, hidden_size=UNITS, **attrs)
    for got, expected in zip(run_reference(op, *inputs, outputs=count, **attrs), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("op", GATES)
def test_the_batch_may_come_first(op: str) -> None:
    inputs = layer(op, 2, lengths=True)
    turned = [None if array is None else array.swapaxes(0, 1) if index in (0, 5, 6) else array
              for index, array in enumerate(inputs)]  # fmt: skip
    count = 3 if op == "LSTM" else 2
    y, *states = run_reference(op, *inputs, outputs=count, direction="bidirectional")
    found = run_reference(op, *turned, outputs=count, direction="bidirectional", layout=1)
    np.testing.assert_array_equal(found[0], y.transpose(2, 0, 1, 3))
    for got, state in zip(found[1:], states, strict=True):
        np.testing.assert_array_equal(got, state.swapaxes(0, 1))


def test_what_does_not_fit_is_refused() -> None:
    x, w, r, b, *_ = layer("LSTM", 1)
    assert b is not None
    for inputs, attrs, text in (
        ([x, w, r, b[:, 1:]], {}, r"has shape \(1, 47\), but must have \(1, 48\)"),
        ([x, w, r], {"direction": "bidirectional"}, "must have"),
        ([x, w, r], {"activations": ["Tanh"]}, "1 activations, but 3 are needed"),
        ([x, w, r], {"activations": ["Tanh", "Frob", "Tanh"]}, "'Frob' is none of"),
        ([x, w, r], {"hidden_size": 5}, "hidden_size is 5"),
    ):
        with pytest.raises(ModelError, match=text):
            run_reference("LSTM", *inputs, **attrs)
    with pytest.raises(ModelError, match="between 0 and 5"):
        run_reference("LSTM", x, w, r, None, np.array([6, 1, 1], np.int32))
