"""Softmax of NumPy arrays, by the two-pass algorithm of Dukhan & Ablavatski (2020) or by three passes."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy import empty, ndarray

from ..arguments import flag, one_of, whole
from ..errors import InputError
from .choice import ALGORITHMS
from .runner import local, run
from .steps import Key

Algorithm = Literal["auto", "two-pass", "two-pass-reload", "three-pass-reload", "three-pass-recompute"]
FLOAT = np.dtype(np.float32)
CONTIGUOUS, WRITEABLE = 0x1, 0x400
"""Bits of flags.num (numpy/ndarraytypes.h), which is quicker than asking for flags by name."""
MOST = 2**31 - 64
"""Elements of a row."""


def softmax(
    x: np.ndarray,
    axis: int = -1,
    algorithm: Algorithm = "auto",
    out: np.ndarray | None = None,
    threads: int = 1,
    *,
    log: bool = False,
    streaming: bool | None = None,
) -> np.ndarray:
    """e^x over the sum of e^x along an axis, or with log=True its logarithm. x: float32 of any shape.

    algorithm: "two-pass" reads x twice and writes once; "two-pass-reload" reads x once, keeps the exponentials in the
    output and scales them; "three-pass-recompute" and "three-pass-reload" look for the maximum first, and compute
    e^(x - maximum) twice, or once and keep it in the output; "auto" takes what is fastest for so many bytes on this
    machine. All give the same but for rounding, also for infinities and NaN: a row with a NaN, a +infinity or nothing
    but -infinity becomes NaN. out: a float32 array of x's shape to write to, x itself allowed; by default a new one.
    threads: how many share the work. streaming: whether results are written past the caches; None: where they would
    not stay there.

    Results below 2^-126 are 0. Raises InputError where x or out is of another dtype or shape, axis is not one of x's,
    or algorithm is none of these.
    """
    if type(x) is ndarray and x.dtype is FLOAT:
        # What was prepared for arrays of this shape needs no more checks of its arguments.
        shape = x.shape
        try:
            ready = local.known.get((shape, axis, algorithm, threads, log, streaming))
        except TypeError:  # of what cannot be a key, and is refused below
            ready = None
        if ready is not None and x.flags.num & CONTIGUOUS and (out is None or _is_plain(out, shape)):
            y = empty(shape, FLOAT) if out is None else out
            call, words, _ = ready
            words[5], words[6] = id(x), id(y)
            call()
            if not words[9]:
                return y
    _check(x, axis, algorithm, out, threads)
    log = flag("log", log)
    streaming = None if streaming is None else flag("streaming", streaming)
    y = np.empty(x.shape, FLOAT) if out is None else out
    if x.size == 0:
        return y
    last = axis in (-1, x.ndim - 1)
    rows, results = (x, y) if last else (np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1))
    overlapping = out is not None and out is not x and np.may_share_memory(x, out)
    if overlapping or not rows.flags.c_contiguous:
        rows = np.array(rows, order="C")
    n = rows.shape[-1]
    key = Key(rows.size // n, n, algorithm, log, streaming, threads)
    direct = results.flags.c_contiguous
    found = results if direct else np.empty(rows.shape, FLOAT)
    ready = run(rows, found, key)
    if not direct:
        results[...] = found
    if last and ready is not None and ready.alone:
        local.known[x.shape, axis, algorithm, threads, log, streaming] = ready
    return y


def _is_plain(out: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a contiguous input of this shape can be written to it, as long as they do not overlap."""
    if type(out) is not ndarray or out.dtype is not FLOAT or out.shape != shape:
        return False
    flags = out.flags.num
    return bool(flags & CONTIGUOUS and flags & WRITEABLE)


def _check(x: np.ndarray, axis: int, algorithm: str, out: np.ndarray | None, threads: int) -> None:
    if not isinstance(x, np.ndarray) or x.dtype != np.float32:
        raise InputError(f"softmax takes a float32 array, not {getattr(x, 'dtype', type(x).__name__)}")
    if not -x.ndim <= whole("axis", axis) < x.ndim:
        raise InputError(f"softmax: axis {axis} is not one of an array of shape {x.shape}")
    one_of("algorithm", algorithm, ("auto", *ALGORITHMS))
    plain = isinstance(out, ndarray) and out.shape == x.shape and out.dtype == np.float32 and out.flags.writeable
    if out is not None and not plain:
        raise InputError(f"softmax: out must be a writable float32 array of shape {x.shape}")
    whole("threads", threads, 1)
    if x.shape[axis] > MOST or (axis not in (-1, x.ndim - 1) and x.size > MOST):
        raise InputError(f"softmax: rows of more than {MOST} elements are not supported")
