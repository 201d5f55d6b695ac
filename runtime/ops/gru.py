"""GRU: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (2014), as ONNX has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .recurrence import KINDS, State, Step, clipped, cost, functions, infer, macs, run
from .registry import Op, register

KIND = KINDS["GRU"]


def gru(
    x: np.ndarray,
    w: np.ndarray,
    r: np.ndarray,
    b: np.ndarray | None = None,
    sequence_lens: np.ndarray | None = None,
    initial_h: np.ndarray | None = None,
    *,
    activations: Sequence[str] = (),
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int = 0,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> tuple[np.ndarray, ...]:
    """x (T, B, I), w (directions, 3 * units, I), r (directions, 3 * units, units), b (directions, 6 * units): of w, of
    r; rows in the order update, reset, hidden gate. Y (T, directions, B, units) and the last state (directions, B,
    units). layout 1: the batch first. linear_before_reset: the reset gate multiplies the product of the hidden gate's
    weights instead of the state."""
    units, chosen = r.shape[-1], functions(KIND, direction, activations, activation_alpha, activation_beta)
    wide = np.result_type(x.dtype, np.float32)
    given = np.zeros((len(r), 6 * units), wide) if b is None else b.astype(wide)
    of_state = given[:, 5 * units :]

    def step_of(number: int) -> Step:
        f, g = chosen[2 * number : 2 * number + 2]
        gates, hidden_gate = np.split(r[number].T.astype(wide), [2 * units], -1)

        def step(products: np.ndarray, states: State) -> State:
            (hidden,) = states
            update, reset = np.split(f(clipped(products[:, : 2 * units] + hidden @ gates, clip)), 2, -1)
            if linear_before_reset:
                inner = reset * (hidden @ hidden_gate + of_state[number])
            else:
                inner = (reset * hidden) @ hidden_gate + of_state[number]
            new = g(clipped(products[:, 2 * units :] + inner, clip))
            return ((1 - update) * new + update * hidden,)

        return step

    bias = given[:, : 3 * units].copy()
    bias[:, : 2 * units] += given[:, 3 * units : 5 * units]
    steps = [step_of(number) for number in range(len(r))]
    return run(x, w, bias, sequence_lens, (initial_h,), steps, units, direction, layout)


register(Op("GRU", gru, lambda ctx: infer(ctx, KIND), macs=macs, cost=cost))
