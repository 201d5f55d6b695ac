"""LSTM, GRU and RNN as kernels against the NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Operand, Output, check_node, const, feed, node_model, program_of

from millijoule.runtime.errors import ModelError
from millijoule.runtime.program.program import PythonStep
from millijoule.runtime.session import load

RTOL, ATOL = 1e-5, 1e-5
"""Of states of size 1 over some thirty steps, each a sum of up to a hundred products and functions of 6 ulp; what a
step leaves of an earlier one's error is less than all of it."""
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
RNG = np.random.default_rng()


def layer(
    op: str, steps: int, batch: int, inputs: int, units: int, directions: int = 1, *, layout: int = 0,
    states: bool = True, bias: bool = True, lengths: Operand | None = None, peepholes: bool = False,
) -> list[Operand | None]:  # fmt: skip
    def numbers(*shape: int, scale: float = 1.0) -> np.ndarray:
        return RNG.normal(scale=scale, size=shape).astype(np.float32)

    gates, state = GATES[op], (directions, batch, units) if layout == 0 else (batch, directions, units)
    found: list[Operand | None] = [
        feed(numbers(*((steps, batch) if layout == 0 else (batch, steps)), inputs)),
        const(numbers(directions, gates * units, inputs, scale=inputs**-0.5)),
        const(numbers(directions, gates * units, units, scale=units**-0.5)),
        const(numbers(directions, 2 * gates * units)) if bias else None,
        lengths,
        feed(numbers(*state)) if states else None,
    ]
    if op == "LSTM":
        found += [
            feed(numbers(*state)) if states else None,
            const(numbers(directions, 3 * units)) if peepholes else None,
        ]
    return found


def check(op: str, operands: list[Operand | None], target: str, threads: int = 1, **attrs: Any) -> list[str]:
    outputs = [Output()] * (3 if op == "LSTM" else 2)
    return check_node(op, operands, outputs, target=target, threads=threads, rtol=RTOL, atol=ATOL, **attrs)


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}), ("GRU", {}), ("GRU", {"linear_before_reset": 1}), ("LSTM", {}),
]  # fmt: skip
IDS = ["RNN", "GRU-reset-first", "GRU", "LSTM"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("op", "attrs"), FORMS, ids=IDS)
@pytest.mark.parametrize(
    ("steps", "batch", "inputs", "units"),
    [(1, 1, 5, 7), (7, 1, 3, 16), (12, 2, 9, 33), (5, 7, 16, 40), (30, 3, 64, 96), (3, 13, 1, 1)],
)
def test_shapes(op: str, attrs: dict[str, Any], steps: int, batch: int, inputs: int, units: int, target: str) -> None:
    check(op, layer(op, steps, batch, inputs, units), target, **attrs)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("op", "attrs"), FORMS, ids=IDS)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("layout", [0, 1])
def test_directions(op: str, attrs: dict[str, Any], direction: str, layout: int, target: str) -> None:
    for batch, states in ((1, True), (5, False)):
        operands = layer(op, 6, batch, 4, 19, 2 if direction == "bidirectional" else 1, layout=layout, states=states)
        check(op, operands, target, direction=direction, layout=layout, **attrs)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("op", "attrs"), FORMS, ids=IDS)
def test_sequences_of_their_own_lengths(op: str, attrs: dict[str, Any], target: str) -> None:
    lengths = np.array([4, 0, 9, 1, 8], np.int32)
    operands = layer(op, 9, 5, 4, 19, 2, lengths=const(lengths))
    check(op, operands, target, direction="bidirectional", **attrs)


@pytest.mark.parametrize(("op", "attrs"), FORMS, ids=IDS)
def test_lengths_that_are_fed(op: str, attrs: dict[str, Any]) -> None:
    operands = layer(op, 9, 5, 4, 19, 2, lengths=feed(np.array([4, 0, 9, 1, 8], np.int32)))
    model, feeds = node_model(op, operands, [Output()] * (3 if op == "LSTM" else 2), direction="bidirectional", **attrs)
    with load(model) as session:
        found = session.run(feeds)
        steps = [step for step in program_of(session).steps if isinstance(step, PythonStep)]
        assert [step.outputs for step in steps] == [[]]
        with pytest.raises(ModelError, match=r"tested.*between 0 and 9"):
            session.run({**feeds, "x4": np.array([4, 0, 10, 1, 8], np.int32)})
    operands[4] = const(feeds["x4"])
    model, _ = node_model(op, operands, [Output()] * (3 if op == "LSTM" else 2), direction="bidirectional", **attrs)
    with load(model) as session:
        for name, array in session.run({name: feeds[name] for name in feeds if name != "x4"}).items():
            np.testing.assert_array_equal(found[name], array)


def test_lengths_that_cannot_be_are_refused() -> None:
    model, feeds = node_model("RNN", layer("RNN", 9, 2, 4, 19, lengths=const(np.array([4, 10], np.int32))))
    with pytest.raises(ModelError, match=r"tested.*between 0 and 9"), load(model) as session:
        session.run(feeds)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "attrs", [{}, {"clip": 0.4}, {"cell_clip": 0.3}, {"clip": 0.9, "cell_clip": 0.6}, {"clip": 0.0}]
)
@pytest.mark.parametrize("peepholes", [False, True])
def test_clipped_lstm_with_peepholes(attrs: dict[str, Any], peepholes: bool, target: str) -> None:
    check("LSTM", layer("LSTM", 8, 3, 6, 21, 2, peepholes=peepholes), target, direction="bidirectional", **attrs)


@pytest.mark.parametrize(("op", "attrs"), FORMS, ids=IDS)
def test_clipped(op: str, attrs: dict[str, Any]) -> None:
    check(op, layer(op, 8, 3, 6, 21), "host", clip=0.4, **attrs)


@pytest.mark.parametrize("activations", [["Relu"], ["tanh"], ["Softsign"], ["Softplus"], ["Sigmoid"]])
def test_other_activations(activations: list[str]) -> None:
    check("RNN", layer("RNN", 5, 2, 6, 10), "host", activations=activations)
    check("LSTM", layer("LSTM", 5, 2, 6, 10), "host", activations=["Sigmoid", *activations, "Tanh"])


@pytest.mark.parametrize(("op", "attrs"), FORMS, ids=IDS)
def test_without_biases(op: str, attrs: dict[str, Any]) -> None:
    check(op, layer(op, 5, 2, 6, 10, bias=False), "host", **attrs)


@pytest.mark.parametrize(("op", "attrs"), FORMS, ids=IDS)
def test_threads_share_sequences(op: str, attrs: dict[str, Any]) -> None:
    operands = layer(op, 40, 32, 64, 96, 2)
    check(op, operands, "host", threads=2, direction="bidirectional", **attrs)


@pytest.mark.parametrize(
    "attrs",
    [
        {"activations": ["LeakyRelu"]}, {"direction": "bidirectional", "activations": ["Tanh", "Relu"]},
        {"activations": ["Affine"]},
    ],
)  # fmt: skip
def test_what_has_no_kernel_runs_in_numpy(attrs: dict[str, Any]) -> None:
    model, feeds = node_model("RNN", layer("RNN", 5, 2, 6, 10, 2 if "direction" in attrs else 1), **attrs)
    with load(model) as session:
        session.run(feeds)
        assert [type(step) for step in program_of(session).steps] == [PythonStep]
