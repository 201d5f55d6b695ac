"""LSTM: Hochreiter and Schmidhuber, Long Short-Term Memory (1997), with forget gates and peepholes as ONNX has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .recurrence import KINDS, State, Step, clipped, cost, functions, infer, macs, run
from .registry import Op, register

KIND = KINDS["LSTM"]


def in_eight_bits(data: np.ndarray) -> np.ndarray:
    """What DynamicQuantizeLinear and DequantizeLinear leave of an array: 256 steps over its range with 0 in it."""
    low, high = min(float(data.min(initial=0)), 0.0), max(float(data.max(initial=0)), 0.0)
    scale = np.float32(high - low) / np.float32(255)
    if not scale:
        return data
    zero_point = np.clip(np.rint(np.float32(-low) / scale), 0, 255)
    places = np.clip(np.rint(data / scale) + zero_point, 0, 255)
    return ((places - zero_point) * scale).astype(data.dtype)


def lstm(
    x: np.ndarray,
    w: np.ndarray,
    r: np.ndarray,
    b: np.ndarray | None = None,
    sequence_lens: np.ndarray | None = None,
    initial_h: np.ndarray | None = None,
    initial_c: np.ndarray | None = None,
    p: np.ndarray | None = None,
    *,
    activations: Sequence[str] = (),
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    cell_clip: float | None = None,
    rounded: int = 0,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int = 0,
    input_forget: int = 0,
    layout: int = 0,
) -> tuple[np.ndarray, ...]:
    """x (T, B, I), w (directions, 4 * units, I), r (directions, 4 * units, units), b (directions, 8 * units): of w, of
    r; rows in the order input, output, forget and cell gate. p (directions, 3 * units): input, output, forget.
    Y (T, directions, B, units), the last hidden and the last cell state (directions, B, units). layout 1: the batch
    first. input_forget: the forget gate is one less the input gate. cell_clip: the largest magnitude of the cell's
    state, as TFLite has it. rounded: x, and the hidden state at each step, are rounded to 8 bits before they meet the
    weights, as onnxruntime's DynamicQuantizeLSTM does."""
    units, chosen = r.shape[-1], functions(KIND, direction, activations, activation_alpha, activation_beta)
    wide = np.result_type(x.dtype, np.float32)
    peepholes = np.zeros((len(r), 3 * units), wide) if p is None else p.astype(wide)

    def step_of(number: int) -> Step:
        f, g, h = chosen[3 * number : 3 * number + 3]
        recurrent = r[number].T.astype(wide)
        peep_i, peep_o, peep_f = np.split(peepholes[number], 3)

        def step(products: np.ndarray, states: State) -> State:
            hidden, cell = states
            held = in_eight_bits(hidden) if rounded else hidden
            i, o, forget, c = np.split(products + held @ recurrent, 4, -1)
            i = f(clipped(i + peep_i * cell, clip))
            forget = 1 - i if input_forget else f(clipped(forget + peep_f * cell, clip))
            cell = clipped(forget * cell + i * g(clipped(c, clip)), cell_clip)
            return f(clipped(o + peep_o * cell, clip)) * h(cell), cell

        return step

    bias = None if b is None else b[:, : 4 * units].astype(wide) + b[:, 4 * units :]
    steps = [step_of(number) for number in range(len(r))]
    x = in_eight_bits(x) if rounded else x
    return run(x, w, bias, sequence_lens, (initial_h, initial_c), steps, units, direction, layout)


register(Op("LSTM", lstm, lambda ctx: infer(ctx, KIND), macs=macs, cost=cost))
