"""RNN: a layer of units whose results are fed back to them (Elman, Finding Structure in Time, 1990)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .recurrence import KINDS, State, Step, clipped, cost, functions, infer, macs, run
from .registry import Op, register

KIND = KINDS["RNN"]


def rnn(
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
) -> tuple[np.ndarray, ...]:
    """x (T, B, I), w (directions, units, I), r (directions, units, units), b (directions, 2 * units): of w, then of r.
    Y (T, directions, B, units) and the last state (directions, B, units). layout 1: the batch first."""
    units, chosen = r.shape[-1], functions(KIND, direction, activations, activation_alpha, activation_beta)
    wide = np.result_type(x.dtype, np.float32)

    def step_of(number: int) -> Step:
        recurrent = r[number].T.astype(wide)

        def step(products: np.ndarray, states: State) -> State:
            return (chosen[number](clipped(products + states[0] @ recurrent, clip)),)

        return step

    bias = None if b is None else b[:, :units].astype(wide) + b[:, units:]
    steps = [step_of(number) for number in range(len(r))]
    return run(x, w, bias, sequence_lens, (initial_h,), steps, units, direction, layout)


register(Op("RNN", rnn, lambda ctx: infer(ctx, KIND), macs=macs, cost=cost))
