"""What RNN, GRU and LSTM share: directions, sequence lengths, layouts and activations around a step of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError
from .checks import FLOATS, INTEGERS, require_kind, same_dtype
from .registry import Context, Cost, Inferred

Function = Callable[[np.ndarray], np.ndarray]
State = tuple[np.ndarray, ...]
Step = Callable[[np.ndarray, State], State]
"""The products of one time step's inputs with the weights, their bias added, and the states before it -> after it."""

ATTRIBUTES = ("activations", "activation_alpha", "activation_beta")
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}

ACTIVATIONS: dict[str, tuple[Callable[[np.ndarray, float, float], np.ndarray], float | None, float | None]] = {
    "Relu": (lambda x, a, b: np.maximum(x, 0), None, None),
    "Tanh": (lambda x, a, b: np.tanh(x), None, None),
    "Sigmoid": (lambda x, a, b: 1 / (1 + np.exp(-x)), None, None),
    "Affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "LeakyRelu": (lambda x, a, b: np.where(x >= 0, x, a * x), 0.01, None),
    "ThresholdedRelu": (lambda x, a, b: np.where(x > a, x, 0), 1.0, None),
    "ScaledTanh": (lambda x, a, b: a * np.tanh(b * x), 1.0, 1.0),
    "HardSigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5),
    "Elu": (lambda x, a, b: np.where(x >= 0, x, a * np.expm1(x)), 1.0, None),
    "Softsign": (lambda x, a, b: x / (1 + np.abs(x)), None, None),
    "Softplus": (lambda x, a, b: np.logaddexp(x, 0), None, None),
}
"""Name -> function of x, alpha and beta, and the defaults of these; None where the function has none."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """gates: rows of the weights for each hidden unit. functions: activations of one direction. states: how many."""

    gates: int
    defaults: tuple[str, ...]
    states: int = 1


KINDS = {
    "LSTM": Recurrence(gates=4, defaults=("Sigmoid", "Tanh", "Tanh"), states=2),
    "GRU": Recurrence(gates=3, defaults=("Sigmoid", "Tanh")),
    "RNN": Recurrence(gates=1, defaults=("Tanh",)),
}


def infer(ctx: Context, kind: Recurrence) -> list[Inferred]:
    """Y, and each state after the last step."""
    x, w, r = (ctx.input(index) for index in range(3))
    require_kind(ctx, x, FLOATS)
    direction, layout = ctx.attrs["direction"], ctx.attrs["layout"]
    if direction not in DIRECTIONS or layout not in (0, 1):
        raise ctx.error(f"direction '{direction}' is none of {', '.join(DIRECTIONS)}, or layout {layout} not 0 or 1")
    directions = DIRECTIONS[direction]
    if len(x.shape) != 3 or len(w.shape) != 3 or len(r.shape) != 3:
        raise ctx.error(f"input {x.shape}, weights {w.shape} and {r.shape} must be of rank 3")
    steps, batch = x.shape[:2] if layout == 0 else x.shape[1::-1]
    units = r.shape[-1]
    wanted = {
        1: (directions, kind.gates * units, x.shape[-1]),
        2: (directions, kind.gates * units, units),
        3: (directions, 2 * kind.gates * units),
        4: (batch,),
        5: (directions, batch, units) if layout == 0 else (batch, directions, units),
    }
    wanted |= {6: wanted[5], 7: (directions, 3 * units)} if kind.states > 1 else {}
    for index, shape in wanted.items():
        tensor = ctx.optional(index)
        if tensor is not None and tensor.shape != shape:
            raise ctx.error(f"'{tensor.name}' has shape {tensor.shape}, but must have {shape}")
    if ctx.attrs["hidden_size"] not in (0, units):
        raise ctx.error(f"hidden_size is {ctx.attrs['hidden_size']}, but the weights have {units} units")
    lengths = ctx.optional(4)
    if lengths is not None:
        require_kind(ctx, lengths, INTEGERS)
    same_dtype(ctx, [tensor for index, tensor in enumerate(ctx.inputs) if tensor is not None and index != 4])
    try:
        functions(kind, direction, *(ctx.attrs[name] for name in ATTRIBUTES))
    except ValueError as problem:
        raise ctx.error(str(problem)) from None
    y = (steps, directions, batch, units) if layout == 0 else (batch, steps, directions, units)
    return [(y, x.dtype), *[(wanted[5], x.dtype)] * kind.states]


def functions(
    kind: Recurrence, direction: str, activations: Sequence[str], alphas: Sequence[float], betas: Sequence[float]
) -> list[Function]:
    """The activations of all directions, one after another. ValueError on names or counts that do not fit.

    Those that take alpha or beta take the next of the numbers given, as long as there are any.
    """
    directions = DIRECTIONS[direction]
    names = list(activations) or list(kind.defaults) * directions
    if len(names) != len(kind.defaults) * directions:
        raise ValueError(f"{len(names)} activations, but {len(kind.defaults) * directions} are needed")
    next_alpha, next_beta = iter(alphas), iter(betas)
    known = {name.lower(): found for name, found in ACTIVATIONS.items()}
    found = []
    for name in names:
        if name.lower() not in known:
            raise ValueError(f"activation '{name}' is none of {', '.join(ACTIVATIONS)}")
        function, alpha, beta = known[name.lower()]
        found.append(_bound(function, _next(next_alpha, alpha), _next(next_beta, beta)))
    return found


def _next(numbers: Iterator[float], default: float | None) -> float:
    return 0.0 if default is None else next(numbers, default)


def _bound(function: Callable[[np.ndarray, float, float], np.ndarray], alpha: float, beta: float) -> Function:
    return lambda x: function(x, alpha, beta)


def run(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    lengths: np.ndarray | None,
    initial: Sequence[np.ndarray | None],
    steps: Sequence[Step],
    units: int,
    direction: str,
    layout: int,
) -> tuple[np.ndarray, ...]:
    """Y and the last states, all in x's dtype; computed in float32 at least.

    x (T, B, I), or (B, T, I) with layout 1; w (directions, rows, I); bias (directions, rows): added to the products of
    x and w. initial: each state (directions, B, units), zeros where None. steps: one for each direction. Where a
    sequence is shorter than T, Y is 0 behind it and its states are those of its own last step; it is reversed within
    its own length.
    """
    wide = np.result_type(x.dtype, np.float32)
    if layout:
        x, initial = x.swapaxes(0, 1), [None if state is None else state.swapaxes(0, 1) for state in initial]
    length, batch = x.shape[:2]
    check_lengths(lengths, length)
    time = np.arange(length)[:, None]
    valid = np.full(batch, length) if lengths is None else lengths.astype(np.int64)
    alive = time < valid
    backwards = np.where(alive, valid - 1 - time, time)
    y, last = np.zeros((length, len(steps), batch, units), wide), []
    for number, step in enumerate(steps):
        turned = direction == "reverse" or number == 1
        products = x.astype(wide) @ w[number].T.astype(wide)
        if bias is not None:
            products = products + bias[number].astype(wide)
        if turned:
            products = np.take_along_axis(products, backwards[..., None], 0)
        zeros = np.zeros((batch, units), wide)
        states: State = tuple(zeros if state is None else state[number].astype(wide) for state in initial)
        for at in range(length):
            after, living = step(products[at], states), alive[at][:, None]
            states = tuple(np.where(living, new, old) for new, old in zip(after, states, strict=True))
            y[at, number] = np.where(living, states[0], 0)
        if turned:
            y[:, number] = np.take_along_axis(y[:, number], backwards[..., None], 0)
        last.append(states)
    ends = [np.stack([states[index] for states in last]) for index in range(len(initial))]
    if layout:
        y, ends = y.transpose(2, 0, 1, 3), [state.swapaxes(0, 1) for state in ends]
    return tuple(array.astype(x.dtype, copy=False) for array in (y, *ends))


def check_lengths(lengths: np.ndarray | None, steps: int) -> None:
    """ModelError where a sequence would be longer than the steps there are, or shorter than none."""
    if lengths is not None and lengths.size and not 0 <= lengths.min() <= lengths.max() <= steps:
        raise ModelError(f"sequence_lens must lie between 0 and {steps}")


def clipped(x: np.ndarray, clip: float | None) -> np.ndarray:
    """What an activation is given: within -clip..clip, where there is a clip above 0."""
    return np.clip(x, -clip, clip) if clip else x


def macs(ctx: Context) -> int:
    """Of each step's inputs and states with the weights."""
    x = ctx.input(0)
    return x.shape[0] * x.shape[1] * (ctx.input(1).size + ctx.input(2).size)


def cost(ctx: Context) -> Cost:
    x, rows = ctx.input(0), ctx.input(1).shape[1]
    steps = x.shape[1] if ctx.attrs["layout"] else x.shape[0]
    work = macs(ctx) // 4 + 40 * x.shape[0] * x.shape[1] * rows
    return Cost(work + 60_000 * steps, 16 * x.shape[0] * x.shape[1] * rows)
