"""LSTM, RNN, SVDF and the sequence operators of the first two. Their states are variables of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....runtime.graph import Attribute
from ..handlers import handles
from ..operator import Operator
from ..schema import ACTIVATIONS

_NAMES = {"NONE": "Affine", "RELU": "Relu", "TANH": "Tanh"}
BASIC = 1
"""LSTM's kernel type with one matrix for all gates."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Where the inputs of LSTM cells are. Lists are of the input, forget, cell and output gate; peepholes without the
    cell's."""

    inputs: Sequence[int]
    recurrent: Sequence[int]
    peepholes: Sequence[int]
    biases: Sequence[int]
    projection: Sequence[int]
    hidden: int
    cell: int
    norms: Sequence[int] = ()


ONE_WAY = Cells(range(1, 5), range(5, 9), range(9, 12), range(12, 16), (16, 17), 18, 19, range(20, 24))
FORWARD = Cells(range(1, 5), range(5, 9), range(9, 12), range(12, 16), (16, 17), 35, 36)
BACKWARD = Cells(range(18, 22), range(22, 26), range(26, 29), range(29, 33), (33, 34), 37, 38)
ONNX_ORDER = (0, 3, 1, 2)
"""Input, output, forget, cell of input, forget, cell, output."""


def function(op: Operator) -> tuple[str, dict[str, Attribute]]:
    """The activation by ONNX's name, and the attributes that Affine needs to be none at all."""
    name = ACTIVATIONS.get(op.option("FusedActivationFunction", 0), "")
    if name not in _NAMES:
        raise op.unsupported(f"fused activation {name} is not supported")
    return _NAMES[name], {"activation_alpha": [1.0], "activation_beta": [0.0]} if name == "NONE" else {}


def numbers(op: Operator, position: int) -> str:
    """An input as real numbers; constants by the scale that the file says."""
    record = op.tensor(position)
    if record.data is None or record.scale is None:
        return op.real_input(position)
    shape = [1] * record.data.ndim
    if len(record.scale) > 1:
        shape[record.axis] = -1
    zero = 0 if record.zero_point is None else record.zero_point.reshape(shape)
    data = (record.data.astype(np.float32) - zero) * record.scale.reshape(shape)
    return op.constant(data.astype(np.float32), "real")


def _gates(op: Operator, cells: Cells, positions: Sequence[int], rank: int) -> str:
    """What the gates have at these inputs, one below the other in ONNX's order, with a first dimension of 1. Without an
    input gate it is 1 less the forget gate, which is the sigmoid of the negative sum."""
    parts = []
    for gate in ONNX_ORDER:
        if gate == 0 and not op.present(cells.inputs[0]):
            parts.append(op.new("Neg", [numbers(op, positions[1])]))
        else:
            parts.append(numbers(op, positions[gate]))
    joined = op.new("Concat", parts, axis=0)
    return op.new("Unsqueeze", [joined, op.int64s([0], "axes")])


def _bias(op: Operator, cells: Cells) -> str:
    """Those of the inputs; those of the states are 0."""
    summed = _gates(op, cells, cells.biases, 1)
    zeros = op.new("Mul", [summed, op.constant(np.array(0, np.float32), "zero")])
    return op.new("Concat", [summed, zeros], axis=1)


def _peepholes(op: Operator, cells: Cells) -> str:
    into, forget, out = cells.peepholes
    if not op.present(forget):
        return ""
    coupled = not op.present(into)
    first = op.new("Neg", [numbers(op, forget)]) if coupled else numbers(op, into)
    joined = op.new("Concat", [first, numbers(op, out), numbers(op, forget)], axis=0)
    return op.new("Unsqueeze", [joined, op.int64s([0], "axes")])


def _cells(op: Operator, cells: Cells, x: str, layout: int, direction: str) -> str:
    """Runs them over the sequence x, (time, batch, features) or batch first with layout 1, and keeps their states. The
    hidden states in the same order."""
    if any(op.present(position) for position in (*cells.projection, *cells.norms)):
        raise op.unsupported("a projection or layer normalization within the cell is not supported")
    name, more = function(op)
    direction_axis = op.int64s([layout], "direction")
    states = [op.new("Unsqueeze", [op.real(op.state(at)), direction_axis]) for at in (cells.hidden, cells.cell)]
    w, r, b = _gates(op, cells, cells.inputs, 2), _gates(op, cells, cells.recurrent, 2), _bias(op, cells)
    attrs: dict[str, Attribute] = {"activations": ["Sigmoid", name, name], "layout": layout, "direction": direction}
    if more:
        attrs |= {"activation_alpha": [1.0, 1.0], "activation_beta": [0.0, 0.0]}
    clip = float(op.option("CellClip", 0.0))
    if clip > 0:
        attrs["cell_clip"] = clip
    real = np.dtype(np.float32)
    y, hidden, cell = (op.temporary(hint, real) for hint in ("sequence", "hidden", "cell"))
    op.node("LSTM", [x, w, r, b, "", *states, _peepholes(op, cells)], [y, hidden, cell], **attrs)
    for position, state in ((cells.hidden, hidden), (cells.cell, cell)):
        op.keep(position, op.new("Squeeze", [state, direction_axis]))
    return op.new("Squeeze", [y, op.int64s([2 if layout else 1], "direction")])


def _store(op: Operator, name: str, position: int = 0) -> None:
    """A real Value as an output."""
    target = op.value(op.output(position))
    if target.quant is not None:
        name = op.importer.quantized(name, target, op.name)
    op.node("Identity", [name], [target.name])


def _layout(op: Operator) -> int:
    return 0 if op.option("TimeMajor", False) else 1


@handles("UNIDIRECTIONAL_SEQUENCE_LSTM")
def sequence_lstm(op: Operator) -> None:
    if op.option("DiagonalRecurrentTensors", False):
        raise op.unsupported("diagonal recurrent weights are not supported")
    _store(op, _cells(op, ONE_WAY, op.real_input(0), _layout(op), "forward"))


@handles("LSTM")
def lstm(op: Operator) -> None:
    """One step: a sequence of length 1."""
    if op.option("KernelType", 0) == BASIC:
        _basic_lstm(op)
        return
    axes = op.int64s([0], "axes")
    x = op.new("Unsqueeze", [op.real_input(0), axes])
    _store(op, op.new("Squeeze", [_cells(op, ONE_WAY, x, 0, "forward"), axes]))


def _basic_lstm(op: Operator) -> None:
    """Inputs: data, hidden state, weights and biases of the input, cell, forget and output gate, cell state. Outputs:
    the states, what the weights multiply, and the gates before their activations."""
    joined = op.new("Concat", [op.real_input(0), op.real_input(1)], axis=-1)
    gates = op.new("Gemm", [joined, numbers(op, 2), numbers(op, 3)], transB=1)
    parts = [op.temporary("gate", np.dtype(np.float32)) for _ in range(4)]
    op.node("Split", [gates], parts, axis=-1, num_outputs=4)
    opened, new, kept, shown = (
        op.new(name, [part]) for name, part in zip(("Sigmoid", "Tanh", "Sigmoid", "Sigmoid"), parts, strict=True)
    )
    cell = op.new("Add", [op.new("Mul", [opened, new]), op.new("Mul", [kept, op.real_input(4)])])
    hidden = op.new("Mul", [shown, op.new("Tanh", [cell])])
    for position, name in enumerate((hidden, cell, joined, gates)[: len(op.record.outputs)]):
        _store(op, name, position)


@handles("BIDIRECTIONAL_SEQUENCE_LSTM")
def bidirectional_lstm(op: Operator) -> None:
    if any(op.present(position) for position in range(39, 48)):
        raise op.unsupported("an auxiliary input is not supported")
    x, layout = op.real_input(0), _layout(op)
    _both(op, [_cells(op, FORWARD, x, layout, "forward"), _cells(op, BACKWARD, x, layout, "reverse")])


def _both(op: Operator, sides: Sequence[str]) -> None:
    """What the two directions give: side by side, or as two outputs."""
    if op.option("MergeOutputs", False):
        _store(op, op.new("Concat", sides, axis=-1))
        return
    for position, side in enumerate(sides):
        _store(op, side, position)


def _simple(op: Operator, x: str, first: int, layout: int, direction: str) -> str:
    """Runs RNN cells, whose weights, recurrent weights, bias and state lie from input `first` on."""
    name, more = function(op)
    axes, direction_axis = op.int64s([0], "axes"), op.int64s([layout], "direction")
    w, r = (op.new("Unsqueeze", [numbers(op, first + i), axes]) for i in (0, 1))
    bias = op.new("Unsqueeze", [numbers(op, first + 2), axes])
    zeros = op.new("Mul", [bias, op.constant(np.array(0, np.float32), "zero")])
    b = op.new("Concat", [bias, zeros], axis=1)
    state = op.new("Unsqueeze", [op.real(op.state(first + 3)), direction_axis])
    y, hidden = (op.temporary(hint, np.dtype(np.float32)) for hint in ("sequence", "hidden"))
    attrs: dict[str, Attribute] = {"activations": [name], "layout": layout, "direction": direction, **more}
    op.node("RNN", [x, w, r, b, "", state], [y, hidden], **attrs)
    op.keep(first + 3, op.new("Squeeze", [hidden, direction_axis]))
    return op.new("Squeeze", [y, op.int64s([2 if layout else 1], "direction")])


@handles("RNN")
def rnn(op: Operator) -> None:
    axes = op.int64s([0], "axes")
    x = op.new("Unsqueeze", [op.real_input(0), axes])
    _store(op, op.new("Squeeze", [_simple(op, x, 1, 0, "forward"), axes]))


@handles("UNIDIRECTIONAL_SEQUENCE_RNN")
def sequence_rnn(op: Operator) -> None:
    _store(op, _simple(op, op.real_input(0), 1, _layout(op), "forward"))


@handles("BIDIRECTIONAL_SEQUENCE_RNN")
def bidirectional_rnn(op: Operator) -> None:
    if any(op.present(position) for position in range(9, 12)):
        raise op.unsupported("an auxiliary input is not supported")
    x, layout = op.real_input(0), _layout(op)
    _both(op, [_simple(op, x, 1, layout, "forward"), _simple(op, x, 5, layout, "reverse")])


@handles("SVDF")
def svdf(op: Operator) -> None:
    """A filter over the features of each step, and one over the results of the steps before (Nakkiran et al.,
    Compressing Deep Neural Networks using a Rank-Constrained Topology, 2015). Inputs: data, weights (filters,
    features), weights (filters, time), bias, state (batch, filters x time)."""
    rank, activation = op.option("Rank"), op.activation()
    filters, time = op.shape(2)
    if filters is None or time is None or rank < 1 or filters % rank:
        raise op.error(f"weights of shape {op.shape(2)} do not fit rank {rank}")
    last, one = op.int64s([2], "last_axis"), op.int64s([1], "one")
    state = op.new("Reshape", [op.real(op.state(4)), op.int64s([-1, filters, time], "steps")])
    found = op.new("Unsqueeze", [op.new("Gemm", [op.real_input(0), numbers(op, 1)], transB=1), last])
    older = op.new("Slice", [state, one, op.int64s([time], "end"), last])
    steps = op.new("Concat", [older, found], axis=2)
    kept = op.new("Reshape", [steps, op.int64s([-1, filters * time], "state")])
    op.keep(4, kept)
    summed = op.new("ReduceSum", [op.new("Mul", [steps, numbers(op, 2)]), last], keepdims=0)
    units = op.new("Reshape", [summed, op.int64s([-1, filters // rank, rank], "units")])
    y = op.new("ReduceSum", [units, last], keepdims=0)
    if op.present(3):
        y = op.new("Add", [y, numbers(op, 3)])
    # LiteRT clamps integers by the output's range alone.
    if activation is not None and op.value(op.output()).quant is None:
        y = op.activate(activation, y)
    _store(op, y)
