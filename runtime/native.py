"""Calling machine code from Python: the step loop's own kernels as functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .compiler.abi import Address, encode

if TYPE_CHECKING:
    from .compiler.loader import Code

_KEEPING_THE_GIL = ctypes.PYFUNCTYPE(None)
_RELEASING_THE_GIL = ctypes.CFUNCTYPE(None)


def function(
    code: Code,
    kernel: str,
    bases: np.ndarray,
    arguments: dict[str, Address | int],
    start: int = 0,
    stop: int = 0,
    *,
    brief: bool = False,
    alive: object = None,
) -> Callable[[], None]:
    """A kernel as a function that does its chunks start to stop, with all arguments converted once. It keeps the code
    mapped.

    bases: uint64 base registers, which must stay where they are. brief: shorter than it takes to hand over the GIL.
    alive: what else must live as long as the function.
    """
    prototype = _KEEPING_THE_GIL if brief else _RELEASING_THE_GIL
    params = np.array(encode(code.kernels[kernel].signature, arguments), np.int32)
    call = np.array([code.address(kernel), bases.ctypes.data, params.ctypes.data, start, stop], np.uint64)
    # Without argument types, which ctypes would look at in every call.
    run = partial(prototype(code.address("execute.enter()")), ctypes.c_void_p(call.ctypes.data))
    run.alive = code, bases, params, call, alive  # type: ignore[attr-defined]
    return run
