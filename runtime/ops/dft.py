"""DFT and STFT: discrete Fourier transforms, complex numbers as pairs of real ones in the last dimension."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, integer_scalar, normalize_axis, require_kind
from .registry import Context, Cost, Inferred, Op, register

FFT = 40
"""Cost.work of an element of a transform."""


def infer_dft(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, FLOATS)
    if len(x.shape) < 2 or x.shape[-1] not in (1, 2):
        raise ctx.error(f"the last dimension of an input of shape {x.shape} must be 1 (real) or 2 (complex)")
    axis = normalize_axis(ctx, integer_scalar(ctx, 2) if ctx.optional(2) else -2, len(x.shape))
    if axis == len(x.shape) - 1:
        raise ctx.error("the last axis holds real and imaginary parts and cannot be transformed")
    inverse, onesided = ctx.attrs["inverse"], ctx.attrs["onesided"]
    length = integer_scalar(ctx, 1) if ctx.optional(1) else x.shape[axis]
    if ctx.optional(1) is None and inverse and onesided:
        length = 2 * (x.shape[axis] - 1)
    if length < 1:
        raise ctx.error(f"a transform of length {length} is not possible")
    if onesided and not inverse and x.shape[-1] == 2:
        raise ctx.error("only real inputs have a one-sided transform")
    shape = list(x.shape)
    shape[axis] = length // 2 + 1 if onesided and not inverse else length
    shape[-1] = 1 if onesided and inverse else 2
    return [(tuple(shape), x.dtype)]


def dft(
    x: np.ndarray,
    dft_length: np.ndarray | None = None,
    axis: np.ndarray | None = None,
    *,
    inverse: int = 0,
    onesided: int = 0,
) -> np.ndarray:
    """Along axis (-2 without one), cut or padded with zeros to dft_length. onesided: of real numbers, the frequencies
    that the others follow from; with inverse, back from those."""
    along = (-2 if axis is None else int(axis.item())) % x.ndim
    values = x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]
    count = None if dft_length is None else int(dft_length.item())
    if onesided and inverse:
        return np.fft.irfft(values, count, along)[..., None].astype(x.dtype)
    if onesided:
        return pairs(np.fft.rfft(values, count, along), x.dtype)
    return pairs((np.fft.ifft if inverse else np.fft.fft)(values, count, along), x.dtype)


def pairs(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Real and imaginary parts in a new last dimension."""
    return np.stack((values.real, values.imag), -1).astype(dtype)


def infer_stft(ctx: Context) -> list[Inferred]:
    x, window = ctx.input(0), ctx.optional(2)
    require_kind(ctx, x, FLOATS)
    if len(x.shape) not in (2, 3) or (len(x.shape) == 3 and x.shape[-1] not in (1, 2)):
        raise ctx.error(f"signals of shape {x.shape} must be (batch, length), with 1 or 2 (complex) behind")
    step = integer_scalar(ctx, 1)
    length = integer_scalar(ctx, 3) if ctx.optional(3) else window.shape[0] if window is not None else x.shape[1]
    if window is not None and window.shape != (length,):
        raise ctx.error(f"a window of shape {window.shape} does not fit frames of {length}")
    if step < 1 or not 1 <= length <= x.shape[1]:
        raise ctx.error(f"frames of {length} every {step} do not fit a signal of {x.shape[1]}")
    if ctx.attrs["onesided"] and x.shape[-1] == 2 and len(x.shape) == 3:
        raise ctx.error("only real signals have a one-sided transform")
    count = 1 + (x.shape[1] - length) // step
    return [((x.shape[0], count, length // 2 + 1 if ctx.attrs["onesided"] else length, 2), x.dtype)]


def stft(
    signal: np.ndarray,
    frame_step: np.ndarray,
    window: np.ndarray | None = None,
    frame_length: np.ndarray | None = None,
    *,
    onesided: int = 1,
) -> np.ndarray:
    """(batch, frames, frequencies, 2): the transform of every frame, multiplied by the window."""
    length = signal.shape[1]
    if frame_length is not None:
        length = int(frame_length.item())
    elif window is not None:
        length = len(window)
    values = signal[..., 0] + 1j * signal[..., 1] if signal.ndim == 3 and signal.shape[-1] == 2 else signal
    values = values.reshape(signal.shape[:2])
    frames = np.lib.stride_tricks.sliding_window_view(values, length, 1)[:, :: int(frame_step.item())]
    if window is not None:
        frames = frames * window
    return pairs(np.fft.rfft(frames) if onesided else np.fft.fft(frames), signal.dtype)


def cost(ctx: Context) -> Cost:
    size = ctx.input(0).size + ctx.outputs[0].size
    return Cost(FFT * size, 16 * size)


register(Op("DFT", dft, infer_dft, cost=cost))
register(Op("STFT", stft, infer_stft, cost=cost))
